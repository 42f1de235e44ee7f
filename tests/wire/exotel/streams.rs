//! The media side: whole calls through our own carrier, and peers that misbehave.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use vaani::base::event::CallState;
use vaani::telephony::exotel::carrier::wire::Peculiarities;
use vaani::telephony::far::{Heard, Network, Side};
use vaani::telephony::leg::LegEnd;

use super::*;

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

/// Sends frames as the call does: a lead at once, then each in its time.
async fn speak(leg: &LegOffer, pcm: &[i16]) {
    let lead = (leg.lead.as_millis() / 20) as usize;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for (n, frame) in pcm.chunks(160).enumerate() {
        if n > lead {
            ticks.tick().await;
        }
        command(leg, LegCommand::Audio(frame.to_vec())).await;
    }
}

#[tokio::test]
async fn a_call_is_heard_and_answered_at_every_rate_and_cadence() {
    for (sample_rate, cadence_ms, camel, mulaw) in
        [(8_000, 100, false, false), (16_000, 100, true, false), (24_000, 20, false, false), (8_000, 20, true, true)]
    {
        let public = Some("https://voice.example.in");
        let mut running = Setup { sample_rate, public, ..Setup::default() }.start().await;
        let mut options = running.options();
        options.peculiarities = Peculiarities { cadence_ms, camel, mulaw, ..Peculiarities::default() };
        options.query = vec![("agent".to_owned(), "help".to_owned()), ("lang".to_owned(), "ml-IN".to_owned())];
        let (mut carrier, mut leg) = running.call(options).await;
        assert_eq!(leg.language, Some(Lang::Ml), "{sample_rate}");

        let caller = carrier.caller();
        let saying = async {
            caller.say(tone(20)).await.unwrap();
            // The last message of the tone leaves with the next frames.
            tokio::time::sleep(Duration::from_millis(300)).await;
            caller.press('5').await.unwrap();
        };
        let hearing = async {
            let (mut loud, mut end) = (0, None);
            loop {
                match timeout(PATIENCE, leg.events.recv()).await.unwrap().unwrap() {
                    LegEvent::Audio { pcm, at_ms } => {
                        let gap = end.map_or(0, |end: u64| at_ms.abs_diff(end));
                        assert!(gap <= 1, "{sample_rate}: {end:?} then {at_ms}");
                        end = Some(at_ms + pcm.len() as u64 / 8);
                        loud += pcm.iter().filter(|sample| sample.unsigned_abs() > 4_000).count();
                    }
                    LegEvent::Dtmf(digit) => break (loud, digit),
                    other => panic!("{other:?}"),
                }
            }
        };
        let ((), (loud, digit)) = tokio::join!(saying, hearing);
        let wanted = tone(20).iter().filter(|sample| sample.unsigned_abs() > 4_000).count();
        assert!(loud.abs_diff(wanted) < wanted / 10 && digit == '5', "{sample_rate}: {loud} of {wanted}");

        speak(&leg, &tone(33)).await;
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
        assert!((33..=35).contains(&loud), "{sample_rate}: {loud}");
        assert_eq!((end.by, end.close_code, end.clean), (Side::Box, Some(1000), true), "{sample_rate}");
        assert_eq!(end.violations, Vec::<String>::new(), "{sample_rate}");
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
        let known = running.exchange.announced.lock().unwrap()[0].clone();
        assert_eq!((known.agent.as_deref(), known.from.unwrap().reveal()), (Some("help"), "+919876543210"));
        let states = running.exchange.states.lock().unwrap().clone();
        assert_eq!(states.last().map(|(_, state)| *state), Some(CallState::Completed), "{sample_rate}");
        assert!(running.metrics.streams.oddities.get_or_create(&[("kind", "odd_pace")]).get() == 0);
    }
}

#[tokio::test]
async fn clear_stops_the_voice_within_a_chunk_and_flushes_its_marks() {
    for (sample_rate, chunk_ms) in [(8_000, 200), (16_000, 100), (24_000, 67)] {
        for gives_cleared_marks_back in [false, true] {
            let mut running = Setup { sample_rate, ..Setup::default() }.start().await;
            let mut options = running.options();
            options.peculiarities = Peculiarities { gives_cleared_marks_back, ..Peculiarities::default() };
            let (mut carrier, mut leg) = running.call(options).await;
            for frame in tone(100).chunks(160) {
                command(&leg, LegCommand::Audio(frame.to_vec())).await;
            }
            command(&leg, LegCommand::Mark(1)).await;
            while !matches!(carrier.hear().await, Some(Heard::Frame(played)) if is_loud(&played.pcm)) {}
            command(&leg, LegCommand::Clear).await;
            assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkFlushed(1)));
            let unplayed = loop {
                match timeout(PATIENCE, carrier.hear()).await.unwrap().unwrap() {
                    Heard::Cleared { samples, .. } => break samples,
                    Heard::Frame(_) => {}
                    Heard::Ended(end) => panic!("{end:?}"),
                }
            };
            assert!(unplayed > 0);
            let mut after = 0;
            for _ in 0..20 {
                match carrier.hear().await {
                    Some(Heard::Frame(played)) => after += usize::from(is_loud(&played.pcm)) * 20,
                    other => panic!("{other:?}"),
                }
            }
            assert!(after <= chunk_ms + 20, "{sample_rate}: {after} ms after the clear");
            // What the carrier gives back of before must not count as the next one.
            command(&leg, LegCommand::Mark(2)).await;
            assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkPlayed(2)));
            drop(leg);
            let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
            assert_eq!((end.by, end.close_code), (Side::Box, Some(1000)), "a call that is gone hangs up");
        }
    }
}

#[tokio::test]
async fn the_callers_hang_up_ends_the_leg() {
    let mut running = Setup::default().start().await;
    let (carrier, mut leg) = running.call(running.options()).await;
    command(&leg, LegCommand::Audio(tone(3))).await;
    carrier.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    assert_eq!(next_event(&mut leg).await, None);
    let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
    assert_eq!((end.by, end.clean), (Side::Caller, true));
}

#[tokio::test]
async fn a_cut_line_is_lost_and_is_not_taken_up_again() {
    let mut running = Setup::default().start().await;
    let mut options = running.options();
    options.network.cut_after = Some(Duration::from_millis(300));
    let call = options.call_sid.clone();
    let (carrier, mut leg) = running.call(options).await;
    let caller = carrier.caller();
    let (said, event) = tokio::join!(caller.say(tone(500)), next_event(&mut leg));
    assert!(said.is_err());
    assert_eq!(event, Some(LegEvent::Closed(LegEnd::Lost)));
    assert_eq!(running.metrics.streams.lost.get(), 1);
    assert_eq!(timeout(PATIENCE, carrier.end()).await.unwrap().unwrap().by, Side::Network);
    // The conversation is over; another socket of the same call is none.
    let session = running.session(&call).await;
    let mut again = running.socket(&session).await.unwrap();
    again.send(Message::text(start(&call))).await.unwrap();
    assert_eq!(close_code(&mut again).await, Some(1008));
    assert!(running.offers.try_recv().is_err());
}

#[tokio::test]
async fn a_bad_network_changes_the_sound_but_not_the_call() {
    let mut running = Setup::default().start().await;
    let mut options = running.options();
    options.network =
        Network { loss: 0.2, jitter: Duration::from_millis(60), reorder: 0.2, seed: 7, ..Network::default() };
    options.peculiarities.cadence_ms = 20;
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
                LegEvent::Audio { at_ms, .. } => times.push(at_ms),
                LegEvent::Dtmf('9') => break times,
                other => panic!("{other:?}"),
            }
        }
    };
    let ((), times) = tokio::join!(talk, listen);
    assert!((50..100).contains(&times.len()), "{}", times.len());
    assert!(times.windows(2).any(|w| w[0] > w[1]), "some messages overtake others");
    carrier.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
}

#[tokio::test]
async fn a_session_is_good_for_one_stream_of_its_own_call() {
    let mut running = Setup::default().start().await;
    let stolen = running.session("c1").await;
    let mut thief = running.socket(&stolen).await.unwrap();
    thief.send(Message::text(start("c2"))).await.unwrap();
    assert_eq!(close_code(&mut thief).await, Some(1008));
    assert_eq!(running.socket(&stolen).await.err(), Some(403), "it is spent");
    assert_eq!(running.socket("/ws/voicebot/0123").await.err(), Some(403));
    assert!(running.offers.try_recv().is_err());

    // A handshake that failed half way costs nothing: the carrier tries once more.
    let session = running.session("c1").await;
    drop(running.socket(&session).await.unwrap());
    let mut first = running.socket(&session).await.unwrap();
    first.send(Message::text(r#"{"event":"connected"}"#)).await.unwrap();
    first.send(Message::text(start("c1"))).await.unwrap();
    let _leg = running.leg().await;
    assert_eq!(running.socket(&session).await.err(), Some(403), "a replay");
    let mut second = running.socket(&running.session("c1").await).await.unwrap();
    second.send(Message::text(start("c1"))).await.unwrap();
    assert_eq!(close_code(&mut second).await, Some(1008), "one call has one stream");
    assert!(running.offers.try_recv().is_err());
}

#[tokio::test]
async fn a_static_address_announces_the_call_by_its_start() {
    let mut running = Setup::default().start().await;
    for (number, (agent, expected)) in [("default", None), ("help", Some("help"))].into_iter().enumerate() {
        let mut options = running.options();
        options.fixed_socket =
            Some(format!("/ws/voicebot-compatibility/{agent}?sample-rate=24000&lang=ta-IN&CallSid=forged"));
        let call = options.call_sid.clone();
        let (carrier, leg) = running.call(options).await;
        assert_eq!(leg.language, Some(Lang::Ta));
        let known = running.exchange.announced.lock().unwrap()[number].clone();
        assert_eq!((known.carrier_call, known.agent.as_deref()), (call, expected));
        assert_eq!(known.from.unwrap().reveal(), "+919876543210");
        drop((carrier, leg));
    }
    let mut bare = running.socket("/ws/voicebot-compatibility/default").await.unwrap();
    bare.send(Message::text(start("c7"))).await.unwrap();
    let leg = running.leg().await;
    assert_eq!(leg.language, None);
    let known = running.exchange.announced.lock().unwrap()[2].clone();
    assert_eq!((known.carrier_call.as_str(), known.district.as_deref()), ("c7", Some("Theni")));
    let mut nameless = running.socket("/ws/voicebot-compatibility/default").await.unwrap();
    nameless.send(Message::text(start("c/7"))).await.unwrap();
    assert_eq!(close_code(&mut nameless).await, Some(1008));
}

#[tokio::test]
async fn a_flood_of_nonsense_does_not_end_the_call() {
    let mut running = Setup::default().start().await;
    let (carrier, mut leg) = running.call(running.options()).await;
    let caller = carrier.caller();
    let mut random = fastrand::Rng::with_seed(11);
    let good = r#"{"event":"media","sequence_number":"4","stream_sid":"x","media":{"chunk":"2","timestamp":"20","payload":"AAAA"}}"#;
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
    let mut socket = running.socket(&running.session("c1").await).await.unwrap();
    socket.send(Message::text(start("c1"))).await.unwrap();
    let mut leg = running.leg().await;
    drop(socket.send(Message::text("x".repeat(100_000))).await);
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    let code = close_code(&mut socket).await;
    assert!(matches!(code, Some(1009) | None), "{code:?}");
}
