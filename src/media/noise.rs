//! Noise made to order, for rehearsals on a bad line, comfort noise and tests.
//! Promise: the same seed gives the same sound. Absent on purpose: taking noise away.

use std::f32::consts::TAU;

use crate::base::audio::{LINE_RATE, rms};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Equal power at all frequencies: hiss.
    White,
    /// Power falls with frequency: rooms, traffic, fans.
    Pink,
    /// Mains: 50 Hz with its harmonics and a little hiss.
    Hum,
    /// A typist: short bursts, two to eight a second.
    Keys,
}

/// An endless noise at 8 kHz.
#[derive(Debug)]
pub struct Noise {
    colour: Colour,
    random: fastrand::Rng,
    /// Pink filter's memory.
    poles: [f32; 3],
    place: u64,
    /// Samples to the next key stroke, and what is left of the present one.
    stroke: (usize, f32),
}

impl Noise {
    pub fn new(colour: Colour, seed: u64) -> Self {
        Self { colour, random: fastrand::Rng::with_seed(seed), poles: [0.0; 3], place: 0, stroke: (800, 0.0) }
    }

    /// The next samples at a level in dBFS (for key strokes that of the strokes' peaks).
    pub fn take(&mut self, samples: usize, level_dbfs: f32) -> Vec<i16> {
        let gain = 32_768.0 * from_db(level_dbfs);
        (0..samples).map(|_| (self.step() * gain).clamp(-32768.0, 32767.0) as i16).collect()
    }

    /// One sample of unit power.
    fn step(&mut self) -> f32 {
        // The sum of three uniform values is near enough to a bell and has variance 1 like this.
        let white = (0..3).map(|_| self.random.f32() - 0.5).sum::<f32>() * 2.0;
        self.place += 1;
        match self.colour {
            Colour::White => white,
            Colour::Pink => {
                let [a, b, c] = &mut self.poles;
                *a = 0.99765 * *a + white * 0.099_046;
                *b = 0.963 * *b + white * 0.296_516_4;
                *c = 0.57 * *c + white * 1.052_691_3;
                (*a + *b + *c + white * 0.1848) * 0.329
            }
            Colour::Hum => {
                let phase = TAU * ((self.place * 50) % u64::from(LINE_RATE)) as f32 / LINE_RATE as f32;
                let hum: f32 = [(1.0, 0.9), (2.0, 0.6), (3.0, 0.7), (5.0, 0.4), (7.0, 0.2)]
                    .iter()
                    .map(|(harmonic, part)| part * (phase * harmonic).sin())
                    .sum();
                hum + 0.05 * white
            }
            Colour::Keys => {
                let (wait, left) = &mut self.stroke;
                if *wait == 0 {
                    *left = 1.0;
                    *wait = self.random.usize(LINE_RATE as usize / 8..LINE_RATE as usize / 2);
                }
                *wait -= 1;
                *left *= 0.985;
                white * *left * 0.5
            }
        }
    }
}

/// Sound with noise scaled so that the sound's level is `snr_db` above it. Levels are those of the
/// whole slices; the noise is repeated if it is shorter.
pub fn mix(sound: &[i16], noise: &[i16], snr_db: f32) -> Vec<i16> {
    let gain = rms(sound) / rms(noise).max(1e-3) / from_db(snr_db);
    sound
        .iter()
        .zip(noise.iter().cycle())
        .map(|(s, n)| (f32::from(*s) + f32::from(*n) * gain).clamp(-32768.0, 32767.0) as i16)
        .collect()
}

/// Level of a slice in dBFS, -120 for silence.
pub fn level_dbfs(pcm: &[i16]) -> f32 {
    (20.0 * (rms(pcm) / 32_768.0).max(1e-6).log10()).max(-120.0)
}

/// Amplitude ratio of a level difference.
fn from_db(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// The starter models' evaluation clips: speech in eleven languages at 8 kHz.
#[cfg(test)]
pub(crate) fn clips() -> Vec<(String, Vec<i16>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/starter/stt/eval");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "wav"));
    paths.sort();
    assert!(paths.len() >= 44, "clips are missing");
    paths
        .iter()
        .map(|path| {
            let (rate, pcm) = super::wav::read(&std::fs::read(path).unwrap()).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, super::resample::convert(&pcm, rate, LINE_RATE))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_as_ordered() {
        for colour in [Colour::White, Colour::Pink, Colour::Hum] {
            for level in [-20.0, -45.0] {
                let got = level_dbfs(&Noise::new(colour, 1).take(80_000, level));
                assert!((got - level).abs() < 1.5, "{colour:?} at {level}: {got}");
            }
        }
    }

    #[test]
    fn a_mix_has_the_distance_ordered() {
        let sound = Noise::new(Colour::Pink, 1).take(16_000, -20.0);
        let noise = Noise::new(Colour::White, 2).take(4_000, -50.0);
        for snr in [0.0, 10.0, 20.0] {
            let added: Vec<i16> = mix(&sound, &noise, snr).iter().zip(&sound).map(|(m, s)| m - s).collect();
            let got = level_dbfs(&sound) - level_dbfs(&added);
            assert!((got - snr).abs() < 0.7, "{snr}: {got}");
        }
    }

    #[test]
    fn a_seed_repeats() {
        for colour in [Colour::White, Colour::Pink, Colour::Hum, Colour::Keys] {
            let make = |seed| Noise::new(colour, seed).take(2_000, -20.0);
            assert_eq!(make(5), make(5));
            assert_ne!(make(5), make(6), "{colour:?}");
        }
    }
}
