//! Sarvam below `/sarvam`: recognition over HTTP and over the realtime socket, streamed speech.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Behaviour, Field, KEY, Samples, Variant, farewell, form, pieces, refuse, send, sound, whole};

const LANGUAGES: [&str; 13] = [
    "hi-IN", "bn-IN", "kn-IN", "ml-IN", "mr-IN", "pa-IN", "ta-IN", "te-IN", "en-IN", "gu-IN", "as-IN", "ur-IN", "ne-IN",
];

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/sarvam/speech-to-text", post(recognise))
        .route("/sarvam/speech-to-text-realtime/ws", get(realtime))
        .route("/sarvam/text-to-speech/stream", post(speak))
}

pub(crate) fn error(status: u16) -> String {
    let code = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "invalid_api_key_error",
        404 => "not_found_error",
        422 => "unprocessable_entity_error",
        429 => "rate_limit_exceeded_error",
        504 => "gateway_timeout_error",
        _ => "internal_server_error",
    };
    let message = "The words of the caller may be repeated here.";
    json!({"error": {"request_id": "20261120_s1", "message": message, "code": code}}).to_string()
}

fn signed(headers: &HeaderMap) -> bool {
    headers.get("api-subscription-key").is_some_and(|key| key == KEY)
}

async fn recognise(headers: HeaderMap, variant: Extension<Variant>, body: Bytes) -> Response {
    if !signed(&headers) {
        return refuse(403, None, error(403));
    }
    let fields = form(&headers, &body).unwrap_or_default();
    let text = |name: &str| fields.iter().find(|f| f.name == name).map(Field::text).unwrap_or_default();
    let file = fields.iter().find(|f| f.name == "file" && f.file_name.is_some());
    let language = text("language_code");
    let known = LANGUAGES.contains(&language.as_str()) || ["unknown", "od-IN"].contains(&language.as_str());
    if !known || !["saaras:v3", "saaras:v4"].contains(&text("model").as_str()) {
        return refuse(400, None, error(400));
    }
    if !file.is_some_and(|file| sound::is_16k_wav(&file.content)) {
        return refuse(422, None, error(422));
    }
    if variant.0.0 == "quota" {
        let body = error(429).replace("rate_limit_exceeded_error", "insufficient_quota_error");
        return refuse(429, None, body);
    }
    let transcript = if variant.0.0 == "silent" { "" } else { "ହଁ କୁହନ୍ତୁ" };
    let (language, probability) = match (language.as_str(), variant.0.0.as_str()) {
        (_, "silent") => (Value::Null, Value::Null),
        ("unknown", "urdu") => ("ur-IN".into(), json!(0.91)),
        ("unknown", _) => ("od-IN".into(), json!(0.98)),
        (told, _) => (told.into(), Value::Null),
    };
    let answer = json!({"request_id": "20261120_s2", "transcript": transcript, "timestamps": null,
        "diarized_transcript": null, "language_code": language, "language_probability": probability});
    whole("application/json", answer.to_string())
}

async fn realtime(
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    behaviour: Extension<Behaviour>,
    variant: Extension<Variant>,
    heard: Extension<Samples>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let signed = signed(&headers);
    upgrade.on_upgrade(move |socket| session(socket, signed, query, behaviour.0, variant.0.0, heard.0))
}

/// An error, then the closing code that goes with it.
async fn reject(socket: &mut WebSocket, code: &str, status: u16, close: u16) {
    let error = json!({"event": "error", "code": code, "is_fatal": true, "message": "The words of the caller.",
        "status_code": status});
    let _ = socket.send(Message::Text(error.to_string().into())).await;
    let _ = socket.send(Message::Close(Some(CloseFrame { code: close, reason: "rejected".into() }))).await;
    farewell(socket).await;
}

async fn session(
    mut socket: WebSocket,
    signed: bool,
    query: BTreeMap<String, String>,
    behaviour: Behaviour,
    variant: String,
    heard: Samples,
) {
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let language = of("language_code").to_owned();
    if !signed {
        return reject(&mut socket, "invalid_api_key_error", 403, 1_003).await;
    }
    let known = LANGUAGES.contains(&language.as_str()) || ["auto", "or-IN"].contains(&language.as_str());
    let model = ["saaras:v3-realtime", "saaras:v4"].contains(&of("model"));
    let mulaw = of("encoding") == "mulaw";
    let coded =
        [("linear16", "16000"), ("mulaw", "8000"), ("mulaw", "16000")].contains(&(of("encoding"), of("sample_rate")));
    if !known || !model || !coded || of("endpointing") != "manual" {
        return reject(&mut socket, "invalid_request_error", 400, 4_000).await;
    }
    let text = |message: Value| Message::Text(message.to_string().into());
    let begin = json!({"event": "session.begin", "request_id": "20261120_s3", "config": {"language_code": language,
        "model": of("model"), "encoding": of("encoding"), "sample_rate": of("sample_rate").parse::<u32>().unwrap(), "turn_detection": "manual"}});
    if socket.send(text(begin)).await.is_err() {
        return;
    }
    if let Some(code) = variant.strip_prefix("close:") {
        let frame = CloseFrame { code: code.parse().unwrap(), reason: "".into() };
        let _ = socket.send(Message::Close(Some(frame))).await;
        farewell(&mut socket).await;
        return;
    }
    // speech_start, audio, speech_end, end: nothing else and in this order.
    let (mut samples, mut step) = (0, 0);
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(message) = message else { continue };
        let message: Value = serde_json::from_str(&message).unwrap_or_default();
        step = match (step, message["event"].as_str().unwrap_or_default()) {
            (0, "speech_start") => 1,
            (1, "audio_input") => {
                let audio = STANDARD.decode(message["audio"].as_str().unwrap_or_default()).unwrap_or_default();
                let whole = mulaw || audio.len() & 1 == 0;
                if audio.is_empty() || !whole || audio.len() > 3_200 {
                    return reject(&mut socket, "invalid_audio", 400, 4_000).await;
                }
                let came = if mulaw { audio.len() } else { audio.len() / 2 };
                heard.came(came);
                samples += came;
                1
            }
            (1, "speech_end") => 2,
            (2, "end") => break,
            _ => return reject(&mut socket, "invalid_event", 400, 4_000).await,
        };
    }
    let mut last = json!({"event": "transcript.final", "utterance_idx": 0, "text": "ହଁ କୁହନ୍ତୁ"});
    if variant == "count" {
        last["text"] = samples.to_string().into();
    }
    if language == "auto" {
        last["language"] = "or-IN".into();
        last["language_confidence"] = 0.97.into();
    }
    let mut messages = vec![
        text(json!({"event": "error", "code": "invalid_config", "is_fatal": false, "message": "m"})),
        text(last),
        text(json!({"event": "session.end", "request_id": "20261120_s3", "total_duration_s": 1.0,
            "total_utterances": 1, "audio_duration_s": 0.5})),
    ];
    if variant == "silent" {
        messages.remove(1);
    }
    if send(&mut socket, &behaviour, messages).await {
        let _ = socket.send(Message::Close(Some(CloseFrame { code: 1_000, reason: "".into() }))).await;
    }
}

async fn speak(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(403, None, error(403));
    }
    let key = if variant.0.0 == "old" { "target_language_code" } else { "language_code" };
    let language = body[key].as_str().unwrap_or_default();
    let known = LANGUAGES.contains(&language) || language == "od-IN";
    let rate = body["speech_sample_rate"].as_u64().unwrap_or(22_050) as u32;
    let pace = body["pace"].as_f64().unwrap_or(1.0);
    let right = known
        && body["text"].as_str().is_some_and(|text| !text.is_empty())
        && ["bulbul:v2", "bulbul:v3", "bulbul:v4-flash"].contains(&body["model"].as_str().unwrap_or("bulbul:v3"))
        && [8_000, 16_000, 22_050, 24_000].contains(&rate)
        && (0.5..=2.0).contains(&pace)
        && body["output_audio_codec"] == "linear16";
    if !right {
        return refuse(400, None, error(400));
    }
    match variant.0.0.as_str() {
        "wav" => pieces("audio/wav", sound::odd(&sound::wav(rate, &sound::tone(rate)))),
        "mp3" => pieces("audio/mpeg", [b"\xff\xf3mp3".to_vec()]),
        _ => pieces("audio/L16", sound::odd(&sound::bytes(&sound::tone(rate)))),
    }
}
