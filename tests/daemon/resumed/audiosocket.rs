//! AudioSocket: our dial plan asks the box, and connects again.

use std::time::Duration;

use tempfile::TempDir;
use tokio::join;
use tokio::time::Instant;
use vaani::base::Clock;
use vaani::base::event::{EndCause, Event};
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::audiosocket::carrier::DialOptions;
use vaani::telephony::far::Side;

use super::heard::{Ear, breaks, heard_on};
use super::wire::Wire;
use crate::support::{Daemon, root, until};

const TOKEN: &str = "the-token-of-the-house";

struct Rig {
    daemon: Daemon,
    /// Where the box takes AudioSockets.
    socket: String,
    tasks: Scope,
    _state: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let settings = [("VAANI_ASTERISK__TOKEN", TOKEN), ("VAANI_ASTERISK__AUDIOSOCKET_LISTEN", &socket)];
        let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
        Self { daemon, socket, tasks: Scope::new(), _state: state }
    }

    /// A caller whose media goes over a wire of its own, and how it was dialled.
    async fn caller(&self) -> (Ear, Wire, DialOptions) {
        let wire = Wire::start(&self.tasks).await;
        wire.leads_to(&self.socket);
        let base = self.daemon.call().base_url;
        let options = DialOptions::new(base, wire.address.clone(), Some(Secret::new(TOKEN)));
        let call = options.clone().dial(&self.tasks, Clock::system()).await.unwrap();
        (Ear::of(call, &self.tasks), wire, options)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_connected_again_and_the_sentence_goes_on() {
    let it = Rig::start().await;
    let (first, ..) = it.caller().await;
    let (greeting, whole) = first.greeting(&it.daemon).await;
    first.caller.hang_up().await.unwrap();
    it.daemon.ended(&first.id).await;

    let cut = async |cuts: usize| {
        let (ear, wire, _) = it.caller().await;
        for cut in 1..=cuts {
            ear.hears(whole * cut / 4).await;
            wire.cut();
            until("another socket", async || (wire.connections() > cut).then_some(())).await;
        }
        let (heard, length) = ear.greeting(&it.daemon).await;
        assert_eq!(heard, greeting);
        heard_on(whole, length, cuts);
        let facts = ear.another_turn(&it.daemon).await;
        assert_eq!(breaks(&facts), (cuts, cuts), "{facts:#?}");
    };
    join!(cut(1), cut(2));
    join!(
        strangers_do_not_get_the_call(&it),
        who_hangs_up_meanwhile_is_not_waited_for(&it),
        a_line_that_never_comes_back_ends_the_call(&it),
        a_call_that_the_box_ends_is_not_connected_again(&it),
    );
    it.daemon.stop().await;
}

async fn strangers_do_not_get_the_call(it: &Rig) {
    let (ear, wire, options) = it.caller().await;
    ear.hears(300).await;
    // Who knows the id but did not ask for another connection.
    let stranger = || async {
        let mut options = options.clone();
        (options.base_url, options.socket) = (None, it.socket.clone());
        let call = options.dial(&it.tasks, Clock::system()).await.unwrap();
        call.end().await.unwrap()
    };
    assert_eq!(stranger().await.frames_received, 0, "its socket lives");
    let before = ear.heard_ms();
    ear.hears(before + 200).await;
    wire.is_dead(true);
    wire.cut();
    it.daemon.fact(&ear.id, "the break", 0, |e| matches!(e, Event::MediaLost)).await;
    let ask = |token: &str| format!("/ast/next?uuid={}&token={token}", ear.id);
    for wrong in ["wrong", ""] {
        let answer = it.daemon.api().bare(reqwest::Method::GET, &ask(wrong)).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    wire.is_dead(false);
    it.daemon.fact(&ear.id, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    let facts = ear.another_turn(&it.daemon).await;
    assert_eq!(breaks(&facts), (1, 1), "{facts:#?}");
    assert_eq!(stranger().await.frames_received, 0, "the id is spent");
}

async fn who_hangs_up_meanwhile_is_not_waited_for(it: &Rig) {
    let (ear, wire, _) = it.caller().await;
    ear.hears(300).await;
    wire.is_dead(true);
    wire.cut();
    it.daemon.fact(&ear.id, "the break", 0, |e| matches!(e, Event::MediaLost)).await;
    ear.caller.hang_up().await.unwrap();
    let hung_up = Instant::now();
    let (facts, cause) = it.daemon.ended(&ear.id).await;
    assert!(hung_up.elapsed() < Duration::from_secs(8), "{:?}", hung_up.elapsed());
    assert_eq!((cause, breaks(&facts)), (EndCause::MediaLost, (1, 0)), "{facts:#?}");
}

async fn a_line_that_never_comes_back_ends_the_call(it: &Rig) {
    let (ear, wire, _) = it.caller().await;
    ear.hears(300).await;
    wire.is_dead(true);
    wire.cut();
    let (facts, cause) = it.daemon.ended(&ear.id).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::MediaLost, (1, 0)), "{facts:#?}");
    assert_eq!(ear.end().await.by, Side::Network);
    assert!((5..=101).contains(&wire.connections()), "{}", wire.connections());
}

async fn a_call_that_the_box_ends_is_not_connected_again(it: &Rig) {
    let (ear, wire, _) = it.caller().await;
    ear.hears(300).await;
    let delete = it.daemon.api().request(reqwest::Method::DELETE, &format!("/sessions/{}", ear.id));
    assert!(delete.send().await.unwrap().status().is_success());
    let (facts, cause) = it.daemon.ended(&ear.id).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::Operator, (0, 0)), "{facts:#?}");
    let end = ear.end().await;
    assert_eq!((end.by, end.clean, wire.connections()), (Side::Box, true, 1), "{end:?}");
}
