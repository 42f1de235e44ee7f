//! The person who is sought for a simulated caller: takes, refuses, never answers, breaks off.

use std::time::Duration;

use fastrand::Rng;

use crate::base::Lang;
use crate::base::event::{AnsweredBy, CallState};
use crate::call::consult::PersonEvent;
use crate::call::machine::{Elsewhere, Input};
use crate::call::script::Script;
use crate::dialogue::agent::{Target, Transfer};
use crate::telephony::dial::{Refused, Verdict};
use crate::telephony::leg::{LegEnd, LegEvent};
use crate::telephony::transfer::PersonNews;

/// The same agent, with two telephones of the house to try.
pub(super) fn reachable(script: &Script) -> Script {
    script.handing_to(Transfer {
        to: vec![Target::Extension("1001".to_owned()), Target::Extension("1002".to_owned())],
        ring: Duration::from_secs(25),
        through: None,
        language: Lang::Hi,
        caller_id: None,
    })
}

/// What happens with one order, and how long after it; drawn anew for each.
pub(super) fn story(rng: &mut Rng, attempt: u32) -> Vec<(Duration, Input)> {
    let mut at = Duration::from_millis(rng.u64(1..1_500));
    let mut story = Vec::new();
    let mut tell = |at: Duration, event: PersonEvent| story.push((at, Input::Person { attempt, event }));
    let placed = Verdict::Placed { carrier_call: format!("person-{attempt}") };
    let refused = |why| PersonEvent::Verdict(Verdict::Refused { why, detail: String::new() });
    match rng.u8(0..12) {
        0 => {
            tell(
                at,
                refused(
                    *rng.choice(&[Refused::Busy, Refused::Unreachable, Refused::BadNumber]).unwrap_or(&Refused::Busy),
                ),
            );
            return story;
        }
        1 => {
            let detail = "lost".to_owned();
            tell(at, PersonEvent::Verdict(Verdict::Unknown { detail }));
        }
        2 => {
            tell(at, PersonEvent::LetGo);
            return story;
        }
        _ => tell(at, PersonEvent::Verdict(placed)),
    }
    let mut later = |rng: &mut Rng, most_ms: u64| {
        at += Duration::from_millis(rng.u64(1..most_ms));
        at
    };
    for _ in 0..rng.u8(0..3) {
        tell(later(rng, 2_000), PersonEvent::Ringing);
    }
    // Some are never heard of again, some give news that fits nothing.
    if rng.u8(0..6) == 0 {
        return story;
    }
    if rng.u8(0..8) == 0 {
        let state = if rng.bool() { CallState::NotPicked } else { CallState::Failed };
        tell(later(rng, 30_000), PersonEvent::Ended(state));
        return story;
    }
    let lead = Duration::from_millis(rng.u64(20..240));
    tell(later(rng, 30_000), PersonEvent::Connected { lead });
    if rng.u8(0..10) == 0 {
        tell(later(rng, 8_000), PersonEvent::AnsweredBy(AnsweredBy::Machine));
    }
    match rng.u8(0..6) {
        0 => tell(later(rng, 20_000), PersonEvent::Leg(LegEvent::Dtmf('2'))),
        1 => {}
        _ => tell(later(rng, 25_000), PersonEvent::Leg(LegEvent::Dtmf(if rng.u8(0..6) == 0 { '5' } else { '1' }))),
    }
    let since = later(rng, 2);
    for n in 0..rng.u64(0..400) {
        let pcm = vec![if n % 50 < 25 { 2_500 } else { 2 }; rng.usize(1..320)];
        tell(since + Duration::from_millis(n * 20), PersonEvent::Leg(LegEvent::Audio { pcm, at_ms: n * 20 }));
    }
    match rng.u8(0..4) {
        0 => {}
        1 => tell(later(rng, 60_000), PersonEvent::Leg(LegEvent::Closed(LegEnd::Lost))),
        2 => tell(later(rng, 60_000), PersonEvent::Leg(LegEvent::Closed(LegEnd::HungUp))),
        _ => tell(later(rng, 60_000), PersonEvent::Ended(CallState::Completed)),
    }
    story
}

/// What the carrier tells of a caller whom the box let go, or no longer carries.
pub(super) fn elsewhere(rng: &mut Rng, let_go: bool) -> Vec<(Duration, Elsewhere)> {
    let mut at = Duration::ZERO;
    let mut later = |rng: &mut Rng, most_ms: u64| {
        at += Duration::from_millis(rng.u64(1..most_ms));
        at
    };
    let mut told = Vec::new();
    if let_go {
        if rng.bool() {
            told.push((later(rng, 3_000), Elsewhere::News(PersonNews::Ringing)));
        }
        match rng.u8(0..4) {
            0 => told.push((later(rng, 30_000), Elsewhere::News(PersonNews::NotReached(Refused::NoAnswer)))),
            1 => {}
            _ => {
                told.push((later(rng, 20_000), Elsewhere::News(PersonNews::Talking)));
                if rng.bool() {
                    told.push((later(rng, 60_000), Elsewhere::News(PersonNews::Done)));
                }
            }
        }
        if rng.bool() {
            told.push((later(rng, 5_000), Elsewhere::Back { lead: Duration::from_millis(rng.u64(20..240)) }));
            return told;
        }
    }
    told.push((later(rng, 120_000), Elsewhere::Ended(CallState::Completed)));
    told
}
