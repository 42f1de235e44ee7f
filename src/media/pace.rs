//! When the next 20 ms frame is to leave for the carrier.
//! Promise: the carrier always holds about `lead` of sound and never more than `lead` plus one
//! frame; over hours not a sample drifts; after a stall or a pause at most the lead is sent at
//! once, nothing is skipped.
//! Absent on purpose: the frames themselves (the call keeps them by clause), sleeping.

use std::time::Duration;

use crate::base::audio::FRAME;
use crate::base::clock::Moment;

/// Follows the one number that matters: when the carrier will have played all that was sent. Frames
/// add to it; while it lies in the past the line is dry, and the next frame starts from now.
#[derive(Clone, Debug)]
pub struct Pacer {
    lead: Duration,
    played_out: Moment,
}

impl Pacer {
    /// `lead` is how far ahead of real time frames leave, usually `limits::PLAYOUT_LEAD`.
    pub const fn new(lead: Duration) -> Self {
        Self { lead, played_out: Moment::ZERO }
    }

    /// From this moment on the next frame may leave. In the past: at once.
    pub fn due(&self) -> Moment {
        self.played_out - self.lead
    }

    pub fn is_due(&self, now: Moment) -> bool {
        self.due() <= now
    }

    /// One frame left at `now`.
    pub fn sent(&mut self, now: Moment) {
        self.played_out = self.played_out.max(now) + FRAME;
    }

    /// The carrier threw away what it had not played.
    pub fn cleared(&mut self, now: Moment) {
        self.played_out = self.played_out.min(now);
    }

    /// When the carrier will have played everything sent so far.
    pub const fn played_out(&self) -> Moment {
        self.played_out
    }

    /// What the carrier still has to play.
    pub const fn ahead(&self, now: Moment) -> Duration {
        self.played_out.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAD: Duration = Duration::from_millis(60);

    /// Sends whatever is due at each moment; how many frames left each time.
    fn drive(pacer: &mut Pacer, at_ms: &[u64]) -> Vec<usize> {
        at_ms
            .iter()
            .map(|ms| {
                let now = Moment::from_millis(*ms);
                let mut frames = 0;
                while pacer.is_due(now) {
                    pacer.sent(now);
                    frames += 1;
                }
                frames
            })
            .collect()
    }

    #[test]
    fn scripts() {
        for (what, at_ms, frames) in [
            ("the lead goes out at once", &[1_000][..], &[4][..]),
            ("then one frame every 20 ms", &[1_000, 1_010, 1_020, 1_039, 1_040, 1_060], &[4, 0, 1, 0, 1, 1]),
            ("a late wake-up is made good", &[1_000, 1_033, 1_040], &[4, 1, 1]),
            ("a stall within the lead is caught up in full", &[1_000, 1_060], &[4, 3]),
            ("a long stall starts anew with the lead", &[1_000, 9_000, 9_020], &[4, 4, 1]),
            ("a clock that stands still sends nothing more", &[1_000, 1_000], &[4, 0]),
            ("a clock that steps back sends nothing", &[1_000, 500, 1_020], &[4, 0, 1]),
        ] {
            assert_eq!(drive(&mut Pacer::new(LEAD), at_ms), frames, "{what}");
        }
    }

    #[test]
    fn clear_allows_the_lead_again() {
        let mut pacer = Pacer::new(LEAD);
        assert_eq!(drive(&mut pacer, &[1_000]), [4]);
        pacer.cleared(Moment::from_millis(1_010));
        assert_eq!(pacer.ahead(Moment::from_millis(1_010)), Duration::ZERO);
        assert_eq!(drive(&mut pacer, &[1_010, 1_030]), [4, 1]);
    }

    #[test]
    fn ten_hours_with_jitter_do_not_drift() {
        let mut pacer = Pacer::new(LEAD);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut now, mut frames) = (Moment::from_millis(5), 0_u64);
        let start = now;
        while now.since(start) < Duration::from_secs(36_000) {
            while pacer.is_due(now) {
                pacer.sent(now);
                frames += 1;
            }
            // Wakes up to 15 ms late, never dry.
            now = now.max(pacer.due()) + Duration::from_micros(random.u64(0..15_000));
        }
        let played = FRAME * u32::try_from(frames).unwrap();
        let ahead = played.saturating_sub(now.since(start));
        assert!(ahead > Duration::from_millis(20) && ahead <= LEAD + FRAME, "ahead by {ahead:?} after ten hours");
    }

    proptest! {
        #[test]
        fn never_more_than_lead_and_a_frame_ahead(steps in proptest::collection::vec(0_u64..200_000_000, 1..200)) {
            let mut pacer = Pacer::new(LEAD);
            let mut now = Moment::ZERO;
            for step in steps {
                now = now + Duration::from_nanos(step);
                let mut burst = 0;
                while pacer.is_due(now) {
                    pacer.sent(now);
                    burst += 1;
                }
                prop_assert!(burst <= 4);
                prop_assert!(pacer.ahead(now) <= LEAD + FRAME);
                prop_assert!(pacer.ahead(now) >= LEAD);
            }
        }
    }
}
