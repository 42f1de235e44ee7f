//! Everything a configuration directory tells the dialogue, read and checked together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::agent::AgentFile;
use super::book::Catalogue;
use super::states::States;
use crate::config::{ConfigError, Problem};

#[derive(Clone, Debug, Default)]
pub struct Shelf {
    pub catalogue: Catalogue,
    pub agents: AgentFile,
    /// The tables agents name, by name.
    pub states: BTreeMap<String, States>,
}

impl Shelf {
    /// Reads `prompts/`, `agents/` and the tables of states the agents name. All faults are told at
    /// once.
    pub fn load(config_dir: &Path) -> Result<Self, ConfigError> {
        let mut problems: Vec<Problem> = Vec::new();
        let mut keep = |error: ConfigError| problems.extend(error.problems);
        let catalogue = Catalogue::load(&config_dir.join("prompts")).map_err(&mut keep).unwrap_or_default();
        let agents = AgentFile::load(&config_dir.join("agents")).map_err(&mut keep).unwrap_or_default();
        let mut states = BTreeMap::new();
        for name in agents.agents.values().map(|agent| agent.states.clone()).chain(["states".to_owned()]) {
            if let Entry::Vacant(place) = states.entry(name) {
                let file = config_dir.join(format!("{}.toml", place.key()));
                place.insert(States::load(&file).map_err(&mut keep).unwrap_or_default());
            }
        }
        if problems.is_empty() { Ok(Self { catalogue, agents, states }) } else { Err(problems.into()) }
    }
}
