//! Does the audit trail hold?

use super::facts::AuditFacts;
use super::finding::Finding;

pub(super) fn check(trails: &[AuditFacts]) -> Vec<Finding> {
    trails
        .iter()
        .map(|trail| match (&trail.broken, trail.verified_ms) {
            (Some(how), _) => Finding::error(
                "audit",
                format!("the audit trail of {} does not verify: {how}", trail.name),
                "somebody may have changed the database outside of vaani: keep a copy of the state directory, then run `vaani audit verify`",
            ),
            (None, None) => Finding::fine("audit", format!("the audit trail of {} was not verified yet", trail.name)),
            (None, Some(_)) => Finding::fine("audit", format!("the audit trail of {} verifies", trail.name)),
        })
        .zip(trails)
        .map(|(finding, trail)| finding.about(trail.name.clone()))
        .collect()
}
