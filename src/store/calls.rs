//! Calls as rows, made from the journal in the transaction that keeps the fact.
//!
//! Promise: the rows say what the events say, after every crash; a fact that comes twice or late
//! changes nothing that is over. Absent on purpose: anybody's words (they are in the journal).

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::StoreError;
use crate::base::event::{CallState, Direction, EndCause, Event, Record, Way};
use crate::base::{CallId, Lang};

/// A call, live or over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    pub id: CallId,
    pub transport: String,
    pub carrier_call: Option<String>,
    pub direction: Direction,
    pub agent: String,
    pub campaign: String,
    pub customer: Option<String>,
    pub caller_hash: Option<String>,
    pub language: Option<Lang>,
    pub state: CallState,
    pub cause: Option<EndCause>,
    pub started_ms: u64,
    pub connected_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    pub duration_ms: Option<u64>,
    pub turns: u32,
    pub cost_millipaise: u64,
}

/// One step of a call's life.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusUpdate {
    pub seq: u64,
    pub unix_ms: u64,
    pub from: CallState,
    pub to: CallState,
}

/// How a turn was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turn {
    pub turn: u32,
    pub unix_ms: u64,
    pub language: Lang,
    pub intent: Option<String>,
    pub way: Way,
    pub first_frame_ms: Option<u32>,
    pub waterfall: serde_json::Value,
}

/// What a word of our vocabulary is called in a column.
pub fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(text) => Ok(text),
        other => Err(StoreError::Invalid(format!("{other} is no word"))),
    }
}

/// A word of our vocabulary from a column.
pub fn of_word<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    parse_word(at, text)
}

pub fn of_optional_word<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(at)?.map(|text| parse_word(at, text)).transpose()
}

fn parse_word<T: serde::de::DeserializeOwned>(at: usize, text: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error)))
}

/// Keeps the rows in step with one event, number `seq` of the journal.
pub fn derive(db: &Connection, seq: i64, record: &Record) -> Result<(), StoreError> {
    let call = record.call.to_string();
    match &record.event {
        Event::CallInitiated { transport, direction, agent, caller_hash, concerns, carrier_call, customer } => {
            db.prepare_cached(
                "INSERT INTO calls (id, transport, carrier_call, direction, agent, campaign, caller_hash, customer, state, started_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'ready', ?9) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                call,
                transport,
                carrier_call,
                word(direction)?,
                agent,
                concerns.campaign,
                caller_hash,
                customer.map(|id| id.to_string()),
                record.unix_ms
            ])?;
        }
        Event::StateChanged { from, to } => {
            db.prepare_cached("INSERT INTO call_status_updates VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                call,
                seq,
                record.unix_ms,
                word(from)?,
                word(to)?
            ])?;
            let connected = (*to == CallState::InProgress).then_some(record.unix_ms);
            db.prepare_cached(
                "UPDATE calls SET state = ?2, connected_ms = coalesce(connected_ms, ?3) WHERE id = ?1 AND ended_ms IS NULL",
            )?
            .execute(params![call, word(to)?, connected])?;
        }
        Event::LanguageDetected { language, .. } | Event::LanguageSwitched { to: language, .. } => {
            db.prepare_cached("UPDATE calls SET language = ?2 WHERE id = ?1")?
                .execute(params![call, language.tag()])?;
        }
        Event::TurnAnswered { turn, language, intent, way, waterfall } => {
            db.prepare_cached("INSERT OR REPLACE INTO turns VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
                params![
                    call,
                    turn,
                    record.unix_ms,
                    language.tag(),
                    intent,
                    word(way)?,
                    waterfall.first_frame_out,
                    serde_json::to_string(waterfall)?
                ],
            )?;
        }
        Event::CallPlaced { carrier_call } => {
            db.prepare_cached("UPDATE calls SET carrier_call = ?2 WHERE id = ?1")?
                .execute(params![call, carrier_call])?;
        }
        Event::CallCost(cost) => {
            db.prepare_cached("UPDATE calls SET cost_millipaise = ?2 WHERE id = ?1 AND ended_ms IS NULL")?
                .execute(params![call, cost.paise.millipaise()])?;
        }
        Event::CallEnded { outcome, cause, duration_ms, turns } => {
            let ended = db
                .prepare_cached(
                    "UPDATE calls SET state = ?2, cause = ?3, ended_ms = ?4, duration_ms = ?5, turns = ?6
                     WHERE id = ?1 AND ended_ms IS NULL",
                )?
                .execute(params![call, word(outcome)?, word(cause)?, record.unix_ms, duration_ms, turns])?;
            if ended == 1 {
                add_to_day(db, &call, site_day(record.unix_ms))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Days since 1970 on the site's calendar.
pub fn site_day(unix_ms: u64) -> i64 {
    let ms = i64::try_from(unix_ms).unwrap_or_default();
    let local = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    (local.timestamp().as_second() + i64::from(local.offset().seconds())).div_euclid(86_400)
}

/// Adds an ended call to every sum it belongs to.
fn add_to_day(db: &Connection, call: &str, day: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "WITH one AS (
             SELECT agent, campaign, coalesce(language, '') AS language, direction, cause, connected_ms IS NOT NULL AS connected,
                    state = 'completed' AS completed, state = 'failed' AS failed, state = 'not_picked' AS not_picked,
                    iif(connected_ms IS NULL, 0, duration_ms) AS duration_ms, turns, cost_millipaise
             FROM calls WHERE id = ?1
         ), scopes (agent, campaign) AS (
             SELECT '', '' UNION SELECT agent, '' FROM one UNION SELECT '', campaign FROM one
             UNION SELECT agent, campaign FROM one
         ), lines (by, name) AS (
             SELECT 'all', '' UNION ALL SELECT 'agent', agent FROM one UNION ALL SELECT 'campaign', campaign FROM one
             UNION ALL SELECT 'language', language FROM one UNION ALL SELECT 'direction', direction FROM one
             UNION ALL SELECT 'cause', cause FROM one
         )
         INSERT INTO call_sums
         SELECT scopes.agent, scopes.campaign, lines.by, ?2, lines.name, 1, connected, completed, failed, not_picked,
                duration_ms, turns, cost_millipaise
         FROM one, scopes, lines WHERE true
         ON CONFLICT DO UPDATE SET calls = calls + 1, connected = connected + excluded.connected,
                completed = completed + excluded.completed, failed = failed + excluded.failed,
                not_picked = not_picked + excluded.not_picked, duration_ms = duration_ms + excluded.duration_ms,
                turns = turns + excluded.turns, cost_millipaise = cost_millipaise + excluded.cost_millipaise",
    )?
    .execute(params![call, day])?;
    Ok(())
}

/// The columns of a call in the order [`of_row`] reads them.
pub const COLUMNS: &str = "id, transport, carrier_call, direction, agent, campaign, customer, caller_hash, language, state, \
     cause, started_ms, connected_ms, ended_ms, duration_ms, turns, cost_millipaise";

pub fn of_row(row: &Row<'_>) -> rusqlite::Result<Call> {
    Ok(Call {
        id: of_word(row, 0)?,
        transport: row.get(1)?,
        carrier_call: row.get(2)?,
        direction: of_word(row, 3)?,
        agent: row.get(4)?,
        campaign: row.get(5)?,
        customer: row.get(6)?,
        caller_hash: row.get(7)?,
        language: of_optional_word(row, 8)?,
        state: of_word(row, 9)?,
        cause: of_optional_word(row, 10)?,
        started_ms: row.get(11)?,
        connected_ms: row.get(12)?,
        ended_ms: row.get(13)?,
        duration_ms: row.get(14)?,
        turns: row.get(15)?,
        cost_millipaise: row.get(16)?,
    })
}

/// By the box's id or the carrier's, which may look alike.
pub fn find(db: &Connection, id: &str) -> Result<Option<Call>, StoreError> {
    for by in ["id", "carrier_call"] {
        let sql = format!("SELECT {COLUMNS} FROM calls WHERE {by} = ?1 ORDER BY started_ms DESC LIMIT 1");
        let found = db.prepare_cached(&sql)?.query_row([id], of_row).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Oldest first.
pub fn status_updates(db: &Connection, call: CallId) -> Result<Vec<StatusUpdate>, StoreError> {
    let rows = db
        .prepare_cached(
            "SELECT seq, unix_ms, from_state, to_state FROM call_status_updates WHERE call = ?1 ORDER BY seq",
        )?
        .query_map([call.to_string()], |row| {
            Ok(StatusUpdate { seq: row.get(0)?, unix_ms: row.get(1)?, from: of_word(row, 2)?, to: of_word(row, 3)? })
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

pub fn turns(db: &Connection, call: CallId) -> Result<Vec<Turn>, StoreError> {
    let rows = db
        .prepare_cached(
            "SELECT turn, unix_ms, language, intent, way, first_frame_ms, waterfall FROM turns WHERE call = ?1 ORDER BY turn",
        )?
        .query_map([call.to_string()], |row| {
            let waterfall: String = row.get(6)?;
            Ok(Turn {
                turn: row.get(0)?,
                unix_ms: row.get(1)?,
                language: of_word(row, 2)?,
                intent: row.get(3)?,
                way: of_word(row, 4)?,
                first_frame_ms: row.get(5)?,
                waterfall: serde_json::from_str(&waterfall).unwrap_or_default(),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}
