//! A part of the running daemon, as it says of itself how it is.

use serde::Serialize;
use serde_json::Value;

use super::finding::Finding;

/// One part of the box.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Component {
    pub name: String,
    /// `ok`, `degraded` or `down`.
    pub status: &'static str,
    /// What is wrong and what to do; empty when all is well.
    pub detail: String,
    /// Figures for people.
    #[schema(value_type = Option<Object>)]
    pub facts: Value,
}

pub(super) fn check(components: &[Component]) -> Vec<Finding> {
    components
        .iter()
        // These have checks of their own, with better words.
        .filter(|part| !matches!(part.name.as_str(), "transport/twilio" | "transport/exotel" | "providers" | "journal"))
        .map(|part| {
            let fix = if part.detail.is_empty() { "see the log of the daemon" } else { part.detail.as_str() };
            let text = format!("{} is {}", part.name, part.status);
            match part.status {
                "ok" => Finding::fine("component", text),
                "down" => Finding::error("component", text, fix),
                _ => Finding::warning("component", text, fix),
            }
            .about(part.name.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::health::Severity;

    #[test]
    fn a_part_that_is_down_is_an_error_about_that_part() {
        let part = |name: &str, status, detail: &str| Component {
            name: name.to_owned(),
            status,
            detail: detail.to_owned(),
            facts: Value::Null,
        };
        let found = check(&[
            part("engine/stt", "ok", ""),
            part("engine/llm", "down", "no worker answers"),
            part("engine/tts", "degraded", ""),
            part("journal", "degraded", "told elsewhere"),
        ]);
        let told: Vec<_> = found.iter().map(|f| (f.about.as_str(), f.severity, f.fix.as_str())).collect();
        assert_eq!(
            told,
            [
                ("engine/stt", Severity::Fine, ""),
                ("engine/llm", Severity::Error, "no worker answers"),
                ("engine/tts", Severity::Warning, "see the log of the daemon")
            ]
        );
    }
}
