//! A TOML text as a tree whose every value knows the file and line it came from, and a reader that
//! takes typed fields out of it and refuses what nobody asked for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::base::limits::CONFIG_FILE_MAX;

/// Where a value was written. Without a line it came from the environment or from a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub file: Arc<str>,
    pub line: Option<usize>,
}

impl At {
    pub fn whole(file: &str) -> Self {
        Self { file: file.into(), line: Some(1) }
    }

    pub fn outside(name: &str) -> Self {
        Self { file: name.into(), line: None }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub at: At,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i64),
    Real(f64),
    Truth(bool),
    Moment(String),
    List(Vec<Node>),
    /// In the order written.
    Table(Vec<(String, Node)>),
}

impl Value {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Truth(_) => "true or false",
            Self::Moment(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
        }
    }
}

/// Reads and parses one file; the faults name it as `path` is written.
pub fn read_file(path: &Path) -> Result<Node, Problem> {
    let at = At::whole(&path.display().to_string());
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if size > CONFIG_FILE_MAX {
        return Err(Problem::new(&at, format!("the file has {size} bytes; at most {CONFIG_FILE_MAX} are read")));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&at.file, &text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Problem::new(&at, "the file is not UTF-8; save it as UTF-8"))
        }
        Err(error) => Err(Problem::new(&At { line: None, ..at }, format!("cannot be read: {error}"))),
    }
}

/// The whole text as one table.
pub fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    let file: Arc<str> = file.into();
    let lines = Lines::of(text);
    let at = |offset: usize| At { file: Arc::clone(&file), line: Some(lines.at(offset)) };
    match DeTable::parse(text) {
        Ok(root) => Ok(Node { at: at(0), value: table(root.get_ref(), &at) }),
        Err(error) => {
            let place = at(error.span().map_or(0, |span| span.start));
            // The parser's message may run over several lines; a fault is one line.
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            Err(Problem::new(&place, format!("is not valid TOML: {message}")))
        }
    }
}

fn table(entries: &DeTable<'_>, at: &impl Fn(usize) -> At) -> Value {
    let mut rows: Vec<_> = entries.iter().collect();
    rows.sort_by_key(|(key, _)| key.span().start);
    Value::Table(
        rows.into_iter()
            .map(|(key, value)| {
                let node = Node { at: at(key.span().start), value: leaf(value.get_ref(), at) };
                (key.get_ref().to_string(), node)
            })
            .collect(),
    )
}

fn leaf(value: &DeValue<'_>, at: &impl Fn(usize) -> At) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Text(number.to_string()), Value::Whole),
        DeValue::Float(number) => Value::Real(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => Value::List(
            items.iter().map(|item| Node { at: at(item.span().start), value: leaf(item.get_ref(), at) }).collect(),
        ),
        DeValue::Table(entries) => table(entries, at),
    }
}

/// Byte offsets of line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect())
    }

    /// From 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

/// What a value may be read as. `Err` says what to write instead.
pub trait FromNode: Sized {
    fn from_node(node: &Node) -> Result<Self, String>;
}

impl FromNode for String {
    fn from_node(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(format!("is {}; write a text in quotes", other.kind())),
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Truth(truth) => Ok(*truth),
            Value::Text(text) if node.at.line.is_none() => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" => Ok(false),
                _ => Err(format!("is {text:?}; write true or false")),
            },
            other => Err(format!("is {}; write true or false", other.kind())),
        }
    }
}

impl FromNode for i64 {
    fn from_node(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Whole(number) => Ok(*number),
            Value::Text(text) if node.at.line.is_none() => {
                text.trim().parse().map_err(|_| format!("is {text:?}; write a whole number"))
            }
            other => Err(format!("is {}; write a whole number without quotes", other.kind())),
        }
    }
}

impl FromNode for f64 {
    fn from_node(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::Real(number) => Ok(*number),
            #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
            Value::Whole(number) => Ok(*number as Self),
            Value::Text(text) if node.at.line.is_none() => {
                text.trim().parse().map_err(|_| format!("is {text:?}; write a number"))
            }
            other => Err(format!("is {}; write a number without quotes", other.kind())),
        }
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node) -> Result<Self, String> {
        match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, item)| T::from_node(item).map_err(|fault| format!("entry {} {fault}", i + 1)))
                .collect(),
            Value::Text(text) if node.at.line.is_none() => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| T::from_node(&Node { at: node.at.clone(), value: Value::Text(part.to_owned()) }))
                .collect(),
            other => Err(format!("is {}; write a list in square brackets", other.kind())),
        }
    }
}

/// Takes the fields of one section by name. What is left at the end was not asked for by anybody
/// and is refused with the nearest name that was.
pub struct Fields<'p> {
    path: String,
    at: At,
    left: Vec<(String, Node)>,
    asked: Vec<String>,
    refused: Vec<String>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Fields<'p> {
    pub fn new(root: Node, problems: &'p mut Vec<Problem>) -> Self {
        Self::at_path(String::new(), root, problems)
    }

    fn at_path(path: String, node: Node, problems: &'p mut Vec<Problem>) -> Self {
        let left = match node.value {
            Value::Table(entries) => entries,
            other => {
                let message = format!("`{path}` is {}; it is a section, write `[{path}]` and its keys", other.kind());
                problems.push(Problem::new(&node.at, message));
                Vec::new()
            }
        };
        Self { path, at: node.at, left, asked: Vec::new(), refused: Vec::new(), problems }
    }

    pub const fn at(&self) -> &At {
        &self.at
    }

    /// The dotted name of a key of this section.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn refuse(&mut self, at: &At, message: impl Into<String>) {
        self.problems.push(Problem::new(at, message));
    }

    /// Where a key not taken yet was written.
    pub fn place(&self, key: &str) -> Option<At> {
        self.left.iter().find(|(name, _)| name == key).map(|(_, node)| node.at.clone())
    }

    /// The raw value.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        self.asked.push(key.to_owned());
        let found = self.left.iter().position(|(name, _)| name == key)?;
        Some(self.left.remove(found).1)
    }

    /// The value as `T` with its place; a value of another kind is refused and counts as absent.
    pub fn optional<T: FromNode>(&mut self, key: &str) -> Option<(T, At)> {
        let node = self.take(key)?;
        match T::from_node(&node) {
            Ok(value) => Some((value, node.at)),
            Err(fault) => {
                self.refused.push(key.to_owned());
                self.refuse(&node.at, format!("`{}` {fault}", self.name(key)));
                None
            }
        }
    }

    pub fn or<T: FromNode>(&mut self, key: &str, default: T) -> T {
        self.optional(key).map_or(default, |(value, _)| value)
    }

    /// A text that must be there and not empty.
    pub fn text(&mut self, key: &str, example: &str) -> String {
        match self.optional::<String>(key) {
            Some((text, at)) if text.trim().is_empty() => {
                self.refuse(&at, format!("`{}` is empty; write for example {example}", self.name(key)));
                String::new()
            }
            Some((text, _)) => text,
            None => {
                if !self.faulty(key) {
                    let at = self.at.clone();
                    self.refuse(&at, format!("`{}` is missing; write for example `{key} = {example}`", self.name(key)));
                }
                String::new()
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, key: &str, default: u32, least: u32, most: u32) -> u32 {
        let Some((number, at)) = self.optional::<i64>(key) else { return default };
        match u32::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.refuse(&at, format!("`{}` is {number}; write a number from {least} to {most}", self.name(key)));
                default
            }
        }
    }

    /// A share between 0 and 1.
    pub fn share(&mut self, key: &str, default: f32) -> f32 {
        let Some((number, at)) = self.optional::<f64>(key) else { return default };
        if (0.0..=1.0).contains(&number) {
            #[expect(clippy::cast_possible_truncation, reason = "a share needs no more than an f32 holds")]
            return number as f32;
        }
        self.refuse(&at, format!("`{}` is {number}; write a number from 0.0 to 1.0", self.name(key)));
        default
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, key: &str, default: T, choices: &[(&str, T)]) -> T {
        let Some((word, at)) = self.optional::<String>(key) else { return default };
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return *value;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        self.refuse(&at, format!("`{}` is {word:?}; write one of {}", self.name(key), names.join(", ")));
        default
    }

    /// A value that parses from a text.
    pub fn parsed<T: std::str::FromStr>(&mut self, key: &str, instead: &str) -> Option<(T, At)> {
        let (text, at) = self.optional::<String>(key)?;
        match text.trim().parse() {
            Ok(value) => Some((value, at)),
            Err(_) => {
                self.refused.push(key.to_owned());
                self.refuse(&at, format!("`{}` is {text:?}; write {instead}", self.name(key)));
                None
            }
        }
    }

    /// A section within this one; absent is the same as empty.
    pub fn section(&mut self, key: &str) -> Fields<'_> {
        let path = self.name(key);
        let node = self.take(key).unwrap_or_else(|| Node { at: self.at.clone(), value: Value::Table(Vec::new()) });
        Fields::at_path(path, node, self.problems)
    }

    /// A table found in a list or under a free key, read like a section.
    pub fn child(&mut self, key: &str, node: Node) -> Fields<'_> {
        let path = self.name(key);
        Fields::at_path(path, node, self.problems)
    }

    /// Was `key` written, but refused?
    pub fn faulty(&self, key: &str) -> bool {
        self.refused.iter().any(|name| name == key)
    }

    /// All entries not asked for yet, for sections whose keys are free.
    pub fn rest(&mut self) -> Vec<(String, Node)> {
        std::mem::take(&mut self.left)
    }

    /// Refuses what is left.
    pub fn finish(self) {
        for (key, node) in &self.left {
            let full = self.name(key);
            let message = match nearest(key, self.asked.iter().map(String::as_str)) {
                Some(near) => format!("unknown key `{full}`; write `{}`", self.name(near)),
                None => {
                    let mut known: Vec<_> = self.asked.iter().map(String::as_str).collect();
                    known.sort_unstable();
                    known.dedup();
                    format!("unknown key `{full}`; known here are: {}", known.join(", "))
                }
            };
            self.problems.push(Problem::new(&node.at, message));
        }
    }
}

/// The known name most like `wanted`, if one is like it at all.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    known
        .filter_map(|name| {
            let other = name.to_lowercase();
            // Jaro-Winkler is harsh to slips at the start of short names (`sst` for `stt`).
            let slip = wanted.len() > 2 && strsim::osa_distance(&wanted, &other) <= 1;
            let likeness = if slip { 1.0 } else { strsim::jaro_winkler(&wanted, &other) };
            (likeness >= 0.8).then_some((likeness, name))
        })
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let root = parse("x.toml", "a = 1\n\n[b]\nc = [\n  \"x\",\n  2,\n]\nd = { e = 0xff }\n").expect("valid");
        let Value::Table(rows) = root.value else { panic!("a table") };
        let Value::Table(b) = &rows[1].1.value else { panic!("a table") };
        assert_eq!(b[0].1.at.line, Some(4));
        let Value::List(items) = &b[0].1.value else { panic!("a list") };
        assert_eq!((items[0].at.line, items[1].at.line), (Some(5), Some(6)));
        let Value::Table(d) = &b[1].1.value else { panic!("a table") };
        assert_eq!((d[0].1.at.line, &d[0].1.value), (Some(8), &Value::Whole(255)));
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let known = ["listen", "public_base_url"];
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("public_url", known.into_iter()), Some("public_base_url"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_with_a_line(text in ".{0,200}") {
            if let Err(problem) = parse("x.toml", &text) {
                let line = problem.at.line.expect("a line");
                prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
                prop_assert!(!problem.to_string().contains('\n'));
            }
        }
    }
}
