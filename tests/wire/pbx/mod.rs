//! Telephone exchanges of the house: a box on a free port of this machine, and what the tests do to it.

mod ari;
mod asterisk;
mod audiosocket;
mod fake;
mod freeswitch;
mod golden;
mod peers;
mod resumed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::base::{Clock, Lang};
use vaani::telephony::asterisk::{AsteriskDeps, AsteriskMetrics, routes as asterisk_routes};
use vaani::telephony::audiosocket::{AudioSocketDeps, AudioSocketMetrics, Expected, serve as serve_audiosockets};
use vaani::telephony::far::{FarCall, Heard};
use vaani::telephony::freeswitch::esl::client::{Connect, keep};
use vaani::telephony::freeswitch::esl::command::Module;
use vaani::telephony::freeswitch::hub::Ears;
use vaani::telephony::freeswitch::{FreeswitchMetrics, Hub, Streams, esl, routes as freeswitch_routes};
use vaani::telephony::leg::{LegCommand, LegEvent, LegOffer};
use vaani::telephony::pbx::Door;
use vaani::telephony::public_url::PublicUrl;

use crate::exchange::Notes;

const TOKEN: &str = "a-token-for-tests";
/// Long enough for the slowest machine; nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(30);

struct TestBox {
    exchange: Arc<Notes>,
    offers: mpsc::UnboundedReceiver<LegOffer>,
    url: PublicUrl,
    audiosocket: String,
    event_socket: String,
    hub: Arc<Hub>,
    asterisk: AsteriskMetrics,
    audiosockets: AudioSocketMetrics,
    freeswitch: FreeswitchMetrics,
    tasks: Scope,
    clock: Clock,
}

#[derive(Clone)]
struct Setup {
    token: Option<&'static str>,
    networks: Vec<&'static str>,
    anonymous: bool,
    module: Module,
    rate: u32,
    /// FreeSWITCH's event socket and its password.
    kept: Option<(String, &'static str)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            token: Some(TOKEN),
            networks: Vec::new(),
            anonymous: false,
            module: Module::Fork,
            rate: 8_000,
            kept: None,
        }
    }
}

impl Setup {
    async fn start(self) -> TestBox {
        let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (http, audio, events) = (listen().await, listen().await, listen().await);
        let url: PublicUrl = format!("http://{}", http.local_addr().unwrap()).parse().unwrap();
        let (audiosocket, event_socket) =
            (audio.local_addr().unwrap().to_string(), events.local_addr().unwrap().to_string());
        let (exchange, offers) = Notes::new(&[Lang::En]);
        let exchange = Arc::new(exchange);
        let (tasks, clock) = (Scope::new(), Clock::system());
        let networks: Vec<_> = self.networks.iter().map(|network| network.parse().unwrap()).collect();
        let door = |section, counter| Door::new(section, self.token.map(Secret::new), networks.clone(), counter);
        let (of_asterisk, of_audio, of_freeswitch) =
            (AsteriskMetrics::default(), AudioSocketMetrics::default(), FreeswitchMetrics::default());
        let expected = Arc::new(Expected::default());
        let router = asterisk_routes(AsteriskDeps {
            door: door("asterisk", of_asterisk.refused_peers.clone()),
            exchange: Arc::clone(&exchange) as Arc<_>,
            clock,
            tasks: tasks.clone(),
            metrics: of_asterisk.clone(),
            expected: Arc::clone(&expected),
        });
        let deps = AudioSocketDeps {
            door: door("asterisk", of_audio.refused_peers.clone()),
            expected,
            anonymous: self.anonymous,
            exchange: Arc::clone(&exchange) as Arc<_>,
            clock,
            tasks: tasks.clone(),
            metrics: of_audio.clone(),
        };
        tasks.spawn("audiosockets", serve_audiosockets(audio, deps));
        let streams = Streams { module: self.module, url: url.clone(), rate: self.rate };
        let notes = Arc::clone(&exchange) as Arc<_>;
        let hub = Arc::new(Hub::new(notes, clock, tasks.clone(), of_freeswitch.clone(), streams));
        if let Some((address, password)) = self.kept {
            let connect = Connect { address, password: Secret::new(password) };
            hub.keep(keep(connect, Ears(Arc::clone(&hub)), clock, &tasks));
        }
        let fs_door = door("freeswitch", of_freeswitch.refused_peers.clone());
        tasks.spawn("event sockets", esl::server::serve(events, Arc::clone(&hub), fs_door.clone()));
        let router = router.merge(freeswitch_routes(Arc::clone(&hub), fs_door));
        tasks.spawn("test box", async move {
            axum::serve(http, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        });
        TestBox {
            exchange,
            offers,
            url,
            audiosocket,
            event_socket,
            hub,
            asterisk: of_asterisk,
            audiosockets: of_audio,
            freeswitch: of_freeswitch,
            tasks,
            clock,
        }
    }
}

impl TestBox {
    /// The next leg that reaches the exchange.
    async fn leg(&mut self) -> LegOffer {
        timeout(PATIENCE, self.offers.recv()).await.expect("a leg in time").unwrap()
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

fn tone(frames: usize) -> Vec<i16> {
    (0..frames * 160).map(|i| (9_000.0 * (i as f32 * 0.8).sin()) as i16).collect()
}

fn is_loud(pcm: &[i16]) -> bool {
    pcm.iter().any(|s| s.unsigned_abs() > 4_000)
}

/// The next event of the leg that is no sound.
async fn next_event(offer: &mut LegOffer) -> Option<LegEvent> {
    loop {
        match timeout(PATIENCE, offer.events.recv()).await.expect("an event in time") {
            Some(LegEvent::Audio { .. }) => {}
            other => return other,
        }
    }
}

async fn command(offer: &LegOffer, command: LegCommand) {
    offer.commands.send(command).await.expect("the leg takes commands");
}

/// The caller speaks ten loud frames and presses a key; both are heard, in order and on time.
async fn the_caller_is_heard(far: &FarCall, leg: &mut LegOffer) {
    let caller = far.caller();
    let saying = async {
        caller.say(tone(10)).await.unwrap();
        caller.press('5').await.unwrap();
    };
    let hearing = async {
        let (mut loud, mut next, mut key) = (0, 0, None);
        while loud < 10 * 160 - 80 || key.is_none() {
            match timeout(PATIENCE, leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audio { pcm, at_ms } => {
                    assert!(at_ms >= next, "{at_ms} before {next}");
                    next = at_ms + pcm.len() as u64 / 8;
                    loud += pcm.iter().filter(|s| s.unsigned_abs() > 500).count();
                }
                LegEvent::Dtmf(digit) => key = Some(digit),
                other => panic!("{other:?}"),
            }
        }
        key
    };
    let ((), key) = tokio::join!(saying, hearing);
    assert_eq!(key, Some('5'));
}

/// The box speaks ten loud frames; the mark after them comes back and not before its time.
async fn the_box_is_heard(far: &mut FarCall, leg: &mut LegOffer) {
    for frame in tone(10).chunks(160) {
        command(leg, LegCommand::Audio(frame.to_vec())).await;
    }
    command(leg, LegCommand::Mark(1)).await;
    assert_eq!(next_event(leg).await, Some(LegEvent::MarkPlayed(1)));
    let mut loud = 0;
    while loud < 10 {
        match timeout(PATIENCE, far.hear()).await.unwrap().unwrap() {
            Heard::Frame(played) => loud += usize::from(is_loud(&played.pcm)),
            other => panic!("{other:?} after {loud} frames"),
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}
