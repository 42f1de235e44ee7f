use std::time::Duration;

use super::super::bench::Bench;
use super::*;
use crate::base::event::EndCause;
use crate::call::consult::PersonEvent;
use crate::call::machine::Input;
use crate::telephony::leg::{LegEnd, LegEvent};

impl Bench {
    /// Two who talk through the box where words are kept.
    fn talking() -> Self {
        let mut bench = Self::answered();
        bench.machine.writes = true;
        bench.person(1, PersonEvent::Leg(LegEvent::Dtmf('1')));
        bench.person(1, PersonEvent::Joined(false));
        bench.facts.clear();
        bench
    }

    /// One side speaks for so long, from `at_ms` of its line on, then both are silent for `pause_ms`.
    fn speaks(&mut self, side: Side, words: &str, at_ms: u64, speech_ms: u64, pause_ms: u64) {
        words.clone_into(&mut self.hearing);
        for n in 0..(speech_ms + pause_ms) / 20 {
            self.now = self.now + Duration::from_millis(20);
            for of in [Side::Caller, Side::Person] {
                let level = if of == side && n < speech_ms / 20 { 3_000 } else { 3 };
                let event = LegEvent::Audio { pcm: vec![level; 160], at_ms: at_ms + n * 20 };
                match of {
                    Side::Caller => self.give(Input::Leg(event)),
                    Side::Person => self.person(1, PersonEvent::Leg(event)),
                }
            }
        }
    }

    fn written(&self) -> Vec<(Speaker, String)> {
        let of = |event: &Event| match event {
            Event::Heard { by, text, .. } => Some((*by, text.clone())),
            _ => None,
        };
        self.facts.iter().filter_map(of).collect()
    }
}

#[test]
fn what_the_two_say_is_written_down_with_its_speaker() {
    let mut bench = Bench::talking();
    bench.speaks(Side::Caller, "can you change my date", 0, 1_200, 1_200);
    bench.speaks(Side::Person, "of course, to which day", 2_400, 1_000, 1_200);
    let written = bench.written();
    let expected = [(Speaker::Caller, "can you change my date"), (Speaker::Person, "of course, to which day")]
        .map(|(by, text)| (by, text.to_owned()));
    assert_eq!(written, expected);
    let turns: Vec<u32> =
        bench.facts.iter().filter_map(|e| if let Event::Heard { turn, .. } = e { Some(*turn) } else { None }).collect();
    assert!(turns[0] < turns[1], "{turns:?}");
    assert!(bench.spoken.iter().all(|(_, text)| !text.contains("date")), "the agent answers none of it");
}

#[test]
fn their_last_words_are_written_before_the_call_ends() {
    let mut bench = Bench::talking();
    bench.speaks(Side::Caller, "thank you, goodbye", 0, 900, 0);
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
    assert_eq!(bench.written(), [(Speaker::Caller, "thank you, goodbye".to_owned())]);
    assert_eq!(bench.over, Some(EndCause::Transferred));
    assert!(bench.hung_up_on(1));
    let last = bench.facts.last();
    assert!(matches!(last, Some(Event::CallEnded { .. })), "{last:?}");
}

#[test]
fn a_recogniser_that_hangs_keeps_the_call_for_a_moment_only() {
    let mut bench = Bench::talking();
    bench.deaf = true;
    for n in 0..8 {
        bench.speaks(Side::Person, "", n * 2_000, 800, 1_200);
    }
    let faults = bench.facts.iter().filter(|e| matches!(e, Event::EngineFault { stage: Stage::Stt, .. })).count();
    assert_eq!(faults, 8 - 1 - limits::MINUTES_WAITING_MAX, "{:?}", bench.facts);
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
    assert!(bench.hung_up_on(1), "the person's line ends at once");
    assert_eq!(bench.over, None);
    bench.wait(4_100);
    assert_eq!(bench.over, Some(EndCause::Transferred));
}

#[test]
fn nothing_is_written_where_no_words_are_kept() {
    let mut bench = Bench::together();
    bench.speaks(Side::Caller, "can you change my date", 0, 1_200, 1_200);
    assert!(bench.written().is_empty());
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
    assert_eq!(bench.over, Some(EndCause::Transferred));
}
