//! Recordings of calls: written while the call lasts, brought to where objects lie at its end, read.
//!
//! Promise: a call never waits for its recording; nothing of it is on any disk in the open, not even on the
//! way ([`crate::store::spool`]); what a process that died had written is kept at the next start, unless the
//! caller may still have objected. An object has its row before it is put, and what is erased while it is
//! put is removed again. What cannot be kept now (full disk, no network) waits sealed and is tried again.
//!
//! A recording is a WAV file with 16-bit stereo sound at 8 kHz, 115 MB an hour: any player opens it, and a
//! second of it lies at a known place, so a part can be read without the rest. A lossless code would halve
//! it, at the price of an index for both.
//! Absent on purpose: whether a call may be recorded (`call::consent`), how long one is kept
//! (`store::retention`).

mod arrive;
mod read;
mod wave;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use super::objects::Objects;
use crate::base::Clock;
use crate::base::event::{RecordingMode, StoppedBy};
use crate::base::tasks::Scope;
use crate::config;
use crate::media::record::Cut;
use crate::store::Vault;

pub use self::read::{NotRead, Part, Sound};

/// What is known of a recording: the facts of its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recorded {
    /// It can be read.
    pub ready: bool,
    pub mode: RecordingMode,
    /// Milliseconds since 1970 UTC at the first sample.
    pub began_ms: u64,
    pub duration_ms: u64,
    /// Left: the caller; right: the agent.
    pub channels: u16,
    pub rate: u32,
    /// Of the agent's sound, what was sent and thrown away before it was played.
    pub cuts: Vec<Cut>,
    /// Sound that could not be written in time; it is silence.
    pub lost_ms: u64,
    /// `null`: the process died.
    pub stopped: Option<StoppedBy>,
}

/// What became of recordings. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct RecordingMetrics {
    /// By outcome: `kept`, `declined`, `unconsented` (the process died before the caller could object),
    /// `empty`, `orphaned` (of somebody who was erased), `failed` (a write that failed).
    recordings: Family<[(&'static str, &'static str); 1], Counter>,
    bytes: Counter<u64, AtomicU64>,
    lost_ms: Counter<u64, AtomicU64>,
}

impl RecordingMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("recordings", "Recordings of calls, by what became of them", self.recordings.clone());
        registry.register("recording_bytes", "Bytes of recordings that were kept", self.bytes.clone());
        registry.register(
            "recording_lost_milliseconds",
            "Sound that could not be written in time and is silence in recordings",
            self.lost_ms.clone(),
        );
    }

    fn count(&self, outcome: &'static str) {
        self.recordings.get_or_create(&[("outcome", outcome)]).inc();
    }
}

/// How it stands with recordings, for whoever watches the box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Recordings that ended early since the start, because they could not be written.
    pub broken_off: u64,
    /// Recordings of calls that are over and that could not be brought to their place yet.
    pub waiting: usize,
    /// Why not.
    pub why: Option<String>,
}

struct Inner {
    vault: Vault,
    objects: Objects,
    clock: Clock,
    allowed: config::Recording,
    /// Transcripts of recorded calls are kept beside them.
    keep_words: bool,
    desk: writer::Desk,
    metrics: RecordingMetrics,
    broken_off: AtomicU64,
    waiting: AtomicUsize,
    why: Mutex<Option<String>>,
}

/// Cheap to clone; one for the daemon.
#[derive(Clone)]
pub struct Recordings(Arc<Inner>);

impl Recordings {
    pub fn new(vault: Vault, objects: Objects, clock: Clock, allowed: config::Recording, keep_words: bool) -> Self {
        Self(Arc::new(Inner {
            vault,
            objects,
            clock,
            allowed,
            keep_words,
            desk: writer::Desk::default(),
            metrics: RecordingMetrics::default(),
            broken_off: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            why: Mutex::new(None),
        }))
    }

    pub fn metrics(&self) -> &RecordingMetrics {
        &self.0.metrics
    }

    pub fn trouble(&self) -> Trouble {
        Trouble {
            broken_off: self.0.broken_off.load(Ordering::Relaxed),
            waiting: self.0.waiting.load(Ordering::Relaxed),
            why: self.0.why.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Begins the work; what the last process left is looked at first. Ends with the scope, after what is
    /// complete was brought to its place, or left for the next start.
    pub fn start(&self, scope: &Scope) -> std::io::Result<()> {
        let left = crate::store::spool::all(self.0.vault.state()).unwrap_or_else(|error| {
            tracing::error!(%error, "recordings that a dead process left cannot be looked for; the next start does");
            Vec::new()
        });
        let finished = writer::start(self)?;
        scope.spawn("recordings", self.clone().bring(left, finished, scope.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
