//! Which Piper voices lie in the models folder, and the library they need.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ai::catalogue::piper_config;
use crate::base::Lang;

/// A voice as the worker wants it told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Voice {
    pub id: String,
    pub onnx: PathBuf,
    pub config: PathBuf,
    pub language: Lang,
}

/// The part of a Piper configuration that names its language.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    language: Code,
    #[serde(default)]
    espeak: Espeak,
}

#[derive(Debug, Default, Deserialize)]
struct Code {
    #[serde(default)]
    code: String,
}

#[derive(Debug, Default, Deserialize)]
struct Espeak {
    #[serde(default)]
    voice: String,
}

/// The configured voice, then every voice that was imported. The first of a language is its default.
pub(super) fn find(model: &Path, models_dir: &Path) -> Vec<Voice> {
    let mut voices = of_file(model);
    for onnx in files(&models_dir.join("imported/tts"), ".onnx") {
        for voice in of_file(&onnx) {
            if !voices.iter().any(|v| v.id == voice.id) {
                voices.push(voice);
            }
        }
    }
    voices
}

/// A file with its own configuration (`voice.onnx.json`) is one voice; without one, it speaks every
/// language that has a configuration of its own beside it (`hi-IN.onnx.json`).
fn of_file(onnx: &Path) -> Vec<Voice> {
    let Some(stem) = onnx.file_stem().and_then(|s| s.to_str()) else { return Vec::new() };
    let own = piper_config(onnx);
    if own.is_file() {
        let voice = language(&own).map(|language| Voice {
            id: stem.to_owned(),
            onnx: onnx.to_owned(),
            config: own.clone(),
            language,
        });
        return voice.into_iter().collect();
    }
    let folder = onnx.parent().unwrap_or(Path::new("."));
    files(folder, ".onnx.json")
        .into_iter()
        // The configuration of another file in the folder is not ours.
        .filter(|config| !config.with_extension("").is_file())
        .filter_map(|config| {
            let language = language(&config)?;
            Some(Voice { id: format!("{stem}-{}", language.iso()), onnx: onnx.to_owned(), config, language })
        })
        .collect()
}

fn language(config: &Path) -> Option<Lang> {
    let read = fs::read(config).ok().and_then(|bytes| serde_json::from_slice::<Config>(&bytes).ok());
    let found = read.and_then(|c| c.language.code.parse().or_else(|_| c.espeak.voice.parse()).ok());
    if found.is_none() {
        tracing::warn!(config = %config.display(), "voice has no language of this box; left out");
    }
    found
}

/// In the order of their names.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|name| name.ends_with(ending)))
        .collect();
    found.sort();
    found
}

/// `libonnxruntime.so` with any version behind it.
pub(super) fn onnxruntime(lib_dir: &Path) -> Option<PathBuf> {
    let exact = lib_dir.join("libonnxruntime.so");
    if exact.is_file() {
        return Some(exact);
    }
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with("libonnxruntime.so.") && path.is_file()
    };
    files(lib_dir, "").into_iter().rfind(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_voice_speaks_eleven_languages_and_imported_ones_follow() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let starter = models.join("starter/tts/vaani-starter-voice.onnx");
        let voices = find(&starter, &models);
        assert_eq!(voices.len(), 11);
        assert!(Lang::ALL.iter().all(|l| voices.iter().any(|v| v.language == *l)));
        assert!(voices.iter().any(|v| v.id == "vaani-starter-voice-hi"));

        let dir = tempfile::tempdir().unwrap();
        let imported = dir.path().join("imported/tts");
        fs::create_dir_all(&imported).unwrap();
        let write = |name: &str, text: &str| fs::write(imported.join(name), text).unwrap();
        write("te_IN-x-medium.onnx", "onnx");
        write(
            "te_IN-x-medium.onnx.json",
            r#"{"language": {"code": "te_IN", "family": "te"}, "espeak": {"voice": "te"}}"#,
        );
        write("old.onnx", "onnx");
        write("old.onnx.json", r#"{"espeak": {"voice": "ml"}}"#);
        write("french.onnx", "onnx");
        write("french.onnx.json", r#"{"language": {"code": "fr_FR"}}"#);
        write("broken.onnx", "onnx");
        write("broken.onnx.json", "{");
        let found = find(&starter, dir.path());
        let more: Vec<_> = found[11..].iter().map(|v| (v.id.as_str(), v.language)).collect();
        assert_eq!(more, [("old", Lang::Ml), ("te_IN-x-medium", Lang::Te)]);
        // A folder of finished voices is not taken for configurations of one more.
        assert!(of_file(&imported.join("nobody.onnx")).is_empty());
    }
}
