//! The queue of what we say, cut into frames.
//! Promise: segments play in the order of their first push, frames are exactly 20 ms, no sound of a
//! cut segment ever leaves after `clear`, and of every recent segment it is known how much was
//! queued, sent and, by the carrier's marks, surely heard.
//! Absent on purpose: pacing (see [`super::pace`]), sockets, text.

use std::collections::VecDeque;

use crate::base::audio::{LINE_FRAME, LINE_RATE};
use crate::base::limits::{PLAYOUT_LEDGER_MAX, PLAYOUT_MARKS_MAX, PLAYOUT_QUEUE_MAX};

/// Why sound was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Push it again once some of the queue has played.
    #[error("the playout queue is full")]
    Full,
    /// The segment was closed or cut off; its producer may stop.
    #[error("the segment is closed")]
    Closed,
}

/// How far a segment has come, in milliseconds of its sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All that was ever pushed.
    pub pushed_ms: u32,
    /// Of that, what went to the carrier.
    pub sent_ms: u32,
    /// Of that, what the carrier's marks confirm as played.
    pub heard_ms: u32,
    /// No more will come.
    pub closed: bool,
    /// `clear` came before everything was sent.
    pub cut: bool,
}

/// What `clear` threw away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Segments that were queued and how much of each had not been sent.
    pub unsent: Vec<(u64, u32)>,
    /// The segment whose frames were leaving.
    pub playing: Option<u64>,
}

#[derive(Debug)]
struct Segment {
    id: u64,
    /// Not sent yet.
    samples: VecDeque<i16>,
    pushed: usize,
    sent: usize,
    /// Number of frames sent on the leg before the first of this segment.
    first_frame: u64,
    frames: u64,
    closed: bool,
    cut: bool,
}

impl Segment {
    fn is_done(&self) -> bool {
        self.closed && self.samples.is_empty()
    }
}

#[derive(Debug, Default)]
pub struct Playout {
    /// In playing order; done ones stay in front as the ledger until there are too many.
    segments: VecDeque<Segment>,
    /// Index of the first segment that is not done.
    current: usize,
    queued: usize,
    frames_sent: u64,
    frames_heard: u64,
    /// Marks sent and not yet answered, with the frames sent before them.
    marks: VecDeque<(u64, u64)>,
    underruns: u32,
    dry: bool,
}

impl Playout {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends sound to a segment; a new one queues behind all others.
    pub fn push(&mut self, segment: u64, pcm: &[i16]) -> Result<(), Refused> {
        if self.find(segment).is_some_and(|s| s.closed) {
            return Err(Refused::Closed);
        }
        let most = PLAYOUT_QUEUE_MAX.as_millis() as usize * LINE_RATE as usize / 1000;
        if self.queued + pcm.len() > most {
            return Err(Refused::Full);
        }
        self.queued += pcm.len();
        let entry = self.entry(segment);
        entry.samples.extend(pcm);
        entry.pushed += pcm.len();
        Ok(())
    }

    /// The segment is complete: nothing more will be pushed to it.
    pub fn close(&mut self, segment: u64) {
        self.entry(segment).closed = true;
        self.advance();
    }

    /// The next 20 ms, or nothing if there is nothing or the segment's next samples are not there
    /// yet. The end of a segment is filled up with silence.
    pub fn pull(&mut self) -> Option<Vec<i16>> {
        let frames_sent = self.frames_sent;
        let segment = self.segments.get_mut(self.current)?;
        if segment.samples.len() < LINE_FRAME && !segment.closed {
            // An underrun is a gap within a segment, counted once however long it lasts.
            if segment.sent > 0 && !self.dry {
                self.dry = true;
                self.underruns = self.underruns.saturating_add(1);
            }
            return None;
        }
        let taken = segment.samples.len().min(LINE_FRAME);
        let mut frame: Vec<i16> = segment.samples.drain(..taken).collect();
        frame.resize(LINE_FRAME, 0);
        if segment.frames == 0 {
            segment.first_frame = frames_sent;
        }
        segment.frames += 1;
        segment.sent += taken;
        self.queued -= taken;
        self.frames_sent += 1;
        self.dry = false;
        self.advance();
        Some(frame)
    }

    /// Throws away all that has not been sent. The segments concerned are closed for good.
    pub fn clear(&mut self) -> Cut {
        let playing = self.playing();
        let mut unsent = Vec::new();
        for segment in self.segments.range_mut(self.current..) {
            unsent.push((segment.id, ms(segment.samples.len())));
            segment.cut = true;
            segment.closed = true;
            segment.samples = VecDeque::new();
        }
        self.queued = 0;
        self.dry = false;
        self.advance();
        Cut { unsent, playing }
    }

    /// A mark goes out now: it will confirm everything sent so far.
    pub fn mark_sent(&mut self, mark: u64) {
        if self.marks.len() >= PLAYOUT_MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((mark, self.frames_sent));
    }

    /// The carrier has played everything before this mark. Unknown marks are ignored.
    pub fn mark_played(&mut self, mark: u64) {
        if let Some(frames) = self.take_mark(mark) {
            self.frames_heard = self.frames_heard.max(frames);
        }
    }

    /// The carrier threw the mark away.
    pub fn mark_flushed(&mut self, mark: u64) {
        self.take_mark(mark);
    }

    /// Milliseconds of the segment that went to the carrier.
    pub fn sent_ms(&self, segment: u64) -> u32 {
        self.progress(segment).sent_ms
    }

    /// Milliseconds of the segment that the caller surely heard.
    pub fn heard_ms(&self, segment: u64) -> u32 {
        self.progress(segment).heard_ms
    }

    /// Zeros for a segment that is unknown or too long ago.
    pub fn progress(&self, segment: u64) -> Progress {
        let Some(s) = self.find(segment) else { return Progress::default() };
        let heard = self.frames_heard.saturating_sub(s.first_frame).min(s.frames) as usize * LINE_FRAME;
        Progress {
            pushed_ms: ms(s.pushed),
            sent_ms: ms(s.sent),
            heard_ms: ms(heard.min(s.sent)),
            closed: s.closed,
            cut: s.cut,
        }
    }

    /// The segment whose frames are leaving: begun and not done.
    pub fn playing(&self) -> Option<u64> {
        self.segments.get(self.current).filter(|s| s.sent > 0).map(|s| s.id)
    }

    /// Nothing is queued and no segment is open.
    pub fn is_idle(&self) -> bool {
        self.current == self.segments.len()
    }

    pub fn queued_ms(&self) -> u32 {
        ms(self.queued)
    }

    /// Frames sent and confirmed as played, over the whole leg. Equal: the caller heard everything.
    pub const fn frames(&self) -> (u64, u64) {
        (self.frames_sent, self.frames_heard)
    }

    /// Times a segment ran dry between its first and its last frame.
    pub const fn underruns(&self) -> u32 {
        self.underruns
    }

    fn find(&self, segment: u64) -> Option<&Segment> {
        self.segments.iter().rev().find(|s| s.id == segment)
    }

    fn entry(&mut self, id: u64) -> &mut Segment {
        let at = self.segments.iter().rposition(|s| s.id == id).unwrap_or_else(|| {
            self.segments.push_back(Segment {
                id,
                samples: VecDeque::new(),
                pushed: 0,
                sent: 0,
                first_frame: self.frames_sent,
                frames: 0,
                closed: false,
                cut: false,
            });
            self.segments.len() - 1
        });
        &mut self.segments[at]
    }

    /// Steps over segments that are done and forgets the oldest of them.
    fn advance(&mut self) {
        while let Some(segment) = self.segments.get_mut(self.current).filter(|s| s.is_done()) {
            segment.samples = VecDeque::new();
            self.current += 1;
        }
        while self.current > PLAYOUT_LEDGER_MAX {
            self.segments.pop_front();
            self.current -= 1;
        }
    }

    fn take_mark(&mut self, mark: u64) -> Option<u64> {
        let at = self.marks.iter().position(|(m, _)| *m == mark)?;
        self.marks.remove(at).map(|(_, frames)| frames)
    }
}

const fn ms(samples: usize) -> u32 {
    (samples * 1000 / LINE_RATE as usize) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pulled(playout: &mut Playout, frames: usize) -> Vec<i16> {
        (0..frames).filter_map(|_| playout.pull()).inspect(|f| assert_eq!(f.len(), LINE_FRAME)).flatten().collect()
    }

    #[test]
    fn segments_play_in_order_and_ends_are_filled() {
        let mut playout = Playout::new();
        playout.push(1, &[1; 100]).unwrap();
        playout.push(2, &[2; 200]).unwrap();
        playout.push(1, &[1; 100]).unwrap();
        assert_eq!(pulled(&mut playout, 1), [1; 160]);
        assert_eq!(playout.playing(), Some(1));
        assert_eq!(playout.pull(), None, "40 samples of an open segment are not a frame");
        playout.close(1);
        let frame = pulled(&mut playout, 1);
        assert_eq!((&frame[..40], &frame[40..]), (&[1; 40][..], &[0; 120][..]));
        assert_eq!(pulled(&mut playout, 5), [2; 160]);
        playout.close(2);
        assert_eq!(pulled(&mut playout, 5).len(), 160);
        assert!(playout.is_idle());
        assert_eq!(playout.pull(), None);
        assert_eq!(playout.push(1, &[1]), Err(Refused::Closed));
        assert_eq!(playout.underruns(), 2);
    }

    #[test]
    fn empty_segments_do_not_stand_in_the_way() {
        let mut playout = Playout::new();
        playout.close(7);
        playout.push(8, &[]).unwrap();
        playout.push(9, &[9; 160]).unwrap();
        assert_eq!(playout.pull(), None, "8 may still get its sound");
        assert_eq!(playout.underruns(), 0, "it has not begun");
        playout.close(8);
        assert_eq!(pulled(&mut playout, 1), [9; 160]);
    }

    #[test]
    fn marks_tell_what_was_heard() {
        let mut playout = Playout::new();
        playout.push(1, &[1; 320]).unwrap();
        playout.close(1);
        playout.push(2, &[2; 480]).unwrap();
        pulled(&mut playout, 1);
        playout.mark_sent(100);
        pulled(&mut playout, 2);
        playout.mark_sent(101);
        pulled(&mut playout, 1);
        assert_eq!((playout.sent_ms(1), playout.heard_ms(1)), (40, 0));
        playout.mark_played(100);
        assert_eq!((playout.heard_ms(1), playout.heard_ms(2)), (20, 0));
        playout.mark_played(999);
        playout.mark_played(101);
        assert_eq!((playout.heard_ms(1), playout.heard_ms(2), playout.sent_ms(2)), (40, 20, 40));
        playout.mark_played(100);
        assert_eq!(playout.heard_ms(1), 40, "an old mark takes nothing back");

        let cut = playout.clear();
        assert_eq!(cut, Cut { unsent: vec![(2, 20)], playing: Some(2) });
        assert_eq!(playout.progress(2), Progress { pushed_ms: 60, sent_ms: 40, heard_ms: 20, closed: true, cut: true });
        assert_eq!(playout.push(2, &[2; 160]), Err(Refused::Closed), "a late voice does not revive a cut segment");
        assert!(!playout.progress(1).cut);
        playout.push(3, &[3; 160]).unwrap();
        assert_eq!(pulled(&mut playout, 3), [3; 160]);
        playout.mark_sent(102);
        playout.mark_flushed(102);
        playout.mark_played(102);
        assert_eq!(playout.heard_ms(3), 0);
    }

    #[test]
    fn the_queue_the_ledger_and_the_marks_are_bounded() {
        let mut playout = Playout::new();
        let second = vec![0; LINE_RATE as usize];
        let seconds = PLAYOUT_QUEUE_MAX.as_secs();
        for _ in 0..seconds {
            playout.push(1, &second).unwrap();
        }
        assert_eq!(playout.push(1, &[0]), Err(Refused::Full));
        assert_eq!(playout.push(2, &[0]), Err(Refused::Full));
        assert!(playout.pull().is_some());
        playout.push(1, &[0; 160]).unwrap();
        assert_eq!(u64::from(playout.queued_ms()), seconds * 1000);
        playout.clear();
        assert_eq!(playout.queued_ms(), 0);
        for id in 10..10_000 {
            playout.push(id, &[1; 160]).unwrap();
            playout.close(id);
            playout.mark_sent(id);
            assert!(playout.pull().is_some());
        }
        assert!(playout.segments.len() <= PLAYOUT_LEDGER_MAX + 1);
        assert_eq!(playout.marks.len(), PLAYOUT_MARKS_MAX);
        assert_eq!(playout.sent_ms(9_999), 20);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64, usize),
        Close(u64),
        Pull,
        Clear,
        Mark(u64),
        Played(u64),
        Flushed(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u64..6, 0_usize..500).prop_map(|(s, n)| Step::Push(s, n)),
            1 => (0_u64..6).prop_map(Step::Close),
            4 => Just(Step::Pull),
            1 => Just(Step::Clear),
            1 => (0_u64..20).prop_map(Step::Mark),
            1 => (0_u64..20).prop_map(Step::Played),
            1 => (0_u64..20).prop_map(Step::Flushed),
        ]
    }

    proptest! {
        /// Sound is neither lost, doubled, reordered within a segment, nor heard before it was sent.
        #[test]
        fn books_always_balance(steps in proptest::collection::vec(step(), 0..200)) {
            let mut playout = Playout::new();
            let mut pushed = [0_usize; 6];
            let mut out = Vec::new();
            for step in steps {
                match step {
                    Step::Push(s, n) => {
                        // Each sample carries its segment and its place.
                        let at = pushed[s as usize];
                        let pcm: Vec<i16> = (at..at + n).map(|i| (s as i16 + 1) * 4_000 + (i % 4_000) as i16).collect();
                        if playout.push(s, &pcm).is_ok() {
                            pushed[s as usize] += n;
                        }
                    }
                    Step::Close(s) => playout.close(s),
                    Step::Pull => out.extend(playout.pull().unwrap_or_default()),
                    Step::Clear => { playout.clear(); }
                    Step::Mark(m) => playout.mark_sent(m),
                    Step::Played(m) => playout.mark_played(m),
                    Step::Flushed(m) => playout.mark_flushed(m),
                }
                let mut queued = 0;
                for s in 0..6 {
                    let p = playout.progress(s);
                    prop_assert!(p.heard_ms <= p.sent_ms && p.sent_ms <= p.pushed_ms);
                    queued += playout.find(s).map_or(0, |s| s.samples.len());
                }
                prop_assert_eq!(queued, playout.queued);
            }
            for s in 0..6_i16 {
                let of_segment: Vec<i16> = out.iter().copied().filter(|v| v / 4_000 == s + 1).collect();
                prop_assert!(of_segment.len() <= pushed[s as usize]);
                for (place, value) in of_segment.iter().enumerate() {
                    prop_assert_eq!(usize::from((value % 4_000).unsigned_abs()), place % 4_000);
                }
            }
        }
    }
}
