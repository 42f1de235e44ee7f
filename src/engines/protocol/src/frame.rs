//! Framing, the same for blocking and asynchronous sockets.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bumped when a message changes its meaning. Daemon and workers ship together, so a difference
/// means a half-finished installation, and the daemon says so.
pub const VERSION: u8 = 1;

/// Bytes of the largest frame: ten minutes of 16 kHz audio.
pub const FRAME_MAX: usize = 20 * 1024 * 1024;

const HEAD: usize = 1 + 8 + 4;

/// One decoded frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame<M> {
    pub request: u64,
    pub message: M,
    pub samples: Vec<i16>,
}

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("frame of {0} bytes is larger than the limit of {FRAME_MAX}")]
    TooLarge(usize),
    #[error("frame is too short for its own header")]
    TooShort,
    #[error("protocol version {0}, expected {VERSION}: daemon and workers are of different releases")]
    Version(u8),
    #[error("message cannot be put into JSON: {0}")]
    Message(#[from] serde_json::Error),
    /// The frame is whole but says nothing known; the stream goes on behind it.
    #[error("message of request {request} is not understood: {error}")]
    NotUnderstood { request: u64, error: serde_json::Error },
    #[error("sound has an odd number of bytes")]
    OddSamples,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Puts one frame into bytes.
pub fn encode<M: Serialize>(request: u64, message: &M, samples: &[i16]) -> Result<Vec<u8>, FrameError> {
    let json = serde_json::to_vec(message)?;
    let length = HEAD + json.len() + samples.len() * 2;
    if length > FRAME_MAX {
        return Err(FrameError::TooLarge(length));
    }
    let mut out = Vec::with_capacity(4 + length);
    // Both lengths fit: FRAME_MAX is far below u32::MAX.
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.push(VERSION);
    out.extend_from_slice(&request.to_le_bytes());
    out.extend_from_slice(&(json.len() as u32).to_le_bytes());
    out.extend_from_slice(&json);
    for sample in samples {
        out.extend_from_slice(&sample.to_le_bytes());
    }
    Ok(out)
}

fn decode_body<M: DeserializeOwned>(body: &[u8]) -> Result<Frame<M>, FrameError> {
    let Some((version, rest)) = body.split_first() else { return Err(FrameError::TooShort) };
    if *version != VERSION {
        return Err(FrameError::Version(*version));
    }
    let Some((request, rest)) = rest.split_first_chunk::<8>() else { return Err(FrameError::TooShort) };
    let Some((json_len, rest)) = rest.split_first_chunk::<4>() else { return Err(FrameError::TooShort) };
    let json_len = u32::from_le_bytes(*json_len) as usize;
    if json_len > rest.len() {
        return Err(FrameError::TooShort);
    }
    let (json, sound) = rest.split_at(json_len);
    let request = u64::from_le_bytes(*request);
    let message = serde_json::from_slice(json).map_err(|error| FrameError::NotUnderstood { request, error })?;
    Ok(Frame { request, message, samples: decode_samples(sound)? })
}

/// Little-endian bytes to samples.
pub fn decode_samples(bytes: &[u8]) -> Result<Vec<i16>, FrameError> {
    let chunks = bytes.chunks_exact(2);
    if !chunks.remainder().is_empty() {
        return Err(FrameError::OddSamples);
    }
    Ok(chunks.map(|b| i16::from_le_bytes([b[0], b[1]])).collect())
}

/// Reads one frame from a blocking stream; `None` when the other side closed between frames.
pub fn read_frame<M: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<Frame<M>>, FrameError> {
    let mut length = [0_u8; 4];
    let mut have = 0;
    while have < 4 {
        match stream.read(&mut length[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_MAX {
        return Err(FrameError::TooLarge(length));
    }
    let mut body = vec![0_u8; length];
    stream.read_exact(&mut body)?;
    decode_body(&body).map(Some)
}

/// Collects bytes from an asynchronous stream and gives out whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were already given out.
    used: usize,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. After an error other than `NotUnderstood` the stream
    /// is useless.
    pub fn next_frame<M: DeserializeOwned>(&mut self) -> Result<Option<Frame<M>>, FrameError> {
        let pending = &self.buffer[self.used..];
        let Some((length, rest)) = pending.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_MAX {
            return Err(FrameError::TooLarge(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let frame = decode_body(&rest[..length]);
        self.used += 4 + length;
        frame.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            texts in prop::collection::vec(".*", 1..5),
            samples in prop::collection::vec(any::<i16>(), 0..200),
            cut in 1_usize..64,
        ) {
            let mut bytes = Vec::new();
            for (number, text) in texts.iter().enumerate() {
                bytes.extend(encode(number as u64, text, &samples).unwrap());
            }
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame::<String>().unwrap() {
                    got.push(frame);
                }
            }
            prop_assert_eq!(got.len(), texts.len());
            for (number, frame) in got.iter().enumerate() {
                prop_assert_eq!(frame.request, number as u64);
                prop_assert_eq!(&frame.message, &texts[number]);
                prop_assert_eq!(&frame.samples, &samples);
            }
        }

        #[test]
        fn garbage_is_an_error_or_incomplete_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_frame::<serde_json::Value>() {}
            let _ = read_frame::<serde_json::Value>(&mut bytes.as_slice());
        }
    }

    #[test]
    fn a_message_that_is_not_understood_costs_its_own_frame_only() {
        let mut bytes = encode(7, &"x", &[1, 2]).unwrap();
        bytes.extend(encode(8, &5_u32, &[]).unwrap());
        let mut stream = bytes.as_slice();
        let error = read_frame::<u32>(&mut stream).unwrap_err();
        assert!(matches!(error, FrameError::NotUnderstood { request: 7, .. }), "{error}");
        assert_eq!(read_frame::<u32>(&mut stream).unwrap().unwrap().message, 5);
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        assert!(decoder.next_frame::<u32>().is_err());
        assert_eq!(decoder.next_frame::<u32>().unwrap().unwrap().message, 5);
    }

    #[test]
    fn a_frame_of_another_release_says_so() {
        let mut bytes = encode(1, &"x", &[]).unwrap();
        bytes[4] = VERSION + 1;
        let error = read_frame::<String>(&mut bytes.as_slice()).unwrap_err();
        assert!(error.to_string().contains("different releases"), "{error}");
    }
}
