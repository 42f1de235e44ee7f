//! One stage of one turn: the candidates in order, each with its deadline, the next one when one
//! fails or is slower than it usually is. The first that gives anything wins; the others are dropped,
//! which cancels them.
//! Promise: what fails before its first piece is hidden; a refused request is not put to the same
//! engine twice; every attempt that was begun is booked exactly once, also when we are dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::ledger::{Booked, Ledger, Outcome};
use crate::ai::{Fault, FaultKind};
use crate::base::Lang;
use crate::base::event::Stage;

/// A candidate's place in the table.
pub(super) type Place = usize;

/// One entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) place: Place,
    /// Until the first useful piece (recognition: the whole answer).
    pub(super) within: Duration,
    /// Only reached when the same engine failed in a way that another try may mend.
    pub(super) again: bool,
}

/// What was tried, for the decision record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tried {
    pub(super) place: Place,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

pub(super) struct Race<'a> {
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) stage: Stage,
    pub(super) language: Lang,
    pub(super) queue: VecDeque<Slot>,
    /// A guess is not worth a second attempt at a busy engine.
    pub(super) speculative: bool,
    /// Start the next candidate when this one is slower than its own p95.
    pub(super) hedge: bool,
    pub(super) name: &'a (dyn Fn(Place) -> String + Send + Sync),
    pub(super) tried: &'a mut Vec<Tried>,
}

/// Why nobody answered: the last fault, if anybody was asked.
pub(super) type Lost = Option<Fault>;

impl Race<'_> {
    pub(super) async fn run<T, A>(mut self, ask: A) -> Result<(Place, T, Booked), Lost>
    where
        T: Send,
        A: Fn(Place) -> BoxFuture<'static, Result<T, Fault>> + Send + Sync,
    {
        let mut running = FuturesUnordered::new();
        let mut last: Lost = None;
        let mut useless: Vec<Place> = Vec::new();
        let mut failed: Vec<Place> = Vec::new();
        loop {
            if running.is_empty() {
                let Some(slot) = self.next(&useless, &failed) else { return Err(last) };
                let Some(attempt) = self.begin(slot, &ask) else { continue };
                running.push(attempt);
            }
            let tail = if self.hedge && running.len() == 1 { self.tail(&running) } else { None };
            let ended = match tail {
                None => running.next().await,
                Some(after) => tokio::select! {
                    biased;
                    ended = running.next() => ended,
                    () = tokio::time::sleep(after) => {
                        // Slower than nearly always: ask the next one beside it, if there is another.
                        let place = running.iter().next().map(|a| a.place);
                        let other = self.queue.iter().position(|s| Some(s.place) != place && !s.again);
                        if let Some(slot) = other.and_then(|at| self.queue.remove(at)) {
                            if let Some(attempt) = self.begin(slot, &ask) {
                                running.push(attempt);
                            }
                        } else {
                            self.hedge = false;
                        }
                        continue;
                    }
                },
            };
            let Some((place, booked, answer)) = ended else { continue };
            let took = booked.took();
            match answer {
                Ok(answer) => {
                    self.tried.push(Tried { place, outcome: Outcome::Answered, took });
                    for other in &running {
                        self.tried.push(Tried { place: other.place, outcome: Outcome::Overtaken, took });
                    }
                    return Ok((place, answer, booked));
                }
                Err(fault) => {
                    self.tried.push(Tried { place, outcome: Outcome::Failed(fault.kind), took });
                    booked.failed(&fault);
                    if !fault.kind.worth_another_try() {
                        useless.push(place);
                    }
                    failed.push(place);
                    if self.speculative && fault.kind == FaultKind::Overloaded {
                        self.queue.clear();
                    }
                    if self.queue.is_empty() && running.is_empty() {
                        tracing::debug!(stage = ?self.stage, %fault, "nobody answered");
                    } else {
                        tracing::warn!(stage = ?self.stage, %fault, "engine failed; trying on");
                    }
                    last = Some(fault);
                }
            }
        }
    }

    fn next(&mut self, useless: &[Place], failed: &[Place]) -> Option<Slot> {
        loop {
            let slot = self.queue.pop_front()?;
            let again = slot.again && (useless.contains(&slot.place) || !failed.contains(&slot.place));
            if !again {
                return Some(slot);
            }
        }
    }

    fn begin<T, A>(&self, slot: Slot, ask: &A) -> Option<Attempt<T>>
    where
        T: Send,
        A: Fn(Place) -> BoxFuture<'static, Result<T, Fault>> + Send + Sync,
    {
        let booked = Ledger::begin(self.ledger, slot.place, self.stage, self.language)?;
        let tail = self.ledger.tail(slot.place, self.stage, self.language);
        Some(Attempt {
            place: slot.place,
            tail,
            name: (self.name)(slot.place),
            within: slot.within,
            timer: Box::pin(tokio::time::sleep(slot.within)),
            answer: ask(slot.place),
            booked: Some(booked),
        })
    }

    /// How much longer the only running attempt may take before it counts as slow.
    fn tail<T>(&self, running: &FuturesUnordered<Attempt<T>>) -> Option<Duration> {
        let attempt = running.iter().next()?;
        let so_far = attempt.booked.as_ref()?.took();
        Some(attempt.tail?.saturating_sub(so_far))
    }
}

/// One request that is under way.
struct Attempt<T> {
    place: Place,
    tail: Option<Duration>,
    name: String,
    within: Duration,
    timer: std::pin::Pin<Box<tokio::time::Sleep>>,
    answer: BoxFuture<'static, Result<T, Fault>>,
    booked: Option<Booked>,
}

impl<T> Future for Attempt<T> {
    type Output = (Place, Booked, Result<T, Fault>);

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        use std::task::Poll;
        let this = &mut *self;
        let answer = match this.answer.as_mut().poll(cx) {
            Poll::Ready(answer) => answer,
            Poll::Pending => match this.timer.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => Err(late(&this.name, this.within)),
            },
        };
        match this.booked.take() {
            Some(booked) => Poll::Ready((this.place, booked, answer)),
            // Polled after its end, which FuturesUnordered never does.
            None => Poll::Pending,
        }
    }
}

pub(super) fn late(provider: &str, within: Duration) -> Fault {
    Fault::new(FaultKind::Deadline, provider, format!("nothing within {} ms", within.as_millis()))
}
