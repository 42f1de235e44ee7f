//! Are the databases whole, and can they be written?

use super::facts::DatabaseFacts;
use super::finding::Finding;

/// A log that is never folded back grows until the disk is full.
const WAL_LARGE: u64 = 512 << 20;

pub(super) fn check(databases: &[DatabaseFacts]) -> Vec<Finding> {
    databases.iter().map(|facts| one(facts).about(facts.name.clone())).collect()
}

fn one(facts: &DatabaseFacts) -> Finding {
    let name = &facts.name;
    if let Some(complaint) = &facts.corrupt {
        return Finding::error(
            "database",
            format!("the database {name} is damaged: {complaint}"),
            "stop the daemon, keep a copy of the state directory, and bring the last backup back (vaani restore)",
        );
    }
    if let Some(why) = &facts.unwritable {
        return Finding::error(
            "database",
            format!("the database {name} cannot be written: {why}"),
            "look at room and permissions of the state directory; calls go on, what they note is refused",
        );
    }
    if facts.wal_bytes > WAL_LARGE {
        return Finding::warning(
            "database",
            format!("the log of the database {name} has grown to {} MiB", facts.wal_bytes >> 20),
            "a reader keeps it from being folded back; restart the daemon at a quiet time",
        );
    }
    Finding::fine("database", format!("the database {name} is whole"))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn damage_is_worse_than_a_full_disk_and_both_are_told_by_name() {
        let full =
            DatabaseFacts { name: "acme".to_owned(), unwritable: Some("disk full".to_owned()), ..Default::default() };
        let damaged = DatabaseFacts { corrupt: Some("page 7".to_owned()), ..full.clone() };
        let large = DatabaseFacts { name: "system".to_owned(), wal_bytes: WAL_LARGE + 1, ..Default::default() };
        let found = check(&[full, damaged, large, DatabaseFacts::default()]);
        assert!(found[0].text.contains("cannot be written") && found[0].about == "acme");
        assert!(found[1].text.contains("page 7") && found[1].fix.contains("vaani restore"));
        assert_eq!((found[2].severity, found[3].severity), (Severity::Warning, Severity::Fine));
    }
}
