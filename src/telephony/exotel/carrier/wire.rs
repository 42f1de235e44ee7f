//! The carrier's half of the wire: its messages printed as it prints them, ours judged by its table of
//! limits.

use serde_json::{Map, Value, json};

use super::DialOptions;
use crate::base::audio::LINE_RATE;
use crate::base::resample::Resampler;
use crate::base::{g711, limits};
use crate::telephony::far::{FarWire, FromBox};
use crate::telephony::stream::{Frame, payload};

/// How one account's streams differ from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peculiarities {
    /// Milliseconds of sound in one message: 100, with some accounts 20.
    pub cadence_ms: u32,
    /// Names in camelCase, numbers as numbers.
    pub camel: bool,
    /// 8 kHz mu-law instead of 16-bit samples.
    pub mulaw: bool,
    /// The least bytes a message of ours must have.
    pub least_bytes: usize,
    /// A clear gives back the marks it threw away.
    pub gives_cleared_marks_back: bool,
}

impl Default for Peculiarities {
    fn default() -> Self {
        Self {
            cadence_ms: 100,
            camel: false,
            mulaw: false,
            least_bytes: limits::EXOTEL_CHUNK as usize,
            gives_cleared_marks_back: false,
        }
    }
}

/// What the carrier says of a message it drops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("1003: not a JSON object")]
    NotJson,
    #[error("1003: unknown event")]
    UnknownEvent,
    #[error("1003: a field is missing or of the wrong kind")]
    Fields,
    #[error("1003: wrong stream_sid")]
    WrongStream,
    #[error("1007: payload is not base64")]
    Payload,
    #[error("1009: a chunk of {0} bytes")]
    Size(usize),
}

/// Prints the messages of one stream and keeps its counters, and the sound of both sides.
pub struct Printer {
    account: String,
    call: String,
    stream: String,
    from: String,
    to: String,
    parameters: Vec<(String, String)>,
    peculiarities: Peculiarities,
    rate: u32,
    sequence: u64,
    chunk: u64,
    up: Option<Resampler>,
    down: Option<Resampler>,
    /// The caller's sound that does not fill a message yet, and how much has left before it.
    pending: Vec<u8>,
    left: u64,
    samples: Vec<i16>,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Printer({} at {} Hz)", self.stream, self.rate)
    }
}

impl Printer {
    pub fn new(options: &DialOptions, rate: u32, parameters: Vec<(String, String)>) -> Self {
        let rate = if options.peculiarities.mulaw { LINE_RATE } else { rate };
        Self {
            account: options.account_sid.clone(),
            call: options.call_sid.clone(),
            stream: options.stream_sid(),
            from: options.from.clone(),
            to: options.to.clone(),
            parameters,
            peculiarities: options.peculiarities,
            rate,
            sequence: 0,
            chunk: 0,
            up: Resampler::new(LINE_RATE, rate).ok(),
            down: Resampler::new(rate, LINE_RATE).ok(),
            pending: Vec::new(),
            left: 0,
            samples: Vec::new(),
        }
    }

    pub const fn rate(&self) -> u32 {
        self.rate
    }

    pub fn connected() -> String {
        r#"{"event":"connected"}"#.to_owned()
    }

    pub fn start(&mut self) -> String {
        let parameters: Map<String, Value> =
            self.parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let encoding = if self.peculiarities.mulaw { "audio/x-mulaw" } else { "audio/x-raw" };
        let body = json!({
            "stream_sid": self.stream,
            "call_sid": self.call,
            "account_sid": self.account,
            "from": self.from,
            "to": self.to,
            "custom_parameters": parameters,
            "media_format": {"encoding": encoding, "sample_rate": self.rate.to_string(), "bit_rate": "128kbps"},
        });
        self.print("start", body)
    }

    /// A message of sound whose payload is base64 already.
    pub fn media_encoded(&mut self, payload: &str, at_ms: u64) -> String {
        self.chunk += 1;
        let body = json!({"chunk": self.chunk.to_string(), "timestamp": at_ms.to_string(), "payload": payload});
        self.print("media", body)
    }

    pub fn dtmf(&mut self, digit: char) -> String {
        self.print("dtmf", json!({"digit": digit.to_string(), "duration": "100"}))
    }

    pub fn marked(&mut self, name: &str) -> String {
        self.print("mark", json!({ "name": name }))
    }

    pub fn stop(&mut self) -> String {
        let body = json!({"call_sid": self.call, "account_sid": self.account, "reason": "callended"});
        self.print("stop", body)
    }

    fn print(&mut self, event: &str, body: Value) -> String {
        self.sequence += 1;
        let mut message =
            json!({"event": event, "sequence_number": self.sequence.to_string(), "stream_sid": self.stream});
        if let Some(fields) = message.as_object_mut() {
            fields.insert(event.to_owned(), body);
        }
        if self.peculiarities.camel { in_camel(message).to_string() } else { message.to_string() }
    }

    /// One message of the box.
    pub fn parse(&self, text: &str) -> Result<Asked, Violation> {
        let value: Value = serde_json::from_str(text).map_err(|_| Violation::NotJson)?;
        let fields = value.as_object().ok_or(Violation::NotJson)?;
        let named = |object: &str, name: &str| -> Result<String, Violation> {
            let text = value[object][name].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or(Violation::Fields)
        };
        let event = fields.get("event").and_then(Value::as_str).ok_or(Violation::UnknownEvent)?;
        let stream = fields.get("stream_sid").and_then(Value::as_str).ok_or(Violation::Fields)?;
        let asked = match event {
            "media" => {
                let mut bytes = Vec::new();
                payload::decode(&named("media", "payload")?, &mut bytes).map_err(|_| Violation::Payload)?;
                let Peculiarities { least_bytes, mulaw, .. } = self.peculiarities;
                let least = if mulaw { least_bytes / 2 } else { least_bytes };
                if !bytes.len().is_multiple_of(limits::EXOTEL_CHUNK_STEP) || !(least..=100_000).contains(&bytes.len()) {
                    return Err(Violation::Size(bytes.len()));
                }
                Asked::Media(bytes)
            }
            "mark" => Asked::Mark(named("mark", "name")?),
            "clear" => Asked::Clear,
            _ => return Err(Violation::UnknownEvent),
        };
        if stream == self.stream { Ok(asked) } else { Err(Violation::WrongStream) }
    }
}

/// What the box wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Media(Vec<u8>),
    Mark(String),
    Clear,
}

impl FarWire for Printer {
    fn opening(&mut self) -> Vec<Frame> {
        vec![Frame::Text(Self::connected()), Frame::Text(self.start())]
    }

    fn sound(&mut self, pcm: &[i16], _: u64) -> Option<Frame> {
        self.samples.clear();
        self.up.as_mut()?.push(pcm, &mut self.samples);
        if self.peculiarities.mulaw {
            g711::encode_ulaw(&self.samples, &mut self.pending);
        } else {
            self.pending.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        }
        let width = if self.peculiarities.mulaw { 1 } else { 2 };
        let full = (self.rate * self.peculiarities.cadence_ms / 1_000) as usize * width;
        if self.pending.len() < full {
            return None;
        }
        let rest = self.pending.split_off(full);
        let piece = std::mem::replace(&mut self.pending, rest);
        let mut text = String::new();
        payload::encode(&piece, &mut text);
        let at_ms = self.left;
        self.left += u64::from(self.peculiarities.cadence_ms);
        Some(Frame::Text(self.media_encoded(&text, at_ms)))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        Some(Frame::Text(self.dtmf(digit)))
    }

    fn mark(&mut self, name: &str) -> Option<Frame> {
        Some(Frame::Text(self.marked(name)))
    }

    fn hang_up(&mut self) -> Option<Frame> {
        Some(Frame::Text(self.stop()))
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        let Frame::Text(text) = frame else { return Err("1003: binary frame".to_owned()) };
        match self.parse(text).map_err(|violation| violation.to_string())? {
            Asked::Media(bytes) => {
                self.samples.clear();
                if self.peculiarities.mulaw {
                    self.samples.extend(bytes.iter().map(|byte| g711::ulaw_to_pcm(*byte)));
                } else {
                    self.samples.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                }
                let mut pcm = Vec::new();
                if let Some(down) = &mut self.down {
                    down.push(&self.samples, &mut pcm);
                }
                Ok(FromBox::Sound(pcm))
            }
            Asked::Mark(name) => Ok(FromBox::Mark(name)),
            Asked::Clear => {
                // What is left in the converter was thrown away with the rest; it begins no later sound.
                self.samples.clear();
                if let Some(down) = &mut self.down {
                    down.finish(&mut self.samples);
                }
                Ok(FromBox::Clear)
            }
        }
    }

    fn gives_cleared_marks_back(&self) -> bool {
        self.peculiarities.gives_cleared_marks_back
    }

    /// "`clear` removes only audio not yet started."
    fn plays_begun_piece_out(&self) -> bool {
        true
    }
}

/// The same message with names in camelCase and numbers as numbers.
fn in_camel(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let numeric = matches!(name.as_str(), "sequence_number" | "chunk" | "timestamp" | "sample_rate");
                    let number = value.as_str().filter(|_| numeric).and_then(|text| text.parse::<u64>().ok());
                    let mut parts = name.split('_');
                    let mut camel = parts.next().unwrap_or_default().to_owned();
                    for part in parts {
                        let (first, rest) = part.split_at(part.len().min(1));
                        camel.push_str(&first.to_ascii_uppercase());
                        camel.push_str(rest);
                    }
                    (camel, number.map_or_else(|| in_camel(value), Value::from))
                })
                .collect(),
        ),
        other => other,
    }
}
