//! A worker's desk: the requests that wait, those being worked on, and those no longer wanted.
//!
//! Promise: what waits is bounded in number and bytes; a heartbeat is answered by the reading
//! thread, whatever the working threads do; a panic in one request fails that request only and
//! prints where it happened, never what was in it. Absent on purpose: engines, priorities.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::worker::Teller;
use crate::{Ask, FrameError, Tell, Why, read_frame};

/// How long [`leave`] waits for engines to notice that nobody listens any more.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A request that ends without an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Fail {
    pub why: Why,
    pub detail: String,
}

impl Fail {
    /// The request is wrong.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self { why: Why::Refused, detail: detail.into() }
    }

    /// The engine did not manage.
    pub fn engine(detail: impl Into<String>) -> Self {
        Self { why: Why::Engine, detail: detail.into() }
    }

    pub fn cancelled() -> Self {
        Self { why: Why::Cancelled, detail: "no longer wanted".to_owned() }
    }
}

impl From<Fail> for Tell {
    fn from(fail: Fail) -> Self {
        Self::Failed { why: fail.why, detail: fail.detail }
    }
}

/// Set once the answer is no longer wanted. Cloning gives the same flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// `Err` once set; for `stop.check()?` between the steps of a request.
    pub fn check(&self) -> Result<(), Fail> {
        if self.is_set() { Err(Fail::cancelled()) } else { Ok(()) }
    }

    /// For engines that poll a flag; valid as long as a clone of this lives.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

/// One request, taken from the desk.
#[derive(Debug)]
pub struct Job<T> {
    pub request: u64,
    pub work: T,
    pub stop: Stop,
}

/// Nothing is asked any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// What waits at most.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub requests: usize,
    pub bytes: usize,
}

#[derive(Debug)]
pub struct Desk<T> {
    state: Mutex<State<T>>,
    bell: Condvar,
    room: Room,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: usize,
    running: Vec<(u64, Stop)>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    request: u64,
    work: T,
    bytes: usize,
}

impl<T> Desk<T> {
    pub fn new(room: Room) -> Self {
        let state = State { waiting: VecDeque::new(), waiting_bytes: 0, running: Vec::new(), closed: false };
        Self { state: Mutex::new(state), bell: Condvar::new(), room }
    }

    /// Puts a request at the end of the queue.
    pub fn put(&self, request: u64, work: T, bytes: usize) -> Result<(), Fail> {
        let mut state = self.state();
        if state.running.iter().any(|(n, _)| *n == request) || state.waiting.iter().any(|w| w.request == request) {
            return Err(Fail::refused(format!("request number {request} is already in use")));
        }
        if state.waiting.len() >= self.room.requests || state.waiting_bytes.saturating_add(bytes) > self.room.bytes {
            let detail = format!("{} requests are waiting already", state.waiting.len());
            return Err(Fail { why: Why::Overloaded, detail });
        }
        state.waiting_bytes += bytes;
        state.waiting.push_back(Waiting { request, work, bytes });
        // All, because the one that wakes first may not take this request.
        self.bell.notify_all();
        Ok(())
    }

    /// Waits for the next request; `None` once the desk is closed.
    pub fn take(&self) -> Option<Job<T>> {
        self.take_if(true, |_| true).unwrap_or_default()
    }

    /// The first request that fits. Without one it waits, or gives `None`.
    pub fn take_if(&self, wait: bool, fits: impl Fn(&T) -> bool) -> Result<Option<Job<T>>, Closed> {
        let mut state = self.state();
        loop {
            if state.closed {
                return Err(Closed);
            }
            let at = state.waiting.iter().position(|w| fits(&w.work));
            if let Some(next) = at.and_then(|at| state.waiting.remove(at)) {
                state.waiting_bytes -= next.bytes;
                let stop = Stop::default();
                state.running.push((next.request, stop.clone()));
                return Ok(Some(Job { request: next.request, work: next.work, stop }));
            }
            if !wait {
                return Ok(None);
            }
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The request taken earlier has ended.
    pub fn done(&self, request: u64) {
        self.state().running.retain(|(n, _)| *n != request);
    }

    /// True if the request was still waiting: it is gone, and the caller says so. One being worked
    /// on gets its stop flag set and answers for itself; an unknown one was complete.
    pub fn cancel(&self, request: u64) -> bool {
        let mut state = self.state();
        if let Some((_, stop)) = state.running.iter().find(|(n, _)| *n == request) {
            stop.set();
            return false;
        }
        let Some(at) = state.waiting.iter().position(|w| w.request == request) else { return false };
        if let Some(gone) = state.waiting.remove(at) {
            state.waiting_bytes -= gone.bytes;
        }
        true
    }

    /// Nothing is wanted any more.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        state.waiting_bytes = 0;
        for (_, stop) in &state.running {
            stop.set();
        }
        self.bell.notify_all();
    }

    fn idle(&self) -> bool {
        self.state().running.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the reader makes of an ask that is neither `Ping` nor `Cancel`.
pub enum Sorted<T> {
    /// Put it on the desk; it holds so many bytes.
    Work(T, usize),
    /// Dealt with.
    Done,
}

/// Reads asks until the daemon closes the socket. Runs on a thread of its own.
pub fn read<T>(
    mut stream: UnixStream,
    teller: &Teller,
    desk: &Desk<T>,
    mut sort: impl FnMut(Ask, Vec<i16>) -> Result<Sorted<T>, Fail>,
) -> Result<(), FrameError> {
    loop {
        let frame = match read_frame::<Ask>(&mut stream) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(FrameError::NotUnderstood { request, .. }) => {
                teller.tell(request, &Fail::refused("the ask is not understood").into(), &[])?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let request = frame.request;
        let outcome = match frame.message {
            Ask::Ping => {
                teller.tell(request, &Tell::Pong, &[])?;
                continue;
            }
            Ask::Cancel => {
                if desk.cancel(request) {
                    teller.tell(request, &Fail::cancelled().into(), &[])?;
                }
                continue;
            }
            other => sort(other, frame.samples),
        };
        let outcome = match outcome {
            Ok(Sorted::Work(work, bytes)) => desk.put(request, work, bytes),
            Ok(Sorted::Done) => Ok(()),
            Err(fail) => Err(fail),
        };
        if let Err(fail) = outcome {
            teller.tell(request, &fail.into(), &[])?;
        }
    }
}

/// Works on requests until the desk closes or the daemon is gone. One call a slot, each on its
/// thread. What `work` returns is the last message of the request.
pub fn work<T>(desk: &Desk<T>, teller: &Teller, mut work: impl FnMut(&Job<T>) -> Result<Tell, Fail>) {
    while let Some(job) = desk.take() {
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&job)));
        let last = match outcome {
            Ok(Ok(tell)) => tell,
            Ok(Err(fail)) => fail.into(),
            Err(_) => Fail::engine("the request failed inside the worker").into(),
        };
        // Off the desk before the daemon hears of it: it may use the number again at once.
        desk.done(job.request);
        if teller.tell(job.request, &last, &[]).is_err() {
            return;
        }
    }
}

/// Panics print their place and nothing else: a message may hold a caller's words.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("a request failed inside the worker at {place}");
    }));
}

/// Ends the process once the daemon is gone: engines are asked to stop and given a moment, so that
/// the engine library is not torn down under a running computation.
#[expect(clippy::disallowed_methods, reason = "a worker has no base::clock")]
pub fn leave<T>(desk: &Desk<T>) -> ! {
    desk.close();
    let since = Instant::now();
    while !desk.idle() {
        if since.elapsed() > LEAVE_WITHIN {
            // Still inside native code: no destructor may run.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    std::process::exit(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, encode};

    const ROOM: Room = Room { requests: 2, bytes: 100 };

    #[test]
    fn the_queue_is_bounded_in_number_and_bytes() {
        let desk = Desk::new(ROOM);
        desk.put(1, "a", 60).unwrap();
        assert_eq!(desk.put(2, "b", 60).unwrap_err().why, Why::Overloaded);
        desk.put(2, "b", 40).unwrap();
        assert_eq!(desk.put(3, "c", 0).unwrap_err().why, Why::Overloaded);
        assert_eq!(desk.take().unwrap().request, 1);
        desk.put(3, "c", 60).unwrap();
        assert_eq!(desk.put(1, "again", 0).unwrap_err().why, Why::Refused, "1 is being worked on");
    }

    #[test]
    fn a_cancelled_request_is_gone_or_stopped_or_unknown() {
        let desk = Desk::new(ROOM);
        desk.put(1, (), 50).unwrap();
        desk.put(2, (), 50).unwrap();
        let job = desk.take().unwrap();
        assert!(!desk.cancel(1) && job.stop.is_set());
        assert!(desk.cancel(2));
        assert!(!desk.cancel(2) && !desk.cancel(77));
        desk.put(3, (), 100).unwrap();
        desk.close();
        assert!(desk.take().is_none());
    }

    fn next(stream: &mut UnixStream) -> Frame<Tell> {
        read_frame(stream).unwrap().unwrap()
    }

    #[test]
    fn a_panic_fails_its_own_request_and_the_next_one_is_answered() {
        let (mut daemon, worker) = UnixStream::pair().unwrap();
        let teller = Teller::new(worker.try_clone().unwrap());
        let desk = Desk::new(ROOM);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                work(&desk, &teller, |job: &Job<bool>| if job.work { panic!("on purpose") } else { Ok(Tell::Audio) });
            });
            desk.put(1, true, 0).unwrap();
            let failed = next(&mut daemon);
            assert!(matches!(failed.message, Tell::Failed { why: Why::Engine, .. }) && failed.request == 1);
            desk.put(1, false, 0).unwrap();
            assert_eq!(next(&mut daemon).message, Tell::Audio);
            desk.close();
        });
    }

    #[test]
    fn the_reader_answers_pings_and_ends_with_the_socket() {
        use std::io::Write;
        let (mut daemon, worker) = UnixStream::pair().unwrap();
        let teller = Teller::new(worker.try_clone().unwrap());
        let desk = Desk::<()>::new(ROOM);
        daemon.write_all(&encode(5, &Ask::Ping, &[]).unwrap()).unwrap();
        daemon.write_all(&encode(6, &Ask::Forget { conversation: 1 }, &[]).unwrap()).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(worker, &teller, &desk, |_, _| Err(Fail::refused("not mine"))));
            assert_eq!(next(&mut daemon).message, Tell::Pong);
            assert!(matches!(next(&mut daemon).message, Tell::Failed { why: Why::Refused, .. }));
            daemon.shutdown(std::net::Shutdown::Both).unwrap();
            reader.join().unwrap().unwrap();
        });
    }
}
