//! Text on its way from a language model of a provider: the stream that the contract wants, made of
//! what an adapter reads out of the bytes.
//! Promise: nothing a model thinks to itself is given on; an answer that stops without saying that it
//! is complete is a fault; what comes is bounded in bytes and in time; times are measured here.
//! Absent on purpose: how a request is written (each adapter), who is asked (see [`crate::ai::router`]).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use reqwest::Response;

use super::thoughts::Thoughts;
use super::{Endpoint, http, sse};
use crate::ai::llm::{LlmEvent, LlmStream, LlmUsage, Message, Role};
use crate::ai::{Fault, FaultKind};
use crate::base::{Clock, Moment, limits};

/// Bytes of one answer on the wire, thoughts included.
const WIRE_MAX: usize = 16 << 20;
/// Bytes of text in it.
const TEXT_MAX: usize = 256 << 10;
/// How long the token counts may come after the last word.
const COUNTS_WITHIN: Duration = Duration::from_millis(300);

/// What an adapter finds in the bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Tokens(Tokens),
    /// The model says it is done; counts may follow.
    End,
    /// The provider's filter stopped the model.
    Blocked,
    /// Nothing follows.
    Close,
}

/// Counts as far as they are told; what is told later adds or replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: Option<u32>,
    pub reused: Option<u32>,
    pub answer: Option<u32>,
}

/// A stream that makes no sense, or an error told in mid-stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub FaultKind, pub String);

impl Wrong {
    pub fn broken(what: &str) -> Self {
        Self(FaultKind::Broken, what.to_owned())
    }

    /// An error inside an answer whose status was a success. Only plain codes are repeated.
    pub fn told(code: &str) -> Self {
        let lower = code.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let kind = if has(&["quota", "billing", "authentication", "permission", "accessdenied", "not_found"]) {
            FaultKind::Denied
        } else if has(&["overloaded", "rate_limit", "throttling", "too_many"]) {
            FaultKind::Overloaded
        } else if has(&["invalid_request", "validation", "too_large", "context_length"]) {
            FaultKind::Refused
        } else if has(&["timeout"]) {
            FaultKind::Deadline
        } else {
            FaultKind::Unavailable
        };
        let plain =
            !code.is_empty() && code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        let detail =
            if plain { format!("an error in mid-stream, {code}") } else { "an error in mid-stream".to_owned() };
        Self(kind, detail)
    }
}

/// Reads one provider's stream. Bytes may be split anywhere.
pub trait Reader: Send + 'static {
    fn read(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Wrong>;

    /// The body is over.
    fn end(&mut self, _out: &mut Vec<Piece>) -> Result<(), Wrong> {
        Ok(())
    }
}

/// A reader of server-sent events.
pub struct Events<F> {
    parser: sse::Parser,
    read: F,
}

impl<F> Events<F>
where
    F: FnMut(&sse::Event, &mut Vec<Piece>) -> Result<(), Wrong> + Send + 'static,
{
    pub fn new(read: F) -> Self {
        Self { parser: sse::Parser::default(), read }
    }
}

impl<F> Reader for Events<F>
where
    F: FnMut(&sse::Event, &mut Vec<Piece>) -> Result<(), Wrong> + Send + 'static,
{
    fn read(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Wrong> {
        let mut events = Vec::new();
        let pushed = self.parser.push(bytes, &mut events);
        events.iter().try_for_each(|event| (self.read)(event, out))?;
        pushed.map_err(|large| Wrong(FaultKind::Broken, large.to_string()))
    }

    /// Some servers leave out the empty line after the last event.
    fn end(&mut self, out: &mut Vec<Piece>) -> Result<(), Wrong> {
        self.read(b"\n\n", out)
    }
}

pub type Ask = BoxFuture<'static, Result<Response, Fault>>;

/// One answer: asks, reads, accounts. Dropping the stream drops the connection.
pub fn stream<R: Reader>(endpoint: Endpoint, clock: Clock, ask: Ask, reader: R) -> LlmStream {
    let answer = Answer {
        endpoint,
        clock,
        begun: clock.now(),
        source: Source::Asking(ask),
        reader,
        thoughts: Thoughts::default(),
        ready: VecDeque::new(),
        found: Vec::new(),
        first: None,
        tokens: Tokens::default(),
        wire: 0,
        text: 0,
        ended: false,
    };
    stream::unfold(Some(answer), |answer| async move {
        let mut answer = answer?;
        match answer.next().await {
            Ok(event @ LlmEvent::Done(_)) => Some((Ok(event), None)),
            Ok(event) => Some((Ok(event), Some(answer))),
            Err(fault) => Some((Err(fault), None)),
        }
    })
    .boxed()
}

enum Source {
    Asking(Ask),
    Reading(BoxStream<'static, Result<Bytes, Fault>>),
    Over,
    /// What was understood before is given on first.
    Failed(Fault),
}

struct Answer<R> {
    endpoint: Endpoint,
    clock: Clock,
    begun: Moment,
    source: Source,
    reader: R,
    thoughts: Thoughts,
    ready: VecDeque<String>,
    found: Vec<Piece>,
    first: Option<Moment>,
    tokens: Tokens,
    wire: usize,
    text: usize,
    ended: bool,
}

impl<R: Reader> Answer<R> {
    async fn next(&mut self) -> Result<LlmEvent, Fault> {
        loop {
            if let Some(text) = self.ready.pop_front() {
                return Ok(LlmEvent::Text(text));
            }
            match &self.source {
                Source::Over => return Ok(LlmEvent::Done(self.usage())),
                Source::Failed(fault) => return Err(fault.clone()),
                Source::Asking(_) | Source::Reading(_) => {}
            }
            let left = limits::ENGINE_REQUEST_MAX.saturating_sub(self.clock.now().since(self.begun));
            let left = if self.ended { left.min(COUNTS_WITHIN) } else { left };
            match tokio::time::timeout(left, self.step()).await {
                Ok(done) => done?,
                Err(_) if self.ended => self.source = Source::Over,
                Err(_) => {
                    let detail = format!("no end after {} s", limits::ENGINE_REQUEST_MAX.as_secs());
                    return Err(self.endpoint.fault(FaultKind::Deadline, detail));
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), Fault> {
        match &mut self.source {
            Source::Asking(ask) => {
                let response = ask.await?;
                self.source = Source::Reading(http::pieces(response, self.endpoint.clone()));
            }
            Source::Reading(pieces) => match pieces.next().await {
                Some(Ok(bytes)) => {
                    self.wire += bytes.len();
                    if self.wire > WIRE_MAX {
                        let detail = format!("the answer is larger than {WIRE_MAX} bytes");
                        return Err(self.endpoint.fault(FaultKind::Broken, detail));
                    }
                    let read = self.reader.read(&bytes, &mut self.found);
                    self.take(read);
                }
                // A connection that breaks after the last word takes nothing from the answer.
                Some(Err(_)) if self.ended => self.source = Source::Over,
                Some(Err(fault)) => return Err(fault),
                None => {
                    let read = self.reader.end(&mut self.found);
                    self.take(read);
                    if self.ended {
                        self.source = Source::Over;
                    } else {
                        self.fail(FaultKind::Broken, "the answer stopped before its end".to_owned());
                    }
                }
            },
            Source::Over | Source::Failed(_) => {}
        }
        Ok(())
    }

    /// The first fault counts: what is read after it is its consequence.
    fn fail(&mut self, kind: FaultKind, detail: String) {
        if !matches!(self.source, Source::Failed(_)) {
            self.source = Source::Failed(self.endpoint.fault(kind, detail));
        }
    }

    fn take(&mut self, read: Result<(), Wrong>) {
        for piece in std::mem::take(&mut self.found) {
            match piece {
                Piece::Text(text) => {
                    let said = self.thoughts.strip(&text);
                    self.say(said);
                    if self.text > TEXT_MAX {
                        return self.fail(FaultKind::Broken, format!("the answer is longer than {TEXT_MAX} bytes"));
                    }
                }
                Piece::Tokens(told) => {
                    let tokens = &mut self.tokens;
                    tokens.prompt = told.prompt.or(tokens.prompt);
                    tokens.reused = told.reused.or(tokens.reused);
                    tokens.answer = told.answer.or(tokens.answer);
                }
                Piece::Blocked if self.text == 0 => {
                    return self.fail(FaultKind::Refused, "its filter stopped the answer".to_owned());
                }
                Piece::End | Piece::Blocked => self.finish(),
                Piece::Close => {
                    self.finish();
                    self.source = Source::Over;
                    return;
                }
            }
        }
        match read {
            // After the end nothing can go wrong any more.
            Err(Wrong(kind, detail)) if !self.ended => self.fail(kind, detail),
            _ => {}
        }
    }

    fn say(&mut self, said: String) {
        if !said.is_empty() {
            self.first.get_or_insert_with(|| self.clock.now());
            self.text += said.len();
            self.ready.push_back(said);
        }
    }

    fn finish(&mut self) {
        self.ended = true;
        let rest = self.thoughts.rest();
        self.say(rest);
    }

    fn usage(&self) -> LlmUsage {
        let now = self.clock.now();
        LlmUsage {
            prompt_tokens: self.tokens.prompt.unwrap_or_default(),
            reused_tokens: self.tokens.reused.unwrap_or_default(),
            answer_tokens: self.tokens.answer.unwrap_or_default(),
            first_token: self.first.unwrap_or(now).since(self.begun),
            took: now.since(self.begun),
            provider: self.endpoint.id.clone(),
        }
    }
}

/// A count of a provider's; absent or absurd is not told.
pub fn count(json: &serde_json::Value, place: &str) -> Option<u32> {
    json.pointer(place)?.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// Degrees of heat as people write them: 0.3, not 0.30000001192.
pub fn temperature(request: f32) -> f64 {
    (f64::from(request) * 1_000.0).round() / 1_000.0
}

/// How a grammar is put to a model that cannot be held to one.
pub fn grammar_told(grammar: &str) -> String {
    format!("Answer only with text that this GBNF grammar admits:\n{grammar}")
}

/// For providers that keep the system text apart and want turns that alternate, the user first.
pub fn turns(messages: &[Message], grammar: Option<&str>) -> (String, Vec<(Role, String)>) {
    let (mut system, mut turns) = (Vec::new(), Vec::<(Role, String)>::new());
    for message in messages.iter().filter(|message| !message.content.trim().is_empty()) {
        match (message.role, turns.last_mut()) {
            (Role::System, _) => system.push(message.content.clone()),
            (role, Some((last, text))) if *last == role => {
                text.push('\n');
                text.push_str(&message.content);
            }
            (role, _) => turns.push((role, message.content.clone())),
        }
    }
    system.extend(grammar.map(grammar_told));
    // The box greets first, and some prompts are all system: then somebody must have picked up.
    if turns.first().is_none_or(|(role, _)| *role != Role::User) {
        turns.insert(0, (Role::User, "(The call begins.)".to_owned()));
    }
    // An answer to be continued must not end in white space.
    if let Some((Role::Assistant, text)) = turns.last_mut() {
        text.truncate(text.trim_end().len());
    }
    (system.join("\n\n"), turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_and_begin_with_the_user() {
        let message = |role, text: &str| Message::new(role, text);
        let (system, said) = turns(
            &[
                message(Role::System, "Be kind."),
                message(Role::Assistant, "Hello "),
                message(Role::User, "a"),
                message(Role::User, "b"),
                message(Role::User, " "),
                message(Role::Assistant, "c "),
            ],
            Some("root ::= \"x\""),
        );
        assert!(system.starts_with("Be kind.\n\nAnswer only with"));
        assert!(system.ends_with("root ::= \"x\""));
        let roles: Vec<_> = said.iter().map(|(role, text)| (*role, text.as_str())).collect();
        assert_eq!(roles[0].0, Role::User);
        assert_eq!(roles[1..], [(Role::Assistant, "Hello "), (Role::User, "a\nb"), (Role::Assistant, "c")]);
        assert_eq!(turns(&[], None).1.len(), 1);
    }

    #[test]
    fn errors_in_mid_stream_are_sorted_and_not_repeated() {
        assert_eq!(Wrong::told("overloaded_error").0, FaultKind::Overloaded);
        assert_eq!(Wrong::told("throttlingException").0, FaultKind::Overloaded);
        assert_eq!(Wrong::told("validationException").0, FaultKind::Refused);
        assert_eq!(Wrong::told("insufficient_quota").0, FaultKind::Denied);
        assert_eq!(Wrong::told("api_error").0, FaultKind::Unavailable);
        assert!(!Wrong::told("my number is 98").1.contains("98"));
    }
}
