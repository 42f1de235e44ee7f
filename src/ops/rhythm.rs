//! When something that is done every so often is due. Pure.
//! Promise: what was missed while the box was off is made up for once, and what failed is tried again
//! soon, then less often, but never more often than every ten minutes.

use std::time::Duration;

use jiff::Zoned;

use crate::config::Rhythm;

/// The first wait after a failure; it doubles with each further one, up to the second.
const RETRY_MIN: Duration = Duration::from_secs(600);
const RETRY_MAX: Duration = Duration::from_secs(6 * 3_600);

/// What is known of the times before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The last one that succeeded; if none ever did, when it began to be watched for.
    pub done_ms: u64,
    /// The last attempt that failed since.
    pub failed_ms: Option<u64>,
    pub failures: u32,
}

/// Is it due at `now`, on the site's clock?
pub fn is_due(rhythm: Rhythm, now: &Zoned, before: Before) -> bool {
    let now_ms = millis(now);
    if let Some(failed_ms) = before.failed_ms {
        let doubled = RETRY_MIN.saturating_mul(1 << before.failures.saturating_sub(1).min(10)).min(RETRY_MAX);
        let wait = u64::try_from(doubled.as_millis()).unwrap_or(u64::MAX);
        // A clock that was set back must not make it wait for years.
        if failed_ms <= now_ms && now_ms - failed_ms < wait {
            return false;
        }
    }
    match rhythm {
        Rhythm::Never => false,
        Rhythm::EveryHours(hours) => before.done_ms > now_ms || now_ms - before.done_ms >= u64::from(hours) * 3_600_000,
        Rhythm::AtHour(hour) => last_at(hour, now).is_some_and(|at| before.done_ms > now_ms || before.done_ms < at),
    }
}

/// The last time it was `hour` o'clock.
fn last_at(hour: u8, now: &Zoned) -> Option<u64> {
    let at = |day: jiff::civil::Date| {
        // An hour that a day does not have (summer time) is the one after it.
        day.at(i8::try_from(hour).unwrap_or(0), 0, 0, 0).to_zoned(now.time_zone().clone()).ok()
    };
    let today = at(now.date())?;
    let last = if today <= *now { today } else { at(now.date().yesterday().ok()?)? };
    Some(millis(&last))
}

fn millis(at: &Zoned) -> u64 {
    u64::try_from(at.timestamp().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Zoned {
        format!("{text}[Asia/Kolkata]").parse().unwrap()
    }

    fn after(text: &str) -> Before {
        Before { done_ms: millis(&at(text)), ..Before::default() }
    }

    #[test]
    fn once_a_day_at_the_hour_and_made_up_for_when_missed() {
        let nightly = Rhythm::AtHour(2);
        for (now, done, due) in [
            ("2026-11-20T01:59:59", "2026-11-19T02:00:10", false),
            ("2026-11-20T02:00:00", "2026-11-19T02:00:10", true),
            ("2026-11-20T02:01:00", "2026-11-20T02:00:30", false),
            // Off at the hour.
            ("2026-11-20T09:30:00", "2026-11-19T02:00:10", true),
            // Switched on for the first time at noon: not before the night.
            ("2026-11-20T12:00:00", "2026-11-20T11:59:00", false),
            ("2026-11-21T02:00:00", "2026-11-20T11:59:00", true),
            // The clock was a year ahead when the last one was made.
            ("2026-11-20T12:00:00", "2027-11-20T02:00:00", true),
        ] {
            assert_eq!(is_due(nightly, &at(now), after(done)), due, "{now} after {done}");
        }
        assert!(!is_due(Rhythm::Never, &at("2026-11-20T12:00:00"), after("2020-01-01T00:00:00")));
    }

    #[test]
    fn every_so_many_hours() {
        for (now, due) in [("2026-11-20T05:59:59", false), ("2026-11-20T06:00:00", true)] {
            assert_eq!(is_due(Rhythm::EveryHours(6), &at(now), after("2026-11-20T00:00:00")), due, "{now}");
        }
    }

    #[test]
    fn failures_are_tried_again_more_and_more_slowly() {
        let failed = |failures| Before {
            failed_ms: Some(millis(&at("2026-11-20T02:01:00"))),
            failures,
            ..after("2026-11-19T02:00:10")
        };
        for (failures, now, due) in [
            (1, "2026-11-20T02:10:59", false),
            (1, "2026-11-20T02:11:00", true),
            (2, "2026-11-20T02:20:00", false),
            (2, "2026-11-20T02:21:00", true),
            (50, "2026-11-20T08:00:59", false),
            (50, "2026-11-20T08:01:00", true),
        ] {
            assert_eq!(is_due(Rhythm::AtHour(2), &at(now), failed(failures)), due, "{failures} at {now}");
        }
    }

    proptest! {
        /// However the clock stands, a day later it is due.
        #[test]
        fn nothing_is_put_off_for_ever(hour in 0..24_u8, done in 0..4_000_000_000_u64, ahead in 86_400..900_000_u64) {
            let now = jiff::Timestamp::from_second(i64::try_from(done + ahead).unwrap()).unwrap();
            let now = now.to_zoned(jiff::tz::TimeZone::get("Asia/Kolkata").unwrap());
            let before = Before { done_ms: done * 1_000, ..Before::default() };
            prop_assert!(is_due(Rhythm::AtHour(hour), &now, before));
        }
    }
}
