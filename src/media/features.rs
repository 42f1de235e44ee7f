//! What the energy gate and its companions measure of a frame: level without rumble, the noise
//! floor, whether a voice's pitch is in it, whether it is nothing but tones.
//! Promise: every measure is bounded, costs at most a few thousand multiplications and is finite for
//! any input. Absent on purpose: decisions (see [`super::activity`]).

use std::collections::VecDeque;

use crate::base::audio::{LINE_FRAME, LINE_RATE};

/// The last 40 ms at 8 kHz, rumble and mains hum taken out (second order high-pass, 200 Hz).
#[derive(Debug)]
pub(super) struct Sound {
    filtered: [f32; 2 * LINE_FRAME],
    x: [f32; 2],
    y: [f32; 2],
}

impl Default for Sound {
    fn default() -> Self {
        Self { filtered: [0.0; 2 * LINE_FRAME], x: [0.0; 2], y: [0.0; 2] }
    }
}

impl Sound {
    const B: [f32; 3] = [0.894_858_6, -1.789_717_2, 0.894_858_6];
    const A: [f32; 2] = [-1.778_631_8, 0.800_802_65];

    /// Takes a frame in, every `stride`th sample of it; its level in dBFS.
    pub(super) fn push(&mut self, frame: &[i16], stride: usize) -> f32 {
        let count = frame.len().div_ceil(stride).min(self.filtered.len());
        self.filtered.copy_within(count.., 0);
        let fresh = self.filtered.len() - count;
        let mut sum = 0.0_f32;
        for (slot, sample) in self.filtered[fresh..].iter_mut().zip(frame.iter().step_by(stride)) {
            let x = f32::from(*sample);
            let y = Self::B[0] * x + Self::B[1] * self.x[0] + Self::B[2] * self.x[1]
                - Self::A[0] * self.y[0]
                - Self::A[1] * self.y[1];
            self.x = [x, self.x[0]];
            self.y = [y, self.y[0]];
            *slot = y;
            sum += y * y;
        }
        let power = sum / count.max(1) as f32 / (32_768.0 * 32_768.0);
        10.0 * power.max(1e-12).log10()
    }

    /// How periodic the 40 ms are at a pitch of 66 to 400 Hz, 0 to 1: noise stays under 0.45,
    /// voices are mostly over 0.7 and, in noise 5 dB below them, over 0.6.
    pub(super) fn voicing(&self) -> f32 {
        const SHORTEST: usize = LINE_RATE as usize / 2 / 400;
        const LONGEST: usize = LINE_RATE as usize / 2 / 66 + 2;
        // Half the rate is enough for pitch and a quarter of the work.
        let mut half = [0.0_f32; LINE_FRAME];
        for (slot, pair) in half.iter_mut().zip(self.filtered.chunks_exact(2)) {
            *slot = pair[0] + pair[1];
        }
        let now = &half[LONGEST..];
        let own: f32 = now.iter().map(|x| x * x).sum();
        let mut energy: f32 = half[LONGEST - SHORTEST..][..now.len()].iter().map(|x| x * x).sum();
        let mut best = 0.0_f32;
        for lag in SHORTEST..=LONGEST {
            let from = LONGEST - lag;
            let product: f32 = now.iter().zip(&half[from..]).map(|(a, b)| a * b).sum();
            best = best.max(product / (energy.max(0.0) * own + 1.0).sqrt());
            if let Some(next) = from.checked_sub(1) {
                energy += half[next] * half[next] - half[next + now.len()] * half[next + now.len()];
            }
        }
        best
    }

    /// What a predictor of sixth order cannot tell of the last 20 ms, in decibels of their energy:
    /// up to three pure tones are told almost wholly (-25 and less), speech rarely below -20.
    pub(super) fn unpredictable_db(&self) -> f32 {
        const ORDER: usize = 6;
        let x = &self.filtered[LINE_FRAME..];
        let n = x.len();
        let mut r = [[0.0_f64; ORDER + 1]; ORDER + 1];
        for j in 0..=ORDER {
            let sum: f32 = x[ORDER..].iter().zip(&x[ORDER - j..]).map(|(a, b)| a * b).sum();
            r[0][j] = f64::from(sum);
            r[j][0] = r[0][j];
        }
        // The other rows of the covariance differ from the first by the samples at the ends.
        for i in 0..ORDER {
            for j in i..ORDER {
                let gained = f64::from(x[ORDER - 1 - i]) * f64::from(x[ORDER - 1 - j]);
                let lost = f64::from(x[n - 1 - i]) * f64::from(x[n - 1 - j]);
                r[i + 1][j + 1] = r[i][j] + gained - lost;
                r[j + 1][i + 1] = r[i + 1][j + 1];
            }
        }
        let energy = r[0][0] + 1.0;
        // Eliminating the past samples one by one leaves what they cannot explain.
        for k in (1..=ORDER).rev() {
            let known = r[k];
            let pivot = known[k].max(0.0) + 1.0;
            for row in r.iter_mut().take(k) {
                let part = row[k] / pivot;
                row.iter_mut().zip(&known).take(k).for_each(|(slot, known)| *slot -= part * known);
            }
        }
        (10.0 * (r[0][0].max(0.0) / energy).max(1e-6).log10()) as f32
    }
}

/// The noise floor by minimum statistics: the quietest moment of the last two seconds is noise.
#[derive(Debug)]
pub(super) struct Floor {
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
    /// A caller may speak in the very first frame: in the first second no line is noisier than this.
    const FIRST_DBFS: f32 = -50.0;

    /// Takes a frame's level in; the floor in dBFS.
    pub(super) fn track(&mut self, level: f32) -> f32 {
        let smooth = self.smooth.map_or(level, |before| before + 0.4 * (level - before));
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
        if self.windows.len() < Self::WINDOWS / 2 { lowest.min(Self::FIRST_DBFS) } else { lowest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dtmf;
    use crate::media::noise::{Colour, Noise};

    /// A crude voice: a pulse train through two resonances.
    fn vowel(pitch: usize, samples: usize) -> Vec<i16> {
        let (mut a, mut b) = ([0.0_f32; 2], [0.0_f32; 2]);
        (0..samples)
            .map(|n| {
                let pulse = if n % (LINE_RATE as usize / pitch) == 0 { 4_000.0 } else { 0.0 };
                let y = pulse + 1.6 * a[0] - 0.88 * a[1];
                a = [y, a[0]];
                let z = y + 0.4 * b[0] - 0.8 * b[1];
                b = [z, b[0]];
                z.clamp(-32_000.0, 32_000.0) as i16
            })
            .collect()
    }

    fn measured(pcm: &[i16]) -> (f32, f32) {
        let mut sound = Sound::default();
        let mut all: Vec<(f32, f32)> = pcm
            .chunks_exact(LINE_FRAME)
            .map(|frame| {
                sound.push(frame, 1);
                (sound.voicing(), sound.unpredictable_db())
            })
            .collect();
        let middle = all.len() / 2;
        all.swap_remove(middle)
    }

    #[test]
    fn voices_noise_and_tones_differ() {
        for pitch in [80, 120, 200, 300] {
            let (voicing, rest) = measured(&vowel(pitch, 3_200));
            assert!(voicing > 0.7 && rest > -20.0, "vowel at {pitch} Hz: {voicing} {rest}");
        }
        for colour in [Colour::White, Colour::Pink] {
            let (voicing, rest) = measured(&Noise::new(colour, 1).take(3_200, -30.0));
            assert!(voicing < 0.5 && rest > -5.0, "{colour:?}: {voicing} {rest}");
        }
        for key in "15#D".chars() {
            let (_, rest) = measured(&dtmf::tone(key, 400));
            assert!(rest < -30.0, "key {key}: {rest}");
        }
    }

    #[test]
    fn extremes_stay_finite() {
        let square: Vec<i16> = (0..3_200).map(|n| if n / 7 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        for pcm in [vec![0; 3_200], vec![i16::MIN; 3_200], square, vec![1; 3_200]] {
            let (voicing, rest) = measured(&pcm);
            assert!((0.0..=1.01).contains(&voicing) && rest.is_finite() && rest <= 0.1, "{voicing} {rest}");
        }
        let mut sound = Sound::default();
        for length in [0, 1, 159, 161, 320, 5_000] {
            assert!(sound.push(&vec![1_000; length], 1).is_finite());
            assert!(sound.push(&vec![1_000; length], 2).is_finite());
        }
    }

    #[test]
    fn the_floor_follows_noise_and_not_speech() {
        let mut floor = Floor::default();
        let mut at = |level: f32, frames: usize| (0..frames).fold(0.0, |_, _| floor.track(level));
        assert_eq!(at(-20.0, 5), -50.0, "speech from the first frame is no floor");
        assert!((at(-60.0, 10) + 58.5).abs() < 2.0);
        assert!((at(-20.0, 60) + 58.5).abs() < 2.0, "1.2 s of speech do not raise it");
        assert!((at(-40.0, 150) + 38.5).abs() < 0.1, "three seconds of more noise do");
        assert!((at(-60.0, 10) + 58.5).abs() < 2.0, "and it falls at once");
    }
}
