//! What is deleted when its time is over. [`plan`] says what is due; [`look`] and [`act`] do a
//! bounded part of one step.
//!
//! Promise: what a hold in force covers stays; a batch is one short transaction, in which each row is
//! looked at again; what a batch deletes is counted. The journal's words go before its facts, and the
//! facts before their call. Absent on purpose: the clock, and when it is done (`ops/sweep.rs`).

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use super::{Database, StoreError, holds};
use crate::base::limits;
use crate::config::{Class, Retention};

const DAY_MS: u64 = 86_400_000;

/// One kind of row that grows old.
struct Rule {
    class: Class,
    /// In counts and the audit log.
    what: &'static str,
    /// Finds the oldest: `at`, key, call, customer, number's hash (the last three where they are known)
    /// of rows from before `:before`, behind the place `(:at, :key)`, at most `:limit`.
    pick: &'static str,
    /// The key is a number, else a text.
    numbered: bool,
    /// What is done with `:key`; what the first statement changes is counted.
    act: &'static [&'static str],
    batch: u64,
}

const RULES: &[Rule] = &[
    Rule {
        class: Class::Transcripts,
        what: "words",
        pick: "SELECT unix_ms, seq, call, NULL, NULL FROM events INDEXED BY events_with_words
            WHERE kind IN ('heard', 'said') AND json_extract(body, '$.text') <> ''
                AND unix_ms < :before AND (unix_ms, seq) > (:at, :key) ORDER BY unix_ms, seq LIMIT :limit",
        numbered: true,
        act: &["UPDATE events SET body = json_replace(body, '$.text', '', '$.heard', '') WHERE seq = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Transcripts,
        what: "written_transcripts",
        pick: "SELECT made_ms, name, call, NULL, NULL FROM media WHERE kind <> 'recording'
            AND made_ms < :before AND (made_ms, name) > (:at, :key) ORDER BY made_ms, name LIMIT :limit",
        numbered: false,
        act: MEDIA_GOES,
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Recordings,
        what: "recordings",
        pick: "SELECT made_ms, name, call, NULL, NULL FROM media WHERE kind = 'recording'
            AND made_ms < :before AND (made_ms, name) > (:at, :key) ORDER BY made_ms, name LIMIT :limit",
        numbered: false,
        act: MEDIA_GOES,
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Events,
        what: "events",
        pick: "SELECT unix_ms, seq, call, NULL, NULL FROM events
            WHERE unix_ms < :before AND (unix_ms, seq) > (:at, :key) ORDER BY unix_ms, seq LIMIT :limit",
        numbered: true,
        act: &["DELETE FROM events WHERE seq = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Calls,
        what: "calls",
        pick: "SELECT started_ms, id, id, customer, caller_hash FROM calls WHERE ended_ms IS NOT NULL
            AND started_ms < :before AND (started_ms, id) > (:at, :key) ORDER BY started_ms, id LIMIT :limit",
        numbered: false,
        act: &[
            "DELETE FROM calls WHERE id = :key",
            "DELETE FROM turns WHERE call = :key",
            "DELETE FROM call_status_updates WHERE call = :key",
            "DELETE FROM events WHERE call = :key",
            "DELETE FROM retained WHERE class = 'calls' AND row = :key",
            "INSERT INTO media_gone (name, since_ms) SELECT name, :now FROM media WHERE call = :key ON CONFLICT DO NOTHING",
            "DELETE FROM media WHERE call = :key",
        ],
        // Each takes the facts that are left of it along.
        batch: limits::SWEEP_BATCH / 10,
    },
    Rule {
        class: Class::Callbacks,
        what: "callbacks",
        pick: "SELECT asked_ms, id, NULL, NULL, phone_hash FROM callbacks
            WHERE asked_ms < :before AND (asked_ms, id) > (:at, :key) ORDER BY asked_ms, id LIMIT :limit",
        numbered: false,
        act: &["DELETE FROM callbacks WHERE id = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Customers,
        what: "customers",
        pick: "SELECT :at, id, NULL, id, phone_hash FROM customers
            WHERE id > :key AND max(updated_ms, ifnull(last_call_at_ms, 0)) < :before ORDER BY id LIMIT :limit",
        numbered: false,
        // Somebody may have changed it since it was picked.
        act: &["DELETE FROM customers WHERE id = :key AND max(updated_ms, ifnull(last_call_at_ms, 0)) < :before"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Uploads,
        what: "upload_rejects",
        pick: "SELECT :at, id, NULL, NULL, NULL FROM uploads WHERE id > :key AND started_ms < :before
            AND status <> 'writing' AND EXISTS (SELECT 1 FROM upload_rejects WHERE upload_id = uploads.id)
            ORDER BY id LIMIT :limit",
        numbered: false,
        act: &["DELETE FROM upload_rejects WHERE upload_id = :key"],
        // One list may have rejected very many.
        batch: 1,
    },
    Rule {
        class: Class::Uploads,
        what: "dnd_rejects",
        pick: "SELECT :at, number, NULL, NULL, NULL FROM dnd_lists WHERE number > :key AND made_ms < :before
            AND EXISTS (SELECT 1 FROM dnd_rejects WHERE list = number) ORDER BY number LIMIT :limit",
        numbered: true,
        act: &["DELETE FROM dnd_rejects WHERE list = :key"],
        batch: 1,
    },
    Rule {
        class: Class::Uploads,
        what: "dnd_lists",
        pick: "SELECT :at, number, NULL, NULL, NULL FROM dnd_lists WHERE number > :key AND made_ms < :before
            AND state IN ('replaced', 'failed') AND NOT EXISTS (SELECT 1 FROM dnd WHERE list = number)
            ORDER BY number LIMIT :limit",
        numbered: true,
        act: &["DELETE FROM dnd_lists WHERE number = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Consents,
        what: "consents",
        pick: "SELECT noted_ms, id, call, NULL, phone_hash FROM consents AS c
            WHERE noted_ms < :before AND (noted_ms, id) > (:at, :key)
                AND (ifnull(expires_ms, :before) < :before OR id NOT IN (
                    SELECT id FROM consents_now AS n WHERE n.phone_hash = c.phone_hash AND n.purpose = c.purpose))
            ORDER BY noted_ms, id LIMIT :limit",
        numbered: false,
        act: &["DELETE FROM consents WHERE id = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Audit,
        what: "erasures",
        pick: "SELECT :at, id, NULL, NULL, subject FROM erasures WHERE id > :key AND at_ms < :before ORDER BY id LIMIT :limit",
        numbered: false,
        act: &["DELETE FROM erasures WHERE id = :key"],
        batch: limits::SWEEP_BATCH,
    },
    Rule {
        class: Class::Audit,
        what: "holds",
        pick: "SELECT :at, id, NULL, NULL, NULL FROM holds WHERE id > :key AND lifted_ms < :before ORDER BY id LIMIT :limit",
        numbered: false,
        act: &["DELETE FROM holds WHERE id = :key"],
        batch: limits::SWEEP_BATCH,
    },
];

const MEDIA_GOES: &[&str] = &[
    "INSERT INTO media_gone (name, since_ms) VALUES (:key, :now) ON CONFLICT DO NOTHING",
    "DELETE FROM media WHERE name = :key",
];

/// What law obliged to keep of somebody who was erased, once it no longer does.
const RELEASE: Rule = Rule {
    class: Class::Calls,
    what: "released",
    pick: "SELECT until_ms, row, row, NULL, NULL FROM retained WHERE class = 'calls'
        AND until_ms < :before AND (until_ms, row) > (:at, :key) ORDER BY until_ms, row LIMIT :limit",
    numbered: false,
    act: super::person::RELEASE_CALL,
    batch: limits::SWEEP_BATCH / 10,
};

/// One step of a sweep: a kind of row, and the age from which it goes.
#[derive(Clone, Copy)]
pub struct Step {
    rule: &'static Rule,
    pub before_ms: u64,
}

impl Step {
    pub const fn what(&self) -> &'static str {
        self.rule.what
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} before {}", self.rule.what, self.before_ms)
    }
}

/// Where a step goes on.
#[derive(Clone, Debug)]
pub struct Place {
    at: i64,
    key: Value,
    picked: Vec<Picked>,
    pub is_over: bool,
}

#[derive(Clone, Debug)]
struct Picked {
    key: Value,
    call: Option<String>,
    customer: Option<String>,
    hash: Option<String>,
}

/// What is due now, in the order in which it is done. Classes that are kept for ever have no step.
pub fn plan(retention: &Retention, now_ms: u64) -> Vec<Step> {
    let due = |rule: &'static Rule| {
        let days = retention.days(rule.class)?;
        Some(Step { rule, before_ms: now_ms.checked_sub(u64::from(days) * DAY_MS)? })
    };
    let mut steps: Vec<Step> = RULES.iter().filter_map(due).collect();
    steps.push(Step { rule: &RELEASE, before_ms: now_ms });
    steps
}

/// Entries of the audit log from before this go; `None`: none.
pub fn audit_before(retention: &Retention, now_ms: u64) -> Option<u64> {
    now_ms.checked_sub(u64::from(retention.days(Class::Audit)?) * DAY_MS).filter(|before| *before > 0)
}

impl Place {
    pub fn start(step: &Step) -> Self {
        let key = if step.rule.numbered { Value::Integer(i64::MIN) } else { Value::Text(String::new()) };
        Self { at: i64::MIN, key, picked: Vec::new(), is_over: false }
    }
}

/// Looks for the next rows of a step; for a reader, so that nobody's writes wait for the search.
pub fn look(db: &Connection, step: &Step, mut place: Place) -> Result<Place, StoreError> {
    let mut statement = db.prepare_cached(step.rule.pick)?;
    bind(&mut statement, ":before", step.before_ms)?;
    bind(&mut statement, ":at", place.at)?;
    bind(&mut statement, ":key", &place.key)?;
    bind(&mut statement, ":limit", step.rule.batch)?;
    let mut rows = statement.raw_query();
    place.picked.clear();
    while let Some(row) = rows.next()? {
        place.at = row.get(0)?;
        place.key = row.get(1)?;
        place.picked.push(Picked {
            key: place.key.clone(),
            call: row.get(2)?,
            customer: row.get(3)?,
            hash: row.get(4)?,
        });
    }
    place.is_over = (place.picked.len() as u64) < step.rule.batch;
    Ok(place)
}

/// Deletes what was found, but for what is held; returns how many rows went.
pub fn act(db: &Connection, step: &Step, place: &Place, now_ms: u64) -> Result<u64, StoreError> {
    if holds::whole_tenant(db, now_ms)? {
        return Ok(0);
    }
    let any_hold = holds::any(db, now_ms)?;
    let mut gone = 0;
    for picked in &place.picked {
        if any_hold && is_held(db, picked, now_ms)? {
            continue;
        }
        for (number, sql) in step.rule.act.iter().enumerate() {
            let mut statement = db.prepare_cached(sql)?;
            bind(&mut statement, ":key", &picked.key)?;
            bind(&mut statement, ":now", now_ms)?;
            bind(&mut statement, ":before", step.before_ms)?;
            let changed = statement.raw_execute()?;
            if number == 0 {
                gone += changed as u64;
            }
        }
    }
    Ok(gone)
}

fn is_held(db: &Connection, picked: &Picked, now_ms: u64) -> Result<bool, StoreError> {
    let (mut hashes, mut customers) = (picked.hash.iter().cloned().collect::<Vec<_>>(), Vec::new());
    customers.extend(picked.customer.clone());
    let calls: Vec<String> = picked.call.iter().cloned().collect();
    if let Some(call) = &picked.call {
        let mut of_call = db.prepare_cached("SELECT caller_hash, customer FROM calls WHERE id = ?1")?;
        let mut rows = of_call.query([call])?;
        if let Some(row) = rows.next()? {
            hashes.extend(row.get::<_, Option<String>>(0)?);
            customers.extend(row.get::<_, Option<String>>(1)?);
        }
    }
    Ok(holds::covering(db, &hashes, &customers, &calls, now_ms)?.is_some())
}

/// Binds a name that the statement may or may not have.
pub(super) fn bind(statement: &mut Statement<'_>, name: &str, value: impl rusqlite::ToSql) -> Result<(), StoreError> {
    if let Some(at) = statement.parameter_index(name)? {
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(())
}

/// The whole sweep of a database, for threads that may wait. `pause` is called between batches and
/// says whether to go on. Returns what went, by kind.
pub fn sweep_blocking(
    db: &Database,
    steps: &[Step],
    now_ms: u64,
    pause: &dyn Fn() -> bool,
) -> Result<BTreeMap<&'static str, u64>, StoreError> {
    let mut gone = BTreeMap::new();
    for step in steps {
        let step = *step;
        let mut place = Place::start(&step);
        while !place.is_over {
            let from = place;
            place = db.read_blocking(|db| look(db, &step, from))?;
            if place.picked.is_empty() {
                break;
            }
            let found = place.clone();
            let count = db.write_blocking(move |db| act(db, &step, &found, now_ms))?;
            if count > 0 {
                *gone.entry(step.what()).or_default() += count;
            }
            if !pause() {
                return Ok(gone);
            }
        }
    }
    Ok(gone)
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
