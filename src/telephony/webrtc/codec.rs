//! The voice on a browser's line: Opus, or G.711 where a peer has none, to and from the line's 8 kHz.
//!
//! Opus is decoded at 16 kHz, the rate its speech layer works at, and brought down by the same filter as
//! every other sound of the box: libopus's own way to 8 kHz lets more of what lies above through.
//! Promise: what cannot be decoded is concealed, never an error; every frame of ours is 20 ms.

use opus::{Application, Bitrate, Channels, Decoder, Encoder, Signal};

use crate::base::audio::{LINE_FRAME, LINE_RATE, STT_RATE, frame_samples};
use crate::base::g711;
use crate::base::resample::{ResampleError, Resampler};

/// What we send, bits a second: transparent for speech of the telephone's band, with room for the copy
/// of the frame before (in-band FEC).
const BITRATE: i32 = 24_000;
/// Loss the encoder prepares for, percent: with none it would leave the copies out.
const LOSS_EXPECTED: i32 = 5;
/// The longest Opus packet there is, milliseconds.
const PACKET_MS_MAX: usize = 120;
/// One packet of ours, bytes; 20 ms at 24 kbit/s have 60, a peak a few times that.
const PACKET_BYTES_MAX: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Opus,
    Pcmu,
    Pcma,
}

impl Codec {
    /// Ticks a second of its RTP clock.
    pub const fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Ticks of one frame of 20 ms.
    pub const fn frame_ticks(self) -> u32 {
        self.clock() / 50
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("libopus: {0}")]
    Opus(#[from] opus::Error),
    #[error(transparent)]
    Resample(#[from] ResampleError),
}

/// The browser's voice, decoded.
pub struct Ear {
    hearing: Hearing,
    /// Samples of the line that packets stood for and that were given out, since the last jump.
    taken: u64,
    given: u64,
}

enum Hearing {
    Opus { decoder: Decoder, down: Resampler, wide: Vec<i16>, last_frame: usize },
    G711(fn(u8) -> i16),
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

impl Ear {
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let hearing = match codec {
            Codec::Opus => Hearing::Opus {
                decoder: Decoder::new(STT_RATE, Channels::Mono)?,
                down: Resampler::new(STT_RATE, LINE_RATE)?,
                wide: vec![0; STT_RATE as usize * PACKET_MS_MAX / 1000],
                last_frame: frame_samples(STT_RATE),
            },
            Codec::Pcmu => Hearing::G711(g711::ulaw_to_pcm),
            Codec::Pcma => Hearing::G711(g711::alaw_to_pcm),
        };
        Ok(Self { hearing, taken: 0, given: 0 })
    }

    /// One packet; appends its sound. False: it was no packet of this codec, and is concealed as a lost one.
    pub fn hear(&mut self, payload: &[u8], out: &mut Vec<i16>) -> bool {
        let before = out.len();
        let heard = match &mut self.hearing {
            Hearing::Opus { decoder, down, wide, last_frame } => match decoder.decode(payload, wide, false) {
                Ok(samples) if !payload.is_empty() => {
                    *last_frame = samples.max(1);
                    down.push(&wide[..samples], out);
                    Some(line_samples(samples))
                }
                _ => None,
            },
            Hearing::G711(decode) => {
                out.extend(payload.iter().take(LINE_RATE as usize * PACKET_MS_MAX / 1000).map(|byte| decode(*byte)));
                Some(out.len() - before)
            }
        };
        match heard {
            Some(samples) => self.count(samples, out.len() - before),
            None => self.conceal(None, out),
        }
        heard.is_some()
    }

    /// One packet that is lost. `next`: the one after it, which may hold a copy. What G.711 loses is the
    /// call's to mend; nothing is appended for it.
    pub fn conceal(&mut self, next: Option<&[u8]>, out: &mut Vec<i16>) {
        let Hearing::Opus { decoder, down, wide, last_frame } = &mut self.hearing else { return };
        let before = out.len();
        let frame = (*last_frame).min(wide.len());
        let wide = &mut wide[..frame];
        let copy = next.filter(|next| !next.is_empty());
        let made = copy.and_then(|next| decoder.decode(next, wide, true).ok());
        // The decoder makes up whole steps of 2.5 ms; what is shorter is silence.
        let made = made.or_else(|| decoder.decode(&[], wide, false).ok());
        if made != Some(frame) {
            wide.fill(0);
        }
        down.push(wide, out);
        let taken = line_samples(frame);
        self.count(taken, out.len() - before);
    }

    fn count(&mut self, taken: usize, given: usize) {
        self.taken += taken as u64;
        self.given += given as u64;
    }

    /// How long a lost packet was, in samples of the line: as long as the one before.
    pub const fn lost_samples(&self) -> usize {
        match &self.hearing {
            Hearing::Opus { last_frame, .. } => line_samples(*last_frame),
            Hearing::G711(_) => LINE_FRAME,
        }
    }

    /// Sound that was taken and has not come out yet, in samples of the line.
    pub const fn held_back(&self) -> u64 {
        self.taken.saturating_sub(self.given)
    }

    /// The stream goes on at another time: what is held back comes out.
    pub fn jump(&mut self, out: &mut Vec<i16>) {
        if let Hearing::Opus { down, .. } = &mut self.hearing {
            down.finish(out);
        }
        (self.taken, self.given) = (0, 0);
    }
}

const fn line_samples(wide: usize) -> usize {
    wide * LINE_RATE as usize / STT_RATE as usize
}

/// Our own voice, encoded.
pub struct Mouth(Saying);

enum Saying {
    Opus(Encoder),
    G711(fn(&[i16], &mut Vec<u8>)),
}

impl std::fmt::Debug for Mouth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mouth")
    }
}

impl Mouth {
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self(match codec {
            Codec::Opus => {
                let mut encoder = Encoder::new(LINE_RATE, Channels::Mono, Application::Voip)?;
                encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
                encoder.set_signal(Signal::Voice)?;
                encoder.set_inband_fec(true)?;
                encoder.set_packet_loss_perc(LOSS_EXPECTED)?;
                Saying::Opus(encoder)
            }
            Codec::Pcmu => Saying::G711(g711::encode_ulaw),
            Codec::Pcma => Saying::G711(g711::encode_alaw),
        }))
    }

    /// One frame of 20 ms; a shorter one is filled up with silence, the rest of a longer one is dropped.
    pub fn say(&mut self, frame: &[i16]) -> Result<Vec<u8>, CodecError> {
        let mut whole = [0_i16; LINE_FRAME];
        let length = frame.len().min(LINE_FRAME);
        whole[..length].copy_from_slice(&frame[..length]);
        match &mut self.0 {
            Saying::Opus(encoder) => Ok(encoder.encode_vec(&whole, PACKET_BYTES_MAX)?),
            Saying::G711(encode) => {
                let mut packet = Vec::with_capacity(LINE_FRAME);
                encode(&whole, &mut packet);
                Ok(packet)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::audio::rms;

    fn tone(frames: usize) -> Vec<i16> {
        let wave = |n: usize| (f64::sin(n as f64 * 440.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
        (0..frames * LINE_FRAME).map(wave).collect()
    }

    /// Through the codec and back; `lost` says which packets do not come.
    fn through(codec: Codec, frames: usize, lost: impl Fn(usize) -> bool) -> (Vec<i16>, usize) {
        let (mut mouth, mut ear) = (Mouth::new(codec).unwrap(), Ear::new(codec).unwrap());
        let sound = tone(frames);
        let packets: Vec<_> = sound.chunks(LINE_FRAME).map(|frame| mouth.say(frame).unwrap()).collect();
        let bytes = packets.iter().map(Vec::len).sum();
        let mut out = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            if lost(at) {
                let next = packets.get(at + 1).filter(|_| !lost(at + 1));
                ear.conceal(next.map(Vec::as_slice), &mut out);
            } else {
                assert!(ear.hear(packet, &mut out));
            }
        }
        ear.jump(&mut out);
        (out, bytes)
    }

    #[test]
    fn a_voice_comes_through_at_its_level_and_length() {
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
            let (out, bytes) = through(codec, 100, |_| false);
            assert_eq!(out.len(), 100 * LINE_FRAME, "{codec:?}");
            let level = rms(&out[3_200..]);
            assert!((5_400.0..7_400.0).contains(&level), "{codec:?}: {level}");
            if codec == Codec::Opus {
                let bits = bytes * 8 / 2;
                assert!(bits < 32_000, "{bits} bit/s");
            }
        }
    }

    #[test]
    fn a_lost_packet_is_made_up_for() {
        let (whole, _) = through(Codec::Opus, 100, |_| false);
        let (mended, _) = through(Codec::Opus, 100, |at| at == 50);
        assert_eq!(mended.len(), whole.len(), "time is kept");
        let gap = &mended[50 * LINE_FRAME..51 * LINE_FRAME];
        assert!(rms(gap) > 3_000.0, "the gap sounds: {}", rms(gap));
    }

    /// The packet after a lost one holds a copy of it, which is nearer to what was said than a guess.
    #[test]
    fn the_copy_in_the_next_packet_is_used() {
        let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/starter/stt/eval/hi-40.wav")).unwrap();
        let sound: Vec<i16> = file[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        let mut mouth = Mouth::new(Codec::Opus).unwrap();
        let packets: Vec<_> = sound.chunks_exact(LINE_FRAME).map(|frame| mouth.say(frame).unwrap()).collect();
        // Every seventh packet is lost, with or without the use of the one after it.
        let play = |lost: bool, copies: bool| {
            let (mut ear, mut out) = (Ear::new(Codec::Opus).unwrap(), Vec::new());
            for (at, packet) in packets.iter().enumerate() {
                if lost && at % 7 == 3 {
                    ear.conceal(packets.get(at + 1).filter(|_| copies).map(Vec::as_slice), &mut out);
                } else {
                    ear.hear(packet, &mut out);
                }
            }
            ear.jump(&mut out);
            out
        };
        let whole = play(false, false);
        let wrong =
            |out: &[i16]| -> f64 { whole.iter().zip(out).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum() };
        let (with, without) = (wrong(&play(true, true)), wrong(&play(true, false)));
        assert!(with < 0.8 * without, "{with:.0} with copies, {without:.0} without");
    }

    #[test]
    fn nonsense_is_silence_of_the_right_length() {
        let mut ear = Ear::new(Codec::Opus).unwrap();
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..500 {
            let junk: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
            let mut out = Vec::new();
            ear.hear(&junk, &mut out);
            ear.conceal(Some(&junk), &mut out);
            assert!(out.len() <= 2 * 8 * PACKET_MS_MAX + LINE_FRAME, "{}", out.len());
        }
        let mut out = Vec::new();
        Ear::new(Codec::Opus).unwrap().hear(&[], &mut out);
        assert!(out.len() <= LINE_FRAME);
    }

    #[test]
    fn odd_frames_are_made_whole() {
        for codec in [Codec::Opus, Codec::Pcma] {
            let mut mouth = Mouth::new(codec).unwrap();
            for length in [0, 1, 159, 161, 5_000] {
                assert!(!mouth.say(&vec![100; length]).unwrap().is_empty());
            }
        }
    }
}
