//! What the daemon tells the worker before anything else: its one argument, as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vaani_engine_protocol::desk::Fail;
use vaani_engine_protocol::worker::Limits;

use crate::language::espeak_voice;

const SLOTS_MAX: u32 = 16;
const VOICES_MAX: usize = 256;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// espeak-ng's data: the folder `espeak-ng-data`, or the one that holds it.
    pub(crate) espeak_data: PathBuf,
    /// The shared library of ONNX Runtime; needed when there are Piper voices.
    #[serde(default)]
    pub(crate) onnxruntime: Option<PathBuf>,
    #[serde(default)]
    pub(crate) voices: Vec<Voice>,
    /// Language tag to voice (as in a request) where a request names none. A language without a row
    /// speaks with its first Piper voice, else with espeak-ng.
    #[serde(default)]
    pub(crate) defaults: BTreeMap<String, String>,
    /// Requests spoken at once.
    #[serde(default = "one")]
    pub(crate) slots: u32,
    /// Copies of each network in memory: one speaks one clause at a time.
    #[serde(default = "one")]
    pub(crate) copies: u32,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// A Piper voice. Voices that name the same file with configurations of the same sounds share it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Voice {
    pub(crate) id: String,
    pub(crate) onnx: PathBuf,
    pub(crate) config: PathBuf,
    /// Language tag.
    pub(crate) language: String,
    /// Number of the speaker in a voice with several.
    #[serde(default)]
    pub(crate) speaker: Option<i64>,
}

fn one() -> u32 {
    1
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Fail> {
        for (what, value) in [("slots", self.slots), ("copies", self.copies)] {
            if !(1..=SLOTS_MAX).contains(&value) {
                return Err(Fail::refused(format!("{what} is {value}, it may be 1 to {SLOTS_MAX}")));
            }
        }
        if self.voices.len() > VOICES_MAX {
            return Err(Fail::refused(format!("{} voices are more than {VOICES_MAX}", self.voices.len())));
        }
        for (number, voice) in self.voices.iter().enumerate() {
            if voice.id.is_empty() || voice.id == "piper" || voice.id.starts_with("espeak") {
                return Err(Fail::refused(format!("a voice cannot be called {:?}", voice.id)));
            }
            if espeak_voice(&voice.language).is_none() {
                return Err(Fail::refused(format!(
                    "voice {}: {:?} is no language of the box",
                    voice.id, voice.language
                )));
            }
            if self.voices[..number].iter().any(|v| v.id == voice.id) {
                return Err(Fail::refused(format!("two voices are called {:?}", voice.id)));
            }
        }
        Ok(())
    }

    /// The folder that holds `espeak-ng-data`, as espeak-ng wants it.
    pub(crate) fn espeak_home(&self) -> Result<PathBuf, Fail> {
        let given = &self.espeak_data;
        let holds = |folder: &Path| folder.join("phontab").is_file();
        if holds(&given.join("espeak-ng-data")) {
            return Ok(given.clone());
        }
        match given.parent() {
            Some(parent) if holds(given) && given.ends_with("espeak-ng-data") => Ok(parent.to_path_buf()),
            _ => Err(Fail::refused(format!("no espeak-ng-data is in {}", given.display()))),
        }
    }
}
