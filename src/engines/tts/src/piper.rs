//! Piper voices: networks on ONNX Runtime, one clause at a time.
//!
//! piper-rs is given phonemes, never text: its own text path loses punctuation and glues clauses
//! together, and would call espeak-ng on whatever thread it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use piper_rs::{ModelConfig, Piper};
use serde_json::Value;
use vaani_engine_protocol::desk::Fail;

use crate::espeak::Espeak;
use crate::runtime;
use crate::settings::{Settings, Voice};

/// What a pace of a request is bounded to.
const PACE_LEAST: f32 = 0.5;
const PACE_MOST: f32 = 2.0;

pub(crate) struct Voices {
    voices: Vec<PiperVoice>,
    /// Ids of voices whose files are no use.
    left_out: Vec<String>,
}

pub(crate) struct PiperVoice {
    pub(crate) id: String,
    pub(crate) language: String,
    /// espeak-ng's voice that makes its phonemes.
    pub(crate) espeak_voice: String,
    pub(crate) rate: u32,
    length_scale: f32,
    speaker: Option<i64>,
    network: Arc<Network>,
}

/// A loaded file with its table of sounds, in one or more copies.
struct Network {
    onnx: PathBuf,
    sounds: Value,
    copies: Vec<Mutex<Piper>>,
}

impl Voices {
    /// A voice whose files are no use is left out, with a line in the log: the others and espeak-ng
    /// still speak.
    pub(crate) fn load(settings: &Settings, espeak: &Espeak) -> Result<Self, Fail> {
        let (mut voices, mut left_out) = (Vec::new(), Vec::new());
        if settings.voices.is_empty() {
            return Ok(Self { voices, left_out });
        }
        let library = settings
            .onnxruntime
            .as_deref()
            .ok_or_else(|| Fail::refused("Piper voices need onnxruntime, the path of its shared library"))?;
        runtime::load(library)?;
        for wanted in &settings.voices {
            match PiperVoice::load(wanted, &voices, settings.copies, espeak) {
                Ok(voice) => voices.push(voice),
                Err(fail) => {
                    eprintln!("the voice {} is left out: {fail}", wanted.id);
                    left_out.push(wanted.id.clone());
                }
            }
        }
        Ok(Self { voices, left_out })
    }

    pub(crate) fn is_left_out(&self, id: &str) -> bool {
        self.left_out.iter().any(|v| v == id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&PiperVoice> {
        self.voices.iter().find(|v| v.id == id)
    }

    pub(crate) fn of_language(&self, tag: &str) -> Option<&PiperVoice> {
        self.voices.iter().find(|v| v.language == tag)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.voices.iter().map(|v| v.id.as_str())
    }
}

impl PiperVoice {
    fn load(wanted: &Voice, loaded: &[Self], copies: u32, espeak: &Espeak) -> Result<Self, Fail> {
        let onnx = std::fs::canonicalize(&wanted.onnx)
            .map_err(|error| Fail::refused(format!("{} cannot be read: {error}", wanted.onnx.display())))?;
        let text = std::fs::read_to_string(&wanted.config)
            .map_err(|error| Fail::refused(format!("{} cannot be read: {error}", wanted.config.display())))?;
        let wrong = |what: String| Fail::refused(format!("{} {what}", wanted.config.display()));
        let mut config: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
        complete(&mut config);
        let parsed = model_config(&config).map_err(|error| wrong(format!("is no Piper configuration: {error}")))?;
        let (rate, length_scale) = (parsed.audio.sample_rate, parsed.inference.length_scale);
        if !(8_000..=48_000).contains(&rate) || !(0.1..=10.0).contains(&length_scale) {
            return Err(wrong(format!("has the rate {rate} and the length scale {length_scale}")));
        }
        let espeak_voice = parsed.espeak.voice;
        espeak.phonemes("a", &espeak_voice)?;
        let sounds = sounds(&config);
        let known = loaded.iter().map(|v| &v.network).find(|n| n.onnx == onnx && n.sounds == sounds);
        let network = match known {
            Some(network) => Arc::clone(network),
            None => Arc::new(Network::load(onnx, sounds, &config, copies)?),
        };
        let voice = Self {
            id: wanted.id.clone(),
            language: wanted.language.clone(),
            espeak_voice,
            rate,
            length_scale,
            speaker: wanted.speaker,
            network,
        };
        // A file that is no Piper voice shows here and not in the first call.
        if known.is_none() {
            voice.speak("a.", 1.0)?;
        }
        Ok(voice)
    }

    /// A clause in phonemes to sound at [`PiperVoice::rate`].
    pub(crate) fn speak(&self, phonemes: &str, pace: f32) -> Result<Vec<f32>, Fail> {
        let length = self.length_scale / pace.clamp(PACE_LEAST, PACE_MOST);
        let mut copy = self.network.free_copy();
        let (sound, _) = copy
            .create(phonemes, true, self.speaker, Some(length), None, None)
            .map_err(|error| Fail::engine(format!("the voice {} failed: {error}", self.id)))?;
        Ok(sound)
    }
}

impl Network {
    fn load(onnx: PathBuf, sounds: Value, config: &Value, copies: u32) -> Result<Self, Fail> {
        let mut all = Vec::new();
        for _ in 0..copies {
            let config = model_config(config).map_err(|error| Fail::refused(error.to_string()))?;
            all.push(Mutex::new(Piper::from_session(session(&onnx)?, config)));
        }
        Ok(Self { onnx, sounds, copies: all })
    }

    /// A copy nobody speaks with, or the wait for the first.
    fn free_copy(&self) -> MutexGuard<'_, Piper> {
        for copy in &self.copies {
            match copy.try_lock() {
                Ok(guard) => return guard,
                // Each run of a network stands alone; a panic leaves nothing behind in it.
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.copies[0].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session(onnx: &Path) -> Result<ort::session::Session, Fail> {
    let failed = |error: String| Fail::refused(format!("{} cannot be loaded: {error}", onnx.display()));
    ort::session::Session::builder()
        .map_err(|e| failed(e.to_string()))?
        // One thread: the worker's own slots are the parallelism.
        .with_intra_threads(1)
        .map_err(|e| failed(e.to_string()))?
        .commit_from_file(onnx)
        .map_err(|e| failed(e.to_string()))
}

/// Fills in what older and newer Piper configurations leave out, and takes out sounds that piper-rs
/// cannot hold (written with more than one character).
fn complete(config: &mut Value) {
    let Some(fields) = config.as_object_mut() else { return };
    fields.entry("num_speakers").or_insert(Value::from(1));
    fields.entry("speaker_id_map").or_insert_with(|| serde_json::json!({}));
    let inference = fields.entry("inference").or_insert_with(|| serde_json::json!({}));
    if let Some(inference) = inference.as_object_mut() {
        for (name, usual) in [("noise_scale", 0.667), ("length_scale", 1.0), ("noise_w", 0.8)] {
            inference.entry(name).or_insert(Value::from(usual));
        }
    }
    if let Some(sounds) = fields.get_mut("phoneme_id_map").and_then(Value::as_object_mut) {
        sounds.retain(|key, _| key.chars().count() == 1);
    }
}

fn model_config(config: &Value) -> serde_json::Result<ModelConfig> {
    serde_json::from_value(config.clone())
}

/// All of a configuration that decides what the network is given.
fn sounds(config: &Value) -> Value {
    let part = |key: &str| config.get(key).cloned().unwrap_or_default();
    Value::Array(["phoneme_id_map", "num_speakers", "speaker_id_map", "inference", "audio"].map(part).into())
}
