//! A call over the carrier's protocol whose engines are in the cloud, which goes away and comes back.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vaani::base::event::Event;

use crate::fake::{Behaviour, Fake, KEY};
use crate::support::{Daemon, question, root, until};

const HEARD: &str = "किस्त कितनी है";

/// The shipped configuration with another routing file.
pub(crate) fn configured(into: &Path, routing: &str) {
    copy(&root().join("config"), into);
    std::fs::write(into.join("routing.yaml"), routing).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn routing(fake: &Fake, residency: &str) -> String {
    format!(
        "residency: {{default: {residency}}}\norder: cloud_first\noffline: {{interval_seconds: 1}}\nproviders:\n  \
         faraway:\n    kind: openai\n    base_url: {}\n    residency: abroad\n    secret: FARAWAY_KEY\n    \
         auth: {{style: bearer}}\n    models:\n      gpt-6-luna: {{capabilities: [llm]}}\n      \
         gpt-transcribe: {{capabilities: [stt]}}\n      any-voice: {{capabilities: [tts], voices: {{hi-IN: sage, en-IN: sage}}}}\n",
        fake.url("/openai/v1")
    )
}

/// Who answered a stage of the call so far, in order.
async fn answered_by(daemon: &Daemon, sid: &str, stage: &str) -> Vec<String> {
    let Some(answer) = daemon.get(&format!("/api/calls/{sid}/decisions")).await else { return Vec::new() };
    let records: Vec<Value> = answer.json().await.unwrap();
    let of_stage = records.iter().filter(|r| r["stage"] == stage);
    of_stage.filter_map(|r| Some(r["answered_by"].as_str()?.to_owned())).collect()
}

const fn answered(event: &Event) -> bool {
    matches!(event, Event::TurnAnswered { .. })
}

pub(crate) const fn said(event: &Event) -> bool {
    matches!(event, Event::Said { .. })
}

const fn repaired(event: &Event) -> bool {
    matches!(event, Event::Repair { .. })
}

#[tokio::test]
async fn a_call_goes_on_with_the_boxs_own_engines_while_the_cloud_is_gone() {
    let mut fake = Fake::start();
    fake.vary("/openai/v1/audio/transcriptions", &format!("text:{HEARD}"));
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(config.path(), &routing(&fake, "any"));
    let daemon = Daemon::start(state.path(), config.path(), true, &[("FARAWAY_KEY", KEY)]).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call();
    let mut facts = daemon.fact(sid, "a greeting", 0, said).await;

    // In the cloud.
    call.say(question()).await.unwrap();
    facts = daemon.fact(sid, "an answer", facts.len(), answered).await;
    assert!(facts.iter().any(|e| matches!(e, Event::Heard { text, .. } if text == HEARD)), "{facts:#?}");
    let by = answered_by(&daemon, sid, "stt").await;
    assert_eq!(by.last().unwrap(), "faraway/gpt-transcribe", "{by:?}");

    // Gone: the next turns are heard and answered on the box.
    fake.go_away();
    for _ in 0..2 {
        let before = facts.len();
        call.say(question()).await.unwrap();
        facts = daemon.fact(sid, "an answer without the cloud", before, answered).await;
        assert!(!facts[before..].iter().any(repaired), "{:#?}", &facts[before..]);
    }
    assert_eq!(answered_by(&daemon, sid, "stt").await.last().unwrap(), "local/whisper");
    assert_eq!(answered_by(&daemon, sid, "tts").await.last().unwrap(), "local/speech");
    until("the box knows that it is offline", async || {
        let health = daemon.health().await;
        let components = health["components"].as_array()?.clone();
        components.iter().any(|c| c["name"] == "providers" && c["facts"]["offline"] == true).then_some(())
    })
    .await;

    assert!(daemon.get("/metrics").await.unwrap().text().await.unwrap().contains("router_offline 1"), "no gauge");

    // Back: found out without anybody's help.
    fake.come_back();
    until("the box is online again", async || {
        let health = daemon.health().await;
        let components = health["components"].as_array()?.clone();
        components.iter().any(|c| c["name"] == "providers" && c["facts"]["offline"] == false).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = facts.len();
    call.say(question()).await.unwrap();
    let facts = daemon.fact(sid, "an answer from the cloud", before, answered).await;
    let told = |e: &Event| if let Event::Reachability { offline } = e { Some(*offline) } else { None };
    assert_eq!(facts.iter().filter_map(told).collect::<Vec<_>>(), [true, false], "the call's own journal says so");
    assert_eq!(answered_by(&daemon, sid, "stt").await.last().unwrap(), "faraway/gpt-transcribe");
    call.hang_up().await.unwrap();
    daemon.ended(sid).await;
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_of_a_call_leaves_a_box_that_is_told_to_keep_it_whatever_fails() {
    let fake = Fake::start();
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(config.path(), &routing(&fake, "india_only"));
    let none = [("FARAWAY_KEY", KEY)];
    // No engine of its own: whoever answers is outside.
    let daemon = Daemon::start(state.path(), config.path(), false, &none).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call().to_owned();
    // Nobody can say a word, so the box may have hung up already.
    let _ = call.say(question()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = call.hang_up().await;
    daemon.ended(&sid).await;
    assert_eq!(fake.seen().len(), 0, "requests went abroad");
    daemon.stop().await;
}

#[tokio::test]
async fn a_provider_that_fails_in_every_way_costs_the_caller_nothing_but_a_moment() {
    let fake = Fake::start();
    fake.vary("/openai/v1/audio/transcriptions", &format!("text:{HEARD}"));
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(config.path(), &routing(&fake, "any"));
    let daemon = Daemon::start(state.path(), config.path(), true, &[("FARAWAY_KEY", KEY)]).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call();
    let mut facts = daemon.fact(sid, "a greeting", 0, said).await;
    for behaviour in [Behaviour::status(500), Behaviour::Garbage, Behaviour::CloseAfter(1), Behaviour::StallAfter(1)] {
        fake.set("", behaviour.clone());
        let before = facts.len();
        call.say(question()).await.unwrap();
        facts = daemon.fact(sid, "an answer", before, |e| answered(e) || repaired(e)).await;
        assert!(!facts[before..].iter().any(repaired), "{behaviour:?}: {:#?}", &facts[before..]);
    }
    call.hang_up().await.unwrap();
    daemon.ended(sid).await;
    daemon.stop().await;
}
