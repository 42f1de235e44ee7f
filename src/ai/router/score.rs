//! One number for how good a candidate is at a stage, from what was measured and, until then, from
//! what its kind is known for. Larger is better. Only orders those that rules, lists and the order
//! policy leave equal.

use std::time::Duration;

use super::candidates::{Candidate, Kind, Stage};
use super::decision::Standing;

/// What is assumed of a candidate that was never asked.
const SUCCESS: f64 = 0.98;
const ACCURACY: f64 = 0.85;

/// A latency at which half of the points for speed are left.
const fn target(stage: Stage) -> Duration {
    match stage {
        Stage::Stt => Duration::from_millis(800),
        Stage::Llm => Duration::from_millis(600),
        Stage::Tts => Duration::from_millis(400),
    }
}

/// The slow tail as it is expected before anything was measured. Public services of the government
/// take seconds; the others answer within one on a good line.
const fn expected(kind: Kind, stage: Stage) -> Duration {
    let ms = match (kind, stage) {
        (Kind::Bhashini, _) => 5_000,
        (Kind::Local, Stage::Stt) => 900,
        (Kind::Local, Stage::Llm) => 800,
        (Kind::Local, Stage::Tts) => 200,
        (Kind::Sarvam, Stage::Llm) => 1_500,
        (Kind::Bedrock | Kind::Anthropic, _) => 1_500,
        (Kind::Deepgram, _) => 600,
        (Kind::ElevenLabs, _) => 500,
        (Kind::OpenAi | Kind::Generic, _) => 1_500,
        (Kind::Sarvam | Kind::Azure, _) => 1_000,
    };
    Duration::from_millis(ms)
}

/// A rupee a minute halves the points for cost.
const COST_HALF_MILLIPAISE: f64 = 100_000.0;

/// In millionths, so that the order never depends on how a sum of fractions is rounded.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and a million")]
pub(super) fn score(candidate: &Candidate, stage: Stage, standing: &Standing) -> i64 {
    let success = standing.success_rate.map_or(SUCCESS, f64::from).clamp(0.0, 1.0);
    let tail = standing
        .p95
        .or_else(|| standing.p50.map(|p50| p50.saturating_mul(2)))
        .unwrap_or_else(|| expected(candidate.provider.kind, stage));
    let half = target(stage).as_secs_f64();
    let speed = half / (half + tail.as_secs_f64());
    let accuracy = candidate.accuracy.map_or(ACCURACY, f64::from).clamp(0.0, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a price is small")]
    let cost = candidate.price.of_a_minute(stage) as f64;
    let cheapness = COST_HALF_MILLIPAISE / (COST_HALF_MILLIPAISE + cost);
    // A failure costs the caller more than any slowness: it weighs like a factor on all the rest.
    let merit = success.powi(4) * (0.40 * accuracy + 0.35 * speed + 0.25 * cheapness);
    if merit.is_finite() { (merit * 1_000_000.0).round() as i64 } else { 0 }
}
