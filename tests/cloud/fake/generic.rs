//! A provider nobody heard of, below `/acme`: JSON of its own making for ears, mind and voice.

use axum::extract::{Extension, Path};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use serde_json::{Value, json};

use super::openai::tone;
use super::{KEY, Variant, pieces, refuse, whole};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/acme/{model}/hear", post(hear))
        .route("/acme/think", post(think))
        .route("/acme/speak", post(speak))
}

pub(crate) fn error(_status: u16) -> String {
    json!({"fault": "The words of the caller may be repeated here."}).to_string()
}

/// Key and fixed header as this provider wants them.
fn signed(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|v| v.as_bytes() == value.as_bytes());
    is("x-acme-key", KEY) && is("x-acme-tenant", "t1")
}

async fn hear(headers: HeaderMap, Path(model): Path<String>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let audio = BASE64_STANDARD.decode(body["input"]["wav"].as_str().unwrap_or_default()).unwrap_or_default();
    if model != "ears/1" || !audio.starts_with(b"RIFF") || body["input"]["hz"] != 16_000 {
        return refuse(422, None, error(422));
    }
    let language = body["lang"].as_str().unwrap_or("tam");
    let answer = json!({"out": [{"words": " हाँ बोलिए ", "sure": 0.75, "lang": language, "lang_sure": 0.6}]});
    whole("application/json", answer.to_string())
}

async fn think(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    if body["say"].as_str().is_none_or(str::is_empty) || !body["turns"].is_array() || !body["most"].is_u64() {
        return refuse(422, None, error(422));
    }
    if body["flow"] != true {
        let said = if variant.0.0 == "thinking" {
            "<think>He greets.</think>\nनमस्ते, जी।"
        } else {
            "नमस्ते, जी।"
        };
        return whole("application/json", json!({"said": said, "cost": {"in": 21, "out": 7}}).to_string());
    }
    let said = ["", "", "", "नम", "स्ते", ", जी।"].map(|text| format!("data: {}\n\n", json!({"bit": text})));
    let end = format!("data: {}\n\n", json!({"over": true, "cost": {"in": 21, "out": 7}}));
    pieces("text/event-stream", said.into_iter().chain([end]))
}

async fn speak(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    if body["words"].as_str().is_none_or(str::is_empty) || body["lang"] != "hin" || body["hz"] != 24_000 {
        return refuse(422, None, error(422));
    }
    match variant.0.0.as_str() {
        "raw" => pieces("application/octet-stream", tone().chunks(5_001).map(<[u8]>::to_vec).collect::<Vec<_>>()),
        _ => whole("application/json", json!({"clip": {"pcm": BASE64_STANDARD_NO_PAD.encode(tone())}}).to_string()),
    }
}
