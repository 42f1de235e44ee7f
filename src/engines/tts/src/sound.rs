//! Sound on its way out: silence trimmed, resampled once, kept below full scale, cut into frames.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use vaani_engine_protocol::desk::Fail;

/// Rates that may be asked for.
pub(crate) const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// Below this (-50 dBFS) the ends of a clause are silence.
const QUIET: f32 = 0.003;
/// Silence left at the ends, so that soft sounds are not cut.
const KEEP_MS: u32 = 15;
/// Peaks above this are brought down with their whole clause.
const PEAK: f32 = 0.97;
/// Milliseconds converted at once.
const CHUNK_MS: u32 = 20;

/// The sound between its silent ends.
pub(crate) fn trimmed(sound: &[f32], rate: u32) -> &[f32] {
    let keep = (rate * KEEP_MS / 1_000) as usize;
    let Some(first) = sound.iter().position(|s| s.abs() > QUIET) else { return &[] };
    let last = sound.iter().rposition(|s| s.abs() > QUIET).unwrap_or(first);
    &sound[first.saturating_sub(keep)..(last + 1 + keep).min(sound.len())]
}

/// Brings a clause below full scale. Quieter clauses keep their level.
pub(crate) fn below_full_scale(sound: &mut [f32]) {
    let mut peak = 0.0_f32;
    for s in sound.iter_mut() {
        if !s.is_finite() {
            *s = 0.0;
        }
        peak = peak.max(s.abs());
    }
    if peak > PEAK {
        let gain = PEAK / peak;
        sound.iter_mut().for_each(|s| *s *= gain);
    }
}

pub(crate) fn to_i16(sample: f32) -> i16 {
    // The cast saturates; a resampler may overshoot a little.
    (sample * 32_767.0).round() as i16
}

/// One conversion for the whole request, so that clauses join without a click.
pub(crate) enum Converter {
    Same,
    Change {
        resampler: Box<Fft<f32>>,
        /// Input that does not fill a chunk yet.
        pending: Vec<f32>,
        output: Vec<f32>,
        /// Samples of the resampler's own delay still to be dropped.
        skip: usize,
        from: u64,
        to: u64,
        taken: u64,
        given: u64,
    },
}

impl Converter {
    pub(crate) fn new(from: u32, to: u32) -> Result<Self, Fail> {
        if from == to {
            return Ok(Self::Same);
        }
        let chunk = (from * CHUNK_MS / 1_000) as usize;
        let resampler = Fft::new(from as usize, to as usize, chunk, 1, FixedSync::Input)
            .map_err(|error| Fail::engine(format!("{from} samples a second do not become {to}: {error}")))?;
        let output = vec![0.0; resampler.output_frames_max()];
        let skip = resampler.output_delay();
        Ok(Self::Change {
            resampler: Box::new(resampler),
            pending: Vec::new(),
            output,
            skip,
            from: u64::from(from),
            to: u64::from(to),
            taken: 0,
            given: 0,
        })
    }

    /// Converts `sound`; a part of it comes out with the next call.
    pub(crate) fn push(&mut self, sound: &[f32], out: &mut Vec<i16>) -> Result<(), Fail> {
        match self {
            Self::Same => out.extend(sound.iter().copied().map(to_i16)),
            Self::Change { pending, taken, .. } => {
                pending.extend_from_slice(sound);
                *taken += sound.len() as u64;
                self.convert(out, u64::MAX)?;
            }
        }
        Ok(())
    }

    /// Gives out the rest: in all exactly as long as what came in.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) -> Result<(), Fail> {
        let Self::Change { from, to, taken, .. } = self else { return Ok(()) };
        let wanted = (*taken * *to).div_ceil(*from);
        loop {
            let Self::Change { pending, resampler, given, .. } = self else { return Ok(()) };
            if *given >= wanted {
                return Ok(());
            }
            let fill = resampler.input_frames_next();
            pending.resize(pending.len().next_multiple_of(fill).max(fill), 0.0);
            self.convert(out, wanted)?;
        }
    }

    fn convert(&mut self, out: &mut Vec<i16>, wanted: u64) -> Result<(), Fail> {
        let Self::Change { resampler, pending, output, skip, given, .. } = self else { return Ok(()) };
        let failed = |error: String| Fail::engine(format!("the sound could not be resampled: {error}"));
        let mut at = 0;
        while pending.len() - at >= resampler.input_frames_next() {
            let take = resampler.input_frames_next();
            let room = output.len();
            let input = InterleavedSlice::new(&pending[at..at + take], 1, take).map_err(|e| failed(e.to_string()))?;
            let mut place = InterleavedSlice::new_mut(output, 1, room).map_err(|e| failed(e.to_string()))?;
            let (_, made) =
                resampler.process_into_buffer(&input, &mut place, None).map_err(|e| failed(e.to_string()))?;
            at += take;
            let drop = (*skip).min(made);
            *skip -= drop;
            let fits = usize::try_from(wanted - *given).unwrap_or(usize::MAX).min(made - drop);
            out.extend(output[drop..drop + fits].iter().copied().map(to_i16));
            *given += fits as u64;
        }
        pending.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| 0.5 * (i as f32 * hz * std::f32::consts::TAU / rate as f32).sin()).collect()
    }

    #[test]
    fn every_rate_becomes_every_other_in_pieces_of_any_size() {
        for from in [16_000, 22_050, 24_000] {
            for to in RATES {
                let sound = tone(from, 440.0, from as usize);
                let mut converter = Converter::new(from, to).unwrap();
                let mut out = Vec::new();
                for piece in sound.chunks(777) {
                    converter.push(piece, &mut out).unwrap();
                }
                converter.finish(&mut out).unwrap();
                assert_eq!(out.len(), to as usize, "{from} to {to}");
                // The tone is still there, at its level and in its place (to half a sample).
                let expected = tone(to, 440.0, to as usize);
                let middle = to as usize / 4..to as usize * 3 / 4;
                let error: f32 =
                    middle.clone().map(|i| (f32::from(out[i]) / 32_767.0 - expected[i]).abs()).fold(0.0, f32::max);
                assert!(error < 0.07, "{from} to {to}: {error}");
            }
        }
    }

    #[test]
    fn what_the_line_cannot_carry_is_filtered_out() {
        let mut converter = Converter::new(22_050, 8_000).unwrap();
        let mut out = Vec::new();
        converter.push(&tone(22_050, 6_000.0, 22_050), &mut out).unwrap();
        converter.finish(&mut out).unwrap();
        let most = out[1_000..7_000].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(most < 164, "an alias above -46 dB: {most}");
    }

    #[test]
    fn silence_is_trimmed_and_peaks_are_brought_down() {
        let mut sound = vec![0.0; 4_000];
        sound.extend(tone(16_000, 300.0, 1_600).iter().map(|s| s * 4.0));
        sound.extend([0.0, f32::NAN, f32::INFINITY, 0.0]);
        below_full_scale(&mut sound);
        assert!(sound.iter().all(|s| s.abs() <= PEAK));
        let kept = trimmed(&sound, 16_000);
        assert!((1_600..2_100).contains(&kept.len()), "{}", kept.len());
        assert!(trimmed(&[0.0; 100], 16_000).is_empty());
        assert_eq!((to_i16(1.5), to_i16(-1.5)), (i16::MAX, i16::MIN));
    }
}
