//! The journal of all calls, in the database of the tenant each call concerns.
//!
//! Promise: a record acknowledged by [`Journal::append_durable`] is on the disk, and so is everything
//! that was made from it in the same transaction; one that is not kept has left nothing behind. On a
//! full disk calls go on: the durable append fails, the box's dues (that there was a call, its states,
//! its cost, its end) wait in memory and are written before anything else of their call once there is
//! room, other facts are dropped and counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use rusqlite::{Connection, params};

use super::late::Late;
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
    late: Late,
    dropped: AtomicU64,
}

/// One record on its way, with what waited of its call.
struct Attempt {
    call: CallId,
    tenant: TenantId,
    record: Option<Record>,
    taken: Mutex<Vec<Record>>,
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
        let (tenants, late, dropped) = (Mutex::default(), Late::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { vault, derive, tenants, late, dropped }))
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

    fn database(&self, record: &Record) -> Option<(TenantId, Database)> {
        if let Event::CallInitiated { concerns, .. } = &record.event {
            self.remember(record.call, concerns.tenant_id());
        }
        let tenant = self.tenant_of(record.call);
        let db = self.0.vault.tenant(&tenant)?;
        Some((tenant, db))
    }

    /// Writes soon. When the queue or the disk is full a record that is not owed is dropped and counted:
    /// a call never waits.
    pub fn append(&self, record: Record) {
        let Some((tenant, db)) = self.database(&record) else { return self.lost(1, &StoreError::Closed) };
        let attempt = Arc::new(Attempt::of(tenant, record));
        let (writing, trying) = (self.clone(), Arc::clone(&attempt));
        let (settling, tried) = (self.clone(), Arc::clone(&attempt));
        let posted = db
            .post(move |db| writing.attempt(db, &trying), move |result| settling.settle(&tried, result.as_ref().err()));
        if !posted {
            self.settle(&attempt, Some(&StoreError::Lost("too many writes are waiting".to_owned())));
        }
    }

    fn lost(&self, records: usize, error: &StoreError) {
        let before = self.0.dropped.fetch_add(records as u64, Ordering::Relaxed);
        if before / 1_000 != (before + records as u64) / 1_000 || before == 0 {
            tracing::error!(%error, "the journal cannot be written; calls go on without a record");
        }
    }

    /// Returns once the record (and all before it of the same tenant) is on the disk. After an error it
    /// may still be written later, if [`Journal::waits_for`] says so.
    pub async fn append_durable(&self, record: Record) -> Result<(), StoreError> {
        let (tenant, db) = self.database(&record).ok_or(StoreError::Closed)?;
        self.write(&db, Attempt::of(tenant, record)).await
    }

    async fn write(&self, db: &Database, attempt: Attempt) -> Result<(), StoreError> {
        let attempt = Arc::new(attempt);
        let (writing, trying) = (self.clone(), Arc::clone(&attempt));
        let settling = self.clone();
        let result = db
            .write_then(move |db| writing.attempt(db, &trying), {
                let attempt = Arc::clone(&attempt);
                move |result| settling.settle(&attempt, result.as_ref().err())
            })
            .await;
        // The queue takes nothing any more: nobody has settled it.
        if let Err(error @ StoreError::Closed) = &result {
            self.settle(&attempt, Some(error));
        }
        result
    }

    /// On the writer's thread, in its transaction.
    fn attempt(&self, db: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
        let mut taken = attempt.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = self.0.late.take(attempt.call);
        taken.iter().chain(&attempt.record).try_for_each(|record| self.put(db, record))
    }

    fn settle(&self, attempt: &Attempt, error: Option<&StoreError>) {
        let taken = std::mem::take(&mut *attempt.taken.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(error) = error else {
            self.0.late.kept(attempt.call);
            return;
        };
        let lost = self.0.late.failed((attempt.call, &attempt.tenant), taken, attempt.record.clone(), error);
        if lost > 0 {
            self.lost(lost, error);
        }
    }

    /// Facts that wait for room on the disk.
    pub fn waiting(&self) -> usize {
        self.0.late.len()
    }

    /// Does something of this call wait for room?
    pub fn waits_for(&self, call: CallId) -> bool {
        self.0.late.waits(call)
    }

    /// Writes what waits. Stops at the first call of which nothing can be written.
    pub async fn catch_up(&self) {
        for (call, tenant) in self.0.late.calls() {
            let Some(db) = self.0.vault.tenant(&tenant) else {
                // A tenant that was removed takes its calls with it.
                let gone = self.0.late.take(call);
                self.lost(self.0.late.failed((call, &tenant), gone, None, &StoreError::Closed), &StoreError::Closed);
                continue;
            };
            let attempt = Attempt { call, tenant, record: None, taken: Mutex::default() };
            if self.write(&db, attempt).await.is_err_and(|error| error.is_full()) {
                return;
            }
        }
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

    /// Calls without an end, of every tenant that can be read. Waits for the disk.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let mut found = Vec::new();
        for (tenant, db) in self.0.vault.databases() {
            let open: Result<Vec<Unfinished>, StoreError> = db.read_blocking(|db| {
                let sql = "SELECT id, max(unix_ms), max(call_ms) FROM calls JOIN events ON events.call = calls.id
                           WHERE ended_ms IS NULL GROUP BY id";
                let of_row = |row: &rusqlite::Row<'_>| {
                    Ok(Unfinished { call: calls::of_word(row, 0)?, unix_ms: row.get(1)?, call_ms: row.get(2)? })
                };
                Ok(db.prepare(sql)?.query_map([], of_row)?.collect::<Result<_, _>>()?)
            });
            let open = open.unwrap_or_else(|error| {
                tracing::error!(%tenant, %error, "calls that were lost with the last process cannot be looked for; the next start does");
                Vec::new()
            });
            for unfinished in &open {
                self.remember(unfinished.call, tenant.clone());
            }
            found.extend(open);
        }
        found
    }
}

impl Attempt {
    fn of(tenant: TenantId, record: Record) -> Self {
        Self { call: record.call, tenant, record: Some(record), taken: Mutex::default() }
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

        let open = journal.unfinished();
        assert_eq!(open, [Unfinished { call: torn, unix_ms: 86_400_000, call_ms: 0 }]);
        journal.append_durable(ended(torn)).await.unwrap();
        assert_eq!(daily(&bank), [(1, 2)], "its end goes where it began");
        assert!(journal.unfinished().is_empty());
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
        let heard = |n| Record { event: Event::SpeechStarted { turn: 1 }, ..began(CallId::from_seed(4, n), "") };
        let mut full = 0;
        for n in 0..200 {
            journal.append(began(CallId::from_seed(4, n), ""));
            journal.append(heard(n));
            let owed = journal.append_durable(ended(CallId::from_seed(4, n))).await;
            full += u64::from(owed.is_err_and(|e| e.is_full()));
        }
        assert!(full > 0 && journal.dropped() >= full, "{full}");
        assert!(journal.waiting() as u64 >= full && vault.disk().is_failing());
        journal.catch_up().await;
        assert!(journal.waiting() as u64 >= full, "there is still no room");
        limit(1_000_000).unwrap();
        journal.append_durable(began(CallId::from_seed(6, 1), "")).await.unwrap();
        let dropped = journal.dropped();
        journal.catch_up().await;
        assert_eq!((journal.waiting(), journal.dropped()), (0, dropped));
        let count =
            |sql: &'static str| db.read_blocking(|db| Ok(db.query_row(sql, [], |r| r.get::<_, u64>(0))?)).unwrap();
        assert_eq!(count("SELECT count(*) FROM events WHERE kind = 'speech_started'"), 200 - dropped, "they are lost");
        assert_eq!(count("SELECT count(*) FROM calls WHERE state = 'completed'"), 200, "every call has its end");
        assert_eq!(daily(&db), [(200, 400)]);
        let twice = "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY call, kind HAVING count(*) > 1)";
        assert_eq!(count(twice), 0);
    }
}
