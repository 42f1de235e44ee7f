//! The alerts as others see them: what is raised, what was lately, and events when that changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::machine::{Change, Machine, Pace, Symptom};
use crate::base::{Clock, Moment, limits};
use crate::config;
use crate::ops::health::{Finding, Severity};

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Alert {
    pub id: uuid::Uuid,
    /// A row of the catalogue (`vaani doctor`).
    pub code: &'static str,
    /// Which of several (`engine/stt`, a database); empty if there is only one.
    pub about: String,
    pub severity: Severity,
    pub text: String,
    /// What to do.
    pub fix: String,
    pub raised_ms: u64,
    pub cleared_ms: Option<u64>,
}

/// What whoever observes is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertEvent {
    /// `alert.raised`, also when it has become worse, or `alert.cleared`.
    pub event_type: &'static str,
    pub alert: Alert,
}

pub type Observer = Arc<dyn Fn(&AlertEvent) + Send + Sync>;

struct Inner {
    machine: Machine,
    raised: Vec<Alert>,
    past: VecDeque<Alert>,
    findings: Vec<Finding>,
}

/// Cheap to clone; one for the daemon.
#[derive(Clone)]
pub struct Alerts {
    inner: Arc<Mutex<Inner>>,
    off: Arc<[String]>,
    observers: Arc<[Observer]>,
    clock: Clock,
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alerts")
    }
}

impl Alerts {
    /// `observers` are told in the order of the changes; they must be quick.
    pub fn new(settings: &config::Alerts, clock: Clock, observers: Vec<Observer>) -> Self {
        let pace = Pace { raise_after: settings.raise_after, clear_after: settings.clear_after, quiet: settings.quiet };
        let inner =
            Inner { machine: Machine::new(pace), raised: Vec::new(), past: VecDeque::new(), findings: Vec::new() };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            off: settings.off.clone().into(),
            observers: observers.into(),
            clock,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the findings of a look at the box.
    pub fn look(&self, now: Moment, shown: Vec<Finding>) {
        let unix_ms = self.clock.wall_ms();
        let events: Vec<AlertEvent> = {
            let mut inner = self.lock();
            let changes = inner.machine.look(now, super::symptoms(&shown, &self.off));
            inner.findings = shown;
            changes.into_iter().map(|change| inner.take(change, unix_ms)).collect()
        };
        for event in events {
            let AlertEvent { event_type, alert } = &event;
            // What is wrong is in the log already, as a finding; this says that people are told.
            let what = if *event_type == "alert.cleared" { "an alert is over" } else { "an alert is raised" };
            tracing::info!(event_type, code = alert.code, about = %alert.about, "{what}");
            for observer in self.observers.iter() {
                observer(&event);
            }
        }
    }

    /// What is raised now, oldest first.
    pub fn raised(&self) -> Vec<Alert> {
        self.lock().raised.clone()
    }

    /// What was cleared lately, newest first.
    pub fn past(&self) -> Vec<Alert> {
        self.lock().past.iter().rev().cloned().collect()
    }

    /// The findings of the last look, worst first; the fine ones are among them.
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.clone()
    }
}

impl Inner {
    fn take(&mut self, change: Change, unix_ms: u64) -> AlertEvent {
        match change {
            Change::Raised(symptom) => {
                let alert = alert(symptom, unix_ms);
                self.raised.push(alert.clone());
                AlertEvent { event_type: "alert.raised", alert }
            }
            Change::Worse(symptom) => {
                let known = self.raised.iter_mut().find(|a| a.code == symptom.code && a.about == symptom.about);
                let alert = match known {
                    Some(known) => {
                        *known = Alert { id: known.id, raised_ms: known.raised_ms, ..alert(symptom, unix_ms) };
                        known.clone()
                    }
                    None => alert(symptom, unix_ms),
                };
                AlertEvent { event_type: "alert.raised", alert }
            }
            Change::Cleared(symptom) => {
                let at = self.raised.iter().position(|a| a.code == symptom.code && a.about == symptom.about);
                let mut alert = at.map_or_else(|| alert(symptom, unix_ms), |at| self.raised.remove(at));
                alert.cleared_ms = Some(unix_ms);
                if self.past.len() >= limits::ALERTS_PAST_MAX {
                    self.past.pop_front();
                }
                self.past.push_back(alert.clone());
                AlertEvent { event_type: "alert.cleared", alert }
            }
        }
    }
}

fn alert(symptom: Symptom, unix_ms: u64) -> Alert {
    let Symptom { code, about, severity, text, fix } = symptom;
    Alert { id: uuid::Uuid::now_v7(), code, about, severity, text, fix, raised_ms: unix_ms, cleared_ms: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn observers_hear_of_the_beginning_and_the_end_under_one_id() {
        let told: Arc<Mutex<Vec<AlertEvent>>> = Arc::default();
        let hearing = Arc::clone(&told);
        let settings = config::Alerts {
            raise_after: Duration::ZERO,
            clear_after: Duration::ZERO,
            quiet: Duration::ZERO,
            ..config::Alerts::default()
        };
        let observer: Observer = Arc::new(move |event: &AlertEvent| hearing.lock().unwrap().push(event.clone()));
        let alerts = Alerts::new(&settings, Clock::system(), vec![observer]);
        let at = Moment::from_millis;
        alerts.look(at(0), vec![Finding::warning("disk", "gets full", "make room")]);
        assert_eq!((alerts.raised().len(), alerts.findings().len()), (1, 1));
        alerts.look(at(1), vec![Finding::error("disk", "is full", "make room")]);
        assert_eq!(alerts.raised()[0].text, "is full");
        alerts.look(at(2), vec![Finding::fine("disk", "room")]);
        assert!(alerts.raised().is_empty());
        let told = told.lock().unwrap();
        let names: Vec<_> = told.iter().map(|event| event.event_type).collect();
        assert_eq!(names, ["alert.raised", "alert.raised", "alert.cleared"]);
        assert!(told.iter().all(|event| event.alert.id == told[0].alert.id));
        assert!(alerts.past()[0].cleared_ms >= Some(told[0].alert.raised_ms));
    }
}
