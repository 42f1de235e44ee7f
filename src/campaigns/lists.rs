//! What reading lists and single customers needs of the site: its states, its clock's zone, and how
//! many lists are read at once.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::import::{self, Parsed, Rules, Unreadable};
use crate::base::limits;
use crate::dialogue::states::States;

/// Cheap to clone.
#[derive(Clone)]
pub struct Lists(Arc<Inner>);

struct Inner {
    states: States,
    zone: TimeZone,
    room: Arc<Semaphore>,
}

impl Lists {
    /// `zone`: for call-back times that name none.
    pub fn new(states: States, zone: TimeZone) -> Self {
        Self(Arc::new(Inner { states, zone, room: Arc::new(Semaphore::new(limits::UPLOADS_AT_ONCE)) }))
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
