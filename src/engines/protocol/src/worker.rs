//! What every worker does the same: its limits, its socket, its first and last words.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::desk::Fail;
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
    use rustix::process::{Resource, Rlimit, Signal, setrlimit};
    // A daemon that died before this line closed its end of the socket: reading ends the worker.
    // (The parent's number tells nothing: in a container the daemon itself may be process 1.)
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
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

/// What the workers' native code is compiled for, of which this processor has nothing. Asked before
/// native code runs, because that would end in SIGILL.
pub fn missing_cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let missing = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
        ("bmi2", std::arch::is_x86_feature_detected!("bmi2")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let missing: [(&str, bool); 0] = [];
    missing.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

/// The settings: this process's one argument.
pub fn settings<S: DeserializeOwned>() -> Result<S, Fail> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(json), None) = (arguments.next(), arguments.next()) else {
        return Err(Fail::refused("a worker takes one argument, its settings as JSON"));
    };
    let json = json.into_string().map_err(|_| Fail::refused("the settings are not UTF-8"))?;
    serde_json::from_str(&json).map_err(|error| Fail::refused(format!("the settings are wrong: {error}")))
}

/// Everything a worker does before it loads its engine.
pub fn begin<S: DeserializeOwned>(limits: impl Fn(&S) -> &Limits) -> Result<S, Fail> {
    let settings: S = settings()?;
    settle(limits(&settings)).map_err(|error| Fail::refused(format!("the limits cannot be set: {error}")))?;
    let missing = missing_cpu_features();
    if !missing.is_empty() {
        return Err(Fail::refused(format!("this processor lacks {}", missing.join(", "))));
    }
    Ok(settings)
}

/// Measures a worker's own time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a worker has no base::clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn ms(&self) -> u64 {
        self.us() / 1_000
    }
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
