//! Do recordings of calls reach their place?

use super::facts::RecordingFacts;
use super::finding::Finding;

pub(super) fn check(facts: &RecordingFacts) -> Finding {
    let mut wrong = Vec::new();
    if facts.broken_off > 0 {
        wrong.push(format!(
            "{} recordings ended early since the start, because they could not be written",
            facts.broken_off
        ));
    }
    if facts.waiting > 0 {
        let why = facts.why.as_deref().unwrap_or("it is being tried");
        wrong.push(format!("{} wait to be brought to where objects lie: {why}", facts.waiting));
    }
    if wrong.is_empty() {
        return Finding::fine("recordings", "recordings are where they belong");
    }
    let fix = "look whether the disk of the state directory is full and whether [objects] can be reached; what waits lies sealed in `recordings` and is brought by itself";
    Finding::warning("recordings", wrong.join("; "), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_off_and_what_waits_are_told_apart() {
        assert!(check(&RecordingFacts::default()).is_fine());
        let waits = check(&RecordingFacts { waiting: 2, why: Some("the bucket refused".to_owned()), broken_off: 0 });
        assert_eq!(waits.text, "2 wait to be brought to where objects lie: the bucket refused");
        let both = check(&RecordingFacts { waiting: 1, why: None, broken_off: 3 });
        assert!(both.text.starts_with("3 recordings ended early") && both.text.contains("; 1 wait"), "{}", both.text);
    }
}
