//! What ARI says, and how numbers are written for it. Pure.

use serde::Deserialize;
use serde_json::Value;

use crate::base::event::CallState;
use crate::telephony::dial::Destination;

/// What an event tells of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub channel: String,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Ringing,
    Answered,
    /// Gone, with the cause by its number (Q.850).
    Gone(u32),
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    channel: Option<Channel>,
    cause: Option<Value>,
}

/// A channel as events and answers describe it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Channel {
    pub id: String,
    #[serde(default)]
    pub state: String,
}

impl Channel {
    pub fn is_up(&self) -> bool {
        self.state.eq_ignore_ascii_case("up")
    }
}

/// `None`: nothing that matters here, or nothing that can be read.
pub fn parse(text: &str) -> Option<Event> {
    let Message { kind, channel, cause } = serde_json::from_str(text).ok()?;
    let channel = channel?;
    let what = match kind.as_str() {
        "ChannelStateChange" if channel.is_up() => What::Answered,
        "ChannelStateChange" if matches!(channel.state.as_str(), "Ringing" | "Ring") => What::Ringing,
        "ChannelDestroyed" => What::Gone(number(cause.as_ref()).unwrap_or_default()),
        _ => return None,
    };
    Some(Event { channel: channel.id, what })
}

/// Written as a number or as text.
fn number(value: Option<&Value>) -> Option<u32> {
    match value? {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// How a channel stands that has ended for this cause (Q.850).
pub const fn state_of(cause: u32, answered: bool) -> CallState {
    match cause {
        _ if answered => CallState::Completed,
        // Cleared before an answer, busy, no response, no answer, absent, rejected.
        16..=21 => CallState::NotPicked,
        _ => CallState::Failed,
    }
}

/// How Asterisk is told whom to ring: `PJSIP/{number}@trunk`; `None`: it cannot be written so.
pub fn endpoint(to: &Destination, number: &str, extension: &str) -> Option<String> {
    match to {
        Destination::Number(phone) => {
            Some(number.replace("{number}", phone.national()).replace("{e164}", phone.reveal()))
        }
        Destination::Extension(name) => {
            // Nothing that means something else in an endpoint or an address.
            let plain = (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+*#".contains(&b));
            plain.then(|| extension.replace("{extension}", name))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endings_mean_what_they_say() {
        for (cause, answered, state) in [
            (16, true, CallState::Completed),
            (0, true, CallState::Completed),
            (16, false, CallState::NotPicked),
            (17, false, CallState::NotPicked),
            (19, false, CallState::NotPicked),
            (21, false, CallState::NotPicked),
            (1, false, CallState::Failed),
            (34, false, CallState::Failed),
            (0, false, CallState::Failed),
        ] {
            assert_eq!(state_of(cause, answered), state, "{cause} {answered}");
        }
    }

    #[test]
    fn numbers_and_extensions_are_written_as_the_trunk_wants_them() {
        let number = Destination::Number("+919876543210".parse().unwrap());
        let written = |to: &Destination, how: &str| endpoint(to, how, "PJSIP/{extension}");
        assert_eq!(written(&number, "PJSIP/{number}@trunk").as_deref(), Some("PJSIP/9876543210@trunk"));
        assert_eq!(written(&number, "PJSIP/{e164}@trunk").as_deref(), Some("PJSIP/+919876543210@trunk"));
        for (name, expected) in [
            ("1001", Some("PJSIP/1001")),
            ("sales-2", Some("PJSIP/sales-2")),
            ("", None),
            ("1001&PJSIP/1002", None),
            ("a@b", None),
            ("a/b", None),
        ] {
            let to = Destination::Extension(name.to_owned());
            assert_eq!(written(&to, "PJSIP/{number}@trunk").as_deref(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(text in ".{0,200}", kind in "Channel(StateChange|Destroyed)", id in ".{0,20}", cause in any::<i64>()) {
            let _ = parse(&text);
            let event = serde_json::json!({ "type": kind, "cause": cause, "channel": { "id": id, "state": "Up" } });
            let read = parse(&event.to_string());
            prop_assert_eq!(read.map(|event| event.channel), Some(id));
        }
    }
}
