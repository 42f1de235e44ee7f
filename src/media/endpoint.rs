//! When a caller's turn begins, pauses and ends.
//! Promise: a turn starts only after enough speech to be one, every pause is told once, a turn ends
//! after the silence that is needed at that moment and never outlasts the maximum. Time is the
//! media time handed in with each frame; a clock that jumps moves nothing but the clock.
//! Absent on purpose: sound (see [`super::activity`]) and text: what is needed is told from outside.

use std::collections::VecDeque;

use crate::base::limits::TURN_AUDIO_MAX;

/// Silence that ends a turn is never less or more than this, whatever is asked for.
pub const NEEDED_SILENCE_MS: std::ops::RangeInclusive<u32> = 350..=1_500;

#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// This much speech within `start_window_ms` begins a turn.
    pub start_speech_ms: u32,
    pub start_window_ms: u32,
    /// How far before the first speech a turn is said to start, for soft consonants. The caller of
    /// this machine keeps [`EndpointSettings::look_back_ms`] of sound.
    pub pre_roll_ms: u32,
    /// Silence that is told as a pause.
    pub soft_pause_ms: u32,
    /// Speech within twice its length that ends a silence; less is a click.
    pub resume_speech_ms: u32,
    /// Silence that ends a turn until [`Endpointer::set_needed_silence`] says otherwise.
    pub needed_silence_ms: u32,
    /// At most so much is added for a caller who keeps pausing in mid-sentence.
    pub hesitation_ms: u32,
    /// A turn is cut at this length.
    pub turn_max_ms: u32,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            start_speech_ms: 120,
            start_window_ms: 200,
            pre_roll_ms: 300,
            soft_pause_ms: 200,
            resume_speech_ms: 60,
            needed_silence_ms: 700,
            hesitation_ms: 300,
            turn_max_ms: TURN_AUDIO_MAX.as_millis() as u32,
        }
    }
}

impl EndpointSettings {
    /// How far back in time [`Endpoint::SpeechStarted`] reaches at most: the pre-roll and the window
    /// in which it was decided.
    pub const fn look_back_ms(&self) -> u32 {
        self.pre_roll_ms + self.start_window_ms
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A turn began; its sound starts at `at_ms`, pre-roll included.
    SpeechStarted {
        at_ms: u64,
    },
    /// The caller pauses, maybe for good. Told once per pause.
    SoftPause {
        speech_end_ms: u64,
    },
    /// The pause was none.
    Resumed,
    EndOfTurn {
        speech_end_ms: u64,
    },
    /// The turn was cut at its maximum; what follows is a new one.
    TooLong,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Waiting,
    Speaking {
        started: i64,
        speech_end: i64,
        /// The present silence has been told.
        paused: bool,
    },
}

#[derive(Debug)]
pub struct Endpointer {
    settings: EndpointSettings,
    needed_silence_ms: u32,
    state: State,
    /// Recent frames of speech, `(start, end)`, no older than the start window.
    recent: VecDeque<(i64, i64)>,
    /// End of the last frame.
    now: Option<i64>,
    /// No turn starts before this: sound belongs to one turn only.
    last_end: Option<i64>,
    /// The last turn ended by silence, so that speech right after it says the silence was too short.
    ended_by_silence: bool,
    /// 0 to 1: how often this caller pauses and goes on.
    hesitancy: f32,
}

impl Endpointer {
    pub fn new(settings: EndpointSettings) -> Self {
        let needed_silence_ms = clamped(settings.needed_silence_ms);
        Self {
            settings,
            needed_silence_ms,
            state: State::Waiting,
            recent: VecDeque::new(),
            now: None,
            last_end: None,
            ended_by_silence: false,
            hesitancy: 0.0,
        }
    }

    /// One frame, ending at `now_ms` of media time.
    pub fn push(&mut self, now_ms: u64, speech: bool) -> Option<Endpoint> {
        let now = i64::try_from(now_ms).unwrap_or(CLOCK_MAX).min(CLOCK_MAX);
        let frame_start = self.step_to(now);
        if speech {
            self.recent.push_back((frame_start, now));
        }
        let window = i64::from(self.settings.start_window_ms.max(self.settings.resume_speech_ms * 2));
        while self.recent.front().is_some_and(|(_, end)| *end <= now - window) {
            self.recent.pop_front();
        }
        match self.state {
            State::Waiting => self.waiting(now),
            State::Speaking { started, speech_end, paused } => self.speaking(now, speech, started, speech_end, paused),
        }
    }

    /// How much silence ends the turn, given what was said so far and what is expected. Holds until
    /// changed; clamped to [`NEEDED_SILENCE_MS`].
    pub fn set_needed_silence(&mut self, ms: u32) {
        self.needed_silence_ms = clamped(ms);
    }

    /// What ends a turn now: what was asked for plus what this caller's hesitations call for.
    pub fn needed_silence_ms(&self) -> u32 {
        let extra = (self.hesitancy * self.settings.hesitation_ms as f32) as u32;
        (self.needed_silence_ms + extra).min(*NEEDED_SILENCE_MS.end())
    }

    /// A turn has begun and not ended.
    pub const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    /// Forgets a turn that has begun; what the caller is like is kept.
    pub fn reset(&mut self) {
        self.state = State::Waiting;
        self.recent.clear();
        self.last_end = self.now;
        self.ended_by_silence = false;
    }

    fn waiting(&mut self, now: i64) -> Option<Endpoint> {
        if self.speech_since(now - i64::from(self.settings.start_window_ms)) < i64::from(self.settings.start_speech_ms)
        {
            return None;
        }
        let first = self.recent.front().map_or(now, |(start, _)| *start);
        let last = self.recent.back().map_or(now, |(_, end)| *end);
        // Speech so soon after the end of a turn: the turn was not over, the caller was cut off.
        if self.ended_by_silence && self.last_end.is_some_and(|end| first - end < CUT_OFF_MS) {
            self.hesitate(0.5);
        }
        let started = (first - i64::from(self.settings.pre_roll_ms)).max(self.last_end.unwrap_or(i64::MIN)).max(0);
        self.state = State::Speaking { started, speech_end: last, paused: false };
        Some(Endpoint::SpeechStarted { at_ms: started.unsigned_abs() })
    }

    fn speaking(
        &mut self,
        now: i64,
        speech: bool,
        started: i64,
        mut speech_end: i64,
        mut paused: bool,
    ) -> Option<Endpoint> {
        let resume = i64::from(self.settings.resume_speech_ms);
        let mut told = None;
        if speech && (!paused && now - speech_end <= resume || self.speech_since(now - 2 * resume) >= resume) {
            speech_end = now;
            if paused {
                paused = false;
                self.hesitate(0.25);
                told = Some(Endpoint::Resumed);
            }
        }
        let silence = now - speech_end;
        // Speech that is still too short to count may be the first of more: wait and see.
        let undecided = speech && silence > 0;
        let end = u64::try_from(speech_end).unwrap_or_default();
        if now - started >= i64::from(self.settings.turn_max_ms) {
            self.finish(now, false);
            return Some(Endpoint::TooLong);
        }
        if silence >= i64::from(self.needed_silence_ms()) && paused && !undecided {
            self.finish(speech_end, true);
            self.hesitancy *= 0.8;
            return Some(Endpoint::EndOfTurn { speech_end_ms: end });
        }
        if silence >= i64::from(self.settings.soft_pause_ms) && !paused && !undecided {
            paused = true;
            told = Some(Endpoint::SoftPause { speech_end_ms: end });
        }
        self.state = State::Speaking { started, speech_end, paused };
        told
    }

    fn finish(&mut self, end: i64, by_silence: bool) {
        self.ended_by_silence = by_silence;
        self.state = State::Waiting;
        self.recent.clear();
        self.last_end = Some(end);
    }

    fn hesitate(&mut self, by: f32) {
        self.hesitancy += by * (1.0 - self.hesitancy);
    }

    fn speech_since(&self, from: i64) -> i64 {
        self.recent.iter().map(|(start, end)| (end - start.max(&from)).max(0)).sum()
    }

    /// Moves to the frame's end and gives its start. A clock that stepped back carries all memory
    /// with it, as if the frame followed the one before.
    fn step_to(&mut self, now: i64) -> i64 {
        let before = self.now.replace(now).unwrap_or(now - FRAME_MS);
        if now > before {
            // After a gap only the frame itself was heard.
            return before.max(now - FRAME_MAX_MS);
        }
        let shift = now - FRAME_MS - before;
        let shifted = |time: &mut i64| *time = (*time + shift).max(-CLOCK_MAX);
        self.recent.iter_mut().for_each(|(start, end)| {
            shifted(start);
            shifted(end);
        });
        self.last_end.iter_mut().for_each(shifted);
        if let State::Speaking { started, speech_end, .. } = &mut self.state {
            shifted(started);
            shifted(speech_end);
        }
        now - FRAME_MS
    }
}

const FRAME_MS: i64 = 20;
/// Media times beyond this (many thousand years) are taken as this, so that no sum overflows.
const CLOCK_MAX: i64 = 1 << 53;
/// No frame is taken to be longer than this.
const FRAME_MAX_MS: i64 = 60;
/// Speech within this time after a turn's end continues it in truth.
const CUT_OFF_MS: i64 = 1_200;

fn clamped(ms: u32) -> u32 {
    ms.clamp(*NEEDED_SILENCE_MS.start(), *NEEDED_SILENCE_MS.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a script like `"s500 .900"` (speech, silence, milliseconds; `n700` sets the needed
    /// silence) and prints what was told at which time.
    fn play(endpointer: &mut Endpointer, from_ms: u64, script: &str) -> Vec<String> {
        let (mut now, mut told) = (from_ms, Vec::new());
        for word in script.split_whitespace() {
            let ms: u64 = word[1..].parse().unwrap();
            if let Some(b'n') = word.bytes().next() {
                endpointer.set_needed_silence(u32::try_from(ms).unwrap());
                continue;
            }
            for _ in 0..ms / 20 {
                now += 20;
                if let Some(endpoint) = endpointer.push(now, word.starts_with('s')) {
                    told.push(match endpoint {
                        Endpoint::SpeechStarted { at_ms } => format!("{now} start@{at_ms}"),
                        Endpoint::SoftPause { speech_end_ms } => format!("{now} pause@{speech_end_ms}"),
                        Endpoint::Resumed => format!("{now} resumed"),
                        Endpoint::EndOfTurn { speech_end_ms } => format!("{now} end@{speech_end_ms}"),
                        Endpoint::TooLong => format!("{now} too long"),
                    });
                }
            }
        }
        told
    }

    #[test]
    fn scripts() {
        for (what, script, expected) in [
            ("silence is nothing", ".60000", &[][..]),
            ("a click is no turn", ".1000 s60 .2000", &[]),
            ("two clicks apart are no turn", ".1000 s80 .140 s80 .2000", &[]),
            ("a short word is a turn", ".1000 s120 .2000", &["1120 start@700", "1320 pause@1120", "1820 end@1120"]),
            (
                "a broken start counts within the window",
                ".1000 s60 .40 s60 .2000",
                &["1160 start@700", "1360 pause@1160", "1860 end@1160"],
            ),
            (
                "pre-roll does not reach before the call",
                ".100 s300 .1000",
                &["220 start@0", "600 pause@400", "1100 end@400"],
            ),
            (
                "a gap between words is no pause",
                ".1000 s500 .180 s500 .1000",
                &["1120 start@700", "2380 pause@2180", "2880 end@2180"],
            ),
            (
                "a pause that goes on costs a little more silence",
                ".1000 s500 .400 s500 .1500",
                &["1120 start@700", "1700 pause@1500", "1960 resumed", "2600 pause@2400", "3180 end@2400"],
            ),
            (
                "a click in a pause is no speech",
                ".1000 s500 .300 s40 .1500",
                &["1120 start@700", "1700 pause@1500", "2200 end@1500"],
            ),
            (
                "more silence is needed while a number is read",
                ".1000 n1200 s500 .900 s500 .2000",
                &["1120 start@700", "1700 pause@1500", "2460 resumed", "3100 pause@2900", "4180 end@2900"],
            ),
            (
                "less is needed once the answer is complete",
                ".1000 s500 .260 n350 .1000",
                &["1120 start@700", "1700 pause@1500", "1860 end@1500"],
            ),
            (
                "needing less than has passed ends at once",
                ".1000 s500 .600 n0 .1000",
                &["1120 start@700", "1700 pause@1500", "2120 end@1500"],
            ),
            (
                "the next turn does not reach back into the last",
                ".1000 s500 .700 s500 .2000",
                &[
                    "1120 start@700",
                    "1700 pause@1500",
                    "2200 end@1500",
                    "2320 start@1900",
                    "2900 pause@2700",
                    "3560 end@2700",
                ],
            ),
            (
                "speech without end is cut and goes on as a new turn",
                ".1000 s30000 .2000",
                &["1120 start@700", "28700 too long", "28820 start@28700", "31200 pause@31000", "31700 end@31000"],
            ),
        ] {
            let mut endpointer = Endpointer::new(EndpointSettings::default());
            assert_eq!(play(&mut endpointer, 0, script), expected, "{what}: {script}");
        }
    }

    #[test]
    fn a_hesitant_caller_gets_more_time_and_loses_it_again() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        assert_eq!(endpointer.needed_silence_ms(), 700);
        play(&mut endpointer, 0, ".1000 s400 .300 s400 .300 s400 .300 s400");
        let hesitant = endpointer.needed_silence_ms();
        assert!(hesitant > 850, "{hesitant}");
        for turn in 1..20 {
            play(&mut endpointer, turn * 10_000, ".5000 s600 .3000");
        }
        assert!(endpointer.needed_silence_ms() < 710);
        // It never grows beyond its bounds.
        let mut endpointer = Endpointer::new(EndpointSettings { needed_silence_ms: 9_000, ..Default::default() });
        play(&mut endpointer, 0, &"s400 .300 ".repeat(50));
        assert_eq!(endpointer.needed_silence_ms(), *NEEDED_SILENCE_MS.end());
    }

    #[test]
    fn a_clock_that_steps_back_ends_no_turn() {
        let mut endpointer = Endpointer::new(EndpointSettings::default());
        assert_eq!(play(&mut endpointer, 100_000, ".1000 s500"), ["101120 start@100700"]);
        assert_eq!(play(&mut endpointer, 0, "s500 .2000"), ["700 pause@500", "1200 end@500"]);
        // Forward, a jump is silence that was not heard.
        assert_eq!(play(&mut endpointer, 50_000, ".1000 s500"), ["51120 start@50700"]);
        assert_eq!(play(&mut endpointer, 60_000, ".40"), ["60020 pause@51500", "60040 end@51500"]);
    }

    proptest! {
        /// Starts and ends alternate, pauses come between, and times are in order.
        #[test]
        fn order_of_what_is_told(frames in proptest::collection::vec((0_u64..60, any::<bool>(), 0_u32..3_000), 0..2_000)) {
            let mut endpointer = Endpointer::new(EndpointSettings::default());
            let (mut now, mut open, mut paused, mut last_end) = (0, false, false, 0);
            for (step, speech, needed) in frames {
                now += step;
                endpointer.set_needed_silence(needed);
                match endpointer.push(now, speech) {
                    Some(Endpoint::SpeechStarted { at_ms }) => {
                        let look_back = u64::from(EndpointSettings::default().look_back_ms());
                        prop_assert!(!open && at_ms <= now && at_ms + look_back + 60 >= now);
                        open = true;
                    }
                    Some(Endpoint::SoftPause { speech_end_ms }) => {
                        prop_assert!(open && !paused && speech_end_ms <= now);
                        paused = true;
                    }
                    Some(Endpoint::Resumed) => {
                        prop_assert!(open && paused && speech);
                        paused = false;
                    }
                    Some(Endpoint::EndOfTurn { speech_end_ms }) => {
                        prop_assert!(open && paused && speech_end_ms <= now);
                        (open, paused, last_end) = (false, false, last_end.max(speech_end_ms));
                    }
                    Some(Endpoint::TooLong) => {
                        prop_assert!(open);
                        (open, paused) = (false, false);
                    }
                    None => {}
                }
                prop_assert_eq!(open, endpointer.is_speaking());
            }
        }

        #[test]
        fn any_clock_is_survived(times in proptest::collection::vec((any::<u64>(), any::<bool>()), 0..300)) {
            let mut endpointer = Endpointer::new(EndpointSettings::default());
            for (now, speech) in times {
                endpointer.push(now, speech);
            }
        }
    }
}
