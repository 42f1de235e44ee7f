//! The media side: whole calls through our own carrier, and peers that misbehave.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use vaani::base::event::CallState;
use vaani::telephony::far::{Heard, Network, Side};
use vaani::telephony::leg::LegEnd;

use super::*;

/// A tone that survives mu-law well enough to be told from silence.
fn tone(frames: usize) -> Vec<i16> {
    (0..frames * 160).map(|i| if (i / 8) % 2 == 0 { 8_000 } else { -8_000 }).collect()
}

fn is_loud(pcm: &[i16]) -> bool {
    pcm.iter().any(|s| s.unsigned_abs() > 4_000)
}

/// The code of the close frame, reading over everything before it.
async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> Option<u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a close in time") {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_call_is_heard_and_answered_in_both_directions() {
    let mut running = Setup {
        languages: &[Lang::En, Lang::Hi, Lang::Ml],
        public: Some("https://voice.example.in"),
        ..Setup::default()
    }
    .start()
    .await;
    let (mut carrier, mut leg) = running.call(running.options().digit('3')).await;
    assert_eq!(leg.language, Some(Lang::Ml));

    let caller = carrier.caller();
    let saying = async {
        caller.say(tone(10)).await.unwrap();
        caller.press('5').await.unwrap();
    };
    let hearing = async {
        let (mut loud, mut last) = (0, None);
        loop {
            match timeout(PATIENCE, leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audio { pcm, at_ms } => {
                    assert_eq!((pcm.len(), at_ms % 20), (160, 0));
                    assert!(last.is_none_or(|last| at_ms == last + 20), "{last:?} then {at_ms}");
                    last = Some(at_ms);
                    loud += usize::from(is_loud(&pcm));
                }
                LegEvent::Dtmf(digit) => break (loud, digit),
                other => panic!("{other:?}"),
            }
        }
    };
    let ((), heard) = tokio::join!(saying, hearing);
    assert_eq!(heard, (10, '5'));

    for frame in tone(10).chunks(160) {
        command(&leg, LegCommand::Audio(frame.to_vec())).await;
    }
    command(&leg, LegCommand::Mark(1)).await;
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkPlayed(1)));
    command(&leg, LegCommand::Hangup).await;
    let mut loud = 0;
    let end = loop {
        match timeout(PATIENCE, carrier.hear()).await.unwrap().unwrap() {
            Heard::Frame(played) => loud += usize::from(is_loud(&played.pcm)),
            Heard::Cleared { .. } => panic!("nothing was cleared"),
            Heard::Ended(end) => break end,
        }
    };
    assert_eq!(loud, 10);
    assert_eq!((end.by, end.close_code, end.clean, end.violations), (Side::Box, Some(1000), true, vec![]));
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
    assert_eq!(next_event(&mut leg).await, None);
    let states = running.exchange.states.lock().unwrap().clone();
    assert_eq!(states.last().map(|(_, state)| *state), Some(CallState::Completed));
}

#[tokio::test]
async fn a_caller_who_presses_nothing_is_connected_all_the_same() {
    let mut running = Setup { languages: &[Lang::En, Lang::Hi], ..Setup::default() }.start().await;
    let (carrier, leg) = running.call(running.options()).await;
    assert_eq!(leg.language, None);
    drop(carrier);
}

#[tokio::test]
async fn the_callers_hang_up_ends_the_leg() {
    let mut running = Setup::default().start().await;
    let (carrier, mut leg) = running.call(running.options()).await;
    for frame in tone(100).chunks(160) {
        command(&leg, LegCommand::Audio(frame.to_vec())).await;
    }
    carrier.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    assert_eq!(next_event(&mut leg).await, None);
    let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
    assert_eq!((end.by, end.clean), (Side::Caller, true));
}

#[tokio::test]
async fn clear_stops_the_voice_and_flushes_its_marks() {
    let mut running = Setup::default().start().await;
    let (mut carrier, mut leg) = running.call(running.options()).await;
    for frame in tone(200).chunks(160) {
        command(&leg, LegCommand::Audio(frame.to_vec())).await;
    }
    command(&leg, LegCommand::Mark(1)).await;
    while !matches!(carrier.hear().await, Some(Heard::Frame(played)) if is_loud(&played.pcm)) {}
    command(&leg, LegCommand::Clear).await;
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkFlushed(1)));
    let unplayed = loop {
        if let Heard::Cleared { samples, .. } = timeout(PATIENCE, carrier.hear()).await.unwrap().unwrap() {
            break samples;
        }
    };
    assert!(unplayed > 0);
    for _ in 0..5 {
        match carrier.hear().await {
            Some(Heard::Frame(played)) => assert_eq!(played.from_box, 0),
            other => panic!("{other:?}"),
        }
    }
    // The carrier's echo of the flushed mark must not count as the next one.
    command(&leg, LegCommand::Mark(2)).await;
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkPlayed(2)));
    drop(leg);
    let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
    assert_eq!((end.by, end.close_code, end.clean), (Side::Box, Some(1000), true), "a call that is gone hangs up");
}

#[tokio::test]
async fn a_line_cut_in_the_middle_of_a_word_is_lost() {
    let mut running = Setup::default().start().await;
    let mut options = running.options();
    options.network.cut_after = Some(Duration::from_millis(300));
    let (carrier, mut leg) = running.call(options).await;
    let caller = carrier.caller();
    let (said, event) = tokio::join!(caller.say(tone(500)), next_event(&mut leg));
    assert!(said.is_err());
    assert_eq!(event, Some(LegEvent::Closed(LegEnd::Lost)));
    assert_eq!(running.metrics.streams.lost.get(), 1);
    assert_eq!(timeout(PATIENCE, carrier.end()).await.unwrap().unwrap().by, Side::Network);
}

#[tokio::test]
async fn a_bad_network_changes_the_sound_but_not_the_call() {
    let mut running = Setup::default().start().await;
    let mut options = running.options();
    options.network =
        Network { loss: 0.2, jitter: Duration::from_millis(60), reorder: 0.2, seed: 7, ..Network::default() };
    options.noise = Some(Arc::from([600_i16, -600, 600, 600]));
    let (carrier, mut leg) = running.call(options).await;
    let caller = carrier.caller();
    let talk = async {
        caller.say(tone(100)).await.unwrap();
        caller.press('9').await.unwrap();
    };
    let listen = async {
        let mut times = Vec::new();
        loop {
            match timeout(PATIENCE, leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audio { at_ms, pcm } => {
                    assert!(pcm.iter().any(|s| *s != 0), "the noise never stops");
                    times.push(at_ms);
                }
                LegEvent::Dtmf('9') => break times,
                other => panic!("{other:?}"),
            }
        }
    };
    let ((), times) = tokio::join!(talk, listen);
    assert!((50..100).contains(&times.len()), "{}", times.len());
    assert!(times.windows(2).any(|w| w[0] > w[1]), "some frames overtake others");
    carrier.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    let odd = |kind| running.metrics.streams.oddities.get_or_create(&[("kind", kind)]).get();
    for _ in 0..200 {
        if odd("gap") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(odd("gap") > 0 && odd("disorder") > 0);
}

#[tokio::test]
async fn tokens_open_one_stream_of_their_own_call() {
    let mut running = Setup::default().start().await;
    for (call, account) in [("CA2", "AC1"), ("CA1", "AC2")] {
        let mut thief = running.socket().await;
        thief.send(Message::text(start(&running.token().await, call, account))).await.unwrap();
        assert_eq!(close_code(&mut thief).await, Some(1008));
    }
    let mut guess = running.socket().await;
    guess.send(Message::text(start("0123", "CA1", "AC1"))).await.unwrap();
    assert_eq!(close_code(&mut guess).await, Some(1008));
    assert!(running.offers.try_recv().is_err());

    let token = running.token().await;
    let mut first = running.socket().await;
    first.send(Message::text(start(&token, "CA1", "AC1"))).await.unwrap();
    let _leg = running.leg().await;
    let mut replay = running.socket().await;
    replay.send(Message::text(start(&token, "CA1", "AC1"))).await.unwrap();
    assert_eq!(close_code(&mut replay).await, Some(1008));
    // A fresh token of the same call does not give it a second stream either.
    let mut second = running.socket().await;
    second.send(Message::text(start(&running.token().await, "CA1", "AC1"))).await.unwrap();
    assert_eq!(close_code(&mut second).await, Some(1008));
    assert!(running.offers.try_recv().is_err());
}

#[tokio::test]
async fn a_flood_of_nonsense_does_not_end_the_call() {
    let mut running = Setup::default().start().await;
    let (carrier, mut leg) = running.call(running.options()).await;
    let caller = carrier.caller();
    let mut random = fastrand::Rng::with_seed(11);
    let good = r#"{"event":"media","sequenceNumber":"4","streamSid":"MZ1","media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"//7+"}}"#;
    for _ in 0..2_000 {
        let mut text = good.to_owned();
        match random.u8(0..4) {
            0 => text.truncate(random.usize(0..good.len())),
            1 => text = (0..random.usize(0..300)).map(|_| random.char(..)).collect(),
            2 => text = text.replace("media", random.choice(["start", "mark", "dtmf", "connected", "x"]).unwrap()),
            _ => text = "[".repeat(random.usize(0..2_000)),
        }
        caller.send_raw(text).await.unwrap();
    }
    caller.press('1').await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Dtmf('1')));
    carrier.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
}

#[tokio::test]
async fn a_message_over_the_limit_closes_the_socket() {
    let mut running = Setup::default().start().await;
    let mut socket = running.socket().await;
    socket.send(Message::text(start(&running.token().await, "CA1", "AC1"))).await.unwrap();
    let mut leg = running.leg().await;
    drop(socket.send(Message::text("x".repeat(100_000))).await);
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    let code = close_code(&mut socket).await;
    assert!(matches!(code, Some(1009) | None), "{code:?}");
}

#[tokio::test]
async fn a_carrier_that_does_not_take_our_audio_is_given_up() {
    let mut running = Setup::default().start().await;
    let mut socket = running.socket().await;
    socket.send(Message::text(start(&running.token().await, "CA1", "AC1"))).await.unwrap();
    let mut leg = running.leg().await;
    let flood = async {
        let second = vec![1_000_i16; 8_000];
        while leg.commands.send(LegCommand::Audio(second.clone())).await.is_ok() {}
    };
    timeout(PATIENCE, flood).await.expect("the leg gives up");
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    drop(socket);
}

#[tokio::test]
async fn a_call_that_does_not_listen_loses_its_oldest_sound_only() {
    let mut running = Setup::default().start().await;
    let mut socket = running.socket().await;
    socket.send(Message::text(start(&running.token().await, "CA1", "AC1"))).await.unwrap();
    let mut leg = running.leg().await;
    let frame = |n: u64| {
        format!(r#"{{"event":"media","streamSid":"MZ1","media":{{"timestamp":"{}","payload":"/w=="}}}}"#, n * 20)
    };
    for n in 0..2_000 {
        socket.feed(Message::text(frame(n))).await.unwrap();
    }
    socket.feed(Message::text(r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"7"}}"#)).await.unwrap();
    socket.flush().await.unwrap();
    // A ping's answer comes after everything before it has been read.
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    while !matches!(timeout(PATIENCE, socket.next()).await.unwrap(), Some(Ok(Message::Pong(_)))) {}
    let mut times = Vec::new();
    let key = loop {
        match timeout(PATIENCE, leg.events.recv()).await.unwrap().unwrap() {
            LegEvent::Audio { at_ms, .. } => times.push(at_ms),
            other => break other,
        }
    };
    assert_eq!(key, LegEvent::Dtmf('7'));
    assert!(times.len() < 600 && times.last() == Some(&39_980), "{} {:?}", times.len(), times.last());
    assert!(times.windows(2).all(|w| w[0] < w[1]));
    assert_eq!(running.metrics.streams.dropped_audio_frames.get(), 2_000 - times.len() as u64);
}

#[tokio::test]
async fn refused_sockets_leave_nothing_open() {
    let running = Setup::default().start().await;
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    drop(running.socket().await);
    let before = open();
    for round in 0..20 {
        let attempts = (0..50).map(|n| {
            let running = &running;
            async move {
                let mut socket = running.socket().await;
                match n % 5 {
                    0 => drop(socket), // gone without a word
                    1 => {
                        drop(socket.send(Message::text(start("wrong", "CA1", "AC1"))).await);
                        assert_eq!(close_code(&mut socket).await, Some(1008));
                    }
                    2 => {
                        drop(socket.send(Message::text("x".repeat(90_000))).await);
                        close_code(&mut socket).await;
                    }
                    3 => {
                        drop(socket.send(Message::text(r#"{"event":"stop"}"#)).await);
                        assert_eq!(close_code(&mut socket).await, Some(1000));
                    }
                    _ => assert_eq!(running.socket_signed(Some("wrong")).await.err(), Some(403)),
                }
            }
        });
        timeout(PATIENCE, futures_util::future::join_all(attempts)).await.unwrap_or_else(|_| panic!("round {round}"));
    }
    for _ in 0..500 {
        if open() <= before + 8 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} descriptors before, {} after", before, open());
}
