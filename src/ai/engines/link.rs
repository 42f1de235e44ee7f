//! The conversation with one living worker process: many requests over one socket, and a heartbeat.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use vaani_engine_protocol::{Ask, Decoder, Frame, Ready, Tell, Why, encode};

use crate::ai::{Fault, FaultKind};
use crate::base::limits::{ENGINE_ANSWERS_QUEUE, ENGINE_ASKS_QUEUE, ENGINE_HEARTBEAT, ENGINE_HEARTBEATS_MISSED_MAX};

/// One life of one worker, shared by everyone who asks it something.
#[derive(Debug)]
pub(super) struct Link {
    provider: &'static str,
    pub ready: Ready,
    pub pid: u32,
    next: AtomicU64,
    asks: mpsc::Sender<Vec<u8>>,
    table: Mutex<Table>,
    unanswered_pings: AtomicU32,
    pub served: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    /// Requests the worker has not finished. `None`: nobody waits any more, the worker has been
    /// told, but it still counts as busy with it.
    open: HashMap<u64, Option<mpsc::Sender<(Tell, Vec<i16>)>>>,
    /// Set once this life is over.
    over: Option<String>,
}

impl Link {
    pub(super) fn new(provider: &'static str, ready: Ready, pid: u32) -> (Arc<Self>, mpsc::Receiver<Vec<u8>>) {
        let (asks, queue) = mpsc::channel(ENGINE_ASKS_QUEUE);
        let link = Self {
            provider,
            ready,
            pid,
            next: AtomicU64::new(1),
            asks,
            table: Mutex::default(),
            unanswered_pings: AtomicU32::new(0),
            served: AtomicU64::new(0),
        };
        (Arc::new(link), queue)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, kind: FaultKind, detail: impl Into<String>) -> Fault {
        Fault::new(kind, self.provider, detail)
    }

    /// This life has ended, though the supervisor may not have said so yet.
    pub(super) fn is_over(&self) -> bool {
        self.table().over.is_some()
    }

    /// Requests the worker holds, also those nobody waits for any more.
    pub(super) fn in_flight(&self) -> usize {
        self.table().open.len()
    }

    /// Did it answer its last heartbeats?
    pub(super) fn is_prompt(&self) -> bool {
        self.unanswered_pings.load(Ordering::Relaxed) < 2
    }

    /// Puts a request to the worker. The answers come until a final one or the deadline.
    pub(super) fn ask(self: &Arc<Self>, ask: &Ask, samples: &[i16], deadline: Duration) -> Result<Answers, Fault> {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let bytes = encode(request, ask, samples).map_err(|e| self.fault(FaultKind::Refused, e.to_string()))?;
        let (to, answers) = mpsc::channel(ENGINE_ANSWERS_QUEUE);
        {
            let mut table = self.table();
            if let Some(over) = &table.over {
                return Err(self.fault(FaultKind::Unavailable, over.clone()));
            }
            table.open.insert(request, Some(to));
        }
        if self.asks.try_send(bytes).is_err() {
            self.table().open.remove(&request);
            return Err(self.fault(FaultKind::Overloaded, "the worker takes no more requests"));
        }
        let deadline_at = Box::pin(tokio::time::sleep(deadline));
        Ok(Answers { link: self.clone(), request, answers, deadline, deadline_at, complete: false })
    }

    /// Says something that is not answered. Lost when the worker is behind, as such words may be.
    pub(super) fn mention(&self, ask: &Ask) {
        if let Ok(bytes) = encode(0, ask, &[]) {
            drop(self.asks.try_send(bytes));
        }
    }

    fn cancel(&self, request: u64) {
        let mut table = self.table();
        let Some(entry) = table.open.get_mut(&request) else { return };
        *entry = None;
        drop(table);
        if let Ok(bytes) = encode(request, &Ask::Cancel, &[]) {
            drop(self.asks.try_send(bytes));
        }
    }

    /// No more requests if none is open: the supervisor may then end this life unnoticed.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut table = self.table();
        let idle = table.open.is_empty();
        if idle {
            table.over = Some("worker is being renewed".to_owned());
        }
        idle
    }

    /// Ends every open request: this life is over.
    pub(super) fn close(&self, why: &str) {
        let mut table = self.table();
        table.over = Some(why.to_owned());
        table.open.clear();
    }

    fn deliver(&self, frame: Frame<Tell>) {
        let Frame { request, message, samples } = frame;
        if matches!(message, Tell::Pong) {
            self.unanswered_pings.store(0, Ordering::Relaxed);
            return;
        }
        let mut table = self.table();
        let Some(entry) = table.open.get_mut(&request) else { return };
        let last = is_final(&message);
        let fits = match entry {
            Some(to) => !matches!(to.try_send((message, samples)), Err(mpsc::error::TrySendError::Full(_))),
            None => true,
        };
        if last {
            self.served.fetch_add(1, Ordering::Relaxed);
            table.open.remove(&request);
        } else if !fits {
            // The reader fell so far behind that it cannot want the rest; dropping the sender tells it.
            *entry = None;
            drop(table);
            self.cancel(request);
        }
    }

    /// Reads answers until the worker closes or breaks the protocol; returns why.
    pub(super) async fn read(&self, read: &mut OwnedReadHalf, decoder: &mut Decoder) -> String {
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            loop {
                match decoder.next_frame::<Tell>() {
                    Ok(Some(Frame { request: 0, message: Tell::Failed { detail, .. }, .. })) => return detail,
                    Ok(Some(frame)) => self.deliver(frame),
                    Ok(None) => break,
                    Err(error) => return format!("worker broke the protocol: {error}"),
                }
            }
            match read.read(&mut buffer).await {
                Ok(0) => return "worker closed its socket".to_owned(),
                Ok(n) => decoder.push(&buffer[..n]),
                Err(error) => return format!("worker's socket broke: {error}"),
            }
        }
    }

    /// Writes what is asked, in order; returns why it cannot go on.
    pub(super) async fn write(&self, write: &mut OwnedWriteHalf, asks: &mut mpsc::Receiver<Vec<u8>>) -> String {
        while let Some(bytes) = asks.recv().await {
            if let Err(error) = write.write_all(&bytes).await {
                return format!("worker's socket broke: {error}");
            }
        }
        "nobody asks any more".to_owned()
    }

    /// Pings until too many stay unanswered; returns why the worker is taken for dead.
    pub(super) async fn heartbeat(&self) -> String {
        loop {
            tokio::time::sleep(ENGINE_HEARTBEAT).await;
            if self.unanswered_pings.load(Ordering::Relaxed) >= ENGINE_HEARTBEATS_MISSED_MAX {
                return format!("worker missed {ENGINE_HEARTBEATS_MISSED_MAX} heartbeats");
            }
            self.unanswered_pings.fetch_add(1, Ordering::Relaxed);
            self.mention(&Ask::Ping);
        }
    }
}

const fn is_final(tell: &Tell) -> bool {
    matches!(tell, Tell::Transcript(_) | Tell::Generated(_) | Tell::Spoken(_) | Tell::Failed { .. })
}

/// The answers to one request. Dropping it tells the worker that nobody wants the rest.
#[derive(Debug)]
pub(super) struct Answers {
    link: Arc<Link>,
    request: u64,
    answers: mpsc::Receiver<(Tell, Vec<i16>)>,
    deadline: Duration,
    deadline_at: Pin<Box<Sleep>>,
    complete: bool,
}

impl Answers {
    /// The next answer; a fault is the last thing it gives.
    pub(super) async fn next(&mut self) -> Result<(Tell, Vec<i16>), Fault> {
        let answer = tokio::select! {
            biased;
            answer = self.answers.recv() => answer,
            () = &mut self.deadline_at => {
                let detail = format!("no complete answer within {} ms", self.deadline.as_millis());
                return Err(self.link.fault(FaultKind::Deadline, detail));
            }
        };
        match answer {
            Some((Tell::Failed { why, detail }, _)) => {
                self.complete = true;
                let kind = match why {
                    Why::Refused => FaultKind::Refused,
                    Why::Overloaded => FaultKind::Overloaded,
                    Why::Cancelled => FaultKind::Unavailable,
                    Why::Engine => FaultKind::Broken,
                };
                Err(self.link.fault(kind, detail))
            }
            Some((tell, samples)) => {
                self.complete = is_final(&tell);
                Ok((tell, samples))
            }
            None => {
                let over = self.link.table().over.clone();
                Err(match over {
                    Some(over) => self.link.fault(FaultKind::Unavailable, over),
                    None => self.link.fault(FaultKind::Overloaded, "the answer was not taken fast enough"),
                })
            }
        }
    }

    /// A fault for an answer that does not belong to the question.
    pub(super) fn unexpected(&self, tell: &Tell) -> Fault {
        // The answer itself may hold somebody's words; its kind is enough.
        let kind = match tell {
            Tell::Ready(_) => "ready",
            Tell::Pong => "pong",
            Tell::Transcript(_) => "transcript",
            Tell::Text { .. } => "text",
            Tell::Generated(_) => "generated",
            Tell::Audio => "audio",
            Tell::Spoken(_) => "spoken",
            Tell::Failed { .. } => "failed",
        };
        self.link.fault(FaultKind::Broken, format!("answered with `{kind}`, which does not belong to the request"))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if !self.complete {
            self.link.cancel(self.request);
        }
    }
}
