//! AWS Bedrock's Converse stream: Signature Version 4 (or a Bearer key), answers in binary frames.
//! Promise: the time in a signature is read anew for each request; no frame is waited for that is
//! larger than any answer could need.
//!
//! The base address is the region's `https://bedrock-runtime.….amazonaws.com`, the model an id, a
//! profile or an ARN. Options: `sampling` (true: the temperature is sent), `body` (see
//! [`Endpoint::extend`]), for instance `performanceConfig`. A grammar is told in words.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message as Frame;
use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use reqwest::Client;
use serde_json::{Map, Value, json};
use url::Url;

use super::template::escaped;
use super::writing::{self, Piece, Reader, Tokens, Wrong, count};
use super::{Auth, Endpoint, http};
use crate::ai::llm::{Llm, LlmRequest, LlmStream};
use crate::ai::{Fault, FaultKind};
use crate::base::{CallId, Clock};

const JSON: &str = "application/json";
/// Bytes of one frame; the protocol's own bound is 16 MiB, a piece of text needs a few hundred.
const FRAME_MAX: usize = 1 << 20;

pub fn llm(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Llm> {
    Arc::new(Converse { endpoint, http, clock })
}

struct Converse {
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
}

impl Llm for Converse {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let (endpoint, http, clock) = (self.endpoint.clone(), self.http.clone(), self.clock);
        let ask = async move {
            let url = endpoint.url(&format!("model/{}/converse-stream", escaped(&endpoint.model)));
            let body = Value::Object(body(&endpoint, &request)).to_string();
            let headers = signature(&endpoint, &url, body.as_bytes(), clock.wall())?;
            let mut post = http.post(url).header("content-type", JSON);
            for (name, value) in headers {
                post = post.header(name, value);
            }
            http::send(post.body(body), &endpoint).await
        };
        writing::stream(self.endpoint.clone(), self.clock, ask.boxed(), Frames::default())
    }

    /// Nothing is kept of a call.
    fn forget(&self, _call: CallId) {}
}

fn body(endpoint: &Endpoint, request: &LlmRequest) -> Map<String, Value> {
    let (system, turns) = writing::turns(&request.messages, request.grammar.as_deref());
    let messages: Vec<Value> =
        turns.iter().map(|(role, text)| json!({"role": role, "content": [{"text": text}]})).collect();
    let mut inference = json!({"maxTokens": request.max_tokens.max(1)});
    if endpoint.options.get("sampling") != Some(&Value::Bool(false)) {
        inference["temperature"] = json!(writing::temperature(request.temperature));
    }
    let mut body = Map::new();
    body.insert("messages".into(), json!(messages));
    if !system.is_empty() {
        body.insert("system".into(), json!([{"text": system}]));
    }
    body.insert("inferenceConfig".into(), inference);
    endpoint.extend(&mut body);
    body
}

/// The headers that sign a request made at `wall` (since 1970).
fn signature(endpoint: &Endpoint, url: &Url, body: &[u8], wall: Duration) -> Result<Vec<(String, String)>, Fault> {
    let Auth::SigV4 { access_key, secret_key, session_token, region } = &endpoint.auth else {
        return Ok(endpoint.auth_header().into_iter().collect());
    };
    // Whatever cannot be signed comes from the configuration; the crate's words may hold parts of it.
    let unsigned = || endpoint.fault(FaultKind::Denied, "the request cannot be signed");
    let token = session_token.as_ref().map(|token| token.expose().to_owned());
    let identity = Credentials::new(access_key, secret_key.expose(), token, None, "configuration").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("bedrock")
        .time(UNIX_EPOCH + wall)
        // Encodes the path once more, as this service wants it.
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| unsigned())?
        .into();
    let headers = std::iter::once(("content-type", JSON));
    let request =
        SignableRequest::new("POST", url.as_str(), headers, SignableBody::Bytes(body)).map_err(|_| unsigned())?;
    let (instructions, _) = sign(request, &parameters).map_err(|_| unsigned())?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Cuts a stream into frames and reads them.
#[derive(Default)]
struct Frames {
    decoder: MessageFrameDecoder,
    waiting: BytesMut,
}

impl Reader for Frames {
    fn read(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Wrong> {
        self.waiting.extend_from_slice(bytes);
        loop {
            match self.decoder.decode_frame(&mut self.waiting) {
                Ok(DecodedFrame::Complete(frame)) => event(&frame, out)?,
                Ok(DecodedFrame::Incomplete) if self.waiting.remaining() > FRAME_MAX => {
                    return Err(Wrong(FaultKind::Broken, format!("a frame is larger than {FRAME_MAX} bytes")));
                }
                Ok(DecodedFrame::Incomplete) => return Ok(()),
                Err(_) => return Err(Wrong::broken("a frame of the answer makes no sense")),
            }
        }
    }
}

fn event(frame: &Frame, out: &mut Vec<Piece>) -> Result<(), Wrong> {
    let header = |name: &str| {
        let header = frame.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|value| value.as_str())
    };
    match header(":message-type") {
        Some("event") => {}
        Some("exception") => return Err(Wrong::told(header(":exception-type").unwrap_or_default())),
        Some("error") => return Err(Wrong::told(header(":error-code").unwrap_or_default())),
        _ => return Err(Wrong::broken("a frame of the answer is of no known kind")),
    }
    let json: Value =
        serde_json::from_slice(frame.payload()).map_err(|_| Wrong::broken("a piece of the answer is no JSON"))?;
    match header(":event-type") {
        Some("contentBlockDelta") => {
            let text = json.pointer("/delta/text").and_then(Value::as_str);
            out.extend(text.filter(|t| !t.is_empty()).map(|t| Piece::Text(t.to_owned())));
        }
        Some("messageStop") => match json.get("stopReason").and_then(Value::as_str) {
            Some("guardrail_intervened" | "content_filtered") => out.push(Piece::Blocked),
            Some("malformed_model_output") => return Err(Wrong::broken("the model lost its thread")),
            _ => out.push(Piece::End),
        },
        Some("metadata") => {
            let (read, made) =
                (count(&json, "/usage/cacheReadInputTokens"), count(&json, "/usage/cacheWriteInputTokens"));
            let prompt = count(&json, "/usage/inputTokens")
                .map(|new| new.saturating_add(read.unwrap_or(0)).saturating_add(made.unwrap_or(0)));
            out.push(Piece::Tokens(Tokens { prompt, reused: read, answer: count(&json, "/usage/outputTokens") }));
            out.push(Piece::Close);
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::base::secret::Secret;

    /// `contentBlockDelta` with the text "Na".
    const FRAME: &str = "0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c7461\
        0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e\
        747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224e61227d7d55609b18";

    fn frame() -> Vec<u8> {
        (0..FRAME.len()).step_by(2).map(|at| u8::from_str_radix(&FRAME[at..at + 2], 16).unwrap()).collect()
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<Piece>, Wrong> {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        pieces.iter().try_for_each(|piece| frames.read(piece, &mut out)).map(|()| out)
    }

    #[test]
    fn the_known_request_gets_the_known_signature() {
        let endpoint = Endpoint {
            id: "bedrock/claude".into(),
            base_url: "https://bedrock-runtime.ap-south-1.amazonaws.com".parse().unwrap(),
            auth: Auth::SigV4 {
                access_key: "AKIDEXAMPLE".into(),
                secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: None,
                region: "ap-south-1".into(),
            },
            model: "apac.anthropic.claude-x:0".into(),
            options: Map::new(),
            voices: BTreeMap::new(),
        };
        let url = endpoint.url(&format!("model/{}/converse-stream", escaped(&endpoint.model)));
        assert_eq!(url.path(), "/model/apac.anthropic.claude-x%3A0/converse-stream");
        let body = br#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#;
        // 2026-11-20T10:00:00Z
        let headers = signature(&endpoint, &url, body, Duration::from_secs(1_795_168_800)).unwrap();
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!(header("x-amz-date"), "20261120T100000Z");
        assert_eq!(
            header("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/ap-south-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=49485e6ff0210b3bc2fca6908959db5b09fbfff230b4c18d20aa430d7c4b2a58"
        );
    }

    #[test]
    fn the_known_frame_is_read_wherever_it_is_cut() {
        let frame = frame();
        assert_eq!(frame.len(), 148);
        let twice = [frame.as_slice(), frame.as_slice()].concat();
        let na = Piece::Text("Na".into());
        for at in 0..=twice.len() {
            assert_eq!(read(&[&twice[..at], &twice[at..]]), Ok(vec![na.clone(), na.clone()]), "cut at {at}");
        }
    }

    #[test]
    fn damage_is_seen() {
        let good = frame();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            // A length too large by much is told by the checksum of the first bytes once enough came.
            bad.resize(2 * FRAME_MAX, b' ');
            assert!(read(&[&bad]).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), len in 0_u32..200) {
            let _ = read(&[&bytes]);
            let mut framed = len.to_be_bytes().to_vec();
            framed.extend(bytes);
            let _ = read(&[&framed]);
        }
    }
}
