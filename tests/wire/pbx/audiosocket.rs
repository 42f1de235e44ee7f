//! Whole calls over AudioSocket, and those nobody announced.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vaani::telephony::audiosocket::carrier::{DialError, DialOptions};
use vaani::telephony::far::Side;
use vaani::telephony::leg::{LegEnd, Refusal};

use super::*;

fn options(running: &TestBox) -> DialOptions {
    DialOptions::new(running.url.clone(), running.audiosocket.clone(), Some(Secret::new(TOKEN)))
}

#[tokio::test]
async fn a_call_is_heard_and_answered_at_both_rates() {
    for rate in [8_000, 16_000] {
        let mut running = Setup::default().start().await;
        let mut dialled = options(&running);
        dialled.rate = rate;
        dialled.language = Some(Lang::Hi);
        let id = dialled.uuid.to_string();
        let mut far = dialled.dial(&running.tasks, running.clock).await.unwrap();
        let mut leg = running.leg().await;
        assert_eq!(leg.language, Some(Lang::Hi));
        the_caller_is_heard(&far, &mut leg).await;
        the_box_is_heard(&mut far, &mut leg).await;
        command(&leg, LegCommand::Hangup).await;
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
        let end = far.end().await.unwrap();
        assert_eq!((end.by, end.underruns, end.violations), (Side::Box, 0, vec![]), "{rate}");
        let announced = running.exchange.announced.lock().unwrap().clone();
        assert_eq!((announced[0].transport, announced[0].carrier_call.as_str()), ("audiosocket", id.as_str()));
        assert_eq!(announced[0].from.as_ref().map(|p| p.reveal().to_owned()).as_deref(), Some("+919876543210"));
    }
}

#[tokio::test]
async fn little_is_heard_after_a_clear() {
    let mut running = Setup::default().start().await;
    let mut far = options(&running).dial(&running.tasks, running.clock).await.unwrap();
    let mut leg = running.leg().await;
    for frame in tone(50).chunks(160) {
        command(&leg, LegCommand::Audio(frame.to_vec())).await;
    }
    command(&leg, LegCommand::Mark(7)).await;
    let mut loud = 0;
    while loud < 5 {
        if let Heard::Frame(played) = timeout(PATIENCE, far.hear()).await.unwrap().unwrap() {
            loud += usize::from(is_loud(&played.pcm));
        }
    }
    command(&leg, LegCommand::Clear).await;
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkFlushed(7)));
    let mut after = 0;
    for _ in 0..40 {
        if let Heard::Frame(played) = timeout(PATIENCE, far.hear()).await.unwrap().unwrap() {
            after += usize::from(is_loud(&played.pcm));
        }
    }
    // What was on its way: 60 ms, and what a busy machine adds.
    assert!(after <= 12, "{after} frames after the clear");
    far.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
}

#[tokio::test]
async fn an_id_that_nobody_announced_is_refused_unless_strangers_are_allowed() {
    let here = vec!["127.0.0.0/8"];
    for (setup, taken) in [
        (Setup::default(), false),
        (Setup { anonymous: true, ..Setup::default() }, false),
        (Setup { networks: here.clone(), ..Setup::default() }, false),
        (Setup { anonymous: true, token: None, networks: here, ..Setup::default() }, true),
        (Setup { anonymous: true, networks: vec!["10.0.0.0/8"], ..Setup::default() }, false),
    ] {
        let mut running = setup.start().await;
        let mut dialled = options(&running);
        dialled.base_url = None;
        let far = dialled.dial(&running.tasks, running.clock).await.unwrap();
        if taken {
            running.leg().await;
            assert_eq!(running.exchange.announced.lock().unwrap()[0].from, None);
        } else {
            far.end().await.unwrap();
            assert_eq!((running.audiosockets.refused_peers.get(), running.exchange.calls()), (1, 0));
        }
    }
}

#[tokio::test]
async fn an_announcement_needs_the_token_and_room() {
    let running = Setup::default().start().await;
    let mut dialled = options(&running);
    dialled.token = None;
    let refused = dialled.dial(&running.tasks, running.clock).await.unwrap_err();
    assert!(matches!(refused, DialError::Refused { status: 401, .. }), "{refused}");
    *running.exchange.refuse.lock().unwrap() = Some(Refusal::Draining);
    let busy = options(&running).dial(&running.tasks, running.clock).await.unwrap_err();
    assert!(matches!(&busy, DialError::Refused { status: 503, text } if text == "busy"), "{busy}");
}

#[tokio::test]
async fn an_id_opens_one_socket() {
    let mut running = Setup::default().start().await;
    let dialled = options(&running);
    let mut again = dialled.clone();
    let first = dialled.dial(&running.tasks, running.clock).await.unwrap();
    let _leg = running.leg().await;
    again.base_url = None;
    let second = again.dial(&running.tasks, running.clock).await.unwrap();
    second.end().await.unwrap();
    assert_eq!(running.audiosockets.refused_peers.get(), 1);
    drop(first);
}

#[tokio::test]
async fn peers_that_misbehave_are_let_go() {
    let running = Setup::default().start().await;
    // Nothing, noise, and a packet that never ends.
    for said in [&b""[..], b"GET / HTTP/1.1\r\nHost: box\r\n\r\n", &[0x01, 0x00, 0x10, 1, 2, 3]] {
        let mut peer = TcpStream::connect(&running.audiosocket).await.unwrap();
        peer.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, peer.read_to_end(&mut rest)).await.expect("closed in time").unwrap();
        assert!(rest.len() <= 3, "{rest:?}");
    }
    until("three refused streams", || running.audiosockets.streams.refused.get() == 3).await;
    assert_eq!(running.exchange.calls(), 0);
}
