//! What the configuration wants of the local engines, made concrete for this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vaani_engine_protocol::worker::Limits;

use super::spawn::Program;
use crate::ai::hardware::{Hardware, ModelSizes, Plan, WorkerPlan};
use crate::base::tasks::Scope;
use crate::base::{Clock, Lang};
use crate::config::{Engine, Settings};

/// Everything the local engines are started with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub scope: Scope,
    pub clock: Clock,
    /// `vaani-engine-whisper`, `vaani-engine-llama`, `vaani-engine-tts`.
    pub engines_dir: PathBuf,
    /// `libonnxruntime.so` and `espeak-ng-data`.
    pub lib_dir: PathBuf,
    pub models_dir: PathBuf,
    pub stt_model: PathBuf,
    pub llm_model: PathBuf,
    /// Tokens one conversation may hold.
    pub llm_context: u32,
    /// A Piper voice.
    pub tts_model: PathBuf,
    /// The voice of a language when nobody asks for another.
    pub voices: BTreeMap<Lang, String>,
    pub plan: Plan,
}

impl Setup {
    pub fn new(settings: &Settings, hardware: &Hardware, scope: Scope, clock: Clock) -> Self {
        let engines = &settings.engines;
        let model = |engine: &Engine| settings.data.models_dir.join(&engine.model);
        let (stt, llm, tts) = (model(&engines.stt.engine), model(&engines.llm.engine), model(&engines.tts.engine));
        let plan = hardware.plan(ModelSizes::of(&stt, &llm, &tts));
        Self {
            scope,
            clock,
            engines_dir: settings.data.engines_dir.clone(),
            lib_dir: settings.data.lib_dir.clone(),
            models_dir: settings.data.models_dir.clone(),
            stt_model: stt,
            llm_model: llm,
            llm_context: engines.llm.context,
            tts_model: tts,
            voices: engines.tts.voices.clone(),
            plan: Plan {
                stt: wanted(plan.stt, &engines.stt.engine, ThreadsAre::OfASlot),
                llm: wanted(plan.llm, &engines.llm.engine, ThreadsAre::OfAWorker),
                tts: wanted(plan.tts, &engines.tts.engine, ThreadsAre::OfAWorker),
            },
        }
    }

    /// What a worker is run with: its program, and its settings with the limits put in.
    pub(super) fn program(&self, name: &str, plan: &WorkerPlan, mut settings: Value) -> Program {
        // What is in use is watched from outside; the hard limit only stops a runaway. It counts what is
        // reserved, and whisper.cpp reserves half a gigabyte for a state that uses fifty megabytes.
        let hard = if plan.memory == 0 { 0 } else { plan.memory * 2 + plan.slots as u64 * (1 << 30) };
        let limits = Limits { memory: hard, nice: plan.nice, cores: plan.cores.clone() };
        settings["limits"] = json!(limits);
        Program { path: self.engines_dir.join(name), settings: settings.to_string() }
    }

    /// The programs and models that are not there, for the doctor and for clear words at the start.
    pub fn missing(&self) -> Vec<PathBuf> {
        let programs = ["vaani-engine-whisper", "vaani-engine-llama", "vaani-engine-tts"];
        let files = programs.iter().map(|name| self.engines_dir.join(name));
        let models = [&self.stt_model, &self.llm_model, &self.tts_model].into_iter().cloned();
        files.chain(models).filter(|path| !Path::exists(path)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ThreadsAre {
    OfASlot,
    OfAWorker,
}

/// The machine's plan with the configuration's wishes: workers, slots and limits as written, threads
/// only where a number stands, else shared out among them.
fn wanted(plan: WorkerPlan, engine: &Engine, threads_are: ThreadsAre) -> WorkerPlan {
    let (workers, slots) = (engine.workers.max(1) as usize, engine.slots.max(1) as usize);
    let budget = plan.workers * plan.threads * if threads_are == ThreadsAre::OfASlot { plan.slots } else { 1 };
    let sharers = workers * if threads_are == ThreadsAre::OfASlot { slots } else { 1 };
    WorkerPlan {
        workers,
        slots,
        threads: if engine.threads == 0 { (budget / sharers).max(1) } else { engine.threads as usize },
        memory: u64::from(engine.memory_mb) << 20,
        nice: i32::try_from(engine.nice).unwrap_or(19),
        ..plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_decides_and_the_machine_fills_in() {
        let hardware = Hardware {
            arch: "x86_64",
            cores: 8,
            features: Vec::new(),
            memory: 16 << 30,
            memory_free: 12 << 30,
            gpu: None,
        };
        let plan = hardware.plan(ModelSizes { stt: 500 << 20, llm: 1 << 30, tts: 0 });
        assert_eq!((plan.stt.slots, plan.stt.threads), (1, 4));
        let engine = |workers, slots, threads| Engine {
            model: "m".to_owned(),
            workers,
            slots,
            threads,
            memory_mb: 512,
            nice: 5,
        };
        let stt = wanted(plan.stt.clone(), &engine(1, 2, 0), ThreadsAre::OfASlot);
        assert_eq!((stt.workers, stt.slots, stt.threads, stt.spares), (1, 2, 2, 1));
        assert_eq!((stt.memory, stt.nice), (512 << 20, 5));
        let many = wanted(plan.stt.clone(), &engine(3, 4, 0), ThreadsAre::OfASlot);
        assert_eq!((many.workers, many.slots, many.threads), (3, 4, 1));
        assert_eq!(wanted(plan.stt, &engine(1, 2, 7), ThreadsAre::OfASlot).threads, 7);
        assert_eq!(wanted(plan.llm, &engine(2, 4, 0), ThreadsAre::OfAWorker).threads, 2);
    }
}
