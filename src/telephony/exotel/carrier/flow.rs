//! The flow behind the Voicebot applet: Passthru, Connect with its dial events, Passthru again, and back to
//! the Voicebot applet, wherever the box's answers lead.
//! Promise: as strict about the box's answers as the carrier's pages are; whatever they do not allow ends the
//! call as one that did not go as it should.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::wire::Printer;
use super::{DialError, DialOptions, OpenStream};
use crate::base::Clock;
use crate::telephony::far::{Line, Side, Socket};

/// Streams that one call may have.
const STREAMS_MAX: u32 = 8;
/// How long the person's telephone rings here before anything happens, whatever they do then.
const RINGS: Duration = Duration::from_millis(300);

/// What the person does whom the Connect applet rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Takes the call and hangs up after so long.
    Talks(Duration),
    Busy,
    /// Lets it ring until the applet gives up.
    DoesNotAnswer,
}

/// Where the administrator has led Passthru's 302.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// To Connect, and from there on to another Passthru.
    #[default]
    Connects,
    /// Back to the Voicebot applet.
    Returns,
}

/// Where the flow goes on.
enum Next {
    /// The call is over; true if the box wanted that.
    Over(bool),
    Voicebot,
}

/// How the Connect applet got on.
struct Dialled {
    status: &'static str,
    whom: String,
}

/// The whole call from the open socket on.
pub(super) async fn run(
    mut options: DialOptions,
    mut line: Line<Printer>,
    socket: Socket,
    http: reqwest::Client,
    clock: Clock,
) {
    let mut socket = socket;
    let clean = loop {
        let mut by = line.carry_stream(socket, clock).await;
        match line.gone_with(by) {
            Some(false) => break false,
            Some(true) => by = Side::Caller,
            None => {}
        }
        match options.after_stream(&http, &mut line, by).await {
            Ok(Next::Voicebot) if options.streams < STREAMS_MAX => {}
            Ok(Next::Over(clean)) => break clean,
            Ok(Next::Voicebot) | Err(_) => break false,
        }
        options.streams += 1;
        match options.open(&http).await {
            Ok(opened) => {
                socket = opened.socket;
                line.go_on(opened.printer);
            }
            Err(_) => break false,
        }
    };
    line.over(clean).await;
}

impl DialOptions {
    async fn after_stream(
        &self,
        http: &reqwest::Client,
        line: &mut Line<Printer>,
        by: Side,
    ) -> Result<Next, DialError> {
        match (self.passthru(http, by).await?, by) {
            (StatusCode::OK, _) => return Ok(Next::Over(true)),
            // Whoever has hung up is connected with nobody.
            (StatusCode::FOUND, Side::Caller) => return Ok(Next::Over(false)),
            (StatusCode::FOUND, _) if self.flow == Flow::Returns => return Ok(Next::Voicebot),
            (StatusCode::FOUND, _) => {}
            _ => return Ok(Next::Over(false)),
        }
        let Some(dialled) = self.connect(http, line).await? else { return Ok(Next::Over(true)) };
        let mut query = self.of_call();
        query.push(("DialCallStatus".to_owned(), dialled.status.to_owned()));
        query.push(("DialWhomNumber".to_owned(), dialled.whom));
        Ok(match self.get(http, "/passthru-after-connect", &query).await?.status() {
            StatusCode::OK => Next::Over(true),
            StatusCode::FOUND => Next::Voicebot,
            _ => Next::Over(false),
        })
    }

    /// The Connect applet; `None`: the caller has hung up meanwhile.
    async fn connect(&self, http: &reqwest::Client, line: &mut Line<Printer>) -> Result<Option<Dialled>, DialError> {
        let answer = self.get(http, "/connect-handler", &self.of_call()).await?;
        if !answer.status().is_success() {
            return Err(DialError::Status { path: "/connect-handler".to_owned(), status: answer.status().as_u16() });
        }
        let document: Value = answer.json().await.map_err(DialError::Unreachable)?;
        let Some(whom) = whom(&document).map_err(DialError::Connect)? else {
            return Ok(Some(Dialled { status: "null", whom: String::new() }));
        };
        let events = document["dial_passthru_event_url"].as_str().unwrap_or_default().to_owned();
        let told = async |event: &str, status: &str| -> Result<(), DialError> {
            let mut query = self.of_call();
            let more = [("EventType", event), ("DialWhomNumber", &whom), ("DialCallStatus", status)];
            query.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let url = self.really(&events).ok_or_else(|| DialError::Connect(format!("{events:?} is no address")))?;
            let asked = http.get(url).query(&query).timeout(super::ANSWER_WITHIN);
            let status = asked.send().await.map_err(DialError::Unreachable)?.status();
            if status.is_success() { Ok(()) } else { Err(DialError::Connect(format!("{status} to a dial event"))) }
        };
        told("Dial", "").await?;
        let rings = match self.person {
            Person::DoesNotAnswer => Duration::from_secs(document["max_ringing_duration"].as_u64().unwrap_or(30)),
            Person::Talks(_) | Person::Busy => RINGS,
        };
        let mut gone = line.hold(rings).await;
        let status = match self.person {
            _ if gone => "canceled",
            Person::Busy => "busy",
            Person::DoesNotAnswer => "no-answer",
            Person::Talks(talk) => {
                told("Answered", "in-progress").await?;
                gone = line.hold(talk).await;
                "completed"
            }
        };
        told("Terminal", status).await?;
        if gone {
            // The flow of a caller who is gone ends, but for what it has told already.
            return Ok(None);
        }
        Ok(Some(Dialled { status, whom }))
    }
}

/// Whom a document of the Connect applet has rung; `None`: nobody. The error says what the applet would not
/// take.
fn whom(document: &Value) -> Result<Option<String>, String> {
    let numbers = document["destination"]["numbers"].as_array().ok_or("no destination.numbers")?;
    let Some(first) = numbers.first() else { return Ok(None) };
    let number = first.as_str().ok_or("a number that is no text")?;
    let digits = number.trim_start_matches('+');
    let good = number.starts_with("sip:") || (digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()));
    if !good {
        return Err(format!("{number:?} is no number"));
    }
    if !document["fetch_after_attempt"].is_boolean() {
        return Err("fetch_after_attempt is missing".to_owned());
    }
    let ring = &document["max_ringing_duration"];
    if !ring.is_null() && !ring.as_u64().is_some_and(|ring| (1..=120).contains(&ring)) {
        return Err(format!("max_ringing_duration is {ring}"));
    }
    let playback = &document["start_call_playback"];
    let said = |key: &str, known: &[&str]| playback[key].as_str().is_some_and(|value| known.contains(&value));
    let whole = said("playback_to", &["callee", "both"])
        && said("type", &["text", "audio_url"])
        && playback["value"].as_str().is_some_and(|value| !value.is_empty());
    if !playback.is_null() && !whole {
        return Err("start_call_playback is not complete".to_owned());
    }
    Ok(Some(number.to_owned()))
}

impl DialOptions {
    /// Where the box says it is, replaced by where it really is.
    fn really(&self, told: &str) -> Option<url::Url> {
        let mut url = url::Url::parse(told).ok()?;
        url.set_scheme(self.base_url.scheme()).ok()?;
        url.set_port(self.base_url.port()).ok()?;
        url.set_host(self.base_url.host_str()).ok()?;
        Some(url)
    }
}

/// A stream that is opened for a call that had one before, for those who speak on it themselves.
impl OpenStream {
    pub async fn again(mut options: DialOptions) -> Result<Self, DialError> {
        options.streams += 1;
        options.open_stream().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_judged_as_the_applet_does() {
        let good = json!({ "fetch_after_attempt": false, "destination": { "numbers": ["+919876543210"] },
            "max_ringing_duration": 30,
            "start_call_playback": { "playback_to": "callee", "type": "text", "value": "a claim" } });
        assert_eq!(whom(&good), Ok(Some("+919876543210".to_owned())));
        assert_eq!(whom(&json!({ "destination": { "numbers": [] } })), Ok(None));
        for (pointer, value) in [
            ("/destination", json!({})),
            ("/destination/numbers", json!("+919876543210")),
            ("/destination/numbers/0", json!(9)),
            ("/destination/numbers/0", json!("1001")),
            ("/fetch_after_attempt", json!("no")),
            ("/max_ringing_duration", json!("30")),
            ("/start_call_playback/playback_to", json!("caller")),
            ("/start_call_playback/value", json!("")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(whom(&bad).is_err(), "{pointer}");
        }
    }
}
