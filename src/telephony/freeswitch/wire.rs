//! Text on the media socket: the metadata of the dial plan, the marks of `mod_audio_fork`, our commands.
//! Sound is binary, 16-bit little-endian.
//! Promise: parsing never fails; what is printed has the fields that the modules read.
//! Source: READMEs of mod_audio_fork and mod_audio_stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// One word of the metadata is kept up to this length, bytes, and so many of them.
const WORD_MAX: usize = 256;
const WORDS_MAX: usize = 64;

/// What the dial plan gave the module to say first; names and values of an object. Any other text is no
/// metadata of ours and says nothing.
pub fn metadata(text: &str) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return Vec::new() };
    let said = |(name, value): (String, Value)| match value {
        Value::String(text) if text.len() <= WORD_MAX && name.len() <= WORD_MAX => Some((name, text)),
        Value::Number(number) if name.len() <= WORD_MAX => Some((name, number.to_string())),
        _ => None,
    };
    fields.into_iter().filter_map(said).take(WORDS_MAX).collect()
}

/// A message of `mod_audio_fork`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Mark {
        name: String,
        /// Thrown away by `killAudio`; else played.
        cleared: bool,
    },
    Unknown,
}

/// `None`: no message at all.
pub fn parse(text: &str) -> Option<Message> {
    let value: Value = serde_json::from_str(text).ok()?;
    let kind = value.get("type")?.as_str()?;
    let data = &value["data"];
    match (kind, data["name"].as_str(), data["event"].as_str()) {
        ("mark", Some(name), Some(event @ ("playout" | "cleared"))) => {
            Some(Message::Mark { name: name.chars().take(WORD_MAX).collect(), cleared: event == "cleared" })
        }
        _ => Some(Message::Unknown),
    }
}

/// Asks `mod_audio_fork` to tell when this point is played.
pub fn print_mark(name: &str) -> String {
    json!({"type": "mark", "data": {"name": name}}).to_string()
}

/// Empties its buffer.
pub fn print_kill() -> String {
    r#"{"type":"killAudio"}"#.to_owned()
}

/// Sound for `mod_audio_stream`, which writes it into a file.
pub fn print_file(rate: u32, bytes: &[u8]) -> String {
    let mut out = format!(r#"{{"type":"streamAudio","data":{{"audioDataType":"raw","sampleRate":{rate},"audioData":""#);
    BASE64.encode_string(bytes, &mut out);
    out.push_str("\"}}");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_say_what_became_of_them() {
        let mark = |name: &str, cleared| Some(Message::Mark { name: name.to_owned(), cleared });
        for (text, expected) in [
            (r#"{"type":"mark","data":{"name":"g0.m1","event":"playout"}}"#, mark("g0.m1", false)),
            (r#"{"type":"mark","data":{"name":"g0.m1","event":"cleared"}}"#, mark("g0.m1", true)),
            (r#"{"type":"mark","data":{"name":"g0.m1"}}"#, Some(Message::Unknown)),
            (r#"{"type":"hello"}"#, Some(Message::Unknown)),
            (r#"{"kind":"hello"}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        let said = metadata(r#"{"uuid":"u1","from":"9876543210","n":5,"deep":{"a":1}}"#);
        assert_eq!(said.len(), 3);
        assert!(metadata("plain words").is_empty() && metadata("[1]").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_or_keep_much(text in ".{0,300}", name in ".{0,400}") {
            let _ = (parse(&text), metadata(&text));
            let object = json!({ name.clone(): name }).to_string();
            prop_assert!(metadata(&object).iter().all(|(name, value)| name.len() <= WORD_MAX && value.len() <= WORD_MAX));
        }

        #[test]
        fn what_we_print_is_json_with_the_fields_asked_for(name in ".{0,20}", sound in proptest::collection::vec(any::<u8>(), 0..400)) {
            let value = |text: String| serde_json::from_str::<Value>(&text).unwrap();
            prop_assert_eq!(value(print_mark(&name)), json!({"type": "mark", "data": {"name": name}}));
            prop_assert_eq!(value(print_kill()), json!({"type": "killAudio"}));
            let data = json!({"audioDataType": "raw", "sampleRate": 8000, "audioData": BASE64.encode(&sound)});
            prop_assert_eq!(value(print_file(8_000, &sound)), json!({"type": "streamAudio", "data": data}));
        }
    }
}
