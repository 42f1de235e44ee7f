//! How a call comes to its end: last lines, falling silent, the last fact.
//! Promise: a call is over once, and its end is the last that comes out of it.

use super::{Machine, Output, Phase};
use crate::base::event::{CallState, DeclinedBy, EndCause, Event};

impl Machine {
    /// Says a last line of the catalogue and ends the call.
    pub(in crate::call) fn farewell(&mut self, key: &str, cause: EndCause) {
        let text = self.script.line(self.language, key);
        self.farewell_with(&text, cause);
    }

    pub(in crate::call) fn farewell_with(&mut self, text: &str, cause: EndCause) {
        self.hush();
        self.drop_draft();
        self.drop_answer();
        self.say(text);
        self.phase = Phase::Ending { cause, since: self.now };
    }

    /// What is being said is the last line: listen no more, hang up when it has been played.
    pub(in crate::call) fn end_after_this(&mut self, cause: EndCause) {
        self.drop_draft();
        self.phase = Phase::Ending { cause, since: self.now };
    }

    pub(in crate::call) fn finish(&mut self, cause: EndCause) {
        let here = match self.phase {
            Phase::Talking => self.cut.is_none(),
            Phase::Away => self.cut.is_none() && self.away_finish(),
            Phase::Ending { .. } | Phase::Over => return,
        };
        if here {
            self.farewell(if cause == EndCause::Drained { "draining" } else { "goodbye" }, cause);
        } else {
            self.over(cause);
        }
    }

    /// Whatever was said so far was said to a greeting; the message is said from its beginning.
    pub(in crate::call) fn leave_message(&mut self) {
        if self.phase == Phase::Talking && self.cut.is_none() {
            // A machine has agreed to nothing.
            self.decline(DeclinedBy::NotHeard);
            self.farewell("voicemail", EndCause::Machine);
        }
    }

    /// Stops talking at once; the carrier forgets what it has not played.
    pub(in crate::call) fn hush(&mut self) {
        self.interrupted = None;
        if self.mouth.suspend(self.now) || !self.marks.is_empty() {
            self.stop_playing();
        }
        let mut cut = Vec::new();
        let asks = self.mouth.abandon(None, &mut cut);
        self.cancel(asks);
        for spoken in cut {
            self.said(spoken);
        }
    }

    pub(in crate::call) fn over(&mut self, cause: EndCause) {
        if self.phase == Phase::Over {
            return;
        }
        self.end_person();
        let mut cut = Vec::new();
        let asks = self.mouth.abandon(None, &mut cut);
        self.cancel(asks);
        for spoken in cut {
            self.said(spoken);
        }
        self.drop_draft();
        self.drop_answer();
        self.close_consent();
        self.phase = Phase::Over;
        let outcome = match cause {
            EndCause::InternalError | EndCause::MediaLost | EndCause::NeverConnected | EndCause::ProcessLost => {
                CallState::Failed
            }
            _ => CallState::Completed,
        };
        self.fact(Event::CallEnded {
            outcome,
            cause,
            duration_ms: u64::try_from(self.now.since(self.started).as_millis()).unwrap_or(u64::MAX),
            turns: self.answered,
        });
        self.put(Output::Over { outcome, cause });
    }
}
