//! Azure Speech below `/azure`: short audio and SSML.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::json;

use super::{KEY, Variant, pieces, refuse, sound, whole};

const LOCALES: [&str; 11] =
    ["en-IN", "hi-IN", "ta-IN", "te-IN", "ml-IN", "kn-IN", "gu-IN", "mr-IN", "bn-IN", "pa-IN", "or-IN"];

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/azure/speech/recognition/conversation/cognitiveservices/v1", post(recognise))
        .route("/azure/cognitiveservices/v1", post(speak))
}

pub(crate) fn error(status: u16) -> String {
    let message = "Access denied due to invalid subscription key or wrong API endpoint.";
    json!({"error": {"code": status.to_string(), "message": message}}).to_string()
}

fn signed(headers: &HeaderMap) -> bool {
    headers.get("ocp-apim-subscription-key").is_some_and(|key| key == KEY)
}

async fn recognise(
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    variant: Extension<Variant>,
    body: Bytes,
) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind != "audio/wav; codecs=audio/pcm; samplerate=16000" {
        return refuse(415, None, error(415));
    }
    if !LOCALES.contains(&of("language")) || of("format") != "detailed" || !sound::is_16k_wav(&body) {
        return refuse(400, None, error(400));
    }
    let answer = match variant.0.0.as_str() {
        "silent" => json!({"RecognitionStatus": "InitialSilenceTimeout", "Offset": 5_000_000, "Duration": 0}),
        "nomatch" => json!({"RecognitionStatus": "NoMatch", "Offset": 0, "Duration": 0}),
        "error" => json!({"RecognitionStatus": "Error", "Offset": 0, "Duration": 0}),
        _ => json!({"RecognitionStatus": "Success", "Offset": 300_000, "Duration": 5_000_000,
            "DisplayText": "అవును చెప్పండి.", "NBest": [{"Confidence": 0.87, "Lexical": "అవును చెప్పండి",
            "ITN": "అవును చెప్పండి", "MaskedITN": "అవును చెప్పండి", "Display": "అవును చెప్పండి."}]}),
    };
    whole("application/json; charset=utf-8", answer.to_string())
}

async fn speak(headers: HeaderMap, body: String) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let of = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if of("content-type") != "application/ssml+xml" {
        return refuse(415, None, error(415));
    }
    let rate = match of("x-microsoft-outputformat") {
        "raw-8khz-16bit-mono-pcm" => 8_000,
        "raw-16khz-16bit-mono-pcm" => 16_000,
        "raw-24khz-16bit-mono-pcm" => 24_000,
        "raw-48khz-16bit-mono-pcm" => 48_000,
        _ => return refuse(400, None, error(400)),
    };
    let voice = body.split_once("<voice name=\"").and_then(|(_, rest)| rest.split_once('"'));
    let voice = voice.is_some_and(|(name, _)| LOCALES.iter().any(|l| name.starts_with(l)) && name.ends_with("Neural"));
    if of("user-agent").is_empty() || !voice || !well_formed(&body) {
        return refuse(400, None, error(400));
    }
    pieces("audio/basic", sound::odd(&sound::bytes(&sound::tone(rate))))
}

/// Every element is closed, in order.
fn well_formed(text: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
