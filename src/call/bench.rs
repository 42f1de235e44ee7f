//! A call machine on a bench: engines that answer at once, a caller and persons by hand.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::consult::PersonEvent;
use super::hearing::Sense;
use super::machine::{Input, Machine, Output, PersonOrder};
use super::script::{Bounds, Script};
use super::turns::Entry;
use crate::ai::llm::{LlmEvent, LlmRequest, LlmUsage, Role};
use crate::ai::stt::SttText;
use crate::ai::tts::{TtsEvent, TtsUsage};
use crate::base::event::{CallState, EndCause, Event, TransferStep};
use crate::base::{AskId, CallId, Lang, Moment, limits};
use crate::dialogue::agent::{AgentFile, Target, Transfer};
use crate::dialogue::book::Catalogue;
use crate::dialogue::intent::Matcher;
use crate::dialogue::states::States;
use crate::telephony::dial::Verdict;
use crate::telephony::leg::{LegCommand, LegEvent};

pub(super) static SCRIPT: LazyLock<Arc<Script>> = LazyLock::new(|| {
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
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) now: Moment,
    pub(super) orders: Vec<(u32, PersonOrder)>,
    pub(super) leg: Vec<LegCommand>,
    pub(super) states: Vec<CallState>,
    pub(super) facts: Vec<Event>,
    pub(super) asked: Vec<LlmRequest>,
    /// The asks of those that write.
    pub(super) llm: Vec<AskId>,
    pub(super) spoken: Vec<(Lang, String)>,
    pub(super) hearing: String,
    pub(super) over: Option<EndCause>,
    /// Nothing is recognised.
    pub(super) deaf: bool,
}

impl Bench {
    pub(super) fn new() -> Self {
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
            llm: Vec::new(),
            spoken: Vec::new(),
            hearing: String::new(),
            over: None,
            deaf: false,
        };
        bench.drain();
        bench.wait(3_000);
        bench
    }

    pub(super) fn give(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
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
                Output::Stt { .. } if self.deaf => {}
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
                    } else {
                        self.llm.push(ask);
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
    pub(super) fn wait(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.now = self.now + Duration::from_millis(20);
            self.give(Input::Tick);
        }
    }

    /// The caller says this.
    pub(super) fn say(&mut self, text: &str) {
        text.clone_into(&mut self.hearing);
        let start = self.now.since(Moment::ZERO).as_millis() as u64;
        for n in 0..120 {
            let level = if n < 60 { 3_000 } else { 3 };
            self.now = self.now + Duration::from_millis(20);
            self.give(Input::Leg(LegEvent::Audio { pcm: vec![level; 160], at_ms: start + n * 20 }));
        }
    }

    /// A caller who asks for a person by key, until one is sought.
    pub(super) fn seeking() -> Self {
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

    pub(super) fn person(&mut self, attempt: u32, event: PersonEvent) {
        self.give(Input::Person { attempt, event });
    }

    /// The first person has answered.
    pub(super) fn answered() -> Self {
        let mut bench = Self::seeking();
        bench.person(1, PersonEvent::Verdict(Verdict::Placed { carrier_call: "p".to_owned() }));
        bench.person(1, PersonEvent::Connected { lead: limits::PLAYOUT_LEAD });
        bench
    }

    /// The two are together in the box.
    pub(super) fn together() -> Self {
        let mut bench = Self::answered();
        bench.person(1, PersonEvent::Leg(LegEvent::Dtmf('1')));
        assert_eq!(bench.orders.last(), Some(&(1, PersonOrder::Join)));
        bench.person(1, PersonEvent::Joined(false));
        bench.leg.clear();
        bench.orders.clear();
        bench
    }

    pub(super) fn steps(&self) -> Vec<TransferStep> {
        self.facts
            .iter()
            .filter_map(|e| if let Event::Transfer { step, .. } = e { Some(*step) } else { None })
            .collect()
    }

    pub(super) fn frames_for_person(&self) -> usize {
        let frame = |(_, order): &&(u32, PersonOrder)| matches!(order, PersonOrder::Leg(LegCommand::Audio(_)));
        self.orders.iter().filter(frame).count()
    }

    pub(super) fn hung_up_on(&self, attempt: u32) -> bool {
        self.orders.contains(&(attempt, PersonOrder::HangUp))
    }
}
