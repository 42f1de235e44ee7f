//! The routing file as it is in force: candidates, rules, lists, policies. Never changed; a reload
//! makes a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::candidates::{Candidate, CandidateId, local_candidates};
use super::deadlines::Deadlines;
use super::dialect::Dialect;
use super::residency::Policies;
use super::rule::{Preference, Rule};
use crate::base::Lang;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    LocalFirst,
    CloudFirst,
}

/// How the box finds out that it is offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineProbes {
    /// Any answer from any of them means online. Empty: offline is told by failing providers only.
    pub probes: Vec<Url>,
    pub interval: Duration,
}

impl Default for OfflineProbes {
    fn default() -> Self {
        Self { probes: Vec::new(), interval: Duration::from_secs(10) }
    }
}

/// The lists of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) own: Preference,
    pub(super) dialects: BTreeMap<Dialect, Preference>,
}

#[derive(Debug)]
pub struct Table {
    pub(super) candidates: Vec<Candidate>,
    pub(super) rules: Vec<Rule>,
    pub(super) lists: BTreeMap<Lang, Lists>,
    pub(super) residency: Policies,
    pub(super) order: Order,
    pub(super) budgets: BTreeMap<String, u64>,
    pub(super) offline: OfflineProbes,
    pub(super) hedge: bool,
}

impl Table {
    /// For a box without a routing file: its own engines, and nothing else.
    pub fn local_only() -> Self {
        Self {
            candidates: local_candidates(),
            rules: Vec::new(),
            lists: BTreeMap::new(),
            residency: Policies::default(),
            order: Order::LocalFirst,
            budgets: BTreeMap::new(),
            offline: OfflineProbes::default(),
            hedge: false,
        }
    }

    /// The same with other deadlines.
    pub fn of_the_box(deadlines: Deadlines) -> Self {
        let mut table = Self::local_only();
        for candidate in &mut table.candidates {
            Arc::make_mut(&mut candidate.provider).deadlines = deadlines;
        }
        table
    }

    /// By id; the local engines come first, then the file's order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub fn candidate(&self, id: CandidateId) -> Option<&Candidate> {
        self.candidates.get(id.index())
    }

    /// By `provider/model`.
    pub fn named(&self, name: &str) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| &*candidate.name == name)
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub const fn residency(&self) -> &Policies {
        &self.residency
    }

    pub const fn order(&self) -> Order {
        self.order
    }

    /// Paise a day.
    pub fn budget(&self, tenant: &str) -> Option<u64> {
        self.budgets.get(tenant).copied()
    }

    pub const fn offline(&self) -> &OfflineProbes {
        &self.offline
    }

    /// May a slow candidate be overtaken by asking the next one as well?
    pub const fn hedge(&self) -> bool {
        self.hedge
    }

    pub(super) fn language_place(&self, language: Lang, candidate: usize) -> u16 {
        self.lists.get(&language).map_or(Preference::UNLISTED, |lists| lists.own.place(candidate))
    }

    pub(super) fn dialect_place(&self, dialect: Option<Dialect>, candidate: usize) -> u16 {
        dialect
            .and_then(|dialect| self.lists.get(&dialect.language())?.dialects.get(&dialect))
            .map_or(Preference::UNLISTED, |list| list.place(candidate))
    }
}
