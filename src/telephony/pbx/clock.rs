//! The media clock of sound that carries no time of its own.
//! Promise: it runs with the samples and never backwards; after a pause of the sender (the caller was on
//! hold, or sends nothing while silent) it is where the wall clock is, so that the call sees the gap.

use std::time::Duration;

use crate::base::Moment;
use crate::base::audio::{LINE_RATE, duration};

/// What the network may delay before it is taken for a pause of the sender.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, Default)]
pub struct MediaClock {
    began: Option<Moment>,
    next: Duration,
}

impl MediaClock {
    /// Milliseconds of media time at which these samples (8 kHz) begin.
    pub fn at_ms(&mut self, now: Moment, samples: usize) -> u64 {
        let length = duration(samples, LINE_RATE);
        let began = *self.began.get_or_insert(now);
        let real = now.since(began);
        if real > self.next + PAUSE {
            self.next = real;
        }
        let at = self.next;
        self.next += length;
        u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_move_it_and_a_pause_lets_it_jump_ahead_only() {
        let mut clock = MediaClock::default();
        for (now, samples, expected) in [
            (7, 160, 0),
            (27, 160, 20),
            (27, 80, 40),
            (27, 80, 50),
            (507, 160, 60),
            (1_007, 160, 1_000),
            (1_027, 160, 1_020),
        ] {
            assert_eq!(clock.at_ms(Moment::from_millis(now), samples), expected, "{now}");
        }
    }
}
