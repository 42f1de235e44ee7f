//! A caller whom the flow connects with a person: the Connect applet asks whom to ring, tells how it goes,
//! and the Passthru applet behind it asks what comes next.
//! Promise: nobody is rung but whom the conversation has named; whoever was not reached comes back to the
//! Voicebot applet; the same question gets the same answer.
//! Absent on purpose: the choice of the person, and what is said to the caller.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::TRANSPORT;
use super::form::Asked;
use super::server::{Answer, ExotelSettings, SecretPath, Shared, plain};
use crate::base::event::CallState;
use crate::base::phone::Phone;
use crate::base::{CallId, limits};
use crate::telephony::dial::Destination;
use crate::telephony::leg::Exchange as _;
use crate::telephony::transfer::{PersonNews, Seeking, Transferer, Way};

/// How calls of this carrier reach a person.
#[derive(Debug, Default)]
pub struct Flows {
    /// The flow goes on to a Connect applet that asks the box.
    connect: bool,
    /// The flow goes straight back to the Voicebot applet.
    returns: bool,
    direct: Mutex<Direct>,
}

/// Calls without a flow: they end with their stream.
#[derive(Debug, Default)]
struct Direct {
    calls: HashSet<String>,
    by_age: VecDeque<String>,
}

impl Flows {
    pub fn new(connect: bool) -> Self {
        Self { connect, ..Self::default() }
    }

    /// Passthru's 302 leads back to the Voicebot applet, where it does not lead to Connect.
    pub fn returning(self, returns: bool) -> Self {
        Self { returns, ..self }
    }

    /// Can a call whose stream broke come back? A Connect applet that is told of nobody to ring leads there
    /// too. A call without a flow ends with its stream, unless its other side connects again by itself.
    pub(super) fn leads_back(&self, carrier_call: &str) -> bool {
        (self.connect || self.returns) && !self.is_direct(carrier_call)
    }

    fn is_direct(&self, carrier_call: &str) -> bool {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner).calls.contains(carrier_call)
    }

    /// A call of this id was ordered with our stream as its other side.
    pub(super) fn note_direct(&self, carrier_call: &str) {
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        if direct.calls.insert(carrier_call.to_owned()) {
            direct.by_age.push_back(carrier_call.to_owned());
        }
        while direct.by_age.len() > limits::EXOTEL_ANSWERS_MAX {
            if let Some(oldest) = direct.by_age.pop_front() {
                direct.calls.remove(&oldest);
            }
        }
    }
}

impl Transferer for Flows {
    fn transport(&self) -> &'static str {
        TRANSPORT
    }

    fn way(&self, carrier_call: &str) -> Way {
        if self.connect && !self.is_direct(carrier_call) { Way::LetGo } else { Way::InBox }
    }

    fn join<'a>(&'a self, _: CallId, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        let why = "Exotel joins no two calls from outside; its flow connects a caller with a person";
        Box::pin(std::future::ready(Err(why.to_owned())))
    }
}

/// As the applet takes it: a number, or a trunk's id behind `sip:`.
fn address(to: &Destination) -> Option<String> {
    match to {
        Destination::Number(phone) => Some(phone.reveal().to_owned()),
        Destination::Extension(trunk) => {
            let id = trunk.strip_prefix("sip:")?;
            let plain = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
            plain.then(|| trunk.clone())
        }
    }
}

/// A number of the account, as the carrier writes them: `04440001234`.
fn national(number: &Phone) -> String {
    let number = number.reveal();
    number.strip_prefix("+91").map_or_else(|| number.to_owned(), |rest| format!("0{rest}"))
}

/// What the called person hears before the two are connected.
fn announcement(seeking: &Seeking) -> Option<String> {
    let summary = seeking.summary.as_deref().map(str::trim).filter(|summary| !summary.is_empty())?;
    let mut text: String = summary.chars().filter(|c| !c.is_control()).take(limits::EXOTEL_SUMMARY_CHARS).collect();
    if let Some(language) = seeking.language {
        text.push_str(&format!(" ({} caller)", language.english_name()));
    }
    Some(text)
}

/// The applet's document: whom to ring, and how.
fn invitation(seeking: &Seeking, settings: &ExotelSettings) -> Option<Value> {
    let number = address(&seeking.to)?;
    let mut document = json!({
        "fetch_after_attempt": false,
        "destination": { "numbers": [number] },
        "record": false,
        "max_ringing_duration": seeking.ring.as_secs().clamp(5, 120),
        "music_on_hold": { "type": "operator_tone" },
        "dial_passthru_event_url": settings.webhook_url("/dial-event"),
    });
    if let Some(shown) = seeking.caller_id.as_ref().or(settings.exophone.as_ref()) {
        document["outgoing_phone_number"] = json!(national(shown));
    }
    if let Some(text) = announcement(seeking) {
        document["start_call_playback"] = json!({ "playback_to": "callee", "type": "text", "value": text });
    }
    Some(document)
}

fn nobody() -> Value {
    json!({ "fetch_after_attempt": false, "destination": { "numbers": [] } })
}

impl Shared {
    /// To whom the conversation has let this call go.
    fn sought(&self, call: &str) -> Option<(Seeking, String)> {
        let seeking = self.exchange.goes_to_person(call)?;
        let number = address(&seeking.to);
        if number.is_none() {
            warn!(carrier_call = call, "the person to ring has no number that Exotel can dial");
            self.exchange.person(call, PersonNews::NotReached(crate::telephony::dial::Refused::BadNumber));
        }
        Some((seeking, number?))
    }
}

const fn nameless() -> Answer {
    plain(StatusCode::BAD_REQUEST, "CallSid is missing")
}

/// The Connect applet's dynamic address.
pub(super) async fn connect(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Response {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer.into_response(),
    };
    let Some(call) = asked.carrier_call() else { return nameless().into_response() };
    let document = shared.sought(call).and_then(|(seeking, _)| invitation(&seeking, &shared.settings));
    info!(carrier_call = call, somebody = document.is_some(), "the flow asks whom to connect a caller with");
    Json(document.unwrap_or_else(nobody)).into_response()
}

/// The same for an applet that takes nothing but numbers ("Dial Whom"): no summary, its own time to ring.
pub(super) async fn numbers(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Response {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer.into_response(),
    };
    let Some(call) = asked.carrier_call() else { return nameless().into_response() };
    shared.sought(call).map_or_else(String::new, |(_, number)| number).into_response()
}

/// What becomes of an attempt to reach the person.
pub(super) async fn dial_event(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Answer {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(call) = asked.carrier_call() else { return nameless() };
    if let Some(news) = asked.person() {
        shared.exchange.person(call, news);
    }
    plain(StatusCode::OK, "")
}

/// The Passthru applet behind Connect: 200 where they have talked, 302 back to the Voicebot applet.
pub(super) async fn after(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Answer {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(call) = asked.carrier_call() else { return nameless() };
    plain(shared.back_or_over(call, &asked), "")
}

impl Shared {
    fn back_or_over(&self, call: &str, asked: &Asked) -> StatusCode {
        // Nobody was to be rung: the flow is on its way back to a call whose stream broke.
        if self.answers.leads_back(call) && self.exchange.goes_to_person(call).is_none() {
            return StatusCode::FOUND;
        }
        let news = asked.person();
        match news {
            Some(news @ (PersonNews::Done | PersonNews::NotReached(_))) => self.exchange.person(call, news),
            // A caller is never sent away for want of news: the conversation sees to them.
            other => warn!(carrier_call = call, ?other, "the flow does not say how a caller got on with a person"),
        }
        if news == Some(PersonNews::Done) {
            // The flow ends the call with this answer, and tells of no end otherwise.
            self.exchange.carrier_state(call, CallState::Completed);
            return StatusCode::OK;
        }
        StatusCode::FOUND
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Lang;
    use crate::base::secret::Secret;
    use crate::telephony::exotel::access::{Access, Login};

    fn settings() -> ExotelSettings {
        let login = Login { user: "exotel".to_owned(), password: Secret::new("p@ss/word") };
        let access = Access { login: Some(login), ..Access::default() };
        ExotelSettings::new(access, "https://box.example.in".parse().unwrap())
    }

    fn seeking() -> Seeking {
        Seeking {
            to: Destination::Number(Phone::written("9876543210").unwrap()),
            ring: Duration::from_secs(25),
            caller_id: None,
            summary: None,
            language: Some(Lang::Ta),
        }
    }

    #[test]
    fn the_document_is_the_one_of_the_applets_page() {
        let least = invitation(&seeking(), &settings()).unwrap();
        let expected = json!({
            "fetch_after_attempt": false,
            "destination": { "numbers": ["+919876543210"] },
            "record": false,
            "max_ringing_duration": 25,
            "music_on_hold": { "type": "operator_tone" },
            "dial_passthru_event_url": "https://exotel:p%40ss%2Fword@box.example.in/dial-event",
        });
        assert_eq!(least, expected);

        let shown = Phone::written("04440001234").unwrap();
        let own = ExotelSettings { exophone: Some(shown.clone()), ..settings() };
        let told = Seeking { summary: Some(" Insurance claim\n".to_owned()), ring: Duration::ZERO, ..seeking() };
        let most = invitation(&told, &own).unwrap();
        assert_eq!((&most["outgoing_phone_number"], &most["max_ringing_duration"]), (&json!("04440001234"), &json!(5)));
        let playback = json!({ "playback_to": "callee", "type": "text", "value": "Insurance claim (Tamil caller)" });
        assert_eq!(most["start_call_playback"], playback);
        let other = Seeking { caller_id: Some(Phone::written("+16154846056").unwrap()), ..seeking() };
        assert_eq!(invitation(&other, &own).unwrap()["outgoing_phone_number"], json!("+16154846056"));
        let long = Seeking { summary: Some("क".repeat(5_000)), ..seeking() };
        assert!(announcement(&long).unwrap().chars().count() < limits::EXOTEL_SUMMARY_CHARS + 32);
    }

    #[test]
    fn only_what_the_carrier_can_dial_is_dialled() {
        for (extension, dialled) in [("sip:trmum1a2b3", true), ("1001", false), ("sip:", false), ("sip:a,+91", false)] {
            let seeking = Seeking { to: Destination::Extension(extension.to_owned()), ..seeking() };
            assert_eq!(invitation(&seeking, &settings()).is_some(), dialled, "{extension}");
        }
    }

    #[test]
    fn only_a_call_in_a_flow_with_the_applet_is_let_go() {
        let flows = Flows::new(true);
        flows.note_direct("b1");
        flows.note_direct("b1");
        assert_eq!(
            (flows.way("a1"), flows.way("b1"), Flows::new(false).way("a1")),
            (Way::LetGo, Way::InBox, Way::InBox)
        );
        for number in 0..limits::EXOTEL_ANSWERS_MAX {
            flows.note_direct(&format!("c{number}"));
        }
        let direct = flows.direct.lock().unwrap();
        assert_eq!((direct.calls.len(), direct.by_age.len()), (limits::EXOTEL_ANSWERS_MAX, limits::EXOTEL_ANSWERS_MAX));
        assert!(!direct.calls.contains("b1"));
    }
}
