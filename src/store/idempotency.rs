//! Answers to requests that may come twice. Promise: a key is begun once; what it answered is given
//! again for a day; a request that the process died under is never carried out a second time
//! unasked.

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was not there; it is now, and the request may be carried out.
    New,
    /// With another request.
    Other,
    /// This process is at it.
    Running,
    /// The process that was at it died; nobody knows how far it came.
    CutOff,
    Answered(Answer),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whose key it is; two may use the same words.
    pub who: String,
    pub key: String,
    /// Hash of method, path and body.
    pub request: String,
    /// Of this process.
    pub boot: String,
}

/// Looks the key up and takes it if it is free; keys from before `since_ms` are free again.
pub fn begin(db: &Connection, asked: &Asked, now_ms: i64, since_ms: i64) -> Result<Seen, StoreError> {
    db.prepare_cached("DELETE FROM idempotency WHERE at_ms < ?1")?.execute([since_ms])?;
    let kept = db
        .prepare_cached("SELECT request, boot, status, headers, body FROM idempotency WHERE who = ?1 AND key = ?2")?
        .query_row(params![asked.who, asked.key], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<u16>>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get::<_, Option<Vec<u8>>>(4)?,
            ))
        })
        .optional()?;
    let Some((request, boot, status, headers, body)) = kept else {
        db.prepare_cached("INSERT INTO idempotency (who, key, request, boot, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![asked.who, asked.key, asked.request, asked.boot, now_ms])?;
        return Ok(Seen::New);
    };
    Ok(match status {
        _ if request != asked.request => Seen::Other,
        Some(status) => Seen::Answered(Answer {
            status,
            headers: serde_json::from_str(&headers.unwrap_or_default()).unwrap_or_default(),
            body: body.unwrap_or_default(),
        }),
        None if boot == asked.boot => Seen::Running,
        None => Seen::CutOff,
    })
}

pub fn answer(db: &Connection, asked: &Asked, answer: &Answer) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE idempotency SET status = ?3, headers = ?4, body = ?5 WHERE who = ?1 AND key = ?2")?
        .execute(params![asked.who, asked.key, answer.status, serde_json::to_string(&answer.headers)?, answer.body])?;
    Ok(())
}

/// Nothing was done: the key may be used again.
pub fn forget(db: &Connection, asked: &Asked) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM idempotency WHERE who = ?1 AND key = ?2 AND status IS NULL")?
        .execute(params![asked.who, asked.key])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    #[test]
    fn a_key_is_begun_once_and_its_answer_given_again_for_a_day() {
        let db = Database::scratch_tenant();
        let asked = |who: &str, request: &str, boot: &str| Asked {
            who: who.into(),
            key: "k".into(),
            request: request.into(),
            boot: boot.into(),
        };
        db.write_blocking(move |db| {
            let mine = asked("asha", "r", "1");
            assert_eq!(begin(db, &mine, 10, 0)?, Seen::New);
            assert_eq!(begin(db, &mine, 11, 0)?, Seen::Running);
            assert_eq!(begin(db, &asked("asha", "r", "2"), 11, 0)?, Seen::CutOff);
            assert_eq!(begin(db, &asked("asha", "other", "1"), 11, 0)?, Seen::Other);
            assert_eq!(begin(db, &asked("bina", "other", "1"), 11, 0)?, Seen::New);
            let kept = Answer { status: 201, headers: vec![("etag".into(), "\"1\"".into())], body: b"{}".to_vec() };
            answer(db, &mine, &kept)?;
            forget(db, &mine)?;
            assert_eq!(begin(db, &asked("asha", "r", "2"), 12, 0)?, Seen::Answered(kept));
            assert_eq!(begin(db, &asked("asha", "other", "2"), 12, 0)?, Seen::Other);
            assert_eq!(begin(db, &asked("asha", "other", "2"), 12, 11)?, Seen::New, "yesterday's key is free");
            forget(db, &asked("asha", "other", "2"))?;
            assert_eq!(begin(db, &mine, 12, 0)?, Seen::New);
            Ok(())
        })
        .unwrap();
    }
}
