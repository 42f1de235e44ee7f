//! Callers who asked to be called back, in the database of the tenant they called.
//!
//! Promise: a wish that was confirmed to the caller is on the disk, and a number that was called is
//! not. The numbers are in here in full: somebody has to dial them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::calls::of_word;
use crate::base::limits::CALLBACKS_MAX;
use crate::base::phone::Phone;
use crate::base::{CallId, Lang};

/// Somebody wants to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Callback {
    pub id: CallId,
    /// In full.
    #[schema(value_type = String)]
    pub phone: Phone,
    #[serde(skip)]
    pub phone_hash: String,
    pub agent: String,
    pub language: Lang,
    pub asked_unix_ms: u64,
}

/// Notes a wish; one number is called back once, however often it asks.
pub fn want(db: &Connection, wish: &Callback) -> Result<(), StoreError> {
    let known = db
        .prepare_cached("SELECT 1 FROM callbacks WHERE phone_hash = ?1 AND agent = ?2 AND phone = ?3")?
        .query_row(params![wish.phone_hash, wish.agent, wish.phone.reveal()], |_| Ok(()))
        .optional()?;
    if known.is_some() {
        return Ok(());
    }
    let open: usize = db.query_row("SELECT count(*) FROM callbacks", [], |row| row.get(0))?;
    if open >= CALLBACKS_MAX {
        return Err(StoreError::Invalid(format!("{CALLBACKS_MAX} callbacks are open; call some of them back first")));
    }
    db.prepare_cached(
        "INSERT INTO callbacks (id, phone, phone_hash, agent, language, asked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        wish.id.to_string(),
        wish.phone.reveal(),
        wish.phone_hash,
        wish.agent,
        wish.language.tag(),
        wish.asked_unix_ms
    ])?;
    Ok(())
}

/// Somebody has called; the number is forgotten.
pub fn done(db: &Connection, id: CallId) -> Result<(), StoreError> {
    match db.execute("DELETE FROM callbacks WHERE id = ?1", [id.to_string()])? {
        0 => Err(StoreError::NotFound("an open callback of that id")),
        _ => Ok(()),
    }
}

/// Oldest first.
pub fn list(db: &Connection) -> Result<Vec<Callback>, StoreError> {
    let rows = db
        .prepare_cached("SELECT id, phone, phone_hash, agent, language, asked_ms FROM callbacks ORDER BY asked_ms, id")?
        .query_map([], of_row)?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Callback> {
    Ok(Callback {
        id: of_word(row, 0)?,
        phone: of_word(row, 1)?,
        phone_hash: row.get(2)?,
        agent: row.get(3)?,
        language: of_word(row, 4)?,
        asked_unix_ms: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    fn wish(number: &str) -> Callback {
        Callback {
            id: CallId::new(),
            phone: number.parse().unwrap(),
            phone_hash: number[8..].to_owned(),
            agent: "helpdesk".to_owned(),
            language: Lang::Ta,
            asked_unix_ms: 1,
        }
    }

    #[test]
    fn a_number_is_called_once_and_forgotten_when_it_was() {
        let db = Database::scratch_tenant();
        let (a, b) = (wish("+919876543210"), wish("+919876543211"));
        for wish in [&a, &b, &a] {
            let wish = wish.clone();
            db.write_blocking(move |db| want(db, &wish)).unwrap();
        }
        assert_eq!(db.read_blocking(list).unwrap(), [a.clone(), b.clone()]);
        db.write_blocking(move |db| done(db, a.id)).unwrap();
        assert!(matches!(db.write_blocking(move |db| done(db, a.id)), Err(StoreError::NotFound(_))));
        assert_eq!(db.read_blocking(list).unwrap(), [b]);
    }

    #[test]
    fn the_list_is_bounded_and_says_what_to_do() {
        let db = Database::scratch_tenant();
        db.write_blocking(|db| (0..CALLBACKS_MAX).try_for_each(|n| want(db, &wish(&format!("+9198765{n:05}")))))
            .unwrap();
        let refused = db.write_blocking(|db| want(db, &wish("+911234567890"))).unwrap_err();
        assert!(refused.to_string().contains("call some of them back first"), "{refused}");
    }
}
