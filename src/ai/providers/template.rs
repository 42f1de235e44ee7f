//! Requests written down in configuration, with places for what is known only when asking.
//! Promise: what is filled in stays what it is: it ends no string, adds no field and is not looked at
//! for further places.

use serde_json::{Map, Value};

/// What may stand in braces, and what is put there.
#[derive(Clone, Debug, Default)]
pub struct Values(Map<String, Value>);

impl Values {
    /// `null` takes out a field that holds nothing else.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A place alone in its string is given with its own type (`"{rate}"` becomes a number); in the
    /// middle of a text it is written into it.
    pub fn json(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => match self.alone(text) {
                Some(value) => value.clone(),
                None => Value::String(self.text(text, |value| value)),
            },
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => {
                let filled = fields.iter().map(|(name, field)| (name, field, self.json(field)));
                // A null that stands in the template is meant.
                let kept = filled.filter(|(_, field, value)| field.is_null() || !value.is_null());
                Value::Object(kept.map(|(name, _, value)| (name.clone(), value)).collect())
            }
            other => other.clone(),
        }
    }

    /// A path: everything filled in is one segment of it.
    pub fn path(&self, template: &str) -> String {
        self.text(template, |value| escaped(&value))
    }

    fn alone(&self, text: &str) -> Option<&Value> {
        self.0.get(text.strip_prefix('{')?.strip_suffix('}')?)
    }

    fn text(&self, template: &str, shape: impl Fn(String) -> String) -> String {
        let (mut out, mut rest) = (String::new(), template);
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let place = after.split_once('}').and_then(|(name, rest)| Some((self.0.get(name)?, rest)));
            match place {
                Some((value, after)) => {
                    let value = match value {
                        Value::Null => String::new(),
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    out.push_str(&shape(value));
                    rest = after;
                }
                // A brace of the template's own.
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// One segment of a path: everything but RFC 3986's unreserved characters is escaped, the colon too.
pub fn escaped(segment: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    // A segment of dots alone would climb.
    if !segment.is_empty() && segment.bytes().all(|byte| byte == b'.') {
        return "%2E".repeat(segment.len());
    }
    segment.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let values = Values::default().set("text", "say \"{model}\"").set("model", "m/1");
        values.set("rate", 8_000).set("voice", Value::Null).set("messages", json!([{"role": "user"}]))
    }

    #[test]
    fn places_are_filled_with_what_belongs_there() {
        let template = json!({
            "in": ["{text}", {"r": "{rate}", "v": "{voice}", "n": null}], "said": "<{text}> at {rate}{voice}",
            "m": "{messages}", "other": "{unknown} {", "k": true
        });
        assert_eq!(
            values().json(&template),
            json!({
                "in": ["say \"{model}\"", {"r": 8_000, "n": null}], "said": "<say \"{model}\"> at 8000",
                "m": [{"role": "user"}], "other": "{unknown} {", "k": true
            })
        );
        assert_eq!(values().path("v1/{model}/say?x={text}"), "v1/m%2F1/say?x=say%20%22%7Bmodel%7D%22");
        assert_eq!(Values::default().set("a", "..").path("x/{a}"), "x/%2E%2E");
    }

    proptest! {
        #[test]
        fn whatever_is_said_arrives_as_it_is(said in ".{0,40}", around in "[a-z{}]{0,8}") {
            let values = Values::default().set("text", said.as_str()).set("model", "m");
            prop_assert_eq!(values.json(&json!({"q": "{text}"})), json!({"q": said}));
            let filled = values.json(&json!({"q": format!("<{{text}}>{around}")}));
            let whole = filled["q"].as_str().unwrap().starts_with(&format!("<{said}>"));
            prop_assert!(whole);
            let path = values.path("{text}");
            prop_assert!(!path.contains(['/', '?', '#', ' ']), "{}", path);
        }
    }
}
