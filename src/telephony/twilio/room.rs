//! Two of our calls meet in a room (a conference) of the carrier, and the box is out of their way.
//! Promise: the person goes in first, so that a caller is still with the box when it does not work out;
//! whoever stands in the room alone then is led back to the box. A room's name cannot be guessed, nothing
//! is recorded in it, and it ends with the first who leaves.
//! Absent on purpose: who is rung, what is said before, what a call costs there.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::rest::{Fault, Rest, is_sid};
use super::server::{Answer, Shared, Webhook, document, plain};
use super::twiml::{self, Conference, Verb};
use crate::base::event::CallState;
use crate::base::secret::Secret;
use crate::base::{CallId, limits};
use crate::telephony::orders::{self, Unanswered};
use crate::telephony::transfer::{PersonNews, Transferer, Way};

/// Where the carrier asks what to do with somebody whose room has ended.
const AFTER: &str = "/voice/after-person";
/// Where it tells what goes on in a room.
const NEWS: &str = "/voice/with-person";
/// The name of a room begins so.
const PREFIX: &str = "vaani-";

/// What became of the order to move somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Moved {
    Yes,
    No(String),
    /// It may or may not have reached the carrier.
    Unknown(String),
}

#[derive(Deserialize)]
struct Rooms {
    conferences: Vec<Room>,
}

#[derive(Deserialize)]
struct Room {
    sid: String,
}

#[derive(Deserialize)]
struct Inside {
    participants: Vec<Participant>,
}

#[derive(Deserialize)]
struct Participant {
    call_sid: String,
}

impl Rest {
    async fn meet(&self, call: CallId, caller: &str, person: &str) -> Result<(), String> {
        if !is_sid(caller) || !is_sid(person) || caller == person {
            return Err("these are not two calls of Twilio".to_owned());
        }
        let random = Secret::random().map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let room = format!("{PREFIX}{}", random.expose());
        let invitation = self.invitation(call, caller, &room)?;
        match self.settled(&room, person, self.send_to(person, ("Twiml", invitation.clone())).await).await {
            Moved::Yes => {}
            Moved::No(why) => return Err(format!("the person could not be moved, so nobody was: {why}")),
            Moved::Unknown(why) => {
                let person = self.lead_back(call, person).await;
                return Err(format!("the caller is where they were; {person}: {why}"));
            }
        }
        let why = match self.settled(&room, caller, self.send_to(caller, ("Twiml", invitation)).await).await {
            Moved::Yes => {
                info!(%call, "caller and person were brought together at the carrier");
                return Ok(());
            }
            Moved::No(why) => format!("the caller is where they were: {why}"),
            Moved::Unknown(why) => format!("the caller may be in a room alone: {why}"),
        };
        let person = self.lead_back(call, person).await;
        Err(format!("{why}; {person}"))
    }

    /// The document that leads into the room, the same for both.
    fn invitation(&self, call: CallId, caller: &str, room: &str) -> Result<String, String> {
        let base = self.base();
        let twiml = twiml::print(&[Verb::Conference(Conference {
            name: room.to_owned(),
            action: base.webhook(&format!("{AFTER}/{call}?caller={caller}")),
            status_callback: base.webhook(&format!("{NEWS}/{call}?caller={caller}")),
        })]);
        if twiml.len() > limits::TWILIO_TWIML_MAX {
            return Err("the public base URL is too long for the carrier".to_owned());
        }
        Ok(twiml)
    }

    /// Somebody who was moved for nothing comes back to our stream, if the exchange still has their call;
    /// says where they are.
    async fn lead_back(&self, call: CallId, person: &str) -> &'static str {
        // The exchange knows who has this carrier's id; a call of that name that it does not know is ended.
        let back = self.base().webhook(&format!("/voice/incoming?call={call}"));
        match self.send_to(person, ("Url", back)).await {
            Moved::Yes => "the person was led back to the box",
            Moved::No(_) => "the person is gone",
            Moved::Unknown(_) => "where the person is, is not known",
        }
    }

    /// Redirects a live call.
    async fn send_to(&self, sid: &str, there: (&'static str, String)) -> Moved {
        // A call that the box has placed was bounded for a conversation with the box.
        let form = [there, ("TimeLimit", limits::PERSON_TALK_MAX.as_secs().to_string())];
        let order = self.post(&format!("Calls/{sid}.json"), &form).timeout(limits::TWILIO_MOVE_WITHIN);
        match orders::send(order, orders::CARRIER).await {
            Ok(answer) => {
                let status = answer.status();
                if status.is_success() {
                    return Moved::Yes;
                }
                let fault = orders::body(answer).await.and_then(|body| serde_json::from_slice::<Fault>(&body).ok());
                judge(status, fault.and_then(|fault| fault.code))
            }
            Err(Unanswered::Unsent(why)) => Moved::No(why),
            Err(Unanswered::Lost(why)) => Moved::Unknown(why),
        }
    }

    /// Where an order has no clear answer, the room is looked into.
    async fn settled(&self, room: &str, sid: &str, moved: Moved) -> Moved {
        let Moved::Unknown(why) = moved else { return moved };
        let looking = async {
            let mut seen = None;
            for _ in 0..limits::TWILIO_ROOM_LOOKS {
                sleep(limits::TWILIO_ROOM_LOOK).await;
                seen = self.is_inside(room, sid).await;
                if seen == Some(true) {
                    break;
                }
            }
            seen
        };
        match timeout(limits::TWILIO_SETTLE_WITHIN, looking).await {
            Ok(Some(true)) => Moved::Yes,
            Ok(Some(false)) => Moved::No(why),
            Ok(None) | Err(_) => Moved::Unknown(why),
        }
    }

    /// `None`: the carrier does not say.
    async fn is_inside(&self, room: &str, sid: &str) -> Option<bool> {
        let rooms: Rooms = self.read("Conferences.json", &[("FriendlyName", room)]).await?;
        for Room { sid: place } in rooms.conferences {
            if !is_resource(&place) {
                return None;
            }
            let inside: Inside = self.read(&format!("Conferences/{place}/Participants.json"), &[]).await?;
            if inside.participants.iter().any(|who| who.call_sid == sid) {
                return Some(true);
            }
        }
        Some(false)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, resource: &str, query: &[(&str, &str)]) -> Option<T> {
        let answer = self.get(resource, query).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        serde_json::from_slice(&orders::body(answer).await?).ok()
    }
}

/// What an answer to a redirect means that is no success; `code` is Twilio's own.
fn judge(status: StatusCode, code: Option<u64>) -> Moved {
    match (status.as_u16(), code) {
        (404, _) | (_, Some(20_404)) => Moved::No("the call is over".to_owned()),
        (_, Some(21_220)) => Moved::No("the call is not in progress".to_owned()),
        (400..=499 | 503, Some(code)) => Moved::No(format!("the carrier's API answered {status} with code {code}")),
        (400..=499 | 503, None) => Moved::No(format!("the carrier's API answered {status}")),
        _ => Moved::Unknown(format!("the carrier's API answered {status}")),
    }
}

fn is_resource(sid: &str) -> bool {
    (2..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Transferer for Rest {
    fn transport(&self) -> &'static str {
        "twilio"
    }

    fn way(&self, _: &str) -> Way {
        Way::Join
    }

    fn join<'a>(&'a self, call: CallId, caller: &'a str, person: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.meet(call, caller, person).boxed()
    }
}

/// Comes for whoever is left when the other has gone: the call is over.
pub(super) async fn after(State(shared): State<Arc<Shared>>, Path(call): Path<String>, request: Request) -> Answer {
    let webhook = match Webhook::receive(&shared, request).await {
        Ok(webhook) => webhook,
        Err(answer) => return answer,
    };
    let Some(caller) = caller(&webhook) else {
        return plain(StatusCode::BAD_REQUEST, "it is not said whose call this is");
    };
    info!(call, "caller and person have talked");
    shared.over(caller);
    document(&[Verb::Hangup])
}

/// A room has begun, or is over.
pub(super) async fn news(State(shared): State<Arc<Shared>>, Path(call): Path<String>, request: Request) -> Answer {
    let webhook = match Webhook::receive(&shared, request).await {
        Ok(webhook) => webhook,
        Err(answer) => return answer,
    };
    let Some(caller) = caller(&webhook) else {
        return plain(StatusCode::BAD_REQUEST, "it is not said whose call this is");
    };
    match webhook.param("StatusCallbackEvent") {
        Some("conference-start") => shared.deps.exchange.person(caller, PersonNews::Talking),
        Some("conference-end") => shared.over(caller),
        _ => warn!(call, "the carrier tells something of a room that was not asked for"),
    }
    plain(StatusCode::NO_CONTENT, "")
}

impl Shared {
    /// A room ends with the first who leaves it, and whoever is left is told to hang up; not every number of an
    /// account tells the ends of its calls.
    fn over(&self, caller: &str) {
        self.deps.exchange.person(caller, PersonNews::Done);
        self.deps.exchange.carrier_state(caller, CallState::Completed);
    }
}

/// Of the address that we gave; it is covered by the signature.
fn caller(webhook: &Webhook) -> Option<&str> {
    webhook.query("caller").filter(|sid| is_sid(sid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_somebody_was_moved() {
        for (status, code, known) in [
            (404, None, true),
            (404, Some(20_404), true),
            (400, Some(21_220), true),
            (400, None, true),
            (401, Some(20_003), true),
            (429, Some(20_429), true),
            (503, None, true),
            (500, None, false),
            (502, None, false),
            (504, None, false),
            (302, None, false),
        ] {
            let moved = judge(StatusCode::from_u16(status).unwrap(), code);
            assert_eq!(matches!(moved, Moved::No(_)), known, "{status} {code:?}: {moved:?}");
            assert_ne!(moved, Moved::Yes);
        }
    }
}
