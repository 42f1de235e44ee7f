//! One call of a storm: the real call machine, a patient caller on a good line, the router behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::stream::{AbortHandle, BoxStream, SelectAll, abortable};
use futures_util::{FutureExt, StreamExt};

use super::draw::{CallDrawn, Shelter};
use super::face::Face;
use super::ticket::lock;
use super::whole::World;
use crate::base::event::{EndCause, Event, RepairKind};
use crate::base::{AskId, CallId, Lang, Moment};
use crate::call::hearing::Sense;
use crate::call::machine::{Input, Machine, Output};
use crate::call::script::Script;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

const FRAME: Duration = Duration::from_millis(20);
/// A call that nobody ends within this time has broken.
const TOO_LONG: Duration = Duration::from_secs(900);

pub(super) struct Call {
    id: CallId,
    world: Arc<World>,
    face: Face,
    script: Arc<Script>,
    drawn: CallDrawn,
    rng: Rng,
    asks: HashMap<AskId, AbortHandle>,
    answers: SelectAll<BoxStream<'static, Input>>,
    media_ms: u64,
    speech_until: Moment,
    /// What the agent has sent is played until then.
    playing_until: Moment,
    speak_at: Option<Moment>,
    interrupt_at: Option<Moment>,
    turns_left: u32,
    language: Lang,
    /// A turn was heard, and the caller has not said anything since.
    owed: bool,
    cause: Option<EndCause>,
}

impl Call {
    pub(super) fn new(id: CallId, face: Face, script: Arc<Script>, drawn: CallDrawn, rng: Rng) -> Self {
        Self {
            id,
            world: Arc::clone(&face.world),
            face,
            script,
            turns_left: drawn.turns,
            language: drawn.language,
            drawn,
            rng,
            asks: HashMap::new(),
            answers: SelectAll::new(),
            media_ms: 0,
            speech_until: Moment::ZERO,
            playing_until: Moment::ZERO,
            speak_at: None,
            interrupt_at: None,
            owed: false,
            cause: None,
        }
    }

    /// From ringing to the end.
    pub(super) async fn run(mut self) {
        let clock = self.world.clock;
        tokio::time::sleep_until(clock.instant(self.drawn.starts).into()).await;
        let start = clock.now();
        let made = Machine::new(self.id, Arc::clone(&self.script), Some(self.language), Sense::Level, start);
        let mut machine = match made {
            Ok(machine) => machine,
            Err(error) => unreachable!("8 and 16 kHz always convert: {error}"),
        };
        let mut frame_at = start + FRAME;
        let mut ticks_at_once = 0;
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        loop {
            self.drain(&mut machine);
            if machine.is_over() {
                break;
            }
            let now = clock.now();
            if now.since(start) > TOO_LONG || ticks_at_once > 100 {
                self.broke(format!("the call does not end; timers: {:?}", machine.timers_set()));
                break;
            }
            let deadline = machine.deadline();
            let next = deadline.map_or(frame_at, |at| at.min(frame_at));
            // Timers go by whole milliseconds and must not fire before their time.
            sleep.as_mut().reset(clock.instant(next).into());
            let answer = tokio::select! {
                biased;
                Some(answer) = self.answers.next() => Some(answer),
                () = &mut sleep => None,
            };
            let now = clock.now();
            match answer {
                Some(answer) => {
                    ticks_at_once = 0;
                    machine.handle(now, answer);
                }
                None if frame_at <= now => {
                    ticks_at_once = 0;
                    frame_at = frame_at + FRAME;
                    self.frame(&mut machine, now);
                }
                None => {
                    ticks_at_once += 1;
                    machine.handle(now, Input::Tick);
                }
            }
        }
        let took = clock.now().since(start);
        let mut tally = lock(&self.world.tally);
        tally.virtual_time += took;
        tally.causes.push(self.cause.unwrap_or(EndCause::InternalError));
        drop(tally);
        let is_normal = !matches!(self.cause, None | Some(EndCause::InternalError | EndCause::MediaLost));
        let is_lost = !is_normal || self.cause == Some(EndCause::TooManyFailures) && self.is_sheltered();
        if is_lost {
            self.broke(format!("the call was lost: {:?}", self.cause));
        }
    }

    fn is_sheltered(&self) -> bool {
        self.world.drawn.shelter != Shelter::None
    }

    fn broke(&self, what: String) {
        lock(&self.world.watch).broke(self.world.clock.now(), what);
    }

    /// The next 20 ms of the caller's line, and what the caller makes of the last ones.
    fn frame(&mut self, machine: &mut Machine, now: Moment) {
        let speaking = now < self.speech_until;
        let pcm = vec![if speaking { 3_000 } else { 3 }; 160];
        machine.handle(now, Input::Leg(LegEvent::Audio { pcm, at_ms: self.media_ms }));
        self.media_ms += 20;
        if speaking {
            return;
        }
        let playing = now < self.playing_until;
        if playing {
            self.speak_at = None;
            if self.interrupt_at.is_some_and(|at| at <= now) {
                self.interrupt_at = None;
                self.speak(now);
            }
            return;
        }
        let speak_at = *self.speak_at.get_or_insert_with(|| {
            // Who has said something waits for the answer, within reason.
            let patience = if self.speech_until > self.playing_until { 25_000 } else { self.rng.u64(500..3_500) };
            now + Duration::from_millis(patience)
        });
        if speak_at <= now {
            self.speak_at = None;
            if self.turns_left == 0 || now >= self.drawn.until {
                machine.handle(now, Input::Leg(LegEvent::Closed(LegEnd::HungUp)));
            } else {
                self.speak(now);
            }
        }
    }

    fn speak(&mut self, now: Moment) {
        self.turns_left = self.turns_left.saturating_sub(1);
        let Some(book) = self.world.catalogue.books.get(&self.language) else { return };
        let phrases: Vec<&String> = match self.rng.u8(0..10) {
            0 => book.yes.iter().collect(),
            1 | 2 => book.everyday.iter().collect(),
            _ => book.intents.values().flat_map(|i| &i.caller).collect(),
        };
        let saying = self.rng.choice(phrases).cloned().unwrap_or_default();
        let length = 300 + 55 * saying.chars().count() as u64;
        self.speech_until = now + Duration::from_millis(length);
        self.interrupt_at =
            (self.rng.u8(0..6) == 0).then(|| self.speech_until + Duration::from_millis(self.rng.u64(1_000..6_000)));
        self.world.says(self.id, saying, self.language);
    }

    fn drain(&mut self, machine: &mut Machine) {
        let now = self.world.clock.now();
        while let Some(output) = machine.poll() {
            match output {
                Output::Leg(LegCommand::Audio(_)) => {
                    self.playing_until = self.playing_until.max(now) + FRAME;
                }
                Output::Leg(LegCommand::Mark(mark)) => {
                    let played = self.world.clock.instant(self.playing_until.max(now) + FRAME);
                    let echo = async move {
                        tokio::time::sleep_until(played.into()).await;
                        Input::Leg(LegEvent::MarkPlayed(mark))
                    };
                    self.answers.push(echo.into_stream().boxed());
                }
                Output::Leg(LegCommand::Clear) => self.playing_until = now,
                Output::Leg(LegCommand::Hangup | LegCommand::Hush) => {}
                // Members here get their utterances whole.
                Output::Listen { .. } | Output::Sound { .. } | Output::Record(_) => {}
                Output::Stt { ask, request } => {
                    let answer = self.face.hear(request);
                    self.add(ask, answer.map(move |result| Input::Stt { ask, result }).into_stream().boxed());
                }
                Output::Llm { ask, request } => {
                    let stream = self.face.write(request);
                    self.add(ask, stream.map(move |event| Input::Llm { ask, event }).boxed());
                }
                Output::Tts { ask, request } => {
                    let stream = self.face.speak(request);
                    self.add(ask, stream.map(move |event| Input::Tts { ask, event }).boxed());
                }
                Output::Act { ask, .. } => {
                    let done = async move { Input::Acted { ask, done: true } };
                    self.add(ask, done.into_stream().boxed());
                }
                Output::Person { .. } | Output::State(_) => {}
                Output::Cancel(ask) => {
                    if let Some(handle) = self.asks.remove(&ask) {
                        handle.abort();
                    }
                }
                Output::Fact(event) => self.fact(now, event),
                Output::Over { cause, .. } => self.cause = Some(cause),
            }
        }
    }

    fn add(&mut self, ask: AskId, stream: BoxStream<'static, Input>) {
        let (stream, handle) = abortable(stream);
        self.asks.retain(|_, h| !h.is_aborted());
        self.asks.insert(ask, handle);
        self.answers.push(stream.boxed());
    }

    fn fact(&mut self, now: Moment, event: Event) {
        match &event {
            Event::TurnAnswered { waterfall, .. } => {
                let took = Duration::from_millis(waterfall.first_frame_out.unwrap_or_default().into());
                let bound = self.world.answer_within();
                lock(&self.world.tally).answered.push(took);
                if self.is_sheltered() && took > bound {
                    self.broke(format!("a turn was answered after {took:?}; at most {bound:?} were to be expected"));
                }
            }
            Event::Heard { .. } => self.owed = true,
            Event::SpeechStarted { .. } => self.owed = false,
            Event::Repair { kind: RepairKind::EngineFault, .. } if self.is_sheltered() && self.owed => {
                self.broke("a turn got no answer although somebody is well".to_owned());
            }
            _ => {}
        }
        if self.world.keeps_journal {
            lock(&self.world.tally).journal.push((now, Some(self.id), event));
        }
    }
}
