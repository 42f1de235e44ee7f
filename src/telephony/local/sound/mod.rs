//! Microphones and speakers: the sound card, or none at all. Each gives a frame of 20 ms at 8 kHz when one
//! is due and takes one for it.

#[cfg(feature = "sound-card")]
mod card;
mod null;
#[cfg(feature = "sound-card")]
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::base::audio::LINE_FRAME;

#[cfg(feature = "sound-card")]
pub use card::{CardError, open as open_card};
pub use null::open as open_null;

pub type Samples = [i16; LINE_FRAME];

/// Frames between a device and the handset: what is more is late.
const QUEUE: usize = 16;

/// A microphone and a speaker that run until this is dropped.
#[derive(Debug)]
pub struct Audio {
    pub microphone: mpsc::Receiver<Samples>,
    pub speaker: mpsc::Sender<Samples>,
    pub counts: Arc<Counts>,
    /// What it is, for people.
    pub name: String,
    /// Comes when the device is done, which is after this has been dropped but for `over`.
    pub over: oneshot::Receiver<std::io::Result<()>>,
}

/// What went wrong with the sound's time. A sound card's threads write it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames of the microphone that nobody took in time.
    pub overruns: AtomicU64,
    /// Times the speaker ran dry in the middle of a call.
    pub underruns: AtomicU64,
    /// Frames for the speaker that came too early or too late for it.
    pub dropped: AtomicU64,
    /// Faults that the device itself reported.
    pub faults: AtomicU64,
}

impl Audio {
    /// What the microphone has brought so far belongs to no call.
    pub fn forget(&mut self) {
        while self.microphone.try_recv().is_ok() {}
        let Counts { overruns, underruns, dropped, faults } = self.counts.as_ref();
        for count in [overruns, underruns, dropped, faults] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [over, under, dropped, faults] =
            [&self.overruns, &self.underruns, &self.dropped, &self.faults].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{over} overruns, {under} underruns, {dropped} frames dropped, {faults} faults of the device")
    }
}
