//! Which findings wake somebody.

use super::machine::Symptom;
use crate::ops::health::{Finding, entry};

/// Of the findings that are shown; `off` are codes that the settings keep quiet.
pub fn symptoms(shown: &[Finding], off: &[String]) -> Vec<Symptom> {
    shown
        .iter()
        .filter(|finding| {
            let from = entry(finding.code).and_then(|row| row.alerts_from);
            from.is_some_and(|from| finding.severity >= from) && !off.iter().any(|code| code == finding.code)
        })
        .map(|finding| Symptom {
            code: finding.code,
            about: finding.about.clone(),
            severity: finding.severity,
            text: finding.text.clone(),
            fix: finding.fix.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_catalogue_and_the_settings_name_wakes_somebody() {
        let shown = [
            Finding::fine("disk", "room"),
            Finding::warning("starter_models", "…", "…"),
            Finding::warning("component", "degraded", "…").about("engine/tts"),
            Finding::error("component", "down", "…").about("engine/stt"),
            Finding::warning("outbox", "waits", "…"),
        ];
        let woken = symptoms(&shown, &["outbox".to_owned()]);
        assert_eq!(woken.iter().map(|s| (s.code, s.about.as_str())).collect::<Vec<_>>(), [("component", "engine/stt")]);
    }
}
