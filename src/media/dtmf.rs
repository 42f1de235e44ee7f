//! Keys pressed by the caller, heard in the sound of the line (8 kHz).
//! Promise, after ITU-T Q.23/Q.24: tones from 40 ms are heard, each press once; frequencies up to
//! 1.5 % off are taken and beyond 3 % refused; the high tone may be 8 dB louder or the low tone 4 dB;
//! gaps of up to 10 ms within a press are bridged; speech is not taken for keys.
//! Absent on purpose: keys told by the carrier (they arrive as events).
//!
//! Works on blocks of 51 samples (6.4 ms), two neighbours at a time: their sum gives the level at
//! each of the eight frequencies, their phase difference how far off the tone really is. A voice
//! that happens to have both levels right rarely has both frequencies right, three times in a row.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::base::audio::LINE_RATE;

/// Telling of one key: low group, then high group.
const TONES: [f64; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

const BLOCK: usize = 51;
/// Below this mean square (about -47 dBFS) a block is not looked at.
const QUIET: f32 = 146.0 * 146.0;
/// The two tones make up at least this much of the energy (signal 9 dB over all else).
const SHARE_MIN: f32 = 0.89;
/// The strongest tone of a group is this much above the others of its group (6 dB).
const ABOVE_OTHERS: f32 = 4.0;
/// High over low and low over high, as power (9 and 5 dB: the promise and a little noise).
const TWIST_MAX: f32 = 8.0;
const REVERSE_TWIST_MAX: f32 = 3.2;
/// Part of its frequency that a tone may be off.
const OFF_MAX: f32 = 0.025;
/// Looks in a row that make a press, and that end one.
const LOOKS_TO_PRESS: u8 = 3;
const LOOKS_TO_RELEASE: u8 = 4;

/// `e^(-jωn)` of each tone over one block, and at its end.
struct Tables {
    waves: [[(f32, f32); 8]; BLOCK],
    turn: [(f32, f32); 8],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let at = |n: usize| {
        TONES.map(|hz| {
            let phase = TAU * hz * n as f64 / f64::from(LINE_RATE);
            (phase.cos() as f32, -phase.sin() as f32)
        })
    };
    Tables { waves: std::array::from_fn(at), turn: at(BLOCK) }
});

/// Level and phase of each tone in one block.
#[derive(Clone, Copy, Debug)]
struct Block {
    parts: [(f32, f32); 8],
    energy: f32,
}

#[derive(Debug, Default)]
pub struct DtmfDetector {
    pending: Vec<i16>,
    before: Option<Block>,
    /// Key seen by the last looks, and how many of them.
    candidate: Option<(char, u8)>,
    pressed: Option<char>,
    missed: u8,
}

impl DtmfDetector {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next sound, any length (at most one press is told per 40 ms of it); a key as soon as its
    /// press is certain.
    pub fn push(&mut self, pcm: &[i16]) -> Option<char> {
        let mut told = None;
        let mut rest = pcm;
        while !rest.is_empty() {
            let (now, later) = rest.split_at((BLOCK - self.pending.len()).min(rest.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() == BLOCK {
                let block = Block::of(&self.pending);
                self.pending.clear();
                told = self.step(block).or(told);
            }
        }
        told
    }

    /// A key that was told is still down, or was a moment ago.
    pub const fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    fn step(&mut self, block: Option<Block>) -> Option<char> {
        let seen = match (self.before, block) {
            (Some(before), Some(block)) => key(&before, &block),
            _ => None,
        };
        self.before = block;
        match seen {
            Some(key) if self.pressed == Some(key) => {
                self.missed = 0;
                self.candidate = None;
                return None;
            }
            Some(key) => {
                let looks = match self.candidate {
                    Some((same, looks)) if same == key => looks + 1,
                    _ => 1,
                };
                self.candidate = Some((key, looks));
                if looks >= LOOKS_TO_PRESS {
                    self.candidate = None;
                    self.pressed = Some(key);
                    self.missed = 0;
                    return Some(key);
                }
            }
            None => self.candidate = None,
        }
        self.missed = self.missed.saturating_add(1);
        if self.missed >= LOOKS_TO_RELEASE {
            self.pressed = None;
        }
        None
    }
}

impl Block {
    /// `None` if it is too quiet to look at.
    fn of(pcm: &[i16]) -> Option<Self> {
        let energy: f32 = pcm.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
        if energy < QUIET * BLOCK as f32 {
            return None;
        }
        let mut parts = [(0.0, 0.0); 8];
        for (sample, waves) in pcm.iter().zip(&TABLES.waves) {
            let sample = f32::from(*sample);
            for (part, wave) in parts.iter_mut().zip(waves) {
                part.0 += sample * wave.0;
                part.1 += sample * wave.1;
            }
        }
        Some(Self { parts, energy })
    }
}

/// The key that two neighbouring blocks sound like.
fn key(before: &Block, block: &Block) -> Option<char> {
    let energy = before.energy + block.energy;
    // One of them holding nearly all: a tone begins or ends in there, the next look will tell.
    if before.energy.min(block.energy) < energy * 0.1 {
        return None;
    }
    let mut power = [0.0_f32; 8];
    let mut offset = [0.0_f32; 8];
    for (tone, (a, b)) in before.parts.iter().zip(&block.parts).enumerate() {
        // The second block's phase counts from its own start; turn it to the first one's.
        let turn = TABLES.turn[tone];
        let b = (b.0 * turn.0 - b.1 * turn.1, b.0 * turn.1 + b.1 * turn.0);
        let sum = (a.0 + b.0, a.1 + b.1);
        power[tone] = sum.0 * sum.0 + sum.1 * sum.1;
        offset[tone] = (b.1 * a.0 - b.0 * a.1).atan2(b.0 * a.0 + b.1 * a.1);
    }
    let low = strongest(&power[..4])?;
    let high = 4 + strongest(&power[4..])?;
    // Radians per block to a part of the frequency.
    let off = |tone: usize| offset[tone] * LINE_RATE as f32 / (std::f32::consts::TAU * BLOCK as f32);
    let (off_low, off_high) = (off(low), off(high));
    if off_low.abs() > TONES[low] as f32 * OFF_MAX || off_high.abs() > TONES[high] as f32 * OFF_MAX {
        return None;
    }
    let low_power = power[low] / response(off_low);
    let high_power = power[high] / response(off_high);
    if high_power > low_power * TWIST_MAX || low_power > high_power * REVERSE_TWIST_MAX {
        return None;
    }
    // A sine of power P in N samples gives N/2·P·N.
    let share = (low_power + high_power) / (BLOCK as f32 * energy);
    (share >= SHARE_MIN).then(|| KEYS[low][high - 4])
}

/// The index of the strongest, if it stands out.
fn strongest(powers: &[f32]) -> Option<usize> {
    let (best, most) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    powers.iter().enumerate().all(|(i, p)| i == best || p * ABOVE_OTHERS <= *most).then_some(best)
}

/// What two blocks' sum makes of the power of a tone that is `hz` off.
fn response(hz: f32) -> f32 {
    let x = std::f32::consts::PI * hz * (2 * BLOCK) as f32 / LINE_RATE as f32;
    if x.abs() < 1e-3 { 1.0 } else { (x.sin() / x).powi(2) }
}

/// The sound of a key at 8 kHz, -10 and -8 dBFS; nothing for what is no key.
pub fn tone(digit: char, ms: u32) -> Vec<i16> {
    let place = KEYS.iter().enumerate().find_map(|(row, keys)| {
        keys.iter().position(|key| *key == digit.to_ascii_uppercase()).map(|column| (row, column))
    });
    let Some((row, column)) = place else { return Vec::new() };
    pair((TONES[row], 10_360.0), (TONES[4 + column], 13_040.0), ms)
}

fn pair(low: (f64, f64), high: (f64, f64), ms: u32) -> Vec<i16> {
    (0..ms as usize * LINE_RATE as usize / 1000)
        .map(|n| {
            let t = TAU * n as f64 / f64::from(LINE_RATE);
            (low.1 * (low.0 * t).sin() + high.1 * (high.0 * t).sin()).clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::g711;
    use crate::media::noise::{Colour, Noise, clips, mix};
    use proptest::prelude::*;

    /// Keys heard in a line that is coded as on the telephone, in 20 ms frames.
    fn heard(pcm: &[i16]) -> String {
        let mut codes = Vec::new();
        g711::encode_ulaw(pcm, &mut codes);
        let mut detector = DtmfDetector::new();
        g711::decode_ulaw(&codes).chunks(160).filter_map(|frame| detector.push(frame)).collect()
    }

    fn with_pauses(tones: &[Vec<i16>], pause_ms: usize, shift: usize) -> Vec<i16> {
        let mut line = vec![0; shift];
        for tone in tones {
            line.extend(tone);
            line.extend(vec![0; pause_ms * 8]);
        }
        line
    }

    const ALL: &str = "1234567890*#ABCD";

    #[test]
    fn every_key_at_every_place_in_the_frame() {
        let tones: Vec<Vec<i16>> = ALL.chars().map(|key| tone(key, 40)).collect();
        for shift in 0..160 {
            assert_eq!(heard(&with_pauses(&tones, 40, shift)), ALL, "shifted by {shift}");
        }
        for ms in [45, 100, 500, 2_000] {
            let tones: Vec<Vec<i16>> = ALL.chars().map(|key| tone(key, ms)).collect();
            assert_eq!(heard(&with_pauses(&tones, 45, 33)), ALL, "{ms} ms");
        }
    }

    #[test]
    fn the_same_key_again_is_told_again() {
        assert_eq!(heard(&with_pauses(&[tone('7', 60), tone('7', 60), tone('7', 60)], 40, 5)), "777");
    }

    /// Low and high frequency off by a part, level of both in dBFS, how often the key is heard out
    /// of sixteen.
    fn hits(low_off: f64, high_off: f64, low_db: f64, high_db: f64, ms: u32) -> usize {
        let amplitude = |db: f64| 32_768.0 * 10_f64.powf(db / 20.0);
        ALL.chars()
            .enumerate()
            .filter(|(n, key)| {
                let (row, column) = (0..16).map(|i| (i / 4, i % 4)).find(|(r, c)| KEYS[*r][*c] == *key).unwrap();
                let sound = pair(
                    (TONES[row] * (1.0 + low_off), amplitude(low_db)),
                    (TONES[4 + column] * (1.0 + high_off), amplitude(high_db)),
                    ms,
                );
                heard(&with_pauses(&[sound], 60, n * 11)) == key.to_string()
            })
            .count()
    }

    #[test]
    fn tolerances_of_the_recommendation() {
        for off in [-0.015, 0.0, 0.015] {
            for other in [-0.015, 0.0, 0.015] {
                assert_eq!(hits(off, other, -12.0, -10.0, 50), 16, "off by {off} and {other}");
            }
        }
        for off in [-0.035, 0.035] {
            assert_eq!(hits(off, 0.0, -12.0, -10.0, 100), 0, "low off by {off}");
            assert_eq!(hits(0.0, off, -12.0, -10.0, 100), 0, "high off by {off}");
        }
        for (low, high, taken) in [(-18.0, -10.0, 16), (-10.0, -14.0, 16), (-30.0, -10.0, 0), (-10.0, -20.0, 0)] {
            assert_eq!(hits(0.0, 0.0, low, high, 60), taken, "levels {low} and {high}");
        }
        for (level, taken) in [(-6.1, 16), (-38.0, 16), (-60.0, 0)] {
            assert_eq!(hits(0.0, 0.0, level, level, 60), taken, "level {level}");
        }
        assert_eq!(hits(0.0, 0.0, -10.0, -10.0, 15), 0, "15 ms is no press");
    }

    #[test]
    fn noise_and_short_breaks_do_no_harm() {
        let tones: Vec<Vec<i16>> = ALL.chars().map(|key| tone(key, 60)).collect();
        for seed in 0..10 {
            let line = with_pauses(&tones, 60, 100);
            let noise = Noise::new(Colour::White, seed).take(line.len(), -25.0);
            let noisy: Vec<i16> = line.iter().zip(&noise).map(|(a, b)| a.saturating_add(*b)).collect();
            assert_eq!(heard(&noisy), ALL, "noise 15 dB below, seed {seed}");
        }
        let mut broken = tone('5', 100);
        broken[300..380].fill(0);
        assert_eq!(heard(&with_pauses(&[broken], 60, 0)), "5");
    }

    #[test]
    fn other_tones_are_no_keys() {
        for hz in [350.0, 400.0, 440.0, 480.0, 620.0, 697.0, 941.0, 1_000.0, 1_209.0, 1_633.0, 2_100.0] {
            assert_eq!(heard(&pair((hz, 8_000.0), (hz * 1.1, 0.0), 1_000)), "", "{hz} Hz");
            assert_eq!(heard(&pair((hz, 8_000.0), (hz + 25.0, 8_000.0), 1_000)), "", "{hz} Hz modulated");
        }
    }

    #[test]
    fn speech_is_no_key() {
        let mut seconds = 0.0;
        for (name, pcm) in clips() {
            for gain in [0.3, 1.0, 3.0] {
                let louder: Vec<i16> = pcm.iter().map(|s| (f32::from(*s) * gain) as i16).collect();
                assert_eq!(heard(&louder), "", "{name} at {gain}");
                let noise = Noise::new(Colour::Pink, 3).take(louder.len(), -30.0);
                assert_eq!(heard(&mix(&louder, &noise, 15.0)), "", "{name} at {gain} with noise");
                seconds += louder.len() as f64 / 4_000.0;
            }
        }
        assert!(seconds > 300.0, "only {seconds} s were tried");
    }

    #[test]
    fn keys_are_heard_over_a_quiet_voice() {
        let (_, voice) = clips().swap_remove(5);
        let tones = with_pauses(&"2468".chars().map(|key| tone(key, 100)).collect::<Vec<_>>(), 150, 77);
        let quiet: Vec<i16> = voice.iter().cycle().take(tones.len()).map(|s| s / 16).collect();
        let both: Vec<i16> = tones.iter().zip(&quiet).map(|(a, b)| a.saturating_add(*b)).collect();
        assert_eq!(heard(&both), "2468");
    }

    #[test]
    fn no_sound_for_what_is_no_key() {
        assert!(tone('x', 100).is_empty());
        assert_eq!(tone('a', 10), tone('A', 10));
        assert_eq!(tone('5', 100).len(), 800);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(cuts in proptest::collection::vec(1_usize..400, 1..60), shift in 0_usize..300) {
            let line = with_pauses(&"159#".chars().map(|key| tone(key, 70)).collect::<Vec<_>>(), 70, shift);
            let (mut detector, mut keys, mut rest) = (DtmfDetector::new(), String::new(), &line[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                keys.extend(detector.push(now));
                rest = later;
            }
            prop_assert_eq!(keys, "159#");
        }
    }
}
