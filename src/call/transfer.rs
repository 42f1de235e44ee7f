//! A caller's way to a person, as the call machine walks it.
//!
//! The line that says so is played, then persons are sought one after another; who answers is told and
//! asked (`consult.rs`) while the caller hears now and then that somebody is sought. Who takes the call is
//! put through at once in the box (`bridge.rs`); where the carrier can join the two, the box steps aside.
//! Where the carrier does it all, the caller's leg ends and the call is parked without one.
//!
//! Promise: whoever is not taken comes back to the conversation, with its memory; no person's line
//! outlives the call in the box's hands. Absent on purpose: carriers, dialling, timers of the system.

mod time;

use std::time::Duration;

use super::bridge::{Bridge, Side};
use super::consult::{Came, Consult, PersonEvent, not_reached};
use super::machine::{Machine, Output, Phase};
use super::minutes::Minutes;
use super::turns::Entry;
use crate::ai::llm::Role;
use crate::base::event::{CallState, EndCause, Event, NotReached, TransferStep};
use crate::base::{AskId, Lang, Moment, limits};
use crate::dialogue::agent::Target;
use crate::dialogue::handover::Caller;
use crate::dialogue::tags::Action;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::transfer::PersonNews;

/// What the call wants of a person's line.
#[derive(Clone, Debug, PartialEq)]
pub enum PersonOrder {
    Ring {
        to: Target,
        ring: Duration,
        /// Who waits, in one text, for carriers that tell the person themselves.
        summary: String,
        /// The caller's.
        language: Lang,
    },
    /// End it, ringing or not.
    HangUp,
    Leg(LegCommand),
    /// Join the two without the box if that can and may be; answered by [`PersonEvent::Joined`].
    Join,
}

/// What the caller's carrier tells of a call that has no leg here.
#[derive(Clone, Debug, PartialEq)]
pub enum Elsewhere {
    News(PersonNews),
    /// The caller is back on a new leg that wants sound so far ahead.
    Back {
        lead: Duration,
    },
    /// Their media connection is over, whatever it looks like here.
    Lost,
    /// The caller's line is over.
    Ended(CallState),
}

enum Step {
    /// The line that announces it is being played.
    Announcing {
        act: Option<AskId>,
        noted: bool,
    },
    Seeking,
    /// The two talk on our legs. While the carrier is asked to join them, legs that close are remembered.
    Together {
        bridge: Box<Bridge>,
        joining: bool,
        caller_closed: Option<LegEnd>,
        person_closed: Option<LegEnd>,
    },
    /// They talk without us.
    HandedOn,
    /// The caller's leg ends, so that the carrier asks where to go.
    Letting,
    /// It has ended; the carrier has the caller.
    Parked {
        talking: bool,
    },
    /// The caller is gone; the person is told.
    Parting {
        cause: EndCause,
    },
    /// The two are gone; their last words are still to be written down.
    Noting,
}

/// A transfer on its way.
pub(super) struct Away {
    step: Step,
    since: Moment,
    /// Which of the agent's targets is tried.
    target: usize,
    consult: Option<Consult>,
    /// The person's line may be there and is ours to end.
    line: bool,
    /// When the caller last heard something.
    hold_since: Moment,
    talked_since: Option<Moment>,
    sought: bool,
    /// How the last attempt went has been told.
    settled: bool,
}

impl Away {
    fn talked(&self, now: Moment) -> Option<Duration> {
        self.talked_since.map(|since| now.since(since))
    }
}

impl Machine {
    /// May a person be sought (again)?
    pub(super) fn may_seek(&self) -> bool {
        self.script.transfer().is_some() && self.tries < limits::TRANSFER_TRIES_MAX
    }

    /// Nobody was asked for in an answer (a key, too many failures): says so and seeks somebody.
    pub(super) fn hand_over(&mut self) {
        self.hush();
        self.drop_draft();
        self.drop_answer();
        let ask = self.ask_id();
        self.put(Output::Act { ask, action: Action::Transfer });
        let text = self.script.line(self.language, "transferring");
        self.remember_line(&text);
        self.say_remembered(&text);
        self.go_away(Some(ask));
    }

    /// What is being said announces it: listen no more, seek when it has been played.
    pub(super) fn seek_after_this(&mut self) {
        self.drop_draft();
        self.go_away(None);
    }

    fn go_away(&mut self, act: Option<AskId>) {
        self.tries += 1;
        self.phase = Phase::Away;
        self.away = Some(Away {
            step: Step::Announcing { act, noted: true },
            since: self.now,
            target: 0,
            consult: None,
            line: false,
            hold_since: self.now,
            talked_since: None,
            sought: false,
            settled: false,
        });
    }

    /// The wish was recorded, or could not be. False: the ask is not of a transfer.
    pub(super) fn noted(&mut self, ask: AskId, done: bool) -> bool {
        let Some(Away { step: Step::Announcing { act, noted }, .. }) = &mut self.away else { return false };
        if act.take_if(|a| *a == ask).is_none() {
            return false;
        }
        *noted = done;
        true
    }

    /// Everything said so far has been heard.
    pub(super) fn away_heard(&mut self) {
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        away.hold_since = now;
        match away.step {
            Step::Announcing { act: None, noted: true } => self.begin_seeking(),
            // What was announced could not be noted: it is not done.
            Step::Announcing { act: None, noted: false } => self.come_back("action_failed"),
            _ => {}
        }
    }

    fn begin_seeking(&mut self) {
        self.put(Output::State(CallState::AgentTransfer));
        self.ring(0);
    }

    fn ring(&mut self, target: usize) {
        let script = std::sync::Arc::clone(&self.script);
        let found = script.transfer().and_then(|t| Some((t.to.get(target)?.clone(), t.ring)));
        let Some((to, ring)) = found else {
            self.come_back("transfer_failed");
            return;
        };
        self.attempt += 1;
        let mut lines = self.script.handover(&self.caller());
        let summary = lines.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ");
        if let Some(language) = script.transfer().map(|t| t.language) {
            lines.push((language, script.line(language, "handover_choice")));
        }
        let (now, language) = (self.now, self.language);
        let Some(away) = &mut self.away else { return };
        away.target = target;
        away.consult = Some(Consult::new(now, ring, lines));
        away.line = true;
        away.sought = true;
        away.settled = false;
        away.step = Step::Seeking;
        away.since = now;
        self.transfer_fact(TransferStep::Sought, Some(to.shown()), None, None);
        self.order(PersonOrder::Ring { to, ring, summary, language });
    }

    /// What the call knows of its caller.
    fn caller(&self) -> Caller<'_> {
        let own = |entry: &&Entry| entry.role == Role::User && !entry.content.trim().is_empty();
        let words = self.history.iter().rev().find(own).map_or("", |entry| entry.content.as_str());
        Caller { language: self.language, words, promised: self.promised.as_ref() }
    }

    fn order(&mut self, order: PersonOrder) {
        let attempt = self.attempt;
        self.put(Output::Person { attempt, order });
    }

    fn transfer_fact(
        &mut self,
        step: TransferStep,
        to: Option<String>,
        why: Option<NotReached>,
        talked: Option<Duration>,
    ) {
        let talked_ms = talked.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
        self.fact(Event::Transfer { attempt: self.attempt, step, to, why, talked_ms });
    }

    // ---- what comes in ----

    pub(super) fn person(&mut self, attempt: u32, event: PersonEvent) {
        if attempt != self.attempt {
            return;
        }
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        match (&mut away.step, event) {
            (Step::Seeking, PersonEvent::LetGo) => {
                away.step = Step::Letting;
                away.since = now;
                away.line = false;
                // The caller may just be hearing that somebody is sought.
                self.hush();
                self.put(Output::Leg(LegCommand::Hangup));
            }
            (Step::Seeking, event) => {
                let came = away.consult.as_mut().and_then(|consult| consult.handle(now, &event));
                self.came(came);
            }
            (Step::Together { bridge, .. }, PersonEvent::Leg(LegEvent::Audio { pcm, at_ms })) => {
                bridge.heard(Side::Person, at_ms, &pcm);
                self.minute(Side::Person, at_ms, &pcm);
            }
            (Step::Together { bridge, .. }, PersonEvent::Leg(LegEvent::Dtmf(_))) => bridge.key(),
            (Step::Together { joining: true, person_closed, .. }, PersonEvent::Leg(LegEvent::Closed(end))) => {
                *person_closed = Some(end);
            }
            (Step::Together { joining: true, person_closed, .. }, PersonEvent::Ended(_)) => {
                person_closed.get_or_insert(LegEnd::HungUp);
            }
            (Step::Together { joining: false, .. }, PersonEvent::Leg(LegEvent::Closed(end))) => self.person_left(end),
            (Step::Together { joining: false, .. }, PersonEvent::Ended(_)) => self.person_left(LegEnd::HungUp),
            (Step::Together { joining: true, .. }, PersonEvent::Joined(done)) => self.joined(done),
            (Step::Parting { .. }, PersonEvent::Leg(LegEvent::Closed(_)) | PersonEvent::Ended(_)) => self.parted(),
            _ => {}
        }
    }

    fn came(&mut self, came: Option<Came>) {
        match came {
            None => {}
            Some(Came::Ringing) => self.transfer_fact(TransferStep::Ringing, None, None, None),
            Some(Came::Answered) => self.transfer_fact(TransferStep::Told, None, None, None),
            Some(Came::Missed(why)) => {
                self.let_person_go();
                self.settle_person(why);
                let next = self.away.as_ref().map_or(0, |away| away.target + 1);
                self.ring(next);
            }
            Some(Came::Taken) => self.put_through(),
        }
    }

    /// The person's line is ended, if it may still be there.
    fn let_person_go(&mut self) {
        let Some(away) = &mut self.away else { return };
        let asks = away.consult.as_mut().map(Consult::hush).unwrap_or_default();
        let there = std::mem::take(&mut away.line);
        self.cancel(asks);
        if there {
            self.order(PersonOrder::HangUp);
        }
    }

    /// The two hear each other from now on.
    fn put_through(&mut self) {
        self.transfer_fact(TransferStep::Taken, None, None, None);
        // Neither hears the rest of what was being said to them.
        self.hush();
        let lead = self.mouth.lead();
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        let asks = away.consult.as_mut().map(Consult::hush).unwrap_or_default();
        let person_lead = away.consult.as_ref().map_or(limits::PLAYOUT_LEAD, Consult::lead);
        away.step = Step::Together {
            bridge: Box::new(Bridge::new(lead, person_lead)),
            joining: true,
            caller_closed: None,
            person_closed: None,
        };
        away.since = now;
        away.talked_since = Some(now);
        self.cancel(asks);
        self.begin_minutes();
        self.order(PersonOrder::Leg(LegCommand::Clear));
        self.order(PersonOrder::Join);
    }

    fn joined(&mut self, done: bool) {
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        let Step::Together { joining, caller_closed, person_closed, .. } = &mut away.step else { return };
        *joining = false;
        let (caller, person) = (caller_closed.take(), person_closed.take());
        if done {
            away.step = Step::HandedOn;
            away.since = now;
            away.line = false;
            self.transfer_fact(TransferStep::HandedOn, None, None, None);
            return;
        }
        self.transfer_fact(TransferStep::Joined, None, None, None);
        if let Some(end) = caller {
            self.away_closed(end);
        } else if let Some(end) = person {
            self.person_left(end);
        }
    }

    /// The person is gone, the caller is there.
    fn person_left(&mut self, end: LegEnd) {
        let talked = self.away.as_ref().and_then(|away| away.talked(self.now)).unwrap_or_default();
        self.close_minutes();
        self.let_person_go();
        self.settle_person(NotReached::Lost);
        self.note_bridge();
        if end == LegEnd::Lost || talked < limits::TALKED_LEAST {
            self.come_back("transfer_lost");
        } else {
            self.away = None;
            self.farewell("goodbye", EndCause::Transferred);
        }
    }

    /// What a bridge could not carry is no secret.
    fn note_bridge(&mut self) {
        let Some(Away { step: Step::Together { bridge, .. }, .. }) = &self.away else { return };
        let passed = bridge.passed();
        if passed.dropped_ms > 0 {
            let missing_ms = u32::try_from(passed.dropped_ms).unwrap_or(u32::MAX);
            self.fact(Event::AudioGap { missing_ms });
        }
    }

    /// Back to the conversation with this line; what was said before is remembered.
    pub(super) fn come_back(&mut self, key: &str) {
        let was_away = self.away.take().is_some_and(|away| away.sought);
        self.phase = Phase::Talking;
        if was_away {
            self.unreached = true;
            self.put(Output::State(CallState::InProgress));
        }
        self.drop_answer();
        self.hush();
        self.failures = 0;
        self.question = None;
        (self.quiet_since, self.inactive_since) = (self.now, self.now);
        let text = self.script.line(self.language, key);
        self.remember_line(&text);
        self.say_remembered(&text);
    }

    /// The caller's leg is over. False: nobody is away, the call itself ends.
    pub(super) fn away_closed(&mut self, end: LegEnd) -> bool {
        let now = self.now;
        let Some(away) = &mut self.away else { return false };
        match &mut away.step {
            Step::Announcing { .. } | Step::Seeking => return false,
            Step::Together { joining: true, caller_closed, .. } => *caller_closed = Some(end),
            Step::Together { .. } if end == LegEnd::Lost => {
                self.note_bridge();
                self.close_minutes();
                let language = self.script.transfer().map_or(self.language, |t| t.language);
                let text = self.script.line(language, "handover_over");
                let Some(away) = &mut self.away else { return false };
                away.step = Step::Parting { cause: EndCause::MediaLost };
                away.since = now;
                let asks = away.consult.as_mut().map(|consult| consult.part(language, &text)).unwrap_or_default();
                self.cancel(asks);
            }
            Step::Together { .. } => self.write_the_rest(),
            Step::Letting => {
                away.step = Step::Parked { talking: false };
                away.since = now;
            }
            Step::HandedOn | Step::Parked { .. } | Step::Parting { .. } | Step::Noting => {}
        }
        true
    }

    /// The talk is over with the caller's line; its last words are written down before the call ends.
    fn write_the_rest(&mut self) {
        self.note_bridge();
        self.settle_person(NotReached::Lost);
        self.let_person_go();
        self.close_minutes();
        let now = self.now;
        if let Some(away) = self.away.as_mut() {
            away.step = Step::Noting;
            away.since = now;
        }
        self.end_when_written();
    }

    /// Nothing is left to be written down, or it takes too long.
    fn end_when_written(&mut self) {
        let Some(Away { step: Step::Noting, since, .. }) = &self.away else { return };
        let late = *since + limits::MINUTES_END_MAX <= self.now;
        if late || self.minutes.as_ref().is_none_or(Minutes::is_done) {
            self.over(EndCause::Transferred);
        }
    }

    /// The caller's carrier tells of a call whose leg has ended, or is to end.
    pub(super) fn elsewhere(&mut self, news: Elsewhere) {
        if self.line_news(&news) {
            return;
        }
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        match &away.step {
            Step::HandedOn if matches!(news, Elsewhere::Ended(_)) => return self.over(EndCause::Transferred),
            Step::Letting | Step::Parked { .. } => {}
            _ => return,
        }
        match news {
            Elsewhere::News(PersonNews::Ringing) => self.transfer_fact(TransferStep::Ringing, None, None, None),
            Elsewhere::News(PersonNews::Talking) => {
                away.step = Step::Parked { talking: true };
                away.since = now;
                away.talked_since = Some(now);
                self.transfer_fact(TransferStep::HandedOn, None, None, None);
            }
            Elsewhere::News(PersonNews::NotReached(why)) => {
                away.settled = true;
                self.transfer_fact(TransferStep::NotReached, None, Some(not_reached(why)), None);
            }
            Elsewhere::News(PersonNews::Done) => {
                let talked = away.talked(now).unwrap_or_default();
                away.talked_since.get_or_insert(now);
                away.settled = true;
                self.transfer_fact(TransferStep::Over, None, None, Some(talked));
            }
            Elsewhere::Back { lead } => {
                let talked = away.talked_since.is_some();
                self.settle_person(NotReached::NoAnswer);
                // A new line with a clock of its own.
                self.mouth.lead_by(lead);
                self.hearing.anew();
                self.forget_marks();
                self.come_back(if talked { "transfer_lost" } else { "transfer_failed" });
            }
            Elsewhere::Ended(_) => {
                let talked = away.talked_since.is_some();
                self.over(if talked { EndCause::Transferred } else { EndCause::CallerHungUp });
            }
            // Its leg is over as it is.
            Elsewhere::Lost => {}
        }
    }

    /// The call ends, or goes on without the person: their line is ended, and it is said how it went.
    pub(super) fn end_person(&mut self) {
        self.note_bridge();
        self.settle_person(NotReached::GivenUp);
        self.let_person_go();
        self.away = None;
    }

    /// The caller's line broke while somebody was sought.
    pub(super) fn let_away_go(&mut self) {
        self.settle_person(NotReached::GivenUp);
        self.let_person_go();
    }

    /// How the last attempt went, unless that was said already.
    fn settle_person(&mut self, otherwise: NotReached) {
        let now = self.now;
        let Some(away) = self.away.as_mut().filter(|away| away.sought && !away.settled) else { return };
        away.settled = true;
        match away.talked(now) {
            Some(talked) => self.transfer_fact(TransferStep::Over, None, None, Some(talked)),
            None => self.transfer_fact(TransferStep::NotReached, None, Some(otherwise), None),
        }
    }

    fn parted(&mut self) {
        let cause = match &self.away {
            Some(Away { step: Step::Parting { cause }, .. }) => *cause,
            _ => EndCause::MediaLost,
        };
        self.over(cause);
    }

    /// The box is to end the call. True: there is a caller to say it to.
    pub(super) fn away_finish(&mut self) -> bool {
        let here = match &self.away {
            Some(Away { step: Step::Together { caller_closed, .. }, .. }) => caller_closed.is_none(),
            Some(Away { step: Step::Announcing { .. } | Step::Seeking, .. }) => true,
            _ => false,
        };
        if here {
            self.end_person();
        }
        here
    }

    /// A key of the caller while somebody else has their ear.
    pub(super) fn away_key(&mut self) {
        if let Some(Away { step: Step::Together { bridge, .. }, .. }) = &mut self.away {
            bridge.key();
        }
    }

    /// Sound of the caller for the person. False: the agent is to hear it.
    pub(super) fn away_sound(&mut self, at_ms: u64, pcm: &[i16]) -> bool {
        match &mut self.away {
            Some(Away { step: Step::Together { bridge, .. }, .. }) => {
                bridge.heard(Side::Caller, at_ms, pcm);
                self.minute(Side::Caller, at_ms, pcm);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
