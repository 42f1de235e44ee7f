//! Changes the sample rate, once, between the line, recognition and voices.
//! Promise: any input length, streamed; the filter's delay is taken out, so that sample n of the
//! output belongs to the same instant as sample n·from/to of the input; after `finish` the length
//! is exact. Nothing wraps: what would clip is clamped.
//!
//! Synchronous FFT resampling (rubato) in blocks of 10 ms where the two rates allow it (8, 16, 24,
//! 32, 44.1, 48 kHz among each other): flat to 3.4 kHz at a line rate of 8 kHz, images and aliases
//! below -140 dB, 5 ms held back, about 11 KB for 8 → 16 kHz. The 22.05 kHz family has blocks of
//! 20 ms (10 ms held back); rates with next to nothing in common go through a sinc interpolator.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, Fft, FixedAsync, FixedSync, SincInterpolationParameters, SincInterpolationType, WindowFunction};

/// Rates a resampler accepts, samples a second.
pub const RATES: std::ops::RangeInclusive<u32> = 2_000..=384_000;

/// Longest block of the FFT resampler, milliseconds; rates that need more are interpolated.
const BLOCK_MAX_MS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResampleError {
    #[error("{from} to {to} samples a second is outside what can be resampled")]
    Rate { from: u32, to: u32 },
}

/// One stream on its way from one rate to another.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` when the rates are equal.
    engine: Option<Box<dyn rubato::Resampler<f32>>>,
    /// Input waiting for a full block.
    pending: Vec<f32>,
    made: Vec<f32>,
    /// Output frames still to be dropped: the filter's delay.
    skip: usize,
    taken: u64,
    given: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} to {})", self.from, self.to)
    }
}

impl Resampler {
    pub fn new(from: u32, to: u32) -> Result<Self, ResampleError> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(ResampleError::Rate { from, to });
        }
        let engine = if from == to { None } else { Some(engine(from, to).ok_or(ResampleError::Rate { from, to })?) };
        let (block, made, skip) = match &engine {
            Some(e) => (e.input_frames_max(), e.output_frames_max(), e.output_delay()),
            None => (0, 0, 0),
        };
        Ok(Self {
            from,
            to,
            engine,
            pending: Vec::with_capacity(block),
            made: vec![0.0; made],
            skip,
            taken: 0,
            given: 0,
        })
    }

    /// Appends what is ready.
    pub fn push(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        self.taken += pcm.len() as u64;
        if self.engine.is_none() {
            out.extend_from_slice(pcm);
            return;
        }
        self.feed(pcm, u64::MAX, out);
    }

    /// Appends the rest and makes the resampler new again.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        let Some(engine) = &self.engine else { return };
        let due = resampled_len(self.taken, self.from, self.to);
        // The delay is shorter than a block, so that a few blocks of silence push everything out.
        let silence = vec![0; engine.input_frames_max()];
        while self.given < due {
            self.feed(&silence, due, out);
        }
        self.pending.clear();
        self.taken = 0;
        self.given = 0;
        if let Some(engine) = &mut self.engine {
            engine.reset();
            self.skip = engine.output_delay();
        }
    }

    fn feed(&mut self, mut pcm: &[i16], at_most: u64, out: &mut Vec<i16>) {
        let Some(engine) = self.engine.as_mut() else { return };
        loop {
            let wanted = engine.input_frames_next() - self.pending.len();
            let (now, later) = pcm.split_at(wanted.min(pcm.len()));
            self.pending.extend(now.iter().map(|s| f32::from(*s)));
            pcm = later;
            if now.len() < wanted {
                return;
            }
            let made = run(engine.as_mut(), &self.pending, &mut self.made);
            self.pending.clear();
            let skipped = self.skip.min(made);
            self.skip -= skipped;
            let room = usize::try_from(at_most.saturating_sub(self.given)).unwrap_or(usize::MAX);
            let ready = &self.made[skipped..made];
            let ready = &ready[..ready.len().min(room)];
            // The cast saturates.
            out.extend(ready.iter().map(|s| (s + 0.5_f32.copysign(*s)) as i16));
            self.given += ready.len() as u64;
        }
    }
}

/// A whole recording at once; as long as it lasted before. Empty if a rate is outside [`RATES`].
pub fn convert(pcm: &[i16], from: u32, to: u32) -> Vec<i16> {
    let Ok(mut resampler) = Resampler::new(from, to) else { return Vec::new() };
    let mut out = Vec::with_capacity(resampled_len(pcm.len() as u64, from, to) as usize);
    resampler.push(pcm, &mut out);
    resampler.finish(&mut out);
    out
}

/// Samples that `len` samples become, to the nearest.
fn resampled_len(len: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u128::from(from), u128::from(to));
    u64::try_from((u128::from(len) * to + from / 2) / from).unwrap_or(u64::MAX)
}

fn engine(from: u32, to: u32) -> Option<Box<dyn rubato::Resampler<f32>>> {
    let (from, to) = (from as usize, to as usize);
    let smallest = from / gcd(from, to);
    if smallest * 1000 <= from * BLOCK_MAX_MS {
        let block = smallest * (from / 100).div_ceil(smallest).max(1);
        let fft = Fft::new_custom(from, to, block, 1, 1, WindowFunction::Hann2, FixedSync::Both).ok()?;
        return Some(Box::new(fft));
    }
    let parameters = SincInterpolationParameters::new(128, WindowFunction::BlackmanHarris2)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Quadratic);
    let sinc =
        Async::new_sinc(to as f64 / from as f64, 1.0, &parameters, (from / 100).max(16), 1, FixedAsync::Input).ok()?;
    Some(Box::new(sinc))
}

/// One full block; the number of frames made.
fn run(engine: &mut dyn rubato::Resampler<f32>, block: &[f32], made: &mut [f32]) -> usize {
    let frames = made.len();
    let (Ok(input), Ok(mut output)) =
        (InterleavedSlice::new(block, 1, block.len()), InterleavedSlice::new_mut(made, 1, frames))
    else {
        unreachable!("a slice holds as many frames of one channel as it is long");
    };
    match engine.process_into_buffer(&input, &mut output, None) {
        Ok((_, written)) => written,
        Err(error) => unreachable!("a full block is always taken: {error}"),
    }
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn sine(hz: f64, rate: u32, samples: usize, amplitude: f64) -> Vec<i16> {
        (0..samples).map(|n| (amplitude * (TAU * hz * n as f64 / f64::from(rate)).sin()) as i16).collect()
    }

    /// Level of `hz` in the middle of `pcm`, relative to a sine of `amplitude`, in decibels.
    fn level(pcm: &[i16], hz: f64, rate: u32, amplitude: f64) -> f64 {
        let middle = &pcm[pcm.len() / 4..pcm.len() * 3 / 4];
        let n = middle.len() as f64;
        let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
        for (i, s) in middle.iter().enumerate() {
            let window = 0.5 - 0.5 * (TAU * i as f64 / n).cos();
            let phase = TAU * hz * i as f64 / f64::from(rate);
            re += window * f64::from(*s) * phase.cos();
            im += window * f64::from(*s) * phase.sin();
            weight += window;
        }
        20.0 * (2.0 * re.hypot(im) / weight / amplitude).max(1e-9).log10()
    }

    #[test]
    fn speech_band_passes_and_nothing_folds() {
        for (from, to) in [(8_000, 16_000), (16_000, 8_000), (22_050, 8_000), (24_000, 8_000), (48_000, 16_000)] {
            for hz in [100.0, 1_000.0, 3_000.0, 3_400.0] {
                let out = convert(&sine(hz, from, from as usize, 10_000.0), from, to);
                let passed = level(&out, hz, to, 10_000.0);
                assert!(passed.abs() < 0.5, "{from} to {to}: {hz} Hz at {passed:.1} dB");
                // The image (going up) must not be there.
                if to > from {
                    let image = level(&out, f64::from(from) - hz, to, 10_000.0);
                    assert!(image < -65.0, "{from} to {to}: image of {hz} Hz at {image:.1} dB");
                }
            }
            // What does not fit under the new half rate must be gone, not folded.
            if to < from {
                for hz in [f64::from(to) * 0.55, f64::from(to) * 0.8] {
                    let out = convert(&sine(hz, from, from as usize, 10_000.0), from, to);
                    let folded = level(&out, f64::from(to) - hz, to, 10_000.0);
                    assert!(folded < -65.0, "{from} to {to}: {hz} Hz folds at {folded:.1} dB");
                }
            }
        }
    }

    #[test]
    fn one_shot_is_aligned_and_exact() {
        for (from, to) in
            [(8_000, 16_000), (16_000, 8_000), (22_050, 8_000), (44_100, 16_000), (11_025, 8_000), (8_001, 16_000)]
        {
            let mut pcm = vec![0_i16; from as usize / 2];
            let at = from as usize / 5;
            pcm[at..at + from as usize / 1000].fill(12_000);
            let out = convert(&pcm, from, to);
            assert_eq!(out.len() as u64, resampled_len(pcm.len() as u64, from, to));
            let energy: f64 = out.iter().map(|s| f64::from(*s).powi(2)).sum();
            let centre: f64 =
                out.iter().enumerate().map(|(i, s)| i as f64 * f64::from(*s).powi(2)).sum::<f64>() / energy;
            let seconds = centre / f64::from(to);
            assert!((seconds - 0.2005).abs() < 0.000_2, "{from} to {to}: the click sits at {seconds:.5} s");
        }
    }

    #[test]
    fn loud_input_is_clamped_not_wrapped() {
        let square: Vec<i16> = (0..8_000).map(|n| if n / 10 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = convert(&square, 8_000, 16_000);
        // In the middle of each half period the sign is the input's.
        for (n, s) in square.iter().enumerate().filter(|(n, _)| n % 10 == 5).skip(5) {
            assert_eq!(out[2 * n].signum(), s.signum(), "sample {n}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for (from, to) in [(0, 8_000), (8_000, 0), (1, 1), (u32::MAX, 8_000)] {
            assert!(Resampler::new(from, to).is_err());
            assert!(convert(&[1, 2, 3], from, to).is_empty());
        }
    }

    #[test]
    fn twenty_millisecond_frames_hold_back_five() {
        let mut up = Resampler::new(8_000, 16_000).unwrap();
        let mut out = Vec::new();
        for frame in 1..=50 {
            up.push(&[0; 160], &mut out);
            assert_eq!(out.len(), frame * 320 - 80);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn chunks_make_no_difference(
            pcm in proptest::collection::vec(any::<i16>(), 0..3_000),
            cuts in proptest::collection::vec(0_usize..700, 1..40),
            rates in proptest::sample::select(vec![(8_000, 16_000), (16_000, 8_000), (22_050, 16_000), (8_000, 8_000), (12_345, 8_000)]),
        ) {
            let (from, to) = rates;
            let mut resampler = Resampler::new(from, to).unwrap();
            // A resampler that was finished is as good as new.
            for _ in 0..2 {
                let (mut out, mut rest) = (Vec::new(), &pcm[..]);
                for cut in &cuts {
                    let (now, later) = rest.split_at((*cut).min(rest.len()));
                    resampler.push(now, &mut out);
                    rest = later;
                }
                resampler.push(rest, &mut out);
                resampler.finish(&mut out);
                prop_assert_eq!(&out, &convert(&pcm, from, to));
            }
        }
    }
}
