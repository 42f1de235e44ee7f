//! ElevenLabs below `/elevenlabs`: streamed speech and Scribe.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Field, KEY, Variant, form, pieces, refuse, sound, whole};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/elevenlabs/v1/text-to-speech/{voice}/stream", post(speak))
        .route("/elevenlabs/v1/speech-to-text", post(recognise))
}

pub(crate) fn error(status: u16) -> String {
    let (kind, message) = match status {
        400 => ("unsupported_language", "Model does not support language_code."),
        401 => ("invalid_api_key", "Invalid API key"),
        404 => ("voice_not_found", "A voice for the voice_id was not found."),
        429 => ("too_many_concurrent_requests", "Too many concurrent requests."),
        422 => {
            return json!({"detail": [{"loc": ["body", "text"], "msg": "Field required", "type": "missing"}]})
                .to_string();
        }
        _ => ("internal_error", "The words of the caller may be repeated here."),
    };
    json!({"detail": {"status": kind, "message": message}}).to_string()
}

fn signed(headers: &HeaderMap) -> bool {
    headers.get("xi-api-key").is_some_and(|key| key == KEY)
}

async fn speak(
    Path(voice): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    variant: Extension<Variant>,
    Json(body): Json<Value>,
) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    if variant.0.0 == "quota" {
        let body = json!({"detail": {"status": "quota_exceeded", "message": "This request exceeds your quota."}});
        return refuse(401, None, body.to_string());
    }
    if voice != "21m00Tcm4TlvDq8ikWAM" {
        return refuse(404, None, error(404));
    }
    let model = body["model_id"].as_str().unwrap_or("eleven_multilingual_v2");
    let languages: &[&str] = match model {
        "eleven_flash_v2_5" | "eleven_turbo_v2_5" => &["en", "hi", "ta"],
        "eleven_v3" => &["en", "hi", "ta", "te", "ml", "kn", "gu", "mr", "bn", "pa"],
        _ => &[],
    };
    if body["language_code"].as_str().is_some_and(|language| !languages.contains(&language)) {
        return refuse(400, None, error(400));
    }
    let speed = body.pointer("/voice_settings/speed").and_then(Value::as_f64).unwrap_or(1.0);
    let rate = query.get("output_format").and_then(|format| format.strip_prefix("pcm_")?.parse().ok());
    let rate = rate.filter(|rate| [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000].contains(rate));
    let (Some(rate), true) = (rate, body["text"].as_str().is_some_and(|text| !text.is_empty())) else {
        return refuse(422, None, error(422));
    };
    if !(0.7..=1.2).contains(&speed) {
        return refuse(422, None, error(422));
    }
    pieces("audio/pcm", sound::odd(&sound::bytes(&sound::tone(rate))))
}

async fn recognise(headers: HeaderMap, variant: Extension<Variant>, body: Bytes) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let fields = form(&headers, &body).unwrap_or_default();
    let text = |name: &str| fields.iter().find(|f| f.name == name).map(Field::text).unwrap_or_default();
    let file = fields.iter().find(|f| f.name == "file" && f.file_name.is_some());
    let known = ["", "eng", "hin", "tam", "tel", "mal", "kan", "guj", "mar", "ben", "pan", "ory"];
    let right = text("model_id").starts_with("scribe_") && known.contains(&text("language_code").as_str());
    if !right || !file.is_some_and(|file| sound::is_16k_wav(&file.content)) {
        return refuse(422, None, error(422));
    }
    if variant.0.0 == "silent" {
        let answer = json!({"language_code": "eng", "language_probability": 0.0, "text": "", "words": []});
        return whole("application/json", answer.to_string());
    }
    let language = Some(text("language_code")).filter(|code| !code.is_empty()).unwrap_or_else(|| "mal".to_owned());
    let word = |text: &str, kind: &str, logprob: f64| json!({"text": text, "start": 0.1, "end": 0.3, "type": kind, "logprob": logprob, "speaker_id": null});
    let answer = json!({"language_code": language, "language_probability": 0.96, "text": "അതെ പറയൂ",
        "words": [word("അതെ", "word", 0.0), word(" ", "spacing", -4.0), word("പറയൂ", "word", 0.5_f64.ln())],
        "transcription_id": "t1"});
    whole("application/json", answer.to_string())
}
