//! What a call sounded like, in stereo: the caller left, the agent right, on one time line.
//!
//! Promise: a sound is on the recording where it was on the line, within 20 ms for as long as the call
//! lasts: lost frames are mended as the ear mends them, jitter is not recorded, a carrier whose clock
//! runs faster or slower is followed. What `Clear` threw away was not heard by anybody and is silence,
//! named by [`Recorder::cuts`]. Memory is bounded by [`HORIZON`] whatever comes. Keys pressed by the
//! caller are silence where they are to be.
//! Absent on purpose: where the sound goes, and whether it may be recorded.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dtmf::DtmfDetector;
use super::jitter::Sequencer;
use crate::base::audio::{LINE_FRAME, LINE_RATE};
use crate::base::{Moment, limits};

/// Sound is given out this long after it was on the line, samples: late frames and `Clear` reach it
/// until then.
pub const HORIZON: u64 = LINE_RATE as u64;
/// Samples of one piece, a channel.
pub const PIECE: usize = LINE_RATE as usize;
/// The shortest way of a frame is looked for among those that came within one to two of these, samples.
const WINDOW: u64 = 2 * LINE_RATE as u64;
/// Differences between the carrier's clock and ours that are let be, and from which on they are jumped
/// over; between the two a sample a frame is left out or put in, which nobody hears.
const LET_BE: i64 = 24;
const JUMP: i64 = LINE_RATE as i64 / 5;
/// A key is known for certain about so long after its tone began, samples.
const KEY_KNOWN_AFTER: u64 = LINE_RATE as u64 * 8 / 100;
/// A key that the carrier told of: its tone may lie so far before and behind, samples.
const KEY_TOLD_BEFORE: u64 = LINE_RATE as u64 * 3 / 10;
const KEY_TOLD_AFTER: u64 = LINE_RATE as u64 / 5;
/// The caller's sound that waits to be given out, samples; what is older is dropped.
const WAITING_MAX: usize = 4 * LINE_RATE as usize;

/// Sound in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Left and right in turn.
    Sound(Vec<i16>),
    /// Nothing on either side for so many samples a channel.
    Silence(u64),
}

impl Piece {
    /// Samples a channel.
    pub const fn samples(&self) -> u64 {
        match self {
            Self::Sound(both) => both.len() as u64 / 2,
            Self::Silence(samples) => *samples,
        }
    }
}

/// A part of the agent's sound that was sent and thrown away before it was played: nobody heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cut {
    /// Milliseconds from the beginning of the recording.
    pub from_ms: u64,
    pub to_ms: u64,
    /// Always false.
    pub heard: bool,
}

pub struct Recorder {
    began: Moment,
    /// Samples given out.
    given: u64,
    caller: Caller,
    /// The agent's sound from `given` on.
    agent: VecDeque<i16>,
    /// Up to where the agent's sound is laid.
    agent_until: u64,
    cuts: Vec<Cut>,
    mute_keys: bool,
}

impl Recorder {
    /// `began` is the first sample. `mute_keys`: tones of keys are left out.
    pub fn new(began: Moment, mute_keys: bool) -> Self {
        Self {
            began,
            given: 0,
            caller: Caller::new(),
            agent: VecDeque::new(),
            agent_until: 0,
            cuts: Vec::new(),
            mute_keys,
        }
    }

    /// The sample of a moment.
    fn at(&self, now: Moment) -> u64 {
        samples(now.since(self.began).as_nanos())
    }

    /// A frame of the caller's, with the carrier's media time.
    pub fn caller(&mut self, now: Moment, at_ms: u64, pcm: &[i16]) {
        let at = self.at(now);
        self.caller.push(at, at_ms, pcm, self.mute_keys);
    }

    /// The carrier told of a key; its tone may be in the sound all the same.
    pub fn key(&mut self, now: Moment) {
        if self.mute_keys {
            let at = self.at(now);
            self.caller.quiet.add(at.saturating_sub(KEY_TOLD_BEFORE), at + KEY_TOLD_AFTER);
        }
    }

    /// A frame of the agent's leaves for the carrier, which plays it behind those before.
    pub fn agent(&mut self, now: Moment, pcm: &[i16]) {
        let from = self.agent_until.max(self.at(now)).max(self.given);
        let lies = usize::try_from(from - self.given).unwrap_or(usize::MAX);
        // Nobody sends so far ahead; what does is not sound that anybody hears.
        if lies > WAITING_MAX {
            return;
        }
        if self.agent.len() < lies {
            self.agent.resize(lies, 0);
        }
        self.agent.extend(pcm);
        self.agent_until = from + pcm.len() as u64;
    }

    /// The carrier throws away what it has not played.
    pub fn cleared(&mut self, now: Moment) {
        let at = self.at(now).max(self.given);
        if self.agent_until <= at {
            return;
        }
        if self.cuts.len() < limits::RECORDING_CUTS_MAX {
            self.cuts.push(Cut { from_ms: millis(at), to_ms: millis(self.agent_until), heard: false });
        }
        self.agent.truncate(usize::try_from(at - self.given).unwrap_or(usize::MAX));
        self.agent_until = at;
    }

    /// What was thrown away so far.
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// What nothing can change any more.
    pub fn take(&mut self, now: Moment, out: &mut Vec<Piece>) {
        let ready = self.at(now).saturating_sub(HORIZON);
        while self.given + PIECE as u64 <= ready {
            let piece = self.piece(PIECE);
            put(out, piece);
        }
    }

    /// The rest, up to `now`.
    pub fn finish(&mut self, now: Moment, out: &mut Vec<Piece>) {
        self.take(now, out);
        self.caller.flush();
        let end = self.at(now);
        while self.given < end {
            let piece = self.piece(usize::try_from(end - self.given).unwrap_or(PIECE).min(PIECE));
            put(out, piece);
        }
    }

    fn piece(&mut self, length: usize) -> Piece {
        let Some(left) = self.caller.take(self.given, length) else { return self.right_only(length) };
        let right = self.right(length);
        self.given += length as u64;
        Piece::Sound(left.into_iter().zip(right).flat_map(|(left, right)| [left, right]).collect())
    }

    fn right_only(&mut self, length: usize) -> Piece {
        if self.agent.is_empty() {
            self.given += length as u64;
            return Piece::Silence(length as u64);
        }
        let right = self.right(length);
        self.given += length as u64;
        Piece::Sound(right.into_iter().flat_map(|right| [0, right]).collect())
    }

    fn right(&mut self, length: usize) -> Vec<i16> {
        let there = length.min(self.agent.len());
        let mut right: Vec<i16> = self.agent.drain(..there).collect();
        right.resize(length, 0);
        right
    }
}

fn put(out: &mut Vec<Piece>, piece: Piece) {
    match (out.last_mut(), piece) {
        (Some(Piece::Silence(before)), Piece::Silence(more)) => *before += more,
        (_, piece) => out.push(piece),
    }
}

/// The caller's side: what the sequencer mends is one stream without a time; where it lies is told by
/// the frames that had the shortest way.
struct Caller {
    sequencer: Sequencer,
    keys: DtmfDetector,
    mended: Vec<i16>,
    /// The stream from sample `first` on.
    stream: VecDeque<i16>,
    first: u64,
    /// Where the stream's sample 0 lies on the recording; `None`: nothing was given out yet.
    offset: Option<i64>,
    /// The smallest offset in this window and in the one before.
    least: Option<i64>,
    least_before: Option<i64>,
    window_until: u64,
    /// The stream ran dry: its clock may be another one when it comes back.
    dry: bool,
    quiet: Quiet,
}

impl Caller {
    fn new() -> Self {
        Self {
            sequencer: Sequencer::new(LINE_RATE),
            keys: DtmfDetector::new(),
            mended: Vec::new(),
            stream: VecDeque::new(),
            first: 0,
            offset: None,
            least: None,
            least_before: None,
            window_until: 0,
            dry: false,
            quiet: Quiet::default(),
        }
    }

    fn end(&self) -> u64 {
        self.first + self.stream.len() as u64
    }

    fn push(&mut self, at: u64, at_ms: u64, pcm: &[i16], mute_keys: bool) {
        let mut mended = std::mem::take(&mut self.mended);
        mended.clear();
        self.sequencer.push(at_ms, pcm, &mut mended);
        if !mended.is_empty() {
            if mute_keys {
                self.hide_keys(&mended);
            }
            self.stream.extend(mended.iter().copied());
            self.measure(at);
            let surplus = self.stream.len().saturating_sub(WAITING_MAX);
            self.stream.drain(..surplus);
            self.first += surplus as u64;
        }
        self.mended = mended;
    }

    fn hide_keys(&mut self, mended: &[i16]) {
        let mut at = self.end();
        for frame in mended.chunks(LINE_FRAME) {
            self.keys.push(frame);
            if self.keys.is_pressed() {
                self.quiet.add_in_stream(at.saturating_sub(KEY_KNOWN_AFTER), at + frame.len() as u64);
            }
            at += frame.len() as u64;
        }
    }

    /// The last sample of the stream came now, so it was on the line now or before.
    fn measure(&mut self, at: u64) {
        let offset = at as i64 - self.end() as i64;
        if std::mem::take(&mut self.dry) {
            (self.least, self.least_before) = (None, None);
        }
        if at >= self.window_until {
            self.window_until = at + WINDOW;
            self.least_before = self.least.take();
        }
        self.least = Some(self.least.map_or(offset, |least| least.min(offset)));
    }

    /// `length` samples for the recording's place `from`; `None`: there was never anything.
    fn take(&mut self, from: u64, length: usize) -> Option<Vec<i16>> {
        let aim = [self.least, self.least_before].into_iter().flatten().min()?;
        let mut out = Vec::with_capacity(length);
        while out.len() < length {
            let part = LINE_FRAME.min(length - out.len());
            let place = from + out.len() as u64;
            let offset = self.follow(aim);
            let mut sounded = false;
            for n in 0..part as u64 {
                let of = place as i64 + n as i64 - offset;
                let sample = u64::try_from(of).ok().and_then(|of| {
                    let here = usize::try_from(of.checked_sub(self.first)?).ok()?;
                    self.stream.get(here).copied().filter(|_| !self.quiet.hides(place + n, of))
                });
                sounded |= u64::try_from(of).is_ok_and(|of| of < self.end());
                out.push(sample.unwrap_or(0));
            }
            self.dry |= !sounded;
            // One frame is kept behind, for when the clock is set back.
            let done = (place + part as u64) as i64 - offset - LINE_FRAME as i64;
            let gone = u64::try_from(done).map_or(0, |done| done.saturating_sub(self.first));
            let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.stream.len());
            self.stream.drain(..gone);
            self.first += gone as u64;
        }
        self.quiet.forget(from, self.first);
        Some(out)
    }

    fn follow(&mut self, aim: i64) -> i64 {
        let offset = match self.offset {
            Some(offset) if (aim - offset).abs() <= LET_BE => offset,
            Some(offset) if (aim - offset).abs() <= JUMP => offset + (aim - offset).signum(),
            _ => aim,
        };
        self.offset = Some(offset);
        offset
    }

    fn flush(&mut self) {
        let mut mended = Vec::new();
        self.sequencer.flush(&mut mended);
        self.stream.extend(mended);
    }
}

/// Where the caller's side is left out.
#[derive(Debug, Default)]
struct Quiet {
    /// On the recording.
    spans: VecDeque<(u64, u64)>,
    /// In the stream.
    in_stream: VecDeque<(u64, u64)>,
}

impl Quiet {
    fn add(&mut self, from: u64, to: u64) {
        join(&mut self.spans, from, to);
    }

    fn add_in_stream(&mut self, from: u64, to: u64) {
        join(&mut self.in_stream, from, to);
    }

    fn hides(&self, place: u64, of: u64) -> bool {
        let within = |spans: &VecDeque<(u64, u64)>, at: u64| spans.iter().any(|(from, to)| (*from..*to).contains(&at));
        within(&self.spans, place) || within(&self.in_stream, of)
    }

    /// What lies before these places is given out.
    fn forget(&mut self, place: u64, of: u64) {
        self.spans.retain(|(_, to)| *to > place);
        self.in_stream.retain(|(_, to)| *to > of);
    }
}

fn join(spans: &mut VecDeque<(u64, u64)>, from: u64, to: u64) {
    match spans.back_mut() {
        Some(last) if from <= last.1 => last.1 = last.1.max(to),
        _ => spans.push_back((from, to)),
    }
}

/// At the line's rate.
const fn samples(nanos: u128) -> u64 {
    (nanos * LINE_RATE as u128 / 1_000_000_000) as u64
}

/// Of so many samples at the line's rate.
pub const fn millis(samples: u64) -> u64 {
    samples * 1_000 / LINE_RATE as u64
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
