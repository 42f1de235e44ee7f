//! How often somebody may try. Two things: failed logins make the next one wait, longer each time; and
//! requests of one key or address are spread out. Pure: time is an argument, memory is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::base::{Moment, limits};

/// Somebody whose requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A key, token or session, by its actor's word.
    Known(String),
    Address(IpAddr),
}

/// A steady rate with a burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Door {
    /// One account from one address.
    Here(String, IpAddr),
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    failures: u32,
    last: Moment,
}

/// What is known of tries and rates.
#[derive(Debug)]
pub(super) struct Throttle {
    tries: Bounded<Door, Tries>,
    /// When the source's allowance is whole again (generic cell rate algorithm).
    rates: Bounded<Source, Moment>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(limits::THROTTLED_MAX)
    }
}

impl Throttle {
    fn new(most: usize) -> Self {
        Self { tries: Bounded::new(most), rates: Bounded::new(most) }
    }

    /// May this login be tried now? If so it counts as failed until [`Throttle::succeeded`] or
    /// [`Throttle::take_back`] says otherwise, so that many at once get no free tries.
    pub(super) fn admit(&mut self, account: &str, address: IpAddr, now: Moment) -> Result<(), Duration> {
        let doors = doors(account, address);
        let wait = doors.iter().map(|(door, free, most)| self.wait(door, *free, *most, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for (door, ..) in doors {
            let tries = self.tries.entry(door, now);
            if now.since(tries.last) > limits::LOGIN_FORGOTTEN {
                tries.failures = 0;
            }
            *tries = Tries { failures: tries.failures.saturating_add(1), last: now };
        }
        Ok(())
    }

    fn wait(&self, door: &Door, free: u32, most: Duration, now: Moment) -> Duration {
        let Some(tries) = self.tries.get(door) else { return Duration::ZERO };
        let since = now.since(tries.last);
        if tries.failures < free || since > limits::LOGIN_FORGOTTEN {
            return Duration::ZERO;
        }
        let doubled = Duration::from_secs(1_u64 << (tries.failures - free).min(20));
        doubled.min(most).saturating_sub(since)
    }

    /// It was the right person. What others failed at this account or address still counts.
    pub(super) fn succeeded(&mut self, account: &str, address: IpAddr) {
        self.take_back(account, address);
        self.tries.remove(&Door::Here(account.to_owned(), network(address)));
    }

    /// It was no try after all (the box was busy, or a code is still to come).
    pub(super) fn take_back(&mut self, account: &str, address: IpAddr) {
        for (door, ..) in doors(account, address) {
            if let Some(tries) = self.tries.get_mut(&door) {
                tries.failures = tries.failures.saturating_sub(1);
            }
        }
    }

    /// One request of this source; `Err`: not before so long.
    pub(super) fn take(&mut self, source: Source, rate: Rate, now: Moment) -> Result<(), Duration> {
        let source = match source {
            Source::Address(address) => Source::Address(network(address)),
            known => known,
        };
        let each = Duration::from_secs(1) / rate.per_second.max(1);
        let whole = *self.rates.entry(source.clone(), now);
        let ahead = whole.since(now);
        let room = each * rate.burst.max(1).saturating_sub(1);
        if ahead > room {
            return Err(ahead.saturating_sub(room));
        }
        if let Some(kept) = self.rates.get_mut(&source) {
            *kept = whole.max(now) + each;
        }
        Ok(())
    }
}

fn doors(account: &str, address: IpAddr) -> [(Door, u32, Duration); 3] {
    let address = network(address);
    [
        (Door::Here(account.to_owned(), address), limits::LOGIN_TRIES_HERE, limits::LOGIN_WAIT_MAX),
        (Door::Account(account.to_owned()), limits::LOGIN_TRIES_ACCOUNT, limits::LOGIN_WAIT_ACCOUNT_MAX),
        (Door::Address(address), limits::LOGIN_TRIES_ADDRESS, limits::LOGIN_WAIT_MAX),
    ]
}

/// One subscriber: of IPv6 the first 64 bits, because whoever has one address has all behind it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

/// A map that forgets who was quiet longest when it is full.
#[derive(Debug)]
struct Bounded<K, V> {
    most: usize,
    kept: HashMap<K, (V, Moment)>,
}

impl<K: Eq + Hash, V: Default> Bounded<K, V> {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), kept: HashMap::new() }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|(value, _)| value)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.kept.get_mut(key).map(|(value, _)| value)
    }

    fn remove(&mut self, key: &K) {
        self.kept.remove(key);
    }

    /// The value of `key`, made if there is none; it was touched now.
    fn entry(&mut self, key: K, now: Moment) -> &mut V {
        if self.kept.len() >= self.most && !self.kept.contains_key(&key) {
            self.forget();
        }
        let (value, touched) = self.kept.entry(key).or_default();
        *touched = now;
        value
    }

    /// A sixteenth at a time, so that a flood of new keys does not search the map for each of them.
    fn forget(&mut self) {
        let mut touched: Vec<Moment> = self.kept.values().map(|(_, touched)| *touched).collect();
        let many = (self.most / 16).clamp(1, touched.len());
        let (_, &mut last, _) = touched.select_nth_unstable(many - 1);
        let mut left = many;
        self.kept.retain(|_, (_, touched)| {
            let goes = *touched <= last && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn failures_make_the_next_try_wait_longer_each_time() {
        let mut throttle = Throttle::default();
        for _ in 0..limits::LOGIN_TRIES_HERE {
            assert_eq!(throttle.admit("asha", A, at(1)), Ok(()));
        }
        let mut now = at(1);
        for seconds in [1, 2, 4, 8] {
            let wait = throttle.admit("asha", A, now).unwrap_err();
            assert_eq!(wait, Duration::from_secs(seconds));
            assert!(throttle.admit("asha", A, now + wait - Duration::from_millis(1)).is_err());
            now = now + wait;
            assert_eq!(throttle.admit("asha", A, now), Ok(()));
        }
        assert_eq!(throttle.admit("bina", A, now), Ok(()), "another account of the same address");
        assert_eq!(throttle.admit("asha", B, now), Ok(()), "the same account from elsewhere");
        now = now + limits::LOGIN_FORGOTTEN + Duration::from_secs(1);
        assert_eq!(throttle.admit("asha", A, now), Ok(()), "forgotten");
        assert_eq!(throttle.admit("asha", A, now), Ok(()), "forgotten for good");
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_and_an_account_is_never_closed_for_long() {
        let mut throttle = Throttle::default();
        for n in 0..limits::LOGIN_TRIES_ADDRESS {
            assert_eq!(throttle.admit(&format!("user{n}"), A, at(1)), Ok(()), "{n}");
        }
        assert!(throttle.admit("another", A, at(1)).is_err());
        // A stranger with a thousand addresses at one account.
        let mut now = at(1);
        for n in 0..1_000_u32 {
            let address = IpAddr::from([11, 0, (n / 250) as u8, (n % 250) as u8]);
            let _ = throttle.admit("owner", address, now);
            now = now + Duration::from_secs(31);
        }
        let wait = throttle.admit("owner", B, now - Duration::from_secs(31)).unwrap_err();
        assert!(wait <= limits::LOGIN_WAIT_ACCOUNT_MAX, "{wait:?}");
    }

    #[test]
    fn success_forgives_the_person_and_not_the_address() {
        let mut throttle = Throttle::default();
        for _ in 0..limits::LOGIN_TRIES_ADDRESS * 10 {
            // Own account between guesses at others: the address is caught all the same.
            if throttle.admit("mallory", A, at(5)).is_ok() {
                throttle.succeeded("mallory", A);
            }
            let _ = throttle.admit("asha", A, at(5));
            let _ = throttle.admit("bina", A, at(5));
        }
        let guesses = throttle.tries.get(&Door::Address(A)).unwrap().failures;
        assert!(guesses <= limits::LOGIN_TRIES_ADDRESS, "{guesses} guesses at once");
        let mut throttle = Throttle::default();
        for _ in 0..1_000 {
            assert_eq!(throttle.admit("asha", A, at(5)), Ok(()));
            throttle.take_back("asha", A);
        }
    }

    #[test]
    fn a_rate_gives_a_burst_and_then_a_steady_flow() {
        let mut throttle = Throttle::default();
        let rate = Rate { per_second: 10, burst: 5 };
        let key = || Source::Known("key:1".to_owned());
        let now = at(3);
        for _ in 0..5 {
            assert_eq!(throttle.take(key(), rate, now), Ok(()));
        }
        let wait = throttle.take(key(), rate, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(throttle.take(key(), rate, now + wait), Ok(()));
        assert!(throttle.take(key(), rate, now + wait).is_err());
        assert_eq!(throttle.take(Source::Address(A), rate, now), Ok(()), "another source");
        for _ in 0..5 {
            assert_eq!(throttle.take(key(), rate, now + Duration::from_secs(60)), Ok(()), "whole again");
        }
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source() {
        let mut throttle = Throttle::default();
        let rate = Rate { per_second: 1, burst: 2 };
        let address = |text: &str| Source::Address(text.parse().unwrap());
        assert!(throttle.take(address("2001:db8:1:2::1"), rate, at(1)).is_ok());
        assert!(throttle.take(address("2001:db8:1:2:ffff::9"), rate, at(1)).is_ok());
        assert!(throttle.take(address("2001:db8:1:2:1:2:3:4"), rate, at(1)).is_err());
        assert!(throttle.take(address("2001:db8:1:3::1"), rate, at(1)).is_ok());
        // IPv4 written as IPv6 is IPv4.
        assert!(throttle.take(address("::ffff:10.1.1.1"), rate, at(1)).is_ok());
        assert!(throttle.take(address("10.1.1.1"), rate, at(1)).is_ok());
        assert!(throttle.take(address("::ffff:10.1.1.1"), rate, at(1)).is_err());
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_who_is_active_is_remembered(keys in proptest::collection::vec(0_u32..5_000, 1..2_000)) {
            let mut throttle = Throttle::new(64);
            let rate = Rate { per_second: 1, burst: 1 };
            let owner = || Source::Known("owner".to_owned());
            for (n, key) in keys.iter().enumerate() {
                let now = Moment::from_millis(n as u64);
                let _ = throttle.take(Source::Known(key.to_string()), rate, now);
                let first = throttle.take(owner(), rate, now).is_ok();
                prop_assert_eq!(first, (n as u64).is_multiple_of(1_000), "at {}", n);
                let _ = throttle.admit(&key.to_string(), A, now);
                prop_assert!(throttle.rates.kept.len() <= 64 && throttle.tries.kept.len() <= 64);
            }
        }
    }
}
