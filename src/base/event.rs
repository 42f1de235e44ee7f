//! What happens on calls, as facts. The call machine emits them, the journal keeps them, and
//! everything else (metrics, console, analysis) is derived from them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{CallId, TenantId};
use super::lang::Lang;
use super::money::Money;

/// One fact about one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Record {
    pub call: CallId,
    /// Milliseconds since 1970 UTC.
    pub unix_ms: u64,
    /// Milliseconds since the call's first event.
    pub call_ms: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// Texts in here are personal: [`Event::without_words`] is what may be kept when transcripts are off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    CallInitiated {
        transport: String,
        /// Its id at the carrier.
        #[serde(default)]
        carrier_call: Option<String>,
        direction: Direction,
        agent: String,
        caller_hash: Option<String>,
        #[serde(default)]
        concerns: Box<Concerns>,
        /// Whose record the call belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        customer: Option<Uuid>,
    },
    /// A carrier has taken the box's own call, under its id.
    CallPlaced {
        carrier_call: String,
    },
    /// Who took a call that the box has placed, as far as anybody can tell.
    CallAnsweredBy {
        who: AnsweredBy,
    },
    StateChanged {
        from: CallState,
        to: CallState,
    },
    LanguageDetected {
        language: Lang,
        confidence: f32,
        source: String,
    },
    LanguageSwitched {
        from: Lang,
        to: Lang,
        reason: String,
    },
    GreetingReplayed {
        language: Lang,
    },
    SpeechStarted {
        turn: u32,
    },
    Heard {
        turn: u32,
        #[serde(default, skip_serializing_if = "Speaker::is_caller")]
        by: Speaker,
        language: Lang,
        confidence: f32,
        text: String,
    },
    /// A line went out. `heard` is the part that was really played before a barge-in cut it.
    Said {
        turn: u32,
        language: Lang,
        text: String,
        heard: String,
        cut: bool,
    },
    TurnAnswered {
        turn: u32,
        language: Lang,
        intent: Option<String>,
        way: Way,
        waterfall: Waterfall,
    },
    BargeIn {
        turn: u32,
        stopped_after_ms: u32,
    },
    FalseBargeIn {
        turn: u32,
    },
    Repair {
        kind: RepairKind,
        in_a_row: u32,
    },
    Filler {
        turn: u32,
    },
    Action {
        action: String,
        done: bool,
    },
    Dtmf {
        in_band: bool,
    },
    /// How a caller gets on who wants a person. `attempt` counts the persons who were sought on this call.
    Transfer {
        attempt: u32,
        step: TransferStep,
        /// Who is sought: a masked number, or an extension of the house.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<NotReached>,
        /// How long caller and person have talked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        talked_ms: Option<u64>,
    },
    /// Who answered a stage of a turn, who was tried, and why the others were not.
    Routed(Box<Routed>),
    /// What the call cost, and what it would have cost elsewhere. Comes right before its end.
    CallCost(Box<CallCost>),
    /// Nothing outside the box can be reached any more, or it can again.
    Reachability {
        offline: bool,
    },
    EngineFault {
        stage: Stage,
        fault: String,
    },
    /// The agent was about to say something it must not; another line was said instead.
    PolicyRefused {
        turn: u32,
        reason: String,
    },
    AudioGap {
        missing_ms: u32,
    },
    /// The caller's media connection broke; the call waits for it to come back.
    MediaLost,
    /// It is back.
    MediaBack {
        after_ms: u32,
    },
    /// The notice has been played; the call is recorded from here on.
    RecordingStarted {
        mode: RecordingMode,
        /// Of the notice.
        language: Lang,
    },
    /// The call is not recorded, and nothing is kept of what was.
    RecordingDeclined {
        why: DeclinedBy,
    },
    /// Nothing more is recorded.
    RecordingStopped {
        why: StoppedBy,
        duration_ms: u64,
    },
    CallEnded {
        outcome: CallState,
        cause: EndCause,
        duration_ms: u64,
        turns: u32,
    },
}

impl Event {
    /// Its name, as it stands in records.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CallInitiated { .. } => "call_initiated",
            Self::CallPlaced { .. } => "call_placed",
            Self::CallAnsweredBy { .. } => "call_answered_by",
            Self::StateChanged { .. } => "state_changed",
            Self::LanguageDetected { .. } => "language_detected",
            Self::LanguageSwitched { .. } => "language_switched",
            Self::GreetingReplayed { .. } => "greeting_replayed",
            Self::SpeechStarted { .. } => "speech_started",
            Self::Heard { .. } => "heard",
            Self::Said { .. } => "said",
            Self::TurnAnswered { .. } => "turn_answered",
            Self::BargeIn { .. } => "barge_in",
            Self::FalseBargeIn { .. } => "false_barge_in",
            Self::Repair { .. } => "repair",
            Self::Filler { .. } => "filler",
            Self::Action { .. } => "action",
            Self::Dtmf { .. } => "dtmf",
            Self::Transfer { .. } => "transfer",
            Self::Routed(_) => "routed",
            Self::CallCost(_) => "call_cost",
            Self::Reachability { .. } => "reachability",
            Self::EngineFault { .. } => "engine_fault",
            Self::PolicyRefused { .. } => "policy_refused",
            Self::AudioGap { .. } => "audio_gap",
            Self::MediaLost => "media_lost",
            Self::MediaBack { .. } => "media_back",
            Self::RecordingStarted { .. } => "recording_started",
            Self::RecordingDeclined { .. } => "recording_declined",
            Self::RecordingStopped { .. } => "recording_stopped",
            Self::CallEnded { .. } => "call_ended",
        }
    }

    /// The same fact without anybody's words.
    pub fn without_words(self) -> Self {
        match self {
            Self::Heard { turn, by, language, confidence, .. } => {
                Self::Heard { turn, by, language, confidence, text: String::new() }
            }
            Self::Said { turn, language, cut, .. } => {
                Self::Said { turn, language, text: String::new(), heard: String::new(), cut }
            }
            other => other,
        }
    }
}

/// Whose words they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    #[default]
    Caller,
    /// Who took the caller over, while the two talk on legs of the box.
    Person,
}

impl Speaker {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    fn is_caller(&self) -> bool {
        *self == Self::Caller
    }
}

/// Whom a call concerns and where the caller is, as far as anybody told: what residency, budgets and
/// routing rules go by. Empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Concerns {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub campaign: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_class: String,
    /// What the tenant pays for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tier: String,
    /// The state of the caller's landline; a customer's record says better.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// From the customer's record.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub district: String,
}

impl Concerns {
    /// Whose database keeps the call.
    pub fn tenant_id(&self) -> TenantId {
        self.tenant.parse().unwrap_or_else(|_| TenantId::default_tenant())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// The life cycle of requirement T1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    Ready,
    Initiated,
    Ringing,
    InProgress,
    AgentTransfer,
    Completed,
    Failed,
    NotPicked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The caller hung up (or the carrier said so).
    CallerHungUp,
    /// The conversation came to its end.
    Goodbye,
    /// The caller asked for a person; nobody can be connected yet, the caller was told so.
    HumanWanted,
    /// Too many failures in a row.
    TooManyFailures,
    Inactivity,
    MaxDuration,
    /// The media socket broke and did not come back.
    MediaLost,
    /// The box is stopping.
    Drained,
    /// An invariant broke inside this call.
    InternalError,
    /// An operator ended it.
    Operator,
    /// The process died with the call in progress; found at the next start.
    ProcessLost,
    /// Announced by the carrier, but no media ever came.
    NeverConnected,
    /// No carrier took the box's call; nobody was rung.
    NotDialled,
    /// Whether a carrier took the box's call is not known; somebody may have been rung.
    DialUnknown,
    /// A machine took the call; it has the message.
    Machine,
    /// The caller has talked to a person; that conversation is over, or goes on without the box.
    Transferred,
}

/// What happened on a caller's way to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferStep {
    /// Somebody is to be rung.
    Sought,
    Ringing,
    /// Somebody has answered and is told who waits.
    Told,
    /// They take the caller.
    Taken,
    /// Nobody took the caller; `why` says more.
    NotReached,
    /// The two talk on legs of the box.
    Joined,
    /// The two talk without the box.
    HandedOn,
    /// They have talked.
    Over,
}

/// Why a person did not take a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotReached {
    Busy,
    NoAnswer,
    /// The person heard who waits and did not want to, or said nothing.
    Declined,
    /// A machine has answered.
    Machine,
    /// They could not be rung, or whether they ring is not known.
    Unreachable,
    /// Their line broke before they took the caller.
    Lost,
    /// The caller is gone, or the call had to end.
    GivenUp,
}

/// Who took a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    Human,
    /// A machine whose greeting is over, so that a message can be left.
    Machine,
    Fax,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepairKind {
    Silence,
    Unclear,
    EngineFault,
}

/// How a call comes to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingMode {
    /// The caller is told that they may say no, and is recorded unless they do.
    Ask,
    /// The caller is told.
    Announce,
}

/// Why a call is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclinedBy {
    /// The caller said so.
    Word,
    /// The caller pressed the key for it.
    Key,
    /// The caller never heard the notice to its end.
    NotHeard,
    /// The ledger of consents has it that this person does not want to be recorded.
    Ledger,
}

/// Why a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    CallEnded,
    /// Somebody of the box's people said so.
    Operator,
    DiskFull,
    /// It could not be written.
    Fault,
}

/// The record of one decision of the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Routed {
    pub stage: Stage,
    pub language: Lang,
    pub answered_by: Option<String>,
    pub tried: Vec<Attempted>,
    pub passed_over: Vec<PassedOver>,
    /// The routing rule that set the order.
    pub rule: Option<String>,
    pub offline: bool,
    pub cost_paise: Money,
    /// The caller's turn it was made for; 0 before the first.
    #[serde(default)]
    pub turn: u32,
    /// What the request used, as if one candidate had done all of it.
    #[serde(default)]
    pub usage: Usage,
    /// What each candidate that was asked may charge for it; `cost_paise` is their sum.
    #[serde(default)]
    pub charges: Vec<Charge>,
}

/// What requests used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Usage {
    pub audio_ms: u64,
    pub chars: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Charge {
    pub candidate: String,
    pub paise: Money,
    pub usage: Usage,
    /// The provider did not say what it counted.
    pub estimated: bool,
}

/// What a call cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallCost {
    pub paise: Money,
    /// How much of it rests on estimates.
    pub estimated_paise: Money,
    /// By turn; 0 is what came before the caller's first word.
    pub turns: Vec<TurnCost>,
    pub charged: Vec<Charged>,
    pub usage: Vec<StageUsage>,
    /// The same usage at the prices of every candidate that can do the stage.
    pub elsewhere: Vec<Elsewhere>,
    /// The whole call done by one provider, or by the cheapest there is.
    pub stacks: Vec<Stack>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TurnCost {
    pub turn: u32,
    pub paise: Money,
    pub stt: Money,
    pub llm: Money,
    pub tts: Money,
}

/// What one candidate charges for its part of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Charged {
    pub stage: Stage,
    pub candidate: String,
    pub requests: u64,
    pub paise: Money,
    pub estimated_paise: Money,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StageUsage {
    pub stage: Stage,
    pub language: Lang,
    pub requests: u64,
    #[serde(flatten)]
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Elsewhere {
    pub stage: Stage,
    pub candidate: String,
    /// `None`: nobody wrote down its prices.
    pub paise: Option<Money>,
    /// May the call's words go there?
    pub allowed: bool,
    /// Does it know every language that the call was held in?
    pub speaks: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stack {
    /// `all_local`, `cheapest_allowed`, or the name of a provider.
    pub name: String,
    pub paise: Money,
    pub candidates: Vec<String>,
    /// Stages of the call that it cannot do; they are not in the sum.
    pub lacks: Vec<Stage>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempted {
    pub candidate: String,
    pub outcome: String,
    pub took_ms: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PassedOver {
    pub candidate: String,
    pub reason: String,
}

/// What a turn needs done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Stt,
    Llm,
    Tts,
}

impl Stage {
    pub const ALL: [(&'static str, Self); 3] = [("stt", Self::Stt), ("llm", Self::Llm), ("tts", Self::Tts)];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
        }
    }
}

/// How a reply came about (design §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A closed answer or known phrase; no language model was asked.
    Flow,
    /// The language model picked an intent; the line comes from the catalogue.
    Choose,
    /// The language model wrote the line.
    Free,
    /// A fixed line (greeting, reprompt, apology).
    Line,
}

/// Where the time of one turn went. All values are milliseconds after `speech_end` except
/// `speech_end` itself, which is milliseconds after the call's start. `None`: the stage did not
/// take part. The `*_took` values are the engines' own working times, for comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Waterfall {
    pub speech_end: u64,
    pub endpoint: Option<u32>,
    pub stt_final: Option<u32>,
    pub llm_first_token: Option<u32>,
    pub first_clause: Option<u32>,
    pub tts_first_audio: Option<u32>,
    pub first_frame_out: Option<u32>,
    pub stt_took: Option<u32>,
    pub llm_took: Option<u32>,
    pub tts_took: Option<u32>,
    pub stt_provider: Option<String>,
    pub llm_provider: Option<String>,
    pub tts_provider: Option<String>,
}
