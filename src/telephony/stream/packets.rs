//! `u8 kind | u16 length, big-endian | payload`: the framing of AudioSocket, and of the box's own handsets.
//! Promise: any bytes in any pieces are packets or the beginning of one; nothing is lost at the cuts. Holds at
//! most one packet (64 KiB) and what came with its end. Pure.

const HEADER: usize = 3;

/// Puts packets together from what a socket gives.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    bytes: Vec<u8>,
    at: usize,
}

impl Packets {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.at));
        self.bytes.extend_from_slice(bytes);
    }

    /// Kind and payload of the next whole packet.
    pub fn take(&mut self) -> Option<(u8, &[u8])> {
        let rest = self.bytes.get(self.at..)?;
        let [kind, high, low, rest @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let payload = rest.get(..length)?;
        self.at += HEADER + length;
        Some((*kind, payload))
    }
}
