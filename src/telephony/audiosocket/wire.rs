//! AudioSocket packets: `u8 type | u16 length, big-endian | payload`.
//! Promise: any bytes in any pieces are packets or the beginning of one; nothing is lost at the cuts.
//! Source: asterisk/documentation, AudioSocket.md.

use crate::telephony::pbx::Format;
use crate::telephony::stream::packets::Packets;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    Hangup,
    /// The first one of Asterisk.
    Uuid([u8; 16]),
    Dtmf(char),
    Sound(Format, &'a [u8]),
    /// With its code, if it had one.
    Error(Option<u8>),
    /// A type nobody knows, or one whose payload is not what it should be.
    Odd(u8),
}

const HANGUP: u8 = 0x00;
const UUID: u8 = 0x01;
const DTMF: u8 = 0x03;
const SLIN: u8 = 0x10;
const ERROR: u8 = 0xFF;
/// Samples a second of the types from `SLIN` on, in their order.
const RATES: [u32; 9] = [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];

fn read(kind: u8, payload: &[u8]) -> Packet<'_> {
    match (kind, payload) {
        (HANGUP, _) => Packet::Hangup,
        (UUID, payload) => payload.try_into().map_or(Packet::Odd(kind), Packet::Uuid),
        (DTMF, [digit @ (b'0'..=b'9' | b'*' | b'#')]) => Packet::Dtmf(char::from(*digit)),
        (ERROR, payload) => Packet::Error(payload.first().copied()),
        (kind, payload) => match kind.checked_sub(SLIN).and_then(|at| RATES.get(usize::from(at))) {
            Some(rate) => Packet::Sound(Format::Slin { rate: *rate }, payload),
            None => Packet::Odd(kind),
        },
    }
}

/// Puts packets together from what the socket gives.
#[derive(Clone, Debug, Default)]
pub struct Decoder(Packets);

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The next whole packet.
    pub fn take(&mut self) -> Option<Packet<'_>> {
        self.0.take().map(|(kind, payload)| read(kind, payload))
    }
}

/// Appends a sound packet; `bytes` longer than a packet holds are cut off.
pub fn print_sound(format: Format, bytes: &[u8], out: &mut Vec<u8>) {
    let place = RATES.iter().position(|rate| *rate == format.rate()).unwrap_or(0);
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    let [high, low] = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    out.extend([SLIN + u8::try_from(place).unwrap_or(0), high, low]);
    out.extend_from_slice(bytes);
}

pub const fn print_hangup() -> [u8; 3] {
    [HANGUP, 0, 0]
}

/// Asterisk's own packets, for whoever plays it.
pub fn print_uuid(uuid: &[u8; 16], out: &mut Vec<u8>) {
    out.extend([UUID, 0, 16]);
    out.extend_from_slice(uuid);
}

pub fn print_dtmf(digit: char, out: &mut Vec<u8>) {
    out.extend([DTMF, 0, 1, u8::try_from(digit).unwrap_or(b'#')]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLIN8: Format = Format::Slin { rate: 8_000 };

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        let mut found = Vec::new();
        while let Some(packet) = decoder.take() {
            found.push(format!("{packet:?}"));
        }
        found
    }

    #[test]
    fn packets_are_what_the_page_says() {
        for (bytes, expected) in [
            (&[0_u8, 0, 0][..], "Hangup"),
            (
                &[1, 0, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                "Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])",
            ),
            (&[1, 0, 1, 9], "Odd(1)"),
            (&[3, 0, 1, b'5'], "Dtmf('5')"),
            (&[3, 0, 1, b'x'], "Odd(3)"),
            (&[0x10, 0, 2, 1, 2], "Sound(Slin { rate: 8000 }, [1, 2])"),
            (&[0x12, 0, 0], "Sound(Slin { rate: 16000 }, [])"),
            (&[0x18, 0, 0], "Sound(Slin { rate: 192000 }, [])"),
            (&[0x19, 0, 0], "Odd(25)"),
            (&[0xFF, 0, 1, 2], "Error(Some(2))"),
            (&[0xFF, 0, 0], "Error(None)"),
        ] {
            assert_eq!(all(bytes), [expected], "{bytes:?}");
        }
        assert!(all(&[0x10, 0xFF, 0xFF, 1]).is_empty(), "half a packet is none yet");
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), cuts in proptest::collection::vec(1_usize..90, 1..60)) {
            let mut decoder = Decoder::default();
            let (mut found, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts.iter().chain([&usize::MAX]) {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.push(now);
                while let Some(packet) = decoder.take() {
                    found.push(format!("{packet:?}"));
                }
                rest = later;
            }
            prop_assert_eq!(found, all(&bytes));
        }

        #[test]
        fn what_is_printed_is_read(sound in proptest::collection::vec(any::<u8>(), 0..1_000), digit in "[0-9*#]", uuid in any::<[u8; 16]>()) {
            let mut bytes = Vec::new();
            print_uuid(&uuid, &mut bytes);
            print_sound(SLIN8, &sound, &mut bytes);
            print_sound(Format::Slin { rate: 16_000 }, &sound, &mut bytes);
            print_dtmf(digit.chars().next().unwrap(), &mut bytes);
            bytes.extend(print_hangup());
            let digit = digit.chars().next().unwrap();
            let expected = [Packet::Uuid(uuid), Packet::Sound(SLIN8, &sound), Packet::Sound(Format::Slin { rate: 16_000 }, &sound), Packet::Dtmf(digit), Packet::Hangup];
            prop_assert_eq!(all(&bytes), expected.map(|packet| format!("{packet:?}")));
        }
    }
}
