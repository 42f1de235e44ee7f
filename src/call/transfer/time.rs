//! Time and sound of a transfer: when it acts by itself, and the frames between the two.

use super::Step;
use crate::ai::Fault;
use crate::ai::tts::TtsEvent;
use crate::base::event::EndCause;
use crate::base::{AskId, Moment, limits};
use crate::call::bridge::Side;
use crate::call::consult::Consult;
use crate::call::machine::{Machine, Output, PersonOrder};
use crate::call::mouth::Wanted;
use crate::telephony::leg::LegCommand;

impl Machine {
    pub(in crate::call) fn away_due(&self) -> Option<Moment> {
        let away = self.away.as_ref()?;
        let consult = away.consult.as_ref().and_then(Consult::due);
        match &away.step {
            Step::Announcing { .. } => Some(away.since + limits::FAREWELL_MAX),
            Step::Seeking => {
                let longest = self.started + self.script.max_duration();
                [consult, self.hold_due(), Some(longest)].into_iter().flatten().min()
            }
            Step::Together { bridge, .. } => {
                [bridge.due(), Some(self.started + limits::CALL_MAX)].into_iter().flatten().min()
            }
            Step::HandedOn | Step::Parked { talking: true } => Some(away.since + limits::CALL_MAX),
            Step::Letting => Some(away.since + limits::LETTING_MAX),
            Step::Parked { talking: false } => Some(away.since + limits::PARKED_MAX),
            Step::Noting => Some(away.since + limits::MINUTES_END_MAX),
            Step::Parting { .. } => [consult, Some(away.since + limits::PARTING_MAX)].into_iter().flatten().min(),
        }
    }

    /// The caller is to hear a word.
    fn hold_due(&self) -> Option<Moment> {
        let away = self.away.as_ref().filter(|away| matches!(away.step, Step::Seeking))?;
        self.is_quiet().then_some(away.hold_since + limits::TRANSFER_HOLD_EVERY)
    }

    pub(in crate::call) fn away_timers(&mut self) {
        let now = self.now;
        let quiet = self.is_quiet();
        let Some(away) = &mut self.away else { return };
        match &away.step {
            Step::Announcing { .. } if away.since + limits::FAREWELL_MAX <= now => self.begin_seeking(),
            Step::Announcing { .. } if quiet => self.away_heard(),
            Step::Announcing { .. } => {}
            Step::Seeking if self.started + self.script.max_duration() <= now => self.too_long(),
            Step::Seeking => {
                let came = away.consult.as_mut().and_then(|consult| consult.tick(now));
                self.came(came);
                if self.hold_due().is_some_and(|at| at <= now) {
                    self.say_hold();
                }
            }
            Step::Together { .. } if self.started + limits::CALL_MAX <= now => self.too_long(),
            Step::Together { .. } => {}
            Step::HandedOn | Step::Parked { talking: true } if away.since + limits::CALL_MAX <= now => {
                self.over(EndCause::Transferred);
            }
            Step::Letting if away.since + limits::LETTING_MAX <= now => {
                away.step = Step::Parked { talking: false };
                away.since = now;
            }
            Step::Parked { talking: false } if away.since + limits::PARKED_MAX <= now => {
                self.over(EndCause::HumanWanted);
            }
            Step::Noting => self.end_when_written(),
            Step::Parting { .. } => {
                let speaks = away.consult.as_ref().is_some_and(Consult::is_speaking);
                if !speaks || away.since + limits::PARTING_MAX <= now {
                    self.parted();
                }
            }
            Step::HandedOn | Step::Parked { .. } | Step::Letting => {}
        }
    }

    fn too_long(&mut self) {
        if self.away_finish() {
            self.farewell("max_duration", EndCause::MaxDuration);
        } else {
            self.over(EndCause::MaxDuration);
        }
    }

    fn say_hold(&mut self) {
        if let Some(away) = &mut self.away {
            away.hold_since = self.now;
        }
        let text = self.script.line(self.language, "hold");
        self.say(&text);
    }

    /// Sound for a clause of the person's side? False: the ask is somebody else's.
    pub(in crate::call) fn away_voice(&mut self, ask: AskId, event: &Result<TtsEvent, Fault>) -> bool {
        let Some(consult) = self.away.as_mut().and_then(|away| away.consult.as_mut()) else { return false };
        match event {
            Ok(event) => consult.voice(ask, event.clone()),
            Err(_) => consult.voice_failed(ask),
        }
    }

    /// Clauses of the person's side that need a voice.
    pub(in crate::call) fn away_wanted(&mut self, next: impl FnMut() -> AskId) -> Vec<Wanted> {
        let consult = self.away.as_mut().and_then(|away| away.consult.as_mut());
        consult.map(|consult| consult.wanted(next)).unwrap_or_default()
    }

    /// Frames that are due between the two, and to the person.
    pub(in crate::call) fn away_frames(&mut self) {
        let now = self.now;
        let Some(away) = &mut self.away else { return };
        let mut out = Vec::new();
        if let Step::Together { bridge, caller_closed, person_closed, .. } = &mut away.step {
            while let Some((side, frame)) = bridge.frame(now) {
                match side {
                    Side::Caller if caller_closed.is_none() => out.push((Side::Caller, frame)),
                    Side::Person if person_closed.is_none() => out.push((Side::Person, frame)),
                    _ => {}
                }
            }
        } else if let Some(consult) = &mut away.consult {
            out.extend(consult.frames(now).into_iter().map(|frame| (Side::Person, frame)));
        }
        for (side, frame) in out {
            match side {
                Side::Caller => self.put(Output::Leg(LegCommand::Audio(frame))),
                Side::Person => self.order(PersonOrder::Leg(LegCommand::Audio(frame))),
            }
        }
    }
}
