//! How long requests have lately waited for a free slot of an engine before it began with them. Pure.
//! An engine of the box computes as fast as it can: what a caller notices first when there are too
//! many calls is the queue before it.

use std::time::Duration;

use crate::base::Moment;
use crate::base::limits::{ENGINE_WAIT_ELSEWHERE, ENGINE_WAIT_MAX};

/// What one more wait counts against those before it.
const WEIGHT: f64 = 0.3;
/// Nobody waits any more: so fast it is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(8);

/// A moving mean of waits that fades with time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    seconds: f64,
    at: Moment,
}

impl Load {
    pub(super) fn waited(&mut self, now: Moment, wait: Duration) {
        let wait = wait.min(Duration::from_secs(30)).as_secs_f64();
        self.seconds = self.at(now) * (1.0 - WEIGHT) + wait * WEIGHT;
        self.at = now;
    }

    fn at(&self, now: Moment) -> f64 {
        self.seconds * 0.5_f64.powf(now.since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64())
    }

    /// Somebody else should be asked, if somebody else may.
    pub(super) fn is_behind(&self, now: Moment) -> bool {
        self.at(now) >= ENGINE_WAIT_ELSEWHERE.as_secs_f64()
    }

    /// One more call would make all of them stutter.
    pub(super) fn is_full(&self, now: Moment) -> bool {
        self.at(now) >= ENGINE_WAIT_MAX.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_add_up_and_fade() {
        let mut load = Load::default();
        let at = Moment::from_millis;
        assert!(!load.is_behind(at(0)));
        load.waited(at(1_000), Duration::from_secs(1));
        assert!(!load.is_behind(at(1_000)), "one wait is chance");
        (2..6).for_each(|s| load.waited(at(s * 1_000), Duration::from_secs(1)));
        assert!(load.is_behind(at(5_000)) && !load.is_full(at(5_000)));
        (6..20).for_each(|s| load.waited(at(s * 1_000), Duration::from_secs(3)));
        assert!(load.is_full(at(19_000)));
        assert!(!load.is_full(at(40_000)) && !load.is_behind(at(60_000)), "nobody waits any more");
    }

    proptest! {
        #[test]
        fn it_is_never_more_than_the_longest_wait(waits in prop::collection::vec((0_u64..40_000, 0_u64..5_000), 1..40)) {
            let (mut load, mut now) = (Load::default(), 0);
            let mut longest = 0;
            for (wait, pause) in waits {
                now += pause;
                longest = longest.max(wait);
                load.waited(Moment::from_millis(now), Duration::from_millis(wait));
                prop_assert!(load.at(Moment::from_millis(now)) <= longest as f64 / 1_000.0 + 1e-9);
                prop_assert!(load.at(Moment::from_millis(now)) >= 0.0);
            }
        }
    }
}
