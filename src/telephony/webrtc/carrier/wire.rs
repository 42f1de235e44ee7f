//! A browser's voice and ear on the line: packets with their number and time in front, as the connection
//! sends and gets them.

use std::time::Duration;

use serde_json::json;

use crate::base::audio::LINE_FRAME;
use crate::base::limits;
use crate::telephony::far::{FarWire, FromBox};
use crate::telephony::stream::Frame;
use crate::telephony::webrtc::codec::{Codec, CodecError, Ear, Mouth};

/// Sound held back before the first of it is played: a browser's buffer against packets that come unevenly.
const HELD_BACK: usize = 3 * LINE_FRAME;
/// Sequence number and clock of a packet, bytes.
const HEADER: usize = 6;

/// Both directions of one connection.
#[derive(Debug)]
pub struct Phone {
    codec: Codec,
    mouth: Mouth,
    ear: Ear,
    sequence: u16,
    /// The number of the box's next packet.
    expected: Option<u16>,
    /// What was held back; `None` once it plays.
    held: Option<Vec<i16>>,
}

impl Phone {
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let (mouth, ear) = (Mouth::new(codec)?, Ear::new(codec)?);
        Ok(Self { codec, mouth, ear, sequence: 0, expected: None, held: Some(Vec::new()) })
    }

    /// One packet of the box, losses before it concealed.
    fn hear(&mut self, sequence: u16, payload: &[u8]) -> Option<Vec<i16>> {
        let ahead = sequence.wrapping_sub(self.expected.unwrap_or(sequence));
        if ahead > u16::MAX / 2 {
            return None; // overtaken, and made up for already
        }
        let mut pcm = Vec::new();
        let lost = u64::from(ahead).min(limits::WEBRTC_CONCEALED_MAX);
        for left in (0..lost).rev() {
            self.ear.conceal(Some(payload).filter(|_| left == 0), &mut pcm);
        }
        self.ear.hear(payload, &mut pcm);
        self.expected = Some(sequence.wrapping_add(1));
        Some(pcm)
    }
}

/// A packet as it goes between line and connection.
pub fn join(sequence: u16, ticks: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(ticks.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Number, clock and payload; `None`: too short.
pub fn split(bytes: &[u8]) -> Option<(u16, u32, &[u8])> {
    let ([a, b, c, d, e, f], payload) = bytes.split_first_chunk::<HEADER>()?;
    Some((u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f]), payload))
}

/// How long the page is to be silent, if the box asks it to.
fn hush(text: &str) -> Option<Duration> {
    let message: serde_json::Value = serde_json::from_str(text).ok()?;
    (message["t"] == "clear").then(|| message["ms"].as_u64().map(Duration::from_millis))?
}

impl FarWire for Phone {
    fn opening(&mut self) -> Vec<Frame> {
        Vec::new()
    }

    fn sound(&mut self, pcm: &[i16], at_ms: u64) -> Option<Frame> {
        let payload = self.mouth.say(pcm).ok()?;
        // The clock of RTP wraps around.
        let ticks = (at_ms * u64::from(self.codec.clock()) / 1_000) as u32;
        let packet = join(self.sequence, ticks, &payload);
        self.sequence = self.sequence.wrapping_add(1);
        Some(Frame::Binary(packet))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        Some(Frame::Text(json!({"t": "dtmf", "d": digit.to_string()}).to_string()))
    }

    fn mark(&mut self, _: &str) -> Option<Frame> {
        None
    }

    fn hang_up(&mut self) -> Option<Frame> {
        Some(Frame::Text(json!({"t": "ctl", "op": "hangup"}).to_string()))
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        let bytes = match frame {
            Frame::Binary(bytes) => bytes,
            // The rest of what the box tells of the call is for people.
            Frame::Text(text) => return Ok(hush(text).map_or(FromBox::Nothing, FromBox::Hush)),
        };
        let (sequence, _, payload) = split(bytes).ok_or("half a packet")?;
        let Some(pcm) = self.hear(sequence, payload) else { return Ok(FromBox::Nothing) };
        let Some(held) = &mut self.held else { return Ok(FromBox::Sound(pcm)) };
        held.extend(pcm);
        if held.len() < HELD_BACK {
            return Ok(FromBox::Nothing);
        }
        Ok(FromBox::Sound(self.held.take().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::audio::rms;

    fn packets(frames: usize) -> Vec<Vec<u8>> {
        let mut mouth = Mouth::new(Codec::Opus).unwrap();
        let wave = |n: usize| (f64::sin(n as f64 * 440.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
        let sound: Vec<i16> = (0..frames * LINE_FRAME).map(wave).collect();
        let packets = sound.chunks(LINE_FRAME).enumerate();
        // Numbers wrap around on the way.
        packets.map(|(n, frame)| join((65_530 + n) as u16, n as u32 * 960, &mouth.say(frame).unwrap())).collect()
    }

    fn heard(packets: &[Vec<u8>]) -> Vec<i16> {
        let mut phone = Phone::new(Codec::Opus).unwrap();
        let mut out = Vec::new();
        for packet in packets {
            if let FromBox::Sound(pcm) = phone.read(&Frame::Binary(packet.clone())).unwrap() {
                out.extend(pcm);
            }
        }
        out
    }

    #[test]
    fn lost_and_late_packets_keep_the_time() {
        let whole = packets(50);
        let all = heard(&whole);
        assert!(all.len() > 48 * LINE_FRAME && rms(&all[1_600..]) > 4_000.0, "{}", all.len());
        let mut broken = whole.clone();
        broken.remove(20);
        broken.swap(30, 31);
        let mended = heard(&broken);
        assert!(mended.len().abs_diff(all.len()) <= LINE_FRAME, "{} of {}", mended.len(), all.len());
        assert!(rms(&mended[18 * LINE_FRAME..22 * LINE_FRAME]) > 3_000.0, "the gap is made up for");
    }

    #[test]
    fn sound_is_held_back_once() {
        let whole = packets(10);
        let mut phone = Phone::new(Codec::Opus).unwrap();
        let kinds: Vec<bool> = whole
            .iter()
            .map(|packet| phone.read(&Frame::Binary(packet.clone())).unwrap() != FromBox::Nothing)
            .collect();
        assert_eq!(kinds.iter().filter(|sound| !**sound).count(), kinds.iter().position(|sound| *sound).unwrap());
        assert!((2..=4).contains(&kinds.iter().filter(|sound| !**sound).count()), "{kinds:?}");
        assert!(phone.read(&Frame::Binary(vec![1, 2, 3])).is_err());
        assert_eq!(phone.read(&Frame::Text("{}".to_owned())), Ok(FromBox::Nothing));
        let clear = crate::telephony::webrtc::wire::clear();
        assert_eq!(phone.read(&Frame::Text(clear)), Ok(FromBox::Hush(limits::WEBRTC_HUSH)));
    }

    #[test]
    fn keys_and_the_end_are_what_the_box_reads() {
        use crate::telephony::webrtc::wire::{Asked, read};
        let mut phone = Phone::new(Codec::Opus).unwrap();
        let Some(Frame::Text(key)) = phone.key('#') else { panic!("a key is a message") };
        let Some(Frame::Text(end)) = phone.hang_up() else { panic!("the end is a message") };
        assert_eq!((read(&key), read(&end)), (Some(Asked::Key('#')), Some(Asked::HangUp)));
    }
}
