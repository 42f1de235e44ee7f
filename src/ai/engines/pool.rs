//! Several workers of one engine, and the choice among them.
//!
//! Promise: a request goes to a worker that is alive; the least busy one, or the one that holds the
//! conversation. Spares are loaded and idle, and take over the moment a worker dies. Absent on
//! purpose: asking again after a failure (see [`crate::ai::router`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;
use tokio::sync::watch;
use vaani_engine_protocol::{Ask, Ready};

use super::link::{Answers, Link};
use super::supervise::{Orders, State, Worker, WorkerHealth, supervise};
use crate::ai::{Fault, FaultKind};
use crate::base::Clock;
use crate::base::limits::{CONVERSATIONS_MAX, ENGINE_REQUESTS_MAX};
use crate::base::tasks::Scope;

/// The workers of one engine.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    provider: &'static str,
    engine: &'static str,
    workers: Vec<Arc<Worker>>,
    /// Of the healthy workers, so many are used; the rest are spares.
    active: usize,
    changed: watch::Sender<u64>,
    /// Which worker holds which conversation.
    homes: Mutex<IndexMap<u64, usize>>,
}

/// How a request wants to be served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Requests with the same number go to the same worker, as long as it lives.
    pub conversation: Option<u64>,
    /// Refused when every slot is busy.
    pub speculative: bool,
    /// From the choice of a worker to the last answer.
    pub deadline: Duration,
}

/// One engine for `/health` and metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolHealth {
    pub engine: &'static str,
    pub provider: &'static str,
    /// Workers that can be asked now, and how many there should be (spares not counted).
    pub healthy: usize,
    pub wanted: usize,
    /// Requests in all workers, and those of them beyond the workers' slots.
    pub in_flight: usize,
    pub waiting: usize,
    pub restarts: u32,
    pub workers: Vec<WorkerHealth>,
}

impl Pool {
    /// Starts `workers` and `spares` processes; returns before they are ready.
    pub(super) fn start(orders: &Orders, workers: usize, spares: usize, scope: &Scope, clock: Clock) -> Self {
        let changed = watch::Sender::new(0);
        let all: Vec<_> = (0..workers.max(1) + spares).map(|_| Worker::new(orders.clone())).collect();
        for worker in &all {
            scope.spawn("engine worker", supervise(worker.clone(), scope.clone(), clock, changed.clone()));
        }
        let shared = Shared {
            provider: orders.provider,
            engine: orders.engine,
            workers: all,
            active: workers.max(1),
            changed,
            homes: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Puts a request to the best worker; waits for one that is just starting.
    pub(super) async fn ask(&self, ask: &Ask, samples: &[i16], terms: Terms) -> Result<Answers, Fault> {
        let link = self.acquire(terms).await?;
        link.ask(ask, samples, terms.deadline)
    }

    /// What the engine said of itself when it became ready.
    pub(super) async fn ready(&self, within: Duration) -> Result<Ready, Fault> {
        let link = self.acquire(Terms { conversation: None, speculative: false, deadline: within }).await?;
        Ok(link.ready.clone())
    }

    /// Says something to the worker that holds a conversation and forgets which one it was.
    pub(super) fn end_conversation(&self, conversation: u64, ask: &Ask) {
        let home = self.homes().shift_remove(&conversation);
        if let Some(State::Ready(link)) = home.and_then(|index| self.shared.workers.get(index)).map(|w| w.state()) {
            link.mention(ask);
        }
    }

    pub(super) fn health(&self) -> PoolHealth {
        let workers: Vec<_> = self.shared.workers.iter().map(|w| w.health()).collect();
        let slots = |worker: &Worker| match worker.state() {
            State::Ready(link) => link.in_flight().saturating_sub(link.ready.slots as usize),
            _ => 0,
        };
        PoolHealth {
            engine: self.shared.engine,
            provider: self.shared.provider,
            healthy: workers.iter().filter(|w| w.state == "ready").count(),
            wanted: self.shared.active,
            in_flight: workers.iter().map(|w| w.in_flight).sum(),
            waiting: self.shared.workers.iter().map(|w| slots(w)).sum(),
            restarts: workers.iter().map(|w| w.restarts).sum(),
            workers,
        }
    }

    fn homes(&self) -> std::sync::MutexGuard<'_, IndexMap<u64, usize>> {
        self.shared.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(&self, terms: Terms) -> Result<Arc<Link>, Fault> {
        let mut changes = self.shared.changed.subscribe();
        let wait = async {
            loop {
                let states: Vec<_> = self.shared.workers.iter().map(|w| w.state()).collect();
                let seen: Vec<_> = states.iter().map(Seen::of).collect();
                let home = terms.conversation.and_then(|c| self.homes().get(&c).copied());
                match choose(&seen, self.shared.active, home, terms.speculative) {
                    Choice::Take(index) => {
                        if let Some(conversation) = terms.conversation {
                            self.remember(conversation, index);
                        }
                        if let Some(State::Ready(link)) = states.into_iter().nth(index) {
                            return Ok(link);
                        }
                    }
                    Choice::Busy(why) => return Err(self.fault(FaultKind::Overloaded, why)),
                    Choice::Hopeless => return Err(self.fault(FaultKind::Unavailable, self.why_hopeless())),
                    Choice::Wait => {}
                }
                if changes.changed().await.is_err() {
                    return Err(self.fault(FaultKind::Unavailable, "the box is stopping"));
                }
            }
        };
        match tokio::time::timeout(terms.deadline, wait).await {
            Ok(link) => link,
            Err(_) => Err(self.fault(FaultKind::Unavailable, "no worker became ready in time")),
        }
    }

    fn remember(&self, conversation: u64, index: usize) {
        let mut homes = self.homes();
        if !homes.contains_key(&conversation) && homes.len() >= CONVERSATIONS_MAX {
            homes.shift_remove_index(0);
        }
        homes.insert(conversation, index);
    }

    fn fault(&self, kind: FaultKind, detail: impl Into<String>) -> Fault {
        Fault::new(kind, self.shared.provider, detail)
    }

    fn why_hopeless(&self) -> String {
        let last = self.shared.workers.iter().find_map(|w| w.last_error());
        last.unwrap_or_else(|| "no worker runs".to_owned())
    }
}

/// What the choice needs to know of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Ready {
        in_flight: usize,
        slots: usize,
        prompt: bool,
    },
    /// Worth waiting for.
    Coming,
    Gone,
}

impl Seen {
    fn of(state: &State) -> Self {
        match state {
            // Another try must not go to the worker whose end was just noticed.
            State::Ready(link) if link.is_over() => Self::Coming,
            State::Ready(link) => Self::Ready {
                in_flight: link.in_flight(),
                slots: link.ready.slots.max(1) as usize,
                prompt: link.is_prompt(),
            },
            State::Starting | State::Restarting => Self::Coming,
            State::Down | State::Stopped => Self::Gone,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Take(usize),
    Wait,
    Busy(&'static str),
    Hopeless,
}

/// The home of the conversation, if it is well; else the least busy of the first `active` healthy
/// workers. Workers that miss heartbeats serve only when no other is there.
fn choose(workers: &[Seen], active: usize, home: Option<usize>, speculative: bool) -> Choice {
    let load = |index: usize, wanted_prompt: bool| match workers.get(index) {
        Some(Seen::Ready { in_flight, slots, prompt }) if *prompt == wanted_prompt => Some((*in_flight, *slots)),
        _ => None,
    };
    let best = home.and_then(|index| load(index, true).map(|load| (index, load))).or_else(|| {
        [true, false].into_iter().find_map(|prompt| {
            let healthy = (0..workers.len()).filter_map(|index| load(index, prompt).map(|load| (index, load)));
            // The first of equals: a spare is not touched while the others are free.
            healthy.take(active).min_by_key(|(index, (in_flight, slots))| (in_flight * 1000 / slots, *index))
        })
    });
    match best {
        Some((_, (in_flight, _))) if in_flight >= ENGINE_REQUESTS_MAX => Choice::Busy("every worker's queue is full"),
        Some((_, (in_flight, slots))) if speculative && in_flight >= slots => {
            Choice::Busy("no slot is free for a guess")
        }
        Some((index, _)) => Choice::Take(index),
        None if workers.contains(&Seen::Coming) => Choice::Wait,
        None => Choice::Hopeless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn busy(in_flight: usize) -> Seen {
        Seen::Ready { in_flight, slots: 2, prompt: true }
    }
    const LATE: Seen = Seen::Ready { in_flight: 0, slots: 2, prompt: false };

    #[test]
    fn the_least_busy_healthy_worker_answers() {
        use Choice::{Busy, Hopeless, Take, Wait};
        use Seen::{Coming, Gone};
        // workers, active, home, speculative -> choice
        let cases: [(&[Seen], usize, Option<usize>, bool, Choice); 14] = [
            (&[busy(0), busy(0)], 2, None, false, Take(0)),
            (&[busy(2), busy(1)], 2, None, false, Take(1)),
            // The spare rests while the worker lives, however busy that is.
            (&[busy(9), busy(0)], 1, None, false, Take(0)),
            (&[Coming, busy(0)], 1, None, false, Take(1)),
            (&[Gone, busy(3)], 1, None, false, Take(1)),
            // A conversation stays at home unless its home is ill.
            (&[busy(0), busy(5)], 2, Some(1), false, Take(1)),
            (&[busy(0), Coming], 2, Some(1), false, Take(0)),
            (&[busy(0), LATE], 2, Some(1), false, Take(0)),
            (&[LATE, Coming], 1, None, false, Take(0)),
            (&[Coming, Gone], 1, None, false, Wait),
            (&[Gone, Gone], 1, None, false, Hopeless),
            (&[], 1, None, false, Hopeless),
            (&[busy(2)], 1, None, true, Busy("no slot is free for a guess")),
            (&[busy(ENGINE_REQUESTS_MAX)], 1, Some(7), false, Busy("every worker's queue is full")),
        ];
        for (workers, active, home, speculative, expected) in cases {
            assert_eq!(choose(workers, active, home, speculative), expected, "{workers:?} {active} {home:?}");
        }
    }
}
