//! Engines that die under a call.

use rustix::process::{Signal, kill_process};
use vaani::base::event::Event;

use crate::support::{Daemon, question, root};

const fn greeted(event: &Event) -> bool {
    matches!(event, Event::Said { .. })
}

const fn answered(event: &Event) -> bool {
    matches!(event, Event::TurnAnswered { .. })
}

const fn repaired(event: &Event) -> bool {
    matches!(event, Event::Repair { .. })
}

#[tokio::test]
async fn a_turn_whose_engines_are_killed_is_answered_and_the_call_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &[]).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call();
    let facts = daemon.fact(sid, "a greeting", 0, greeted).await;
    let victims = [daemon.workers("whisper").await, daemon.workers("llama").await].concat();
    assert!(victims.len() >= 2, "{victims:?}");
    call.say(question()).await.unwrap();
    for victim in &victims {
        kill_process(*victim, Signal::KILL).unwrap();
    }
    let heard_before = facts.len();
    let facts = daemon.fact(sid, "an answer", heard_before, |e| answered(e) || repaired(e)).await;
    let repairs = facts.iter().filter(|e| repaired(e)).count();
    assert!(repairs <= 1, "{facts:#?}");
    if repairs == 1 {
        daemon.fact(sid, "a request to say it again", heard_before, greeted).await;
    }
    daemon.healthy().await;
    let now = [daemon.workers("whisper").await, daemon.workers("llama").await].concat();
    assert!(!now.is_empty() && now.iter().all(|pid| !victims.contains(pid)), "{now:?} after {victims:?}");

    let facts = daemon.facts(sid).await;
    call.say(question()).await.unwrap();
    let answer = daemon.fact(sid, "an answer to the next turn", facts.len(), answered).await;
    let new = &answer[facts.len()..];
    assert!(!new.iter().any(repaired), "{new:#?}");
    call.hang_up().await.unwrap();
    daemon.ended(sid).await;
    daemon.stop().await;
}
