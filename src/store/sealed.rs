//! What leaves the process closed: a stream of any length under one key, in constant memory.
//!
//! Promise: who reads gets exactly what was written, or an error; never other bytes. A bit that was
//! flipped, an end that was cut off, pieces that were moved, left out, repeated or added are all found.
//! Nothing of a piece is handed out before the whole piece was verified; but that the stream is complete
//! is known at its end only, so nobody acts on it before.
//!
//! The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, 2015) over XChaCha20-Poly1305:
//!
//! ```text
//! head    "VAANISLD" | version 1 | 3 zero bytes | 32 random bytes of salt | 16 bytes that tell the key
//! pieces  65 536 bytes (the last: 1 to 65 536, or 0 if the stream is empty), each with 16 bytes of tag
//! nonce   15 bytes of the stream | number of the piece, 8 bytes | 1 for the last piece, else 0
//! ```
//!
//! Key, nonce and key mark of a stream come out of HKDF-SHA256 over the purpose's key, with the salt as
//! its salt and the head as its info, so a changed head gives another key. Absent on purpose: where the
//! key comes from (`crypt.rs`) and what is inside.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::rand_core::RngCore;
use chacha20poly1305::aead::{AeadInPlace, KeyInit, OsRng};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"VAANISLD";
const VERSION: u8 = 1;
const SALT: usize = 32;
const MARK: usize = 16;
const TAG: usize = 16;
const NONCE_STREAM: usize = 15;
/// Bytes before the first piece.
pub const HEAD: usize = 12 + SALT + MARK;
/// Bytes of one piece, open.
pub const PIECE: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("it is no sealed file of vaani")]
    NotSealed,
    #[error("it was sealed by a newer vaani (format {0}); use that version")]
    Newer(u8),
    #[error("the key does not fit; it was sealed under another one")]
    WrongKey,
    #[error("it is damaged: piece {0} is not what was written")]
    Damaged(u64),
    #[error("it is cut off after piece {0}")]
    CutOff(u64),
}

impl SealError {
    /// What an error of a reader says of the seal; `None`: the error is of the disk or the network.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<SealError> for io::Error {
    fn from(error: SealError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// How long a stream of `open` bytes is when sealed.
pub const fn sealed_len(open: u64) -> u64 {
    let pieces = if open == 0 { 1 } else { open.div_ceil(PIECE as u64) };
    HEAD as u64 + open + pieces * TAG as u64
}

/// The stream's own key material.
struct Stream {
    cipher: XChaCha20Poly1305,
    nonce: [u8; NONCE_STREAM],
    mark: [u8; MARK],
    next: u64,
}

impl Stream {
    fn new(key: &[u8; 32], start: &[u8], salt: &[u8]) -> Self {
        let mut out = Zeroizing::new([0_u8; 32 + NONCE_STREAM + MARK]);
        let info = [b"vaani sealed stream".as_slice(), start].concat();
        // HKDF gives up to 8160 bytes; this asks for 63.
        let enough = Hkdf::<Sha256>::new(Some(salt), key).expand(&info, out.as_mut_slice());
        debug_assert!(enough.is_ok());
        let (mut nonce, mut mark) = ([0; NONCE_STREAM], [0; MARK]);
        nonce.copy_from_slice(&out[32..32 + NONCE_STREAM]);
        mark.copy_from_slice(&out[32 + NONCE_STREAM..]);
        Self { cipher: XChaCha20Poly1305::new(out[..32].into()), nonce, mark, next: 0 }
    }

    /// The nonce of the next piece.
    fn turn(&mut self, last: bool) -> io::Result<XNonce> {
        let mut nonce = [0_u8; NONCE_STREAM + 9];
        nonce[..NONCE_STREAM].copy_from_slice(&self.nonce);
        nonce[NONCE_STREAM..NONCE_STREAM + 8].copy_from_slice(&self.next.to_be_bytes());
        nonce[NONCE_STREAM + 8] = u8::from(last);
        self.next = self.next.checked_add(1).ok_or_else(|| io::Error::other("a sealed stream has grown too long"))?;
        Ok(nonce.into())
    }
}

/// Seals what is written to it. Without [`Sealer::finish`] nobody can open the stream to its end.
pub struct Sealer<W: Write> {
    out: W,
    stream: Stream,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    pub fn new(mut out: W, key: &[u8; 32]) -> io::Result<Self> {
        let mut head = [0_u8; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8] = VERSION;
        let (start, rest) = head.split_at_mut(12);
        let (salt, mark) = rest.split_at_mut(SALT);
        OsRng.try_fill_bytes(salt).map_err(|_| io::Error::other("the system gave no random bytes"))?;
        let stream = Stream::new(key, start, salt);
        mark.copy_from_slice(&stream.mark);
        out.write_all(&head)?;
        Ok(Self { out, stream, piece: Zeroizing::new(Vec::with_capacity(PIECE + TAG)) })
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.stream.turn(last)?;
        let tag = self
            .stream
            .cipher
            .encrypt_in_place_detached(&nonce, b"", &mut self.piece)
            .map_err(|_| io::Error::other("a piece could not be sealed"))?;
        self.piece.extend_from_slice(&tag);
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Writes the last piece and gives the inner writer back, which the caller flushes or syncs.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // A full piece waits until it is known that it is not the last.
        if self.piece.len() == PIECE {
            self.put(false)?;
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// A piece that is not full stays here: pieces have one length, so that none can be moved.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens what a [`Sealer`] wrote. An error is [`SealError`] (see [`SealError::of`]) or the source's.
pub struct Opener<R: Read> {
    source: R,
    stream: Stream,
    /// What was read of the source and not opened yet: one piece and the first byte after it.
    sealed: Vec<u8>,
    open: Zeroizing<Vec<u8>>,
    given: usize,
    ended: bool,
    broken: Option<SealError>,
}

impl<R: Read> Opener<R> {
    pub fn new(mut source: R, key: &[u8; 32]) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD);
        source.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        if head.len() < 12 || head[..8] != MAGIC[..] {
            return Err(SealError::NotSealed.into());
        }
        if head[8] != VERSION {
            return Err(SealError::Newer(head[8]).into());
        }
        if head[9..12] != [0; 3] {
            return Err(SealError::NotSealed.into());
        }
        if head.len() < HEAD {
            return Err(SealError::CutOff(0).into());
        }
        let stream = Stream::new(key, &head[..12], &head[12..12 + SALT]);
        if !bool::from(stream.mark.ct_eq(&head[12 + SALT..])) {
            return Err(SealError::WrongKey.into());
        }
        let sealed = Vec::with_capacity(PIECE + TAG + 1);
        Ok(Self { source, stream, sealed, open: Zeroizing::default(), given: 0, ended: false, broken: None })
    }

    /// Opens the next piece; false: there is none.
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(error) = self.broken {
            return Err(error.into());
        }
        if self.ended {
            return Ok(false);
        }
        let wanted = PIECE + TAG + 1 - self.sealed.len();
        self.source.by_ref().take(wanted as u64).read_to_end(&mut self.sealed)?;
        let number = self.stream.next;
        let last = self.sealed.len() <= PIECE + TAG;
        let opened = self.open_piece(last);
        if let Err(error) = opened {
            let error = if last && error == SealError::Damaged(number) && self.opens_as_inner() {
                SealError::CutOff(number + 1)
            } else {
                error
            };
            self.broken = Some(error);
            self.open.clear();
            self.given = 0;
            return Err(error.into());
        }
        self.ended = last;
        Ok(true)
    }

    fn open_piece(&mut self, last: bool) -> Result<(), SealError> {
        let number = self.stream.next;
        let length = self.sealed.len().min(PIECE + TAG);
        let Some(body) = length.checked_sub(TAG) else {
            return Err(if number == 0 && length > 0 { SealError::Damaged(0) } else { SealError::CutOff(number) });
        };
        // An empty last piece is written for an empty stream only.
        if body == 0 && number > 0 {
            return Err(SealError::Damaged(number));
        }
        let nonce = self.stream.turn(last).map_err(|_| SealError::Damaged(number))?;
        self.open.clear();
        self.open.extend_from_slice(&self.sealed[..body]);
        self.given = 0;
        let tag = Tag::clone_from_slice(&self.sealed[body..length]);
        self.stream
            .cipher
            .decrypt_in_place_detached(&nonce, b"", &mut self.open, &tag)
            .map_err(|_| SealError::Damaged(number))?;
        self.sealed.drain(..length);
        Ok(())
    }

    /// Would the piece that failed as the last one be good in the middle? Then its end is missing.
    fn opens_as_inner(&mut self) -> bool {
        if self.sealed.len() != PIECE + TAG {
            return false;
        }
        self.stream.next -= 1;
        self.open_piece(false).is_ok()
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.given == self.open.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let taken = into.len().min(self.open.len() - self.given);
        into[..taken].copy_from_slice(&self.open[self.given..self.given + taken]);
        self.given += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn seal(plain: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), &KEY).unwrap();
        sealer.write_all(plain).unwrap();
        sealer.finish().unwrap()
    }

    /// What a reader got before the error or the end.
    fn open(sealed: &[u8], key: &[u8; 32]) -> (Vec<u8>, Result<(), SealError>) {
        let mut got = Vec::new();
        let end = Opener::new(sealed, key).and_then(|mut opener| opener.read_to_end(&mut got));
        (got, end.map(drop).map_err(|error| SealError::of(&error).expect("an error of the seal")))
    }

    fn plain(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn every_length_around_a_piece_comes_back() {
        for length in [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 7] {
            let text = plain(length);
            let sealed = seal(&text);
            assert_eq!(sealed.len() as u64, sealed_len(length as u64), "{length}");
            assert_eq!(open(&sealed, &KEY), (text, Ok(())), "{length}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        for length in [0, 5, PIECE, PIECE + 3, 2 * PIECE] {
            let text = plain(length);
            let sealed = seal(&text);
            let borders = [HEAD, HEAD + PIECE + TAG, HEAD + 2 * (PIECE + TAG)];
            let cuts = (0..sealed.len().min(200))
                .chain(borders.into_iter().flat_map(|b| b.saturating_sub(20)..b + 20))
                .chain(sealed.len().saturating_sub(60)..sealed.len());
            for cut in cuts.filter(|cut| *cut < sealed.len()) {
                let (got, end) = open(&sealed[..cut], &KEY);
                assert!(end.is_err(), "{length} bytes cut to {cut}");
                assert!(text.starts_with(&got), "{length} bytes cut to {cut} gave other bytes");
            }
        }
        let whole = seal(&plain(2 * PIECE));
        assert_eq!(open(&whole[..HEAD + PIECE + TAG], &KEY).1, Err(SealError::CutOff(1)));
    }

    #[test]
    fn pieces_that_are_moved_repeated_left_out_or_added_are_found() {
        let sealed = seal(&plain(3 * PIECE));
        let (head, body) = sealed.split_at(HEAD);
        let pieces: Vec<&[u8]> = body.chunks(PIECE + TAG).collect();
        let other = seal(&plain(3 * PIECE));
        let foreign = &other[HEAD..HEAD + PIECE + TAG];
        for order in [
            vec![pieces[1], pieces[0], pieces[2]],
            vec![pieces[0], pieces[0], pieces[1], pieces[2]],
            vec![pieces[0], pieces[2]],
            vec![pieces[1], pieces[2]],
            vec![pieces[0], pieces[1], pieces[2], pieces[2]],
            vec![pieces[0], pieces[1], pieces[2], b"x"],
            vec![pieces[0], pieces[1], pieces[2], &[0; TAG]],
            vec![foreign, pieces[1], pieces[2]],
            vec![],
        ] {
            let (got, end) = open(&[head, &order.concat()].concat(), &KEY);
            assert!(end.is_err() && plain(3 * PIECE).starts_with(&got));
        }
    }

    #[test]
    fn a_wrong_key_a_stranger_and_a_newer_format_are_told_apart() {
        let sealed = seal(b"namaste");
        assert_eq!(open(&sealed, &[8; 32]).1, Err(SealError::WrongKey));
        assert_eq!(open(b"SQLite format 3\0 and so on", &KEY).1, Err(SealError::NotSealed));
        assert_eq!(open(b"", &KEY).1, Err(SealError::NotSealed));
        let mut newer = sealed.clone();
        newer[8] = 2;
        assert_eq!(open(&newer, &KEY).1, Err(SealError::Newer(2)));
        assert_ne!(seal(b"namaste")[HEAD..], sealed[HEAD..], "two streams are never alike");
    }

    /// An error is not forgotten: asking again gives no bytes either.
    #[test]
    fn a_broken_stream_stays_broken() {
        let mut sealed = seal(&plain(2 * PIECE));
        sealed[HEAD + 10] ^= 1;
        let mut opener = Opener::new(sealed.as_slice(), &KEY).unwrap();
        let mut into = [0; 64];
        for _ in 0..3 {
            let error = opener.read(&mut into).unwrap_err();
            assert_eq!(SealError::of(&error), Some(SealError::Damaged(0)));
            assert_eq!(into, [0; 64]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_changed_byte_is_found(
            length in prop_oneof![0..300_usize, PIECE - 2..PIECE + 2, PIECE * 2 - 2..PIECE * 2 + 2],
            place in any::<prop::sample::Index>(),
            change in 1..=255_u8,
        ) {
            let text = plain(length);
            let mut sealed = seal(&text);
            let at = place.index(sealed.len());
            sealed[at] ^= change;
            let (got, end) = open(&sealed, &KEY);
            prop_assert!(end.is_err());
            prop_assert!(text.starts_with(&got));
        }

        #[test]
        fn any_cut_and_any_addition_is_found(
            length in prop_oneof![0..300_usize, PIECE - 2..PIECE + 40, PIECE * 2 - 2..PIECE * 2 + 2],
            place in any::<prop::sample::Index>(),
            added in prop::collection::vec(any::<u8>(), 1..100),
        ) {
            let text = plain(length);
            let sealed = seal(&text);
            let (got, end) = open(&sealed[..place.index(sealed.len())], &KEY);
            prop_assert!(end.is_err() && text.starts_with(&got));
            let (got, end) = open(&[sealed, added].concat(), &KEY);
            prop_assert!(end.is_err() && text.starts_with(&got));
        }

        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(open(&bytes, &KEY).1.is_err());
        }

        #[test]
        fn however_it_is_written_and_read_the_bytes_are_the_same(
            parts in prop::collection::vec(prop_oneof![0..50_usize, PIECE - 1..PIECE + 2], 0..5),
            step in prop_oneof![1..10_usize, 60_000..70_000_usize],
        ) {
            let text = plain(parts.iter().sum());
            let mut sealer = Sealer::new(Vec::new(), &KEY).unwrap();
            let mut rest = text.as_slice();
            for part in parts {
                let (now, later) = rest.split_at(part);
                sealer.write_all(now).unwrap();
                sealer.flush().unwrap();
                rest = later;
            }
            let sealed = sealer.finish().unwrap();
            // Small steps over long texts would take long and show nothing new.
            let step = if text.len() > 1_000 { step.max(1_000) } else { step };
            let mut opener = Opener::new(sealed.as_slice(), &KEY).unwrap();
            let (mut got, mut buffer) = (Vec::new(), vec![0; step]);
            loop {
                let n = opener.read(&mut buffer).unwrap();
                if n == 0 { break; }
                got.extend_from_slice(&buffer[..n]);
            }
            prop_assert_eq!(got, text);
        }
    }
}
