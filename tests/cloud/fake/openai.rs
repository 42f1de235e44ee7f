//! OpenAI below `/openai/v1`, as servers that copy it speak too: chat completions, transcriptions,
//! speech.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{KEY, Variant, form, paced, pieces, refuse, whole};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/openai/v1/models", get(models))
        .route("/openai/v1/chat/completions", post(chat))
        .route("/openai/v1/audio/transcriptions", post(transcriptions))
        .route("/openai/v1/audio/speech", post(speech))
}

pub(crate) fn error(status: u16) -> String {
    let (kind, code) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        404 => ("invalid_request_error", json!("model_not_found")),
        429 => ("requests", json!("rate_limit_exceeded")),
        400 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    json!({"error": {"message": "The words of the caller may be repeated here.", "type": kind, "param": null, "code": code}})
        .to_string()
}

fn unsupported(param: &str, code: &str) -> Response {
    let body = json!({"error": {
        "message": format!("Unsupported parameter: '{param}' is not supported with this model."),
        "type": "invalid_request_error", "param": param, "code": code}});
    refuse(400, None, body.to_string())
}

fn signed(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|v| v.as_bytes() == format!("Bearer {KEY}").as_bytes())
}

async fn models(headers: HeaderMap) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    whole(
        "application/json",
        r#"{"object":"list","data":[{"id":"gpt-6-luna","object":"model","created":1790000000,"owned_by":"openai"}]}"#,
    )
}

async fn chat(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let messages = body["messages"].as_array().map_or(0, Vec::len);
    if body["model"].as_str().is_none_or(str::is_empty) || messages == 0 {
        return unsupported(if messages == 0 { "messages" } else { "model" }, "missing_required_parameter");
    }
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-C1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\
             \"model\":\"gpt-6-luna\",\"service_tier\":\"default\",\"system_fingerprint\":null,\"choices\":[{{\
             \"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let usage = "data: {\"id\":\"chatcmpl-C1\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\
        \"model\":\"gpt-6-luna\",\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":7,\
        \"total_tokens\":28,\"prompt_tokens_details\":{\"cached_tokens\":16,\"audio_tokens\":0}}}\n\n";
    let done = "data: [DONE]\n\n";
    let first = chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null");
    let [na, mas, te, full] =
        ["नम", "स्", "ते", ", जी।"].map(|text| chunk(&json!({"content": text}).to_string(), "null"));
    let stop = chunk("{}", "\"stop\"");
    let answer: Vec<String> = match variant.0.0.as_str() {
        // Reasoning models take neither of these.
        "strict" if body.get("temperature").is_some() => return unsupported("temperature", "unsupported_value"),
        "stubborn" => return unsupported("temperature", "unsupported_value"),
        "quota" => {
            let body = json!({"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota",
                "param": null, "code": "insufficient_quota"}});
            return refuse(429, None, body.to_string());
        }
        // What copies of the protocol do: comments, CRLF, reasoning, null, no usage, no [DONE].
        "copy" => [
            ": ping\r\n\r\n".to_owned(),
            chunk(r#"{"role":"assistant","content":null}"#, "\"\""),
            chunk(r#"{"reasoning_content":"The user greets me."}"#, "null"),
            chunk(r#"{"reasoning":"Say hello.","content":null}"#, "null"),
            na,
            mas,
            te,
            full,
            chunk(r#"{"content":""}"#, "\"length\""),
        ]
        .map(|piece| piece.replace("\n\n", "\r\n\r\n").replace("\r\r", "\r"))
        .into(),
        "in_stream_error" => vec![
            first,
            na,
            "data: {\"error\":{\"message\":\"The words of the caller.\",\"type\":\"server_error\",\"code\":null}}\n\n"
                .into(),
        ],
        // Word by word, at the pace of a quick model. It starts over when it is to go on.
        told if told.starts_with("tell:") => {
            let words = told.trim_start_matches("tell:").split_inclusive(' ');
            let words = words.map(|word| chunk(&json!({"content": word}).to_string(), "null"));
            let answer: Vec<String> =
                [first].into_iter().chain(words).chain([stop, usage.into(), done.into()]).collect();
            return paced("text/event-stream; charset=utf-8", answer, WORD);
        }
        _ => vec![first, na, mas, te, full, stop, usage.into(), done.into()],
    };
    pieces("text/event-stream; charset=utf-8", answer)
}

async fn transcriptions(headers: HeaderMap, variant: Extension<Variant>, body: Bytes) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    let Some(fields) = form(&headers, &body) else {
        return unsupported("file", "invalid_multipart");
    };
    let field = |name: &str| fields.iter().find(|f| f.name == name);
    let file = field("file").filter(|f| f.file_name.is_some()).map(|f| f.content.clone()).unwrap_or_default();
    let text = |name: &str| field(name).map(super::Field::text).unwrap_or_default();
    let (model, format) = (text("model"), text("response_format"));
    if model.is_empty() {
        return unsupported("model", "missing_required_parameter");
    }
    if !file.starts_with(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
        return unsupported("file", "invalid_value");
    }
    let answer = match variant.0.0.as_str() {
        "verbose" => json!({"task": "transcribe", "language": "hindi", "duration": 0.5, "text": " हाँ बोलिए",
            "segments": [{"id": 0, "start": 0.0, "end": 0.5, "text": " हाँ बोलिए", "avg_logprob": -0.2, "no_speech_prob": 0.01}]}),
        "silent" => json!({"text": ""}),
        said if said.starts_with("text:") => json!({"text": said.trim_start_matches("text:")}),
        said if said.starts_with("later:") => {
            tokio::time::sleep(RECOGNITION).await;
            json!({"text": said.trim_start_matches("later:")})
        }
        _ if format == "text" => return whole("text/plain; charset=utf-8", "हाँ बोलिए\n"),
        _ => {
            json!({"text": "हाँ बोलिए", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}})
        }
    };
    whole("application/json", answer.to_string())
}

/// Half a second of a 440 Hz tone at 24 kHz.
pub(crate) fn tone() -> Vec<u8> {
    (0..12_000_u32)
        .flat_map(|n| {
            let phase = f64::from(n) * 440.0 * std::f64::consts::TAU / 24_000.0;
            ((phase.sin() * 8_000.0) as i16).to_le_bytes()
        })
        .collect()
}

/// How far a language model's words are apart, and the pieces of sound of 100 ms each; how long
/// recognition takes. Only where a variant says so.
const WORD: Duration = Duration::from_millis(40);
const SOUND: Duration = Duration::from_millis(60);
const RECOGNITION: Duration = Duration::from_millis(150);

async fn speech(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if !signed(&headers) {
        return refuse(401, None, error(401));
    }
    for field in ["model", "input", "voice"] {
        if body[field].as_str().is_none_or(str::is_empty) {
            return unsupported(field, "missing_required_parameter");
        }
    }
    if body["response_format"] != "pcm" {
        return unsupported("response_format", "unsupported_value");
    }
    if variant.0.0 == "paced" {
        let chars = body["input"].as_str().unwrap_or_default().chars().count();
        // As long as it takes to say it, in pieces of 100 ms.
        let sound: Vec<u8> = tone().into_iter().cycle().take(chars * 45 * 24).collect();
        return paced("audio/pcm", sound.chunks(4_800).map(<[u8]>::to_vec).collect::<Vec<_>>(), SOUND);
    }
    // Odd pieces: samples are cut in two.
    pieces("audio/pcm", tone().chunks(4_801).map(<[u8]>::to_vec).collect::<Vec<_>>())
}
