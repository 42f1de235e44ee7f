//! Keys of programs, and the short-lived tokens that were issued. Of a key only the hash of its secret
//! is here; of a token only its id: the token itself is a signature.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: String,
    /// Of the secret.
    pub hash: String,
    pub name: String,
    /// `None`: the whole box.
    pub tenant: Option<String>,
    pub role: String,
    /// `None`: all that the role may.
    pub scopes: Option<Vec<String>>,
    /// `user:…`, `key:…` or `box`.
    pub created_by: String,
    pub created_ms: i64,
    pub until_ms: Option<i64>,
    pub used_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub jti: String,
    pub tenant: String,
    pub name: String,
    pub role: String,
    pub scopes: Option<Vec<String>>,
    pub issued_by: String,
    pub created_ms: i64,
    pub until_ms: i64,
    pub revoked_ms: Option<i64>,
}

const KEY: &str = "id, hash, name, tenant, role, scopes, created_by, created_ms, until_ms, used_ms, revoked_ms";
const TOKEN: &str = "jti, tenant, name, role, scopes, issued_by, created_ms, until_ms, revoked_ms";

/// A list that cannot be read allows nothing.
fn scopes(row: &Row<'_>) -> rusqlite::Result<Option<Vec<String>>> {
    let text: Option<String> = row.get("scopes")?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get("id")?,
        hash: row.get("hash")?,
        name: row.get("name")?,
        tenant: row.get("tenant")?,
        role: row.get("role")?,
        scopes: scopes(row)?,
        created_by: row.get("created_by")?,
        created_ms: row.get("created_ms")?,
        until_ms: row.get("until_ms")?,
        used_ms: row.get("used_ms")?,
        revoked_ms: row.get("revoked_ms")?,
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        jti: row.get("jti")?,
        tenant: row.get("tenant")?,
        name: row.get("name")?,
        role: row.get("role")?,
        scopes: scopes(row)?,
        issued_by: row.get("issued_by")?,
        created_ms: row.get("created_ms")?,
        until_ms: row.get("until_ms")?,
        revoked_ms: row.get("revoked_ms")?,
    })
}

pub fn insert(db: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    let scopes = key.scopes.as_ref().map(serde_json::to_string).transpose()?;
    db.execute(
        &format!("INSERT INTO api_keys ({KEY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
        params![
            key.id,
            key.hash,
            key.name,
            key.tenant,
            key.role,
            scopes,
            key.created_by,
            key.created_ms,
            key.until_ms,
            key.used_ms,
            key.revoked_ms
        ],
    )?;
    Ok(())
}

pub fn get(db: &Connection, id: &str) -> Result<Option<ApiKey>, StoreError> {
    let mut find = db.prepare_cached(&format!("SELECT {KEY} FROM api_keys WHERE id = ?1"))?;
    Ok(find.query_row([id], read_key).optional()?)
}

/// One page in the order of ids; `tenant` narrows it.
pub fn page(db: &Connection, tenant: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, StoreError> {
    let narrowed = if tenant.is_some() { "tenant = ?1 AND" } else { "?1 IS NULL AND" };
    let mut find =
        db.prepare_cached(&format!("SELECT {KEY} FROM api_keys WHERE {narrowed} id > ?2 ORDER BY id LIMIT ?3"))?;
    let rows = find.query_map(params![tenant, after, most], read_key)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn used(db: &Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    db.execute("UPDATE api_keys SET used_ms = ?2 WHERE id = ?1", params![id, now_ms])?;
    Ok(())
}

/// Makes a key void, and with it every token it issued. False: there is none, or it was void.
pub fn revoke(db: &Connection, id: &str, now_ms: i64) -> Result<bool, StoreError> {
    let done =
        db.execute("UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL", params![id, now_ms])?;
    revoke_tokens_of(db, &format!("key:{id}"), now_ms)?;
    Ok(done == 1)
}

/// Keys of a tenant that is shredded.
pub fn delete_of_tenant(db: &Connection, tenant: &str) -> Result<usize, StoreError> {
    let keys = db.execute("DELETE FROM api_keys WHERE tenant = ?1", [tenant])?;
    Ok(keys + db.execute("DELETE FROM tokens WHERE tenant = ?1", [tenant])?)
}

pub fn insert_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
    let scopes = token.scopes.as_ref().map(serde_json::to_string).transpose()?;
    db.prepare_cached(&format!("INSERT INTO tokens ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"))?.execute(
        params![
            token.jti,
            token.tenant,
            token.name,
            token.role,
            scopes,
            token.issued_by,
            token.created_ms,
            token.until_ms,
            token.revoked_ms
        ],
    )?;
    Ok(())
}

pub fn token(db: &Connection, jti: &str) -> Result<Option<Token>, StoreError> {
    let mut find = db.prepare_cached(&format!("SELECT {TOKEN} FROM tokens WHERE jti = ?1"))?;
    Ok(find.query_row([jti], read_token).optional()?)
}

/// Tokens of one issuer that still hold.
pub fn tokens_of(db: &Connection, issued_by: &str, now_ms: i64) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM tokens WHERE issued_by = ?1 AND until_ms > ?2";
    Ok(db.query_row(sql, params![issued_by, now_ms], |row| row.get(0))?)
}

/// Tokens that still hold, one page in the order of ids.
pub fn tokens(db: &Connection, after: &str, most: u32, now_ms: i64) -> Result<Vec<Token>, StoreError> {
    let mut find = db.prepare_cached(&format!(
        "SELECT {TOKEN} FROM tokens WHERE jti > ?1 AND until_ms > ?2 AND revoked_ms IS NULL ORDER BY jti LIMIT ?3"
    ))?;
    let rows = find.query_map(params![after, now_ms, most], read_token)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// False: there is none, or it was void.
pub fn revoke_token(db: &Connection, jti: &str, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE jti = ?1 AND revoked_ms IS NULL";
    Ok(db.execute(sql, params![jti, now_ms])? == 1)
}

/// Whoever loses their own rights loses the tokens they issued too.
pub fn revoke_tokens_of(db: &Connection, issued_by: &str, now_ms: i64) -> Result<usize, StoreError> {
    let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE issued_by = ?1 AND revoked_ms IS NULL";
    Ok(db.execute(sql, params![issued_by, now_ms])?)
}
