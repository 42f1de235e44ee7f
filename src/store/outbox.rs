//! The outbox: one row for each event and endpoint, written in the event's own transaction.
//!
//! Promise: a row waits until it was delivered or became a dead letter, and keeps its id (the
//! `webhook-id`) and its bytes through all attempts and replays. Within an endpoint rows stand in the
//! order of their events; a replay goes to the end. When [`limits::OUTBOX_WAITING_MAX`] rows wait for
//! one endpoint, the oldest of them becomes a dead letter (`queue full`): what is new matters more,
//! and nothing is gone that a replay could not bring back. Absent on purpose: when to try again.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::webhooks::{self, Circuit, Numbers, id_of};
use crate::base::{DeliveryId, EndpointId, limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Delivered,
    Dead,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "delivered" => Self::Delivered,
            "dead" => Self::Dead,
            _ => Self::Waiting,
        }
    }
}

/// One row as people see it: without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub id: DeliveryId,
    pub endpoint: EndpointId,
    pub sequence: u64,
    pub event_type: String,
    pub about: String,
    pub created_ms: u64,
    pub state: State,
    pub attempts: u32,
    pub replays: u32,
    /// When it is tried next, while it waits.
    pub next_ms: u64,
    pub settled_ms: Option<u64>,
    /// The HTTP status of the last attempt that got one.
    pub status: Option<u16>,
    pub error: String,
}

/// Puts one event into the line of everybody who wants it; `render` writes the bytes for an endpoint
/// by how it wants numbers. Returns how many were told.
pub fn announce(
    db: &Connection,
    now_ms: u64,
    event_type: &str,
    about: &str,
    mut render: impl FnMut(Numbers) -> Result<String, StoreError>,
) -> Result<usize, StoreError> {
    let mut told = 0;
    for subscriber in webhooks::subscribers(db)? {
        if !subscriber.events.iter().any(|wanted| wanted == "*" || wanted == event_type) {
            continue;
        }
        let body = render(subscriber.numbers)?;
        enqueue(db, now_ms, subscriber.id, event_type, about, &body)?;
        told += 1;
    }
    Ok(told)
}

/// One row for one endpoint.
pub fn enqueue(
    db: &Connection,
    now_ms: u64,
    endpoint: EndpointId,
    event_type: &str,
    about: &str,
    body: &str,
) -> Result<DeliveryId, StoreError> {
    if body.len() > limits::WEBHOOK_PAYLOAD_MAX {
        return Err(StoreError::Invalid(format!(
            "the payload has {} bytes; a webhook carries at most {}",
            body.len(),
            limits::WEBHOOK_PAYLOAD_MAX
        )));
    }
    let id = DeliveryId::new();
    let (sequence, waiting) = webhooks::next_sequence(db, endpoint)?;
    if waiting >= limits::OUTBOX_WAITING_MAX {
        give_up_oldest(db, endpoint, now_ms)?;
    }
    db.prepare_cached(
        "INSERT INTO outbox (id, endpoint, sequence, event_type, about, body, created_ms, queued_ms, state, next_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 'waiting', ?7)",
    )?
    .execute(params![id.to_string(), endpoint.to_string(), sequence, event_type, about, body, now_ms])?;
    Ok(id)
}

fn give_up_oldest(db: &Connection, endpoint: EndpointId, now_ms: u64) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE outbox SET state = 'dead', error = 'queue full', settled_ms = ?2
         WHERE id = (SELECT id FROM outbox WHERE endpoint = ?1 AND state = 'waiting' ORDER BY sequence LIMIT 1)",
    )?
    .execute(params![endpoint.to_string(), now_ms])?;
    Ok(())
}

/// A waiting row, for whoever decides when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: DeliveryId,
    pub sequence: u64,
    pub queued_ms: u64,
    pub attempts: u32,
    pub next_ms: u64,
}

/// The first rows of an endpoint: in their order if it wants order, else by when they are due.
pub fn window(db: &Connection, endpoint: EndpointId, ordered: bool, most: usize) -> Result<Vec<Waiting>, StoreError> {
    let by_order = "SELECT id, sequence, queued_ms, attempts, next_ms FROM outbox INDEXED BY outbox_line
         WHERE endpoint = ?1 AND state = 'waiting' ORDER BY sequence LIMIT ?2";
    let by_time = "SELECT id, sequence, queued_ms, attempts, next_ms FROM outbox INDEXED BY outbox_due
         WHERE endpoint = ?1 AND state = 'waiting' ORDER BY next_ms LIMIT ?2";
    let mut statement = db.prepare_cached(if ordered { by_order } else { by_time })?;
    let read = |row: &Row<'_>| {
        Ok(Waiting {
            id: id_of(row.get_ref(0)?.as_str()?, 0)?,
            sequence: row.get(1)?,
            queued_ms: row.get(2)?,
            attempts: row.get(3)?,
            next_ms: row.get(4)?,
        })
    };
    let rows = statement.query_map(params![endpoint.to_string(), most as i64], read)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub id: DeliveryId,
    pub endpoint: EndpointId,
    pub fate: Fate,
    pub attempts: u32,
    pub status: Option<u16>,
    /// A fixed phrase; never what the other side wrote.
    pub error: String,
    pub circuit: Circuit,
    /// The endpoint is to be switched off, and why.
    pub disable: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Again { at_ms: u64 },
    Dead,
}

/// Keeps the result of an attempt: the row, the circuit, the switch. A row that became a dead letter
/// meanwhile (a full queue) and was delivered after all is delivered.
pub fn settle(db: &Connection, settled: &Settled, now_ms: u64) -> Result<(), StoreError> {
    let id = settled.id.to_string();
    match settled.fate {
        Fate::Delivered => {
            db.prepare_cached(
                "UPDATE outbox SET state = 'delivered', attempts = ?2, status = ?3, error = '', settled_ms = ?4
                 WHERE id = ?1",
            )?
            .execute(params![id, settled.attempts, settled.status, now_ms])?;
            db.prepare_cached("UPDATE webhook_lanes SET delivered_ms = ?2 WHERE endpoint = ?1")?
                .execute(params![settled.endpoint.to_string(), now_ms])?;
        }
        Fate::Again { at_ms } => {
            db.prepare_cached(
                "UPDATE outbox SET attempts = ?2, status = ?3, error = ?4, next_ms = ?5
                 WHERE id = ?1 AND state = 'waiting'",
            )?
            .execute(params![id, settled.attempts, settled.status, settled.error, at_ms])?;
        }
        Fate::Dead => {
            db.prepare_cached(
                "UPDATE outbox SET state = 'dead', attempts = ?2, status = ?3, error = ?4, settled_ms = ?5
                 WHERE id = ?1 AND state = 'waiting'",
            )?
            .execute(params![id, settled.attempts, settled.status, settled.error, now_ms])?;
        }
    }
    webhooks::write_circuit(db, settled.endpoint, &settled.circuit)?;
    if let Some(why) = settled.disable {
        webhooks::disable(db, settled.endpoint, why, now_ms)?;
    }
    Ok(())
}

/// Waiting rows that were queued before become dead letters, at most a batch of them; whoever gets a
/// whole batch back asks again.
pub fn give_up(
    db: &Connection,
    endpoint: EndpointId,
    queued_before_ms: u64,
    why: &str,
    now_ms: u64,
) -> Result<usize, StoreError> {
    let changed = db.execute(
        "UPDATE outbox SET state = 'dead', error = ?3, settled_ms = ?4 WHERE id IN (
            SELECT id FROM outbox WHERE endpoint = ?1 AND state = 'waiting' AND queued_ms < ?2
            ORDER BY sequence LIMIT ?5)",
        params![endpoint.to_string(), queued_before_ms, why, now_ms, limits::OUTBOX_BATCH as i64],
    )?;
    Ok(changed)
}

/// The endpoint is well again: what waits for its pause need not. A batch at a time.
pub fn hurry(db: &Connection, endpoint: EndpointId, now_ms: u64) -> Result<usize, StoreError> {
    let changed = db.execute(
        "UPDATE outbox SET next_ms = ?2 WHERE id IN (
            SELECT id FROM outbox WHERE endpoint = ?1 AND state = 'waiting' AND next_ms > ?2
            ORDER BY next_ms LIMIT ?3)",
        params![endpoint.to_string(), now_ms, limits::OUTBOX_BATCH as i64],
    )?;
    Ok(changed)
}

const SHOWN: &str = "id, endpoint, sequence, event_type, about, created_ms, state, attempts, replays, next_ms, \
     settled_ms, status, error";

fn shown(row: &Row<'_>) -> rusqlite::Result<Posted> {
    Ok(Posted {
        id: id_of(row.get_ref(0)?.as_str()?, 0)?,
        endpoint: id_of(row.get_ref(1)?.as_str()?, 1)?,
        sequence: row.get(2)?,
        event_type: row.get(3)?,
        about: row.get(4)?,
        created_ms: row.get(5)?,
        state: State::of(row.get_ref(6)?.as_str()?),
        attempts: row.get(7)?,
        replays: row.get(8)?,
        next_ms: row.get(9)?,
        settled_ms: row.get(10)?,
        status: row.get(11)?,
        error: row.get(12)?,
    })
}

pub fn get(db: &Connection, id: DeliveryId) -> Result<Option<Posted>, StoreError> {
    let sql = format!("SELECT {SHOWN} FROM outbox WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.to_string()], shown).optional()?)
}

/// The bytes that are sent.
pub fn body(db: &Connection, id: DeliveryId) -> Result<Option<String>, StoreError> {
    Ok(db.query_row("SELECT body FROM outbox WHERE id = ?1", [id.to_string()], |row| row.get(0)).optional()?)
}

/// Which rows to list: of one endpoint, or of all in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Endpoint(EndpointId),
    State(State),
}

/// Newest first, those made before `before`.
pub fn list(db: &Connection, of: Of, before: Option<DeliveryId>, most: usize) -> Result<Vec<Posted>, StoreError> {
    let (column, value) = match of {
        Of::Endpoint(id) => ("endpoint", id.to_string()),
        Of::State(state) => ("state", state.as_str().to_owned()),
    };
    // Larger than any id.
    let before = before.map_or_else(|| "g".to_owned(), |id| id.to_string());
    let sql = format!("SELECT {SHOWN} FROM outbox WHERE {column} = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![value, before, most as i64], shown)?.collect::<Result<_, _>>()?;
    Ok(rows)
}

/// Puts a row that was settled back into its endpoint's line, at the end.
pub fn replay(db: &Connection, id: DeliveryId, now_ms: u64) -> Result<(), StoreError> {
    let row = get(db, id)?.ok_or(StoreError::NotFound("the webhook of that id"))?;
    if row.state == State::Waiting {
        return Err(StoreError::Conflict("it still waits to be delivered; there is nothing to replay".to_owned()));
    }
    let (sequence, waiting) = webhooks::next_sequence(db, row.endpoint)?;
    if waiting >= limits::OUTBOX_WAITING_MAX {
        return Err(full(waiting));
    }
    again(db, id, sequence, now_ms)
}

fn full(waiting: u64) -> StoreError {
    StoreError::Conflict(format!("{waiting} webhooks wait for this endpoint already; replay when fewer do"))
}

fn again(db: &Connection, id: DeliveryId, sequence: u64, now_ms: u64) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE outbox SET state = 'waiting', sequence = ?2, queued_ms = ?3, next_ms = ?3, attempts = 0,
             replays = replays + 1, settled_ms = NULL, status = NULL, error = ''
         WHERE id = ?1 AND state <> 'waiting'",
    )?
    .execute(params![id.to_string(), sequence, now_ms])?;
    Ok(())
}

/// What to replay of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub endpoint: EndpointId,
    pub since_ms: u64,
    pub until_ms: u64,
    /// Dead letters only.
    pub dead_only: bool,
}

/// Replays the rows made in a range, oldest first, a batch at a time: returns how many, and where to
/// go on.
pub fn replay_range(
    db: &Connection,
    range: Range,
    after: Option<DeliveryId>,
    now_ms: u64,
) -> Result<(usize, Option<DeliveryId>), StoreError> {
    let from = after.map_or_else(|| DeliveryId::earliest(range.since_ms).to_string(), |id| id.to_string());
    let mut statement = db.prepare_cached(
        "SELECT id FROM outbox INDEXED BY outbox_by_endpoint
         WHERE endpoint = ?1 AND id > ?2 AND id < ?3 AND (state = 'dead' OR (state = 'delivered' AND ?4 = 0))
         ORDER BY id LIMIT ?5",
    )?;
    let until = DeliveryId::earliest(range.until_ms.saturating_add(1)).to_string();
    let ids: Vec<DeliveryId> = statement
        .query_map(
            params![range.endpoint.to_string(), from, until, range.dead_only, limits::OUTBOX_BATCH as i64],
            |row| id_of(row.get_ref(0)?.as_str()?, 0),
        )?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        let (sequence, waiting) = webhooks::next_sequence(db, range.endpoint)?;
        if waiting >= limits::OUTBOX_WAITING_MAX {
            return Err(full(waiting));
        }
        again(db, *id, sequence, now_ms)?;
    }
    let last = ids.last().copied().filter(|_| ids.len() >= limits::OUTBOX_BATCH);
    Ok((ids.len(), last))
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Delivered long ago.
    pub forgotten: usize,
    /// Dead letters nobody asked for in time, or one too many.
    pub lost: usize,
    /// Given up because their endpoint is switched off.
    pub given_up: usize,
    /// Of endpoints that were removed.
    pub removed: usize,
}

impl Swept {
    pub const fn total(&self) -> usize {
        self.forgotten + self.lost + self.given_up + self.removed
    }
}

/// Forgets what was delivered or died before `keep_after_ms`, and dead letters beyond their bound;
/// gives up what waits for an endpoint that is switched off since `give_up_before_ms`. A batch of each
/// at a time; whoever gets anything back asks again.
pub fn sweep(db: &Connection, keep_after_ms: u64, give_up_before_ms: u64, now_ms: u64) -> Result<Swept, StoreError> {
    let batch = limits::OUTBOX_BATCH as i64;
    let mut swept = Swept::default();
    for (state, count) in [(State::Delivered, &mut swept.forgotten), (State::Dead, &mut swept.lost)] {
        *count = db.execute(
            "DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE state = ?1 AND id < ?2 AND settled_ms < ?3 ORDER BY id LIMIT ?4)",
            params![state.as_str(), DeliveryId::earliest(keep_after_ms).to_string(), keep_after_ms, batch],
        )?;
    }
    for (endpoint, standing) in webhooks::list(db)? {
        let over = standing.dead.saturating_sub(limits::OUTBOX_DEAD_MAX).min(limits::OUTBOX_BATCH as u64);
        if over > 0 {
            swept.lost += db.execute(
                "DELETE FROM outbox WHERE id IN (
                    SELECT id FROM outbox WHERE endpoint = ?1 AND state = 'dead' ORDER BY id LIMIT ?2)",
                params![endpoint.id.to_string(), over],
            )?;
        }
        if !endpoint.enabled && standing.waiting > 0 {
            swept.given_up += give_up(db, endpoint.id, give_up_before_ms, "switched off", now_ms)?;
        }
    }
    for endpoint in webhooks::bury_removed(db)? {
        swept.removed += db.execute(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE endpoint = ?1 LIMIT ?2)",
            params![endpoint.to_string(), batch],
        )?;
    }
    Ok(swept)
}

/// Of all endpoints, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Counts {
    pub waiting: u64,
    pub dead: u64,
}

pub fn counts(db: &Connection) -> Result<Counts, StoreError> {
    Ok(db
        .prepare_cached("SELECT coalesce(sum(waiting), 0), coalesce(sum(dead), 0) FROM webhook_lanes")?
        .query_row([], |row| Ok(Counts { waiting: row.get(0)?, dead: row.get(1)? }))?)
}

/// When the oldest webhook that waits was made, of all endpoints.
pub fn oldest_waiting_ms(db: &Connection) -> Result<Option<u64>, StoreError> {
    // Ids are in the order of time.
    let sql = "SELECT created_ms FROM outbox WHERE state = 'waiting' ORDER BY id LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
