//! Who has lately read the words of which call. A page that asks for a live call every second reads it
//! once as far as the audit log is concerned: the same reader, call and way within
//! [`limits::READING_FOLDED`] are one entry. Promise: no words are shown before their entry is durable;
//! what is forgotten here (by time, by number, by a restart) is written down anew, never left out.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use crate::auth::{Kind, Principal, Role};
use crate::base::{CallId, Moment, limits};

/// Who reads what and how. An entry says where from: reading from elsewhere is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    who: Kind,
    role: Role,
    address: Option<IpAddr>,
    call: CallId,
    how: &'static str,
}

impl Reading {
    pub(super) fn new(who: &Principal, call: CallId, how: &'static str) -> Self {
        Self { who: who.kind.clone(), role: who.role, address: who.address, call, how }
    }
}

/// Entries that still stand for what is read, oldest first. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readings(Arc<Mutex<IndexMap<Reading, Moment>>>);

impl Readings {
    /// Is there an entry that stands for this too?
    pub(super) fn is_noted(&self, reading: &Reading, now: Moment) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(reading).is_some_and(|at| now.since(*at) < limits::READING_FOLDED)
    }

    /// Its entry is on the disk. Full: the oldest is forgotten, and written down again if it is read on.
    pub(super) fn noted(&self, reading: Reading, now: Moment) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Behind all others: they stay in the order of their time.
        noted.shift_remove(&reading);
        let over = noted.values().take_while(|at| now.since(**at) >= limits::READING_FOLDED).count();
        let room = (noted.len() + 1).saturating_sub(limits::READINGS_KEPT);
        noted.drain(..over.max(room));
        noted.insert(reading, now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reader(id: &str) -> Principal {
        Principal::new(Kind::Key { id: id.to_owned() }, "asha", Role::Supervisor, None)
    }

    #[test]
    fn the_same_reader_call_and_way_are_one_entry_for_a_while() {
        let (readings, call, other) = (Readings::default(), CallId::from_seed(1, 1), CallId::from_seed(1, 2));
        let first = Moment::from_millis(1_000);
        let late = first + limits::READING_FOLDED;
        let reading = Reading::new(&reader("a"), call, "session");
        assert!(!readings.is_noted(&reading, first));
        readings.noted(reading.clone(), first);
        assert!(readings.is_noted(&reading, first + (limits::READING_FOLDED - Duration::from_millis(1))));
        assert!(!readings.is_noted(&reading, late), "reading on does not make an entry last for ever");
        let mut elsewhere = reader("a");
        elsewhere.address = Some([203, 0, 113, 7].into());
        let mut promoted = reader("a");
        promoted.role = Role::Admin;
        let others = [
            Reading::new(&reader("b"), call, "session"),
            Reading::new(&reader("a"), other, "session"),
            Reading::new(&reader("a"), call, "turns"),
            Reading::new(&elsewhere, call, "session"),
            Reading::new(&promoted, call, "session"),
        ];
        for other in others {
            assert!(!readings.is_noted(&other, first), "{other:?}");
        }
    }

    #[test]
    fn few_are_remembered_and_the_oldest_go_first() {
        let readings = Readings::default();
        let reading = |n: usize| Reading::new(&reader("a"), CallId::from_seed(7, n as u64), "turns");
        let now = Moment::from_millis(1);
        for n in 0..limits::READINGS_KEPT + 2 {
            readings.noted(reading(n), now);
        }
        assert_eq!(readings.0.lock().unwrap().len(), limits::READINGS_KEPT);
        assert!(!readings.is_noted(&reading(1), now), "forgotten, so written down again");
        assert!(readings.is_noted(&reading(2), now));
        readings.noted(reading(0), now + limits::READING_FOLDED);
        assert_eq!(readings.0.lock().unwrap().len(), 1, "what stands for nothing any more is not kept");
    }
}
