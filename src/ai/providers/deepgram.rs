//! Deepgram: recognition of a whole utterance over HTTP, or over its live WebSocket.
//!
//! Between English and Hindi its multilingual mode is used; among other languages it can find out one
//! only over HTTP, and is asked to only when none is expected. Options read: `live` (over the socket,
//! while the caller speaks), `encoding` (`linear16`: 16 kHz instead of the line's 8 kHz mu-law), `query` (further
//! parameters: `keyterm`, `smart_format`, `numerals`, `mip_opt_out`, …). Auth is `Token …`; base URL
//! without a path.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::asker::{Asker, CONFIDENCE, Told};
use super::codes::{DEEPGRAM, Question};
use super::live::{self, Coding, Sound, Watch};
use super::{Endpoint, http, socket, sound};
use crate::ai::stt::{LanguageHint, Listening, Stt, SttOpening, SttRequest, SttText};
use crate::ai::{Fault, FaultKind};
use crate::base::{Clock, Lang};

/// One utterance; the provider itself takes hours.
const AUDIO_MAX: Duration = Duration::from_secs(60);
const MULTILINGUAL: [Lang; 2] = [Lang::En, Lang::Hi];

pub fn stt(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Stt> {
    Arc::new(Ears(Asker { endpoint, http, clock }))
}

struct Ears(Asker);

impl Stt for Ears {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let Asker { endpoint, http, clock } = self.0.clone();
        sound::asked(self.0.endpoint.clone(), async move {
            let audio = sound::length(&request.audio, AUDIO_MAX, &endpoint)?;
            if endpoint.flag("live") {
                return over_socket(&endpoint, &request.hint, live::whole(request.audio), &Watch::new(clock)).await;
            }
            let begun = clock.now();
            let (question, mode) = question(&request.hint, false, &endpoint)?;
            let heard = over_http(&endpoint, &http, mode, &request.audio).await?;
            Ok(heard.answers((DEEPGRAM, &question), &endpoint, audio, clock.now().since(begun)))
        })
    }

    fn listens(&self) -> bool {
        self.0.endpoint.flag("live")
    }

    fn listen(&self, opening: SttOpening) -> Option<Listening> {
        let SttOpening { audio, hint, .. } = opening;
        if !self.listens() || sound::length(&audio, AUDIO_MAX, &self.0.endpoint).is_err() {
            return None;
        }
        let Asker { endpoint, clock, .. } = self.0.clone();
        Some(live::listening(audio, |heard| {
            sound::asked(self.0.endpoint.clone(), async move {
                over_socket(&endpoint, &hint, heard, &Watch::new(clock)).await
            })
        }))
    }
}

/// How the language is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Code(&'static str),
    Multilingual,
    Detect,
}

fn question(hint: &LanguageHint, live: bool, endpoint: &Endpoint) -> Result<(Question, Mode), Fault> {
    let plain = DEEPGRAM.question(hint, false, endpoint)?;
    let open = DEEPGRAM.question(hint, true, endpoint)?;
    if open.code.is_none() && open.among().iter().all(|language| MULTILINGUAL.contains(language)) {
        return Ok((open, Mode::Multilingual));
    }
    if open.code.is_none() && !live && matches!(hint, LanguageHint::Open { .. }) {
        return Ok((open, Mode::Detect));
    }
    match plain.code {
        Some(code) => Ok((plain, Mode::Code(code))),
        None => Ok((open, Mode::Detect)),
    }
}

fn parameters(url: &mut Url, endpoint: &Endpoint, mode: Mode) {
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("model", &endpoint.model);
    match mode {
        Mode::Code(code) => pairs.append_pair("language", code),
        Mode::Multilingual => pairs.append_pair("language", "multi"),
        Mode::Detect => pairs.append_pair("detect_language", "true"),
    };
    pairs.append_pair("punctuate", "true");
    drop(pairs);
    endpoint.extend_query(url);
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    confidence: Option<f64>,
    #[serde(default)]
    languages: Vec<String>,
}

async fn over_http(endpoint: &Endpoint, http: &Client, mode: Mode, pcm: &[i16]) -> Result<Told, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        results: Results,
    }
    #[derive(Deserialize)]
    struct Results {
        channels: Vec<Channel>,
    }
    #[derive(Deserialize)]
    struct Channel {
        alternatives: Vec<Alternative>,
        detected_language: Option<String>,
        language_confidence: Option<f64>,
    }
    let mut url = endpoint.url("/v1/listen");
    parameters(&mut url, endpoint, mode);
    let request = http::sign(http.post(url), endpoint).header(CONTENT_TYPE, "audio/wav").body(sound::wav(pcm));
    let answer = http::json(http::send(request, endpoint).await?, endpoint).await?;
    let answer: Answer =
        serde_json::from_value(answer).map_err(|_| endpoint.fault(FaultKind::Broken, "the answer is no transcript"))?;
    let Some(channel) = answer.results.channels.into_iter().next() else {
        return Err(endpoint.fault(FaultKind::Broken, "the answer has no channel"));
    };
    // Without an alternative nothing was said.
    let Some(best) = channel.alternatives.into_iter().next() else { return Ok(Told::default()) };
    Ok(Told {
        text: best.transcript.trim().to_owned(),
        confidence: best.confidence.map(|c| c as f32),
        language: channel.detected_language.or_else(|| best.languages.into_iter().next()),
        language_confidence: channel.language_confidence,
    })
}

async fn over_socket(endpoint: &Endpoint, hint: &LanguageHint, sound: Sound, watch: &Watch) -> Result<SttText, Fault> {
    let (question, mode) = question(hint, true, endpoint)?;
    let coding = Coding::of(endpoint);
    let (encoding, rate) = coding.parameters();
    let mut url = endpoint.socket_url("/v1/listen");
    url.query_pairs_mut()
        .append_pair("encoding", encoding)
        .append_pair("sample_rate", rate)
        .append_pair("channels", "1")
        .append_pair("interim_results", "false");
    parameters(&mut url, endpoint, mode);
    let command = |kind: &str| Message::text(json!({"type": kind}).to_string());
    let messages = live::coded(watch.over(sound), coding)
        .map(Message::binary)
        .chain(stream::iter([command("Finalize"), command("CloseStream")]));
    let mut segments = Segments::default();
    let end = socket::exchange(endpoint, url, messages, |text| segments.take(text, endpoint)).await?;
    if end == socket::End::Closed && !segments.any {
        return Err(endpoint.fault(FaultKind::Broken, "closed before a result came"));
    }
    let (took, length) = watch.told();
    Ok(segments.heard().answers((DEEPGRAM, &question), endpoint, length, took))
}

/// What the live socket said so far.
#[derive(Default)]
struct Segments {
    any: bool,
    text: String,
    /// Sums over the segments with text, weighted by their length.
    confidence: f64,
    letters: f64,
    language: Option<String>,
}

impl Segments {
    /// True when the last message came.
    fn take(&mut self, text: &str, endpoint: &Endpoint) -> Result<bool, Fault> {
        #[derive(Deserialize)]
        #[serde(tag = "type")]
        enum Event {
            Results {
                #[serde(default)]
                is_final: bool,
                channel: Channel,
            },
            Metadata,
            Error {
                code: Option<String>,
                variant: Option<String>,
            },
            #[serde(other)]
            Other,
        }
        #[derive(Deserialize)]
        struct Channel {
            alternatives: Vec<Alternative>,
        }
        let event = serde_json::from_str(text)
            .map_err(|_| endpoint.fault(FaultKind::Broken, "a message of the socket cannot be read"))?;
        match event {
            Event::Results { is_final: true, channel } => {
                self.any = true;
                if let Some(best) = channel.alternatives.into_iter().next() {
                    self.add(best);
                }
                Ok(false)
            }
            Event::Metadata => Ok(true),
            Event::Results { .. } | Event::Other => Ok(false),
            Event::Error { code, variant } => {
                let code = code.or(variant).filter(|code| http::is_plain(code));
                Err(endpoint.fault(FaultKind::Unavailable, code.unwrap_or_else(|| "an error".to_owned())))
            }
        }
    }

    fn add(&mut self, best: Alternative) {
        let text = best.transcript.trim();
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        let letters = text.chars().count() as f64;
        self.letters += letters;
        self.confidence += letters * best.confidence.filter(|c| c.is_finite()).unwrap_or(f64::from(CONFIDENCE));
        if self.language.is_none() {
            self.language = best.languages.into_iter().next();
        }
    }

    fn heard(self) -> Told {
        let confidence = (self.letters > 0.0).then(|| (self.confidence / self.letters) as f32);
        Told { text: self.text, confidence, language: self.language, language_confidence: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    #[test]
    fn the_languages_decide_how_it_is_asked() {
        use Lang::{Bn, En, Hi, Ml, Ta};
        let endpoint = endpoint("deepgram/nova-3");
        let open = |among: &[Lang]| LanguageHint::Open { among: among.to_vec() };
        let likely = |expected, among: &[Lang]| LanguageHint::Likely { expected, among: among.to_vec() };
        let cases: [(LanguageHint, bool, Mode); 8] = [
            (LanguageHint::Fixed(Hi), false, Mode::Code("hi")),
            (likely(Hi, &[En, Hi]), false, Mode::Multilingual),
            (likely(Hi, &[En, Hi]), true, Mode::Multilingual),
            // What it does not have cannot be told apart anyway.
            (likely(En, &[En, Hi, Ml]), false, Mode::Multilingual),
            (likely(Ta, &[En, Ta]), false, Mode::Code("ta")),
            (open(&[Bn, Ta]), false, Mode::Detect),
            (open(&[Bn, Ta]), true, Mode::Code("bn")),
            (open(&[]), false, Mode::Detect),
        ];
        for (hint, live, mode) in cases {
            assert_eq!(question(&hint, live, &endpoint).unwrap().1, mode, "{hint:?} {live}");
        }
        assert_eq!(question(&LanguageHint::Fixed(Ml), false, &endpoint).unwrap_err().kind, FaultKind::Refused);
    }

    #[test]
    fn final_segments_are_joined() {
        let endpoint = endpoint("deepgram/nova-3");
        let mut segments = Segments::default();
        let result = |text: &str, confidence: f64, is_final: bool| {
            json!({"type": "Results", "is_final": is_final, "channel": {"alternatives": [
                {"transcript": text, "confidence": confidence, "languages": ["hi"], "words": []}]}})
            .to_string()
        };
        for (message, last) in [
            (result("नमस्ते", 0.9, true), false),
            (result("जी", 0.1, false), false),
            (r#"{"type":"SpeechStarted","channel":[0],"timestamp":0.1}"#.to_owned(), false),
            (result("", 0.0, true), false),
            (result("जी हाँ", 0.6, true), false),
            (r#"{"type":"Metadata","request_id":"r"}"#.to_owned(), true),
        ] {
            assert_eq!(segments.take(&message, &endpoint).unwrap(), last, "{message}");
        }
        let heard = segments.heard();
        assert_eq!((heard.text.as_str(), heard.language.as_deref()), ("नमस्ते जी हाँ", Some("hi")));
        assert!((heard.confidence.unwrap() - 0.75).abs() < 0.02);
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_harm(text in ".{0,80}", field in ".{0,20}") {
            let endpoint = endpoint("deepgram/nova-3");
            let mut segments = Segments::default();
            let _ = segments.take(&text, &endpoint);
            let error = json!({"type": "Error", "code": field, "message": field}).to_string();
            prop_assert!(segments.take(&error, &endpoint).unwrap_err().detail.len() <= 80);
        }
    }
}
