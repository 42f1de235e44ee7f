//! What is taken for granted of an engine before it was measured: how slow its slow answers are and
//! how well it does a language. A routing file that gives `latency_ms` or `accuracy_score` knows
//! better, and so does what was measured.
//!
//! Source: what is known of the services' interfaces as of November 2026. Published is that Bhashini
//! gives no promise and answers within 2 to 6 s, and where OpenAI's recogniser is weak; the other
//! times are round figures for a good line, the box's own were measured with the starter models.

use std::time::Duration;

use super::candidates::{Candidate, Kind, Stage};
use crate::base::Lang;

/// Of an engine of which nothing is known.
const ACCURACY: f32 = 0.85;
const WEAK: f32 = 0.65;
/// An English voice that reads another language.
const ACCENTED: f32 = 0.70;

/// The slow tail: one answer in twenty takes longer.
pub(super) fn tail(candidate: &Candidate, stage: Stage) -> Duration {
    candidate.latency.unwrap_or_else(|| Duration::from_millis(tail_ms(candidate, stage)))
}

fn tail_ms(candidate: &Candidate, stage: Stage) -> u64 {
    match (candidate.provider.kind, stage) {
        (Kind::Bhashini, _) => 6_000,
        (Kind::Local, Stage::Stt) => 900,
        (Kind::Local, Stage::Llm) => 800,
        (Kind::Local, Stage::Tts) => 200,
        (Kind::ElevenLabs, Stage::Tts) if candidate.model.contains("flash") => 400,
        (Kind::ElevenLabs, Stage::Tts) if candidate.model.contains("v3") => 1_500,
        (Kind::ElevenLabs, _) => 700,
        (Kind::Sarvam, Stage::Stt) if candidate.model.contains("realtime") => 600,
        (Kind::Sarvam, Stage::Tts) if candidate.model.contains("flash") => 500,
        (Kind::Sarvam, Stage::Llm) => 1_500,
        (Kind::Deepgram, _) => 600,
        (Kind::Bedrock | Kind::Anthropic | Kind::OpenAi | Kind::Generic, _) => 1_500,
        (Kind::Sarvam | Kind::Azure, _) => 1_000,
    }
}

/// 0 to 1.
pub(super) fn accuracy(candidate: &Candidate, stage: Stage, language: Lang) -> f32 {
    if let Some(told) = candidate.accuracy {
        return told;
    }
    match (candidate.provider.kind, stage, language) {
        (Kind::OpenAi, Stage::Stt, Lang::Te | Lang::Ml | Lang::Gu | Lang::Bn | Lang::Pa | Lang::Or)
            if is_openais(candidate) =>
        {
            WEAK
        }
        (Kind::OpenAi, Stage::Tts, language) if language != Lang::En && is_openais(candidate) => ACCENTED,
        _ => ACCURACY,
    }
}

/// Others speak its protocol with models of their own.
fn is_openais(candidate: &Candidate) -> bool {
    candidate.provider.base_url.as_ref().and_then(url::Url::host_str) == Some("api.openai.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::router::Table;

    #[test]
    fn the_file_knows_better_than_the_table() {
        let text = "residency: {default: any}\nproviders:\n  openai:\n    kind: openai\n    base_url: https://api.openai.com/v1\n    \
                    residency: abroad\n    secret: K\n    models:\n      gpt-transcribe: {capabilities: [stt], cost_per_minute: 1}\n      \
                    told: {capabilities: [stt], accuracy_score: 0.9, latency_ms: 320, cost_per_minute: 1}\n";
        let (table, _) = Table::from_text(text).unwrap_or_else(|error| panic!("{error}"));
        let of = |name: &str| table.named(name).unwrap();
        let weak = of("openai/gpt-transcribe");
        assert_eq!((accuracy(weak, Stage::Stt, Lang::Ml), accuracy(weak, Stage::Stt, Lang::Hi)), (WEAK, ACCURACY));
        assert_eq!(tail(weak, Stage::Stt), Duration::from_millis(1_500));
        let told = of("openai/told");
        assert_eq!((accuracy(told, Stage::Stt, Lang::Ml), tail(told, Stage::Stt)), (0.9, Duration::from_millis(320)));
        assert_eq!(tail(of("local/speech"), Stage::Tts), Duration::from_millis(200));
    }
}
