use super::super::bench::{Bench, SCRIPT};
use super::*;
use crate::base::Lang;
use crate::base::event::CallState;
use crate::call::machine::{Input, PersonOrder};
use crate::telephony::leg::{LegCommand, LegEvent};

const LOST: LegEvent = LegEvent::Closed(LegEnd::Lost);

impl Bench {
    fn frames(&self) -> usize {
        self.leg.iter().filter(|command| matches!(command, LegCommand::Audio(_))).count()
    }

    /// A caller whose line breaks in the middle of a line of 200 ms a clause.
    fn cut_while_speaking() -> Self {
        let mut bench = Self::new();
        bench.machine.say("this is the first part, this is the second part, this is the third part");
        bench.give(Input::Tick);
        bench.wait(160);
        bench.leg.clear();
        bench.give(Input::Leg(LegEvent::Audio { pcm: vec![0; 160], at_ms: 0 }));
        bench.give(Input::Leg(LOST));
        bench
    }

    fn back(&mut self) {
        self.give(Input::Elsewhere(Elsewhere::Back { lead: limits::PLAYOUT_LEAD }));
    }

    fn says(&self, key: &str) -> bool {
        let line = SCRIPT.line(Lang::En, key);
        self.spoken.iter().any(|(_, text)| line.starts_with(text.trim_end_matches([',', '.'])))
    }
}

const THREE_PARTS: &str = "One two three four five. Six seven eight nine ten. Eleven twelve thirteen fourteen.";

/// Frames of a line that nothing cuts.
fn whole(text: &str) -> usize {
    let mut bench = Bench::new();
    bench.leg.clear();
    bench.machine.say(text);
    bench.give(Input::Tick);
    bench.wait(3_000);
    bench.frames()
}

impl Bench {
    /// 20 ms of the caller's silence.
    fn sound(&mut self, n: u64) {
        self.give(Input::Leg(LegEvent::Audio { pcm: vec![0; 160], at_ms: 20 * n }));
    }

    fn begin(&mut self, text: &str) {
        self.leg.clear();
        self.sound(0);
        self.machine.say(text);
        self.give(Input::Tick);
    }
}

#[test]
fn what_was_said_into_a_line_that_was_gone_is_said_again() {
    let whole = whole(THREE_PARTS);
    assert!(whole >= 20, "several parts of 200 ms");
    let mut bench = Bench::new();
    bench.begin(THREE_PARTS);
    // In the last part, and nobody was there from the beginning on.
    bench.wait(20 * whole as u64 - 140);
    assert!(bench.frames() > 10 && bench.frames() < whole, "{} of {whole}", bench.frames());
    bench.give(Input::Leg(LOST));
    bench.leg.clear();
    bench.back();
    bench.wait(3_000);
    assert_eq!(bench.frames(), whole, "all parts");
}

#[test]
fn a_sentence_whose_end_was_said_into_a_dead_line_is_said_again_and_told_once() {
    let whole = whole(THREE_PARTS);
    let said = |bench: &Bench| bench.facts.iter().filter(|e| matches!(e, Event::Said { .. })).count();
    let mut bench = Bench::new();
    let before = said(&bench);
    bench.begin(THREE_PARTS);
    bench.wait(200);
    bench.sound(10);
    // It is over for long when the break is noticed.
    bench.wait(20 * whole as u64 + 600);
    assert_eq!((said(&bench), bench.frames()), (before + 1, whole));
    bench.give(Input::Leg(LOST));
    bench.leg.clear();
    bench.back();
    bench.wait(20 * whole as u64 + 200);
    assert_eq!(bench.frames(), whole, "the caller had heard 200 ms of it, less than what is said twice anyway");
    assert_eq!(said(&bench), before + 1, "it is told once");
    assert!(bench.over.is_none() && bench.machine.is_quiet());

    // One that was heard whole is not said again.
    bench.leg.clear();
    for n in 0..50 {
        bench.sound(n);
        bench.wait(20);
    }
    bench.give(Input::Leg(LOST));
    bench.back();
    bench.wait(500);
    assert_eq!(bench.frames(), 0);
}

#[test]
fn a_sentence_that_a_broken_line_cut_is_said_on_when_it_is_back() {
    let mut whole = Bench::new();
    whole.leg.clear();
    whole.machine.say("this is the first part, this is the second part, this is the third part");
    whole.give(Input::Tick);
    whole.wait(3_000);

    let mut bench = Bench::cut_while_speaking();
    bench.wait(5_000);
    assert_eq!(bench.frames(), 0, "nothing leaves while there is no line");
    assert!(bench.over.is_none() && bench.facts.contains(&Event::MediaLost));
    bench.back();
    bench.wait(3_000);
    // What was sent before the break and not certainly heard comes again.
    assert!(bench.frames() >= whole.frames() - 8 && bench.frames() <= whole.frames(), "{}", bench.frames());
    assert!(bench.facts.contains(&Event::MediaBack { after_ms: 5_000 }), "{:?}", bench.facts);
    let said = bench.facts.clone().into_iter().rev().find_map(|e| match e {
        Event::Said { heard, cut, .. } => Some((heard, cut)),
        _ => None,
    });
    let (heard, cut) = said.unwrap();
    assert!(heard.ends_with("third part") && !cut, "{heard}");
    assert!(bench.over.is_none());
}

#[test]
fn a_line_that_does_not_come_back_ends_the_call_once() {
    let mut bench = Bench::cut_while_speaking();
    bench.wait(19_000);
    assert_eq!(bench.over, None);
    bench.wait(1_100);
    assert_eq!(bench.over, Some(EndCause::MediaLost));
    bench.back();
    bench.wait(1_000);
    assert_eq!(bench.frames(), 0);
}

#[test]
fn the_carriers_word_that_the_call_is_over_ends_the_waiting() {
    let mut bench = Bench::cut_while_speaking();
    bench.give(Input::Elsewhere(Elsewhere::Ended(CallState::Completed)));
    assert_eq!(bench.over, Some(EndCause::MediaLost));
    let mut bench = Bench::new();
    bench.give(Input::Elsewhere(Elsewhere::Ended(CallState::Completed)));
    assert_eq!(bench.over, None, "its leg is there");
    bench.give(Input::Leg(LOST));
    assert_eq!(bench.over, Some(EndCause::MediaLost), "nobody connects it again");
    let mut bench = Bench::cut_while_speaking();
    bench.give(Input::Finish(EndCause::Drained));
    assert_eq!(bench.over, Some(EndCause::Drained), "there is nobody to say goodbye to");
}

#[test]
fn who_was_cut_in_mid_word_is_asked_to_say_it_again() {
    let mut bench = Bench::new();
    for n in 0..40 {
        bench.now = bench.now + Duration::from_millis(20);
        bench.give(Input::Leg(LegEvent::Audio { pcm: vec![3_000; 160], at_ms: n * 20 }));
    }
    bench.give(Input::Leg(LOST));
    bench.give(Input::Leg(LegEvent::Audio { pcm: vec![3_000; 160], at_ms: 820 }));
    bench.spoken.clear();
    bench.wait(2_000);
    bench.back();
    bench.wait(1_000);
    assert!(bench.says("reprompt_unclear"), "{:?}", bench.spoken);
    // The new line has a clock of its own, and is listened to.
    bench.say("which number do you have of me xyzzy");
    assert!(bench.facts.iter().any(|e| matches!(e, Event::Heard { .. })), "{:?}", bench.facts);

    let mut quiet = Bench::new();
    quiet.give(Input::Leg(LOST));
    quiet.spoken.clear();
    quiet.back();
    quiet.wait(1_000);
    assert!(!quiet.says("reprompt_unclear"), "nothing was lost: {:?}", quiet.spoken);
}

#[test]
fn an_answer_is_prepared_while_the_line_is_away() {
    let mut bench = Bench::new();
    bench.say("which number do you have of me xyzzy");
    let ask = bench.llm.last().copied().expect("the model is asked");
    bench.give(Input::Leg(LOST));
    bench.leg.clear();
    let done = |bench: &mut Bench, event| bench.give(Input::Llm { ask, event: Ok(event) });
    done(&mut bench, crate::ai::llm::LlmEvent::Text("It ends in four and two.".to_owned()));
    done(&mut bench, crate::ai::llm::LlmEvent::Done(crate::ai::llm::LlmUsage::default()));
    bench.wait(14_000);
    assert_eq!(bench.frames(), 0);
    bench.back();
    bench.wait(2_000);
    assert!(bench.frames() >= 8, "{}", bench.frames());
    let answered = bench.facts.iter().any(|e| matches!(e, Event::Said { heard, .. } if heard.contains("four and two")));
    assert!(answered, "{:?}", bench.facts);
    assert!(!bench.facts.iter().any(|e| matches!(e, Event::Repair { .. })), "{:?}", bench.facts);
}

#[test]
fn whose_line_breaks_while_a_person_is_sought_is_back_in_the_conversation() {
    let mut bench = Bench::seeking();
    bench.give(Input::Leg(LOST));
    assert!(bench.orders.contains(&(1, PersonOrder::HangUp)), "{:?}", bench.orders);
    assert_eq!(bench.states, [CallState::AgentTransfer, CallState::InProgress]);
    bench.leg.clear();
    bench.wait(1_000);
    assert_eq!(bench.frames(), 0);
    bench.back();
    bench.wait(2_000);
    assert!(bench.says("transfer_lost") && bench.frames() > 8, "{:?}", bench.spoken);
    assert!(bench.over.is_none());
}

#[test]
fn a_carrier_is_believed_that_says_the_line_is_over() {
    let mut bench = Bench::cut_while_speaking();
    bench.back();
    bench.wait(100);
    bench.give(Input::Elsewhere(Elsewhere::Lost));
    let breaks = |bench: &Bench| bench.facts.iter().filter(|e| **e == Event::MediaLost).count();
    assert_eq!(breaks(&bench), 2);
    // The socket notices it as well.
    bench.give(Input::Leg(LOST));
    assert_eq!((breaks(&bench), bench.over), (2, None));
    bench.back();
    bench.wait(3_000);
    assert!(bench.over.is_none() && bench.machine.is_quiet());
}

#[test]
fn a_farewell_is_not_said_to_a_line_that_broke() {
    let mut bench = Bench::new();
    bench.machine.farewell("goodbye", EndCause::Goodbye);
    bench.give(Input::Tick);
    bench.give(Input::Leg(LOST));
    assert_eq!(bench.over, Some(EndCause::MediaLost));
}
