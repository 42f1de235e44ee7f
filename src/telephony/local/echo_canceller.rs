//! Takes the agent's own voice out of a microphone that hears the speaker.
//!
//! A partitioned-block frequency-domain adaptive filter (Soo and Pang 1990; the constrained form of overlap
//! and save) models the way from speaker to microphone. There are two of them (Ochiai, Araseki and Ogihara
//! 1977): one always learns, the other is heard, and takes over what was learned only while that is clearly
//! the better of the two. So a caller who speaks into the agent's voice cannot spoil the one that is heard.
//! Promise: one frame in, one out, no delay; levels say how much echo there should be in a frame and how
//! much is left, for whoever decides whether somebody speaks.
//! Absent on purpose: that decision, and what a speaker distorts, which no linear filter knows.
//!
//! Weighed against WebRTC's audio processing: the crates that bind it need a C++ library of their own, and
//! the daemon links no C++; this is small enough to be checked.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::base::audio::LINE_FRAME;
use crate::base::limits;

const BLOCK: usize = LINE_FRAME;
const SPAN: usize = 2 * BLOCK;
const BINS: usize = BLOCK + 1;
/// Blocks of echo that are modelled.
const PARTS: usize = limits::ECHO_TAIL.as_millis() as usize / 20;
/// How far one block moves the learning filter towards what would have been right, 0 to 1.
const STEP: f32 = 0.5;
/// Keeps a division sound when the speaker is silent: power of a bin at an amplitude of about 20.
const FLOOR: f32 = 20.0 * 20.0 * SPAN as f32;
/// Frames over which errors are compared.
const MEMORY: f32 = 0.8;
/// The learning filter takes over below this share of the other's error, so many frames in a row.
const BETTER: f32 = 0.7;
const BETTER_FRAMES: u32 = 3;
/// It starts again from the other one above this share.
const WORSE: f32 = 4.0;
const WORSE_FRAMES: u32 = 10;

/// A frame of the microphone without the echo.
#[derive(Clone, Debug)]
pub(super) struct Cleaned {
    pub(super) pcm: [i16; BLOCK],
    /// Mean square of the echo that the filter expects in this frame.
    pub(super) echo: f32,
    /// Mean square of what is left.
    pub(super) rest: f32,
    /// Mean square of what the microphone heard.
    pub(super) heard: f32,
}

type Filter = Vec<[Complex32; BINS]>;

pub(super) struct EchoCanceller {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// What was played, newest first, in the frequency domain.
    played: Vec<[Complex32; BINS]>,
    newest: usize,
    before: [f32; BLOCK],
    heard: Filter,
    learning: Filter,
    /// Smoothed errors of the two.
    errors: (f32, f32),
    streaks: (u32, u32),
    /// The part whose tail is cut off next; one a block is enough.
    constrained: usize,
    scratch: Vec<f32>,
    spectrum: Vec<Complex32>,
}

impl std::fmt::Debug for EchoCanceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EchoCanceller")
    }
}

impl Default for EchoCanceller {
    fn default() -> Self {
        Self::new()
    }
}

impl EchoCanceller {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::<f32>::new();
        let zero = Complex32::default();
        Self {
            forward: planner.plan_fft_forward(SPAN),
            inverse: planner.plan_fft_inverse(SPAN),
            played: vec![[zero; BINS]; PARTS],
            newest: 0,
            before: [0.0; BLOCK],
            heard: vec![[zero; BINS]; PARTS],
            learning: vec![[zero; BINS]; PARTS],
            errors: (0.0, 0.0),
            streaks: (0, 0),
            constrained: 0,
            scratch: vec![0.0; SPAN],
            spectrum: vec![zero; BINS],
        }
    }

    /// `played` left for the speaker when `microphone` was heard, or before.
    pub(super) fn push(&mut self, played: &[i16; BLOCK], microphone: &[i16; BLOCK]) -> Cleaned {
        self.note(played);
        let wanted = microphone.map(f32::from);
        let (echo, rest) = self.errors_of(&wanted, false);
        let (_, tried) = self.errors_of(&wanted, true);
        self.learn(&tried);
        let (mine, other) = (power(&rest), power(&tried));
        let cleaned = Cleaned {
            pcm: rest.map(|sample| sample.round() as i16),
            echo: power(&echo),
            rest: mine,
            heard: power(&wanted),
        };
        self.choose(mine, other, cleaned.heard);
        cleaned
    }

    fn note(&mut self, played: &[i16; BLOCK]) {
        let now = played.map(f32::from);
        self.scratch[..BLOCK].copy_from_slice(&self.before);
        self.scratch[BLOCK..].copy_from_slice(&now);
        self.before = now;
        self.newest = (self.newest + PARTS - 1) % PARTS;
        self.transform();
        self.played[self.newest].copy_from_slice(&self.spectrum);
    }

    /// `scratch` to `spectrum`.
    fn transform(&mut self) {
        // The lengths are those of the plan, so that it cannot fail.
        if self.forward.process(&mut self.scratch, &mut self.spectrum).is_err() {
            self.spectrum.fill(Complex32::default());
        }
    }

    /// `spectrum` to `scratch`, to scale.
    fn back(&mut self) {
        self.spectrum[0].im = 0.0;
        self.spectrum[BINS - 1].im = 0.0;
        if self.inverse.process(&mut self.spectrum, &mut self.scratch).is_err() {
            self.scratch.fill(0.0);
        }
        for sample in &mut self.scratch {
            *sample /= SPAN as f32;
        }
    }

    /// The echo that a filter expects, and what it leaves.
    fn errors_of(&mut self, wanted: &[f32; BLOCK], learning: bool) -> ([f32; BLOCK], [f32; BLOCK]) {
        let filter = if learning { &self.learning } else { &self.heard };
        self.spectrum.fill(Complex32::default());
        for (part, weights) in filter.iter().enumerate() {
            let played = &self.played[(self.newest + part) % PARTS];
            for (sum, (weight, played)) in self.spectrum.iter_mut().zip(weights.iter().zip(played)) {
                *sum += weight * played;
            }
        }
        self.back();
        let mut echo = [0.0; BLOCK];
        echo.copy_from_slice(&self.scratch[BLOCK..]);
        let mut rest = *wanted;
        for (rest, echo) in rest.iter_mut().zip(echo) {
            *rest -= echo;
        }
        (echo, rest)
    }

    fn learn(&mut self, error: &[f32; BLOCK]) {
        self.scratch[..BLOCK].fill(0.0);
        self.scratch[BLOCK..].copy_from_slice(error);
        self.transform();
        let mut strength = [0.0_f32; BINS];
        for played in &self.played {
            for (sum, bin) in strength.iter_mut().zip(played) {
                *sum += bin.norm_sqr();
            }
        }
        let mut moves = [Complex32::default(); BINS];
        for (step, (error, strength)) in moves.iter_mut().zip(self.spectrum.iter().zip(strength)) {
            *step = error * (STEP / (strength + FLOOR));
        }
        for (part, weights) in self.learning.iter_mut().enumerate() {
            let played = &self.played[(self.newest + part) % PARTS];
            for (weight, (step, played)) in weights.iter_mut().zip(moves.iter().zip(played)) {
                *weight += step * played.conj();
            }
        }
        // A part is a block long; what grew behind it is the circle's doing.
        self.constrain(self.constrained);
        self.constrain((self.constrained + PARTS / 2) % PARTS);
        self.constrained = (self.constrained + 1) % PARTS;
    }

    fn constrain(&mut self, part: usize) {
        self.spectrum.copy_from_slice(&self.learning[part]);
        self.back();
        self.scratch[BLOCK..].fill(0.0);
        self.transform();
        self.learning[part].copy_from_slice(&self.spectrum);
    }

    fn choose(&mut self, mine: f32, other: f32, heard: f32) {
        let (a, b) = self.errors;
        self.errors = (MEMORY * a + (1.0 - MEMORY) * mine, MEMORY * b + (1.0 - MEMORY) * other);
        let (a, b) = self.errors;
        self.streaks.0 = if b < BETTER * a && other < heard { self.streaks.0 + 1 } else { 0 };
        self.streaks.1 = if b > WORSE * a { self.streaks.1 + 1 } else { 0 };
        if self.streaks.0 >= BETTER_FRAMES {
            self.heard.clone_from(&self.learning);
            self.errors.0 = b;
            self.streaks = (0, 0);
        } else if self.streaks.1 >= WORSE_FRAMES {
            self.learning.clone_from(&self.heard);
            self.errors.1 = a;
            self.streaks = (0, 0);
        }
    }
}

fn power(pcm: &[f32; BLOCK]) -> f32 {
    pcm.iter().map(|sample| sample * sample).sum::<f32>() / BLOCK as f32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::resample;
    use crate::media::wav;

    /// What a voice of the box says, 8 kHz.
    pub(crate) fn speech(name: &str) -> Vec<i16> {
        let file = format!("{}/models/starter/tts/samples/{name}", env!("CARGO_MANIFEST_DIR"));
        let (rate, pcm) = wav::read(&std::fs::read(file).unwrap()).unwrap();
        resample::convert(&pcm, rate, 8_000)
    }

    /// Speech of several voices after each other, so long.
    pub(crate) fn talk(from: usize, samples: usize) -> Vec<i16> {
        let folder = format!("{}/models/starter/tts/samples", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name()).collect();
        names.retain(|name| name.to_string_lossy().ends_with(".wav"));
        names.sort();
        let mut out = Vec::new();
        for name in names.iter().cycle().skip(from) {
            out.extend(speech(&name.to_string_lossy()));
            if out.len() >= samples {
                break;
            }
        }
        out.truncate(samples);
        out
    }

    /// A room: the direct way after `delay_ms`, then reflections that die away to -60 dB in `rt60_ms`.
    pub(crate) fn room(delay_ms: usize, rt60_ms: usize, gain: f32, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut response = vec![0.0; delay_ms * 8];
        response.push(gain);
        for n in 1..rt60_ms * 8 {
            let decay = 10_f32.powf(-3.0 * n as f32 / (rt60_ms * 8) as f32);
            response.push(gain * 0.25 * decay * (random.f32() * 2.0 - 1.0));
        }
        response
    }

    pub(crate) fn through(pcm: &[i16], room: &[f32]) -> Vec<i16> {
        (0..pcm.len())
            .map(|n| {
                let sum: f32 = room.iter().take(n + 1).enumerate().map(|(k, h)| h * f32::from(pcm[n - k])).sum();
                sum as i16
            })
            .collect()
    }

    fn level(pcm: &[i16]) -> f64 {
        pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64 + 1.0
    }

    fn clean(far: &[i16], microphone: &[i16]) -> Vec<i16> {
        let mut canceller = EchoCanceller::new();
        let frames = far.as_chunks::<BLOCK>().0.iter().zip(microphone.as_chunks::<BLOCK>().0);
        frames.flat_map(|(far, near)| canceller.push(far, near).pcm).collect()
    }

    #[test]
    fn the_echo_is_taken_out() {
        let seconds = |n: usize| n * 8_000;
        let far = talk(0, seconds(14));
        for (what, delay, rt60, gain) in [("desk", 20, 120, 0.5), ("room", 60, 250, 0.5), ("usb", 160, 200, 0.3)] {
            let microphone = through(&far, &room(delay, rt60, gain, 3));
            let rest = clean(&far, &microphone);
            let erle = |from: usize, to: usize| 10.0 * (level(&microphone[from..to]) / level(&rest[from..to])).log10();
            let (early, late) = (erle(seconds(2), seconds(4)), erle(seconds(8), seconds(14)));
            println!("{what}: echo return loss enhancement {early:.1} dB after 2 s, {late:.1} dB after 8 s");
            assert!(early > 5.0 && late > 15.0, "{what}: {early:.1} dB, then {late:.1} dB");
        }
    }

    #[test]
    fn who_speaks_into_it_is_heard_and_spoils_nothing() {
        let seconds = |n: usize| n * 8_000;
        let far = talk(0, seconds(16));
        let echo = through(&far, &room(40, 200, 0.5, 9));
        let mut near = vec![0; far.len()];
        near[seconds(8)..seconds(11)].copy_from_slice(&talk(5, seconds(3)));
        let microphone: Vec<i16> = echo.iter().zip(&near).map(|(a, b)| a.saturating_add(*b)).collect();
        let out = clean(&far, &microphone);
        let window = seconds(8)..seconds(11);
        let wrong: Vec<i16> = out[window.clone()].iter().zip(&near[window.clone()]).map(|(a, b)| a - b).collect();
        let kept = 10.0 * (level(&near[window.clone()]) / level(&wrong)).log10();
        let was = 10.0 * (level(&near[window.clone()]) / level(&echo[window])).log10();
        let after = seconds(12)..seconds(16);
        let erle = 10.0 * (level(&echo[after.clone()]) / level(&out[after])).log10();
        println!(
            "double talk: voice over echo {was:.1} dB before, {kept:.1} dB after; then {erle:.1} dB of echo taken out"
        );
        assert!(kept > was + 8.0 && kept > 8.0, "{was:.1} to {kept:.1} dB");
        assert!(erle > 12.0, "{erle:.1} dB");
    }

    #[test]
    fn without_an_echo_nothing_changes() {
        let near = talk(2, 40_000);
        let silence = vec![0; near.len()];
        assert_eq!(clean(&silence, &near), near);
        // A headset: the speaker plays, the microphone does not hear it.
        let far = talk(7, near.len());
        let out = clean(&far, &near);
        let wrong: Vec<i16> = out.iter().zip(&near).map(|(a, b)| a.saturating_sub(*b)).collect();
        let kept = 10.0 * (level(&near) / level(&wrong)).log10();
        assert!(kept > 15.0, "{kept:.1} dB");
    }

    #[test]
    fn the_loudest_sound_breaks_nothing() {
        let square: Vec<i16> = (0..16_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = clean(&square, &square);
        assert_eq!(out.len(), square.len());
        let quiet = clean(&square, &vec![0; square.len()]);
        assert!(level(&quiet[8_000..]) < 4.0e6, "{}", level(&quiet));
    }
}
