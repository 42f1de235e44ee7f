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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Closed,
    /// `told`: by the provider itself, with `Retry-After` or by not letting us in. That its host
    /// can be reached changes nothing then.
    Open {
        until: Moment,
        told: bool,
    },
    /// Since when a probe is under way.
    HalfOpen {
        probing_since: Option<Moment>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    kept: Kept,
    in_a_row: u32,
    pause: Duration,
}

/// Whether a request is the probe of an engine that is being tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsProbe(bool);

impl Default for Breaker {
    fn default() -> Self {
        Self { kept: Kept::Closed, in_a_row: 0, pause: PAUSE_FIRST }
    }
}

impl Breaker {
    pub(super) fn circuit(&self, now: Moment) -> Circuit {
        match self.kept {
            Kept::Closed => Circuit::Closed,
            Kept::Open { until, .. } if until <= now => Circuit::HalfOpen { probe_free: true },
            Kept::Open { until, .. } => Circuit::Open { until },
            Kept::HalfOpen { probing_since } => {
                Circuit::HalfOpen { probe_free: probing_since.is_none_or(|since| since + PROBE_MAX <= now) }
            }
        }
    }

    /// A request is about to be sent; `None` if it may not.
    pub(super) fn take(&mut self, now: Moment) -> Option<IsProbe> {
        match self.circuit(now) {
            Circuit::Closed => Some(IsProbe(false)),
            Circuit::HalfOpen { probe_free: true } => {
                self.kept = Kept::HalfOpen { probing_since: Some(now) };
                Some(IsProbe(true))
            }
            Circuit::HalfOpen { .. } | Circuit::Open { .. } => None,
        }
    }

    /// A whole answer came.
    pub(super) fn succeeded(&mut self) {
        // While open it is one that was begun before, and tells nothing of what has happened since.
        if !matches!(self.kept, Kept::Open { .. }) {
            *self = Self::default();
        }
    }

    /// The request was given up by us before it could show anything.
    pub(super) fn abandoned(&mut self, probe: IsProbe) {
        if let Kept::HalfOpen { probing_since } = &mut self.kept
            && probe.0
        {
            *probing_since = None;
        }
    }

    pub(super) fn failed(&mut self, now: Moment, kind: FaultKind, retry_after: Option<Duration>, probe: IsProbe) {
        match kind {
            // The request's fault, not the engine's.
            FaultKind::Refused => self.abandoned(probe),
            FaultKind::Denied => self.open(now + PAUSE_DENIED, true),
            FaultKind::Overloaded if retry_after.is_some() => {
                self.open(now + retry_after.unwrap_or_default().min(PAUSE_DENIED), true);
            }
            _ => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                // What was begun before it was left alone tells nothing new.
                if probe.0 || (self.kept == Kept::Closed && self.in_a_row >= FAILURES) {
                    self.open(now + self.pause, false);
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// A pause that was asked for is never made shorter.
    fn open(&mut self, until: Moment, told: bool) {
        self.kept = match self.kept {
            Kept::Open { until: later, told: was_told } if until < later => {
                Kept::Open { until: later, told: was_told || told }
            }
            Kept::Open { told: was_told, .. } => Kept::Open { until, told: was_told || told },
            Kept::Closed | Kept::HalfOpen { .. } => Kept::Open { until, told },
        };
    }

    /// Somebody else found out that the engine can be reached: the next request is the probe.
    pub(super) fn reachable(&mut self) {
        if matches!(self.kept, Kept::Open { told: false, .. }) {
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

    const USUAL: IsProbe = IsProbe(false);

    fn admits(breaker: &Breaker, now: Moment) -> bool {
        breaker.clone().take(now).is_some()
    }

    #[test]
    fn three_failures_open_it_and_one_probe_closes_it() {
        let mut breaker = Breaker::default();
        for second in 0..2 {
            breaker.failed(at(second), FaultKind::Unavailable, None, USUAL);
            assert!(admits(&breaker, at(second)));
        }
        breaker.failed(at(2), FaultKind::Deadline, None, USUAL);
        assert!(!admits(&breaker, at(3)));
        let probe = breaker.take(at(4)).expect("the pause is over");
        assert!(breaker.take(at(4)).is_none(), "one probe at a time");
        breaker.failed(at(5), FaultKind::Deadline, None, USUAL);
        breaker.abandoned(USUAL);
        assert!(breaker.take(at(5)).is_none(), "older requests end without a word on the probe");
        breaker.failed(at(5), FaultKind::Deadline, None, probe);
        assert!(!admits(&breaker, at(8)) && admits(&breaker, at(9)), "the pause has doubled");
        assert_eq!(breaker.take(at(9)), Some(IsProbe(true)));
        assert!(breaker.take(at(9) + PROBE_MAX).is_some(), "a probe that never came back");
        breaker.succeeded();
        assert_eq!((breaker.take(at(30)), breaker.take(at(30))), (Some(USUAL), Some(USUAL)));
    }

    #[test]
    fn what_the_provider_says_is_obeyed() {
        for (kind, retry_after, pause) in
            [(FaultKind::Overloaded, Some(Duration::from_secs(70)), 70), (FaultKind::Denied, None, 300)]
        {
            let mut breaker = Breaker::default();
            breaker.failed(at(0), kind, retry_after, USUAL);
            // Neither a probe of its host nor what was begun before makes the pause shorter.
            breaker.reachable();
            breaker.succeeded();
            (0..9).for_each(|_| breaker.failed(at(1), FaultKind::Unavailable, None, USUAL));
            breaker.failed(at(1), FaultKind::Overloaded, Some(Duration::from_secs(2)), USUAL);
            breaker.reachable();
            assert!(!admits(&breaker, at(pause - 1)) && admits(&breaker, at(pause)), "{kind:?}");
        }
        let mut breaker = Breaker::default();
        (0..3).for_each(|_| breaker.failed(at(0), FaultKind::Unavailable, None, USUAL));
        assert!(!admits(&breaker, at(1)));
        breaker.reachable();
        assert!(admits(&breaker, at(1)), "nobody said how long, and its host answers");
        let mut breaker = Breaker::default();
        (0..100).for_each(|_| breaker.failed(at(0), FaultKind::Refused, None, USUAL));
        assert!(admits(&breaker, at(0)), "wrong requests do not open it");
    }

    proptest! {
        #[test]
        fn an_open_circuit_sends_nothing_before_its_pause_is_over(steps in proptest::collection::vec((0_u8..6, 0_u64..5_000), 0..200)) {
            let (mut breaker, mut now, mut probe) = (Breaker::default(), Moment::ZERO, USUAL);
            for (what, ms) in steps {
                now = now + Duration::from_millis(ms);
                if let Kept::Open { until, .. } = breaker.kept {
                    prop_assert_eq!(admits(&breaker, now), until <= now);
                }
                match what {
                    0 => probe = breaker.take(now).unwrap_or(probe),
                    1 => breaker.succeeded(),
                    2 => breaker.abandoned(probe),
                    3 => breaker.failed(now, FaultKind::Overloaded, Some(Duration::from_millis(ms)), probe),
                    _ => breaker.failed(now, FaultKind::Broken, None, probe),
                }
            }
            prop_assert!(admits(&breaker, now + PAUSE_DENIED + PROBE_MAX), "it always comes back");
        }
    }
}
