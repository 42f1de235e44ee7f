//! A recording on its way as a WAV file.

use std::io::{self, Read};
use std::path::Path;

use crate::base::audio::LINE_RATE;
use crate::call::recording::{Head, Tail};
use crate::media::wav;
use crate::store::spool::{Note, Reader};

/// Left and right.
pub(super) const CHANNELS: u16 = 2;
/// Bytes of one sample of both.
const BLOCK: u64 = 4;

/// What is in a file, after one reading.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) head: Option<Head>,
    /// A channel.
    pub(super) samples: u64,
    pub(super) confirmed: bool,
    /// `None`: whoever wrote it died.
    pub(super) tail: Option<Tail>,
}

impl Summary {
    /// Reads a file to its end.
    pub(super) fn of(path: &Path, key: &[u8; 32]) -> io::Result<Self> {
        let mut reader = Reader::open(path, key)?;
        let mut summary = Self::default();
        // What nobody can make sense of is as if it were not there.
        while let Some(note) = reader.next_note()? {
            match note {
                Note::Head(head) => summary.head = serde_json::from_slice(&head).ok(),
                Note::Sound(bytes) => summary.samples += bytes.len() as u64 / BLOCK,
                Note::Silence(samples) => summary.samples = summary.samples.saturating_add(samples),
                Note::Confirmed => summary.confirmed = true,
                Note::Tail(tail) => summary.tail = serde_json::from_slice(&tail).ok(),
            }
        }
        Ok(summary)
    }

    /// Bytes of the WAV file.
    pub(super) const fn bytes(&self) -> u64 {
        wav::HEAD as u64 + self.samples * BLOCK
    }

    pub(super) const fn duration_ms(&self) -> u64 {
        crate::media::record::millis(self.samples)
    }
}

/// Gives the WAV file of a file whose length is known.
pub(super) struct Wave {
    reader: Reader,
    ready: Vec<u8>,
    given: usize,
    silence: u64,
    /// Bytes of sound still to come.
    left: u64,
}

impl Wave {
    pub(super) fn open(path: &Path, key: &[u8; 32], samples: u64) -> io::Result<Self> {
        let left = samples * BLOCK;
        let length = u32::try_from(left).map_err(|_| io::Error::other("it is too long for a WAV file"))?;
        let ready = wav::head(CHANNELS, LINE_RATE, length).to_vec();
        Ok(Self { reader: Reader::open(path, key)?, ready, given: 0, silence: 0, left })
    }

    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        while self.ready.is_empty() && self.left > 0 {
            if self.silence > 0 {
                let now = self.silence.min(u64::from(LINE_RATE));
                self.silence -= now;
                self.ready.resize(usize::try_from(now * BLOCK).unwrap_or(0), 0);
            } else {
                match self.reader.next_note()? {
                    Some(Note::Sound(bytes)) => self.ready = bytes,
                    Some(Note::Silence(samples)) => self.silence = samples,
                    Some(_) => {}
                    None => return Err(io::Error::other("the recording is shorter than it was")),
                }
            }
        }
        self.left = self
            .left
            .checked_sub(self.ready.len() as u64)
            .ok_or_else(|| io::Error::other("the recording is longer than it was"))?;
        Ok(())
    }
}

impl Read for Wave {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.fill()?;
        }
        let now = into.len().min(self.ready.len() - self.given);
        into[..now].copy_from_slice(&self.ready[self.given..self.given + now]);
        self.given += now;
        Ok(now)
    }
}
