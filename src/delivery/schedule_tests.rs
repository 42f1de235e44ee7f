//! The schedule against a model of outbox and endpoints, in virtual time.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { parallel: 6, parallel_one: 3, attempts: 12, give_up: Duration::from_secs(7_200) };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Waiting,
    Delivered,
    Dead,
}

/// One row as the outbox has it.
#[derive(Clone, Copy, Debug)]
struct Row {
    waiting: Waiting,
    is: Is,
    tries: u32,
    delivered: u32,
    /// It failed a moment ago, or was told to wait.
    not_before: Moment,
}

/// How an endpoint answers: drawn for each attempt.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// Of a hundred.
    fails: u8,
    gone: u8,
    busy: u8,
    /// Answers nobody before this second.
    down_until: u64,
}

struct Side {
    manner: Manner,
    ordered: bool,
    enabled: bool,
    version: u64,
    circuit: Circuit,
    rows: BTreeMap<DeliveryId, Row>,
    /// What it got, in the order of arrival.
    got: Vec<u64>,
    /// As the schedule was told: failures in a row, and until when the endpoint is to be left alone.
    failed: u32,
    rests_until: Moment,
}

/// Something on its way: comes back at a drawn time.
enum Coming {
    Views(Vec<View>),
    Tried(EndpointId, DeliveryId, Outcome),
    Recorded(Record),
}

struct World {
    schedule: Schedule,
    sides: BTreeMap<EndpointId, Side>,
    coming: Vec<(Moment, u64, Coming)>,
    now: Moment,
    random: fastrand::Rng,
    number: u64,
    flying: BTreeMap<EndpointId, BTreeSet<DeliveryId>>,
}

fn id(n: usize) -> EndpointId {
    EndpointId::from_seed(1, n as u64)
}

impl World {
    fn new(manners: &[(Manner, bool)], seed: u64, bounds: Bounds) -> Self {
        let sides = manners
            .iter()
            .enumerate()
            .map(|(n, (manner, ordered))| {
                let side = Side {
                    manner: *manner,
                    ordered: *ordered,
                    enabled: true,
                    version: 1,
                    circuit: Circuit::default(),
                    rows: BTreeMap::new(),
                    got: Vec::new(),
                    failed: 0,
                    rests_until: Moment::ZERO,
                };
                (id(n), side)
            })
            .collect();
        let random = fastrand::Rng::with_seed(seed);
        let mut world = Self {
            schedule: Schedule::new(bounds, random.clone()),
            sides,
            coming: Vec::new(),
            now: Moment::from_millis(1_000_000),
            random,
            number: 0,
            flying: BTreeMap::new(),
        };
        world.tell(Input::Tick);
        world
    }

    fn write(&mut self, n: usize) {
        // Nothing is queued for an endpoint that is switched off.
        if !self.sides[&id(n)].enabled {
            return;
        }
        self.number += 1;
        let delivery = DeliveryId::from_seed(2, self.number);
        let waiting = Waiting { id: delivery, sequence: self.number, queued: self.now, attempts: 0, next: self.now };
        self.sides
            .get_mut(&id(n))
            .unwrap()
            .rows
            .insert(delivery, Row { waiting, is: Is::Waiting, tries: 0, delivered: 0, not_before: Moment::ZERO });
        self.tell(Input::Rung);
    }

    fn tell(&mut self, input: Input) {
        self.schedule.handle(self.now, input);
        while let Some(output) = self.schedule.poll() {
            self.carry_out(output);
        }
    }

    fn later(&mut self, least: u64, most: u64, coming: Coming) {
        self.number += 1;
        let at = self.now + Duration::from_millis(self.random.u64(least..=most));
        self.coming.push((at, self.number, coming));
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            // Read now, told later: stale by then.
            Output::Load => {
                let views = self.views();
                self.later(0, 40, Coming::Views(views));
            }
            Output::Try { endpoint, id } => self.attempt(endpoint, id),
            Output::Record(record) => self.later(0, 60, Coming::Recorded(record)),
        }
    }

    fn views(&self) -> Vec<View> {
        self.sides
            .iter()
            .map(|(id, side)| {
                let mut rows: Vec<Waiting> =
                    side.rows.values().filter(|r| r.is == Is::Waiting).map(|r| r.waiting).collect();
                rows.sort_by_key(|r| if side.ordered { (Moment::ZERO, r.sequence) } else { (r.next, r.sequence) });
                // Small windows: most of the outbox is never in sight.
                let complete = rows.len() < 4;
                rows.truncate(4);
                View {
                    endpoint: *id,
                    version: side.version,
                    ordered: side.ordered,
                    enabled: side.enabled,
                    circuit: side.circuit,
                    rows: if side.enabled { rows } else { Vec::new() },
                    complete,
                }
            })
            .collect()
    }

    fn attempt(&mut self, endpoint: EndpointId, id: DeliveryId) {
        let bounds = self.schedule.bounds;
        let side = self.sides.get_mut(&endpoint).unwrap();
        let first = side.rows.values().filter(|r| r.is == Is::Waiting).map(|r| r.waiting.sequence).min();
        let row = side.rows.get_mut(&id).unwrap();
        let flying = self.flying.entry(endpoint).or_default();
        assert!(flying.insert(id), "the same webhook twice at once");
        assert!(flying.len() <= if side.ordered { 1 } else { bounds.parallel_one }, "too many at once");
        if side.failed >= limits::WEBHOOK_CIRCUIT_FAILURES {
            assert!(flying.len() <= 1, "more than a probe");
        }
        assert!(side.rests_until <= self.now, "sent into an open circuit");
        assert!(row.not_before <= self.now, "sent before its time");
        if row.is != Is::Waiting {
            self.later(0, 5, Coming::Tried(endpoint, id, Outcome::Vanished));
            return;
        }
        if side.ordered {
            assert_eq!(Some(row.waiting.sequence), first, "out of order");
        }
        row.tries += 1;
        assert!(row.tries <= bounds.attempts, "tried too often");
        let Manner { fails, gone, busy, down_until } = side.manner;
        let draw = self.random.u8(0..100);
        let failed = |status, seconds: Option<u64>| Outcome::Failed {
            status,
            why: "drawn".to_owned(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let outcome = if self.now < Moment::from_millis(1_000_000 + down_until * 1_000) || draw < fails {
            failed(None, None)
        } else if draw < fails + busy {
            failed(Some(429), Some(self.random.u64(1..3_600)))
        } else if draw < fails + busy + gone {
            Outcome::Gone
        } else {
            row.delivered += 1;
            let sequence = row.waiting.sequence;
            side.got.push(sequence);
            Outcome::Delivered { status: 200 }
        };
        self.later(1, 10_000, Coming::Tried(endpoint, id, outcome));
    }

    /// What the schedule learns and has to go by.
    fn told(&mut self, endpoint: EndpointId, id: DeliveryId, outcome: &Outcome) {
        let side = self.sides.get_mut(&endpoint).unwrap();
        match outcome {
            Outcome::Vanished => {
                self.flying.get_mut(&endpoint).unwrap().remove(&id);
            }
            Outcome::Delivered { .. } => {
                if side.failed >= limits::WEBHOOK_CIRCUIT_FAILURES {
                    side.rows.values_mut().for_each(|row| row.not_before = Moment::ZERO);
                }
                side.failed = 0;
            }
            Outcome::Gone => {}
            Outcome::Failed { retry_after, .. } => {
                let told = retry_after.unwrap_or_default();
                side.failed += 1;
                let row = side.rows.get_mut(&id).unwrap();
                row.not_before = self.now + told.max(limits::WEBHOOK_BACKOFF_MIN);
                let mut rest = told;
                if side.failed >= limits::WEBHOOK_CIRCUIT_FAILURES {
                    rest = rest.max(limits::WEBHOOK_CIRCUIT_MIN / 2);
                }
                side.rests_until = side.rests_until.max(self.now + rest);
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let side = self.sides.get_mut(&record.endpoint).unwrap();
        let row = side.rows.get_mut(&record.id).unwrap();
        row.waiting.attempts = record.attempts;
        match record.fate {
            Fate::Delivered => row.is = Is::Delivered,
            Fate::Again(at) => {
                assert!(at > self.now - Duration::from_millis(100), "again at once");
                row.waiting.next = at;
            }
            Fate::Dead => row.is = Is::Dead,
        }
        side.circuit = record.circuit;
        match record.follow {
            None => {}
            Some(Follow::Hurry) => {
                for row in side.rows.values_mut() {
                    row.waiting.next = row.waiting.next.min(self.now);
                }
            }
            Some(Follow::GiveUpBefore(before)) => {
                for row in side.rows.values_mut().filter(|r| r.is == Is::Waiting && r.waiting.queued < before) {
                    row.is = Is::Dead;
                }
            }
            Some(Follow::Disable) => {
                side.enabled = false;
                side.version += 1;
                for row in side.rows.values_mut().filter(|r| r.is == Is::Waiting) {
                    row.is = Is::Dead;
                }
            }
        }
        self.flying.get_mut(&record.endpoint).unwrap().remove(&record.id);
    }

    /// Goes to the next thing that happens; false: nothing will.
    fn step(&mut self) -> bool {
        let coming = self.coming.iter().map(|(at, n, _)| (*at, *n)).min();
        let deadline = self.schedule.deadline();
        let Some(at) = coming.map(|(at, _)| at).into_iter().chain(deadline).min() else { return false };
        self.now = self.now.max(at);
        if let Some((due, n)) = coming
            && due <= self.now
        {
            let place = self.coming.iter().position(|(_, number, _)| *number == n).unwrap();
            match self.coming.swap_remove(place).2 {
                Coming::Views(views) => self.tell(Input::Loaded(views)),
                Coming::Tried(endpoint, id, outcome) => {
                    self.told(endpoint, id, &outcome);
                    self.tell(Input::Tried { endpoint, id, outcome });
                }
                Coming::Recorded(record) => {
                    self.record(&record);
                    self.tell(Input::Recorded { endpoint: record.endpoint, id: record.id });
                }
            }
        } else {
            self.tell(Input::Tick);
        }
        true
    }

    /// What still waits for an endpoint that is switched off is given up in its time.
    fn sweep(&mut self) {
        let before = self.now - self.schedule.bounds.give_up;
        for side in self.sides.values_mut().filter(|side| !side.enabled) {
            for row in side.rows.values_mut().filter(|r| r.is == Is::Waiting && r.waiting.queued < before) {
                row.is = Is::Dead;
            }
        }
    }

    /// Until nothing waits; the look comes every few seconds as it does at the courier's.
    fn until_the_end(&mut self) {
        for steps in 0.. {
            if steps > 20_000 {
                let left: Vec<_> =
                    self.sides.values().map(|s| s.rows.values().filter(|r| r.is == Is::Waiting).count()).collect();
                panic!(
                    "it never ends: {:?} waiting, {} coming, now {:?}, deadline {:?}",
                    left,
                    self.coming.len(),
                    self.now,
                    self.schedule.deadline()
                );
            }
            if !self.step() {
                if self.sides.values().all(|s| s.rows.values().all(|r| r.is != Is::Waiting)) {
                    return;
                }
                self.now = self.now + Duration::from_secs(5);
                self.sweep();
                self.tell(Input::Rung);
            }
        }
    }
}

fn manner() -> impl Strategy<Value = Manner> {
    let down = prop_oneof![Just(0_u64), 0_u64..600, Just(100_000_u64)];
    (prop_oneof![Just(0_u8), 0_u8..60, Just(100)], prop_oneof![4 => Just(0_u8), 1 => Just(2)], 0_u8..20, down)
        .prop_map(|(fails, gone, busy, down_until)| Manner { fails, gone, busy, down_until })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 300, ..ProptestConfig::default() })]

    /// Within: one at a time and in order where order is wanted, bounded attempts, nothing into an open
    /// circuit. Here: every row ends, and arrives in order.
    #[test]
    fn every_webhook_ends_and_order_is_kept(
        sides in prop::collection::vec((manner(), any::<bool>()), 1..5),
        writes in prop::collection::vec((0_usize..5, 0_u64..20_000), 1..60),
        seed in any::<u64>(),
    ) {
        let mut world = World::new(&sides, seed, BOUNDS);
        for (n, pause) in writes {
            let until = world.now + Duration::from_millis(pause);
            while world.coming.iter().map(|c| c.0).chain(world.schedule.deadline()).min().is_some_and(|at| at <= until) {
                world.step();
            }
            world.now = world.now.max(until);
            world.write(n % sides.len());
            if world.random.u8(0..10) == 0 {
                world.tell(Input::Rung);
            }
        }
        world.until_the_end();
        for side in world.sides.values() {
            for row in side.rows.values() {
                prop_assert!(row.is != Is::Waiting);
                prop_assert!((row.delivered > 0) == (row.is == Is::Delivered), "{row:?}");
                prop_assert!(row.delivered <= 1, "sent again although it was taken and written down");
            }
            if side.ordered {
                prop_assert!(side.got.is_sorted(), "{:?}", side.got);
            }
            if side.manner.fails == 0 && side.manner.gone == 0 && side.manner.busy == 0 && side.manner.down_until == 0 {
                prop_assert!(side.rows.values().all(|r| r.is == Is::Delivered));
            }
        }
    }
}

const WELL: Manner = Manner { fails: 0, gone: 0, busy: 0, down_until: 0 };

#[test]
fn an_endpoint_that_hangs_does_not_hold_up_the_others() {
    let mut world = World::new(&[(WELL, false), (WELL, false)], 3, Bounds { parallel: 4, ..BOUNDS });
    for _ in 0..50 {
        world.write(0);
    }
    world.write(1);
    // The first endpoint has three of four places at most, so the other is served at once.
    let began = world.now;
    while world.sides[&id(1)].got.is_empty() {
        assert!(world.step());
    }
    assert!(world.now.since(began) < Duration::from_secs(21), "{:?}", world.now.since(began));
}

#[test]
fn what_waited_out_an_outage_goes_when_it_is_over() {
    let down = Manner { down_until: 1_800, ..WELL };
    let mut world = World::new(&[(down, false)], 5, BOUNDS);
    for _ in 0..12 {
        world.write(0);
    }
    while world.sides[&id(0)].got.is_empty() {
        assert!(world.step());
    }
    let well = world.now;
    world.until_the_end();
    assert!(world.sides[&id(0)].rows.values().all(|r| r.is == Is::Delivered));
    assert!(world.now.since(well) < Duration::from_secs(60), "waited for pauses: {:?}", world.now.since(well));
}

#[test]
fn one_that_is_gone_is_switched_off_and_on_again_by_a_person() {
    let mut world = World::new(&[(Manner { gone: 100, ..WELL }, true)], 7, BOUNDS);
    for _ in 0..6 {
        world.write(0);
    }
    world.until_the_end();
    let side = world.sides.get_mut(&id(0)).unwrap();
    assert!(!side.enabled && side.rows.values().all(|r| r.is == Is::Dead));
    assert_eq!(side.rows.values().filter(|r| r.tries > 0).count(), 1, "one answer was enough");
    side.manner = WELL;
    side.enabled = true;
    side.version += 1;
    side.circuit = Circuit::default();
    world.write(0);
    world.until_the_end();
    assert_eq!(world.sides[&id(0)].got, [7].map(|_| *world.sides[&id(0)].got.last().unwrap()));
}

#[test]
fn nothing_is_begun_after_a_stop() {
    let mut world = World::new(&[(WELL, false)], 9, BOUNDS);
    for _ in 0..20 {
        world.write(0);
    }
    while world.flying.get(&id(0)).is_none_or(BTreeSet::is_empty) {
        assert!(world.step());
    }
    world.tell(Input::Stop);
    let under_way = world.flying[&id(0)].len();
    while world.step() {}
    assert_eq!(world.sides[&id(0)].got.len(), under_way);
    assert_eq!(world.schedule.deadline(), None);
}

#[test]
fn a_clock_that_was_wrong_once_keeps_nothing_waiting_for_years() {
    let mut world = World::new(&[(WELL, true)], 11, BOUNDS);
    world.write(0);
    let years = world.now + Duration::from_secs(100_000_000);
    let side = world.sides.get_mut(&id(0)).unwrap();
    side.rows.values_mut().for_each(|row| row.waiting.next = years);
    side.circuit.open_until = Some(years);
    let mut fresh = Schedule::new(BOUNDS, fastrand::Rng::with_seed(1));
    fresh.handle(world.now, Input::Loaded(world.views()));
    assert_eq!(fresh.deadline(), Some(world.now + limits::WEBHOOK_BACKOFF_MAX));
}

#[test]
fn an_outbox_that_cannot_be_read_is_asked_again_when_somebody_rings() {
    let mut schedule = Schedule::new(BOUNDS, fastrand::Rng::with_seed(1));
    let now = Moment::from_millis(1);
    schedule.handle(now, Input::Tick);
    assert_eq!(schedule.poll(), Some(Output::Load));
    schedule.handle(now, Input::Rung);
    assert_eq!(schedule.poll(), None, "one look at a time");
    schedule.handle(now, Input::NotLoaded);
    assert_eq!(schedule.poll(), Some(Output::Load), "it rang meanwhile");
    schedule.handle(now, Input::NotLoaded);
    assert_eq!(schedule.poll(), None);
    schedule.handle(now, Input::Rung);
    assert_eq!(schedule.poll(), Some(Output::Load));
}
