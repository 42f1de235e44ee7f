//! Does the caller speak in this frame?
//! Promise: an adaptive energy gate is asked first and costs next to nothing; the neural detector
//! behind it (earshot) runs only while the gate is open. Steady noise, hum, tones and clicks are not
//! speech at any level; soft speech 15 dB over the noise is.
//! Absent on purpose: turns (see [`super::endpoint`]) and echo: whoever speaks knows when it speaks.

use std::collections::VecDeque;

use earshot::Detector;

use super::noise::level_dbfs;
use super::resample::Resampler;
use crate::base::audio::{LINE_RATE, STT_RATE, frame_samples};

/// What one frame sounded like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Speech, or so shortly after it that a gap between sounds is more likely than an end.
    pub speech: bool,
    pub level_dbfs: f32,
    /// The line's own noise, as tracked so far (without rumble below 200 Hz).
    pub noise_dbfs: f32,
    /// The neural detector's answer, 0 to 1; 0 while the gate is shut.
    pub score: f32,
}

/// Samples the detector takes at a time, 16 kHz.
const STEP: usize = 256;
/// Sound kept while the gate is shut, so that the detector hears the onset in its context.
const CONTEXT: usize = 6 * STEP;
/// Nothing below this is worth asking about.
const AUDIBLE_DBFS: f32 = -58.0;
/// The gate opens this far above the noise, in decibels; speech begins and goes on only so far above.
const GATE_DB: f32 = 3.0;
const BEGIN_DB: f32 = 5.0;
const BEGIN_SCORE: f32 = 0.5;
const STAY_SCORE: f32 = 0.35;
/// Frames that a gap between sounds may last.
const HANGOVER: u8 = 3;

pub struct Activity {
    detector: Box<Detector>,
    /// For frames that come at line rate.
    up: Option<Box<Resampler>>,
    waiting: Vec<i16>,
    floor: Floor,
    high_pass: HighPass,
    score: f32,
    hangover: u8,
}

impl std::fmt::Debug for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Activity").field("score", &self.score).field("floor", &self.floor).finish_non_exhaustive()
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}

impl Activity {
    pub fn new() -> Self {
        Self {
            detector: Detector::default_boxed(),
            up: None,
            waiting: Vec::new(),
            floor: Floor::default(),
            high_pass: HighPass::default(),
            score: 0.0,
            hangover: 0,
        }
    }

    /// One frame of 20 ms, at 8 kHz (up to 160 samples) or 16 kHz (more).
    pub fn push(&mut self, frame: &[i16]) -> Heard {
        let at_line_rate = frame.len() <= frame_samples(LINE_RATE);
        let level = level_dbfs(frame);
        let audible = self.high_pass.level_dbfs(frame, if at_line_rate { 1 } else { 2 });
        let noise = self.floor.track(audible);
        if at_line_rate {
            let up = self
                .up
                .get_or_insert_with(|| Box::new(Resampler::new(LINE_RATE, STT_RATE).expect("both rates are ours")));
            up.push(frame, &mut self.waiting);
        } else {
            self.waiting.extend_from_slice(frame);
        }
        let open = audible > AUDIBLE_DBFS && audible > noise + GATE_DB || self.hangover > 0;
        if open {
            self.ask();
        } else {
            self.score = 0.0;
            let stale = self.waiting.len().saturating_sub(CONTEXT);
            self.waiting.drain(..stale);
        }
        let begins = self.score >= BEGIN_SCORE && audible >= noise + BEGIN_DB;
        let stays = self.hangover > 0 && self.score >= STAY_SCORE && audible >= noise + GATE_DB;
        if begins || stays {
            self.hangover = HANGOVER;
        } else {
            self.hangover = self.hangover.saturating_sub(1);
        }
        Heard { speech: self.hangover > 0, level_dbfs: level, noise_dbfs: noise, score: self.score }
    }

    fn ask(&mut self) {
        let mut steps = self.waiting.chunks_exact(STEP);
        let mut asked = 0;
        for step in &mut steps {
            self.score = self.detector.predict_i16(step);
            asked += STEP;
        }
        self.waiting.drain(..asked);
    }
}

/// The noise floor by minimum statistics: the quietest moment of the last two seconds is noise.
#[derive(Debug)]
struct Floor {
    smooth: Option<f32>,
    /// Minimum of each past window and of the present one.
    windows: VecDeque<f32>,
    lowest: f32,
    frames: u8,
}

impl Default for Floor {
    fn default() -> Self {
        Self { smooth: None, windows: VecDeque::new(), lowest: f32::INFINITY, frames: 0 }
    }
}

impl Floor {
    const WINDOW_FRAMES: u8 = 12;
    const WINDOWS: usize = 8;
    /// The minimum of a fluctuating level lies below its mean.
    const BIAS_DB: f32 = 1.5;
    /// A caller may speak in the very first frame: until more is known, no line is noisier.
    const FIRST_DBFS: f32 = -50.0;

    fn track(&mut self, level: f32) -> f32 {
        let smooth = match self.smooth {
            Some(before) => before + 0.4 * (level - before),
            None => level,
        };
        self.smooth = Some(smooth);
        self.lowest = self.lowest.min(smooth);
        self.frames += 1;
        if self.frames == Self::WINDOW_FRAMES {
            if self.windows.len() == Self::WINDOWS {
                self.windows.pop_front();
            }
            self.windows.push_back(self.lowest);
            (self.lowest, self.frames) = (f32::INFINITY, 0);
        }
        let lowest = self.windows.iter().copied().fold(self.lowest, f32::min) + Self::BIAS_DB;
        if self.windows.len() < 4 { lowest.min(Self::FIRST_DBFS) } else { lowest }
    }
}

/// Takes rumble and mains hum out of the level (second order, 200 Hz, at 8 kHz).
#[derive(Debug, Default)]
struct HighPass {
    x: [f32; 2],
    y: [f32; 2],
}

impl HighPass {
    const B: [f32; 3] = [0.894_858_6, -1.789_717_2, 0.894_858_6];
    const A: [f32; 2] = [-1.778_631_8, 0.800_802_65];

    /// Level of the filtered frame, every `stride`th sample looked at.
    fn level_dbfs(&mut self, frame: &[i16], stride: usize) -> f32 {
        let (mut sum, mut count) = (0.0_f32, 0.0_f32);
        for sample in frame.iter().step_by(stride) {
            let x = f32::from(*sample);
            let y = Self::B[0] * x + Self::B[1] * self.x[0] + Self::B[2] * self.x[1]
                - Self::A[0] * self.y[0]
                - Self::A[1] * self.y[1];
            self.x = [x, self.x[0]];
            self.y = [y, self.y[0]];
            sum += y * y;
            count += 1.0;
        }
        let power = sum / count.max(1.0) / (32_768.0 * 32_768.0);
        10.0 * power.max(1e-12).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::noise::{Colour, Noise, clips};

    #[test]
    fn speech_is_heard_and_the_quiet_after_it_is_not() {
        for (name, clip) in clips() {
            let mut line = Noise::new(Colour::White, 1).take(8_000, -65.0);
            let quiet = line.clone();
            line.extend(&clip);
            line.extend(quiet);
            let mut activity = Activity::new();
            let heard: Vec<bool> = line.chunks_exact(160).map(|frame| activity.push(frame).speech).collect();
            assert!(heard.iter().filter(|s| **s).count() >= 15, "{name}");
            assert!(heard[heard.len() - 25..].iter().all(|s| !s), "{name}");
        }
    }
}
