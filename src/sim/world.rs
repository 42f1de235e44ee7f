//! One simulated call: caller, line, engines and clock around the call machine.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::engines::{self, Temper};
use super::invariants::{Broken, Watch};
use super::person;
use crate::base::event::{CallState, EndCause, Event, RecordingMode};
use crate::base::{AskId, CallId, Lang, Moment};
use crate::call::consult::PersonEvent;
use crate::call::hearing::Sense;
use crate::call::machine::{Elsewhere, Input, Machine, Output, PersonOrder};
use crate::call::script::Script;
use crate::dialogue::book::Catalogue;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

/// A call never lasts longer than this in virtual time; one that does has broken.
const CALL_TOO_LONG: Duration = Duration::from_secs(1_300);

/// Makes calls from seeds.
pub struct Simulator {
    /// The agent as it is and with persons who take callers, each not recorded, asking, and telling.
    scripts: [[Arc<Script>; 3]; 2],
    catalogue: Arc<Catalogue>,
    seed: u64,
}

/// How one simulated call went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub number: u64,
    pub outcome: CallState,
    pub cause: EndCause,
    pub turns: u32,
    pub barge_ins: u32,
    pub repairs: u32,
    pub faults: u32,
    pub virtual_time: Duration,
    pub broken: Vec<Broken>,
    /// Every fact with its time, when asked for.
    pub journal: Vec<(Moment, Event)>,
}

/// How the line behaves on this call.
#[derive(Clone, Copy, Debug)]
struct Line {
    loss: f64,
    reorder: f64,
    repeat: f64,
    odd_size: f64,
    /// The carrier never echoes marks.
    no_marks: bool,
    /// The socket breaks at this moment.
    cut_at: Option<Moment>,
    /// The box does not notice it, the carrier tells it.
    cut_told: bool,
    /// The chance that a socket that broke is connected again.
    comes_back: f64,
    /// The clock jumps at this moment by this much.
    jump: Option<(Moment, Duration)>,
    /// The box is told to end the call.
    told: Option<(Moment, EndCause, bool)>,
    /// Recording of actions fails.
    acts_fail: bool,
}

impl Line {
    fn draw(rng: &mut Rng) -> Self {
        let bad = rng.u8(0..4) == 0;
        let some = |rng: &mut Rng, most: f64| if bad { rng.f64() * most } else { 0.0 };
        let moment = |rng: &mut Rng| Moment::from_millis(rng.u64(100..90_000));
        Self {
            loss: some(rng, 0.3),
            reorder: some(rng, 0.1),
            repeat: some(rng, 0.1),
            odd_size: some(rng, 0.2),
            no_marks: rng.u8(0..12) == 0,
            cut_at: (rng.u8(0..8) == 0).then(|| moment(rng)),
            cut_told: rng.u8(0..4) == 0,
            comes_back: rng.f64(),
            jump: (rng.u8(0..10) == 0).then(|| (moment(rng), Duration::from_millis(rng.u64(50..20_000)))),
            told: (rng.u8(0..15) == 0).then(|| {
                let polite = rng.bool();
                (moment(rng), if rng.bool() { EndCause::Drained } else { EndCause::Operator }, polite)
            }),
            acts_fail: rng.u8(0..15) == 0,
        }
    }
}

/// Something that will happen, by time, then by order of making.
struct Due {
    at: Moment,
    order: u64,
    what: Happening,
}

enum Happening {
    Input(Input),
    /// The next 20 ms of the caller's line.
    Frame,
    /// The caller begins an utterance.
    Speak,
    HangUp,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

struct World<'a> {
    rng: Rng,
    catalogue: &'a Catalogue,
    machine: Machine,
    watch: Watch,
    now: Moment,
    queue: BinaryHeap<Reverse<Due>>,
    order: u64,
    cancelled: HashSet<AskId>,
    line: Line,
    stt: Temper,
    llm: Temper,
    tts: Temper,
    language: Lang,
    saying: String,
    speech_until: Moment,
    media_ms: u64,
    held_back: Option<LegEvent>,
    unplayed: Duration,
    played_at: Moment,
    /// The caller's leg is over, and the call is not.
    leg_gone: bool,
    outcome: Outcome,
    keep_journal: bool,
}

impl Simulator {
    pub fn new(script: Arc<Script>, catalogue: Arc<Catalogue>, seed: u64) -> Self {
        let recorded = |script: Arc<Script>| {
            let [ask, announce] =
                [RecordingMode::Ask, RecordingMode::Announce].map(|mode| Arc::new(script.about(&[]).recorded_as(mode)));
            [script, ask, announce]
        };
        let reachable = Arc::new(person::reachable(&script));
        Self { scripts: [recorded(script), recorded(reachable)], catalogue, seed }
    }

    /// Runs call `number` of this seed to its end. `journal`: keep every fact.
    pub fn call(&self, number: u64, journal: bool) -> Outcome {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number));
        // Half of the calls each, and a third.
        let script = &self.scripts[usize::from(!number.is_multiple_of(2))][(number % 3) as usize];
        let languages = script.languages();
        let language = languages[rng.usize(0..languages.len())];
        let chosen = rng.bool().then_some(language);
        let now = Moment::from_millis(1_000);
        let id = CallId::from_seed(self.seed, number);
        let machine = match Machine::new(id, Arc::clone(script), chosen, Sense::Level, now) {
            Ok(machine) => {
                machine.with_live_recognition(rng.bool()).with_minutes(number.is_multiple_of(4) || number % 4 == 1)
            }
            Err(error) => unreachable!("8 and 16 kHz always convert: {error}"),
        };
        let line = Line::draw(&mut rng);
        let (stt, llm, tts) = (Temper::draw(&mut rng), Temper::draw(&mut rng), Temper::draw(&mut rng));
        let mut watch = Watch::new(now);
        let told = |mode| languages.iter().map(|language| script.notice(*language, mode)).collect::<Vec<_>>();
        watch.notices = script.recording().map(told).unwrap_or_default();
        // Who cannot be heard, or cannot speak, is excused from silence.
        watch.mute = tts.fails > 0.0 || tts.hangs > 0.0 || tts.slow > 0.0 || line.jump.is_some();
        let mut world = World {
            rng,
            catalogue: &self.catalogue,
            machine,
            watch,
            now,
            queue: BinaryHeap::new(),
            order: 0,
            cancelled: HashSet::new(),
            line,
            stt,
            llm,
            tts,
            language,
            saying: String::new(),
            speech_until: Moment::ZERO,
            media_ms: 0,
            held_back: None,
            unplayed: Duration::ZERO,
            played_at: now,
            leg_gone: false,
            outcome: Outcome {
                number,
                outcome: CallState::Failed,
                cause: EndCause::InternalError,
                turns: 0,
                barge_ins: 0,
                repairs: 0,
                faults: 0,
                virtual_time: Duration::ZERO,
                broken: Vec::new(),
                journal: Vec::new(),
            },
            keep_journal: journal,
        };
        world.run(now);
        let World { watch, now: end, mut outcome, .. } = world;
        outcome.virtual_time = end.since(now);
        outcome.broken = watch.finish(end);
        outcome
    }
}

impl World<'_> {
    fn at(&mut self, at: Moment, what: Happening) {
        self.order += 1;
        self.queue.push(Reverse(Due { at, order: self.order, what }));
    }

    fn run(&mut self, start: Moment) {
        self.at(start, Happening::Frame);
        let first = Duration::from_millis(self.rng.u64(200..9_000));
        self.at(start + first, Happening::Speak);
        let patience = Duration::from_millis(self.rng.u64(3_000..150_000));
        self.at(start + patience, Happening::HangUp);
        if let Some((at, cause, polite)) = self.line.told {
            self.at(at, Happening::Input(if polite { Input::Finish(cause) } else { Input::Cut(cause) }));
        }
        if let Some(at) = self.line.cut_at {
            self.break_line(at);
        }
        self.drain();
        let mut ticks_at_once = 0;
        while !self.machine.is_over() && self.now.since(start) < CALL_TOO_LONG {
            let deadline = self.machine.deadline();
            let next = self.queue.peek().map(|Reverse(due)| due.at);
            let tick = match (deadline, next) {
                (Some(deadline), Some(next)) => deadline < next,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            if tick {
                let before = self.now;
                self.advance(deadline.unwrap_or(self.now));
                ticks_at_once = if self.now == before { ticks_at_once + 1 } else { 0 };
                if ticks_at_once > 100 {
                    self.watch.spins(self.now, &self.machine.timers_set());
                    break;
                }
                self.machine.handle(self.now, Input::Tick);
            } else if let Some(Reverse(due)) = self.queue.pop() {
                ticks_at_once = 0;
                self.advance(due.at);
                self.happen(due.what);
            }
            self.drain();
            self.watch.look(self.now);
        }
    }

    fn break_line(&mut self, at: Moment) {
        let told = if self.line.cut_told {
            Input::Elsewhere(Elsewhere::Lost)
        } else {
            Input::Leg(LegEvent::Closed(LegEnd::Lost))
        };
        self.at(at, Happening::Input(told));
    }

    /// The carrier connects again or does not; what came back may break again.
    fn line_broke(&mut self) {
        if self.rng.f64() >= self.line.comes_back {
            return;
        }
        let back = self.now + Duration::from_millis(self.rng.u64(1..22_000));
        let lead = Duration::from_millis(self.rng.u64(20..240));
        self.at(back, Happening::Input(Input::Elsewhere(Elsewhere::Back { lead })));
        if self.rng.u8(0..3) == 0 {
            let again = back + Duration::from_millis(self.rng.u64(1..30_000));
            self.break_line(again);
        }
    }

    /// Time goes on; once in a while it jumps.
    fn advance(&mut self, to: Moment) {
        self.now = self.now.max(to);
        if let Some((at, by)) = self.line.jump
            && self.now >= at
        {
            self.line.jump = None;
            self.now = self.now + by;
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Input(input) => {
                if matches!(input, Input::Finish(_)) {
                    self.watch.told_to_end();
                }
                if !self.passes(&input) {
                    return;
                }
                let ask = match &input {
                    Input::Stt { ask, .. }
                    | Input::Llm { ask, .. }
                    | Input::Tts { ask, .. }
                    | Input::Acted { ask, .. } => Some(*ask),
                    _ => None,
                };
                if let Some(ask) = ask {
                    if self.cancelled.contains(&ask) {
                        return;
                    }
                    let last = !matches!(
                        &input,
                        Input::Llm { event: Ok(crate::ai::llm::LlmEvent::Text(_)), .. }
                            | Input::Tts { event: Ok(crate::ai::tts::TtsEvent::Audio(_)), .. }
                    );
                    if last {
                        self.watch.answered(ask);
                    }
                }
                self.machine.handle(self.now, input);
            }
            Happening::Frame => self.frame(),
            Happening::Speak => self.speak(),
            // Whom the box does not carry any more hangs up at the carrier.
            Happening::HangUp if self.leg_gone => {
                self.machine.handle(self.now, Input::Elsewhere(Elsewhere::Ended(CallState::Completed)));
            }
            Happening::HangUp => {
                self.leg_gone = true;
                self.machine.handle(self.now, Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
            }
        }
    }

    /// Does this reach the call, as lines and carriers are? What it means for them is noted.
    fn passes(&mut self, input: &Input) -> bool {
        match input {
            Input::Leg(_) | Input::Elsewhere(Elsewhere::Lost) if self.leg_gone => return false,
            Input::Leg(LegEvent::Closed(_)) | Input::Elsewhere(Elsewhere::Lost) => self.leg_gone = true,
            Input::Person { attempt, event } => {
                if !self.watch.person(*attempt, event) {
                    return false;
                }
                if matches!(event, PersonEvent::LetGo | PersonEvent::Joined(true)) {
                    for (after, news) in person::elsewhere(&mut self.rng, matches!(event, PersonEvent::LetGo)) {
                        self.at(self.now + after, Happening::Input(Input::Elsewhere(news)));
                    }
                }
                if matches!(event, PersonEvent::Joined(true)) {
                    // Both legs end with it.
                    let at = self.now + Duration::from_millis(self.rng.u64(1..900));
                    self.at(at, Happening::Input(Input::Leg(LegEvent::Closed(LegEnd::HungUp))));
                }
            }
            Input::Elsewhere(Elsewhere::Back { .. }) => {
                if !self.leg_gone {
                    return false;
                }
                self.leg_gone = false;
                self.watch.back(self.now);
            }
            _ => {}
        }
        true
    }

    /// A person's line, at its carrier.
    fn line_of_person(&mut self, attempt: u32, order: PersonOrder) {
        let story = match order {
            PersonOrder::Ring { .. } => person::story(&mut self.rng, attempt),
            PersonOrder::Join => {
                let done = self.rng.u8(0..3) == 0;
                let after = Duration::from_millis(self.rng.u64(0..3_000));
                vec![(after, Input::Person { attempt, event: PersonEvent::Joined(done) })]
            }
            PersonOrder::HangUp | PersonOrder::Leg(_) => Vec::new(),
        };
        for (after, input) in story {
            self.at(self.now + after, Happening::Input(input));
        }
    }

    fn frame(&mut self) {
        if self.leg_gone {
            // The next line has a clock of its own.
            (self.media_ms, self.held_back) = (0, None);
            let next = self.now + Duration::from_millis(20);
            return self.at(next, Happening::Frame);
        }
        let speaking = self.now < self.speech_until;
        if speaking {
            self.watch.caller_spoke(self.now);
        }
        let mut length = 160;
        if self.rng.f64() < self.line.odd_size {
            length = self.rng.usize(0..500);
        }
        let pcm = vec![if speaking { 3_000 } else { 3 }; length];
        let event = LegEvent::Audio { pcm, at_ms: self.media_ms };
        self.media_ms += 20;
        if self.rng.f64() >= self.line.loss {
            if self.rng.f64() < self.line.reorder {
                self.held_back = Some(event.clone());
            } else {
                self.machine.handle(self.now, Input::Leg(event.clone()));
                if let Some(late) = self.held_back.take() {
                    self.machine.handle(self.now, Input::Leg(late));
                }
            }
            if self.rng.f64() < self.line.repeat {
                self.machine.handle(self.now, Input::Leg(event));
            }
        }
        let next = self.now + Duration::from_millis(20);
        self.at(next, Happening::Frame);
    }

    fn speak(&mut self) {
        let again = Duration::from_millis(self.rng.u64(400..12_000));
        self.at(self.now + again, Happening::Speak);
        if self.leg_gone {
            return;
        }
        if self.rng.u8(0..12) == 0 {
            let key = b"0123456789*#"[self.rng.usize(0..12)] as char;
            return self.machine.handle(self.now, Input::Leg(LegEvent::Dtmf(key)));
        }
        if self.rng.u8(0..20) == 0
            && let Some(other) = self.rng.choice(self.catalogue.books.keys().copied().collect::<Vec<_>>())
        {
            self.language = other;
        }
        let Some(book) = self.catalogue.books.get(&self.language) else { return };
        let phrases: Vec<&String> = match self.rng.u8(0..10) {
            0 => book.yes.iter().collect(),
            1 => book.no.iter().collect(),
            2 => book.everyday.iter().collect(),
            _ => book.intents.values().flat_map(|i| &i.caller).collect(),
        };
        self.saying = self.rng.choice(phrases).cloned().unwrap_or_default();
        // Sometimes a cough or a noise without a word.
        if self.rng.u8(0..12) == 0 {
            self.saying.clear();
        }
        let length = 150 + 55 * self.saying.chars().count() as u64;
        self.speech_until = self.now + Duration::from_millis(length);
    }

    /// Does what the machine wants, with the faults of this call.
    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            self.watch.output(self.now, &output);
            match output {
                Output::Leg(command) => self.leg(command),
                // Engines here get their utterances whole.
                Output::Listen { .. } | Output::Sound { .. } | Output::Record(_) => {}
                Output::Stt { ask, .. } => {
                    let saying = self.saying.clone();
                    let answers = engines::hear(&mut self.rng, self.stt, &saying, self.language);
                    self.answers(answers, |result| Input::Stt { ask, result });
                }
                Output::Llm { ask, request } => {
                    let answers = engines::write(&mut self.rng, self.llm, &request, self.catalogue);
                    self.answers(answers, |event| Input::Llm { ask, event });
                }
                Output::Tts { ask, request } => {
                    let answers = engines::speak(&mut self.rng, self.tts, &request);
                    self.answers(answers, |event| Input::Tts { ask, event });
                }
                Output::Act { ask, .. } => {
                    let done = !self.line.acts_fail;
                    let at = self.now + Duration::from_millis(self.rng.u64(1..40));
                    self.at(at, Happening::Input(Input::Acted { ask, done }));
                }
                Output::Person { attempt, order } => self.line_of_person(attempt, order),
                Output::State(_) => {}
                Output::Cancel(ask) => {
                    self.cancelled.insert(ask);
                }
                Output::Fact(event) => {
                    match &event {
                        Event::BargeIn { .. } => self.outcome.barge_ins += 1,
                        Event::Repair { .. } => self.outcome.repairs += 1,
                        Event::EngineFault { .. } => self.outcome.faults += 1,
                        Event::MediaLost => self.line_broke(),
                        Event::CallEnded { turns, .. } => self.outcome.turns = *turns,
                        _ => {}
                    }
                    if self.keep_journal {
                        self.outcome.journal.push((self.now, event));
                    }
                }
                Output::Over { outcome, cause } => {
                    self.outcome.outcome = outcome;
                    self.outcome.cause = cause;
                }
            }
        }
    }

    fn answers<T>(&mut self, answers: engines::Answers<T>, input: impl Fn(Result<T, crate::ai::Fault>) -> Input) {
        // A hanging engine is what the router's deadline turns into a fault.
        for (after, answer) in answers {
            let at = self.now + after;
            self.at(at, Happening::Input(input(answer)));
        }
    }

    /// The carrier's player: plays in real time, echoes marks.
    fn leg(&mut self, command: LegCommand) {
        let elapsed = self.now.since(self.played_at);
        self.unplayed = self.unplayed.saturating_sub(elapsed);
        self.played_at = self.now;
        match command {
            LegCommand::Audio(_) => self.unplayed += Duration::from_millis(20),
            LegCommand::Mark(mark) if !self.line.no_marks => {
                let at = self.now + self.unplayed + Duration::from_millis(self.rng.u64(5..120));
                self.at(at, Happening::Input(Input::Leg(LegEvent::MarkPlayed(mark))));
            }
            LegCommand::Mark(_) | LegCommand::Hush => {}
            LegCommand::Clear => self.unplayed = Duration::ZERO,
            LegCommand::Hangup => {
                let at = self.now + Duration::from_millis(50);
                self.at(at, Happening::Input(Input::Leg(LegEvent::Closed(LegEnd::ClosedByUs))));
            }
        }
    }
}
