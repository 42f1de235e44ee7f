//! Whether a call is recorded: the notice, who has heard it, who said no. Pure.
//!
//! Promise: nothing is recorded before the notice was played to its end in the language that the caller
//! is spoken to in; a caller who says no, at whatever time, is not recorded, and nothing is kept of what
//! was. A notice that was spoken over is said once more; who does not hear it then is not recorded.
//!
//! With [`RecordingMode::Ask`] a bare "no" to the notice is an objection until the caller has gone on to
//! something else (in doubt it is taken for one: being asked again is the smaller harm). At any time and in
//! both modes it is one to say "do not record this", or to press `#`. Silence is none.
//!
//! Absent on purpose: the sound, and where it goes (`recording.rs`).

use super::machine::{Machine, Output, Phase};
use super::mouth::LineId;
use crate::ai::stt::SttText;
use crate::base::event::{DeclinedBy, Event, RecordingMode};
use crate::base::{Lang, limits};
use crate::dialogue::book::Intent;
use crate::dialogue::objection;

/// The key with which a caller objects.
pub(super) const OBJECTION_KEY: char = '#';
/// Likeness to a known "no" from which a bare answer to the notice is one. Lower than what is needed to
/// act on any other answer.
const NO_AT_LEAST: f32 = 0.6;

/// What is to be done about the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From now on.
    Start { mode: RecordingMode, language: Lang },
    /// The caller has gone on after the notice without a word against it.
    Confirm,
    /// Nothing is kept.
    Discard,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Not recorded: not wanted, not allowed, or declined.
    Off,
    /// The notice is still to be said.
    Owed { tries: u32 },
    /// It is being said.
    Saying { line: LineId, tries: u32 },
    /// It was sent; this mark says when it has been played.
    Sent { mark: u64, tries: u32 },
    /// Recorded; a bare no still answers the notice.
    Open,
    /// Recorded.
    Given,
}

impl Consent {
    /// Is a bare "no" an answer to the notice?
    const fn is_asking(self) -> bool {
        !matches!(self, Self::Off | Self::Given)
    }
}

impl Machine {
    /// Says the notice behind whatever is queued, if it is still to be said.
    pub(super) fn say_notice(&mut self) {
        self.notice(false);
    }

    /// The same before whatever is queued.
    pub(super) fn say_notice_first(&mut self) {
        self.notice(true);
    }

    fn notice(&mut self, first: bool) {
        self.look_after_notice();
        let (Some(mode), Consent::Owed { tries }) = (self.script.recording(), self.consent) else { return };
        if tries >= limits::NOTICE_TRIES {
            self.decline(DeclinedBy::NotHeard);
            return;
        }
        let text = self.script.notice(self.language, mode);
        let line = if first {
            let line = self.mouth.begin_first(self.turn, self.language, self.pace);
            self.mouth.fill(line, &text);
            line
        } else {
            self.say(&text)
        };
        self.consent = Consent::Saying { line, tries: tries + 1 };
    }

    /// A line left for the caller to its end, before this mark.
    pub(super) fn notice_sent(&mut self, line: LineId, whole: bool, mark: u64) {
        if let Consent::Saying { line: notice, tries } = self.consent
            && notice == line
        {
            self.consent = if whole { Consent::Sent { mark, tries } } else { Consent::Owed { tries } };
        }
    }

    /// The voice broke off in this line.
    pub(super) fn notice_broke(&mut self, line: LineId) {
        if let Consent::Saying { line: notice, tries } = self.consent
            && notice == line
        {
            self.consent = Consent::Owed { tries };
        }
    }

    /// Marks up to `mark` were played (or nobody tells, and it is long ago).
    pub(super) fn notice_played(&mut self, mark: u64) {
        if let (Consent::Sent { mark: notice, .. }, Some(mode)) = (self.consent, self.script.recording())
            && notice <= mark
            && self.phase == Phase::Talking
        {
            self.consent = if mode == RecordingMode::Ask { Consent::Open } else { Consent::Given };
            let language = self.language;
            self.put(Output::Record(Order::Start { mode, language }));
            if mode == RecordingMode::Announce {
                self.put(Output::Record(Order::Confirm));
            }
        }
    }

    /// The carrier throws away what it has not played: the end of the notice perhaps.
    pub(super) fn notice_cleared(&mut self) {
        if let Consent::Sent { tries, .. } = self.consent {
            self.consent = Consent::Owed { tries };
        }
    }

    /// A notice that was given up before its end is still to be said.
    pub(super) fn look_after_notice(&mut self) {
        if let Consent::Saying { line, tries } = self.consent
            && self.mouth.is_over(line)
        {
            self.consent = Consent::Owed { tries };
        }
    }

    /// The caller is spoken to in another language: a notice that they may not have understood is none.
    pub(super) fn notice_in_another_language(&mut self) {
        match self.consent {
            Consent::Off => return,
            Consent::Open | Consent::Given if self.answered > 0 => return,
            Consent::Open | Consent::Given => self.put(Output::Record(Order::Discard)),
            Consent::Saying { line, .. } => {
                let asks = self.mouth.discard(line);
                self.cancel(asks);
            }
            Consent::Owed { .. } | Consent::Sent { .. } => {}
        }
        self.consent = Consent::Owed { tries: 0 };
    }

    /// Does the caller say that they do not want to be recorded?
    pub(super) fn objects(&self, text: &SttText) -> bool {
        if self.consent == Consent::Off {
            return false;
        }
        let asked = self.script.recording() == Some(RecordingMode::Ask) && self.consent.is_asking();
        objection::to_recording(&text.text)
            || asked
                && self
                    .script
                    .nearest(text.language, &text.text)
                    .is_some_and(|(intent, score)| intent == Intent::Deny && score >= NO_AT_LEAST)
    }

    pub(super) fn may_object(&self) -> bool {
        self.consent != Consent::Off
    }

    pub(super) fn decline(&mut self, why: DeclinedBy) {
        match self.consent {
            Consent::Off => return,
            Consent::Saying { line, .. } => {
                let asks = self.mouth.discard(line);
                self.cancel(asks);
            }
            Consent::Open | Consent::Given => self.put(Output::Record(Order::Discard)),
            Consent::Owed { .. } | Consent::Sent { .. } => {}
        }
        self.consent = Consent::Off;
        self.fact(Event::RecordingDeclined { why });
    }

    /// A turn that was no objection: whoever heard the notice has gone on.
    pub(super) fn went_on(&mut self) {
        if self.consent == Consent::Open {
            self.consent = Consent::Given;
            self.put(Output::Record(Order::Confirm));
        }
    }

    /// The call ends: who has not heard the notice is told of as such.
    pub(super) fn close_consent(&mut self) {
        if matches!(self.consent, Consent::Owed { .. } | Consent::Saying { .. } | Consent::Sent { .. }) {
            self.decline(DeclinedBy::NotHeard);
        }
    }
}
