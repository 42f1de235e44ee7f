//! Small readers over [`Fields`] in the words of YAML.

use crate::config::{Fields, FromNode, Node, Value, nearest};

/// A value that is no section. `key:` with nothing after it is told apart from a wrong kind.
pub(super) fn scalar<T: FromNode>(fields: &mut Fields<'_>, key: &str) -> Option<(T, crate::config::At)> {
    let node = fields.take(key)?;
    let name = fields.name(key);
    let fault = match &node.value {
        Value::Table(rows) if rows.is_empty() => "has no value; write one, or take the line out".to_owned(),
        _ => match T::from_node(&node) {
            Ok(value) => return Some((value, node.at)),
            Err(fault) => fault,
        },
    };
    fields.refuse(&node.at, format!("`{name}` {fault}"));
    None
}

/// A number within bounds.
pub(super) fn number(fields: &mut Fields<'_>, key: &str, least: f64, most: f64) -> Option<f64> {
    let (number, at) = scalar::<f64>(fields, key)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let name = fields.name(key);
    fields.refuse(&at, format!("`{name}` is {number}; write a number from {least} to {most}"));
    None
}

/// A section below this one; absent is the same as empty, another kind is refused.
pub(super) fn section<'f>(fields: &'f mut Fields<'_>, key: &str) -> Fields<'f> {
    let node = fields.take(key).unwrap_or_else(|| Node { at: fields.at().clone(), value: Value::Table(Vec::new()) });
    let node = table(fields, key, node);
    fields.child(key, node)
}

/// The same for a free key; `None` where it is refused.
pub(super) fn child<'f>(fields: &'f mut Fields<'_>, key: &str, node: Node) -> Option<Fields<'f>> {
    let is_table = matches!(node.value, Value::Table(_));
    let node = table(fields, key, node);
    is_table.then(|| fields.child(key, node))
}

fn table(fields: &mut Fields<'_>, key: &str, node: Node) -> Node {
    if matches!(node.value, Value::Table(_)) {
        return node;
    }
    let name = fields.name(key);
    fields.refuse(&node.at, format!("`{name}` is a section; write its keys on the lines below it, indented"));
    Node { value: Value::Table(Vec::new()), ..node }
}

/// One of several names, or what to write instead.
pub(super) fn named<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    Err(match nearest(word, choices.iter().map(|(name, _)| *name)) {
        Some(near) => format!("write `{near}`"),
        None => format!("write one of {}", choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
    })
}
