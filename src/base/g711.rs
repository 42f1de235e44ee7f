//! G.711: the two companding laws of telephone audio (ITU-T G.711), one byte a sample.
//! Here and not in a room of its own because carriers' frames and files both speak it.

const fn ulaw_decoded(byte: u8) -> i16 {
    let code = !byte;
    let magnitude = ((((code & 0x0F) as i16) << 3) + 0x84) << ((code & 0x70) >> 4);
    if code & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }
}

const fn alaw_decoded(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = (code & 0x70) >> 4;
    let base = ((code & 0x0F) as i16) << 4;
    let magnitude = match segment {
        0 => base + 8,
        _ => (base + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn table(alaw: bool) -> [i16; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        out[i] = if alaw { alaw_decoded(i as u8) } else { ulaw_decoded(i as u8) };
        i += 1;
    }
    out
}

static ULAW: [i16; 256] = table(false);
static ALAW: [i16; 256] = table(true);

/// Silence in mu-law.
pub const ULAW_SILENCE: u8 = 0xFF;

pub fn ulaw_to_pcm(byte: u8) -> i16 {
    ULAW[usize::from(byte)]
}

pub fn alaw_to_pcm(byte: u8) -> i16 {
    ALAW[usize::from(byte)]
}

pub const fn pcm_to_ulaw(sample: i16) -> u8 {
    const CLIP: i32 = 32_635;
    const BIAS: i32 = 0x84;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let loud = (sample as i32).abs();
    let biased = (if loud > CLIP { CLIP } else { loud }) + BIAS;
    // `biased` is 132..=32767, so its top bit is 7..=14 and the segment 0..=7.
    let segment = 24 - biased.leading_zeros();
    let mantissa = (biased >> (segment + 3)) & 0x0F;
    !(sign | ((segment as u8) << 4) | mantissa as u8)
}

pub const fn pcm_to_alaw(sample: i16) -> u8 {
    // One's complement for negatives, as in the reference code, so that both sides have 2^15 levels.
    let (sign, loud) = if sample >= 0 { (0x80, sample as u32) } else { (0, !sample as u32) };
    let code = if loud < 256 {
        loud >> 4
    } else {
        // `loud` is 256..=32767: top bit 8..=14, segment 1..=7.
        let segment = 24 - loud.leading_zeros();
        (segment << 4) | ((loud >> (segment + 3)) & 0x0F)
    };
    (sign | code as u8) ^ 0x55
}

pub fn decode_ulaw(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|b| ulaw_to_pcm(*b)).collect()
}

pub fn decode_alaw(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|b| alaw_to_pcm(*b)).collect()
}

/// Appends the samples to `out`.
pub fn encode_ulaw(samples: &[i16], out: &mut Vec<u8>) {
    out.extend(samples.iter().map(|s| pcm_to_ulaw(*s)));
}

/// Appends the samples to `out`.
pub fn encode_alaw(samples: &[i16], out: &mut Vec<u8>) {
    out.extend(samples.iter().map(|s| pcm_to_alaw(*s)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_code_words() {
        for (byte, pcm) in [(0xFF, 0), (0x7F, 0), (0x00, -32_124), (0x80, 32_124), (0xFE, 8), (0x7E, -8)] {
            assert_eq!(ulaw_to_pcm(byte), pcm, "mu-law {byte:#04x}");
        }
        for (byte, pcm) in [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x2A, -32_256), (0xD4, 24)] {
            assert_eq!(alaw_to_pcm(byte), pcm, "A-law {byte:#04x}");
        }
        assert_eq!(pcm_to_ulaw(0), ULAW_SILENCE);
        assert_eq!(pcm_to_ulaw(i16::MIN), 0x00);
        assert_eq!(pcm_to_ulaw(i16::MAX), 0x80);
        assert_eq!(pcm_to_alaw(0), 0xD5);
        assert_eq!(pcm_to_alaw(i16::MIN), 0x2A);
    }

    #[test]
    fn every_code_word_survives_decoding_and_encoding() {
        for byte in 0..=255_u8 {
            // Mu-law has two zeros; the encoder writes the positive one.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(pcm_to_ulaw(ulaw_to_pcm(byte)), expected, "mu-law {byte:#04x}");
            assert_eq!(pcm_to_alaw(alaw_to_pcm(byte)), byte, "A-law {byte:#04x}");
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let loud = i32::from(sample).abs();
            // The step doubles with each segment; mu-law's finest is 8, A-law's 16.
            let ulaw_step = 8 << (24 - (loud.min(32_635) + 132).leading_zeros());
            let alaw_step = if loud < 512 { 16 } else { 16 << (23 - loud.min(32_767).leading_zeros()) };
            let clipped = i32::from(sample).clamp(-32_635, 32_635);
            assert!((i32::from(ulaw_to_pcm(pcm_to_ulaw(sample))) - clipped).abs() <= ulaw_step, "mu-law {sample}");
            assert!(
                (i32::from(alaw_to_pcm(pcm_to_alaw(sample))) - i32::from(sample)).abs() <= alaw_step,
                "A-law {sample}"
            );
        }
    }
}
