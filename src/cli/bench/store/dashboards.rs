//! Dashboards over many calls: the calls are written as the journal writes them, then asked for as
//! the console does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::Connection;
use serde::Serialize;

use super::Spread;
use super::calls::{FACTS, Facts};
use crate::base::event::{CallState, Direction};
use crate::base::{CallId, Clock, TenantId, limits};
use crate::store::analytics::{By, Which, sums};
use crate::store::call_list::{Filter, Place, list, live};
use crate::store::calls::site_day;
use crate::store::journal::Journal;
use crate::store::{Database, StoreError, Vault, calls};

/// Over so many days the calls are spread.
const DAYS: u64 = 365;
const DAY_MS: u64 = 86_400_000;
/// Each question is asked so often.
const ASKED: usize = 200;
/// Rows of a page.
const PAGE: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Dashboards {
    pub(super) calls: u64,
    pub(super) bytes: u64,
    pub(super) fill_seconds: f64,
    pub(super) queries_ms: BTreeMap<&'static str, Spread>,
    pub(super) all_ms: Spread,
}

/// Fills the tenant up to so many calls and measures.
pub(super) async fn measure(vault: &Vault, wanted: u64) -> anyhow::Result<Dashboards> {
    let clock = Clock::system();
    let db = vault.tenant(&TenantId::default_tenant()).context("the tenant is not there")?;
    let now = clock.wall_ms();
    let today = site_day(now);
    let there = count(&db, today).await?;
    let began = clock.now();
    fill(vault, &db, there, wanted, now).await?;
    let fill_seconds = clock.now().since(began).as_secs_f64().round();
    let calls = count(&db, today).await?;
    anyhow::ensure!(calls >= wanted, "only {calls} of {wanted} calls are in the store");
    let known = db.read(|db| list(db, &Filter::default(), None, 1_000)).await?;
    let deep = known.last().map(Place::of).context("there is no call")?;
    let known: Vec<CallId> = known.iter().map(|call| call.id).collect();

    let mut queries_ms = BTreeMap::new();
    let mut all = Vec::new();
    for (name, question) in questions(today, now, deep, known) {
        let mut took = Vec::with_capacity(ASKED);
        for round in 0..ASKED {
            let question = question.clone();
            let began = clock.now();
            db.read(move |db| question(db, round)).await?;
            took.push(clock.now().since(began));
        }
        all.extend_from_slice(&took);
        queries_ms.insert(name, Spread::of(took));
    }
    let bytes = std::fs::metadata(db.path()).map_or(0, |about| about.len());
    Ok(Dashboards { calls, bytes, fill_seconds, queries_ms, all_ms: Spread::of(all) })
}

async fn count(db: &Database, today: i64) -> anyhow::Result<u64> {
    let which = Which { first_day: 0, last_day: today + 1, ..Which::default() };
    let rows = db.read(move |db| sums(db, &which, By::Nothing)).await?;
    Ok(rows.first().map_or(0, |(_, sums)| sums.calls.unsigned_abs()))
}

/// Through the journal itself; the queue is never allowed to fill, so nothing is lost.
async fn fill(vault: &Vault, db: &Database, there: u64, wanted: u64, now: u64) -> anyhow::Result<()> {
    let journal = Journal::new(vault.clone(), Vec::new());
    for number in there..wanted {
        let began_ms = now - DAYS * DAY_MS + (number % wanted) * (DAYS * DAY_MS / wanted.max(1));
        let mut facts = Facts::new(CallId::new(), number);
        for step in 0..FACTS {
            journal.append(facts.next(began_ms + u64::from(step) * 1_000));
        }
        while db.stats().waiting > limits::STORE_QUEUE as u64 / 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    db.write(|_| Ok(())).await?;
    anyhow::ensure!(journal.dropped() == 0, "{} facts were lost while filling", journal.dropped());
    Ok(())
}

type Question = std::sync::Arc<dyn Fn(&Connection, usize) -> Result<usize, StoreError> + Send + Sync>;

/// What the console asks, with the round to vary it by.
fn questions(today: i64, now: u64, deep: Place, known: Vec<CallId>) -> Vec<(&'static str, Question)> {
    let summed = move |days: i64, by: By| -> Question {
        std::sync::Arc::new(move |db, round| {
            // Each round looks at another stretch of time.
            let last_day = today - round as i64 % 30;
            let which = Which { first_day: last_day - days, last_day, ..Which::default() };
            Ok(sums(db, &which, by)?.len())
        })
    };
    let listed = |filter: Filter, after: Option<Place>| -> Question {
        std::sync::Arc::new(move |db, _| Ok(list(db, &filter, after, PAGE)?.len()))
    };
    let some = Filter::default;
    let ms = |days: u64| Some(i64::try_from(now.saturating_sub(days * DAY_MS)).unwrap_or(0));
    vec![
        ("sums of the week by day", summed(7, By::Day)),
        ("sums of the year by day", summed(365, By::Day)),
        ("sums of the year by agent", summed(365, By::Agent)),
        ("sums of the year by campaign", summed(365, By::Campaign)),
        ("sums of the year by language", summed(365, By::Language)),
        ("sums of the year by direction", summed(365, By::Direction)),
        ("sums of the year by cause", summed(365, By::Cause)),
        ("sums of the year", summed(365, By::Nothing)),
        ("newest calls", listed(some(), None)),
        ("a later page", listed(some(), Some(deep))),
        ("calls of an agent", listed(Filter { agent: Some("loan".to_owned()), ..some() }, None)),
        ("failed calls", listed(Filter { state: Some(CallState::Failed), ..some() }, None)),
        ("inbound calls", listed(Filter { direction: Some(Direction::Inbound), ..some() }, None)),
        ("calls of a campaign", listed(Filter { campaign: Some("emi-june".to_owned()), ..some() }, None)),
        ("calls of a week last spring", listed(Filter { from_ms: ms(207), to_ms: ms(200), ..some() }, None)),
        (
            "calls of one person",
            listed(Filter { caller_hash: Some(format!("{:016x}", 0x9e37_79b9_7f4a_7c15_u64)), ..some() }, None),
        ),
        ("live calls", std::sync::Arc::new(|db, _| live(db))),
        (
            "one call with its turns",
            std::sync::Arc::new(move |db, round| {
                let call = known[round * 7 % known.len()];
                let found = calls::find(db, &call.to_string())?.ok_or(StoreError::NotFound("call"))?;
                Ok(calls::turns(db, found.id)?.len() + calls::status_updates(db, call)?.len())
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_small_store_is_filled_once_and_every_question_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let vault = super::super::open(dir.path()).unwrap();
        let first = measure(&vault, 300).await.unwrap();
        assert_eq!((first.calls, first.queries_ms.len()), (300, 18));
        assert!(first.queries_ms.values().all(|spread| spread.count == ASKED && spread.p99 > 0.0));
        let again = measure(&vault, 300).await.unwrap();
        assert_eq!(again.calls, 300, "what is there is used again");
        super::super::close(vault).await.unwrap();
    }
}
