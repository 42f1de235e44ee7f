//! Peers of the media routes that misbehave.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use vaani::telephony::leg::LegEnd;

use super::*;

const START: &str = "MEDIA_START connection_id:c1 channel:WebSocket/a/1 format:ulaw optimal_frame_size:160";

async fn socket(running: &TestBox, path: &str) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let request = running.url.socket(&format!("{path}?token={TOKEN}")).into_client_request().unwrap();
    let host = running.url.webhook("").split_once("://").unwrap().1.to_owned();
    tokio_tungstenite::client_async(request, TcpStream::connect(host).await.unwrap()).await.unwrap().0
}

async fn close_code(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Option<u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a close in time") {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn noise_is_skipped_and_the_call_goes_on() {
    let mut running = Setup::default().start().await;
    let mut socket = socket(&running, "/ast/media").await;
    socket.send(Message::text(START)).await.unwrap();
    let mut leg = running.leg().await;
    for text in ["", "{", "HOLOGRAM", START, "{\"event\":7}", "DTMF_END digit:x", "MEDIA_MARK_PROCESSED"] {
        socket.send(Message::text(text)).await.unwrap();
    }
    socket.send(Message::text("DTMF_END digit:8")).await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Dtmf('8')));
    socket.send(Message::binary(vec![0xFF; 160])).await.unwrap();
    assert!(matches!(leg.events.recv().await, Some(LegEvent::Audio { .. })));
    drop(socket);
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)), "a line that breaks is lost");
    until("a lost stream", || running.asterisk.streams.lost.get() == 1).await;
}

#[tokio::test]
async fn a_message_that_is_too_big_ends_the_leg() {
    let mut running = Setup::default().start().await;
    let mut socket = socket(&running, "/ast/media").await;
    socket.send(Message::text(START)).await.unwrap();
    let mut leg = running.leg().await;
    socket.send(Message::binary(vec![0; 70_000])).await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    assert!(matches!(close_code(&mut socket).await, None | Some(1009)));
}

#[tokio::test]
async fn a_format_nobody_can_change_is_refused_with_what_to_write() {
    let running = Setup::default().start().await;
    let mut socket = socket(&running, "/ast/media").await;
    socket.send(Message::text(START.replace("ulaw", "opus"))).await.unwrap();
    assert_eq!(close_code(&mut socket).await, Some(1003));
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn a_call_that_ends_without_a_word_ends_the_channel() {
    let mut running = Setup::default().start().await;
    let mut socket = socket(&running, "/ast/media").await;
    socket.send(Message::text(START)).await.unwrap();
    let leg = running.leg().await;
    drop(leg);
    let mut said = Vec::new();
    while let Some(Ok(message)) = timeout(PATIENCE, socket.next()).await.expect("in time") {
        match message {
            Message::Text(text) => said.push(text.as_str().to_owned()),
            Message::Close(frame) => {
                assert_eq!(frame.map(|f| f.code.into()), Some(1000_u16));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(said, ["ANSWER", "HANGUP"]);
}
