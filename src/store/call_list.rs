//! Lists of calls. Promise: a list goes on where its page ended, however many calls came in between.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use super::StoreError;
use super::calls::{COLUMNS, Call, of_row, word};
use crate::base::event::{CallState, Direction};
use crate::base::{CallId, Lang};

/// Which calls.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    pub state: Option<CallState>,
    pub direction: Option<Direction>,
    pub agent: Option<String>,
    pub campaign: Option<String>,
    pub language: Option<Lang>,
    pub customer: Option<String>,
    pub caller_hash: Option<String>,
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub started_ms: i64,
    pub id: CallId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.started_ms, self.id)
    }
}

impl FromStr for Place {
    type Err = StoreError;
    fn from_str(s: &str) -> Result<Self, StoreError> {
        let none = || StoreError::Invalid("no place in a list of calls".into());
        let (started, id) = s.split_once(' ').ok_or_else(none)?;
        Ok(Self { started_ms: started.parse().map_err(|_| none())?, id: id.parse().map_err(|_| none())? })
    }
}

impl Place {
    pub fn of(call: &Call) -> Self {
        Self { started_ms: i64::try_from(call.started_ms).unwrap_or(i64::MAX), id: call.id }
    }
}

/// Newest first, from behind `after`.
pub fn list(db: &Connection, filter: &Filter, after: Option<Place>, most: usize) -> Result<Vec<Call>, StoreError> {
    let Filter { state, direction, agent, campaign, language, customer, caller_hash, from_ms, to_ms } = filter;
    let text = |value: &Option<String>| value.clone().map(Value::Text);
    let all = [
        (" AND state = ?", state.map(|state| word(&state)).transpose()?.map(Value::Text)),
        (" AND direction = ?", direction.map(|direction| word(&direction)).transpose()?.map(Value::Text)),
        (" AND agent = ?", text(agent)),
        // The second half lets the partial index be used.
        (" AND campaign = ? AND campaign <> ''", text(campaign)),
        (" AND language = ?", language.map(|language| Value::Text(language.tag().to_owned()))),
        (" AND customer = ?", text(customer)),
        (" AND caller_hash = ?", text(caller_hash)),
        (" AND started_ms >= ?", from_ms.map(Value::Integer)),
        (" AND started_ms < ?", to_ms.map(Value::Integer)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM calls WHERE 1");
    let mut values = Vec::new();
    for (clause, value) in all {
        if let Some(value) = value {
            sql.push_str(clause);
            values.push(value);
        }
    }
    if let Some(Place { started_ms, id }) = after {
        sql.push_str(" AND (started_ms, id) < (?, ?)");
        values.push(Value::Integer(started_ms));
        values.push(Value::Text(id.to_string()));
    }
    sql.push_str(" ORDER BY started_ms DESC, id DESC LIMIT ?");
    values.push(Value::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
    let mut list = db.prepare_cached(&sql)?;
    let rows = list.query_map(params_from_iter(values), of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Calls that have begun and not ended.
pub fn live(db: &Connection) -> Result<usize, StoreError> {
    Ok(db.prepare_cached("SELECT count(*) FROM calls WHERE ended_ms IS NULL")?.query_row([], |row| row.get(0))?)
}
