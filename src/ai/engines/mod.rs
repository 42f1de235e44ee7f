//! The daemon's side of the local engine workers: programs under supervision that hear
//! ([`Whisper`]), think ([`Llama`]) and speak ([`Voices`]), each behind the contract of its kind.
//!
//! Promise: no engine code runs in this process, and none of its failures ends a call. Absent on
//! purpose: other providers, and the choice among them.

mod link;
mod llama;
mod pool;
mod spawn;
mod supervise;
mod tts;
mod whisper;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use vaani_engine_protocol::worker::Limits;

pub use llama::Llama;
pub use pool::PoolHealth;
pub use supervise::WorkerHealth;
pub use tts::Voices;
pub use whisper::Whisper;

use crate::ai::hardware::WorkerPlan;
use crate::base::Clock;
use crate::base::tasks::Scope;

/// Where programs, models and libraries lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnginePaths {
    /// Model files; relative model names are looked up here.
    pub models_dir: PathBuf,
    /// `libonnxruntime.so` and `espeak-ng-data`.
    pub lib_dir: PathBuf,
    /// `vaani-engine-whisper`, `vaani-engine-llama`, `vaani-engine-tts`.
    pub engines_dir: PathBuf,
}

impl EnginePaths {
    /// A model file named in the configuration: absolute, or relative to the models folder.
    pub fn model(&self, name: &Path) -> PathBuf {
        self.models_dir.join(name)
    }
}

/// What every engine needs to start.
#[derive(Clone, Debug)]
pub struct Home {
    pub paths: EnginePaths,
    pub scope: Scope,
    pub clock: Clock,
}

impl Home {
    /// What a worker is run with: its program, and its settings with the limits put in.
    fn program(&self, name: &str, plan: &WorkerPlan, mut settings: Value) -> spawn::Program {
        let limits = Limits { memory: plan.memory, nice: plan.nice, cores: plan.cores.clone() };
        settings["limits"] = json!(limits);
        spawn::Program { path: self.paths.engines_dir.join(name), settings: settings.to_string() }
    }
}
