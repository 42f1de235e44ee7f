//! What is shown of the findings: not what hides behind its cause, not what has not lasted. Pure.

use std::collections::HashMap;

use super::catalogue::entry;
use super::finding::{Finding, Severity};
use crate::base::Moment;

/// Remembers since when each finding holds.
#[derive(Debug, Default)]
pub struct Board {
    since: HashMap<(&'static str, String), Moment>,
}

impl Board {
    /// Takes all findings of a look and gives back those to be shown, worst first; fine ones too.
    pub fn show(&mut self, now: Moment, found: Vec<Finding>) -> Vec<Finding> {
        let key = |finding: &Finding| (finding.code, finding.about.clone());
        let wrong: HashMap<_, _> = found
            .iter()
            .filter(|finding| !finding.is_fine())
            .map(|finding| {
                let key = key(finding);
                let since = self.since.get(&key).copied().unwrap_or(now);
                (key, since)
            })
            .collect();
        self.since = wrong;
        let lasting = |finding: &Finding| {
            let wait = entry(finding.code).map_or(std::time::Duration::ZERO, |row| row.visible_after);
            self.since.get(&key(finding)).is_some_and(|since| now.since(*since) >= wait)
        };
        let mut shown: Vec<Finding> = Vec::with_capacity(found.len());
        for finding in &found {
            if finding.is_fine() || (lasting(finding) && !is_hidden(finding, &found)) {
                shown.push(finding.clone());
            }
        }
        shown.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        shown
    }
}

/// What is left without the consequences of other findings, worst first: for one look at the box.
pub fn causes_only(mut found: Vec<Finding>) -> Vec<Finding> {
    let all = found.clone();
    found.retain(|finding| !is_hidden(finding, &all));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// Is one of its causes, or a cause of a cause, as bad as the finding itself? A cause that is only
/// a warning explains no error.
fn is_hidden(finding: &Finding, all: &[Finding]) -> bool {
    let mut waiting: Vec<&str> = entry(finding.code).map_or(&[][..], |row| row.depends_on).to_vec();
    // The table has no circles, so this ends.
    while let Some(code) = waiting.pop() {
        let explains = |other: &&Finding| other.code == code && other.severity >= finding.severity;
        if finding.severity > Severity::Fine && all.iter().any(|other| explains(&other)) {
            return true;
        }
        waiting.extend(entry(code).map_or(&[][..], |row| row.depends_on));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(shown: &[Finding]) -> Vec<&str> {
        shown.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_finding_hides_behind_its_cause_and_its_causes_cause() {
        let mut board = Board::default();
        let disk = Finding::error("disk", "full", "make room");
        let database = Finding::error("database", "cannot be written", "make room");
        let audit = Finding::error("audit", "not verified", "…");
        let at = Moment::from_millis;
        let all = vec![audit.clone(), disk, database.clone()];
        assert_eq!(codes(&board.show(at(0), all)), ["disk"]);
        assert_eq!(codes(&board.show(at(1), vec![audit.clone(), database])), ["database"]);
        assert_eq!(codes(&board.show(at(2), vec![audit.clone()])), ["audit"]);
        // A disk that only gets full is no reason for a broken chain.
        let low = Finding::warning("disk", "gets full", "make room");
        assert_eq!(codes(&board.show(at(3), vec![low, audit])), ["audit", "disk"]);
    }

    #[test]
    fn what_mends_itself_in_time_is_never_shown() {
        let mut board = Board::default();
        let at = Moment::from_millis;
        let gone = || vec![Finding::warning("offline", "nothing outside answers", "look at the network")];
        assert!(board.show(at(0), gone()).is_empty());
        assert!(board.show(at(19_000), gone()).is_empty());
        let back = board.show(at(19_500), vec![Finding::fine("offline", "the network answers")]);
        assert_eq!((back.len(), back[0].severity), (1, Severity::Fine));
        assert!(board.show(at(21_000), gone()).is_empty(), "it begins anew");
        assert_eq!(codes(&board.show(at(41_000), gone())), ["offline"]);
    }

    #[test]
    fn each_of_several_has_its_own_time() {
        let mut board = Board::default();
        let down = |name: &str| Finding::error("component", "no worker answers", "see the log").about(name);
        let at = Moment::from_millis;
        board.show(at(0), vec![down("engine/stt")]);
        let shown = board.show(at(10_000), vec![down("engine/stt"), down("engine/tts")]);
        assert_eq!(shown.iter().map(|f| f.about.as_str()).collect::<Vec<_>>(), ["engine/stt"]);
    }
}
