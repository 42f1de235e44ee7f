use super::*;
use crate::base::event::{CallCost, Charged, Concerns, Speaker};
use crate::base::money::Money;

fn scratch() -> Connection {
    Connection::open_in_memory().unwrap()
}

fn settings(words: bool) -> ShapeSettings {
    ShapeSettings {
        words,
        number_of: Some(Arc::new(|_, hash| (hash == "ab12").then(|| "+919876543210".parse().unwrap()))),
    }
}

fn told(event: Event, words: bool, numbers: Numbers) -> Option<serde_json::Value> {
    let call = CallId::from_seed(1, 2);
    let record = Record { call, unix_ms: 1_705_314_600_000, call_ms: 5, event };
    let public = of_record(&scratch(), &record, &settings(words))?;
    Some(serde_json::from_str(&public.body(numbers).unwrap()).unwrap())
}

fn began() -> Event {
    Event::CallInitiated {
        transport: "twilio".to_owned(),
        carrier_call: Some("CA1".to_owned()),
        direction: Direction::Inbound,
        agent: "collections".to_owned(),
        caller_hash: Some("ab12".to_owned()),
        concerns: Box::new(Concerns { campaign: "june".to_owned(), ..Concerns::default() }),
        customer: None,
    }
}

#[test]
fn payloads_have_their_documented_shape() {
    let call = "00000000-0000-0001-0000-000000000002";
    let head = |event: &str| serde_json::json!({"event_type": event, "timestamp": "2024-01-15T10:30:00.000Z", "payload_version": 1, "call_id": call});
    let promise = Event::Action { action: "[[promise date=\"5 June\"]]".to_owned(), done: true };
    let transfer = Event::Action { action: "[[transfer]]".to_owned(), done: true };
    let cost = CallCost {
        paise: Money::from_paise(150),
        charged: vec![Charged {
            stage: Stage::Llm,
            candidate: "x/y".to_owned(),
            requests: 2,
            paise: Money::from_paise(150),
            estimated_paise: Money::ZERO,
        }],
        ..CallCost::default()
    };
    let cases: [(Event, &str, &str, serde_json::Value); 10] = [
        (
            began(),
            "call.started",
            "CALL_INITIATED",
            serde_json::json!({"call": {"direction": "inbound", "transport": "twilio", "agent": "collections", "campaign": "june", "phone_hash": "ab12"}}),
        ),
        (
            Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress },
            "call.status_changed",
            "",
            serde_json::json!({"status": {"from": "ringing", "to": "in_progress"}}),
        ),
        (
            Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 61_000, turns: 7 },
            "call.ended",
            "",
            serde_json::json!({"call": {"outcome": "completed", "cause": "goodbye", "duration_ms": 61_000, "turns": 7}}),
        ),
        (
            Event::CallCost(Box::new(cost)),
            "call.cost",
            "",
            serde_json::json!({"cost": {"paise": 150.0, "estimated_paise": 0.0, "stages": [
                {"stage": "stt", "paise": 0.0}, {"stage": "llm", "paise": 150.0}, {"stage": "tts", "paise": 0.0}]}}),
        ),
        (
            Event::LanguageDetected { language: Lang::Ta, confidence: 0.5, source: "stt".to_owned() },
            "language.detected",
            "LANGUAGE_DETECTED",
            serde_json::json!({"language": {"language": "ta-IN", "confidence": 0.5}}),
        ),
        (
            Event::LanguageSwitched { from: Lang::Hi, to: Lang::Ta, reason: "spoken".to_owned() },
            "language.switched",
            "LANGUAGE_SWITCH_DETECTED",
            serde_json::json!({"language": {"language": "ta-IN", "from": "hi-IN", "reason": "spoken"}}),
        ),
        (
            Event::GreetingReplayed { language: Lang::Ta },
            "greeting.replayed",
            "GREETING_REPLAYED_NEW_LANG",
            serde_json::json!({"language": {"language": "ta-IN"}}),
        ),
        (
            transfer,
            "agent.transfer_initiated",
            "AGENT_TRANSFER_INITIATED",
            serde_json::json!({"transfer": {"reason": "caller_wants_a_person"}}),
        ),
        (promise, "action.recorded", "", serde_json::json!({"action": {"name": "promise", "value": "5 June"}})),
        (
            Event::Action { action: "[[do_not_call]]".to_owned(), done: true },
            "action.recorded",
            "",
            serde_json::json!({"action": {"name": "do_not_call"}}),
        ),
    ];
    for (event, name, log, member) in cases {
        let mut wanted = head(name);
        if !log.is_empty() {
            wanted["log_event"] = log.into();
        }
        wanted.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        assert_eq!(told(event, false, Numbers::Hash).unwrap(), wanted, "{name}");
    }
}

#[test]
fn numbers_are_told_as_the_endpoint_wants_them_and_never_in_full() {
    let who = |numbers| {
        let call = told(began(), true, numbers).unwrap()["call"].clone();
        (call["phone_hash"].as_str().map(str::to_owned), call["phone"].as_str().map(str::to_owned))
    };
    assert_eq!(who(Numbers::Hash), (Some("ab12".to_owned()), None));
    assert_eq!(who(Numbers::Masked), (None, Some("+91••••••3210".to_owned())));
    assert_eq!(who(Numbers::None), (None, None));
}

#[test]
fn words_are_told_only_where_transcripts_are_kept() {
    let heard = || Event::Heard {
        turn: 3,
        by: Speaker::Caller,
        language: Lang::Hi,
        confidence: 0.75,
        text: "नमस्ते ".repeat(2_000),
    };
    let said = || Event::Said {
        turn: 3,
        language: Lang::Hi,
        text: "जी हाँ, आपका".to_owned(),
        heard: "जी".to_owned(),
        cut: true,
    };
    for words in [false, true] {
        let (heard, said) = (told(heard(), words, Numbers::Hash).unwrap(), told(said(), words, Numbers::Hash).unwrap());
        assert_eq!(
            (heard["event_type"].as_str(), said["event_type"].as_str()),
            (Some("turn.heard"), Some("turn.said"))
        );
        assert_eq!(heard["turn"]["text"].is_string(), words);
        assert_eq!(said["turn"]["heard"].is_string(), words);
        if words {
            assert_eq!(heard["turn"]["text"].as_str().unwrap().chars().count(), limits::WEBHOOK_TEXT_MAX);
        }
        assert_eq!(said["turn"]["cut"], true);
    }
    // Already taken out before it was kept.
    assert!(told(heard().without_words(), true, Numbers::Hash).unwrap()["turn"].get("text").is_none());
}

#[test]
fn what_only_concerns_the_box_is_not_told() {
    for event in [
        Event::SpeechStarted { turn: 1 },
        Event::Filler { turn: 1 },
        Event::Dtmf { in_band: true },
        Event::Reachability { offline: true },
        Event::AudioGap { missing_ms: 20 },
        Event::PolicyRefused { turn: 1, reason: "threat".to_owned() },
        Event::Action { action: "[[promise date=\"5 June\"]]".to_owned(), done: false },
        Event::Action { action: "[[end]]".to_owned(), done: true },
        Event::Action { action: "[[drop_tables]]".to_owned(), done: true },
    ] {
        assert_eq!(told(event.clone(), true, Numbers::Hash), None, "{event:?}");
    }
}

#[test]
fn the_profile_is_that_of_the_outbound_document() {
    let profile = WorkerProfile {
        name: Some("John Smith".to_owned()),
        current_job: Some(Position { title: Some("Engineer".to_owned()), company: Some("Tech Corp".to_owned()) }),
        employment_history: vec![Job { start_year: Some(2004), ..Job::default() }],
        employment_gaps: vec![Gap { start_year: 1977, end_year: 2004, reason: None }],
        skills: vec!["Python".to_owned(), "JavaScript".to_owned()],
        adversarial_score: 2.5,
        confidence_score: 0.85,
        consent_given: true,
    };
    let person = Person { hash: Some("a1b2c3d4".to_owned()), phone: Some("+919876543210".parse().unwrap()) };
    let public = Public::profile(1_705_314_600_000, CallId::from_seed(1, 2), person, profile);
    let body: serde_json::Value = serde_json::from_str(&public.body(Numbers::Hash).unwrap()).unwrap();
    assert_eq!(body["event_type"], "worker_profile_completed");
    let documented = [
        "phone_hash",
        "name",
        "current_job",
        "employment_history",
        "employment_gaps",
        "skills",
        "adversarial_score",
        "confidence_score",
        "consent_given",
    ];
    let mut keys: Vec<_> = body["profile"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = documented.to_vec();
    keys.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(body["profile"]["phone_hash"], "a1b2c3d4");
    assert_eq!(body["profile"]["confidence_score"], 0.85);
    assert_eq!(body["profile"]["employment_gaps"][0]["start_year"], 1977);
    assert!(!public.body(Numbers::Masked).unwrap().contains("98765"));
}

#[test]
fn event_types_go_by_both_names_and_are_all_different() {
    let mut names = std::collections::BTreeSet::new();
    for event in EventType::ALL {
        assert_eq!(event.name().parse(), Ok(*event));
        assert!(names.insert(event.name()));
        if let Some(log) = event.log_event() {
            assert_eq!(log.parse(), Ok(*event));
        }
    }
    assert_eq!("LANGUAGE_SWITCH_DETECTED".parse(), Ok(EventType::LanguageSwitched));
    let error = "call.begun".parse::<EventType>().unwrap_err().to_string();
    assert!(error.contains("call.started") && error.contains('*'), "{error}");
}
