//! Turns what is wrong now into alerts that begin and end. Pure: time is handed in.

use std::time::Duration;

use indexmap::IndexMap;

use crate::base::{Moment, limits};
use crate::ops::health::Severity;

/// How slow the machine is to believe.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Wrong for this long before it is told.
    pub raise_after: Duration,
    /// Well for this long before it is over.
    pub clear_after: Duration,
    /// From one raising to the next of the same alert. An alert that comes and goes stays raised
    /// meanwhile instead of being told again: nothing that is wrong is hidden.
    pub quiet: Duration,
}

/// Something that is wrong now and wakes somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    pub code: &'static str,
    /// Which of several; empty if there is only one.
    pub about: String,
    pub severity: Severity,
    pub text: String,
    pub fix: String,
}

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It began.
    Raised(Symptom),
    /// It has become worse; told at most once before it is over.
    Worse(Symptom),
    /// It is over; with what was last wrong.
    Cleared(Symptom),
}

#[derive(Clone, Debug)]
enum State {
    /// Wrong since then, not told yet.
    Pending { since: Moment },
    /// Told; well since then, if it is well.
    Raised { at: Moment, well_since: Option<Moment>, told: Severity },
}

#[derive(Clone, Debug)]
struct Row {
    symptom: Symptom,
    state: State,
}

#[derive(Debug)]
pub struct Machine {
    pace: Pace,
    rows: IndexMap<(&'static str, String), Row>,
    /// Symptoms there was no room for.
    overflowed: u64,
}

impl Machine {
    pub fn new(pace: Pace) -> Self {
        Self { pace, rows: IndexMap::new(), overflowed: 0 }
    }

    /// Takes all that is wrong now; each code and subject at most once.
    pub fn look(&mut self, now: Moment, wrong: Vec<Symptom>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut seen = std::collections::HashSet::with_capacity(wrong.len());
        for symptom in wrong {
            let key = (symptom.code, symptom.about.clone());
            if !seen.insert(key.clone()) {
                continue;
            }
            if !self.rows.contains_key(&key) && self.rows.len() >= limits::ALERTS_MAX {
                self.overflowed += 1;
                continue;
            }
            let row = self
                .rows
                .entry(key)
                .or_insert_with(|| Row { symptom: symptom.clone(), state: State::Pending { since: now } });
            row.symptom = symptom;
            changes.extend(row.wrong(now, &self.pace));
        }
        let pace = self.pace;
        self.rows.retain(|key, row| {
            if seen.contains(key) {
                return true;
            }
            match row.well(now, &pace) {
                Some(over) => {
                    changes.extend(over);
                    false
                }
                None => true,
            }
        });
        changes
    }

    /// What is raised, with the moment since when; oldest first.
    pub fn raised(&self) -> impl Iterator<Item = (&Symptom, Moment)> {
        self.rows.values().filter_map(|row| match row.state {
            State::Raised { at, .. } => Some((&row.symptom, at)),
            State::Pending { .. } => None,
        })
    }

    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

impl Row {
    fn wrong(&mut self, now: Moment, pace: &Pace) -> Option<Change> {
        let severity = self.symptom.severity;
        match &mut self.state {
            State::Pending { since } if now.since(*since) >= pace.raise_after => {
                self.state = State::Raised { at: now, well_since: None, told: severity };
                Some(Change::Raised(self.symptom.clone()))
            }
            State::Pending { .. } => None,
            State::Raised { well_since, told, .. } => {
                *well_since = None;
                if severity > *told {
                    *told = severity;
                    return Some(Change::Worse(self.symptom.clone()));
                }
                None
            }
        }
    }

    /// `Some`: the row can be forgotten.
    fn well(&mut self, now: Moment, pace: &Pace) -> Option<Option<Change>> {
        match &mut self.state {
            State::Pending { .. } => Some(None),
            State::Raised { at, well_since, .. } => {
                let since = *well_since.get_or_insert(now);
                let over = now.since(since) >= pace.clear_after && now.since(*at) >= pace.quiet;
                over.then(|| Some(Change::Cleared(self.symptom.clone())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace {
        raise_after: Duration::from_secs(30),
        clear_after: Duration::from_secs(60),
        quiet: Duration::from_secs(900),
    };

    fn of(code: &'static str, severity: Severity) -> Symptom {
        Symptom { code, about: String::new(), severity, text: "text".to_owned(), fix: "fix".to_owned() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    /// Seconds, what is wrong then, and what must come of it.
    fn play(script: &[(u64, &[Severity], &str)]) {
        let mut machine = Machine::new(PACE);
        for (seconds, wrong, expected) in script {
            let wrong = wrong.iter().map(|severity| of("disk", *severity)).collect();
            let changes = machine.look(at(*seconds), wrong);
            let told: Vec<_> = changes
                .iter()
                .map(|change| match change {
                    Change::Raised(_) => "raised",
                    Change::Worse(_) => "worse",
                    Change::Cleared(_) => "cleared",
                })
                .collect();
            assert_eq!(told.join(" "), *expected, "at {seconds} s");
        }
    }

    #[test]
    fn what_lasts_is_told_once_and_its_end_once() {
        use Severity::{Error, Warning};
        // A moment of trouble is nobody's business.
        play(&[(0, &[Warning], ""), (29, &[Warning], ""), (29, &[], ""), (100, &[Warning], ""), (129, &[Warning], "")]);
        // What lasts is told, gets worse once, is over after it has been well for long.
        play(&[
            (0, &[Warning], ""),
            (30, &[Warning], "raised"),
            (31, &[Warning], ""),
            (40, &[Error], "worse"),
            (50, &[Warning], ""),
            (60, &[Error], ""),
            (1_000, &[], ""),
            (1_059, &[], ""),
            (1_060, &[], "cleared"),
            (1_061, &[], ""),
        ]);
        // One that comes and goes stays raised for the quiet time.
        play(&[
            (0, &[Error], ""),
            (30, &[Error], "raised"),
            (40, &[], ""),
            (200, &[], ""),
            (210, &[Error], ""),
            (300, &[], ""),
            (929, &[], ""),
            (930, &[], "cleared"),
            (931, &[Error], ""),
            (961, &[Error], "raised"),
        ]);
    }

    #[test]
    fn one_alert_a_subject_and_no_more_than_there_is_room_for() {
        let mut machine = Machine::new(Pace { raise_after: Duration::ZERO, ..PACE });
        let all: Vec<_> = (0..limits::ALERTS_MAX + 5)
            .map(|n| Symptom { about: format!("engine/{n}"), ..of("component", Severity::Error) })
            .collect();
        let twice = all.iter().cloned().chain(all.iter().cloned()).collect();
        assert_eq!(machine.look(at(0), twice).len(), limits::ALERTS_MAX);
        assert_eq!((machine.raised().count(), machine.overflowed()), (limits::ALERTS_MAX, 5));
    }

    proptest! {
        #[test]
        fn alerts_alternate_keep_quiet_and_hide_nothing(
            steps in proptest::collection::vec((1_u64..120, 0_u8..3), 1..400)
        ) {
            let mut machine = Machine::new(PACE);
            let (mut now, mut wrong_since, mut raised_at) = (0, None, None::<u64>);
            let mut last_raised: HashMap<&str, u64> = HashMap::new();
            for (step, how) in steps {
                now += step;
                let severity = if how == 2 { Severity::Error } else { Severity::Warning };
                let wrong: Vec<_> = (how > 0).then(|| of("disk", severity)).into_iter().collect();
                wrong_since = if how > 0 { wrong_since.or(Some(now)) } else { None };
                for change in machine.look(at(now), wrong) {
                    match change {
                        Change::Raised(_) => {
                            prop_assert!(raised_at.is_none(), "raised twice");
                            if let Some(last) = last_raised.insert("disk", now) {
                                prop_assert!(now - last >= 900, "raised again after {} s", now - last);
                            }
                            raised_at = Some(now);
                        }
                        Change::Worse(_) => prop_assert!(raised_at.is_some()),
                        Change::Cleared(_) => {
                            prop_assert!(how == 0 && raised_at.is_some());
                            raised_at = None;
                        }
                    }
                }
                if let Some(since) = wrong_since && now - since >= 30 {
                    prop_assert!(raised_at.is_some(), "wrong for {} s and nobody was told", now - since);
                }
                prop_assert_eq!(machine.raised().count(), usize::from(raised_at.is_some()));
            }
        }
    }
}
