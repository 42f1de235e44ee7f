//! What the daemon may set, and how it is laid out on this machine for this model.

use std::path::PathBuf;

use serde::Deserialize;
use vaani_engine_protocol::desk::Fail;
use vaani_engine_protocol::worker::Limits;

/// Prompt tokens of one step at most: a step cannot be interrupted, so this bounds how long a
/// cancellation waits and how long running answers pause for a new prompt.
const PROMPT_CHUNK_MAX: u32 = 128;
/// llama.cpp's own bound on sequences of one context.
const SEQUENCES_MAX: u32 = 256;
/// A model of at most so many bytes stays in the processor's cache. Its steps are bound by
/// computing, and too short to be worth handing out to several threads.
const SMALL_MODEL: u64 = 48 << 20;

/// The worker's argument.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// A GGUF file.
    pub model: PathBuf,
    /// KV cells over all conversations.
    pub context: u32,
    /// Answers written at once; more wait.
    pub slots: u32,
    /// Requests that may wait.
    pub queue: usize,
    /// Evaluated prompts kept beside the running ones.
    pub conversations: u32,
    /// Threads that compute one step together. 0: as many as there are cores.
    pub threads: u32,
    /// Independent contexts on the one model, each with a thread team of its own. 0: for a small
    /// model one on each core, with one thread; these never wait for each other, so that they may
    /// be as many as the cores although other engines compute beside them. For others one.
    pub lanes: u32,
    /// Tokens of one step, prompts and answers together. 0: what slots and `prompt_chunk` need.
    pub batch: u32,
    pub prompt_chunk: u32,
    /// Instead of the model's own: a template, or the name of one that llama.cpp knows (`chatml`).
    pub chat_template: Option<String>,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            context: 8_192,
            slots: 8,
            queue: 64,
            conversations: 32,
            threads: 0,
            lanes: 0,
            batch: 0,
            prompt_chunk: PROMPT_CHUNK_MAX,
            chat_template: None,
            limits: Limits::default(),
        }
    }
}

/// The layout of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub lanes: u32,
    pub threads: u32,
    pub cells: u32,
    pub slots: usize,
    pub sequences: u32,
    pub prompt_chunk: usize,
    /// Attention by whole matrices instead of key by key. For a small model on a processor the
    /// question of a later turn is then read in two thirds of the time, which is what a caller
    /// waits for; the first reading of a long brief takes half as long again, and steps get dearer
    /// with the cells that all conversations hold together.
    pub plain_attention: bool,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Fail> {
        let wrong = |what: &str| Err(Fail::refused(format!("the settings are wrong: {what}")));
        if self.context < 256 || self.context > 1 << 22 {
            return wrong("context is not between 256 and 4194304 cells");
        }
        if self.slots == 0 || self.slots > SEQUENCES_MAX / 2 {
            return wrong("slots is not between 1 and 128");
        }
        if self.prompt_chunk == 0 || self.prompt_chunk > PROMPT_CHUNK_MAX {
            return wrong("prompt_chunk is not between 1 and 128");
        }
        if self.batch != 0 && self.batch <= self.slots {
            return wrong("batch leaves no room for prompts beside the slots");
        }
        if self.threads > 1024 || self.lanes > 64 {
            return wrong("there are not so many cores");
        }
        Ok(())
    }

    /// The layout for a model of so many bytes. `stateful` models (recurrent) pay for every
    /// sequence, used or not.
    pub(crate) fn shape(&self, cores: u32, model_bytes: u64, stateful: bool) -> Shape {
        let threads = if self.threads == 0 { cores.max(1) } else { self.threads };
        let small = model_bytes <= SMALL_MODEL;
        let lanes = match self.lanes {
            0 if small => cores.min(self.slots).min(self.context / 2_048).max(1),
            0 => 1,
            lanes => lanes.min(self.slots),
        };
        let slots = self.slots.div_ceil(lanes);
        let kept = if stateful { slots } else { self.conversations.div_ceil(lanes).max(1) };
        let room = if self.batch == 0 { PROMPT_CHUNK_MAX } else { self.batch - self.slots };
        Shape {
            lanes,
            threads: if self.lanes == 0 && small { 1 } else { (threads / lanes).max(1) },
            cells: (self.context / lanes).max(256),
            slots: slots as usize,
            sequences: (slots + kept + 1).min(SEQUENCES_MAX),
            prompt_chunk: self.prompt_chunk.min(room) as usize,
            plain_attention: small,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_get_a_lane_a_core_and_large_ones_all_cores() {
        let settings = Settings::default();
        for threads in 0..3 {
            let small = Settings { threads, ..Settings::default() }.shape(2, 16 << 20, false);
            assert_eq!((small.lanes, small.threads, small.cells, small.slots), (2, 1, 4_096, 4));
        }
        let large = settings.shape(16, 600 << 20, false);
        assert!(!large.plain_attention);
        assert_eq!((large.lanes, large.threads, large.cells, large.slots), (1, 16, 8_192, 8));
        assert_eq!(settings.shape(4, 600 << 20, true).sequences, 17);
    }

    #[test]
    fn a_small_context_is_not_cut_into_useless_lanes() {
        let settings = Settings { context: 2_048, ..Settings::default() };
        assert_eq!(settings.shape(8, 16 << 20, false).lanes, 1);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for json in [
            r#"{"context": 10}"#,
            r#"{"slots": 0}"#,
            r#"{"slots": 4000}"#,
            r#"{"prompt_chunk": 129}"#,
            r#"{"prompt_chunk": 0}"#,
            r#"{"batch": 8, "slots": 8}"#,
            r#"{"lanes": 100000}"#,
        ] {
            serde_json::from_str::<Settings>(json).unwrap().check().unwrap_err();
        }
        Settings::default().check().unwrap();
    }
}
