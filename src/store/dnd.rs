//! Numbers that must not be called: what people told us (opt-outs), what somebody entered by hand,
//! and imported lists. Numbers only as keyed hashes.
//!
//! Promise: an opt-out heard on a call stands in the transaction that keeps the fact, before the
//! caller hears it confirmed; an imported list takes the place of the older one of its name in one
//! step. Absent on purpose: when to call, and what consent overrides ([`super::consents`]).

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use super::consents::{self, Channel, Consent, Purpose, Status};
use crate::base::event::{Event, Record};
use crate::base::limits;

mod import;
mod lines;
#[cfg(test)]
mod tests;

pub use import::{ImportError, Imported, NewList, abandon_dead, clear_some, import};

/// What people told us on calls.
pub const OPT_OUTS: i64 = 1;
/// What the staff entered.
pub const BY_HAND: i64 = 2;

/// A category of the register (TCCCPR 2018): what an advertisement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Finance = 1,
    RealEstate = 2,
    Education = 3,
    Health = 4,
    ConsumerGoods = 5,
    Communication = 6,
    Tourism = 7,
    Food = 8,
}

/// A set of categories; with [`Categories::EVERYTHING`] it holds all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Categories(u16);

impl Categories {
    pub const EVERYTHING: Self = Self(1);

    /// Numbers as the register writes them: 0 is everything, 1 to 8 the categories.
    pub fn of(numbers: &[u8]) -> Option<Self> {
        if numbers.is_empty() || numbers.iter().any(|n| *n > 8) {
            return None;
        }
        Some(Self(numbers.iter().fold(0, |set, n| set | 1 << n)))
    }

    const fn bits(self) -> i64 {
        self.0 as i64
    }
}

impl TryFrom<Vec<u8>> for Categories {
    type Error = &'static str;
    fn try_from(numbers: Vec<u8>) -> Result<Self, Self::Error> {
        Self::of(&numbers).ok_or("categories are numbers: 0 for everything, or some of 1 to 8")
    }
}

impl From<Categories> for Vec<u8> {
    fn from(set: Categories) -> Self {
        (0..9).filter(|n| set.0 & (1 << n) != 0).collect()
    }
}

/// Whom a list binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Scrubbed against the operators' register: advertising and service calls nobody agreed to.
    Register,
    /// Our own: every call.
    Own,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Own => "own",
        }
    }
}

/// Why a number is not called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Block {
    /// Name of the list.
    pub list: String,
    #[schema(value_type = Vec<u8>)]
    pub categories: Categories,
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
}

/// A list, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct List {
    pub number: i64,
    pub name: String,
    pub kind: Kind,
    /// `staging`, `active`, `replaced`, `failed`.
    pub state: String,
    pub made_ms: u64,
    pub valid_until_ms: Option<u64>,
    pub made_by: String,
    pub lines: u64,
    pub accepted: u64,
    pub duplicates: u64,
    /// Lines that say the number may be called.
    pub allowed: u64,
    pub rejected: u64,
    /// Why it failed.
    pub why: String,
}

/// One number of a list, as it is shown: by its keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Listed {
    pub list: i64,
    pub phone_hash: String,
    #[schema(value_type = Vec<u8>)]
    pub categories: Categories,
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
    /// The call on which it was said.
    pub call: Option<String>,
    pub noted_by: Option<String>,
    pub reason: Option<String>,
    pub removed_ms: Option<u64>,
    pub removed_by: Option<String>,
    pub removed_reason: Option<String>,
}

const IN_FORCE: &str = "l.state = 'active' AND (l.valid_until_ms IS NULL OR l.valid_until_ms > ?2)
    AND d.removed_ms IS NULL AND (d.valid_until_ms IS NULL OR d.valid_until_ms > ?2)";

/// Is the number on any list for calls of this category?
pub fn is_blocked(
    db: &Connection,
    phone_hash: &str,
    category: Category,
    now_ms: u64,
) -> Result<Option<Block>, StoreError> {
    let wanted = Categories::EVERYTHING.0 | 1 << category as u16;
    block(db, "d.categories & ?3 <> 0", phone_hash, now_ms, Categories(wanted))
}

/// Did the person tell us, or did we decide ourselves, that this number is not called at all?
pub fn opted_out(db: &Connection, phone_hash: &str, now_ms: u64) -> Result<Option<Block>, StoreError> {
    block(db, "l.kind = 'own' AND d.categories & ?3 <> 0", phone_hash, now_ms, Categories::EVERYTHING)
}

fn block(
    db: &Connection,
    condition: &str,
    phone_hash: &str,
    now_ms: u64,
    wanted: Categories,
) -> Result<Option<Block>, StoreError> {
    // One look-up by key in each active list; there are few.
    let sql = format!(
        "SELECT l.name, d.categories, coalesce(d.since_ms, l.made_ms), min(d.valid_until_ms, l.valid_until_ms),
             coalesce(d.valid_until_ms, l.valid_until_ms)
         FROM dnd_lists AS l CROSS JOIN dnd AS d ON d.list = l.number AND d.phone_hash = ?1
         WHERE {IN_FORCE} AND {condition} ORDER BY l.number LIMIT 1"
    );
    let found = db
        .prepare_cached(&sql)?
        .query_row(params![phone_hash, now_ms, wanted.bits()], |row| {
            let both: Option<u64> = row.get(3)?;
            Ok(Block {
                list: row.get(0)?,
                categories: categories(row, 1)?,
                since_ms: row.get(2)?,
                until_ms: both.or(row.get(4)?),
            })
        })
        .optional()?;
    Ok(found)
}

/// After somebody opted out, nobody asks them again for this long.
pub fn may_seek_consent(db: &Connection, phone_hash: &str, now_ms: u64) -> Result<bool, StoreError> {
    let last: Option<u64> = db
        .prepare_cached("SELECT max(since_ms) FROM dnd WHERE list = ?1 AND phone_hash = ?2")?
        .query_row(params![OPT_OUTS, phone_hash], |row| row.get(0))?;
    Ok(last.is_none_or(|since| now_ms >= since.saturating_add(limits::OPT_OUT_QUIET_MS)))
}

/// Puts a number on one of the standing lists. Who is on it already stays since they were.
pub fn add(db: &Connection, entry: &Listed) -> Result<(), StoreError> {
    let too_long =
        [&entry.reason, &entry.noted_by].into_iter().flatten().any(|t| t.len() > limits::PROTECTION_TEXT_MAX);
    if too_long {
        return Err(StoreError::Invalid(format!("a reason has at most {} bytes", limits::PROTECTION_TEXT_MAX)));
    }
    db.prepare_cached(
        "INSERT INTO dnd (list, phone_hash, categories, valid_until_ms, since_ms, call, noted_by, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (list, phone_hash) DO UPDATE SET
             categories = iif(removed_ms IS NULL, categories | excluded.categories, excluded.categories),
             valid_until_ms = CASE WHEN removed_ms IS NOT NULL THEN excluded.valid_until_ms
                 WHEN valid_until_ms IS NULL OR excluded.valid_until_ms IS NULL THEN NULL
                 ELSE max(valid_until_ms, excluded.valid_until_ms) END,
             since_ms = iif(removed_ms IS NULL, since_ms, excluded.since_ms),
             call = excluded.call, noted_by = excluded.noted_by, reason = excluded.reason,
             removed_ms = NULL, removed_by = NULL, removed_reason = NULL",
    )?
    .execute(params![
        entry.list,
        entry.phone_hash,
        entry.categories.bits(),
        entry.until_ms,
        entry.since_ms,
        entry.call,
        entry.noted_by,
        entry.reason
    ])?;
    Ok(())
}

/// Takes a number off every list it is on. It stays on record that it was there, and why it went; the
/// next import of a list may bring it back. Returns from how many.
pub fn remove(db: &Connection, phone_hash: &str, by: &str, reason: &str, now_ms: u64) -> Result<u64, StoreError> {
    if reason.trim().is_empty() || reason.len() > limits::PROTECTION_TEXT_MAX {
        return Err(StoreError::Invalid(
            "say in a few words why the number may be called again, such as how the person asked for it".to_owned(),
        ));
    }
    let gone = db
        .prepare_cached(
            "UPDATE dnd SET removed_ms = ?2, removed_by = ?3, removed_reason = ?4
             WHERE phone_hash = ?1 AND removed_ms IS NULL
                 AND list IN (SELECT number FROM dnd_lists WHERE state = 'active')",
        )?
        .execute(params![phone_hash, now_ms, by, reason])?;
    Ok(gone as u64)
}

/// What `vaani` does when a caller says "do not call me": to be run in the transaction that keeps the
/// fact (`journal::Derive`). The caller's number is blocked for everything, and the ledger says so.
pub fn heard(db: &Connection, record: &Record) -> Result<(), StoreError> {
    let Event::Action { action, done: true } = &record.event else { return Ok(()) };
    if action.trim_matches(['[', ']']).trim() != "do_not_call" {
        return Ok(());
    }
    let call = record.call.to_string();
    let hash: Option<String> = db
        .prepare_cached("SELECT caller_hash FROM calls WHERE id = ?1")?
        .query_row([&call], |row| row.get(0))
        .optional()?
        .flatten();
    // A number that was withheld cannot be called either.
    let Some(phone_hash) = hash else { return Ok(()) };
    let entry = Listed {
        list: OPT_OUTS,
        phone_hash: phone_hash.clone(),
        categories: Categories::EVERYTHING,
        since_ms: Some(record.unix_ms),
        until_ms: None,
        call: Some(call.clone()),
        noted_by: Some("vaani".to_owned()),
        reason: Some("said on a call".to_owned()),
        removed_ms: None,
        removed_by: None,
        removed_reason: None,
    };
    add(db, &entry)?;
    let said = consents::current(db, &phone_hash, Purpose::CALLS)?;
    if said.is_some_and(|entry| entry.status == Status::Withdrawn && entry.call.as_ref() == Some(&call)) {
        return Ok(());
    }
    let purpose = Purpose::CALLS.parse().map_err(|_| StoreError::Invalid("no purpose".to_owned()))?;
    consents::insert(
        db,
        &Consent {
            id: Uuid::now_v7(),
            phone_hash,
            purpose,
            channel: Channel::Voice,
            status: Status::Withdrawn,
            explicit: true,
            at_ms: record.unix_ms,
            expires_ms: None,
            call: Some(call),
            call_offset_ms: Some(record.call_ms),
            notice: String::new(),
            language: String::new(),
            noted_by: "vaani".to_owned(),
            noted_ms: record.unix_ms,
        },
    )
}

/// Lists, newest first, before the list `before`.
pub fn lists(db: &Connection, before: Option<i64>, limit: usize) -> Result<Vec<List>, StoreError> {
    let sql =
        "SELECT number, name, kind, state, made_ms, valid_until_ms, made_by, lines, accepted, duplicates, allowed,
        rejected, why FROM dnd_lists WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    let mut found = db.prepare_cached(sql)?;
    let rows = found.query_map(params![before.unwrap_or(i64::MAX), limit as u64], |row| {
        let kind: String = row.get(2)?;
        Ok(List {
            number: row.get(0)?,
            name: row.get(1)?,
            kind: if kind == "register" { Kind::Register } else { Kind::Own },
            state: row.get(3)?,
            made_ms: row.get(4)?,
            valid_until_ms: row.get(5)?,
            made_by: row.get(6)?,
            lines: row.get(7)?,
            accepted: row.get(8)?,
            duplicates: row.get(9)?,
            allowed: row.get(10)?,
            rejected: row.get(11)?,
            why: row.get(12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Numbers of a list in the order of their hashes, after `after`.
pub fn listed(db: &Connection, list: i64, after: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let sql = format!("{LISTED} WHERE list = ?1 AND phone_hash > ?2 ORDER BY phone_hash LIMIT ?3");
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map(params![list, after, limit as u64], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is on record of one number, in all lists that count.
pub fn of_number(db: &Connection, phone_hash: &str) -> Result<Vec<Listed>, StoreError> {
    let sql = format!(
        "{LISTED} WHERE phone_hash = ?1 AND list IN (SELECT number FROM dnd_lists WHERE state = 'active') ORDER BY list"
    );
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map([phone_hash], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Lines of an import that were not understood: number and reason, after line `after`.
pub fn rejects(db: &Connection, list: i64, after: u64, limit: usize) -> Result<Vec<(u64, String)>, StoreError> {
    let mut found =
        db.prepare_cached("SELECT line, reason FROM dnd_rejects WHERE list = ?1 AND line > ?2 ORDER BY line LIMIT ?3")?;
    let rows = found.query_map(params![list, after, limit as u64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const LISTED: &str =
    "SELECT list, phone_hash, categories, since_ms, valid_until_ms, call, noted_by, reason, removed_ms,
    removed_by, removed_reason FROM dnd";

fn of_row(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        list: row.get(0)?,
        phone_hash: row.get(1)?,
        categories: categories(row, 2)?,
        since_ms: row.get(3)?,
        until_ms: row.get(4)?,
        call: row.get(5)?,
        noted_by: row.get(6)?,
        reason: row.get(7)?,
        removed_ms: row.get(8)?,
        removed_by: row.get(9)?,
        removed_reason: row.get(10)?,
    })
}

fn categories(row: &Row<'_>, at: usize) -> rusqlite::Result<Categories> {
    let bits: i64 = row.get(at)?;
    Ok(Categories(u16::try_from(bits & 0x1ff).unwrap_or(1)))
}
