//! Sound of an exchange to and from the 8 kHz samples of the call.
//! Promise: one stream each way keeps its filter from message to message; nothing a peer sends can make
//! it fail, half a sample at the end of a message is dropped and told.

use crate::base::audio::LINE_RATE;
use crate::base::g711;
use crate::base::resample::{ResampleError, Resampler};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 8 kHz, one byte a sample.
    Ulaw,
    Alaw,
    /// 16-bit samples, little-endian, `rate` a second.
    Slin {
        rate: u32,
    },
}

impl Format {
    /// By Asterisk's names.
    pub fn named(name: &str) -> Option<Self> {
        let rate = match name {
            "ulaw" | "mulaw" | "pcmu" => return Some(Self::Ulaw),
            "alaw" | "pcma" => return Some(Self::Alaw),
            "slin" | "slin8" => 8_000,
            "slin12" => 12_000,
            "slin16" => 16_000,
            "slin24" => 24_000,
            "slin32" => 32_000,
            "slin44" => 44_100,
            "slin48" => 48_000,
            _ => return None,
        };
        Some(Self::Slin { rate })
    }

    pub const fn rate(self) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw => LINE_RATE,
            Self::Slin { rate } => rate,
        }
    }

    /// Bytes of 20 ms.
    pub const fn frame_bytes(self) -> usize {
        match self {
            Self::Ulaw | Self::Alaw => LINE_RATE as usize / 50,
            Self::Slin { rate } => rate as usize / 50 * 2,
        }
    }

    /// The byte of which silence is made.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Ulaw => g711::ULAW_SILENCE,
            Self::Alaw => 0xD5,
            Self::Slin { .. } => 0,
        }
    }
}

#[derive(Debug)]
pub struct Codec {
    format: Format,
    up: Resampler,
    down: Resampler,
    wide: Vec<i16>,
}

impl Codec {
    pub fn new(format: Format) -> Result<Self, ResampleError> {
        let rate = format.rate();
        let (up, down) = (Resampler::new(rate, LINE_RATE)?, Resampler::new(LINE_RATE, rate)?);
        Ok(Self { format, up, down, wide: Vec::new() })
    }

    pub const fn format(&self) -> Format {
        self.format
    }

    /// The peer's bytes as 8 kHz samples, appended to `pcm`; false if half a sample was left over.
    pub fn decode(&mut self, bytes: &[u8], pcm: &mut Vec<i16>) -> bool {
        match self.format {
            Format::Ulaw => pcm.extend(bytes.iter().map(|byte| g711::ulaw_to_pcm(*byte))),
            Format::Alaw => pcm.extend(bytes.iter().map(|byte| g711::alaw_to_pcm(*byte))),
            Format::Slin { .. } => {
                self.wide.clear();
                self.wide.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                self.up.push(&self.wide, pcm);
                return bytes.len().is_multiple_of(2);
            }
        }
        true
    }

    /// 8 kHz samples as bytes for the peer, appended to `bytes`. A few samples stay in the filter until
    /// [`Codec::finish`].
    pub fn encode(&mut self, pcm: &[i16], bytes: &mut Vec<u8>) {
        match self.format {
            Format::Ulaw => g711::encode_ulaw(pcm, bytes),
            Format::Alaw => g711::encode_alaw(pcm, bytes),
            Format::Slin { .. } => {
                self.wide.clear();
                self.down.push(pcm, &mut self.wide);
                bytes.extend(self.wide.iter().flat_map(|sample| sample.to_le_bytes()));
            }
        }
    }

    /// What is left of a sound that ends here.
    pub fn finish(&mut self, bytes: &mut Vec<u8>) {
        self.wide.clear();
        self.down.finish(&mut self.wide);
        bytes.extend(self.wide.iter().flat_map(|sample| sample.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMATS: [&str; 6] = ["ulaw", "alaw", "slin", "slin16", "slin24", "slin48"];

    #[test]
    fn names_are_those_of_asterisk() {
        for (name, expected) in [
            ("ulaw", Some((8_000, 160))),
            ("alaw", Some((8_000, 160))),
            ("slin", Some((8_000, 320))),
            ("slin16", Some((16_000, 640))),
            ("slin48", Some((48_000, 1_920))),
            ("opus", None),
            ("", None),
        ] {
            assert_eq!(Format::named(name).map(|f| (f.rate(), f.frame_bytes())), expected, "{name}");
        }
    }

    #[test]
    fn silence_is_silent() {
        for name in FORMATS {
            let format = Format::named(name).unwrap();
            let mut pcm = Vec::new();
            Codec::new(format).unwrap().decode(&vec![format.silence(); 640], &mut pcm);
            assert!(pcm.iter().all(|sample| sample.abs() <= 8), "{name}");
        }
    }

    proptest! {
        /// Sound goes there and back: as long as before, and about the same where the format lets it.
        #[test]
        fn what_is_encoded_is_decoded(cuts in proptest::collection::vec(1_usize..400, 1..12), which in 0..FORMATS.len()) {
            let format = Format::named(FORMATS[which]).unwrap();
            let (mut ours, mut theirs) = (Codec::new(format).unwrap(), Codec::new(format).unwrap());
            let (mut bytes, mut told, mut pcm) = (Vec::new(), Vec::new(), Vec::new());
            for cut in cuts {
                let from = told.len();
                let part: Vec<i16> = (from..from + cut).map(|n| (8_000.0 * (n as f32 * 0.3).sin()) as i16).collect();
                ours.encode(&part, &mut bytes);
                told.extend(part);
            }
            ours.finish(&mut bytes);
            prop_assert_eq!(bytes.len() * LINE_RATE as usize / format.rate() as usize, told.len() * format.frame_bytes() / (format.rate() as usize / 50));
            prop_assert!(theirs.decode(&bytes, &mut pcm));
            for (n, (a, b)) in told.iter().zip(&pcm).enumerate().skip(80).take(told.len().saturating_sub(200)) {
                prop_assert!((i32::from(*a) - i32::from(*b)).abs() < 900, "{} {} {}", n, a, b);
            }
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), which in 0..FORMATS.len()) {
            let format = Format::named(FORMATS[which]).unwrap();
            let mut pcm = Vec::new();
            let whole = Codec::new(format).unwrap().decode(&bytes, &mut pcm);
            prop_assert_eq!(whole, matches!(format, Format::Ulaw | Format::Alaw) || bytes.len() % 2 == 0);
        }
    }
}
