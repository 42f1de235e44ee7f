//! A registry on a bench: a vault of its own, engines that only speak, a carrier by hand.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::{Deps, Registry, View, lock};
use crate::ai::absent::Nobody;
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::base::event::{CallCost, Direction, EndCause, Event, TransferStep};
use crate::base::secret::KeyedHash;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, limits};
use crate::call::admission::Admission;
use crate::call::driver::Engines;
use crate::call::script::{Bounds, Script, Scripts};
use crate::dialogue::agent::{AgentFile, Target, Transfer};
use crate::dialogue::book::Catalogue;
use crate::dialogue::intent::Matcher;
use crate::dialogue::states::States;
use crate::store::Vault;
use crate::store::crypt::MasterKey;
use crate::store::journal::Journal;
use crate::telephony::dial::{Dialer, Order, Verdict};
use crate::telephony::leg::{Announcement, Exchange, LegCommand, LegEnd, LegEvent, LegOffer, Refusal};
use crate::telephony::transfer::{Transferer, Way};

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
pub(super) struct Carrier {
    pub(super) way: Way,
    pub(super) joins: bool,
    pub(super) slow: Duration,
    pub(super) orders: Arc<Mutex<Vec<Order>>>,
    pub(super) hung_up: Arc<Mutex<Vec<String>>>,
    pub(super) joined: Arc<Mutex<Vec<(String, String)>>>,
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
pub(super) struct Leg {
    pub(super) events: mpsc::Sender<LegEvent>,
    pub(super) commands: mpsc::Receiver<LegCommand>,
}

impl Leg {
    pub(super) async fn until(&mut self, wanted: LegCommand) {
        self.until_like(&format!("{wanted:?}"), |command| *command == wanted).await;
    }

    /// The agent speaks.
    pub(super) async fn until_sound(&mut self) {
        self.until_like("a sound", |command| matches!(command, LegCommand::Audio(_))).await;
    }

    async fn until_like(&mut self, what: &str, like: impl Fn(&LegCommand) -> bool) {
        let looking = async {
            while let Some(command) = self.commands.recv().await {
                if like(&command) {
                    return;
                }
            }
            panic!("the call let the leg go without {what}");
        };
        tokio::time::timeout(Duration::from_secs(15), looking).await.expect("the command comes");
    }

    pub(super) async fn end(&self, end: LegEnd) {
        self.events.send(LegEvent::Closed(end)).await.unwrap();
    }
}

pub(super) struct Bench {
    pub(super) registry: Registry,
    pub(super) carrier: Carrier,
    pub(super) tasks: Scope,
    _state: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

pub(super) const CALLER: &str = "C1";

impl Bench {
    pub(super) fn new(way: Way, joins: bool, slow: Duration) -> Self {
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

    pub(super) fn announce(&self, carrier_call: &str, call: Option<CallId>) -> Result<CallId, Refusal> {
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

    pub(super) fn connect(&self, call: CallId) -> Result<Leg, Refusal> {
        let (tell, events) = mpsc::channel(limits::LEG_EVENTS_QUEUE);
        let (commands, told) = mpsc::channel(limits::LEG_COMMANDS_QUEUE);
        let offer = LegOffer { call, language: Some(Lang::En), lead: limits::PLAYOUT_LEAD, events, commands };
        self.registry.connect(offer)?;
        Ok(Leg { events: tell, commands: told })
    }

    /// The caller's leg; the caller says nothing, so a person is sought.
    pub(super) fn call(&self) -> (CallId, Leg) {
        let call = self.announce(CALLER, None).unwrap();
        (call, self.connect(call).unwrap())
    }

    pub(super) async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        for _ in 0..1_000 {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came about that {what}");
    }

    pub(super) async fn order(&self) -> Order {
        self.until("somebody is rung", || lock(&self.carrier.orders).first().cloned()).await
    }

    pub(super) fn view(&self) -> View {
        self.registry.view(CALLER).unwrap()
    }

    pub(super) async fn step(&self, wanted: TransferStep) {
        let like = |event: &Event| matches!(event, Event::Transfer { step, .. } if *step == wanted);
        let what = format!("{wanted:?}");
        self.until(&what, || self.view().events.iter().any(|r| like(&r.event)).then_some(())).await;
    }

    pub(super) async fn cause(&self) -> EndCause {
        self.until("the call ends", || self.view().cause).await
    }
}
