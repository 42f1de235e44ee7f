//! Which objects outside the database belong to calls, so that they go when their time is over or
//! their person is erased.
//!
//! Promise: an object whose row is gone is named by [`gone`] until somebody has removed it
//! ([`removed`]); a crash in between loses neither. Whoever puts an object says so here first
//! ([`keep`]). Absent on purpose: the objects, and where they lie.

use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

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
    /// What else is known of it.
    #[schema(value_type = Object)]
    pub facts: Value,
}

/// Notes an object, before it is put.
pub fn keep(db: &Connection, media: &Media) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM media_gone WHERE name = ?1")?.execute([&media.name])?;
    db.prepare_cached(
        "INSERT INTO media (name, call, kind, bytes, made_ms, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, made_ms = excluded.made_ms, facts = excluded.facts",
    )?
    .execute(params![
        media.name,
        media.call.to_string(),
        media.kind,
        media.bytes,
        media.made_ms,
        media.facts.to_string()
    ])?;
    Ok(())
}

/// The object is where it belongs. False: it is not wanted any more (somebody erased it meanwhile).
pub fn arrived(db: &Connection, name: &str, facts: &Value) -> Result<bool, StoreError> {
    let changed =
        db.prepare_cached("UPDATE media SET facts = ?2 WHERE name = ?1")?.execute(params![name, facts.to_string()])?;
    Ok(changed > 0)
}

/// The object of a kind that a call has.
pub fn of_call(db: &Connection, call: CallId, kind: &str) -> Result<Option<Media>, StoreError> {
    let sql = "SELECT name, bytes, made_ms, facts FROM media WHERE call = ?1 AND kind = ?2 ORDER BY name LIMIT 1";
    let mut found = db.prepare_cached(sql)?;
    let mut rows = found.query(params![call.to_string(), kind])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let facts: String = row.get(3)?;
    Ok(Some(Media {
        name: row.get(0)?,
        call,
        kind: kind.to_owned(),
        bytes: row.get(1)?,
        made_ms: row.get(2)?,
        facts: serde_json::from_str(&facts)?,
    }))
}

/// The object is to go.
pub fn forget(db: &Connection, name: &str, now_ms: u64) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO media_gone (name, since_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![name, now_ms])?;
    db.prepare_cached("DELETE FROM media WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// What the box knows of a call whose recording asks to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The call has a row. Without one its person was erased, or the row is still to be written.
    pub known: bool,
    /// Its person was erased; law keeps the row.
    pub erased: bool,
    /// The caller said no.
    pub declined: bool,
    /// It was recorded at some time.
    pub recorded: bool,
}

/// How a call stands.
pub fn standing(db: &Connection, call: CallId) -> Result<Standing, StoreError> {
    let call = call.to_string();
    let has =
        |sql: &str| -> Result<bool, StoreError> { Ok(db.prepare_cached(sql)?.query_row([&call], |row| row.get(0))?) };
    Ok(Standing {
        known: has("SELECT EXISTS (SELECT 1 FROM calls WHERE id = ?1)")?,
        erased: has("SELECT EXISTS (SELECT 1 FROM retained WHERE class = 'calls' AND row = ?1)")?,
        declined: has("SELECT EXISTS (SELECT 1 FROM events WHERE call = ?1 AND kind = 'recording_declined')")?,
        recorded: has("SELECT EXISTS (SELECT 1 FROM events WHERE call = ?1 AND kind = 'recording_started')")?,
    })
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
