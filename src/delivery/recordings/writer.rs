//! The thread that writes recordings: one for all calls, with one bounded queue of sound before it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Recordings;
use crate::base::event::StoppedBy;
use crate::base::{CallId, TenantId, limits};
use crate::call::recording::{Fault, Head, Reel, Reels, Tail};
use crate::media::record::Piece;
use crate::store::calls;
use crate::store::consents::{self, Purpose, Status};
use crate::store::disk::Room;
use crate::store::spool::{self, Writer};

/// A recording that is complete, as far as it goes.
pub(super) struct Finished {
    pub(super) tenant: TenantId,
    pub(super) call: CallId,
    pub(super) path: PathBuf,
    pub(super) tail: Tail,
}

enum Job {
    Open { reel: u64, head: Head, key: Zeroizing<[u8; 32]>, state: Arc<AtomicU8> },
    Piece { reel: u64, piece: Piece },
    Confirm { reel: u64 },
    Close { reel: u64, tail: Tail },
    Discard { reel: u64 },
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// How many of them are sound. Only those are bounded: the others are a few a call.
    pieces: usize,
    closed: bool,
}

/// What calls and the thread share.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<(Mutex<Queue>, Condvar, AtomicU64)>);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while holding it leaves at worst a job undone.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) -> bool {
        let mut queue = self.lock();
        if matches!(job, Job::Piece { .. }) {
            if queue.pieces >= limits::RECORDING_QUEUE {
                return false;
            }
            queue.pieces += 1;
        }
        queue.jobs.push_back(job);
        self.0.1.notify_one();
        true
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                queue.pieces -= usize::from(matches!(job, Job::Piece { .. }));
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The thread ends once everything is done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.0.1.notify_all();
    }
}

const WELL: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;
const REFUSED: u8 = 3;

struct Spooled {
    reel: u64,
    desk: Desk,
    state: Arc<AtomicU8>,
}

impl Reels for Recordings {
    fn open(&self, head: Head) -> Result<Box<dyn Reel>, StoppedBy> {
        let vault = &self.0.vault;
        // An agent of the whole box may speak for a tenant whose calls are not to be recorded.
        if !self.0.allowed.allows(&head.tenant) {
            tracing::warn!(tenant = %head.tenant, "a call of this tenant may not be recorded: [recording] does not name it");
            return Err(StoppedBy::Fault);
        }
        if vault.disk().room() == Room::Full {
            self.broke_off();
            return Err(StoppedBy::DiskFull);
        }
        let Some(key) = vault.tenant_secret(&head.tenant, spool::PURPOSE) else { return Err(StoppedBy::Fault) };
        let desk = self.0.desk.clone();
        let reel = desk.0.2.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(AtomicU8::new(WELL));
        desk.push(Job::Open { reel, head, key: Zeroizing::new(key), state: Arc::clone(&state) });
        Ok(Box::new(Spooled { reel, desk, state }))
    }
}

impl Reel for Spooled {
    fn put(&mut self, piece: Piece) -> bool {
        self.desk.push(Job::Piece { reel: self.reel, piece })
    }

    fn confirm(&mut self) {
        self.desk.push(Job::Confirm { reel: self.reel });
    }

    fn fault(&self) -> Option<Fault> {
        match self.state.load(Ordering::Acquire) {
            WELL => None,
            FULL => Some(Fault::Stopped(StoppedBy::DiskFull)),
            REFUSED => Some(Fault::Refused),
            _ => Some(Fault::Stopped(StoppedBy::Fault)),
        }
    }

    fn close(self: Box<Self>, tail: Tail) {
        self.desk.push(Job::Close { reel: self.reel, tail });
    }

    fn discard(self: Box<Self>) {
        self.desk.push(Job::Discard { reel: self.reel });
    }
}

/// One recording on the disk.
struct Open {
    tenant: TenantId,
    call: CallId,
    path: PathBuf,
    /// `None`: it could not be written on.
    writer: Option<Writer>,
    state: Arc<AtomicU8>,
}

/// Starts the thread; what is complete comes out of the receiver, which ends with the thread.
pub(super) fn start(recordings: &Recordings) -> io::Result<mpsc::UnboundedReceiver<Finished>> {
    let (told, finished) = mpsc::unbounded_channel();
    let recordings = recordings.clone();
    let desk = recordings.0.desk.clone();
    std::thread::Builder::new().name("recordings".to_owned()).spawn(move || {
        let mut open = HashMap::new();
        while let Some(job) = desk.next() {
            if let Some(finished) = recordings.work(&mut open, job) {
                // Who brings them has gone at most when the daemon stops; the next start finds them.
                drop(told.send(finished));
            }
        }
    })?;
    Ok(finished)
}

impl Recordings {
    fn work(&self, open: &mut HashMap<u64, Open>, job: Job) -> Option<Finished> {
        match job {
            Job::Open { reel, head, key, state } => {
                let path = spool::path(self.0.vault.state(), &head.tenant, head.call);
                let (tenant, call) = (head.tenant.clone(), head.call);
                let mut one = Open { tenant, call, path, writer: None, state };
                if self.is_refused(&head) {
                    one.state.store(REFUSED, Ordering::Release);
                    open.insert(reel, one);
                    return None;
                }
                let made = serde_json::to_vec(&head).map_err(io::Error::other);
                let made = made.and_then(|head| Writer::create(&one.path, &key, &head));
                match made {
                    Ok(writer) => one.writer = Some(writer),
                    Err(error) => self.failed(&mut one, &error),
                }
                open.insert(reel, one);
            }
            Job::Piece { reel, piece } => self.write(open.get_mut(&reel)?, |writer| match piece {
                Piece::Sound(both) => writer.sound(&both),
                Piece::Silence(samples) => writer.silence(samples),
            }),
            Job::Confirm { reel } => self.write(open.get_mut(&reel)?, Writer::confirmed),
            Job::Close { reel, tail } => {
                let mut one = open.remove(&reel)?;
                self.0.metrics.lost_ms.inc_by(tail.lost_ms);
                if let Some(writer) = one.writer.take() {
                    let ended = serde_json::to_vec(&tail).map_err(io::Error::other);
                    if let Err(error) = ended.and_then(|tail| writer.finish(&tail)) {
                        self.failed(&mut one, &error);
                    }
                }
                let Open { tenant, call, path, .. } = one;
                return Some(Finished { tenant, call, path, tail });
            }
            Job::Discard { reel } => {
                let one = open.remove(&reel)?;
                drop(one.writer);
                self.0.metrics.count("declined");
                self.remove(&one.path);
            }
        }
        None
    }

    /// Has the person taken their consent back at another time? Where nobody can tell, the notice on this
    /// call is what counts.
    fn is_refused(&self, head: &Head) -> bool {
        let Some(db) = self.0.vault.tenant(&head.tenant) else { return false };
        let call = head.call.to_string();
        let found = db.read_blocking(|db| {
            let Some(hash) = calls::find(db, &call)?.and_then(|call| call.caller_hash) else { return Ok(None) };
            consents::current(db, &hash, Purpose::RECORDING)
        });
        found.ok().flatten().is_some_and(|consent| consent.status == Status::Withdrawn)
    }

    fn write(&self, one: &mut Open, write: impl FnOnce(&mut Writer) -> io::Result<()>) {
        let Some(writer) = &mut one.writer else { return };
        if let Err(error) = write(writer) {
            self.failed(one, &error);
        }
    }

    /// What was sealed before stays; nothing is written behind it.
    fn failed(&self, one: &mut Open, error: &io::Error) {
        one.writer = None;
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full {
            self.0.vault.disk().write_failed();
        }
        one.state.store(if full { FULL } else { BROKEN }, Ordering::Release);
        self.0.metrics.count("failed");
        self.broke_off();
        tracing::error!(call = %one.call, %error, "a recording could not be written and ends here; the call goes on");
    }

    fn broke_off(&self) {
        self.0.broken_off.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a file that nobody needs any more.
    pub(super) fn remove(&self, path: &std::path::Path) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "what is left of a recording could not be removed; the next start does it");
            }
            _ => {}
        }
    }
}
