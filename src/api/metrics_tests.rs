use std::sync::Arc;

use proptest::prelude::*;

use super::strict::Page;
use super::*;
use crate::api::{StoreGauges, WatchGauges};
use crate::base::event::{Attempted, CallCost, CallState, Concerns, Direction, EndCause, Routed, Stage, Usage, Way};
use crate::base::{CallId, Lang};
use crate::config;
use crate::ops::alerts::Alerts;
use crate::ops::health::Finding;

fn record(event: Event) -> Record {
    Record { call: CallId::new(), unix_ms: 0, call_ms: 0, event }
}

fn initiated(transport: &str) -> Event {
    Event::CallInitiated {
        transport: transport.to_owned(),
        carrier_call: None,
        direction: Direction::Inbound,
        agent: "helpdesk".to_owned(),
        caller_hash: None,
        concerns: Box::new(Concerns::default()),
        customer: None,
    }
}

fn routed(candidate: &str, outcome: &str) -> Event {
    Event::Routed(Box::new(Routed {
        stage: Stage::Tts,
        language: Lang::Hi,
        answered_by: Some(candidate.to_owned()),
        tried: vec![Attempted { candidate: candidate.to_owned(), outcome: outcome.to_owned(), took_ms: 80 }],
        passed_over: Vec::new(),
        rule: None,
        offline: false,
        cost_paise: Money::ZERO,
        turn: 1,
        usage: Usage::default(),
        charges: Vec::new(),
    }))
}

#[test]
fn the_documents_names_and_the_stages_are_on_a_page_that_is_right() {
    let alerts = Alerts::new(&config::Alerts::default(), Clock::system(), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let master = crate::store::crypt::MasterKey::load(dir.path()).unwrap();
    let vault = crate::store::Vault::open(dir.path(), master, Clock::system()).unwrap();
    let (watching, keeping) = (alerts.clone(), vault.clone());
    let delivery = crate::delivery::DeliveryMetrics::default();
    delivery.deliveries.get_or_create(&[("outcome", "delivered")]).inc();
    delivery.waiting.get_or_create(&[("tenant", "default".to_owned())]).set(3);
    let metrics = Arc::new(Metrics::new(move |registry| {
        delivery.register(registry);
        registry.register_collector(Box::new(WatchGauges::new(watching, None)));
        registry.register_collector(Box::new(StoreGauges::new(keeping)));
    }));
    let at = crate::base::Moment::from_millis;
    for now in [0, 60_000] {
        alerts.look(at(now), vec![Finding::error("disk", "full", "make room")]);
    }
    let waterfall = Waterfall { endpoint: Some(400), first_frame_out: Some(900), ..Waterfall::default() };
    for event in [
        initiated("twilio"),
        initiated("twilio"),
        routed("local/piper", "answered"),
        Event::LanguageDetected { language: Lang::Ta, confidence: 0.9, source: "key".to_owned() },
        Event::TurnAnswered { turn: 1, language: Lang::Hi, intent: None, way: Way::Flow, waterfall },
        Event::CallCost(Box::default()),
        Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 90_000, turns: 1 },
    ] {
        metrics.observe(&record(event));
    }
    let page = Page::parse(&metrics.text());
    let kinds = [
        ("calls_started", "counter"),
        ("calls_completed", "counter"),
        ("call_duration_seconds", "histogram"),
        ("webhook_deliveries", "counter"),
        ("active_call_sessions", "gauge"),
        ("outbox_queue_size", "gauge"),
        ("turn_stage_seconds", "histogram"),
        ("engine_request_seconds", "histogram"),
        ("store_commit_seconds", "histogram"),
        ("process_resident_memory_bytes", "gauge"),
        ("alerts_active", "gauge"),
    ];
    for (name, kind) in kinds {
        assert_eq!(page.types.get(name).map(String::as_str), Some(kind), "{name}");
    }
    assert_eq!(page.value("calls_started_total", &[("transport", "twilio")]), Some(2.0));
    assert_eq!(page.value("calls_completed_total", &[("outcome", "completed"), ("cause", "goodbye")]), Some(1.0));
    assert_eq!(page.value("call_duration_seconds_sum", &[]), Some(90.0));
    assert_eq!(page.value("active_call_sessions", &[]), Some(1.0));
    assert_eq!(page.value("turn_stage_seconds_sum", &[("stage", "first_frame_out")]), Some(0.9));
    let asked = [("stage", "tts"), ("candidate", "local/piper")];
    assert_eq!(page.value("engine_request_seconds_count", &asked), Some(1.0));
    assert_eq!(page.value("alerts_active", &[("code", "disk")]), Some(1.0));
    assert_eq!(page.value("alerts_active", &[("code", "audit")]), Some(0.0));
    assert_eq!(page.value("call_cost_paise_count", &[]), Some(1.0));
    assert!(page.value("store_databases", &[]) >= Some(2.0));
    let _: CallCost = CallCost::default();
    vault.close();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn values_that_others_choose_stay_few_and_never_break_the_page(
        words in proptest::collection::vec(".{0,120}", 200..300)
    ) {
        let metrics = Metrics::new(|_| ());
        for word in &words {
            metrics.observe(&record(initiated(word)));
            metrics.observe(&record(routed(word, word)));
            metrics.observe(&record(Event::Action { action: format!("[[{word}]]"), done: true }));
            let detected = Event::LanguageDetected { language: Lang::Hi, confidence: 0.5, source: word.clone() };
            metrics.observe(&record(detected));
        }
        let page = Page::parse(&metrics.text());
        for name in ["calls_started_total", "actions_total", "language_detections_total", "engine_request_seconds_count"] {
            let rows = page.series().into_iter().filter(|(found, _)| found == name).count();
            prop_assert!(rows <= limits::LABEL_VALUES_MAX + 1, "{} has {} rows", name, rows);
        }
    }
}
