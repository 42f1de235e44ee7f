//! One stage of one turn: the candidates in order, each with its deadline, the next one when one
//! fails or is slower than it usually is. The first that gives anything wins; the others are dropped,
//! which cancels them. A race that has lasted as long as its first candidate may take is overdue: the
//! others, the box's own engines first, are asked beside those that are silent.
//! Promise: what fails before its first piece is hidden; a refused request is not put to the same
//! engine twice; every attempt that was begun is booked exactly once and told, also when we are
//! dropped; so is everybody whose turn came but who may not be asked any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::decision::Reason;
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
    /// A fault that was an answer.
    pub(super) reached: bool,
}

impl Tried {
    pub(super) const fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_) | Outcome::BrokeOff(_))
    }

    /// The same request would fail there again.
    pub(super) const fn is_useless(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(kind) | Outcome::BrokeOff(kind) if !kind.worth_another_try())
    }
}

/// Between the beginnings of attempts once a race is overdue.
const OVERDUE_STEP: Duration = Duration::from_millis(500);
/// How often a full provider is looked at again if nobody tells that it has room.
const FULL_LOOK: Duration = Duration::from_millis(50);

pub(super) struct Race<'a> {
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) stage: Stage,
    pub(super) language: Lang,
    pub(super) queue: VecDeque<Slot>,
    pub(super) speculative: bool,
    /// Start the next candidate when this one is slower than its own p95.
    pub(super) hedge: bool,
    pub(super) name: &'a (dyn Fn(Place) -> String + Send + Sync),
    /// The box's own engines, behind whom there is nobody.
    pub(super) is_last_resort: &'a (dyn Fn(Place) -> bool + Send + Sync),
    pub(super) learn: &'a (dyn Fn(&Tried) + Send + Sync),
    pub(super) tried: &'a mut Vec<Tried>,
    pub(super) refused: &'a mut Vec<(Place, Reason)>,
}

/// Why nobody answered: the last fault, if anybody was asked.
pub(super) type Lost = Option<Fault>;

/// The attempts under way. Dropped, they were given up.
struct Running<'a, T> {
    attempts: FuturesUnordered<Attempt<T>>,
    tried: &'a mut Vec<Tried>,
    left_as: Outcome,
}

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        for attempt in &self.attempts {
            let took = attempt.booked.as_ref().map(Booked::took).unwrap_or_default();
            self.tried.push(Tried { place: attempt.place, outcome: self.left_as, took, reached: false });
        }
    }
}

impl Race<'_> {
    pub(super) async fn run<T, A>(self, ask: A) -> Result<(Place, T, Booked), Lost>
    where
        T: Send,
        A: Fn(Place) -> BoxFuture<'static, Result<T, Fault>> + Send + Sync,
    {
        let Self {
            ledger,
            stage,
            language,
            mut queue,
            speculative,
            mut hedge,
            name,
            is_last_resort,
            learn,
            tried,
            refused,
        } = self;
        let mut running = Running { attempts: FuturesUnordered::new(), tried, left_as: Outcome::GivenUp };
        let mut last: Lost = None;
        let mut useless: Vec<Place> = Vec::new();
        let mut failed: Vec<Place> = Vec::new();
        let mut full: Vec<Slot> = Vec::new();
        let since = ledger.now();
        let patience = queue.front().map_or(Duration::ZERO, |slot| slot.within);
        let mut overdue = since + patience;
        let mut begin = |slot: Slot, full: &mut Vec<Slot>| match Ledger::begin(ledger, slot.place, stage, language) {
            Ok(booked) => Some(Attempt {
                place: slot.place,
                tail: ledger.tail(slot.place, stage, language),
                name: name(slot.place),
                within: slot.within,
                timer: Box::pin(tokio::time::sleep(slot.within)),
                answer: ask(slot.place),
                booked: Some(booked),
            }),
            Err(why) => {
                if why == Reason::Saturated {
                    full.push(slot);
                }
                refused.push((slot.place, why));
                None
            }
        };
        loop {
            if running.attempts.is_empty() {
                if let Some(slot) = next(&mut queue, &useless, &failed) {
                    running.attempts.extend(begin(slot, &mut full));
                    continue;
                }
                // Waiting for a busy engine is better than no answer at all.
                let left = patience.saturating_sub(ledger.now().since(since));
                if full.is_empty() || left.is_zero() || speculative {
                    return Err(last);
                }
                // Woken or not, it is looked at again.
                let _ = tokio::time::timeout(left.min(FULL_LOOK), ledger.freed()).await;
                queue.extend(full.drain(..));
                continue;
            }
            let beside = others(&queue, &running.attempts, &useless);
            let tail = if hedge && running.attempts.len() == 1 { tail(&running.attempts) } else { None };
            let until_overdue = overdue.since(ledger.now());
            let wake = match (tail, beside.first()) {
                (_, None) => None,
                (Some(tail), Some(_)) => Some(tail.min(until_overdue)),
                (None, Some(_)) => Some(until_overdue),
            };
            let ended = match wake {
                None => running.attempts.next().await,
                Some(after) => tokio::select! {
                    biased;
                    ended = running.attempts.next() => ended,
                    () = tokio::time::sleep(after) => {
                        let is_overdue = overdue <= ledger.now();
                        let rescue = beside.iter().find(|(_, place)| is_overdue && is_last_resort(*place));
                        let slot = rescue.or(beside.first()).and_then(|(at, _)| queue.remove(*at));
                        let begun = slot.and_then(|slot| begin(slot, &mut full));
                        if is_overdue && begun.is_some() {
                            overdue = ledger.now() + OVERDUE_STEP;
                        }
                        running.attempts.extend(begun);
                        if beside.len() == 1 && !is_overdue {
                            hedge = false;
                        }
                        continue;
                    }
                },
            };
            let Some((place, booked, answer)) = ended else { continue };
            let took = booked.took();
            match answer {
                Ok(answer) => {
                    let attempt = Tried { place, outcome: Outcome::Answered, took, reached: true };
                    learn(&attempt);
                    running.tried.push(attempt);
                    running.left_as = Outcome::Overtaken;
                    return Ok((place, answer, booked));
                }
                Err(fault) => {
                    let attempt = Tried { place, outcome: Outcome::Failed(fault.kind), took, reached: fault.reached };
                    learn(&attempt);
                    running.tried.push(attempt);
                    booked.failed(&fault);
                    if !fault.kind.worth_another_try() {
                        useless.push(place);
                    }
                    failed.push(place);
                    if speculative && fault.kind == FaultKind::Overloaded {
                        // A guess is not worth a second attempt at a busy engine.
                        queue.retain(|slot| slot.place != place);
                    }
                    if queue.is_empty() && running.attempts.is_empty() {
                        tracing::debug!(?stage, %fault, "nobody answered");
                    } else {
                        tracing::warn!(?stage, %fault, "engine failed; trying on");
                    }
                    last = Some(fault);
                }
            }
        }
    }
}

fn next(queue: &mut VecDeque<Slot>, useless: &[Place], failed: &[Place]) -> Option<Slot> {
    loop {
        let slot = queue.pop_front()?;
        let again = slot.again && (useless.contains(&slot.place) || !failed.contains(&slot.place));
        if !again {
            return Some(slot);
        }
    }
}

/// Those of the queue who could be asked beside the running ones, and where they stand in it.
fn others<T>(queue: &VecDeque<Slot>, running: &FuturesUnordered<Attempt<T>>, useless: &[Place]) -> Vec<(usize, Place)> {
    let is_other =
        |s: &Slot| !s.again && !useless.contains(&s.place) && !running.iter().any(|attempt| attempt.place == s.place);
    queue.iter().enumerate().filter(|(_, s)| is_other(s)).map(|(at, s)| (at, s.place)).collect()
}

/// How much longer the only running attempt may take before it counts as slow.
fn tail<T>(running: &FuturesUnordered<Attempt<T>>) -> Option<Duration> {
    let attempt = running.iter().next()?;
    let so_far = attempt.booked.as_ref()?.took();
    Some(attempt.tail?.saturating_sub(so_far))
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
