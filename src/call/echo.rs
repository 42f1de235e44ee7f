//! The line test: the caller hears their own voice back. Pure, like [`super::machine`].
//!
//! It runs the same ear (sequencer, voice activity, key tones) and the same pacing as a conversation,
//! so it shows what a leg costs, and lets an administrator try a number before any agent exists.

use std::collections::VecDeque;
use std::time::Duration;

use super::hearing::{Heard, Hearing, Sense};
use super::machine::{Input, Output};
use crate::base::audio::LINE_FRAME;
use crate::base::event::{CallState, EndCause, Event};
use crate::base::{Moment, limits};
use crate::media::pace::Pacer;
use crate::media::resample::ResampleError;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

/// Sound waiting to go back, samples; older sound is dropped first. A line that fell behind once
/// must not stay behind, since frames go back no faster than they come.
const WAITING_MAX: usize = 2_400;

pub struct Echo {
    hearing: Hearing,
    noticed: Vec<Heard>,
    waiting: VecDeque<i16>,
    pacer: Pacer,
    started: Moment,
    turns: u32,
    over: bool,
    out: VecDeque<Output>,
}

impl Echo {
    /// `lead`: how far ahead of real time the leg wants sound.
    pub fn new(now: Moment, lead: Duration) -> Result<Self, ResampleError> {
        Ok(Self {
            hearing: Hearing::new(Sense::Voice)?,
            noticed: Vec::new(),
            waiting: VecDeque::new(),
            // Without any lead, each late wake-up would slow the line for good.
            pacer: Pacer::new(lead),
            started: now,
            turns: 0,
            over: false,
            out: VecDeque::new(),
        })
    }

    pub fn handle(&mut self, now: Moment, input: Input) {
        if self.over {
            return;
        }
        match input {
            Input::Leg(LegEvent::Audio { pcm, at_ms }) => self.audio(at_ms, &pcm),
            Input::Leg(LegEvent::Closed(end)) => self.end(
                now,
                match end {
                    LegEnd::HungUp => EndCause::CallerHungUp,
                    LegEnd::ClosedByUs => EndCause::Goodbye,
                    LegEnd::Lost => EndCause::MediaLost,
                },
            ),
            Input::LeaveMessage => {
                self.out.push_back(Output::Leg(LegCommand::Hangup));
                self.end(now, EndCause::Machine);
            }
            Input::Finish(cause) | Input::Cut(cause) => {
                self.out.push_back(Output::Leg(LegCommand::Hangup));
                self.end(now, cause);
            }
            _ => {}
        }
        if !self.over && self.started + limits::CALL_MAX <= now {
            self.out.push_back(Output::Leg(LegCommand::Hangup));
            self.end(now, EndCause::MaxDuration);
        }
        self.play(now);
    }

    fn audio(&mut self, at_ms: u64, pcm: &[i16]) {
        self.hearing.push(at_ms, pcm, &mut self.noticed);
        for heard in self.noticed.drain(..) {
            match heard {
                Heard::EndOfTurn { .. } => self.turns += 1,
                Heard::Key(_) => self.out.push_back(Output::Fact(Event::Dtmf { in_band: true })),
                _ => {}
            }
        }
        self.waiting.extend(pcm);
        let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..surplus);
    }

    fn play(&mut self, now: Moment) {
        while !self.over && self.waiting.len() >= LINE_FRAME {
            if !self.pacer.is_due(now) {
                return;
            }
            self.pacer.sent(now);
            let frame: Vec<i16> = self.waiting.drain(..LINE_FRAME).collect();
            self.out.push_back(Output::Leg(LegCommand::Audio(frame)));
        }
    }

    fn end(&mut self, now: Moment, cause: EndCause) {
        self.over = true;
        let outcome = if cause == EndCause::MediaLost { CallState::Failed } else { CallState::Completed };
        self.out.push_back(Output::Fact(Event::CallEnded {
            outcome,
            cause,
            duration_ms: u64::try_from(now.since(self.started).as_millis()).unwrap_or(u64::MAX),
            turns: self.turns,
        }));
        self.out.push_back(Output::Over { outcome, cause });
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn deadline(&self) -> Option<Moment> {
        if self.over {
            None
        } else if self.waiting.len() >= LINE_FRAME {
            Some(self.pacer.due())
        } else {
            Some(self.started + limits::CALL_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_wake_ups_do_not_slow_the_line() {
        let mut echo = Echo::new(Moment::ZERO, limits::PLAYOUT_LEAD).unwrap();
        let mut back = 0;
        for frame in 0..500_u64 {
            // Timers and networks are late by anything up to 14 ms.
            let now = Moment::from_millis(frame * 20 + frame * 7 % 15);
            echo.handle(now, Input::Leg(LegEvent::Audio { pcm: vec![100; LINE_FRAME], at_ms: frame * 20 }));
            while let Some(output) = echo.poll() {
                back += u64::from(matches!(output, Output::Leg(LegCommand::Audio(_))));
            }
            assert_eq!(back, frame + 1, "each frame goes back as it comes");
        }
    }
}
