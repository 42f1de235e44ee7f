//! Sarvam: recognition over HTTP or its realtime WebSocket, voices over HTTP. (Its chat speaks the
//! OpenAI protocol.)
//!
//! Options read: `realtime` (recognise over the WebSocket, while the caller speaks), `encoding`
//! (`linear16`: send 16 kHz there instead of the line's 8 kHz mu-law), `detect` (false: never let it find out
//! the language), `old_language_key` (voices: `target_language_code`, which older gateways want),
//! `body` (further form or body fields: `mode`, `keyterms`, `temperature`, …), `query` (further
//! parameters of the WebSocket). Base URL without a path.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::asker::{Asker, Told};
use super::codes::{Codes, Question, SARVAM, SARVAM_REALTIME};
use super::endpoint::plain;
use super::live::{self, Coding, Sound, Watch};
use super::sound::{self, Pieces};
use super::{Endpoint, http, socket};
use crate::ai::stt::{LanguageHint, Listening, Stt, SttOpening, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::Clock;

/// Sound in one request.
const AUDIO_MAX: Duration = Duration::from_secs(30);
/// Characters of one `/text-to-speech/stream`.
const TEXT_MAX: usize = 3_500;
const RATES: [u32; 4] = [8_000, 16_000, 22_050, 24_000];
/// The provider's bounds of `pace` that hold for every model.
const PACE: (f32, f32) = (0.5, 2.0);

pub fn stt(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Stt> {
    Arc::new(Ears(Asker { endpoint, http, clock }))
}

pub fn tts(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Tts> {
    Arc::new(Voice(Asker { endpoint, http, clock }))
}

struct Ears(Asker);

impl Stt for Ears {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let Asker { endpoint: own, http, clock } = self.0.clone();
        sound::asked(own.clone(), async move {
            sound::length(&request.audio, AUDIO_MAX, &own)?;
            let watch = Watch::new(clock);
            let SttRequest { audio, hint, words, .. } = request;
            if own.flag("realtime") {
                return over_socket(&own, &hint, words.as_deref(), live::whole(audio), &watch).await;
            }
            let begun = clock.now();
            let question = question(SARVAM, &hint, &own)?;
            let heard = over_http(&own, &http, &question, &audio).await?;
            let length = sound::length(&audio, AUDIO_MAX, &own)?;
            Ok(heard.answers((SARVAM, &question), &own, length, clock.now().since(begun)))
        })
    }

    fn listens(&self) -> bool {
        self.0.endpoint.flag("realtime")
    }

    fn listen(&self, opening: SttOpening) -> Option<Listening> {
        let SttOpening { audio, hint, words, .. } = opening;
        if !self.listens() || sound::length(&audio, AUDIO_MAX, &self.0.endpoint).is_err() {
            return None;
        }
        let Asker { endpoint, clock, .. } = self.0.clone();
        Some(live::listening(audio, |heard| {
            sound::asked(self.0.endpoint.clone(), async move {
                over_socket(&endpoint, &hint, words.as_deref(), heard, &Watch::new(clock)).await
            })
        }))
    }
}

/// With several languages possible, Sarvam finds out which; unless `detect` forbids it and one is
/// expected.
fn question(codes: Codes, hint: &LanguageHint, endpoint: &Endpoint) -> Result<Question, Fault> {
    let detects = match hint {
        LanguageHint::Likely { .. } => endpoint.options.get("detect").and_then(Value::as_bool).unwrap_or(true),
        LanguageHint::Fixed(_) | LanguageHint::Open { .. } => true,
    };
    codes.question(hint, detects, endpoint)
}

async fn over_http(endpoint: &Endpoint, http: &Client, question: &Question, pcm: &[i16]) -> Result<Told, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        transcript: Option<String>,
        language_code: Option<String>,
        language_probability: Option<f64>,
    }
    let mut fields = Map::new();
    fields.insert("model".into(), endpoint.model.clone().into());
    fields.insert("language_code".into(), question.code.unwrap_or("unknown").into());
    endpoint.extend(&mut fields);
    let file = Part::bytes(sound::wav(pcm)).file_name("speech.wav").mime_str("audio/wav");
    let file = file.map_err(|error| http::transport(endpoint, &error))?;
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(name.clone(), plain(value)));
    let request = http::post(http, endpoint, "/speech-to-text").multipart(form.part("file", file));
    let answer = http::json(http::send(request, endpoint).await?, endpoint).await?;
    let answer: Answer =
        serde_json::from_value(answer).map_err(|_| endpoint.fault(FaultKind::Broken, "the answer is no transcript"))?;
    let text = answer.transcript.ok_or_else(|| endpoint.fault(FaultKind::Broken, "the answer has no transcript"))?;
    Ok(Told {
        text,
        confidence: None,
        language: answer.language_code,
        language_confidence: answer.language_probability,
    })
}

/// One utterance, delimited by us: one `transcript.final`.
async fn over_socket(
    endpoint: &Endpoint,
    hint: &LanguageHint,
    words: Option<&str>,
    sound: Sound,
    watch: &Watch,
) -> Result<SttText, Fault> {
    let question = question(SARVAM_REALTIME, hint, endpoint)?;
    let coding = Coding::of(endpoint);
    let (encoding, rate) = coding.parameters();
    let mut url = endpoint.socket_url("/speech-to-text-realtime/ws");
    url.query_pairs_mut()
        .append_pair("language_code", question.code.unwrap_or("auto"))
        .append_pair("model", &endpoint.model)
        .append_pair("stream_type", "simulated")
        .append_pair("endpointing", "manual")
        .append_pair("encoding", encoding)
        .append_pair("sample_rate", rate);
    if let Some(words) = words {
        url.query_pairs_mut().append_pair("prompt", words);
    }
    endpoint.extend_query(&mut url);
    let event = |event: Value| Message::text(event.to_string());
    let input = |piece: Vec<u8>| json!({"event": "audio_input", "audio": STANDARD.encode(piece)});
    let messages = stream::iter([event(json!({"event": "speech_start"}))])
        .chain(live::coded(watch.over(sound), coding).map(move |piece| event(input(piece))))
        .chain(stream::iter([json!({"event": "speech_end"}), json!({"event": "end"})].map(event)));
    let mut heard = None;
    let end = socket::exchange(endpoint, url, messages, |text| match said(text, endpoint)? {
        Said::Final(text) => {
            heard = Some(text);
            Ok(true)
        }
        Said::End => Ok(true),
        Said::Other => Ok(false),
    })
    .await?;
    let (took, length) = watch.told();
    match (heard, end) {
        (Some(heard), _) => Ok(heard.answers((SARVAM_REALTIME, &question), endpoint, length, took)),
        // The session ended in order and nothing was said.
        (None, socket::End::Enough) => {
            Ok(Told::default().answers((SARVAM_REALTIME, &question), endpoint, length, took))
        }
        (None, socket::End::Closed) => Err(endpoint.fault(FaultKind::Broken, "closed before the transcript came")),
    }
}

enum Said {
    Final(Told),
    End,
    Other,
}

/// One message of the realtime socket.
fn said(text: &str, endpoint: &Endpoint) -> Result<Said, Fault> {
    #[derive(Deserialize)]
    #[serde(tag = "event")]
    enum Event {
        #[serde(rename = "transcript.final")]
        Final { text: String, language: Option<String>, language_confidence: Option<f64> },
        #[serde(rename = "session.end")]
        End,
        #[serde(rename = "error")]
        Error { code: Option<String>, is_fatal: Option<bool>, status_code: Option<u16> },
        #[serde(other)]
        Other,
    }
    let event = serde_json::from_str(text)
        .map_err(|_| endpoint.fault(FaultKind::Broken, "a message of the socket cannot be read"))?;
    Ok(match event {
        Event::Final { text, language, language_confidence } => {
            Said::Final(Told { text, confidence: None, language, language_confidence })
        }
        Event::End => Said::End,
        Event::Error { is_fatal: Some(false), .. } | Event::Other => Said::Other,
        Event::Error { code, status_code, .. } => {
            let status = status_code.and_then(|status| reqwest::StatusCode::from_u16(status).ok());
            let code = code.filter(|code| http::is_plain(code));
            return Err(match status {
                Some(status) => http::refused(endpoint, status, code, None),
                None => endpoint.fault(FaultKind::Unavailable, code.unwrap_or_else(|| "a fatal error".to_owned())),
            });
        }
    })
}

struct Voice(Asker);

impl Tts for Voice {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let Asker { endpoint, http, .. } = self.0.clone();
        let voice = sound::voice(&endpoint, &request);
        let from = sound::rate_for(&RATES, request.rate);
        let speech = self.0.speech(&request, from, Some(voice.as_deref().unwrap_or("default")));
        speech.stream(async move { ask(&endpoint, &http, &request, voice, from).await }.boxed())
    }
}

async fn ask(
    endpoint: &Endpoint,
    http: &Client,
    request: &TtsRequest,
    voice: Option<String>,
    rate: u32,
) -> Result<Pieces, Fault> {
    let code = SARVAM.wanted(request.language, endpoint)?;
    sound::text_length(&request.text, TEXT_MAX, endpoint)?;
    let key = if endpoint.flag("old_language_key") { "target_language_code" } else { "language_code" };
    let mut body = Map::new();
    body.insert("text".into(), request.text.clone().into());
    body.insert(key.into(), code.into());
    body.insert("model".into(), endpoint.model.clone().into());
    if let Some(voice) = voice {
        body.insert("speaker".into(), voice.into());
    }
    body.insert("pace".into(), sound::hundredths(request.pace, PACE).into());
    body.insert("speech_sample_rate".into(), rate.into());
    body.insert("output_audio_codec".into(), "linear16".into());
    endpoint.extend(&mut body);
    let response = http::send(http::post(http, endpoint, "/text-to-speech/stream").json(&body), endpoint).await?;
    sound::pieces(response, endpoint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    #[test]
    fn what_the_socket_says_is_understood() {
        let endpoint = endpoint("sarvam/saaras");
        let text = r#"{"event":"transcript.final","utterance_idx":0,"text":"हाँ","language":"hi-IN","language_confidence":0.97}"#;
        let Ok(Said::Final(heard)) = said(text, &endpoint) else { panic!("no final") };
        assert_eq!((heard.text.as_str(), heard.language.as_deref()), ("हाँ", Some("hi-IN")));
        assert!(matches!(said(r#"{"event":"session.end","request_id":"r"}"#, &endpoint), Ok(Said::End)));
        assert!(matches!(said(r#"{"event":"vad.speech_start","utterance_idx":0}"#, &endpoint), Ok(Said::Other)));
        let warning = r#"{"event":"error","code":"invalid_config","is_fatal":false,"message":"m"}"#;
        assert!(matches!(said(warning, &endpoint), Ok(Said::Other)));
        let kind = |text: &str| said(text, &endpoint).err().map(|fault| fault.kind);
        let fatal =
            |status: &str| kind(&format!(r#"{{"event":"error","code":"x","is_fatal":true,"message":"m"{status}}}"#));
        assert_eq!(fatal(r#","status_code":403"#), Some(FaultKind::Denied));
        assert_eq!(fatal(r#","status_code":503"#), Some(FaultKind::Overloaded));
        assert_eq!(fatal(""), Some(FaultKind::Unavailable));
        assert_eq!(kind("<html>"), Some(FaultKind::Broken));
        assert_eq!(kind(r#"{"event":"transcript.final"}"#), Some(FaultKind::Broken));
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_harm(text in ".{0,80}", field in ".{0,20}") {
            let endpoint = endpoint("sarvam/saaras");
            let _ = said(&text, &endpoint);
            if let Err(fault) = said(&json!({"event": "error", "code": field, "message": field}).to_string(), &endpoint) {
                prop_assert!(fault.detail.len() <= 80);
            }
        }
    }
}
