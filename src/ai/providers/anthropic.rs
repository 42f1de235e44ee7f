//! Anthropic's messages.
//! Promise: sampling parameters are sent only if configured, since newer models refuse them; events
//! nobody knew when this was written are skipped.
//!
//! Options: `path` (`v1/messages`), `version` (the `anthropic-version` header, `2023-06-01`), `sampling`
//! (false: no temperature), `body` (see [`Endpoint::extend`]), for instance `thinking` or
//! `output_config`. A grammar is told in words.

use std::sync::Arc;

use futures_util::FutureExt;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::writing::{self, Events, Piece, Tokens, Wrong, count};
use super::{Endpoint, http, sse};
use crate::ai::llm::{Llm, LlmRequest, LlmStream};
use crate::base::{CallId, Clock};

const VERSION: &str = "2023-06-01";

pub fn llm(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Llm> {
    Arc::new(Messages { endpoint, http, clock })
}

struct Messages {
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
}

impl Llm for Messages {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let (endpoint, http) = (self.endpoint.clone(), self.http.clone());
        let ask = async move {
            let path = endpoint.text("path").unwrap_or("v1/messages");
            let version = endpoint.text("version").unwrap_or(VERSION);
            let post = http::post(&http, &endpoint, path).header("anthropic-version", version);
            http::send(post.json(&body(&endpoint, &request)), &endpoint).await
        };
        writing::stream(self.endpoint.clone(), self.clock, ask.boxed(), Events::new(event))
    }

    /// Nothing is kept of a call.
    fn forget(&self, _call: CallId) {}
}

fn body(endpoint: &Endpoint, request: &LlmRequest) -> Map<String, Value> {
    let (system, turns) = writing::turns(&request.messages, request.grammar.as_deref());
    let messages: Vec<Value> = turns.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    let mut body = Map::new();
    body.insert("model".into(), json!(endpoint.model));
    body.insert("max_tokens".into(), json!(request.max_tokens.max(1)));
    body.insert("messages".into(), json!(messages));
    if !system.is_empty() {
        body.insert("system".into(), json!(system));
    }
    body.insert("stream".into(), json!(true));
    if endpoint.flag("sampling") {
        body.insert("temperature".into(), json!(writing::temperature(request.temperature)));
    }
    endpoint.extend(&mut body);
    body
}

fn event(event: &sse::Event, out: &mut Vec<Piece>) -> Result<(), Wrong> {
    if event.data.trim().is_empty() {
        return Ok(());
    }
    let json: Value =
        serde_json::from_str(&event.data).map_err(|_| Wrong::broken("a piece of the answer is no JSON"))?;
    let text = |place: &str| json.pointer(place).and_then(Value::as_str);
    match text("/type").unwrap_or(&event.name) {
        "message_start" => {
            // What came from or went to the cache is not among the input tokens.
            let read = count(&json, "/message/usage/cache_read_input_tokens");
            let made = count(&json, "/message/usage/cache_creation_input_tokens");
            let prompt = count(&json, "/message/usage/input_tokens")
                .map(|new| new.saturating_add(read.unwrap_or(0)).saturating_add(made.unwrap_or(0)));
            out.push(Piece::Tokens(Tokens { prompt, reused: read, answer: None }));
        }
        "content_block_delta" if text("/delta/type") == Some("text_delta") => {
            out.extend(text("/delta/text").filter(|t| !t.is_empty()).map(|t| Piece::Text(t.to_owned())));
        }
        "message_delta" => {
            let answer = count(&json, "/usage/output_tokens");
            out.push(Piece::Tokens(Tokens { answer, ..Tokens::default() }));
            match text("/delta/stop_reason") {
                None => {}
                Some("refusal") => out.push(Piece::Blocked),
                Some(_) => out.push(Piece::End),
            }
        }
        "message_stop" => out.push(Piece::Close),
        "error" => return Err(Wrong::told(text("/error/type").unwrap_or_default())),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::FaultKind;

    fn read(data: &str) -> Result<Vec<Piece>, Wrong> {
        let mut out = Vec::new();
        event(&sse::Event { name: String::new(), data: data.to_owned() }, &mut out).map(|()| out)
    }

    #[test]
    fn thoughts_tools_and_new_events_are_skipped() {
        for skipped in [
            r#"{"type":"ping"}"#,
            r#"{"type":"from_the_future","delta":{"type":"text_delta","text":"x"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"x"}}"#,
        ] {
            assert_eq!(read(skipped), Ok(vec![]));
        }
        let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"न"}}"#;
        assert_eq!(read(text), Ok(vec![Piece::Text("न".into())]));
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(read(overloaded).unwrap_err().0, FaultKind::Overloaded);
        let refusal = r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":1}}"#;
        assert_eq!(read(refusal).unwrap().last(), Some(&Piece::Blocked));
    }

    proptest! {
        #[test]
        fn any_event_is_survived(data in ".{0,200}") {
            let _ = read(&data);
        }
    }
}
