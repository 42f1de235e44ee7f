//! Media Streams messages: the carrier's parsed tolerantly, ours printed strictly.
//! Promise: parsing never fails, it says what it made of a text and what was odd about it; what is
//! printed has exactly the fields the carrier demands (one more and it drops the message).
//! Absent on purpose: what a message means for the call (see `machine`).

use std::borrow::Cow;

use serde_json::Value;

use crate::telephony::stream::payload;
pub use crate::telephony::stream::payload::{StreamName, decode as decode_payload};

/// One message of the carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct Received<'a> {
    /// Empty on `connected`, which comes before the stream has a name.
    pub stream: Cow<'a, str>,
    pub sequence: Option<u64>,
    pub message: Message<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    Connected,
    Start(Box<Start>),
    Media(Media<'a>),
    Dtmf { digit: Option<char> },
    Mark { name: Cow<'a, str> },
    Stop,
    Unknown { event: String },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    pub account: String,
    pub call: String,
    pub format: Option<Format>,
    /// The `<Parameter>`s of our own TwiML.
    pub parameters: Vec<(String, String)>,
}

impl Start {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What the carrier says the payloads are.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    pub encoding: String,
    pub rate: Option<u64>,
    pub channels: Option<u64>,
}

impl Format {
    /// Mu-law, 8 kHz, one channel; what is left unsaid is taken to be so.
    pub fn is_telephone(&self) -> bool {
        let encoding = self.encoding.to_ascii_lowercase();
        matches!(encoding.as_str(), "audio/x-mulaw" | "audio/mulaw" | "audio/pcmu" | "mulaw")
            && self.rate.unwrap_or(8_000) == 8_000
            && self.channels.unwrap_or(1) == 1
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Media<'a> {
    /// Caller's side; the other one is what we sent.
    pub inbound: bool,
    pub chunk: Option<u64>,
    /// Milliseconds of media since the stream began.
    pub timestamp: Option<u64>,
    /// Base64.
    pub payload: Cow<'a, str>,
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
pub fn parse(text: &str) -> (Option<Received<'_>>, Vec<Problem>) {
    if let Some(media) = scan::media(text) {
        return (Some(media), Vec::new());
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => interpret(&value),
        Err(_) => (None, vec![Problem::NotJson]),
    }
}

/// Appends a media message with mu-law bytes to `out`.
pub fn print_media(stream: &StreamName, ulaw: &[u8], out: &mut String) {
    out.reserve(64 + stream.quoted().len() + ulaw.len().div_ceil(3) * 4);
    out.push_str(r#"{"event":"media","streamSid":"#);
    out.push_str(stream.quoted());
    out.push_str(r#","media":{"payload":""#);
    payload::encode(ulaw, out);
    out.push_str("\"}}");
}

/// Appends a mark message to `out`.
pub fn print_mark(stream: &StreamName, name: &str, out: &mut String) {
    out.push_str(r#"{"event":"mark","streamSid":"#);
    out.push_str(stream.quoted());
    out.push_str(r#","mark":{"name":"#);
    out.push_str(&Value::from(name).to_string());
    out.push_str("}}");
}

/// Appends a clear message to `out`.
pub fn print_clear(stream: &StreamName, out: &mut String) {
    out.push_str(r#"{"event":"clear","streamSid":"#);
    out.push_str(stream.quoted());
    out.push('}');
}

/// The slow way, for everything that comes rarely or is spelt oddly.
fn interpret(value: &Value) -> (Option<Received<'static>>, Vec<Problem>) {
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
            let digit = text(&body["digit"]).and_then(|d| {
                let mut chars = d.chars();
                chars.next().filter(|c| chars.next().is_none() && matches!(c, '0'..='9' | '*' | '#'))
            });
            if digit.is_none() {
                odd.push(Problem::Field("dtmf.digit"));
            }
            Message::Dtmf { digit }
        }
        "mark" => Message::Mark { name: required(&body["name"], "mark.name", &mut odd).into() },
        "stop" => Message::Stop,
        other => {
            odd.push(Problem::UnknownEvent);
            Message::Unknown { event: other.chars().take(40).collect() }
        }
    };
    let mut stream = text(&value["streamSid"]).unwrap_or_default();
    if stream.is_empty() && event == "start" {
        stream = text(&body["streamSid"]).unwrap_or_default();
    }
    if stream.is_empty() && !matches!(message, Message::Connected | Message::Unknown { .. }) {
        odd.push(Problem::Field("streamSid"));
    }
    let sequence = number(&value["sequenceNumber"]);
    (Some(Received { stream: stream.into(), sequence, message }), odd)
}

fn start(body: &Value, odd: &mut Vec<Problem>) -> Start {
    let format = &body["mediaFormat"];
    Start {
        account: required(&body["accountSid"], "start.accountSid", odd),
        call: required(&body["callSid"], "start.callSid", odd),
        format: match text(&format["encoding"]) {
            Some(encoding) => {
                Some(Format { encoding, rate: number(&format["sampleRate"]), channels: number(&format["channels"]) })
            }
            None => {
                odd.push(Problem::Field("start.mediaFormat"));
                None
            }
        },
        parameters: body["customParameters"]
            .as_object()
            .map(|fields| fields.iter().filter_map(|(name, v)| Some((name.clone(), text(v)?))).collect())
            .unwrap_or_default(),
    }
}

fn media(body: &Value, odd: &mut Vec<Problem>) -> Media<'static> {
    let timestamp = number(&body["timestamp"]);
    if timestamp.is_none() {
        odd.push(Problem::Field("media.timestamp"));
    }
    Media {
        inbound: text(&body["track"]).is_none_or(|track| is_inbound(&track)),
        chunk: number(&body["chunk"]),
        timestamp,
        payload: required(&body["payload"], "media.payload", odd).into(),
    }
}

fn is_inbound(track: &str) -> bool {
    !track.starts_with("outbound")
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
        Value::String(s) => scan::number(s),
        Value::Number(n) => n.as_u64().or_else(|| n.as_f64().filter(|f| *f >= 0.0).map(|f| f as u64)),
        _ => None,
    }
}

/// The fast way for the one message that comes fifty times a second on every leg: one pass, nothing
/// copied. It gives up at anything unusual and leaves it to [`interpret`].
mod scan {
    use super::{Cow, Media, Message, Received, is_inbound};

    pub(super) fn media(text: &str) -> Option<Received<'_>> {
        let mut cursor = Cursor { text, at: 0 };
        let (mut event, mut stream, mut sequence, mut media) = (None, None, None, None);
        cursor.object(|cursor, key| {
            match key {
                "event" => event = Some(cursor.string()?),
                "streamSid" => stream = Some(cursor.string()?),
                "sequenceNumber" => sequence = Some(number(cursor.scalar()?)?),
                "media" => media = Some(body(cursor)?),
                _ => drop(cursor.scalar()?),
            }
            Some(())
        })?;
        cursor.end()?;
        if event? != "media" {
            return None;
        }
        let stream = stream.filter(|s| !s.is_empty())?;
        Some(Received { stream: Cow::Borrowed(stream), sequence, message: Message::Media(media?) })
    }

    fn body<'a>(cursor: &mut Cursor<'a>) -> Option<Media<'a>> {
        let (mut inbound, mut chunk, mut timestamp, mut payload) = (true, None, None, None);
        cursor.object(|cursor, key| {
            match key {
                "track" => inbound = is_inbound(cursor.string()?),
                "chunk" => chunk = Some(number(cursor.scalar()?)?),
                "timestamp" => timestamp = Some(number(cursor.scalar()?)?),
                "payload" => payload = Some(cursor.string()?),
                _ => drop(cursor.scalar()?),
            }
            Some(())
        })?;
        let payload = Cow::Borrowed(payload.filter(|p| !p.is_empty())?);
        Some(Media { inbound, chunk, timestamp: Some(timestamp?), payload })
    }

    pub(super) fn number(text: &str) -> Option<u64> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok()
    }

    struct Cursor<'a> {
        text: &'a str,
        at: usize,
    }

    impl<'a> Cursor<'a> {
        fn peek(&mut self) -> Option<u8> {
            let bytes = self.text.as_bytes();
            while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            bytes.get(self.at).copied()
        }

        fn eat(&mut self, byte: u8) -> Option<()> {
            (self.peek()? == byte).then(|| self.at += 1)
        }

        fn end(&mut self) -> Option<()> {
            self.peek().is_none().then_some(())
        }

        fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
            self.eat(b'{')?;
            loop {
                let key = self.string()?;
                self.eat(b':')?;
                field(self, key)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    b'}' => {
                        self.at += 1;
                        return Some(());
                    }
                    _ => return None,
                }
            }
        }

        /// A string without escapes.
        fn string(&mut self) -> Option<&'a str> {
            self.eat(b'"')?;
            let rest = &self.text.as_bytes()[self.at..];
            let length = rest.iter().position(|b| matches!(b, b'"' | b'\\') || *b < 0x20)?;
            if rest[length] != b'"' {
                return None;
            }
            let found = self.text.get(self.at..self.at + length)?;
            self.at += length + 1;
            Some(found)
        }

        /// A string or a whole number.
        fn scalar(&mut self) -> Option<&'a str> {
            if self.peek()? == b'"' {
                return self.string();
            }
            let rest = &self.text.as_bytes()[self.at..];
            let length = rest.iter().position(|b| !b.is_ascii_digit())?;
            // JSON has no numbers with a leading zero.
            if length == 0 || (length > 1 && rest[0] == b'0') {
                return None;
            }
            let found = self.text.get(self.at..self.at + length)?;
            self.at += length;
            Some(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEDIA: &str = r#"{"event":"media","sequenceNumber":"4","streamSid":"MZ1","media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"//7+"}}"#;

    #[test]
    fn the_usual_media_message_takes_the_fast_way() {
        let fast = scan::media(MEDIA).unwrap();
        assert_eq!((Some(fast), vec![]), interpret(&serde_json::from_str(MEDIA).unwrap()));
        let spaced = MEDIA.replace(':', " : ").replace(',', " ,\n");
        assert!(scan::media(&spaced).is_some());
        for odd in ["\\/\\/7+", "", "\u{7}"] {
            assert!(scan::media(&MEDIA.replace("//7+", odd)).is_none(), "{odd:?}");
        }
        let (escaped, problems) = parse(&MEDIA.replace("//7+", "\\/\\/7+").to_owned()).to_owned_parts();
        assert_eq!((escaped.as_deref(), problems.len()), (Some("//7+"), 0));
    }

    trait ToOwnedParts {
        fn to_owned_parts(self) -> (Option<String>, Vec<Problem>);
    }

    impl ToOwnedParts for (Option<Received<'_>>, Vec<Problem>) {
        fn to_owned_parts(self) -> (Option<String>, Vec<Problem>) {
            let payload = match self.0.map(|r| r.message) {
                Some(Message::Media(media)) => Some(media.payload.into_owned()),
                _ => None,
            };
            (payload, self.1)
        }
    }

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

    fn odd_media() -> impl Strategy<Value = Value> {
        let inner = proptest::collection::vec(
            (prop_oneof![Just("track"), Just("chunk"), Just("timestamp"), Just("payload"), Just("x")], scalar()),
            0..6,
        );
        let outer = proptest::collection::vec(
            (prop_oneof![Just("event"), Just("sequenceNumber"), Just("streamSid"), Just("y")], scalar()),
            0..5,
        );
        (inner, outer, any::<bool>()).prop_map(|(inner, outer, named)| {
            let mut object: serde_json::Map<String, Value> =
                outer.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            object.insert("media".to_owned(), inner.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
            if named {
                object.insert("event".to_owned(), "media".into());
            }
            Value::Object(object)
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_message_is_never_taken_for_another(cut in 0..MEDIA.len(), at in 0..MEDIA.len(), with in any::<char>()) {
            let (message, problems) = parse(&MEDIA[..cut]);
            prop_assert!(message.is_none() && !problems.is_empty());
            let mut changed: Vec<char> = MEDIA.chars().collect();
            changed[at] = with;
            let changed: String = changed.into_iter().collect();
            let (message, problems) = parse(&changed);
            prop_assert!(message.is_some() || !problems.is_empty());
        }

        #[test]
        fn both_ways_of_parsing_agree(value in odd_media()) {
            let text = value.to_string();
            if let Some(fast) = scan::media(&text) {
                let (slow, problems) = interpret(&value);
                prop_assert_eq!(Some(fast), slow);
                prop_assert!(problems.is_empty());
            }
        }

        #[test]
        fn what_we_print_is_json_with_exactly_the_fields_asked_for(name in ".{0,20}", mark in ".{0,20}", sound in proptest::collection::vec(any::<u8>(), 0..400)) {
            let stream = StreamName::new(&name);
            let (mut media, mut marked, mut clear) = (String::new(), String::new(), String::new());
            print_media(&stream, &sound, &mut media);
            print_mark(&stream, &mark, &mut marked);
            print_clear(&stream, &mut clear);
            let mut payload = String::new();
            payload::encode(&sound, &mut payload);
            for (text, expected) in [
                (media, serde_json::json!({"event": "media", "streamSid": name, "media": {"payload": payload}})),
                (marked, serde_json::json!({"event": "mark", "streamSid": name, "mark": {"name": mark}})),
                (clear, serde_json::json!({"event": "clear", "streamSid": name})),
            ] {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            }
        }
    }
}
