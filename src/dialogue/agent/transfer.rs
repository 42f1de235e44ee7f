//! `[transfer]` of an agent's file: who takes callers that want a person.

use std::time::Duration;

use super::Item;
use crate::base::phone::Phone;
use crate::base::{Lang, limits};
use crate::config::{Fields, FromNode, Node, Value};

/// Somebody who can be rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Number(Phone),
    /// As the dial plan of an exchange of the house knows it: `1001`, a queue's name.
    Extension(String),
}

/// Who takes callers, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Tried one after another.
    pub to: Vec<Target>,
    /// Each rings so long.
    pub ring: Duration,
    /// The transport to ring them by; `None`: the caller's own if it can dial, else the first that can.
    pub through: Option<String>,
    /// They are spoken to in this language.
    pub language: Lang,
    /// The number to show them; `None`: the transport's own.
    pub caller_id: Option<Phone>,
}

/// A number has a `+` or more digits than an extension of a house.
const EXTENSION_DIGITS_MAX: usize = 6;
const EXTENSION_CHARS_MAX: usize = 64;

impl Target {
    /// From how it is written; the error says what to write instead.
    pub fn written(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let spelled = text.chars().any(|c| c.is_ascii_alphabetic());
        if text.starts_with('+') || !spelled && digits > EXTENSION_DIGITS_MAX {
            return Phone::written(text).map(Self::Number).map_err(|wrong| wrong.to_string());
        }
        // What a dial plan could read as more than a name is none.
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*#".contains(&b));
        if text.is_empty() || !plain || text.len() > EXTENSION_CHARS_MAX {
            return Err("write a number such as \"+919876543210\" or an extension such as \"1001\"".to_owned());
        }
        Ok(Self::Extension(text.to_owned()))
    }

    /// For records: a number is masked.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(phone) => phone.to_string(),
            Self::Extension(name) => name.clone(),
        }
    }
}

/// Without the section nobody takes callers.
pub(super) fn read(fields: &mut Fields<'_>, default_language: Lang) -> Option<Transfer> {
    let place = fields.place("transfer")?;
    let mut fields = fields.section("transfer");
    let missing = fields.place("to").is_none();
    let to = read_targets(&mut fields);
    if missing || to.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse(&place, "`transfer.to` names nobody; write for example `to = \"+919876543210\"`");
    }
    let ring = fields.whole("ring_seconds", limits::TRANSFER_RING_SECONDS, 5, 120);
    let through = fields.optional::<String>("through").and_then(|(name, at)| {
        let name = name.trim().to_owned();
        if !super::plain_name(&name) {
            fields.refuse(&at, format!("`transfer.through` is {name:?}; write a transport such as \"freeswitch\""));
            return None;
        }
        Some(name)
    });
    let language = fields.parsed::<Lang>("language", "a language such as \"hi-IN\"");
    let caller_id = fields.optional::<String>("caller_id").and_then(|(text, at)| match Phone::written(&text) {
        Ok(phone) => Some(phone),
        Err(wrong) => {
            fields.refuse(&at, format!("`transfer.caller_id`: {wrong}"));
            None
        }
    });
    fields.finish();
    Some(Transfer {
        to: to.unwrap_or_default(),
        ring: Duration::from_secs(ring.into()),
        through,
        language: language.map_or(default_language, |(language, _)| language),
        caller_id,
    })
}

/// One target, or a list of them; `None`: nothing is written, or nothing that can be read.
fn read_targets(fields: &mut Fields<'_>) -> Option<Vec<Target>> {
    let node = fields.take("to")?;
    let at = node.at.clone();
    let nodes: Vec<Node> = match node.value {
        Value::List(_) => match Vec::<Item>::from_node(&node) {
            Ok(items) => items.into_iter().map(|Item(node)| node).collect(),
            Err(_) => Vec::new(),
        },
        _ => vec![node],
    };
    if nodes.len() > limits::TRANSFER_TARGETS_MAX {
        fields.refuse(
            &at,
            format!("`transfer.to` names {}; write at most {}", nodes.len(), limits::TRANSFER_TARGETS_MAX),
        );
    }
    let mut found = Vec::new();
    let given = nodes.len();
    for node in nodes {
        let read = String::from_node(&node)
            .and_then(|text| Target::written(&text).map_err(|advice| format!("has {text:?}: {advice}")));
        match read {
            Ok(target) if found.contains(&target) => {
                fields.refuse(&node.at, "`transfer.to` names somebody twice; remove one")
            }
            Ok(target) => found.push(target),
            Err(fault) => fields.refuse(&node.at, format!("`transfer.to` {fault}")),
        }
    }
    // What was refused was said already.
    (given == 0 || !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::super::AgentFile;
    use super::*;

    fn read(section: &str) -> Result<Option<Transfer>, String> {
        let text = format!(
            "name = \"x\"\npersona = \"A\"\ncompany = \"K\"\ngoal = \"help\"\nlanguages = [\"hi-IN\"]\n{section}"
        );
        AgentFile::from_texts([("x", text.as_str())])
            .map(|mut file| file.agents.remove("x").unwrap().transfer)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn persons_are_numbers_or_extensions_one_or_several() {
        assert_eq!(read(""), Ok(None));
        let one = read("[transfer]\nto = \"98765 43210\"\n").unwrap().unwrap();
        assert_eq!(one.to, [Target::Number("+919876543210".parse().unwrap())]);
        assert_eq!((one.ring, one.language, one.through), (Duration::from_secs(25), Lang::Hi, None));
        let all = "[transfer]\nto = [\"1001\", \"+914440001235\", \"sales\"]\nring_seconds = 40\nlanguage = \"ta-IN\"\nthrough = \"freeswitch\"\ncaller_id = \"+914440001234\"\n";
        let several = read(all).unwrap().unwrap();
        assert_eq!(several.to[0], Target::Extension("1001".to_owned()));
        assert_eq!(several.to[2], Target::Extension("sales".to_owned()));
        assert!(matches!(several.to[1], Target::Number(_)) && several.language == Lang::Ta);
        assert!(!several.to[1].shown().contains("0001235"), "{}", several.to[1].shown());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (section, message) in [
            ("[transfer]\nring_seconds = 30\n", "x.toml:6: `transfer.to` names nobody"),
            ("[transfer]\nto = []\n", "x.toml:6: `transfer.to` names nobody"),
            ("[transfer]\nto = \"1001 inline\"\n", "x.toml:7: `transfer.to` has \"1001 inline\": write a number"),
            ("[transfer]\nto = \"1001;rm\"\n", "x.toml:7: `transfer.to` has"),
            ("[transfer]\nto = \"+9112\"\n", "x.toml:7: `transfer.to` has \"+9112\": an Indian number has ten digits"),
            ("[transfer]\nto = [\"7\", \"7\"]\n", "somebody twice"),
            ("[transfer]\nto = \"7\"\nring_seconds = 1\n", "x.toml:8: `transfer.ring_seconds`"),
            ("[transfer]\nto = \"7\"\nlanguage = \"xx\"\n", "x.toml:8: `transfer.language`"),
            ("[transfer]\nto = \"7\"\nthrough = \"a b\"\n", "x.toml:8: `transfer.through`"),
            ("[transfer]\nto = \"7\"\nring = 4\n", "unknown key"),
        ] {
            let refused = read(section).unwrap_err();
            assert!(refused.contains(message), "{section}: {refused}");
        }
    }
}
