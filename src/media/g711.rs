//! G.711 on whole buffers, appending, for streams that keep their buffers. The two laws themselves
//! are words of [`crate::base::g711`], because carriers' frames speak them too.
//! Promise: every code decodes and encodes back to itself, except mu-law's negative zero (0x7F),
//! which comes back as the positive one (0xFF).

use crate::base::g711::{alaw_to_pcm, ulaw_to_pcm};
pub use crate::base::g711::{encode_alaw, encode_ulaw};

/// Appends one sample for each mu-law code.
pub fn decode_ulaw(codes: &[u8], out: &mut Vec<i16>) {
    out.extend(codes.iter().map(|code| ulaw_to_pcm(*code)));
}

/// Appends one sample for each A-law code.
pub fn decode_alaw(codes: &[u8], out: &mut Vec<i16>) {
    out.extend(codes.iter().map(|code| alaw_to_pcm(*code)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ulaw(samples: &[i16]) -> Vec<i16> {
        let (mut codes, mut out) = (Vec::new(), Vec::new());
        encode_ulaw(samples, &mut codes);
        decode_ulaw(&codes, &mut out);
        out
    }

    fn alaw(samples: &[i16]) -> Vec<i16> {
        let (mut codes, mut out) = (Vec::new(), Vec::new());
        encode_alaw(samples, &mut codes);
        decode_alaw(&codes, &mut out);
        out
    }

    #[test]
    fn every_code_survives() {
        let codes: Vec<u8> = (0..=255).collect();
        let (mut samples, mut back) = (Vec::new(), Vec::new());
        decode_ulaw(&codes, &mut samples);
        encode_ulaw(&samples, &mut back);
        let expected: Vec<u8> = codes.iter().map(|c| if *c == 0x7F { 0xFF } else { *c }).collect();
        assert_eq!(back, expected);

        samples.clear();
        back.clear();
        decode_alaw(&codes, &mut samples);
        encode_alaw(&samples, &mut back);
        assert_eq!(back, codes);
    }

    /// No sample is further from its code than half the widest step beside that code, plus the bits
    /// the law does not look at. Only what lies beyond the last code is.
    #[test]
    fn no_sample_is_further_off_than_half_a_step() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        for (name, law, coded, blind) in
            [("mu-law", ulaw_to_pcm as fn(u8) -> i16, ulaw(&all), 4), ("A-law", alaw_to_pcm, alaw(&all), 16)]
        {
            let mut levels: Vec<i32> = (0..=255).map(|code| i32::from(law(code))).collect();
            levels.sort_unstable();
            levels.dedup();
            for (sample, chosen) in all.iter().zip(coded) {
                let (sample, chosen) = (i32::from(*sample), i32::from(chosen));
                let at = levels.binary_search(&chosen).unwrap();
                let outermost = at == 0 || at == levels.len() - 1;
                if outermost && sample.abs() > chosen.abs() {
                    continue;
                }
                let below = at.checked_sub(1).map_or(0, |b| chosen - levels[b]);
                let above = levels.get(at + 1).map_or(0, |a| a - chosen);
                let error = (sample - chosen).abs();
                assert!(2 * error <= below.max(above) + 2 * blind, "{name} {sample} became {chosen}");
            }
        }
    }

    proptest! {
        #[test]
        fn coding_twice_changes_nothing_more(samples: Vec<i16>) {
            let once = ulaw(&samples);
            prop_assert_eq!(once.len(), samples.len());
            prop_assert_eq!(ulaw(&once), once);
            let once = alaw(&samples);
            prop_assert_eq!(alaw(&once), once);
        }

        #[test]
        fn order_is_kept(a: i16, b: i16) {
            let (low, high) = (a.min(b), a.max(b));
            let u = ulaw(&[low, high]);
            prop_assert!(u[0] <= u[1]);
            let l = alaw(&[low, high]);
            prop_assert!(l[0] <= l[1]);
        }
    }
}
