//! Scripts of calls that are to be recorded: what the caller says when, and what comes of it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{Outcome, Simulator};
use crate::ai::stt::SttText;
use crate::ai::tts::{TtsEvent, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::event::{DeclinedBy, EndCause, Event, RecordingMode};
use crate::base::{CallId, Lang, Moment};
use crate::call::consent::Order;
use crate::call::hearing::Sense;
use crate::call::machine::{Input, Machine, Output};
use crate::call::script::{Bounds, Script};
use crate::dialogue::book::Catalogue;
use crate::dialogue::intent::Matcher;
use crate::dialogue::shelf::Shelf;
use crate::telephony::leg::{LegCommand, LegEvent};

/// Loaded and learned once: it takes a while.
static HELPDESK: LazyLock<(Script, Arc<Catalogue>)> = LazyLock::new(|| {
    let mut shelf = Shelf::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
    let agent = shelf.agents.agents.remove("helpdesk").unwrap();
    let catalogue = Arc::new(shelf.catalogue);
    let matcher = Arc::new(Matcher::new(&catalogue));
    let bounds = Bounds { max_duration: Duration::from_secs(3_600), inactivity: Duration::from_secs(300) };
    let states = shelf.states.remove(&agent.states).unwrap_or_default();
    (Script::new(agent, states, Arc::clone(&catalogue), matcher, bounds), catalogue)
});

/// What the caller does at a time.
#[derive(Clone, Copy)]
enum Does {
    Say(&'static str),
    Press(char),
}

/// What became of it, in order.
#[derive(Clone, Debug, PartialEq)]
enum Came {
    Order(Order),
    Declined(DeclinedBy),
}

use Came::Declined;
use Does::{Press, Say};

const START_ASK: Came = Came::Order(Order::Start { mode: RecordingMode::Ask, language: Lang::En });
const START_TOLD: Came = Came::Order(Order::Start { mode: RecordingMode::Announce, language: Lang::En });
const CONFIRM: Came = Came::Order(Order::Confirm);
const DISCARD: Came = Came::Order(Order::Discard);

/// A call in English of twenty seconds; every clause lasts a second, and the voice fails for the first
/// `mute` of them.
fn call(mode: RecordingMode, mut mute: u32, does: &[(u64, Does)]) -> Vec<Came> {
    let script = Arc::new(HELPDESK.0.about(&[]).recorded_as(mode));
    let start = Moment::from_millis(1_000);
    let mut machine = Machine::new(CallId::from_seed(1, 1), script, Some(Lang::En), Sense::Level, start).unwrap();
    let (mut came, mut saying, mut marks) = (Vec::new(), "", VecDeque::<(u64, u64)>::new());
    let mut loud_until = 0;
    for ms in (0..20_000).step_by(20) {
        let now = start + Duration::from_millis(ms);
        for (_, what) in does.iter().filter(|(at, _)| *at == ms) {
            match what {
                Say(text) => (saying, loud_until) = (text, ms + 700),
                Press(key) => machine.handle(now, Input::Leg(LegEvent::Dtmf(*key))),
            }
        }
        while marks.front().is_some_and(|(at, _)| *at <= ms) {
            let (_, mark) = marks.pop_front().unwrap();
            machine.handle(now, Input::Leg(LegEvent::MarkPlayed(mark)));
        }
        let pcm = vec![if ms < loud_until { 3_000 } else { 3 }; 160];
        machine.handle(now, Input::Leg(LegEvent::Audio { pcm, at_ms: ms }));
        machine.handle(now, Input::Tick);
        while let Some(output) = machine.poll() {
            match output {
                Output::Record(order) => came.push(Came::Order(order)),
                Output::Fact(Event::RecordingDeclined { why }) => came.push(Declined(why)),
                Output::Leg(LegCommand::Mark(mark)) => marks.push_back((ms + 80, mark)),
                Output::Leg(LegCommand::Clear) => marks.clear(),
                Output::Tts { ask, .. } if mute > 0 => {
                    mute -= 1;
                    let fault = Fault::new(FaultKind::Unavailable, "test", "mute");
                    machine.handle(now, Input::Tts { ask, event: Err(fault) });
                }
                Output::Tts { ask, .. } => {
                    machine.handle(now, Input::Tts { ask, event: Ok(TtsEvent::Audio(vec![900; 8_000])) });
                    machine.handle(now, Input::Tts { ask, event: Ok(TtsEvent::Done(TtsUsage::default())) });
                }
                Output::Stt { ask, .. } => {
                    let heard = SttText {
                        text: saying.to_owned(),
                        language: Lang::En,
                        language_confidence: 0.99,
                        confidence: 0.95,
                        audio: Duration::from_secs(1),
                        took: Duration::ZERO,
                        provider: "test".to_owned(),
                    };
                    machine.handle(now, Input::Stt { ask, result: Ok(heard) });
                }
                Output::Act { ask, .. } => machine.handle(now, Input::Acted { ask, done: true }),
                _ => {}
            }
        }
    }
    machine.handle(start + Duration::from_secs(20), Input::Cut(EndCause::Operator));
    while let Some(output) = machine.poll() {
        if let Output::Fact(Event::RecordingDeclined { why }) = output {
            came.push(Declined(why));
        }
    }
    came
}

#[test]
fn what_callers_do_and_what_is_recorded() {
    use RecordingMode::{Announce, Ask};
    let office = Say("what are your office hours");
    // The notice has two clauses when it asks and one when it tells: over after 2 s and 1 s.
    for (what, mode, does, expected) in [
        ("silence is no objection", Ask, vec![], vec![START_ASK]),
        ("who goes on agrees", Ask, vec![(6_000, office)], vec![START_ASK, CONFIRM]),
        ("no to the notice", Ask, vec![(4_000, Say("no"))], vec![START_ASK, DISCARD, Declined(DeclinedBy::Word)]),
        ("no while it is said", Ask, vec![(1_000, Say("no"))], vec![Declined(DeclinedBy::Word)]),
        (
            "a no to a later question is an answer to that",
            Ask,
            vec![(6_000, office), (13_000, Say("no"))],
            vec![START_ASK, CONFIRM],
        ),
        (
            "do not record, later",
            Ask,
            vec![(6_000, office), (13_000, Say("please do not record this call"))],
            vec![START_ASK, CONFIRM, DISCARD, Declined(DeclinedBy::Word)],
        ),
        (
            "the key, at any time",
            Ask,
            vec![(6_000, office), (13_000, Press('#')), (14_000, Press('#'))],
            vec![START_ASK, CONFIRM, DISCARD, Declined(DeclinedBy::Key)],
        ),
        ("the key while it is said", Announce, vec![(400, Press('#'))], vec![Declined(DeclinedBy::Key)]),
        ("told, not asked: a bare no is no objection", Announce, vec![(4_000, Say("no"))], vec![START_TOLD, CONFIRM]),
        (
            "told: the wish is one all the same",
            Announce,
            vec![(6_000, Say("stop recording"))],
            vec![START_TOLD, CONFIRM, DISCARD, Declined(DeclinedBy::Word)],
        ),
        (
            "who speaks over the notice hears it before the answer",
            Announce,
            vec![(300, office)],
            vec![START_TOLD, CONFIRM],
        ),
        (
            "who speaks over it twice is not recorded",
            Ask,
            vec![(300, office), (3_000, office), (6_500, office)],
            vec![Declined(DeclinedBy::NotHeard)],
        ),
    ] {
        assert_eq!(call(mode, 0, &does), expected, "{what}");
    }
}

#[test]
fn a_notice_that_no_voice_said_is_none() {
    assert_eq!(call(RecordingMode::Announce, 1_000, &[]), [Declined(DeclinedBy::NotHeard)]);
    // The first clause was silent: the notice is said again with the next answer.
    let office = [(6_000, Say("what are your office hours"))];
    assert_eq!(call(RecordingMode::Announce, 1, &office), [START_TOLD, CONFIRM]);
}

#[test]
fn another_language_another_notice() {
    let came = call(RecordingMode::Ask, 0, &[(3_500, Press('3'))]);
    let tamil = Came::Order(Order::Start { mode: RecordingMode::Ask, language: Lang::Ta });
    assert_eq!(came, [START_ASK, DISCARD, tamil]);
}

#[test]
fn a_hundred_calls_are_recorded_as_their_callers_want() {
    let (script, catalogue) = (Arc::new(HELPDESK.0.about(&[])), Arc::clone(&HELPDESK.1));
    let simulator = Simulator::new(script, catalogue, 11);
    let outcomes: Vec<Outcome> = (0..100).map(|number| simulator.call(number, true)).collect();
    for outcome in &outcomes {
        assert!(outcome.broken.is_empty(), "call {} of seed 11: {:?}", outcome.number, outcome.broken);
    }
    let declined = |why| {
        let said = |(_, event): &(Moment, Event)| *event == Event::RecordingDeclined { why };
        outcomes.iter().filter(|outcome| outcome.journal.iter().any(said)).count()
    };
    assert!(declined(DeclinedBy::Word) + declined(DeclinedBy::Key) > 0 && declined(DeclinedBy::NotHeard) > 0);
}
