//! Reads a do-not-disturb file of any size into a list of its own, in batches, and puts that list in
//! the place of the older one in one step at the end.
//!
//! Promise: until that step nothing that counts has changed; a process that dies in between leaves a
//! list that is thrown away. Numbers are hashed before they reach the disk.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use jiff::civil::Date;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::Kind;
use super::lines::{Line, Reject, Shape};
use crate::base::limits;
use crate::base::secret::KeyedHash;
use crate::store::{Database, StoreError};

/// What the list is to be.
#[derive(Clone, Debug)]
pub struct NewList {
    /// Takes the place of the older list of this name.
    pub name: String,
    pub kind: Kind,
    /// Of the whole list: scrubbed files grow old.
    pub valid_until_ms: Option<u64>,
    pub made_by: String,
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Imported {
    pub list: i64,
    pub lines: u64,
    /// Numbers that are blocked now.
    pub accepted: u64,
    /// Lines of numbers that came before in the file.
    pub duplicates: u64,
    /// Lines that say the number may be called.
    pub allowed: u64,
    pub rejected: u64,
    /// How often each reason; which lines: `/api/dnd/lists/{number}/rejects`.
    pub reasons: BTreeMap<String, u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file has no line that could be used ({rejected} rejected); nothing was changed")]
    Empty { rejected: u64 },
    #[error(
        "the first line names no column for the number (found: {found}); call it phone, mobile or msisdn; nothing was changed"
    )]
    NoNumberColumn { found: String },
    #[error("the file is {what}; save it as CSV in UTF-8; nothing was changed")]
    NotText { what: &'static str },
    #[error("the file has more than {} lines; split it by name of list; nothing was changed", limits::DND_LINES_MAX)]
    TooManyLines,
    #[error("another file is being imported; wait for it; nothing was changed")]
    Busy,
    #[error(
        "a list has a name of 1 to 60 letters, digits, -, _ or spaces, and not one of the standing lists; nothing was changed"
    )]
    BadName,
    #[error("read the file: {0}; nothing was changed")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Row {
    hash: String,
    categories: i64,
    until_ms: Option<u64>,
}

/// Imports a file; blocks, so it runs on a thread of its own. `now_ms` is asked for each batch; `noted`
/// runs in the step that puts the list in force, and an error of it keeps the older one.
pub fn import(
    db: &Database,
    file: impl Read,
    about: &NewList,
    hash: &KeyedHash,
    now_ms: &dyn Fn() -> u64,
    noted: impl FnOnce(&Connection, &Imported) -> Result<(), StoreError> + Send + 'static,
) -> Result<Imported, ImportError> {
    let name = about.name.trim().to_owned();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let standing = ["opt-outs", "by-hand"].contains(&name.as_str());
    if name.is_empty() || name.chars().count() > 60 || !name.chars().all(plain) || standing {
        return Err(ImportError::BadName);
    }
    let (kind, until, by, now) = (about.kind, about.valid_until_ms, about.made_by.clone(), now_ms());
    let named = name.clone();
    let list = db.write_blocking(move |db| {
        abandon_dead(db, now)?;
        let busy: bool =
            db.query_row("SELECT EXISTS (SELECT 1 FROM dnd_lists WHERE state = 'staging')", [], |row| row.get(0))?;
        if busy {
            return Ok(None);
        }
        db.execute(
            "INSERT INTO dnd_lists (name, kind, state, made_ms, touched_ms, valid_until_ms, made_by)
             VALUES (?1, ?2, 'staging', ?3, ?3, ?4, ?5)",
            params![named, kind.as_str(), now, until, by],
        )?;
        Ok(Some(db.last_insert_rowid()))
    })?;
    let list = list.ok_or(ImportError::Busy)?;
    let mut report = Imported { list, ..Imported::default() };
    let filled = fill(db, file, hash, now_ms, &mut report);
    let (counted, now) = (report.clone(), now_ms());
    let in_force = filled.and_then(|()| {
        Ok(db.write_blocking(move |db| {
            put_counts(db, &counted, "")?;
            db.execute("UPDATE dnd_lists SET state = 'replaced' WHERE name = ?1 AND state = 'active'", [&name])?;
            let done = db.execute(
                "UPDATE dnd_lists SET state = 'active', touched_ms = ?2 WHERE number = ?1 AND state = 'staging'",
                params![list, now],
            )?;
            if done == 0 {
                return Err(too_slow());
            }
            noted(db, &counted)
        })?)
    });
    if let Err(error) = &in_force {
        let (counted, why) = (report.clone(), error.to_string());
        db.write_blocking(move |db| {
            put_counts(db, &counted, &why)?;
            db.execute("UPDATE dnd_lists SET state = 'failed' WHERE number = ?1", [list])?;
            Ok(())
        })?;
    }
    clear_all(db)?;
    in_force.map(|()| report)
}

fn too_slow() -> StoreError {
    StoreError::Conflict("the import took too long and was given up; import it again".to_owned())
}

fn fill(
    db: &Database,
    file: impl Read,
    hash: &KeyedHash,
    now_ms: &dyn Fn() -> u64,
    report: &mut Imported,
) -> Result<(), ImportError> {
    let list = report.list;
    let mut input = BufReader::with_capacity(64 * 1024, file);
    let mut shape: Option<Shape> = None;
    let mut rows: Vec<Row> = Vec::new();
    let mut rejects: Vec<(u64, Reject)> = Vec::new();
    let mut bytes = Vec::new();
    let mut number = 0_u64;
    loop {
        let at_end = !next_line(&mut input, &mut bytes)?;
        if at_end || rows.len() + rejects.len() >= limits::DND_BATCH {
            let (batch, bad, now) = (std::mem::take(&mut rows), std::mem::take(&mut rejects), now_ms());
            let (accepted, duplicates) = db.write_blocking(move |db| put(db, list, batch, bad, now))?;
            report.accepted += accepted;
            report.duplicates += duplicates;
        }
        if at_end {
            break;
        }
        number += 1;
        if number > limits::DND_LINES_MAX {
            return Err(ImportError::TooManyLines);
        }
        if number == 1 {
            refuse_other_formats(&bytes)?;
            if bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
        }
        let line = line_of(&bytes);
        let shape = match (shape, &line) {
            (Some(shape), _) => shape,
            (None, Ok(text)) if text.trim().is_empty() => continue,
            (None, Ok(text)) => {
                let (found, is_header) =
                    Shape::of(text).map_err(|found| ImportError::NoNumberColumn { found: found.join(", ") })?;
                shape = Some(found);
                if is_header {
                    continue;
                }
                found
            }
            (None, Err(_)) => return Err(ImportError::NotText { what: "not text" }),
        };
        match line.and_then(|text| shape.read(text)) {
            Ok(Line::Empty) => continue,
            Ok(Line::Allowed) => report.allowed += 1,
            Ok(Line::Blocked { phone, categories, until }) => {
                let until_ms = until.map(end_of_day);
                rows.push(Row { hash: hash.of(phone.reveal()), categories: categories.bits(), until_ms });
            }
            Err(reject) => {
                report.rejected += 1;
                *report.reasons.entry(reject.to_string()).or_default() += 1;
                rejects.push((number, reject));
            }
        }
        report.lines += 1;
    }
    // A list of nobody would lift every block of the older one: surely not what was meant.
    if report.accepted == 0 {
        return Err(ImportError::Empty { rejected: report.rejected });
    }
    Ok(())
}

/// One line without its end; false at the end of the file. Of one that is too long only the beginning
/// is kept, so that a file without line ends fills no memory.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = bytes.iter().position(|b| *b == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let room = (limits::DND_LINE_MAX + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(part.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn line_of(bytes: &[u8]) -> Result<&str, Reject> {
    if bytes.len() > limits::DND_LINE_MAX {
        return Err(Reject::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::NotText)?;
    if text.contains('\0') { Err(Reject::NotText) } else { Ok(text.trim_end_matches('\r')) }
}

fn refuse_other_formats(start: &[u8]) -> Result<(), ImportError> {
    let kinds: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "an Excel or zip file"),
        (b"\xd0\xcf\x11\xe0", "an old Excel file"),
        (b"\x1f\x8b", "compressed"),
        (b"\xff\xfe", "in UTF-16"),
        (b"\xfe\xff", "in UTF-16"),
    ];
    match kinds.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, what)) => Err(ImportError::NotText { what }),
        None => Ok(()),
    }
}

/// The last moment of a day where the box stands.
fn end_of_day(day: Date) -> u64 {
    let next = day.tomorrow().unwrap_or(day);
    let at = next.to_zoned(jiff::tz::TimeZone::system()).map(|zoned| zoned.timestamp().as_millisecond());
    at.ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}

fn put(
    db: &Connection,
    list: i64,
    mut rows: Vec<Row>,
    rejects: Vec<(u64, Reject)>,
    now_ms: u64,
) -> Result<(u64, u64), StoreError> {
    let mine = db
        .prepare_cached("UPDATE dnd_lists SET touched_ms = ?2 WHERE number = ?1 AND state = 'staging'")?
        .execute(params![list, now_ms])?;
    if mine == 0 {
        return Err(too_slow());
    }
    // In the order of the keys: pages are touched once a batch.
    rows.sort_by(|a, b| a.hash.cmp(&b.hash));
    let mut fresh = db.prepare_cached(
        "INSERT INTO dnd (list, phone_hash, categories, valid_until_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    let mut again = db.prepare_cached(
        "UPDATE dnd SET categories = categories | ?3,
             valid_until_ms = iif(valid_until_ms IS NULL OR ?4 IS NULL, NULL, max(valid_until_ms, ?4))
         WHERE list = ?1 AND phone_hash = ?2",
    )?;
    let (mut accepted, mut duplicates) = (0, 0);
    for row in &rows {
        let values = params![list, row.hash, row.categories, row.until_ms];
        if fresh.execute(values)? == 1 {
            accepted += 1;
        } else {
            again.execute(params![list, row.hash, row.categories, row.until_ms])?;
            duplicates += 1;
        }
    }
    let mut bad = db.prepare_cached("INSERT INTO dnd_rejects (list, line, reason) VALUES (?1, ?2, ?3)")?;
    for (line, reason) in &rejects {
        bad.execute(params![list, line, reason.to_string()])?;
    }
    Ok((accepted, duplicates))
}

fn put_counts(db: &Connection, report: &Imported, why: &str) -> Result<(), StoreError> {
    db.execute(
        "UPDATE dnd_lists SET lines = ?2, accepted = ?3, duplicates = ?4, allowed = ?5, rejected = ?6, why = ?7
         WHERE number = ?1",
        params![report.list, report.lines, report.accepted, report.duplicates, report.allowed, report.rejected, why],
    )?;
    Ok(())
}

/// Imports whose process died, or whose file stopped coming, are given up.
pub fn abandon_dead(db: &Connection, now_ms: u64) -> Result<u64, StoreError> {
    let before = now_ms.saturating_sub(limits::DND_STALE_MS);
    let gone = db.execute(
        "UPDATE dnd_lists SET state = 'failed', why = 'the import was broken off' WHERE state = 'staging' AND touched_ms < ?1",
        [before],
    )?;
    Ok(gone as u64)
}

/// Deletes some rows of lists that do not count any more; returns how many. Call until it is 0.
pub fn clear_some(db: &Connection) -> Result<u64, StoreError> {
    let gone = db
        .prepare_cached(
            "DELETE FROM dnd WHERE (list, phone_hash) IN (
                 SELECT d.list, d.phone_hash FROM dnd_lists AS l CROSS JOIN dnd AS d ON d.list = l.number
                 WHERE l.state IN ('replaced', 'failed') LIMIT ?1)",
        )?
        .execute([limits::DND_BATCH as u64])?;
    Ok(gone as u64)
}

fn clear_all(db: &Database) -> Result<(), StoreError> {
    while db.write_blocking(clear_some)? > 0 {}
    Ok(())
}
