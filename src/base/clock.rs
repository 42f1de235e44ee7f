//! The only place that reads the system's clocks. Machines get a [`Moment`] handed in; tests and
//! the simulator make their own.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in monotonic time: nanoseconds since the origin of the clock that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    pub const ZERO: Self = Self(0);

    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.as_millis() / 1000, self.as_millis() % 1000)
    }
}

/// The system's clocks, tied to one origin. Cheap to copy; hand it down, do not make a second one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall_origin_ms: u64,
    /// Time is the runtime's, which may be paused.
    follows_runtime: bool,
}

impl Clock {
    /// The real clock, its origin being now.
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the system's clocks")]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            origin: Instant::now(),
            wall_origin_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            follows_runtime: false,
        }
    }

    /// The time of the tokio runtime we run in, its origin being now: it stands still where the
    /// runtime's time is paused and nothing waits for it. For simulations; `wall_ms` is what the
    /// calendar says at the origin.
    pub fn of_runtime(wall_ms: u64) -> Self {
        Self { origin: tokio::time::Instant::now().into_std(), wall_origin_ms: wall_ms, follows_runtime: true }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that may read the system's clocks")]
    pub fn now(&self) -> Moment {
        let now = if self.follows_runtime { tokio::time::Instant::now().into_std() } else { Instant::now() };
        let elapsed = now.saturating_duration_since(self.origin);
        Moment(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Wall time of a moment, milliseconds since 1970 UTC (not adjusted when the wall clock jumps:
    /// order within a process never changes).
    pub const fn unix_ms(&self, at: Moment) -> u64 {
        self.wall_origin_ms + at.as_millis()
    }

    /// Wall time since 1970 UTC, read anew: for signatures and tokens that others check against
    /// their own clocks, where the box's clock may have been set right since it started.
    pub fn wall_ms(&self) -> u64 {
        u64::try_from(self.wall().as_millis()).unwrap_or(u64::MAX)
    }

    /// The same as a length of time since then.
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the system's clocks")]
    pub fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// For `tokio::time::sleep_until`.
    pub fn hour(&self) -> u8 {
        u8::try_from(self.local().hour()).unwrap_or(0)
    }

    /// Days since 1970 on the site's calendar.
    pub fn day(&self) -> u64 {
        day_of(&self.local())
    }

    /// Now, on the site's calendar.
    pub fn local(&self) -> jiff::Zoned {
        let ms = i64::try_from(self.unix_ms(self.now())).unwrap_or(0);
        jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system())
    }

    pub fn instant(&self, at: Moment) -> Instant {
        self.origin + Duration::from_nanos(at.0)
    }
}

fn day_of(local: &jiff::Zoned) -> u64 {
    let seconds = local.timestamp().as_second() + i64::from(local.offset().seconds());
    u64::try_from(seconds.div_euclid(86_400)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_where_the_site_is() {
        let india = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap());
        let at = |second| jiff::Timestamp::from_second(second).unwrap().to_zoned(india.clone());
        // 2026-11-20 18:30 UTC is midnight in India.
        let midnight = 1_795_199_400;
        assert_eq!(at(midnight).strftime("%F %T").to_string(), "2026-11-21 00:00:00");
        assert_eq!(day_of(&at(midnight - 1)) + 1, day_of(&at(midnight)));
        assert_eq!(day_of(&at(midnight)), day_of(&at(midnight + 86_399)));
        assert_eq!(day_of(&at(0)), 0);
    }
}
