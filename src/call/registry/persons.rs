//! Persons who are sought for callers: their lines, and callers whom their carrier takes to one.
//!
//! Promise: a person's line belongs to the call it is for and is no call of its own in any list, sum or
//! admission; it is ended at its carrier when its call ends or gives it up, also if the carrier names it
//! only afterwards. Absent on purpose: who is sought and when, what is said.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use super::outbound::hang_up;
use super::pen::CallRecorder;
use super::{Registry, is_final, lock};
use crate::base::event::{AnsweredBy, CallState};
use crate::base::{CallId, Lang, limits};
use crate::call::consult::PersonEvent;
use crate::call::machine::Elsewhere;
use crate::dialogue::agent::{Target, Transfer};
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::leg::{LegOffer, Refusal};
use crate::telephony::transfer::{PersonNews, Seeking, Transferer, Way};

/// News for a call's task that comes by none of its legs.
#[derive(Debug)]
pub(in crate::call) enum Errand {
    /// Of the person's line with this id.
    Person { leg: CallId, event: PersonEvent },
    /// Its media is there.
    PersonLeg(LegOffer),
    /// Of the caller's line, while it has no leg.
    Elsewhere(Elsewhere),
    /// The caller is back.
    Back(LegOffer),
}

/// What became of the wish for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Sought {
    /// Somebody is being rung, under this id.
    Ringing(CallId),
    /// The caller's carrier does it when the caller's leg has ended.
    LetGo,
    /// Nobody can be.
    Nobody(Refused),
}

/// The line of a person who is sought.
pub(super) struct Person {
    call: CallId,
    dialer: Arc<dyn Dialer>,
    carrier_call: Option<String>,
    connected: bool,
    /// The carrier has said that it is over.
    ended: bool,
}

impl Registry {
    /// Adds a transport that can hand callers on.
    pub fn transfer_through(&self, transferer: Arc<dyn Transferer>) {
        lock(&self.0.transferers).push(transferer);
    }

    fn transferer(&self, transport: &str) -> Option<Arc<dyn Transferer>> {
        lock(&self.0.transferers).iter().find(|t| t.transport() == transport).cloned()
    }

    /// Must the box hear what a caller and a person say? Whatever is to be recorded or written down.
    fn must_hear(&self, _call: CallId) -> bool {
        self.0.deps.keep_words
    }

    /// To the call's task; false: it is over, or so far behind that the news is lost.
    pub(super) fn tell(&self, call: CallId, errand: Errand) -> bool {
        let errands = lock(&self.0.calls).get(&call).and_then(|live| live.errands.clone());
        let told = errands.is_some_and(|errands| errands.try_send(errand).is_ok());
        if !told {
            tracing::debug!(%call, "news of a person's line found nobody");
        }
        told
    }

    /// The person's line that a carrier knows under this name.
    pub(super) fn person_named(&self, carrier_call: &str) -> Option<CallId> {
        let persons = lock(&self.0.persons);
        let named = |person: &Person| person.carrier_call.as_deref() == Some(carrier_call);
        let found = persons.iter().find(|(_, person)| named(person)).map(|(leg, _)| *leg);
        // Where the box gives the name it is its own id, and news comes before the order is answered.
        let unnamed = |leg: &CallId| persons.get(leg).is_some_and(|person| person.carrier_call.is_none());
        found.or_else(|| carrier_call.parse::<CallId>().ok().filter(unnamed))
    }

    /// A carrier names a person's line; `None`: it is no such line.
    pub(super) fn bind_person(&self, leg: CallId, carrier_call: &str) -> Option<Result<CallId, Refusal>> {
        let mut persons = lock(&self.0.persons);
        let person = persons.get_mut(&leg)?;
        match &person.carrier_call {
            Some(known) if known != carrier_call => Some(Err(Refusal::UnknownCall)),
            Some(_) => Some(Ok(leg)),
            None => {
                person.carrier_call = Some(carrier_call.to_owned());
                Some(Ok(leg))
            }
        }
    }

    /// Media of a person, or of a caller who is back; gives the offer back if it is neither.
    pub(super) fn connect_other(&self, offer: LegOffer) -> Result<Result<(), Refusal>, LegOffer> {
        let of = {
            let mut persons = lock(&self.0.persons);
            persons.get_mut(&offer.call).map(|person| (person.call, std::mem::replace(&mut person.connected, true)))
        };
        if let Some((call, connected)) = of {
            let taken = !connected && self.tell(call, Errand::PersonLeg(offer));
            return Ok(if taken { Ok(()) } else { Err(Refusal::UnknownCall) });
        }
        let call = offer.call;
        if !self.is_back(call) {
            return Err(offer);
        }
        Ok(if self.tell(call, Errand::Back(offer)) { Ok(()) } else { Err(Refusal::UnknownCall) })
    }

    /// True: it was news of a person's line.
    pub(super) fn person_state(&self, carrier_call: &str, state: CallState) -> bool {
        let Some(leg) = self.person_named(carrier_call) else { return false };
        let event = match state {
            CallState::Ringing => PersonEvent::Ringing,
            state if is_final(state) => PersonEvent::Ended(state),
            _ => return true,
        };
        self.tell_person(leg, event);
        true
    }

    pub(super) fn person_answered_by(&self, carrier_call: &str, who: AnsweredBy) -> bool {
        let Some(leg) = self.person_named(carrier_call) else { return false };
        self.tell_person(leg, PersonEvent::AnsweredBy(who));
        true
    }

    fn tell_person(&self, leg: CallId, event: PersonEvent) {
        let call = {
            let mut persons = lock(&self.0.persons);
            let Some(person) = persons.get_mut(&leg) else { return };
            person.ended |= matches!(event, PersonEvent::Ended(_));
            person.call
        };
        self.tell(call, Errand::Person { leg, event });
    }

    pub(super) fn letting(&self, call: CallId) -> Option<Seeking> {
        lock(&self.0.calls).get(&call).and_then(|live| live.letting.clone())
    }

    pub(super) fn person_news(&self, call: CallId, news: PersonNews) {
        self.tell(call, Errand::Elsewhere(Elsewhere::News(news)));
    }

    pub(super) fn caller_gone(&self, call: CallId, state: CallState) {
        self.tell(call, Errand::Elsewhere(Elsewhere::Ended(state)));
    }

    /// What the carrier said to an order for a person.
    async fn person_judged(&self, dialer: Arc<dyn Dialer>, leg: CallId, verdict: Verdict) {
        if let Verdict::Placed { carrier_call } = &verdict
            && !matches!(self.bind_person(leg, carrier_call), Some(Ok(_)))
        {
            // Given up meanwhile.
            return hang_up(dialer, leg, carrier_call.clone()).await;
        }
        if let Verdict::Refused { why, detail } = &verdict {
            tracing::info!(%leg, %why, detail, "a person could not be rung");
        }
        self.tell_person(leg, PersonEvent::Verdict(verdict));
    }

    /// Ends what is left of the lines of a call's persons.
    pub(super) fn forget_persons(&self, call: CallId) {
        let left: Vec<(CallId, Person)> = {
            let mut persons = lock(&self.0.persons);
            let legs: Vec<CallId> = persons.iter().filter(|(_, p)| p.call == call).map(|(leg, _)| *leg).collect();
            legs.into_iter().filter_map(|leg| Some((leg, persons.remove(&leg)?))).collect()
        };
        for (leg, person) in left {
            self.end_line(leg, person);
        }
    }

    /// A line that the carrier has not named yet is ended when it does ([`Self::person_judged`]).
    fn end_line(&self, leg: CallId, person: Person) {
        if let Some(carrier_call) = person.carrier_call.filter(|_| !person.ended) {
            self.0.deps.scope.spawn("hang up on a person", hang_up(person.dialer, leg, carrier_call));
        }
    }
}

/// The channel for a call's errands.
pub(super) fn errands() -> (mpsc::Sender<Errand>, mpsc::Receiver<Errand>) {
    mpsc::channel(limits::ERRANDS_QUEUE)
}

fn destination(target: &Target) -> Destination {
    match target {
        Target::Number(phone) => Destination::Number(phone.clone()),
        Target::Extension(name) => Destination::Extension(name.clone()),
    }
}

impl CallRecorder {
    /// Moves the call on in its life cycle.
    pub(in crate::call) fn state(&self, to: CallState) {
        self.registry.change_state(self.call, to);
    }

    /// Somebody is to be rung for this call's caller.
    pub(in crate::call) fn seek(
        &self,
        to: &Target,
        ring: Duration,
        transfer: &Transfer,
        agent: &str,
        (summary, language): (String, Lang),
    ) -> Sought {
        let registry = &self.registry;
        let (transport, carrier_call) = {
            let view = lock(&self.view);
            (view.transport.clone(), view.carrier_call.clone())
        };
        let elsewhere = transfer.through.as_ref().is_some_and(|through| *through != transport);
        let way = registry.transferer(&transport).map(|t| t.way(&carrier_call)).filter(|_| !elsewhere);
        if way == Some(Way::LetGo) {
            let seeking = Seeking {
                to: destination(to),
                ring,
                caller_id: transfer.caller_id.clone(),
                summary: Some(summary),
                language: Some(language),
            };
            if let Some(live) = lock(&registry.0.calls).get_mut(&self.call) {
                live.letting = Some(seeking);
            }
            return Sought::LetGo;
        }
        let whom = destination(to);
        let dialer = match &transfer.through {
            Some(through) => registry.dialer(Some(through), &whom),
            None => registry.dialer(Some(&transport), &whom).or_else(|_| registry.dialer(None, &whom)),
        };
        let Ok(dialer) = dialer else { return Sought::Nobody(Refused::Unreachable) };
        let leg = CallId::new();
        let person =
            Person { call: self.call, dialer: Arc::clone(&dialer), carrier_call: None, connected: false, ended: false };
        lock(&registry.0.persons).insert(leg, person);
        let order = Order {
            call: leg,
            to: whom,
            caller_id: transfer.caller_id.clone(),
            agent: agent.to_owned(),
            ring,
            limit: limits::CALL_MAX,
            // Telephones of the house have no machine that the box could not talk to.
            detect_machine: matches!(to, Target::Number(_)),
        };
        let registry = registry.clone();
        self.registry.0.deps.scope.spawn("ring a person", async move {
            let verdict = dialer.place(order).await;
            registry.person_judged(dialer, leg, verdict).await;
        });
        Sought::Ringing(leg)
    }

    /// The person's line is given up. `told`: a leg that lives was told to end it.
    pub(in crate::call) fn person_gone(&self, leg: CallId, told: bool) {
        let Some(person) = lock(&self.registry.0.persons).remove(&leg) else { return };
        if !told {
            self.registry.end_line(leg, person);
        }
    }

    /// Joins caller and person without the box; `None`: that cannot be, or may not.
    pub(in crate::call) fn join(&self, leg: CallId) -> Option<BoxFuture<'static, bool>> {
        let registry = self.registry.clone();
        let (transport, caller) = {
            let view = lock(&self.view);
            (view.transport.clone(), view.carrier_call.clone())
        };
        let person = {
            let persons = lock(&registry.0.persons);
            let person = persons.get(&leg).filter(|person| person.dialer.transport() == transport)?;
            person.carrier_call.clone()?
        };
        let transferer = registry.transferer(&transport)?;
        if caller.is_empty() || transferer.way(&caller) != Way::Join || registry.must_hear(self.call) {
            return None;
        }
        let call = self.call;
        let joining = async move {
            let asked = tokio::time::timeout(limits::JOIN_WITHIN, transferer.join(call, &caller, &person)).await;
            match asked {
                Ok(Ok(())) => {
                    // Its end is the carrier's affair from now on.
                    lock(&registry.0.persons).remove(&leg);
                    true
                }
                Ok(Err(error)) => {
                    tracing::warn!(%call, error, "a carrier could not join two lines; they talk through the box");
                    false
                }
                Err(_) => {
                    tracing::warn!(%call, "a carrier did not answer whether it joins two lines");
                    false
                }
            }
        };
        Some(joining.boxed())
    }
}

#[cfg(test)]
#[path = "persons_tests.rs"]
mod tests;
