//! What the planner knows of the world outside the box: whether anybody there can be reached, who is
//! to be probed, and who is told when that changes. Promise: one host that is gone is not taken for
//! the world, however many models it has; the customer's own servers tell nothing of it.

use super::candidates::{Candidate, Kind};
use super::decision::Circuit;
use super::ledger::Outcome;
use super::plan::{Planner, lock};
use super::race::{Place, Tried};
use super::residency::Residency;
use super::table::Table;
use crate::ai::FaultKind;

impl Planner {
    /// How each candidate outside the box stands, for people.
    pub fn outside(&self) -> Vec<(String, String)> {
        let stands = |(place, c): (usize, &Candidate)| {
            let how = match (self.missing.get(&*c.name), self.ledger.circuit(place)) {
                (Some(why), _) => format!("cannot be asked: {why}"),
                (None, Some(Circuit::Closed) | None) => {
                    let (requests, failures) = self.ledger.counts(place);
                    format!("ready; {requests} requests, {failures} failed")
                }
                (None, Some(Circuit::Open { .. })) => "left alone after failures".to_owned(),
                (None, Some(Circuit::HalfOpen { .. })) => "being tried again".to_owned(),
            };
            (c.name.to_string(), how)
        };
        let outside = self.table.candidates().iter().enumerate().filter(|(_, c)| c.provider.kind != Kind::Local);
        outside.map(stands).collect()
    }

    pub fn is_offline(&self) -> bool {
        lock(&self.evidence).is_offline()
    }

    /// Real requests tell of the world outside as well as probes do.
    pub(super) fn learn(&self, attempt: &Tried) {
        let Some(Some(host)) = self.hosts.get(attempt.place) else { return };
        let changed = match attempt.outcome {
            Outcome::Answered => lock(&self.evidence).reached(),
            _ if attempt.reached => lock(&self.evidence).reached(),
            Outcome::Failed(FaultKind::Unavailable) | Outcome::BrokeOff(FaultKind::Unavailable) => {
                lock(&self.evidence).unreachable(*host, self.clock.now())
            }
            _ => false,
        };
        if changed {
            self.announce();
        }
    }

    /// Who is told whenever the box goes offline (true) or comes back; the first one stays.
    pub fn on_offline(&self, told: impl Fn(bool) + Send + Sync + 'static) {
        let _ = self.offline_told.set(Box::new(told));
    }

    fn announce(&self) {
        if let Some(told) = self.offline_told.get() {
            told(self.is_offline());
        }
        if self.is_offline() {
            tracing::warn!("nothing outside the box can be reached; calls go on with the box's own engines");
        } else {
            tracing::info!("the world outside the box can be reached again");
        }
    }

    /// The host of a candidate has answered a probe.
    pub(super) fn reachable(&self, place: Place) {
        self.ledger.reachable(place);
    }

    /// What a round of probes found: the candidates whose hosts were asked, those whose hosts
    /// answered, and how many of the other addresses did.
    pub fn probed(&self, asked: &[Place], answered: &[Place], others: usize) {
        let outside = |places: &[Place]| places.iter().filter(|p| matches!(self.hosts.get(**p), Some(Some(_)))).count();
        let named = self.table.offline().probes.len();
        if lock(&self.evidence).probed(outside(asked) + named, outside(answered) + others) {
            self.announce();
        }
    }

    /// Those outside the box who may be asked: the default admits them, and there is a key.
    fn askable(&self) -> impl Iterator<Item = Place> {
        let default = self.table.residency().default;
        let may = move |c: &Candidate| {
            c.provider.kind != Kind::Local
                && c.is_reachable()
                && default.admits(c.provider.residency)
                && !self.missing.contains_key(&*c.name)
        };
        self.table.candidates().iter().enumerate().filter(move |(_, c)| may(c)).map(|(place, _)| place)
    }

    /// Is there anybody outside the box whom some call may reach? Otherwise nothing is ever sent out.
    pub fn is_outside_allowed(&self) -> bool {
        self.askable().next().is_some()
    }

    /// While anybody outside the box is not well, all who may be asked: that one does not answer
    /// tells nothing of the others.
    pub fn to_probe(&self) -> Vec<Place> {
        let places: Vec<Place> = self.askable().collect();
        let unwell = |place: &Place| {
            self.ledger.is_doubted(*place) || self.ledger.circuit(*place).is_some_and(|c| c != Circuit::Closed)
        };
        if self.is_offline() || places.iter().any(unwell) { places } else { Vec::new() }
    }

    /// Completes when somebody outside has kept a call waiting: worth a probe at once.
    pub(super) async fn doubt_arises(&self) {
        self.ledger.doubt_arises().await;
    }
}

/// The host of each candidate that is outside the customer's network, and how many there are.
pub(super) fn hosts(table: &Table) -> (Vec<Option<usize>>, usize) {
    let mut known = Vec::new();
    let of = |candidate: &Candidate| {
        let url = candidate.provider.base_url.as_ref().filter(|_| candidate.provider.residency != Residency::OnBox)?;
        let host = (url.host_str()?.to_owned(), url.port_or_known_default());
        Some(known.iter().position(|other| *other == host).unwrap_or_else(|| {
            known.push(host);
            known.len() - 1
        }))
    };
    let hosts = table.candidates().iter().map(of).collect();
    (hosts, known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_host_and_the_customers_own_servers_do_not_tell_of_the_world() {
        let file = "providers:\n  p: {kind: openai, base_url: 'https://p.example.in/v1', residency: india, secret: k,\n      \
                    models: {a: {capabilities: [stt]}, b: {capabilities: [llm]}}}\n  \
                    rack: {kind: openai, base_url: 'http://10.0.0.2/v1', residency: on_box, models: {c: {capabilities: [llm]}}}\n";
        let (table, _) = Table::from_text(file).unwrap_or_else(|error| panic!("{error}"));
        let (hosts, count) = hosts(&table);
        assert_eq!((count, &hosts[..]), (1, &[None, None, None, Some(0), Some(0), None][..]));
    }
}
