//! Could the box be brought back?

use super::facts::BackupFacts;
use super::finding::Finding;

const HOUR_MS: u64 = 3_600_000;

pub(super) fn check(facts: &BackupFacts, wall_ms: u64, most_hours: u32) -> Finding {
    let hours = facts.last_good_ms.map(|at| wall_ms.saturating_sub(at) / HOUR_MS);
    if let Some(why) = &facts.last_error {
        let since =
            hours.map_or_else(|| "there is no good one".to_owned(), |h| format!("the last good one is {h} hours old"));
        return Finding::error(
            "backup",
            format!("the last backup failed: {why}; {since}"),
            "look at the place it is written to ([backup]), then run `vaani backup`",
        );
    }
    match (hours, facts.scheduled) {
        (None, false) => Finding::warning(
            "backup",
            "no backup was ever made, and none is scheduled",
            "set a place and an hour under [backup] in vaani.toml, or run `vaani backup`",
        ),
        (None, true) => {
            Finding::warning("backup", "no backup was made yet", "run `vaani backup` once to see that it works")
        }
        (Some(hours), _) if hours > u64::from(most_hours) => Finding::error(
            "backup",
            format!("the last backup is {hours} hours old"),
            "look in the log why no newer one was made, then run `vaani backup`",
        ),
        (Some(hours), _) => Finding::fine("backup", format!("the last backup is {hours} hours old")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn what_counts_is_the_last_good_one() {
        let now = 1_000 * HOUR_MS;
        let of = |scheduled, hours: Option<u64>, error: Option<&str>| {
            let facts = BackupFacts {
                scheduled,
                last_good_ms: hours.map(|h| now - h * HOUR_MS),
                last_error: error.map(str::to_owned),
            };
            check(&facts, now, 26)
        };
        assert_eq!(of(false, None, None).severity, Severity::Warning);
        assert_eq!(of(true, None, None).severity, Severity::Warning);
        assert_eq!(of(true, Some(26), None).severity, Severity::Fine);
        assert_eq!(of(true, Some(27), None).severity, Severity::Error);
        let failed = of(true, Some(3), Some("the target is not there"));
        assert_eq!(failed.severity, Severity::Error);
        assert!(failed.text.ends_with("the last good one is 3 hours old"), "{}", failed.text);
        // A clock that was set back makes no backup from the future old.
        let facts = BackupFacts { scheduled: true, last_good_ms: Some(now + HOUR_MS), last_error: None };
        assert_eq!(check(&facts, now, 26).severity, Severity::Fine);
    }
}
