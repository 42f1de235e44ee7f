//! One courier a tenant: reads the outbox, sends, keeps the results. All decisions are the schedule's.
//!
//! Promise: a webhook goes out only after its row is durable; the result of an attempt is durable
//! before it counts; the process may die at any point and the next one goes on, at worst by sending
//! once more what was sent. On a stop attempts under way may end, then what is left stays in the
//! outbox for the next start.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rusqlite::Connection;
use tokio::sync::watch;

use super::circuit::Circuit;
use super::metrics::DeliveryMetrics;
use super::post::{Outcome, Post};
use super::schedule::{Bounds, Fate, Follow, Input, Output, Record, Schedule, View, Waiting};
use crate::base::tasks::Scope;
use crate::base::{Clock, DeliveryId, EndpointId, Moment, limits};
use crate::store::outbox::{self, Counts};
use crate::store::{Database, StoreError, webhooks};

/// What every courier of the box shares.
#[derive(Clone)]
pub(super) struct Tools {
    pub post: Post,
    pub clock: Clock,
    pub metrics: DeliveryMetrics,
    pub bounds: Bounds,
    /// Delivered webhooks and dead letters are kept for this long.
    pub keep: Duration,
}

pub(super) struct Courier {
    pub tenant: String,
    pub db: Database,
    pub tools: Tools,
    pub scope: Scope,
    pub bell: watch::Receiver<u64>,
}

/// What the courier wakes for.
enum Wake {
    Loaded(Result<(Vec<View>, Counts), StoreError>),
    Tried {
        endpoint: EndpointId,
        id: DeliveryId,
        outcome: Outcome,
    },
    Recorded {
        endpoint: EndpointId,
        id: DeliveryId,
    },
    /// Rows were changed in bulk.
    Cleaned,
}

impl Courier {
    pub(super) async fn run(self) {
        let mut bell = self.bell.clone();
        let mut schedule = Schedule::new(self.tools.bounds, fastrand::Rng::new());
        let mut work: FuturesUnordered<BoxFuture<'static, Wake>> = FuturesUnordered::new();
        let mut look = tokio::time::interval(limits::OUTBOX_LOOK);
        let mut clean = tokio::time::interval(limits::OUTBOX_SWEEP);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        clean.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut cleaning = false;
        let mut hearing = true;
        schedule.handle(self.now(), Input::Tick);
        loop {
            while let Some(output) = schedule.poll() {
                work.push(self.begin(output));
            }
            let input = tokio::select! {
                () = self.scope.stopped() => break,
                Some(wake) = work.next(), if !work.is_empty() => {
                    cleaning &= !matches!(wake, Wake::Cleaned);
                    self.woken(wake)
                }
                rung = bell.changed(), if hearing => {
                    hearing = rung.is_ok();
                    Input::Rung
                }
                _ = look.tick() => Input::Rung,
                _ = clean.tick(), if !cleaning => {
                    cleaning = true;
                    work.push(self.clean());
                    Input::Tick
                }
                () = self.until(schedule.deadline()) => Input::Tick,
            };
            schedule.handle(self.now(), input);
        }
        self.finish(schedule, work).await;
    }

    /// Begins nothing, but lets end what is under way.
    async fn finish(&self, mut schedule: Schedule, mut work: FuturesUnordered<BoxFuture<'static, Wake>>) {
        schedule.handle(self.now(), Input::Stop);
        let ending = async {
            loop {
                while let Some(output) = schedule.poll() {
                    if matches!(output, Output::Record(_)) {
                        work.push(self.begin(output));
                    }
                }
                let Some(wake) = work.next().await else { break };
                schedule.handle(self.now(), self.woken(wake));
            }
        };
        if tokio::time::timeout(limits::OUTBOX_STOP_MAX, ending).await.is_err() {
            tracing::info!(
                tenant = self.tenant,
                "attempts under way were given up; they are made again after the start"
            );
        }
    }

    /// Now, as rows count it: since 1970.
    fn now(&self) -> Moment {
        wall(self.tools.clock)
    }

    async fn until(&self, deadline: Option<Moment>) {
        match deadline {
            // Many pauses are longer than any timer needs to be; the look comes first anyway.
            Some(at) => tokio::time::sleep(at.since(self.now()).min(limits::OUTBOX_LOOK)).await,
            None => std::future::pending().await,
        }
    }

    fn woken(&self, wake: Wake) -> Input {
        match wake {
            Wake::Loaded(Ok((views, counts))) => {
                self.tools.metrics.sizes(&self.tenant, counts.waiting, counts.dead);
                Input::Loaded(views)
            }
            Wake::Loaded(Err(error)) => {
                if !matches!(error, StoreError::Closed) {
                    tracing::error!(tenant = self.tenant, %error, "the outbox could not be read; webhooks wait");
                }
                Input::NotLoaded
            }
            Wake::Tried { endpoint, id, outcome } => Input::Tried { endpoint, id, outcome },
            Wake::Recorded { endpoint, id } => Input::Recorded { endpoint, id },
            Wake::Cleaned => Input::Rung,
        }
    }

    fn begin(&self, output: Output) -> BoxFuture<'static, Wake> {
        let (db, tools) = (self.db.clone(), self.tools.clone());
        match output {
            Output::Load => Box::pin(async move {
                let loaded = load(&db).await;
                if loaded.is_err() {
                    tokio::time::sleep(limits::OUTBOX_WRITE_AGAIN).await;
                }
                Wake::Loaded(loaded)
            }),
            Output::Try { endpoint, id } => Box::pin(async move {
                let outcome = attempt(&db, &tools, id).await;
                Wake::Tried { endpoint, id, outcome }
            }),
            Output::Record(record) => {
                self.tell(&record);
                let tenant = self.tenant.clone();
                let scope = self.scope.clone();
                Box::pin(async move {
                    let (endpoint, id) = (record.endpoint, record.id);
                    keep(&db, &tools, &scope, &tenant, record).await;
                    Wake::Recorded { endpoint, id }
                })
            }
        }
    }

    /// Counts a result, and logs what somebody should look at.
    fn tell(&self, record: &Record) {
        let endpoint = record.endpoint;
        self.tools.metrics.tried(match record.fate {
            Fate::Delivered => "delivered",
            Fate::Again(_) => "failed",
            Fate::Dead => "dead",
        });
        match record.follow {
            Some(Follow::Disable) => {
                self.tools.metrics.switched_off.inc();
                tracing::warn!(tenant = self.tenant, %endpoint, "an endpoint answered 410 Gone and was switched off");
            }
            Some(Follow::GiveUpBefore(_)) => {
                tracing::warn!(tenant = self.tenant, %endpoint, "an endpoint has failed for too long; old webhooks are given up");
            }
            _ if record.fate == Fate::Dead => {
                tracing::warn!(
                    tenant = self.tenant,
                    %endpoint,
                    id = %record.id,
                    attempts = record.attempts,
                    error = record.error,
                    "a webhook was given up; it can be replayed"
                );
            }
            _ if record.circuit.failures == limits::WEBHOOK_CIRCUIT_FAILURES => {
                tracing::warn!(tenant = self.tenant, %endpoint, error = record.error, "an endpoint keeps failing; pausing");
            }
            _ => {}
        }
    }

    fn clean(&self) -> BoxFuture<'static, Wake> {
        let (db, tools, scope, tenant) = (self.db.clone(), self.tools.clone(), self.scope.clone(), self.tenant.clone());
        Box::pin(async move {
            while !scope.is_stopping() {
                let now = wall(tools.clock);
                let keep_after = (now - tools.keep).as_millis();
                let give_up_before = (now - tools.bounds.give_up).as_millis();
                let now_ms = now.as_millis();
                match db.write(move |db| outbox::sweep(db, keep_after, give_up_before, now_ms)).await {
                    Ok(swept) => {
                        if swept.lost > 0 {
                            tools.metrics.lost.inc_by(swept.lost as u64);
                            tracing::warn!(
                                tenant,
                                lost = swept.lost,
                                "dead letters were forgotten: too old, or too many"
                            );
                        }
                        if swept.total() == 0 {
                            break;
                        }
                    }
                    Err(StoreError::Closed) => break,
                    Err(error) => {
                        tracing::error!(tenant, %error, "the outbox could not be cleaned; tried again later");
                        break;
                    }
                }
            }
            Wake::Cleaned
        })
    }
}

fn wall(clock: Clock) -> Moment {
    Moment::from_millis(clock.unix_ms(clock.now()))
}

/// What waits now. The bell is rung inside a transaction that is not committed yet; an empty write
/// behind it returns once it is.
async fn load(db: &Database) -> Result<(Vec<View>, Counts), StoreError> {
    match db.write(|_| Ok(())).await {
        // A full disk keeps nobody from reading.
        Ok(()) | Err(StoreError::Full) => {}
        Err(error) => return Err(error),
    }
    db.read(views).await
}

fn views(db: &Connection) -> Result<(Vec<View>, Counts), StoreError> {
    let mut views = Vec::new();
    for (endpoint, standing) in webhooks::list(db)? {
        let rows = if endpoint.enabled && standing.waiting > 0 {
            outbox::window(db, endpoint.id, endpoint.ordered, limits::OUTBOX_WINDOW)?
        } else {
            Vec::new()
        };
        let at = Moment::from_millis;
        views.push(View {
            endpoint: endpoint.id,
            version: endpoint.version,
            ordered: endpoint.ordered,
            enabled: endpoint.enabled,
            circuit: Circuit {
                failures: standing.failures,
                failing_since: standing.failing_since_ms.map(at),
                open_until: standing.open_until_ms.map(at),
            },
            complete: rows.len() < limits::OUTBOX_WINDOW,
            rows: rows
                .into_iter()
                .map(|row| Waiting {
                    id: row.id,
                    sequence: row.sequence,
                    queued: at(row.queued_ms),
                    attempts: row.attempts,
                    next: at(row.next_ms),
                })
                .collect(),
        });
    }
    Ok((views, outbox::counts(db)?))
}

async fn attempt(db: &Database, tools: &Tools, id: DeliveryId) -> Outcome {
    match db.read(move |db| webhooks::letter(db, id)).await {
        Ok(Some(letter)) => {
            let began = tools.clock.now();
            let outcome = tools.post.send(&letter).await;
            tools.metrics.attempts.observe(tools.clock.now().since(began).as_secs_f64());
            outcome
        }
        Ok(None) => Outcome::Vanished,
        Err(error) => {
            tracing::error!(%error, "a webhook could not be read from the outbox");
            tokio::time::sleep(limits::OUTBOX_WRITE_AGAIN).await;
            Outcome::Vanished
        }
    }
}

/// Makes a result durable. While it cannot be written (a full disk) the row counts as under way: what
/// was delivered is not sent again and again.
async fn keep(db: &Database, tools: &Tools, scope: &Scope, tenant: &str, record: Record) {
    let settled = outbox::Settled {
        id: record.id,
        endpoint: record.endpoint,
        fate: match record.fate {
            Fate::Delivered => outbox::Fate::Delivered,
            Fate::Again(at) => outbox::Fate::Again { at_ms: at.as_millis() },
            Fate::Dead => outbox::Fate::Dead,
        },
        attempts: record.attempts,
        status: record.status,
        error: record.error,
        circuit: webhooks::Circuit {
            failures: record.circuit.failures,
            failing_since_ms: record.circuit.failing_since.map(Moment::as_millis),
            open_until_ms: record.circuit.open_until.map(Moment::as_millis),
        },
        disable: (record.follow == Some(Follow::Disable))
            .then_some("it answered 410 Gone; check the address and switch it on again"),
    };
    loop {
        let (settled, now_ms) = (settled.clone(), wall(tools.clock).as_millis());
        match db.write(move |db| outbox::settle(db, &settled, now_ms)).await {
            Ok(()) => break,
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(tenant, %error, "the result of a webhook could not be written; trying again"),
        }
        tokio::select! {
            () = scope.stopped() => return,
            () = tokio::time::sleep(limits::OUTBOX_WRITE_AGAIN) => {}
        }
    }
    let endpoint = record.endpoint;
    let Some(follow) = record.follow else { return };
    loop {
        let now_ms = wall(tools.clock).as_millis();
        let changed = db
            .write(move |db| match follow {
                Follow::Hurry => outbox::hurry(db, endpoint, now_ms),
                Follow::GiveUpBefore(before) => {
                    outbox::give_up(db, endpoint, before.as_millis(), "the endpoint failed for too long", now_ms)
                }
                Follow::Disable => outbox::give_up(db, endpoint, u64::MAX >> 1, "the endpoint is gone", now_ms),
            })
            .await;
        match changed {
            Ok(rows) if rows >= limits::OUTBOX_BATCH => {}
            Ok(_) => return,
            Err(error) => {
                // Nothing is lost: the rows wait, and the next failure or the next sweep does it.
                tracing::error!(tenant, %error, "an endpoint's other webhooks could not be changed");
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "courier_tests.rs"]
mod tests;
