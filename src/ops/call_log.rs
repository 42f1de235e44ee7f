//! A line in the log for each fact of a call that matters, under the documents' event types.
//! Promise: no words and no numbers of anybody; a caller is a keyed hash.

use tracing::{debug, info};

use crate::base::TenantId;
use crate::base::event::{Event, Record};
use crate::base::event_types::EventType;

/// What a fact says beside its type, as far as a log may know it.
#[derive(Debug, Default)]
struct Details<'a> {
    transport: Option<&'a str>,
    agent: Option<&'a str>,
    phone_hash: Option<&'a str>,
    language: Option<&'static str>,
    from: Option<String>,
    to: Option<String>,
    stage: Option<&'static str>,
    provider: Option<&'a str>,
    action: Option<&'a str>,
    turn: Option<u32>,
    turns: Option<u32>,
    cause: Option<String>,
    duration_ms: Option<u64>,
}

/// Says it.
pub fn tell(record: &Record, tenant: &TenantId) {
    let kind = EventType::of(&record.event);
    let Details {
        transport,
        agent,
        phone_hash,
        language,
        from,
        to,
        stage,
        provider,
        action,
        turn,
        turns,
        cause,
        duration_ms,
    } = details(&record.event);
    let (from, to, cause) = (from.as_deref(), to.as_deref(), cause.as_deref());
    // The level of an event is part of its place in the code, so there are two places.
    macro_rules! say {
        ($level:ident) => {
            $level!(
                call = %record.call, %tenant, event_type = kind.name(), call_ms = record.call_ms,
                transport, agent, phone_hash, language, from, to, stage, provider, action, turn, turns, cause,
                duration_ms, "a fact of a call"
            )
        };
    }
    if kind.is_milestone() { say!(info) } else { say!(debug) }
}

fn details(event: &Event) -> Details<'_> {
    let none = Details::default();
    match event {
        Event::CallInitiated { transport, agent, caller_hash, .. } => {
            Details { transport: Some(transport), agent: Some(agent), phone_hash: caller_hash.as_deref(), ..none }
        }
        Event::StateChanged { from, to } => Details { from: Some(word(from)), to: Some(word(to)), ..none },
        Event::LanguageDetected { language, .. } | Event::GreetingReplayed { language } => {
            Details { language: Some(language.tag()), ..none }
        }
        Event::LanguageSwitched { from, to, .. } => Details {
            from: Some(from.tag().to_owned()),
            to: Some(to.tag().to_owned()),
            language: Some(to.tag()),
            ..none
        },
        Event::SpeechStarted { turn }
        | Event::BargeIn { turn, .. }
        | Event::FalseBargeIn { turn }
        | Event::Filler { turn }
        | Event::PolicyRefused { turn, .. } => Details { turn: Some(*turn), ..none },
        Event::Heard { turn, language, .. }
        | Event::Said { turn, language, .. }
        | Event::TurnAnswered { turn, language, .. } => {
            Details { turn: Some(*turn), language: Some(language.tag()), ..none }
        }
        Event::Repair { kind, .. } => Details { cause: Some(word(kind)), ..none },
        // The rest of an action holds dates and times that somebody said.
        Event::Action { action, .. } => Details { action: Some(name_of_action(action)), ..none },
        Event::Routed(routed) => Details {
            stage: Some(routed.stage.as_str()),
            provider: routed.answered_by.as_deref(),
            language: Some(routed.language.tag()),
            turn: Some(routed.turn),
            ..none
        },
        Event::EngineFault { stage, .. } => Details { stage: Some(stage.as_str()), ..none },
        Event::CallEnded { outcome, cause, duration_ms, turns } => Details {
            to: Some(word(outcome)),
            cause: Some(word(cause)),
            duration_ms: Some(*duration_ms),
            turns: Some(*turns),
            ..none
        },
        Event::Transfer { step, why, talked_ms, .. } => {
            Details { to: Some(word(step)), cause: why.as_ref().map(word), duration_ms: *talked_ms, ..none }
        }
        Event::MediaBack { after_ms } => Details { duration_ms: Some(u64::from(*after_ms)), ..none },
        Event::CallAnsweredBy { who } => Details { to: Some(word(who)), ..none },
        Event::CallPlaced { .. }
        | Event::Dtmf { .. }
        | Event::CallCost(_)
        | Event::Reachability { .. }
        | Event::AudioGap { .. }
        | Event::MediaLost
        | Event::RecordingStarted { .. }
        | Event::RecordingDeclined { .. }
        | Event::RecordingStopped { .. } => none,
    }
}

fn name_of_action(action: &str) -> &str {
    action.split([' ', '[', ']']).find(|word| !word.is_empty()).unwrap_or("unknown")
}

/// The name serde gives a unit variant.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::event::{CallState, Concerns, Direction, EndCause, Stage};
    use crate::base::{CallId, Lang};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn told(event: Event) -> String {
        let page = Page::default();
        let writing = page.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writing.clone())
            .finish();
        let record = Record { call: CallId::from_seed(1, 2), unix_ms: 5, call_ms: 7, event };
        tracing::subscriber::with_default(log, || tell(&record, &TenantId::default_tenant()));
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_has_the_documents_event_type_and_its_fields() {
        let line = told(Event::LanguageSwitched { from: Lang::Hi, to: Lang::Ta, reason: "heard".to_owned() });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event_type"], "LANGUAGE_SWITCH_DETECTED");
        assert_eq!((line["from"].as_str(), line["to"].as_str()), (Some("hi-IN"), Some("ta-IN")));
        assert_eq!((line["tenant"].as_str(), line["level"].as_str()), (Some("default"), Some("INFO")));
        assert_eq!(line["call"], CallId::from_seed(1, 2).to_string());
        assert!(line.get("transport").is_none(), "what a fact does not say is not there: {line}");
    }

    #[test]
    fn nobodys_words_or_numbers_come_into_a_line() {
        let secret = "9876543210";
        let events = [
            Event::Heard {
                turn: 1,
                by: crate::base::event::Speaker::Caller,
                language: Lang::Hi,
                confidence: 0.5,
                text: secret.to_owned(),
            },
            Event::Said { turn: 1, language: Lang::Hi, text: secret.to_owned(), heard: secret.to_owned(), cut: false },
            Event::Action { action: format!("[[callback time=\"{secret}\"]]"), done: true },
            Event::EngineFault { stage: Stage::Llm, fault: secret.to_owned() },
            Event::PolicyRefused { turn: 1, reason: secret.to_owned() },
            Event::LanguageSwitched { from: Lang::Hi, to: Lang::Ta, reason: secret.to_owned() },
            Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 9, turns: 2 },
            Event::CallInitiated {
                transport: "twilio".to_owned(),
                carrier_call: Some(secret.to_owned()),
                direction: Direction::Inbound,
                agent: "helpdesk".to_owned(),
                caller_hash: Some("abcd".to_owned()),
                concerns: Box::new(Concerns { region: secret.to_owned(), ..Concerns::default() }),
                customer: None,
            },
        ];
        for event in events {
            let line = told(event.clone());
            assert!(line.contains("event_type") && !line.contains(secret), "{event:?}: {line}");
        }
    }
}
