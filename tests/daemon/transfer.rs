//! Callers who want a person: they call over Asterisk, and the person is rung over Twilio, so that the two
//! talk through the box.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use vaani::base::Clock;
use vaani::base::event::{CallState, EndCause, Event, NotReached, TransferStep};
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::asterisk::carrier::DialOptions;
use vaani::telephony::far::{FarCall, Heard};

use crate::outbound::{ACCOUNT, Carrier, RINGS_ON};
use crate::support::{Daemon, ends, impatient_config, journal, until};

const TOKEN: &str = "the-token-of-the-house";

struct Rig {
    daemon: Daemon,
    carrier: Carrier,
    tasks: Scope,
    state: TempDir,
    _config: TempDir,
}

impl Rig {
    /// Somebody takes callers under a number that ends so. A caller who says nothing is given to them.
    async fn start(digit: char, engines: bool) -> Self {
        let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
        let agent = config.path().join("agents/helpdesk.toml");
        let text = std::fs::read_to_string(&agent).unwrap();
        let text = text.replace("failures = 3 ", "failures = 1 ")
            + &format!("\n[transfer]\nto = \"+91987650000{digit}\"\nthrough = \"twilio\"\nlanguage = \"en-IN\"\n");
        std::fs::write(agent, text).unwrap();
        let carrier = Carrier::default();
        let url = carrier.clone().start().await;
        let settings = [
            ("VAANI_TWILIO__ACCOUNT_SID", ACCOUNT),
            ("VAANI_TWILIO__CALLER_ID", "+914440001234"),
            ("VAANI_TWILIO__API_URL", &url),
            ("VAANI_ASTERISK__TOKEN", TOKEN),
        ];
        let daemon = Daemon::start(state.path(), config.path(), engines, &settings).await;
        *carrier.back.lock().unwrap() = Some(daemon.call());
        Self { daemon, carrier, tasks: Scope::new(), state, _config: config }
    }

    async fn caller(&self) -> FarCall {
        let options = DialOptions::new(self.daemon.call().base_url, Some(Secret::new(TOKEN.to_owned())));
        options.dial(&self.tasks, Clock::system()).await.unwrap()
    }

    async fn step(&self, id: &str, wanted: TransferStep) -> Vec<Event> {
        let like = |event: &Event| matches!(event, Event::Transfer { step, .. } if *step == wanted);
        self.daemon.fact(id, &format!("{wanted:?}"), 0, like).await
    }

    async fn person(&self) -> FarCall {
        let calls = &self.carrier.calls;
        until("the person has picked up", async || {
            let mut calls = calls.lock().unwrap();
            let sid = calls.keys().next().cloned()?;
            calls.remove(&sid)
        })
        .await
    }

    async fn state_of(&self, id: &str) -> Value {
        let answer = self.daemon.get(&format!("/sessions/{id}")).await.expect("the call is known");
        answer.json::<Value>().await.unwrap()["state"].clone()
    }
}

const LOW: f64 = 500.0;
const HIGH: f64 = 1_100.0;

fn tone(hz: f64, ms: usize) -> Vec<i16> {
    let step = hz * std::f64::consts::TAU / 8_000.0;
    (0..ms * 8).map(|i| (9_000.0 * (i as f64 * step).sin()) as i16).collect()
}

/// How much of a frame's energy lies at this frequency, 0 to 1.
fn share(pcm: &[i16], hz: f64) -> f64 {
    let step = hz * std::f64::consts::TAU / 8_000.0;
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (i, sample) in pcm.iter().enumerate() {
        let (sample, at) = (f64::from(*sample), i as f64 * step);
        re += sample * at.cos();
        im += sample * at.sin();
        all += sample * sample;
    }
    if all < 1e6 * pcm.len() as f64 { 0.0 } else { 2.0 * (re * re + im * im) / (all * pcm.len() as f64) }
}

/// Listens until so many frames were like this; true if they came within the time.
async fn hears(call: &mut FarCall, frames: usize, like: impl Fn(&[i16]) -> bool) -> bool {
    let listening = async {
        let mut found = 0;
        while found < frames {
            match call.hear().await {
                Some(Heard::Frame(played)) => found += usize::from(like(&played.pcm)),
                Some(Heard::Ended(_)) | None => return false,
                Some(_) => {}
            }
        }
        true
    };
    tokio::time::timeout(Duration::from_secs(20), listening).await.unwrap_or(false)
}

fn loud(pcm: &[i16]) -> bool {
    pcm.iter().any(|sample| sample.unsigned_abs() > 1_000)
}

/// Keeps a line going, as a telephone does, until the call is over.
fn leave_open(mut call: FarCall, tasks: &Scope) {
    tasks.spawn("far end", async move { while call.hear().await.is_some() {} });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_and_a_person_hear_each_other() {
    let it = Rig::start('1', true).await;
    let mut caller = it.caller().await;
    let id = caller.carrier_call().to_owned();
    it.step(&id, TransferStep::Sought).await;
    assert_eq!(it.state_of(&id).await, "agent_transfer");

    let mut person = it.person().await;
    assert!(hears(&mut person, 50, loud).await, "who waits is said");
    let live: Vec<Value> = it.daemon.get("/sessions").await.unwrap().json().await.unwrap();
    assert_eq!(live.len(), 1, "a person's line is no call of its own: {live:?}");
    person.press('1').await.unwrap();
    it.step(&id, TransferStep::Joined).await;

    let (says, answers) = (caller.caller(), person.caller());
    let (said, heard) = tokio::join!(says.say(tone(LOW, 3_000)), hears(&mut person, 100, |pcm| share(pcm, LOW) > 0.8));
    said.unwrap();
    assert!(heard, "the person hears the caller");
    let (said, heard) =
        tokio::join!(answers.say(tone(HIGH, 3_000)), hears(&mut caller, 100, |pcm| share(pcm, HIGH) > 0.8));
    said.unwrap();
    assert!(heard, "the caller hears the person");

    leave_open(caller, &it.tasks);
    person.hang_up().await.unwrap();
    let (facts, cause) = it.daemon.ended(&id).await;
    assert_eq!(cause, EndCause::Transferred, "{facts:#?}");
    let steps: Vec<TransferStep> =
        facts.iter().filter_map(|e| if let Event::Transfer { step, .. } = e { Some(*step) } else { None }).collect();
    let order =
        [TransferStep::Sought, TransferStep::Told, TransferStep::Taken, TransferStep::Joined, TransferStep::Over];
    let main: Vec<TransferStep> = steps.into_iter().filter(|step| *step != TransferStep::Ringing).collect();
    assert_eq!(main, order);
    let told = format!("{facts:?}");
    assert!(!told.contains("9876500001"), "numbers are masked: {told}");
    assert!(facts.iter().any(|e| matches!(e, Event::Transfer { talked_ms: Some(ms), .. } if *ms > 5_000)), "{told}");

    let state = it.state.path().to_owned();
    it.daemon.stop().await;
    let kept = journal(&state);
    assert_eq!(kept.len(), 1, "one call was kept");
    let events = kept.into_values().next().unwrap();
    assert_eq!(ends(&events), [EndCause::Transferred]);
    let moved: Vec<CallState> =
        events.iter().filter_map(|e| if let Event::StateChanged { to, .. } = e { Some(*to) } else { None }).collect();
    assert!(moved.ends_with(&[CallState::InProgress, CallState::AgentTransfer, CallState::Completed]), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_is_back_with_the_agent() {
    let it = Rig::start('1', true).await;
    let caller = it.caller().await;
    let id = caller.carrier_call().to_owned();
    let (says, tasks) = (caller.caller(), it.tasks.clone());
    leave_open(caller, &tasks);
    let mut person = it.person().await;
    assert!(hears(&mut person, 20, loud).await, "who waits is said");
    person.press('2').await.unwrap();
    let facts = it.step(&id, TransferStep::NotReached).await;
    let why = facts.iter().find_map(|e| if let Event::Transfer { why, .. } = e { *why } else { None });
    assert_eq!(why, Some(NotReached::Declined));
    assert!(person.end().await.is_some(), "the person's line is ended");
    until("the caller is back", async || (it.state_of(&id).await == "in_progress").then_some(())).await;
    // A second try is made after the next silence, and no third.
    let again = it.person().await;
    again.press('2').await.unwrap();
    leave_open(again, &tasks);
    let (facts, cause) = it.daemon.ended(&id).await;
    assert_eq!(cause, EndCause::TooManyFailures, "{facts:#?}");
    assert_eq!(it.carrier.orders.lock().unwrap().len(), 2);
    drop(says);
    it.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_leaves_nobody_ringing() {
    let it = Rig::start(RINGS_ON, false).await;
    let caller = it.caller().await;
    let id = caller.carrier_call().to_owned();
    it.step(&id, TransferStep::Sought).await;
    until("the person is rung", async || (it.carrier.orders.lock().unwrap().len() == 1).then_some(())).await;
    caller.hang_up().await.unwrap();
    let (facts, cause) = it.daemon.ended(&id).await;
    assert_eq!(cause, EndCause::CallerHungUp);
    let given_up = |e: &Event| matches!(e, Event::Transfer { why: Some(NotReached::GivenUp), .. });
    assert!(facts.iter().any(given_up), "{facts:#?}");
    until("the person's line is ended", async || (it.carrier.completed.lock().unwrap().len() == 1).then_some(())).await;
    it.daemon.stop().await;
}
