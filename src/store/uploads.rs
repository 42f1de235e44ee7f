//! Lists of customers that somebody brought: who, when, what became of every row.
//!
//! Promise: the customers of a list appear together, by one change of its row, or never. What a
//! crash left behind is invisible and is removed by [`sweep`].

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use super::customers::uuid;
use crate::base::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Writing,
    Done,
    DryRun,
    Failed,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Done => "done",
            Self::DryRun => "dry_run",
            Self::Failed => "failed",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Writing, Self::Done, Self::DryRun, Self::Failed].into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    pub id: Uuid,
    pub file_name: String,
    pub sha256: String,
    pub bytes: i64,
    pub format: String,
    pub who: String,
    pub status: Status,
    pub rows_total: i64,
    pub rows_ok: i64,
    pub rows_rejected: i64,
    /// Why nothing of it was kept, if so.
    pub detail: String,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub line: u64,
    /// The field it was refused for; empty if it is the row as a whole.
    pub field: String,
    pub reason: String,
    /// What to write instead.
    pub advice: String,
    /// The row as it came, so that it can be mended and brought again.
    pub cells: Vec<String>,
}

const COLUMNS: &str = "id, file_name, sha256, bytes, format, who, status, rows_total, rows_ok, rows_rejected, detail, \
     started_ms, finished_ms";

pub fn insert(db: &Connection, upload: &Upload) -> Result<(), StoreError> {
    let sql =
        format!("INSERT INTO uploads ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
    db.prepare_cached(&sql)?.execute(params![
        upload.id.to_string(),
        upload.file_name,
        upload.sha256,
        upload.bytes,
        upload.format,
        upload.who,
        upload.status.as_str(),
        upload.rows_total,
        upload.rows_ok,
        upload.rows_rejected,
        upload.detail,
        upload.started_ms,
        upload.finished_ms,
    ])?;
    Ok(())
}

/// The list is over: with [`Status::Done`] its customers are there from this commit on.
pub fn finish(db: &Connection, upload: &Upload) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE uploads SET status = ?2, rows_total = ?3, rows_ok = ?4, rows_rejected = ?5, detail = ?6, \
             finished_ms = ?7 WHERE id = ?1 AND status = 'writing'",
        )?
        .execute(params![
            upload.id.to_string(),
            upload.status.as_str(),
            upload.rows_total,
            upload.rows_ok,
            upload.rows_rejected,
            upload.detail,
            upload.finished_ms,
        ])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("the upload being written")) }
}

pub fn add_rejects(db: &Connection, upload: Uuid, first: usize, rejects: &[Reject]) -> Result<(), StoreError> {
    let mut add = db.prepare_cached("INSERT INTO upload_rejects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (number, reject) in (first..).zip(rejects) {
        add.execute(params![
            upload.to_string(),
            i64::try_from(number).unwrap_or(i64::MAX),
            i64::try_from(reject.line).unwrap_or(i64::MAX),
            reject.field,
            reject.reason,
            reject.advice,
            serde_json::to_string(&reject.cells)?,
        ])?;
    }
    Ok(())
}

/// The rows that were left out, in the order of the file, behind number `after`.
pub fn rejects(
    db: &Connection,
    upload: Uuid,
    after: Option<i64>,
    most: usize,
) -> Result<Vec<(i64, Reject)>, StoreError> {
    let mut list = db.prepare_cached(
        "SELECT number, line, field, reason, advice, cells FROM upload_rejects \
         WHERE upload_id = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = list.query_map(params![upload.to_string(), after.unwrap_or(-1), most], |row| {
        let cells: String = row.get(5)?;
        let reject = Reject {
            line: row.get::<_, i64>(1)?.unsigned_abs(),
            field: row.get(2)?,
            reason: row.get(3)?,
            advice: row.get(4)?,
            cells: serde_json::from_str(&cells).unwrap_or_default(),
        };
        Ok((row.get(0)?, reject))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn get(db: &Connection, id: Uuid) -> Result<Option<Upload>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.to_string()], read).optional()?)
}

/// Newest first, from below `after`.
pub fn list(db: &Connection, after: Option<Uuid>, most: usize) -> Result<Vec<Upload>, StoreError> {
    // Behind every id there is: versions of UUIDs begin with a hexadecimal digit.
    let after = after.map_or_else(|| "g".to_owned(), |id| id.to_string());
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut list = db.prepare_cached(&sql)?;
    let rows = list.query_map(params![after, i64::try_from(most).unwrap_or(i64::MAX)], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a list with this content was brought before.
pub fn same_content(db: &Connection, sha256: &str) -> Result<Option<Uuid>, StoreError> {
    let mut find = db.prepare_cached("SELECT id FROM uploads WHERE sha256 = ?1 AND status = 'done' LIMIT 1")?;
    Ok(find.query_row([sha256], |row| uuid(row, 0)).optional()?)
}

/// Lists that were being written when the process died; none of them is at work when this is asked.
pub fn unfinished(db: &Connection) -> Result<Vec<Uuid>, StoreError> {
    let mut list = db.prepare_cached("SELECT id FROM uploads WHERE status = 'writing'")?;
    let rows = list.query_map([], |row| uuid(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes away a batch of what a list that will not be finished has written. True: there is more.
pub fn sweep(db: &Connection, upload: Uuid) -> Result<bool, StoreError> {
    let most = i64::try_from(limits::UPLOAD_BATCH).unwrap_or(i64::MAX);
    let gone = db
        .prepare_cached(
            "DELETE FROM customers WHERE id IN (SELECT id FROM customers WHERE upload_id = ?1 LIMIT ?2) \
             AND EXISTS (SELECT 1 FROM uploads WHERE id = ?1 AND status = 'writing')",
        )?
        .execute(params![upload.to_string(), most])?;
    Ok(gone > 0)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let status: String = row.get(6)?;
    Ok(Upload {
        id: uuid(row, 0)?,
        file_name: row.get(1)?,
        sha256: row.get(2)?,
        bytes: row.get(3)?,
        format: row.get(4)?,
        who: row.get(5)?,
        status: Status::of(&status)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(6, status, rusqlite::types::Type::Text))?,
        rows_total: row.get(7)?,
        rows_ok: row.get(8)?,
        rows_rejected: row.get(9)?,
        detail: row.get(10)?,
        started_ms: row.get(11)?,
        finished_ms: row.get(12)?,
    })
}
