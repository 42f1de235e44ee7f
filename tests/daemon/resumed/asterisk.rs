//! Asterisk's WebSocket channel: our dial plan asks the box, and dials again.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::join;
use tokio_tungstenite::tungstenite::{Error, Message};
use vaani::base::Clock;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::asterisk::carrier::{DialOptions, Release};

use super::ear::Ear;
use super::exchange::{
    TOKEN, breaks_for_good, goes_on, hangs_up_meanwhile, is_back, never_comes_back, the_box_ends_it, whole_greeting,
};
use super::wire::Wire;
use crate::support::{Daemon, root};

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
        (Ear::of(call), wire)
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
    let whole = whole_greeting(&it.daemon, &first).await;
    let cut = async |cuts: usize, release| {
        let (ear, wire) = it.caller(release).await;
        goes_on(&it.daemon, &ear, &wire, &whole, cuts).await;
    };
    join!(cut(1, Release::First), cut(2, Release::Json));
    let [hung_up, lost, ended] = [(); 3].map(|()| it.caller(Release::Json));
    let ((ear, wire), (lost_ear, lost_wire), (ended_ear, ended_wire)) = join!(hung_up, lost, ended);
    join!(
        strangers_do_not_get_the_call(&it),
        hangs_up_meanwhile(&it.daemon, &ear, &wire, Duration::from_secs(8)),
        never_comes_back(&it.daemon, &lost_ear, &lost_wire),
        the_box_ends_it(&it.daemon, &ended_ear, &ended_wire),
    );
    it.daemon.stop().await;
}

async fn strangers_do_not_get_the_call(it: &Rig) {
    let (ear, wire) = it.caller(Release::Plain).await;
    ear.hears_ms(300).await;
    let call = &ear.sid;
    assert_eq!(it.refused(&format!("call={call}&token=wrong")).await, 401);
    assert_eq!(it.refused(&format!("call={call}&token={TOKEN}")).await, 1008, "its socket lives");
    let before = ear.heard_ms();
    ear.hears_ms(before + 200).await;
    breaks_for_good(&it.daemon, &ear, &wire).await;
    assert_eq!(it.refused(&format!("call={call}&token=wrong")).await, 401);
    assert_eq!(it.refused(&format!("call={call}")).await, 401);
    is_back(&it.daemon, &ear, &wire).await;
}
