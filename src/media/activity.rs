//! Does the caller speak in this frame?
//! Promise: an adaptive energy gate is asked first and costs next to nothing; the neural detector
//! (earshot) and two plainer witnesses run only while the gate is open. Steady noise, hum, tones and
//! key strokes do not begin speech at any level; soft speech over a quiet line and speech 5 dB over
//! its noise do.
//! Absent on purpose: turns (see [`super::endpoint`]) and echo: whoever speaks knows when it speaks.
//!
//! The detector was trained on wide-band sound of usual loudness. On a telephone line it takes loud
//! steady noise for speech, so that it is given sound turned down to one loudness, at which noise
//! scores under 0.4 and speech over 0.6 (median 0.85). What remains is settled by the witnesses:
//! speech begins only where a pitch was heard, and pure tones are never speech.

use earshot::Detector;

use super::features::{Floor, Sound};
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
/// Loudness that the detector is given at most.
const DETECTOR_DBFS: f32 = -42.0;
/// How fast sound is turned up again after something loud, decibels a frame (2.5 a second).
const LOUD_FALL_DB: f32 = 0.05;
/// Nothing below this is worth asking about.
const AUDIBLE_DBFS: f32 = -58.0;
/// The gate opens this far above the noise; speech begins only this far above it.
const GATE_DB: f32 = 3.0;
const BEGIN_DB: f32 = 5.0;
const BEGIN_SCORE: f32 = 0.5;
const STAY_SCORE: f32 = 0.35;
/// A pitch is heard in a frame (see [`Sound::voicing`]).
const VOICED: f32 = 0.6;
/// The detector takes its time in noise. Pitch in three of the last five frames, well above the
/// noise, needs little of its approval.
const LOUD_DB: f32 = 6.0;
const PITCHED_SCORE: f32 = 0.2;
const FEW: u8 = 0b1_1111;
/// Otherwise a pitch within the last six frames is enough.
const RECENT: u8 = 0b11_1111;
/// A frame is nothing but tones (see [`Sound::unpredictable_db`]), as are the edges beside it. Over
/// some noise, tones are told by being drawn out without convincing the detector.
const TONAL_DB: f32 = -22.0;
const DRAWN_OUT_DB: f32 = -14.0;
const DRAWN_OUT_SCORE: f32 = 0.6;
const DRAWN_OUT_FRAMES: u8 = 5;
const TONAL_FRAMES: u8 = 3;
/// What is this far below the speech before it and has no pitch is what a phone lets through after
/// the caller has stopped: breath, room, its own noise.
const TRAIL_DB: f32 = 24.0;
/// How fast loud speech is forgotten, decibels a frame (10 a second).
const PEAK_FALL_DB: f32 = 0.2;
/// Frames that a gap between sounds may last.
const HANGOVER: u8 = 3;

pub struct Activity {
    detector: Box<Detector>,
    /// For frames that come at line rate.
    up: Option<Box<Resampler>>,
    /// Sound at 16 kHz for the detector.
    waiting: Vec<i16>,
    sound: Sound,
    floor: Floor,
    /// The loudest of late.
    loud: f32,
    /// The loudest speech of late.
    peak: f32,
    score: f32,
    drawn_out: u8,
    /// Frames in which a pitch was heard, the latest in bit 0.
    pitched: u8,
    /// Frames for which each still holds.
    tonal: u8,
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
            waiting: Vec::with_capacity(CONTEXT + STEP + frame_samples(STT_RATE)),
            sound: Sound::default(),
            floor: Floor::default(),
            loud: DETECTOR_DBFS,
            peak: f32::NEG_INFINITY,
            score: 0.0,
            drawn_out: 0,
            pitched: 0,
            tonal: 0,
            hangover: 0,
        }
    }

    /// One frame of 20 ms, at 8 kHz (up to 160 samples) or 16 kHz (more).
    pub fn push(&mut self, frame: &[i16]) -> Heard {
        let at_line_rate = frame.len() <= frame_samples(LINE_RATE);
        let level = level_dbfs(frame);
        let audible = self.sound.push(frame, if at_line_rate { 1 } else { 2 });
        let noise = self.floor.track(audible);
        self.keep(frame, level, at_line_rate);
        let open = audible > AUDIBLE_DBFS && audible > noise + GATE_DB;
        if open || self.hangover > 0 {
            self.ask();
        } else {
            self.score = 0.0;
            self.pitched <<= 1;
            let stale = self.waiting.len().saturating_sub(CONTEXT);
            self.waiting.drain(..stale);
        }
        self.hangover = self.hangover.saturating_sub(1);
        self.tonal = self.tonal.saturating_sub(1);
        self.peak -= PEAK_FALL_DB;
        if open && self.is_speech(audible, noise) {
            self.hangover = HANGOVER;
            self.peak = self.peak.max(audible);
        }
        Heard { speech: self.hangover > 0, level_dbfs: level, noise_dbfs: noise, score: self.score }
    }

    /// Keeps the frame for the detector, at the rate and loudness it was trained for.
    fn keep(&mut self, frame: &[i16], level: f32, at_line_rate: bool) {
        self.loud = level.max(self.loud - LOUD_FALL_DB).max(DETECTOR_DBFS);
        let gain = 10_f32.powf((DETECTOR_DBFS - self.loud) / 20.0);
        let turned_down = frame.iter().map(|s| (f32::from(*s) * gain) as i16);
        if !at_line_rate {
            self.waiting.extend(turned_down);
            return;
        }
        if self.up.is_none() {
            self.up = Resampler::new(LINE_RATE, STT_RATE).ok().map(Box::new);
        }
        if let Some(up) = &mut self.up {
            let turned_down: Vec<i16> = turned_down.collect();
            up.push(&turned_down, &mut self.waiting);
        }
    }

    fn ask(&mut self) {
        let mut asked = 0;
        for step in self.waiting.chunks_exact(STEP) {
            self.score = self.detector.predict_i16(step);
            asked += STEP;
        }
        self.waiting.drain(..asked);
    }

    fn is_speech(&mut self, audible: f32, noise: f32) -> bool {
        let speaking = self.hangover > 0;
        let above_noise = audible - noise;
        // The pitch is heard before the detector is sure, and is not asked for while that is.
        let sure = speaking && self.score >= STAY_SCORE && audible >= self.peak - TRAIL_DB;
        let pitch = !sure && self.sound.voicing() >= VOICED;
        self.pitched = (self.pitched << 1) | u8::from(pitch || sure);
        let begins = if self.score >= BEGIN_SCORE {
            above_noise >= BEGIN_DB && self.pitched & RECENT != 0
        } else {
            above_noise >= LOUD_DB && self.score >= PITCHED_SCORE && (self.pitched & FEW).count_ones() >= 3
        };
        let stays = sure || speaking && pitch && above_noise >= BEGIN_DB;
        let likely = begins || stays;
        if !likely && self.tonal == 0 {
            return false;
        }
        let rest = self.sound.unpredictable_db();
        let drawn_out = rest < DRAWN_OUT_DB && self.score < DRAWN_OUT_SCORE;
        self.drawn_out = if drawn_out { self.drawn_out.saturating_add(1) } else { 0 };
        if rest < TONAL_DB || self.drawn_out >= DRAWN_OUT_FRAMES {
            self.tonal = TONAL_FRAMES;
        }
        likely && self.tonal == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::audio::LINE_FRAME;
    use crate::base::g711;
    use crate::media::dtmf;
    use crate::media::endpoint::{Endpoint, Endpointer};
    use crate::media::noise::{Colour, Noise, clips};
    use crate::media::resample::convert;
    use proptest::prelude::*;

    fn as_on_the_line(sound: &[i16], noise: &[i16]) -> Vec<i16> {
        let sum: Vec<i16> = sound.iter().zip(noise).map(|(a, b)| a.saturating_add(*b)).collect();
        let mut codes = Vec::new();
        g711::encode_ulaw(&sum, &mut codes);
        g711::decode_ulaw(&codes)
    }

    fn at_level(pcm: &[i16], dbfs: f32) -> Vec<i16> {
        let gain = 10_f32.powf((dbfs - level_dbfs(pcm)) / 20.0);
        pcm.iter().map(|s| (f32::from(*s) * gain).clamp(-32768.0, 32767.0) as i16).collect()
    }

    /// Speech or not for each frame, and the frames in which turns began.
    fn heard(line: &[i16]) -> (Vec<bool>, Vec<usize>) {
        let (mut activity, mut endpointer) = (Activity::new(), Endpointer::new(Default::default()));
        let (mut speech, mut turns) = (Vec::new(), Vec::new());
        for (n, frame) in line.chunks_exact(LINE_FRAME).enumerate() {
            speech.push(activity.push(frame).speech);
            if let Some(Endpoint::SpeechStarted { .. }) = endpointer.push((n as u64 + 1) * 20, speech[n]) {
                turns.push(n);
            }
        }
        (speech, turns)
    }

    /// Every clip after 1.5 s of noise and before another 1.5 s. A frame counts as speech if it is
    /// within 25 dB of the clip's loudest and over the noise, as pause if no speech is within
    /// 160 ms of it.
    #[test]
    fn hits_and_false_alarms() {
        use Colour::{Hum, Keys, Pink, White};
        for (colour, speech, noise, hits_min, alarms_max, turn_within) in [
            (White, -20.0, -70.0_f32, 96.5, 1.0, 25),
            (White, -40.0, -60.0, 94.5, 0.5, 25),
            (White, -25.0, -35.0, 90.0, 0.2, 25),
            (White, -30.0, -35.0, 80.0, 0.2, 50),
            (Pink, -40.0, -60.0, 95.0, 0.5, 25),
            (Pink, -25.0, -35.0, 94.5, 0.2, 25),
            (Pink, -30.0, -35.0, 93.0, 0.2, 50),
            (Hum, -25.0, -35.0, 97.0, 0.5, 25),
            (Keys, -25.0, -35.0, 97.0, 1.0, 25),
        ] {
            let (mut hits, mut spoken, mut alarms, mut pauses) = (0, 0, 0, 0);
            for (seed, (name, clip)) in clips().into_iter().enumerate() {
                let mut clean = vec![0; 12_000];
                clean.extend(at_level(&clip, speech));
                clean.resize(clean.len() + 12_000, 0);
                let line = as_on_the_line(&clean, &Noise::new(colour, seed as u64).take(clean.len(), noise));
                let levels: Vec<f32> = clean.chunks_exact(LINE_FRAME).map(level_dbfs).collect();
                let loudest = levels.iter().copied().fold(-120.0, f32::max);
                let truth: Vec<bool> = levels.iter().map(|l| *l > (loudest - 25.0).max(noise + 3.0)).collect();
                let (heard, turns) = heard(&line);
                for n in 0..truth.len() {
                    if truth[n] {
                        spoken += 1;
                        hits += usize::from(heard[n]);
                    } else if !truth[n.saturating_sub(8)..(n + 8).min(truth.len())].contains(&true) {
                        pauses += 1;
                        alarms += usize::from(heard[n]);
                    }
                }
                let first = truth.iter().position(|t| *t).unwrap();
                assert!(
                    turns.first().is_some_and(|turn| (first..first + turn_within).contains(turn)),
                    "{name} in {colour:?} {speech}/{noise}: speech from {first}, turns {turns:?}"
                );
            }
            let (hits, alarms) = (100.0 * hits as f32 / spoken as f32, 100.0 * alarms as f32 / pauses as f32);
            println!("{colour:?}, speech {speech}, noise {noise} dBFS: hits {hits:.1} %, false alarms {alarms:.2} %");
            assert!(hits >= hits_min && alarms <= alarms_max, "{colour:?} {speech}/{noise}: {hits} {alarms}");
        }
    }

    #[test]
    fn noise_alone_is_no_turn_at_any_level() {
        for colour in [Colour::White, Colour::Pink, Colour::Hum, Colour::Keys] {
            for level in [-75.0, -60.0, -50.0, -40.0, -30.0, -20.0, -12.0] {
                // From the start, and beginning in the middle of a quiet call.
                for silent in [0, 40_000] {
                    let noise = Noise::new(colour, 11).take(160_000, level);
                    let mut line = Noise::new(Colour::White, 1).take(silent, -70.0);
                    line.extend(as_on_the_line(&noise, &vec![0; noise.len()]));
                    let (_, turns) = heard(&line);
                    assert_eq!(turns, [0; 0], "{colour:?} at {level} after {silent}");
                }
            }
        }
        for idle in [0_i16, 8, -8] {
            assert_eq!(heard(&vec![idle; 80_000]).0.iter().filter(|s| **s).count(), 0);
        }
    }

    #[test]
    fn tones_are_no_turn() {
        let tone = |hz: f32, ms: usize| -> Vec<i16> {
            (0..ms * 8).map(|n| (6_000.0 * (std::f32::consts::TAU * hz * n as f32 / 8_000.0).sin()) as i16).collect()
        };
        let mut sounds: Vec<(String, Vec<i16>)> = Vec::new();
        for ms in [50, 100, 300, 2_000] {
            sounds.push((
                format!("keys of {ms} ms"),
                "0123456789*#"
                    .chars()
                    .map(|k| dtmf::tone(k, ms))
                    .flat_map(|t| {
                        let mut t = t;
                        t.resize(t.len() + 1_000, 0);
                        t
                    })
                    .collect(),
            ));
        }
        for hz in [400.0, 425.0, 1_000.0, 1_400.0, 2_100.0] {
            sounds.push((format!("{hz} Hz"), [tone(hz, 700), vec![0; 5_600], tone(hz, 700), vec![0; 5_600]].concat()));
        }
        for (name, sound) in sounds {
            for noise in [-75.0, -45.0] {
                let line = [vec![0; 8_000], sound.clone()].concat();
                let line = as_on_the_line(&line, &Noise::new(Colour::White, 9).take(line.len(), noise));
                assert_eq!(heard(&line).1, [0; 0], "{name} in noise of {noise}");
            }
        }
    }

    #[test]
    fn both_rates_hear_the_same() {
        let (_, clip) = clips().swap_remove(3);
        let clip = [vec![0; 8_000], clip, vec![0; 8_000]].concat();
        let wide = convert(&clip, LINE_RATE, STT_RATE);
        let (mut narrow_ear, mut wide_ear) = (Activity::new(), Activity::new());
        let mut differ = 0;
        for (narrow, wide) in clip.chunks_exact(160).zip(wide.chunks_exact(320)) {
            let (a, b) = (narrow_ear.push(narrow), wide_ear.push(wide));
            differ += usize::from(a.speech != b.speech);
            assert!((a.noise_dbfs - b.noise_dbfs).abs() < 3.0);
        }
        assert!(differ <= 6, "{differ} frames differ");
    }

    proptest! {
        #[test]
        fn any_frames_are_survived(frames in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<i16>(), 0..700),
                (any::<i16>(), 0_usize..400).prop_map(|(value, length)| vec![value; length]),
            ],
            0..60,
        )) {
            let mut activity = Activity::new();
            for frame in frames {
                let heard = activity.push(&frame);
                prop_assert!(heard.level_dbfs.is_finite() && heard.noise_dbfs.is_finite());
                prop_assert!((0.0..=1.0).contains(&heard.score));
                prop_assert!(activity.waiting.len() <= CONTEXT + STEP + 1_400);
            }
        }
    }
}
