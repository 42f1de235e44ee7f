//! What is sent when: a machine without I/O. Rows come in windows from the outbox, attempts and results
//! go out.
//!
//! Promise: of an endpoint that wants order one webhook is under way at a time, always the first in
//! its line, and the next goes only once the result of the one before is durable; one that failed
//! blocks those behind it until it is taken or given up. Attempts of one row are bounded, and every
//! failure brings it nearer to its end, so every row ends delivered or dead. While an endpoint's
//! circuit is open nothing goes there. Times are moments since 1970, because rows outlive the process.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use super::circuit::{Circuit, doubled};
use super::post::Outcome;
use crate::base::{DeliveryId, EndpointId, Moment, limits};

/// How patient the box is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Attempts at once.
    pub parallel: usize,
    /// Of these, to one endpoint.
    pub parallel_one: usize,
    pub attempts: u32,
    /// A row that failed and is older than this is given up.
    pub give_up: Duration,
}

/// A waiting row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub id: DeliveryId,
    pub sequence: u64,
    pub queued: Moment,
    pub attempts: u32,
    pub next: Moment,
}

/// An endpoint with the first of its rows.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub endpoint: EndpointId,
    /// Of what people edit.
    pub version: u64,
    pub ordered: bool,
    pub enabled: bool,
    pub circuit: Circuit,
    pub rows: Vec<Waiting>,
    /// No more rows wait than these.
    pub complete: bool,
}

#[derive(Debug)]
pub(super) enum Input {
    /// Time has passed.
    Tick,
    /// Something was written to the outbox or to an endpoint.
    Rung,
    Loaded(Vec<View>),
    /// The outbox could not be read.
    NotLoaded,
    Tried {
        endpoint: EndpointId,
        id: DeliveryId,
        outcome: Outcome,
    },
    /// The result that was put out is on the disk.
    Recorded {
        endpoint: EndpointId,
        id: DeliveryId,
    },
    /// Nothing is begun any more.
    Stop,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Load,
    Try { endpoint: EndpointId, id: DeliveryId },
    Record(Record),
}

/// A result, to be made durable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub endpoint: EndpointId,
    pub id: DeliveryId,
    pub fate: Fate,
    pub attempts: u32,
    pub status: Option<u16>,
    pub error: String,
    pub circuit: Circuit,
    pub follow: Option<Follow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Again(Moment),
    Dead,
}

/// What a result means for the other rows of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// Well again: nobody need wait for a pause.
    Hurry,
    /// It has failed for so long that all rows older than this are given up.
    GiveUpBefore(Moment),
    /// Gone: switched off, and everything given up.
    Disable,
}

struct Flight {
    row: Waiting,
    /// What becomes of it, once its result is out and until it is durable.
    fate: Option<Fate>,
}

struct Lane {
    version: u64,
    ordered: bool,
    enabled: bool,
    circuit: Circuit,
    /// In the order in which they go, none of them under way.
    rows: Vec<Waiting>,
    complete: bool,
    flying: BTreeMap<DeliveryId, Flight>,
}

impl Lane {
    fn sort(&mut self) {
        if self.ordered {
            self.rows.sort_unstable_by_key(|row| row.sequence);
        } else {
            self.rows.sort_unstable_by_key(|row| (row.next, row.sequence));
        }
    }

    /// When the next row may go; `None`: not before something else happens.
    fn ready_at(&self, bounds: &Bounds) -> Option<Moment> {
        let most = if self.ordered || self.circuit.is_probing() { 1 } else { bounds.parallel_one };
        if !self.enabled || self.flying.len() >= most {
            return None;
        }
        Some(self.rows.first()?.next.max(self.circuit.closed_from()))
    }

    /// There may be rows in the outbox that are not here.
    fn wants_more(&self) -> bool {
        self.enabled && self.rows.is_empty() && !self.complete
    }
}

pub(super) struct Schedule {
    bounds: Bounds,
    random: fastrand::Rng,
    lanes: BTreeMap<EndpointId, Lane>,
    flying: usize,
    /// The outbox may have changed since it was read.
    dirty: bool,
    /// It is being read; rows whose result became durable meanwhile are not as they were read.
    loading: Option<HashSet<DeliveryId>>,
    stopping: bool,
    /// Who was served last: the others come first.
    last: Option<EndpointId>,
    out: VecDeque<Output>,
    now: Moment,
}

impl Schedule {
    pub(super) fn new(bounds: Bounds, random: fastrand::Rng) -> Self {
        Self {
            bounds,
            random,
            lanes: BTreeMap::new(),
            flying: 0,
            dirty: true,
            loading: None,
            stopping: false,
            last: None,
            out: VecDeque::new(),
            now: Moment::ZERO,
        }
    }

    pub(super) fn handle(&mut self, now: Moment, input: Input) {
        self.now = now;
        match input {
            Input::Tick => {}
            Input::Rung => self.dirty = true,
            Input::Loaded(views) => self.loaded(views),
            // Read again when somebody rings: the courier does so at intervals.
            Input::NotLoaded => self.loading = None,
            Input::Tried { endpoint, id, outcome } => self.tried(endpoint, id, outcome),
            Input::Recorded { endpoint, id } => self.recorded(endpoint, id),
            Input::Stop => self.stopping = true,
        }
        self.go_on();
    }

    /// To be drained after every [`Schedule::handle`].
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Input::Tick`] is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.stopping || self.flying >= self.bounds.parallel {
            return None;
        }
        self.lanes.values().filter_map(|lane| lane.ready_at(&self.bounds)).min()
    }

    fn loaded(&mut self, views: Vec<View>) {
        let touched = self.loading.take().unwrap_or_default();
        let mut old = std::mem::take(&mut self.lanes);
        for view in views {
            let before = old.remove(&view.endpoint);
            // What is kept lags behind what we know, until a person changes the endpoint.
            let known = before.as_ref().filter(|lane| lane.version == view.version);
            let enabled = view.enabled && known.is_none_or(|lane| lane.enabled);
            let circuit = known.map_or(view.circuit, |lane| lane.circuit);
            let (flying, kept) = before.map(|lane| (lane.flying, lane.rows)).unwrap_or_default();
            let stale = |row: &Waiting| touched.contains(&row.id) || flying.contains_key(&row.id);
            let mut rows: Vec<Waiting> = view.rows.into_iter().filter(|row| !stale(row)).collect();
            // A failed row whose new time is younger than what was read.
            rows.extend(kept.into_iter().filter(|row| touched.contains(&row.id)));
            if !enabled {
                rows.clear();
            }
            // A clock that was wrong once must not keep anything waiting for years.
            let far = self.now + limits::WEBHOOK_BACKOFF_MAX;
            for row in &mut rows {
                row.next = row.next.min(far);
            }
            let mut lane = Lane {
                version: view.version,
                ordered: view.ordered,
                enabled,
                circuit: Circuit { open_until: circuit.open_until.map(|until| until.min(far)), ..circuit },
                rows,
                complete: view.complete,
                flying,
            };
            lane.sort();
            self.lanes.insert(view.endpoint, lane);
        }
        // Removed meanwhile: what is under way still has to come back.
        for (endpoint, mut lane) in old {
            if !lane.flying.is_empty() {
                lane.enabled = false;
                lane.rows.clear();
                lane.complete = true;
                self.lanes.insert(endpoint, lane);
            }
        }
    }

    fn tried(&mut self, endpoint: EndpointId, id: DeliveryId, outcome: Outcome) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let Some(flight) = lane.flying.get_mut(&id).filter(|flight| flight.fate.is_none()) else { return };
        let row = flight.row;
        let attempts = row.attempts.saturating_add(1);
        let mut follow = None;
        let (fate, status, error) = match outcome {
            Outcome::Vanished => {
                lane.flying.remove(&id);
                self.flying -= 1;
                self.dirty = true;
                return;
            }
            Outcome::Delivered { status } => {
                if lane.circuit.succeeded(now) {
                    follow = Some(Follow::Hurry);
                    for row in &mut lane.rows {
                        row.next = row.next.min(now);
                    }
                }
                (Fate::Delivered, Some(status), String::new())
            }
            Outcome::Gone => {
                lane.enabled = false;
                lane.rows.clear();
                follow = Some(Follow::Disable);
                (Fate::Dead, Some(410), "HTTP 410: nobody is there any more".to_owned())
            }
            Outcome::Failed { status, why, retry_after } => {
                lane.circuit.failed(now, retry_after, &mut self.random);
                let too_old = now.since(row.queued) >= self.bounds.give_up;
                if lane.circuit.failing_since.is_some_and(|since| now.since(since) >= self.bounds.give_up) {
                    let before = now - self.bounds.give_up;
                    lane.rows.retain(|row| row.queued >= before);
                    follow = Some(Follow::GiveUpBefore(before));
                }
                if too_old || attempts >= self.bounds.attempts {
                    (Fate::Dead, status, why)
                } else {
                    let most = doubled(limits::WEBHOOK_BACKOFF_MIN, attempts, limits::WEBHOOK_BACKOFF_MAX);
                    let drawn = (most - limits::WEBHOOK_BACKOFF_MIN).mul_f64(self.random.f64());
                    let pause = (limits::WEBHOOK_BACKOFF_MIN + drawn).max(retry_after.unwrap_or_default());
                    (Fate::Again(now + pause), status, why)
                }
            }
        };
        // It stays under way until its result is durable.
        if let Some(flight) = lane.flying.get_mut(&id) {
            flight.fate = Some(fate);
            flight.row.attempts = attempts;
        }
        let circuit = lane.circuit;
        self.out.push_back(Output::Record(Record { endpoint, id, fate, attempts, status, error, circuit, follow }));
    }

    fn recorded(&mut self, endpoint: EndpointId, id: DeliveryId) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let Some(flight) = lane.flying.remove(&id) else { return };
        self.flying -= 1;
        if let Some(touched) = &mut self.loading {
            touched.insert(id);
        }
        if let Some(Fate::Again(at)) = flight.fate
            && lane.enabled
        {
            lane.rows.push(Waiting { next: at, ..flight.row });
            lane.sort();
        }
    }

    fn go_on(&mut self) {
        if self.stopping {
            return;
        }
        while self.flying < self.bounds.parallel {
            let Some(endpoint) = self.next_lane() else { break };
            let Some(lane) = self.lanes.get_mut(&endpoint) else { break };
            let row = lane.rows.remove(0);
            lane.flying.insert(row.id, Flight { row, fate: None });
            self.flying += 1;
            self.last = Some(endpoint);
            self.out.push_back(Output::Try { endpoint, id: row.id });
        }
        self.dirty |= self.lanes.values().any(Lane::wants_more);
        if self.dirty && self.loading.is_none() {
            self.dirty = false;
            self.loading = Some(HashSet::new());
            self.out.push_back(Output::Load);
        }
    }

    /// The next lane in the round that has something to send now.
    fn next_lane(&self) -> Option<EndpointId> {
        let ready = |lane: &Lane| lane.ready_at(&self.bounds).is_some_and(|at| at <= self.now);
        let after = self.lanes.iter().filter(|(id, _)| self.last.is_none_or(|last| **id > last));
        let before = self.lanes.iter().filter(|(id, _)| self.last.is_some_and(|last| **id <= last));
        after.chain(before).find(|(_, lane)| ready(lane)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
