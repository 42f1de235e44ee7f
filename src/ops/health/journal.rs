//! Did calls leave all their facts?

use super::finding::Finding;

pub(super) fn check(dropped: u64) -> Finding {
    if dropped > 0 {
        return Finding::warning(
            "journal",
            format!("{dropped} facts about calls were lost since the start"),
            "look whether the disk of the state directory is full or slow; the end of a call is never among the lost",
        );
    }
    Finding::fine("journal", "no fact about a call was lost")
}
