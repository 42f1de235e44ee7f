//! Asterisk's WebSocket channel: our dial plan asks the box, and dials again.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::join;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};
use vaani::base::Clock;
use vaani::base::event::{EndCause, Event};
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::asterisk::carrier::{DialOptions, Release};
use vaani::telephony::far::Side;

use super::heard::{Ear, breaks, heard_on};
use super::wire::Wire;
use crate::support::{Daemon, root, until};

const TOKEN: &str = "the-token-of-the-house";

struct Rig {
    daemon: Daemon,
    tasks: Scope,
    _state: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let settings = [("VAANI_ASTERISK__TOKEN", TOKEN)];
        let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
        Self { daemon, tasks: Scope::new(), _state: state }
    }

    /// A caller whose media goes over a wire of its own.
    async fn caller(&self, release: Release) -> (Ear, Wire) {
        let wire = Wire::start(&self.tasks).await;
        wire.leads_to(&self.daemon.address());
        let mut options = DialOptions::new(self.daemon.call().base_url, Some(Secret::new(TOKEN)));
        options.media_url = Some(format!("http://{}", wire.address).parse().unwrap());
        options.release = release;
        let call = options.dial(&self.tasks, Clock::system()).await.unwrap();
        (Ear::of(call, &self.tasks), wire)
    }

    /// The status of a media socket that is refused, or the code with which it is closed.
    async fn refused(&self, query: &str) -> u16 {
        match tokio_tungstenite::connect_async(self.daemon.api().socket(&format!("/ast/media?{query}"))).await {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("{other}"),
            Ok((mut socket, _)) => {
                let start = "MEDIA_START connection_id:c9 channel:WebSocket/a/1 format:ulaw optimal_frame_size:160";
                socket.send(Message::text(start)).await.unwrap();
                match socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_dialled_again_and_the_sentence_goes_on() {
    let it = Rig::start().await;
    let (first, _wire) = it.caller(Release::Json).await;
    let (greeting, whole) = first.greeting(&it.daemon).await;
    first.caller.hang_up().await.unwrap();
    it.daemon.ended(&first.id).await;

    let cut = async |cuts: usize, release| {
        let (ear, wire) = it.caller(release).await;
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
    join!(cut(1, Release::First), cut(2, Release::Json));
    join!(
        strangers_do_not_get_the_call(&it),
        who_hangs_up_meanwhile_is_not_waited_for(&it),
        a_line_that_never_comes_back_ends_the_call(&it),
        a_call_that_the_box_ends_is_not_dialled_again(&it),
    );
    it.daemon.stop().await;
}

async fn strangers_do_not_get_the_call(it: &Rig) {
    let (ear, wire) = it.caller(Release::Plain).await;
    ear.hears(300).await;
    let call = &ear.id;
    assert_eq!(it.refused(&format!("call={call}&token=wrong")).await, 401);
    assert_eq!(it.refused(&format!("call={call}&token={TOKEN}")).await, 1008, "its socket lives");
    let before = ear.heard_ms();
    ear.hears(before + 200).await;
    wire.is_dead(true);
    wire.cut();
    it.daemon.fact(call, "the break", 0, |e| matches!(e, Event::MediaLost)).await;
    assert_eq!(it.refused(&format!("call={call}&token=wrong")).await, 401);
    assert_eq!(it.refused(&format!("call={call}")).await, 401);
    wire.is_dead(false);
    it.daemon.fact(&ear.id, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    let facts = ear.another_turn(&it.daemon).await;
    assert_eq!(breaks(&facts), (1, 1), "{facts:#?}");
}

async fn who_hangs_up_meanwhile_is_not_waited_for(it: &Rig) {
    let (ear, wire) = it.caller(Release::Json).await;
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
    let (ear, wire) = it.caller(Release::Json).await;
    ear.hears(300).await;
    wire.is_dead(true);
    wire.cut();
    let (facts, cause) = it.daemon.ended(&ear.id).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::MediaLost, (1, 0)), "{facts:#?}");
    assert_eq!(ear.end().await.by, Side::Network);
    assert!((5..=101).contains(&wire.connections()), "{}", wire.connections());
}

async fn a_call_that_the_box_ends_is_not_dialled_again(it: &Rig) {
    let (ear, wire) = it.caller(Release::Json).await;
    ear.hears(300).await;
    let delete = it.daemon.api().request(reqwest::Method::DELETE, &format!("/sessions/{}", ear.id));
    assert!(delete.send().await.unwrap().status().is_success());
    let (facts, cause) = it.daemon.ended(&ear.id).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::Operator, (0, 0)), "{facts:#?}");
    let end = ear.end().await;
    assert_eq!((end.by, end.clean, wire.connections()), (Side::Box, true, 1), "{end:?}");
}
