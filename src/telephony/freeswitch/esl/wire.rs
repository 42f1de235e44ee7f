//! Messages of the event socket: header lines, a blank line, and a body of `Content-Length` bytes.
//! Promise: any bytes in any pieces are messages, the beginning of one, or a stream that is broken for
//! good; what is kept of a peer is bounded.
//! Source: FreeSWITCH's mod_event_socket.

use std::collections::HashMap;

use serde_json::Value;

use crate::base::limits;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What kind of message it is.
    pub fn kind(&self) -> Kind {
        match self.get("Content-Type") {
            Some("auth/request") => Kind::AuthRequest,
            Some("command/reply") => Kind::CommandReply,
            Some("api/response") => Kind::ApiResponse,
            Some("text/event-json") => Kind::EventJson,
            Some("text/event-plain") => Kind::EventPlain,
            Some("text/disconnect-notice") => Kind::Disconnect,
            Some("text/rude-rejection") => Kind::Rejection,
            _ => Kind::Other,
        }
    }

    /// What a reply says: its `Reply-Text`, or its body.
    pub fn reply(&self) -> &str {
        self.get("Reply-Text").unwrap_or(&self.body).trim()
    }

    /// Headers as an event: the answer to `connect` is one, its values are escaped.
    pub fn as_event(&self) -> Event {
        Event(self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), unescape(value))).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AuthRequest,
    CommandReply,
    ApiResponse,
    EventJson,
    EventPlain,
    Disconnect,
    /// The address is not on FreeSWITCH's list.
    Rejection,
    Other,
}

/// A fact about a channel or a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event(HashMap<String, String>);

impl Event {
    /// `None`: the body is no event.
    pub fn of_json(body: &str) -> Option<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_str(body) else { return None };
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase(), text(value)?)));
        Some(Self(fields.collect()))
    }

    /// Header lines with escaped values, then perhaps a body of its own.
    pub fn of_plain(body: &str) -> Option<Self> {
        let (head, rest) = body.split_once("\n\n").unwrap_or((body, ""));
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut fields: HashMap<_, _> =
            lines.map(|(name, value)| (name.to_ascii_lowercase(), unescape(value))).collect();
        if fields.is_empty() {
            return None;
        }
        if !rest.is_empty() {
            fields.insert("_body".to_owned(), rest.to_owned());
        }
        Some(Self(fields))
    }

    /// A field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn name(&self) -> &str {
        self.get("Event-Name").unwrap_or_default()
    }

    pub fn channel(&self) -> Option<&str> {
        self.get("Unique-ID")
    }

    pub fn body(&self) -> &str {
        self.get("_body").unwrap_or_default()
    }
}

/// `%41` is `A`; what is no escape stays as it is.
fn unescape(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |place: usize| bytes.get(place).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why the stream cannot be followed any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("a header block is too long")]
    Headers,
    #[error("a body is too long")]
    Body,
    #[error("a length is no number")]
    Length,
}

/// Puts messages together from what the socket gives.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Bytes of one body at most.
    body_max: usize,
    bytes: Vec<u8>,
    /// How far it has been searched for the end of the headers.
    searched: usize,
    /// Headers that are whole, and the length of the body that is to come.
    head: Option<(Vec<(String, String)>, usize)>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(limits::ESL_BODY_MAX)
    }
}

impl Decoder {
    pub const fn new(body_max: usize) -> Self {
        Self { body_max, bytes: Vec::new(), searched: 0, head: None }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message; after an error nothing more can be made of the stream.
    pub fn take(&mut self) -> Result<Option<Message>, Broken> {
        if self.head.is_none() {
            // A blank line before the headers belongs to nothing.
            let blank = self.bytes.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
            if blank > 0 {
                self.bytes.drain(..blank);
                self.searched = 0;
            }
            let from = self.searched.saturating_sub(3);
            let Some((end, length)) = blank_line(&self.bytes, from) else {
                self.searched = self.bytes.len();
                return if self.bytes.len() > limits::ESL_HEADERS_MAX { Err(Broken::Headers) } else { Ok(None) };
            };
            if end > limits::ESL_HEADERS_MAX {
                return Err(Broken::Headers);
            }
            let text = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            self.bytes.drain(..end + length);
            self.searched = 0;
            let headers: Vec<(String, String)> = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                .collect();
            let body = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
            let body = match body.map(|(_, value)| value.parse::<usize>()) {
                None => 0,
                Some(Ok(length)) if length <= self.body_max => length,
                Some(Ok(_)) => return Err(Broken::Body),
                Some(Err(_)) => return Err(Broken::Length),
            };
            self.head = Some((headers, body));
        }
        match self.head.take() {
            Some((headers, length)) if self.bytes.len() >= length => {
                let body = String::from_utf8_lossy(&self.bytes[..length]).into_owned();
                self.bytes.drain(..length);
                Ok(Some(Message { headers, body }))
            }
            head => {
                self.head = head;
                Ok(None)
            }
        }
    }
}

/// Where the first blank line is, and how many bytes it and the line end before it take.
fn blank_line(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    (from..bytes.len()).find_map(|at| match bytes.get(at..)? {
        [b'\n', b'\n', ..] => Some((at, 2)),
        [b'\n', b'\r', b'\n', ..] => Some((at, 3)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> (Vec<Message>, Option<Broken>) {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        drain(&mut decoder)
    }

    fn drain(decoder: &mut Decoder) -> (Vec<Message>, Option<Broken>) {
        let mut found = Vec::new();
        loop {
            match decoder.take() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => return (found, None),
                Err(broken) => return (found, Some(broken)),
            }
        }
    }

    #[test]
    fn a_session_is_read_message_by_message() {
        let (found, broken) = all(
            b"Content-Type: auth/request\n\nContent-Type: command/reply\r\nReply-Text: +OK accepted\r\n\r\nContent-Type: api/response\nContent-Length: 4\n\n+OK\n\nContent-Length: 25\nContent-Type: text/event-json\n\n{\"Event-Name\":\"DTMF\",\"a\":1}",
        );
        let kinds: Vec<_> = found.iter().map(Message::kind).collect();
        assert_eq!(kinds, [Kind::AuthRequest, Kind::CommandReply, Kind::ApiResponse, Kind::EventJson]);
        assert_eq!((found[1].reply(), found[2].reply()), ("+OK accepted", "+OK"));
        assert_eq!(broken, None);
        let event = Event::of_json(r#"{"Event-Name":"DTMF","Unique-ID":"u","n":5,"x":null}"#).unwrap();
        assert_eq!(
            (event.name(), event.channel(), event.get("N"), event.get("x")),
            ("DTMF", Some("u"), Some("5"), None)
        );
        let plain = Event::of_plain("Event-Name: DTMF\nCaller-Caller-ID-Name: A%20%26%2\n\nbody").unwrap();
        assert_eq!((plain.get("caller-caller-id-name"), plain.body()), (Some("A &%2"), "body"));
        assert!(Event::of_json("[]").is_none() && Event::of_plain("no field").is_none());
    }

    #[test]
    fn what_is_too_long_or_no_number_breaks_the_stream() {
        let length = |text: &str| format!("Content-Length: {text}\n\n").into_bytes();
        assert_eq!(all(&length("99999999")).1, Some(Broken::Body));
        assert_eq!(all(&length("18446744073709551616")).1, Some(Broken::Length));
        assert_eq!(all(&length("-1")).1, Some(Broken::Length));
        assert_eq!(all(&vec![b'x'; limits::ESL_HEADERS_MAX + 1]).1, Some(Broken::Headers));
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(
            bodies in proptest::collection::vec("[ -~\n]{0,60}", 0..8),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
            cuts in proptest::collection::vec(1_usize..30, 1..60),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                bytes.extend(format!("Content-Type: api/response\nContent-Length: {}\n\n{body}", body.len()).bytes());
            }
            bytes.extend(noise);
            let mut decoder = Decoder::default();
            let (mut found, mut broken, mut rest) = (Vec::new(), None, &bytes[..]);
            for cut in cuts.iter().chain([&usize::MAX]) {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.push(now);
                if broken.is_none() {
                    let (more, how) = drain(&mut decoder);
                    found.extend(more);
                    broken = how;
                }
                rest = later;
            }
            let whole = all(&bytes);
            prop_assert!(found.iter().zip(&bodies).all(|(message, body)| message.body == *body));
            prop_assert!(found.len() >= bodies.len());
            prop_assert_eq!((found, broken), whole);
        }

        #[test]
        fn no_text_makes_an_event_panic(text in ".{0,200}") {
            let _ = (Event::of_json(&text), Event::of_plain(&text));
        }
    }
}
