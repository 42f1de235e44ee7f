//! What all adapters of ears and voices have in common: what they ask with, and how what was told
//! becomes the contract's answer.

use std::time::Duration;

use reqwest::Client;

use super::Endpoint;
use super::codes::{Codes, Question};
use super::sound::Speech;
use crate::ai::stt::SttText;
use crate::ai::tts::TtsRequest;
use crate::base::Clock;

/// Of a text of which no confidence is told.
pub const CONFIDENCE: f32 = 0.9;

/// One model of one provider, ready to be asked.
#[derive(Clone)]
pub struct Asker {
    pub endpoint: Endpoint,
    pub http: Client,
    pub clock: Clock,
}

impl Asker {
    /// The answer to a clause; `from` is the rate it will come in.
    pub fn speech(&self, request: &TtsRequest, from: u32, voice: Option<&str>) -> Speech {
        Speech {
            endpoint: self.endpoint.clone(),
            clock: self.clock,
            from,
            to: request.rate,
            voice: voice.unwrap_or_default().to_owned(),
        }
    }
}

/// What a provider told of an utterance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub text: String,
    pub confidence: Option<f32>,
    /// In the provider's own code.
    pub language: Option<String>,
    pub language_confidence: Option<f64>,
}

impl Told {
    /// The answer to `question`: `audio` was heard within `took`.
    pub fn answers(
        self,
        (codes, question): (Codes, &Question),
        endpoint: &Endpoint,
        audio: Duration,
        took: Duration,
    ) -> SttText {
        let (language, language_confidence) =
            question.answer(codes, self.language.as_deref(), self.language_confidence);
        let text = self.text.trim();
        SttText {
            text: text.to_owned(),
            language,
            language_confidence,
            // That nothing was said is told without one.
            confidence: self
                .confidence
                .filter(|c| c.is_finite() && !text.is_empty())
                .map_or(CONFIDENCE, |c| c.clamp(0.0, 1.0)),
            audio,
            took,
            provider: endpoint.id.clone(),
        }
    }
}
