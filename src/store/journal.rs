//! The journal of all calls, in the database of the tenant each call concerns.
//!
//! Promise: a record acknowledged by [`Journal::append_durable`] is on the disk, and so is everything
//! that was made from it in the same transaction; one that is not kept has left nothing behind. A
//! full disk fails the durable append and drops the others, counted; calls go on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use rusqlite::{Connection, params};

use super::vault::Vault;
use super::{Database, StoreError, calls};
use crate::base::event::{Event, Record};
use crate::base::{CallId, TenantId, limits};

/// Makes something of a record in the transaction that keeps it. An error keeps neither.
pub type Derive = Arc<dyn Fn(&Connection, &Record) -> Result<(), StoreError> + Send + Sync>;

struct Inner {
    vault: Vault,
    derive: Vec<Derive>,
    /// Where the facts of a call go; the oldest calls are forgotten.
    tenants: Mutex<IndexMap<CallId, TenantId>>,
    dropped: AtomicU64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

/// A call that began and has no end: the process died under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub call: CallId,
    /// Of its last record.
    pub unix_ms: u64,
    pub call_ms: u64,
}

impl Journal {
    pub fn new(vault: Vault, derive: Vec<Derive>) -> Self {
        Self(Arc::new(Inner { vault, derive, tenants: Mutex::default(), dropped: AtomicU64::new(0) }))
    }

    /// Whom a call concerns: the tenant named when it began.
    pub fn tenant_of(&self, call: CallId) -> TenantId {
        let tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.get(&call).cloned().unwrap_or_else(TenantId::default_tenant)
    }

    fn remember(&self, call: CallId, tenant: TenantId) {
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        while tenants.len() >= limits::CALLS_MAX + limits::CALL_TENANTS_MAX {
            tenants.shift_remove_index(0);
        }
        tenants.insert(call, tenant);
    }

    fn database(&self, record: &Record) -> Option<Database> {
        if let Event::CallInitiated { concerns, .. } = &record.event {
            self.remember(record.call, concerns.tenant_id());
        }
        self.0.vault.tenant(&self.tenant_of(record.call))
    }

    /// Writes soon. When the queue or the disk is full the record is dropped and counted: a call
    /// never waits.
    pub fn append(&self, record: Record) {
        let posted = self.database(&record).is_some_and(|db| {
            let (writing, telling) = (self.clone(), self.clone());
            db.post(
                move |db| writing.put(db, &record),
                move |result| {
                    if let Err(error) = result {
                        telling.lost(&error);
                    }
                },
            )
        });
        if !posted {
            self.lost(&StoreError::Closed);
        }
    }

    fn lost(&self, error: &StoreError) {
        if self.0.dropped.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) {
            tracing::error!(%error, "the journal cannot be written; calls go on without a record");
        }
    }

    /// Returns once the record (and all before it of the same tenant) is on the disk.
    pub async fn append_durable(&self, record: Record) -> Result<(), StoreError> {
        let db = self.database(&record).ok_or(StoreError::Closed)?;
        let writing = self.clone();
        let result = db.write(move |db| writing.put(db, &record)).await;
        if result.is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn put(&self, db: &Connection, record: &Record) -> Result<(), StoreError> {
        let body = serde_json::to_string(&record.event)?;
        db.prepare_cached("INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![record.call.to_string(), record.unix_ms, record.call_ms, record.event.kind(), body])?;
        calls::derive(db, db.last_insert_rowid(), record)?;
        self.0.derive.iter().try_for_each(|derive| derive(db, record))
    }

    /// Records lost to a full queue or disk since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Calls without an end, of every tenant. Waits for the disk.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let mut found = Vec::new();
        for (tenant, db) in self.0.vault.databases() {
            let open: Vec<Unfinished> = db.read_blocking(|db| {
                let sql = "SELECT id, max(unix_ms), max(call_ms) FROM calls JOIN events ON events.call = calls.id
                           WHERE ended_ms IS NULL GROUP BY id";
                let of_row = |row: &rusqlite::Row<'_>| {
                    Ok(Unfinished { call: calls::of_word(row, 0)?, unix_ms: row.get(1)?, call_ms: row.get(2)? })
                };
                Ok(db.prepare(sql)?.query_map([], of_row)?.collect::<Result<_, _>>()?)
            })?;
            for unfinished in &open {
                self.remember(unfinished.call, tenant.clone());
            }
            found.extend(open);
        }
        Ok(found)
    }
}

/// A record of the journal and its number in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    pub seq: u64,
    pub record: Record,
}

/// Every record of one call behind number `after`, oldest first, at most `most`.
pub fn of_call(db: &Connection, call: CallId, after: u64, most: usize) -> Result<Vec<Numbered>, StoreError> {
    let sql = "SELECT seq, call, unix_ms, call_ms, body FROM events WHERE call = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    collect(db, sql, params![call.to_string(), after, most as u64])
}

/// Records of all calls behind number `after`, oldest first, at most `most`.
pub fn since(db: &Connection, after: u64, most: usize) -> Result<Vec<Numbered>, StoreError> {
    let sql = "SELECT seq, call, unix_ms, call_ms, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    collect(db, sql, params![after, most as u64])
}

fn collect(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Numbered>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(4)?;
        let record = Record {
            call: calls::of_word(row, 1)?,
            unix_ms: row.get(2)?,
            call_ms: row.get(3)?,
            event: serde_json::from_str(&body)?,
        };
        found.push(Numbered { seq: row.get(0)?, record });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::base::event::{CallState, Concerns, Direction, EndCause};
    use crate::store::crypt::MasterKey;

    fn open(state: &std::path::Path) -> (Vault, Journal) {
        let vault = Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap();
        (vault.clone(), Journal::new(vault, Vec::new()))
    }

    fn began(call: CallId, tenant: &str) -> Record {
        let concerns = Box::new(Concerns { tenant: tenant.to_owned(), ..Concerns::default() });
        let event = Event::CallInitiated {
            transport: "twilio".to_owned(),
            carrier_call: Some(format!("CA{call}")),
            direction: Direction::Inbound,
            agent: "helpdesk".to_owned(),
            caller_hash: Some("abc".to_owned()),
            concerns,
            customer: None,
        };
        Record { call, unix_ms: 86_400_000, call_ms: 0, event }
    }

    fn ended(call: CallId) -> Record {
        let event =
            Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 9, turns: 2 };
        Record { call, unix_ms: 86_400_009, call_ms: 9, event }
    }

    fn daily(db: &Database) -> Vec<(i64, i64)> {
        db.read_blocking(|db| {
            let of_row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(db
                .prepare("SELECT calls, turns FROM call_sums WHERE agent = '' AND campaign = '' AND by = 'all'")?
                .query_map([], of_row)?
                .collect::<Result<_, _>>()?)
        })
        .unwrap()
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_found_again_with_what_was_made_of_it() {
        let state = tempfile::tempdir().unwrap();
        let (whole, torn) = (CallId::from_seed(1, 1), CallId::from_seed(1, 2));
        let (vault, journal) = open(state.path());
        vault.create_tenant(&"bank".parse().unwrap(), "A bank").unwrap();
        journal.append(began(whole, ""));
        journal.append_durable(ended(whole)).await.unwrap();
        journal.append_durable(ended(whole)).await.unwrap();
        journal.append_durable(began(torn, "bank")).await.unwrap();
        vault.close();

        let (vault, journal) = open(state.path());
        let (default, bank) =
            (vault.tenant(&TenantId::default_tenant()).unwrap(), vault.tenant(&"bank".parse().unwrap()).unwrap());
        let records = default.read(move |db| of_call(db, whole, 0, 10)).await.unwrap();
        assert_eq!(
            records.iter().map(|n| &n.record).collect::<Vec<_>>(),
            [&began(whole, ""), &ended(whole), &ended(whole)]
        );
        assert_eq!(default.read(move |db| of_call(db, whole, records[0].seq, 1)).await.unwrap().len(), 1);
        let call = default.read(move |db| calls::find(db, &format!("CA{whole}"))).await.unwrap().unwrap();
        assert_eq!((call.state, call.turns, call.duration_ms), (CallState::Completed, 2, Some(9)));
        assert_eq!(daily(&default), [(1, 2)], "an end that comes twice counts once");

        let open = journal.unfinished().unwrap();
        assert_eq!(open, [Unfinished { call: torn, unix_ms: 86_400_000, call_ms: 0 }]);
        journal.append_durable(ended(torn)).await.unwrap();
        assert_eq!(daily(&bank), [(1, 2)], "its end goes where it began");
        assert!(journal.unfinished().unwrap().is_empty());
        let late = Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress };
        journal.append_durable(Record { event: late, ..ended(whole) }).await.unwrap();
        let call = default.read(move |db| calls::find(db, &whole.to_string())).await.unwrap().unwrap();
        assert_eq!(call.state, CallState::Completed, "a late fact does not bring a call back");
        assert_eq!(journal.dropped(), 0);
    }

    #[tokio::test]
    async fn what_is_made_of_a_record_is_kept_with_it_or_neither_is() {
        let state = tempfile::tempdir().unwrap();
        let (vault, _) = open(state.path());
        let derive: Derive = Arc::new(|db, record| {
            db.execute("INSERT INTO callbacks VALUES (?1, '', '', '', '', 1)", [record.call.to_string()])?;
            if record.call_ms == 9 { Err(StoreError::Invalid("broken on purpose".to_owned())) } else { Ok(()) }
        });
        let journal = Journal::new(vault.clone(), vec![derive]);
        let call = CallId::from_seed(3, 1);
        journal.append_durable(began(call, "")).await.unwrap();
        assert!(journal.append_durable(ended(CallId::from_seed(3, 2))).await.is_err());
        assert_eq!(journal.dropped(), 1);
        let db = vault.tenant(&TenantId::default_tenant()).unwrap();
        let count =
            |sql: &'static str| db.read_blocking(|db| Ok(db.query_row(sql, [], |r| r.get::<_, i64>(0))?)).unwrap();
        assert_eq!((count("SELECT count(*) FROM events"), count("SELECT count(*) FROM callbacks")), (1, 1));
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_durable_append_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let (vault, journal) = open(state.path());
        let db = vault.tenant(&TenantId::default_tenant()).unwrap();
        let limit = |pages: i64| {
            db.write_blocking(move |db| {
                Ok(db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
            })
        };
        limit(1).unwrap();
        let mut full = 0;
        for n in 0..200 {
            journal.append(began(CallId::from_seed(4, n), ""));
            full +=
                u32::from(journal.append_durable(began(CallId::from_seed(5, n), "")).await.is_err_and(|e| e.is_full()));
        }
        assert!(full > 0 && journal.dropped() >= u64::from(full), "{full}");
        limit(1_000_000).unwrap();
        journal.append_durable(began(CallId::from_seed(6, 1), "")).await.unwrap();
    }
}
