//! Agents, flows, prompts and policies as people have edited them. Promise: no version is ever
//! changed or lost; at most one of a document is active; a change made to an older state is refused.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::base::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Agent,
    Flow,
    Prompt,
    Policy,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Agent, Self::Flow, Self::Prompt, Self::Policy];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Flow => "flow",
            Self::Prompt => "prompt",
            Self::Policy => "policy",
        }
    }
}

impl FromStr for Kind {
    type Err = StoreError;
    fn from_str(s: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == s)
            .ok_or_else(|| StoreError::Invalid("a document is an agent, flow, prompt or policy".into()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub kind: Kind,
    pub name: String,
    /// The number of the version in use; `None`: none is.
    pub active: Option<i64>,
    pub latest: i64,
    /// Counts changes of any kind.
    pub version: i64,
    pub updated_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub number: i64,
    pub content: String,
    pub sha256: String,
    pub who: String,
    pub note: String,
    pub at_ms: i64,
}

/// What to keep.
#[derive(Clone, Debug)]
pub struct Draft {
    pub content: String,
    pub sha256: String,
    pub who: String,
    pub note: String,
    pub at_ms: i64,
    /// Use it from now on.
    pub activate: bool,
}

/// Names become parts of addresses and, for agents, of settings: small and plain.
pub fn name_fits(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=64).contains(&name.len())
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
}

pub fn get(db: &Connection, kind: Kind, name: &str) -> Result<Option<Document>, StoreError> {
    let mut get = db.prepare_cached(
        "SELECT kind, name, active, latest, version, updated_ms FROM documents WHERE kind = ?1 AND name = ?2",
    )?;
    Ok(get.query_row(params![kind.as_str(), name], read).optional()?)
}

/// By kind and name, from behind `after`.
pub fn list(
    db: &Connection,
    kind: Option<Kind>,
    after: Option<(Kind, String)>,
    most: usize,
) -> Result<Vec<Document>, StoreError> {
    let (after_kind, after_name) =
        after.map_or((String::new(), String::new()), |(kind, name)| (kind.as_str().into(), name));
    let mut list = db.prepare_cached(
        "SELECT kind, name, active, latest, version, updated_ms FROM documents \
         WHERE (kind, name) > (?1, ?2) AND (?3 IS NULL OR kind = ?3) ORDER BY kind, name LIMIT ?4",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = list.query_map(params![after_kind, after_name, kind.map(Kind::as_str), most], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds a version. `expected` is the state that whoever writes has seen; `None`: there was none.
pub fn put(
    db: &Connection,
    kind: Kind,
    name: &str,
    expected: Option<i64>,
    draft: &Draft,
) -> Result<Document, StoreError> {
    let before = get(db, kind, name)?;
    if before.as_ref().map(|document| document.version) != expected {
        return Err(match before {
            Some(document) => StoreError::Conflict(format!("it is at version {} by now", document.version)),
            None => StoreError::NotFound("document"),
        });
    }
    let number = before.as_ref().map_or(1, |document| document.latest + 1);
    if number > limits::DOCUMENT_VERSIONS_MAX {
        return Err(StoreError::Invalid("the document has too many versions; begin one with another name".into()));
    }
    let active = if draft.activate { Some(number) } else { before.as_ref().and_then(|document| document.active) };
    let version = before.map_or(1, |document| document.version + 1);
    let after = Document { kind, name: name.to_owned(), active, latest: number, version, updated_ms: draft.at_ms };
    db.prepare_cached(
        "INSERT INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, name) \
         DO UPDATE SET active = excluded.active, latest = excluded.latest, version = excluded.version, \
         updated_ms = excluded.updated_ms",
    )?
    .execute(params![kind.as_str(), name, active.unwrap_or(0), number, version, draft.at_ms])?;
    db.prepare_cached("INSERT INTO document_versions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        kind.as_str(),
        name,
        number,
        draft.content,
        draft.sha256,
        draft.who,
        draft.note,
        draft.at_ms
    ])?;
    Ok(after)
}

/// Keeps a shipped file as the first version, unless somebody has edited the document already.
pub fn seed(db: &Connection, kind: Kind, name: &str, draft: &Draft) -> Result<bool, StoreError> {
    if get(db, kind, name)?.is_some() {
        return Ok(false);
    }
    put(db, kind, name, None, draft).map(|_| true)
}

/// Uses version `number` from now on; `None`: none.
pub fn activate(
    db: &Connection,
    kind: Kind,
    name: &str,
    expected: i64,
    number: Option<i64>,
    now_ms: i64,
) -> Result<Document, StoreError> {
    let before = get(db, kind, name)?.ok_or(StoreError::NotFound("document"))?;
    if before.version != expected {
        return Err(StoreError::Conflict(format!("it is at version {} by now", before.version)));
    }
    if let Some(number) = number {
        version(db, kind, name, number)?.ok_or(StoreError::NotFound("version"))?;
    }
    db.prepare_cached(
        "UPDATE documents SET active = ?3, version = version + 1, updated_ms = ?4 WHERE kind = ?1 AND name = ?2",
    )?
    .execute(params![kind.as_str(), name, number.unwrap_or(0), now_ms])?;
    Ok(Document { active: number, version: before.version + 1, updated_ms: now_ms, ..before })
}

pub fn version(db: &Connection, kind: Kind, name: &str, number: i64) -> Result<Option<Version>, StoreError> {
    let mut get = db.prepare_cached(
        "SELECT number, content, sha256, who, note, at_ms FROM document_versions \
         WHERE kind = ?1 AND name = ?2 AND number = ?3",
    )?;
    Ok(get.query_row(params![kind.as_str(), name, number], read_version).optional()?)
}

/// Newest first, below number `before`.
pub fn versions(
    db: &Connection,
    kind: Kind,
    name: &str,
    before: Option<i64>,
    most: usize,
) -> Result<Vec<Version>, StoreError> {
    let mut list = db.prepare_cached(
        "SELECT number, content, sha256, who, note, at_ms FROM document_versions \
         WHERE kind = ?1 AND name = ?2 AND number < ?3 ORDER BY number DESC LIMIT ?4",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = list.query_map(params![kind.as_str(), name, before.unwrap_or(i64::MAX), most], read_version)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Document> {
    let kind: String = row.get(0)?;
    let active: i64 = row.get(2)?;
    Ok(Document {
        kind: kind.parse().map_err(|_| rusqlite::Error::InvalidColumnType(0, kind, rusqlite::types::Type::Text))?,
        name: row.get(1)?,
        active: (active > 0).then_some(active),
        latest: row.get(3)?,
        version: row.get(4)?,
        updated_ms: row.get(5)?,
    })
}

fn read_version(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        number: row.get(0)?,
        content: row.get(1)?,
        sha256: row.get(2)?,
        who: row.get(3)?,
        note: row.get(4)?,
        at_ms: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    fn draft(content: &str, activate: bool) -> Draft {
        Draft {
            content: content.into(),
            sha256: "x".into(),
            who: "asha".into(),
            note: String::new(),
            at_ms: 1,
            activate,
        }
    }

    #[test]
    fn versions_are_added_never_changed_and_one_is_active() {
        let db = Database::scratch_tenant();
        let put = |expected, content: &'static str, activate| {
            db.write_blocking(move |db| put(db, Kind::Agent, "emi", expected, &draft(content, activate)))
        };
        assert_eq!(put(None, "one", true).unwrap().active, Some(1));
        assert!(matches!(put(None, "again", true), Err(StoreError::Conflict(_))));
        assert!(matches!(put(Some(7), "stale", true), Err(StoreError::Conflict(_))));
        let second = put(Some(1), "two", false).unwrap();
        assert_eq!((second.active, second.latest, second.version), (Some(1), 2, 2));
        let activate =
            |expected, number| db.write_blocking(move |db| activate(db, Kind::Agent, "emi", expected, number, 2));
        assert!(matches!(activate(1, Some(2)), Err(StoreError::Conflict(_))));
        assert!(matches!(activate(2, Some(3)), Err(StoreError::NotFound(_))));
        assert_eq!(activate(2, Some(2)).unwrap().active, Some(2));
        assert_eq!(activate(3, None).unwrap().active, None);
        db.write_blocking(|db| {
            assert!(db.execute("UPDATE document_versions SET content = 'forged'", []).is_err());
            assert!(!seed(db, Kind::Agent, "emi", &draft("shipped", true))?);
            assert!(seed(db, Kind::Flow, "emi", &draft("shipped", true))?);
            let all = versions(db, Kind::Agent, "emi", None, 10)?;
            assert_eq!(
                all.iter().map(|v| (v.number, v.content.as_str())).collect::<Vec<_>>(),
                [(2, "two"), (1, "one")]
            );
            assert_eq!(list(db, None, None, 10)?.len(), 2);
            assert_eq!(list(db, None, Some((Kind::Agent, "emi".into())), 10)?[0].kind, Kind::Flow);
            assert_eq!(list(db, Some(Kind::Agent), None, 10)?.len(), 1);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn names_are_plain() {
        for (name, fits) in
            [("emi", true), ("hi-IN", false), ("hi-in.v2", true), ("", false), ("../x", false), ("-a", false)]
        {
            assert_eq!(name_fits(name), fits, "{name}");
        }
    }
}
