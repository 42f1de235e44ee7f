//! Azure Speech: recognition of short audio over HTTP, voices by SSML.
//!
//! Auth is the header `Ocp-Apim-Subscription-Key` (or a bearer token); the base URL is that of the
//! region's service without a path (`https://centralindia.stt.speech.microsoft.com`, `….tts.…`).
//! Options read: `query` (recognition), `silence` (milliseconds between sentences). There is no
//! detection of languages and no streaming recognition over HTTP.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quick_xml::escape::escape;
use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;

use super::asker::{Asker, Told};
use super::codes::AZURE;
use super::sound::{self, Pieces};
use super::{Endpoint, http};
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::{Clock, Lang};

const AUDIO_MAX: Duration = Duration::from_secs(60);
const TEXT_MAX: usize = 3_500;
const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];
const PACE: (f32, f32) = (0.5, 2.0);
/// What is spoken when no voice is configured, in the order of [`Lang::ALL`].
const VOICES: [&str; Lang::ALL.len()] = [
    "en-IN-NeerjaNeural",
    "hi-IN-SwaraNeural",
    "ta-IN-PallaviNeural",
    "te-IN-ShrutiNeural",
    "ml-IN-SobhanaNeural",
    "kn-IN-SapnaNeural",
    "gu-IN-DhwaniNeural",
    "mr-IN-AarohiNeural",
    "bn-IN-TanishaaNeural",
    "pa-IN-VaaniNeural",
    "or-IN-SubhasiniNeural",
];

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
            let question = AZURE.question(&request.hint, false, &endpoint)?;
            let code = AZURE.wanted(question.language, &endpoint)?;
            let told = recognise(&endpoint, &http, code, &request.audio).await?;
            Ok(told.answers((AZURE, &question), &endpoint, audio, clock.now().since(begun)))
        })
    }
}

async fn recognise(endpoint: &Endpoint, http: &Client, code: &str, pcm: &[i16]) -> Result<Told, Fault> {
    let mut url = endpoint.url("/speech/recognition/conversation/cognitiveservices/v1");
    url.query_pairs_mut()
        .append_pair("language", code)
        .append_pair("format", "detailed")
        .append_pair("profanity", "raw");
    endpoint.extend_query(&mut url);
    let request = http::sign(http.post(url), endpoint)
        .header(CONTENT_TYPE, "audio/wav; codecs=audio/pcm; samplerate=16000")
        .header(ACCEPT, "application/json")
        .body(sound::wav(pcm));
    let answer = http::json(http::send(request, endpoint).await?, endpoint).await?;
    let answer: Recognition = serde_json::from_value(answer)
        .map_err(|_| endpoint.fault(FaultKind::Broken, "the answer is no recognition"))?;
    answer.heard(endpoint)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recognition {
    recognition_status: String,
    display_text: Option<String>,
    #[serde(rename = "NBest", default)]
    n_best: Vec<Guess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Guess {
    confidence: Option<f32>,
    display: Option<String>,
}

impl Recognition {
    fn heard(self, endpoint: &Endpoint) -> Result<Told, Fault> {
        match self.recognition_status.as_str() {
            "Success" => {
                let best = self.n_best.into_iter().next();
                let confidence = best.as_ref().and_then(|best| best.confidence);
                let text = best.and_then(|best| best.display).or(self.display_text);
                let text = text.ok_or_else(|| endpoint.fault(FaultKind::Broken, "the answer has no text"))?;
                Ok(Told { text, confidence, ..Told::default() })
            }
            "NoMatch" | "InitialSilenceTimeout" | "BabbleTimeout" => Ok(Told::default()),
            "Error" => Err(endpoint.fault(FaultKind::Unavailable, "recognition failed inside")),
            _ => Err(endpoint.fault(FaultKind::Broken, "the answer has an unknown status")),
        }
    }
}

struct Voice(Asker);

impl Tts for Voice {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let Asker { endpoint, http, .. } = self.0.clone();
        let voice = sound::voice(&endpoint, &request).unwrap_or_else(|| VOICES[request.language as usize].to_owned());
        let from = sound::rate_for(&RATES, request.rate);
        let speech = self.0.speech(&request, from, Some(&voice));
        speech.stream(async move { ask(&endpoint, &http, &request, &voice, from).await }.boxed())
    }
}

async fn ask(
    endpoint: &Endpoint,
    http: &Client,
    request: &TtsRequest,
    voice: &str,
    rate: u32,
) -> Result<Pieces, Fault> {
    let code = AZURE.wanted(request.language, endpoint)?;
    sound::text_length(&request.text, TEXT_MAX, endpoint)?;
    let silence = endpoint.number("silence").filter(|ms| (0.0..=5_000.0).contains(ms)).map(|ms| ms as u32);
    let request = http::post(http, endpoint, "/cognitiveservices/v1")
        .header(CONTENT_TYPE, "application/ssml+xml")
        .header("X-Microsoft-OutputFormat", format!("raw-{}khz-16bit-mono-pcm", rate / 1_000))
        .body(ssml(code, voice, request.pace, silence, &request.text));
    sound::pieces(http::send(request, endpoint).await?, endpoint)
}

/// One clause. Whatever the text holds, it stays text.
fn ssml(code: &str, voice: &str, pace: f32, silence: Option<u32>, text: &str) -> String {
    let mut ssml = format!(
        "<speak version=\"1.0\" xmlns=\"http://www.w3.org/2001/10/synthesis\" \
         xmlns:mstts=\"http://www.w3.org/2001/mstts\" xml:lang=\"{code}\"><voice name=\"{}\">",
        escape(voice)
    );
    if let Some(ms) = silence {
        // Writing into a string cannot fail.
        let _ = write!(ssml, "<mstts:silence type=\"Sentenceboundary\" value=\"{ms}ms\"/>");
    }
    let allowed: String = text.chars().filter(|c| is_xml(*c)).collect();
    let percent = ((sound::hundredths(pace, PACE) - 1.0) * 100.0).round() as i32;
    if percent == 0 {
        ssml.push_str(&escape(allowed.as_str()));
    } else {
        let _ = write!(ssml, "<prosody rate=\"{percent:+}%\">{}</prosody>", escape(allowed.as_str()));
    }
    ssml.push_str("</voice></speak>");
    ssml
}

/// A character that XML 1.0 allows; others make the whole document invalid, even escaped.
const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    #[test]
    fn the_clause_is_put_into_its_voice() {
        assert_eq!(
            ssml("ml-IN", "ml-IN-SobhanaNeural", 1.05, Some(20), "നമസ്കാരം"),
            "<speak version=\"1.0\" xmlns=\"http://www.w3.org/2001/10/synthesis\" \
             xmlns:mstts=\"http://www.w3.org/2001/mstts\" xml:lang=\"ml-IN\"><voice name=\"ml-IN-SobhanaNeural\">\
             <mstts:silence type=\"Sentenceboundary\" value=\"20ms\"/><prosody rate=\"+5%\">നമസ്കാരം</prosody>\
             </voice></speak>"
        );
        assert!(ssml("en-IN", "v", 0.8, None, "x").contains("rate=\"-20%\""));
        assert!(!ssml("en-IN", "v", 1.0, None, "x").contains("prosody"));
    }

    #[test]
    fn silence_is_an_empty_text() {
        let endpoint = endpoint("azure/speech");
        let read = |text: &str| serde_json::from_str::<Recognition>(text).unwrap().heard(&endpoint);
        assert_eq!(read(r#"{"RecognitionStatus":"NoMatch"}"#).unwrap(), Told::default());
        let told = r#"{"RecognitionStatus":"Success","DisplayText":"x","NBest":[{"Confidence":0.5,"Display":"Yes."}]}"#;
        assert_eq!(read(told).unwrap(), Told { text: "Yes.".to_owned(), confidence: Some(0.5), ..Told::default() });
        assert_eq!(read(r#"{"RecognitionStatus":"Error"}"#).unwrap_err().kind, FaultKind::Unavailable);
        assert_eq!(read(r#"{"RecognitionStatus":"Success"}"#).unwrap_err().kind, FaultKind::Broken);
    }

    proptest! {
        #[test]
        fn the_text_stays_text(text in any::<String>(), voice in any::<String>()) {
            let voice: String = voice.chars().filter(|c| is_xml(*c) && !c.is_whitespace()).collect();
            let ssml = ssml("hi-IN", &voice, 1.0, None, &text);
            let (mut reader, mut read, mut depth) = (quick_xml::Reader::from_str(&ssml), String::new(), 0);
            loop {
                match reader.read_event().unwrap() {
                    quick_xml::events::Event::Start(_) => depth += 1,
                    quick_xml::events::Event::End(_) => depth -= 1,
                    quick_xml::events::Event::Text(piece) => read.push_str(&piece.decode().unwrap()),
                    quick_xml::events::Event::GeneralRef(name) => {
                        let name = format!("&{};", name.decode().unwrap());
                        read.push_str(&quick_xml::escape::unescape(&name).unwrap());
                    }
                    quick_xml::events::Event::Eof => break,
                    other => prop_assert!(false, "{other:?}"),
                }
                prop_assert!(depth <= 2);
            }
            let allowed: String = text.chars().filter(|c| is_xml(*c)).collect();
            prop_assert_eq!(read, allowed);
        }
    }
}
