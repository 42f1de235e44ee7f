//! What must hold for whom is asked, watched at the members. Nothing here is told by the router.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::draw::Drawn;
use crate::ai::FaultKind;
use crate::ai::router::{Policy, Residency};
use crate::base::event::Stage;
use crate::base::{CallId, Moment};
use crate::sim::Broken;

/// Failures in a row after which nobody is asked for a while, and for how long at least.
const FAILURES: u32 = 3;
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What was begun while a budget lasted is over by then.
const UNDER_WAY_MAX: Duration = Duration::from_secs(20);
/// The longest pause that a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// A trial request that never comes back makes room for the next.
const TRIAL_MAX: Duration = Duration::from_secs(15);

/// One candidate as its owner sees it.
#[derive(Clone, Debug, Default)]
struct Seen {
    failures_in_a_row: u32,
    /// Not to be asked before.
    leave_alone_until: Moment,
    /// The same, because the provider said so: a probe of the host changes nothing.
    told_until: Moment,
    pause: Option<Duration>,
    /// Trial requests under way, by number, while it is to be left alone.
    trials: HashMap<u64, Moment>,
    asked: u64,
    /// It was given up for its silence since its last answer, which the router may have counted as a
    /// failure or not.
    uncertain: bool,
}

/// A provider's own limits.
#[derive(Clone, Debug, Default)]
struct Gate {
    in_flight: u32,
    /// When the bucket would be full again.
    full_at: f64,
}

/// Watches a storm's members.
pub(super) struct Watch {
    providers: Vec<Held>,
    of_candidate: Vec<usize>,
    policies: HashMap<CallId, Policy>,
    seen: Vec<Seen>,
    gates: Vec<Gate>,
    next: u64,
    pub(super) broken: Vec<Broken>,
    pub(super) tenants: BTreeMap<String, Account>,
    /// Requests at the first provider outside after `settled`, by stage.
    pub(super) settled: Moment,
    pub(super) at_first: HashMap<Stage, u64>,
}

/// What a tenant's calls cost, in thousandths of a paisa.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// A day.
    pub(super) budget: Option<u64>,
    /// Of answers that were delivered whole.
    pub(super) delivered: u64,
    /// Of everything that was begun.
    pub(super) most: u64,
    pub(super) begun: u64,
    used_up: Option<Moment>,
}

/// What a provider holds us to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) residency: Residency,
    pub(super) rate: Option<(u32, u32)>,
    pub(super) concurrency: Option<u32>,
    /// A worker of the box, which has no circuit.
    pub(super) supervised: bool,
}

impl Watch {
    pub(super) fn new(drawn: &Drawn, of_candidate: Vec<usize>, settled: Moment) -> Self {
        let held = drawn.providers.iter().enumerate().map(|(at, p)| Held {
            residency: p.residency,
            rate: p.rate,
            concurrency: p.concurrency,
            supervised: at == 0,
        });
        let mut watch = Self::of(held.collect(), of_candidate, settled);
        for (tenant, paise) in &drawn.budgets {
            let used_up = (*paise == 0).then_some(Moment::ZERO);
            let account = Account { budget: Some(paise * 1_000), used_up, ..Account::default() };
            watch.tenants.insert(tenant.clone(), account);
        }
        watch
    }

    fn of(providers: Vec<Held>, of_candidate: Vec<usize>, settled: Moment) -> Self {
        Self {
            seen: vec![Seen::default(); of_candidate.len()],
            gates: vec![Gate::default(); providers.len()],
            providers,
            of_candidate,
            policies: HashMap::new(),
            next: 0,
            broken: Vec::new(),
            tenants: BTreeMap::new(),
            settled,
            at_first: HashMap::new(),
        }
    }

    pub(super) fn know(&mut self, call: CallId, policy: Policy) {
        self.policies.insert(call, policy);
    }

    pub(super) fn broke(&mut self, at: Moment, what: impl Into<String>) {
        self.broken.push(Broken { at, what: what.into() });
    }

    /// A request has come in. Its number.
    pub(super) fn asked(&mut self, now: Moment, place: usize, stage: Stage, call: Option<CallId>, name: &str) -> u64 {
        self.next += 1;
        let number = self.next;
        let provider = self.of_candidate[place];
        let held = self.providers[provider];
        // Who is unknown may go nowhere.
        let policy = call.and_then(|call| self.policies.get(&call).copied()).unwrap_or(Policy::LocalOnly);
        let reach = match policy {
            Policy::LocalOnly => Residency::OnBox,
            Policy::IndiaOnly => Residency::India,
            Policy::Any => Residency::Abroad,
        };
        if held.residency > reach {
            self.broke(now, format!("{name} was asked, which {} forbids", policy.as_str()));
        }
        if now >= self.settled && provider == 1 {
            *self.at_first.entry(stage).or_default() += 1;
        }
        let gate = &mut self.gates[provider];
        gate.in_flight += 1;
        let mut wrong = Vec::new();
        if let Some(most) = held.concurrency.filter(|most| gate.in_flight > *most) {
            wrong.push(format!("{name} got {} requests at once, {most} allowed", gate.in_flight));
        }
        if let Some((per_minute, burst)) = held.rate {
            let step = 60.0 / f64::from(per_minute);
            let at = now.as_nanos() as f64 / 1e9;
            gate.full_at = gate.full_at.max(at) + step;
            if gate.full_at - at > step * f64::from(burst) + 1e-6 {
                wrong.push(format!("{name} got more than {per_minute} requests a minute and {burst} at once"));
            }
        }
        let seen = &mut self.seen[place];
        seen.asked += 1;
        if now < seen.told_until {
            wrong.push(format!("{name} was asked {:?} before its Retry-After was over", seen.told_until.since(now)));
        } else if !held.supervised && seen.failures_in_a_row >= FAILURES {
            if !seen.uncertain && now < seen.leave_alone_until {
                wrong.push(format!(
                    "{name} was asked after {} failures in a row, {:?} too early",
                    seen.failures_in_a_row,
                    seen.leave_alone_until.since(now)
                ));
            }
            if seen.trials.values().any(|since| now.since(*since) < TRIAL_MAX) {
                wrong.push(format!("{name} got a second request while it was being tried again"));
            }
            seen.trials.insert(number, now);
        }
        for what in wrong {
            self.broke(now, what);
        }
        number
    }

    /// A request that may cost up to `most` is there.
    pub(super) fn may_charge(&mut self, now: Moment, tenant: &str, most: u64, free: bool, name: &str) {
        let account = self.tenants.entry(tenant.to_owned()).or_default();
        account.most += most;
        account.begun += 1;
        // A request that was begun with money left may go on for as long as requests may.
        let grace = if account.budget == Some(0) { Duration::ZERO } else { UNDER_WAY_MAX };
        if !free && account.used_up.is_some_and(|since| now.since(since) >= grace) {
            self.broke(now, format!("{name} was asked for {tenant}, whose budget is used up"));
        }
    }

    pub(super) fn charge(&mut self, now: Moment, tenant: &str, cost: u64) {
        let account = self.tenants.entry(tenant.to_owned()).or_default();
        account.delivered += cost;
        if account.used_up.is_none() && account.budget.is_some_and(|budget| account.delivered >= budget) {
            account.used_up = Some(now);
        }
    }

    /// The request is over, however that came.
    pub(super) fn left(&mut self, place: usize, number: u64) {
        let gate = &mut self.gates[self.of_candidate[place]];
        gate.in_flight = gate.in_flight.saturating_sub(1);
        self.seen[place].trials.remove(&number);
    }

    /// It gave a whole answer.
    pub(super) fn answered(&mut self, place: usize) {
        let seen = &mut self.seen[place];
        seen.failures_in_a_row = 0;
        seen.pause = None;
        seen.uncertain = false;
    }

    /// It failed, and whoever asked has been told, or has seen its deadline pass.
    pub(super) fn failed(
        &mut self,
        now: Moment,
        place: usize,
        number: u64,
        kind: FaultKind,
        retry_after: Option<Duration>,
    ) {
        let seen = &mut self.seen[place];
        match kind {
            FaultKind::Refused => return,
            FaultKind::Overloaded if retry_after.is_some() => {
                let pause = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                seen.told_until = seen.told_until.max(now + pause);
                return;
            }
            FaultKind::Denied => {
                seen.told_until = seen.told_until.max(now + RETRY_AFTER_MAX);
                return;
            }
            _ => {}
        }
        seen.failures_in_a_row += 1;
        if seen.failures_in_a_row < FAILURES {
            return;
        }
        // Those that were under way when it was given up say nothing new.
        let is_new = seen.failures_in_a_row == FAILURES || seen.trials.contains_key(&number);
        if is_new {
            let pause = seen.pause.map_or(PAUSE_FIRST, |pause| (pause * 2).min(PAUSE_MAX));
            seen.pause = Some(pause);
            seen.leave_alone_until = now + pause;
        }
    }

    /// It dripped until nobody waited any more. When that is too slow is not for us to say, so neither
    /// is what comes next.
    pub(super) fn dripped(&mut self, place: usize) {
        let told_until = self.seen[place].told_until;
        let asked = self.seen[place].asked;
        self.seen[place] = Seen { told_until, asked, uncertain: true, ..Seen::default() };
    }

    /// A probe of its host was answered: it may be tried at once.
    pub(super) fn probed(&mut self, provider: usize) {
        for (seen, of) in self.seen.iter_mut().zip(&self.of_candidate) {
            if *of == provider {
                seen.leave_alone_until = Moment::ZERO;
            }
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.seen.iter().map(|s| s.asked).sum()
    }

    /// Requests to candidates whose servers are not on the box.
    pub(super) fn requests_outside(&self) -> u64 {
        let outside =
            |(seen, of): (&Seen, &usize)| (self.providers[*of].residency != Residency::OnBox).then_some(seen.asked);
        self.seen.iter().zip(&self.of_candidate).filter_map(outside).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId::from_seed(1, 1);

    const fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn watch(held: Held, policy: Policy) -> Watch {
        let mut watch = Watch::of(vec![held], vec![0], at(0));
        watch.know(CALL, policy);
        watch
    }

    fn ask(watch: &mut Watch, ms: u64) -> u64 {
        watch.asked(at(ms), 0, Stage::Llm, Some(CALL), "p/m")
    }

    const FREE: Held = Held { residency: Residency::India, rate: None, concurrency: None, supervised: false };

    #[test]
    fn whoever_may_not_be_asked_is_noticed() {
        for (_, policy) in Policy::ALL {
            for (_, residency) in Residency::ALL {
                let mut watch = watch(Held { residency, ..FREE }, policy);
                ask(&mut watch, 1);
                assert_eq!(watch.broken.is_empty(), policy.admits(residency), "{policy:?} {residency:?}");
            }
        }
        let mut watch = watch(FREE, Policy::Any);
        watch.asked(at(1), 0, Stage::Stt, Some(CallId::from_seed(1, 2)), "p/m");
        assert_eq!(watch.broken.len(), 1, "an unknown call may go nowhere");
    }

    #[test]
    fn limits_that_are_not_kept_are_noticed() {
        let mut watch = watch(Held { rate: Some((60, 2)), concurrency: Some(3), ..FREE }, Policy::Any);
        let numbers = [ask(&mut watch, 0), ask(&mut watch, 0)];
        ask(&mut watch, 1_000);
        assert!(watch.broken.is_empty());
        ask(&mut watch, 1_500);
        assert_eq!(watch.broken.len(), 2, "too soon and too many: {:?}", watch.broken);
        numbers.into_iter().for_each(|number| watch.left(0, number));
        ask(&mut watch, 9_000);
        assert_eq!(watch.broken.len(), 2);
    }

    #[test]
    fn who_asks_too_early_is_noticed() {
        let mut watch = watch(FREE, Policy::Any);
        for ms in [0, 10, 20] {
            let number = ask(&mut watch, ms);
            watch.failed(at(ms), 0, number, FaultKind::Unavailable, None);
            watch.left(0, number);
        }
        let trial = ask(&mut watch, 2_020);
        assert!(watch.broken.is_empty());
        ask(&mut watch, 2_021);
        assert_eq!(watch.broken.len(), 1, "one at a time");
        watch.failed(at(2_030), 0, trial, FaultKind::Deadline, None);
        watch.left(0, trial);
        ask(&mut watch, 6_000);
        assert!(watch.broken.len() > 1, "the pause has doubled");
        let before = watch.broken.len();
        watch.answered(0);
        watch.failed(at(6_000), 0, 0, FaultKind::Overloaded, Some(Duration::from_secs(3)));
        watch.probed(0);
        ask(&mut watch, 8_999);
        assert_eq!(watch.broken.len(), before + 1, "Retry-After holds whatever a probe says");
        ask(&mut watch, 9_000);
        assert_eq!(watch.broken.len(), before + 1);
    }
}
