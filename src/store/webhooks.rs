//! Endpoints: who is told of what happens, where, and how their circuit stands.
//! Promise: a change names the version it was made from, or is refused; an endpoint that was removed
//! is neither shown nor told anything again. Absent on purpose: what is told (`outbox`), and sending.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::base::limits;
use crate::base::secret::Secret;
use crate::base::{DeliveryId, EndpointId};

/// How an endpoint is told whom a call is with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// The box's keyed hash: finds one person's calls, says nothing of the number.
    #[default]
    Hash,
    /// The last four digits.
    Masked,
    None,
}

impl Numbers {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Masked => "masked",
            Self::None => "none",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "masked" => Self::Masked,
            "none" => Self::None,
            _ => Self::Hash,
        }
    }
}

/// What people edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub url: String,
    pub about: String,
    /// Public event types; `*` is all of them.
    pub events: Vec<String>,
    pub numbers: Numbers,
    /// One after the other, each only once the one before it was taken or given up.
    pub ordered: bool,
    pub enabled: bool,
    /// Why the box itself switched it off.
    pub disabled_why: String,
    pub version: u64,
    pub created_ms: u64,
    pub updated_ms: u64,
}

impl Endpoint {
    pub fn wants(&self, event_type: &str) -> bool {
        self.events.iter().any(|wanted| wanted == "*" || wanted == event_type)
    }
}

/// How an endpoint takes what it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Standing {
    pub waiting: u64,
    pub dead: u64,
    /// Failures in a row.
    pub failures: u32,
    pub failing_since_ms: Option<u64>,
    /// Nothing is sent before then.
    pub open_until_ms: Option<u64>,
    /// The last webhook that was taken.
    pub delivered_ms: Option<u64>,
}

/// What signs a webhook.
#[derive(Clone, Debug)]
pub struct Secrets {
    pub current: Secret,
    /// The one before, and until when it signs too.
    pub old: Option<(Secret, u64)>,
}

const SHOWN: &str = "id, url, about, events, numbers, ordered, enabled, disabled_why, version, created_ms, \
     updated_ms, waiting, dead, failures, failing_since_ms, open_until_ms, delivered_ms";

pub(super) fn id_of<T: std::str::FromStr>(text: &str, column: usize) -> rusqlite::Result<T> {
    text.parse()
        .map_err(|_| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, "not an id".into()))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<(Endpoint, Standing)> {
    let endpoint = Endpoint {
        id: id_of(row.get_ref(0)?.as_str()?, 0)?,
        url: row.get(1)?,
        about: row.get(2)?,
        events: serde_json::from_str(row.get_ref(3)?.as_str()?).unwrap_or_default(),
        numbers: Numbers::of(row.get_ref(4)?.as_str()?),
        ordered: row.get(5)?,
        enabled: row.get(6)?,
        disabled_why: row.get(7)?,
        version: row.get(8)?,
        created_ms: row.get(9)?,
        updated_ms: row.get(10)?,
    };
    let standing = Standing {
        waiting: row.get(11)?,
        dead: row.get(12)?,
        failures: row.get(13)?,
        failing_since_ms: row.get(14)?,
        open_until_ms: row.get(15)?,
        delivered_ms: row.get(16)?,
    };
    Ok((endpoint, standing))
}

pub fn insert(db: &Connection, endpoint: &Endpoint, secret: &Secret) -> Result<(), StoreError> {
    let there: usize =
        db.query_row("SELECT count(*) FROM webhook_endpoints WHERE removed_ms IS NULL", [], |row| row.get(0))?;
    if there >= limits::WEBHOOKS_MAX {
        return Err(StoreError::Conflict(format!(
            "there are {there} webhooks already, which is as many as a tenant may have; remove one first"
        )));
    }
    db.execute(
        "INSERT INTO webhook_endpoints (id, url, about, events, numbers, ordered, enabled, secret, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        params![
            endpoint.id.to_string(),
            endpoint.url,
            endpoint.about,
            serde_json::to_string(&endpoint.events)?,
            endpoint.numbers.as_str(),
            endpoint.ordered,
            endpoint.enabled,
            secret.expose(),
            endpoint.created_ms,
        ],
    )?;
    db.execute("INSERT INTO webhook_lanes (endpoint) VALUES (?1)", [endpoint.id.to_string()])?;
    Ok(())
}

pub fn get(db: &Connection, id: EndpointId) -> Result<Option<(Endpoint, Standing)>, StoreError> {
    let sql = format!(
        "SELECT {SHOWN} FROM webhook_endpoints JOIN webhook_lanes ON endpoint = id WHERE id = ?1 AND removed_ms IS NULL"
    );
    Ok(db.prepare_cached(&sql)?.query_row([id.to_string()], shown).optional()?)
}

/// All of them, oldest first: there are at most [`limits::WEBHOOKS_MAX`].
pub fn list(db: &Connection) -> Result<Vec<(Endpoint, Standing)>, StoreError> {
    let sql = format!(
        "SELECT {SHOWN} FROM webhook_endpoints JOIN webhook_lanes ON endpoint = id WHERE removed_ms IS NULL ORDER BY id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], shown)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// Writes what was edited; `endpoint.version` is the one it was made from, the new one is returned. One
/// that is switched on again starts with a closed circuit.
pub fn update(db: &Connection, endpoint: &Endpoint) -> Result<u64, StoreError> {
    let changed = db.execute(
        "UPDATE webhook_endpoints
         SET url = ?2, about = ?3, events = ?4, numbers = ?5, ordered = ?6, enabled = ?7,
             disabled_why = ?8, updated_ms = ?9, version = version + 1
         WHERE id = ?1 AND version = ?10 AND removed_ms IS NULL",
        params![
            endpoint.id.to_string(),
            endpoint.url,
            endpoint.about,
            serde_json::to_string(&endpoint.events)?,
            endpoint.numbers.as_str(),
            endpoint.ordered,
            endpoint.enabled,
            endpoint.disabled_why,
            endpoint.updated_ms,
            endpoint.version,
        ],
    )?;
    if changed == 0 {
        return Err(match get(db, endpoint.id)? {
            None => StoreError::NotFound("the webhook"),
            Some((now, _)) => StoreError::Conflict(format!(
                "the webhook was changed meanwhile (version {}, not {}); read it again",
                now.version, endpoint.version
            )),
        });
    }
    // What was wrong may be mended by the change: try at once.
    write_circuit(db, endpoint.id, &Circuit::default())?;
    Ok(endpoint.version + 1)
}

/// Puts a new secret in place; the one before signs too until `old_until_ms`.
pub fn rotate(
    db: &Connection,
    id: EndpointId,
    secret: &Secret,
    old_until_ms: u64,
    now_ms: u64,
) -> Result<(), StoreError> {
    let changed = db.execute(
        "UPDATE webhook_endpoints
         SET old_secret = secret, old_secret_until_ms = ?3, secret = ?2, updated_ms = ?4, version = version + 1
         WHERE id = ?1 AND removed_ms IS NULL",
        params![id.to_string(), secret.expose(), old_until_ms, now_ms],
    )?;
    if changed == 0 { Err(StoreError::NotFound("the webhook")) } else { Ok(()) }
}

/// It is told nothing any more, and forgets its secrets now; its rows go with the next sweeps.
pub fn remove(db: &Connection, id: EndpointId, now_ms: u64) -> Result<(), StoreError> {
    let changed = db.execute(
        "UPDATE webhook_endpoints
         SET removed_ms = ?2, enabled = 0, url = '', about = '', secret = '', old_secret = NULL, version = version + 1
         WHERE id = ?1 AND removed_ms IS NULL",
        params![id.to_string(), now_ms],
    )?;
    if changed == 0 { Err(StoreError::NotFound("the webhook")) } else { Ok(()) }
}

/// The box itself switches it off.
pub fn disable(db: &Connection, id: EndpointId, why: &str, now_ms: u64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE webhook_endpoints SET enabled = 0, disabled_why = ?2, updated_ms = ?3, version = version + 1
         WHERE id = ?1 AND enabled = 1",
        params![id.to_string(), why, now_ms],
    )?;
    Ok(())
}

/// Who is to be told of something that happens now.
pub(super) struct Subscriber {
    pub id: EndpointId,
    pub events: Vec<String>,
    pub numbers: Numbers,
}

/// For every event: one prepared statement over a handful of rows.
pub(super) fn subscribers(db: &Connection) -> Result<Vec<Subscriber>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id, events, numbers FROM webhook_endpoints WHERE enabled = 1")?;
    let rows = statement
        .query_map([], |row| {
            Ok(Subscriber {
                id: id_of(row.get_ref(0)?.as_str()?, 0)?,
                events: serde_json::from_str(row.get_ref(1)?.as_str()?).unwrap_or_default(),
                numbers: Numbers::of(row.get_ref(2)?.as_str()?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn secrets(db: &Connection, id: EndpointId) -> Result<Option<Secrets>, StoreError> {
    let sql =
        "SELECT secret, old_secret, old_secret_until_ms FROM webhook_endpoints WHERE id = ?1 AND removed_ms IS NULL";
    let read = |row: &Row<'_>| {
        let old: Option<String> = row.get(1)?;
        let until: Option<u64> = row.get(2)?;
        Ok(Secrets {
            current: Secret::new(row.get::<_, String>(0)?),
            old: old.zip(until).map(|(secret, until)| (Secret::new(secret), until)),
        })
    };
    Ok(db.prepare_cached(sql)?.query_row([id.to_string()], read).optional()?)
}

/// How the circuit of an endpoint stands, as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    pub failures: u32,
    pub failing_since_ms: Option<u64>,
    pub open_until_ms: Option<u64>,
}

pub fn write_circuit(db: &Connection, id: EndpointId, circuit: &Circuit) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE webhook_lanes SET failures = ?2, failing_since_ms = ?3, open_until_ms = ?4 WHERE endpoint = ?1",
    )?
    .execute(params![id.to_string(), circuit.failures, circuit.failing_since_ms, circuit.open_until_ms])?;
    Ok(())
}

/// The next place in an endpoint's line.
pub(super) fn next_sequence(db: &Connection, id: EndpointId) -> Result<(u64, u64), StoreError> {
    db.prepare_cached(
        "UPDATE webhook_lanes SET next_sequence = next_sequence + 1 WHERE endpoint = ?1
         RETURNING next_sequence - 1, waiting",
    )?
    .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()?
    .ok_or(StoreError::NotFound("the webhook"))
}

/// Removed endpoints whose outbox is empty go for good; the others' names are returned.
pub(super) fn bury_removed(db: &Connection) -> Result<Vec<EndpointId>, StoreError> {
    db.execute(
        "DELETE FROM webhook_endpoints WHERE removed_ms IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.endpoint = webhook_endpoints.id)",
        [],
    )?;
    let mut statement = db.prepare_cached("SELECT id FROM webhook_endpoints WHERE removed_ms IS NOT NULL")?;
    let rows = statement.query_map([], |row| id_of(row.get_ref(0)?.as_str()?, 0))?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// What a courier needs to send one webhook.
#[derive(Clone, Debug)]
pub struct Letter {
    pub id: DeliveryId,
    pub url: String,
    pub body: String,
    pub secrets: Secrets,
}

/// `None`: it waits no longer, or nobody is to be told.
pub fn letter(db: &Connection, id: DeliveryId) -> Result<Option<Letter>, StoreError> {
    let sql = "SELECT url, body, secret, old_secret, old_secret_until_ms
               FROM outbox JOIN webhook_endpoints ON webhook_endpoints.id = outbox.endpoint
               WHERE outbox.id = ?1 AND state = 'waiting' AND enabled = 1";
    let read = |row: &Row<'_>| {
        let old: Option<String> = row.get(3)?;
        let until: Option<u64> = row.get(4)?;
        Ok(Letter {
            id,
            url: row.get(0)?,
            body: row.get(1)?,
            secrets: Secrets {
                current: Secret::new(row.get::<_, String>(2)?),
                old: old.zip(until).map(|(secret, until)| (Secret::new(secret), until)),
            },
        })
    };
    Ok(db.prepare_cached(sql)?.query_row([id.to_string()], read).optional()?)
}
