//! What others are told: public event types and their payloads, apart from the facts inside so that
//! these may change. No I/O but the look-up of a number that the settings bring along.
//!
//! Every payload is one JSON object: `event_type`, `timestamp` (RFC 3339, UTC, when it happened),
//! `payload_version`, `call_id` where there is a call, `log_event` where the call-management document
//! has a name for it, and one member named after what it tells (`call`, `status`, `language`, `turn`,
//! `action`, `cost`, `profile`, `alert`, `test`). Members are only ever added within a version.
//!
//! Promise: nobody's words unless transcripts are kept; no phone number in full, ever. Absent on
//! purpose: what only concerns the box (engines, routing, timings, barge-ins): see metrics and traces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::event::{CallState, Direction, EndCause, Event, Record, Speaker, Stage};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang, limits};
use crate::dialogue::tags::Action;
use crate::store::webhooks::Numbers;

/// Rises when a member changes its meaning or goes away.
pub const PAYLOAD_VERSION: u32 = 1;

/// Declares the event types with their names, so that the list and the names cannot drift apart.
macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal $(logged $log:literal)?,)+) => {
        /// What an endpoint can be told of. A closed list; `*` in an endpoint's list is all of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType { $($(#[$doc])* $name,)+ }

        impl EventType {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The name of the call-management document.
            pub const fn log_event(self) -> Option<&'static str> {
                match self { $($(Self::$name => Some($log),)?)+ _ => None }
            }
        }
    };
}

event_types! {
    CallStarted = "call.started" logged "CALL_INITIATED",
    /// Every step of the life cycle: ringing, in_progress, agent_transfer …
    CallStatusChanged = "call.status_changed",
    CallCost = "call.cost",
    CallEnded = "call.ended",
    LanguageDetected = "language.detected" logged "LANGUAGE_DETECTED",
    LanguageSwitched = "language.switched" logged "LANGUAGE_SWITCH_DETECTED",
    GreetingReplayed = "greeting.replayed" logged "GREETING_REPLAYED_NEW_LANG",
    TransferInitiated = "agent.transfer_initiated" logged "AGENT_TRANSFER_INITIATED",
    /// A promise, a callback, do-not-call, a wrong number … was recorded.
    ActionRecorded = "action.recorded",
    TurnHeard = "turn.heard",
    TurnSaid = "turn.said",
    /// The profile of a worker, as the outbound-calling document has it.
    WorkerProfileCompleted = "worker_profile_completed",
    AlertRaised = "alert.raised",
    AlertCleared = "alert.cleared",
    /// Sent by hand to see whether an endpoint answers.
    Test = "webhook.test",
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no event type; write `*` for all, or some of: {known}")]
pub struct NoEventType {
    word: String,
    known: String,
}

impl FromStr for EventType {
    type Err = NoEventType;

    /// By its name, or by that of the call-management document.
    fn from_str(word: &str) -> Result<Self, NoEventType> {
        let found = Self::ALL.iter().copied().find(|e| e.name() == word || e.log_event() == Some(word));
        found.ok_or_else(|| NoEventType {
            word: word.chars().take(60).collect(),
            known: Self::ALL.iter().map(|e| e.name()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Finds the number behind a hash, where the box knows it (a customer's record).
pub type NumberOf = Arc<dyn Fn(&Connection, &str) -> Option<Phone> + Send + Sync>;

#[derive(Clone)]
pub struct ShapeSettings {
    /// `[privacy] transcripts`: words may be told.
    pub words: bool,
    /// For endpoints that want masked numbers; without it they get none.
    pub number_of: Option<NumberOf>,
}

/// Whom it is about, in every way an endpoint may want it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    pub hash: Option<String>,
    pub phone: Option<Phone>,
}

/// The part of a payload that says who, as one endpoint wants it.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Who {
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_hash: Option<String>,
    /// `+91••••••3210`
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

impl Person {
    fn shown(&self, numbers: Numbers) -> Who {
        match numbers {
            Numbers::Hash => Who { phone_hash: self.hash.clone(), phone: None },
            // Printing a phone masks it.
            Numbers::Masked => Who { phone_hash: None, phone: self.phone.as_ref().map(ToString::to_string) },
            Numbers::None => Who::default(),
        }
    }
}

/// Something others may be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Public {
    /// When it happened, milliseconds since 1970 UTC.
    pub at_ms: u64,
    pub call: Option<CallId>,
    pub person: Person,
    pub told: Told,
}

/// What is told. The name of the member is that of the variant's kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Started { direction: Direction, transport: String, agent: String, campaign: String },
    Status { from: CallState, to: CallState },
    Cost { paise: f64, estimated_paise: f64, stages: Vec<StageCost> },
    Ended { outcome: CallState, cause: EndCause, duration_ms: u64, turns: u32 },
    LanguageDetected { language: Lang, confidence: f32 },
    LanguageSwitched { from: Lang, to: Lang, reason: String },
    GreetingReplayed { language: Lang },
    Transfer { reason: String },
    Action { name: String, value: Option<String> },
    Heard { turn: u32, by: Speaker, language: Lang, confidence: f32, text: Option<String> },
    Said { turn: u32, language: Lang, cut: bool, text: Option<String>, heard: Option<String> },
    Profile(WorkerProfile),
    AlertRaised(Alert),
    AlertCleared(Alert),
    Test { message: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StageCost {
    /// `stt`, `llm` or `tts`
    pub stage: &'static str,
    pub paise: f64,
}

/// The outbound-calling document's `profile`. Emitted by the analysis after a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WorkerProfile {
    pub name: Option<String>,
    pub current_job: Option<Position>,
    pub employment_history: Vec<Job>,
    pub employment_gaps: Vec<Gap>,
    pub skills: Vec<String>,
    /// How hard the person made it, 0 to 10.
    pub adversarial_score: f32,
    /// 0 to 1.
    pub confidence_score: f32,
    pub consent_given: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Position {
    pub title: Option<String>,
    pub company: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Job {
    pub title: Option<String>,
    pub company: Option<String>,
    pub start_year: Option<u16>,
    /// `null`: to this day.
    pub end_year: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Gap {
    pub start_year: u16,
    pub end_year: u16,
    /// What the person said of it.
    pub reason: Option<String>,
}

/// Something is wrong with the box, or is right again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// From the catalogue of findings: `disk_full`, `component_down` …
    pub code: String,
    pub severity: String,
    pub text: String,
    pub fix: String,
}

#[derive(Serialize)]
struct Payload<'a> {
    event_type: &'static str,
    timestamp: String,
    payload_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_event: Option<&'static str>,
    #[serde(flatten)]
    member: Member<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Member<'a> {
    Call(Call<'a>),
    Status {
        from: CallState,
        to: CallState,
    },
    Cost {
        paise: f64,
        estimated_paise: f64,
        stages: &'a [StageCost],
    },
    Language(Language<'a>),
    Action {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
    },
    Turn(Turn<'a>),
    Profile(Profile<'a>),
    Alert(&'a Alert),
    Transfer {
        reason: &'a str,
    },
    Test {
        message: &'a str,
    },
}

#[derive(Default, Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    campaign: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<CallState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<EndCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turns: Option<u32>,
    #[serde(flatten)]
    who: Who,
}

#[derive(Serialize)]
struct Language<'a> {
    language: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Lang>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Turn<'a> {
    turn: u32,
    /// `person`: who has taken the caller over.
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<Speaker>,
    language: Lang,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The part of it that was played before the caller cut in.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<&'a str>,
}

#[derive(Serialize)]
struct Profile<'a> {
    #[serde(flatten)]
    who: Who,
    #[serde(flatten)]
    profile: &'a WorkerProfile,
}

impl Public {
    pub const fn event(&self) -> EventType {
        match &self.told {
            Told::Started { .. } => EventType::CallStarted,
            Told::Status { .. } => EventType::CallStatusChanged,
            Told::Cost { .. } => EventType::CallCost,
            Told::Ended { .. } => EventType::CallEnded,
            Told::LanguageDetected { .. } => EventType::LanguageDetected,
            Told::LanguageSwitched { .. } => EventType::LanguageSwitched,
            Told::GreetingReplayed { .. } => EventType::GreetingReplayed,
            Told::Transfer { .. } => EventType::TransferInitiated,
            Told::Action { .. } => EventType::ActionRecorded,
            Told::Heard { .. } => EventType::TurnHeard,
            Told::Said { .. } => EventType::TurnSaid,
            Told::Profile(_) => EventType::WorkerProfileCompleted,
            Told::AlertRaised(_) => EventType::AlertRaised,
            Told::AlertCleared(_) => EventType::AlertCleared,
            Told::Test { .. } => EventType::Test,
        }
    }

    /// The bytes that are sent to an endpoint that wants numbers this way.
    pub fn body(&self, numbers: Numbers) -> Result<String, serde_json::Error> {
        let language = |language| Language { language, from: None, confidence: None, reason: None };
        let member = match &self.told {
            Told::Started { direction, transport, agent, campaign } => Member::Call(Call {
                direction: Some(*direction),
                transport: Some(transport),
                agent: Some(agent),
                campaign,
                who: self.person.shown(numbers),
                ..Call::default()
            }),
            Told::Ended { outcome, cause, duration_ms, turns } => Member::Call(Call {
                outcome: Some(*outcome),
                cause: Some(*cause),
                duration_ms: Some(*duration_ms),
                turns: Some(*turns),
                who: self.person.shown(numbers),
                ..Call::default()
            }),
            Told::Status { from, to } => Member::Status { from: *from, to: *to },
            Told::Cost { paise, estimated_paise, stages } => {
                Member::Cost { paise: *paise, estimated_paise: *estimated_paise, stages }
            }
            Told::LanguageDetected { language: found, confidence } => {
                Member::Language(Language { confidence: Some(*confidence), ..language(*found) })
            }
            Told::LanguageSwitched { from, to, reason } => {
                Member::Language(Language { from: Some(*from), reason: Some(reason), ..language(*to) })
            }
            Told::GreetingReplayed { language: now } => Member::Language(language(*now)),
            Told::Transfer { reason } => Member::Transfer { reason },
            Told::Action { name, value } => Member::Action { name, value: value.as_deref() },
            Told::Heard { turn, by, language, confidence, text } => Member::Turn(Turn {
                turn: *turn,
                speaker: (*by == Speaker::Person).then_some(*by),
                language: *language,
                confidence: Some(*confidence),
                cut: None,
                text: text.as_deref(),
                heard: None,
            }),
            Told::Said { turn, language, cut, text, heard } => Member::Turn(Turn {
                turn: *turn,
                speaker: None,
                language: *language,
                confidence: None,
                cut: Some(*cut),
                text: text.as_deref(),
                heard: heard.as_deref(),
            }),
            Told::Profile(profile) => Member::Profile(Profile { who: self.person.shown(numbers), profile }),
            Told::AlertRaised(alert) | Told::AlertCleared(alert) => Member::Alert(alert),
            Told::Test { message } => Member::Test { message },
        };
        serde_json::to_string(&Payload {
            event_type: self.event().name(),
            timestamp: timestamp(self.at_ms),
            payload_version: PAYLOAD_VERSION,
            call_id: self.call.map(|call| call.to_string()),
            log_event: self.event().log_event(),
            member,
        })
    }

    /// An alert of the box.
    pub fn alert(at_ms: u64, alert: Alert, raised: bool) -> Self {
        let told = if raised { Told::AlertRaised(alert) } else { Told::AlertCleared(alert) };
        Self { at_ms, call: None, person: Person::default(), told }
    }

    /// The profile made of a call.
    pub fn profile(at_ms: u64, call: CallId, person: Person, profile: WorkerProfile) -> Self {
        Self { at_ms, call: Some(call), person, told: Told::Profile(profile) }
    }

    pub fn test(at_ms: u64) -> Self {
        let message = "this is a test; the signature is real".to_owned();
        Self { at_ms, call: None, person: Person::default(), told: Told::Test { message } }
    }
}

/// RFC 3339 with milliseconds.
fn timestamp(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// What others are told of a fact, if anything.
pub(super) fn of_record(db: &Connection, record: &Record, settings: &ShapeSettings) -> Option<Public> {
    let mut person = Person::default();
    let told = match &record.event {
        Event::CallInitiated { transport, direction, agent, caller_hash, concerns, .. } => {
            person.hash.clone_from(caller_hash);
            person.phone = caller_hash
                .as_deref()
                .zip(settings.number_of.as_ref())
                .and_then(|(hash, number_of)| number_of(db, hash));
            Told::Started {
                direction: *direction,
                transport: transport.clone(),
                agent: agent.clone(),
                campaign: concerns.campaign.clone(),
            }
        }
        Event::StateChanged { from, to } => Told::Status { from: *from, to: *to },
        Event::CallCost(cost) => {
            let of = |stage: Stage| cost.charged.iter().filter(|c| c.stage == stage).map(|c| c.paise.paise()).sum();
            Told::Cost {
                paise: cost.paise.paise(),
                estimated_paise: cost.estimated_paise.paise(),
                stages: Stage::ALL.iter().map(|(stage, s)| StageCost { stage, paise: of(*s) }).collect(),
            }
        }
        Event::CallEnded { outcome, cause, duration_ms, turns } => {
            Told::Ended { outcome: *outcome, cause: *cause, duration_ms: *duration_ms, turns: *turns }
        }
        Event::LanguageDetected { language, confidence, .. } => {
            Told::LanguageDetected { language: *language, confidence: *confidence }
        }
        Event::LanguageSwitched { from, to, reason } => {
            Told::LanguageSwitched { from: *from, to: *to, reason: reason.clone() }
        }
        Event::GreetingReplayed { language } => Told::GreetingReplayed { language: *language },
        Event::Action { action, done: true } => action_told(action)?,
        Event::Heard { turn, by, language, confidence, text } => Told::Heard {
            turn: *turn,
            by: *by,
            language: *language,
            confidence: *confidence,
            text: words(text, settings),
        },
        Event::Said { turn, language, text, heard, cut } => Told::Said {
            turn: *turn,
            language: *language,
            cut: *cut,
            text: words(text, settings),
            heard: words(heard, settings),
        },
        // The box's own affairs. A new fact does not compile before somebody has decided.
        Event::Action { done: false, .. }
        | Event::CallPlaced { .. }
        | Event::CallAnsweredBy { .. }
        | Event::SpeechStarted { .. }
        | Event::TurnAnswered { .. }
        | Event::BargeIn { .. }
        | Event::FalseBargeIn { .. }
        | Event::Repair { .. }
        | Event::Filler { .. }
        | Event::Dtmf { .. }
        | Event::Transfer { .. }
        | Event::Routed(_)
        | Event::Reachability { .. }
        | Event::EngineFault { .. }
        | Event::PolicyRefused { .. }
        | Event::AudioGap { .. }
        | Event::MediaLost
        | Event::MediaBack { .. }
        | Event::RecordingStarted { .. }
        | Event::RecordingDeclined { .. }
        | Event::RecordingStopped { .. } => return None,
    };
    Some(Public { at_ms: record.unix_ms, call: Some(record.call), person, told })
}

fn words(text: &str, settings: &ShapeSettings) -> Option<String> {
    let kept = settings.words && !text.is_empty();
    kept.then(|| text.chars().take(limits::WEBHOOK_TEXT_MAX).collect())
}

/// An action as the journal has it, `[[promise date="5 June"]]`.
fn action_told(action: &str) -> Option<Told> {
    let inside = action.trim().trim_start_matches("[[").trim_end_matches("]]");
    let value = |text: String| Some(text.chars().take(limits::WEBHOOK_TEXT_MAX).collect());
    let action = Action::parse(inside)?;
    let name = action.name().to_owned();
    Some(match action {
        Action::Transfer => Told::Transfer { reason: "caller_wants_a_person".to_owned() },
        // Their own events tell of these, or nobody asked.
        Action::End | Action::Repeat | Action::Language(_) => return None,
        Action::Callback { time } => Told::Action { name, value: value(time) },
        Action::Promise { date } => Told::Action { name, value: value(date) },
        Action::DoNotCall | Action::WrongNumber | Action::VerifyPayment => Told::Action { name, value: None },
    })
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
