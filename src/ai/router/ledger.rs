//! What is known of every candidate at this moment: its circuit, how quick it has been in which
//! language, how much of its rate is left, how many requests it is working on, what was spent.
//! One lock, held for a few hundred nanoseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::breaker::Breaker;
use super::decision::{Circuit, Standing};
use super::load::Load;
use super::quality::{Bucket, Quality};
use crate::ai::{Fault, FaultKind};
use crate::base::event::Stage;
use crate::base::{Clock, Lang, Moment};
use crate::store::measures::Measured;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Answered,
    /// Another candidate was quicker.
    Overtaken,
    Failed(FaultKind),
    /// It broke off in the middle of its answer, which another one continued.
    BrokeOff(FaultKind),
}

/// The limits of a candidate, from the routing file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) per_minute: Option<f64>,
    pub(super) burst: f64,
    pub(super) concurrency: Option<usize>,
    /// An engine of the box, whose workers are watched and restarted elsewhere: it has no circuit,
    /// because nobody stands behind it.
    pub(super) supervised: bool,
}

#[derive(Debug, Default)]
struct Entry {
    supervised: bool,
    breaker: Breaker,
    quality: HashMap<(Stage, Lang), Quality>,
    bucket: Option<Bucket>,
    concurrency: Option<usize>,
    in_flight: usize,
    load: Load,
}

#[derive(Debug)]
pub(super) struct Ledger {
    clock: Clock,
    entries: Mutex<Vec<Entry>>,
}

impl Ledger {
    pub(super) fn new(clock: Clock, limits: &[Limits]) -> Self {
        let entry = |limits: &Limits| Entry {
            bucket: limits.per_minute.map(|rate| Bucket::new(rate, limits.burst)),
            concurrency: limits.concurrency,
            supervised: limits.supervised,
            ..Entry::default()
        };
        Self { clock, entries: Mutex::new(limits.iter().map(entry).collect()) }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing that can panic runs under this lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.clock.unix_ms(self.clock.now())
    }

    /// All that was measured, by the names of the candidates.
    pub(super) fn measured(&self, name: impl Fn(usize) -> String) -> Vec<Measured> {
        let entries = self.entries();
        let of_place = |(place, entry): (usize, &Entry)| {
            let name = name(place);
            entry.quality.iter().map(|((stage, lang), q)| q.measured(&name, *stage, *lang)).collect::<Vec<_>>()
        };
        entries.iter().enumerate().flat_map(of_place).collect()
    }

    /// What an earlier run measured.
    pub(super) fn restore(&self, place: usize, kept: &Measured) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.entries().get_mut(place) {
            entry.quality.insert((kept.stage, kept.language), Quality::restored(kept, now_ms));
        }
    }

    /// All candidates as they stand, for a stage in a language.
    pub(super) fn standings(&self, stage: Stage, language: Lang) -> Vec<Standing> {
        let now = self.clock.now();
        let now_ms = self.clock.unix_ms(now);
        let of = |entry: &Entry| {
            let quality = entry.quality.get(&(stage, language));
            Standing {
                circuit: entry.breaker.circuit(now),
                rate_tokens: entry.bucket.as_ref().map(|b| b.left(now) as u32),
                saturated: entry.concurrency.is_some_and(|most| entry.in_flight >= most) || entry.load.is_behind(now),
                p50: quality.and_then(|q| q.median(now_ms)),
                p95: quality.and_then(|q| q.p95(now_ms)),
                success_rate: quality.and_then(|q| q.success(now_ms)),
            }
        };
        self.entries().iter().map(of).collect()
    }

    pub(super) fn tail(&self, place: usize, stage: Stage, language: Lang) -> Option<Duration> {
        let now_ms = self.now_ms();
        self.entries().get(place)?.quality.get(&(stage, language))?.p95(now_ms)
    }

    /// Books a request that is about to be sent; `None` if it may not be sent after all.
    pub(super) fn begin(ledger: &Arc<Self>, place: usize, stage: Stage, language: Lang) -> Option<Booked> {
        let since = ledger.clock.now();
        {
            let mut entries = ledger.entries();
            let entry = entries.get_mut(place)?;
            let admitted = entry.breaker.admits(since) && entry.bucket.as_mut().is_none_or(|b| b.take(since));
            if !admitted || !entry.breaker.take(since) {
                return None;
            }
            entry.in_flight += 1;
        }
        Some(Booked { ledger: Arc::clone(ledger), place, stage, language, since, open: true })
    }

    /// A stream that had begun broke off.
    pub(super) fn broke_off(&self, place: usize, stage: Stage, language: Lang, fault: &Fault) {
        let now = self.clock.now();
        if let Some(entry) = self.entries().get_mut(place) {
            if !entry.supervised {
                entry.breaker.failed(now, fault.kind, fault.retry_after);
            }
            entry.quality.entry((stage, language)).or_default().failed(self.clock.unix_ms(now));
        }
    }

    /// A request to an engine of the box waited so long before it was begun with.
    pub(super) fn waited(&self, place: usize, wait: Duration) {
        let now = self.clock.now();
        if let Some(entry) = self.entries().get_mut(place).filter(|entry| entry.supervised) {
            entry.load.waited(now, wait);
        }
    }

    pub(super) fn is_full(&self, place: usize) -> bool {
        let now = self.clock.now();
        self.entries().get(place).is_some_and(|entry| entry.load.is_full(now))
    }

    /// A probe reached the candidate's host.
    pub(super) fn reachable(&self, place: usize) {
        if let Some(entry) = self.entries().get_mut(place) {
            entry.breaker.reachable();
        }
    }

    pub(super) fn circuit(&self, place: usize) -> Option<Circuit> {
        let now = self.clock.now();
        self.entries().get(place).map(|e| e.breaker.circuit(now))
    }

    /// Requests and failures of a candidate over all stages and languages.
    pub(super) fn counts(&self, place: usize) -> (u64, u64) {
        let entries = self.entries();
        let Some(entry) = entries.get(place) else { return (0, 0) };
        entry.quality.values().map(Quality::requests).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    fn with(&self, booked: &Booked, work: impl FnOnce(&mut Entry, Moment)) {
        let now = self.clock.now();
        if let Some(entry) = self.entries().get_mut(booked.place) {
            work(entry, now);
        }
    }
}

/// A request that was sent. Dropping it without a word means that it was given up by us.
#[derive(Debug)]
pub(super) struct Booked {
    ledger: Arc<Ledger>,
    place: usize,
    stage: Stage,
    language: Lang,
    since: Moment,
    open: bool,
}

impl Booked {
    pub(super) fn took(&self) -> Duration {
        self.ledger.clock.now().since(self.since)
    }

    /// The first useful piece has come, `took` after the request.
    pub(super) fn answered(mut self, took: Duration) {
        self.open = false;
        let key = (self.stage, self.language);
        self.ledger.with(&self, |entry, now| {
            entry.breaker.succeeded();
            entry.in_flight = entry.in_flight.saturating_sub(1);
            entry.quality.entry(key).or_default().answered(took, self.ledger.clock.unix_ms(now));
        });
    }

    pub(super) fn failed(mut self, fault: &Fault) {
        self.open = false;
        let key = (self.stage, self.language);
        let took = self.took();
        self.ledger.with(&self, |entry, now| {
            if !entry.supervised {
                entry.breaker.failed(now, fault.kind, fault.retry_after);
            }
            entry.in_flight = entry.in_flight.saturating_sub(1);
            if entry.supervised && matches!(fault.kind, FaultKind::Deadline | FaultKind::Overloaded) {
                entry.load.waited(now, took);
            }
            if fault.kind != FaultKind::Refused {
                entry.quality.entry(key).or_default().failed(self.ledger.clock.unix_ms(now));
            }
        });
    }
}

impl Drop for Booked {
    fn drop(&mut self) {
        if self.open {
            self.ledger.with(self, |entry, _| {
                entry.breaker.abandoned();
                entry.in_flight = entry.in_flight.saturating_sub(1);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(limits: Limits) -> Arc<Ledger> {
        Arc::new(Ledger::new(Clock::system(), &[limits]))
    }

    #[test]
    fn every_request_is_booked_out_however_it_ends() {
        let ledger = ledger(Limits { concurrency: Some(3), ..Limits::default() });
        let begin = || Ledger::begin(&ledger, 0, Stage::Stt, Lang::Ta).unwrap();
        let standing = || ledger.standings(Stage::Stt, Lang::Ta)[0];
        let (a, b, c) = (begin(), begin(), begin());
        assert!(standing().saturated);
        a.answered(Duration::from_millis(5));
        b.failed(&Fault::new(FaultKind::Broken, "x", "y"));
        drop(c);
        assert!(!standing().saturated && standing().success_rate.is_some());
        assert_eq!(ledger.counts(0), (2, 1));
        assert!(Ledger::begin(&ledger, 7, Stage::Stt, Lang::Ta).is_none(), "nobody is there");
    }

    #[test]
    fn the_rate_is_kept() {
        let ledger = ledger(Limits { per_minute: Some(1.0), burst: 1.0, concurrency: None, ..Limits::default() });
        assert!(Ledger::begin(&ledger, 0, Stage::Llm, Lang::En).is_some());
        assert!(Ledger::begin(&ledger, 0, Stage::Llm, Lang::En).is_none());
        assert_eq!(ledger.standings(Stage::Llm, Lang::En)[0].rate_tokens, Some(0));
    }
}
