//! Who did what: an append-only log whose entries are chained by SHA-256, one chain in the system's
//! database and one in each tenant's. Heads are signed with a key only the box has.
//!
//! Promise: [`verify`] finds every entry that was changed, removed, inserted or put elsewhere, and
//! every end cut off behind a signed head. What was written after the last signed head can be cut off
//! unseen by somebody who can write the file and every copy of the heads; whoever has the master key
//! can write another chain. Against both stand the heads outside: in the log, and with the auditor
//! (`vaani audit head`).
//! Absent on purpose: personal values. An entry names people who use the box; customers, callers and
//! numbers only by id or keyed hash.

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::StoreError;
use crate::base::ids::TenantId;
use crate::base::limits;
use crate::base::secret::hex;

mod seal;
#[cfg(test)]
mod tests;
mod verify;

pub use seal::{Cut, Head, Signer, Verifier, copy_head, cut, heads};
pub use verify::{Fault, Report, Wrong, verify};

/// The hash before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// Which chain: part of what is signed, so that one tenant's head is no head of another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(String);

impl Chain {
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    pub fn tenant(id: &TenantId) -> Self {
        Self(format!("tenant:{id}"))
    }

    /// `None`: the system's.
    pub fn of(tenant: Option<&TenantId>) -> Self {
        tenant.map_or_else(Self::system, Self::tenant)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who did it, as it is written down: the entry must be readable when the account is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Who {
    /// `user`, `key`, `token`, `box`, `nobody`.
    pub kind: String,
    pub id: String,
    pub name: String,
    pub role: String,
    /// Network address, empty where there is none.
    pub address: String,
}

impl Who {
    /// The daemon itself, for what it does by the clock.
    pub fn the_box() -> Self {
        Self { kind: "box".to_owned(), name: "vaani".to_owned(), ..Self::default() }
    }

    /// Somebody who has not shown who they are, such as a failed login under `name`.
    pub fn nobody(name: &str, address: &str) -> Self {
        Self { kind: "nobody".to_owned(), name: name.to_owned(), address: address.to_owned(), ..Self::default() }
    }
}

/// What is to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at_ms: u64,
    pub who: Who,
    /// `customer.edit`, `transcript.view`, `login.failed`.
    pub what: String,
    /// The id of what it was done to.
    pub about: String,
    /// Ids, counts and hashes.
    pub detail: Value,
}

/// An entry with its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Kept {
    pub seq: u64,
    pub at_ms: u64,
    pub who: Who,
    pub what: String,
    pub about: String,
    #[schema(value_type = Object)]
    pub detail: Value,
    /// Hexadecimal.
    pub hash: String,
}

/// Which entries are wanted. Empty fields take all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// `customer.edit`, or `customer.` for all that begin so.
    pub what: Option<String>,
    /// Id of the account.
    pub who: Option<String>,
    /// Id of what it was done to.
    pub about: Option<String>,
    /// Milliseconds since 1970 UTC, inclusive.
    pub from_ms: Option<u64>,
    /// Exclusive.
    pub until_ms: Option<u64>,
}

/// Adds an entry to the chain within the caller's transaction: it is there if and only if what it
/// tells of is. Too long texts are cut, with a mark.
pub fn append(db: &Connection, entry: &Entry) -> Result<u64, StoreError> {
    let (last, previous) = tip(db)?;
    let seq = last + 1;
    let mut detail = serde_json::to_string(&entry.detail)?;
    if detail.len() > limits::AUDIT_DETAIL_MAX {
        detail = format!("{{\"left_out_bytes\":{}}}", detail.len());
    }
    let texts = [
        &entry.who.kind,
        &entry.who.id,
        &entry.who.name,
        &entry.who.role,
        &entry.who.address,
        &entry.what,
        &entry.about,
    ]
    .map(|text| bounded(text));
    let fields: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).chain([detail.as_bytes()]).collect();
    let hash = link(&previous, seq, whole(entry.at_ms), &fields);
    db.prepare_cached(
        "INSERT INTO audit (seq, at_ms, who_kind, who_id, who_name, who_role, address, what, about, detail, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        whole(seq),
        whole(entry.at_ms),
        texts[0],
        texts[1],
        texts[2],
        texts[3],
        texts[4],
        texts[5],
        texts[6],
        detail,
        previous.as_slice(),
        hash.as_slice()
    ])?;
    Ok(seq)
}

/// Number and hash of the newest entry; (0, [`GENESIS`]) of an empty chain.
pub fn tip(db: &Connection) -> Result<(u64, [u8; 32]), StoreError> {
    let newest = db
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()?;
    if let Some((seq, hash)) = newest {
        return Ok((unsigned(seq), hash));
    }
    // Everything may have been cut; the chain goes on from there.
    Ok(seal::last_cut(db)?.map_or((0, GENESIS), |cut| (cut.seq, cut.hash)))
}

/// Newest first, before `before` (a sequence number), at most `limit`.
pub fn list(db: &Connection, filter: &Filter, before: Option<u64>, limit: usize) -> Result<Vec<Kept>, StoreError> {
    let mut wanted = Vec::new();
    let mut values: Vec<Cell> = Vec::new();
    let mut want = |condition: &str, value: Cell| {
        values.push(value);
        wanted.push(condition.replace('?', &format!("?{}", values.len())));
    };
    want("seq < ?", Cell::Integer(before.map_or(i64::MAX, whole)));
    if let Some(what) = &filter.what {
        if what.ends_with('.') {
            // A range rather than a pattern: signs in it mean nothing.
            want("what >= ?", Cell::Text(what.clone()));
            want("what < ?", Cell::Text(format!("{}/", what.trim_end_matches('.'))));
        } else {
            want("what = ?", Cell::Text(what.clone()));
        }
    }
    for (condition, text) in [("who_id = ?", &filter.who), ("about = ?", &filter.about)] {
        if let Some(text) = text {
            want(condition, Cell::Text(text.clone()));
        }
    }
    for (condition, at) in [("at_ms >= ?", filter.from_ms), ("at_ms < ?", filter.until_ms)] {
        if let Some(at) = at {
            want(condition, Cell::Integer(whole(at)));
        }
    }
    want("true LIMIT ?", Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let last = wanted.pop().unwrap_or_default();
    let limit = last.trim_start_matches("true ");
    let sql = format!(
        "SELECT seq, at_ms, who_kind, who_id, who_name, who_role, address, what, about, detail, hash FROM audit
         WHERE {} ORDER BY seq DESC {limit}",
        wanted.join(" AND ")
    );
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map(rusqlite::params_from_iter(values), kept)?;
    rows.map(|row| row.map_err(StoreError::from)).collect()
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let detail: String = row.get(9)?;
    Ok(Kept {
        seq: unsigned(row.get(0)?),
        at_ms: unsigned(row.get(1)?),
        who: Who { kind: row.get(2)?, id: row.get(3)?, name: row.get(4)?, role: row.get(5)?, address: row.get(6)? },
        what: row.get(7)?,
        about: row.get(8)?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        hash: hex(&row.get::<_, [u8; 32]>(10)?),
    })
}

/// The hash of an entry over canonical bytes: every field with its length before it, so that no two
/// different entries have the same bytes.
fn link(previous: &[u8; 32], seq: u64, at_ms: i64, fields: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"vaani audit entry 1\0");
    hash.update(previous);
    hash.update(seq.to_be_bytes());
    hash.update(at_ms.to_be_bytes());
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

fn bounded(text: &str) -> String {
    if text.len() <= limits::AUDIT_TEXT_MAX {
        return text.to_owned();
    }
    let end = (0..=limits::AUDIT_TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// The bytes of a field as they lie there, whatever they are.
fn raw(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
