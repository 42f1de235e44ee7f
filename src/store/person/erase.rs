//! Erases one person, in one transaction, and says what became of what.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{About, Erase, Subject, TABLES};
use crate::base::limits;
use crate::store::retention::bind;
use crate::store::{StoreError, holds};

const CALL_FACTS_WHY: &str = "traffic and billing facts of a call, for one year (DPDP Rules 2025 r. 8); no words";

/// What is left of a call whose facts are kept: its beginning and end, its states, what it cost, and a
/// wish not to be called.
const FACTS_KEPT: &str = "(kind IN ('call_initiated', 'state_changed', 'call_cost', 'call_ended')
    OR (kind = 'action' AND instr(body, 'do_not_call') > 0))";

/// Makes `:key`, a call, one of nobody: run at once, or when law no longer wants it.
pub const RELEASE_CALL: &[&str] = &[
    "DELETE FROM retained WHERE class = 'calls' AND row = :key",
    "UPDATE calls SET caller_hash = NULL, customer = NULL, carrier_call = NULL WHERE id = :key
        AND (caller_hash IS NOT NULL OR customer IS NOT NULL OR carrier_call IS NOT NULL)",
    "DELETE FROM turns WHERE call = :key",
    "DELETE FROM events WHERE call = :key",
];

/// What stays although it was asked to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Kept {
    /// Name of the table.
    pub what: String,
    pub rows: u64,
    pub reason: String,
    /// The last of it goes then; `None`: no time is set.
    pub until_ms: Option<u64>,
}

/// The proof of an erasure. It names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    pub id: Uuid,
    /// Keyed hash of the number, or the customer's id.
    pub subject: String,
    pub at_ms: u64,
    pub noted_by: String,
    /// Rows that were deleted or made nobody's, by table.
    pub gone: BTreeMap<String, u64>,
    pub kept: Vec<Kept>,
    /// Nothing was left to erase: this is the receipt of the last time.
    pub repeated: bool,
    /// Calls whose words may still be in memory.
    #[serde(skip)]
    pub calls: Vec<String>,
}

/// Erases everything that law does not keep. Refused while a legal hold covers any of it, and while
/// the person is on the line. Doing it again changes nothing.
pub fn erase(db: &Connection, mut subject: Subject, by: &str, now_ms: u64) -> Result<Receipt, StoreError> {
    subject.refresh(db)?;
    let earlier = last_receipt(db, &subject.name)?;
    if subject.is_unknown() {
        return earlier.ok_or(StoreError::NotFound("person of that id"));
    }
    if let Some(hold) = holds::covering(db, &subject.hashes, &subject.customers, &subject.calls, now_ms)? {
        return Err(StoreError::Conflict(format!(
            "a legal hold stands against it (hold {}, {}); lift it first",
            hold.id, hold.reason
        )));
    }
    if is_on_the_line(db, &subject)? {
        return Err(StoreError::Conflict("the person is on a call; erase them when it has ended".to_owned()));
    }
    let id = Uuid::now_v7();
    let mut gone: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |table: &str, rows: usize| {
        if rows > 0 {
            *gone.entry(table.to_owned()).or_default() += rows as u64;
        }
    };
    for table in TABLES {
        let About::Person { find, erase: Erase::Delete, .. } = &table.about else { continue };
        let mut statement = db.prepare(&format!("DELETE FROM {} WHERE {find}", table.name))?;
        subject.bind(&mut statement, table.name)?;
        count(table.name, statement.raw_execute()?);
    }
    for call in &subject.calls {
        for (table, rows) in erase_call(db, call, id, now_ms)? {
            count(table, rows);
        }
    }
    let kept = kept(db, &subject)?;
    if let Some(earlier) = earlier.filter(|_| gone.is_empty()) {
        return Ok(Receipt { repeated: true, kept, calls: subject.calls, ..earlier });
    }
    let receipt = Receipt {
        id,
        subject: subject.name,
        at_ms: now_ms,
        noted_by: by.to_owned(),
        gone,
        kept,
        repeated: false,
        calls: subject.calls,
    };
    db.prepare_cached(
        "INSERT INTO erasures (id, subject, at_ms, noted_by, gone, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        receipt.id.to_string(),
        receipt.subject,
        now_ms,
        by,
        serde_json::to_string(&receipt.gone)?,
        serde_json::to_string(&receipt.kept)?
    ])?;
    Ok(receipt)
}

fn is_on_the_line(db: &Connection, subject: &Subject) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM calls WHERE id IN (SELECT value FROM json_each(:calls)) AND ended_ms IS NULL)",
    )?;
    subject.bind(&mut statement, "calls")?;
    let mut rows = statement.raw_query();
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(false))
}

fn erase_call(
    db: &Connection,
    call: &str,
    erasure: Uuid,
    now_ms: u64,
) -> Result<Vec<(&'static str, usize)>, StoreError> {
    let started: Option<u64> = db
        .prepare_cached("SELECT started_ms FROM calls WHERE id = ?1")?
        .query_row([call], |row| row.get(0))
        .optional()?;
    let Some(started) = started else { return Ok(Vec::new()) };
    let mut gone = Vec::new();
    db.prepare_cached(
        "INSERT INTO media_gone (name, since_ms) SELECT name, ?2 FROM media WHERE call = ?1 ON CONFLICT DO NOTHING",
    )?
    .execute(params![call, now_ms])?;
    gone.push(("media", db.prepare_cached("DELETE FROM media WHERE call = ?1")?.execute([call])?));
    let until = started.saturating_add(limits::CALL_FACTS_KEPT_MS);
    if until <= now_ms {
        let tables = ["retained", "calls", "turns", "events"];
        for (table, sql) in tables.into_iter().zip(RELEASE_CALL) {
            let mut statement = db.prepare_cached(sql)?;
            bind(&mut statement, ":key", call)?;
            let rows = statement.raw_execute()?;
            // A mark that goes with its row is not told as one more.
            if table != "retained" {
                gone.push((table, rows));
            }
        }
        return Ok(gone);
    }
    gone.push(("turns", db.prepare_cached("DELETE FROM turns WHERE call = ?1")?.execute([call])?));
    let sql = format!("DELETE FROM events WHERE call = ?1 AND NOT {FACTS_KEPT}");
    gone.push(("events", db.prepare_cached(&sql)?.execute([call])?));
    db.prepare_cached(
        "INSERT INTO retained (class, row, reason, until_ms, erasure) VALUES ('calls', ?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![call, CALL_FACTS_WHY, until, erasure.to_string()])?;
    Ok(gone)
}

fn kept(db: &Connection, subject: &Subject) -> Result<Vec<Kept>, StoreError> {
    let mut kept = Vec::new();
    let mut statement = db.prepare_cached(
        "SELECT count(*), max(until_ms) FROM retained WHERE class = 'calls' AND row IN (SELECT value FROM json_each(:calls))",
    )?;
    subject.bind(&mut statement, "retained")?;
    let mut rows = statement.raw_query();
    if let Some(row) = rows.next()? {
        let (calls, until_ms): (u64, Option<u64>) = (row.get(0)?, row.get(1)?);
        if calls > 0 {
            let (what, reason) = ("calls".to_owned(), CALL_FACTS_WHY.to_owned());
            kept.push(Kept { what, rows: calls, reason, until_ms });
        }
    }
    for table in TABLES.iter().filter(|table| ["consents", "dnd"].contains(&table.name)) {
        let About::Person { find, erase: Erase::Keep(reason), .. } = &table.about else { continue };
        let mut statement = db.prepare(&format!("SELECT count(*) FROM {} WHERE {find}", table.name))?;
        subject.bind(&mut statement, table.name)?;
        let mut found = statement.raw_query();
        let rows: u64 = found.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        if rows > 0 {
            kept.push(Kept { what: table.name.to_owned(), rows, reason: (*reason).to_owned(), until_ms: None });
        }
    }
    Ok(kept)
}

fn last_receipt(db: &Connection, subject: &str) -> Result<Option<Receipt>, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT id, subject, at_ms, noted_by, gone, kept FROM erasures WHERE subject = ?1
             ORDER BY at_ms DESC, id DESC LIMIT 1",
        )?
        .query_row([subject], |row| {
            let texts: (String, String, String) = (row.get(0)?, row.get(4)?, row.get(5)?);
            Ok((texts, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some(((id, gone, kept), subject, at_ms, noted_by)) = found else { return Ok(None) };
    Ok(Some(Receipt {
        id: id.parse().unwrap_or_default(),
        subject,
        at_ms,
        noted_by,
        gone: serde_json::from_str(&gone)?,
        kept: serde_json::from_str(&kept)?,
        repeated: true,
        calls: Vec::new(),
    }))
}
