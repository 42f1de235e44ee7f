//! Sound between the call (8 kHz samples, 20 ms at a time) and the stream (its own rate and coding, in
//! pieces as the carrier wants them).
//! Promise: nothing clicks where two pieces meet; every piece sent is a whole number of
//! [`limits::EXOTEL_CHUNK_STEP`] bytes and none is smaller than the stream's chunk; a mark goes after the
//! sound it stands behind; what a hush has taken back leaves again, whole and in order.

use std::collections::VecDeque;
use std::time::Duration;

use super::wire::{Coding, Format};
use crate::base::audio::{LINE_RATE, duration};
use crate::base::resample::{ResampleError, Resampler};
use crate::base::{Moment, g711, limits};

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    pub coding: Coding,
    /// Samples a second.
    pub rate: u32,
    /// Nobody said so: it may turn out to be another.
    pub guessed: bool,
}

impl Speech {
    /// What `start` says goes before what the address says; unsaid is 16-bit at 8 kHz.
    pub fn of(format: Format, in_address: Option<u32>) -> Self {
        let coding = format.coding.unwrap_or(Coding::Pcm);
        let rate = format.rate.filter(|rate| *rate > 0).or(in_address).unwrap_or(LINE_RATE);
        Self { coding, rate, guessed: format == Format::default() }
    }

    const fn bytes_per_sample(self) -> usize {
        match self.coding {
            Coding::Pcm => 2,
            Coding::Mulaw => 1,
        }
    }

    /// Bytes of a millisecond.
    const fn bytes_per_ms(self) -> f64 {
        self.rate as f64 * self.bytes_per_sample() as f64 / 1_000.0
    }

    /// The chunk that lasts as long as `chunk_bytes` of 16-bit sound.
    const fn chunk(self, chunk_bytes: usize) -> usize {
        let bytes = chunk_bytes / 2 * self.bytes_per_sample();
        bytes.next_multiple_of(limits::EXOTEL_CHUNK_STEP)
    }
}

/// The caller's sound on its way to the call.
pub struct Inlet {
    speech: Speech,
    resampler: Resampler,
    /// The first half of a sample whose second half comes with the next message.
    half: Option<u8>,
    /// Samples taken at the stream's rate, and given at the line's.
    taken: u64,
    given: u64,
    samples: Vec<i16>,
}

impl Inlet {
    pub fn new(speech: Speech) -> Result<Self, ResampleError> {
        Ok(Self {
            speech,
            resampler: Resampler::new(speech.rate, LINE_RATE)?,
            half: None,
            taken: 0,
            given: 0,
            samples: Vec::new(),
        })
    }

    /// The sound of one message that begins at `at_ms`, as far as it is ready, and when that begins. The
    /// resampler holds a few milliseconds back.
    pub fn take(&mut self, bytes: &[u8], at_ms: u64) -> (Vec<i16>, u64) {
        self.samples.clear();
        match self.speech.coding {
            Coding::Mulaw => self.samples.extend(bytes.iter().map(|b| g711::ulaw_to_pcm(*b))),
            Coding::Pcm => {
                let (mut rest, mut bytes) = (self.half.take(), bytes);
                if let (Some(low), [high, after @ ..]) = (rest, bytes) {
                    self.samples.push(i16::from_le_bytes([low, *high]));
                    (rest, bytes) = (None, after);
                }
                let pairs = bytes.chunks_exact(2);
                self.half = pairs.remainder().first().copied().or(rest);
                self.samples.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
        let held = (self.taken * u64::from(LINE_RATE) / u64::from(self.speech.rate)).saturating_sub(self.given);
        let mut pcm = Vec::with_capacity(self.samples.len());
        self.resampler.push(&self.samples, &mut pcm);
        self.taken += self.samples.len() as u64;
        self.given += pcm.len() as u64;
        (pcm, at_ms.saturating_sub(held * 1_000 / u64::from(LINE_RATE)))
    }

    /// How long so many bytes last, milliseconds.
    pub fn lasts_ms(&self, bytes: usize) -> u64 {
        (bytes as f64 / self.speech.bytes_per_ms()) as u64
    }
}

/// The call's sound on its way to the carrier.
pub struct Outlet {
    speech: Speech,
    resampler: Resampler,
    /// Bytes of a full piece, and what is on its way to become one.
    chunk: usize,
    pending: Vec<u8>,
    /// Samples of the call taken since the last flush or clear, and bytes that have left since.
    taken: u64,
    left: u64,
    /// Marks of the call, each with the samples taken before it.
    marks: VecDeque<(u64, u64)>,
    last_taken: Moment,
    /// When the carrier will have played all that has left.
    played_out: Moment,
    /// What has left and is not begun yet, each with the moment when it will be.
    ahead: VecDeque<(Moment, Piece)>,
    hush: Option<Hush>,
    /// Before this there is no other hush.
    hush_again: Moment,
    samples: Vec<i16>,
}

/// Somebody may be about to speak: nothing leaves for now.
struct Hush {
    until: Moment,
    /// What was taken back, and what came since.
    kept: VecDeque<Piece>,
}

/// Something to be sent, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Sound(Vec<u8>),
    Mark(u64),
}

impl Outlet {
    /// `chunk_bytes`: of 16-bit sound.
    pub fn new(speech: Speech, chunk_bytes: usize) -> Result<Self, ResampleError> {
        Ok(Self {
            speech,
            resampler: Resampler::new(LINE_RATE, speech.rate)?,
            chunk: speech.chunk(chunk_bytes),
            pending: Vec::new(),
            taken: 0,
            left: 0,
            marks: VecDeque::new(),
            last_taken: Moment::ZERO,
            played_out: Moment::ZERO,
            ahead: VecDeque::new(),
            hush: None,
            hush_again: Moment::ZERO,
            samples: Vec::new(),
        })
    }

    /// How long a full piece lasts.
    pub fn chunk_lasts(&self) -> Duration {
        self.lasts(self.chunk)
    }

    fn lasts(&self, bytes: usize) -> Duration {
        duration(bytes / self.speech.bytes_per_sample(), self.speech.rate)
    }

    pub fn take(&mut self, now: Moment, pcm: &[i16], out: &mut Vec<Piece>) {
        self.last_taken = now;
        self.taken += pcm.len() as u64;
        self.samples.clear();
        self.resampler.push(pcm, &mut self.samples);
        self.encode();
        while self.pending.len() >= self.chunk {
            let rest = self.pending.split_off(self.chunk);
            let full = std::mem::replace(&mut self.pending, rest);
            self.leave(now, full, out);
        }
    }

    /// Asks to be told when everything taken so far has been played.
    pub fn mark(&mut self, now: Moment, mark: u64, out: &mut Vec<Piece>) {
        if self.is_empty() {
            self.pass(now, Piece::Mark(mark), out);
        } else {
            self.marks.push_back((self.taken, mark));
        }
    }

    /// Lets go of what does not fill a piece, with silence behind it, and of the marks that waited.
    pub fn flush(&mut self, now: Moment, out: &mut Vec<Piece>) {
        self.samples.clear();
        self.resampler.finish(&mut self.samples);
        self.encode();
        while !self.pending.is_empty() {
            let rest = self.pending.split_off(self.pending.len().min(self.chunk));
            let mut piece = std::mem::replace(&mut self.pending, rest);
            let silence = if self.speech.coding == Coding::Mulaw { g711::ULAW_SILENCE } else { 0 };
            piece.resize(self.chunk, silence);
            self.leave(now, piece, out);
        }
        self.pass_marks(now, self.marks.len(), out);
        self.taken = 0;
        self.left = 0;
    }

    /// Nothing leaves for [`limits::EXOTEL_HUSH`]. What the carrier has not begun is kept to be sent again, for
    /// the carrier is to be told to clear it; gives the marks in it. `None`: there is nothing to hush, or it was
    /// hushed a moment ago.
    pub fn hush(&mut self, now: Moment) -> Option<Vec<u64>> {
        let silent = self.played_out <= now && self.pending.is_empty();
        if silent || self.hush.is_some() || now < self.hush_again {
            return None;
        }
        self.forget_begun(now);
        if let Some((begins, _)) = self.ahead.front() {
            self.played_out = *begins;
        }
        let kept: VecDeque<Piece> = self.ahead.drain(..).map(|(_, piece)| piece).collect();
        let marks = marks(&kept);
        self.hush = Some(Hush { until: now + limits::EXOTEL_HUSH, kept });
        Some(marks)
    }

    /// It was nothing: what was kept leaves.
    pub fn go_on(&mut self, now: Moment, out: &mut Vec<Piece>) {
        let Some(Hush { kept, .. }) = self.hush.take() else { return };
        self.hush_again = now + limits::EXOTEL_HUSH_AGAIN;
        kept.into_iter().for_each(|piece| self.pass(now, piece, out));
    }

    /// Does what is due by now ([`Outlet::due_at`]).
    pub fn tick(&mut self, now: Moment, out: &mut Vec<Piece>) {
        if self.due_at().is_some_and(|at| now >= at) {
            if self.hush.is_some() { self.go_on(now, out) } else { self.flush(now, out) }
        }
    }

    /// When [`Outlet::tick`] is wanted: the end of a hush, or when what is left over has to leave.
    pub fn due_at(&self) -> Option<Moment> {
        self.hush.as_ref().map_or_else(|| self.flush_at(), |hush| Some(hush.until))
    }

    /// Forgets what has not left; gives the marks that waited for it.
    pub fn clear(&mut self, now: Moment) -> Vec<u64> {
        // What is left inside comes out of no later sound.
        self.samples.clear();
        self.resampler.finish(&mut self.samples);
        self.pending.clear();
        self.taken = 0;
        self.left = 0;
        self.played_out = self.played_out.min(now);
        self.ahead.clear();
        let kept = self.hush.take().map(|hush| marks(&hush.kept)).unwrap_or_default();
        kept.into_iter().chain(self.marks.drain(..).map(|(_, mark)| mark)).collect()
    }

    /// When a flush is wanted if nothing more comes: the call pauses, and the carrier is about
    /// to run dry.
    fn flush_at(&self) -> Option<Moment> {
        let paused = self.last_taken + limits::EXOTEL_CHUNK_PATIENCE;
        (!self.is_empty()).then(|| paused.max(self.played_out - limits::EXOTEL_CHUNK_PATIENCE))
    }

    const fn is_empty(&self) -> bool {
        self.taken == 0
    }

    fn leave(&mut self, now: Moment, piece: Vec<u8>, out: &mut Vec<Piece>) {
        self.left += piece.len() as u64;
        self.pass(now, Piece::Sound(piece), out);
        let samples = self.left / self.speech.bytes_per_sample() as u64;
        let played = samples * u64::from(LINE_RATE) / u64::from(self.speech.rate);
        let done = self.marks.iter().take_while(|(after, _)| *after <= played).count();
        self.pass_marks(now, done, out);
        if self.pending.is_empty() && self.marks.is_empty() && self.taken <= played {
            self.taken = 0;
            self.left = 0;
        }
    }

    fn pass_marks(&mut self, now: Moment, count: usize, out: &mut Vec<Piece>) {
        for _ in 0..count {
            if let Some((_, mark)) = self.marks.pop_front() {
                self.pass(now, Piece::Mark(mark), out);
            }
        }
    }

    /// To the carrier, unless it is hushed.
    fn pass(&mut self, now: Moment, piece: Piece, out: &mut Vec<Piece>) {
        if let Some(hush) = &mut self.hush {
            return hush.kept.push_back(piece);
        }
        let begins = self.played_out.max(now);
        if let Piece::Sound(bytes) = &piece {
            self.played_out = begins + self.lasts(bytes.len());
        }
        self.forget_begun(now);
        self.ahead.push_back((begins, piece.clone()));
        out.push(piece);
    }

    fn forget_begun(&mut self, now: Moment) {
        while self.ahead.front().is_some_and(|(begins, _)| *begins <= now) {
            self.ahead.pop_front();
        }
    }

    fn encode(&mut self) {
        match self.speech.coding {
            Coding::Mulaw => g711::encode_ulaw(&self.samples, &mut self.pending),
            Coding::Pcm => self.pending.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes())),
        }
    }
}

fn marks(pieces: &VecDeque<Piece>) -> Vec<u64> {
    pieces.iter().filter_map(|piece| if let Piece::Mark(mark) = piece { Some(*mark) } else { None }).collect()
}

/// Looks whether the messages hold as many bytes as their times say.
#[derive(Debug, Default)]
pub struct Gauge {
    first_ms: Option<u64>,
    last_ms: u64,
    bytes: u64,
    messages: u32,
}

/// What the gauge says once, after enough messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Fits,
    /// It fits mu-law at 8 kHz.
    Mulaw,
    /// It fits nothing that is known here.
    Odd,
}

impl Gauge {
    /// One message in order; `None` while it is too early to tell, and ever after.
    pub fn read(&mut self, speech: Speech, at_ms: u64, bytes: usize) -> Option<Reading> {
        if self.messages > limits::EXOTEL_GAUGE_MESSAGES {
            return None;
        }
        let first = *self.first_ms.get_or_insert(at_ms);
        if self.messages > 0 && at_ms <= self.last_ms {
            return None; // out of order: it says nothing of the pace
        }
        let ready = self.messages == limits::EXOTEL_GAUGE_MESSAGES;
        self.messages += 1;
        self.last_ms = at_ms;
        if !ready {
            self.bytes += bytes as u64;
            return None;
        }
        let found = self.bytes as f64 / at_ms.saturating_sub(first).max(1) as f64;
        let fits = |wanted: f64| (found / wanted - 1.0).abs() < 0.2;
        Some(if fits(speech.bytes_per_ms()) {
            Reading::Fits
        } else if fits(f64::from(LINE_RATE) / 1_000.0) {
            Reading::Mulaw
        } else {
            Reading::Odd
        })
    }
}

#[cfg(test)]
#[path = "sound_tests.rs"]
mod tests;
