//! Deepgram below `/deepgram`: `/v1/listen`, prerecorded and live.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::{Behaviour, KEY, Samples, Variant, farewell, refuse, send, sound, whole};

const LANGUAGES: [&str; 11] = ["en", "en-IN", "hi", "ta", "te", "kn", "bn", "mr", "gu", "pa", "multi"];

pub(crate) fn routes() -> Router {
    Router::new().route("/deepgram/v1/listen", post(prerecorded).get(live))
}

pub(crate) fn error(status: u16) -> String {
    let code = match status {
        400 => "Bad Request",
        401 => "INVALID_AUTH",
        402 => "ASR_PAYMENT_REQUIRED",
        429 => "TOO_MANY_REQUESTS",
        504 => "SLOW_UPLOAD",
        _ => "INTERNAL_SERVER_ERROR",
    };
    json!({"err_code": code, "err_msg": "The words of the caller may be repeated here.", "request_id": "d1"})
        .to_string()
}

/// The refusal of a request without the right key or parameters.
fn refusal(headers: &HeaderMap, query: &BTreeMap<String, String>) -> Option<Response> {
    let signed = headers.get("authorization").is_some_and(|v| v.as_bytes() == format!("Token {KEY}").as_bytes());
    if !signed {
        return Some(refuse(401, None, error(401)));
    }
    let detects = query.get("detect_language").is_some_and(|v| v == "true");
    let known = query.get("language").is_some_and(|language| LANGUAGES.contains(&language.as_str()));
    let right = known != detects && query.get("model").is_some_and(|model| model.starts_with("nova-3"));
    (!right).then(|| refuse(400, None, error(400)))
}

async fn prerecorded(
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    variant: Extension<Variant>,
    body: Bytes,
) -> Response {
    if let Some(refusal) = refusal(&headers, &query) {
        return refusal;
    }
    // The official SDK does not tell what kind of sound it sends; the provider looks for itself.
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !["audio/wav", "application/octet-stream"].contains(&kind) || !sound::is_16k_wav(&body) {
        return refuse(400, None, error(400));
    }
    let (text, confidence) = if variant.0.0 == "silent" { ("", 0.0) } else { ("हाँ बोलिए।", 0.98) };
    let mut best = json!({"transcript": text, "confidence": confidence, "words": []});
    if query.get("language").is_some_and(|language| language == "multi") {
        best["languages"] = json!(["hi", "en"]);
    }
    let mut channel = json!({"alternatives": [best]});
    if query.contains_key("detect_language") {
        channel["detected_language"] = "ta".into();
        channel["language_confidence"] = 0.93.into();
    }
    let answer = json!({
        "metadata": {"transaction_key": "deprecated", "request_id": "d2", "sha256": "00", "created": "2026-11-20T10:00:00Z",
            "duration": 0.5, "channels": 1, "models": ["m"], "model_info": {"m": {"name": "general-nova-3",
            "version": "2026-01-21.0", "arch": "nova-3"}}},
        "results": {"channels": [channel]},
    });
    whole("application/json", answer.to_string())
}

async fn live(
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    behaviour: Extension<Behaviour>,
    variant: Extension<Variant>,
    heard: Extension<Samples>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(refusal) = refusal(&headers, &query) {
        return refusal;
    }
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let mulaw = of("encoding") == "mulaw";
    let coded = [("linear16", "16000"), ("mulaw", "8000")].contains(&(of("encoding"), of("sample_rate")));
    if !coded || of("channels") != "1" {
        return refuse(400, None, error(400));
    }
    let multi = of("language") == "multi";
    upgrade.on_upgrade(move |socket| session(socket, multi, mulaw, behaviour.0, variant.0.0, heard.0))
}

fn results(text: &str, confidence: f64, is_final: bool, from_finalize: bool, multi: bool) -> Message {
    let mut best = json!({"transcript": text, "confidence": confidence, "words": []});
    if multi {
        best["languages"] = json!(["hi"]);
    }
    let message = json!({"type": "Results", "channel_index": [0, 1], "start": 0.0, "duration": 0.5,
        "is_final": is_final, "speech_final": false, "from_finalize": from_finalize,
        "channel": {"alternatives": [best]},
        "metadata": {"request_id": "d3", "model_info": {"name": "general-nova-3"}, "model_uuid": "m"}});
    Message::Text(message.to_string().into())
}

async fn session(
    mut socket: WebSocket,
    multi: bool,
    mulaw: bool,
    behaviour: Behaviour,
    variant: String,
    heard: Samples,
) {
    let close = |code: u16| Message::Close(Some(CloseFrame { code, reason: "NET-0001".into() }));
    if let Some(code) = variant.strip_prefix("close:") {
        let _ = socket.send(close(code.parse().unwrap())).await;
        farewell(&mut socket).await;
        return;
    }
    let (mut samples, mut finalized) = (0, false);
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Binary(audio) if !finalized && (mulaw || audio.len() & 1 == 0) && audio.len() <= 3_200 => {
                let came = if mulaw { audio.len() } else { audio.len() / 2 };
                heard.came(came);
                samples += came;
            }
            Message::Text(text) => {
                let command: Value = serde_json::from_str(&text).unwrap_or_default();
                match command["type"].as_str() {
                    Some("Finalize") => finalized = true,
                    Some("CloseStream") => break,
                    _ => return drop(socket.send(close(1_008)).await),
                }
            }
            _ => return drop(socket.send(close(1_008)).await),
        }
    }
    let metadata = json!({"type": "Metadata", "transaction_key": "deprecated", "request_id": "d3", "sha256": "00",
        "created": "2026-11-20T10:00:00Z", "duration": 0.5, "channels": 1});
    let metadata = Message::Text(metadata.to_string().into());
    let messages = match variant.as_str() {
        "silent" => vec![results("", 0.0, true, true, multi), metadata],
        "count" => vec![results(&samples.to_string(), 1.0, true, true, multi), metadata],
        "error" => {
            let error = json!({"type": "Error", "variant": "v", "code": "NET-0000", "description": "The words of the caller.",
                "message": "The words of the caller."});
            vec![Message::Text(error.to_string().into())]
        }
        _ => vec![
            results("हाँ", 0.5, false, false, multi),
            results("हाँ", 0.9, true, false, multi),
            Message::Text(json!({"type": "SpeechStarted", "channel": [0], "timestamp": 0.1}).to_string().into()),
            results("बोलिए।", 0.9, true, true, multi),
            metadata,
        ],
    };
    if send(&mut socket, &behaviour, messages).await {
        let _ = socket.send(close(1_000)).await;
    }
}
