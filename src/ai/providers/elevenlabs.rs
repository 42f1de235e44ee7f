//! ElevenLabs: voices as a stream of plain samples, recognition by Scribe.
//!
//! Auth is the header `xi-api-key`; base URL without a path. A voice id must be named or configured
//! for each language. Options read: `body` (further fields: `voice_settings`, `seed`, …), `query`
//! (`enable_logging`, …). The language is left out for models that refuse or ignore it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Map, json};

use super::asker::{Asker, Told};
use super::codes::{ELEVENLABS_STT, elevenlabs_tts};
use super::endpoint::plain;
use super::sound::{self, Pieces};
use super::{Endpoint, http};
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::Clock;

const AUDIO_MAX: Duration = Duration::from_secs(60);
/// Characters of one request, the least of all models.
const TEXT_MAX: usize = 3_000;
/// 44.1 kHz and above need a dearer plan.
const RATES: [u32; 4] = [8_000, 16_000, 22_050, 24_000];
const PACE: (f32, f32) = (0.7, 1.2);

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
        let Asker { endpoint, http, clock } = self.0.clone();
        sound::asked(self.0.endpoint.clone(), async move {
            let begun = clock.now();
            let audio = sound::length(&request.audio, AUDIO_MAX, &endpoint)?;
            let question = ELEVENLABS_STT.question(&request.hint, true, &endpoint)?;
            let answer = recognise(&endpoint, &http, question.code, &request.audio).await?;
            let told = Told {
                confidence: answer.confidence(),
                text: answer.text,
                language: answer.language_code,
                language_confidence: answer.language_probability,
            };
            Ok(told.answers((ELEVENLABS_STT, &question), &endpoint, audio, clock.now().since(begun)))
        })
    }
}

#[derive(Debug, Deserialize)]
struct Transcript {
    text: String,
    language_code: Option<String>,
    language_probability: Option<f64>,
    #[serde(default)]
    words: Vec<Word>,
}

#[derive(Debug, Deserialize)]
struct Word {
    #[serde(rename = "type")]
    kind: Option<String>,
    logprob: Option<f64>,
}

impl Transcript {
    /// The mean probability of the words.
    fn confidence(&self) -> Option<f32> {
        let words = self.words.iter().filter(|word| word.kind.as_deref() == Some("word"));
        let (mut sum, mut count) = (0.0, 0.0);
        for logprob in words.filter_map(|word| word.logprob).filter(|p| p.is_finite()) {
            sum += logprob.min(0.0).exp();
            count += 1.0;
        }
        (count > 0.0).then(|| (sum / count) as f32)
    }
}

async fn recognise(endpoint: &Endpoint, http: &Client, code: Option<&str>, pcm: &[i16]) -> Result<Transcript, Fault> {
    let mut fields = Map::new();
    fields.insert("model_id".into(), endpoint.model.clone().into());
    if let Some(code) = code {
        fields.insert("language_code".into(), code.into());
    }
    // Laughter and footsteps are not what the caller said.
    fields.insert("tag_audio_events".into(), false.into());
    endpoint.extend(&mut fields);
    let file = Part::bytes(sound::wav(pcm)).file_name("speech.wav").mime_str("audio/wav");
    let file = file.map_err(|error| http::transport(endpoint, &error))?;
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(name.clone(), plain(value)));
    let mut url = endpoint.url("/v1/speech-to-text");
    endpoint.extend_query(&mut url);
    let request = http::sign(http.post(url), endpoint).multipart(form.part("file", file));
    let answer = http::json(http::send(request, endpoint).await?, endpoint).await?;
    serde_json::from_value(answer).map_err(|_| endpoint.fault(FaultKind::Broken, "the answer is no transcript"))
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
        let speech = self.0.speech(&request, from, voice.as_deref());
        speech.stream(async move { ask(&endpoint, &http, &request, voice.as_deref(), from).await }.boxed())
    }
}

async fn ask(
    endpoint: &Endpoint,
    http: &Client,
    request: &TtsRequest,
    voice: Option<&str>,
    rate: u32,
) -> Result<Pieces, Fault> {
    let code = elevenlabs_tts(&endpoint.model).wanted(request.language, endpoint)?;
    sound::text_length(&request.text, TEXT_MAX, endpoint)?;
    // It becomes part of the address.
    let voice = voice.filter(|voice| !voice.is_empty() && http::is_plain(voice) && !voice.starts_with('.'));
    let voice = voice.ok_or_else(|| {
        endpoint.fault(FaultKind::Refused, format!("no voice is configured for {}", request.language.english_name()))
    })?;
    let mut url = endpoint.url(&format!("/v1/text-to-speech/{voice}/stream"));
    url.query_pairs_mut().append_pair("output_format", &format!("pcm_{rate}"));
    endpoint.extend_query(&mut url);
    let mut body = Map::new();
    body.insert("text".into(), request.text.clone().into());
    body.insert("model_id".into(), endpoint.model.clone().into());
    if !endpoint.model.contains("multilingual_v2") {
        body.insert("language_code".into(), code.into());
    }
    let pace = sound::hundredths(request.pace, PACE);
    if pace != 1.0 {
        body.insert("voice_settings".into(), json!({"speed": pace}));
    }
    endpoint.extend(&mut body);
    let response = http::send(http::sign(http.post(url), endpoint).json(&body), endpoint).await?;
    sound::pieces(response, endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_the_mean_of_the_words() {
        let read = |text: &str| serde_json::from_str::<Transcript>(text).unwrap().confidence();
        assert_eq!(read(r#"{"text":""}"#), None);
        let words = r#"{"text":"a b","words":[{"type":"word","logprob":0.0},{"type":"spacing","logprob":-9},
            {"type":"word","logprob":-0.6931471805599453}]}"#;
        assert!((read(words).unwrap() - 0.75).abs() < 1e-6);
        assert_eq!(read(r#"{"text":"a","words":[{"type":"word","logprob":3}]}"#), Some(1.0));
    }
}
