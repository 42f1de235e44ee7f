//! The names under which logs and traces know the facts of calls (`EVENT_TYPE`); where the
//! call-management document has a name it is that one. Promise: a name never changes once it is out.
//! Absent on purpose: what a fact says, and the names of webhooks (`delivery/shapes.rs`; the test below
//! holds the two together).

use super::event::{CallState, EndCause, Event, Stage, TransferStep};

/// What kind of fact it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    CallInitiated,
    CallPlaced,
    CallAnsweredBy,
    WebsocketConnected,
    CallStateChanged,
    LanguageDetected,
    LanguageSwitchDetected,
    GreetingReplayedNewLang,
    SpeechStarted,
    SpeechRecognised,
    LineSaid,
    TurnAnswered,
    BargeIn,
    FalseBargeIn,
    Reprompted,
    FillerSaid,
    ActionTaken,
    ActionFailed,
    AgentTransferInitiated,
    AgentRinging,
    AgentTold,
    AgentTransferAccepted,
    AgentTransferFailed,
    AgentTransferConnected,
    AgentTransferCompleted,
    KeyPressed,
    SttRouted,
    LlmRouted,
    TtsSynthesisSuccess,
    RoutingFailed,
    CallCosted,
    OutsideLost,
    OutsideBack,
    EngineFault,
    PolicyRefused,
    AudioGap,
    MediaLost,
    MediaBack,
    RecordingStarted,
    RecordingDeclined,
    RecordingStopped,
    CallCompleted,
    CallFailed,
    CallNotPicked,
}

impl EventType {
    pub const ALL: [Self; 44] = [
        Self::CallInitiated,
        Self::CallPlaced,
        Self::CallAnsweredBy,
        Self::WebsocketConnected,
        Self::CallStateChanged,
        Self::LanguageDetected,
        Self::LanguageSwitchDetected,
        Self::GreetingReplayedNewLang,
        Self::SpeechStarted,
        Self::SpeechRecognised,
        Self::LineSaid,
        Self::TurnAnswered,
        Self::BargeIn,
        Self::FalseBargeIn,
        Self::Reprompted,
        Self::FillerSaid,
        Self::ActionTaken,
        Self::ActionFailed,
        Self::AgentTransferInitiated,
        Self::AgentRinging,
        Self::AgentTold,
        Self::AgentTransferAccepted,
        Self::AgentTransferFailed,
        Self::AgentTransferConnected,
        Self::AgentTransferCompleted,
        Self::KeyPressed,
        Self::SttRouted,
        Self::LlmRouted,
        Self::TtsSynthesisSuccess,
        Self::RoutingFailed,
        Self::CallCosted,
        Self::OutsideLost,
        Self::OutsideBack,
        Self::EngineFault,
        Self::PolicyRefused,
        Self::AudioGap,
        Self::MediaLost,
        Self::MediaBack,
        Self::RecordingStarted,
        Self::RecordingDeclined,
        Self::RecordingStopped,
        Self::CallCompleted,
        Self::CallFailed,
        Self::CallNotPicked,
    ];

    /// Of a fact.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::CallInitiated { .. } => Self::CallInitiated,
            Event::CallPlaced { .. } => Self::CallPlaced,
            Event::CallAnsweredBy { .. } => Self::CallAnsweredBy,
            Event::StateChanged { to: CallState::InProgress, .. } => Self::WebsocketConnected,
            Event::StateChanged { to: CallState::AgentTransfer, .. } => Self::AgentTransferInitiated,
            Event::StateChanged { .. } => Self::CallStateChanged,
            Event::LanguageDetected { .. } => Self::LanguageDetected,
            Event::LanguageSwitched { .. } => Self::LanguageSwitchDetected,
            Event::GreetingReplayed { .. } => Self::GreetingReplayedNewLang,
            Event::SpeechStarted { .. } => Self::SpeechStarted,
            Event::Heard { .. } => Self::SpeechRecognised,
            Event::Said { .. } => Self::LineSaid,
            Event::TurnAnswered { .. } => Self::TurnAnswered,
            Event::BargeIn { .. } => Self::BargeIn,
            Event::FalseBargeIn { .. } => Self::FalseBargeIn,
            Event::Repair { .. } => Self::Reprompted,
            Event::Filler { .. } => Self::FillerSaid,
            Event::Action { action, done: true } if action.starts_with("[[transfer") => Self::AgentTransferInitiated,
            Event::Action { done: true, .. } => Self::ActionTaken,
            Event::Action { done: false, .. } => Self::ActionFailed,
            Event::Dtmf { .. } => Self::KeyPressed,
            Event::Transfer { step, .. } => match step {
                TransferStep::Sought => Self::AgentTransferInitiated,
                TransferStep::Ringing => Self::AgentRinging,
                TransferStep::Told => Self::AgentTold,
                TransferStep::Taken => Self::AgentTransferAccepted,
                TransferStep::NotReached => Self::AgentTransferFailed,
                TransferStep::Joined | TransferStep::HandedOn => Self::AgentTransferConnected,
                TransferStep::Over => Self::AgentTransferCompleted,
            },
            Event::Routed(routed) => match (&routed.answered_by, routed.stage) {
                (None, _) => Self::RoutingFailed,
                (_, Stage::Stt) => Self::SttRouted,
                (_, Stage::Llm) => Self::LlmRouted,
                (_, Stage::Tts) => Self::TtsSynthesisSuccess,
            },
            Event::CallCost(_) => Self::CallCosted,
            Event::Reachability { offline: true } => Self::OutsideLost,
            Event::Reachability { offline: false } => Self::OutsideBack,
            Event::EngineFault { .. } => Self::EngineFault,
            Event::PolicyRefused { .. } => Self::PolicyRefused,
            Event::AudioGap { .. } => Self::AudioGap,
            Event::MediaLost => Self::MediaLost,
            Event::MediaBack { .. } => Self::MediaBack,
            Event::RecordingStarted { .. } => Self::RecordingStarted,
            Event::RecordingDeclined { .. } => Self::RecordingDeclined,
            Event::RecordingStopped { .. } => Self::RecordingStopped,
            Event::CallEnded { outcome: CallState::NotPicked, .. } => Self::CallNotPicked,
            Event::CallEnded { outcome: CallState::Failed, .. } => Self::CallFailed,
            Event::CallEnded { .. } => Self::CallCompleted,
        }
    }

    /// Worth a line in the log of every call. The others are told at level `debug`.
    pub const fn is_milestone(self) -> bool {
        matches!(
            self,
            Self::CallInitiated
                | Self::CallPlaced
                | Self::CallAnsweredBy
                | Self::WebsocketConnected
                | Self::LanguageDetected
                | Self::LanguageSwitchDetected
                | Self::GreetingReplayedNewLang
                | Self::ActionTaken
                | Self::ActionFailed
                | Self::AgentTransferInitiated
                | Self::AgentTransferAccepted
                | Self::AgentTransferFailed
                | Self::AgentTransferConnected
                | Self::AgentTransferCompleted
                | Self::RoutingFailed
                | Self::OutsideLost
                | Self::OutsideBack
                | Self::EngineFault
                | Self::PolicyRefused
                | Self::RecordingStarted
                | Self::RecordingDeclined
                | Self::RecordingStopped
                | Self::CallCompleted
                | Self::CallFailed
                | Self::CallNotPicked
        )
    }

    /// As logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallInitiated => "CALL_INITIATED",
            Self::CallPlaced => "CALL_PLACED",
            Self::CallAnsweredBy => "CALL_ANSWERED_BY",
            Self::WebsocketConnected => "WEBSOCKET_CONNECTED",
            Self::CallStateChanged => "CALL_STATE_CHANGED",
            Self::LanguageDetected => "LANGUAGE_DETECTED",
            Self::LanguageSwitchDetected => "LANGUAGE_SWITCH_DETECTED",
            Self::GreetingReplayedNewLang => "GREETING_REPLAYED_NEW_LANG",
            Self::SpeechStarted => "SPEECH_STARTED",
            Self::SpeechRecognised => "SPEECH_RECOGNISED",
            Self::LineSaid => "LINE_SAID",
            Self::TurnAnswered => "TURN_ANSWERED",
            Self::BargeIn => "BARGE_IN",
            Self::FalseBargeIn => "FALSE_BARGE_IN",
            Self::Reprompted => "REPROMPTED",
            Self::FillerSaid => "FILLER_SAID",
            Self::ActionTaken => "ACTION_TAKEN",
            Self::ActionFailed => "ACTION_FAILED",
            Self::AgentTransferInitiated => "AGENT_TRANSFER_INITIATED",
            Self::AgentRinging => "AGENT_RINGING",
            Self::AgentTold => "AGENT_TOLD",
            Self::AgentTransferAccepted => "AGENT_TRANSFER_ACCEPTED",
            Self::AgentTransferFailed => "AGENT_TRANSFER_FAILED",
            Self::AgentTransferConnected => "AGENT_TRANSFER_CONNECTED",
            Self::AgentTransferCompleted => "AGENT_TRANSFER_COMPLETED",
            Self::KeyPressed => "KEY_PRESSED",
            Self::SttRouted => "STT_SUCCESS",
            Self::LlmRouted => "LLM_SUCCESS",
            Self::TtsSynthesisSuccess => "TTS_SYNTHESIS_SUCCESS",
            Self::RoutingFailed => "ROUTING_FAILED",
            Self::CallCosted => "CALL_COST",
            Self::OutsideLost => "OUTSIDE_LOST",
            Self::OutsideBack => "OUTSIDE_BACK",
            Self::EngineFault => "ENGINE_FAULT",
            Self::PolicyRefused => "POLICY_REFUSED",
            Self::AudioGap => "AUDIO_GAP",
            Self::MediaLost => "MEDIA_LOST",
            Self::MediaBack => "MEDIA_BACK",
            Self::RecordingStarted => "RECORDING_STARTED",
            Self::RecordingDeclined => "RECORDING_DECLINED",
            Self::RecordingStopped => "RECORDING_STOPPED",
            Self::CallCompleted => "CALL_COMPLETED",
            Self::CallFailed => "CALL_FAILED",
            Self::CallNotPicked => "CALL_NOT_PICKED",
        }
    }
}

/// Did the call end for a reason that is the box's own fault?
pub const fn is_our_fault(cause: EndCause) -> bool {
    matches!(cause, EndCause::TooManyFailures | EndCause::MediaLost | EndCause::InternalError | EndCause::ProcessLost)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::base::Lang;
    use crate::base::event::{Concerns, Direction};

    #[test]
    fn the_documents_names_are_kept() {
        let initiated = Event::CallInitiated {
            transport: "twilio".to_owned(),
            carrier_call: None,
            direction: Direction::Inbound,
            agent: "helpdesk".to_owned(),
            caller_hash: None,
            concerns: Box::new(Concerns::default()),
            customer: None,
        };
        let transfer = Event::Action { action: "[[transfer]]".to_owned(), done: true };
        let cases = [
            (initiated, "CALL_INITIATED"),
            (
                Event::LanguageDetected { language: Lang::Hi, confidence: 0.9, source: "speech".to_owned() },
                "LANGUAGE_DETECTED",
            ),
            (
                Event::LanguageSwitched { from: Lang::Hi, to: Lang::Ta, reason: "asked".to_owned() },
                "LANGUAGE_SWITCH_DETECTED",
            ),
            (Event::GreetingReplayed { language: Lang::Ta }, "GREETING_REPLAYED_NEW_LANG"),
            (transfer, "AGENT_TRANSFER_INITIATED"),
            (
                Event::StateChanged { from: CallState::InProgress, to: CallState::AgentTransfer },
                "AGENT_TRANSFER_INITIATED",
            ),
            (Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress }, "WEBSOCKET_CONNECTED"),
            (Event::Action { action: "[[transfer]]".to_owned(), done: false }, "ACTION_FAILED"),
            (
                Event::CallEnded {
                    outcome: CallState::NotPicked,
                    cause: EndCause::NeverConnected,
                    duration_ms: 0,
                    turns: 0,
                },
                "CALL_NOT_PICKED",
            ),
        ];
        for (event, name) in cases {
            assert_eq!(EventType::of(&event).name(), name, "{event:?}");
        }
    }

    #[test]
    fn names_are_well_formed_and_nobody_shares_one() {
        let names: HashSet<_> = EventType::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), EventType::ALL.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
    }

    #[test]
    fn what_webhooks_say_of_the_log_is_what_the_log_says() {
        let named = crate::delivery::EventType::ALL.iter().filter_map(|t| t.log_event()).collect::<Vec<_>>();
        assert!(named.len() >= 5);
        for name in named {
            assert!(EventType::ALL.iter().any(|t| t.name() == name), "no fact is logged as {name}");
        }
    }
}
