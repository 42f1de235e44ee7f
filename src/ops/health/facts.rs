//! What a running daemon knows of itself and hands in: other rooms' words, turned into figures.

use super::certificate::Certificate;
use super::clock::Synchronised;
use super::component::Component;
use super::rates::Rates;

/// `None` and empty: not known here, so nothing is said of it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Milliseconds since 1970 UTC, read anew.
    pub wall_ms: u64,
    pub components: Vec<Component>,
    pub offline: Option<bool>,
    /// Facts about calls that were lost, since the start.
    pub journal_dropped: Option<u64>,
    pub databases: Vec<DatabaseFacts>,
    pub backup: Option<BackupFacts>,
    pub audit: Vec<AuditFacts>,
    pub outbox: Option<OutboxFacts>,
    /// Of the address that carriers call, or why it could not be read.
    pub certificate: Option<Result<Certificate, String>>,
    pub synchronised: Option<Synchronised>,
    pub rates: Option<Rates>,
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
