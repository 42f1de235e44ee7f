//! Who has taken a call that the box placed: a person, a machine, a fax; and when a machine has finished, so
//! that a message may be left. From the sound of the first seconds, for transports whose carrier does not
//! tell.
//!
//! A person says a word or two and waits; a machine talks on, and beeps. Ringing, tunes and tones that a
//! gateway lets through before anybody has answered are sound without speech, and are waited out.
//! Promise: pure; one verdict a call, at most one [`Noticed::LeaveMessage`] after it, both within
//! [`limits::AMD_LONGEST`] of the first frame; a beep soon after a short greeting corrects the verdict once.
//! Absent on purpose: words (whoever reads them may say [`AnsweringMachine::words_tell`]), and what is done
//! about it.

use super::activity::Activity;
use crate::base::audio::{FRAME, LINE_FRAME, LINE_RATE};
use crate::base::event::AnsweredBy;
use crate::base::limits;

/// Something to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    Verdict(AnsweredBy),
    /// The machine has beeped or has fallen silent: it records now.
    LeaveMessage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has spoken yet.
    Waiting,
    /// The first words, milliseconds of speech so far.
    Greeting,
    /// A person, unless a beep follows.
    Person {
        since_ms: u64,
    },
    /// Talks; it is waited for until it has done.
    Machine,
    Done,
}

pub struct AnsweringMachine {
    activity: Box<Activity>,
    state: State,
    now_ms: u64,
    /// Speech of the first greeting, and when the last of it was heard.
    spoken_ms: u64,
    last_speech_ms: u64,
    /// When anything at all was last heard.
    last_sound_ms: u64,
    tone: Option<Tone>,
    /// One that has ended, and the frames until it is known what followed.
    ended: Option<(Tone, u8)>,
}

/// A pure tone that goes on.
#[derive(Clone, Copy, Debug)]
struct Tone {
    hz: f32,
    dbfs: f32,
    frames: u32,
}

impl std::fmt::Debug for AnsweringMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnsweringMachine({:?})", self.state)
    }
}

impl Default for AnsweringMachine {
    fn default() -> Self {
        Self::new()
    }
}

/// Quieter than this is silence.
const AUDIBLE_DBFS: f32 = -50.0;
/// What a second-order predictor leaves of a tone on a telephone line, as a share of its power; of speech it
/// leaves more.
const TONE_REST: f32 = 0.02;
/// How far a tone may stray from one frame to the next.
const STRAY_HZ: f32 = 15.0;
const STRAY_DB: f32 = 2.0;
/// A tone that has ended is a signal if so many frames later it is so much quieter; in speech a vowel follows.
const AFTER_FRAMES: u8 = 2;
const AFTER_DB: f32 = 10.0;
/// Near enough to the frequencies of T.30, which allows 38 Hz for CNG and 15 for CED, and the measurement its
/// own error.
const FAX_STRAY_HZ: f32 = 40.0;
const CNG_HZ: f32 = 1_100.0;
const CED_HZ: f32 = 2_100.0;

const fn ms(of: std::time::Duration) -> u64 {
    of.as_millis() as u64
}

impl AnsweringMachine {
    pub fn new() -> Self {
        Self {
            activity: Box::default(),
            state: State::Waiting,
            now_ms: 0,
            spoken_ms: 0,
            last_speech_ms: 0,
            last_sound_ms: 0,
            tone: None,
            ended: None,
        }
    }

    /// Nothing more will be noticed.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The words that were recognised are those of a machine.
    pub fn words_tell(&mut self) -> Option<Noticed> {
        match self.state {
            State::Waiting | State::Greeting | State::Person { .. } => {
                self.state = State::Machine;
                Some(Noticed::Verdict(AnsweredBy::Machine))
            }
            State::Machine | State::Done => None,
        }
    }

    /// One frame of the other side, 20 ms at 8 kHz.
    pub fn push(&mut self, frame: &[i16; LINE_FRAME]) -> Option<Noticed> {
        if self.state == State::Done {
            return None;
        }
        self.now_ms += FRAME.as_millis() as u64;
        let heard = self.activity.push(frame);
        let ended = self.follow_tone(frame, heard.level_dbfs);
        if heard.level_dbfs > AUDIBLE_DBFS {
            self.last_sound_ms = self.now_ms;
        }
        let speech = heard.speech && self.tone.is_none_or(|tone| tone.frames < 3);
        if speech {
            self.last_speech_ms = self.now_ms;
            self.spoken_ms += FRAME.as_millis() as u64;
        }
        if self.is_fax(ended) {
            return self.done(Noticed::Verdict(AnsweredBy::Fax));
        }
        let beeped = ended.is_some_and(is_beep);
        let silent_ms = self.now_ms - self.last_speech_ms;
        match self.state {
            State::Waiting if speech => self.state = State::Greeting,
            State::Waiting => {
                // Sound without speech is ringing or a tune: whoever it is has not answered yet.
                let nothing = self.now_ms - self.last_sound_ms >= ms(limits::AMD_NOTHING);
                if nothing || self.now_ms >= ms(limits::AMD_LONGEST) {
                    return self.done(Noticed::Verdict(AnsweredBy::Unknown));
                }
            }
            State::Greeting if beeped && self.spoken_ms >= ms(limits::AMD_WORD) => {
                self.state = State::Machine;
                return Some(Noticed::Verdict(AnsweredBy::Machine));
            }
            State::Greeting if self.spoken_ms >= ms(limits::AMD_GREETING) => {
                self.state = State::Machine;
                return Some(Noticed::Verdict(AnsweredBy::Machine));
            }
            State::Greeting if silent_ms >= ms(limits::AMD_GREETING_END) => {
                // A click or a cough is no greeting.
                if self.spoken_ms < ms(limits::AMD_WORD) {
                    self.spoken_ms = 0;
                    self.state = State::Waiting;
                    return None;
                }
                self.state = State::Person { since_ms: self.now_ms };
                return Some(Noticed::Verdict(AnsweredBy::Human));
            }
            State::Greeting => {}
            State::Person { since_ms } => {
                if beeped {
                    self.state = State::Machine;
                    return Some(Noticed::Verdict(AnsweredBy::Machine));
                }
                if self.now_ms - since_ms >= ms(limits::AMD_BEEP_WITHIN) {
                    self.state = State::Done;
                }
            }
            State::Machine => {
                // After a beep that was the verdict itself, the silence behind it is soon long enough.
                let over = silent_ms >= ms(limits::AMD_MACHINE_END) || self.now_ms >= ms(limits::AMD_LONGEST);
                if beeped || over {
                    return self.done(Noticed::LeaveMessage);
                }
            }
            State::Done => {}
        }
        None
    }

    fn done(&mut self, last: Noticed) -> Option<Noticed> {
        self.state = State::Done;
        Some(last)
    }

    /// A tone that has ended a moment ago, in silence.
    fn follow_tone(&mut self, frame: &[i16; LINE_FRAME], dbfs: f32) -> Option<Tone> {
        if let Some(tone) = self.tone_over(frame) {
            self.ended = Some((tone, AFTER_FRAMES));
            return None;
        }
        let (tone, left) = self.ended.as_mut()?;
        *left = left.saturating_sub(1);
        if *left > 0 {
            return None;
        }
        let signal = (dbfs < tone.dbfs - AFTER_DB).then_some(*tone);
        self.ended = None;
        signal
    }

    /// The tone that this frame ends, if it ends one.
    fn tone_over(&mut self, frame: &[i16; LINE_FRAME]) -> Option<Tone> {
        let found = tone_of(frame);
        match (self.tone, found) {
            (Some(tone), Some((hz, dbfs)))
                if (tone.hz - hz).abs() < STRAY_HZ && (tone.dbfs - dbfs).abs() < STRAY_DB =>
            {
                self.tone = Some(Tone { frames: tone.frames + 1, ..tone });
                None
            }
            (before, found) => {
                self.tone = found.map(|(hz, dbfs)| Tone { hz, dbfs, frames: 1 });
                // A single frame is no tone that anybody sends.
                before.filter(|tone| tone.frames > 2)
            }
        }
    }

    /// CNG is told once it has ended, since a beep may be of the same pitch; CED lasts for seconds.
    fn is_fax(&self, ended: Option<Tone>) -> bool {
        let near = |tone: Tone, hz: f32| (tone.hz - hz).abs() < FAX_STRAY_HZ;
        let unspoken = self.spoken_ms < ms(limits::AMD_WORD);
        let calls = ended.is_some_and(|tone| near(tone, CNG_HZ) && (20..=30).contains(&tone.frames));
        let answers = self.tone.is_some_and(|tone| near(tone, CED_HZ) && tone.frames >= 50);
        unspoken && calls || answers
    }
}

fn is_beep(tone: Tone) -> bool {
    let length = FRAME * tone.frames;
    limits::AMD_BEEP_HZ.contains(&(tone.hz.round() as u32)) && limits::AMD_BEEP.contains(&length)
}

/// Frequency (Hz) and level of a frame that is nothing but one tone: the second-order predictor
/// `x[n] = 2 cos(w) x[n-1] - x[n-2]` knows such a one to the end.
fn tone_of(frame: &[i16; LINE_FRAME]) -> Option<(f32, f32)> {
    let x = frame.map(f32::from);
    let power = x.iter().map(|s| s * s).sum::<f32>() / LINE_FRAME as f32;
    let dbfs = 10.0 * (power.max(1.0) / (32_768.0 * 32_768.0)).log10();
    if dbfs < AUDIBLE_DBFS {
        return None;
    }
    let (mut both, mut middle) = (0.0, 0.0);
    for window in x.windows(3) {
        both += window[1] * (window[0] + window[2]);
        middle += window[1] * window[1];
    }
    let twice_cos = both / middle.max(1.0);
    if twice_cos.abs() >= 2.0 {
        return None;
    }
    let rest: f32 = x.windows(3).map(|w| (w[2] - twice_cos * w[1] + w[0]).powi(2)).sum();
    let share = rest / (LINE_FRAME - 2) as f32 / power;
    let hz = (twice_cos / 2.0).acos() * LINE_RATE as f32 / std::f32::consts::TAU;
    // Low tones are easily predicted, and so is much of speech down there.
    (share < TONE_REST && hz > 300.0).then_some((hz, dbfs))
}

#[cfg(test)]
#[path = "answering_machine_tests.rs"]
mod tests;
