//! Calls that must not be taken, and daemons that stop or die under calls.

use rustix::process::Signal;
use vaani::base::event::{CallState, EndCause, Event};
use vaani::base::secret::Secret;
use vaani::telephony::far::{FarCall, Side};
use vaani::telephony::twilio::carrier::DialError;

use crate::support::{Daemon, ends, journal, root, until};

const fn in_progress(event: &Event) -> bool {
    matches!(event, Event::StateChanged { to: CallState::InProgress, .. })
}

/// A line test that is under way.
async fn echo(daemon: &Daemon) -> FarCall {
    let mut options = daemon.call();
    options.path.push_str("?agent=echo");
    let call = daemon.dial(options).await.unwrap();
    daemon.fact(call.carrier_call(), "media", 0, in_progress).await;
    call
}

#[tokio::test]
async fn a_call_that_the_carrier_did_not_sign_starts_nothing() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), false, &[]).await;
    let mut forged = daemon.call();
    forged.auth_token = Secret::random().unwrap();
    let sid = forged.call_sid.clone();
    let error = daemon.dial(forged).await.unwrap_err();
    assert!(matches!(error, DialError::Status { status: 403, .. }), "{error}");
    assert!(daemon.get(&format!("/sessions/{sid}")).await.is_none());
    let started = async || {
        let metrics = daemon.get("/metrics").await.unwrap().text().await.unwrap();
        metrics.lines().filter(|l| l.starts_with("calls_started_total")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(started().await, [""; 0]);
    // The same call with a signature is counted, so the line above means something.
    let call = echo(&daemon).await;
    assert_eq!(started().await, ["calls_started_total{transport=\"twilio\"} 1"]);
    call.hang_up().await.unwrap();
    assert_eq!(daemon.ended(call.carrier_call()).await.1, EndCause::CallerHungUp);
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_told_to_stop_takes_no_call_and_takes_leave_of_the_live_ones() {
    let state = tempfile::tempdir().unwrap();
    let config = root().join("config");
    let daemon = Daemon::start(state.path(), &config, true, &[("VAANI_CALLS__DRAIN_SECONDS", "3")]).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    daemon.fact(call.carrier_call(), "media", 0, in_progress).await;
    let id = daemon.id(call.carrier_call()).await;
    daemon.signal(Signal::TERM);
    until("the daemon drains", async || (daemon.health().await["draining"] == true).then_some(())).await;
    let refused = daemon.dial(daemon.call()).await.unwrap_err();
    assert!(matches!(&refused, DialError::Rejected { .. } | DialError::HungUp), "{refused}");
    assert_eq!(daemon.health().await["live_calls"], 1, "the live call goes on");
    let end = call.end().await.unwrap();
    assert_eq!((end.by, end.clean), (Side::Box, true), "{end:?}");
    assert!(daemon.exit().await.success());
    let calls = journal(state.path());
    assert_eq!(calls.len(), 1, "the refused call is none: {calls:#?}");
    assert_eq!(ends(&calls[&id]), [EndCause::Drained]);
}

#[tokio::test]
async fn a_killed_daemon_keeps_the_ends_it_wrote_and_finds_the_calls_it_lost() {
    let state = tempfile::tempdir().unwrap();
    let config = root().join("config");
    let daemon = Daemon::start(state.path(), &config, false, &[]).await;
    let call = echo(&daemon).await;
    let finished = daemon.id(call.carrier_call()).await;
    call.hang_up().await.unwrap();
    daemon.ended(call.carrier_call()).await;
    let call = echo(&daemon).await;
    let lost = daemon.id(call.carrier_call()).await;
    until("the journal knows the second call", async || journal(state.path()).contains_key(&lost).then_some(())).await;
    daemon.signal(Signal::KILL);
    assert!(!daemon.exit().await.success());

    assert_eq!(ends(&journal(state.path())[&finished]), [EndCause::CallerHungUp]);
    for _ in 0..2 {
        Daemon::start(state.path(), &config, false, &[]).await.stop().await;
        let calls = journal(state.path());
        assert_eq!(ends(&calls[&finished]), [EndCause::CallerHungUp]);
        assert_eq!(ends(&calls[&lost]), [EndCause::ProcessLost]);
    }
}
