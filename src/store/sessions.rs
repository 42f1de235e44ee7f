//! Sessions of people, and logins under way at the provider of single sign-on. Of a session's token
//! only the hash is here.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::StoreError;
use super::users::uuid;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Of the token in the cookie.
    pub hash: String,
    pub id: Uuid,
    pub user: Uuid,
    pub csrf: String,
    /// `password`, `totp`, `recovery`, `oidc`, `setup` or `reset`.
    pub how: String,
    pub created_ms: i64,
    pub seen_ms: i64,
    pub idle_until_ms: i64,
    pub until_ms: i64,
    pub address: String,
    pub agent: String,
}

const COLUMNS: &str = "hash, id, user, csrf, how, created_ms, seen_ms, idle_until_ms, until_ms, address, agent";

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        hash: row.get("hash")?,
        id: uuid(row, "id")?,
        user: uuid(row, "user")?,
        csrf: row.get("csrf")?,
        how: row.get("how")?,
        created_ms: row.get("created_ms")?,
        seen_ms: row.get("seen_ms")?,
        idle_until_ms: row.get("idle_until_ms")?,
        until_ms: row.get("until_ms")?,
        address: row.get("address")?,
        agent: row.get("agent")?,
    })
}

/// Keeps a new session; of one person's the newest `most` stay.
pub fn insert(db: &Connection, session: &Session, most: usize) -> Result<(), StoreError> {
    db.prepare_cached(&format!(
        "INSERT INTO sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    ))?
    .execute(params![
        session.hash,
        session.id.to_string(),
        session.user.to_string(),
        session.csrf,
        session.how,
        session.created_ms,
        session.seen_ms,
        session.idle_until_ms,
        session.until_ms,
        session.address,
        session.agent,
    ])?;
    db.prepare_cached(
        "DELETE FROM sessions WHERE user = ?1 AND hash NOT IN \
         (SELECT hash FROM sessions WHERE user = ?1 ORDER BY created_ms DESC, id DESC LIMIT ?2)",
    )?
    .execute(params![session.user.to_string(), i64::try_from(most).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// A session that holds.
pub fn live(db: &Connection, hash: &str, now_ms: i64) -> Result<Option<Session>, StoreError> {
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions WHERE hash = ?1 AND idle_until_ms > ?2 AND until_ms > ?2"
    ))?;
    Ok(find.query_row(params![hash, now_ms], read).optional()?)
}

/// It was used.
pub fn seen(db: &Connection, hash: &str, now_ms: i64, idle_until_ms: i64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE sessions SET seen_ms = ?2, idle_until_ms = ?3 WHERE hash = ?1 AND seen_ms < ?2")?
        .execute(params![hash, now_ms, idle_until_ms])?;
    Ok(())
}

/// One person's sessions that hold, newest first.
pub fn of_user(db: &Connection, user: Uuid, now_ms: i64) -> Result<Vec<Session>, StoreError> {
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions WHERE user = ?1 AND idle_until_ms > ?2 AND until_ms > ?2 \
         ORDER BY created_ms DESC, id DESC"
    ))?;
    let rows = find.query_map(params![user.to_string(), now_ms], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn end(db: &Connection, hash: &str) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM sessions WHERE hash = ?1", [hash])? == 1)
}

/// Ends one of somebody's own.
pub fn end_of(db: &Connection, user: Uuid, id: Uuid) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE user = ?1 AND id = ?2";
    Ok(db.execute(sql, [user.to_string(), id.to_string()])? == 1)
}

/// Ends all of one person but the one given.
pub fn end_all(db: &Connection, user: Uuid, but: Option<&str>) -> Result<usize, StoreError> {
    let sql = "DELETE FROM sessions WHERE user = ?1 AND hash IS NOT ?2";
    Ok(db.execute(sql, params![user.to_string(), but])?)
}

/// A login that left for the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcLogin {
    pub state_hash: String,
    pub nonce: String,
    pub verifier: String,
    pub back: String,
    pub created_ms: i64,
    pub until_ms: i64,
}

/// Notes it; the newest `most` stay.
pub fn leave(db: &Connection, login: &OidcLogin, most: usize) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO oidc_logins (state_hash, nonce, verifier, back, created_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![login.state_hash, login.nonce, login.verifier, login.back, login.created_ms, login.until_ms],
    )?;
    db.execute(
        "DELETE FROM oidc_logins WHERE state_hash IN \
         (SELECT state_hash FROM oidc_logins ORDER BY created_ms DESC, state_hash LIMIT -1 OFFSET ?1)",
        [i64::try_from(most).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

/// Takes it: a second time it is not there.
pub fn back(db: &Connection, state_hash: &str, now_ms: i64) -> Result<Option<OidcLogin>, StoreError> {
    let sql = "DELETE FROM oidc_logins WHERE state_hash = ?1 \
               RETURNING state_hash, nonce, verifier, back, created_ms, until_ms";
    let found = db
        .query_row(sql, [state_hash], |row| {
            Ok(OidcLogin {
                state_hash: row.get(0)?,
                nonce: row.get(1)?,
                verifier: row.get(2)?,
                back: row.get(3)?,
                created_ms: row.get(4)?,
                until_ms: row.get(5)?,
            })
        })
        .optional()?;
    Ok(found.filter(|login| login.until_ms > now_ms))
}

/// Removes what has run out: sessions, logins under way, tokens. How many.
pub fn sweep(db: &Connection, now_ms: i64) -> Result<usize, StoreError> {
    let sessions = db.execute("DELETE FROM sessions WHERE until_ms <= ?1 OR idle_until_ms <= ?1", [now_ms])?;
    let logins = db.execute("DELETE FROM oidc_logins WHERE until_ms <= ?1", [now_ms])?;
    let tokens = db.execute("DELETE FROM tokens WHERE until_ms <= ?1", [now_ms])?;
    Ok(sessions + logins + tokens)
}
