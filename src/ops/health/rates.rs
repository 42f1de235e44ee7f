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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub engine_faults: Rate,
    pub failed_calls: Rate,
    pub http_errors: Rate,
}

impl Rate {
    pub(super) const fn percent(self) -> u64 {
        if self.all < LEAST { 0 } else { self.failed.saturating_mul(100) / self.all }
    }
}

pub(super) fn check(rates: &Rates, limits: &Alerts) -> Vec<Finding> {
    let one = |code, rate: Rate, most: u32, what: &str, fix: &str| {
        let text = format!("{} of {} {what}", rate.failed, rate.all);
        if rate.percent() >= u64::from(most) { Finding::warning(code, text, fix) } else { Finding::fine(code, text) }
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
            let rates = Rates { engine_faults: Rate { all, failed }, ..Rates::default() };
            check(&rates, &Alerts::default())[0].severity
        };
        assert_eq!(of(9, 9), Severity::Fine);
        assert_eq!(of(10, 1), Severity::Fine);
        assert_eq!(of(10, 2), Severity::Warning);
        assert_eq!(of(u64::MAX, u64::MAX), Severity::Fine.max(of(u64::MAX, u64::MAX)));
    }
}
