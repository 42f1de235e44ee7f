//! How much of what was asked of the box failed lately.

use super::finding::Finding;
use crate::config::Alerts;

/// Below so many nothing can be said: one failure of two is no rate.
const LEAST: u64 = 10;

/// Of one kind of request, within the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub all: u64,
    pub failed: u64,
    /// It was too high when last looked at: half of the limit is too high still.
    pub was_high: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub engine_faults: Rate,
    pub failed_calls: Rate,
    pub http_errors: Rate,
}

impl Rate {
    const fn percent(self) -> u64 {
        if self.all < LEAST { 0 } else { self.failed.saturating_mul(100) / self.all }
    }

    /// Is it too high, where `most` percent are too many?
    pub(in crate::ops) const fn is_high(self, most: u32) -> bool {
        let most = most as u64;
        let percent = self.percent();
        percent > 0 && (percent >= most || (self.was_high && percent * 2 >= most))
    }
}

pub(super) fn check(rates: &Rates, limits: &Alerts) -> Vec<Finding> {
    let one = |code, rate: Rate, most: u32, what: &str, fix: &str| {
        let text = format!("{} of {} {what}", rate.failed, rate.all);
        if rate.is_high(most) { Finding::warning(code, text, fix) } else { Finding::fine(code, text) }
    };
    vec![
        one(
            "engine_faults",
            rates.engine_faults,
            limits.engine_faults_percent,
            "requests to engines failed lately",
            "see `vaani route quality` and the components of /health for who fails; calls go on with whoever answers",
        ),
        one(
            "failed_calls",
            rates.failed_calls,
            limits.failed_calls_percent,
            "calls ended by a failure lately",
            "see the log for event types CALL_FAILED and ENGINE_FAULT of these calls",
        ),
        one(
            "http_errors",
            rates.http_errors,
            limits.http_errors_percent,
            "HTTP requests were answered with a failure of the box lately",
            "see http_requests_total at /metrics for the route, and the log for the reason",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn few_requests_make_no_rate() {
        let of = |all, failed| {
            let rates = Rates { engine_faults: Rate { all, failed, was_high: false }, ..Rates::default() };
            check(&rates, &Alerts::default())[0].severity
        };
        assert_eq!(of(9, 9), Severity::Fine);
        assert_eq!(of(10, 1), Severity::Fine);
        assert_eq!(of(10, 2), Severity::Warning);
    }

    #[test]
    fn a_rate_that_was_too_high_must_halve() {
        let high = |percent, was_high| Rate { all: 100, failed: percent, was_high }.is_high(20);
        assert!(!high(19, false) && high(20, false) && high(10, true) && !high(9, true));
        assert!(!high(0, true));
    }
}
