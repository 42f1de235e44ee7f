//! AudioSocket: our dial plan asks the box, and connects again.

use std::time::Duration;

use tempfile::TempDir;
use tokio::join;
use vaani::base::Clock;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::audiosocket::carrier::DialOptions;

use super::ear::Ear;
use super::exchange::{
    TOKEN, breaks_for_good, goes_on, hangs_up_meanwhile, is_back, never_comes_back, the_box_ends_it, whole_greeting,
};
use super::wire::Wire;
use crate::support::{Daemon, root};

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
        (Ear::of(call), wire, options)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_connected_again_and_the_sentence_goes_on() {
    let it = Rig::start().await;
    let (first, ..) = it.caller().await;
    let whole = whole_greeting(&it.daemon, &first).await;
    let cut = async |cuts: usize| {
        let (ear, wire, _) = it.caller().await;
        goes_on(&it.daemon, &ear, &wire, &whole, cuts).await;
    };
    join!(cut(1), cut(2));
    let [hung_up, lost, ended] = [(); 3].map(|()| it.caller());
    let ((ear, wire, _), (lost_ear, lost_wire, _), (ended_ear, ended_wire, _)) = join!(hung_up, lost, ended);
    join!(
        strangers_do_not_get_the_call(&it),
        hangs_up_meanwhile(&it.daemon, &ear, &wire, Duration::from_secs(8)),
        never_comes_back(&it.daemon, &lost_ear, &lost_wire),
        the_box_ends_it(&it.daemon, &ended_ear, &ended_wire),
    );
    it.daemon.stop().await;
}

async fn strangers_do_not_get_the_call(it: &Rig) {
    let (ear, wire, options) = it.caller().await;
    ear.hears_ms(300).await;
    // Who knows the id but did not ask for another connection.
    let stranger = || async {
        let mut options = options.clone();
        (options.base_url, options.socket) = (None, it.socket.clone());
        let call = options.dial(&it.tasks, Clock::system()).await.unwrap();
        call.end().await.unwrap()
    };
    assert_eq!(stranger().await.frames_received, 0, "its socket lives");
    let before = ear.heard_ms();
    ear.hears_ms(before + 200).await;
    breaks_for_good(&it.daemon, &ear, &wire).await;
    let ask = |token: &str| format!("/ast/next?uuid={}&token={token}", ear.sid);
    for wrong in ["wrong", ""] {
        let answer = it.daemon.api().bare(reqwest::Method::GET, &ask(wrong)).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    is_back(&it.daemon, &ear, &wire).await;
    assert_eq!(stranger().await.frames_received, 0, "the id is spent");
}
