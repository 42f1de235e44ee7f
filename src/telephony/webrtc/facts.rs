//! Facts of a call on their way to the browser that is on its line.
//! Promise: a call never waits for a browser; each browser gets the facts of its own call and no other's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::base::event::Record;
use crate::base::{CallId, limits};

/// Cheap to clone; one for the daemon.
#[derive(Clone, Debug, Default)]
pub struct Facts(Arc<Places>);

#[derive(Debug, Default)]
struct Places {
    taken: Mutex<HashMap<CallId, (u64, mpsc::Sender<Record>)>>,
    /// Numbers of places so far.
    number: AtomicU64,
}

/// A browser's place; given up when dropped.
#[derive(Debug)]
pub struct Told {
    facts: Facts,
    call: CallId,
    number: u64,
    records: mpsc::Receiver<Record>,
}

impl Facts {
    fn open(&self) -> MutexGuard<'_, HashMap<CallId, (u64, mpsc::Sender<Record>)>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fact; what a browser has no room for is left out.
    pub fn observe(&self, record: &Record) {
        let sender = self.open().get(&record.call).map(|(_, sender)| sender.clone());
        if let Some(sender) = sender
            && sender.try_send(record.clone()).is_err()
        {
            tracing::debug!(call = %record.call, "a browser is behind; it misses a fact");
        }
    }

    /// From now on whoever had the place of this call before is told nothing more.
    pub fn of(&self, call: CallId) -> Told {
        let (sender, records) = mpsc::channel(limits::WEBRTC_FACTS_QUEUE);
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        self.open().insert(call, (number, sender));
        Told { facts: self.clone(), call, number, records }
    }

    /// Browsers that are told.
    pub fn listening(&self) -> usize {
        self.open().len()
    }
}

impl Told {
    /// May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Record> {
        self.records.recv().await
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut taken = self.facts.open();
        // Not that of a connection which has carried the call on.
        if taken.get(&self.call).is_some_and(|(number, _)| *number == self.number) {
            taken.remove(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::Event;

    #[tokio::test]
    async fn each_browser_hears_of_its_own_call() {
        let facts = Facts::default();
        let (one, other) = (CallId::new(), CallId::new());
        let record = |call, turn| Record { call, unix_ms: 0, call_ms: 0, event: Event::SpeechStarted { turn } };
        let mut told = facts.of(one);
        facts.observe(&record(one, 1));
        facts.observe(&record(other, 2));
        facts.observe(&record(one, 3));
        assert_eq!(told.next().await, Some(record(one, 1)));
        assert_eq!(told.next().await, Some(record(one, 3)));
        // Nobody reads: the call goes on.
        for turn in 0..2_000 {
            facts.observe(&record(one, turn));
        }
        let mut next = facts.of(one);
        drop(told);
        assert_eq!(facts.listening(), 1, "the place is the next one's");
        facts.observe(&record(one, 5));
        assert_eq!(next.next().await, Some(record(one, 5)));
        drop(next);
        assert_eq!(facts.listening(), 0);
        facts.observe(&record(one, 4));
    }
}
