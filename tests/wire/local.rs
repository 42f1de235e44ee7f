//! Handsets of the box over the real socket, and an exchange that takes notes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use vaani::base::audio::{LINE_FRAME, rms};
use vaani::base::event::{CallState, EndCause, Event, Record, Speaker};
use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock, Lang, limits};
use vaani::telephony::leg::{LegCommand, LegEnd, LegEvent, LegOffer, Refusal};
use vaani::telephony::local::handset::{News, Over, Wish, hold};
use vaani::telephony::local::server::{self, SOCKET};
use vaani::telephony::local::sound::open_null;
use vaani::telephony::local::wire::{Message, Start, printed};
use vaani::telephony::local::{LocalDeps, serve};
use vaani::telephony::stream::StreamMetrics;
use vaani::telephony::webrtc::Facts;

use crate::exchange::Notes;

const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    state: tempfile::TempDir,
    notes: Arc<Notes>,
    offers: mpsc::UnboundedReceiver<LegOffer>,
    facts: Facts,
    metrics: StreamMetrics,
    tasks: Scope,
}

impl House {
    fn open() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (notes, offers) = Notes::new(&[Lang::Hi]);
        let notes = Arc::new(notes);
        let (facts, metrics, tasks) = (Facts::default(), StreamMetrics::default(), Scope::new());
        let listener = server::open(&state.path().join(SOCKET)).unwrap();
        let deps = LocalDeps {
            exchange: notes.clone(),
            facts: facts.clone(),
            clock: Clock::system(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        };
        tasks.spawn("handsets", serve(listener, deps));
        Self { state, notes, offers, facts, metrics, tasks }
    }

    fn socket(&self) -> PathBuf {
        self.state.path().join(SOCKET)
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    async fn offer(&mut self) -> LegOffer {
        timeout(PATIENCE, self.offers.recv()).await.expect("the call gets its leg").unwrap()
    }
}

fn start(full_duplex: bool) -> Start {
    Start { name: format!("handset-{}", CallId::new()), full_duplex, ..Start::default() }
}

fn tone(samples: usize) -> Vec<i16> {
    let wave = |n: usize| (f64::sin(n as f64 * 500.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
    (0..samples).map(wave).collect()
}

/// A handset's task; what it came to.
fn spawned<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    Scope::new().spawn("handset", async move { drop(tell.send(work.await)) });
    told
}

/// The next event that is no sound.
async fn news(offer: &mut LegOffer) -> LegEvent {
    loop {
        match timeout(PATIENCE, offer.events.recv()).await.expect("something happens").expect("the leg is there") {
            LegEvent::Audio { .. } => {}
            news => return news,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handset_holds_a_conversation() {
    let mut house = House::open();
    let mode = std::fs::metadata(house.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else's");
    let file = house.state.path().join("heard.raw");
    let print: fn(&[i16]) -> Vec<u8> = |pcm| pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut audio = open_null(tone(8_000), Some((file.clone(), print)), &house.tasks);
    let (wish, wishes) = mpsc::channel(4);
    let (tell, mut told) = mpsc::channel(4_000);
    let (socket, at) = (house.connect().await, house.socket());
    let call = spawned(async move {
        let over = hold(socket, &at, start(true), &mut audio, wishes, tell).await.unwrap();
        let counts = audio.counts.to_string();
        drop((audio.microphone, audio.speaker));
        audio.over.await.unwrap().unwrap();
        (over, counts)
    });
    let mut offer = house.offer().await;
    let announced = house.notes.announced.lock().unwrap()[0].clone();
    assert_eq!((announced.transport, announced.agent), ("local", None));

    // The caller speaks: a second of it, in order.
    let (mut heard, mut due) = (Vec::new(), 0);
    while heard.len() < 50 * LINE_FRAME {
        match timeout(PATIENCE, offer.events.recv()).await.unwrap().unwrap() {
            LegEvent::Audio { pcm, at_ms } => {
                assert_eq!(at_ms, due);
                due += 20;
                heard.extend(pcm);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(rms(&heard[8 * LINE_FRAME..40 * LINE_FRAME]) > 5_000.0);

    // The agent speaks and is told when it was heard; keys come; facts are shown.
    for frame in tone(20 * LINE_FRAME).chunks(LINE_FRAME) {
        offer.commands.send(LegCommand::Audio(frame.to_vec())).await.unwrap();
    }
    offer.commands.send(LegCommand::Mark(1)).await.unwrap();
    assert_eq!(news(&mut offer).await, LegEvent::MarkPlayed(1));
    wish.send(Wish::Key('#')).await.unwrap();
    assert_eq!(news(&mut offer).await, LegEvent::Dtmf('#'));
    let record = |event| Record { call: offer.call, unix_ms: 0, call_ms: 0, event };
    let heard =
        Event::Heard {
            turn: 1, by: Speaker::Caller, language: Lang::Hi, confidence: 1.0, text: "नमस्ते".to_owned()
        };
    house.facts.observe(&record(heard));

    // The box hangs up: what it said is played, and how it ended is told.
    offer.commands.send(LegCommand::Audio(tone(LINE_FRAME))).await.unwrap();
    offer.commands.send(LegCommand::Hangup).await.unwrap();
    assert_eq!(news(&mut offer).await, LegEvent::Closed(LegEnd::ClosedByUs));
    let ended = Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 9, turns: 1 };
    house.facts.observe(&Record { call: offer.call, unix_ms: 0, call_ms: 0, event: ended });
    let (over, counts) = timeout(PATIENCE, call).await.expect("the handset is put down").unwrap();
    assert_eq!(over, Over::ByBox(String::new()));
    assert!(counts.contains("0 faults"), "{counts}");
    let mut facts = Vec::new();
    let mut loudest = 0.0_f32;
    while let Some(news) = told.recv().await {
        match news {
            News::Fact(fact) => facts.push(fact),
            News::Level(level) => loudest = loudest.max(level),
        }
    }
    assert!(facts.iter().any(|fact| fact.contains("नमस्ते")), "{facts:?}");
    assert!(facts.last().is_some_and(|fact| fact.contains("goodbye")), "{facts:?}");
    assert!(loudest > 5_000.0);
    let kept = std::fs::read(file).unwrap();
    let kept: Vec<i16> = kept.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let loud = kept.chunks(LINE_FRAME).filter(|frame| rms(frame) > 3_000.0).count();
    assert!((19..=22).contains(&loud), "{loud} frames of the agent were kept");
    assert_eq!((house.metrics.streams.get(), house.metrics.lost.get()), (1, 0));
}

#[tokio::test]
async fn each_side_may_end_it() {
    let mut house = House::open();
    // Whoever holds it hangs up.
    let mut audio = open_null(Vec::new(), None, &house.tasks);
    let (wish, wishes) = mpsc::channel(4);
    let (tell, _told) = mpsc::channel(4);
    let (socket, at) = (house.connect().await, house.socket());
    let call = spawned(async move { hold(socket, &at, start(false), &mut audio, wishes, tell).await.unwrap() });
    let mut offer = house.offer().await;
    wish.send(Wish::HangUp).await.unwrap();
    assert_eq!(news(&mut offer).await, LegEvent::Closed(LegEnd::HungUp));
    assert_eq!(call.await.unwrap(), Over::HungUp);

    // The box stops.
    let mut audio = open_null(Vec::new(), None, &Scope::new());
    let (_wish, wishes) = mpsc::channel(4);
    let (tell, _told) = mpsc::channel(4);
    let (socket, at) = (house.connect().await, house.socket());
    let call = spawned(async move { hold(socket, &at, start(false), &mut audio, wishes, tell).await.unwrap() });
    let mut offer = house.offer().await;
    house.tasks.stop();
    assert_eq!(news(&mut offer).await, LegEvent::Closed(LegEnd::Lost));
    assert_eq!(timeout(PATIENCE, call).await.unwrap().unwrap(), Over::Lost);
}

/// Everything that the box says until it closes.
async fn answer(mut socket: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut all)).await.expect("the box closes").unwrap();
    all
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_a_reason() {
    let mut house = House::open();
    *house.notes.refuse.lock().unwrap() = Some(Refusal::Full);
    let mut socket = house.connect().await;
    socket.write_all(&printed(&Message::Start(start(true)))).await.unwrap();
    let told = String::from_utf8_lossy(&answer(socket).await).into_owned();
    assert!(told.contains("at its limit of live calls"), "{told:?}");
    *house.notes.refuse.lock().unwrap() = None;

    // As many as there are places for; the next one is told so.
    let mut held = Vec::new();
    for _ in 0..limits::LOCAL_CALLS_MAX {
        let mut socket = house.connect().await;
        socket.write_all(&printed(&Message::Start(start(true)))).await.unwrap();
        held.push((socket, house.offer().await));
    }
    let told = String::from_utf8_lossy(&answer(house.connect().await).await).into_owned();
    assert!(told.contains("as many handsets"), "{told:?}");
    // One that goes away without a word makes room.
    let (socket, mut offer) = held.pop().unwrap();
    drop(socket);
    assert_eq!(news(&mut offer).await, LegEvent::Closed(LegEnd::Lost));
    let again = async {
        loop {
            let mut socket = house.connect().await;
            if socket.write_all(&printed(&Message::Start(start(true)))).await.is_ok()
                && timeout(Duration::from_millis(500), house.offers.recv()).await.is_ok()
            {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("there is room again");
}

#[tokio::test]
async fn nonsense_is_no_call() {
    let mut house = House::open();
    let mut socket = house.connect().await;
    socket.write_all(&[0x77; 10_000]).await.unwrap();
    drop(socket);
    let mut socket = house.connect().await;
    socket.write_all(&printed(&Message::Start(start(true)))).await.unwrap();
    let mut offer = house.offer().await;
    // In the middle of a call it is skipped.
    socket.write_all(&[0x55, 0, 2, 1, 1]).await.unwrap();
    socket.write_all(&printed(&Message::Key('4'))).await.unwrap();
    assert_eq!(news(&mut offer).await, LegEvent::Dtmf('4'));
    assert_eq!(house.notes.calls(), 1);
    // A socket that a daemon has left behind is no obstacle; anything else of that name is.
    server::open(&house.socket()).unwrap();
    let file = house.state.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(server::open(&file).is_err());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}
