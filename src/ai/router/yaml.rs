//! A YAML text as the tree that all configuration is read from, each value with its line.
//! Promise: whatever the text, the answer is a tree or one fault of one line; what the text makes
//! grow (aliases, nesting) is bounded.
//! Absent on purpose: what the values mean.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Spanned};

use crate::base::limits::CONFIG_FILE_MAX;
use crate::config::{At, Node, Problem, Value};

/// Sections within sections.
const DEPTH_MAX: usize = 24;
/// Values of one file, aliases written out.
const VALUES_MAX: usize = 50_000;
const ANCHORS_MAX: usize = 64;

pub(super) fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    let file: Arc<str> = file.into();
    let at = |line: usize| At { file: Arc::clone(&file), line: Some(line) };
    if text.len() as u64 > CONFIG_FILE_MAX {
        let message = format!("the file has {} bytes; at most {CONFIG_FILE_MAX} are read", text.len());
        return Err(Problem::new(&at(1), message));
    }
    for (index, line) in text.lines().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if indent.contains('\t') && !line.trim_start().starts_with('#') && !line.trim().is_empty() {
            return Err(Problem::new(&at(index + 1), "is indented with a tab; write spaces"));
        }
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: VALUES_MAX,
            max_events: 4 * VALUES_MAX,
            max_anchors: ANCHORS_MAX,
            max_aliases: ANCHORS_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 2_000,
            max_replay_stack_depth: 4,
            max_alias_expansions_per_anchor: ANCHORS_MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) if matches!(root.value, Raw::Nothing) => Err(Problem::new(
            &at(1),
            "is empty; write at least `order: local_first`, or take the file away to use the box's own engines only",
        )),
        Ok(root) => Ok(node(root.value, 1, &at)),
        Err(error) => {
            let last = text.lines().count().max(1);
            let line = error.location().map_or(1, |l| usize::try_from(l.line()).unwrap_or(1)).clamp(1, last);
            Err(Problem::new(&at(line), told(&error)))
        }
    }
}

fn told(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default();
            format!("the key `{key}` stands here for the second time; write it once")
        }
        Error::MultipleDocuments { .. } => "a second document begins here (`---`); write one only".to_owned(),
        other => {
            let message = other.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            if ["budget", "limit exceeded", "depth", "too many"].iter().any(|word| message.contains(word)) {
                return format!(
                    "the file grows too large here (at most {DEPTH_MAX} sections deep, {VALUES_MAX} values, \
                     {ANCHORS_MAX} anchors); write it plainly"
                );
            }
            let message: String = message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
            format!("is not valid YAML: {message}; check indentation, colons and brackets here")
        }
    }
}

fn node(raw: Raw, line: usize, at: &impl Fn(usize) -> At) -> Node {
    let value = match raw {
        // The same as a section without keys.
        Raw::Nothing => Value::Table(Vec::new()),
        Raw::Truth(truth) => Value::Truth(truth),
        Raw::Whole(number) => Value::Whole(number),
        Raw::Real(number) => Value::Real(number),
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let line = line_of(&item);
                    node(item.value, line, at)
                })
                .collect(),
        ),
        Raw::Table(rows) => Value::Table(
            rows.into_iter()
                .map(|(key, value)| {
                    let line = line_of(&key);
                    (key.value, node(value.value, line, at))
                })
                .collect(),
        ),
    };
    Node { at: at(line), value }
}

fn line_of<T>(spanned: &Spanned<T>) -> usize {
    usize::try_from(spanned.referenced.line()).unwrap_or(1).max(1)
}

enum Raw {
    Nothing,
    Truth(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Table(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, a list or a section")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Raw, E> {
        Ok(Raw::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        #[expect(clippy::cast_precision_loss, reason = "beyond any setting; it is refused by its bounds")]
        Ok(i64::try_from(number).map_or(Raw::Real(number as f64), Raw::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<Raw, A::Error> {
        let mut table = Vec::new();
        while let Some(row) = rows.next_entry()? {
            table.push(row);
        }
        Ok(Raw::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let root = parse("r.yaml", "a: 1\n\nb:\n  c:\n    - x\n    - 2.5\n  d: {e: yes, f: true}\ng:\n").unwrap();
        let Value::Table(rows) = root.value else { panic!("a section") };
        let Value::Table(b) = &rows[1].1.value else { panic!("a section") };
        let Value::List(c) = &b[0].1.value else { panic!("a list") };
        assert_eq!((b[0].1.at.line, c[0].at.line, c[1].at.line), (Some(4), Some(5), Some(6)));
        assert_eq!((&c[0].value, &c[1].value), (&Value::Text("x".into()), &Value::Real(2.5)));
        let Value::Table(d) = &b[1].1.value else { panic!("a section") };
        assert_eq!((&d[0].1.value, &d[1].1.value), (&Value::Text("yes".into()), &Value::Truth(true)));
        assert_eq!(rows[2].1.value, Value::Table(Vec::new()));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_with_a_line(text in "[a-c:\\-\\[\\]{}&*!|>'\"#?, \t\n\\\\%@`~0-9<.]{0,160}|\\PC{0,80}") {
            if let Err(problem) = parse("r.yaml", &text) {
                let line = problem.at.line.expect("a line");
                prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
                prop_assert!(!problem.to_string().contains('\n'));
            }
        }
    }
}
