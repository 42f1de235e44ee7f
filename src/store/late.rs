//! Facts of calls that could not be written and must not be lost: they wait in memory, each call's in
//! their order. Promise: bounded, and what does not fit is counted by whoever asks. Absent on purpose:
//! who writes them (`journal.rs`).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::StoreError;
use crate::base::event::{Event, Record};
use crate::base::{CallId, TenantId, limits};

struct OfCall {
    /// Where they go; the journal itself may have forgotten it by then.
    tenant: TenantId,
    records: VecDeque<Record>,
    tries: u32,
}

#[derive(Default)]
struct Waiting {
    calls: IndexMap<CallId, OfCall>,
    records: usize,
}

#[derive(Default)]
pub(super) struct Late(Mutex<Waiting>);

/// Is it among what the box owes: that there was a call, how it went, what it cost, its end?
pub(super) const fn is_owed(event: &Event) -> bool {
    matches!(
        event,
        Event::CallInitiated { .. } | Event::StateChanged { .. } | Event::CallCost(_) | Event::CallEnded { .. }
    )
}

/// May the same write work later?
const fn may_work(error: &StoreError) -> bool {
    matches!(error, StoreError::Full | StoreError::Sqlite(_) | StoreError::Io(_) | StoreError::Lost(_))
}

impl Late {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().records
    }

    pub(super) fn waits(&self, call: CallId) -> bool {
        self.lock().calls.contains_key(&call)
    }

    /// Calls of which something waits, those that have waited longest first.
    pub(super) fn calls(&self) -> Vec<(CallId, TenantId)> {
        self.lock().calls.iter().map(|(call, of_call)| (*call, of_call.tenant.clone())).collect()
    }

    /// What waits of a call, to be written before anything else of it.
    pub(super) fn take(&self, call: CallId) -> Vec<Record> {
        let mut waiting = self.lock();
        let Some(of_call) = waiting.calls.get_mut(&call) else { return Vec::new() };
        let taken: Vec<Record> = of_call.records.drain(..).collect();
        waiting.records -= taken.len();
        taken
    }

    /// Everything that was taken is on the disk.
    pub(super) fn kept(&self, call: CallId) {
        let mut waiting = self.lock();
        if waiting.calls.get(&call).is_some_and(|of_call| of_call.records.is_empty()) {
            waiting.calls.shift_remove(&call);
        }
    }

    /// It was not written: what was `taken` goes back before what has come since, `new` behind it. Gives
    /// how many are lost instead.
    pub(super) fn failed(
        &self,
        (call, tenant): (CallId, &TenantId),
        taken: Vec<Record>,
        new: Option<Record>,
        error: &StoreError,
    ) -> usize {
        let all = taken.len() + usize::from(new.is_some());
        let new = new.filter(|record| is_owed(&record.event));
        let mut waiting = self.lock();
        let room = limits::LATE_FACTS_MAX.saturating_sub(waiting.records);
        let fresh = || OfCall { tenant: tenant.clone(), records: VecDeque::new(), tries: 0 };
        let of_call = waiting.calls.entry(call).or_insert_with(fresh);
        of_call.tries += u32::from(!error.is_full());
        let mut back = 0;
        if may_work(error) && of_call.tries <= limits::LATE_TRIES_MAX {
            for record in taken.into_iter().take(room).rev() {
                of_call.records.push_front(record);
                back += 1;
            }
            if let Some(record) = new.filter(|_| back < room) {
                of_call.records.push_back(record);
                back += 1;
            }
        }
        if of_call.records.is_empty() {
            waiting.calls.shift_remove(&call);
        }
        waiting.records += back;
        all - back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::{CallState, EndCause};

    fn ended(ms: u64) -> Record {
        let event =
            Event::CallEnded { outcome: CallState::Failed, cause: EndCause::ProcessLost, duration_ms: ms, turns: 0 };
        Record { call: CallId::from_seed(1, 1), unix_ms: ms, call_ms: ms, event }
    }

    #[test]
    fn what_waits_keeps_its_order_and_what_is_not_owed_is_lost() {
        let (late, call) = (Late::default(), CallId::from_seed(1, 1));
        let of = (call, &TenantId::default_tenant());
        let ms = |records: &[Record]| records.iter().map(|r| r.call_ms).collect::<Vec<_>>();
        assert_eq!(late.failed(of, Vec::new(), Some(ended(1)), &StoreError::Full), 0);
        assert_eq!(late.failed(of, Vec::new(), Some(ended(2)), &StoreError::Full), 0);
        let taken = late.take(call);
        assert_eq!((ms(&taken), late.len(), late.waits(call)), (vec![1, 2], 0, true));
        // Something else of the call fails meanwhile.
        assert_eq!(late.failed(of, Vec::new(), Some(ended(4)), &StoreError::Full), 0);
        assert_eq!(late.failed(of, taken, Some(ended(3)), &StoreError::Full), 0);
        assert_eq!(ms(&late.take(call)), [1, 2, 4, 3]);
        late.kept(call);
        assert!(!late.waits(call) && late.calls().is_empty());
        let spoken = Record { event: Event::SpeechStarted { turn: 1 }, ..ended(5) };
        assert_eq!(late.failed(of, Vec::new(), Some(spoken), &StoreError::Full), 1);
        // What can never be written does not wait for ever.
        assert_eq!(late.failed(of, Vec::new(), Some(ended(6)), &StoreError::Closed), 1);
        let broken = || StoreError::Lost("broken".to_owned());
        let mut tries = 0;
        while late.failed(of, late.take(call), Some(ended(7)), &broken()) == 0 {
            tries += 1;
            assert!(tries < 100);
        }
        assert_eq!((tries, late.len()), (limits::LATE_TRIES_MAX, 0));
        assert!(late.calls().is_empty());
    }
}
