//! Puts a browser's packets in order again, by their sequence numbers.
//! Promise: what comes out is in order and each number once, as a packet or as lost; a packet waits for
//! one that it overtook, but for no more than `WEBRTC_HELD_MAX` others and `WEBRTC_HELD_FOR`; a sender that
//! starts anew at another number is followed.
//! Absent on purpose: sound, and what to do about a loss.

use std::collections::BTreeMap;

use crate::base::{Moment, limits};

/// Numbers this far from the last one are another stream's.
const RESTART: u64 = 1_000;
/// Where the count of numbers starts, so that a late one of the first round is not below zero.
const ORIGIN: u64 = 1 << 32;

/// A packet's place and sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Ticks of the RTP clock, without the wrap at 32 bits.
    pub ticks: u64,
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Sound(Sound),
    /// So many packets before the one that follows are lost.
    Lost(u64),
    /// The stream starts anew; nothing before counts.
    Restart,
}

#[derive(Debug, Default)]
pub struct Order {
    /// The number expected next, counted on over the wrap at 16 bits.
    next: Option<u64>,
    last_ticks: u64,
    held: BTreeMap<u64, (Moment, Sound)>,
    pub late: u32,
    pub lost: u64,
}

/// The number nearest to `near` whose low bits are these.
fn unwrap(low: u64, bits: u32, near: u64) -> u64 {
    let span = 1_u64 << bits;
    let base = near & !(span - 1) | low;
    let below = base.wrapping_sub(span);
    let above = base.wrapping_add(span);
    [below, base, above].into_iter().min_by_key(|at| at.abs_diff(near)).unwrap_or(base)
}

impl Order {
    /// One packet as it came; appends what is ready.
    pub fn push(&mut self, now: Moment, sequence: u16, ticks: u32, payload: Vec<u8>, out: &mut Vec<Next>) {
        let expected = match self.next {
            Some(next) => next,
            None => {
                self.last_ticks = ORIGIN | u64::from(ticks);
                ORIGIN | u64::from(sequence)
            }
        };
        let number = unwrap(u64::from(sequence), 16, expected);
        let mut sound = Sound { ticks: unwrap(u64::from(ticks), 32, self.last_ticks), payload };
        if number.abs_diff(expected) > RESTART {
            self.held.clear();
            sound.ticks = ORIGIN | u64::from(ticks);
            self.last_ticks = sound.ticks;
            self.next = Some((ORIGIN | u64::from(sequence)) + 1);
            out.extend([Next::Restart, Next::Sound(sound)]);
            return;
        }
        if number < expected || self.held.contains_key(&number) {
            self.late += 1;
            return;
        }
        self.next = Some(expected);
        self.held.insert(number, (now, sound));
        self.settle(now, out);
    }

    /// Gives up on what has not come in time.
    pub fn tick(&mut self, now: Moment, out: &mut Vec<Next>) {
        self.settle(now, out);
    }

    /// When something held has waited for long enough.
    pub fn deadline(&self) -> Option<Moment> {
        self.held.first_key_value().map(|(_, (came, _))| *came + limits::WEBRTC_HELD_FOR)
    }

    fn settle(&mut self, now: Moment, out: &mut Vec<Next>) {
        while let (Some(next), Some(entry)) = (self.next, self.held.first_entry()) {
            let number = *entry.key();
            let overdue = now.since(entry.get().0) >= limits::WEBRTC_HELD_FOR;
            if number > next && self.held.len() <= limits::WEBRTC_HELD_MAX && !overdue {
                return;
            }
            if number > next {
                self.lost += number - next;
                out.push(Next::Lost(number - next));
            }
            if let Some((_, (_, sound))) = self.held.pop_first() {
                self.last_ticks = sound.ticks;
                out.push(Next::Sound(sound));
            }
            self.next = Some(number + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(number: u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn number(next: &Next) -> Option<u64> {
        match next {
            Next::Sound(sound) => Some(u64::from_be_bytes(sound.payload.as_slice().try_into().unwrap())),
            _ => None,
        }
    }

    /// Numbers as sent; each comes 20 ms after the one before it.
    fn play(sent: &[u64]) -> Vec<Next> {
        let (mut order, mut out) = (Order::default(), Vec::new());
        for (at, n) in sent.iter().enumerate() {
            let now = Moment::from_millis(20 * at as u64);
            order.push(now, *n as u16, (*n * 960) as u32, payload(*n), &mut out);
        }
        order.tick(Moment::from_millis(1_000_000), &mut out);
        out
    }

    #[test]
    fn scripts() {
        let sounds = |next: &[Next]| next.iter().filter_map(number).collect::<Vec<_>>();
        for (what, sent, comes, lost) in [
            ("in order", vec![7, 8, 9], vec![7, 8, 9], 0),
            ("over the wrap", vec![65_534, 65_535, 65_536, 65_537], vec![65_534, 65_535, 65_536, 65_537], 0),
            ("one overtaken", vec![7, 9, 8, 10], vec![7, 8, 9, 10], 0),
            ("twice", vec![7, 7, 8, 8], vec![7, 8], 0),
            ("lost", vec![7, 9, 10, 11, 12], vec![7, 9, 10, 11, 12], 1),
            ("too late", vec![7, 9, 10, 11, 12, 8, 13], vec![7, 9, 10, 11, 12, 13], 1),
            ("before the first", vec![65_536, 65_535, 65_537], vec![65_536, 65_537], 0),
            ("starts anew", vec![7, 8, 30_000, 30_001], vec![7, 8, 30_000, 30_001], 0),
        ] {
            let out = play(&sent);
            assert_eq!(sounds(&out), comes, "{what}");
            let gone: u64 = out.iter().map(|next| if let Next::Lost(n) = next { *n } else { 0 }).sum();
            assert_eq!(gone, lost, "{what}");
        }
        assert_eq!(play(&[7, 30_000]).iter().filter(|next| **next == Next::Restart).count(), 1);
    }

    #[test]
    fn nothing_is_held_for_ever() {
        let (mut order, mut out) = (Order::default(), Vec::new());
        order.push(Moment::ZERO, 1, 0, payload(1), &mut out);
        order.push(Moment::ZERO, 3, 1_920, payload(3), &mut out);
        assert_eq!(out.len(), 1);
        let due = order.deadline().unwrap();
        order.tick(due, &mut out);
        assert_eq!(out[1], Next::Lost(1));
        assert_eq!(number(&out[2]), Some(3));
        assert_eq!(order.deadline(), None);
    }

    proptest! {
        /// Whatever the network does to a stream, order and times hold and every number is accounted for.
        #[test]
        fn order_is_kept(
            start in 0_u64..70_000,
            fate in proptest::collection::vec((0_u8..10, 0_usize..5), 1..400),
        ) {
            // A number is lost (0), comes twice (1) or is late by some places.
            let mut sent: Vec<(usize, u64)> = Vec::new();
            for (at, (kind, late)) in fate.iter().enumerate() {
                let n = start + at as u64;
                match kind {
                    0 => {}
                    1 => sent.extend([(at, n), (at + late, n)]),
                    2 | 3 => sent.push((at + late, n)),
                    _ => sent.push((at, n)),
                }
            }
            sent.sort_by_key(|(at, _)| *at);
            let sent: Vec<u64> = sent.into_iter().map(|(_, n)| n).collect();
            let out = play(&sent);
            let mut expected = None;
            let mut ticks = 0;
            for next in &out {
                match next {
                    Next::Lost(n) => expected = expected.map(|at: u64| at + n),
                    Next::Sound(sound) => {
                        let n = number(next).unwrap();
                        if let Some(expected) = expected {
                            prop_assert_eq!(n, expected);
                            prop_assert!(sound.ticks > ticks);
                        }
                        ticks = sound.ticks;
                        expected = Some(n + 1);
                    }
                    Next::Restart => prop_assert!(false, "nothing started anew"),
                }
            }
            prop_assert!(out.iter().filter_map(number).count() <= sent.len());
        }

        #[test]
        fn any_numbers_at_all_are_bounded(packets in proptest::collection::vec((any::<u16>(), any::<u32>()), 0..500)) {
            let (mut order, mut out) = (Order::default(), Vec::new());
            for (at, (sequence, ticks)) in packets.iter().enumerate() {
                order.push(Moment::from_millis(at as u64), *sequence, *ticks, Vec::new(), &mut out);
                prop_assert!(order.held.len() <= limits::WEBRTC_HELD_MAX);
            }
            let lost: u64 = out.iter().map(|next| if let Next::Lost(n) = next { *n } else { 0 }).sum();
            prop_assert!(lost <= packets.len() as u64 * RESTART);
        }
    }
}
