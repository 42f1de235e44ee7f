//! From a request to its queue of candidates: what is known of the call and of every candidate goes
//! into the decision, and what came of it into the book.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::account::{Account, Settled};
use super::bill::Bill;
use super::candidates::{self, Kind, Used};
use super::decision::{Circuit, Decision, Reason, State, Verdict, decide};
use super::dialect::{Dialect, Guess};
use super::facts::Facts;
use super::ledger::{Ledger, Limits, Outcome};
use super::offline::Evidence;
use super::race::{Place, Slot, Tried};
use super::residency::Residency;
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
    /// What the caller's district says of the dialect.
    pub place: Option<Guess>,
    pub dialect: Option<Dialect>,
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
            place: Guess::of_place(&concerns.district),
            dialect: Guess::of_place(&concerns.district).map(|guess| guess.dialect),
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
    pieces: Vec<Duration>,
    supervised: Arc<[bool]>,
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
        self.pieces.get(place).copied().unwrap_or(Duration::from_secs(2))
    }

    /// By place.
    pub(super) fn supervised(&self) -> Arc<[bool]> {
        Arc::clone(&self.supervised)
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
        self.supervised.get(place).copied().unwrap_or(false)
    }
}

pub struct Planner {
    table: Table,
    pub(super) ledger: Arc<Ledger>,
    evidence: Mutex<Evidence>,
    /// Of each candidate outside the customer's network.
    hosts: Vec<Option<usize>>,
    calls: Mutex<HashMap<CallId, CallFacts>>,
    till: Till,
    /// Measured of candidates that the file does not name any more.
    strangers: Vec<Measured>,
    /// The turn each call is at.
    turns: Mutex<HashMap<CallId, u32>>,
    /// Why candidates cannot be asked at all, by name.
    missing: BTreeMap<String, String>,
    book: Book,
    offline_told: OnceLock<Box<dyn Fn(bool) + Send + Sync>>,
    clock: Clock,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding one of these locks leaves at worst a stale fact.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Planner {
    pub fn new(table: Table, missing: BTreeMap<String, String>, clock: Clock, book: Book) -> Self {
        let provider = |c: &candidates::Candidate| {
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
        let (hosts, count) = hosts(&table);
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

    pub fn name(&self, place: Place) -> String {
        self.table.candidates().get(place).map_or_else(|| "unknown".to_owned(), |c| c.name.to_string())
    }

    /// Why a candidate of the table cannot be asked at all.
    pub fn missing(&self) -> &BTreeMap<String, String> {
        &self.missing
    }

    /// How each candidate outside the box stands, for people.
    pub fn outside(&self) -> Vec<(String, String)> {
        let stands = |(place, c): (usize, &candidates::Candidate)| {
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

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub fn is_offline(&self) -> bool {
        lock(&self.evidence).is_offline()
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
        facts.dialect = known.dialect;
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
        decision.attempts.retain(|id| !self.missing.contains_key(&self.name(id.index())));
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
        let candidates = self.table.candidates();
        let mut queue = VecDeque::new();
        // Behind everybody else come those who are behind with their work, and those to whom the way
        // seems to be closed: that may be wrong, or out of date.
        let passed_over = |why| decision.considered.iter().any(|c| c.verdict == Verdict::PassedOver(why));
        let busy = decision.considered.iter().filter(|c| c.verdict == Verdict::PassedOver(Reason::Saturated));
        let mut beyond: Vec<_> = busy.map(|c| c.candidate).collect();
        if passed_over(Reason::Offline) {
            beyond.extend(self.decide(stage, language, &known, false).attempts);
        }
        let is_able = |id: &&candidates::CandidateId| {
            !decision.attempts.contains(id) && !self.missing.contains_key(&self.name(id.index()))
        };
        let mut beyond: Vec<_> = beyond.iter().filter(is_able).collect();
        beyond.dedup();
        for id in decision.attempts.iter().chain(beyond) {
            let place = id.index();
            let Some(candidate) = candidates.get(place) else { continue };
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
            dialect: known.dialect.filter(|dialect| dialect.language() == language),
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
            pieces: candidates.iter().map(|c| c.provider.deadlines.piece).collect(),
            supervised: candidates.iter().map(|c| c.provider.kind == Kind::Local).collect(),
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
        if text.language == Lang::Ml
            && let Some(guess) = Guess::joined(Guess::of_text(&text.text), facts.place)
        {
            facts.dialect = Some(guess.dialect);
            // A dialect once heard stays until another one is heard.
            facts.place = Some(guess);
        }
    }

    /// What each candidate that was asked may charge; booked to the call's tenant.
    fn charge(&self, plan: &Plan, settled: &Settled) -> Vec<Charge> {
        let day = self.clock.day();
        let owed = settled.owed.iter().filter_map(|owed| {
            let candidate = self.table.candidates().get(owed.place)?;
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
            let candidate = self.name(place);
            let late = plan.refused.iter().rev().find(|(refused, _)| *refused == place).map(|(_, reason)| reason);
            let reason = match (self.missing.get(&candidate), &c.verdict, late) {
                (Some(why), Verdict::PassedOver(_), _) => format!("passed over: {why}"),
                (_, _, Some(reason)) | (_, Verdict::PassedOver(reason), None) => reason.sentence(),
                (_, Verdict::Chosen(_), None) if plan.answered.is_some() => "not needed: another answered".to_owned(),
                (_, Verdict::Chosen(_), None) => "not needed: the request ended before its turn".to_owned(),
            };
            PassedOver { candidate, reason }
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

    /// Is there anybody outside the box whom some call may reach? Otherwise nothing is ever sent out.
    pub fn is_outside_allowed(&self) -> bool {
        let policies = self.table.residency();
        let outside = |c: &candidates::Candidate| c.provider.kind != Kind::Local && c.is_reachable();
        let admits = |c: &candidates::Candidate| policies.default.admits(c.provider.residency);
        self.table.candidates().iter().any(|c| outside(c) && admits(c) && !self.missing.contains_key(&*c.name))
    }

    /// While anybody outside the box is not well, all who may be asked: that one does not answer
    /// tells nothing of the others.
    pub fn to_probe(&self) -> Vec<Place> {
        let admits = |c: &candidates::Candidate| self.table.residency().default.admits(c.provider.residency);
        let may_be_asked = |c: &candidates::Candidate| {
            c.provider.kind != Kind::Local && c.is_reachable() && admits(c) && !self.missing.contains_key(&*c.name)
        };
        let outside = self.table.candidates().iter().enumerate().filter(|(_, c)| may_be_asked(c));
        let places: Vec<Place> = outside.map(|(place, _)| place).collect();
        let unwell = |place: &Place| {
            self.ledger.is_doubted(*place) || self.ledger.circuit(*place).is_some_and(|c| c != Circuit::Closed)
        };
        if self.is_offline() || places.iter().any(unwell) { places } else { Vec::new() }
    }

    /// Completes when somebody outside has kept a call waiting: worth a probe at once.
    pub(super) async fn doubt_arises(&self) {
        self.ledger.doubt_arises().await;
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

/// The host of each candidate that is outside the customer's network, and how many there are.
fn hosts(table: &Table) -> (Vec<Option<usize>>, usize) {
    let mut known = Vec::new();
    let of = |candidate: &candidates::Candidate| {
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
