//! FreeSWITCH: the box asks for the stream again over the channel's event socket.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Error;
use vaani::base::Clock;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::far::Side;
use vaani::telephony::freeswitch::carrier::DialOptions;

use super::ear::{Ear, said};
use super::exchange::{TOKEN, breaks_for_good, ends_as_lost, goes_on, hangs_up_meanwhile, is_back, whole_greeting};
use super::wire::Wire;
use crate::support::{Daemon, root};

struct Rig {
    daemon: Daemon,
    wire: Wire,
    socket: String,
    tasks: Scope,
    _state: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let (state, tasks) = (tempfile::tempdir().unwrap(), Scope::new());
        let wire = Wire::start(&tasks).await;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let media = format!("ws://{}", wire.address);
        let settings = [
            ("VAANI_FREESWITCH__TOKEN", TOKEN),
            ("VAANI_FREESWITCH__OUTBOUND_LISTEN", &socket),
            ("VAANI_FREESWITCH__MEDIA_URL", &media),
        ];
        let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
        wire.leads_to(&daemon.address());
        Self { daemon, wire, socket, tasks, _state: state }
    }

    async fn caller(&self) -> Ear {
        let options = DialOptions::new(self.socket.clone(), Some(Secret::new(TOKEN)));
        Ear::of(options.dial(&self.tasks, Clock::system()).await.unwrap())
    }

    /// The status of an upgrade that is refused, or the close code of a socket that is.
    async fn refused(&self, path: &str) -> u16 {
        use futures_util::StreamExt as _;
        use tokio_tungstenite::tungstenite::Message;
        match tokio_tungstenite::connect_async(self.daemon.api().socket(path)).await {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("{other}"),
            Ok((mut socket, _)) => {
                use futures_util::SinkExt as _;
                socket.send(Message::binary(vec![0; 320])).await.unwrap();
                match socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_is_asked_for_again_and_the_sentence_goes_on() {
    let it = Rig::start().await;
    let first = it.caller().await;
    let whole = whole_greeting(&it.daemon, &first).await;
    for cuts in [1, 2] {
        goes_on(&it.daemon, &it.caller().await, &it.wire, &whole, cuts).await;
    }

    strangers_do_not_get_the_call(&it).await;
    hangs_up_meanwhile(&it.daemon, &it.caller().await, &it.wire, Duration::from_secs(5)).await;
    it.wire.is_dead(false);
    a_stream_that_never_comes_back_ends_the_call(&it).await;
    it.daemon.stop().await;
}

async fn strangers_do_not_get_the_call(it: &Rig) {
    let ear = it.caller().await;
    ear.hears_ms(300).await;
    let ticket = it.wire.last().split(' ').nth(1).unwrap().to_owned();
    assert!(ticket.starts_with("/fs/fork?ticket="), "{ticket}");
    assert_eq!(it.refused(&ticket).await, 401, "a ticket is good once");
    let by_name = format!("/fs/fork?uuid={}", ear.sid);
    assert_eq!(it.refused(&format!("{by_name}&token=wrong")).await, 401);
    assert_eq!(it.refused(&format!("{by_name}&token={TOKEN}")).await, 1008, "its stream lives");
    let before = ear.heard_ms();
    ear.hears_ms(before + 200).await;

    // Neither while it is waited for.
    breaks_for_good(&it.daemon, &ear, &it.wire).await;
    assert_eq!(it.refused(&ticket).await, 401);
    assert_eq!(it.refused(&format!("{by_name}&token=wrong")).await, 401);
    is_back(&it.daemon, &ear, &it.wire).await;
}

async fn a_stream_that_never_comes_back_ends_the_call(it: &Rig) {
    let ear = it.caller().await;
    let before = it.wire.connections();
    breaks_for_good(&it.daemon, &ear, &it.wire).await;
    let facts = ends_as_lost(&it.daemon, &ear).await;
    let end = ear.ended().await;
    assert_eq!((end.by, end.clean), (Side::Network, true), "the box has ended the channel: {end:?}");
    let asked = it.wire.connections() - before;
    assert!((5..=40).contains(&asked), "{asked} streams were asked for");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(it.wire.connections() - before, asked, "and no more");
    assert!(said(&facts).len() <= 1);
    it.wire.is_dead(false);
}
