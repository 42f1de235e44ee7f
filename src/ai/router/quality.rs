//! How quick and how reliable an engine has lately been, in a language. Pure.

use std::time::Duration;

use super::candidates::Stage;
use crate::base::Lang;
use crate::store::measures::Measured;

/// Answers remembered.
const WINDOW: usize = 64;
/// Fewer answers tell nothing about the slow tail.
const ENOUGH: f32 = 8.0;
/// What each answer or failure leaves of the weight of those before: about the last 20 count.
const KEPT: f32 = 0.95;
/// All of them together weigh no more than this.
const WEIGHT_MAX: f32 = 20.0;
/// After this time what was measured weighs half, so that nobody is condemned for ever by what was
/// wrong yesterday, and an engine that nobody has asked for long is as good as unknown.
const HALF_LIFE_MS: f32 = 4.0 * 3_600_000.0;
/// An engine begins as if it had answered so many requests with this success.
const PRIOR_WEIGHT: f32 = 4.0;
const PRIOR_SUCCESS: f32 = 0.98;
/// Less than this is nothing.
const TRACE: f32 = 0.1;

/// The last answers of one engine at one stage in one language.
#[derive(Clone, Debug, Default)]
pub(super) struct Quality {
    took_ms: Vec<u32>,
    next: usize,
    /// Median and slow tail of these; asked for far more often than they change.
    median_ms: u32,
    p95_ms: u32,
    /// Weights of answers and failures, as they were at `at_unix_ms`.
    good: f32,
    bad: f32,
    at_unix_ms: u64,
    requests: u64,
    failures: u64,
}

impl Quality {
    /// A request was answered: `took` until its first useful piece.
    pub(super) fn answered(&mut self, took: Duration, now_ms: u64) {
        self.note(took);
        self.count(true, now_ms);
    }

    /// It was given up after this long: it would have taken more. Left out, the window would hold
    /// quick answers only, and patience would shrink with every one that was given up.
    pub(super) fn slow(&mut self, took: Duration, now_ms: u64) {
        self.note(took);
        self.failed(now_ms);
    }

    fn note(&mut self, took: Duration) {
        let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        if self.took_ms.len() < WINDOW {
            self.took_ms.push(ms);
        } else {
            self.took_ms[self.next] = ms;
        }
        self.next = (self.next + 1) % WINDOW;
        self.digest();
    }

    pub(super) fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        self.count(false, now_ms);
    }

    fn count(&mut self, good: bool, now_ms: u64) {
        self.requests = self.requests.saturating_add(1);
        let left = self.fading(now_ms) * KEPT;
        self.good = self.good * left + f32::from(u8::from(good));
        self.bad = self.bad * left + f32::from(u8::from(!good));
        self.at_unix_ms = self.at_unix_ms.max(now_ms);
    }

    /// 1 for what was measured just now, 0.5 after a half-life.
    fn fading(&self, now_ms: u64) -> f32 {
        (-(now_ms.saturating_sub(self.at_unix_ms) as f32) / HALF_LIFE_MS).exp2()
    }

    /// Share of requests that are answered; unknown without a request in living memory.
    pub(super) fn success(&self, now_ms: u64) -> Option<f32> {
        let left = self.fading(now_ms);
        let (good, bad) = (self.good * left, self.bad * left);
        (good + bad > TRACE).then(|| (good + PRIOR_WEIGHT * PRIOR_SUCCESS) / (good + bad + PRIOR_WEIGHT))
    }

    pub(super) const fn requests(&self) -> (u64, u64) {
        (self.requests, self.failures)
    }

    pub(super) fn median(&self, now_ms: u64) -> Option<Duration> {
        self.knows(now_ms).then(|| Duration::from_millis(self.median_ms.into()))
    }

    /// The slow tail begins here; unknown before enough answers have come, and when they are old.
    pub(super) fn p95(&self, now_ms: u64) -> Option<Duration> {
        self.knows(now_ms).then(|| Duration::from_millis(self.p95_ms.into()))
    }

    fn knows(&self, now_ms: u64) -> bool {
        self.took_ms.len() as f32 * self.fading(now_ms) >= ENOUGH
    }

    fn digest(&mut self) {
        let mut sorted = self.took_ms.clone();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        self.median_ms = at(50).unwrap_or_default();
        self.p95_ms = at(95).unwrap_or_default();
    }

    /// For the store.
    pub(super) fn measured(&self, candidate: &str, stage: Stage, language: Lang) -> Measured {
        let (newer, older) = self.took_ms.split_at(if self.took_ms.len() < WINDOW { 0 } else { self.next });
        Measured {
            candidate: candidate.to_owned(),
            stage,
            language,
            at_unix_ms: self.at_unix_ms,
            good: self.good,
            bad: self.bad,
            requests: self.requests,
            failures: self.failures,
            took_ms: [older, newer].concat(),
        }
    }

    /// From the store. What cannot be is taken for the nearest that can; nothing was measured in the
    /// future.
    pub(super) fn restored(kept: &Measured, now_ms: u64) -> Self {
        let weight = |weight: f32| if weight.is_finite() { weight.clamp(0.0, WEIGHT_MAX) } else { 0.0 };
        let took_ms = kept.took_ms[kept.took_ms.len().saturating_sub(WINDOW)..].to_vec();
        let mut quality = Self {
            next: took_ms.len() % WINDOW,
            took_ms,
            median_ms: 0,
            p95_ms: 0,
            good: weight(kept.good),
            bad: weight(kept.bad),
            at_unix_ms: kept.at_unix_ms.min(now_ms),
            requests: kept.requests,
            failures: kept.failures.min(kept.requests),
        };
        quality.digest();
        quality
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
    use proptest::prelude::*;

    use super::*;
    use crate::base::Moment;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn the_tail_is_known_after_enough_answers_and_old_ones_are_forgotten() {
        let mut quality = Quality::default();
        assert_eq!((quality.p95(0), quality.success(0)), (None, None));
        for ms in 1..=100 {
            quality.answered(Duration::from_millis(ms), 0);
        }
        assert_eq!(quality.median(0), Some(Duration::from_millis(68)), "the last 64 are 37 to 100");
        assert_eq!(quality.p95(0), Some(Duration::from_millis(97)));
        assert!(quality.success(0).unwrap() > 0.99);
        (0..20).for_each(|_| quality.failed(0));
        assert!(quality.success(0).unwrap() < 0.5);
        assert_eq!(quality.requests(), (120, 20));
    }

    #[test]
    fn what_was_measured_long_ago_condemns_nobody() {
        let mut quality = Quality::default();
        (0..40).for_each(|_| quality.failed(HOUR));
        let after = |hours: u64| quality.success(HOUR * (1 + hours));
        assert!(after(0).unwrap() < 0.25 && after(8).unwrap() > after(4).unwrap());
        assert!(after(16).unwrap() > 0.75);
        assert_eq!(after(48), None);
        let mut quality = Quality::default();
        (0..10).for_each(|_| quality.answered(Duration::from_millis(300), 0));
        assert!(quality.p95(HOUR).is_some() && quality.p95(2 * HOUR).is_none(), "ten answers are soon too few");
        quality.failed(0);
        assert!(quality.success(0).unwrap() > 0.8, "one failure is no verdict");
    }

    proptest! {
        #[test]
        fn keeping_and_restoring_changes_nothing_and_nothing_becomes_negative(
            steps in proptest::collection::vec((0_u8..3, 0_u32..5_000, 0_u64..10 * HOUR), 0..150),
        ) {
            let (mut quality, mut now) = (Quality::default(), 0);
            for (what, ms, passed) in steps {
                now += passed;
                match what {
                    0 => quality.failed(now),
                    _ => quality.answered(Duration::from_millis(ms.into()), now),
                }
            }
            let kept = quality.measured("a/m", Stage::Stt, Lang::Hi);
            let restored = Quality::restored(&kept, now);
            prop_assert_eq!(restored.measured("a/m", Stage::Stt, Lang::Hi), kept);
            for later in [0, HOUR, 1_000 * HOUR] {
                prop_assert_eq!(restored.p95(now + later), quality.p95(now + later));
                prop_assert_eq!(restored.success(now + later), quality.success(now + later));
                let success = quality.success(now + later).unwrap_or(0.5);
                prop_assert!((0.0..=1.0).contains(&success));
            }
            prop_assert!(quality.good >= 0.0 && quality.bad >= 0.0 && quality.good + quality.bad <= WEIGHT_MAX);
        }

        #[test]
        fn whatever_a_file_says_is_made_possible(
            good: f32, bad: f32, at_unix_ms: u64, requests: u64, failures: u64,
            took_ms in proptest::collection::vec(0_u32.., 0..200),
        ) {
            let kept = Measured {
                candidate: "a/m".into(), stage: Stage::Llm, language: Lang::En,
                at_unix_ms, good, bad, requests, failures, took_ms,
            };
            let mut quality = Quality::restored(&kept, 1_000);
            quality.answered(Duration::from_millis(1), 2_000);
            quality.failed(3_000);
            let success = quality.success(3_000).unwrap();
            prop_assert!((0.0..=1.0).contains(&success));
        }
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
