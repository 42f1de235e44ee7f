//! Counts what happened lately, in a ring of short spans of time. Pure.

use std::time::Duration;

use super::health::Rate;
use crate::base::Moment;

/// Spans of a window.
const PARTS: usize = 10;

/// Good and bad outcomes within the last while. The oldest tenth is forgotten at a time.
#[derive(Clone, Debug)]
pub struct Window {
    part: Duration,
    parts: [Rate; PARTS],
    /// The number of the newest part since the clock's origin.
    newest: u64,
}

impl Window {
    pub fn new(length: Duration) -> Self {
        let part = (length / PARTS as u32).max(Duration::from_millis(1));
        Self { part, parts: [Rate::default(); PARTS], newest: 0 }
    }

    /// Forgets what is too old. A clock that goes back changes nothing.
    fn turn(&mut self, now: Moment) {
        let number = now.as_nanos() / u64::try_from(self.part.as_nanos()).unwrap_or(u64::MAX).max(1);
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(PARTS as u64) {
            self.parts[((self.newest + step) % PARTS as u64) as usize] = Rate::default();
        }
        if passed > PARTS as u64 {
            self.parts = [Rate::default(); PARTS];
        }
        self.newest = self.newest.max(number);
    }

    pub fn count(&mut self, now: Moment, failed: bool) {
        self.turn(now);
        let part = &mut self.parts[(self.newest % PARTS as u64) as usize];
        part.all += 1;
        part.failed += u64::from(failed);
    }

    pub fn rate(&mut self, now: Moment) -> Rate {
        self.turn(now);
        self.parts.iter().fold(Rate::default(), |sum, part| Rate {
            all: sum.all + part.all,
            failed: sum.failed + part.failed,
            was_high: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain truth: all that is younger than nine tenths of the window is counted,
        /// nothing that is older than the window.
        #[test]
        fn what_is_young_counts_and_what_is_old_does_not(
            steps in proptest::collection::vec((0_u64..8_000, any::<bool>()), 1..200)
        ) {
            let mut window = Window::new(Duration::from_secs(10));
            let (mut now, mut all) = (0, Vec::new());
            for (step, failed) in steps {
                now += step;
                window.count(Moment::from_millis(now), failed);
                all.push((now, failed));
                let rate = window.rate(Moment::from_millis(now));
                let within = |ms: u64| all.iter().filter(|(at, _)| now - at < ms).count() as u64;
                prop_assert!(rate.all >= within(9_000) && rate.all <= within(10_000), "{rate:?}");
                prop_assert!(rate.failed <= rate.all);
            }
            let later = Moment::from_millis(now + 10_000);
            prop_assert_eq!(window.rate(later), Rate::default());
        }
    }
}
