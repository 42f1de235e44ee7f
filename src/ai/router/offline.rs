//! Is the world outside the box there? Pure: evidence in, a verdict out.
//! Promise: one broken provider is not "offline"; offline needs two of them that cannot be reached,
//! with nothing answered in between, or every probe unanswered. One answer from outside ends it.

use std::time::Duration;

use crate::base::Moment;

/// Failures to connect that are older say nothing any more.
const EVIDENCE_LASTS: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Hosts that could not be reached, and when last.
    unreachable: Vec<(usize, Moment)>,
    /// How many hosts there are outside the box.
    hosts: usize,
    offline: bool,
}

impl Evidence {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts, ..Self::default() }
    }

    pub(super) const fn is_offline(&self) -> bool {
        self.offline
    }

    /// Something outside answered, were it only with an error: whoever could not be reached before
    /// is broken itself. True if that changes the verdict.
    pub(super) fn reached(&mut self) -> bool {
        self.unreachable.clear();
        self.turn(false)
    }

    /// No connection. True if that changes the verdict.
    pub(super) fn unreachable(&mut self, host: usize, now: Moment) -> bool {
        self.unreachable.retain(|(h, at)| *h != host && now.since(*at) < EVIDENCE_LASTS);
        self.unreachable.push((host, now));
        if self.hosts >= 2 && self.unreachable.len() >= 2 { self.turn(true) } else { false }
    }

    /// A round of probes is over: how many were asked, how many answered.
    pub(super) fn probed(&mut self, asked: usize, answered: usize) -> bool {
        if answered > 0 {
            return self.reached();
        }
        if asked > 0 { self.turn(true) } else { false }
    }

    fn turn(&mut self, offline: bool) -> bool {
        if self.offline == offline {
            return false;
        }
        self.offline = offline;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    #[test]
    fn one_broken_provider_is_not_the_end_of_the_world() {
        let mut evidence = Evidence::new(3);
        assert!(!evidence.unreachable(0, at(1)) && !evidence.unreachable(0, at(2)));
        assert!(!evidence.unreachable(1, at(20)), "the other failure is too long ago");
        assert!(evidence.unreachable(2, at(21)));
        assert!(evidence.is_offline());
        assert!(evidence.reached());
        assert!(!evidence.is_offline());
        assert!(!evidence.unreachable(0, at(22)) && !evidence.reached() && !evidence.unreachable(1, at(23)));
    }

    #[test]
    fn unanswered_probes_tell_also_when_there_is_one_host_only() {
        let mut evidence = Evidence::new(1);
        assert!(!evidence.unreachable(0, at(1)));
        assert!(!evidence.probed(0, 0), "nobody was asked");
        assert!(evidence.probed(1, 0));
        assert!(!evidence.probed(1, 0));
        assert!(evidence.probed(2, 1));
    }
}
