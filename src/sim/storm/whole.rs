//! One storm from its seed to what came of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;

use super::call::Call;
use super::draw::{Drawn, Shelter};
use super::face::Face;
use super::members::Engine;
use super::ticket::lock;
use super::watch::{Account, Watch};
use super::weather::{Spell, Weather};
use crate::ai::router::plan::Book;
use crate::ai::router::{Member, Planner, Residency, Router, Stage, Table, probing};
use crate::base::event::{EndCause, Event, Routed};
use crate::base::{CallId, Clock, Lang, Moment};
use crate::call::script::Script;
use crate::dialogue::book::Catalogue;
use crate::sim::Broken;

/// The calendar's time at the beginning of every storm: far from midnight wherever people live.
const WALL_MS: u64 = 1_800_000_000_000;
/// After the calls, until everything that was dropped is gone.
const AFTERMATH: Duration = Duration::from_secs(1);
/// A cost is rounded down once a unit.
const ROUNDING: u64 = 4;
/// A member that is well begins its answer within this time.
const WELL_WITHIN: Duration = Duration::from_millis(600);
/// Between the beginnings of attempts once a request is overdue.
const OVERDUE_STEP: Duration = Duration::from_millis(500);
/// While a provider is being tried again, others are asked beside it.
const WHILE_TRIED: u64 = 4;

/// Makes storms from seeds.
pub struct Storms {
    pub scripts: Vec<Arc<Script>>,
    pub catalogue: Arc<Catalogue>,
    pub seed: u64,
}

/// What came of one storm.
#[derive(Clone, Debug)]
pub struct Blow {
    pub number: u64,
    pub shelter: Shelter,
    pub causes: Vec<EndCause>,
    /// From the end of the caller's speech to the first sound of the answer.
    pub answered: Vec<Duration>,
    pub virtual_time: Duration,
    /// At the router, at its members, and at those outside the box.
    pub requests: u64,
    pub asked: u64,
    pub asked_outside: u64,
    pub failed: u64,
    pub slowest: Duration,
    pub broken: Vec<Broken>,
    /// The routing file, the weather and every fact with its time, when asked for.
    pub file: String,
    pub weather: Vec<(String, Vec<Spell>)>,
    pub journal: Vec<(Moment, Option<CallId>, Event)>,
}

/// What the calls of a storm have in common.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) drawn: Drawn,
    pub(super) watch: Mutex<Watch>,
    pub(super) tally: Mutex<Tally>,
    pub(super) rng: Mutex<Rng>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) names: Vec<String>,
    /// The provider of each candidate.
    pub(super) of_candidate: Vec<usize>,
    pub(super) settled: Moment,
    pub(super) keeps_journal: bool,
    says: Mutex<HashMap<CallId, (String, Lang)>>,
    tenants: HashMap<CallId, String>,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) settled: HashMap<Stage, u64>,
    pub(super) failed: u64,
    pub(super) slowest: Duration,
    pub(super) causes: Vec<EndCause>,
    pub(super) answered: Vec<Duration>,
    pub(super) virtual_time: Duration,
    pub(super) journal: Vec<(Moment, Option<CallId>, Event)>,
    records: Vec<(Option<CallId>, Routed)>,
}

impl World {
    pub(super) fn weather(&self, provider: usize) -> Weather {
        let outside = self.drawn.providers[provider].residency != Residency::OnBox;
        self.drawn.sky.at(provider, outside, self.clock.now())
    }

    pub(super) fn tenant(&self, call: CallId) -> String {
        self.tenants.get(&call).cloned().unwrap_or_default()
    }

    pub(super) fn saying(&self, call: Option<CallId>) -> (String, Lang) {
        let says = lock(&self.says);
        call.and_then(|call| says.get(&call).cloned()).unwrap_or((String::new(), Lang::Hi))
    }

    pub(super) fn says(&self, call: CallId, text: String, language: Lang) {
        lock(&self.says).insert(call, (text, language));
    }

    /// The longest that any candidate may take to begin an answer.
    pub(super) fn first_within(&self, stage: Stage) -> Duration {
        let at = match stage {
            Stage::Stt => 0,
            Stage::Llm => 1,
            Stage::Tts => 2,
        };
        Duration::from_millis(self.drawn.providers.iter().map(|p| p.deadlines[at]).max().unwrap_or_default())
    }

    /// How long a request may take to begin to be answered as long as somebody is well: its first
    /// candidate's time, then the others one after another; and whoever falls silent within the first
    /// words of a written answer has not begun.
    pub(super) fn begins_within(&self, stage: Stage) -> Duration {
        let providers = &self.drawn.providers;
        let silent = || providers.iter().map(|p| Duration::from_millis(p.deadlines[3])).sum();
        let false_beginnings: Duration = if stage == Stage::Llm { silent() } else { Duration::ZERO };
        let in_turn = OVERDUE_STEP * u32::try_from(providers.len()).unwrap_or(u32::MAX);
        self.first_within(stage) + in_turn + WELL_WITHIN + false_beginnings
    }

    /// From the end of a turn to the first sound of its answer, whatever fails.
    pub(super) fn answer_within(&self) -> Duration {
        Stage::ALL.iter().map(|(_, stage)| self.first_within(*stage) + Duration::from_secs(3)).sum()
    }
}

impl Storms {
    /// Runs storm `number` of this seed to its end. `journal`: keep every fact.
    pub fn blow(&self, number: u64, journal: bool) -> std::io::Result<Blow> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        Ok(runtime.block_on(self.pass(number, journal)))
    }

    async fn pass(&self, number: u64, journal: bool) -> Blow {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
        let drawn = Drawn::draw(&mut rng);
        let clock = Clock::of_runtime(WALL_MS);
        let table = match Table::from_text(&drawn.file) {
            Ok((table, _)) => table,
            Err(error) => unreachable!("the drawn file is wrong: {error}\n{}", drawn.file),
        };
        let names: Vec<String> = table.candidates().iter().map(|c| c.name.to_string()).collect();
        let of = |name: &str| drawn.providers.iter().position(|p| p.name == name).unwrap_or_default();
        let of_candidate: Vec<usize> = table.candidates().iter().map(|c| of(&c.provider.name)).collect();
        let settled = drawn.sky.calm_from() + drawn.interval + Duration::from_secs(8);
        let calls: Vec<(CallId, _)> = (0_u64..)
            .zip(&drawn.calls)
            .map(|(at, call)| (CallId::from_seed(self.seed, number * 16 + at), call.clone()))
            .collect();
        let mut watch = Watch::new(&drawn, of_candidate.clone(), settled);
        calls.iter().for_each(|(id, call)| watch.know(*id, call.policy));
        let world = Arc::new(World {
            clock,
            watch: Mutex::new(watch),
            tally: Mutex::default(),
            rng: Mutex::new(rng.fork()),
            catalogue: Arc::clone(&self.catalogue),
            names,
            of_candidate,
            settled,
            keeps_journal: journal,
            says: Mutex::default(),
            tenants: calls.iter().map(|(id, call)| (*id, call.facts.tenant.clone())).collect(),
            drawn,
        });
        let members = (0..world.names.len()).map(|place| member(&world, &table, place)).collect();
        let planner = Arc::new(Planner::new(table, BTreeMap::new(), clock, book(&world)));
        let router = Router::new(Arc::clone(&planner), members);
        let face = Face { router, world: Arc::clone(&world) };
        let running = calls.into_iter().map(|(id, call)| {
            planner.know(id, call.facts.clone());
            let script = Arc::clone(&self.scripts[rng.usize(0..self.scripts.len())]);
            Call::new(id, face.clone(), script, call, rng.fork()).run()
        });
        let running = join_all(running.collect::<Vec<_>>());
        let probed = |url: url::Url| probe(Arc::clone(&world), url);
        tokio::select! {
            biased;
            _ = running => {}
            () = probing::rounds(&planner, probed) => {}
        }
        tokio::time::sleep(AFTERMATH).await;
        settle(&world);
        report(number, &world)
    }
}

fn member(world: &Arc<World>, table: &Table, place: usize) -> Member {
    let engine = Arc::new(Engine { world: Arc::clone(world), place });
    let Some(candidate) = table.candidates().get(place) else { return Member::default() };
    Member {
        on_box: candidate.provider.residency == Residency::OnBox,
        takes_style: false,
        stt: candidate.serves(Stage::Stt).then(|| engine.clone() as _),
        llm: candidate.serves(Stage::Llm).then(|| engine.clone() as _),
        tts: candidate.serves(Stage::Tts).then_some(engine as _),
    }
}

fn book(world: &Arc<World>) -> Book {
    let world = Arc::downgrade(world);
    Arc::new(move |call, routed| {
        let Some(world) = world.upgrade() else { return };
        let mut tally = lock(&world.tally);
        if world.keeps_journal {
            tally.journal.push((world.clock.now(), call, Event::Routed(Box::new(routed.clone()))));
        }
        tally.records.push((call, routed));
    })
}

/// Whether a host answers.
async fn probe(world: Arc<World>, url: url::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let found = world.drawn.providers.iter().enumerate().position(|(at, p)| match p.residency {
        Residency::OnBox => host == format!("10.0.0.{at}"),
        Residency::India | Residency::Abroad => host.split('.').next() == Some(&p.name),
    });
    let weather = match found {
        Some(provider) => world.weather(provider),
        None => world.drawn.sky.at(usize::MAX, true, world.clock.now()),
    };
    match weather {
        Weather::Hanging => std::future::pending().await,
        weather => {
            tokio::time::sleep(Duration::from_millis(40)).await;
            if let Some(provider) = found.filter(|_| weather.is_there()) {
                lock(&world.watch).probed(provider);
            }
            weather.is_there()
        }
    }
}

/// What can be said when everything is over.
fn settle(world: &World) {
    let now = world.clock.now();
    let tally = lock(&world.tally);
    let mut watch = lock(&world.watch);
    if tally.records.len() as u64 != tally.requests {
        watch.broke(now, format!("{} requests have {} records", tally.requests, tally.records.len()));
    }
    let mut booked: BTreeMap<String, f64> = BTreeMap::new();
    for (call, record) in &tally.records {
        let tenant = call.map(|call| world.tenant(call)).unwrap_or_default();
        *booked.entry(tenant).or_default() += record.cost_paise.millipaise() as f64;
        let told = |name: &str| {
            record.tried.iter().any(|t| t.candidate == name) || record.passed_over.iter().any(|p| p.candidate == name)
        };
        if let Some(name) = world.names.iter().find(|name| !told(name)) {
            watch.broke(now, format!("a record says nothing of {name}: {record:?}"));
        }
    }
    let accounts: Vec<(String, Account)> = watch.tenants.iter().map(|(t, a)| (t.clone(), *a)).collect();
    for (tenant, account) in accounts {
        let sum = booked.get(&tenant).copied().unwrap_or_default();
        let slack = (account.begun * ROUNDING) as f64 + 1.0;
        if sum + slack < account.delivered as f64 || sum > account.most as f64 + slack {
            watch.broke(
                now,
                format!("{tenant:?} was charged {sum} of what was worth {} to {}", account.delivered, account.most),
            );
        }
    }
    if world.drawn.shelter == Shelter::Comeback {
        for (_, stage) in Stage::ALL {
            let wanted = tally.settled.get(&stage).copied().unwrap_or_default();
            let got = watch.at_first.get(&stage).copied().unwrap_or_default();
            if got + WHILE_TRIED < wanted {
                watch.broke(
                    now,
                    format!("p0 is well again and first, and got {got} of {wanted} requests for {stage:?}"),
                );
            }
        }
    }
}

fn report(number: u64, world: &World) -> Blow {
    let mut tally = lock(&world.tally);
    let watch = lock(&world.watch);
    let mut broken = watch.broken.clone();
    broken.sort_by_key(|b| b.at);
    Blow {
        number,
        shelter: world.drawn.shelter,
        causes: std::mem::take(&mut tally.causes),
        answered: std::mem::take(&mut tally.answered),
        virtual_time: tally.virtual_time,
        requests: tally.requests,
        asked: watch.requests(),
        asked_outside: watch.requests_outside(),
        failed: tally.failed,
        slowest: tally.slowest,
        broken,
        file: world.drawn.file.clone(),
        weather: world.drawn.weather(),
        journal: std::mem::take(&mut tally.journal),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::call::script::Bounds;
    use crate::dialogue::intent::Matcher;
    use crate::dialogue::shelf::Shelf;

    fn storms(seed: u64) -> Storms {
        let shelf = Shelf::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
        let catalogue = Arc::new(shelf.catalogue);
        let matcher = Arc::new(Matcher::new(&catalogue));
        let bounds = Bounds { max_duration: Duration::from_secs(3_600), inactivity: Duration::from_secs(300) };
        let scripts = shelf.agents.agents.into_values().map(|agent| {
            let states = shelf.states.get(&agent.states).cloned().unwrap_or_default();
            Script::new(agent, states, Arc::clone(&catalogue), Arc::clone(&matcher), bounds)
        });
        let scripts = scripts.filter(|script| !script.is_echo()).map(Arc::new).collect();
        Storms { scripts, catalogue, seed }
    }

    #[test]
    fn fifty_storms_lose_no_call_and_break_nothing() {
        let storms = storms(7);
        let blows: Vec<Blow> = (0..50).map(|number| storms.blow(number, false).unwrap()).collect();
        for blow in &blows {
            assert!(blow.broken.is_empty(), "storm {} of seed 7: {:?}", blow.number, blow.broken);
        }
        let outside: u64 = blows.iter().map(|b| b.asked_outside).sum();
        assert!(outside > 100, "the storms are no storms: {outside} requests went outside");
    }

    #[test]
    fn the_same_seed_gives_the_same_storm() {
        for number in 0..8 {
            let twice = [0, 1].map(|_| format!("{:?}", storms(3).blow(number, true).unwrap()));
            assert_eq!(twice[0], twice[1], "storm {number}");
        }
    }
}
