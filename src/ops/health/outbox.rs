//! Do webhooks arrive?

use super::facts::OutboxFacts;
use super::finding::Finding;
use crate::config::Alerts;

pub(super) fn check(facts: &OutboxFacts, wall_ms: u64, limits: &Alerts) -> Finding {
    let minutes = facts.oldest_ms.map_or(0, |at| wall_ms.saturating_sub(at) / 60_000);
    let fix = "see GET /api/webhooks for what the receivers answer; nothing is lost, it is sent when they are back";
    if facts.waiting > u64::from(limits.outbox_waiting) {
        return Finding::warning("outbox", format!("{} webhooks wait to be delivered", facts.waiting), fix);
    }
    if facts.waiting > 0 && minutes >= u64::from(limits.outbox_minutes) {
        return Finding::warning("outbox", format!("the oldest webhook waits for {minutes} minutes"), fix);
    }
    let dead = if facts.dead > 0 { format!(", {} were given up", facts.dead) } else { String::new() };
    Finding::fine("outbox", format!("{} webhooks wait{dead}", facts.waiting))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn many_or_old_ones_are_told() {
        let limits = Alerts::default();
        let now = 100 * 60_000;
        let of = |waiting, minutes: Option<u64>| {
            let facts = OutboxFacts { waiting, dead: 0, oldest_ms: minutes.map(|m| now - m * 60_000) };
            check(&facts, now, &limits).severity
        };
        assert_eq!(of(0, None), Severity::Fine);
        assert_eq!(of(1_000, Some(29)), Severity::Fine);
        assert_eq!(of(1_001, Some(0)), Severity::Warning);
        assert_eq!(of(1, Some(30)), Severity::Warning);
    }
}
