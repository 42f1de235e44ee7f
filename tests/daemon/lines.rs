//! Lines and callers that misbehave, all at once on one daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::join;
use tokio::time::sleep;
use vaani::base::Lang;
use vaani::base::event::{EndCause, Event, RepairKind};
use vaani::media::noise::{Colour, Noise};
use vaani::telephony::far::{AfterCut, Heard, Network, Side};
use vaani::telephony::twilio::carrier::DialError;

use crate::support::{Daemon, impatient_config, question, root};
use serde_json::Value;

#[tokio::test]
async fn lines_that_misbehave_end_their_own_call_only() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let daemon = Daemon::start(state.path(), config.path(), true, &[("VAANI_PRIVACY__TRANSCRIPTS", "true")]).await;
    join!(cut_in_mid_word(&daemon), stopped_in_mid_playback(&daemon), key_three(&daemon));
    join!(
        greeted(&daemon, "+914952345678", "", Lang::Ml, ("Kerala", "", "Kozhikode")),
        greeted(&daemon, "+914952345678", "&state=TN", Lang::Ta, ("Kerala", "TN", "Kozhikode")),
        greeted(&daemon, "+919876543210", "&state=Ruritania", Lang::Hi, ("", "Ruritania", "")),
    );
    join!(silent(&daemon), noise(&daemon, Colour::Pink, -42.0), noise(&daemon, Colour::Keys, -30.0));
    let health = daemon.health().await;
    assert_eq!((&health["status"], &health["live_calls"]), (&"ok".into(), &0.into()), "{health:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn who_finds_no_line_hears_so_and_is_called_back_if_they_wish() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let one = [("VAANI_CALLS__MAX_CALLS", "1")];
    let daemon = Daemon::start(state.path(), config.path(), true, &one).await;
    let first = daemon.dial(daemon.call()).await.unwrap();
    let second = daemon.dial(daemon.call().digit('1')).await.unwrap_err();
    assert!(matches!(second, DialError::HungUp), "{second}");
    let wishes = wishes(&daemon).await;
    assert_eq!((wishes.len(), wishes[0]["phone"].as_str()), (1, Some("+919876543210")), "{wishes:?}");
    let sid = first.carrier_call().to_owned();
    first.hang_up().await.unwrap();
    daemon.ended(&sid).await;
    daemon.stop().await;

    // The list outlives the daemon.
    let daemon = Daemon::start(state.path(), config.path(), false, &one).await;
    assert_eq!(self::wishes(&daemon).await, wishes);
    daemon.stop().await;
}

async fn wishes(daemon: &Daemon) -> Vec<Value> {
    daemon.get("/api/callbacks").await.unwrap().json().await.unwrap()
}

async fn cut_in_mid_word(daemon: &Daemon) {
    let mut options = daemon.call();
    // The caller is gone with the line, and the carrier says so: nobody is waited for.
    let cut_after = Some(Duration::from_millis(1_500));
    options.network = Network { cut_after, after_cut: AfterCut::HangsUp, ..Network::default() };
    let call = daemon.dial(options).await.unwrap();
    let sid = call.carrier_call().to_owned();
    call.say(question()).await.expect_err("the sentence is longer than the line lives");
    assert_eq!(call.end().await.unwrap().by, Side::Network);
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!(cause, EndCause::MediaLost, "{facts:#?}");
    assert!(facts.iter().any(|e| matches!(e, Event::SpeechStarted { .. })), "{facts:#?}");
}

async fn stopped_in_mid_playback(daemon: &Daemon) {
    let mut call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let mut played = 0;
    while played < 8_000 {
        match call.hear().await {
            Some(Heard::Frame(frame)) => played += frame.from_box,
            other => panic!("no greeting: {other:?}"),
        }
    }
    call.hang_up().await.unwrap();
    let end = call.end().await.unwrap();
    assert_eq!((end.by, end.violations.len()), (Side::Caller, 0), "{end:?}");
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!(cause, EndCause::CallerHungUp, "{facts:#?}");
    assert!(facts.iter().any(|e| matches!(e, Event::Said { cut: true, .. })), "the greeting was cut: {facts:#?}");
}

async fn key_three(daemon: &Daemon) {
    let call = daemon.dial(daemon.call().digit('3')).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let facts = daemon.fact(&sid, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await;
    for event in &facts {
        match event {
            Event::LanguageDetected { language, source, .. } => {
                assert_eq!((*language, source.as_str()), (Lang::Ta, "menu"));
            }
            Event::Said { language, .. } => assert_eq!(*language, Lang::Ta, "{facts:#?}"),
            _ => {}
        }
    }
    call.hang_up().await.unwrap();
    daemon.ended(&sid).await;
}

/// The first greeting is in the language of the customer's state, or of the number's.
async fn greeted(daemon: &Daemon, from: &str, record: &str, expected: Lang, known: (&str, &str, &str)) {
    let mut options = daemon.call();
    options.from = from.to_owned();
    options.path = format!("/voice/incoming?agent=reminder{record}");
    let call = daemon.dial(options).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let facts = daemon.fact(&sid, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await;
    for event in &facts {
        match event {
            Event::CallInitiated { concerns, .. } => {
                assert_eq!((&*concerns.region, &*concerns.state, &*concerns.district), known);
                assert_eq!(concerns.campaign, "reminder");
            }
            Event::Said { language, .. } => assert_eq!(*language, expected, "{facts:#?}"),
            _ => {}
        }
    }
    call.hang_up().await.unwrap();
    daemon.ended(&sid).await;
}

async fn silent(daemon: &Daemon) {
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!(cause, EndCause::TooManyFailures, "{facts:#?}");
    let repairs: Vec<_> = facts
        .iter()
        .filter_map(|e| if let Event::Repair { kind, in_a_row } = e { Some((*kind, *in_a_row)) } else { None })
        .collect();
    assert_eq!(repairs, [(RepairKind::Silence, 1), (RepairKind::Silence, 2), (RepairKind::Silence, 3)]);
    let said: Vec<_> = facts
        .iter()
        .filter_map(|e| if let Event::Said { text, .. } = e { Some(text.as_str()) } else { None })
        .collect();
    let hindi = std::fs::read_to_string(root().join("config/prompts/hi-IN.toml")).unwrap();
    let line = |key: &str| {
        let (_, rest) = hindi.split_once(&format!("\n{key} = \"")).unwrap();
        rest.split_once('"').unwrap().0
    };
    let again = line("reprompt_silence");
    let last = format!("{} {}", line("human_unavailable"), line("goodbye"));
    assert_eq!(said[1..], [again, again, last.as_str()]);
    let end = call.end().await.unwrap();
    assert_eq!((end.by, end.clean), (Side::Box, true), "{end:?}");
}

/// A caller who is not there, but whose telephone is.
async fn noise(daemon: &Daemon, colour: Colour, level: f32) {
    let mut options = daemon.call();
    options.noise = Some(Arc::from(Noise::new(colour, 5).take(10 * 8_000, level)));
    let call = daemon.dial(options).await.unwrap();
    let sid = call.carrier_call().to_owned();
    daemon.fact(&sid, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await;
    sleep(Duration::from_secs(9)).await;
    let facts = daemon.facts(&sid).await;
    let words = facts.iter().any(|e| matches!(e, Event::Heard { text, .. } if !text.is_empty()));
    assert!(!words, "{colour:?}: {facts:#?}");
    let asked = facts.iter().any(|e| matches!(e, Event::Repair { kind: RepairKind::Silence, .. }));
    assert!(asked, "{colour:?}: nobody was asked again: {facts:#?}");
    // The box may have given up already.
    let _ = call.hang_up().await;
    daemon.ended(&sid).await;
}
