//! AWS Bedrock at `/model/…`: Converse stream. The signature is computed here a second time, by the
//! book and without the crate that the adapter uses, and so are the frames.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::post;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{KEY, Variant, pieces, refuse};

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SESSION_TOKEN: &str = "session/token+of=the/test";

pub(crate) fn routes() -> Router {
    Router::new().route("/model/{id}/converse-stream", post(converse))
}

pub(crate) fn error(_status: u16) -> String {
    json!({"message": "The words of the caller may be repeated here."}).to_string()
}

fn exception(status: u16, kind: &str, message: &str) -> Response {
    let mut response = refuse(status, None, json!({"message": message}).to_string());
    if let Ok(kind) = format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/").parse() {
        response.headers_mut().insert("x-amzn-errortype", kind);
    }
    response
}

async fn converse(uri: Uri, headers: HeaderMap, variant: Extension<Variant>, bytes: Bytes) -> Response {
    let authorization = text(&headers, "authorization");
    let signed = authorization == format!("Bearer {KEY}") || signature(&uri, &headers, &bytes) == Some(authorization);
    if !signed {
        let message = "The request signature we calculated does not match the signature you provided.";
        return exception(403, "InvalidSignatureException", message);
    }
    if headers.contains_key("x-amz-date") && text(&headers, "x-amz-security-token") != SESSION_TOKEN {
        return exception(403, "UnrecognizedClientException", "The security token included in the request is invalid.");
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let alternate = messages.iter().enumerate().all(|(n, m)| m["role"] == ["user", "assistant"][n % 2]);
    let filled = messages.iter().all(|m| m["content"][0]["text"].as_str().is_some_and(|t| !t.is_empty()));
    if messages.is_empty() || !alternate || !filled {
        return exception(
            400,
            "ValidationException",
            "A conversation must alternate between user and assistant roles.",
        );
    }
    let delta = |text: &str| event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}));
    let start = event("messageStart", &json!({"p": "abcdefgh", "role": "assistant"}));
    let end = [
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event(
            "metadata",
            &json!({"metrics": {"latencyMs": 312}, "usage": {"inputTokens": 9, "outputTokens": 7, "totalTokens": 28,
                "cacheReadInputTokens": 12, "cacheWriteInputTokens": 0}}),
        ),
    ];
    let thought = event(
        "contentBlockDelta",
        &json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "He greets."}}}),
    );
    let answer = match variant.0.0.as_str() {
        "throttled" => vec![
            start,
            delta("नम"),
            frame(
                &[
                    (":exception-type", "throttlingException"),
                    (":content-type", "application/json"),
                    (":message-type", "exception"),
                ],
                br#"{"message":"Too many tokens, please wait before trying again."}"#,
            ),
        ],
        _ => [vec![start, thought, delta("नम"), delta("स्ते"), delta(", जी।")], end.to_vec()].concat(),
    };
    pieces("application/vnd.amazon.eventstream", answer)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The `Authorization` that this request should have (AWS, "Create a signed AWS API request").
fn signature<'a>(uri: &Uri, headers: &'a HeaderMap, body: &[u8]) -> Option<&'a str> {
    let given = text(headers, "authorization");
    let scope = given
        .strip_prefix("AWS4-HMAC-SHA256 Credential=")?
        .split_once(',')?
        .0
        .strip_prefix(ACCESS_KEY)?
        .strip_prefix('/')?;
    let names = given.split_once("SignedHeaders=")?.1.split_once(',')?.0;
    let time = text(headers, "x-amz-date");
    let [date, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else { return None };
    if service != "bedrock" || !time.starts_with(date) || !names.contains("host") {
        return None;
    }
    // The path as it is on the wire is escaped once more.
    let path = uri.path().replace('%', "%25");
    let mut canonical = format!("POST\n{path}\n\n");
    for name in names.split(';') {
        let _ = writeln!(canonical, "{name}:{}", text(headers, name).trim());
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(body)));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = mac(format!("AWS4{KEY}").as_bytes(), date)?;
    for step in [region, service, "aws4_request"] {
        key = mac(&key, step)?;
    }
    let right = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={}",
        hex(&mac(&key, &to_sign)?)
    );
    (right == given).then_some(given)
}

fn mac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend(name.as_bytes());
        // 7: a string.
        head.push(7);
        head.extend((value.len() as u16).to_be_bytes());
        head.extend(value.as_bytes());
    }
    let mut frame = Vec::new();
    frame.extend((16 + head.len() as u32 + payload.len() as u32).to_be_bytes());
    frame.extend((head.len() as u32).to_be_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(head);
    frame.extend(payload);
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

/// CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
