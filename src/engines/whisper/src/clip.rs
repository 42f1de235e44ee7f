//! An utterance before recognition: is there anything to hear, where is it cut, how much context
//! does the encoder need. Pure.

use std::ops::Range;

pub(crate) const RATE: usize = 16_000;
/// Samples of one encoder position.
const POSITION: usize = 320;
/// Positions beyond the utterance, as the model was trained.
const MARGIN: usize = 8;
/// whisper.cpp's flash attention pads keys and values to this many positions without a mask; only
/// multiples of it keep an utterance free of what the state heard before.
pub(crate) const CONTEXT_STEP: usize = 256;
/// Shorter clips hold no word.
const SHORTEST: usize = RATE / 10;
/// whisper.cpp refuses less than this; shorter clips are padded with silence.
const ENCODER_LEAST: usize = RATE / 5;
/// A clip whose loudest sample stays below this (-54 dBFS) holds no speech on any line.
const AUDIBLE: u16 = 64;
/// The quietest point is looked for in windows of this length ...
const QUIET_WINDOW: usize = RATE / 5;
/// ... in the last part of a piece, this many hundredths of it.
const QUIET_PART: usize = 40;

pub(crate) fn audible(samples: &[i16]) -> bool {
    samples.len() >= SHORTEST && samples.iter().any(|s| s.unsigned_abs() >= AUDIBLE)
}

/// Encoder positions for `samples`: a multiple of [`CONTEXT_STEP`], at most `most`, which is one.
pub(crate) fn context(samples: usize, least: usize, most: usize) -> usize {
    let wanted = (samples.div_ceil(POSITION) + MARGIN).max(least);
    wanted.next_multiple_of(CONTEXT_STEP).min(most)
}

/// The largest context of a model with so many positions (1500 in all Whisper models).
pub(crate) fn context_most(positions: usize) -> usize {
    (positions / CONTEXT_STEP * CONTEXT_STEP).max(CONTEXT_STEP)
}

/// Samples of the longest clip that fits into a context.
pub(crate) fn longest(context: usize) -> usize {
    context.saturating_sub(MARGIN) * POSITION
}

/// Cuts a clip into pieces of at most `longest` samples, each cut at the quietest point of the last
/// part of its piece.
pub(crate) fn pieces(samples: &[i16], longest: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while samples.len() - start > longest {
        let from = start + longest * (100 - QUIET_PART) / 100;
        let end = quietest(&samples[from..start + longest]) + from;
        pieces.push(start..end);
        start = end;
    }
    pieces.push(start..samples.len());
    pieces
}

/// The middle of the quietest window.
fn quietest(samples: &[i16]) -> usize {
    let step = QUIET_WINDOW / 4;
    let mut best = (f64::INFINITY, samples.len());
    for start in (0..samples.len().saturating_sub(QUIET_WINDOW)).step_by(step) {
        let energy: f64 = samples[start..start + QUIET_WINDOW].iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        if energy < best.0 {
            best = (energy, start + QUIET_WINDOW / 2);
        }
    }
    // The start itself would make an empty piece.
    best.1.max(1)
}

/// Samples as the engine takes them.
pub(crate) fn to_float(samples: &[i16]) -> Vec<f32> {
    let mut float: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    if float.len() < ENCODER_LEAST {
        float.resize(ENCODER_LEAST, 0.0);
    }
    float
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_context_is_always_a_multiple_that_flash_attention_does_not_pad() {
        let most = context_most(1500);
        assert_eq!(most, 1280);
        for samples in (0..RATE * 60).step_by(1_111) {
            let context = context(samples, 256, most);
            assert_eq!(context % CONTEXT_STEP, 0, "{samples}");
            assert!(context <= most && (samples > longest(most) || context * POSITION >= samples));
        }
        assert_eq!(context(RATE * 3, 768, most), 768);
        assert_eq!(longest(most), 407_040);
    }

    #[test]
    fn a_long_clip_is_cut_in_its_pause() {
        let mut samples: Vec<i16> = (0..RATE * 40).map(|i| if i % 2 == 0 { 5_000 } else { -5_000 }).collect();
        samples[RATE * 20..RATE * 20 + RATE / 2].fill(3);
        let cut = pieces(&samples, RATE * 25);
        assert_eq!(cut.len(), 2);
        assert!((RATE * 20..RATE * 20 + RATE / 2).contains(&cut[0].end), "{cut:?}");
    }

    proptest! {
        #[test]
        fn pieces_cover_the_clip_and_none_is_too_long(length in 0_usize..200_000, longest in 5_000_usize..60_000) {
            let samples: Vec<i16> = (0..length).map(|i| (i * 7919 % 1000) as i16).collect();
            let cut = pieces(&samples, longest);
            prop_assert_eq!(cut[0].start, 0);
            prop_assert_eq!(cut.last().unwrap().end, length);
            for pair in cut.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
            for piece in cut {
                prop_assert!(piece.len() <= longest && (!piece.is_empty() || length == 0));
            }
        }
    }
}
