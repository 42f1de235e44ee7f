//! Leaves an engine alone that keeps failing, and finds out when it is well again. Pure.
//! Promise: while open nothing is sent before the pause is over; then one request at a time is let
//! through as a probe until one succeeds. The pause doubles with every failed probe, up to a bound.

use std::time::Duration;

use super::decision::Circuit;
use crate::ai::FaultKind;
use crate::base::Moment;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A key that is not taken is not mended within a call.
const PAUSE_DENIED: Duration = Duration::from_secs(300);
/// A probe that never came back: another may be sent.
const PROBE_MAX: Duration = Duration::from_secs(15);

/// Since when a probe is under way, while half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Closed,
    Open { until: Moment },
    HalfOpen { probing_since: Option<Moment> },
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    kept: Kept,
    in_a_row: u32,
    pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { kept: Kept::Closed, in_a_row: 0, pause: PAUSE_FIRST }
    }
}

impl Breaker {
    pub(super) fn circuit(&self, now: Moment) -> Circuit {
        match self.kept {
            Kept::Closed => Circuit::Closed,
            Kept::Open { until } if until <= now => Circuit::HalfOpen { probe_free: true },
            Kept::Open { until } => Circuit::Open { until },
            Kept::HalfOpen { probing_since } => {
                Circuit::HalfOpen { probe_free: probing_since.is_none_or(|since| since + PROBE_MAX <= now) }
            }
        }
    }

    /// May a request be sent now?
    pub(super) fn admits(&self, now: Moment) -> bool {
        matches!(self.circuit(now), Circuit::Closed | Circuit::HalfOpen { probe_free: true })
    }

    /// A request is about to be sent; false if it may not.
    pub(super) fn take(&mut self, now: Moment) -> bool {
        if !self.admits(now) {
            return false;
        }
        if self.circuit(now) != Circuit::Closed {
            self.kept = Kept::HalfOpen { probing_since: Some(now) };
        }
        true
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The request was given up by us before it could show anything.
    pub(super) fn abandoned(&mut self) {
        if let Kept::HalfOpen { probing_since } = &mut self.kept {
            *probing_since = None;
        }
    }

    pub(super) fn failed(&mut self, now: Moment, kind: FaultKind, retry_after: Option<Duration>) {
        match kind {
            // The request's fault, not the engine's.
            FaultKind::Refused => self.abandoned(),
            FaultKind::Denied => self.open(now, PAUSE_DENIED),
            FaultKind::Overloaded if retry_after.is_some() => {
                self.open(now, retry_after.unwrap_or_default().min(PAUSE_DENIED));
            }
            _ => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                let was_probe = self.circuit(now) != Circuit::Closed;
                if was_probe || self.in_a_row >= FAILURES {
                    self.open(now, self.pause);
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn open(&mut self, now: Moment, pause: Duration) {
        self.kept = Kept::Open { until: now + pause };
    }

    /// Somebody else found out that the engine can be reached: the next request is the probe.
    pub(super) fn reachable(&mut self) {
        if matches!(self.kept, Kept::Open { .. }) {
            self.kept = Kept::HalfOpen { probing_since: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    #[test]
    fn three_failures_open_it_and_one_probe_closes_it() {
        let mut breaker = Breaker::default();
        for second in 0..2 {
            breaker.failed(at(second), FaultKind::Unavailable, None);
            assert!(breaker.admits(at(second)));
        }
        breaker.failed(at(2), FaultKind::Deadline, None);
        assert!(!breaker.admits(at(3)));
        assert!(breaker.take(at(4)), "the pause is over");
        assert!(!breaker.take(at(4)), "one probe at a time");
        breaker.failed(at(5), FaultKind::Deadline, None);
        assert!(!breaker.admits(at(8)) && breaker.admits(at(9)), "the pause has doubled");
        assert!(breaker.take(at(9)));
        assert!(breaker.take(at(9) + PROBE_MAX), "a probe that never came back");
        breaker.succeeded();
        assert!(breaker.take(at(30)) && breaker.take(at(30)));
    }

    #[test]
    fn what_the_provider_says_is_obeyed() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), FaultKind::Overloaded, Some(Duration::from_secs(7)));
        assert!(!breaker.admits(at(6)) && breaker.admits(at(7)));
        let mut breaker = Breaker::default();
        breaker.failed(at(0), FaultKind::Denied, None);
        assert!(!breaker.admits(at(299)));
        breaker.reachable();
        assert!(breaker.admits(at(1)));
        let mut breaker = Breaker::default();
        (0..100).for_each(|_| breaker.failed(at(0), FaultKind::Refused, None));
        assert!(breaker.admits(at(0)), "wrong requests do not open it");
    }

    proptest! {
        #[test]
        fn an_open_circuit_sends_nothing_before_its_pause_is_over(steps in proptest::collection::vec((0_u8..6, 0_u64..5_000), 0..200)) {
            let (mut breaker, mut now) = (Breaker::default(), Moment::ZERO);
            for (what, ms) in steps {
                now = now + Duration::from_millis(ms);
                if let Kept::Open { until } = breaker.kept {
                    prop_assert_eq!(breaker.clone().take(now), until <= now);
                }
                match what {
                    0 => { breaker.take(now); }
                    1 => breaker.succeeded(),
                    2 => breaker.abandoned(),
                    3 => breaker.failed(now, FaultKind::Overloaded, Some(Duration::from_millis(ms))),
                    _ => breaker.failed(now, FaultKind::Broken, None),
                }
            }
            prop_assert!(breaker.admits(now + PAUSE_DENIED + PROBE_MAX), "it always comes back");
        }
    }
}
