//! The one task that runs a call: real sockets, engines and time around the pure machine.
//!
//! Promise: the end of the call is on the disk before the registry forgets it; a panic inside the
//! machine ends that call with a spoken apology, never the daemon.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt;
use futures_util::stream::{AbortHandle, BoxStream, SelectAll, StreamExt, abortable};
use tokio::sync::mpsc;

use super::answered::Answered;
use super::consult::PersonEvent;
use super::echo::Echo;
use super::hearing::Sense;
use super::machine::{Elsewhere, Input, Machine, Output, PersonOrder};
use super::recording::Tape;
use super::registry::{CallRecorder, Control, Errand, Sought};
use super::script::Script;
use crate::ai::llm::Llm;
use crate::ai::stt::{Awaited, Listening, Stt};
use crate::ai::tts::Tts;
use crate::base::event::{AnsweredBy, CallState, EndCause, Event, StoppedBy};
use crate::base::{AskId, CallId, Clock, Lang, Moment};
use crate::media::answering_machine::Noticed;
use crate::telephony::dial::Verdict;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent, LegOffer};

/// Who hears, thinks and speaks for a call.
#[derive(Clone)]
pub struct Engines {
    pub stt: Arc<dyn Stt>,
    pub llm: Arc<dyn Llm>,
    pub tts: Arc<dyn Tts>,
}

/// What runs the call: a conversation or the line test.
enum Mind {
    Talk(Box<Machine>),
    Echo(Box<Echo>),
}

impl Mind {
    fn handle(&mut self, now: Moment, input: Input) {
        match self {
            Self::Talk(machine) => machine.handle(now, input),
            Self::Echo(echo) => echo.handle(now, input),
        }
    }

    fn poll(&mut self) -> Option<Output> {
        match self {
            Self::Talk(machine) => machine.poll(),
            Self::Echo(echo) => echo.poll(),
        }
    }

    fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Talk(machine) => machine.deadline(),
            Self::Echo(echo) => echo.deadline(),
        }
    }
}

/// Everything one call's task owns.
pub struct Drive {
    pub call: CallId,
    pub script: Arc<Script>,
    /// Chosen by the caller.
    pub language: Option<Lang>,
    /// To greet in, if nobody chose.
    pub likely: Option<Lang>,
    /// How far ahead of real time the leg wants sound.
    pub lead: Duration,
    pub engines: Engines,
    pub clock: Clock,
    pub events: mpsc::Receiver<LegEvent>,
    pub commands: mpsc::Sender<LegCommand>,
    pub control: mpsc::Receiver<Control>,
    pub(super) errands: mpsc::Receiver<Errand>,
    pub recorder: CallRecorder,
    pub tape: Tape,
    /// Finds out who has taken a call that the box placed; `None`: the carrier tells, or nobody asked.
    pub answered: Option<Box<Answered>>,
}

/// The line of a person who is sought for the caller.
struct Person {
    attempt: u32,
    leg: CallId,
    line: Option<Line>,
}

struct Line {
    events: mpsc::Receiver<LegEvent>,
    commands: mpsc::Sender<LegCommand>,
}

/// The lines of a call besides its caller's.
#[derive(Default)]
struct Others {
    person: Option<Person>,
    /// The caller's leg is over, and the call is not.
    caller_gone: bool,
}

impl Others {
    /// What happens on the person's line.
    async fn heard(&mut self) -> Input {
        let Some(Person { attempt, line: slot, .. }) = &mut self.person else { return std::future::pending().await };
        let Some(line) = slot else { return std::future::pending().await };
        let event = line.events.recv().await.unwrap_or(LegEvent::Closed(LegEnd::Lost));
        if matches!(event, LegEvent::Closed(_)) {
            *slot = None;
        }
        Input::Person { attempt: *attempt, event: PersonEvent::Leg(event) }
    }

    /// The person whose line has this id.
    fn attempt(&self, leg: CallId) -> Option<u32> {
        self.person.as_ref().filter(|person| person.leg == leg).map(|person| person.attempt)
    }

    /// Media of a person; of one who was given up meanwhile it ends by being dropped.
    fn connected(&mut self, offer: LegOffer) -> Option<Input> {
        let LegOffer { call: leg, lead, events, commands, .. } = offer;
        let person = self.person.as_mut().filter(|person| person.leg == leg)?;
        person.line = Some(Line { events, commands });
        Some(Input::Person { attempt: person.attempt, event: PersonEvent::Connected { lead } })
    }

    async fn command(&self, attempt: u32, command: LegCommand) {
        let line = self.person.as_ref().filter(|person| person.attempt == attempt).and_then(|p| p.line.as_ref());
        let Some(line) = line else { return };
        if matches!(command, LegCommand::Audio(_)) {
            // A leg that is so far behind closes itself.
            let _ = line.commands.try_send(command);
        } else {
            let _ = line.commands.send(command).await;
        }
    }

    /// Gives the person's line up.
    async fn hang_up(&mut self, recorder: &CallRecorder) {
        let Some(person) = self.person.take() else { return };
        let told = match person.line {
            Some(line) => line.commands.send(LegCommand::Hangup).await.is_ok(),
            None => false,
        };
        recorder.person_gone(person.leg, told);
    }
}

#[derive(Default)]
struct Running {
    asks: HashMap<AskId, AbortHandle>,
    /// What is recognised while the caller speaks.
    live: HashMap<AskId, Live>,
    pumps: HashMap<AskId, AbortHandle>,
    answers: SelectAll<BoxStream<'static, Input>>,
}

/// An utterance somebody listens to.
struct Live {
    sound: mpsc::Sender<Vec<i16>>,
    answer: Awaited,
}

/// What draining the machine's outputs came to.
enum Flow {
    On,
    Over { outcome: CallState, cause: EndCause },
}

impl Drive {
    /// Runs the call to its end.
    pub async fn run(mut self) {
        let now = self.clock.now();
        let mind = if self.script.is_echo() {
            Echo::new(now, self.lead).map(|e| Mind::Echo(Box::new(e)))
        } else {
            let script = Arc::clone(&self.script);
            match self.language {
                Some(chosen) => Machine::new(self.call, script, Some(chosen), Sense::Voice, now),
                None => Machine::greeting_in(self.call, script, self.likely, Sense::Voice, now),
            }
            .map(|m| {
                m.with_live_recognition(self.engines.stt.listens())
                    .with_lead(self.lead)
                    .with_minutes(self.recorder.keeps_words())
            })
            .map(|m| Mind::Talk(Box::new(m)))
        };
        let mut mind = match mind {
            Ok(mind) => mind,
            Err(error) => {
                tracing::error!(call = %self.call, %error, "the call's sound path could not be built");
                drop(self.commands.send(LegCommand::Hangup).await);
                self.recorder.ended_unexpectedly(EndCause::InternalError).await;
                return;
            }
        };
        let mut running = Running::default();
        let mut others = Others::default();
        let mut noticed = Vec::new();
        let mut apologised = false;
        let sleep = tokio::time::sleep_until(self.clock.instant(now).into());
        tokio::pin!(sleep);
        loop {
            match self.drain(&mut mind, &mut running, &mut others).await {
                Flow::On => {}
                Flow::Over { outcome, cause } => {
                    self.recorder.over(outcome, cause);
                    break;
                }
            }
            let deadline = mind.deadline().map(|at| self.clock.instant(at));
            if let Some(at) = deadline {
                sleep.as_mut().reset(at.into());
            }
            if let Some(stopped) = self.tape.turn(self.clock.now()) {
                self.recorder.fact(stopped);
            }
            let input = tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(Control::Finish(cause)) => Input::Finish(cause),
                    Some(Control::Cut(cause)) => Input::Cut(cause),
                    Some(Control::LeaveMessage) => Input::LeaveMessage,
                    Some(Control::StopRecording) => {
                        let stopped = self.tape.stop(self.clock.now(), StoppedBy::Operator);
                        stopped.into_iter().for_each(|stopped| self.recorder.fact(stopped));
                        continue;
                    }
                    None => Input::Cut(EndCause::Operator),
                },
                Some(errand) = self.errands.recv() => match self.told(errand, &mut others) {
                    Some(input) => input,
                    None => continue,
                },
                event = self.events.recv(), if !others.caller_gone => {
                    let event = event.unwrap_or(LegEvent::Closed(LegEnd::Lost));
                    others.caller_gone = matches!(event, LegEvent::Closed(_));
                    if event == LegEvent::Closed(LegEnd::Lost) {
                        self.recorder.line_broke();
                    }
                    if let (Some(answered), LegEvent::Audio { pcm, .. }) = (&mut self.answered, &event) {
                        answered.push(pcm, &mut noticed);
                    }
                    Input::Leg(event)
                }
                input = others.heard() => input,
                Some(answer) = running.answers.next() => answer,
                () = &mut sleep, if deadline.is_some() => Input::Tick,
            };
            let now = self.clock.now();
            if let Input::Leg(event) = &input {
                self.tape.heard(now, event);
            }
            let inputs = std::iter::once(input).chain(noticed.drain(..).filter_map(|noticed| self.noticed(noticed)));
            let inputs: Vec<Input> = inputs.collect();
            if catch_unwind(AssertUnwindSafe(|| inputs.into_iter().for_each(|input| mind.handle(now, input)))).is_err()
            {
                tracing::error!(call = %self.call, "an invariant of this call broke; ending it with an apology");
                running = Running::default();
                others.hang_up(&self.recorder).await;
                if apologised || others.caller_gone {
                    drop(self.commands.send(LegCommand::Hangup).await);
                    self.end_tape();
                    self.recorder.ended_unexpectedly(EndCause::InternalError).await;
                    break;
                }
                apologised = true;
                self.tape.sent(now, &LegCommand::Clear);
                drop(self.commands.send(LegCommand::Clear).await);
                let language = self.recorder.language();
                match Machine::apology(self.call, Arc::clone(&self.script), language, now) {
                    Ok(machine) => mind = Mind::Talk(Box::new(machine)),
                    Err(_) => {
                        self.end_tape();
                        self.recorder.ended_unexpectedly(EndCause::InternalError).await;
                        break;
                    }
                }
            }
        }
        self.engines.llm.forget(self.call);
    }

    /// Writes a verdict down; what the conversation has to do about it.
    fn noticed(&self, noticed: Noticed) -> Option<Input> {
        match noticed {
            Noticed::Verdict(who) => {
                self.recorder.fact(Event::CallAnsweredBy { who });
                (who == AnsweredBy::Fax).then_some(Input::Cut(EndCause::Machine))
            }
            Noticed::LeaveMessage => Some(Input::LeaveMessage),
        }
    }

    /// Before the end of the call, which nothing follows.
    fn end_tape(&mut self) {
        if let Some(stopped) = self.tape.end(self.clock.now()) {
            self.recorder.fact(stopped);
        }
    }

    /// What an errand means for the call.
    fn told(&mut self, errand: Errand, others: &mut Others) -> Option<Input> {
        match errand {
            Errand::Person { leg, event } => Some(Input::Person { attempt: others.attempt(leg)?, event }),
            Errand::PersonLeg(offer) => others.connected(offer),
            Errand::Elsewhere(news) => {
                others.caller_gone |= news == Elsewhere::Lost;
                Some(Input::Elsewhere(news))
            }
            Errand::Back(offer) => {
                let LegOffer { lead, events, commands, .. } = offer;
                (self.events, self.commands) = (events, commands);
                others.caller_gone = false;
                Some(Input::Elsewhere(Elsewhere::Back { lead }))
            }
        }
    }

    /// What the call wants of a person's line.
    async fn order(&mut self, attempt: u32, order: PersonOrder, running: &mut Running, others: &mut Others) {
        let answer = move |event| Input::Person { attempt, event };
        match order {
            PersonOrder::Ring { to, ring, summary, language } => {
                others.hang_up(&self.recorder).await;
                let Some(transfer) = self.script.transfer() else { return };
                match self.recorder.seek(&to, ring, transfer, self.script.name(), (summary, language)) {
                    Sought::Ringing(leg) => others.person = Some(Person { attempt, leg, line: None }),
                    Sought::LetGo => running.soon(answer(PersonEvent::LetGo)),
                    Sought::Nobody(why) => {
                        let verdict = Verdict::Refused { why, detail: String::new() };
                        running.soon(answer(PersonEvent::Verdict(verdict)));
                    }
                }
            }
            PersonOrder::HangUp => others.hang_up(&self.recorder).await,
            PersonOrder::Leg(command) => others.command(attempt, command).await,
            PersonOrder::Join => {
                let leg = others.person.as_ref().filter(|person| person.attempt == attempt).map(|person| person.leg);
                match leg.filter(|_| !self.tape.runs()).and_then(|leg| self.recorder.join(leg)) {
                    Some(joining) => {
                        let joined = joining.map(move |done| answer(PersonEvent::Joined(done)));
                        running.answers.push(joined.into_stream().boxed());
                    }
                    None => running.soon(answer(PersonEvent::Joined(false))),
                }
            }
        }
    }

    async fn drain(&mut self, mind: &mut Mind, running: &mut Running, others: &mut Others) -> Flow {
        while let Some(output) = mind.poll() {
            match output {
                Output::Leg(command) => {
                    self.tape.sent(self.clock.now(), &command);
                    let urgent = !matches!(command, LegCommand::Audio(_));
                    if urgent {
                        drop(self.commands.send(command).await);
                    } else if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
                        // The socket is seconds behind: that frame would be stale anyway. The leg
                        // closes itself when it stays that way.
                        tracing::debug!(call = %self.call, "leg is behind; a frame was dropped");
                    }
                }
                Output::Listen { ask, opening } => {
                    if let Some(listening) = self.engines.stt.listen(opening) {
                        running.listen(ask, listening);
                    }
                }
                Output::Sound { ask, pcm } => {
                    // Who is too slow, or gone, gets the utterance whole.
                    if running.live.get(&ask).is_some_and(|live| live.sound.try_send(pcm).is_err()) {
                        running.stop(ask);
                    }
                }
                Output::Stt { ask, request } => {
                    let answer = match running.live.remove(&ask) {
                        Some(live) => {
                            drop(live.sound);
                            self.engines.stt.finish(request, live.answer)
                        }
                        None => self.engines.stt.transcribe(request),
                    };
                    running.add(ask, answer.map(move |result| Input::Stt { ask, result }).into_stream().boxed());
                }
                Output::Llm { ask, request } => {
                    let stream = self.engines.llm.generate(request);
                    running.add(ask, stream.map(move |event| Input::Llm { ask, event }).boxed());
                }
                Output::Tts { ask, request } => {
                    let stream = self.engines.tts.speak(request);
                    running.add(ask, stream.map(move |event| Input::Tts { ask, event }).boxed());
                }
                Output::Act { ask, action } => {
                    let recorded = self.recorder.act(&action);
                    running.add(ask, recorded.map(move |done| Input::Acted { ask, done }).into_stream().boxed());
                }
                Output::Person { attempt, order } => self.order(attempt, order, running, others).await,
                Output::State(state) => self.recorder.state(state),
                Output::Cancel(ask) => {
                    running.stop(ask);
                }
                Output::Fact(event @ Event::CallEnded { .. }) => {
                    // What is still being computed for nobody is given up first: it has its price.
                    *running = Running::default();
                    self.end_tape();
                    self.recorder.end(event).await;
                }
                Output::Record(order) => {
                    let now = self.clock.now();
                    let came = self.tape.order(now, self.clock.unix_ms(now), order);
                    came.into_iter().for_each(|came| self.recorder.fact(came));
                }
                Output::Fact(event) => {
                    let told = match (&event, &mut self.answered) {
                        (Event::Heard { text, .. }, Some(answered)) => answered.words(text),
                        _ => None,
                    };
                    self.recorder.fact(event);
                    // A verdict alone asks for nothing; the message is for later.
                    told.map(|told| self.noticed(told));
                }
                Output::Over { outcome, cause } => return Flow::Over { outcome, cause },
            }
        }
        Flow::On
    }
}

impl Running {
    /// The sound is carried as long as the call's task lives, or until it is stopped.
    fn listen(&mut self, ask: AskId, listening: Listening) {
        let Listening { sound, pump, answer } = listening;
        self.live.insert(ask, Live { sound, answer });
        let carried = pump.into_stream().filter_map(|()| std::future::ready(None));
        let (carried, handle) = abortable(carried);
        self.pumps.retain(|_, h| !h.is_aborted());
        self.pumps.insert(ask, handle);
        self.answers.push(carried.boxed());
    }

    /// Something to be taken in after what is at hand.
    fn soon(&mut self, input: Input) {
        self.answers.push(futures_util::stream::once(std::future::ready(input)).boxed());
    }

    fn stop(&mut self, ask: AskId) {
        self.live.remove(&ask);
        for handle in [self.pumps.remove(&ask), self.asks.remove(&ask)].into_iter().flatten() {
            handle.abort();
        }
    }

    fn add(&mut self, ask: AskId, stream: BoxStream<'static, Input>) {
        let (stream, handle) = abortable(stream);
        self.asks.retain(|_, h| !h.is_aborted());
        self.asks.insert(ask, handle);
        self.answers.push(stream.boxed());
    }
}
