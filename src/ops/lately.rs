//! What failed lately: requests to engines, calls, HTTP requests. Fed by the facts of calls and by
//! the HTTP server, read by the health checks.

use std::sync::{Mutex, PoisonError};

use super::health::{Rate, Rates};
use super::window::Window;
use crate::base::event::{Event, Record};
use crate::base::event_types::is_our_fault;
use crate::base::{Clock, Moment};
use crate::config::Alerts;

/// Short locks only: calls are behind it.
#[derive(Debug)]
pub struct Lately {
    inner: Mutex<Inner>,
    clock: Clock,
    limits: [u32; 3],
}

#[derive(Debug)]
struct Inner {
    windows: [Window; 3],
    was_high: [bool; 3],
}

const ENGINES: usize = 0;
const CALLS: usize = 1;
const HTTP: usize = 2;

impl Lately {
    pub fn new(settings: &Alerts, clock: Clock) -> Self {
        let window = Window::new(settings.window);
        let inner = Inner { windows: [window.clone(), window.clone(), window], was_high: [false; 3] };
        let limits = [settings.engine_faults_percent, settings.failed_calls_percent, settings.http_errors_percent];
        Self { inner: Mutex::new(inner), clock, limits }
    }

    fn count(&self, what: usize, failed: bool) {
        let now = self.clock.now();
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).windows[what].count(now, failed);
    }

    /// A fact of a call.
    pub fn observe(&self, record: &Record) {
        match &record.event {
            Event::Routed(routed) => self.count(ENGINES, routed.answered_by.is_none()),
            Event::EngineFault { .. } => self.count(ENGINES, true),
            Event::CallEnded { cause, .. } => self.count(CALLS, is_our_fault(*cause)),
            _ => {}
        }
    }

    /// An HTTP request was answered.
    pub fn answered(&self, status: u16) {
        self.count(HTTP, status >= 500);
    }

    /// How it is now; remembered, so that what was too high must become much better.
    pub fn rates(&self, now: Moment) -> Rates {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut one = |what: usize| {
            let rate = Rate { was_high: inner.was_high[what], ..inner.windows[what].rate(now) };
            inner.was_high[what] = rate.is_high(self.limits[what]);
            rate
        };
        Rates { engine_faults: one(ENGINES), failed_calls: one(CALLS), http_errors: one(HTTP) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CallId;
    use crate::base::event::{CallState, EndCause};

    #[test]
    fn a_callers_goodbye_is_no_failure_and_a_lost_process_is() {
        let clock = Clock::system();
        let lately = Lately::new(&Alerts::default(), clock);
        for cause in [EndCause::Goodbye, EndCause::CallerHungUp, EndCause::ProcessLost, EndCause::InternalError] {
            let event = Event::CallEnded { outcome: CallState::Completed, cause, duration_ms: 1, turns: 1 };
            lately.observe(&Record { call: CallId::new(), unix_ms: 0, call_ms: 0, event });
        }
        for status in [200, 404, 499, 500, 503] {
            lately.answered(status);
        }
        let rates = lately.rates(clock.now());
        assert_eq!((rates.failed_calls.all, rates.failed_calls.failed), (4, 2));
        assert_eq!((rates.http_errors.all, rates.http_errors.failed), (5, 2));
        assert_eq!(rates.engine_faults, Rate::default());
    }

    #[test]
    fn what_was_too_high_is_remembered_between_looks() {
        let clock = Clock::system();
        let lately = Lately::new(&Alerts::default(), clock);
        // 5 percent are too many; 3 are too many still.
        (0..95).for_each(|_| lately.answered(200));
        (0..5).for_each(|_| lately.answered(500));
        assert!(lately.rates(clock.now()).http_errors.is_high(5));
        (0..66).for_each(|_| lately.answered(200));
        let rate = lately.rates(clock.now()).http_errors;
        assert!(rate.was_high && rate.is_high(5), "{rate:?}");
        (0..200).for_each(|_| lately.answered(200));
        assert!(!lately.rates(clock.now()).http_errors.is_high(5));
        assert!(!lately.rates(clock.now()).http_errors.was_high);
    }
}
