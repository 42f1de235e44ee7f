//! What a caller and a person say to each other on legs of the box, written down.
//!
//! Promise: only where words are kept, and only while both legs are the box's; the talk never waits for it; of
//! each side one utterance is recognised at a time and [`limits::MINUTES_WAITING_MAX`] wait, what is more is given
//! up and told. Absent on purpose: answers, and the sound itself.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bridge::Side;
use super::hearing::{Heard, Hearing, Sense};
use super::machine::{Machine, Output};
use crate::ai::Fault;
use crate::ai::stt::{LanguageHint, SttRequest, SttText};
use crate::base::event::{Event, Speaker, Stage};
use crate::base::{AskId, Lang, limits};

/// Something said, as sound.
struct Utterance {
    turn: u32,
    audio: Arc<[i16]>,
}

/// One side's.
struct Ear {
    hearing: Hearing,
    expected: Lang,
    asked: Option<(AskId, u32)>,
    waiting: VecDeque<Utterance>,
}

pub(super) struct Minutes {
    caller: Ear,
    person: Ear,
}

impl Minutes {
    fn new(sense: Sense, caller: Lang, person: Lang) -> Option<Self> {
        let ear = |expected| {
            Some(Ear { hearing: Hearing::new(sense).ok()?, expected, asked: None, waiting: VecDeque::new() })
        };
        Some(Self { caller: ear(caller)?, person: ear(person)? })
    }

    fn ear(&mut self, side: Side) -> &mut Ear {
        match side {
            Side::Caller => &mut self.caller,
            Side::Person => &mut self.person,
        }
    }

    /// Whose utterance, and which, this ask was of; it is answered now.
    fn answered(&mut self, ask: AskId) -> Option<(Side, u32)> {
        [Side::Caller, Side::Person].into_iter().find_map(|side| {
            let (_, turn) = self.ear(side).asked.take_if(|(asked, _)| *asked == ask)?;
            Some((side, turn))
        })
    }

    /// Nothing waits to be written down.
    pub(super) fn is_done(&self) -> bool {
        [&self.caller, &self.person].iter().all(|ear| ear.asked.is_none() && ear.waiting.is_empty())
    }
}

impl Machine {
    /// The two hear each other from now on.
    pub(super) fn begin_minutes(&mut self) {
        if self.writes {
            let person = self.script.transfer().map_or(self.language, |transfer| transfer.language);
            self.minutes = Minutes::new(self.hearing.sense(), self.language, person);
        }
    }

    /// Sound of one side.
    pub(super) fn minute(&mut self, side: Side, at_ms: u64, pcm: &[i16]) {
        let Some(minutes) = &mut self.minutes else { return };
        let mut noticed = Vec::new();
        let ear = minutes.ear(side);
        ear.hearing.push(at_ms, pcm, &mut noticed);
        for heard in noticed {
            if let Heard::EndOfTurn { speech_end_ms } = heard {
                let Some(minutes) = &mut self.minutes else { return };
                let audio = minutes.ear(side).hearing.turn_audio(speech_end_ms);
                self.write_down(side, audio);
            }
        }
    }

    /// They talk no more, or no longer through the box; what is being said counts as said.
    pub(super) fn close_minutes(&mut self) {
        for side in [Side::Caller, Side::Person] {
            let Some(minutes) = &mut self.minutes else { return };
            let hearing = &mut minutes.ear(side).hearing;
            if hearing.in_turn() {
                let audio = hearing.turn_so_far();
                hearing.anew();
                self.write_down(side, audio);
            }
        }
    }

    fn write_down(&mut self, side: Side, audio: Arc<[i16]>) {
        self.turn += 1;
        let turn = self.turn;
        let Some(minutes) = &mut self.minutes else { return };
        let ear = minutes.ear(side);
        if ear.waiting.len() >= limits::MINUTES_WAITING_MAX {
            let fault = "too much is said to be written down; an utterance was left out".to_owned();
            self.fact(Event::EngineFault { stage: Stage::Stt, fault });
            return;
        }
        ear.waiting.push_back(Utterance { turn, audio });
        self.ask_for_minutes(side);
    }

    /// The next utterance of this side, if none is being recognised.
    fn ask_for_minutes(&mut self, side: Side) {
        let Some(ear) = self.minutes.as_mut().map(|minutes| minutes.ear(side)) else { return };
        if ear.asked.is_some() {
            return;
        }
        let (Some(Utterance { turn, audio }), expected) = (ear.waiting.pop_front(), ear.expected) else { return };
        let ask = self.ask_id();
        if let Some(minutes) = &mut self.minutes {
            minutes.ear(side).asked = Some((ask, turn));
        }
        let languages = self.script.languages();
        let hint = if languages.len() < 2 && languages.contains(&expected) {
            LanguageHint::Fixed(expected)
        } else {
            LanguageHint::Likely { expected, among: languages.to_vec() }
        };
        let call = Some(self.id);
        self.put(Output::Stt { ask, request: SttRequest { call, audio, hint, words: None, speculative: false } });
    }

    /// Words of the two, or none. False: the ask is of the agent's conversation.
    pub(super) fn minuted(&mut self, ask: AskId, result: &Result<SttText, Fault>) -> bool {
        let Some((side, turn)) = self.minutes.as_mut().and_then(|minutes| minutes.answered(ask)) else { return false };
        let by = match side {
            Side::Caller => Speaker::Caller,
            Side::Person => Speaker::Person,
        };
        match result {
            Ok(heard) if heard.text.trim().is_empty() => {}
            Ok(heard) => {
                let SttText { language, confidence, text, .. } = heard.clone();
                if let Some(minutes) = &mut self.minutes {
                    minutes.ear(side).expected = language;
                }
                self.fact(Event::Heard { turn, by, language, confidence, text });
            }
            Err(fault) => self.fact(Event::EngineFault { stage: Stage::Stt, fault: fault.to_string() }),
        }
        self.ask_for_minutes(side);
        true
    }
}

#[cfg(test)]
#[path = "minutes_tests.rs"]
mod tests;
