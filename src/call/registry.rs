//! All calls of the box: announced, live, and those that ended a moment ago.
//!
//! Promise: one carrier call is one [`CallId`], however often it is announced; every call leaves with
//! exactly one `CallEnded` on the disk, as soon as the disk has room for it. Other rooms see calls as
//! [`View`]s and send [`Control`]s.

#[cfg(test)]
mod bench;
mod leaving;
mod outbound;
mod pen;
mod persons;
mod resume;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::admission::{Admission, Place};
use super::answered::Answered;
use super::driver::{Drive, Engines};
use super::lifecycle::{LifeCycle, is_final};
use super::recording::{Of, Reels, Tape};
use super::script::{Script, Scripts};
use crate::ai::router::bill::Bill;
use crate::base::event::{AnsweredBy, CallCost, CallState, Concerns, EndCause, Event, Record, Routed};
use crate::base::secret::KeyedHash;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, Moment, limits};
use crate::store::Vault;
use crate::store::callbacks::{self, Callback};
use crate::store::journal::Journal;
use crate::telephony::dial::Dialer;
use crate::telephony::leg::{Announcement, Exchange, LegOffer, Refusal};
use crate::telephony::transfer::{PersonNews, Seeking, Transferer};

pub use self::outbound::{NotCalled, Wanted};
pub use self::pen::CallRecorder;
pub(super) use self::persons::{Errand, Sought};
pub use self::view::View;

/// What another room may ask of a live call.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// Say goodbye, then end.
    Finish(EndCause),
    /// End at once.
    Cut(EndCause),
    /// A machine has taken the call: leave the message, then end.
    LeaveMessage,
    /// Record nothing more; what was recorded is kept.
    StopRecording,
}

/// Gets every record as it happens; must be quick.
pub type Observer = Arc<dyn Fn(&Record) + Send + Sync>;

/// What a call cost, and what it would have cost elsewhere.
pub type Prices = Arc<dyn Fn(CallId, &Bill) -> CallCost + Send + Sync>;

struct Live {
    view: Arc<Mutex<View>>,
    life: LifeCycle,
    control: mpsc::Sender<Control>,
    /// Taken by the call's task when its media connects.
    waiting: Option<mpsc::Receiver<Control>>,
    place: Option<Place>,
    announced: Moment,
    /// Its media must be there by then.
    until: Moment,
    /// How the box has placed it; `None`: it came in.
    placed: Option<Placed>,
    agent: Option<String>,
    /// To greet in, if the caller chooses none.
    likely: Option<Lang>,
    /// To the call's task, once there is one.
    errands: Option<mpsc::Sender<Errand>>,
    /// To whom the carrier is to connect the caller whom we let go.
    letting: Option<Seeking>,
    /// The caller's media broke; a connection that comes carries on.
    broken: bool,
}

/// What is known of a call that the box has placed.
#[derive(Clone)]
struct Placed {
    dialer: Arc<dyn Dialer>,
    /// The agent, with what it knows of the customer.
    script: Arc<Script>,
    /// Who is called; one call a person at a time.
    hash: String,
    /// A carrier is known to have it.
    taken: bool,
    /// Who takes it is to be found out by listening.
    listen: bool,
}

impl Placed {
    fn listener(&self) -> Option<Box<Answered>> {
        self.listen.then(Box::default)
    }
}

/// Who gives a call up that has no media yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Carrier,
    Us,
}

/// Do the engines have room for a call of this kind?
pub type Room = Arc<dyn Fn(&Script, &Concerns, Lang) -> bool + Send + Sync>;

pub struct Deps {
    pub clock: Clock,
    pub scope: Scope,
    pub journal: Journal,
    pub engines: Engines,
    pub scripts: Arc<Scripts>,
    pub admission: Admission,
    pub room: Room,
    pub vault: Vault,
    pub phone_hash: KeyedHash,
    pub keep_words: bool,
    /// Who keeps recordings; `None`: nobody.
    pub reels: Option<Arc<dyn Reels>>,
    /// The tones of keys are left out of recordings.
    pub mute_keys: bool,
    pub observers: Vec<Observer>,
    pub prices: Prices,
}

struct Inner {
    deps: Deps,
    calls: Mutex<IndexMap<CallId, Live>>,
    by_carrier: Mutex<HashMap<String, CallId>>,
    ended: Mutex<VecDeque<(String, View)>>,
    dialers: Mutex<Vec<Arc<dyn Dialer>>>,
    transferers: Mutex<Vec<Arc<dyn Transferer>>>,
    /// By the id of their line.
    persons: Mutex<HashMap<CallId, persons::Person>>,
}

/// Cheap to clone; one for the daemon.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

fn concerns(script: &Script, announcement: &Announcement) -> Concerns {
    let Announcement { from, state, district, .. } = announcement;
    script.concerns(from.as_ref(), state.as_deref(), district.as_deref())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while holding the lock leaves at worst a stale view, never a broken map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    pub fn new(deps: Deps) -> Self {
        let inner = Inner {
            deps,
            calls: Mutex::new(IndexMap::new()),
            by_carrier: Mutex::new(HashMap::new()),
            ended: Mutex::new(VecDeque::new()),
            dialers: Mutex::default(),
            transferers: Mutex::default(),
            persons: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    pub fn admission(&self) -> &Admission {
        &self.0.deps.admission
    }

    /// A live call, or one that ended a moment ago; by the box's id or the carrier's.
    pub fn view(&self, id: &str) -> Option<View> {
        // Some carriers' ids are as long as ours and read like one.
        let carriers = lock(&self.0.by_carrier).get(id).copied();
        let call = carriers.or_else(|| id.parse::<CallId>().ok());
        if let Some(call) = call
            && let Some(live) = lock(&self.0.calls).get(&call)
        {
            return Some(lock(&live.view).clone());
        }
        lock(&self.0.ended)
            .iter()
            .rev()
            .find(|(carrier, view)| Some(view.id) == call || carrier == id)
            .map(|(_, view)| view.clone())
    }

    pub fn live(&self) -> Vec<View> {
        lock(&self.0.calls)
            .values()
            .map(|live| {
                let mut view = lock(&live.view).clone();
                view.events.clear();
                view
            })
            .collect()
    }

    /// Keeps a decision of the router with its call; one for a call that is over is dropped.
    pub fn routed(&self, call: CallId, routed: Routed) {
        let recorder = match lock(&self.0.calls).get(&call) {
            Some(live) => self.recorder(call, live),
            None => return,
        };
        let record = recorder.record(Event::Routed(Box::new(routed)));
        for observer in &self.0.deps.observers {
            observer(&record);
        }
        let mut view = lock(&recorder.view);
        if let Event::Routed(routed) = &record.event {
            view.bill.add(routed);
        }
        if view.decisions.len() >= limits::VIEW_DECISIONS_MAX {
            view.decisions.pop_front();
        }
        view.decisions.push_back(record.clone());
        drop(view);
        self.0.deps.journal.append(record);
    }

    /// A fact that concerns every live call.
    pub fn tell_all(&self, event: &Event) {
        let recorders: Vec<_> = lock(&self.0.calls).iter().map(|(id, live)| self.recorder(*id, live)).collect();
        for recorder in recorders {
            recorder.fact(event.clone());
        }
    }

    pub async fn control(&self, call: CallId, control: Control) -> bool {
        let sender = lock(&self.0.calls).get(&call).map(|live| live.control.clone());
        match sender {
            // Nobody reads what is sent to a call that has no media yet.
            Some(_) if self.is_waiting(call) => {
                self.never_connected(call, CallState::Failed, By::Us).await;
                true
            }
            Some(sender) => sender.send(control).await.is_ok(),
            None => false,
        }
    }

    fn is_waiting(&self, call: CallId) -> bool {
        lock(&self.0.calls).get(&call).is_some_and(|live| live.waiting.is_some())
    }

    /// A place for one more call, if the engines have room for one of its kind.
    fn make_room(&self, script: &Script, concerns: &Concerns, likely: Option<Lang>) -> Result<Place, Refusal> {
        let deps = &self.0.deps;
        let place = deps.admission.enter()?;
        // With nobody else on the line there is nothing to wait for.
        if deps.admission.live() > 1 && !(deps.room)(script, concerns, likely.unwrap_or(script.default_language())) {
            return Err(Refusal::Overloaded);
        }
        Ok(place)
    }

    fn recorder(&self, call: CallId, live: &Live) -> CallRecorder {
        CallRecorder { registry: self.clone(), call, view: Arc::clone(&live.view), began: live.announced }
    }

    fn change_state(&self, call: CallId, to: CallState) {
        let record = {
            let mut calls = lock(&self.0.calls);
            let Some(live) = calls.get_mut(&call) else { return };
            match live.life.go(to) {
                Ok(Some(from)) => Some((self.recorder(call, live), from)),
                Ok(None) => None,
                Err(error) => {
                    tracing::debug!(%call, %error, "ignored a change of state that the life cycle forbids");
                    None
                }
            }
        };
        if let Some((recorder, from)) = record {
            recorder.fact(Event::StateChanged { from, to });
        }
    }
}

impl Exchange for Registry {
    fn announce(&self, announcement: Announcement) -> Result<CallId, Refusal> {
        let deps = &self.0.deps;
        if let Some(leg) = self.person_named(&announcement.carrier_call) {
            return Ok(leg);
        }
        if let Some(bound) = announcement.call.and_then(|leg| self.bind_person(leg, &announcement.carrier_call)) {
            return bound;
        }
        // Held to the end: a carrier that asks twice at once still has one call.
        let mut by_carrier = lock(&self.0.by_carrier);
        if let Some(known) = by_carrier.get(&announcement.carrier_call) {
            return Ok(*known);
        }
        if let Some(call) = announcement.call {
            return self.bind(&mut by_carrier, call, &announcement.carrier_call);
        }
        let script = deps.scripts.get(announcement.agent.as_deref()).ok_or(Refusal::UnknownAgent)?;
        let concerns = concerns(&script, &announcement);
        // Whose calls nobody may keep, nobody may take.
        if deps.vault.is_nobody(&concerns.tenant_id()) {
            return Err(Refusal::NoTenant);
        }
        let likely = script.first_language(&concerns);
        let place = self.make_room(&script, &concerns, likely)?;
        let call = CallId::new();
        let now = deps.clock.now();
        let (control, waiting) = mpsc::channel(8);
        let view = View {
            transport: announcement.transport.to_owned(),
            carrier_call: announcement.carrier_call.clone(),
            agent: script.name().to_owned(),
            from: announcement.from.as_ref().map(ToString::to_string),
            ..View::begun(call, concerns.tenant_id(), announcement.direction, deps.clock.unix_ms(now))
        };
        let live = Live {
            view: Arc::new(Mutex::new(view)),
            life: LifeCycle::new(),
            control,
            waiting: Some(waiting),
            place: Some(place),
            announced: now,
            until: now + limits::ANNOUNCED_MAX,
            placed: None,
            agent: announcement.agent.clone(),
            likely,
            errands: None,
            letting: None,
            broken: false,
        };
        let recorder = self.recorder(call, &live);
        by_carrier.insert(announcement.carrier_call.clone(), call);
        lock(&self.0.calls).insert(call, live);
        drop(by_carrier);
        recorder.fact(Event::CallInitiated {
            transport: announcement.transport.to_owned(),
            carrier_call: Some(announcement.carrier_call.clone()),
            direction: announcement.direction,
            agent: script.name().to_owned(),
            caller_hash: announcement.from.as_ref().map(|p| deps.phone_hash.of(p.reveal())),
            concerns: Box::new(concerns),
            customer: None,
        });
        self.change_state(call, CallState::Initiated);
        self.change_state(call, CallState::Ringing);
        Ok(call)
    }

    fn connect(&self, offer: LegOffer) -> Result<(), Refusal> {
        let deps = &self.0.deps;
        let offer = match self.connect_other(offer) {
            Ok(answer) => return answer,
            Err(offer) => offer,
        };
        let (tell, errands) = persons::errands();
        let (recorder, control, script, likely, of, answered) = {
            let mut calls = lock(&self.0.calls);
            let live = calls.get_mut(&offer.call).ok_or(Refusal::UnknownCall)?;
            let script = match &live.placed {
                Some(placed) => Arc::clone(&placed.script),
                None => deps.scripts.get(live.agent.as_deref()).ok_or(Refusal::UnknownAgent)?,
            };
            let control = live.waiting.take().ok_or(Refusal::UnknownCall)?;
            live.errands = Some(tell);
            let mut view = lock(&live.view);
            view.connected_unix_ms = Some(deps.clock.unix_ms(deps.clock.now()));
            let of = Of {
                call: offer.call,
                tenant: view.tenant.clone(),
                call_started_ms: view.started_unix_ms,
                mute_keys: deps.mute_keys,
            };
            drop(view);
            let answered = live.placed.as_ref().and_then(Placed::listener);
            (self.recorder(offer.call, live), control, script, live.likely, of, answered)
        };
        self.change_state(offer.call, CallState::InProgress);
        let drive = Drive {
            call: offer.call,
            script,
            language: offer.language,
            likely,
            lead: offer.lead,
            engines: deps.engines.clone(),
            clock: deps.clock,
            events: offer.events,
            commands: offer.commands,
            control,
            errands,
            recorder,
            tape: Tape::new(deps.reels.clone(), of),
            answered,
        };
        deps.scope.spawn("call", Box::pin(drive.run()));
        Ok(())
    }

    fn carrier_state(&self, carrier_call: &str, state: CallState) {
        if self.person_state(carrier_call, state) {
            return;
        }
        let Some(call) = lock(&self.0.by_carrier).get(carrier_call).copied() else { return };
        if is_final(state) {
            // A call with media ends by its media, one that others carry by this word; one without ends here.
            self.caller_gone(call, state);
            let registry = self.clone();
            self.0
                .deps
                .scope
                .spawn("carrier end", async move { registry.never_connected(call, state, By::Carrier).await });
        } else if state == CallState::Ringing {
            self.change_state(call, state);
        }
    }

    fn named(&self, call: CallId, carrier_call: &str) {
        if self.bind_person(call, carrier_call).is_some() {
            return;
        }
        if let Err(refusal) = self.bind(&mut lock(&self.0.by_carrier), call, carrier_call) {
            tracing::debug!(%call, %refusal, "the carrier tells of a call that is none of ours any more");
        }
    }

    fn answered_by(&self, carrier_call: &str, who: AnsweredBy) {
        if self.person_answered_by(carrier_call, who) {
            return;
        }
        let Some(call) = lock(&self.0.by_carrier).get(carrier_call).copied() else { return };
        self.taken_by(call, who);
    }

    fn goes_to_person(&self, carrier_call: &str) -> Option<Seeking> {
        let call = lock(&self.0.by_carrier).get(carrier_call).copied()?;
        self.letting(call)
    }

    fn person(&self, carrier_call: &str, news: PersonNews) {
        let Some(call) = lock(&self.0.by_carrier).get(carrier_call).copied() else { return };
        self.person_news(call, news);
    }

    fn media_over(&self, carrier_call: &str) -> BoxFuture<'static, bool> {
        let call = lock(&self.0.by_carrier).get(carrier_call).copied();
        let registry = self.clone();
        Box::pin(async move {
            match call {
                Some(call) => registry.waits_for_media(call).await,
                None => false,
            }
        })
    }

    fn menu(&self, agent: Option<&str>) -> Vec<Lang> {
        self.0.deps.scripts.get(agent).map(|s| s.menu().to_vec()).unwrap_or_default()
    }

    fn greeting_language(&self, announcement: &Announcement) -> Lang {
        let Some(script) = self.0.deps.scripts.get(announcement.agent.as_deref()) else { return Lang::En };
        script.first_language(&concerns(&script, announcement)).unwrap_or_else(|| script.default_language())
    }

    fn wants_callback(&self, announcement: Announcement, language: Lang) -> BoxFuture<'_, bool> {
        let deps = &self.0.deps;
        let Some(script) = deps.scripts.get(announcement.agent.as_deref()) else {
            return Box::pin(std::future::ready(false));
        };
        let tenant = concerns(&script, &announcement).tenant_id();
        let (Some(db), Some(phone)) = (deps.vault.tenant(&tenant), announcement.from) else {
            return Box::pin(std::future::ready(false));
        };
        let wish = Callback {
            id: CallId::new(),
            phone_hash: deps.phone_hash.of(phone.reveal()),
            phone,
            agent: script.name().to_owned(),
            language,
            asked_unix_ms: deps.clock.unix_ms(deps.clock.now()),
        };
        Box::pin(async move {
            let noted = db.write(move |db| callbacks::want(db, &wish)).await;
            if let Err(error) = &noted {
                tracing::error!(%error, "a wish to be called back could not be noted; the caller is told so");
            }
            noted.is_ok()
        })
    }
}
