//! Did calls leave all their facts?

use super::facts::JournalFacts;
use super::finding::Finding;

pub(super) fn check(JournalFacts { lost, waiting }: JournalFacts) -> Finding {
    let fix = "look whether the disk of the state directory is full or slow; beginnings, costs and ends of calls wait in memory and are written when it takes them";
    match (lost, waiting) {
        (0, 0) => Finding::fine("journal", "no fact about a call was lost"),
        (0, _) => Finding::warning("journal", format!("{waiting} facts about calls wait to be written"), fix),
        (_, 0) => Finding::warning("journal", format!("{lost} facts about calls were lost since the start"), fix),
        _ => Finding::warning(
            "journal",
            format!("{lost} facts about calls were lost since the start, {waiting} wait to be written"),
            fix,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_what_is_lost_are_told_apart() {
        let told = |lost, waiting| check(JournalFacts { lost, waiting }).text;
        assert!(check(JournalFacts::default()).is_fine());
        assert_eq!(told(0, 3), "3 facts about calls wait to be written");
        assert_eq!(told(2, 0), "2 facts about calls were lost since the start");
        assert_eq!(told(2, 3), "2 facts about calls were lost since the start, 3 wait to be written");
    }
}
