//! Every code there is: what it hides behind, how long it must last to be shown, and from which
//! severity on it wakes somebody.

use std::time::Duration;

use super::finding::Severity;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub code: &'static str,
    /// Not shown while one of these is wrong: it is their consequence.
    pub depends_on: &'static [&'static str],
    /// Shown once it has lasted this long; what mends itself is not worth a look.
    pub visible_after: Duration,
    /// Becomes an alert from this severity on.
    pub alerts_from: Option<Severity>,
}

const fn entry_of(code: &'static str) -> Entry {
    Entry { code, depends_on: &[], visible_after: Duration::ZERO, alerts_from: None }
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
    entry_of("processor"),
    entry_of("memory").after(30).wakes(Severity::Warning),
    entry_of("configuration"),
    entry_of("engine_files"),
    entry_of("speech_library"),
    entry_of("starter_models"),
    entry_of("state").wakes(Severity::Error),
    entry_of("disk").wakes(Severity::Warning),
    entry_of("master_key").wakes(Severity::Error),
    entry_of("clock").after(300).wakes(Severity::Error),
    entry_of("twilio_token"),
    entry_of("public_url"),
    entry_of("certificate").behind(&["clock", "offline"]).wakes(Severity::Warning),
    entry_of("daemon"),
    entry_of("component").behind(&["processor", "engine_files"]).after(10).wakes(Severity::Error),
    entry_of("offline").after(20).wakes(Severity::Warning),
    entry_of("database").behind(&["disk"]).wakes(Severity::Error),
    entry_of("journal").behind(&["disk"]).wakes(Severity::Warning),
    entry_of("backup").behind(&["disk"]).wakes(Severity::Warning),
    entry_of("audit").behind(&["database"]).wakes(Severity::Error),
    entry_of("outbox").behind(&["offline"]).after(60).wakes(Severity::Warning),
    entry_of("engine_faults").behind(&["component"]).wakes(Severity::Warning),
    entry_of("failed_calls").behind(&["component"]).wakes(Severity::Warning),
    entry_of("http_errors").behind(&["disk", "database"]).wakes(Severity::Warning),
    entry_of("stuck_check").wakes(Severity::Error),
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
