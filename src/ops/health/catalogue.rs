//! Every code there is: what it hides behind, how long it must last to be shown, and from which
//! severity on it wakes somebody.

use std::time::Duration;

use super::finding::Severity;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub code: &'static str,
    /// What is wrong when it is, for those who may not know more.
    pub title: &'static str,
    /// Not shown while one of these is wrong: it is their consequence.
    pub depends_on: &'static [&'static str],
    /// Shown once it has lasted this long; what mends itself is not worth a look.
    pub visible_after: Duration,
    /// Becomes an alert from this severity on.
    pub alerts_from: Option<Severity>,
}

const fn entry_of(code: &'static str, title: &'static str) -> Entry {
    Entry { code, title, depends_on: &[], visible_after: Duration::ZERO, alerts_from: None }
}

impl Entry {
    const fn behind(self, depends_on: &'static [&'static str]) -> Self {
        Self { depends_on, ..self }
    }

    const fn after(self, seconds: u64) -> Self {
        Self { visible_after: Duration::from_secs(seconds), ..self }
    }

    const fn wakes(self, from: Severity) -> Self {
        Self { alerts_from: Some(from), ..self }
    }
}

/// In the order in which a person would look at them.
pub const CATALOGUE: &[Entry] = &[
    entry_of("processor", "the processor cannot run the local engines"),
    entry_of("memory", "little memory is free").after(30).wakes(Severity::Warning),
    entry_of("configuration", "the configuration has a fault"),
    entry_of("engine_files", "programs or models of engines are missing"),
    entry_of("speech_library", "the speech engine lacks files"),
    entry_of("starter_models", "starter models are in use"),
    entry_of("state", "the state directory is not as it should be").wakes(Severity::Error),
    entry_of("disk", "the disk of the state directory is nearly full").wakes(Severity::Warning),
    entry_of("master_key", "the key of the databases is missing or not safe").wakes(Severity::Error),
    entry_of("clock", "the clock is wrong or nobody keeps it right").after(300).wakes(Severity::Error),
    entry_of("twilio_token", "Twilio's webhooks cannot be checked"),
    entry_of("exotel_access", "Exotel cannot be told from others"),
    entry_of("public_url", "carriers do not find the box"),
    entry_of("offline", "nothing outside the box can be reached").after(20).wakes(Severity::Warning),
    entry_of("certificate", "the certificate of the public address is about to expire, or is not accepted")
        .behind(&["clock", "offline"])
        .wakes(Severity::Warning),
    entry_of("daemon", "the daemon does not answer"),
    entry_of("component", "a part of the box is down")
        .behind(&["processor", "engine_files"])
        .after(10)
        .wakes(Severity::Error),
    entry_of("database", "a database is damaged or cannot be written").behind(&["disk"]).wakes(Severity::Error),
    entry_of("agent", "an agent takes no calls").behind(&["disk", "database"]).wakes(Severity::Error),
    entry_of("journal", "facts about calls wait to be written, or were lost")
        .behind(&["disk"])
        .wakes(Severity::Warning),
    entry_of("backup", "the last backup failed or is old").behind(&["disk"]).wakes(Severity::Error),
    entry_of("audit", "an audit trail does not verify").behind(&["database"]).wakes(Severity::Error),
    entry_of("outbox", "webhooks are not delivered").behind(&["offline"]).after(60).wakes(Severity::Warning),
    entry_of("recordings", "recordings of calls do not reach their place")
        .behind(&["disk"])
        .after(60)
        .wakes(Severity::Warning),
    entry_of("engine_faults", "many requests to engines fail").behind(&["component"]).wakes(Severity::Warning),
    entry_of("failed_calls", "many calls end by a failure").behind(&["component"]).wakes(Severity::Warning),
    entry_of("http_errors", "many HTTP requests fail").behind(&["disk", "database"]).wakes(Severity::Warning),
    entry_of("stuck_check", "the box cannot look at itself").wakes(Severity::Error),
];

/// The row of a code.
pub fn entry(code: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_a_row_above_its_consequence() {
        for (at, row) in CATALOGUE.iter().enumerate() {
            assert_eq!(CATALOGUE.iter().filter(|other| other.code == row.code).count(), 1, "{}", row.code);
            for cause in row.depends_on {
                // Being above keeps the table free of circles.
                assert!(CATALOGUE[..at].iter().any(|other| other.code == *cause), "{} behind {cause}", row.code);
            }
        }
    }
}
