//! Calls that the box places.
//!
//! Promise: a call is on the disk before any carrier hears of it, and with it, in one transaction, its
//! customer is no longer ready, so that nobody is rung twice for one request; whose number is on the
//! do-not-call list is not rung at all; what a carrier did not clearly refuse is never dialled again by
//! the box itself. Absent on purpose: when to call, whom next, and what is said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Control, Live, Placed, Registry, View, lock};
use crate::base::event::{AnsweredBy, CallState, Direction, EndCause, Event};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang, TenantId, limits};
use crate::call::lifecycle::LifeCycle;
use crate::call::script::Script;
use crate::store::{StoreError, dnd};
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::leg::Refusal;

/// Who is to be called, and as whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant: TenantId,
    /// `None`: the tenant's own agent for calling ([`crate::call::script::Scripts::to_call`]).
    pub agent: Option<String>,
    pub to: Phone,
    pub customer: Option<Uuid>,
    /// What the agent knows of the customer, over what its file says: `customer name`, `amount due`.
    pub facts: Vec<(String, String)>,
    /// Of the customer's record.
    pub language: Option<Lang>,
    pub state: Option<String>,
    pub district: Option<String>,
    /// `None`: the transport's own number.
    pub caller_id: Option<Phone>,
    /// Through which transport; `None`: the first that can dial.
    pub through: Option<String>,
    /// It rings so long at most.
    pub ring: Duration,
    pub detect_machine: bool,
}

/// Why nobody was rung.
#[derive(Debug, thiserror::Error)]
pub enum NotCalled {
    #[error("no agent of that name speaks for this tenant")]
    UnknownAgent,
    #[error(
        "no transport is set up to place calls; set twilio.account_sid, twilio.auth_token and twilio.caller_id, or exotel.account_sid, api_key, api_token and exophone"
    )]
    NoDialer,
    #[error("there is no transport of that name that can place calls")]
    UnknownTransport,
    #[error("the number is on the do-not-call list")]
    DoNotCall,
    #[error("there is a call with this person already: {0}")]
    AlreadyCalling(CallId),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the call could not be recorded, so it was not placed")]
    Store(#[from] StoreError),
}

/// Until then the carrier is to keep a call, the last word included; caller and person may talk longer than the
/// agent does.
fn longest(script: &Script) -> Duration {
    let talk = if script.transfer().is_some() { limits::CALL_MAX } else { script.max_duration() };
    talk + limits::FAREWELL_MAX
}

impl Registry {
    /// Adds a transport that can place calls; the first is the usual one.
    pub fn dial_through(&self, dialer: Arc<dyn Dialer>) {
        lock(&self.0.dialers).push(dialer);
    }

    /// The transport of that name, or the first that is set up to ring `to`.
    pub(super) fn dialer(&self, name: Option<&str>, to: &Destination) -> Result<Arc<dyn Dialer>, NotCalled> {
        let dialers = lock(&self.0.dialers);
        let mut able = dialers.iter().filter(|dialer| dialer.reaches(to)).peekable();
        if able.peek().is_none() {
            return Err(NotCalled::NoDialer);
        }
        let found = able.find(|dialer| name.is_none_or(|name| dialer.transport() == name));
        found.cloned().ok_or(NotCalled::UnknownTransport)
    }

    /// Places a call; it is recorded when this returns, and the carrier is asked meanwhile.
    pub async fn originate(&self, wanted: Wanted) -> Result<CallId, NotCalled> {
        let deps = &self.0.deps;
        let script = deps.scripts.to_call(wanted.agent.as_deref(), &wanted.tenant).ok_or(NotCalled::UnknownAgent)?;
        let dialer = self.dialer(wanted.through.as_deref(), &Destination::Number(wanted.to.clone()))?;
        let mut concerns = script.concerns(Some(&wanted.to), wanted.state.as_deref(), wanted.district.as_deref());
        // An agent for all tenants speaks for the one that asks.
        if wanted.tenant != TenantId::default_tenant() {
            wanted.tenant.as_str().clone_into(&mut concerns.tenant);
        }
        let hash = deps.phone_hash.of(wanted.to.reveal());
        let db = deps.vault.tenant(&wanted.tenant).ok_or(StoreError::Closed)?;
        let (asked, now_ms) = (hash.clone(), deps.clock.unix_ms(deps.clock.now()));
        if db.read(move |db| dnd::opted_out(db, &asked, now_ms)).await?.is_some() {
            return Err(NotCalled::DoNotCall);
        }

        let speaks = |language: &Lang| script.speaks(*language);
        let likely = wanted.language.filter(speaks).or_else(|| script.first_language(&concerns));
        let place = self.make_room(&script, &concerns, likely)?;
        let call = CallId::new();
        let now = deps.clock.now();
        let (control, waiting) = mpsc::channel(8);
        let view = View {
            transport: dialer.transport().to_owned(),
            agent: script.name().to_owned(),
            from: Some(wanted.to.to_string()),
            ..View::begun(call, wanted.tenant.clone(), Direction::Outbound, now_ms)
        };
        let live = Live {
            view: Arc::new(Mutex::new(view)),
            life: LifeCycle::new(),
            control,
            waiting: Some(waiting),
            place: Some(place),
            announced: now,
            until: now + wanted.ring + limits::DIAL_GRACE,
            placed: Some(Placed {
                dialer: Arc::clone(&dialer),
                script: if wanted.facts.is_empty() {
                    Arc::clone(&script)
                } else {
                    Arc::new(script.about(&wanted.facts))
                },
                hash: hash.clone(),
                taken: false,
                listen: wanted.detect_machine && !dialer.tells_machines(),
            }),
            agent: Some(script.name().to_owned()),
            likely,
            errands: None,
            letting: None,
            broken: false,
        };
        let recorder = self.recorder(call, &live);
        {
            let mut calls = lock(&self.0.calls);
            let same = |live: &Live| live.placed.as_ref().is_some_and(|placed| placed.hash == hash);
            if let Some((busy, _)) = calls.iter().find(|(_, live)| same(live)) {
                return Err(NotCalled::AlreadyCalling(*busy));
            }
            calls.insert(call, live);
        }
        let began = Event::CallInitiated {
            transport: dialer.transport().to_owned(),
            carrier_call: None,
            direction: Direction::Outbound,
            agent: script.name().to_owned(),
            caller_hash: Some(hash),
            concerns: Box::new(concerns),
            customer: wanted.customer,
        };
        if let Err(error) = recorder.durable_fact(began).await {
            lock(&self.0.calls).shift_remove(&call);
            return Err(error.into());
        }
        self.change_state(call, CallState::Initiated);
        let order = Order {
            call,
            to: Destination::Number(wanted.to),
            caller_id: wanted.caller_id,
            agent: script.name().to_owned(),
            ring: wanted.ring,
            limit: longest(&script),
            detect_machine: wanted.detect_machine,
        };
        let registry = self.clone();
        deps.scope.spawn("dial", async move {
            let verdict = dialer.place(order).await;
            registry.judged(&dialer, call, verdict).await;
        });
        Ok(call)
    }

    /// What the carrier said to an order.
    async fn judged(&self, dialer: &Arc<dyn Dialer>, call: CallId, verdict: Verdict) {
        match verdict {
            Verdict::Placed { carrier_call } => {
                let bound = self.bind(&mut lock(&self.0.by_carrier), call, &carrier_call);
                if bound.is_err() {
                    // Ended meanwhile, by an operator or because the box is stopping.
                    hang_up(Arc::clone(dialer), call, carrier_call).await;
                }
            }
            Verdict::Refused { why, detail } => {
                tracing::warn!(%call, %why, detail, "a call was not placed");
                let outcome = match why {
                    Refused::Busy | Refused::NoAnswer | Refused::Declined => CallState::NotPicked,
                    _ => CallState::Failed,
                };
                let recorder = {
                    let mut calls = lock(&self.0.calls);
                    let Some(live) = calls.get_mut(&call).filter(|live| live.waiting.is_some()) else { return };
                    live.waiting = None;
                    self.recorder(call, live)
                };
                recorder.end_as(outcome, EndCause::NotDialled).await;
                recorder.over(outcome, EndCause::NotDialled);
            }
            // Its webhook or media may still come; if not, the sweep ends the call.
            Verdict::Unknown { detail } => {
                tracing::warn!(%call, detail, "whether a call was placed is not known; it is not dialled again");
            }
        }
    }

    /// A carrier names a call that the box has placed.
    pub(super) fn bind(
        &self,
        by_carrier: &mut HashMap<String, CallId>,
        call: CallId,
        carrier_call: &str,
    ) -> Result<CallId, Refusal> {
        let recorder = {
            let mut calls = lock(&self.0.calls);
            let live = calls.get_mut(&call).ok_or(Refusal::UnknownCall)?;
            let placed = live.placed.as_mut().ok_or(Refusal::UnknownCall)?;
            let mut view = lock(&live.view);
            if view.carrier_call == carrier_call {
                return Ok(call);
            }
            // One call is one call of a carrier; whoever comes second is somebody else.
            if !view.carrier_call.is_empty() {
                return Err(Refusal::UnknownCall);
            }
            carrier_call.clone_into(&mut view.carrier_call);
            placed.taken = true;
            drop(view);
            by_carrier.insert(carrier_call.to_owned(), call);
            self.recorder(call, live)
        };
        recorder.fact(Event::CallPlaced { carrier_call: carrier_call.to_owned() });
        Ok(call)
    }

    /// Somebody or something has taken a call that the box has placed.
    pub(super) fn taken_by(&self, call: CallId, who: AnsweredBy) {
        let (recorder, control) = {
            let calls = lock(&self.0.calls);
            let Some(live) = calls.get(&call).filter(|live| live.placed.is_some()) else { return };
            (self.recorder(call, live), live.control.clone())
        };
        recorder.fact(Event::CallAnsweredBy { who });
        let order = match who {
            AnsweredBy::Machine => Control::LeaveMessage,
            AnsweredBy::Fax => Control::Cut(EndCause::Machine),
            AnsweredBy::Human | AnsweredBy::Unknown => return,
        };
        // The queue is short; a call that is told so much else already is ending.
        if control.try_send(order).is_err() {
            tracing::warn!(%call, "a call could not be told that a machine has taken it");
        }
    }
}

/// Ends a placed call at its carrier.
pub(super) async fn hang_up(dialer: Arc<dyn Dialer>, call: CallId, carrier_call: String) {
    if let Err(error) = dialer.hang_up(&carrier_call).await {
        tracing::warn!(%call, error, "a placed call could not be ended at its carrier; it may ring on");
    }
}
