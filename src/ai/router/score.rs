//! One number for how good a candidate is at a stage, from what was measured and, until then, from
//! what its kind is known for (`prior.rs`). Larger is better. Only orders those that rules, lists and the order
//! policy leave equal.

use std::time::Duration;

use super::candidates::{Candidate, Stage};
use super::decision::Standing;
use super::prior;
use crate::base::Lang;

/// What is assumed of a candidate that was never asked.
const SUCCESS: f64 = 0.98;

/// A latency at which half of the points for speed are left.
const fn target(stage: Stage) -> Duration {
    match stage {
        Stage::Stt => Duration::from_millis(800),
        Stage::Llm => Duration::from_millis(600),
        Stage::Tts => Duration::from_millis(400),
    }
}

/// A rupee a minute halves the points for cost.
const COST_HALF_MILLIPAISE: f64 = 100_000.0;

/// In millionths, so that the order never depends on how a sum of fractions is rounded.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and a million")]
pub(super) fn score(candidate: &Candidate, stage: Stage, language: Lang, standing: &Standing) -> i64 {
    let success = standing.success_rate.map_or(SUCCESS, f64::from).clamp(0.0, 1.0);
    let tail = standing
        .p95
        .or_else(|| standing.p50.map(|p50| p50.saturating_mul(2)))
        .unwrap_or_else(|| prior::tail(candidate, stage));
    let half = target(stage).as_secs_f64();
    let speed = half / (half + tail.as_secs_f64());
    let accuracy = f64::from(prior::accuracy(candidate, stage, language)).clamp(0.0, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a price is small")]
    let cost = candidate.price.of_a_minute(stage) as f64;
    let cheapness = COST_HALF_MILLIPAISE / (COST_HALF_MILLIPAISE + cost);
    // A failure costs the caller more than any slowness: it weighs like a factor on all the rest.
    let merit = success.powi(4) * (0.40 * accuracy + 0.35 * speed + 0.25 * cheapness);
    if merit.is_finite() { (merit * 1_000_000.0).round() as i64 } else { 0 }
}
