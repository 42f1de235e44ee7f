//! What the carrier asks and tells about a call whose stream is over: the Passthru applet, and status
//! callbacks.
//! Promise: the same question about the same stream gets the same answer, however often it comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use tracing::{info, warn};

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
    /// The stream broke, and the call waits for another.
    Back,
}

impl Branch {
    const fn status(self) -> StatusCode {
        match self {
            Self::HangUp => StatusCode::OK,
            Self::Person | Self::Back => StatusCode::FOUND,
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
    /// How often each call was led back.
    back: HashMap<String, u32>,
}

impl Answers {
    /// The answer that was given. Streams without a name cannot be told apart, and each may break.
    fn given(&self, call: &str, stream: &str) -> Option<Branch> {
        let given = self.book().given.get(&(call.to_owned(), stream.to_owned())).copied();
        given.filter(|given| *given != Branch::Back || !stream.is_empty())
    }

    /// Gives an answer; the one that stands, if another request was quicker.
    fn give(&self, call: &str, stream: &str, found: Branch) -> Branch {
        let mut book = self.book();
        let key = (call.to_owned(), stream.to_owned());
        if let Some(given) = book.given.get(&key).copied() {
            if given != Branch::Back || !stream.is_empty() {
                return given;
            }
        } else {
            while book.by_age.len() >= limits::EXOTEL_ANSWERS_MAX {
                book.forget_oldest();
            }
            book.by_age.push_back(key.clone());
        }
        if found == Branch::Back {
            *book.back.entry(call.to_owned()).or_default() += 1;
        }
        book.given.insert(key, found);
        found
    }

    fn times_back(&self, call: &str) -> u32 {
        self.book().back.get(call).copied().unwrap_or(0)
    }

    /// Does the last answer that this call was given lead it back?
    pub(super) fn leads_back(&self, call: &str) -> bool {
        let book = self.book();
        let last = book.by_age.iter().rev().find(|(of, _)| of == call);
        last.and_then(|key| book.given.get(key)) == Some(&Branch::Back)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.by_age.pop_front() {
            self.given.remove(&oldest);
            self.back.remove(&oldest.0);
        }
    }
}

pub(super) async fn passthru(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Answer {
    let asked = match shared.receive(path, request).await {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(call) = asked.carrier_call() else { return plain(StatusCode::BAD_REQUEST, "CallSid is missing") };
    let stream = asked.get(&["Stream[StreamSID]"]).unwrap_or_default();
    let branch = match shared.answers.given(call, stream) {
        Some(given) => given,
        None => shared.answers.give(call, stream, shared.branch(call, &asked).await),
    };
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
    async fn branch(&self, call: &str, asked: &Asked) -> Branch {
        let status = asked.get(&["Stream[Status]"]).map(str::to_ascii_lowercase);
        // The stream of a caller who goes on to a person is over, but not their call.
        let hung_up = matches!(status.as_deref(), Some("cancelled" | "canceled"));
        if !hung_up && self.exchange.goes_to_person(call).is_some() {
            return Branch::Person;
        }
        // Also where it cannot come back: by then the box knows that the stream is over, and the state that is
        // told below ends the call at once.
        let waits = status.is_some() && self.exchange.media_over(call).await;
        if waits && !hung_up && self.flows.leads_back(call) {
            if self.answers.times_back(call) < limits::RESUMES_MAX {
                info!(carrier_call = call, "the stream of a call broke; the flow leads it back");
                return Branch::Back;
            }
            warn!(carrier_call = call, "the stream of a call keeps breaking; the call is ended");
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
        assert_eq!(answers.given("c", "s"), None);
        assert_eq!(answers.give("c", "s", Branch::Person), Branch::Person);
        assert_eq!(answers.give("c", "s", Branch::HangUp), Branch::Person, "another request was quicker");
        assert_eq!(answers.given("c", "s"), Some(Branch::Person));
        assert_eq!(answers.give("c", "t", Branch::Back), Branch::Back);
        assert_eq!((answers.given("c", "t"), answers.times_back("c")), (Some(Branch::Back), 1));
        for number in 0..limits::EXOTEL_ANSWERS_MAX {
            answers.give("d", &number.to_string(), Branch::HangUp);
        }
        let book = answers.book.lock().unwrap();
        assert_eq!((book.given.len(), book.by_age.len()), (limits::EXOTEL_ANSWERS_MAX, limits::EXOTEL_ANSWERS_MAX));
        assert!(!book.given.contains_key(&("c".to_owned(), "s".to_owned())) && book.back.is_empty());
    }

    #[test]
    fn each_break_of_a_call_is_counted_once() {
        let answers = Answers::default();
        assert!(!answers.leads_back("c"));
        for stream in ["s", "s", "t"] {
            answers.give("c", stream, Branch::Back);
        }
        assert_eq!((answers.times_back("c"), answers.times_back("d"), answers.leads_back("c")), (2, 0, true));
        answers.give("c", "u", Branch::Person);
        assert!(!answers.leads_back("c"), "it goes on to a person");
        // Streams without a name: each question may be of another.
        answers.give("n", "", Branch::Back);
        assert_eq!(answers.given("n", ""), None);
        answers.give("n", "", Branch::Back);
        assert_eq!((answers.times_back("n"), answers.leads_back("n")), (2, true));
        answers.give("n", "", Branch::HangUp);
        assert_eq!((answers.given("n", ""), answers.leads_back("n")), (Some(Branch::HangUp), false));
        assert_eq!(answers.book.lock().unwrap().by_age.len(), 4);
    }
}
