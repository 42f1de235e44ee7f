//! What the log is told of writes that were lost. Promise: the first is told at once, then one line a
//! while, and one when it is over: a full disk loses many, and the log may lie on it, too.

use std::path::Path;

use super::StoreError;
use crate::base::{Moment, limits};

pub(super) struct Complaint {
    database: String,
    /// Writes since the last line.
    writes: usize,
    last: Option<Moment>,
    told: Option<Moment>,
}

impl Complaint {
    /// Of the database in this file.
    pub(super) fn about(path: &Path) -> Self {
        let database = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self { database, writes: 0, last: None, told: None }
    }

    pub(super) fn lost(&mut self, now: Moment, writes: usize, error: &StoreError) {
        self.writes += writes;
        self.last = Some(now);
        if self.told.is_none_or(|told| now.since(told) >= limits::STORE_COMPLAIN_EVERY) {
            let (database, writes) = (&self.database, std::mem::take(&mut self.writes));
            tracing::error!(database, %error, writes, "writes were lost; whoever waits for them is told");
            self.told = Some(now);
        }
    }

    pub(super) fn kept(&mut self, now: Moment) {
        if self.last.is_some_and(|last| now.since(last) >= limits::STORE_WELL_AFTER) {
            let (database, writes) = (&self.database, std::mem::take(&mut self.writes));
            tracing::info!(database, writes, "the database is written again; so many more writes were lost meanwhile");
            (self.last, self.told) = (None, None);
        }
    }
}
