//! The recording of one call, at the driver: what comes from the line and what goes to it, on its way to
//! whoever writes it.
//!
//! Promise: a call never waits for its recording, and nothing that befalls the recording ends the call.
//! Nothing is passed on before the machine has said [`Order::Start`]. A tape that is dropped ends its
//! recording there, so what was taken is kept. A second leg is fed in beside the first by whoever drives it:
//! [`Tape::heard`] and [`Tape::sent`] are all there is.
//! Absent on purpose: whether a call may be recorded (`consent.rs`), files and keys ([`Reels`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::consent::Order;
use crate::base::event::{DeclinedBy, Event, RecordingMode, StoppedBy};
use crate::base::{CallId, Lang, Moment, TenantId};
use crate::media::record::{Cut, Piece, Recorder, millis};
use crate::telephony::leg::{LegCommand, LegEvent};

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub call: CallId,
    pub tenant: TenantId,
    /// When the call began; its day is part of the object's name.
    pub call_started_ms: u64,
    /// The recording's first sample, milliseconds since 1970 UTC.
    pub began_ms: u64,
    pub mode: RecordingMode,
    pub language: Lang,
}

/// What is known at a recording's end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    pub cuts: Vec<Cut>,
    /// Sound for which the writer was too slow; silence stands in its place.
    pub lost_ms: u64,
    pub why: Option<StoppedBy>,
}

/// Why a recording cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be written.
    Stopped(StoppedBy),
    /// The person has said at another time that they do not want to be recorded.
    Refused,
}

/// Who keeps recordings.
pub trait Reels: Send + Sync {
    /// Why not: the disk is full, or the tenant is gone.
    fn open(&self, head: Head) -> Result<Box<dyn Reel>, StoppedBy>;
}

/// One recording being written. Nothing here waits.
pub trait Reel: Send {
    /// False: too much is waiting; the piece is lost.
    fn put(&mut self, piece: Piece) -> bool;
    /// The caller has gone on after the notice.
    fn confirm(&mut self);
    /// Why nothing more can be written, once that is so.
    fn fault(&self) -> Option<Fault>;
    /// It is complete and is kept.
    fn close(self: Box<Self>, tail: Tail);
    /// Nothing of it is kept.
    fn discard(self: Box<Self>);
}

/// A recording that runs.
struct Running {
    recorder: Recorder,
    began: Moment,
    lost: u64,
    pieces: Vec<Piece>,
}

/// One call's recording, whether there is one or not.
pub struct Tape {
    reels: Option<Arc<dyn Reels>>,
    of: Of,
    reel: Option<Box<dyn Reel>>,
    running: Option<Running>,
    tail: Tail,
}

/// What the tape of a call knows of it.
#[derive(Clone, Debug)]
pub struct Of {
    pub call: CallId,
    pub tenant: TenantId,
    pub call_started_ms: u64,
    pub mute_keys: bool,
}

impl Tape {
    /// `None`: nobody keeps recordings.
    pub fn new(reels: Option<Arc<dyn Reels>>, of: Of) -> Self {
        Self { reels, of, reel: None, running: None, tail: Tail::default() }
    }

    /// Does it run now? Then the sound must stay with the box.
    pub const fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// Something came from the line.
    pub fn heard(&mut self, now: Moment, event: &LegEvent) {
        let Some(running) = &mut self.running else { return };
        match event {
            LegEvent::Audio { pcm, at_ms } => running.recorder.caller(now, *at_ms, pcm),
            LegEvent::Dtmf(_) => running.recorder.key(now),
            _ => {}
        }
    }

    /// Something goes to the line.
    pub fn sent(&mut self, now: Moment, command: &LegCommand) {
        let Some(running) = &mut self.running else { return };
        match command {
            LegCommand::Audio(frame) => running.recorder.agent(now, frame),
            LegCommand::Clear => running.recorder.cleared(now),
            _ => {}
        }
    }

    /// What the machine wants; gives what came of it.
    pub fn order(&mut self, now: Moment, now_ms: u64, order: Order) -> Option<Event> {
        match order {
            Order::Start { mode, language } => self.start(now, now_ms, mode, language),
            Order::Confirm => {
                if let Some(reel) = &mut self.reel {
                    reel.confirm();
                }
                None
            }
            Order::Discard => {
                self.discard();
                None
            }
        }
    }

    fn discard(&mut self) {
        self.running = None;
        if let Some(reel) = self.reel.take() {
            reel.discard();
        }
    }

    fn start(&mut self, now: Moment, now_ms: u64, mode: RecordingMode, language: Lang) -> Option<Event> {
        let reels = self.reels.as_ref()?;
        let Of { call, tenant, call_started_ms, mute_keys } = self.of.clone();
        match reels.open(Head { call, tenant, call_started_ms, began_ms: now_ms, mode, language }) {
            Ok(reel) => {
                self.reel = Some(reel);
                self.tail = Tail::default();
                let recorder = Recorder::new(now, mute_keys);
                self.running = Some(Running { recorder, began: now, lost: 0, pieces: Vec::new() });
                Some(Event::RecordingStarted { mode, language })
            }
            Err(why) => Some(Event::RecordingStopped { why, duration_ms: 0 }),
        }
    }

    /// Passes on what is ready; gives the end of the recording if it had to end.
    pub fn turn(&mut self, now: Moment) -> Option<Event> {
        let running = self.running.as_mut()?;
        running.recorder.take(now, &mut running.pieces);
        self.pass_on();
        match self.reel.as_ref()?.fault()? {
            Fault::Stopped(why) => self.stop(now, why),
            Fault::Refused => {
                self.discard();
                Some(Event::RecordingDeclined { why: DeclinedBy::Ledger })
            }
        }
    }

    fn pass_on(&mut self) {
        let (Some(running), Some(reel)) = (&mut self.running, &mut self.reel) else { return };
        for piece in running.pieces.drain(..) {
            // Time goes on for what was lost.
            if running.lost > 0 && reel.put(Piece::Silence(running.lost)) {
                self.tail.lost_ms += millis(running.lost);
                running.lost = 0;
            }
            let samples = piece.samples();
            if running.lost > 0 || !reel.put(piece) {
                running.lost += samples;
            }
        }
    }

    /// Nothing more is recorded; what was is kept.
    pub fn stop(&mut self, now: Moment, why: StoppedBy) -> Option<Event> {
        let mut running = self.running.take()?;
        running.recorder.finish(now, &mut running.pieces);
        self.tail.cuts = running.recorder.cuts().to_vec();
        self.tail.why = Some(why);
        let duration_ms = u64::try_from(now.since(running.began).as_millis()).unwrap_or(u64::MAX);
        self.running = Some(running);
        self.pass_on();
        if let Some(running) = self.running.take() {
            self.tail.lost_ms += millis(running.lost);
        }
        Some(Event::RecordingStopped { why, duration_ms })
    }

    /// The call ends. A recording that somebody stopped before could still have been taken back by the
    /// caller; now it is kept.
    pub fn end(&mut self, now: Moment) -> Option<Event> {
        let stopped = self.stop(now, StoppedBy::CallEnded);
        if let Some(reel) = self.reel.take() {
            reel.close(std::mem::take(&mut self.tail));
        }
        stopped
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if let Some(reel) = self.reel.take() {
            self.tail.why.get_or_insert(StoppedBy::Fault);
            if let Some(running) = &self.running {
                self.tail.cuts = running.recorder.cuts().to_vec();
            }
            reel.close(std::mem::take(&mut self.tail));
        }
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
