use std::time::Duration;

use super::super::bench::{Bench, SCRIPT};
use super::*;
use crate::call::machine::Input;
use crate::telephony::dial::{Refused, Verdict};

#[test]
fn a_person_is_told_in_their_language_and_the_caller_in_theirs() {
    let mut bench = Bench::answered();
    bench.spoken.clear();
    bench.wait(13_000);
    let (told, held): (Vec<_>, Vec<_>) = bench.spoken.iter().partition(|(language, _)| *language == Lang::Ta);
    assert!(told.iter().any(|(_, text)| text.contains("ஆங்கிலம்")), "{told:?}");
    let words = held.iter().any(|(_, text)| text.contains("my number has changed"));
    assert!(words, "the caller's own words in the caller's language: {held:?}");
    let hold = SCRIPT.line(Lang::En, "hold");
    assert!(held.iter().any(|(_, text)| hold.starts_with(text.trim_end_matches(','))), "{held:?}");
    assert!(bench.frames_for_person() > 50);
}

#[test]
fn sound_goes_both_ways_once_they_are_together_and_the_agent_is_silent() {
    let mut bench = Bench::together();
    assert_eq!(bench.steps(), [TransferStep::Sought, TransferStep::Told, TransferStep::Taken, TransferStep::Joined]);
    let heard = bench.facts.len();
    for n in 0..100 {
        bench.now = bench.now + Duration::from_millis(20);
        bench.give(Input::Leg(LegEvent::Audio { pcm: vec![1_111; 160], at_ms: n * 20 }));
        bench.person(1, PersonEvent::Leg(LegEvent::Audio { pcm: vec![-2_222; 160], at_ms: n * 20 }));
    }
    let to_caller = bench.leg.iter().filter(|c| matches!(c, LegCommand::Audio(pcm) if pcm[80] == -2_222)).count();
    assert!(to_caller >= 98 && bench.frames_for_person() >= 98, "{to_caller} {}", bench.frames_for_person());
    assert_eq!(bench.facts.len(), heard, "nothing that is said is taken for the agent's: {:?}", &bench.facts[heard..]);
    bench.wait(6_000);
    bench.person(1, PersonEvent::Leg(LegEvent::Closed(LegEnd::HungUp)));
    bench.wait(3_000);
    assert_eq!(bench.over, Some(EndCause::Transferred));
    assert_eq!(bench.steps().last(), Some(&TransferStep::Over));
}

#[test]
fn whom_nobody_takes_is_back_with_their_memory() {
    let mut bench = Bench::seeking();
    let busy = Verdict::Refused { why: Refused::Busy, detail: String::new() };
    bench.person(1, PersonEvent::Verdict(busy));
    assert!(matches!(bench.orders.last(), Some((2, PersonOrder::Ring { to: Target::Extension(_), .. }))));
    bench.person(1, PersonEvent::Connected { lead: limits::PLAYOUT_LEAD });
    assert!(!bench.steps().contains(&TransferStep::Told), "whom the box gave up cannot take the call");
    bench.person(2, PersonEvent::Connected { lead: limits::PLAYOUT_LEAD });
    bench.person(2, PersonEvent::Leg(LegEvent::Dtmf('2')));
    assert!(bench.hung_up_on(2));
    assert_eq!(bench.states, [CallState::AgentTransfer, CallState::InProgress]);
    bench.wait(3_000);
    bench.asked.clear();
    bench.say("so which number do you have of me now xyzzy");
    bench.wait(200);
    let asked = bench.asked.iter().rfind(|request| request.grammar.is_none()).expect("the model is asked to write");
    let all: String = asked.messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>().join("\n");
    assert!(all.contains("my number has changed") && all.contains("which number do you have"), "{all}");
    assert!(all.contains("Nobody could be reached") && all.contains("none of our people"), "{all}");
    assert!(bench.over.is_none());
}

#[test]
fn a_second_try_is_made_and_no_third() {
    let mut bench = Bench::seeking();
    for attempt in [1, 2] {
        let gone = Verdict::Refused { why: Refused::Unreachable, detail: String::new() };
        bench.person(attempt, PersonEvent::Verdict(gone));
    }
    bench.wait(3_000);
    bench.give(Input::Leg(LegEvent::Dtmf('0')));
    bench.wait(2_000);
    for attempt in [3, 4] {
        bench.person(attempt, PersonEvent::AnsweredBy(crate::base::event::AnsweredBy::Machine));
    }
    bench.wait(3_000);
    bench.give(Input::Leg(LegEvent::Dtmf('0')));
    bench.wait(4_000);
    assert_eq!(bench.over, Some(EndCause::HumanWanted));
    let rung = bench.orders.iter().filter(|(_, order)| matches!(order, PersonOrder::Ring { .. })).count();
    assert_eq!(rung, 4);
}

#[test]
fn a_caller_who_hangs_up_takes_the_persons_line_along() {
    for mut bench in [Bench::seeking(), Bench::answered(), Bench::together()] {
        bench.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
        assert!(bench.over.is_some() && bench.hung_up_on(1), "{:?}", bench.orders.last());
    }
}

#[test]
fn the_other_one_is_told_when_a_line_breaks() {
    let mut bench = Bench::together();
    bench.spoken.clear();
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::Lost)));
    assert!(bench.over.is_none());
    bench.wait(3_000);
    assert!(bench.spoken.iter().all(|(language, _)| *language == Lang::Ta) && !bench.spoken.is_empty());
    assert_eq!(bench.over, Some(EndCause::MediaLost));
    assert!(bench.hung_up_on(1));

    let mut bench = Bench::together();
    bench.wait(20_000);
    bench.person(1, PersonEvent::Leg(LegEvent::Closed(LegEnd::Lost)));
    assert_eq!(bench.states.last(), Some(&CallState::InProgress));
    bench.wait(2_000);
    assert!(bench.over.is_none(), "the caller is with the agent again");
}

#[test]
fn the_carrier_may_join_them_and_the_legs_end_in_any_order() {
    let mut bench = Bench::answered();
    bench.person(1, PersonEvent::Leg(LegEvent::Dtmf('1')));
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
    bench.person(1, PersonEvent::Leg(LegEvent::Closed(LegEnd::ClosedByUs)));
    assert!(bench.over.is_none(), "whether they are joined is not known yet");
    bench.person(1, PersonEvent::Joined(true));
    bench.wait(60_000);
    assert!(bench.over.is_none() && !bench.hung_up_on(1));
    bench.give(Input::Elsewhere(Elsewhere::Ended(CallState::Completed)));
    assert_eq!(bench.over, Some(EndCause::Transferred));
    assert!(!bench.hung_up_on(1), "their line is the carrier's affair");

    let mut failed = Bench::answered();
    failed.person(1, PersonEvent::Leg(LegEvent::Dtmf('1')));
    failed.give(Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
    failed.person(1, PersonEvent::Joined(false));
    assert_eq!(failed.over, Some(EndCause::Transferred), "the caller had hung up");
    assert!(failed.hung_up_on(1));
}

#[test]
fn a_caller_who_is_let_go_comes_back_or_is_over() {
    let mut bench = Bench::seeking();
    bench.person(1, PersonEvent::LetGo);
    assert_eq!(bench.leg.last(), Some(&LegCommand::Hangup));
    bench.give(Input::Leg(LegEvent::Closed(LegEnd::ClosedByUs)));
    bench.wait(40_000);
    assert!(bench.over.is_none());
    bench.give(Input::Elsewhere(Elsewhere::News(PersonNews::NotReached(Refused::NoAnswer))));
    bench.spoken.clear();
    bench.leg.clear();
    bench.give(Input::Elsewhere(Elsewhere::Back { lead: Duration::from_millis(200) }));
    bench.wait(1_000);
    assert_eq!(bench.states.last(), Some(&CallState::InProgress));
    let said = bench.spoken.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ");
    assert!(said.contains("none of our people"), "{said}");
    assert!(bench.leg.iter().any(|c| matches!(c, LegCommand::Audio(_))));
    let missed = bench.steps().iter().filter(|step| **step == TransferStep::NotReached).count();
    assert_eq!(missed, 1, "told once");

    let mut bench = Bench::seeking();
    bench.person(1, PersonEvent::LetGo);
    bench.give(Input::Elsewhere(Elsewhere::News(PersonNews::Talking)));
    bench.give(Input::Elsewhere(Elsewhere::News(PersonNews::Done)));
    bench.give(Input::Elsewhere(Elsewhere::Ended(CallState::Completed)));
    assert_eq!(bench.over, Some(EndCause::Transferred));

    let mut lost = Bench::seeking();
    lost.person(1, PersonEvent::LetGo);
    lost.wait(limits::LETTING_MAX.as_millis() as u64 + limits::PARKED_MAX.as_millis() as u64 + 1_000);
    assert_eq!(lost.over, Some(EndCause::HumanWanted), "nobody is parked for ever");
}

#[test]
fn the_box_may_end_the_call_in_every_step() {
    let steps: [fn() -> Bench; 4] = [Bench::seeking, Bench::answered, Bench::together, || {
        let mut bench = Bench::seeking();
        bench.person(1, PersonEvent::LetGo);
        bench
    }];
    for (number, step) in steps.into_iter().enumerate() {
        let mut politely = step();
        politely.give(Input::Finish(EndCause::Drained));
        assert!(number == 3 || politely.hung_up_on(1), "step {number}");
        politely.wait(5_000);
        assert_eq!(politely.over, Some(EndCause::Drained), "step {number}");
        let mut now = step();
        now.give(Input::Cut(EndCause::Operator));
        assert_eq!(now.over, Some(EndCause::Operator), "step {number}");
        assert!(number == 3 || now.hung_up_on(1), "step {number}");
    }
}
