//! The routing file (`config/routing.yaml`) as text: read, checked whole, and made a [`Table`].
//! Promise: a wrong file is refused with its line and what to write instead, and nothing of it is in
//! force. The document's own schema (`languages`, `providers`, `routing_rules`) loads as it stands.
//! Absent on purpose: keys, whether a provider answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::candidates::{Candidate, LOCAL, local_candidates};
use super::dialect::Dialect;
use super::entry::{language, provider};
use super::known;
use super::read::{child, named, number, scalar, section};
use super::residency::{Policies, Policy};
use super::rule::{Condition, Preference, Rule};
use super::table::{Lists, OfflineProbes, Order, Table};
use super::yaml;
use crate::base::Lang;
use crate::base::limits::CONFIG_FILE_MAX;
use crate::config::{At, ConfigError, Fields, Node, Problem, Value, nearest};

/// The file was refused; each fault has its line.
pub type RoutingError = ConfigError;
/// Something that is allowed and may not be meant.
pub type Remark = Problem;

const RULES_MAX: usize = 200;
const PROBES_MAX: usize = 8;

impl Table {
    /// A routing file's text.
    pub fn from_text(text: &str) -> Result<(Self, Vec<Remark>), RoutingError> {
        read("routing.yaml", text)
    }

    pub fn load(path: &Path) -> Result<(Self, Vec<Remark>), RoutingError> {
        let file = path.display().to_string();
        let whole = At::whole(&file);
        let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
        if size > CONFIG_FILE_MAX {
            let message = format!("the file has {size} bytes; at most {CONFIG_FILE_MAX} are read");
            return Err(Problem::new(&whole, message).into());
        }
        match std::fs::read_to_string(path) {
            Ok(text) => read(&file, &text),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(Problem::new(&whole, "the file is not UTF-8; save it as UTF-8").into())
            }
            Err(error) => Err(Problem::new(&At { line: None, ..whole }, format!("cannot be read: {error}")).into()),
        }
    }
}

fn read(file: &str, text: &str) -> Result<(Table, Vec<Remark>), RoutingError> {
    let root = yaml::parse(file, text)?;
    if !matches!(root.value, Value::Table(_)) {
        return Err(Problem::new(&root.at, "is no section; write for example `order: local_first`").into());
    }
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    let table = table(Fields::new(root, &mut problems), &mut remarks);
    for told in problems.iter_mut().chain(&mut remarks) {
        // Names in quotes may run over lines; a fault is one line.
        told.message = told.message.split(char::is_control).collect::<Vec<_>>().join(" ");
    }
    if problems.is_empty() {
        remarks.sort_by_key(|remark| remark.at.line);
        return Ok((table, remarks));
    }
    problems.sort_by_key(|problem| problem.at.line);
    Err(problems.into())
}

fn table(mut root: Fields<'_>, remarks: &mut Vec<Remark>) -> Table {
    let mut candidates = local_candidates();
    let mut defined = vec![LOCAL.to_owned()];
    let mut part = section(&mut root, "providers");
    for (name, node) in part.rest() {
        let Some(fields) = child(&mut part, &name, node) else { continue };
        provider(&name, fields, &mut candidates, remarks);
        defined.push(name);
    }
    part.finish();

    let names = Names { candidates: &candidates, defined: &defined };
    let lists = languages(&mut root, &names, remarks);
    let rules = rules(&mut root, &names, remarks);
    let residency = residency(&mut root, remarks);
    let order =
        root_choice(&mut root, "order", &[("local_first", Order::LocalFirst), ("cloud_first", Order::CloudFirst)]);
    let budgets = budgets(&mut root);
    let offline = offline(&mut root);
    let hedge = scalar::<bool>(&mut root, "hedge").is_some_and(|(hedge, _)| hedge);
    root.finish();
    Table { candidates, rules, lists, residency, order, budgets, offline, hedge }
}

/// What priority lists may name.
struct Names<'a> {
    candidates: &'a [Candidate],
    defined: &'a [String],
}

impl Names<'_> {
    /// The candidates that an entry of a priority list means.
    fn of(&self, entry: &str) -> Result<Vec<usize>, String> {
        let (provider, model) = entry.split_once('/').map_or((entry, None), |(p, m)| (p, Some(m)));
        let of_provider = || self.candidates.iter().filter(|c| &*c.provider.name == provider);
        if !self.defined.iter().any(|name| name == provider) {
            let known = self.defined.iter().map(String::as_str).chain(known::WELL_KNOWN.iter().map(|(name, _)| *name));
            return Err(match nearest(provider, known) {
                Some(near) => format!("write `{near}`"),
                None => format!("define it under providers, or write one of {}", self.defined.join(", ")),
            });
        }
        let Some(model) = model else { return Ok(of_provider().map(|c| c.id.index()).collect()) };
        match of_provider().find(|c| c.model == model) {
            Some(candidate) => Ok(vec![candidate.id.index()]),
            None => Err(match nearest(model, of_provider().map(|c| c.model.as_str())) {
                Some(near) => format!("write `{provider}/{near}`"),
                None => {
                    let models: Vec<_> = of_provider().map(|c| c.model.as_str()).collect();
                    format!("`{provider}` has {}", models.join(", "))
                }
            }),
        }
    }
}

/// `priority_providers` of a section; absent is `None`.
fn preference(fields: &mut Fields<'_>, names: &Names<'_>, remarks: &mut Vec<Remark>) -> Option<Preference> {
    let node = fields.take("priority_providers")?;
    let name = fields.name("priority_providers");
    let Value::List(items) = node.value else {
        fields.refuse(&node.at, format!("`{name}` is no list; write the names in square brackets: [{LOCAL}]"));
        return None;
    };
    if items.is_empty() {
        fields.refuse(&node.at, format!("`{name}` is empty; name at least one provider, for example {LOCAL}"));
    }
    let mut places = vec![Preference::UNLISTED; names.candidates.len()];
    let mut seen: Vec<String> = Vec::new();
    for (place, item) in (0_u16..).zip(items) {
        let Value::Text(entry) = item.value else {
            fields.refuse(&item.at, format!("`{name}` holds something that is no name; write for example [{LOCAL}]"));
            continue;
        };
        if seen.contains(&entry) {
            fields.refuse(&item.at, format!("`{name}` names `{entry}` twice; write it once"));
            continue;
        }
        match names.of(&entry) {
            Ok(found) => {
                for index in found {
                    if let Some(slot) = places.get_mut(index) {
                        *slot = (*slot).min(place);
                    }
                }
            }
            Err(_) if known::WELL_KNOWN.iter().any(|(known, _)| *known == entry) => remarks.push(Problem::new(
                &item.at,
                format!("`{entry}` is not defined under providers: nobody is asked for it until it is"),
            )),
            Err(instead) => {
                fields.refuse(&item.at, format!("`{name}` names `{entry}`, which is no provider here; {instead}"));
            }
        }
        seen.push(entry);
    }
    Some(Preference::new(places))
}

fn languages(root: &mut Fields<'_>, names: &Names<'_>, remarks: &mut Vec<Remark>) -> BTreeMap<Lang, Lists> {
    let mut part = section(root, "languages");
    let mut all: BTreeMap<Lang, Lists> = BTreeMap::new();
    for (key, node) in part.rest() {
        let at = node.at.clone();
        let lang = language(&key).map_err(|fault| {
            let message = format!("`{}`: {key} is {fault}", part.name(&key));
            part.refuse(&at, message);
        });
        let Some(mut fields) = child(&mut part, &key, node) else { continue };
        let own = preference(&mut fields, names, remarks).unwrap_or_default();
        let mut dialects = BTreeMap::new();
        let mut section = section(&mut fields, "dialects");
        for (name, node) in section.rest() {
            let at = node.at.clone();
            let dialect =
                Dialect::ALL.into_iter().find(|d| d.as_str() == name && lang.is_ok_and(|l| l == d.language()));
            if dialect.is_none() && lang.is_ok() {
                let known = Dialect::ALL.into_iter().filter(|d| lang.is_ok_and(|l| l == d.language()));
                let known: Vec<&str> = known.map(Dialect::as_str).collect();
                let message = match nearest(&name, known.iter().copied()) {
                    Some(near) => format!("`{}`: no such dialect; write `{near}`", section.name(&name)),
                    None if known.is_empty() => {
                        format!("`{}`: no dialects of {key} are told apart; take it out", section.name(&name))
                    }
                    None => format!("`{}`: no such dialect; known are {}", section.name(&name), known.join(", ")),
                };
                section.refuse(&at, message);
            }
            let Some(mut fields) = child(&mut section, &name, node) else { continue };
            let list = preference(&mut fields, names, remarks);
            fields.finish();
            if let (Some(dialect), Some(list)) = (dialect, list) {
                dialects.insert(dialect, list);
            }
        }
        section.finish();
        fields.finish();
        if let Ok(lang) = lang
            && all.insert(lang, Lists { own, dialects }).is_some()
        {
            part.refuse(&at, format!("{lang} stands here for the second time; write it once"));
        }
    }
    part.finish();
    all
}

fn rules(root: &mut Fields<'_>, names: &Names<'_>, remarks: &mut Vec<Remark>) -> Vec<Rule> {
    let mut part = section(root, "routing_rules");
    let mut rules = Vec::new();
    for (name, node) in part.rest() {
        let at = node.at.clone();
        if rules.len() >= RULES_MAX {
            part.refuse(&at, format!("there are more than {RULES_MAX} rules; take some out"));
            break;
        }
        let Some(mut fields) = child(&mut part, &name, node) else { continue };
        let there = fields.place("condition").is_some();
        let condition = match scalar::<String>(&mut fields, "condition") {
            Some((text, at)) => Condition::parse(&text)
                .map_err(|fault| {
                    let message = format!("`{}` {fault}", fields.name("condition"));
                    fields.refuse(&at, message);
                })
                .ok(),
            None => {
                if !there {
                    let message =
                        format!("`{}` is missing; write for example \"language == 'ml'\"", fields.name("condition"));
                    fields.refuse(&at, message);
                }
                None
            }
        };
        if fields.place("priority_providers").is_none() {
            let message = format!("`{}` is missing; write for example [{LOCAL}]", fields.name("priority_providers"));
            fields.refuse(&at, message);
        }
        let preference = preference(&mut fields, names, remarks).unwrap_or_default();
        let min_confidence = number(&mut fields, "min_confidence", 0.0, 1.0).unwrap_or(0.0);
        fields.finish();
        if let Some(condition) = condition {
            rules.push(Rule { name: name.into(), condition, min_confidence, preference });
        }
    }
    part.finish();
    rules
}

fn residency(root: &mut Fields<'_>, remarks: &mut Vec<Remark>) -> Policies {
    let mut policies = Policies::default();
    let at = root.at().clone();
    if root.place("residency").is_none() {
        root.take("residency");
        remarks.push(Problem::new(
            &at,
            "no `residency` is given: callers' words stay on the box (local_only), whatever the lists name",
        ));
        return policies;
    }
    let mut part = section(root, "residency");
    policies.default = policy(&mut part, "default").unwrap_or(Policy::LocalOnly);
    for (key, table) in [
        ("tenants", &mut policies.tenants),
        ("campaigns", &mut policies.campaigns),
        ("data_classes", &mut policies.data_classes),
    ] {
        let mut fields = section(&mut part, key);
        for (name, node) in fields.rest() {
            let at = node.at.clone();
            let full = fields.name(&name);
            let Some(found) = policy_of(&mut fields, &full, node) else { continue };
            if found > policies.default {
                let strict = policies.default.as_str();
                remarks.push(Problem::new(
                    &at,
                    format!("`{full}` allows more than residency.default ({strict}), which is stricter and wins"),
                ));
            }
            table.insert(name, found);
        }
        fields.finish();
    }
    part.finish();
    policies
}

fn policy(fields: &mut Fields<'_>, key: &str) -> Option<Policy> {
    let node = fields.take(key)?;
    let full = fields.name(key);
    policy_of(fields, &full, node)
}

fn policy_of(fields: &mut Fields<'_>, full: &str, node: Node) -> Option<Policy> {
    let fault = match &node.value {
        Value::Text(word) => match named(word, &Policy::ALL) {
            Ok(policy) => return Some(policy),
            Err(instead) => format!("is {word:?}; {instead}"),
        },
        _ => "is no word; write local_only, india_only or any".to_owned(),
    };
    fields.refuse(&node.at, format!("`{full}` {fault}"));
    None
}

fn root_choice<T: Copy + Default>(fields: &mut Fields<'_>, key: &str, choices: &[(&str, T)]) -> T {
    let Some((word, at)) = scalar::<String>(fields, key) else { return T::default() };
    named(&word, choices).unwrap_or_else(|instead| {
        fields.refuse(&at, format!("`{key}` is {word:?}; {instead}"));
        T::default()
    })
}

fn budgets(root: &mut Fields<'_>) -> BTreeMap<String, u64> {
    let mut part = section(root, "budgets");
    let mut budgets = BTreeMap::new();
    for (tenant, node) in part.rest() {
        let at = node.at.clone();
        let Some(mut fields) = child(&mut part, &tenant, node) else { continue };
        let there = fields.place("paise_per_day").is_some();
        match scalar::<i64>(&mut fields, "paise_per_day") {
            Some((paise, at)) => match u64::try_from(paise) {
                Ok(paise) => {
                    budgets.insert(tenant, paise);
                }
                Err(_) => {
                    let message = format!("`{}` is {paise}; write 0 or more", fields.name("paise_per_day"));
                    fields.refuse(&at, message);
                }
            },
            None if there => {}
            None => {
                let message = format!("`{}` is missing; write for example 50000", fields.name("paise_per_day"));
                fields.refuse(&at, message);
            }
        }
        fields.finish();
    }
    part.finish();
    budgets
}

fn offline(root: &mut Fields<'_>) -> OfflineProbes {
    let mut offline = OfflineProbes::default();
    let mut part = section(root, "offline");
    if let Some((seconds, at)) = scalar::<i64>(&mut part, "interval_seconds") {
        match u64::try_from(seconds) {
            Ok(seconds @ 1..=3_600) => offline.interval = Duration::from_secs(seconds),
            _ => {
                let message =
                    format!("`{}` is {seconds}; write a number from 1 to 3600", part.name("interval_seconds"));
                part.refuse(&at, message);
            }
        }
    }
    if let Some((urls, at)) = scalar::<Vec<String>>(&mut part, "probes") {
        let name = part.name("probes");
        if urls.len() > PROBES_MAX {
            part.refuse(&at, format!("`{name}` has {} addresses; write at most {PROBES_MAX}", urls.len()));
        }
        for text in urls {
            match Url::parse(&text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => offline.probes.push(url),
                _ => part.refuse(
                    &at,
                    format!("`{name}` has an entry that is no address; write for example https://example.in/"),
                ),
            }
        }
    }
    part.finish();
    offline
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
