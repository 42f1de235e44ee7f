//! The carrier's half of the wire: its messages printed as it prints them, ours parsed as strictly
//! as it parses them (a field too many or too few and the message is dropped, error 31951).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

/// A message of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBox {
    Media(Vec<u8>),
    Mark(String),
    Clear,
}

/// Why the carrier would drop a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("31951: not a JSON object")]
    NotJson,
    #[error("31951: unknown event")]
    UnknownEvent,
    #[error("31951: a field is missing, of the wrong kind or one too many")]
    Fields,
    #[error("31951: wrong streamSid")]
    WrongStream,
    #[error("31951: payload is not base64")]
    Payload,
}

pub fn parse(text: &str, stream: &str) -> Result<FromBox, Violation> {
    let value: Value = serde_json::from_str(text).map_err(|_| Violation::NotJson)?;
    let fields = value.as_object().ok_or(Violation::NotJson)?;
    let event = fields.get("event").and_then(Value::as_str).ok_or(Violation::UnknownEvent)?;
    let sid = fields.get("streamSid").and_then(Value::as_str).ok_or(Violation::Fields)?;
    let message = match event {
        "media" => {
            let payload = only(fields, "media", "payload")?;
            FromBox::Media(BASE64.decode(payload).map_err(|_| Violation::Payload)?)
        }
        "mark" => FromBox::Mark(only(fields, "mark", "name")?.to_owned()),
        "clear" if fields.len() == 2 => FromBox::Clear,
        "clear" => return Err(Violation::Fields),
        _ => return Err(Violation::UnknownEvent),
    };
    if sid == stream { Ok(message) } else { Err(Violation::WrongStream) }
}

/// The one string inside the one object beside `event` and `streamSid`.
fn only<'a>(fields: &'a Map<String, Value>, object: &str, name: &str) -> Result<&'a str, Violation> {
    let inner = fields.get(object).and_then(Value::as_object).ok_or(Violation::Fields)?;
    let text = inner.get(name).and_then(Value::as_str).ok_or(Violation::Fields)?;
    if fields.len() == 3 && inner.len() == 1 { Ok(text) } else { Err(Violation::Fields) }
}

/// Prints the messages of one stream and keeps its counters.
#[derive(Clone, Debug)]
pub struct Printer {
    account: String,
    call: String,
    stream: String,
    sequence: u64,
    chunk: u64,
}

impl Printer {
    pub fn new(account: &str, call: &str, stream: &str) -> Self {
        Self { account: account.to_owned(), call: call.to_owned(), stream: stream.to_owned(), sequence: 0, chunk: 0 }
    }

    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub fn connected() -> String {
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned()
    }

    pub fn start(&mut self, parameters: &[(String, String)]) -> String {
        let parameters: Map<String, Value> =
            parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let body = json!({
            "accountSid": self.account,
            "streamSid": self.stream,
            "callSid": self.call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        });
        self.print("start", Some(("start", body)))
    }

    /// One chunk of the caller's sound; the counters go on even if the network then loses it.
    pub fn media(&mut self, ulaw: &[u8], at_ms: u64) -> String {
        let mut out = String::with_capacity(400);
        self.media_encoded(&BASE64.encode(ulaw), at_ms, &mut out);
        out
    }

    /// Appends a chunk whose payload is base64 already; a load generator sends the same sound often.
    pub fn media_encoded(&mut self, payload: &str, at_ms: u64, out: &mut String) {
        self.chunk += 1;
        self.sequence += 1;
        let Self { stream, sequence, chunk, .. } = self;
        // Stream names are ours, and writing to a String cannot fail.
        let _ = write!(
            out,
            r#"{{"event":"media","sequenceNumber":"{sequence}","streamSid":"{stream}","media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{at_ms}","payload":"{payload}"}}}}"#
        );
    }

    pub fn dtmf(&mut self, digit: char) -> String {
        self.print("dtmf", Some(("dtmf", json!({"track": "inbound_track", "digit": digit.to_string()}))))
    }

    pub fn mark(&mut self, name: &str) -> String {
        self.print("mark", Some(("mark", json!({ "name": name }))))
    }

    pub fn stop(&mut self) -> String {
        let body = json!({"accountSid": self.account, "callSid": self.call});
        self.print("stop", Some(("stop", body)))
    }

    fn print(&mut self, event: &str, body: Option<(&str, Value)>) -> String {
        self.sequence += 1;
        let mut message = json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.stream,
        });
        if let (Some((name, body)), Some(fields)) = (body, message.as_object_mut()) {
            fields.insert(name.to_owned(), body);
        }
        message.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_messages_are_taken() {
        for (text, expected) in [
            (r#"{"event":"clear","streamSid":"MZ1"}"#, Ok(FromBox::Clear)),
            (r#"{"event":"clear","streamSid":"MZ2"}"#, Err(Violation::WrongStream)),
            (r#"{"event":"clear","streamSid":"MZ1","x":1}"#, Err(Violation::Fields)),
            (r#"{"event":"clear"}"#, Err(Violation::Fields)),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a"}}"#, Ok(FromBox::Mark("a".to_owned()))),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":1}}"#, Err(Violation::Fields)),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w=="}}"#, Ok(FromBox::Media(vec![0xFF]))),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"?"}}"#, Err(Violation::Payload)),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"x"}}"#, Err(Violation::Fields)),
            (r#"{"event":"hangup","streamSid":"MZ1"}"#, Err(Violation::UnknownEvent)),
            ("[]", Err(Violation::NotJson)),
            ("", Err(Violation::NotJson)),
        ] {
            assert_eq!(parse(text, "MZ1"), expected, "{text}");
        }
    }
}
