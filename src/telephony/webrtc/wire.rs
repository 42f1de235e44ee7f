//! What goes over the data channel `events`: one JSON object a message, `t` says what it is.
//! Promise: whatever a browser sends, reading it ends; facts become messages for the call's own browser,
//! with its own words and nobody else's.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::event::{Event, Record, Speaker};
use crate::base::limits;

/// Something the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Key(char),
    HangUp,
    Ping(u64),
}

#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
enum Message {
    Dtmf { d: String },
    Ctl { op: String },
    Ping { n: u64 },
}

/// `None`: not a message that we know.
pub fn read(text: &str) -> Option<Asked> {
    if text.len() > limits::WEBRTC_MESSAGE_MAX {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Message::Dtmf { d } => {
            let mut keys = d.chars();
            let key = keys.next().filter(|key| is_key(*key))?;
            keys.next().is_none().then_some(Asked::Key(key))
        }
        Message::Ctl { op } => (op == "hangup").then_some(Asked::HangUp),
        Message::Ping { n } => Some(Asked::Ping(n)),
    }
}

pub const fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#')
}

/// The key of a telephone event (RFC 4733, section 3.2); `None`: no key of a telephone.
pub const fn event_key(payload: &[u8]) -> Option<char> {
    match payload {
        [digit @ 0..=9, _, _, _, ..] => Some((b'0' + *digit) as char),
        [10, _, _, _, ..] => Some('*'),
        [11, _, _, _, ..] => Some('#'),
        _ => None,
    }
}

pub fn pong(n: u64) -> String {
    json!({"t": "pong", "n": n}).to_string()
}

/// What the browser has got and not played is to be heard by nobody.
pub fn clear() -> String {
    json!({"t": "clear", "ms": limits::WEBRTC_HUSH.as_millis() as u64}).to_string()
}

/// The line is closed; the last message there is.
pub fn bye(reason: &str) -> String {
    json!({"t": "bye", "reason": reason}).to_string()
}

/// A fact as the call's own browser is told it; `None`: it is not.
pub fn told(record: &Record) -> Option<String> {
    let mut message = match &record.event {
        Event::StateChanged { to, .. } => json!({"t": "state", "state": to}),
        Event::LanguageDetected { language, .. } | Event::LanguageSwitched { to: language, .. } => {
            json!({"t": "language", "lang": language})
        }
        Event::SpeechStarted { turn } => json!({"t": "speech", "turn": turn}),
        Event::Heard { turn, by: Speaker::Caller, language, confidence, text } => {
            json!({"t": "heard", "turn": turn, "lang": language, "confidence": confidence, "text": text})
        }
        Event::Said { turn, language, text, heard, cut } => {
            json!({"t": "said", "turn": turn, "lang": language, "text": text, "heard": heard, "cut": cut})
        }
        Event::TurnAnswered { turn, language, way, waterfall, .. } => {
            json!({"t": "waterfall", "turn": turn, "lang": language, "way": way, "times": waterfall})
        }
        Event::BargeIn { turn, stopped_after_ms } => {
            json!({"t": "barge_in", "turn": turn, "stopped_after_ms": stopped_after_ms})
        }
        Event::MediaBack { after_ms } => json!({"t": "back", "after_ms": after_ms}),
        Event::Dtmf { .. } => json!({"t": "key"}),
        Event::CallEnded { outcome, cause, duration_ms, .. } => {
            json!({"t": "ended", "outcome": outcome, "cause": cause, "duration_ms": duration_ms})
        }
        _ => return None,
    };
    if let Value::Object(fields) = &mut message {
        fields.insert("at_ms".to_owned(), record.call_ms.into());
    }
    let text = message.to_string();
    // A channel's message may be lost on its way when it is larger; such a line was never spoken.
    (text.len() <= 16 * 1024).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::event::Waterfall;
    use crate::base::event::Way;
    use crate::base::{CallId, Lang};

    #[test]
    fn what_a_page_asks() {
        for (text, asked) in [
            (r##"{"t":"dtmf","d":"#"}"##, Some(Asked::Key('#'))),
            (r#"{"t":"dtmf","d":"5","more":[1]}"#, Some(Asked::Key('5'))),
            (r#"{"t":"dtmf","d":"55"}"#, None),
            (r#"{"t":"dtmf","d":"A"}"#, None),
            (r#"{"t":"dtmf","d":""}"#, None),
            (r#"{"t":"ctl","op":"hangup"}"#, Some(Asked::HangUp)),
            (r#"{"t":"ctl","op":"reboot"}"#, None),
            (r#"{"t":"ping","n":7}"#, Some(Asked::Ping(7))),
            (r#"{"t":"ping","n":-1}"#, None),
            (r#"{"t":"heard","text":"x"}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(read(text), asked, "{text}");
        }
        let long = format!(r#"{{"t":"ping","n":1,"x":"{}"}}"#, "y".repeat(limits::WEBRTC_MESSAGE_MAX));
        assert_eq!(read(&long), None);
        let deep = "[".repeat(limits::WEBRTC_MESSAGE_MAX);
        assert_eq!(read(&deep), None);
    }

    #[test]
    fn telephone_events_are_keys() {
        for (payload, key) in [
            (&[0, 0x0a, 0, 160][..], Some('0')),
            (&[9, 0, 0, 0], Some('9')),
            (&[10, 0, 0, 0], Some('*')),
            (&[11, 0, 0, 0, 0], Some('#')),
            (&[12, 0, 0, 0], None),
            (&[5, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(event_key(payload), key, "{payload:?}");
        }
    }

    #[test]
    fn facts_become_messages() {
        let record = |event| Record { call: CallId::new(), unix_ms: 1, call_ms: 250, event };
        let said = Event::Said {
            turn: 2,
            language: Lang::Hi,
            text: "नमस्ते \"आप\"".to_owned(),
            heard: "नमस्ते".to_owned(),
            cut: true,
        };
        let message: Value = serde_json::from_str(&told(&record(said)).unwrap()).unwrap();
        assert_eq!(
            message,
            json!({"t": "said", "turn": 2, "lang": Lang::Hi, "text": "नमस्ते \"आप\"", "heard": "नमस्ते", "cut": true, "at_ms": 250})
        );
        let answered = Event::TurnAnswered {
            turn: 2,
            language: Lang::Hi,
            intent: None,
            way: Way::Flow,
            waterfall: Waterfall { first_frame_out: Some(430), ..Waterfall::default() },
        };
        let message: Value = serde_json::from_str(&told(&record(answered)).unwrap()).unwrap();
        assert_eq!(message["times"]["first_frame_out"], 430);
        assert_eq!(told(&record(Event::Filler { turn: 1 })), None);
        let endless = Event::Heard {
            turn: 1,
            by: Speaker::Caller,
            language: Lang::En,
            confidence: 1.0,
            text: "a".repeat(20_000),
        };
        assert_eq!(told(&record(endless)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
