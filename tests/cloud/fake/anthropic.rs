//! Anthropic below `/anthropic`: messages.

use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{KEY, Variant, pieces, refuse};

pub(crate) fn routes() -> Router {
    Router::new().route("/anthropic/v1/messages", post(messages))
}

pub(crate) fn error(status: u16) -> String {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    refusal(kind, "The words of the caller may be repeated here.")
}

fn refusal(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"})
        .to_string()
}

fn invalid(message: &str) -> Response {
    refuse(400, None, refusal("invalid_request_error", message))
}

async fn messages(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if header("x-api-key") != KEY && header("authorization") != format!("Bearer {KEY}") {
        return refuse(401, None, refusal("authentication_error", "invalid x-api-key"));
    }
    let version = header("anthropic-version");
    if version.is_empty() {
        return invalid("anthropic-version: header is required");
    }
    for field in ["model", "max_tokens", "messages"] {
        if body[field].is_null() {
            return invalid(&format!("{field}: Field required"));
        }
    }
    if version != "2023-06-01" && ["temperature", "top_p", "top_k"].iter().any(|field| !body[*field].is_null()) {
        return invalid("temperature: Extra inputs are not permitted");
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    if messages.first().is_none_or(|first| first["role"] != "user") {
        return invalid("messages: first message must use the \"user\" role");
    }
    if messages
        .iter()
        .any(|message| message["role"] == "system" || message["content"].as_str().is_some_and(str::is_empty))
    {
        return invalid("messages: text content blocks must be non-empty");
    }
    let event = |name: &str, data: &str| format!("event: {name}\ndata: {data}\n\n");
    let delta = |text: &str| {
        event(
            "content_block_delta",
            &format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#),
        )
    };
    let start = event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_01EqZ","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":12,"output_tokens":1,"service_tier":"standard"}}}"#,
    );
    let block = event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    );
    let answer = match variant.0.0.as_str() {
        "overloaded" => vec![
            start,
            block,
            delta("नम"),
            event("error", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        ],
        "future" => vec![
            event("from_the_future", r#"{"type":"from_the_future","text":"x"}"#),
            start,
            event(
                "content_block_start",
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            ),
            event(
                "content_block_delta",
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"He greets."}}"#,
            ),
            event(
                "content_block_delta",
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}"#,
            ),
            event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
            delta("नमस्ते, जी।"),
            event(
                "message_delta",
                r#"{"type":"message_delta","delta":{"stop_reason":"pause_turn","stop_sequence":null},"usage":{"output_tokens":7}}"#,
            ),
            event("message_stop", r#"{"type":"message_stop"}"#),
        ],
        _ => vec![
            start,
            block,
            event("ping", r#"{"type": "ping"}"#),
            delta("नम"),
            delta("स्ते"),
            delta(", जी।"),
            event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
            event(
                "message_delta",
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}"#,
            ),
            event("message_stop", r#"{"type":"message_stop"}"#),
        ],
    };
    pieces("text/event-stream; charset=utf-8", answer)
}
