//! What goes between a handset and the box: `u8 kind | u16 length, big-endian | payload`, the framing of
//! AudioSocket.
//! Promise: any bytes in any pieces are messages or the beginning of one; nothing is lost at the cuts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::Lang;
use crate::base::audio::LINE_FRAME;
use crate::base::secret::Secret;
use crate::telephony::stream::packets::Packets;

const OVER: u8 = 0x00;
const START: u8 = 0x01;
const KEY: u8 = 0x03;
const SOUND: u8 = 0x10;
/// From the box: what happens on the call, one JSON object, as browsers get it.
const FACT: u8 = 0x20;
const HEADER: usize = 3;

/// The first message of a handset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Names the call, made up by the handset; `/sessions/NAME` knows it.
    pub name: String,
    /// `None`: the box's default one.
    pub agent: Option<String>,
    pub language: Option<Lang>,
    /// The speaker is a headset's, which the microphone does not hear.
    pub full_duplex: bool,
    /// Carries the call of that name on: what the box told its handset when it began.
    pub proof: Option<String>,
}

/// The fact that tells a handset what to show if it has to come back.
pub fn proof(secret: &Secret) -> String {
    json!({"t": "line", "proof": secret.expose()}).to_string()
}

/// The proof of such a fact; `None`: it is another.
pub fn read_proof(fact: &str) -> Option<String> {
    let mut fact: Value = serde_json::from_str(fact).ok()?;
    match (fact["t"] == "line", fact["proof"].take()) {
        (true, Value::String(proof)) => Some(proof),
        _ => None,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are sound, and one is looked at at a time")]
pub enum Message {
    /// Hung up. From the box with a reason, where there is one to tell.
    Over(String),
    Start(Start),
    Key(char),
    /// 20 ms, 8 kHz.
    Sound([i16; LINE_FRAME]),
    Fact(String),
    /// A kind nobody knows, or a payload that is not what it should be.
    Odd(u8),
}

fn read(kind: u8, payload: &[u8]) -> Message {
    let text = || String::from_utf8(payload.to_vec()).ok();
    let known = match (kind, payload) {
        (OVER, _) => text().map(Message::Over),
        (START, _) => serde_json::from_slice(payload).ok().filter(is_fit).map(Message::Start),
        (KEY, [key @ (b'0'..=b'9' | b'*' | b'#')]) => Some(Message::Key(char::from(*key))),
        (SOUND, _) if payload.len() == 2 * LINE_FRAME => {
            let mut pcm = [0; LINE_FRAME];
            for (sample, bytes) in pcm.iter_mut().zip(payload.as_chunks::<2>().0) {
                *sample = i16::from_le_bytes(*bytes);
            }
            Some(Message::Sound(pcm))
        }
        (FACT, _) => text().map(Message::Fact),
        _ => None,
    };
    known.unwrap_or(Message::Odd(kind))
}

fn is_fit(start: &Start) -> bool {
    let plain = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let fit = |text: &Option<String>| text.as_deref().is_none_or(plain);
    !start.name.is_empty() && plain(&start.name) && fit(&start.agent) && fit(&start.proof)
}

/// Appends a message. Words that are longer than a message holds are left out whole.
pub fn print(message: &Message, out: &mut Vec<u8>) {
    let (kind, payload) = match message {
        Message::Over(reason) => (OVER, reason.clone().into_bytes()),
        Message::Start(start) => (START, serde_json::to_vec(start).unwrap_or_default()),
        Message::Key(key) => (KEY, vec![u8::try_from(*key).unwrap_or(b'#')]),
        Message::Sound(pcm) => (SOUND, pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
        Message::Fact(text) => (FACT, text.clone().into_bytes()),
        Message::Odd(_) => return,
    };
    let Ok(length) = u16::try_from(payload.len()) else { return };
    out.push(kind);
    out.extend(length.to_be_bytes());
    out.extend(payload);
}

pub fn printed(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + 2 * LINE_FRAME);
    print(message, &mut out);
    out
}

/// Puts messages together from what the socket gives.
#[derive(Clone, Debug, Default)]
pub struct Decoder(Packets);

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The next whole message.
    pub fn take(&mut self) -> Option<Message> {
        self.0.take().map(|(kind, payload)| read(kind, payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<Message> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            out.extend(std::iter::from_fn(|| decoder.take()));
        }
        out
    }

    fn messages() -> Vec<Message> {
        let start = Start {
            name: "local-1".to_owned(),
            agent: Some("helpdesk".to_owned()),
            language: Some(Lang::Ta),
            full_duplex: true,
            proof: Some("0f".repeat(32)),
        };
        let mut pcm = [0; LINE_FRAME];
        (pcm[0], pcm[1], pcm[159]) = (i16::MIN, -2, i16::MAX);
        let fact = Message::Fact("{\"t\":\"said\",\"text\":\"नमस्ते\"}".to_owned());
        vec![Message::Start(start), Message::Key('#'), Message::Sound(pcm), fact, Message::Over(String::new())]
    }

    #[test]
    fn messages_come_back_however_they_are_cut() {
        let bytes: Vec<u8> = messages().iter().flat_map(printed).collect();
        assert_eq!(all(&[&bytes]), messages());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), messages());
        assert_eq!(all(&[&bytes[..bytes.len() - 1]]).len(), messages().len() - 1);
    }

    #[test]
    fn a_proof_is_told_in_a_fact() {
        let secret = Secret::new("0f0f");
        assert_eq!(read_proof(&proof(&secret)).as_deref(), Some("0f0f"));
        for other in [r#"{"t":"said","proof":"x"}"#, r#"{"t":"line"}"#, r#"{"t":"line","proof":7}"#, "nonsense"] {
            assert_eq!(read_proof(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_odd_and_the_next_is_read() {
        for (kind, payload) in [
            (0x01, &b"{}"[..]),
            (0x01, b"nonsense"),
            (0x01, br#"{"name":"a b"}"#),
            (0x01, br#"{"name":"a","agent":"../x"}"#),
            (0x01, br#"{"name":"a","proof":"not one"}"#),
            (0x03, b"A"),
            (0x03, b"12"),
            (0x10, b"half a frame"),
            (0x20, &[0xFF, 0xFE]),
            (0x77, b""),
        ] {
            let mut bytes = vec![kind, 0, u8::try_from(payload.len()).unwrap()];
            bytes.extend(payload);
            bytes.extend(printed(&Message::Key('5')));
            assert_eq!(all(&[&bytes]), [Message::Odd(kind), Message::Key('5')], "{payload:?}");
        }
        assert_eq!(printed(&Message::Fact("x".repeat(70_000))), Vec::<u8>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), cut in 1_usize..40) {
            let whole = all(&[&bytes]);
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(whole, all(&pieces));
        }
    }
}
