//! Which models there are (`models/catalogue.toml`) and which of them lie on this box.
//!
//! Promise: a catalogue with a mistake is refused whole; a file is called verified only when every
//! byte of it was read. Absent on purpose: downloads; loading (the workers do that).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::Lang;

/// The catalogue that is shipped with the box.
pub const SHIPPED: &str = include_str!("../../models/catalogue.toml");

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    #[serde(default, rename = "model")]
    pub models: Vec<Model>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub id: String,
    pub task: Task,
    pub languages: Vec<Lang>,
    pub format: Format,
    pub tier: Tier,
    /// Download size if no file is named below.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Memory of one worker with this model, bytes.
    #[serde(default)]
    pub ram: Option<u64>,
    /// SPDX where there is one.
    pub licence: String,
    pub commercial: Commercial,
    pub source: String,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub files: Vec<ModelFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Relative to the models folder.
    pub path: PathBuf,
    pub bytes: u64,
    pub sha256: Checksum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Stt,
    Llm,
    Tts,
    /// Spoken language identification.
    Lid,
    /// Voice activity or end of turn.
    Turn,
}

/// What a file is. Only the first three can be loaded by a worker of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// whisper.cpp's ggml.
    Whisper,
    Gguf,
    /// ONNX with Piper's interface and its `.onnx.json`.
    Piper,
    /// CTC or transducer recognisers, other VITS voices, classifiers.
    Onnx,
}

impl Format {
    pub const fn is_loadable(self) -> bool {
        matches!(self, Self::Whisper | Self::Gguf | Self::Piper)
    }
}

/// Which box a model is for (field notes: S, M, L, XL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Shipped with the box; small and honest about it.
    Starter,
    /// 2 to 4 cores, 4 to 8 GB.
    Small,
    /// 8 cores, 16 to 32 GB.
    Medium,
    /// A graphics processor with 8 to 16 GB.
    Large,
    /// 24 GB of graphics memory and more.
    Xl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Commercial {
    Yes,
    No,
    /// Nobody has settled it: not to be used before somebody does.
    Unknown,
}

/// A SHA-256, or the admission that nobody has computed it on the original yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    Known(String),
    Unknown,
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_sum = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match text.as_str() {
            "unknown" => Ok(Self::Unknown),
            _ if is_sum => Ok(Self::Known(text)),
            _ => Err(serde::de::Error::custom("sha256 is neither 64 lower-case hexadecimal digits nor \"unknown\"")),
        }
    }
}

impl Serialize for Checksum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Known(sum) => sum,
            Self::Unknown => "unknown",
        })
    }
}

/// Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("read the model catalogue: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
    #[error("read the model catalogue: model {0:?} {1}")]
    Entry(String, &'static str),
    #[error("read the model catalogue: two models are called {0:?}")]
    Twice(String),
}

impl Catalogue {
    /// The catalogue shipped with the box.
    pub fn shipped() -> Result<Self, CatalogueError> {
        Self::parse(SHIPPED)
    }

    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text).map_err(Box::new)?;
        let mut ids = BTreeSet::new();
        for model in &catalogue.models {
            model.check().map_err(|fault| CatalogueError::Entry(model.id.clone(), fault))?;
            if !ids.insert(&model.id) {
                return Err(CatalogueError::Twice(model.id.clone()));
            }
        }
        Ok(catalogue)
    }

    pub fn find(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|m| m.id == id)
    }

    /// The model one of whose files has this checksum.
    pub fn of_checksum(&self, sum: &str) -> Option<&Model> {
        self.models.iter().find(|m| m.files.iter().any(|f| matches!(&f.sha256, Checksum::Known(known) if known == sum)))
    }
}

impl Model {
    fn check(&self) -> Result<(), &'static str> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return Err("has an id with characters other than a-z 0-9 - . _");
        }
        if self.languages.is_empty() {
            return Err("names no language");
        }
        if self.licence.trim().is_empty() || self.source.trim().is_empty() {
            return Err("lacks its licence or its source");
        }
        let inside =
            |path: &Path| path.components().all(|c| matches!(c, Component::Normal(_))) && path != Path::new("");
        if !self.files.iter().all(|f| inside(&f.path)) {
            return Err("names a file outside the models folder");
        }
        let unchecked = self.files.is_empty() || self.files.iter().any(|f| f.sha256 == Checksum::Unknown);
        if self.tier == Tier::Starter && unchecked {
            return Err("is shipped, so every file of it needs its checksum");
        }
        Ok(())
    }

    /// Bytes of all files, as far as anybody knows.
    pub fn total_bytes(&self) -> Option<u64> {
        if self.files.is_empty() { self.bytes } else { Some(self.files.iter().map(|f| f.bytes).sum()) }
    }

    /// Do all its files lie in the models folder, with the right sizes?
    pub fn is_present(&self, models_dir: &Path) -> bool {
        let there = |f: &ModelFile| std::fs::metadata(models_dir.join(&f.path)).is_ok_and(|m| m.len() == f.bytes);
        !self.files.is_empty() && self.files.iter().all(there)
    }
}

/// What checking one file found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Good,
    Missing,
    WrongSize {
        bytes: u64,
        expected: u64,
    },
    WrongSum {
        sha256: String,
    },
    /// It is there, but the catalogue does not know what it should be.
    Unverifiable {
        sha256: String,
    },
}

/// Compares one file with its entry, byte for byte.
pub fn verify(file: &ModelFile, models_dir: &Path) -> io::Result<Verdict> {
    let path = models_dir.join(&file.path);
    let bytes = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Missing),
        Err(error) => return Err(error),
    };
    if bytes != file.bytes {
        return Ok(Verdict::WrongSize { bytes, expected: file.bytes });
    }
    let (sha256, _) = checksum(&mut File::open(&path)?, &mut io::sink())?;
    Ok(match &file.sha256 {
        Checksum::Known(known) if *known == sha256 => Verdict::Good,
        Checksum::Known(_) => Verdict::WrongSum { sha256 },
        Checksum::Unknown => Verdict::Unverifiable { sha256 },
    })
}

/// Copies everything and gives the SHA-256 and number of bytes.
pub fn checksum(from: &mut impl Read, to: &mut impl Write) -> io::Result<(String, u64)> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    let mut total = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sum.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        total += n as u64;
    }
    Ok((sum.finalize().iter().map(|b| format!("{b:02x}")).collect(), total))
}

/// What a model file is, by its first bytes (and, for Piper, the `.onnx.json` beside it).
pub fn recognise(path: &Path) -> io::Result<Option<(Task, Format)>> {
    let mut head = [0_u8; 4];
    let mut file = File::open(path)?;
    if let Err(error) = file.read_exact(&mut head) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    Ok(match &head {
        // 0x67676d6c, little endian.
        b"lmgg" => Some((Task::Stt, Format::Whisper)),
        b"GGUF" => Some((Task::Llm, Format::Gguf)),
        _ if path.extension().is_some_and(|e| e == "onnx") && piper_config(path).is_file() => {
            Some((Task::Tts, Format::Piper))
        }
        _ => None,
    })
}

/// `voice.onnx` is described by `voice.onnx.json`.
pub fn piper_config(onnx: &Path) -> PathBuf {
    let mut name = onnx.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
    }

    #[test]
    fn every_shipped_file_is_what_the_catalogue_says() {
        let catalogue = Catalogue::shipped().unwrap();
        let starters: Vec<_> = catalogue.models.iter().filter(|m| m.tier == Tier::Starter).collect();
        assert_eq!(starters.len(), 3);
        for model in starters {
            assert_eq!(model.languages.len(), Lang::ALL.len(), "{}", model.id);
            assert!(model.is_present(&models()), "{}", model.id);
            for file in &model.files {
                assert_eq!(verify(file, &models()).unwrap(), Verdict::Good, "{}", file.path.display());
            }
        }
    }

    #[test]
    fn a_changed_or_missing_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = |bytes, sha256| ModelFile { path: "a.bin".into(), bytes, sha256 };
        let sum = "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0".to_owned();
        assert_eq!(verify(&file(3, Checksum::Unknown), dir.path()).unwrap(), Verdict::Missing);
        std::fs::write(dir.path().join("a.bin"), "aaa").unwrap();
        assert_eq!(verify(&file(3, Checksum::Known(sum.clone())), dir.path()).unwrap(), Verdict::Good);
        assert_eq!(
            verify(&file(3, Checksum::Unknown), dir.path()).unwrap(),
            Verdict::Unverifiable { sha256: sum.clone() }
        );
        assert_eq!(
            verify(&file(4, Checksum::Known(sum.clone())), dir.path()).unwrap(),
            Verdict::WrongSize { bytes: 3, expected: 4 }
        );
        std::fs::write(dir.path().join("a.bin"), "aab").unwrap();
        assert!(matches!(verify(&file(3, Checksum::Known(sum)), dir.path()).unwrap(), Verdict::WrongSum { .. }));
    }

    #[test]
    fn mistakes_are_refused_with_their_model() {
        let entry = |id: &str, extra: &str| {
            format!(
                "[[model]]\nid = \"{id}\"\ntask = \"stt\"\nlanguages = [\"hi-IN\"]\nformat = \"whisper\"\n\
                 tier = \"small\"\nlicence = \"MIT\"\ncommercial = \"yes\"\nsource = \"somewhere\"\n{extra}\n"
            )
        };
        let refused = |text: &str| Catalogue::parse(text).unwrap_err().to_string();
        assert_eq!(Catalogue::parse(&entry("a", "")).unwrap().models.len(), 1);
        assert!(refused(&(entry("a", "") + &entry("a", ""))).contains("two models"));
        assert!(refused(&entry("a", "size = 3")).contains("unknown field"));
        assert!(refused(&entry("A b", "")).contains("id"));
        let file = |path: &str, sum: &str| format!("files = [{{ path = \"{path}\", bytes = 1, sha256 = \"{sum}\" }}]");
        assert!(refused(&entry("a", &file("../x", "unknown"))).contains("outside"));
        assert!(refused(&entry("a", &file("/x", "unknown"))).contains("outside"));
        assert!(refused(&entry("a", &file("x", "ABC"))).contains("hexadecimal"));
        let starter = entry("a", &file("x", "unknown")).replace("small", "starter");
        assert!(refused(&starter).contains("checksum"));
    }

    #[test]
    fn model_files_are_known_by_their_first_bytes() {
        let kind = |path: &str| recognise(&models().join("starter").join(path)).unwrap();
        assert_eq!(kind("stt/vaani-starter-stt.bin"), Some((Task::Stt, Format::Whisper)));
        assert_eq!(kind("llm/vaani-starter-llm.gguf"), Some((Task::Llm, Format::Gguf)));
        assert_eq!(kind("stt/eval/hi-40.wav"), None);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("v.onnx"), "onnx....").unwrap();
        assert_eq!(recognise(&dir.path().join("v.onnx")).unwrap(), None);
        std::fs::write(dir.path().join("v.onnx.json"), "{}").unwrap();
        assert_eq!(recognise(&dir.path().join("v.onnx")).unwrap(), Some((Task::Tts, Format::Piper)));
        std::fs::write(dir.path().join("short"), "GG").unwrap();
        assert_eq!(recognise(&dir.path().join("short")).unwrap(), None);
    }
}
