//! From a request to its queue of candidates: what is known of the call and of every candidate goes
//! into the decision, and what came of it into the book.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::account::{Account, Settled};
use super::bill::Bill;
use super::candidates::{Candidate, CandidateId, Kind, Used};
use super::decision::{Decision, Reason, State, Verdict, decide};
use super::dialect::{Dialect, Guess};
use super::facts::Facts;
use super::ledger::{Ledger, Limits, Outcome};
use super::offline::Evidence;
use super::outside;
use super::race::{Place, Slot, Tried};
use super::table::Table;
use super::till::Till;
use crate::ai::FaultKind;
use crate::ai::stt::SttText;
use crate::base::event::{Attempted, CallCost, Charge, Concerns, PassedOver, Routed, Stage, Usage};
use crate::base::money::Money;
use crate::base::{CallId, Clock, Lang, Moment};
use crate::store::ledger::{Kept, Purse};
use crate::store::measures::Measured;
use crate::store::spending::{Row, Sum};

/// Calls whose facts are remembered; the oldest is forgotten.
const CALLS_MAX: usize = 4_096;

/// What was measured of a candidate is kept so long after it has left the file.
const STRANGERS_KEPT_MS: u64 = 14 * 86_400_000;

/// Gets every decision once it has come to an end.
pub type Book = Arc<dyn Fn(Option<CallId>, Routed) + Send + Sync>;

/// What is known of a call beside its language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFacts {
    pub tenant: String,
    pub campaign: String,
    pub data_class: String,
    pub tier: String,
    pub region: String,
    pub caller_state: String,
    /// From the caller's district, then from what was heard.
    pub dialect: Option<Guess>,
    /// Of the language, 0 to 1; unknown before the first turn.
    pub confidence: Option<f64>,
}

impl CallFacts {
    /// What is known when a call begins. A customer's record knows better than a number.
    pub fn of(concerns: &Concerns) -> Self {
        let region = if concerns.state.is_empty() { &concerns.region } else { &concerns.state };
        Self {
            tenant: concerns.tenant.clone(),
            campaign: concerns.campaign.clone(),
            data_class: concerns.data_class.clone(),
            tier: concerns.tier.clone(),
            region: region.clone(),
            caller_state: concerns.state.clone(),
            dialect: Guess::of_place(&concerns.district),
            confidence: None,
        }
    }
}

/// One request on its way.
pub(super) struct Plan {
    pub(super) stage: Stage,
    pub(super) language: Lang,
    /// The caller's, if it is one of the language.
    pub(super) dialect: Option<Dialect>,
    pub(super) call: Option<CallId>,
    pub(super) speculative: bool,
    pub(super) queue: VecDeque<Slot>,
    pub(super) tried: Vec<Tried>,
    pub(super) account: Account,
    /// One that nobody ever waited for has nothing to tell.
    pub(super) begun: bool,
    /// When the first piece of its answer went out.
    pub(super) since: Option<Moment>,
    /// Whom it is told to at its end.
    teller: Arc<Planner>,
    tenant: String,
    turn: u32,
    /// Those whose turn came, but who could not be asked any more then.
    pub(super) refused: Vec<(Place, Reason)>,
    answered: Option<Place>,
    /// From the request to its first useful piece.
    first_after: Duration,
    decision: Decision,
}

impl Plan {
    pub(super) fn answered_by(&mut self, place: Place, after: Duration) {
        self.answered = Some(place);
        self.first_after = after;
    }

    pub(super) fn now(&self) -> Moment {
        self.teller.now()
    }

    /// The longest pause between two pieces of its answer.
    pub(super) fn piece(&self, place: Place) -> Duration {
        self.teller.candidate(place).map_or(Duration::from_secs(2), |c| c.provider.deadlines.piece)
    }

    /// Could anybody else go on with what `place` has begun?
    pub(super) fn has_other(&self, place: Place) -> bool {
        self.queue.iter().any(|slot| slot.place != place)
    }

    /// The queue, with those at its end of whom nobody has heard since they kept us waiting.
    pub(super) fn in_order(&self, ledger: &Ledger) -> impl Iterator<Item = Slot> + use<> {
        let (doubted, heard_of): (Vec<_>, Vec<_>) =
            self.queue.iter().copied().partition(|s| ledger.is_doubted(s.place));
        heard_of.into_iter().chain(doubted)
    }

    pub(super) fn is_supervised(&self, place: Place) -> bool {
        self.teller.is_supervised(place)
    }
}

pub struct Planner {
    pub(super) table: Table,
    pub(super) ledger: Arc<Ledger>,
    pub(super) evidence: Mutex<Evidence>,
    /// Of each candidate outside the customer's network.
    pub(super) hosts: Vec<Option<usize>>,
    calls: Mutex<HashMap<CallId, CallFacts>>,
    till: Till,
    /// Measured of candidates that the file does not name any more.
    strangers: Vec<Measured>,
    /// The turn each call is at.
    turns: Mutex<HashMap<CallId, u32>>,
    /// Why candidates cannot be asked at all, by name.
    pub(super) missing: BTreeMap<String, String>,
    book: Book,
    pub(super) offline_told: OnceLock<Box<dyn Fn(bool) + Send + Sync>>,
    pub(super) clock: Clock,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding one of these locks leaves at worst a stale fact.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planner {
    pub fn new(table: Table, missing: BTreeMap<String, String>, clock: Clock, book: Book) -> Self {
        let provider = |c: &Candidate| {
            table.candidates().iter().position(|other| other.provider.name == c.provider.name).unwrap_or_default()
        };
        let limits: Vec<_> = table
            .candidates()
            .iter()
            .map(|c| Limits {
                provider: provider(c),
                per_minute: c.provider.rate_limit.map(|r| f64::from(r.per_minute)),
                burst: c.provider.rate_limit.map_or(1.0, |r| f64::from(r.burst)),
                concurrency: c.provider.concurrency.map(|n| n as usize),
                supervised: c.provider.kind == Kind::Local,
            })
            .collect();
        let (hosts, count) = outside::hosts(&table);
        Self {
            ledger: Arc::new(Ledger::new(clock, &limits)),
            evidence: Mutex::new(Evidence::new(count)),
            hosts,
            calls: Mutex::new(HashMap::new()),
            till: Till::default(),
            strangers: Vec::new(),
            turns: Mutex::new(HashMap::new()),
            table,
            missing,
            book,
            offline_told: OnceLock::new(),
            clock,
        }
    }

    /// Goes on with what an earlier run knew; what is spent from now on goes into `purse` too.
    pub fn remembering(mut self, kept: Kept, purse: Purse) -> Self {
        self.till = Till::new(kept.spending, purse);
        let now_ms = self.clock.unix_ms(self.clock.now());
        for measured in kept.measures {
            let place = self.table.candidates().iter().position(|c| *c.name == *measured.candidate);
            match place {
                Some(place) => self.ledger.restore(place, &measured),
                None if now_ms.saturating_sub(measured.at_unix_ms) < STRANGERS_KEPT_MS => self.strangers.push(measured),
                None => {}
            }
        }
        self
    }

    /// All that was measured, for the store and for people.
    pub fn measured(&self) -> Vec<Measured> {
        let mut all = self.ledger.measured(|place| self.name(place));
        all.extend(self.strangers.iter().cloned());
        all.sort_by(|a, b| (&a.candidate, a.stage, a.language).cmp(&(&b.candidate, b.stage, b.language)));
        all
    }

    /// What was spent from `first` on, in the order of days.
    pub fn spent_since(&self, first: u64) -> Vec<(Row, Sum)> {
        self.till.since(first)
    }

    /// Days since 1970 on the site's calendar.
    pub fn today(&self) -> u64 {
        self.clock.day()
    }

    /// Every tenant's budget of the day, and what is gone of it.
    pub fn budgets(&self) -> Vec<(String, Money, Money)> {
        let today = self.clock.day();
        let of = |(tenant, paise): (&String, &u64)| {
            (tenant.clone(), Money::from_paise(*paise), self.till.today(today, tenant))
        };
        self.table.budgets.iter().map(of).collect()
    }

    /// What a call cost, and what it would have cost elsewhere.
    pub fn cost(&self, call: CallId, bill: &Bill) -> CallCost {
        let known = lock(&self.calls).get(&call).cloned().unwrap_or_default();
        let policy = self.table.residency().strictest(&known.tenant, &known.campaign, &known.data_class);
        bill.cost(&self.table, policy, |name| self.missing.contains_key(name))
    }

    /// The caller begins a turn: what is asked from now on is for it.
    pub fn turn(&self, call: CallId, turn: u32) {
        let mut turns = lock(&self.turns);
        if turns.len() < CALLS_MAX || turns.contains_key(&call) {
            turns.insert(call, turn);
        }
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    fn candidate(&self, place: Place) -> Option<&Candidate> {
        self.table.candidates().get(place)
    }

    pub fn name(&self, place: Place) -> String {
        self.candidate(place).map_or_else(|| "unknown".to_owned(), |c| c.name.to_string())
    }

    /// An engine of the box, whose workers are watched and restarted elsewhere.
    pub(super) fn is_supervised(&self, place: Place) -> bool {
        self.candidate(place).is_some_and(|c| c.provider.kind == Kind::Local)
    }

    fn why_missing(&self, place: Place) -> Option<&String> {
        self.missing.get(&*self.candidate(place)?.name)
    }

    /// Why a candidate of the table cannot be asked at all.
    pub fn missing(&self) -> &BTreeMap<String, String> {
        &self.missing
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// What is known of a call; asked for by later requests of it.
    pub fn know(&self, call: CallId, facts: CallFacts) {
        let mut calls = lock(&self.calls);
        if calls.len() >= CALLS_MAX
            && let Some(oldest) = calls.keys().min().copied()
        {
            calls.remove(&oldest);
        }
        calls.insert(call, facts);
    }

    pub fn forget(&self, call: CallId) {
        lock(&self.calls).remove(&call);
        lock(&self.turns).remove(&call);
    }

    /// The decision for a turn, without carrying it out.
    pub fn consider(&self, stage: Stage, language: Lang, known: &CallFacts) -> Decision {
        self.decide(stage, language, known, self.is_offline())
    }

    fn decide(&self, stage: Stage, language: Lang, known: &CallFacts, offline: bool) -> Decision {
        let facts = self.facts(stage, language, known);
        let now = self.clock.now();
        let standings = self.ledger.standings(stage, language);
        let spent_paise_today = [(known.tenant.clone(), self.spent(&known.tenant))].into();
        let mut decision = decide(&self.table, &facts, &State { now, offline, standings, spent_paise_today });
        if !self.missing.is_empty() {
            self.leave_out_missing(&mut decision);
        }
        decision
    }

    /// May a new call begin? Not if one of its stages would wait for an engine that is behind already.
    pub fn has_room(&self, stages: &[Stage], language: Lang, known: &CallFacts) -> bool {
        stages.iter().all(|stage| {
            let decision = self.consider(*stage, language, known);
            decision.attempts.first().is_none_or(|first| !self.ledger.is_full(first.index()))
        })
    }

    fn facts(&self, stage: Stage, language: Lang, known: &CallFacts) -> Facts {
        let mut facts = Facts::new(stage, language).from_region(&known.region).from_state(&known.caller_state);
        facts.dialect = known.dialect.map(|guess| guess.dialect);
        facts.confidence = known.confidence.unwrap_or(1.0);
        facts.tenant.clone_from(&known.tenant);
        facts.campaign.clone_from(&known.campaign);
        facts.data_class.clone_from(&known.data_class);
        facts.tier.clone_from(&known.tier);
        facts.hour = self.clock.hour();
        facts
    }

    /// Those without a key were never connected.
    fn leave_out_missing(&self, decision: &mut Decision) {
        decision.attempts.retain(|id| self.why_missing(id.index()).is_none());
        for row in &mut decision.considered {
            if matches!(row.verdict, Verdict::Chosen(_)) {
                let place = decision.attempts.iter().position(|id| *id == row.candidate);
                row.verdict = match place {
                    Some(place) => Verdict::Chosen(u16::try_from(place).unwrap_or(u16::MAX)),
                    None => Verdict::PassedOver(Reason::Address),
                };
            }
        }
    }

    /// Whole paise today.
    fn spent(&self, tenant: &str) -> u64 {
        self.till.today(self.clock.day(), tenant).whole_paise()
    }

    pub(super) fn plan(
        self: &Arc<Self>,
        stage: Stage,
        language: Lang,
        call: Option<CallId>,
        speculative: bool,
    ) -> Plan {
        let known = call.and_then(|call| lock(&self.calls).get(&call).cloned()).unwrap_or_default();
        let decision = self.consider(stage, language, &known);
        let mut queue = VecDeque::new();
        // Behind everybody else come those who are behind with their work, and those to whom the way
        // seems to be closed: that may be wrong, or out of date.
        let passed_over = |why| decision.considered.iter().any(|c| c.verdict == Verdict::PassedOver(why));
        let busy = decision.considered.iter().filter(|c| c.verdict == Verdict::PassedOver(Reason::Saturated));
        let mut beyond: Vec<_> = busy.map(|c| c.candidate).collect();
        if passed_over(Reason::Offline) {
            beyond.extend(self.decide(stage, language, &known, false).attempts);
        }
        let is_able = |id: &&CandidateId| !decision.attempts.contains(id) && self.why_missing(id.index()).is_none();
        let mut beyond: Vec<_> = beyond.iter().filter(is_able).collect();
        beyond.dedup();
        for id in decision.attempts.iter().chain(beyond) {
            let place = id.index();
            let Some(candidate) = self.candidate(place) else { continue };
            let deadlines = &candidate.provider.deadlines;
            let free = candidate.provider.kind == Kind::Local;
            let within = deadlines.first(stage);
            let patience = (!free).then(|| deadlines.patience(stage, self.ledger.tail(place, stage, language)));
            queue.push_back(Slot { place, within, patience, again: false });
            if free {
                // The second attempt reaches another worker, or the same one after its restart.
                queue.push_back(Slot { place, within, patience, again: true });
            }
        }
        Plan {
            stage,
            language,
            dialect: known.dialect.map(|guess| guess.dialect).filter(|dialect| dialect.language() == language),
            call,
            speculative,
            queue,
            tried: Vec::new(),
            refused: Vec::new(),
            since: None,
            account: Account::default(),
            begun: false,
            teller: Arc::clone(self),
            tenant: known.tenant,
            turn: call.and_then(|call| lock(&self.turns).get(&call).copied()).unwrap_or_default(),
            answered: None,
            first_after: Duration::ZERO,
            decision,
        }
    }

    pub(super) fn hedges(&self, plan: &Plan) -> bool {
        self.table.hedge()
            && !plan.speculative
            && plan.queue.iter().any(|s| Some(s.place) != plan.queue.front().map(|f| f.place))
    }

    /// What the engine says of its own time tells how long the request waited for it.
    pub(super) fn waited(&self, plan: &Plan, place: Place, own: Duration) {
        self.ledger.waited(place, plan.first_after.saturating_sub(own));
    }

    /// A recognised turn: its cost, and what it tells of the call.
    pub(super) fn heard(&self, plan: &Plan, place: Place, text: &SttText) {
        self.waited(plan, place, text.took);
        plan.account.counted(place, Used { audio: text.audio, ..Used::default() });
        let Some(call) = plan.call.filter(|_| !text.text.is_empty()) else { return };
        let mut calls = lock(&self.calls);
        if calls.len() >= CALLS_MAX && !calls.contains_key(&call) {
            return;
        }
        let facts = calls.entry(call).or_default();
        facts.confidence = Some(f64::from(text.language_confidence));
        if text.language == Lang::Ml {
            // A dialect once heard stays until another one is heard.
            facts.dialect = Guess::joined(Guess::of_text(&text.text), facts.dialect);
        }
    }

    /// What each candidate that was asked may charge; booked to the call's tenant.
    fn charge(&self, plan: &Plan, settled: &Settled) -> Vec<Charge> {
        let day = self.clock.day();
        let owed = settled.owed.iter().filter_map(|owed| {
            let candidate = self.candidate(owed.place)?;
            let paise = Money::from_millipaise(candidate.price.millipaise(&owed.used));
            if candidate.provider.kind != Kind::Local {
                let estimated_paise = if owed.estimated { paise } else { Money::ZERO };
                let sum = Sum { requests: 1, paise, estimated_paise };
                self.till.pay(day, &plan.tenant, &candidate.provider.name, plan.stage, sum);
            }
            let (candidate, usage) = (candidate.name.to_string(), usage(&owed.used));
            Some(Charge { candidate, paise, usage, estimated: owed.estimated })
        });
        owed.collect()
    }

    /// A request has come to its end, or was given up.
    fn told(&self, plan: &Plan) {
        let settled = plan.account.settle(&plan.tried);
        let charges = self.charge(plan, &settled);
        let now = self.clock.now();
        let millis = |took: Duration| u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let tried = plan.tried.iter().map(|t| (t.place, outcome(t.outcome), t.took));
        let given_up = settled.given_up.iter().map(|(place, at)| (*place, "given_up", now.since(*at)));
        let tried = tried.chain(given_up).map(|(place, outcome, took)| Attempted {
            candidate: self.name(place),
            outcome: outcome.to_owned(),
            took_ms: millis(took),
        });
        let was_tried = |place: Place| plan.tried.iter().any(|t| t.place == place);
        let passed_over = plan.decision.considered.iter().filter(|c| !was_tried(c.candidate.index())).map(|c| {
            let place = c.candidate.index();
            let late = plan.refused.iter().rev().find(|(refused, _)| *refused == place).map(|(_, reason)| reason);
            let reason = match (self.why_missing(place), &c.verdict, late) {
                (Some(why), Verdict::PassedOver(_), _) => format!("passed over: {why}"),
                (_, _, Some(reason)) | (_, Verdict::PassedOver(reason), None) => reason.sentence(),
                (_, Verdict::Chosen(_), None) if plan.answered.is_some() => "not needed: another answered".to_owned(),
                (_, Verdict::Chosen(_), None) => "not needed: the request ended before its turn".to_owned(),
            };
            PassedOver { candidate: self.name(place), reason }
        });
        let routed = Routed {
            stage: plan.stage,
            language: plan.language,
            answered_by: plan.answered.map(|place| self.name(place)),
            tried: tried.collect(),
            passed_over: passed_over.collect(),
            rule: plan.decision.rule.as_deref().map(str::to_owned),
            offline: self.is_offline(),
            cost_paise: charges.iter().map(|charge| charge.paise).sum(),
            turn: plan.turn,
            usage: usage(&settled.once),
            charges,
        };
        (self.book)(plan.call, routed);
    }

    /// A clause was spoken to its end: how much sound a character takes this voice.
    pub(super) fn spoke(&self, place: Place, language: Lang, chars: usize, sound: Duration) {
        self.ledger.spoke(place, language, chars, sound);
    }

    /// How many times as long as `before` the voice `now` takes for the same words.
    pub(super) fn drawl(&self, before: Place, now: Place, language: Lang) -> f64 {
        let of = |place| self.ledger.second_a_char(place, language);
        let drawl = of(before).zip(of(now)).map_or(1.0, |(before, now)| now / before);
        // Clauses of one voice differ by as much; a syllable too many is better than one too few.
        if (drawl - 1.0).abs() < 0.1 {
            return 1.0;
        }
        // Two voices that differ by more than this were not measured well.
        drawl.clamp(0.5, 2.0)
    }
}

/// However a request ends, also when nobody waits for it any more, it is told and paid.
impl Drop for Plan {
    fn drop(&mut self) {
        if self.begun {
            Arc::clone(&self.teller).told(self);
        }
    }
}

fn usage(used: &Used) -> Usage {
    Usage {
        audio_ms: u64::try_from(used.audio.as_millis()).unwrap_or(u64::MAX),
        chars: used.chars,
        tokens_in: used.tokens_in,
        tokens_out: used.tokens_out,
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    let of = |kind: FaultKind, broke: bool| match (kind, broke) {
        (FaultKind::Deadline, false) => "missed_deadline",
        (FaultKind::Overloaded, false) => "overloaded",
        (FaultKind::Unavailable, false) => "unavailable",
        (FaultKind::Refused, false) => "refused",
        (FaultKind::Denied, false) => "denied",
        (FaultKind::Broken, false) => "broken_answer",
        (FaultKind::Deadline, true) => "stalled",
        (_, true) => "broke_off",
    };
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Overtaken => "overtaken",
        Outcome::GivenUp => "given_up",
        Outcome::Failed(kind) => of(kind, false),
        Outcome::BrokeOff(kind) => of(kind, true),
    }
}
