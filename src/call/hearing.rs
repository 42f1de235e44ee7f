//! The ear of a call: carrier frames in, turns of speech out. Pure.
//! Promise: audio of a turn includes what came just before the voice was noticed; memory is bounded
//! by [`limits::TURN_AUDIO_MAX`]. Absent on purpose: recognition, and who may speak.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::base::audio::{LINE_FRAME, LINE_RATE, STT_RATE, rms};
use crate::base::limits;
use crate::media::activity::Activity;
use crate::media::dtmf::DtmfDetector;
use crate::media::endpoint::{Endpoint, EndpointSettings, Endpointer};
use crate::media::jitter::Sequencer;
use crate::media::resample::{ResampleError, Resampler};

/// Sound kept from before the voice was noticed: what it took to notice it, and the soft consonant
/// before that.
const PRE_ROLL: Duration = Duration::from_millis(500);
/// Silence kept after the last voice in what is recognised.
const POST_ROLL: Duration = Duration::from_millis(160);

const fn samples(of: Duration) -> usize {
    (of.as_millis() as usize) * (STT_RATE as usize) / 1000
}

/// What the ear noticed. Times are milliseconds on the line's media clock.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something like a voice, too short to be one yet. Told once, until it is quiet again.
    Stirring,
    /// A voice, whose first sound was this long ago.
    SpeechStarted {
        ago_ms: u32,
    },
    /// A short pause: worth a first look at what was said.
    SoftPause {
        speech_end_ms: u64,
    },
    /// The caller goes on after a soft pause.
    Resumed,
    EndOfTurn {
        speech_end_ms: u64,
    },
    /// A key, heard as tones in the sound itself.
    Key(char),
    /// The carrier left out this much.
    Gap {
        missing_ms: u32,
    },
}

/// How a voice is told from silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// The real thing: adaptive gate and neural detector.
    Voice,
    /// Loud is speech. For simulations, whose sound is made up.
    Level,
}

pub struct Hearing {
    sequencer: Sequencer,
    to_stt: Resampler,
    /// `None` for [`Sense::Level`].
    activity: Option<Activity>,
    dtmf: DtmfDetector,
    endpointer: Endpointer,
    /// In order, 8 kHz, less than one frame.
    residue: Vec<i16>,
    sequenced: Vec<i16>,
    /// The last [`PRE_ROLL`] at 16 kHz, while nobody speaks.
    recent: VecDeque<i16>,
    /// The turn so far at 16 kHz, pre-roll included; empty while nobody speaks.
    turn: Vec<i16>,
    in_turn: bool,
    /// Line time at the end of the last processed frame.
    line_ms: u64,
    /// Which of the last frames sounded like a voice, the newest lowest.
    voiced: u8,
    stirring: bool,
}

impl Hearing {
    pub fn new(sense: Sense) -> Result<Self, ResampleError> {
        Ok(Self {
            sequencer: Sequencer::new(LINE_RATE),
            to_stt: Resampler::new(LINE_RATE, STT_RATE)?,
            activity: (sense == Sense::Voice).then(Activity::new),
            dtmf: DtmfDetector::new(),
            endpointer: Endpointer::new(EndpointSettings::default()),
            residue: Vec::with_capacity(LINE_FRAME),
            sequenced: Vec::new(),
            recent: VecDeque::new(),
            turn: Vec::new(),
            in_turn: false,
            line_ms: 0,
            voiced: 0,
            stirring: false,
        })
    }

    pub const fn sense(&self) -> Sense {
        if self.activity.is_some() { Sense::Voice } else { Sense::Level }
    }

    /// A new line, with a media clock of its own.
    pub fn anew(&mut self) {
        if let Ok(fresh) = Self::new(self.sense()) {
            *self = fresh;
        }
    }

    /// Takes what the carrier sent; `noticed` gets what it amounts to.
    pub fn push(&mut self, at_ms: u64, pcm: &[i16], noticed: &mut Vec<Heard>) {
        let mut sequenced = std::mem::take(&mut self.sequenced);
        sequenced.clear();
        let arrival = self.sequencer.push(at_ms, pcm, &mut sequenced);
        if arrival.missing_ms >= 60 {
            noticed.push(Heard::Gap { missing_ms: arrival.missing_ms });
        }
        self.residue.extend_from_slice(&sequenced);
        self.sequenced = sequenced;
        let mut pending = std::mem::take(&mut self.residue);
        let mut frames = pending.chunks_exact(LINE_FRAME);
        for frame in &mut frames {
            self.frame(frame, noticed);
        }
        let rest = frames.remainder().len();
        pending.drain(..pending.len() - rest);
        self.residue = pending;
    }

    fn frame(&mut self, frame: &[i16], noticed: &mut Vec<Heard>) {
        self.line_ms += 20;
        if let Some(key) = self.dtmf.push(frame) {
            noticed.push(Heard::Key(key));
        }
        let mut wide = Vec::with_capacity(2 * LINE_FRAME + 16);
        self.to_stt.push(frame, &mut wide);
        let speech = match &mut self.activity {
            Some(activity) => activity.push(&wide).speech,
            None => rms(frame) > 500.0,
        };
        if self.in_turn {
            self.turn.extend_from_slice(&wide);
        } else {
            self.recent.extend(wide.iter().copied());
            let surplus = self.recent.len().saturating_sub(samples(PRE_ROLL));
            self.recent.drain(..surplus);
        }
        self.stir(speech, noticed);
        match self.endpointer.push(self.line_ms, speech) {
            Some(Endpoint::SpeechStarted { at_ms }) => {
                self.in_turn = true;
                self.turn.clear();
                self.turn.extend(self.recent.drain(..));
                // The endpointer counts its pre-roll in; the voice itself began after it.
                let before = u64::from(EndpointSettings::default().pre_roll_ms);
                let ago = self.ago(at_ms + before);
                let ago_ms = u32::try_from(ago.as_millis()).unwrap_or(u32::MAX);
                noticed.push(Heard::SpeechStarted { ago_ms });
            }
            Some(Endpoint::SoftPause { speech_end_ms }) => noticed.push(Heard::SoftPause { speech_end_ms }),
            Some(Endpoint::Resumed) => noticed.push(Heard::Resumed),
            Some(Endpoint::EndOfTurn { speech_end_ms }) => {
                self.in_turn = false;
                noticed.push(Heard::EndOfTurn { speech_end_ms });
            }
            Some(Endpoint::TooLong) => {
                self.in_turn = false;
                noticed.push(Heard::EndOfTurn { speech_end_ms: self.line_ms });
            }
            None => {}
        }
        if self.turn.len() > samples(limits::TURN_AUDIO_MAX) {
            // The endpointer's own limit comes first; this guards the memory whatever it does.
            let surplus = self.turn.len() - samples(limits::TURN_AUDIO_MAX);
            self.turn.drain(..surplus);
        }
    }

    /// Two frames of the last four: no click, and long before there is enough of it to be a turn.
    fn stir(&mut self, speech: bool, noticed: &mut Vec<Heard>) {
        self.voiced = (self.voiced << 1) | u8::from(speech);
        if (self.voiced & 0b1111).count_ones() < 2 {
            self.stirring &= self.voiced != 0;
        } else if !self.stirring && !self.in_turn {
            self.stirring = true;
            noticed.push(Heard::Stirring);
        }
    }

    /// The sound of the turn up to `speech_end_ms`, for recognition.
    pub fn turn_audio(&self, speech_end_ms: u64) -> Arc<[i16]> {
        let after = Duration::from_millis(self.line_ms.saturating_sub(speech_end_ms)).saturating_sub(POST_ROLL);
        let keep = self.turn.len().saturating_sub(samples(after)).max(samples(PRE_ROLL).min(self.turn.len()));
        Arc::from(&self.turn[..keep])
    }

    /// The sound of the turn up to now.
    pub fn turn_so_far(&self) -> Arc<[i16]> {
        Arc::from(&self.turn[..])
    }

    /// The sound of the turn since it was so many samples long.
    pub fn turn_since(&self, samples: usize) -> &[i16] {
        self.turn.get(samples..).unwrap_or_default()
    }

    pub fn turn_samples(&self) -> usize {
        self.turn.len()
    }

    /// How long ago, on the line's clock, `at_ms` was.
    pub const fn ago(&self, at_ms: u64) -> Duration {
        Duration::from_millis(self.line_ms.saturating_sub(at_ms))
    }

    pub fn set_needed_silence(&mut self, needed: Duration) {
        self.endpointer.set_needed_silence(u32::try_from(needed.as_millis()).unwrap_or(u32::MAX));
    }

    /// The caller is in the middle of a turn (speaking or in a pause that has not ended it).
    pub const fn in_turn(&self) -> bool {
        self.in_turn
    }
}

#[cfg(test)]
#[path = "hearing_tests.rs"]
mod tests;
