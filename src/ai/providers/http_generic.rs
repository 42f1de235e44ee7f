//! A provider described in configuration: one JSON request, one answer (or server-sent events).
//! Promise: the description decides where things stand, never what is believed: what comes is bounded
//! and checked as with any other provider.
//! Absent on purpose: providers with handshakes, sockets or files of their own (each has an adapter).
//!
//! Options. All: `path` (a template; nothing: the base address itself), `request` (a template of the
//! JSON body), `headers` (fixed), `languages` (the provider's code of each language, and of `auto`;
//! without the table it is `hi-IN`).
//! Places in templates: `{text}` `{language}` `{model}` `{voice}` `{rate}` `{pace}` `{audio_b64}` (a WAV
//! file) `{system}` `{messages}` (role and content of each but the system's) `{max_tokens}`
//! `{temperature}`. For a language model `{text}` is what was said last.
//! JSON pointers into the answer: `text`, `audio` (base64; without it the answer is the sound itself),
//! `confidence`, `language`, `language_confidence`, `prompt_tokens`, `answer_tokens`; `stream` is the
//! text in each event of a streamed answer, `end` what is there in its last one.
//! Recognition without a `request` sends the WAV file as the body. Voices: `rate`, or `rates` to choose
//! among, samples a second of raw sound; without either it is the rate asked for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::openai::audio_max;
use super::sound::{self, Pieces, Speech};
use super::template::Values;
use super::writing::{self, Events, Piece, Reader, Tokens, Wrong, count};
use super::{Endpoint, http, sse};
use crate::ai::llm::{Llm, LlmRequest, LlmStream, Role};
use crate::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::{CallId, Clock, Lang};

const CONFIDENCE_UNTOLD: f32 = 0.9;
const LANGUAGE_UNTOLD: f32 = 0.5;

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub fn stt(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Stt> {
    Arc::new(Generic { endpoint, http, clock })
}

pub fn llm(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Llm> {
    Arc::new(Generic { endpoint, http, clock })
}

pub fn tts(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Tts> {
    Arc::new(Generic { endpoint, http, clock })
}

#[derive(Clone)]
struct Generic {
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
}

impl Generic {
    /// `raw` is the body where the configuration describes none.
    async fn ask(&self, values: &Values, raw: Option<Vec<u8>>) -> Result<Response, Fault> {
        let endpoint = &self.endpoint;
        let path = values.path(endpoint.text("path").unwrap_or_default());
        let mut url = endpoint.url(&path);
        if path.is_empty() {
            url.set_path(endpoint.base_url.path());
        }
        let mut request = http::sign(self.http.post(url), endpoint);
        if let Some(Value::Object(headers)) = endpoint.options.get("headers") {
            for (name, value) in headers.iter().filter_map(|(name, value)| Some((name, value.as_str()?))) {
                request = request.header(name, value);
            }
        }
        let request = match (endpoint.options.get("request"), raw) {
            (Some(template), _) => request.json(&values.json(template)),
            (None, Some(wav)) => request.header("content-type", "audio/wav").body(wav),
            (None, None) => return Err(endpoint.fault(FaultKind::Denied, "no request is configured")),
        };
        http::send(request, endpoint).await
    }

    /// The provider's word for a language; `None` (leave it open) needs none.
    fn code(&self, language: Option<Lang>) -> Result<Option<String>, Fault> {
        let table = self.endpoint.options.get("languages").and_then(Value::as_object);
        match (language, table) {
            (None, table) => Ok(table.and_then(|table| table.get("auto")?.as_str()).map(str::to_owned)),
            (Some(language), None) => Ok(Some(language.tag().to_owned())),
            (Some(language), Some(table)) => {
                let code = table.get(language.iso()).or_else(|| table.get(language.tag())).and_then(Value::as_str);
                let none = || format!("it does not have {}", language.english_name());
                Ok(Some(code.ok_or_else(|| self.endpoint.fault(FaultKind::Refused, none()))?.to_owned()))
            }
        }
    }

    /// The language of the provider's word for it.
    fn language(&self, told: &str) -> Option<Lang> {
        let table = self.endpoint.options.get("languages").and_then(Value::as_object);
        let named = table.and_then(|table| table.iter().find(|(_, code)| code.as_str() == Some(told)));
        named.and_then(|(language, _)| language.parse().ok()).or_else(|| told.parse().ok())
    }
}

/// What stands at the place that an option names.
fn at<'a>(json: &'a Value, endpoint: &Endpoint, option: &str) -> Option<&'a Value> {
    json.pointer(endpoint.text(option)?).filter(|value| !value.is_null())
}

fn share(json: &Value, endpoint: &Endpoint, option: &str) -> Option<f32> {
    at(json, endpoint, option)?.as_f64().map(|share| share.clamp(0.0, 1.0) as f32)
}

impl Stt for Generic {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let this = self.clone();
        sound::asked(self.endpoint.clone(), async move {
            let (endpoint, begun) = (&this.endpoint, this.clock.now());
            let lasts = sound::length(&request.audio, audio_max(endpoint), endpoint)?;
            let expected = match &request.hint {
                LanguageHint::Fixed(language) | LanguageHint::Likely { expected: language, .. } => Some(*language),
                LanguageHint::Open { .. } => None,
            };
            let wav = sound::wav(&request.audio);
            let values = Values::default()
                .set("model", endpoint.model.as_str())
                .set("language", this.code(expected)?)
                .set("rate", sound::STT_RATE)
                .set("audio_b64", BASE64_STANDARD.encode(&wav));
            let json = http::json(this.ask(&values, Some(wav)).await?, endpoint).await?;
            let text = at(&json, endpoint, "text").and_then(Value::as_str);
            let text = text.ok_or_else(|| endpoint.fault(FaultKind::Broken, "the answer holds no text"))?;
            let told = at(&json, endpoint, "language").and_then(Value::as_str).and_then(|told| this.language(told));
            let sure = share(&json, endpoint, "language_confidence");
            let (language, language_confidence) = heard(&request.hint, told, sure);
            Ok(SttText {
                text: text.trim().to_owned(),
                language,
                language_confidence,
                confidence: share(&json, endpoint, "confidence").unwrap_or(CONFIDENCE_UNTOLD),
                audio: lasts,
                took: this.clock.now().since(begun),
                provider: endpoint.id.clone(),
            })
        })
    }
}

/// A language that was not asked about is no news.
fn heard(hint: &LanguageHint, told: Option<Lang>, sure: Option<f32>) -> (Lang, f32) {
    let sure = sure.unwrap_or(LANGUAGE_UNTOLD);
    match (hint, told) {
        (LanguageHint::Fixed(language), _) => (*language, 1.0),
        (LanguageHint::Likely { expected, among }, Some(told)) if told == *expected || among.contains(&told) => {
            (told, sure)
        }
        (LanguageHint::Likely { expected, .. }, _) => (*expected, LANGUAGE_UNTOLD),
        (LanguageHint::Open { among }, Some(told)) if among.is_empty() || among.contains(&told) => (told, sure),
        (LanguageHint::Open { among }, _) => (among.first().copied().unwrap_or(Lang::En), 0.0),
    }
}

impl Llm for Generic {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let (this, endpoint) = (self.clone(), self.endpoint.clone());
        let ask = async move { this.ask(&words(&this.endpoint, &request), None).await }.boxed();
        if self.endpoint.text("stream").is_some() {
            let read = move |event: &sse::Event, out: &mut Vec<Piece>| streamed(&endpoint, event, out);
            let events = Streamed { events: Events::new(read), says_end: self.endpoint.text("end").is_some() };
            writing::stream(self.endpoint.clone(), self.clock, ask, events)
        } else {
            writing::stream(self.endpoint.clone(), self.clock, ask, Whole { endpoint, body: Vec::new() })
        }
    }

    fn forget(&self, _call: CallId) {}
}

fn words(endpoint: &Endpoint, request: &LlmRequest) -> Values {
    let (system, turns) = writing::turns(&request.messages, request.grammar.as_deref());
    let last = turns.iter().rev().find(|(role, _)| *role == Role::User).map(|(_, text)| text.clone());
    let messages: Vec<Value> = turns.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    Values::default()
        .set("model", endpoint.model.as_str())
        .set("system", if system.is_empty() { Value::Null } else { system.into() })
        .set("text", last)
        .set("messages", messages)
        .set("max_tokens", request.max_tokens)
        .set("temperature", writing::temperature(request.temperature))
}

fn tokens(json: &Value, endpoint: &Endpoint) -> Piece {
    let count = |option| count(json, endpoint.text(option)?);
    Piece::Tokens(Tokens { prompt: count("prompt_tokens"), reused: None, answer: count("answer_tokens") })
}

fn streamed(endpoint: &Endpoint, event: &sse::Event, out: &mut Vec<Piece>) -> Result<(), Wrong> {
    match event.data.trim() {
        "" => return Ok(()),
        "[DONE]" => {
            out.push(Piece::Close);
            return Ok(());
        }
        _ => {}
    }
    let json: Value =
        serde_json::from_str(&event.data).map_err(|_| Wrong::broken("a piece of the answer is no JSON"))?;
    if event.name == "error" {
        return Err(Wrong::told(""));
    }
    let text = at(&json, endpoint, "stream").and_then(Value::as_str).filter(|text| !text.is_empty());
    out.extend(text.map(|text| Piece::Text(text.to_owned())));
    out.push(tokens(&json, endpoint));
    if at(&json, endpoint, "end").is_some_and(|end| *end != json!(false) && *end != json!("")) {
        out.push(Piece::End);
    }
    Ok(())
}

/// A streamed answer; one that does not say its end is complete when the connection is in good order.
struct Streamed<E> {
    events: E,
    says_end: bool,
}

impl<E: Reader> Reader for Streamed<E> {
    fn read(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), Wrong> {
        self.events.read(bytes, out)
    }

    fn end(&mut self, out: &mut Vec<Piece>) -> Result<(), Wrong> {
        self.events.end(out)?;
        if !self.says_end {
            out.push(Piece::End);
        }
        Ok(())
    }
}

/// An answer in one piece.
struct Whole {
    endpoint: Endpoint,
    body: Vec<u8>,
}

impl Reader for Whole {
    fn read(&mut self, bytes: &[u8], _out: &mut Vec<Piece>) -> Result<(), Wrong> {
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Piece>) -> Result<(), Wrong> {
        let json: Value = serde_json::from_slice(&self.body).map_err(|_| Wrong::broken("the answer is no JSON"))?;
        let text = at(&json, &self.endpoint, "text").and_then(Value::as_str);
        let text = text.ok_or_else(|| Wrong::broken("the answer holds no text"))?;
        out.extend([Piece::Text(text.to_owned()), tokens(&json, &self.endpoint), Piece::Close]);
        Ok(())
    }
}

impl Tts for Generic {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let (this, endpoint) = (self.clone(), &self.endpoint);
        let voice = sound::voice(endpoint, &request);
        let rates: Vec<u32> = endpoint.options.get("rates").and_then(Value::as_array).map_or_else(Vec::new, |rates| {
            rates.iter().filter_map(|rate| rate.as_u64().and_then(|rate| u32::try_from(rate).ok())).collect()
        });
        let fixed = endpoint.number("rate").map(|rate| rate as u32);
        let from = fixed.unwrap_or_else(|| sound::rate_for(&rates, request.rate));
        let speech = Speech {
            endpoint: endpoint.clone(),
            clock: self.clock,
            from,
            to: request.rate,
            voice: voice.clone().unwrap_or_default(),
        };
        let ask = async move {
            let values = Values::default()
                .set("text", request.text.as_str())
                .set("model", this.endpoint.model.as_str())
                .set("language", this.code(Some(request.language))?)
                .set("voice", voice)
                .set("rate", from)
                .set("pace", writing::temperature(request.pace));
            this.sound(this.ask(&values, None).await?).await
        };
        speech.stream(ask.boxed())
    }
}

impl Generic {
    async fn sound(&self, response: Response) -> Result<Pieces, Fault> {
        let endpoint = &self.endpoint;
        if endpoint.text("audio").is_none() {
            return sound::pieces(response, endpoint);
        }
        let json = http::json(response, endpoint).await?;
        let broken = || endpoint.fault(FaultKind::Broken, "the answer holds no sound");
        let coded = at(&json, endpoint, "audio").and_then(Value::as_str).ok_or_else(broken)?;
        let audio = BASE64.decode(coded).map_err(|_| broken())?;
        Ok(stream::iter([Ok(Bytes::from(audio))]).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_language_counts_only_among_those_asked_about() {
        let likely = LanguageHint::Likely { expected: Lang::Ta, among: vec![Lang::Hi] };
        let open = LanguageHint::Open { among: vec![Lang::Ml, Lang::Hi] };
        for (hint, told, sure, answer) in [
            (&LanguageHint::Fixed(Lang::Or), Some(Lang::Hi), None, (Lang::Or, 1.0)),
            (&likely, Some(Lang::Hi), Some(0.8), (Lang::Hi, 0.8)),
            (&likely, Some(Lang::Bn), Some(0.8), (Lang::Ta, 0.5)),
            (&likely, None, None, (Lang::Ta, 0.5)),
            (&open, Some(Lang::Hi), None, (Lang::Hi, 0.5)),
            (&open, None, None, (Lang::Ml, 0.0)),
        ] {
            assert_eq!(heard(hint, told, sure), answer);
        }
    }
}
