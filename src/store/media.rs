//! Which objects outside the database belong to calls, so that they go when their time is over or
//! their person is erased.
//!
//! Promise: an object whose row is gone is named by [`gone`] until somebody has removed it
//! ([`removed`]); a crash in between loses neither. Whoever puts an object says so here first
//! ([`keep`]). Absent on purpose: the objects, and where they lie.

use rusqlite::{Connection, params};
use serde::Serialize;

use super::StoreError;
use crate::base::CallId;

/// An object of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Media {
    /// `calls/audio/2026-11-30/0190…/recording.wav`
    pub name: String,
    #[schema(value_type = String)]
    pub call: CallId,
    /// `recording`, `transcript` or `profile`.
    pub kind: String,
    pub bytes: u64,
    pub made_ms: u64,
}

/// Notes an object, before it is put.
pub fn keep(db: &Connection, media: &Media) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM media_gone WHERE name = ?1")?.execute([&media.name])?;
    db.prepare_cached(
        "INSERT INTO media (name, call, kind, bytes, made_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, made_ms = excluded.made_ms",
    )?
    .execute(params![media.name, media.call.to_string(), media.kind, media.bytes, media.made_ms])?;
    Ok(())
}

/// Objects that are to be removed from where they lie, oldest first.
pub fn gone(db: &Connection, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut found = db.prepare_cached("SELECT name FROM media_gone ORDER BY since_ms, name LIMIT ?1")?;
    let rows = found.query_map([limit as u64], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The object is no longer there.
pub fn removed(db: &Connection, name: &str) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM media_gone WHERE name = ?1")?.execute([name])?;
    Ok(())
}
