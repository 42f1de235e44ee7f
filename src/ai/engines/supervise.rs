//! Keeps one worker process alive: starts it, watches it, restarts it with back-off, ends it.
//!
//! Promise: whatever happens to the process, every request it held ends at once, and the next life
//! begins by itself. Absent on purpose: which worker answers what (see [`super::pool`]).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::{oneshot, watch};
use vaani_engine_protocol::{Decoder, Ready, Tell};

use super::link::Link;
use super::spawn::{LastWords, Program, Started, follow};
use crate::base::limits::{
    ENGINE_BACKOFF_MAX, ENGINE_BACKOFF_MIN, ENGINE_CRASH_LOOP, ENGINE_DEATH_MAX, ENGINE_HEALTHY_AFTER, ENGINE_LOOK,
    ENGINE_STOP_MAX,
};
use crate::base::tasks::Scope;
use crate::base::{Clock, Moment};

/// How one worker is to be run.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// `whisper`, `llama`, `tts`.
    pub engine: &'static str,
    /// Its name in answers and faults: `local/whisper`.
    pub provider: &'static str,
    pub program: Program,
    /// Bytes of private memory in use beyond which it is taken for broken; 0: no limit.
    pub memory: u64,
    /// Models must be loaded within this time.
    pub ready_within: Duration,
    /// Renewed after so many requests, when idle: whisper-rs leaks a few bytes a request.
    pub recycle_after: Option<u64>,
}

/// What a worker is doing.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Loading its models; an answer is worth waiting for.
    Starting,
    Ready(Arc<Link>),
    /// It died after it had worked, and starts again soon; an answer is worth waiting for.
    Restarting,
    /// It could not be started, or dies again and again.
    Down,
    Stopped,
}

/// A worker as others see it: its present life and its history.
#[derive(Debug)]
pub(super) struct Worker {
    pub orders: Orders,
    state: watch::Sender<State>,
    restarts: AtomicU32,
    served: AtomicU64,
    memory: AtomicU64,
    crash_loop: AtomicBool,
    last_error: Mutex<Option<String>>,
}

/// One worker for `/health` and metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerHealth {
    /// `starting`, `ready`, `late` (misses heartbeats), `restarting`, `down`, `stopped`.
    pub state: &'static str,
    pub pid: Option<u32>,
    pub in_flight: usize,
    pub served: u64,
    pub restarts: u32,
    /// Bytes of private memory in use when last looked at.
    pub memory: u64,
    /// It dies again and again: a finding, not an accident.
    pub crash_loop: bool,
    pub last_error: Option<String>,
    pub version: Option<String>,
    pub models: Vec<String>,
    pub load_ms: Option<u64>,
}

impl Worker {
    pub(super) fn new(orders: Orders) -> Arc<Self> {
        Arc::new(Self {
            orders,
            state: watch::Sender::new(State::Starting),
            restarts: AtomicU32::new(0),
            served: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            crash_loop: AtomicBool::new(false),
            last_error: Mutex::new(None),
        })
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn health(&self) -> WorkerHealth {
        let state = self.state();
        let link = if let State::Ready(link) = &state { Some(link) } else { None };
        WorkerHealth {
            state: match &state {
                State::Starting => "starting",
                State::Ready(link) if link.is_prompt() => "ready",
                State::Ready(_) => "late",
                State::Restarting => "restarting",
                State::Down => "down",
                State::Stopped => "stopped",
            },
            pid: link.map(|l| l.pid),
            in_flight: link.map_or(0, |l| l.in_flight()),
            served: self.served.load(Ordering::Relaxed) + link.map_or(0, |l| l.served.load(Ordering::Relaxed)),
            restarts: self.restarts.load(Ordering::Relaxed),
            memory: self.memory.load(Ordering::Relaxed),
            crash_loop: self.crash_loop.load(Ordering::Relaxed),
            last_error: self.last_error(),
            version: link.map(|l| l.ready.version.clone()),
            models: link.map(|l| l.ready.models.clone()).unwrap_or_default(),
            load_ms: link.map(|l| l.ready.load_ms),
        }
    }

    fn report(&self, error: &str) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_owned());
    }
}

/// How a life ended.
pub(super) enum End {
    /// It never got ready.
    NotStarted(String),
    Died(String),
    /// On purpose; the next life begins at once.
    Renewed,
    Stopped,
}

/// Runs one worker until the scope stops. `changed` is bumped whenever its state changes.
pub(super) async fn supervise(worker: Arc<Worker>, scope: Scope, clock: Clock, changed: watch::Sender<u64>) {
    let set = |state: State| {
        worker.set_state(state);
        changed.send_modify(|n| *n += 1);
    };
    let engine = worker.orders.engine;
    let mut backoff = Backoff::default();
    loop {
        let began = clock.now();
        let end = live(&worker, &scope, clock, &set).await;
        let wait = match end {
            End::Stopped => break,
            End::Renewed => {
                set(State::Restarting);
                Duration::ZERO
            }
            End::Died(why) => {
                let wait = backoff.after(began, clock.now());
                worker.report(&why);
                let looping = backoff.is_loop();
                worker.crash_loop.store(looping, Ordering::Relaxed);
                set(if looping { State::Down } else { State::Restarting });
                tracing::warn!(engine, error = why, wait_ms = wait.as_millis(), "worker died; starting it again");
                wait
            }
            End::NotStarted(why) => {
                let wait = backoff.after(began, clock.now());
                worker.report(&why);
                worker.crash_loop.store(backoff.is_loop(), Ordering::Relaxed);
                set(State::Down);
                tracing::error!(
                    engine,
                    error = why,
                    wait_ms = wait.as_millis(),
                    "worker could not be started; trying again"
                );
                wait
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = scope.stopped() => break,
        }
        worker.restarts.fetch_add(1, Ordering::Relaxed);
    }
    set(State::Stopped);
}

/// One life, from the start of the process to its burial.
async fn live(worker: &Worker, scope: &Scope, clock: Clock, set: &impl Fn(State)) -> End {
    let orders = &worker.orders;
    let Started { mut child, socket, stderr } = match orders.program.start().await {
        Ok(started) => started,
        Err(error) => return End::NotStarted(format!("start {}: {error}", orders.program.path.display())),
    };
    let pid = child.id().unwrap_or_default();
    let words = LastWords::default();
    let (log_done, log_ended) = oneshot::channel::<()>();
    let log = follow(orders.engine, pid, stderr, words.clone(), clock);
    scope.spawn("worker log", async move {
        log.await;
        drop(log_done);
    });
    let (read, write) = socket.into_split();
    let end = converse(worker, scope, clock, set, Ends { read, write, pid }).await;
    // The socket is closed by now: a worker in good order ends by itself.
    let patience = if matches!(end, End::Died(_) | End::NotStarted(_)) { ENGINE_DEATH_MAX } else { ENGINE_STOP_MAX };
    if matches!(end, End::Died(_)) {
        set(State::Restarting);
    }
    let status = bury(&mut child, patience).await;
    let with_last_words = async |why: String| {
        // Ends with the process, unless a grandchild holds the other end.
        drop(tokio::time::timeout(ENGINE_DEATH_MAX, log_ended).await);
        let said = words.text();
        if said.is_empty() { format!("{why} ({status})") } else { format!("{why} ({status}); its last words: {said}") }
    };
    match end {
        End::NotStarted(why) => End::NotStarted(with_last_words(why).await),
        End::Died(why) => End::Died(with_last_words(why).await),
        End::Renewed | End::Stopped => end,
    }
}

/// A worker's socket, in halves.
pub(super) struct Ends {
    pub read: OwnedReadHalf,
    pub write: OwnedWriteHalf,
    pub pid: u32,
}

/// Waits until the worker is ready and carries requests and answers until its life ends.
pub(super) async fn converse(worker: &Worker, scope: &Scope, clock: Clock, set: &impl Fn(State), ends: Ends) -> End {
    let Ends { mut read, mut write, pid } = ends;
    let orders = &worker.orders;
    let mut decoder = Decoder::default();
    let ready = tokio::select! {
        ready = first_words(&mut read, &mut decoder) => ready,
        () = tokio::time::sleep(orders.ready_within) => {
            Err(format!("worker was not ready within {} ms", orders.ready_within.as_millis()))
        }
        () = scope.stopped() => return End::Stopped,
    };
    let ready = match ready {
        Ok(ready) => ready,
        Err(why) => return End::NotStarted(why),
    };
    tracing::info!(engine = orders.engine, pid, load_ms = ready.load_ms, slots = ready.slots, "worker is ready");
    let (link, mut asks) = Link::new(orders.provider, ready, pid);
    set(State::Ready(link.clone()));
    let end = tokio::select! {
        why = link.read(&mut read, &mut decoder) => End::Died(why),
        why = link.write(&mut write, &mut asks) => End::Died(why),
        why = link.heartbeat() => End::Died(why),
        end = grow_old(worker, &link, clock) => end,
        () = scope.stopped() => End::Stopped,
    };
    link.close(match &end {
        End::Died(why) | End::NotStarted(why) => why,
        End::Renewed => "worker is being renewed",
        End::Stopped => "the box is stopping",
    });
    worker.served.fetch_add(link.served.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    end
}

/// A worker's first frame: ready, or why it cannot work.
async fn first_words(read: &mut OwnedReadHalf, decoder: &mut Decoder) -> Result<Ready, String> {
    let mut buffer = vec![0_u8; 4096];
    loop {
        match decoder.next_frame::<Tell>() {
            Ok(Some(frame)) => {
                return match frame.message {
                    Tell::Ready(ready) => Ok(ready),
                    Tell::Failed { detail, .. } => Err(detail),
                    _ => Err("worker spoke before it was ready".to_owned()),
                };
            }
            Ok(None) => {}
            Err(error) => return Err(format!("worker broke the protocol: {error}")),
        }
        match read.read(&mut buffer).await {
            Ok(0) => return Err("worker ended before it was ready".to_owned()),
            Ok(n) => decoder.push(&buffer[..n]),
            Err(error) => return Err(format!("worker's socket broke: {error}")),
        }
    }
}

/// Takes the mark of a crash loop off after a minute of health; completes when the worker has
/// served its time and holds no request, or when it uses more memory than it may.
async fn grow_old(worker: &Worker, link: &Link, clock: Clock) -> End {
    let born = clock.now();
    loop {
        tokio::time::sleep(ENGINE_LOOK).await;
        if clock.now().since(born) >= ENGINE_HEALTHY_AFTER {
            worker.crash_loop.store(false, Ordering::Relaxed);
        }
        let memory = private_memory(link.pid);
        worker.memory.store(memory, Ordering::Relaxed);
        if worker.orders.memory > 0 && memory > worker.orders.memory {
            let (uses, may) = (memory >> 20, worker.orders.memory >> 20);
            return End::Died(format!("worker used {uses} MB of memory, more than the {may} MB it may"));
        }
        let worn = worker.orders.recycle_after.is_some_and(|most| link.served.load(Ordering::Relaxed) >= most);
        if worn && link.close_if_idle() {
            return End::Renewed;
        }
    }
}

/// Bytes of memory in use that are the process's own, not those of files it maps (model weights).
fn private_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let row = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    row.and_then(|row| row.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Waits for the process to end, kills it if that takes too long, and tells how it ended.
async fn bury(child: &mut Child, patience: Duration) -> String {
    if let Ok(Ok(status)) = tokio::time::timeout(patience, child.wait()).await {
        return status.to_string();
    }
    // Fails only if the process is already gone.
    drop(child.start_kill());
    match child.wait().await {
        Ok(status) => format!("killed, {status}"),
        Err(error) => format!("lost: {error}"),
    }
}

/// Pauses between lives: doubling from 100 ms to 30 s, forgotten after a minute of health.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn after(&mut self, began: Moment, ended: Moment) -> Duration {
        if ended.since(began) >= ENGINE_HEALTHY_AFTER {
            self.failures = 0;
        }
        let wait = ENGINE_BACKOFF_MIN.saturating_mul(1 << self.failures.min(16)).min(ENGINE_BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    const fn is_loop(&self) -> bool {
        self.failures >= ENGINE_CRASH_LOOP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_is_read_from_the_kernel() {
        let before = private_memory(std::process::id());
        let kept = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = private_memory(std::process::id());
        assert!(after > before + (32 << 20), "{before} to {after} with {} bytes more", kept.len());
        assert_eq!(private_memory(u32::MAX), 0);
    }

    #[test]
    fn pauses_double_to_a_limit_and_health_forgives() {
        let mut backoff = Backoff::default();
        let mut now = Moment::ZERO;
        let mut waits = Vec::new();
        for _ in 0..11 {
            waits.push(backoff.after(now, now + Duration::from_secs(1)).as_millis());
            now = now + Duration::from_secs(1);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert!(backoff.is_loop());
        assert_eq!(backoff.after(now, now + ENGINE_HEALTHY_AFTER).as_millis(), 100);
        assert!(!backoff.is_loop());
    }

    proptest::proptest! {
        #[test]
        fn pauses_stay_within_their_limits(lives in proptest::collection::vec(0_u64..200, 0..80)) {
            let mut backoff = Backoff::default();
            for seconds in lives {
                let wait = backoff.after(Moment::ZERO, Moment::ZERO + Duration::from_secs(seconds));
                proptest::prop_assert!((ENGINE_BACKOFF_MIN..=ENGINE_BACKOFF_MAX).contains(&wait));
            }
        }
    }
}
