//! One watcher's WebSocket.

use axum::extract::ws::{CloseFrame, Message, WebSocket};

use super::hub::{Told, Watcher};
use crate::base::limits;
use crate::base::tasks::Scope;

/// "Going away": come again.
const AGAIN: u16 = 1001;

/// Tells the watcher what comes until it goes, is too slow, or has watched for long enough: who may
/// watch is looked at anew when it comes again.
pub(super) async fn serve(mut socket: WebSocket, mut watcher: Watcher, tasks: Scope) {
    let until = tokio::time::Instant::now() + limits::LIVE_WATCH_MAX;
    let mut beat = tokio::time::interval(limits::LIVE_HEARTBEAT);
    loop {
        let message = tokio::select! {
            told = watcher.next() => match told {
                Some(Told::Event { id, json, .. }) => event(&id, &json),
                Some(Told::Missed(count)) => format!("{{\"event\":\"missed\",\"missed\":{count}}}"),
                None => break,
            },
            _ = beat.tick() => "{\"event\":\"beat\"}".to_owned(),
            came = socket.recv() => match came {
                // Whatever a watcher says is not for us; the socket answers pings itself.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            () = tasks.stopped() => break,
            () = tokio::time::sleep_until(until) => break,
        };
        let sent = tokio::time::timeout(limits::LIVE_WRITE_MAX, socket.send(Message::Text(message.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    let close = Message::Close(Some(CloseFrame { code: AGAIN, reason: "come again".into() }));
    let _ = tokio::time::timeout(limits::LIVE_WRITE_MAX, socket.send(close)).await;
}

/// The record with its id in front.
fn event(id: &str, json: &str) -> String {
    format!("{{\"id\":\"{id}\",{}", json.strip_prefix('{').unwrap_or("}"))
}
