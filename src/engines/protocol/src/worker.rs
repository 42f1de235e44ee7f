//! What every worker does the same: its limits, its socket, its first and last words.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{FrameError, Tell, encode};

/// Limits the daemon sets for a worker; part of each worker's settings (its one argument, JSON).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of private memory; beyond it allocations fail and the worker dies. 0: no limit.
    pub memory: u64,
    /// Added to the daemon's niceness.
    pub nice: i32,
    /// Processor numbers to stay on; empty: all.
    pub cores: Vec<usize>,
}

/// Takes the limits on and ties this process's life to the daemon's.
pub fn settle(limits: &Limits) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, getppid, setrlimit};
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().is_none_or(|parent| parent.is_init()) {
        // The daemon died before the line above; nobody would ever stop this process.
        std::process::exit(0);
    }
    if limits.memory > 0 {
        setrlimit(Resource::Data, Rlimit { current: Some(limits.memory), maximum: Some(limits.memory) })?;
    }
    if limits.nice != 0 {
        let now = rustix::process::getpriority_process(None)?;
        rustix::process::setpriority_process(None, now + limits.nice)?;
    }
    if !limits.cores.is_empty() {
        let mut set = rustix::thread::CpuSet::new();
        for core in &limits.cores {
            if *core < rustix::thread::CpuSet::MAX_CPU {
                set.set(*core);
            }
        }
        rustix::thread::sched_setaffinity(None, &set)?;
    }
    Ok(())
}

/// The socket the daemon left as standard input.
pub fn socket() -> std::io::Result<UnixStream> {
    let stdin = rustix::io::dup(rustix::stdio::stdin())?;
    Ok(UnixStream::from(stdin))
}

/// The worker's mouth: shared by its threads, one frame at a time.
#[derive(Clone, Debug)]
pub struct Teller(Arc<Mutex<UnixStream>>);

impl Teller {
    pub fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends one message. An error means that the daemon is gone; the caller ends its thread.
    pub fn tell(&self, request: u64, message: &Tell, samples: &[i16]) -> Result<(), FrameError> {
        let bytes = encode(request, message, samples)?;
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&bytes)?;
        Ok(())
    }
}
