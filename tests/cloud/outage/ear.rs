//! What the caller's earpiece played, frame by frame, and the silences in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vaani::base::Moment;
use vaani::base::audio::rms;
use vaani::telephony::far::{FarCall, Heard};

/// Louder than this is sound; rehearsals use the same bound.
const AUDIBLE: f32 = 150.0;

/// When each 20 ms were played, and whether anything could be heard in them.
#[derive(Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Vec<(Moment, bool)>>>);

/// The silences of one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// From the caller's last sound to the agent's first.
    pub(super) before: Duration,
    /// The longest one between the agent's first sound and its last.
    pub(super) inside: Duration,
}

impl Silence {
    pub(super) fn longest(self) -> Duration {
        self.before.max(self.inside)
    }
}

impl Ear {
    fn frames(&self) -> MutexGuard<'_, Vec<(Moment, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens until the call is over.
    pub(super) async fn listen(self, mut call: FarCall) {
        while let Some(heard) = call.hear().await {
            if let Heard::Frame(played) = heard {
                self.frames().push((played.at, rms(&played.pcm) > AUDIBLE));
            }
        }
    }

    /// The end of what was played.
    pub(super) fn now(&self) -> Moment {
        self.frames().last().map_or(Moment::ZERO, |(at, _)| *at)
    }

    /// The agent's first sound after the caller's last.
    pub(super) fn first_sound(&self, after: Moment) -> Option<Moment> {
        self.frames().iter().find(|(at, loud)| *at >= after && *loud).map(|(at, _)| *at)
    }

    /// The silences since the caller fell silent; `None` if the agent said nothing.
    pub(super) fn silence(&self, since: Moment) -> Option<Silence> {
        let frames = self.frames();
        let mut loud = frames.iter().filter(|(at, loud)| *at >= since && *loud).map(|(at, _)| *at);
        let first = loud.next()?;
        let (_, inside) = loud.fold((first, Duration::ZERO), |(last, most), at| (at, most.max(at.since(last))));
        Some(Silence { before: first.since(since), inside })
    }
}
