//! When a call acts by itself: what is due, and what is done then.
//! Promise: [`Machine::deadline`] names every moment at which a tick would do something.

use std::time::Duration;

use super::super::turns::Draft;
use super::{Machine, Output, Phase};
use crate::base::event::{EndCause, Event, RepairKind};
use crate::base::{Moment, limits};
use crate::call::resume::Cut;
use crate::telephony::leg::LegCommand;

impl Machine {
    /// When to call `handle(now, Input::Tick)`, unless something else happens before.
    pub fn deadline(&self) -> Option<Moment> {
        if let Some(cut) = self.cut.as_ref().filter(|_| self.phase != Phase::Over) {
            return Some(cut.until());
        }
        match self.phase {
            Phase::Over => None,
            Phase::Ending { since, .. } => {
                [self.mouth.due(), self.mark_due(), Some(since + limits::FAREWELL_MAX)].into_iter().flatten().min()
            }
            Phase::Away => [self.mouth.due(), self.mark_due(), self.away_due()].into_iter().flatten().min(),
            Phase::Talking => [
                self.mouth.due(),
                self.mark_due(),
                self.filler_due(),
                self.waiting_since().map(|at| at + limits::ANSWER_WITHIN),
                self.draft.as_ref().and_then(Draft::give_up_at),
                self.silence_due(),
                self.interruption_due(),
                Some(self.inactive_since + self.script.inactivity()),
                Some(self.started + self.script.max_duration()),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// What [`Machine::deadline`] was made of, for whoever looks into a call that will not rest.
    pub fn timers_set(&self) -> Vec<(&'static str, Moment)> {
        let all = [
            ("frame", self.mouth.due()),
            ("mark", self.mark_due()),
            ("filler", self.filler_due()),
            ("answer", self.waiting_since().map(|at| at + limits::ANSWER_WITHIN)),
            ("recognition", self.draft.as_ref().and_then(Draft::give_up_at)),
            ("silence", self.silence_due()),
            ("interruption", self.interruption_due()),
            ("transfer", self.away_due()),
            ("line", self.cut.as_ref().map(Cut::until)),
        ];
        all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }

    fn mark_due(&self) -> Option<Moment> {
        self.marks.front().map(|(_, at)| *at + limits::MARK_WITHIN)
    }

    pub(super) fn timers(&mut self) {
        if let Some(cut) = self.cut.as_ref().filter(|_| self.phase != Phase::Over) {
            if cut.until() <= self.now {
                self.over(EndCause::MediaLost);
            }
            return;
        }
        match self.phase {
            Phase::Over => {}
            Phase::Away => self.away_timers(),
            Phase::Ending { cause, since } => {
                if since + limits::FAREWELL_MAX <= self.now || (!self.mouth.is_busy() && self.marks.is_empty()) {
                    self.put(Output::Leg(LegCommand::Hangup));
                    self.over(cause);
                }
            }
            Phase::Talking => {
                if self.started + self.script.max_duration() <= self.now {
                    self.farewell("max_duration", EndCause::MaxDuration);
                } else if self.inactive_since + self.script.inactivity() <= self.now {
                    self.farewell("inactivity_goodbye", EndCause::Inactivity);
                } else if self.waiting_since().is_some_and(|at| at + limits::ANSWER_WITHIN <= self.now)
                    || self.draft.as_ref().and_then(Draft::give_up_at).is_some_and(|at| at <= self.now)
                {
                    self.give_up();
                } else if self.filler_due().is_some_and(|at| at <= self.now) {
                    self.say_filler();
                } else if self.interruption_due().is_some_and(|at| at <= self.now) {
                    self.go_on_speaking();
                } else if self.silence_due().is_some_and(|at| at <= self.now) {
                    self.repair(RepairKind::Silence);
                }
            }
        }
    }

    /// When to ask a silent caller whether they are there.
    pub(super) fn silence_due(&self) -> Option<Moment> {
        if self.answer.is_some() || self.interrupted.is_some() || self.mouth.is_busy() || !self.marks.is_empty() {
            return None;
        }
        let patience = if self.hearing.in_turn() { limits::TURN_AUDIO_MAX } else { Duration::ZERO };
        self.draft.is_none().then(|| self.quiet_since + self.script.reprompt_after() + patience)
    }

    fn filler_due(&self) -> Option<Moment> {
        if let Some(draft) = self.draft.as_ref().filter(|_| self.answer.is_none() && !self.mouth.is_busy()) {
            return draft.filler_due().filter(|_| self.interrupted.is_none());
        }
        if self.fillers >= limits::FILLERS_MAX || self.mouth.is_audible() || self.mouth.is_suspended() {
            return None;
        }
        if let Some(dry) = self.mouth.dry_since().filter(|_| self.answer.is_some()) {
            return Some(dry + limits::FILLER_INSIDE_AFTER);
        }
        if let Some(filler) = self.filler {
            let said = self.waiting_since().filter(|_| self.mouth.is_over(filler));
            return said.map(|_| self.mouth.dry() + limits::FILLER_INSIDE_AFTER);
        }
        let spoke_until = self.answer.as_ref()?.speech_end();
        self.waiting_since().map(|since| since.max(spoke_until + limits::FILLER_AFTER))
    }

    fn say_filler(&mut self) {
        self.fact(Event::Filler { turn: self.turn });
        let text = self.script.line(self.language, "filler_moment");
        let line = self.mouth.begin_first(self.turn, self.language, self.pace);
        self.mouth.add_clause(line, &text);
        self.mouth.complete(line);
        self.filler = Some(line);
        if let Some(draft) = self.draft.as_mut().filter(|_| self.answer.is_none()) {
            draft.filler = Some(line);
        }
        self.fillers += 1;
    }
}
