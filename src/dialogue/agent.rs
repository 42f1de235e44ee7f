//! Who answers a call: one file of `config/agents/` an agent. Promise: an agent that was loaded is
//! complete in each of its languages. Absent on purpose: what callers say, and what is known about
//! one caller (that comes with the call and overlays the file's facts).

mod transfer;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use self::transfer::{Target, Transfer};
use super::book::Intent;
use super::facts::{Facts, one_line};
use crate::base::Lang;
use crate::base::event::RecordingMode;
use crate::base::limits::CALL_MAX;
use crate::config::{At, ConfigError, Fields, FromNode, Node, Problem, Value, parse, read_file};

/// What an agent does with what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Converse,
    /// Plays back what it hears: the test of a line.
    Echo,
}

/// Who called whom: decides the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// `greeting_inbound`.
    Inbound,
    /// `greeting`, which asks for the customer by name.
    Outbound,
}

/// A text that may differ by language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Localised {
    default: Option<String>,
    by: BTreeMap<Lang, String>,
}

impl Localised {
    pub fn get(&self, lang: Lang) -> &str {
        self.by.get(&lang).or(self.default.as_ref()).or_else(|| self.by.values().next()).map_or("", String::as_str)
    }

    fn same(text: &str) -> Self {
        Self { default: Some(text.to_owned()), by: BTreeMap::new() }
    }
}

/// The ways of design §4 this agent may use, and how sure each must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Ways {
    pub flow: bool,
    pub choose: bool,
    pub free: bool,
    /// Likeness of a known phrase from which no language model is asked.
    pub flow_at_least: f32,
    /// Confidence of the recognised words from which an intent is trusted.
    pub choose_at_least: f32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    pub max_call: Duration,
    pub inactivity: Duration,
    /// Silence after which the caller is asked again.
    pub silence: Duration,
    /// How often in a row the caller is asked again.
    pub reprompts: u32,
    /// Failures in a row before a person is offered.
    pub failures: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// The file's name without `.toml`.
    pub name: String,
    pub persona: Localised,
    pub company: Localised,
    pub mode: Mode,
    pub opening: Opening,
    /// In the order of the menu's keys, 1 to 9, then 0 and `*`.
    pub languages: Vec<Lang>,
    pub default_language: Lang,
    pub menu: bool,
    /// Whether the caller is told at the start that no person is speaking.
    pub disclosure: bool,
    /// The table of states in the configuration directory, without `.toml`.
    pub states: String,
    pub ways: Ways,
    pub goal: String,
    /// In the file's order.
    pub facts: Vec<(String, Localised)>,
    /// What the agent must never do, as the brief says it.
    pub rules: Vec<String>,
    /// Words that must never be spoken, checked on what is said.
    pub never_say: Vec<String>,
    /// What the agent can answer.
    pub intents: Vec<Intent>,
    pub limits: CallLimits,
    /// By language; none: the box's own choice.
    pub voices: BTreeMap<Lang, String>,
    pub routing: Routing,
    /// Who takes callers that want a person; `None`: nobody.
    pub transfer: Option<Transfer>,
    /// Whether its calls are recorded, where the box allows it; `None`: they are not.
    pub recording: Option<RecordingMode>,
}

/// Whom the agent's calls concern: what residency, budgets and routing rules go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    pub tenant: String,
    /// The agent's name if the file names none.
    pub campaign: String,
    pub data_class: String,
    pub tier: String,
}

impl Agent {
    /// The file's facts in one language; a call's own facts are set over them.
    pub fn facts(&self, lang: Lang) -> Facts {
        self.facts.iter().map(|(key, value)| (key.as_str(), value.get(lang))).collect()
    }

    /// The same agent about one customer: these facts are set over those of the file that mean the same.
    /// An empty value removes the file's: what is not known of a customer is not said of somebody else.
    pub fn about(&self, facts: &[(String, String)]) -> Self {
        let mut agent = self.clone();
        for (key, value) in facts {
            let slot = super::facts::placeholder(key);
            let same = |known: &str| known == key || slot.is_some() && super::facts::placeholder(known) == slot;
            agent.facts.retain(|(known, _)| !same(known));
            if !value.trim().is_empty() {
                agent.facts.push((key.clone(), Localised::same(value)));
            }
        }
        agent
    }

    /// The key of the menu for a language, and the language of a key.
    pub fn key_of(&self, lang: Lang) -> Option<char> {
        let at = self.languages.iter().position(|known| *known == lang)?;
        MENU_KEYS.get(at).copied()
    }

    pub fn language_of(&self, key: char) -> Option<Lang> {
        let at = MENU_KEYS.iter().position(|known| *known == key)?;
        self.languages.get(at).copied()
    }

    pub fn speaks(&self, lang: Lang) -> bool {
        self.languages.contains(&lang)
    }
}

/// Eleven languages need more keys than nine.
const MENU_KEYS: [char; 11] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*'];

/// The agents of a configuration directory by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentFile {
    pub agents: BTreeMap<String, Agent>,
}

impl AgentFile {
    /// Reads every `*.toml` of `dir` (`config/agents`).
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let here = At::outside(&dir.display().to_string());
        let entries = std::fs::read_dir(dir)
            .map_err(|error| Problem::new(&here, format!("the agents cannot be read: {error}")))?;
        let mut paths: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
            .collect();
        paths.sort();
        if paths.is_empty() {
            return Err(Problem::new(&here, "holds no agent; put the shipped helpdesk.toml there and edit it").into());
        }
        let roots = paths
            .iter()
            .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), read_file(path)));
        Self::from_roots(roots)
    }

    /// The same from texts: name and text.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        Self::from_roots(texts.into_iter().map(|(name, text)| (name.to_owned(), parse(&format!("{name}.toml"), text))))
    }

    fn from_roots(roots: impl IntoIterator<Item = (String, Result<Node, Problem>)>) -> Result<Self, ConfigError> {
        let (mut agents, mut problems) = (BTreeMap::new(), Vec::new());
        for (stem, root) in roots {
            match root {
                Ok(root) => {
                    agents.insert(stem.clone(), read_agent(root, &stem, &mut problems));
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self { agents }) } else { Err(problems.into()) }
    }

    pub fn get(&self, name: &str) -> Option<&Agent> {
        self.agents.get(name)
    }
}

fn plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

fn read_agent(root: Node, stem: &str, problems: &mut Vec<Problem>) -> Agent {
    let mut fields = Fields::new(root, problems);
    let place = fields.place("name").unwrap_or_else(|| fields.at().clone());
    let name = fields.text("name", &format!("{stem:?}"));
    if !name.is_empty() && name != stem {
        fields.refuse(&place, format!("`name` is {name:?} in {stem}.toml; write `name = {stem:?}` or rename the file"));
    }
    if !plain_name(stem) {
        fields.refuse(
            &place,
            format!("{stem:?} is no name for an agent; use small letters, digits, - and _ for the file"),
        );
    }
    let mode = fields.choice("mode", Mode::Converse, &[("converse", Mode::Converse), ("echo", Mode::Echo)]);
    let opening =
        fields.choice("opening", Opening::Inbound, &[("inbound", Opening::Inbound), ("outbound", Opening::Outbound)]);
    let languages = read_languages(&mut fields);
    let default_language = read_default_language(&mut fields, &languages);
    let persona = localised(&mut fields, "persona", "\"Asha\"", &languages);
    let company = localised(&mut fields, "company", "\"Kaveri Finance\"", &languages);
    let place = fields.place("goal").unwrap_or_else(|| fields.at().clone());
    let goal = match mode {
        Mode::Converse => fields.text("goal", "\"answer questions about the loan\""),
        Mode::Echo => fields.or("goal", String::new()),
    };
    if goal.chars().count() > 500 {
        fields
            .refuse(&place, "`goal` is longer than 500 characters; the model reads it at every turn, write it shorter");
    }
    let agent = Agent {
        name: stem.to_owned(),
        persona,
        company,
        mode,
        opening,
        default_language,
        menu: fields.or("menu", false),
        disclosure: fields.or("disclosure", true),
        states: read_states(&mut fields),
        ways: read_ways(fields.section("ways"), mode),
        goal: one_line(&goal),
        facts: read_facts(fields.section("facts"), &languages),
        rules: phrases(&mut fields, "rules"),
        never_say: phrases(&mut fields, "never_say"),
        intents: read_intents(&mut fields),
        limits: read_limits(fields.section("limits")),
        voices: read_voices(fields.section("voices"), &languages),
        routing: read_routing(fields.section("routing"), stem),
        transfer: transfer::read(&mut fields, default_language),
        recording: read_recording(fields.section("recording"), mode),
        languages,
    };
    fields.finish();
    agent
}

/// A list entry with its own place.
struct Item(Node);

impl FromNode for Item {
    fn from_node(node: &Node) -> Result<Self, String> {
        Ok(Self(node.clone()))
    }
}

/// Entries that each parse into a `T`, none twice.
fn parsed_list<T: PartialEq + Copy>(
    fields: &mut Fields<'_>,
    key: &str,
    instead: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<(Vec<T>, At)> {
    let (items, at) = fields.optional::<Vec<Item>>(key)?;
    let given = items.len();
    let mut found = Vec::new();
    for (i, Item(node)) in items.into_iter().enumerate() {
        let name = format!("{}[{}]", fields.name(key), i + 1);
        let text = match String::from_node(&node) {
            Ok(text) => text,
            Err(fault) => {
                fields.refuse(&node.at, format!("`{name}` {fault}"));
                continue;
            }
        };
        match parse(&text) {
            Some(value) if found.contains(&value) => {
                fields.refuse(&node.at, format!("`{name}` names {text:?} twice; remove one"));
            }
            Some(value) => found.push(value),
            None => fields.refuse(&node.at, format!("`{name}` is {text:?}; write {instead}")),
        }
    }
    // If nothing usable is left, that was said already.
    (given == 0 || !found.is_empty()).then_some((found, at))
}

fn read_languages(fields: &mut Fields<'_>) -> Vec<Lang> {
    let given = parsed_list(fields, "languages", "a language such as \"hi-IN\"", |text| text.parse::<Lang>().ok());
    match given {
        Some((languages, at)) if languages.is_empty() => {
            fields.refuse(&at, "`languages` is empty; write at least one, such as [\"hi-IN\", \"en-IN\"]");
            Lang::ALL.to_vec()
        }
        Some((languages, _)) => languages,
        None => Lang::ALL.to_vec(),
    }
}

fn read_default_language(fields: &mut Fields<'_>, languages: &[Lang]) -> Lang {
    let first = languages.first().copied().unwrap_or(Lang::En);
    let Some((lang, at)) = fields.parsed::<Lang>("default_language", "a language such as \"hi-IN\"") else {
        return first;
    };
    if !languages.contains(&lang) {
        fields.refuse(
            &at,
            format!("`default_language` is {lang}, which is not among `languages`; add it there or write \"{first}\""),
        );
    }
    lang
}

fn read_states(fields: &mut Fields<'_>) -> String {
    let place = fields.place("states");
    let name = fields.or("states", "states".to_owned());
    if let Some(at) = place.filter(|_| !plain_name(&name)) {
        fields
            .refuse(&at, format!("`states` is {name:?}; write the name of a table without .toml, such as \"states\""));
    }
    name
}

/// A text, or a section with one text a language (and `default` for the others).
fn localised(fields: &mut Fields<'_>, key: &str, example: &str, languages: &[Lang]) -> Localised {
    let name = fields.name(key);
    let Some(node) = fields.take(key) else {
        let at = fields.at().clone();
        fields.refuse(&at, format!("`{name}` is missing; write for example `{key} = {example}`"));
        return Localised::default();
    };
    localised_from(fields, key, node, languages)
}

fn localised_from(fields: &mut Fields<'_>, key: &str, node: Node, languages: &[Lang]) -> Localised {
    let name = fields.name(key);
    let at = node.at.clone();
    let mut text = Localised::default();
    let entries = match node.value {
        Value::Table(entries) => entries,
        _ => vec![("default".to_owned(), node)],
    };
    let mut faulty = false;
    for (of, node) in entries {
        let value = match String::from_node(&node) {
            Ok(value) if !one_line(&value).is_empty() => one_line(&value),
            Ok(_) => {
                fields.refuse(&node.at, format!("`{name}` is empty; write the words, or remove the line"));
                faulty = true;
                continue;
            }
            Err(fault) => {
                fields.refuse(&node.at, format!("`{name}` {fault}"));
                faulty = true;
                continue;
            }
        };
        match (of.as_str(), of.parse::<Lang>()) {
            ("default", _) => text.default = Some(value),
            (_, Ok(lang)) => {
                text.by.insert(lang, value);
            }
            (_, Err(_)) => {
                fields.refuse(&node.at, format!("`{name}.{of}` is no language; write a tag such as hi-IN, or default"));
                faulty = true;
            }
        }
    }
    let lacking: Vec<_> = languages.iter().filter(|lang| !text.by.contains_key(lang)).map(|lang| lang.tag()).collect();
    if text.default.is_none() && !lacking.is_empty() && !faulty {
        fields.refuse(
            &at,
            format!("`{name}` lacks {}; write it, or `default = \"…\"` for all others", lacking.join(", ")),
        );
    }
    text
}

fn read_ways(mut fields: Fields<'_>, mode: Mode) -> Ways {
    #[derive(Clone, Copy, PartialEq)]
    enum Way {
        Flow,
        Choose,
        Free,
    }
    let given = parsed_list(&mut fields, "use", "\"flow\", \"choose\" or \"free\"", |text| match text {
        "flow" => Some(Way::Flow),
        "choose" => Some(Way::Choose),
        "free" => Some(Way::Free),
        _ => None,
    });
    let used = match given {
        Some((used, at)) => {
            if used.is_empty() && mode == Mode::Converse {
                fields.refuse(&at, "`ways.use` is empty; write at least one of \"flow\", \"choose\", \"free\"");
            }
            used
        }
        None => vec![Way::Flow, Way::Choose, Way::Free],
    };
    let ways = Ways {
        flow: used.contains(&Way::Flow),
        choose: used.contains(&Way::Choose),
        free: used.contains(&Way::Free),
        flow_at_least: fields.share("flow_at_least", 0.86),
        choose_at_least: fields.share("choose_at_least", 0.5),
    };
    fields.finish();
    ways
}

fn read_facts(mut fields: Fields<'_>, languages: &[Lang]) -> Vec<(String, Localised)> {
    let mut facts: Vec<(String, Localised)> = Vec::new();
    for (key, node) in fields.rest() {
        let at = node.at.clone();
        if one_line(&key) != key || key.contains(':') || key.is_empty() {
            fields.refuse(&at, format!("the fact {key:?} has no usable name; write plain words without a colon"));
        }
        let slot = super::facts::placeholder(&key);
        if let Some((other, _)) =
            facts.iter().find(|(other, _)| slot.is_some() && super::facts::placeholder(other) == slot)
        {
            fields.refuse(&at, format!("the fact {key:?} means the same as {other:?}; remove one"));
        }
        let value = localised_from(&mut fields, &key, node, languages);
        facts.push((key, value));
    }
    fields.finish();
    facts
}

fn phrases(fields: &mut Fields<'_>, key: &str) -> Vec<String> {
    let Some((items, _)) = fields.optional::<Vec<Item>>(key) else { return Vec::new() };
    let mut out = Vec::new();
    for (i, Item(node)) in items.into_iter().enumerate() {
        match String::from_node(&node).map(|text| one_line(&text)) {
            Ok(text) if !text.is_empty() => out.push(text),
            Ok(_) => fields.refuse(&node.at, format!("`{key}[{}]` is empty; write the words, or remove it", i + 1)),
            Err(fault) => fields.refuse(&node.at, format!("`{key}[{}]` {fault}", i + 1)),
        }
    }
    out
}

fn read_intents(fields: &mut Fields<'_>) -> Vec<Intent> {
    let given = parsed_list(fields, "intents", "the name of an intent, such as \"ask_amount\"", Intent::from_name);
    match given {
        Some((intents, at)) if intents.is_empty() => {
            fields.refuse(&at, "`intents` is empty; write at least one, or remove the line for all");
            Intent::ALL.to_vec()
        }
        Some((intents, _)) => intents,
        None => Intent::ALL.to_vec(),
    }
}

fn read_limits(mut fields: Fields<'_>) -> CallLimits {
    let most = u32::try_from(CALL_MAX.as_secs()).unwrap_or(u32::MAX);
    let seconds = |n: u32| Duration::from_secs(n.into());
    let limits = CallLimits {
        max_call: seconds(fields.whole("max_call_seconds", 900, 10, most)),
        inactivity: seconds(fields.whole("inactivity_seconds", 300, 5, most)),
        silence: seconds(fields.whole("silence_seconds", 7, 2, 60)),
        reprompts: fields.whole("reprompts", 3, 1, 20),
        failures: fields.whole("failures", 3, 1, 20),
    };
    fields.finish();
    limits
}

fn read_routing(mut fields: Fields<'_>, stem: &str) -> Routing {
    let mut name = |key: &str, default: &str| {
        let place = fields.place(key);
        let name = fields.or(key, default.to_owned());
        if let Some(at) = place.filter(|_| !plain_name(&name)) {
            fields.refuse(
                &at,
                format!("`routing.{key}` is {name:?}; use small letters, digits, - and _, as routing.yaml does"),
            );
        }
        name
    };
    let routing = Routing {
        tenant: name("tenant", ""),
        campaign: name("campaign", stem),
        data_class: name("data_class", ""),
        tier: name("tier", ""),
    };
    fields.finish();
    routing
}

fn read_recording(mut fields: Fields<'_>, of: Mode) -> Option<RecordingMode> {
    let place = fields.place("mode").unwrap_or_else(|| fields.at().clone());
    let choices = [("off", None), ("ask", Some(RecordingMode::Ask)), ("announce", Some(RecordingMode::Announce))];
    let mode = fields.choice("mode", None, &choices);
    if mode.is_some() && of == Mode::Echo {
        fields.refuse(&place, "`recording.mode` needs an agent that can say so; an echo says nothing, write \"off\"");
    }
    fields.finish();
    mode
}

fn read_voices(mut fields: Fields<'_>, languages: &[Lang]) -> BTreeMap<Lang, String> {
    let mut voices = BTreeMap::new();
    for (key, node) in fields.rest() {
        let Ok(lang) = key.parse::<Lang>() else {
            fields.refuse(&node.at, format!("`voices.{key}` is no language; write a tag such as hi-IN"));
            continue;
        };
        if !languages.contains(&lang) {
            fields.refuse(
                &node.at,
                format!(
                    "`voices.{key}` is for a language that is not among `languages`; add it there or remove the line"
                ),
            );
        }
        match String::from_node(&node) {
            Ok(voice) if !voice.trim().is_empty() => {
                voices.insert(lang, voice);
            }
            Ok(_) => {
                fields.refuse(&node.at, format!("`voices.{key}` is empty; write \"piper\", \"espeak\" or a voice's id"))
            }
            Err(fault) => fields.refuse(&node.at, format!("`voices.{key}` {fault}")),
        }
    }
    fields.finish();
    voices
}

#[cfg(test)]
mod tests;
