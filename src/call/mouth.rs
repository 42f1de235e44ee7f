//! The mouth of a call: lines to say, clause by clause, into paced frames. Pure.
//!
//! A `Line` is one thing the agent says (greeting, reply, reprompt). Its clauses are synthesised
//! ahead in order; sound goes out in 20 ms frames at the leg's pace. A line may be *held* (prepared
//! but not audible), *suspended* by a caller who starts to speak, and *resumed* where it was cut.
//!
//! Promise: frames leave in order and never after [`Mouth::suspend`] until resumed or something new
//! is said; the text reported as heard is what was really played. Absent on purpose: why it speaks.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ai::tts::{TtsEvent, TtsUsage};
use crate::base::audio::{LINE_FRAME, LINE_RATE};
use crate::base::{AskId, Lang, Moment};
use crate::media::pace::Pacer;

/// Clauses of one line synthesised at once; more wait for their turn.
const CLAUSES_AHEAD: usize = 2;
/// A resumed clause starts this much before the point where it was cut.
const RESUME_OVERLAP: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineId(pub u64);

/// What a finished or cut line was.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    pub line: LineId,
    pub turn: u32,
    pub language: Lang,
    /// The whole text.
    pub text: String,
    /// The part that was played.
    pub heard: String,
    pub cut: bool,
    /// It was said to its end before, and perhaps not heard.
    pub again: bool,
}

/// A clause that needs a voice.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub ask: AskId,
    pub text: String,
    pub language: Lang,
    pub pace: f32,
}

#[derive(Debug)]
enum Voice {
    Waiting,
    Asked(AskId),
    Done,
}

#[derive(Debug)]
struct Clause {
    text: String,
    pcm: Vec<i16>,
    voice: Voice,
    /// Samples sent.
    sent: usize,
}

impl Clause {
    const fn is_rendered(&self) -> bool {
        matches!(self.voice, Voice::Done)
    }

    const fn is_played(&self) -> bool {
        self.is_rendered() && self.sent >= self.pcm.len()
    }
}

#[derive(Debug)]
struct Line {
    id: LineId,
    turn: u32,
    language: Lang,
    pace: f32,
    clauses: Vec<Clause>,
    /// No more clauses will come.
    complete: bool,
    held: bool,
    again: bool,
}

impl Line {
    fn text(&self) -> String {
        self.clauses.iter().map(|c| c.text.trim()).collect::<Vec<_>>().join(" ")
    }

    fn is_played(&self) -> bool {
        self.complete && self.clauses.iter().all(Clause::is_played)
    }

    fn started(&self) -> bool {
        self.clauses.first().is_some_and(|c| c.sent > 0)
    }

    /// Goes back by so many samples; how many it did not have.
    fn rewind(&mut self, mut back: usize) -> usize {
        for clause in self.clauses.iter_mut().rev() {
            let step = clause.sent.min(back);
            clause.sent -= step;
            back -= step;
        }
        back
    }

    fn sent(&self) -> usize {
        self.clauses.iter().map(|clause| clause.sent).sum()
    }

    /// The words that were played, given that the last `unheard` samples sent were not.
    fn heard(&self, mut unheard: usize) -> String {
        let mut kept: Vec<String> = Vec::new();
        for clause in self.clauses.iter().rev() {
            let played = clause.sent.saturating_sub(unheard);
            unheard = unheard.saturating_sub(clause.sent);
            if played == 0 {
                continue;
            }
            if clause.is_rendered() && played >= clause.pcm.len() {
                kept.push(clause.text.trim().to_owned());
                continue;
            }
            let words: Vec<&str> = clause.text.split_whitespace().collect();
            let share = played as f64 / clause.pcm.len().max(1) as f64;
            let count = (words.len() as f64 * share).floor() as usize;
            if count > 0 {
                kept.push(words[..count.min(words.len())].join(" "));
            }
        }
        kept.reverse();
        kept.join(" ")
    }
}

pub struct Mouth {
    lines: VecDeque<Line>,
    /// The last line that left whole, and when.
    last: Option<(Line, Moment)>,
    suspended: bool,
    /// There is no line to speak into.
    cut_off: bool,
    pacer: Pacer,
    next_line: u64,
    /// Frames are leaving, without a pause since the last.
    flowing: bool,
    /// When what was sent last has been played.
    dry: Moment,
    lead: usize,
}

impl Mouth {
    pub fn new(lead: Duration) -> Self {
        Self {
            lines: VecDeque::new(),
            last: None,
            suspended: false,
            cut_off: false,
            pacer: Pacer::new(lead),
            next_line: 1,
            flowing: false,
            dry: Moment::ZERO,
            lead: samples(lead),
        }
    }

    /// Sound is to be so far ahead from now on.
    pub fn lead_by(&mut self, lead: Duration) {
        self.pacer = Pacer::new(lead);
        self.lead = samples(lead);
    }

    /// How far ahead of the caller's ear sound leaves.
    pub const fn lead(&self) -> Duration {
        crate::base::audio::duration(self.lead, LINE_RATE)
    }

    /// Opens a line behind those already queued.
    pub fn begin(&mut self, turn: u32, language: Lang, pace: f32, held: bool) -> LineId {
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.lines.push_back(Line {
            id,
            turn,
            language,
            pace,
            clauses: Vec::new(),
            complete: false,
            held,
            again: false,
        });
        id
    }

    /// Opens a line before those queued (a filler), unless one of them is being heard.
    pub fn begin_first(&mut self, turn: u32, language: Lang, pace: f32) -> LineId {
        let dry = !self.has_sound();
        let id = self.begin(turn, language, pace, false);
        if self.lines.front().is_some_and(|first| first.id != id && (dry || !first.started()))
            && let Some(line) = self.lines.pop_back()
        {
            self.lines.push_front(line);
        }
        id
    }

    /// The lines not yet finished, as if cut now: what the caller has heard of them.
    pub fn progress(&self) -> Vec<(LineId, String)> {
        self.lines.iter().map(|l| (l.id, l.heard(self.lead))).collect()
    }

    pub fn add_clause(&mut self, line: LineId, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(line) = self.line(line) {
            line.clauses.push(Clause { text: text.to_owned(), pcm: Vec::new(), voice: Voice::Waiting, sent: 0 });
        }
    }

    /// All of a line's text at once, clause by clause.
    pub fn fill(&mut self, line: LineId, text: &str) {
        for clause in crate::dialogue::clauses::split(text) {
            self.add_clause(line, &clause);
        }
        self.complete(line);
    }

    /// No more clauses will come for this line.
    pub fn complete(&mut self, line: LineId) {
        if let Some(line) = self.line(line) {
            line.complete = true;
        }
    }

    /// A held line may be heard from now on.
    pub fn release(&mut self, line: LineId) {
        if let Some(line) = self.line(line) {
            line.held = false;
        }
    }

    /// Throws a line away, whatever its state; gives the asks that are no longer wanted.
    pub fn discard(&mut self, line: LineId) -> Vec<AskId> {
        let Some(at) = self.lines.iter().position(|l| l.id == line) else { return Vec::new() };
        let Some(line) = self.lines.remove(at) else { return Vec::new() };
        asks_of(&line)
    }

    fn line(&mut self, id: LineId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|l| l.id == id)
    }

    /// Clauses that need a voice now; each is given out once.
    pub fn wanted(&mut self, mut next_ask: impl FnMut() -> AskId) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for line in &mut self.lines {
            let mut busy = line.clauses.iter().filter(|c| !c.is_played() && !matches!(c.voice, Voice::Waiting)).count();
            for clause in &mut line.clauses {
                if busy >= CLAUSES_AHEAD {
                    break;
                }
                if matches!(clause.voice, Voice::Waiting) {
                    let ask = next_ask();
                    clause.voice = Voice::Asked(ask);
                    busy += 1;
                    wanted.push(Wanted { ask, text: clause.text.clone(), language: line.language, pace: line.pace });
                }
            }
        }
        wanted
    }

    /// Sound of a clause arrived. True when it is the first of its line.
    pub fn voice(&mut self, ask: AskId, event: TtsEvent) -> Option<(LineId, Option<TtsUsage>)> {
        for line in &mut self.lines {
            let Some(clause) = line.clauses.iter_mut().find(|c| matches!(c.voice, Voice::Asked(a) if a == ask)) else {
                continue;
            };
            return match event {
                TtsEvent::Audio(pcm) => {
                    let first = clause.pcm.is_empty();
                    clause.pcm.extend_from_slice(&pcm);
                    first.then_some((line.id, None))
                }
                TtsEvent::Done(usage) => {
                    clause.voice = Voice::Done;
                    Some((line.id, Some(usage)))
                }
            };
        }
        None
    }

    /// The voice failed: the clause ends where its sound ends. Names the line.
    pub fn voice_failed(&mut self, ask: AskId) -> Option<LineId> {
        for line in &mut self.lines {
            if let Some(clause) = line.clauses.iter_mut().find(|c| matches!(c.voice, Voice::Asked(a) if a == ask)) {
                clause.voice = Voice::Done;
                return Some(line.id);
            }
        }
        None
    }

    /// When the next frame is due, if there is anything to play.
    pub fn due(&self) -> Option<Moment> {
        if self.suspended || self.cut_off { None } else { self.has_sound().then(|| self.pacer.due()) }
    }

    fn has_sound(&self) -> bool {
        match self.lines.iter().find(|l| !l.is_played()) {
            Some(line) if !line.held => line
                .clauses
                .iter()
                .find(|c| !c.is_played())
                .is_some_and(|c| c.pcm.len() - c.sent >= LINE_FRAME || (c.is_rendered() && c.sent < c.pcm.len())),
            _ => false,
        }
    }

    /// The frames that are due at `now`; `finished` gets lines whose last frame was among them.
    pub fn frames(&mut self, now: Moment, finished: &mut Vec<Spoken>) -> Vec<Vec<i16>> {
        let mut out = Vec::new();
        if self.suspended || self.cut_off {
            return out;
        }
        while self.has_sound() {
            self.flowing = true;
            if !self.pacer.is_due(now) {
                break;
            }
            self.pacer.sent(now);
            out.push(self.pull());
        }
        if !self.has_sound() {
            if self.flowing {
                self.dry = now + crate::base::audio::duration(self.lead, LINE_RATE);
            }
            self.flowing = false;
        }
        while self.lines.front().is_some_and(|l| l.is_played() && !l.held) {
            if let Some(line) = self.lines.pop_front() {
                finished.push(Spoken {
                    line: line.id,
                    turn: line.turn,
                    language: line.language,
                    heard: line.heard(0),
                    text: line.text(),
                    cut: false,
                    again: line.again,
                });
                self.last = Some((line, now));
            }
        }
        out
    }

    fn pull(&mut self) -> Vec<i16> {
        let mut frame = Vec::with_capacity(LINE_FRAME);
        for line in &mut self.lines {
            if line.held {
                break;
            }
            for clause in &mut line.clauses {
                let take = (LINE_FRAME - frame.len()).min(clause.pcm.len() - clause.sent);
                frame.extend_from_slice(&clause.pcm[clause.sent..clause.sent + take]);
                clause.sent += take;
                if frame.len() == LINE_FRAME {
                    return frame;
                }
                if !clause.is_rendered() {
                    frame.resize(LINE_FRAME, 0);
                    return frame;
                }
            }
            if !line.complete {
                break;
            }
        }
        frame.resize(LINE_FRAME, 0);
        frame
    }

    /// Stops at once. True when something was audible (the carrier must be told to clear).
    pub fn suspend(&mut self, now: Moment) -> bool {
        self.pacer.cleared(now);
        let audible = self.flowing || self.lines.front().is_some_and(Line::started);
        self.suspended = true;
        self.flowing = false;
        audible
    }

    /// The line is gone, and was perhaps gone for so long: nothing leaves until [`Mouth::reconnect`], and what
    /// was not heard is said then.
    pub fn cut_off(&mut self, now: Moment, unheard: Duration) {
        self.suspend(now);
        self.suspended = false;
        self.cut_off = true;
        let since = |at: Moment| samples(now.since(at));
        let back = samples(RESUME_OVERLAP + unheard) + self.lead;
        let (mut left, mut begun) = (back, 0);
        if let Some(line) = self.lines.front_mut() {
            begun = line.sent();
            left = line.rewind(back);
        }
        // The line before may not have been heard to its end either.
        if let Some((mut line, left_at)) = self.last.take() {
            let unheard = left.saturating_sub(since(left_at).saturating_sub(begun));
            if unheard > 0 {
                line.rewind(unheard);
                line.again = true;
                self.lines.push_front(line);
            }
        }
    }

    /// There is a line again, which wants sound so far ahead.
    pub fn reconnect(&mut self, lead: Duration) {
        self.lead_by(lead);
        self.cut_off = false;
    }

    pub const fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Goes on where it was cut, a little before.
    pub fn resume(&mut self) {
        self.suspended = false;
        if let Some(clause) = self.lines.front_mut().and_then(|l| l.clauses.iter_mut().rev().find(|c| c.sent > 0)) {
            let back = (RESUME_OVERLAP.as_millis() as usize) * (LINE_RATE as usize) / 1000 + self.lead;
            clause.sent = clause.sent.saturating_sub(back);
        }
    }

    /// Gives up all that was not said, except the line `keep`. Lines that were partly audible are
    /// reported as cut.
    pub fn abandon(&mut self, keep: Option<LineId>, cut: &mut Vec<Spoken>) -> Vec<AskId> {
        self.suspended = false;
        self.flowing = false;
        let mut asks = Vec::new();
        for line in std::mem::take(&mut self.lines) {
            if Some(line.id) == keep {
                self.lines.push_back(line);
                continue;
            }
            asks.extend(asks_of(&line));
            if line.started() && !line.held {
                cut.push(Spoken {
                    line: line.id,
                    turn: line.turn,
                    language: line.language,
                    text: line.text(),
                    heard: line.heard(self.lead),
                    cut: true,
                    again: line.again,
                });
            }
        }
        asks
    }

    /// The text of a line so far.
    pub fn text_of(&self, line: LineId) -> String {
        self.lines.iter().find(|l| l.id == line).map(Line::text).unwrap_or_default()
    }

    /// Anything audible now or soon (held lines do not count).
    pub fn is_busy(&self) -> bool {
        self.lines.iter().any(|l| !l.held)
    }

    /// A frame has gone out and no pause came since.
    pub const fn is_audible(&self) -> bool {
        self.flowing
    }

    /// When what was sent last had been played.
    pub const fn dry(&self) -> Moment {
        self.dry
    }

    /// Was this line said, or given up?
    pub fn is_over(&self, line: LineId) -> bool {
        self.lines.iter().all(|l| l.id != line)
    }

    /// Since when a line that has begun has had nothing more to be heard.
    pub fn dry_since(&self) -> Option<Moment> {
        let begun = self.lines.front().is_some_and(|line| line.started() && !line.held && !line.is_played());
        (begun && !self.suspended && !self.cut_off && !self.has_sound()).then_some(self.dry)
    }

    /// Has this line begun to sound?
    pub fn has_started(&self, line: LineId) -> bool {
        self.lines.iter().find(|l| l.id == line).is_none_or(Line::started)
    }
}

/// At the line's rate.
const fn samples(time: Duration) -> usize {
    time.as_millis() as usize * LINE_RATE as usize / 1_000
}

fn asks_of(line: &Line) -> Vec<AskId> {
    line.clauses.iter().filter_map(|c| if let Voice::Asked(ask) = c.voice { Some(ask) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;

    struct Bench {
        mouth: Mouth,
        asks: u64,
        now: Moment,
    }

    impl Bench {
        fn new() -> Self {
            Self { mouth: Mouth::new(limits::PLAYOUT_LEAD), asks: 0, now: Moment::from_millis(1_000) }
        }

        /// Renders whatever wants a voice: `ms` of sound a clause.
        fn render(&mut self, ms: usize) {
            let mut asks = self.asks;
            let wanted = self.mouth.wanted(|| {
                asks += 1;
                AskId(asks)
            });
            self.asks = asks;
            for w in wanted {
                self.mouth.voice(w.ask, TtsEvent::Audio(vec![7; ms * 8]));
                self.mouth.voice(w.ask, TtsEvent::Done(TtsUsage::default()));
            }
        }

        fn run(&mut self, ms: u64) -> (usize, Vec<Spoken>) {
            let (mut frames, mut finished) = (0, Vec::new());
            for _ in 0..ms / 5 {
                self.now = self.now + Duration::from_millis(5);
                frames += self.mouth.frames(self.now, &mut finished).len();
            }
            (frames, finished)
        }
    }

    #[test]
    fn a_line_that_runs_dry_says_so_and_lets_a_filler_by() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(1, Lang::En, 1.0, false);
        bench.mouth.add_clause(line, "one two,");
        bench.render(200);
        assert_eq!(bench.mouth.dry_since(), None, "it is yet to be heard");
        bench.run(400);
        let dry = bench.mouth.dry_since().unwrap();
        assert!(dry > Moment::from_millis(1_000) && dry < bench.now);
        let filler = bench.mouth.begin_first(1, Lang::En, 1.0);
        bench.mouth.add_clause(filler, "one moment");
        bench.mouth.complete(filler);
        bench.mouth.add_clause(line, "three four.");
        bench.mouth.complete(line);
        bench.render(200);
        let (_, finished) = bench.run(1_000);
        let said: Vec<_> = finished.iter().map(|s| (s.line, s.heard.as_str())).collect();
        assert_eq!(said, [(filler, "one moment"), (line, "one two, three four.")]);
        assert_eq!(bench.mouth.dry_since(), None);
    }

    #[test]
    fn a_line_is_played_at_pace_and_reported_whole() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(1, Lang::En, 1.0, false);
        bench.mouth.add_clause(line, "one two,");
        bench.mouth.add_clause(line, "three four.");
        bench.mouth.complete(line);
        bench.render(400);
        let (frames, finished) = bench.run(400);
        assert!((20..=25).contains(&frames), "{frames} frames in 400 ms");
        assert!(finished.is_empty());
        let (_, finished) = bench.run(600);
        assert_eq!(finished.len(), 1);
        assert_eq!(finished[0].heard, "one two, three four.");
        assert!(!bench.mouth.is_busy());
    }

    #[test]
    fn a_held_line_is_silent_until_released() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(1, Lang::En, 1.0, true);
        bench.mouth.add_clause(line, "ready.");
        bench.mouth.complete(line);
        bench.render(100);
        assert_eq!(bench.run(200).0, 0);
        bench.mouth.release(line);
        assert_eq!(bench.run(200).0, 5);
    }

    #[test]
    fn a_cut_line_tells_what_was_heard() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(3, Lang::En, 1.0, false);
        bench.mouth.add_clause(line, "a b c d e f g h i j");
        bench.mouth.complete(line);
        bench.render(1_000);
        bench.run(560);
        assert!(bench.mouth.suspend(bench.now));
        assert_eq!(bench.run(500).0, 0);
        let mut cut = Vec::new();
        bench.mouth.abandon(None, &mut cut);
        assert_eq!(cut.len(), 1);
        assert!(cut[0].cut);
        assert!(["a b c d e", "a b c d e f"].contains(&cut[0].heard.as_str()), "{}", cut[0].heard);
    }

    #[test]
    fn a_resumed_line_is_finished_and_complete() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(3, Lang::En, 1.0, false);
        bench.mouth.add_clause(line, "a b c d e f g h i j");
        bench.mouth.complete(line);
        bench.render(1_000);
        bench.run(500);
        bench.mouth.suspend(bench.now);
        bench.run(300);
        bench.mouth.resume();
        let (frames, finished) = bench.run(1_500);
        assert!(frames > 25);
        assert_eq!(finished[0].heard, "a b c d e f g h i j");
    }

    #[test]
    fn a_failed_voice_ends_its_clause_and_not_the_line() {
        let mut bench = Bench::new();
        let line = bench.mouth.begin(1, Lang::En, 1.0, false);
        bench.mouth.add_clause(line, "one.");
        bench.mouth.complete(line);
        let wanted = bench.mouth.wanted(|| AskId(9));
        assert_eq!(bench.mouth.voice_failed(wanted[0].ask), Some(line));
        let (_, finished) = bench.run(100);
        assert_eq!(finished.len(), 1);
    }
}
