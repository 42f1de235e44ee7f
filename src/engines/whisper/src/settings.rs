//! What the daemon tells the worker before anything else: its one argument, as JSON.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vaani_engine_protocol::desk::Fail;
use vaani_engine_protocol::worker::Limits;

/// Requests worked on at once, at most.
const SLOTS_MAX: u32 = 64;
const THREADS_MAX: u32 = 64;
/// The first bytes of a whisper.cpp model ("ggml", little endian).
const MAGIC: [u8; 4] = *b"lmgg";
/// What is known of models without a sidecar, by the start of their file name.
const KNOWN: [(&str, Sidecar); 1] = [(
    "vaani-starter-stt",
    Sidecar { odia_token: Some(Cow::Borrowed("si")), audio_ctx_max: Some(512), initial_prompt: Some(false) },
)];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// A Whisper model in whisper.cpp's format.
    pub(crate) model: PathBuf,
    /// Utterances recognised at once; they share the weights.
    #[serde(default = "one")]
    pub(crate) slots: u32,
    #[serde(default = "one")]
    pub(crate) threads_per_slot: u32,
    #[serde(default = "yes")]
    pub(crate) flash_attn: bool,
    /// Encoder positions (20 ms each) a short utterance is given at least. Models that get worse on
    /// a cut context want more; 1280 is the whole.
    #[serde(default = "least_context")]
    pub(crate) audio_ctx_min: usize,
    /// Encoder positions of the longest piece, up to 1280 (25.4 s); longer utterances are cut at
    /// their quietest point. 0: what the model's sidecar or name says, else 1280.
    #[serde(default)]
    pub(crate) audio_ctx_max: usize,
    /// Whisper's code that stands for Odia, which Whisper itself lacks: `si`, `none`, or `auto`:
    /// what the `.toml` file beside the model says (`odia_token = "si"`), else by its file name.
    #[serde(default = "auto")]
    pub(crate) odia_token: String,
    #[serde(default)]
    pub(crate) limits: Limits,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn least_context() -> usize {
    256
}

fn auto() -> String {
    "auto".to_owned()
}

/// What is particular about a model: the part that matters here of the `.toml` file beside it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sidecar {
    pub(crate) odia_token: Option<Cow<'static, str>>,
    pub(crate) audio_ctx_max: Option<usize>,
    /// Whether text before the sound helps; models that were hardly trained with it write worse.
    pub(crate) initial_prompt: Option<bool>,
}

impl Settings {
    /// Finds what is wrong before native code does.
    pub(crate) fn check(&self) -> Result<(), Fail> {
        let name = self.model.display();
        for (what, value, most) in
            [("slots", self.slots, SLOTS_MAX), ("threads_per_slot", self.threads_per_slot, THREADS_MAX)]
        {
            if !(1..=most).contains(&value) {
                return Err(Fail::refused(format!("{what} is {value}, it may be 1 to {most}")));
            }
        }
        let mut head = [0_u8; 4];
        std::fs::File::open(&self.model)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head))
            .map_err(|error| Fail::refused(format!("the model {name} cannot be read: {error}")))?;
        if head != MAGIC {
            return Err(Fail::refused(format!("{name} is not a Whisper model in whisper.cpp's format")));
        }
        Ok(())
    }

    /// What the settings, the model's sidecar and its name say together, the first first.
    pub(crate) fn particulars(&self) -> Result<Sidecar, Fail> {
        let beside = sidecar(&self.model)?;
        let known = by_name(&self.model);
        let odia_token = match self.odia_token.as_str() {
            "auto" => beside.odia_token.or(known.odia_token),
            other => Some(Cow::Owned(other.to_owned())),
        };
        let audio_ctx_max =
            Some(self.audio_ctx_max).filter(|n| *n > 0).or(beside.audio_ctx_max).or(known.audio_ctx_max);
        let initial_prompt = beside.initial_prompt.or(known.initial_prompt);
        let odia_token = odia_token.filter(|t| t != "none" && !t.is_empty());
        Ok(Sidecar { odia_token, audio_ctx_max, initial_prompt })
    }
}

fn sidecar(model: &Path) -> Result<Sidecar, Fail> {
    let path = model.with_extension("toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            toml::from_str(&text).map_err(|error| Fail::refused(format!("{} is wrong: {error}", path.display())))
        }
        Err(_) => Ok(Sidecar::default()),
    }
}

fn by_name(model: &Path) -> Sidecar {
    let name = model.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    KNOWN.iter().find(|(start, _)| name.starts_with(start)).map(|(_, known)| known.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(model: &Path, odia_token: &str) -> Settings {
        let json = serde_json::json!({"model": model, "odia_token": odia_token});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn odia_is_known_by_setting_sidecar_or_name() {
        let folder = std::env::temp_dir().join(format!("vaani-whisper-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let starter = folder.join("vaani-starter-stt.bin");
        let full = folder.join("ggml-small.bin");
        assert_eq!(settings(&starter, "auto").particulars().unwrap().odia_token.as_deref(), Some("si"));
        assert_eq!(settings(&starter, "none").particulars().unwrap().odia_token, None);
        assert_eq!(settings(&full, "auto").particulars().unwrap().odia_token, None);
        std::fs::write(folder.join("ggml-small.toml"), "odia_token = \"si\"\nlicence = \"own\"\n").unwrap();
        assert_eq!(settings(&full, "auto").particulars().unwrap().odia_token.as_deref(), Some("si"));
        std::fs::write(folder.join("ggml-small.toml"), "odia_token = [").unwrap();
        assert!(settings(&full, "auto").particulars().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
