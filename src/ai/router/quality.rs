//! How quick and how reliable an engine has lately been, in a language. Pure.

use std::time::Duration;

/// Answers remembered.
const WINDOW: usize = 64;
/// Fewer answers tell nothing about the slow tail.
const ENOUGH: usize = 8;

/// The last answers of one engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Quality {
    took_ms: Vec<u32>,
    next: usize,
    /// Moving share of requests that were answered.
    success: Option<f32>,
    requests: u64,
    failures: u64,
}

impl Quality {
    /// A request was answered: `took` until its first useful piece.
    pub(super) fn answered(&mut self, took: Duration) {
        let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        if self.took_ms.len() < WINDOW {
            self.took_ms.push(ms);
        } else {
            self.took_ms[self.next] = ms;
        }
        self.next = (self.next + 1) % WINDOW;
        self.count(true);
    }

    pub(super) fn failed(&mut self) {
        self.failures += 1;
        self.count(false);
    }

    fn count(&mut self, good: bool) {
        self.requests += 1;
        let now = f32::from(u8::from(good));
        self.success = Some(self.success.map_or(now, |before| before * 0.95 + now * 0.05));
    }

    pub(super) fn success(&self) -> Option<f32> {
        self.success
    }

    pub(super) fn requests(&self) -> (u64, u64) {
        (self.requests, self.failures)
    }

    pub(super) fn median(&self) -> Option<Duration> {
        self.at(50)
    }

    /// The slow tail begins here; unknown before enough answers have come.
    pub(super) fn p95(&self) -> Option<Duration> {
        self.at(95)
    }

    fn at(&self, percent: usize) -> Option<Duration> {
        if self.took_ms.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.took_ms.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).map(|ms| Duration::from_millis(u64::from(*ms)))
    }
}

/// A bucket of requests that fills with time: a provider's limit, kept before it is broken. Pure.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    left: f64,
    at: crate::base::Moment,
}

impl Bucket {
    pub(super) fn new(per_minute: f64, burst: f64) -> Self {
        let burst = burst.max(1.0);
        Self { per_second: (per_minute / 60.0).max(0.0), burst, left: burst, at: crate::base::Moment::ZERO }
    }

    pub(super) fn left(&self, now: crate::base::Moment) -> f64 {
        (self.left + now.since(self.at).as_secs_f64() * self.per_second).min(self.burst)
    }

    /// Takes one; false if there is none.
    pub(super) fn take(&mut self, now: crate::base::Moment) -> bool {
        let left = self.left(now);
        if left < 1.0 {
            return false;
        }
        self.left = left - 1.0;
        self.at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Moment;

    #[test]
    fn the_tail_is_known_after_enough_answers_and_old_ones_are_forgotten() {
        let mut quality = Quality::default();
        assert_eq!(quality.p95(), None);
        for ms in 1..=100 {
            quality.answered(Duration::from_millis(ms));
        }
        assert_eq!(quality.median(), Some(Duration::from_millis(68)), "the last 64 are 37 to 100");
        assert_eq!(quality.p95(), Some(Duration::from_millis(97)));
        assert_eq!(quality.success(), Some(1.0));
        (0..14).for_each(|_| quality.failed());
        assert!(quality.success().unwrap() < 0.5);
        assert_eq!(quality.requests(), (114, 14));
    }

    #[test]
    fn a_bucket_gives_no_more_than_its_rate() {
        let mut bucket = Bucket::new(60.0, 2.0);
        let now = Moment::from_millis(1_000);
        assert!(bucket.take(now) && bucket.take(now) && !bucket.take(now));
        assert!(!bucket.take(Moment::from_millis(1_900)));
        assert!(bucket.take(Moment::from_millis(2_000)));
        assert!(!bucket.take(Moment::from_millis(2_000)));
        assert!(bucket.left(Moment::from_millis(600_000)) <= 2.0);
    }
}
