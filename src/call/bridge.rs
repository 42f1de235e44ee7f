//! Two legs of one call that talk through the box: what one says, the other hears. Pure, like
//! [`super::machine`].
//!
//! Promise: frames of 20 ms leave at each leg's pace, mended; a side that fell behind once does not stay
//! behind. Absent on purpose: keys. Tones in the sound pass with it; keys that a carrier tells apart from
//! the sound cannot be sent on any leg and are counted.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::audio::{LINE_FRAME, LINE_RATE};
use crate::base::{Moment, limits};
use crate::media::jitter::Sequencer;
use crate::media::pace::Pacer;

/// Whose leg it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Person,
}

/// Sound on its way to one side.
#[derive(Debug)]
struct Lane {
    sequencer: Sequencer,
    waiting: VecDeque<i16>,
    pacer: Pacer,
    /// Samples given up because the other side could not be served in time.
    dropped: u64,
}

impl Lane {
    fn new(lead: Duration) -> Self {
        Self { sequencer: Sequencer::new(LINE_RATE), waiting: VecDeque::new(), pacer: Pacer::new(lead), dropped: 0 }
    }

    fn push(&mut self, at_ms: u64, pcm: &[i16]) {
        let mut mended = Vec::new();
        self.sequencer.push(at_ms, pcm, &mut mended);
        self.waiting.extend(mended);
        let surplus = self.waiting.len().saturating_sub(limits::BRIDGE_WAITING_MAX);
        self.waiting.drain(..surplus);
        self.dropped += surplus as u64;
    }

    fn due(&self) -> Option<Moment> {
        (self.waiting.len() >= LINE_FRAME).then(|| self.pacer.due())
    }

    fn frame(&mut self, now: Moment) -> Option<Vec<i16>> {
        if self.due()? > now {
            return None;
        }
        self.pacer.sent(now);
        Some(self.waiting.drain(..LINE_FRAME).collect())
    }
}

/// What passed a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub dropped_ms: u64,
    pub keys_dropped: u32,
}

#[derive(Debug)]
pub struct Bridge {
    to_caller: Lane,
    to_person: Lane,
    keys_dropped: u32,
}

impl Bridge {
    /// Each side's leg wants sound so far ahead of real time.
    pub fn new(caller: Duration, person: Duration) -> Self {
        Self { to_caller: Lane::new(caller), to_person: Lane::new(person), keys_dropped: 0 }
    }

    /// Sound of one side, for the other.
    pub fn heard(&mut self, from: Side, at_ms: u64, pcm: &[i16]) {
        match from {
            Side::Caller => self.to_person.push(at_ms, pcm),
            Side::Person => self.to_caller.push(at_ms, pcm),
        }
    }

    pub const fn key(&mut self) {
        self.keys_dropped += 1;
    }

    /// When the next frame may leave.
    pub fn due(&self) -> Option<Moment> {
        [self.to_caller.due(), self.to_person.due()].into_iter().flatten().min()
    }

    /// The next frame that is due at `now`, and for whom.
    pub fn frame(&mut self, now: Moment) -> Option<(Side, Vec<i16>)> {
        if let Some(frame) = self.to_caller.frame(now) {
            return Some((Side::Caller, frame));
        }
        self.to_person.frame(now).map(|frame| (Side::Person, frame))
    }

    pub const fn passed(&self) -> Passed {
        let dropped = self.to_caller.dropped + self.to_person.dropped;
        Passed { dropped_ms: dropped * 1_000 / LINE_RATE as u64, keys_dropped: self.keys_dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(bridge: &mut Bridge, now: Moment) -> (Vec<i16>, Vec<i16>) {
        let (mut caller, mut person) = (Vec::new(), Vec::new());
        while let Some((side, frame)) = bridge.frame(now) {
            assert_eq!(frame.len(), LINE_FRAME);
            match side {
                Side::Caller => caller.extend(frame),
                Side::Person => person.extend(frame),
            }
        }
        (caller, person)
    }

    #[test]
    fn each_hears_the_other_and_nobody_themselves() {
        let mut bridge = Bridge::new(limits::PLAYOUT_LEAD, limits::PLAYOUT_LEAD);
        let (mut caller, mut person) = (Vec::new(), Vec::new());
        for n in 0..200_u64 {
            // The caller's carrier sends 20 ms at a time, the person's 30 ms, both late by up to 14 ms.
            let now = Moment::from_millis(1_000 + n * 20 + n * 7 % 15);
            bridge.heard(Side::Caller, n * 20, &[1_000; 160]);
            if n % 3 != 2 {
                let at = (n / 3 * 2 + n % 3) * 30;
                bridge.heard(Side::Person, at, &[-2_000; 240]);
            }
            let (to_caller, to_person) = drain(&mut bridge, now);
            caller.extend(to_caller);
            person.extend(to_person);
        }
        assert!(caller.iter().all(|s| *s == -2_000) && person.iter().all(|s| *s == 1_000));
        assert!(caller.len() >= 195 * 160 && person.len() == 200 * 160, "{} {}", caller.len(), person.len());
        assert_eq!(bridge.passed(), Passed::default());
    }

    #[test]
    fn what_comes_twice_or_out_of_order_is_mended() {
        let mut bridge = Bridge::new(limits::PLAYOUT_LEAD, limits::PLAYOUT_LEAD);
        let mut person = Vec::new();
        for (n, at) in [0_u64, 20, 20, 60, 40, 80, 80, 100].into_iter().enumerate() {
            bridge.heard(Side::Caller, at, &vec![at as i16 + 1; 160]);
            person.extend(drain(&mut bridge, Moment::from_millis(1_000 + n as u64 * 20)).1);
        }
        let mut marks: Vec<i16> = person.chunks(160).map(|frame| frame[80]).collect();
        marks.dedup();
        assert_eq!(marks, [1, 21, 41, 61, 81, 101]);
    }

    #[test]
    fn a_stall_costs_old_sound_and_no_memory() {
        let mut bridge = Bridge::new(limits::PLAYOUT_LEAD, limits::PLAYOUT_LEAD);
        for n in 0..10_000_u64 {
            bridge.heard(Side::Caller, n * 20, &[5; 160]);
        }
        assert_eq!(bridge.to_person.waiting.len(), limits::BRIDGE_WAITING_MAX);
        assert!(bridge.passed().dropped_ms > 190_000);
        let (_, person) = drain(&mut bridge, Moment::from_millis(1_000));
        assert!((160..=5 * 160).contains(&person.len()), "the lead at once, not all of it: {}", person.len());
        bridge.key();
        assert_eq!(bridge.passed().keys_dropped, 1);
    }
}
