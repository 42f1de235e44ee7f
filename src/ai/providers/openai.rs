//! OpenAI's protocol, which vLLM, llama-server, SGLang, Sarvam chat and many others speak too.
//! Promise: nothing that a copy of it does otherwise ends a call: no counts, no `[DONE]`, comments,
//! `null`, thoughts in fields of their own.
//!
//! Options. All: `path` instead of the usual one; `body` (see [`Endpoint::extend`]).
//! Language model: `max_tokens_field` (`max_tokens`); `grammar` says how the server is held to a
//! grammar: `llama` or `vllm`, without it the model is told in words.
//! Recognition: `send_language` (true), `response_format` (`json`), `audio_max_s` (600).
//! Voice: `rate`, samples a second of its raw sound (24 000); `rate_field`, the field that asks for
//! another one; `send_speed` (true).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};

use super::asker::{Asker, Told};
use super::codes::{BHASHINI as ISO, Question};
use super::dropping::Unsupported;
use super::sound::{self, Speech};
use super::writing::{self, Events, Piece, Tokens, Wrong, count};
use super::{Endpoint, http, sse};
use crate::ai::llm::{Llm, LlmRequest, LlmStream, Message, Role};
use crate::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::{CallId, Clock, Lang};

/// Raw sound of the speech endpoint.
const SPEECH_RATE: u32 = 24_000;
/// Longest utterance sent, unless configured.
const AUDIO_MAX: Duration = Duration::from_secs(600);

pub fn llm(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Llm> {
    Arc::new(Chat { endpoint, http, clock, unsupported: Unsupported::default() })
}

pub fn stt(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Stt> {
    Arc::new(Transcriptions(Asker { endpoint, http, clock }))
}

pub fn tts(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Tts> {
    Arc::new(Voice { endpoint, http, clock, unsupported: Unsupported::default() })
}

struct Chat {
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
    unsupported: Unsupported,
}

impl Llm for Chat {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let (endpoint, http, unsupported) = (self.endpoint.clone(), self.http.clone(), self.unsupported.clone());
        let ask = async move {
            let path = endpoint.text("path").unwrap_or("chat/completions");
            unsupported.post(&http, &endpoint, path, chat_body(&endpoint, &request)).await
        };
        writing::stream(self.endpoint.clone(), self.clock, ask.boxed(), Events::new(chunk))
    }

    /// Servers keep evaluated prefixes by themselves.
    fn forget(&self, _call: CallId) {}
}

fn chat_body(endpoint: &Endpoint, request: &LlmRequest) -> Map<String, Value> {
    let mut body = Map::new();
    let mut messages = request.messages.clone();
    if let Some(grammar) = &request.grammar {
        match endpoint.text("grammar") {
            Some("llama") => drop(body.insert("grammar".into(), json!(grammar))),
            Some("vllm") => drop(body.insert("structured_outputs".into(), json!({"grammar": grammar}))),
            _ => tell(&mut messages, grammar),
        }
    }
    body.insert("model".into(), json!(endpoint.model));
    body.insert("messages".into(), json!(messages));
    body.insert("stream".into(), json!(true));
    body.insert("stream_options".into(), json!({"include_usage": true}));
    body.insert("temperature".into(), json!(writing::temperature(request.temperature)));
    let limit = endpoint.text("max_tokens_field").unwrap_or("max_tokens");
    body.insert(limit.to_owned(), json!(request.max_tokens));
    endpoint.extend(&mut body);
    body
}

/// Adds the grammar in words to the first system message, which it makes if there is none.
fn tell(messages: &mut Vec<Message>, grammar: &str) {
    let told = writing::grammar_told(grammar);
    match messages.iter_mut().find(|message| message.role == Role::System) {
        Some(system) => {
            system.content.push_str("\n\n");
            system.content.push_str(&told);
        }
        None => messages.insert(0, Message::new(Role::System, told)),
    }
}

/// One event of a chat stream.
pub(super) fn chunk(event: &sse::Event, out: &mut Vec<Piece>) -> Result<(), Wrong> {
    let data = event.data.trim();
    if data.is_empty() {
        return Ok(());
    }
    if data == "[DONE]" {
        out.push(Piece::Close);
        return Ok(());
    }
    let json: Value = serde_json::from_str(data).map_err(|_| Wrong::broken("a piece of the answer is no JSON"))?;
    if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_str).or_else(|| error.get("type")?.as_str());
        return Err(Wrong::told(code.unwrap_or_default()));
    }
    // Absent, null, or beside other fields for the model's thoughts, which are not looked at.
    match json.pointer("/choices/0/delta/content") {
        Some(Value::String(text)) if !text.is_empty() => out.push(Piece::Text(text.clone())),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str());
            out.extend(texts.map(|text| Piece::Text(text.to_owned())));
        }
        _ => {}
    }
    if json.get("usage").is_some_and(Value::is_object) {
        out.push(Piece::Tokens(Tokens {
            prompt: count(&json, "/usage/prompt_tokens"),
            reused: count(&json, "/usage/prompt_tokens_details/cached_tokens"),
            answer: count(&json, "/usage/completion_tokens"),
        }));
    }
    match json.pointer("/choices/0/finish_reason").and_then(Value::as_str) {
        None | Some("") => {}
        Some("content_filter") => out.push(Piece::Blocked),
        Some(_) => out.push(Piece::End),
    }
    Ok(())
}

struct Transcriptions(Asker);

impl Stt for Transcriptions {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let Asker { endpoint, http, clock } = self.0.clone();
        sound::asked(endpoint.clone(), async move {
            let begun = clock.now();
            let lasts = sound::length(&request.audio, audio_max(&endpoint), &endpoint)?;
            let question = question(&request.hint, &endpoint)?;
            let path = endpoint.text("path").unwrap_or("audio/transcriptions");
            let form = form(&endpoint, &request.audio, &question, request.words.as_deref())?;
            let response = http::send(http::post(&http, &endpoint, path).multipart(form), &endpoint).await?;
            let json = http::json(response, &endpoint).await?;
            let text = json.get("text").and_then(Value::as_str);
            let text = text.ok_or_else(|| endpoint.fault(FaultKind::Broken, "the answer holds no text"))?;
            let told = json.pointer("/language").or_else(|| json.pointer("/languages/0")).and_then(Value::as_str);
            let told = Told {
                text: text.to_owned(),
                confidence: confidence(&json),
                language: told.map(named),
                language_confidence: None,
            };
            Ok(told.answers((ISO, &question), &endpoint, lasts, clock.now().since(begun)))
        })
    }
}

pub(super) fn audio_max(endpoint: &Endpoint) -> Duration {
    let configured = endpoint.number("audio_max_s").filter(|seconds| (1.0..=3_600.0).contains(seconds));
    configured.map_or(AUDIO_MAX, Duration::from_secs_f64)
}

/// The recogniser is told what it is to hear, unless nothing is known or it shall find out itself.
pub(super) fn question(hint: &LanguageHint, endpoint: &Endpoint) -> Result<Question, Fault> {
    let silent = endpoint.options.get("send_language") == Some(&Value::Bool(false));
    let mut question = ISO.question(hint, silent || matches!(hint, LanguageHint::Open { .. }), endpoint)?;
    if silent {
        question.code = None;
    }
    Ok(question)
}

/// Whisper's servers answer with English names.
fn named(told: &str) -> String {
    match told.to_ascii_lowercase().as_str() {
        "oriya" => Lang::Or.iso().to_owned(),
        "panjabi" => Lang::Pa.iso().to_owned(),
        _ => told.parse::<Lang>().map_or_else(|_| told.to_owned(), |language| language.iso().to_owned()),
    }
}

fn form(endpoint: &Endpoint, audio: &[i16], question: &Question, words: Option<&str>) -> Result<Form, Fault> {
    let file = Part::bytes(sound::wav(audio)).file_name("audio.wav").mime_str("audio/wav");
    let file = file.map_err(|error| http::transport(endpoint, &error))?;
    let mut fields = Map::new();
    fields.insert("model".into(), json!(endpoint.model));
    fields.insert("response_format".into(), json!(endpoint.text("response_format").unwrap_or("json")));
    if let Some(code) = question.code {
        fields.insert("language".into(), json!(code));
    }
    if let Some(words) = words {
        fields.insert("prompt".into(), json!(words));
    }
    endpoint.extend(&mut fields);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(fields
        .iter()
        .fold(Form::new(), |form, (name, value)| match value {
            Value::Array(several) => several.iter().fold(form, |form, one| form.text(format!("{name}[]"), text(one))),
            one => form.text(name.clone(), text(one)),
        })
        .part("file", file))
}

/// From log probabilities of tokens or of segments, where they are given.
fn confidence(json: &Value) -> Option<f32> {
    let of = |list: &str, field: &str| {
        let values: Vec<f64> = json.get(list)?.as_array()?.iter().filter_map(|one| one.get(field)?.as_f64()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        mean.is_finite().then(|| mean.exp().clamp(0.0, 1.0) as f32)
    };
    of("logprobs", "logprob").or_else(|| of("segments", "avg_logprob"))
}

struct Voice {
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
    unsupported: Unsupported,
}

impl Tts for Voice {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let (endpoint, http, unsupported) = (self.endpoint.clone(), self.http.clone(), self.unsupported.clone());
        let voice = sound::voice(&endpoint, &request);
        let own = endpoint.number("rate").map_or(SPEECH_RATE, |rate| rate as u32);
        let from = if endpoint.text("rate_field").is_some() { request.rate } else { own };
        let speech = Speech {
            endpoint: endpoint.clone(),
            clock: self.clock,
            from,
            to: request.rate,
            voice: voice.clone().unwrap_or_default(),
        };
        let ask = async move {
            let path = endpoint.text("path").unwrap_or("audio/speech");
            let body = speech_body(&endpoint, &request, voice);
            sound::pieces(unsupported.post(&http, &endpoint, path, body).await?, &endpoint)
        };
        speech.stream(ask.boxed())
    }
}

fn speech_body(endpoint: &Endpoint, request: &TtsRequest, voice: Option<String>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(endpoint.model));
    body.insert("input".into(), json!(request.text));
    if let Some(voice) = voice {
        body.insert("voice".into(), json!(voice));
    }
    body.insert("response_format".into(), json!("pcm"));
    let speed = endpoint.options.get("send_speed") != Some(&Value::Bool(false));
    if speed && (request.pace - 1.0).abs() > 0.01 {
        body.insert("speed".into(), json!(writing::temperature(request.pace)));
    }
    if let Some(field) = endpoint.text("rate_field") {
        body.insert(field.to_owned(), json!(request.rate));
    }
    endpoint.extend(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(data: &str) -> Result<Vec<Piece>, Wrong> {
        let mut out = Vec::new();
        chunk(&sse::Event { name: String::new(), data: data.to_owned() }, &mut out).map(|()| out)
    }

    #[test]
    fn chunks_of_all_servers_are_read() {
        let text = |t: &str| vec![Piece::Text(t.to_owned())];
        assert_eq!(read("[DONE]"), Ok(vec![Piece::Close]));
        assert_eq!(read(r#"{"choices":[{"delta":{"content":"न"},"finish_reason":""}]}"#), Ok(text("न")));
        assert_eq!(read(r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#), Ok(text("a")));
        assert_eq!(read(r#"{"choices":[{"delta":{"content":null,"reasoning":"x"}}],"usage":null}"#), Ok(vec![]));
        assert_eq!(read(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#), Ok(vec![Piece::End]));
        assert_eq!(read(r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#), Ok(vec![Piece::Blocked]));
        assert_eq!(read(r#"{"error":{"type":"overloaded_error"}}"#).unwrap_err().0, FaultKind::Overloaded);
        assert_eq!(read("<html>").unwrap_err().0, FaultKind::Broken);
    }

    #[test]
    fn sureness_comes_from_what_is_told() {
        let of = |text: &str| confidence(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"text":"x"}"#), None);
        assert_eq!(of(r#"{"segments":[]}"#), None);
        assert_eq!(of(r#"{"logprobs":[{"logprob":0.0}]}"#), Some(1.0));
        assert!((of(r#"{"segments":[{"avg_logprob":-0.2},{"avg_logprob":-0.4}]}"#).unwrap() - 0.7408).abs() < 0.001);
    }

    #[test]
    fn whispers_names_are_understood() {
        for (told, iso) in [("hindi", "hi"), ("Oriya", "or"), ("or", "or"), ("french", "french")] {
            assert_eq!(named(told), iso);
        }
    }

    proptest! {
        #[test]
        fn any_event_is_survived(data in ".{0,200}", json in r#"\{"(choices|error|usage)":(\[\{"delta":\{"content":("x"|null|3|\[3\])\}\}\]|null|3|"x")\}"#) {
            let _ = read(&data);
            let _ = read(&json);
        }
    }
}
