//! The table of people who log in. Plain functions over a connection of the system's database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::StoreError;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: Uuid,
    /// Lower case.
    pub login: String,
    pub name: String,
    pub role: String,
    /// `None`: the whole box.
    pub tenant: Option<String>,
    /// PHC string; `None`: none was set.
    pub password: Option<String>,
    /// Sealed.
    pub totp_secret: Option<Vec<u8>>,
    pub totp_confirmed: bool,
    /// The last time step used.
    pub totp_step: i64,
    /// Hashes of the recovery codes left.
    pub recovery: Vec<String>,
    /// Issuer and subject at the provider of single sign-on.
    pub provider: Option<(String, String)>,
    pub disabled: bool,
    pub created_ms: i64,
    pub changed_ms: i64,
    pub login_ms: Option<i64>,
    pub version: i64,
}

const COLUMNS: &str = "id, login, name, role, tenant, password, totp_secret, totp_confirmed, totp_step, recovery, \
                       issuer, subject, disabled, created_ms, changed_ms, login_ms, version";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    let issuer: Option<String> = row.get("issuer")?;
    let subject: Option<String> = row.get("subject")?;
    let recovery: String = row.get("recovery")?;
    Ok(User {
        id: uuid(row, "id")?,
        login: row.get("login")?,
        name: row.get("name")?,
        role: row.get("role")?,
        tenant: row.get("tenant")?,
        password: row.get("password")?,
        totp_secret: row.get("totp_secret")?,
        totp_confirmed: row.get("totp_confirmed")?,
        totp_step: row.get("totp_step")?,
        recovery: serde_json::from_str(&recovery).unwrap_or_default(),
        provider: issuer.zip(subject),
        disabled: row.get("disabled")?,
        created_ms: row.get("created_ms")?,
        changed_ms: row.get("changed_ms")?,
        login_ms: row.get("login_ms")?,
        version: row.get("version")?,
    })
}

pub(super) fn uuid(row: &Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        let at = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Tells a broken `UNIQUE` from other faults.
pub(super) fn unique(error: rusqlite::Error, conflict: &str) -> StoreError {
    match error.sqlite_error() {
        Some(fault) if fault.code == rusqlite::ErrorCode::ConstraintViolation => {
            StoreError::Conflict(conflict.to_owned())
        }
        _ => error.into(),
    }
}

pub fn insert(db: &Connection, user: &User) -> Result<(), StoreError> {
    let (issuer, subject) = user.provider.clone().unzip();
    db.prepare_cached(
        "INSERT INTO users (id, login, name, role, tenant, password, totp_secret, totp_confirmed, totp_step, recovery, \
         issuer, subject, disabled, created_ms, changed_ms, login_ms, version) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
        user.id.to_string(),
        user.login,
        user.name,
        user.role,
        user.tenant,
        user.password,
        user.totp_secret,
        user.totp_confirmed,
        user.totp_step,
        serde_json::to_string(&user.recovery)?,
        issuer,
        subject,
        user.disabled,
        user.created_ms,
        user.changed_ms,
        user.login_ms,
        user.version,
    ])
    .map_err(|error| unique(error, "somebody has this login already"))?;
    Ok(())
}

pub fn get(db: &Connection, id: Uuid) -> Result<Option<User>, StoreError> {
    let mut find = db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?;
    Ok(find.query_row([id.to_string()], read).optional()?)
}

/// `login` in lower case.
pub fn by_login(db: &Connection, login: &str) -> Result<Option<User>, StoreError> {
    let mut find = db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE login = ?1"))?;
    Ok(find.query_row([login], read).optional()?)
}

pub fn by_provider(db: &Connection, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
    let mut find = db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE issuer = ?1 AND subject = ?2"))?;
    Ok(find.query_row([issuer, subject], read).optional()?)
}

/// One page in the order of ids; `tenant` narrows it.
pub fn page(db: &Connection, tenant: Option<&str>, after: &str, most: u32) -> Result<Vec<User>, StoreError> {
    let narrowed = if tenant.is_some() { "tenant = ?1 AND" } else { "?1 IS NULL AND" };
    let mut find =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {narrowed} id > ?2 ORDER BY id LIMIT ?3"))?;
    let rows = find.query_map(params![tenant, after, most], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn any(db: &Connection) -> Result<bool, StoreError> {
    Ok(db.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?)
}

/// Admins of the whole box who can come in, other than `id`.
pub fn other_owners(db: &Connection, id: Uuid) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM users WHERE role = 'admin' AND tenant IS NULL AND disabled = 0 AND id <> ?1";
    Ok(db.query_row(sql, [id.to_string()], |row| row.get(0))?)
}

/// What is edited by people. `version` is the one that was read; false: somebody was faster.
pub fn update(db: &Connection, user: &User, now_ms: i64) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE users SET name = ?1, role = ?2, tenant = ?3, disabled = ?4, changed_ms = ?5, version = version + 1 \
             WHERE id = ?6 AND version = ?7",
        )?
        .execute(params![
            user.name,
            user.role,
            user.tenant,
            user.disabled,
            now_ms,
            user.id.to_string(),
            user.version
        ])?;
    Ok(changed == 1)
}

/// Sets a password and makes every code for setting one void.
pub fn set_password(db: &Connection, id: Uuid, phc: &str, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET password = ?2, reset_hash = NULL, reset_until_ms = NULL, changed_ms = ?3, \
               version = version + 1 WHERE id = ?1";
    Ok(db.execute(sql, params![id.to_string(), phc, now_ms])? == 1)
}

/// A one-time code that sets a password; the old password is void.
pub fn set_reset(db: &Connection, id: Uuid, hash: &str, until_ms: i64, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET password = NULL, reset_hash = ?2, reset_until_ms = ?3, changed_ms = ?4, \
               version = version + 1 WHERE id = ?1";
    Ok(db.execute(sql, params![id.to_string(), hash, until_ms, now_ms])? == 1)
}

/// The person whose code this is, while it lasts. The caller sets the password in the same write.
pub fn by_reset(db: &Connection, login: &str, hash: &str, now_ms: i64) -> Result<Option<User>, StoreError> {
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM users WHERE login = ?1 AND reset_hash = ?2 AND reset_until_ms > ?3 AND disabled = 0"
    ))?;
    Ok(find.query_row(params![login, hash, now_ms], read).optional()?)
}

/// A second factor that is not confirmed yet, or none.
pub fn set_totp(db: &Connection, id: Uuid, sealed: Option<&[u8]>, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET totp_secret = ?2, totp_confirmed = 0, totp_step = 0, recovery = '[]', changed_ms = ?3, \
               version = version + 1 WHERE id = ?1";
    Ok(db.execute(sql, params![id.to_string(), sealed, now_ms])? == 1)
}

/// From now on it is asked for. False if a secret is missing or the step was used.
pub fn confirm_totp(
    db: &Connection,
    id: Uuid,
    step: i64,
    recovery: &[String],
    now_ms: i64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET totp_confirmed = 1, totp_step = ?2, recovery = ?3, changed_ms = ?4, \
               version = version + 1 WHERE id = ?1 AND totp_secret IS NOT NULL AND totp_step < ?2";
    let recovery = serde_json::to_string(recovery)?;
    Ok(db.execute(sql, params![id.to_string(), step, recovery, now_ms])? == 1)
}

/// Marks a step as used. False: it was used already, by whoever was faster.
pub fn use_step(db: &Connection, id: Uuid, step: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET totp_step = ?2 WHERE id = ?1 AND totp_step < ?2";
    Ok(db.execute(sql, params![id.to_string(), step])? == 1)
}

/// Crosses a recovery code off. False: it is not on the list.
pub fn use_recovery(db: &Connection, id: Uuid, hash: &str) -> Result<bool, StoreError> {
    let Some(user) = get(db, id)? else { return Ok(false) };
    let left: Vec<&String> = user.recovery.iter().filter(|known| *known != hash).collect();
    if left.len() == user.recovery.len() {
        return Ok(false);
    }
    let sql = "UPDATE users SET recovery = ?2 WHERE id = ?1";
    Ok(db.execute(sql, params![id.to_string(), serde_json::to_string(&left)?])? == 1)
}

pub fn came_in(db: &Connection, id: Uuid, now_ms: i64) -> Result<(), StoreError> {
    db.execute("UPDATE users SET login_ms = ?2 WHERE id = ?1", params![id.to_string(), now_ms])?;
    Ok(())
}

/// What the provider says of somebody, at each login.
pub fn refresh(
    db: &Connection,
    id: Uuid,
    name: &str,
    role: &str,
    tenant: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE users SET name = ?2, role = ?3, tenant = ?4, changed_ms = ?5, version = version + 1 \
               WHERE id = ?1 AND (name <> ?2 OR role <> ?3 OR tenant IS NOT ?4)";
    db.execute(sql, params![id.to_string(), name, role, tenant, now_ms])?;
    Ok(())
}

pub fn delete(db: &Connection, id: Uuid) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM users WHERE id = ?1", [id.to_string()])? == 1)
}

/// Everybody of a tenant that is shredded.
pub fn delete_of_tenant(db: &Connection, tenant: &str) -> Result<usize, StoreError> {
    Ok(db.execute("DELETE FROM users WHERE tenant = ?1", [tenant])?)
}

/// Keeps the code of the first start, instead of an older one.
pub fn set_setup_code(db: &Connection, hash: &str, until_ms: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO setup_code (only, hash, until_ms) VALUES (1, ?1, ?2) \
               ON CONFLICT (only) DO UPDATE SET hash = ?1, until_ms = ?2";
    db.execute(sql, params![hash, until_ms])?;
    Ok(())
}

/// Is this the code, and does it hold?
pub fn is_setup_code(db: &Connection, hash: &str, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM setup_code WHERE hash = ?1 AND until_ms > ?2)";
    Ok(db.query_row(sql, params![hash, now_ms], |row| row.get(0))?)
}

/// Uses it up. False: it is another one, too old, or used.
pub fn use_setup_code(db: &Connection, hash: &str, now_ms: i64) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM setup_code WHERE hash = ?1 AND until_ms > ?2", params![hash, now_ms])? == 1)
}

pub fn drop_setup_code(db: &Connection) -> Result<(), StoreError> {
    db.execute("DELETE FROM setup_code", [])?;
    Ok(())
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
