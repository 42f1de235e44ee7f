//! Mends a carrier's frames into one continuous stream.
//! Promise: whatever the media clock does, the output never runs away from it: gaps are filled
//! (faded repetition first, then silence), what comes twice or too late is dropped, what comes a
//! little early is held for two frames at most, and a clock that jumps is followed after its second
//! frame. Every sample out is accounted for as media time.
//! Absent on purpose: real time. A carrier that falls silent is noticed by whoever holds a clock.

use crate::base::limits::{GAP_CONCEALED_MAX, GAP_FILLED_MAX};

/// A frame may lie so far from where it is expected before it counts as early or late: carriers
/// round, and their frames are not always of the length they say.
const TOLERANCE_MS: i128 = 15;
/// A frame this much too early may have overtaken another one.
const OVERTAKING_MAX_MS: i128 = 60;
/// So many frames wait for one that they overtook.
const HELD_MAX: usize = 2;
/// Repetition is at full level for so long, then fades.
const UNFADED_MS: usize = 10;
/// Mended and real sound are blended over this time.
const BLEND_MS: usize = 4;
/// Sound kept for repetition.
const HISTORY_MS: usize = 30;

/// What one push did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Lost sound that was filled in.
    pub missing_ms: u32,
    /// Frames thrown away: duplicates, too late, or alone at a time far off.
    pub late_dropped: u32,
    /// The carrier's clock jumped and was followed.
    pub resynced: bool,
    /// The frame waits for one that should have come before it.
    pub held: bool,
}

/// Sums over the life of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub missing_ms: u64,
    pub late_dropped: u64,
    pub resyncs: u64,
}

/// Media times are counted in samples times 1000 (milliseconds times the rate), so that nothing is
/// ever rounded.
#[derive(Debug)]
pub struct Sequencer {
    rate: u32,
    /// Media time at which the output ends.
    end: Option<i128>,
    held: Vec<Frame>,
    /// A frame from a time far off: the first after a jump of the clock, or nonsense.
    stray: Option<Frame>,
    history: Vec<i16>,
    repetition: Option<Repetition>,
    totals: Totals,
}

#[derive(Debug)]
struct Frame {
    at: i128,
    pcm: Vec<i16>,
}

impl Frame {
    fn end(&self) -> i128 {
        self.at + self.pcm.len() as i128 * 1000
    }
}

/// A gap being filled: the last period of the voice again and again.
#[derive(Debug)]
struct Repetition {
    period: Vec<i16>,
    made: usize,
}

impl Sequencer {
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            end: None,
            held: Vec::new(),
            stray: None,
            history: Vec::new(),
            repetition: None,
            totals: Totals::default(),
        }
    }

    /// One frame with the carrier's media time of its first sample; appends what is ready.
    pub fn push(&mut self, at_ms: u64, pcm: &[i16], out: &mut Vec<i16>) -> Arrival {
        let mut arrival = Arrival::default();
        if !pcm.is_empty() {
            let frame = Frame { at: i128::from(at_ms) * i128::from(self.rate), pcm: pcm.to_vec() };
            self.place(frame, &mut arrival, out);
            self.settle(false, &mut arrival, out);
        }
        self.count(arrival)
    }

    /// Gives out what is held: the stream has ended, or nothing has come for a while.
    pub fn flush(&mut self, out: &mut Vec<i16>) -> Arrival {
        let mut arrival = Arrival::default();
        arrival.late_dropped += u32::from(self.stray.take().is_some());
        self.settle(true, &mut arrival, out);
        self.count(arrival)
    }

    pub const fn totals(&self) -> Totals {
        self.totals
    }

    fn place(&mut self, frame: Frame, arrival: &mut Arrival, out: &mut Vec<i16>) {
        let Some(end) = self.end else {
            self.end = Some(frame.at);
            self.held.push(frame);
            return;
        };
        let far = self.ms(GAP_FILLED_MAX.as_millis() as i128);
        if (frame.at - end).abs() <= far {
            arrival.late_dropped += u32::from(self.stray.take().is_some());
            self.hold(frame, arrival);
            return;
        }
        match self.stray.take() {
            Some(first) if (frame.at - first.end()).abs() <= self.ms(TOLERANCE_MS) => {
                self.settle(true, arrival, out);
                let end = self.end.unwrap_or(first.at);
                if first.at > end {
                    self.fill(end + far, arrival, out);
                }
                self.end = Some(first.at);
                self.held.extend([first, frame]);
                arrival.resynced = true;
            }
            other => {
                arrival.late_dropped += u32::from(other.is_some());
                self.stray = Some(frame);
                arrival.held = true;
            }
        }
    }

    fn hold(&mut self, frame: Frame, arrival: &mut Arrival) {
        let at = self.held.partition_point(|other| other.at < frame.at);
        if self.held.get(at).is_some_and(|other| other.at == frame.at) {
            arrival.late_dropped += 1;
        } else {
            self.held.insert(at, frame);
        }
    }

    /// Emits held frames whose turn has come; with `all`, or when too many or too long a gap wait,
    /// fills the gaps before them.
    fn settle(&mut self, all: bool, arrival: &mut Arrival, out: &mut Vec<i16>) {
        let tolerance = self.ms(TOLERANCE_MS);
        while let (Some(first), Some(last), Some(end)) = (self.held.first(), self.held.last(), self.end) {
            if first.at > end + tolerance {
                let waiting = !all && self.held.len() <= HELD_MAX && last.at - end <= self.ms(OVERTAKING_MAX_MS);
                if waiting {
                    arrival.held = true;
                    return;
                }
                self.fill(first.at, arrival, out);
            }
            let frame = self.held.remove(0);
            self.emit(&frame, arrival, out);
        }
    }

    /// Appends what of the frame is not in the output yet.
    fn emit(&mut self, frame: &Frame, arrival: &mut Arrival, out: &mut Vec<i16>) {
        let end = self.end.unwrap_or(frame.at);
        let tolerance = self.ms(TOLERANCE_MS);
        let overlap = if frame.at >= end - tolerance { 0 } else { (end - frame.at) / 1000 };
        let overlap = usize::try_from(overlap).unwrap_or(usize::MAX);
        // A rest shorter than the tolerance is the end of a duplicate, not news.
        if overlap > 0 && frame.end() <= end + tolerance || overlap >= frame.pcm.len() {
            arrival.late_dropped += 1;
            return;
        }
        let from = out.len();
        out.extend_from_slice(&frame.pcm[overlap..]);
        self.blend(&mut out[from..]);
        self.advance(out.len() - from);
        self.remember(&frame.pcm[overlap..]);
    }

    /// Fills the output up to the media time `to`.
    fn fill(&mut self, to: i128, arrival: &mut Arrival, out: &mut Vec<i16>) {
        let Some(end) = self.end else { return };
        let samples = usize::try_from((to - end) / 1000).unwrap_or(0);
        let history = &self.history;
        let mut repetition =
            self.repetition.take().unwrap_or_else(|| Repetition { period: last_period(history, self.rate), made: 0 });
        out.extend((0..samples).map(|_| repetition.next(self.rate)));
        self.repetition = Some(repetition);
        self.advance(samples);
        arrival.missing_ms = arrival.missing_ms.saturating_add((samples as u64 * 1000 / u64::from(self.rate)) as u32);
    }

    /// Leads over from repetition to real sound.
    fn blend(&mut self, real: &mut [i16]) {
        let Some(mut repetition) = self.repetition.take() else { return };
        let length = self.rate as usize * BLEND_MS / 1000;
        for (n, sample) in real.iter_mut().take(length).enumerate() {
            let weight = (n + 1) as f32 / (length + 1) as f32;
            let mended = f32::from(repetition.next(self.rate));
            *sample = (f32::from(*sample) * weight + mended * (1.0 - weight)) as i16;
        }
    }

    fn advance(&mut self, samples: usize) {
        if let Some(end) = &mut self.end {
            *end += samples as i128 * 1000;
        }
    }

    fn remember(&mut self, pcm: &[i16]) {
        let most = self.rate as usize * HISTORY_MS / 1000;
        let fresh = &pcm[pcm.len().saturating_sub(most)..];
        let stale = (self.history.len() + fresh.len()).saturating_sub(most);
        self.history.drain(..stale);
        self.history.extend_from_slice(fresh);
    }

    fn count(&mut self, arrival: Arrival) -> Arrival {
        self.totals.missing_ms += u64::from(arrival.missing_ms);
        self.totals.late_dropped += u64::from(arrival.late_dropped);
        self.totals.resyncs += u64::from(arrival.resynced);
        arrival
    }

    fn ms(&self, ms: i128) -> i128 {
        ms * i128::from(self.rate)
    }
}

impl Repetition {
    fn next(&mut self, rate: u32) -> i16 {
        let unfaded = rate as usize * UNFADED_MS / 1000;
        let most = (rate as usize * GAP_CONCEALED_MAX.as_millis() as usize / 1000).max(unfaded + 1);
        let at = self.made;
        self.made += 1;
        if at >= most || self.period.is_empty() {
            return 0;
        }
        let faded = at.saturating_sub(unfaded) as f32 / (most - unfaded) as f32;
        (f32::from(self.period[at % self.period.len()]) * (1.0 - faded)) as i16
    }
}

/// The end of `history`, one period of its pitch long (66 to 400 Hz), so that repeating it goes on
/// without a seam.
fn last_period(history: &[i16], rate: u32) -> Vec<i16> {
    let (shortest, longest) = (rate as usize / 400, rate as usize / 66);
    let compared = rate as usize / 100;
    let best = (shortest..=longest.min(history.len().saturating_sub(compared)))
        .max_by(|a, b| likeness(history, *a, compared).total_cmp(&likeness(history, *b, compared)));
    let period = best.unwrap_or(history.len()).min(history.len());
    history[history.len() - period..].to_vec()
}

/// How alike the last `compared` samples are to those `lag` before them, -1 to 1.
fn likeness(history: &[i16], lag: usize, compared: usize) -> f32 {
    let (now, before) = (&history[history.len() - compared..], &history[history.len() - compared - lag..]);
    let (mut product, mut energy) = (0.0, 1.0);
    let mut own = 1.0;
    for (a, b) in now.iter().zip(before) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        product += a * b;
        energy += b * b;
        own += a * a;
    }
    product / (energy * own).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: usize = 8;

    /// A 200 Hz tone, so that phase tells the place: sample n of the medium.
    fn medium(from_ms: u64, ms: u64) -> Vec<i16> {
        let rate = 8_000.0;
        (from_ms * 8..(from_ms + ms) * 8)
            .map(|n| ((n as f64 * std::f64::consts::TAU * 200.0 / rate).sin() * 8_000.0) as i16)
            .collect()
    }

    fn push_all(sequencer: &mut Sequencer, frames: &[(u64, u64)]) -> (Vec<i16>, Arrival) {
        let mut out = Vec::new();
        let mut sum = Arrival::default();
        for (at, ms) in frames {
            let arrival = sequencer.push(*at, &medium(*at, *ms), &mut out);
            sum.missing_ms += arrival.missing_ms;
            sum.late_dropped += arrival.late_dropped;
            sum.resynced |= arrival.resynced;
        }
        (out, sum)
    }

    #[test]
    fn orderly_frames_pass_untouched() {
        for (start, length) in [(0, 20), (123_456_789, 20), (40, 10), (7, 33), (0, 500)] {
            let frames: Vec<(u64, u64)> = (0..40).map(|n| (start + n * length, length)).collect();
            let (out, sum) = push_all(&mut Sequencer::new(8_000), &frames);
            assert_eq!(out, medium(start, 40 * length));
            assert_eq!(sum, Arrival::default());
        }
    }

    #[test]
    fn scripts() {
        for (what, frames, out_ms, missing_ms, late_dropped, resynced) in [
            ("twice the same", &[(0, 20), (20, 20), (20, 20), (40, 20)][..], 60, 0, 1, false),
            ("swapped", &[(0, 20), (40, 20), (20, 20), (60, 20)], 80, 0, 0, false),
            ("swapped by two", &[(0, 20), (40, 20), (60, 20), (20, 20), (80, 20)], 100, 0, 0, false),
            ("one lost", &[(0, 20), (40, 20), (60, 20), (80, 20)], 100, 20, 0, false),
            (
                "one lost, then much too late",
                &[(0, 20), (40, 20), (60, 20), (80, 20), (20, 20), (100, 20)],
                120,
                20,
                1,
                false,
            ),
            ("a second lost", &[(0, 20), (1_020, 20)], 1_040, 1_000, 0, false),
            ("half overlapping", &[(0, 40), (20, 40), (60, 20)], 80, 0, 0, false),
            ("clock jumps ahead", &[(0, 20), (90_000, 20), (90_020, 20), (90_040, 20)], 1_080, 1_000, 0, true),
            ("clock jumps back", &[(90_000, 20), (90_020, 20), (0, 20), (20, 20), (40, 20)], 100, 0, 0, true),
            ("one frame from nowhere", &[(0, 20), (90_000, 20), (20, 20), (40, 20)], 60, 0, 1, false),
            ("nonsense does not become a clock", &[(0, 20), (90_000, 20), (50_000, 20), (20, 20)], 40, 0, 2, false),
            ("rounded times", &[(0, 20), (21, 20), (38, 20), (65, 20)], 80, 0, 0, false),
        ] {
            let (out, sum) = push_all(&mut Sequencer::new(8_000), frames);
            assert_eq!(out.len(), out_ms * MS, "{what}");
            let expected = Arrival { missing_ms, late_dropped, resynced, held: false };
            assert_eq!(sum, expected, "{what}");
        }
    }

    #[test]
    fn reordered_frames_lose_nothing() {
        let (out, _) =
            push_all(&mut Sequencer::new(8_000), &[(0, 20), (40, 20), (60, 20), (20, 20), (100, 20), (80, 20)]);
        assert_eq!(out, medium(0, 120));
    }

    #[test]
    fn what_is_held_comes_out_at_the_end() {
        let mut sequencer = Sequencer::new(8_000);
        let (mut out, _) = push_all(&mut sequencer, &[(0, 20), (40, 20)]);
        assert_eq!(out.len(), 20 * MS);
        assert_eq!(sequencer.flush(&mut out).missing_ms, 20);
        assert_eq!(out.len(), 60 * MS);
        assert_eq!(sequencer.flush(&mut out), Arrival::default());
    }

    #[test]
    fn a_gap_is_mended_without_a_seam_and_fades() {
        // 400 ms of a 200 Hz tone with 60 ms lost in the middle: the repetition goes on in phase.
        let frames: Vec<(u64, u64)> = (0..20).filter(|n| !(10..13).contains(n)).map(|n| (n * 20, 20)).collect();
        let (out, sum) = push_all(&mut Sequencer::new(8_000), &frames);
        assert_eq!(sum.missing_ms, 60);
        let whole = medium(0, 400);
        let steepest = whole.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap();
        let jump = out.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap();
        assert!(jump <= steepest + steepest / 4, "a step of {jump} where {steepest} is natural");
        let wrong = out.iter().zip(&whole).map(|(a, b)| (a - b).abs()).max().unwrap();
        assert!(wrong < 3_000, "60 ms are mostly right: {wrong}");
        // Long gaps end in silence.
        let (out, _) = push_all(&mut Sequencer::new(8_000), &[(0, 100), (900, 20)]);
        assert!(out[300 * MS..890 * MS].iter().all(|s| *s == 0));
        assert!(out[110 * MS..150 * MS].iter().any(|s| s.abs() > 4_000));
    }

    #[test]
    fn steady_drift_is_followed() {
        // A carrier whose clock says 20.2 ms for each frame of 20 ms: 1 % must be filled in.
        let frames: Vec<(u64, u64)> = (0..1_000).map(|n| (n * 202 / 10, 20)).collect();
        let mut sequencer = Sequencer::new(8_000);
        let (out, sum) = push_all(&mut sequencer, &frames);
        let behind = 20_200_i64 - (out.len() / MS) as i64;
        assert!(behind.abs() <= 60, "{behind} ms behind");
        assert!(sum.missing_ms >= 140 && sum.late_dropped == 0);
    }

    proptest! {
        /// Loss, repetition and disorder of up to three frames: the output is as long as the time
        /// from the first to the last frame, give or take what may be held or tolerated.
        #[test]
        fn output_tracks_media_time(
            start in 0_u64..1_000_000_000,
            length in prop_oneof![Just(20_u64), 5_u64..60],
            fates in proptest::collection::vec((0_u8..10, 0_usize..4), 1..300),
        ) {
            let mut order: Vec<(usize, u64)> = Vec::new();
            for (n, (fate, delay)) in fates.iter().enumerate() {
                let at = start + n as u64 * length;
                // The first frame comes first, so that it sets the clock.
                match (n, fate) {
                    (0, _) | (_, 3..) => order.push((n, at)),
                    (_, 0) => {}
                    (_, 1) => order.extend([(n, at), (n + delay, at)]),
                    (_, _) => order.push((n + delay, at)),
                }
            }
            order.sort_by_key(|(place, _)| *place);
            let (mut sequencer, mut out, mut latest) = (Sequencer::new(8_000), Vec::new(), 0);
            for (_, at) in order {
                sequencer.push(at, &medium(at, length), &mut out);
                latest = latest.max(at + length);
                let covered = (out.len() / MS) as i64;
                let media = (latest - start) as i64;
                let slack = TOLERANCE_MS as i64 + OVERTAKING_MAX_MS as i64 + length as i64;
                // A gap longer than is filled makes a stray of the first frame after it.
                if sequencer.totals().resyncs == 0 && sequencer.stray.is_none() {
                    prop_assert!(covered <= media + TOLERANCE_MS as i64, "{covered} of {media} ms");
                    prop_assert!(covered >= media - slack, "{covered} of {media} ms");
                }
            }
        }

        #[test]
        fn any_clock_and_any_length_is_survived(
            frames in proptest::collection::vec(
                (prop_oneof![any::<u64>(), 0_u64..5_000], proptest::collection::vec(any::<i16>(), 0..400)),
                0..60,
            ),
            rate in prop_oneof![Just(8_000_u32), Just(16_000), 100_u32..50_000],
        ) {
            let (mut sequencer, mut out, mut taken) = (Sequencer::new(rate), Vec::new(), 0);
            for (at, pcm) in &frames {
                taken += pcm.len();
                let before = out.len();
                sequencer.push(*at, pcm, &mut out);
                // One push never brings more than what waits, the fill of one jump and its sound.
                prop_assert!(out.len() - before <= taken + 4 * rate as usize);
            }
            sequencer.flush(&mut out);
            let filled = sequencer.totals().missing_ms as usize * rate as usize / 1000 + rate as usize;
            prop_assert!(out.len() <= taken + filled);
        }
    }
}
