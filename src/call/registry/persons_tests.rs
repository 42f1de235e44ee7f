use std::path::Path;
use std::sync::Mutex;

use super::super::{Deps, View};
use super::*;
use crate::ai::absent::Nobody;
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::base::event::{CallCost, Direction, EndCause, Event, NotReached, TransferStep};
use crate::base::secret::KeyedHash;
use crate::base::tasks::Scope;
use crate::base::{Clock, Lang};
use crate::call::admission::Admission;
use crate::call::driver::Engines;
use crate::call::script::{Bounds, Script, Scripts};
use crate::dialogue::agent::AgentFile;
use crate::dialogue::book::Catalogue;
use crate::dialogue::intent::Matcher;
use crate::dialogue::states::States;
use crate::store::Vault;
use crate::store::crypt::MasterKey;
use crate::store::journal::Journal;
use crate::telephony::leg::{Announcement, Exchange, LegCommand, LegEnd, LegEvent};

/// What is to be said is said in a moment.
struct Voice;

impl Tts for Voice {
    fn id(&self) -> &str {
        "voice"
    }
    fn speak(&self, _: TtsRequest) -> TtsStream {
        let said = [Ok(TtsEvent::Audio(vec![0; 320])), Ok(TtsEvent::Done(TtsUsage::default()))];
        Box::pin(futures_util::stream::iter(said))
    }
}

/// A carrier that takes every order and does what it is told.
#[derive(Clone)]
struct Carrier {
    way: Way,
    joins: bool,
    slow: Duration,
    orders: Arc<Mutex<Vec<Order>>>,
    hung_up: Arc<Mutex<Vec<String>>>,
    joined: Arc<Mutex<Vec<(String, String)>>>,
}

impl Dialer for Carrier {
    fn transport(&self) -> &'static str {
        "carrier"
    }
    fn place(&self, order: Order) -> BoxFuture<'_, Verdict> {
        let number = {
            let mut orders = lock(&self.orders);
            orders.push(order);
            orders.len()
        };
        let slow = self.slow;
        async move {
            tokio::time::sleep(slow).await;
            Verdict::Placed { carrier_call: format!("P{number}") }
        }
        .boxed()
    }
    fn hang_up<'a>(&'a self, carrier_call: &'a str) -> BoxFuture<'a, Result<(), String>> {
        lock(&self.hung_up).push(carrier_call.to_owned());
        async { Ok(()) }.boxed()
    }
}

impl Transferer for Carrier {
    fn transport(&self) -> &'static str {
        "carrier"
    }
    fn way(&self, _: &str) -> Way {
        self.way
    }
    fn join<'a>(&'a self, _: CallId, caller: &'a str, person: &'a str) -> BoxFuture<'a, Result<(), String>> {
        lock(&self.joined).push((caller.to_owned(), person.to_owned()));
        let joins = self.joins;
        async move { if joins { Ok(()) } else { Err("not today".to_owned()) } }.boxed()
    }
}

/// One end of a leg.
struct Leg {
    events: mpsc::Sender<LegEvent>,
    commands: mpsc::Receiver<LegCommand>,
}

impl Leg {
    async fn until(&mut self, wanted: LegCommand) {
        let looking = async {
            while let Some(command) = self.commands.recv().await {
                if command == wanted {
                    return;
                }
            }
            panic!("the call let the leg go without {wanted:?}");
        };
        tokio::time::timeout(Duration::from_secs(15), looking).await.expect("the command comes");
    }

    async fn end(&self, end: LegEnd) {
        self.events.send(LegEvent::Closed(end)).await.unwrap();
    }
}

struct Bench {
    registry: Registry,
    carrier: Carrier,
    tasks: Scope,
    _state: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

const CALLER: &str = "C1";

impl Bench {
    fn new(way: Way, joins: bool, slow: Duration) -> Self {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), clock).unwrap();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let catalogue = Arc::new(Catalogue::load(&config.join("prompts")).unwrap());
        let text = std::fs::read_to_string(config.join("agents/helpdesk.toml")).unwrap();
        let text = text.replace("failures = 3 ", "failures = 1 ").replace("silence_seconds = 7", "silence_seconds = 2");
        let agent = AgentFile::from_texts([("helpdesk", text.as_str())]).unwrap().agents.remove("helpdesk").unwrap();
        let matcher = Arc::new(Matcher::new(&catalogue));
        let bounds = Bounds { max_duration: limits::CALL_MAX, inactivity: limits::INACTIVITY_MAX };
        let script = Script::new(agent, States::default(), catalogue, matcher, bounds).handing_to(Transfer {
            to: vec![Target::Extension("1001".to_owned())],
            ring: Duration::from_secs(25),
            through: None,
            language: Lang::En,
            caller_id: None,
        });
        let tasks = Scope::new();
        let registry = Registry::new(Deps {
            clock,
            scope: tasks.clone(),
            journal: Journal::new(vault.clone(), Vec::new()),
            engines: Engines { stt: Arc::new(Nobody), llm: Arc::new(Nobody), tts: Arc::new(Voice) },
            scripts: Arc::new(Scripts::new(vec![script], "helpdesk")),
            admission: Admission::new(10),
            room: Arc::new(|_, _, _| true),
            phone_hash: KeyedHash::of_key(&vault.master().derive("phone hash")),
            vault,
            keep_words: false,
            reels: None,
            mute_keys: true,
            observers: Vec::new(),
            prices: Arc::new(|_, _| CallCost::default()),
        });
        let (orders, hung_up, joined) = (Arc::default(), Arc::default(), Arc::default());
        let carrier = Carrier { way, joins, slow, orders, hung_up, joined };
        registry.dial_through(Arc::new(carrier.clone()));
        registry.transfer_through(Arc::new(carrier.clone()));
        Self { registry, carrier, tasks, _state: state }
    }

    fn announce(&self, carrier_call: &str, call: Option<CallId>) -> Result<CallId, Refusal> {
        self.registry.announce(Announcement {
            transport: "carrier",
            carrier_call: carrier_call.to_owned(),
            direction: Direction::Inbound,
            from: None,
            to: None,
            agent: None,
            call,
            state: None,
            district: None,
        })
    }

    fn connect(&self, call: CallId) -> Result<Leg, Refusal> {
        let (tell, events) = mpsc::channel(limits::LEG_EVENTS_QUEUE);
        let (commands, told) = mpsc::channel(limits::LEG_COMMANDS_QUEUE);
        let offer = LegOffer { call, language: Some(Lang::En), lead: limits::PLAYOUT_LEAD, events, commands };
        self.registry.connect(offer)?;
        Ok(Leg { events: tell, commands: told })
    }

    /// The caller's leg; the caller says nothing, so a person is sought.
    fn call(&self) -> (CallId, Leg) {
        let call = self.announce(CALLER, None).unwrap();
        (call, self.connect(call).unwrap())
    }

    async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        for _ in 0..1_000 {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came about that {what}");
    }

    async fn order(&self) -> Order {
        self.until("somebody is rung", || lock(&self.carrier.orders).first().cloned()).await
    }

    fn view(&self) -> View {
        self.registry.view(CALLER).unwrap()
    }

    async fn step(&self, wanted: TransferStep) {
        let like = |event: &Event| matches!(event, Event::Transfer { step, .. } if *step == wanted);
        let what = format!("{wanted:?}");
        self.until(&what, || self.view().events.iter().any(|r| like(&r.event)).then_some(())).await;
    }

    async fn cause(&self) -> EndCause {
        self.until("the call ends", || self.view().cause).await
    }
}

#[tokio::test]
async fn a_caller_whom_the_carrier_takes_may_come_back_to_the_same_call() {
    let bench = Bench::new(Way::LetGo, false, Duration::ZERO);
    let (call, mut leg) = bench.call();
    leg.until(LegCommand::Hangup).await;
    let seeking = bench.registry.goes_to_person(CALLER).expect("the carrier is told whom to ring");
    assert_eq!(seeking.to, Destination::Extension("1001".to_owned()));
    assert_eq!(bench.registry.goes_to_person("somebody else"), None);
    leg.end(LegEnd::ClosedByUs).await;
    bench.registry.person(CALLER, PersonNews::NotReached(Refused::NoAnswer));
    bench.step(TransferStep::NotReached).await;
    assert_eq!((bench.view().state, bench.registry.admission().live()), (CallState::AgentTransfer, 1));

    assert_eq!(bench.announce(CALLER, None), Ok(call));
    let back = bench.connect(call).unwrap();
    bench.until("the agent has the caller", || (bench.view().state == CallState::InProgress).then_some(())).await;
    assert!(bench.connect(call).is_err(), "one call has one leg");
    back.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
    assert!(lock(&bench.carrier.orders).is_empty(), "the box rang nobody itself");
    assert_eq!(bench.registry.goes_to_person(CALLER), None);
}

#[tokio::test]
async fn a_caller_who_stays_with_the_person_ends_by_the_carriers_word() {
    let bench = Bench::new(Way::LetGo, false, Duration::ZERO);
    let (_, mut leg) = bench.call();
    leg.until(LegCommand::Hangup).await;
    leg.end(LegEnd::ClosedByUs).await;
    bench.registry.person(CALLER, PersonNews::Talking);
    bench.step(TransferStep::HandedOn).await;
    bench.registry.carrier_state(CALLER, CallState::Completed);
    assert_eq!(bench.cause().await, EndCause::Transferred);
    bench.until("its place is free", || (bench.registry.admission().live() == 0).then_some(())).await;
}

#[tokio::test]
async fn two_lines_of_one_carrier_are_joined_and_the_box_waits_for_the_end() {
    let bench = Bench::new(Way::Join, true, Duration::ZERO);
    let (_, caller) = bench.call();
    let order = bench.order().await;
    assert_eq!(bench.announce("P1", Some(order.call)), Ok(order.call));
    assert_eq!(bench.announce("P2", Some(order.call)), Err(Refusal::UnknownCall), "one line, one name");
    bench.registry.carrier_state("P1", CallState::Ringing);
    bench.step(TransferStep::Ringing).await;
    let person = bench.connect(order.call).unwrap();
    assert!(bench.connect(order.call).is_err(), "one line has one leg");
    bench.step(TransferStep::Told).await;
    assert_eq!((bench.registry.live().len(), bench.registry.admission().live()), (1, 1));
    person.events.send(LegEvent::Dtmf('1')).await.unwrap();
    bench.step(TransferStep::HandedOn).await;
    assert_eq!(*lock(&bench.carrier.joined), [(CALLER.to_owned(), "P1".to_owned())]);
    caller.end(LegEnd::HungUp).await;
    person.end(LegEnd::ClosedByUs).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.view().cause, None, "they are still talking");
    bench.registry.carrier_state(CALLER, CallState::Completed);
    assert_eq!(bench.cause().await, EndCause::Transferred);
    assert!(lock(&bench.carrier.hung_up).is_empty());
}

#[tokio::test]
async fn lines_that_cannot_be_joined_stay_with_the_box() {
    let bench = Bench::new(Way::Join, false, Duration::ZERO);
    let (_, caller) = bench.call();
    let order = bench.order().await;
    bench.registry.named(order.call, "P1");
    let mut person = bench.connect(order.call).unwrap();
    bench.step(TransferStep::Told).await;
    person.events.send(LegEvent::Dtmf('1')).await.unwrap();
    bench.step(TransferStep::Joined).await;
    for n in 0..10 {
        caller.events.send(LegEvent::Audio { pcm: vec![1_234; 160], at_ms: n * 20 }).await.unwrap();
    }
    person.until(LegCommand::Audio(vec![1_234; 160])).await;
    caller.end(LegEnd::HungUp).await;
    person.until(LegCommand::Hangup).await;
    assert_eq!(bench.cause().await, EndCause::Transferred);
    assert!(lock(&bench.registry.0.persons).is_empty());
}

#[tokio::test]
async fn a_line_that_the_carrier_names_too_late_is_ended_all_the_same() {
    let bench = Bench::new(Way::InBox, false, Duration::from_millis(300));
    let (_, caller) = bench.call();
    let order = bench.order().await;
    caller.end(LegEnd::HungUp).await;
    assert_eq!(bench.cause().await, EndCause::CallerHungUp);
    let ended = || lock(&bench.carrier.hung_up).first().cloned();
    assert_eq!(bench.until("the person's line is ended", ended).await, "P1");
    assert!(bench.announce("P1", Some(order.call)).is_err() && bench.connect(order.call).is_err());
    let given_up = |e: &Event| matches!(e, Event::Transfer { why: Some(NotReached::GivenUp), .. });
    assert!(bench.view().events.iter().any(|r| given_up(&r.event)));
}
