//! Are the models meant for callers?

use super::finding::Finding;
use crate::config::Settings;

pub(super) fn check(settings: &Settings) -> Finding {
    let starters = [&settings.engines.stt.engine.model, &settings.engines.llm.engine.model]
        .into_iter()
        .any(|model| model.contains("starter"));
    if starters {
        return Finding::warning(
            "starter_models",
            "starter models are in use: they have only ever heard synthetic speech and will fail on real callers",
            "put in a full Whisper and a larger language model (see README, \"models\")",
        );
    }
    Finding::fine("starter_models", "no starter model is in use")
}
