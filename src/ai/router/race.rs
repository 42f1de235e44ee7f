//! One stage of one turn: the candidates in order, each with its deadline, the next one when one
//! fails or is slower than it usually is. The first that gives anything wins; the others are dropped,
//! which cancels them. A race that has lasted as long as its first candidate may take is overdue: the
//! others, the box's own engines first, are asked beside those that are silent.
//!
//! A provider's silence tells nothing: it may be slow, or the line to it dead. So while it is waited
//! for, the box's own engine begins too, for that costs nothing, and its answer is kept in hand for as
//! long as patience lasts: the provider is preferred while it is in time, and nobody hears that it is
//! not. What costs money is asked only when patience is at its end, or earlier where `hedge` says so.
//!
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
    /// So long it alone is waited for while somebody else could answer; `None`: to its deadline.
    pub(super) patience: Option<Duration>,
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

/// What an attempt is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is waited for.
    Front,
    /// Its answer is kept in hand while the one in front is in time.
    Backup,
    /// Wins if it comes first.
    Beside,
}

/// What is to be done when nothing comes for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The box's own engine begins as well.
    Backup,
    /// The one in front is not waited for any longer.
    Relieve,
    /// It is slower than nearly always, and the file allows what another one costs.
    Hedge,
    Overdue,
}

/// An answer in hand.
struct Kept<T> {
    place: Place,
    answer: T,
    booked: Booked,
    took: Duration,
}

/// The attempts under way. Dropped, they were given up.
struct Running<'a, T> {
    attempts: FuturesUnordered<Attempt<T>>,
    kept: Option<Kept<T>>,
    tried: &'a mut Vec<Tried>,
    left_as: Outcome,
}

impl<T> Running<'_, T> {
    fn front(&self) -> Option<&Attempt<T>> {
        self.attempts.iter().find(|attempt| attempt.role == Role::Front)
    }

    fn won(&mut self, kept: Kept<T>) -> Won<T> {
        let Kept { place, answer, booked, took } = kept;
        self.tried.push(Tried { place, outcome: Outcome::Answered, took, reached: true });
        self.left_as = Outcome::Overtaken;
        (place, answer, booked, took)
    }
}

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if let Some(Kept { place, took, .. }) = self.kept.take() {
            self.tried.push(Tried { place, outcome: self.left_as, took, reached: true });
        }
        for attempt in self.attempts.iter_mut() {
            let took = attempt.booked.as_ref().map(Booked::took).unwrap_or_default();
            self.tried.push(Tried { place: attempt.place, outcome: self.left_as, took, reached: false });
            let slow = attempt.patience.is_some_and(|patience| took >= patience);
            if slow
                && self.left_as == Outcome::Overtaken
                && let Some(booked) = attempt.booked.take()
            {
                booked.slow();
            }
        }
    }
}

/// Who answered, what, the request that is still open, and how long it took.
pub(super) type Won<T> = (Place, T, Booked, Duration);

impl Race<'_> {
    pub(super) async fn run<T, A>(self, ask: A) -> Result<Won<T>, Lost>
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
            hedge,
            name,
            is_last_resort,
            learn,
            tried,
            refused,
        } = self;
        let mut running = Running { attempts: FuturesUnordered::new(), kept: None, tried, left_as: Outcome::GivenUp };
        let mut last: Lost = None;
        let mut useless: Vec<Place> = Vec::new();
        let mut failed: Vec<Place> = Vec::new();
        let mut full: Vec<Slot> = Vec::new();
        let since = ledger.now();
        let patience = queue.front().map_or(Duration::ZERO, |slot| slot.within);
        let mut overdue = since + patience;
        let (mut backed, mut hedged) = (false, !hedge);
        let mut begin =
            |slot: Slot, role: Role, full: &mut Vec<Slot>| match Ledger::begin(ledger, slot.place, stage, language) {
                Ok(booked) => Some(Attempt {
                    place: slot.place,
                    role,
                    patience: slot.patience,
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
                if let Some(kept) = running.kept.take() {
                    return Ok(running.won(kept));
                }
                if let Some(slot) = next(&mut queue, &useless, &failed) {
                    running.attempts.extend(begin(slot, Role::Front, &mut full));
                    backed = false;
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
            let mut steps: Vec<(Duration, Step)> = Vec::new();
            if let Some(front) = running.front() {
                let so_far = front.booked.as_ref().map(Booked::took).unwrap_or_default();
                let (at, step) = if backed { (1, Step::Relieve) } else { (2, Step::Backup) };
                steps.extend(front.patience.map(|patience| ((patience / at).saturating_sub(so_far), step)));
                if let Some(tail) = front.tail.filter(|_| !hedged && running.attempts.len() == 1) {
                    steps.push((tail.saturating_sub(so_far), Step::Hedge));
                }
            }
            if !beside.is_empty() {
                steps.push((overdue.since(ledger.now()), Step::Overdue));
            }
            let ended = match steps.into_iter().min_by_key(|(after, _)| *after) {
                None => running.attempts.next().await,
                Some((after, step)) => tokio::select! {
                    biased;
                    ended = running.attempts.next() => ended,
                    () = tokio::time::sleep(after) => {
                        let rescue = beside.iter().find(|(_, place)| is_last_resort(*place));
                        let (whom, role) = match step {
                            Step::Backup => {
                                backed = true;
                                (rescue, Role::Backup)
                            }
                            Step::Relieve => {
                                if let Some(kept) = running.kept.take() {
                                    return Ok(running.won(kept));
                                }
                                for attempt in running.attempts.iter_mut() {
                                    attempt.role = Role::Beside;
                                }
                                // A backup that is under way is all that is needed; it wins when it comes.
                                (beside.first().filter(|_| running.attempts.len() == 1), Role::Front)
                            }
                            Step::Hedge => {
                                hedged = true;
                                (beside.first(), Role::Beside)
                            }
                            Step::Overdue => (rescue.or(beside.first()), Role::Beside),
                        };
                        let slot = whom.and_then(|(at, _)| queue.remove(*at));
                        let begun = slot.and_then(|slot| begin(slot, role, &mut full));
                        if step == Step::Overdue && begun.is_some() {
                            overdue = ledger.now() + OVERDUE_STEP;
                        }
                        running.attempts.extend(begun);
                        continue;
                    }
                },
            };
            let Some(Ended { place, role, mut booked, answer }) = ended else { continue };
            match answer {
                Ok(answer) => {
                    let took = booked.began();
                    learn(&Tried { place, outcome: Outcome::Answered, took, reached: true });
                    let kept = Kept { place, answer, booked, took };
                    if role == Role::Backup && running.front().is_some() {
                        running.kept = Some(kept);
                        continue;
                    }
                    return Ok(running.won(kept));
                }
                Err(fault) => {
                    let took = booked.took();
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
                    if role == Role::Front
                        && let Some(kept) = running.kept.take()
                    {
                        return Ok(running.won(kept));
                    }
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

/// One request that is under way.
struct Attempt<T> {
    place: Place,
    role: Role,
    patience: Option<Duration>,
    tail: Option<Duration>,
    name: String,
    within: Duration,
    timer: std::pin::Pin<Box<tokio::time::Sleep>>,
    answer: BoxFuture<'static, Result<T, Fault>>,
    booked: Option<Booked>,
}

struct Ended<T> {
    place: Place,
    role: Role,
    booked: Booked,
    answer: Result<T, Fault>,
}

impl<T> Future for Attempt<T> {
    type Output = Ended<T>;

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
            Some(booked) => Poll::Ready(Ended { place: this.place, role: this.role, booked, answer }),
            // Polled after its end, which FuturesUnordered never does.
            None => Poll::Pending,
        }
    }
}

pub(super) fn late(provider: &str, within: Duration) -> Fault {
    Fault::new(FaultKind::Deadline, provider, format!("nothing within {} ms", within.as_millis()))
}
