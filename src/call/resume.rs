//! A caller's media connection that breaks while the call goes on, and is back.
//!
//! The call waits a bounded time. What the agent was saying is said on from a little before the caller's last
//! sound, since a line is often gone for a while before anybody notices; a pending answer is prepared meanwhile;
//! what the caller was saying is lost, and they are asked to say it again. Who is being rung for the caller is let
//! go.
//!
//! Promise: no sound leaves while there is no line; a line that never comes back ends the call as
//! `media_lost`. Absent on purpose: how a carrier connects again.

use std::time::Duration;

use super::machine::{Machine, Phase};
use super::transfer::Elsewhere;
use crate::base::event::{EndCause, Event};
use crate::base::{Moment, limits};
use crate::telephony::leg::LegEnd;

/// A line that broke.
pub(super) struct Cut {
    since: Moment,
    /// The caller was speaking, or had spoken and was not understood yet.
    mid_turn: bool,
}

impl Cut {
    /// The line is waited for until then.
    pub(super) fn until(&self) -> Moment {
        self.since + limits::RESUME_WITHIN
    }
}

impl Machine {
    /// The caller's leg broke. False: there is nothing to wait for, the last line was being said or the carrier has
    /// said that the line is over.
    pub(super) fn wait_for_line(&mut self) -> bool {
        if self.cut.is_some() {
            return true;
        }
        if self.line_over {
            return false;
        }
        let mid_turn = self.phase == Phase::Talking && (self.hearing.in_turn() || self.draft.is_some());
        match self.phase {
            Phase::Talking => {
                self.drop_draft();
                self.interrupted = None;
            }
            Phase::Away => {
                self.let_away_go();
                self.come_back("transfer_lost");
            }
            Phase::Ending { .. } | Phase::Over => return false,
        }
        // Every line brings sound all the time: when it came last the caller was there.
        let unheard = self.now.since(self.last_sound).min(limits::RESUME_UNHEARD_MAX);
        self.mouth.cut_off(self.now, unheard);
        self.forget_marks();
        self.cut = Some(Cut { since: self.now, mid_turn });
        self.fact(Event::MediaLost);
        true
    }

    /// News of a caller whose line broke. False: it did not.
    pub(super) fn line_news(&mut self, news: &Elsewhere) -> bool {
        match news {
            // The carrier connects again what is not known to be broken here.
            Elsewhere::Back { lead } if self.cut.is_some() || self.away.is_none() => {
                self.line_over = false;
                if self.cut.is_some() || self.wait_for_line() {
                    self.line_back(*lead);
                }
                true
            }
            Elsewhere::Ended(_) if self.cut.is_some() => {
                self.over(EndCause::MediaLost);
                true
            }
            // It may be quicker than the news of a broken socket. A line that is over as it should be tells so itself.
            Elsewhere::Ended(_) if self.away.is_none() => {
                self.line_over = true;
                true
            }
            Elsewhere::Lost => {
                self.closed(LegEnd::Lost);
                true
            }
            _ => self.cut.is_some(),
        }
    }

    fn line_back(&mut self, lead: Duration) {
        let Some(cut) = self.cut.take() else { return };
        let now = self.now;
        self.mouth.reconnect(lead);
        // A new line with a clock of its own.
        self.hearing.anew();
        self.forget_marks();
        (self.quiet_since, self.inactive_since, self.line_since) = (now, now, now);
        self.last_sound = now;
        let after_ms = u32::try_from(now.since(cut.since).as_millis()).unwrap_or(u32::MAX);
        self.fact(Event::MediaBack { after_ms });
        if let Phase::Ending { since, .. } = &mut self.phase {
            *since = now;
        }
        if cut.mid_turn && self.phase == Phase::Talking && self.answer.is_none() && !self.mouth.is_busy() {
            let text = self.script.line(self.language, "reprompt_unclear");
            self.say(&text);
        }
    }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
