//! AgentStream messages (the Voicebot applet's WebSocket): the carrier's parsed tolerantly, ours printed
//! strictly.
//! Promise: parsing never fails, it says what it made of a text and what was odd about it. The carrier's
//! documents contradict each other in spelling: names in snake_case and in camelCase mean the same,
//! numbers may be written as strings.
//! Absent on purpose: what a message means for the call (see `machine`).

use serde_json::Value;

use crate::telephony::stream::payload::{self, StreamName};

/// One message of the carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Empty on `connected`, which comes before the stream has a name.
    pub stream: String,
    pub sequence: Option<u64>,
    pub message: Message,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Connected,
    Start(Box<Start>),
    Media(Media),
    Dtmf {
        digit: Option<char>,
    },
    Mark {
        name: String,
    },
    /// Told of by others than the vendor, never by the vendor: it asks nothing of us.
    Clear,
    Stop {
        reason: String,
    },
    Unknown {
        event: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    pub account: String,
    pub call: String,
    pub from: String,
    pub to: String,
    pub format: Format,
    /// Of the address that the applet or our answer named.
    pub parameters: Vec<(String, String)>,
}

impl Start {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Signed 16-bit samples, little-endian.
    Pcm,
    Mulaw,
}

/// What the carrier says the payloads are. What is left unsaid is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    pub coding: Option<Coding>,
    pub rate: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    pub chunk: Option<u64>,
    /// Milliseconds of media since the stream began.
    pub timestamp: Option<u64>,
    /// Base64.
    pub payload: String,
}

/// What was odd about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    NotJson,
    NoEvent,
    UnknownEvent,
    /// The field is missing, or is not what it should be; a default stands in for it.
    Field(&'static str),
}

/// Reads one text frame. `None`: nothing could be made of it.
pub fn parse(text: &str) -> (Option<Received>, Vec<Problem>) {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => interpret(&value),
        Err(_) => (None, vec![Problem::NotJson]),
    }
}

/// Appends a media message with samples as the stream's format has them to `out`.
pub fn print_media(stream: &StreamName, sound: &[u8], out: &mut String) {
    let name = stream.quoted();
    out.reserve(64 + name.len() + sound.len().div_ceil(3) * 4);
    out.push_str(r#"{"event":"media","stream_sid":"#);
    out.push_str(name);
    out.push_str(r#","media":{"payload":""#);
    payload::encode(sound, out);
    out.push_str("\"}}");
}

/// Appends a mark message to `out`.
pub fn print_mark(stream: &StreamName, name: &str, out: &mut String) {
    out.push_str(r#"{"event":"mark","stream_sid":"#);
    out.push_str(stream.quoted());
    out.push_str(r#","mark":{"name":"#);
    out.push_str(&Value::from(name).to_string());
    out.push_str("}}");
}

/// Appends a clear message to `out`.
pub fn print_clear(stream: &StreamName, out: &mut String) {
    out.push_str(r#"{"event":"clear","stream_sid":"#);
    out.push_str(stream.quoted());
    out.push('}');
}

fn interpret(value: &Value) -> (Option<Received>, Vec<Problem>) {
    let mut odd = Vec::new();
    let Some(event) = value.get("event").and_then(Value::as_str) else {
        return (None, vec![if value.is_object() { Problem::NoEvent } else { Problem::NotJson }]);
    };
    let body = &value[event];
    let message = match event {
        "connected" => Message::Connected,
        "start" => Message::Start(Box::new(start(body, &mut odd))),
        "media" => Message::Media(media(body, &mut odd)),
        "dtmf" => {
            let digit = key(field(body, "digit"));
            if digit.is_none() {
                odd.push(Problem::Field("dtmf.digit"));
            }
            Message::Dtmf { digit }
        }
        "mark" => Message::Mark { name: required(field(body, "name"), "mark.name", &mut odd) },
        "clear" => Message::Clear,
        "stop" => Message::Stop { reason: text(field(body, "reason")).unwrap_or_default() },
        other => {
            odd.push(Problem::UnknownEvent);
            Message::Unknown { event: other.chars().take(40).collect() }
        }
    };
    let mut stream = text(field(value, "stream_sid")).unwrap_or_default();
    if stream.is_empty() && event == "start" {
        stream = text(field(body, "stream_sid")).unwrap_or_default();
    }
    if stream.is_empty() && !matches!(message, Message::Connected | Message::Clear | Message::Unknown { .. }) {
        odd.push(Problem::Field("stream_sid"));
    }
    let sequence = number(field(value, "sequence_number"));
    (Some(Received { stream, sequence, message }), odd)
}

fn start(body: &Value, odd: &mut Vec<Problem>) -> Start {
    let format = field(body, "media_format");
    let coding = text(field(format, "encoding")).unwrap_or_default().to_ascii_lowercase();
    // `audio/x-mulaw;rate=8000` is how the Legs API writes it.
    let in_name = coding.split_once("rate=").map(|(_, rate)| Value::from(rate));
    let rate = number(field(format, "sample_rate")).or_else(|| number(in_name.as_ref().unwrap_or(&Value::Null)));
    if coding.is_empty() && rate.is_none() {
        odd.push(Problem::Field("start.media_format"));
    }
    let is_mulaw = ["mulaw", "mu-law", "ulaw", "pcmu"].iter().any(|name| coding.contains(name));
    Start {
        // Nothing hangs on it: not every account's stream says it.
        account: text(field(body, "account_sid")).unwrap_or_default(),
        call: required(field(body, "call_sid"), "start.call_sid", odd),
        from: text(field(body, "from")).unwrap_or_default(),
        to: text(field(body, "to")).unwrap_or_default(),
        format: Format {
            coding: (!coding.is_empty()).then_some(if is_mulaw { Coding::Mulaw } else { Coding::Pcm }),
            rate: rate.and_then(|rate| u32::try_from(rate).ok()),
        },
        parameters: parameters(field(body, "custom_parameters")),
    }
}

/// An object, or the same as text: JSON or `k=v&k=v`.
fn parameters(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => fields.iter().filter_map(|(name, v)| Some((name.clone(), text(v)?))).collect(),
        Value::String(written) => match serde_json::from_str::<Value>(written) {
            Ok(inner @ Value::Object(_)) => parameters(&inner),
            _ => url::form_urlencoded::parse(written.trim_start_matches('?').as_bytes()).into_owned().collect(),
        },
        _ => Vec::new(),
    }
}

fn media(body: &Value, odd: &mut Vec<Problem>) -> Media {
    let timestamp = number(field(body, "timestamp"));
    if timestamp.is_none() {
        odd.push(Problem::Field("media.timestamp"));
    }
    Media {
        chunk: number(field(body, "chunk")),
        timestamp,
        payload: required(field(body, "payload"), "media.payload", odd),
    }
}

/// A member under its name in snake_case or in camelCase.
fn field<'v>(body: &'v Value, name: &str) -> &'v Value {
    match body.get(name) {
        Some(found) if !found.is_null() => found,
        _ if name.contains('_') => &body[camel(name).as_str()],
        _ => &Value::Null,
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(part.len().min(1));
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

/// One key of a telephone, possibly in quotes.
fn key(value: &Value) -> Option<char> {
    let written = text(value)?;
    let mut chars = written.trim_matches(['"', ' ']).chars();
    chars.next().filter(|c| chars.next().is_none() && matches!(c, '0'..='9' | '*' | '#'))
}

fn required(value: &Value, field: &'static str, odd: &mut Vec<Problem>) -> String {
    let found = text(value).filter(|t| !t.is_empty());
    if found.is_none() {
        odd.push(Problem::Field(field));
    }
    found.unwrap_or_default()
}

/// A string, or a number written as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

/// A whole number, or a string that holds one.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(s) => s.trim().bytes().all(|b| b.is_ascii_digit()).then(|| s.trim().parse().ok())?,
        Value::Number(n) => n.as_u64().or_else(|| n.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<u64>().prop_map(|n| Value::from(n.to_string())),
            any::<f64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            Just(Value::Null),
            Just(serde_json::json!({"a": [1]})),
        ]
    }

    fn odd_message() -> impl Strategy<Value = Value> {
        let event = prop_oneof!["connected|start|media|dtmf|mark|clear|stop", ".{0,8}"];
        let name = "stream_sid|streamSid|sequence_number|sequenceNumber|media|start|mark|dtmf|stop";
        let inner =
            "call_sid|callSid|from|media_format|mediaFormat|custom_parameters|payload|chunk|timestamp|digit|name";
        let body = proptest::collection::vec((inner, scalar()), 0..5)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        (event, proptest::collection::vec((name, prop_oneof![scalar(), body]), 0..5)).prop_map(|(event, fields)| {
            let mut fields: serde_json::Map<String, Value> = fields.into_iter().collect();
            fields.insert("event".to_owned(), event.into());
            Value::Object(fields)
        })
    }

    #[test]
    fn both_spellings_mean_the_same() {
        for (snake, expected) in
            [("stream_sid", "streamSid"), ("media_format", "mediaFormat"), ("a", "a"), ("x__y", "xY"), ("_", "")]
        {
            assert_eq!(camel(snake), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,200}") {
            let (received, problems) = parse(&text);
            prop_assert!(received.is_some() || !problems.is_empty());
        }

        #[test]
        fn no_message_breaks_the_parser(value in odd_message()) {
            let (received, problems) = parse(&value.to_string());
            let received = received.expect("it has an event");
            if let Message::Unknown { event } = &received.message {
                prop_assert!(event.chars().count() <= 40 && problems.contains(&Problem::UnknownEvent));
            }
            prop_assert!(problems.len() <= 5);
        }

        #[test]
        fn what_we_print_is_json(name in ".{0,20}", mark in ".{0,20}", sound in proptest::collection::vec(any::<u8>(), 0..400)) {
            let stream = StreamName::new(&name);
            let (mut media, mut marked, mut clear) = (String::new(), String::new(), String::new());
            print_media(&stream, &sound, &mut media);
            print_mark(&stream, &mark, &mut marked);
            print_clear(&stream, &mut clear);
            let media: Value = serde_json::from_str(&media).expect("JSON");
            let mut decoded = Vec::new();
            payload::decode(media["media"]["payload"].as_str().expect("a payload"), &mut decoded).expect("base64");
            prop_assert_eq!(decoded, sound);
            prop_assert_eq!(media["stream_sid"].as_str(), Some(name.as_str()));
            let marked: Value = serde_json::from_str(&marked).expect("JSON");
            prop_assert_eq!(marked["mark"]["name"].as_str(), Some(mark.as_str()));
            prop_assert!(serde_json::from_str::<Value>(&clear).is_ok());
        }
    }
}
