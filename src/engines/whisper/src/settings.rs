//! What the daemon tells the worker before anything else: its one argument, as JSON.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use vaani_engine_protocol::desk::Fail;
use vaani_engine_protocol::worker::Limits;

/// Requests worked on at once, at most.
const SLOTS_MAX: u32 = 64;
const THREADS_MAX: u32 = 64;
/// The first bytes of a whisper.cpp model ("ggml", little endian).
const MAGIC: [u8; 4] = *b"lmgg";
/// Models that speak Odia through another language's token, by the start of their file name.
const ODIA_SPEAKERS: [(&str, &str); 1] = [("vaani-starter-stt", "si")];

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

/// The part of a model's sidecar file that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sidecar {
    odia_token: Option<String>,
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

    /// Whisper's code for Odia with this model, if it has any.
    pub(crate) fn odia(&self) -> Result<Option<String>, Fail> {
        let token = match self.odia_token.as_str() {
            "auto" => sidecar(&self.model)?.odia_token.or_else(|| by_name(&self.model)),
            other => Some(other.to_owned()),
        };
        Ok(token.filter(|t| t != "none" && !t.is_empty()))
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

fn by_name(model: &Path) -> Option<String> {
    let name = model.file_name()?.to_str()?;
    ODIA_SPEAKERS.iter().find(|(start, _)| name.starts_with(start)).map(|(_, token)| (*token).to_owned())
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
        assert_eq!(settings(&starter, "auto").odia().unwrap().as_deref(), Some("si"));
        assert_eq!(settings(&starter, "none").odia().unwrap(), None);
        assert_eq!(settings(&full, "auto").odia().unwrap(), None);
        std::fs::write(folder.join("ggml-small.toml"), "odia_token = \"si\"\nlicence = \"own\"\n").unwrap();
        assert_eq!(settings(&full, "auto").odia().unwrap().as_deref(), Some("si"));
        std::fs::write(folder.join("ggml-small.toml"), "odia_token = [").unwrap();
        assert!(settings(&full, "auto").odia().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
