//! What the carrier asks and tells about a call whose stream is over: the Passthru applet, and status
//! callbacks.
//! Promise: the same question about the same stream gets the same answer, however often it comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use tracing::warn;

use super::form::Asked;
use super::server::{Answer, SecretPath, Shared, plain};
use crate::base::event::{AnsweredBy, CallState};
use crate::base::limits;
use crate::telephony::leg::Exchange as _;

/// Which branch of the applet a call takes after its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    HangUp,
    /// To whoever the next applet connects with.
    Person,
}

impl Branch {
    const fn status(self) -> StatusCode {
        match self {
            Self::HangUp => StatusCode::OK,
            Self::Person => StatusCode::FOUND,
        }
    }
}

/// Answers given, by call and stream.
#[derive(Debug, Default)]
pub(super) struct Answers {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    given: HashMap<(String, String), Branch>,
    by_age: VecDeque<(String, String)>,
}

impl Answers {
    /// The answer that was given, or a new one.
    fn of(&self, call: &str, stream: &str, find: impl FnOnce() -> Branch) -> Branch {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (call.to_owned(), stream.to_owned());
        if let Some(given) = book.given.get(&key) {
            return *given;
        }
        let found = find();
        while book.by_age.len() >= limits::EXOTEL_ANSWERS_MAX {
            if let Some(oldest) = book.by_age.pop_front() {
                book.given.remove(&oldest);
            }
        }
        book.by_age.push_back(key.clone());
        book.given.insert(key, found);
        found
    }
}

pub(super) async fn passthru(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Answer {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(call) = asked.carrier_call() else { return plain(StatusCode::BAD_REQUEST, "CallSid is missing") };
    let stream = asked.get(&["Stream[StreamSID]"]).unwrap_or_default();
    let branch = shared.answers.of(call, stream, || shared.branch(call, &asked));
    plain(branch.status(), "")
}

pub(super) async fn status(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Answer {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(call) = asked.carrier_call() else { return plain(StatusCode::BAD_REQUEST, "CallSid is missing") };
    if let Some(own) = asked.ours("call").and_then(|own| own.parse().ok()) {
        // News may overtake the answer to the order that names the call.
        shared.exchange.named(own, call);
    }
    let event = asked.get(&["EventType"]);
    // Progress news repeat it at the end of a call, when it helps nobody.
    if event.is_some_and(|event| event.eq_ignore_ascii_case("answered"))
        && let Some(who) = asked.get(&["AnsweredBy", "Legs[0][AnsweredBy]"])
    {
        shared.exchange.answered_by(call, answered_by(who));
    }
    let state = match event {
        Some(event) if event.eq_ignore_ascii_case("answered") => Some(CallState::InProgress),
        _ => asked.state(),
    };
    if let Some(state) = state {
        shared.exchange.carrier_state(call, state);
    }
    plain(StatusCode::NO_CONTENT, "")
}

fn answered_by(who: &str) -> AnsweredBy {
    match who.to_ascii_lowercase().as_str() {
        "human" => AnsweredBy::Human,
        "machine" => AnsweredBy::Machine,
        _ => AnsweredBy::Unknown,
    }
}

impl Shared {
    fn branch(&self, call: &str, asked: &Asked) -> Branch {
        let status = asked.get(&["Stream[Status]"]).map(str::to_ascii_lowercase);
        // The stream of a caller who goes on to a person is over, but not their call.
        let hung_up = matches!(status.as_deref(), Some("cancelled" | "canceled"));
        if !hung_up && self.exchange.goes_to_person(call).is_some() {
            return Branch::Person;
        }
        match status.as_deref() {
            Some("failed") => {
                let error = asked.get(&["Stream[Error]", "Stream[DetailedStatus]"]).unwrap_or_default();
                // Text of the carrier about its own network; bounded, and nobody's words.
                let error: String = error.chars().filter(|c| !c.is_control()).take(200).collect();
                warn!(carrier_call = call, error, "the carrier could not stream a call");
                self.exchange.carrier_state(call, CallState::Failed);
            }
            Some("completed" | "cancelled" | "canceled") => self.exchange.carrier_state(call, CallState::Completed),
            // Before a stream, or without any: the flow asks about a call that goes on.
            _ => {}
        }
        Branch::HangUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands() {
        let answers = Answers::default();
        assert_eq!(answers.of("c", "s", || Branch::Person), Branch::Person);
        assert_eq!(answers.of("c", "s", || unreachable!()), Branch::Person);
        assert_eq!(answers.of("c", "t", || Branch::HangUp), Branch::HangUp);
        for number in 0..limits::EXOTEL_ANSWERS_MAX {
            answers.of("c", &number.to_string(), || Branch::HangUp);
        }
        let book = answers.book.lock().unwrap();
        assert_eq!((book.given.len(), book.by_age.len()), (limits::EXOTEL_ANSWERS_MAX, limits::EXOTEL_ANSWERS_MAX));
        assert!(!book.given.contains_key(&("c".to_owned(), "s".to_owned())));
    }
}
