//! WAV files as byte slices.
//! Promise: reads what tools and carriers write (8 to 32-bit integer, 32 and 64-bit float, mu-law,
//! A-law, any number of channels mixed to one, streamed files whose length was never filled in) and
//! never panics or allocates beyond the size of the input, whatever the header says.
//! The reader is our own because hound refuses open-ended and G.711 files; hound writes.

use super::resample::RATES;
use crate::base::g711;

/// Bytes of [`head`].
pub const HEAD: usize = 44;

#[derive(Debug, thiserror::Error)]
pub enum WavError {
    #[error("not a WAV file")]
    NotWav,
    #[error("the file has no {0} chunk")]
    Missing(&'static str),
    #[error("{channels} channels at {rate} samples a second make no sense")]
    Shape { channels: u16, rate: u32 },
    #[error("sample format {tag:#06x} with {bits} bits is not supported")]
    Format { tag: u16, bits: u16 },
}

/// The sample rate and the sound, mixed to one channel.
pub fn read(bytes: &[u8]) -> Result<(u32, Vec<i16>), WavError> {
    let (Some(b"RIFF"), Some(b"WAVE")) = (bytes.get(0..4), bytes.get(8..12)) else { return Err(WavError::NotWav) };
    let mut rest = &bytes[12..];
    let mut format = None;
    while let Some((name, len)) = chunk_head(rest) {
        let body = &rest[8..];
        // A length beyond the end (or never filled in) means: what is there.
        let body = &body[..len.min(body.len())];
        match name {
            b"fmt " => format = Some(Format::parse(body).ok_or(WavError::Missing("complete fmt"))?),
            b"data" => {
                let format = format.ok_or(WavError::Missing("fmt"))?;
                return Ok((format.rate, format.decode(body)?));
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        rest = rest.get(8 + len + (len & 1)..).unwrap_or_default();
    }
    Err(WavError::Missing(if format.is_some() { "data" } else { "fmt" }))
}

/// A 16-bit mono file.
pub fn write(rate: u32, pcm: &[i16]) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = std::io::Cursor::new(Vec::with_capacity(44 + pcm.len() * 2));
    let written = hound::WavWriter::new(&mut file, spec).and_then(|mut writer| {
        pcm.iter().try_for_each(|sample| writer.write_sample(*sample))?;
        writer.finalize()
    });
    debug_assert!(written.is_ok(), "a vector takes every byte");
    file.into_inner()
}

/// What stands before `bytes` bytes of 16-bit sound; they must come, and no others after them.
pub fn head(channels: u16, rate: u32, bytes: u32) -> [u8; HEAD] {
    let block = channels * 2;
    let mut head = [0; HEAD];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        head[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(b"RIFF");
    put(&bytes.saturating_add(HEAD as u32 - 8).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate.to_le_bytes());
    put(&(rate * u32::from(block)).to_le_bytes());
    put(&block.to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    head
}

fn chunk_head(bytes: &[u8]) -> Option<(&[u8; 4], usize)> {
    let name = bytes.first_chunk::<4>()?;
    let len = bytes.get(4..8)?.first_chunk::<4>()?;
    Some((name, u32::from_le_bytes(*len) as usize))
}

#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    /// Bytes of one sample, padding included.
    container: usize,
    bits: u16,
}

impl Format {
    fn parse(body: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let mut tag = word(0)?;
        let channels = word(2)?;
        let rate = u32::from_le_bytes(*body.get(4..)?.first_chunk()?);
        let block = word(12)?;
        let bits = word(14)?;
        // WAVE_FORMAT_EXTENSIBLE: the true tag opens the sub-format's GUID.
        if tag == 0xFFFE {
            tag = word(24)?;
        }
        let container = match block.checked_div(channels) {
            Some(bytes) if usize::from(bytes) * 8 >= usize::from(bits) => usize::from(bytes),
            _ => usize::from(bits).div_ceil(8),
        };
        Some(Self { tag, channels, rate, container, bits })
    }

    fn decode(self, data: &[u8]) -> Result<Vec<i16>, WavError> {
        if !RATES.contains(&self.rate) || self.channels == 0 {
            return Err(WavError::Shape { channels: self.channels, rate: self.rate });
        }
        let sample: fn(&[u8]) -> f32 = match (self.tag, self.bits, self.container) {
            (1, 1..=8, 1) => |b| (f32::from(b[0]) - 128.0) * 256.0,
            (1, 9..=16, 2) => |b| f32::from(i16::from_le_bytes([b[0], b[1]])),
            (1, 17..=24, 3) => |b| i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / 65_536.0,
            // 24 bits in 4 bytes sit in the low three.
            (1, 17..=24, 4) => |b| i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / 65_536.0,
            (1, 25..=32, 4) => |b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 65_536.0,
            (3, 32, 4) => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) * 32_768.0,
            (3, 64, 8) => |b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32 * 32_768.0,
            (6, 8, 1) => |b| f32::from(g711::alaw_to_pcm(b[0])),
            (7, 8, 1) => |b| f32::from(g711::ulaw_to_pcm(b[0])),
            (tag, bits, _) => return Err(WavError::Format { tag, bits }),
        };
        let channels = usize::from(self.channels);
        Ok(data
            .chunks_exact(self.container * channels)
            .map(|frame| {
                let sum: f32 = frame.chunks_exact(self.container).map(sample).filter(|s| s.is_finite()).sum();
                (sum / channels as f32).round().clamp(-32768.0, 32767.0) as i16
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_hound(channels: u16, bits: u16, float: bool, samples: &[f32]) -> Vec<u8> {
        let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        let spec = hound::WavSpec { channels, sample_rate: 16_000, bits_per_sample: bits, sample_format };
        let mut file = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        for sample in samples {
            if float {
                writer.write_sample(*sample).unwrap();
            } else {
                writer.write_sample((f64::from(*sample) * f64::from(1_u32 << (bits - 1))) as i32).unwrap();
            }
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    #[test]
    fn every_usual_format_reads_the_same() {
        let samples = [0.0, 0.25, -0.25, 0.5, -1.0];
        let expected = [0, 8_192, -8_192, 16_384, -32_768];
        for (bits, float) in [(8, false), (16, false), (24, false), (32, false), (32, true)] {
            let (rate, pcm) = read(&by_hound(1, bits, float, &samples)).unwrap();
            assert_eq!((rate, &pcm[..]), (16_000, &expected[..]), "{bits} bits, float {float}");
            let stereo: Vec<f32> = samples.iter().flat_map(|s| [*s, 0.0]).collect();
            let (_, pcm) = read(&by_hound(2, bits, float, &stereo)).unwrap();
            assert_eq!(pcm, expected.map(|s| s / 2), "{bits} bits, float {float}, stereo");
        }
    }

    fn with_format(tag: u16, bits: u16, data: &[u8], claimed: u32) -> Vec<u8> {
        let mut file = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(8_000_u32.to_le_bytes());
        file.extend((8_000 * u32::from(bits) / 8).to_le_bytes());
        file.extend((bits / 8).to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"LIST\x03\0\0\0abc\0data");
        file.extend(claimed.to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn streamed_and_companded_files_are_read() {
        let (_, pcm) = read(&with_format(1, 16, &[1, 0, 2, 0, 9], u32::MAX)).unwrap();
        assert_eq!(pcm, [1, 2]);
        let (_, pcm) = read(&with_format(7, 8, &[0xFF, 0x00], 2)).unwrap();
        assert_eq!(pcm, [0, -32_124]);
        let (_, pcm) = read(&with_format(6, 8, &[0xD5], 1)).unwrap();
        assert_eq!(pcm, [8]);
        assert!(matches!(read(&with_format(2, 4, &[0; 8], 8)), Err(WavError::Format { tag: 2, bits: 4 })));
    }

    #[test]
    fn a_head_is_what_hound_writes() {
        let file = by_hound(2, 16, false, &[0.5; 20]);
        assert_eq!(head(2, 16_000, 40), file[..HEAD]);
        assert_eq!(head(1, 8_000, 6), write(8_000, &[1, 2, 3])[..HEAD]);
    }

    proptest! {
        #[test]
        fn written_files_read_back(pcm: Vec<i16>, rate in 2_000_u32..200_000) {
            let file = write(rate, &pcm);
            prop_assert_eq!(read(&file).unwrap(), (rate, pcm.clone()));
            let by_hound: Vec<i16> =
                hound::WavReader::new(&file[..]).unwrap().samples::<i16>().map(Result::unwrap).collect();
            prop_assert_eq!(by_hound, pcm);
        }

        #[test]
        fn hostile_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            flips in proptest::collection::vec((0_usize..60, any::<u8>()), 0..12),
            cut in 0_usize..80,
        ) {
            let _ = read(&bytes);
            let mut file = write(8_000, &[1; 20]);
            for (at, value) in flips {
                file[at] = value;
            }
            file.truncate(file.len() - cut.min(file.len()));
            if let Ok((_, pcm)) = read(&file) {
                prop_assert!(pcm.len() <= file.len());
            }
            let mut tail = b"RIFF\0\0\0\0WAVE".to_vec();
            tail.extend(bytes);
            let _ = read(&tail);
        }
    }
}
