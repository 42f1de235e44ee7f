//! What a running daemon knows of itself and hands in: other rooms' words, turned into figures.

use super::certificate::Certificate;
use super::clock::Synchronised;
use super::component::Component;
use super::rates::Rates;
use crate::ops::backups::Backups;
use crate::ops::upkeep::{Shape, Upkeep};
use crate::store::disk::Look;

/// `None` and empty: not known here, so nothing is said of it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Milliseconds since 1970 UTC, read anew.
    pub wall_ms: u64,
    pub components: Vec<Component>,
    pub offline: Option<bool>,
    /// Of the disk of the state directory.
    pub disk: Option<Look>,
    pub agents: Vec<AgentFacts>,
    pub journal: Option<JournalFacts>,
    pub databases: Vec<DatabaseFacts>,
    pub backup: Option<BackupFacts>,
    pub audit: Vec<AuditFacts>,
    pub outbox: Option<OutboxFacts>,
    pub recordings: Option<RecordingFacts>,
    /// Of the address that carriers call, or why it could not be read.
    pub certificate: Option<Result<Certificate, String>>,
    pub synchronised: Option<Synchronised>,
    pub rates: Option<Rates>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFacts {
    pub agent: String,
    /// For whom it answers.
    pub tenant: String,
    /// Why it takes no calls.
    pub shut: Option<String>,
}

/// Facts about calls since the start of the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalFacts {
    pub lost: u64,
    /// To be written when the disk takes them.
    pub waiting: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// `system`, or the tenant's id.
    pub name: String,
    /// What the last integrity check complained of.
    pub corrupt: Option<String>,
    /// Why it cannot be written now.
    pub unwritable: Option<String>,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupFacts {
    /// Are backups made by themselves?
    pub scheduled: bool,
    pub last_good_ms: Option<u64>,
    /// Why the last one failed; empty if it did not.
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFacts {
    /// `system`, or the tenant's id.
    pub name: String,
    pub verified_ms: Option<u64>,
    /// Where and how the chain is broken.
    pub broken: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxFacts {
    pub waiting: u64,
    pub dead: u64,
    pub oldest_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFacts {
    /// Since the start of the daemon.
    pub broken_off: u64,
    /// Of calls that are over, not yet where objects lie.
    pub waiting: usize,
    /// Why not.
    pub why: Option<String>,
}

impl DatabaseFacts {
    /// Of every database, as its upkeep sees it. Waits for the disk.
    pub fn all(upkeep: &Upkeep) -> Vec<Self> {
        upkeep.shapes().iter().map(Self::of).collect()
    }

    fn of(shape: &Shape) -> Self {
        Self {
            name: shape.name.clone(),
            corrupt: shape.faults.first().cloned(),
            unwritable: shape.unwritable.clone(),
            wal_bytes: shape.wal_bytes,
        }
    }
}

impl BackupFacts {
    pub fn of(backups: &Backups) -> Self {
        let status = backups.status();
        Self { scheduled: backups.is_scheduled(), last_good_ms: status.last_good_ms, last_error: status.last_error }
    }
}

impl OutboxFacts {
    /// Of one tenant more.
    pub fn add(&mut self, waiting: u64, dead: u64, oldest_ms: Option<u64>) {
        self.waiting += waiting;
        self.dead += dead;
        self.oldest_ms = match (self.oldest_ms, oldest_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_all_tenants_counts() {
        let mut all = OutboxFacts::default();
        for (waiting, dead, oldest) in [(0, 1, None), (3, 0, Some(50)), (1, 0, Some(20)), (2, 2, Some(90))] {
            all.add(waiting, dead, oldest);
        }
        assert_eq!(all, OutboxFacts { waiting: 6, dead: 3, oldest_ms: Some(20) });
        let faults = vec!["page 3".to_owned(), "page 4".to_owned()];
        let shape = Shape { name: "acme".to_owned(), faults, wal_bytes: 7, ..Shape::default() };
        let facts = DatabaseFacts::of(&shape);
        assert_eq!((facts.name.as_str(), facts.corrupt.as_deref(), facts.wal_bytes), ("acme", Some("page 3"), 7));
    }
}
