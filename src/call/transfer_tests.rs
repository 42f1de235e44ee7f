use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::ai::llm::{LlmEvent, LlmRequest, LlmUsage};
use crate::ai::stt::SttText;
use crate::ai::tts::TtsUsage;
use crate::base::{CallId, Lang};
use crate::call::hearing::Sense;
use crate::call::machine::Input;
use crate::call::script::{Bounds, Script};
use crate::dialogue::agent::{AgentFile, Transfer};
use crate::dialogue::book::Catalogue;
use crate::dialogue::intent::Matcher;
use crate::dialogue::states::States;
use crate::telephony::dial::{Refused, Verdict};

static SCRIPT: LazyLock<Arc<Script>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let catalogue = Arc::new(Catalogue::load(&root.join("prompts")).unwrap());
    let mut agents = AgentFile::load(&root.join("agents")).unwrap();
    let matcher = Arc::new(Matcher::new(&catalogue));
    let bounds = Bounds { max_duration: limits::CALL_MAX, inactivity: limits::INACTIVITY_MAX };
    let agent = agents.agents.remove("helpdesk").unwrap();
    Arc::new(Script::new(agent, States::default(), catalogue, matcher, bounds).handing_to(Transfer {
        to: vec![Target::Number("+919876500001".parse().unwrap()), Target::Extension("1002".to_owned())],
        ring: Duration::from_secs(25),
        through: None,
        language: Lang::Ta,
        caller_id: None,
    }))
});

/// A call whose engines answer at once: 200 ms of sound a clause.
struct Bench {
    machine: Machine,
    now: Moment,
    orders: Vec<(u32, PersonOrder)>,
    leg: Vec<LegCommand>,
    states: Vec<CallState>,
    facts: Vec<Event>,
    asked: Vec<LlmRequest>,
    spoken: Vec<(Lang, String)>,
    hearing: String,
    over: Option<EndCause>,
}

impl Bench {
    fn new() -> Self {
        let now = Moment::from_millis(1_000);
        let machine =
            Machine::new(CallId::from_seed(1, 1), Arc::clone(&SCRIPT), Some(Lang::En), Sense::Level, now).unwrap();
        let mut bench = Self {
            machine,
            now,
            orders: Vec::new(),
            leg: Vec::new(),
            states: Vec::new(),
            facts: Vec::new(),
            asked: Vec::new(),
            spoken: Vec::new(),
            hearing: String::new(),
            over: None,
        };
        bench.drain();
        bench.wait(3_000);
        bench
    }

    fn give(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Leg(LegCommand::Mark(mark)) => {
                    self.machine.handle(self.now, Input::Leg(LegEvent::MarkPlayed(mark)));
                }
                Output::Leg(command) => self.leg.push(command),
                Output::Person { attempt, order } => self.orders.push((attempt, order)),
                Output::State(state) => self.states.push(state),
                Output::Fact(event) => self.facts.push(event),
                Output::Tts { ask, request } => {
                    self.spoken.push((request.language, request.text));
                    for event in [TtsEvent::Audio(vec![7; 1_600]), TtsEvent::Done(TtsUsage::default())] {
                        self.machine.handle(self.now, Input::Tts { ask, event: Ok(event) });
                    }
                }
                Output::Act { ask, .. } => self.machine.handle(self.now, Input::Acted { ask, done: true }),
                Output::Stt { ask, .. } => {
                    let text = SttText {
                        text: self.hearing.clone(),
                        language: Lang::En,
                        language_confidence: 0.9,
                        confidence: 0.9,
                        audio: Duration::ZERO,
                        took: Duration::ZERO,
                        provider: "test".to_owned(),
                    };
                    self.machine.handle(self.now, Input::Stt { ask, result: Ok(text) });
                }
                // Asked to choose, the model has nothing to say; asked to write, it takes its time.
                Output::Llm { ask, request } => {
                    if request.grammar.is_some() {
                        let nothing = Ok(LlmEvent::Done(LlmUsage::default()));
                        self.machine.handle(self.now, Input::Llm { ask, event: nothing });
                    }
                    self.asked.push(request);
                }
                Output::Over { cause, .. } => {
                    assert_eq!(self.over.replace(cause), None, "over twice");
                }
                Output::Listen { .. } | Output::Sound { .. } | Output::Cancel(_) | Output::Record(_) => {}
            }
        }
    }

    /// Lets time pass.
    fn wait(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.now = self.now + Duration::from_millis(20);
            self.give(Input::Tick);
        }
    }

    /// The caller says this.
    fn say(&mut self, text: &str) {
        text.clone_into(&mut self.hearing);
        let start = self.now.since(Moment::ZERO).as_millis() as u64;
        for n in 0..120 {
            let level = if n < 60 { 3_000 } else { 3 };
            self.now = self.now + Duration::from_millis(20);
            self.give(Input::Leg(LegEvent::Audio { pcm: vec![level; 160], at_ms: start + n * 20 }));
        }
    }

    /// A caller who asks for a person by key, until one is sought.
    fn seeking() -> Self {
        let mut bench = Self::new();
        bench.machine.answered = 1;
        bench.machine.history.push(Entry {
            role: Role::User,
            content: "my number has changed to nine eight".to_owned(),
            line: None,
        });
        bench.give(Input::Leg(LegEvent::Dtmf('0')));
        assert!(bench.orders.is_empty(), "the caller is told first");
        bench.wait(2_000);
        assert_eq!(bench.states, [CallState::AgentTransfer]);
        assert!(matches!(&bench.orders[..], [(1, PersonOrder::Ring { .. })]), "{:?}", bench.orders);
        bench
    }

    fn person(&mut self, attempt: u32, event: PersonEvent) {
        self.give(Input::Person { attempt, event });
    }

    /// The first person has answered.
    fn answered() -> Self {
        let mut bench = Self::seeking();
        bench.person(1, PersonEvent::Verdict(Verdict::Placed { carrier_call: "p".to_owned() }));
        bench.person(1, PersonEvent::Connected { lead: limits::PLAYOUT_LEAD });
        bench
    }

    /// The two are together in the box.
    fn together() -> Self {
        let mut bench = Self::answered();
        bench.person(1, PersonEvent::Leg(LegEvent::Dtmf('1')));
        assert_eq!(bench.orders.last(), Some(&(1, PersonOrder::Join)));
        bench.person(1, PersonEvent::Joined(false));
        bench.leg.clear();
        bench.orders.clear();
        bench
    }

    fn steps(&self) -> Vec<TransferStep> {
        self.facts
            .iter()
            .filter_map(|e| if let Event::Transfer { step, .. } = e { Some(*step) } else { None })
            .collect()
    }

    fn frames_for_person(&self) -> usize {
        let frame = |(_, order): &&(u32, PersonOrder)| matches!(order, PersonOrder::Leg(LegCommand::Audio(_)));
        self.orders.iter().filter(frame).count()
    }

    fn hung_up_on(&self, attempt: u32) -> bool {
        self.orders.contains(&(attempt, PersonOrder::HangUp))
    }
}

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
