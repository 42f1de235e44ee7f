//! What reading lists and single customers needs of the site: its states, its clock's zone, and how
//! many lists are read at once.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::import::{self, Parsed, Rules, Unreadable};
use crate::base::limits;
use crate::dialogue::states::States;
use crate::store::{Database, StoreError, uploads};

/// Cheap to clone.
#[derive(Clone)]
pub struct Lists(Arc<Inner>);

struct Inner {
    states: States,
    zone: TimeZone,
    room: Arc<Semaphore>,
    /// Lists that were given up and of which rows are still there; nobody sees them.
    left: Mutex<Vec<(Database, Uuid)>>,
}

impl Lists {
    /// `zone`: for call-back times that name none.
    pub fn new(states: States, zone: TimeZone) -> Self {
        let room = Arc::new(Semaphore::new(limits::UPLOADS_AT_ONCE));
        Self(Arc::new(Inner { states, zone, room, left: Mutex::default() }))
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Vec<(Database, Uuid)>> {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a list of which something is left to be removed.
    pub fn leave(&self, db: Database, list: Uuid) {
        self.left().push((db, list));
    }

    /// For the start, before anybody brings a list: remembers what the last process was writing when it
    /// died. Waits for the disk.
    pub fn leave_unfinished(&self, db: &Database) -> Result<(), StoreError> {
        for list in db.read_blocking(uploads::unfinished)? {
            self.leave(db.clone(), list);
        }
        Ok(())
    }

    /// Is something left?
    pub fn has_left(&self) -> bool {
        !self.left().is_empty()
    }

    /// Removes what is left, as far as it can be; gives how many lists are done with. Waits for the disk.
    pub fn clear_left(&self, now_ms: i64) -> usize {
        let all = std::mem::take(&mut *self.left());
        let before = all.len();
        let still: Vec<_> = all
            .into_iter()
            .filter(|(db, list)| match import::recover(db, *list, now_ms) {
                // With its tenant everything is gone.
                Ok(()) | Err(StoreError::Closed) => false,
                Err(_) => true,
            })
            .collect();
        let done = before - still.len();
        self.left().extend(still);
        done
    }

    /// The usual name of a state; without a table of states every name is one.
    pub fn state(&self, written: &str) -> Option<String> {
        if self.0.states.iter().next().is_none() {
            return Some(written.to_owned());
        }
        self.0.states.name_of(written).map(str::to_owned)
    }

    /// To be held while a list is read; `None`: as many as may are being read.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.room).try_acquire_owned().ok()
    }

    /// Reads a file. Takes its time: for threads that may.
    pub fn parse(&self, bytes: &[u8]) -> Result<Parsed, Unreadable> {
        import::parse(bytes, &Rules { zone: self.0.zone.clone(), state: &|state| self.state(state) })
    }
}
