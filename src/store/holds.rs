//! Legal holds. Promise: what a hold in force covers is deleted by nobody, neither by age nor by a
//! person's wish; a hold that was lifted stays on record with who lifted it and why.
//! Absent on purpose: whether a hold is justified.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;
use crate::base::limits;

/// What a hold covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything of the tenant.
    Tenant,
    /// One number (by its keyed hash) and its calls.
    Person,
    /// One customer (by id) and their calls.
    Customer,
    /// One call.
    Call,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Person => "person",
            Self::Customer => "customer",
            Self::Call => "call",
        }
    }

    fn of(text: &str) -> Self {
        [Self::Person, Self::Customer, Self::Call].into_iter().find(|s| s.as_str() == text).unwrap_or(Self::Tenant)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Hold {
    pub id: Uuid,
    pub scope: Scope,
    /// Keyed hash, customer id or call id; empty for the tenant.
    pub about: String,
    /// Case number, order, what for.
    pub reason: String,
    pub placed_by: String,
    pub placed_ms: u64,
    /// In force no longer than this; `None`: until it is lifted.
    pub until_ms: Option<u64>,
    pub lifted_by: Option<String>,
    pub lifted_ms: Option<u64>,
    pub lifted_reason: Option<String>,
}

impl Hold {
    pub fn is_in_force(&self, now_ms: u64) -> bool {
        self.lifted_ms.is_none() && self.until_ms.is_none_or(|until| now_ms < until)
    }
}

const COLUMNS: &str =
    "SELECT id, scope, about, reason, placed_by, placed_ms, until_ms, lifted_by, lifted_ms, lifted_reason FROM holds";

/// Places a hold.
pub fn place(db: &Connection, hold: &Hold) -> Result<(), StoreError> {
    let about_needed = hold.scope != Scope::Tenant;
    if about_needed == hold.about.trim().is_empty() {
        return Err(StoreError::Invalid(
            "say what the hold is about: a person, a customer or a call; nothing for the whole tenant".to_owned(),
        ));
    }
    if hold.reason.trim().is_empty() {
        return Err(StoreError::Invalid("give the reason of the hold, such as the number of the case".to_owned()));
    }
    if hold.reason.len() > limits::PROTECTION_TEXT_MAX || hold.about.len() > limits::PROTECTION_TEXT_MAX {
        return Err(StoreError::Invalid(format!("a reason has at most {} bytes", limits::PROTECTION_TEXT_MAX)));
    }
    if hold.until_ms.is_some_and(|until| until <= hold.placed_ms) {
        return Err(StoreError::Invalid("the hold would end before it begins; give a later time or none".to_owned()));
    }
    let open: usize = db.query_row("SELECT count(*) FROM holds WHERE lifted_ms IS NULL", [], |row| row.get(0))?;
    if open >= limits::HOLDS_MAX {
        return Err(StoreError::Invalid(format!(
            "{} holds are in force; lift some, or hold the whole tenant",
            limits::HOLDS_MAX
        )));
    }
    db.prepare_cached(
        "INSERT INTO holds (id, scope, about, reason, placed_by, placed_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        hold.id.to_string(),
        hold.scope.as_str(),
        hold.about,
        hold.reason,
        hold.placed_by,
        hold.placed_ms,
        hold.until_ms
    ])?;
    Ok(())
}

/// Lifts a hold; what it covered is deleted by the next sweep if its time is over.
pub fn lift(db: &Connection, id: Uuid, by: &str, reason: &str, now_ms: u64) -> Result<Hold, StoreError> {
    let known = get(db, id)?.ok_or(StoreError::NotFound("hold of that id"))?;
    if known.lifted_ms.is_some() {
        return Ok(known);
    }
    if reason.trim().is_empty() || reason.len() > limits::PROTECTION_TEXT_MAX {
        return Err(StoreError::Invalid("say in a few words why the hold is lifted".to_owned()));
    }
    db.prepare_cached("UPDATE holds SET lifted_by = ?2, lifted_ms = ?3, lifted_reason = ?4 WHERE id = ?1")?
        .execute(params![id.to_string(), by, now_ms, reason])?;
    get(db, id)?.ok_or(StoreError::NotFound("hold of that id"))
}

pub fn get(db: &Connection, id: Uuid) -> Result<Option<Hold>, StoreError> {
    let sql = format!("{COLUMNS} WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.to_string()], of_row).optional()?)
}

/// Newest first, after the hold `after` (its time and id), at most `limit`.
pub fn list(db: &Connection, after: Option<(u64, Uuid)>, limit: usize) -> Result<Vec<Hold>, StoreError> {
    let sql = format!("{COLUMNS} WHERE (placed_ms, id) < (?1, ?2) ORDER BY placed_ms DESC, id DESC LIMIT ?3");
    let (ms, id) = after.map_or((i64::MAX as u64, String::new()), |(ms, id)| (ms, id.to_string()));
    let mut found = db.prepare_cached(&sql)?;
    let rows = found.query_map(params![ms, id, limit as u64], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first hold in force that covers any of these.
pub fn covering(
    db: &Connection,
    phone_hashes: &[String],
    customers: &[String],
    calls: &[String],
    now_ms: u64,
) -> Result<Option<Hold>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE {IN_FORCE} AND (scope = 'tenant'
            OR (scope = 'person' AND about IN (SELECT value FROM json_each(?2)))
            OR (scope = 'customer' AND about IN (SELECT value FROM json_each(?3)))
            OR (scope = 'call' AND about IN (SELECT value FROM json_each(?4))))
         ORDER BY placed_ms, id LIMIT 1"
    );
    let texts = [phone_hashes, customers, calls].map(serde_json::to_string);
    let [hashes, customers, calls] = texts;
    Ok(db.prepare_cached(&sql)?.query_row(params![now_ms, hashes?, customers?, calls?], of_row).optional()?)
}

/// Condition on a row of `holds`, the time being parameter 1.
const IN_FORCE: &str = "lifted_ms IS NULL AND (until_ms IS NULL OR until_ms > ?1)";

/// Is there any hold in force? Most boxes have none, and need not ask for each row.
pub fn any(db: &Connection, now_ms: u64) -> Result<bool, StoreError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM holds WHERE {IN_FORCE})");
    Ok(db.prepare_cached(&sql)?.query_row([now_ms], |row| row.get(0))?)
}

/// Is everything of the tenant held?
pub fn whole_tenant(db: &Connection, now_ms: u64) -> Result<bool, StoreError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM holds WHERE {IN_FORCE} AND scope = 'tenant')");
    Ok(db.prepare_cached(&sql)?.query_row([now_ms], |row| row.get(0))?)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Hold> {
    let id: String = row.get(0)?;
    let scope: String = row.get(1)?;
    Ok(Hold {
        id: id.parse().unwrap_or_default(),
        scope: Scope::of(&scope),
        about: row.get(2)?,
        reason: row.get(3)?,
        placed_by: row.get(4)?,
        placed_ms: row.get(5)?,
        until_ms: row.get(6)?,
        lifted_by: row.get(7)?,
        lifted_ms: row.get(8)?,
        lifted_reason: row.get(9)?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::Database;

    pub(crate) fn hold(scope: Scope, about: &str, placed_ms: u64) -> Hold {
        Hold {
            id: Uuid::now_v7(),
            scope,
            about: about.to_owned(),
            reason: "case 7/2026".to_owned(),
            placed_by: "user:1".to_owned(),
            placed_ms,
            until_ms: None,
            lifted_by: None,
            lifted_ms: None,
            lifted_reason: None,
        }
    }

    #[test]
    fn a_hold_covers_its_own_until_it_is_lifted_or_over() {
        let db = Database::scratch_tenant();
        db.write_blocking(|db| {
            let covers = |hash: &str, customer: &str, call: &str, now| {
                let one = |text: &str| vec![text.to_owned()];
                covering(db, &one(hash), &one(customer), &one(call), now).unwrap().map(|hold| hold.about)
            };
            assert_eq!(covers("h", "c", "call", 5), None);
            let person = hold(Scope::Person, "h", 1);
            place(db, &person)?;
            place(db, &Hold { until_ms: Some(10), ..hold(Scope::Customer, "c", 2) })?;
            place(db, &hold(Scope::Call, "call", 3))?;
            assert_eq!(covers("h", "x", "x", 5).as_deref(), Some("h"));
            assert_eq!(covers("c", "h", "h", 5), None, "a hash is no customer and no call");
            assert_eq!(covers("x", "c", "x", 9).as_deref(), Some("c"));
            assert_eq!(covers("x", "c", "x", 10), None, "over");
            assert_eq!(covers("x", "x", "call", 5).as_deref(), Some("call"));
            assert!(!whole_tenant(db, 5)?);
            assert!(lift(db, person.id, "user:2", "  ", 6).is_err());
            let lifted = lift(db, person.id, "user:2", "settled", 6)?;
            assert_eq!(lifted.lifted_by.as_deref(), Some("user:2"));
            assert_eq!(lift(db, person.id, "user:3", "again", 7)?, lifted, "once is enough");
            assert_eq!(covers("h", "x", "x", 7), None);
            place(db, &hold(Scope::Tenant, "", 8))?;
            assert!(whole_tenant(db, 9)?);
            assert!(covers("anybody", "x", "x", 9).is_some());
            let all = list(db, None, 10)?;
            assert_eq!(all.len(), 4);
            let second = list(db, Some((all[0].placed_ms, all[0].id)), 2)?;
            assert_eq!(second, all[1..3]);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_hold_says_what_it_is_about_and_why() {
        let db = Database::scratch_tenant();
        let refused = |hold: Hold| db.write_blocking(move |db| place(db, &hold)).unwrap_err().to_string();
        assert!(refused(hold(Scope::Call, " ", 1)).contains("about"));
        assert!(refused(hold(Scope::Tenant, "x", 1)).contains("about"));
        assert!(refused(Hold { reason: " ".to_owned(), ..hold(Scope::Call, "x", 1) }).contains("reason"));
        assert!(refused(Hold { until_ms: Some(1), ..hold(Scope::Call, "x", 1) }).contains("end before"));
        let long = "x".repeat(limits::PROTECTION_TEXT_MAX + 1);
        assert!(refused(Hold { reason: long, ..hold(Scope::Call, "x", 1) }).contains("at most"));
        assert!(matches!(db.write_blocking(|db| lift(db, Uuid::nil(), "u", "r", 1)), Err(StoreError::NotFound(_))));
    }
}
