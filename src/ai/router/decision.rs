//! Who does this stage of this turn, and why everybody else does not. Promise: no candidate is
//! attempted that residency, budget or an open circuit forbids; every candidate is attempted or has
//! a reason; the same facts and state give the same order.
//! Absent on purpose: clocks, sockets, the attempts themselves.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::candidates::{Candidate, CandidateId, Stage};
use super::facts::Facts;
use super::residency::{Policy, Residency};
use super::score::score;
use super::table::{Order, Table};
use crate::base::clock::Moment;

/// What is known of a candidate's health before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Circuit {
    #[default]
    Closed,
    /// Not before `until`; the first request after it is the probe.
    Open { until: Moment },
    /// Being probed. `probe_free`: nobody has taken the probe yet.
    HalfOpen { probe_free: bool },
}

impl Circuit {
    /// Why nothing is sent now, if so.
    pub(super) fn forbids(self, now: Moment) -> Option<Reason> {
        match self {
            Self::Open { until } if now < until => {
                // Rounded up: "0 ms more" would be no reason.
                let for_ms = u64::try_from(until.since(now).as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                Some(Reason::CircuitOpen { for_ms })
            }
            Self::HalfOpen { probe_free: false } => Some(Reason::Probing),
            Self::Closed | Self::Open { .. } | Self::HalfOpen { probe_free: true } => None,
        }
    }
}

/// How one candidate does now, measured at the stage and in the language that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Standing {
    pub circuit: Circuit,
    /// `None` where nothing limits the rate.
    pub rate_tokens: Option<u32>,
    /// No free slot: its queue or the number of requests in flight is at its limit.
    pub saturated: bool,
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    /// 0 to 1.
    pub success_rate: Option<f32>,
}

/// How everybody does now.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct State {
    pub now: Moment,
    /// The outside world cannot be reached.
    pub offline: bool,
    /// By candidate; a missing one stands as if never asked.
    pub standings: Vec<Standing>,
    /// By tenant.
    pub spent_paise_today: BTreeMap<String, u64>,
}

impl State {
    /// Nobody was ever asked.
    pub fn fresh(table: &Table, now: Moment) -> Self {
        Self { now, standings: vec![Standing::default(); table.candidates().len()], ..Self::default() }
    }

    pub fn standing(&self, id: CandidateId) -> Standing {
        self.standings.get(id.index()).copied().unwrap_or_default()
    }
}

/// Why a candidate is not attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    Capability {
        stage: Stage,
    },
    Language,
    Residency {
        policy: Policy,
        servers: Residency,
    },
    /// The file does not say where it is.
    Address,
    Offline,
    Budget {
        paise_per_day: u64,
    },
    CircuitOpen {
        for_ms: u64,
    },
    /// Somebody else's request is the probe.
    Probing,
    Rate,
    Saturated,
}

impl Reason {
    /// A sentence for people.
    pub fn sentence(&self) -> String {
        let why = match self {
            Self::Capability { stage } => format!("it does not do {}", stage.as_str()),
            Self::Language => "it does not know the language".to_owned(),
            Self::Residency { policy, servers } => {
                format!("residency {} and its servers are {}", policy.as_str(), servers.place())
            }
            Self::Address => "the routing file gives no address for it".to_owned(),
            Self::Offline => "the box is offline and its servers are outside".to_owned(),
            Self::Budget { paise_per_day } => {
                format!("the tenant's budget of {paise_per_day} paise a day is used up and it costs money")
            }
            Self::CircuitOpen { for_ms } => format!("it failed too often and rests for {for_ms} ms more"),
            Self::Probing => "it failed too often and is being probed".to_owned(),
            Self::Rate => "its rate limit is used up".to_owned(),
            Self::Saturated => "it has no free slot".to_owned(),
        };
        format!("passed over: {why}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its place among the attempts, from 0.
    Chosen(u16),
    PassedOver(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered {
    pub candidate: CandidateId,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub stage: Stage,
    /// In the order in which they are to be asked.
    pub attempts: Vec<CandidateId>,
    /// All candidates of the table, in its order.
    pub considered: Vec<Considered>,
    /// The first rule that matched.
    pub rule: Option<Arc<str>>,
    pub policy: Policy,
}

/// A decision in words, for the journal, the console and `vaani route explain`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    pub stage: Stage,
    pub attempts: Vec<String>,
    pub rule: Option<String>,
    pub residency: Policy,
    pub considered: Vec<RecordRow>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordRow {
    pub candidate: String,
    /// From 1; absent for those passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub sentence: String,
}

impl Decision {
    /// With names and sentences; `table` is the one that decided.
    pub fn record(&self, table: &Table) -> Record {
        let name = |id: CandidateId| table.candidate(id).map_or_else(|| "?".to_owned(), |c| c.name.to_string());
        Record {
            stage: self.stage,
            attempts: self.attempts.iter().map(|id| name(*id)).collect(),
            rule: self.rule.as_deref().map(str::to_owned),
            residency: self.policy,
            considered: self
                .considered
                .iter()
                .map(|row| match row.verdict {
                    Verdict::Chosen(rank) => RecordRow {
                        candidate: name(row.candidate),
                        rank: Some(rank + 1),
                        reason: None,
                        sentence: format!("chosen as number {}", rank + 1),
                    },
                    Verdict::PassedOver(reason) => RecordRow {
                        candidate: name(row.candidate),
                        rank: None,
                        reason: Some(reason),
                        sentence: reason.sentence(),
                    },
                })
                .collect(),
        }
    }
}

/// Smaller comes first. The place in the file makes it total.
type Rank = ((u16, u16), u16, u16, bool, Reverse<i64>, u16);

/// Who is asked, in which order, and why the others are not.
pub fn decide(table: &Table, facts: &Facts, state: &State) -> Decision {
    let candidates = table.candidates();
    let policy = table.residency().strictest(&facts.tenant, &facts.campaign, &facts.data_class);
    let budget = table
        .budget(&facts.tenant)
        .filter(|budget| state.spent_paise_today.get(&facts.tenant).is_some_and(|spent| spent >= budget));
    let hard = |candidate: &Candidate| reason(candidate, facts, state, policy, budget);

    let mut considered = Vec::with_capacity(candidates.len());
    let mut admitted: Vec<CandidateId> = Vec::with_capacity(candidates.len());
    let mut busy = 0_usize;
    for candidate in candidates {
        let verdict = match hard(candidate) {
            Some(why) => Verdict::PassedOver(why),
            None if state.standing(candidate.id).saturated => {
                busy += 1;
                Verdict::PassedOver(Reason::Saturated)
            }
            None => {
                admitted.push(candidate.id);
                Verdict::Chosen(0)
            }
        };
        considered.push(Considered { candidate: candidate.id, verdict });
    }
    // Waiting for a busy engine is better than no answer at all.
    if admitted.is_empty() && busy > 0 {
        admitted.extend(
            considered.iter().filter(|c| c.verdict == Verdict::PassedOver(Reason::Saturated)).map(|c| c.candidate),
        );
    }

    let matching: Vec<u16> = (0_u16..)
        .zip(table.rules())
        .filter(|(_, rule)| rule.matches(facts, state.offline))
        .map(|(index, _)| index)
        .collect();
    let rank = |id: CandidateId| -> Rank {
        let index = id.index();
        let by_rule = matching
            .iter()
            .find_map(|rule| {
                let place = table.rules().get(usize::from(*rule))?.preference.place(index);
                (place != super::rule::Preference::UNLISTED).then_some((*rule, place))
            })
            .unwrap_or((u16::MAX, u16::MAX));
        let by_dialect =
            table.dialect_place(facts.dialect.filter(|dialect| dialect.language() == facts.language), index);
        let by_language = table.language_place(facts.language, index);
        let Some(candidate) = table.candidate(id) else {
            return (by_rule, by_dialect, by_language, true, Reverse(i64::MIN), id.0);
        };
        let is_local = candidate.provider.residency == Residency::OnBox;
        let second = is_local != (table.order() == Order::LocalFirst);
        let merit = score(candidate, facts.stage, facts.language, &state.standing(id));
        (by_rule, by_dialect, by_language, second, Reverse(merit), id.0)
    };
    let mut ranked: Vec<(Rank, CandidateId)> = admitted.into_iter().map(|id| (rank(id), id)).collect();
    ranked.sort_unstable();
    let attempts: Vec<CandidateId> = ranked.into_iter().map(|(_, id)| id).collect();
    for (place, id) in (0_u16..).zip(&attempts) {
        if let Some(row) = considered.get_mut(id.index()) {
            row.verdict = Verdict::Chosen(place);
        }
    }
    let rule = matching.first().and_then(|index| table.rules().get(usize::from(*index))).map(|r| Arc::clone(&r.name));
    Decision { stage: facts.stage, attempts, considered, rule, policy }
}

/// The first thing that forbids a candidate; what can never change comes before what may pass.
fn reason(candidate: &Candidate, facts: &Facts, state: &State, policy: Policy, budget: Option<u64>) -> Option<Reason> {
    let servers = candidate.provider.residency;
    if !candidate.serves(facts.stage) {
        return Some(Reason::Capability { stage: facts.stage });
    }
    if !candidate.speaks(facts.language) {
        return Some(Reason::Language);
    }
    if !policy.admits(servers) {
        return Some(Reason::Residency { policy, servers });
    }
    if !candidate.is_reachable() {
        return Some(Reason::Address);
    }
    if state.offline && servers != Residency::OnBox {
        return Some(Reason::Offline);
    }
    if let Some(paise_per_day) = budget
        && !candidate.price.is_free()
    {
        return Some(Reason::Budget { paise_per_day });
    }
    let standing = state.standing(candidate.id);
    if let Some(why) = standing.circuit.forbids(state.now) {
        return Some(why);
    }
    if standing.rate_tokens == Some(0) {
        return Some(Reason::Rate);
    }
    None
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
