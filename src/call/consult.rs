//! The person's side of a transfer before the caller is there: rung, told who waits, asked. Pure, like
//! [`super::machine`], which owns it.
//!
//! Promise: it comes to one end, taken or missed, within the ringing,
//! [`limits::TRANSFER_RING_GRACE`] and [`limits::CONSULT_MAX`], whatever the carrier and the voices do.
//! Absent on purpose: who is rung next, and the caller.

use std::time::Duration;

use super::mouth::{Mouth, Wanted};
use crate::ai::tts::TtsEvent;
use crate::base::audio::LINE_RATE;
use crate::base::event::{AnsweredBy, CallState, NotReached};
use crate::base::{AskId, Lang, Moment, limits};
use crate::media::dtmf::DtmfDetector;
use crate::media::jitter::Sequencer;
use crate::telephony::dial::{Refused, Verdict};
use crate::telephony::leg::{LegEnd, LegEvent};

/// News of a person's line.
#[derive(Clone, Debug, PartialEq)]
pub enum PersonEvent {
    /// What the carrier said to the order.
    Verdict(Verdict),
    Ringing,
    /// Media is there; the leg wants sound so far ahead.
    Connected {
        lead: Duration,
    },
    Leg(LegEvent),
    AnsweredBy(AnsweredBy),
    /// The carrier says that the line is over.
    Ended(CallState),
    /// Nobody is rung by the box: the caller's carrier does it once the caller's leg has ended.
    LetGo,
    /// Were the two joined without the box?
    Joined(bool),
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Ringing,
    Answered,
    Taken,
    Missed(NotReached),
}

enum State {
    Ringing { rings: bool },
    Telling { since: Moment, times: u32, asked: Option<Moment> },
    Decided,
}

pub(super) struct Consult {
    state: State,
    /// Nobody has answered by then.
    until: Moment,
    lines: Vec<(Lang, String)>,
    mouth: Mouth,
    sequencer: Sequencer,
    keys: DtmfDetector,
}

/// The question is put so often.
const TIMES: u32 = 2;

impl Consult {
    /// `lines`: what the person is told, the question last.
    pub(super) fn new(now: Moment, ring: Duration, lines: Vec<(Lang, String)>) -> Self {
        Self {
            state: State::Ringing { rings: false },
            until: now + ring + limits::TRANSFER_RING_GRACE,
            lines,
            mouth: Mouth::new(limits::PLAYOUT_LEAD),
            sequencer: Sequencer::new(LINE_RATE),
            keys: DtmfDetector::default(),
        }
    }

    pub(super) const fn lead(&self) -> Duration {
        self.mouth.lead()
    }

    pub(super) const fn is_answered(&self) -> bool {
        !matches!(self.state, State::Ringing { .. })
    }

    pub(super) fn handle(&mut self, now: Moment, event: &PersonEvent) -> Option<Came> {
        if matches!(self.state, State::Decided) {
            return None;
        }
        let came = match event {
            PersonEvent::Verdict(Verdict::Refused { why, .. }) => Came::Missed(not_reached(*why)),
            // It may ring all the same; if not, nobody answers.
            PersonEvent::Verdict(Verdict::Placed { .. } | Verdict::Unknown { .. }) => return None,
            PersonEvent::Ringing => match &mut self.state {
                State::Ringing { rings } if !*rings => {
                    *rings = true;
                    Came::Ringing
                }
                _ => return None,
            },
            PersonEvent::Connected { lead } => {
                if self.is_answered() {
                    return None;
                }
                self.mouth.lead_by(*lead);
                self.state = State::Telling { since: now, times: 1, asked: None };
                self.tell();
                Came::Answered
            }
            PersonEvent::AnsweredBy(AnsweredBy::Machine | AnsweredBy::Fax) => Came::Missed(NotReached::Machine),
            PersonEvent::AnsweredBy(AnsweredBy::Human | AnsweredBy::Unknown) => return None,
            PersonEvent::Leg(LegEvent::Audio { pcm, at_ms }) => return self.listen(*at_ms, pcm),
            PersonEvent::Leg(LegEvent::Dtmf(key)) => return self.pressed(*key),
            PersonEvent::Leg(LegEvent::Closed(LegEnd::HungUp | LegEnd::ClosedByUs)) => {
                Came::Missed(NotReached::Declined)
            }
            PersonEvent::Leg(LegEvent::Closed(LegEnd::Lost)) => Came::Missed(NotReached::Lost),
            PersonEvent::Ended(state) => Came::Missed(match (state, self.is_answered()) {
                (CallState::NotPicked, _) => NotReached::NoAnswer,
                (CallState::Failed, false) => NotReached::Unreachable,
                (CallState::Failed, true) => NotReached::Lost,
                _ => NotReached::Declined,
            }),
            PersonEvent::Leg(LegEvent::MarkPlayed(_) | LegEvent::MarkFlushed(_))
            | PersonEvent::LetGo
            | PersonEvent::Joined(_) => return None,
        };
        self.decide(came)
    }

    fn decide(&mut self, came: Came) -> Option<Came> {
        if matches!(came, Came::Taken | Came::Missed(_)) {
            self.state = State::Decided;
        }
        Some(came)
    }

    /// Keys come told by the carrier, or as tones in the sound.
    fn listen(&mut self, at_ms: u64, pcm: &[i16]) -> Option<Came> {
        let mut mended = Vec::new();
        self.sequencer.push(at_ms, pcm, &mut mended);
        let key = self.keys.push(&mended)?;
        self.pressed(key)
    }

    fn pressed(&mut self, key: char) -> Option<Came> {
        match (key, &self.state) {
            ('1', State::Telling { .. }) => self.decide(Came::Taken),
            ('2', State::Telling { .. }) => self.decide(Came::Missed(NotReached::Declined)),
            _ => None,
        }
    }

    fn tell(&mut self) {
        for (language, text) in &self.lines {
            let line = self.mouth.begin(0, *language, 1.0, false);
            self.mouth.fill(line, text);
        }
    }

    /// Says this and nothing more; the caller is gone.
    pub(super) fn part(&mut self, language: Lang, text: &str) -> Vec<AskId> {
        let asks = self.hush();
        self.lines = vec![(language, text.to_owned())];
        self.state = State::Decided;
        self.tell();
        asks
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.mouth.is_busy()
    }

    pub(super) fn wanted(&mut self, next_ask: impl FnMut() -> AskId) -> Vec<Wanted> {
        self.mouth.wanted(next_ask)
    }

    /// Sound for a clause of this side? False: the ask is somebody else's.
    pub(super) fn voice(&mut self, ask: AskId, event: TtsEvent) -> bool {
        self.mouth.voice(ask, event).is_some()
    }

    pub(super) fn voice_failed(&mut self, ask: AskId) -> bool {
        self.mouth.voice_failed(ask).is_some()
    }

    /// Falls silent; the asks that nobody waits for any more.
    pub(super) fn hush(&mut self) -> Vec<AskId> {
        self.mouth.abandon(None, &mut Vec::new())
    }

    /// The frames that are due.
    pub(super) fn frames(&mut self, now: Moment) -> Vec<Vec<i16>> {
        self.mouth.frames(now, &mut Vec::new())
    }

    /// Timers that ran out.
    pub(super) fn tick(&mut self, now: Moment) -> Option<Came> {
        match &mut self.state {
            State::Decided => None,
            State::Ringing { .. } if self.until <= now => self.decide(Came::Missed(NotReached::NoAnswer)),
            State::Ringing { .. } => None,
            State::Telling { since, .. } if *since + limits::CONSULT_MAX <= now => {
                self.decide(Came::Missed(NotReached::Declined))
            }
            State::Telling { times, asked, .. } => {
                if self.mouth.is_busy() {
                    return None;
                }
                let asked_at = *asked.get_or_insert(now + self.mouth.lead());
                if asked_at + limits::CONSULT_KEY_WITHIN > now {
                    return None;
                }
                if *times >= TIMES {
                    return self.decide(Came::Missed(NotReached::Declined));
                }
                *times += 1;
                *asked = None;
                self.tell();
                None
            }
        }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        let timer = match &self.state {
            State::Decided => None,
            State::Ringing { .. } => Some(self.until),
            State::Telling { since, asked, .. } => {
                let last = *since + limits::CONSULT_MAX;
                Some(
                    asked
                        .filter(|_| !self.mouth.is_busy())
                        .map_or(last, |at| last.min(at + limits::CONSULT_KEY_WITHIN)),
                )
            }
        };
        [timer, self.mouth.due()].into_iter().flatten().min()
    }
}

/// Why an order came to nothing, as records say it.
pub(super) const fn not_reached(why: Refused) -> NotReached {
    match why {
        Refused::Busy => NotReached::Busy,
        Refused::NoAnswer => NotReached::NoAnswer,
        Refused::Declined => NotReached::Declined,
        Refused::Unreachable
        | Refused::Throttled { .. }
        | Refused::NotAllowed
        | Refused::BadNumber
        | Refused::CarrierFault => NotReached::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::tts::TtsUsage;

    struct Bench {
        consult: Consult,
        now: Moment,
        asks: u64,
        said: usize,
    }

    impl Bench {
        fn new() -> Self {
            let lines = vec![(Lang::Hi, "who waits.".to_owned()), (Lang::Ta, "their words".to_owned())];
            let now = Moment::from_millis(1_000);
            Self { consult: Consult::new(now, Duration::from_secs(25), lines), now, asks: 0, said: 0 }
        }

        fn event(&mut self, event: PersonEvent) -> Option<Came> {
            self.consult.handle(self.now, &event)
        }

        fn answered() -> Self {
            let mut bench = Self::new();
            assert_eq!(bench.event(PersonEvent::Ringing), Some(Came::Ringing));
            assert_eq!(bench.event(PersonEvent::Ringing), None, "told once");
            let lead = Duration::from_millis(60);
            assert_eq!(bench.event(PersonEvent::Connected { lead }), Some(Came::Answered));
            bench
        }

        /// Lets time pass; voices answer at once with a second of sound, or not at all.
        fn wait(&mut self, ms: u64, voices: bool) -> Option<Came> {
            for _ in 0..ms / 20 {
                self.now = self.now + Duration::from_millis(20);
                let asks = &mut self.asks;
                let wanted = self.consult.wanted(|| {
                    *asks += 1;
                    AskId(*asks)
                });
                for w in wanted {
                    self.said += 1;
                    if voices {
                        assert!(self.consult.voice(w.ask, TtsEvent::Audio(vec![9; 8_000])));
                        assert!(self.consult.voice(w.ask, TtsEvent::Done(TtsUsage::default())));
                    } else {
                        assert!(self.consult.voice_failed(w.ask));
                    }
                }
                self.consult.frames(self.now);
                if let Some(came) = self.consult.tick(self.now) {
                    return Some(came);
                }
            }
            None
        }
    }

    #[test]
    fn who_presses_one_takes_the_call_also_while_being_told() {
        for ms in [0, 500, 4_000, 9_000] {
            let mut bench = Bench::answered();
            assert_eq!(bench.wait(ms, true), None);
            assert_eq!(bench.event(PersonEvent::Leg(LegEvent::Dtmf('7'))), None);
            assert_eq!(bench.event(PersonEvent::Leg(LegEvent::Dtmf('1'))), Some(Came::Taken));
            assert_eq!(bench.event(PersonEvent::Leg(LegEvent::Dtmf('2'))), None, "decided once");
        }
        let mut early = Bench::new();
        assert_eq!(early.event(PersonEvent::Leg(LegEvent::Dtmf('1'))), None, "nobody has answered");
    }

    #[test]
    fn tones_in_the_sound_are_keys() {
        let mut bench = Bench::answered();
        let tau = std::f64::consts::TAU;
        let tone = |n: usize| {
            let t = n as f64 / 8_000.0;
            (8_000.0 * ((tau * 697.0 * t).sin() + (tau * 1_336.0 * t).sin())) as i16
        };
        let mut came = None;
        for n in 0..10 {
            let pcm: Vec<i16> = (n * 160..(n + 1) * 160).map(tone).collect();
            came = came.or(bench.event(PersonEvent::Leg(LegEvent::Audio { pcm, at_ms: n as u64 * 20 })));
        }
        assert_eq!(came, Some(Came::Missed(NotReached::Declined)), "the key 2");
    }

    #[test]
    fn silence_is_no_after_the_second_question() {
        let mut bench = Bench::answered();
        assert_eq!(bench.wait(60_000, true), Some(Came::Missed(NotReached::Declined)));
        assert_eq!(bench.said, 4, "everything was said twice");
        let took = bench.now.since(Moment::from_millis(1_000));
        assert!((Duration::from_secs(19)..Duration::from_secs(23)).contains(&took), "{took:?}");
        let mut mute = Bench::answered();
        assert_eq!(mute.wait(60_000, false), Some(Came::Missed(NotReached::Declined)), "also without a voice");
    }

    #[test]
    fn a_line_that_never_answers_ends_with_the_ringing() {
        let mut bench = Bench::new();
        assert_eq!(bench.wait(60_000, true), Some(Came::Missed(NotReached::NoAnswer)));
        assert_eq!(bench.now.since(Moment::from_millis(1_000)), Duration::from_secs(35));
        assert_eq!(bench.said, 0);
    }

    #[test]
    fn every_other_end_has_its_reason() {
        let refused = |why| PersonEvent::Verdict(Verdict::Refused { why, detail: String::new() });
        for (event, why) in [
            (refused(Refused::Busy), NotReached::Busy),
            (refused(Refused::BadNumber), NotReached::Unreachable),
            (PersonEvent::Ended(CallState::NotPicked), NotReached::NoAnswer),
            (PersonEvent::Ended(CallState::Failed), NotReached::Unreachable),
        ] {
            assert_eq!(Bench::new().event(event), Some(Came::Missed(why)));
        }
        for (event, why) in [
            (PersonEvent::AnsweredBy(AnsweredBy::Machine), NotReached::Machine),
            (PersonEvent::Leg(LegEvent::Closed(LegEnd::HungUp)), NotReached::Declined),
            (PersonEvent::Leg(LegEvent::Closed(LegEnd::Lost)), NotReached::Lost),
            (PersonEvent::Ended(CallState::Completed), NotReached::Declined),
        ] {
            let mut bench = Bench::answered();
            assert_eq!(bench.event(PersonEvent::AnsweredBy(AnsweredBy::Human)), None);
            assert_eq!(bench.event(event), Some(Came::Missed(why)));
            assert_eq!(bench.wait(1_000, true), None, "it stays decided");
        }
    }
}
