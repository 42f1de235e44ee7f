//! Leaves an endpoint alone that keeps failing. Pure. Promise: after so many failures in a row nothing
//! is sent before a pause is over, then one webhook at a time until one is taken; the pause doubles up
//! to a bound. A time the endpoint itself named is always kept.

use std::time::Duration;

use crate::base::{Moment, limits};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    /// In a row.
    pub failures: u32,
    pub failing_since: Option<Moment>,
    pub open_until: Option<Moment>,
}

impl Circuit {
    /// Is one webhook at a time all that may be sent?
    pub(super) const fn is_probing(&self) -> bool {
        self.failures >= limits::WEBHOOK_CIRCUIT_FAILURES
    }

    /// When something may be sent.
    pub(super) fn closed_from(&self) -> Moment {
        self.open_until.unwrap_or(Moment::ZERO)
    }

    /// True: it had been given up on, and is well again. A pause that is not over stands: what was
    /// taken now was sent before it began, or the endpoint itself named it.
    pub(super) fn succeeded(&mut self, now: Moment) -> bool {
        let was = self.is_probing();
        *self = Self { open_until: self.open_until.filter(|until| *until > now), ..Self::default() };
        was
    }

    pub(super) fn failed(&mut self, now: Moment, retry_after: Option<Duration>, random: &mut fastrand::Rng) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let mut pause = Duration::ZERO;
        if self.is_probing() {
            let doublings = self.failures - limits::WEBHOOK_CIRCUIT_FAILURES;
            let whole = doubled(limits::WEBHOOK_CIRCUIT_MIN, doublings, limits::WEBHOOK_CIRCUIT_MAX);
            // Boxes that lost the same endpoint must not come back together.
            pause = whole / 2 + (whole / 2).mul_f64(random.f64());
        }
        pause = pause.max(retry_after.unwrap_or_default());
        if !pause.is_zero() {
            // A pause that was asked for is never made shorter.
            self.open_until = Some((now + pause).max(self.closed_from()));
        }
    }
}

/// `first` doubled `times` times, at most `most`.
pub(super) fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    1_u32.checked_shl(times).and_then(|factor| first.checked_mul(factor)).map_or(most, |d| d.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_a_few_failures_and_its_pause_grows_to_a_bound() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut circuit = Circuit::default();
        let at = Moment::from_millis(1_000);
        for _ in 1..limits::WEBHOOK_CIRCUIT_FAILURES {
            circuit.failed(at, None, &mut random);
            assert!(!circuit.is_probing() && circuit.open_until.is_none());
        }
        let mut longest = Duration::ZERO;
        for n in 0..200 {
            let now = circuit.closed_from().max(at);
            circuit.failed(now, None, &mut random);
            assert!(circuit.is_probing());
            let pause = circuit.closed_from().since(now);
            let whole = doubled(limits::WEBHOOK_CIRCUIT_MIN, n, limits::WEBHOOK_CIRCUIT_MAX);
            assert!((whole / 2..=whole).contains(&pause), "{n}: {pause:?}");
            longest = longest.max(pause);
        }
        assert!(longest > limits::WEBHOOK_CIRCUIT_MAX / 2);
        assert_eq!(circuit.failing_since, Some(at));
        let later = circuit.closed_from();
        assert!(circuit.succeeded(later));
        assert_eq!(circuit, Circuit::default());
        assert!(!circuit.succeeded(later));
    }

    #[test]
    fn a_named_time_is_kept_from_the_first_failure_and_never_shortened() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut circuit = Circuit::default();
        let now = Moment::from_millis(5_000);
        circuit.failed(now, Some(Duration::from_secs(60)), &mut random);
        circuit.failed(now, Some(Duration::from_secs(10)), &mut random);
        circuit.failed(now, None, &mut random);
        assert_eq!(circuit.closed_from(), now + Duration::from_secs(60));
        // What was sent before and is taken now does not end it.
        assert!(!circuit.succeeded(now + Duration::from_secs(59)));
        assert_eq!((circuit.failures, circuit.closed_from()), (0, now + Duration::from_secs(60)));
    }

    #[test]
    fn doubling_never_overflows() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(doubled(Duration::from_secs(1), 3, hour), Duration::from_secs(8));
        for times in [12, 31, 32, 64, u32::MAX] {
            assert_eq!(doubled(Duration::from_secs(1), times, hour), hour);
        }
    }
}
