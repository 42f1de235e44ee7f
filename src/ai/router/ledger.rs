//! What is known of every candidate at this moment: its circuit, how quick it has been in which
//! language, how much of its rate is left, how many requests it is working on, what was spent.
//! One lock, held for a few hundred nanoseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::breaker::{Breaker, IsProbe};
use super::decision::{Circuit, Reason, Standing};
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
    /// Nobody wanted the answer any more.
    GivenUp,
    Failed(FaultKind),
    /// It broke off in the middle of its answer, which another one continued.
    BrokeOff(FaultKind),
}

/// The limits of a candidate, from the routing file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// Whose rate and slots it uses: all models of a provider share them.
    pub(super) provider: usize,
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
    gate: usize,
    load: Load,
    /// Seconds of sound a character takes this voice, as a moving mean.
    pace: HashMap<Lang, f64>,
}

/// What a provider takes from us, over all its models.
#[derive(Debug, Default)]
struct Gate {
    bucket: Option<Bucket>,
    concurrency: Option<usize>,
    in_flight: usize,
    /// Something of the provider's did not come and nobody has heard of it since.
    doubted: bool,
}

impl Gate {
    fn is_full(&self) -> bool {
        self.concurrency.is_some_and(|most| self.in_flight >= most)
    }
}

#[derive(Debug, Default)]
struct Book {
    entries: Vec<Entry>,
    gates: Vec<Gate>,
}

impl Book {
    fn gate(&mut self, place: usize) -> Option<&mut Gate> {
        self.gates.get_mut(self.entries.get(place)?.gate)
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    clock: Clock,
    book: Mutex<Book>,
    freed: Notify,
    /// Told when a provider falls into doubt.
    doubts: Notify,
}

impl Ledger {
    pub(super) fn new(clock: Clock, limits: &[Limits]) -> Self {
        let mut book = Book::default();
        for one in limits {
            while book.gates.len() <= one.provider {
                book.gates.push(Gate::default());
            }
            book.gates[one.provider] = Gate {
                bucket: one.per_minute.map(|rate| Bucket::new(rate, one.burst)),
                concurrency: one.concurrency,
                in_flight: 0,
                doubted: false,
            };
            book.entries.push(Entry { supervised: one.supervised, gate: one.provider, ..Entry::default() });
        }
        Self { clock, book: Mutex::new(book), freed: Notify::new(), doubts: Notify::new() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing that can panic runs under this lock.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Some request has come to its end.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn now_ms(&self) -> u64 {
        self.clock.unix_ms(self.clock.now())
    }

    /// All that was measured, by the names of the candidates.
    pub(super) fn measured(&self, name: impl Fn(usize) -> String) -> Vec<Measured> {
        let book = self.book();
        let of_place = |(place, entry): (usize, &Entry)| {
            let name = name(place);
            entry.quality.iter().map(|((stage, lang), q)| q.measured(&name, *stage, *lang)).collect::<Vec<_>>()
        };
        book.entries.iter().enumerate().flat_map(of_place).collect()
    }

    /// What an earlier run measured.
    pub(super) fn restore(&self, place: usize, kept: &Measured) {
        let now_ms = self.now_ms();
        if let Some(entry) = self.book().entries.get_mut(place) {
            entry.quality.insert((kept.stage, kept.language), Quality::restored(kept, now_ms));
        }
    }

    /// All candidates as they stand, for a stage in a language.
    pub(super) fn standings(&self, stage: Stage, language: Lang) -> Vec<Standing> {
        let now = self.clock.now();
        let now_ms = self.clock.unix_ms(now);
        let book = self.book();
        let of = |entry: &Entry| {
            let gate = book.gates.get(entry.gate);
            let quality = entry.quality.get(&(stage, language));
            Standing {
                circuit: entry.breaker.circuit(now),
                rate_tokens: gate.and_then(|g| g.bucket.as_ref()).map(|b| b.left(now) as u32),
                saturated: gate.is_some_and(Gate::is_full) || entry.load.is_behind(now),
                p50: quality.and_then(|q| q.median(now_ms)),
                p95: quality.and_then(|q| q.p95(now_ms)),
                success_rate: quality.and_then(|q| q.success(now_ms)),
            }
        };
        book.entries.iter().map(of).collect()
    }

    pub(super) fn tail(&self, place: usize, stage: Stage, language: Lang) -> Option<Duration> {
        let now_ms = self.now_ms();
        self.book().entries.get(place)?.quality.get(&(stage, language))?.p95(now_ms)
    }

    /// Books a request that is about to be sent, or says why it may not be sent after all.
    pub(super) fn begin(ledger: &Arc<Self>, place: usize, stage: Stage, language: Lang) -> Result<Booked, Reason> {
        let since = ledger.clock.now();
        let probe = {
            let mut book = ledger.book();
            let Some(entry) = book.entries.get(place) else { return Err(Reason::Capability { stage }) };
            if let Some(why) = entry.breaker.circuit(since).forbids(since) {
                return Err(why);
            }
            let Some(gate) = book.gate(place) else { return Err(Reason::Capability { stage }) };
            if gate.is_full() {
                return Err(Reason::Saturated);
            }
            if !gate.bucket.as_mut().is_none_or(|bucket| bucket.take(since)) {
                return Err(Reason::Rate);
            }
            gate.in_flight += 1;
            book.entries.get_mut(place).and_then(|entry| entry.breaker.take(since))
        };
        let booked =
            Booked { ledger: Arc::clone(ledger), place, stage, language, since, probe, begun: false, open: true };
        Ok(booked)
    }

    /// A request to an engine of the box waited so long before it was begun with.
    pub(super) fn waited(&self, place: usize, wait: Duration) {
        let now = self.clock.now();
        if let Some(entry) = self.book().entries.get_mut(place).filter(|entry| entry.supervised) {
            entry.load.waited(now, wait);
        }
    }

    pub(super) fn is_full(&self, place: usize) -> bool {
        let now = self.clock.now();
        self.book().entries.get(place).is_some_and(|entry| entry.load.is_full(now))
    }

    /// A probe reached the candidate's host.
    pub(super) fn reachable(&self, place: usize) {
        if let Some(entry) = self.book().entries.get_mut(place) {
            entry.breaker.reachable();
        }
        self.trust(place);
    }

    /// What did not come from one model of a provider will not come from its others either, until
    /// somebody hears of it: whoever else can answer is asked first.
    fn doubt(&self, place: usize, kind: FaultKind) {
        if !matches!(kind, FaultKind::Unavailable | FaultKind::Deadline) {
            return;
        }
        let mut book = self.book();
        if book.entries.get(place).is_none_or(|entry| entry.supervised) {
            return;
        }
        if let Some(gate) = book.gate(place) {
            gate.doubted = true;
        }
        drop(book);
        self.doubts.notify_one();
    }

    fn trust(&self, place: usize) {
        if let Some(gate) = self.book().gate(place) {
            gate.doubted = false;
        }
    }

    pub(super) fn is_doubted(&self, place: usize) -> bool {
        self.book().gate(place).is_some_and(|gate| gate.doubted)
    }

    /// Completes when a provider has fallen into doubt.
    pub(super) async fn doubt_arises(&self) {
        self.doubts.notified().await;
    }

    pub(super) fn spoke(&self, place: usize, language: Lang, chars: usize, sound: Duration) {
        let seconds = sound.as_secs_f64() / chars as f64;
        // A word or two says little, and silence nothing.
        if chars < 10 || !seconds.is_finite() || seconds <= 0.0 {
            return;
        }
        if let Some(entry) = self.book().entries.get_mut(place) {
            let mean = entry.pace.entry(language).or_insert(seconds);
            *mean = *mean * 0.8 + seconds * 0.2;
        }
    }

    pub(super) fn second_a_char(&self, place: usize, language: Lang) -> Option<f64> {
        self.book().entries.get(place)?.pace.get(&language).copied()
    }

    pub(super) fn circuit(&self, place: usize) -> Option<Circuit> {
        let now = self.clock.now();
        self.book().entries.get(place).map(|e| e.breaker.circuit(now))
    }

    /// Requests and failures of a candidate over all stages and languages.
    pub(super) fn counts(&self, place: usize) -> (u64, u64) {
        let book = self.book();
        let Some(entry) = book.entries.get(place) else { return (0, 0) };
        entry.quality.values().map(Quality::requests).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// Books a request out.
    fn end(&self, booked: &Booked, work: impl FnOnce(&mut Entry, IsProbe, Moment)) {
        let now = self.clock.now();
        let mut book = self.book();
        if let Some(gate) = book.gate(booked.place) {
            gate.in_flight = gate.in_flight.saturating_sub(1);
        }
        if let (Some(entry), Some(probe)) = (book.entries.get_mut(booked.place), booked.probe) {
            work(entry, probe, now);
        }
        drop(book);
        self.freed.notify_waiters();
    }
}

/// A request that was sent; it keeps its slot until its end. Dropping it without a word means that
/// it was given up by us.
#[derive(Debug)]
pub(super) struct Booked {
    ledger: Arc<Ledger>,
    place: usize,
    stage: Stage,
    language: Lang,
    since: Moment,
    probe: Option<IsProbe>,
    begun: bool,
    open: bool,
}

impl Booked {
    pub(super) fn took(&self) -> Duration {
        self.ledger.clock.now().since(self.since)
    }

    /// The first useful piece has come.
    pub(super) fn began(&mut self) -> Duration {
        let took = self.took();
        self.begun = true;
        let now_ms = self.ledger.now_ms();
        if let Some(entry) = self.ledger.book().entries.get_mut(self.place) {
            entry.quality.entry((self.stage, self.language)).or_default().answered(took, now_ms);
        }
        self.ledger.trust(self.place);
        took
    }

    /// The whole answer has come: only that shows that the engine is well.
    pub(super) fn answered(mut self) {
        self.open = false;
        self.ledger.end(&self, |entry, _, _| entry.breaker.succeeded());
    }

    pub(super) fn failed(mut self, fault: &Fault) {
        self.open = false;
        let key = (self.stage, self.language);
        let waited = (!self.begun).then(|| self.took());
        self.ledger.end(&self, |entry, probe, now| {
            if !entry.supervised {
                entry.breaker.failed(now, fault.kind, fault.retry_after, probe);
            }
            if let Some(waited) = waited.filter(|_| entry.supervised)
                && matches!(fault.kind, FaultKind::Deadline | FaultKind::Overloaded)
            {
                entry.load.waited(now, waited);
            }
            if fault.kind != FaultKind::Refused {
                entry.quality.entry(key).or_default().failed(self.ledger.clock.unix_ms(now));
            }
        });
        // A fault that was an answer shows that the line is well.
        if !fault.reached {
            self.ledger.doubt(self.place, fault.kind);
        }
    }

    /// Given up for another one after more than its usual time. That is how a provider behind a dead
    /// line looks; one that is merely slow shows it by answering the next probe.
    pub(super) fn slow(mut self) {
        self.open = false;
        let (key, took) = ((self.stage, self.language), self.took());
        self.ledger.end(&self, |entry, probe, now| {
            if !entry.supervised {
                entry.breaker.failed(now, FaultKind::Deadline, None, probe);
            }
            entry.quality.entry(key).or_default().slow(took, self.ledger.clock.unix_ms(now));
        });
        self.ledger.doubt(self.place, FaultKind::Deadline);
    }
}

impl Drop for Booked {
    fn drop(&mut self) {
        if self.open {
            self.ledger.end(self, |entry, probe, _| entry.breaker.abandoned(probe));
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
        let (mut a, b, c) = (begin(), begin(), begin());
        assert!(standing().saturated);
        a.began();
        assert!(standing().saturated, "a stream keeps its slot until its end");
        a.answered();
        b.failed(&Fault::new(FaultKind::Broken, "x", "y"));
        drop(c);
        assert!(!standing().saturated && standing().success_rate.is_some());
        assert_eq!(ledger.counts(0), (2, 1));
        assert!(Ledger::begin(&ledger, 7, Stage::Stt, Lang::Ta).is_err(), "nobody is there");
    }

    #[test]
    fn what_one_model_did_not_give_is_not_awaited_from_its_neighbours_until_somebody_hears_of_them() {
        let of = |provider, supervised| Limits { provider, supervised, ..Limits::default() };
        let ledger = Arc::new(Ledger::new(Clock::system(), &[of(0, true), of(1, false), of(1, false), of(2, false)]));
        let doubted = || [0, 1, 2, 3].map(|place| ledger.is_doubted(place));
        let begin = |place| Ledger::begin(&ledger, place, Stage::Stt, Lang::Ta).unwrap();
        begin(1).slow();
        assert_eq!(doubted(), [false, true, true, false]);
        ledger.reachable(2);
        assert_eq!(doubted(), [false; 4]);
        begin(2).failed(&Fault::new(FaultKind::Unavailable, "x", "y"));
        begin(0).failed(&Fault::new(FaultKind::Unavailable, "x", "y"));
        begin(3).failed(&Fault::new(FaultKind::Unavailable, "x", "HTTP 500").after_an_answer());
        assert_eq!(doubted(), [false, true, true, false], "the box's own are watched elsewhere");
        begin(1).began();
        assert_eq!(doubted(), [false; 4]);
    }

    #[test]
    fn the_rate_is_kept() {
        let ledger = ledger(Limits { per_minute: Some(1.0), burst: 1.0, concurrency: None, ..Limits::default() });
        assert!(Ledger::begin(&ledger, 0, Stage::Llm, Lang::En).is_ok());
        assert_eq!(Ledger::begin(&ledger, 0, Stage::Llm, Lang::En).err(), Some(Reason::Rate));
        assert_eq!(ledger.standings(Stage::Llm, Lang::En)[0].rate_tokens, Some(0));
    }

    #[test]
    fn models_of_one_provider_share_what_it_takes() {
        let of = |provider, concurrency| Limits { provider, concurrency, ..Limits::default() };
        let limits = [of(0, None), of(1, Some(1)), of(1, Some(1))];
        let ledger = Arc::new(Ledger::new(Clock::system(), &limits));
        let first = Ledger::begin(&ledger, 1, Stage::Stt, Lang::Hi);
        assert_eq!(Ledger::begin(&ledger, 2, Stage::Tts, Lang::Hi).err(), Some(Reason::Saturated));
        drop(first);
        assert!(Ledger::begin(&ledger, 2, Stage::Tts, Lang::Hi).is_ok());
    }
}
