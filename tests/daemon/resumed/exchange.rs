//! What holds for every exchange of the house whose media goes over a wire that can be cut.

use std::time::Duration;

use tokio::time::Instant;
use vaani::base::event::{EndCause, Event};
use vaani::telephony::far::Side;

use super::ear::{Ear, breaks};
use super::wire::Wire;
use crate::support::{Daemon, until};

pub(super) const TOKEN: &str = "the-token-of-the-house";

/// The greeting that nothing cuts, and how long it is, ms.
pub(super) async fn whole_greeting(daemon: &Daemon, ear: &Ear) -> (String, usize) {
    let whole = ear.greeting(daemon).await;
    ear.caller.hang_up().await.unwrap();
    daemon.ended(&ear.sid).await;
    whole
}

/// Cuts the greeting so often; the caller hears all of it and hardly anything twice, then holds one more turn.
pub(super) async fn goes_on(daemon: &Daemon, ear: &Ear, wire: &Wire, (greeting, whole): &(String, usize), cuts: usize) {
    for cut in 1..=cuts {
        ear.hears_ms(whole * cut / 4).await;
        let connections = wire.connections();
        wire.cut();
        until("another connection", async || (wire.connections() > connections).then_some(())).await;
    }
    let (heard, length) = ear.greeting(daemon).await;
    assert_eq!(heard, *greeting);
    // A cut sentence goes on a little before the cut.
    let most = whole + 800 * cuts;
    assert!((whole.saturating_sub(100)..=most).contains(&length), "{length} ms of {whole}");
    let facts = ear.another_turn(daemon).await;
    assert_eq!(breaks(&facts), (cuts, cuts), "{facts:#?}");
}

/// The line breaks and stays away, and the box knows it.
pub(super) async fn breaks_for_good(daemon: &Daemon, ear: &Ear, wire: &Wire) {
    ear.hears_ms(300).await;
    wire.is_dead(true);
    wire.cut();
    daemon.fact(&ear.sid, "the break", 0, |e| matches!(e, Event::MediaLost)).await;
}

/// Who hangs up meanwhile is not waited for.
pub(super) async fn hangs_up_meanwhile(daemon: &Daemon, ear: &Ear, wire: &Wire, within: Duration) {
    breaks_for_good(daemon, ear, wire).await;
    ear.caller.hang_up().await.unwrap();
    let hung_up = Instant::now();
    ends_as_lost(daemon, ear).await;
    assert!(hung_up.elapsed() < within, "{:?}", hung_up.elapsed());
}

/// The call ends without having been back; its facts.
pub(super) async fn ends_as_lost(daemon: &Daemon, ear: &Ear) -> Vec<Event> {
    let (facts, cause) = daemon.ended(&ear.sid).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::MediaLost, (1, 0)), "{facts:#?}");
    facts
}

/// A dial plan that asks on and on is told that the call is over.
pub(super) async fn never_comes_back(daemon: &Daemon, ear: &Ear, wire: &Wire) {
    breaks_for_good(daemon, ear, wire).await;
    ends_as_lost(daemon, ear).await;
    assert_eq!(ear.ended().await.by, Side::Network);
    assert!((5..=101).contains(&wire.connections()), "{}", wire.connections());
}

/// A call that the box ends is not connected again.
pub(super) async fn the_box_ends_it(daemon: &Daemon, ear: &Ear, wire: &Wire) {
    ear.hears_ms(300).await;
    let delete = daemon.api().request(reqwest::Method::DELETE, &format!("/sessions/{}", ear.sid));
    assert!(delete.send().await.unwrap().status().is_success());
    let (facts, cause) = daemon.ended(&ear.sid).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::Operator, (0, 0)), "{facts:#?}");
    let end = ear.ended().await;
    assert_eq!((end.by, end.clean, wire.connections()), (Side::Box, true, 1), "{end:?}");
}

/// The line is back, and one more turn is held on it.
pub(super) async fn is_back(daemon: &Daemon, ear: &Ear, wire: &Wire) {
    wire.is_dead(false);
    daemon.fact(&ear.sid, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    let facts = ear.another_turn(daemon).await;
    assert_eq!(breaks(&facts), (1, 1), "{facts:#?}");
}
