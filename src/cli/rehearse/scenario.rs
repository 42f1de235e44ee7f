//! What a rehearsed caller does and expects: `config/rehearsals/*.toml`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::base::Lang;

/// One call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// The caller's language, and the one the call must be held in.
    pub language: Lang,
    /// The key pressed in the menu; absent: the caller presses nothing and is recognised by speech.
    pub key: Option<char>,
    /// The agent that answers; absent: the box's default one.
    pub agent: Option<String>,
    /// The caller's line: decibels of speech over noise, percent of frames lost, frames late by up
    /// to so many milliseconds. The command's own options win over these.
    pub snr: Option<f32>,
    pub loss: Option<f32>,
    pub jitter: Option<u64>,
    pub turns: Vec<Turn>,
}

/// One thing the caller says, and what must come back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    pub says: String,
    /// The answer must be to one of these wishes (when the box says which it answered).
    #[serde(default)]
    pub intents: Vec<String>,
    /// The answer must contain one of these (figures and words are the same).
    #[serde(default)]
    pub contains: Vec<String>,
    /// The call is in another language from here on.
    pub language: Option<Lang>,
    /// The answer must come one of these ways: `flow`, `choose`, `free`.
    #[serde(default)]
    pub ways: Vec<String>,
    /// Said into the agent's answer. The agent must stop and answer this instead; what is expected
    /// above is expected of that answer.
    pub interjects: Option<String>,
    /// So long after the answer has begun.
    #[serde(default = "default_interjects_after_ms")]
    pub interjects_after_ms: u64,
    /// The interjection is a backchannel: the agent must go on with what it was saying.
    #[serde(default)]
    pub agent_goes_on: bool,
    /// The box must hang up after the answer.
    #[serde(default)]
    pub ends: bool,
}

const fn default_interjects_after_ms() -> u64 {
    900
}

/// The scenarios of these names (or files); all but `demo` if none is named.
pub(super) fn load(dir: &Path, names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let mut files: Vec<PathBuf> = if names.is_empty() {
        std::fs::read_dir(dir)
            .with_context(|| format!("there are no scenarios in {}", dir.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "toml") && p.file_stem().is_some_and(|s| s != "demo"))
            .collect()
    } else {
        names
            .iter()
            .map(|name| if name.ends_with(".toml") { PathBuf::from(name) } else { dir.join(format!("{name}.toml")) })
            .collect()
    };
    files.sort();
    ensure!(!files.is_empty(), "there are no scenarios in {}", dir.display());
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    let mut scenario: Scenario = toml::from_str(&text).with_context(|| format!("{} is no scenario", file.display()))?;
    scenario.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ensure!(!scenario.turns.is_empty(), "{}: a scenario needs at least one [[turns]]", file.display());
    let lonely = scenario.turns.iter().find(|t| t.agent_goes_on && t.interjects.is_none());
    ensure!(lonely.is_none(), "{}: agent_goes_on needs interjects beside it", file.display());
    Ok(scenario)
}
