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
use super::echo::Echo;
use super::hearing::Sense;
use super::machine::{Input, Machine, Output};
use super::registry::{CallRecorder, Control};
use super::script::Script;
use crate::ai::llm::Llm;
use crate::ai::stt::{Awaited, Listening, Stt};
use crate::ai::tts::Tts;
use crate::base::event::{AnsweredBy, CallState, EndCause, Event};
use crate::base::{AskId, CallId, Clock, Lang, Moment};
use crate::media::answering_machine::Noticed;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

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
    pub recorder: CallRecorder,
    /// Finds out who has taken a call that the box placed; `None`: the carrier tells, or nobody asked.
    pub answered: Option<Box<Answered>>,
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
            .map(|m| m.with_live_recognition(self.engines.stt.listens()).with_lead(self.lead))
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
        let mut noticed = Vec::new();
        let mut apologised = false;
        let sleep = tokio::time::sleep_until(self.clock.instant(now).into());
        tokio::pin!(sleep);
        loop {
            match self.drain(&mut mind, &mut running).await {
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
            let input = tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(Control::Finish(cause)) => Input::Finish(cause),
                    Some(Control::Cut(cause)) => Input::Cut(cause),
                    Some(Control::LeaveMessage) => Input::LeaveMessage,
                    None => Input::Cut(EndCause::Operator),
                },
                event = self.events.recv() => {
                    let event = event.unwrap_or(LegEvent::Closed(LegEnd::Lost));
                    if let (Some(answered), LegEvent::Audio { pcm, .. }) = (&mut self.answered, &event) {
                        answered.push(pcm, &mut noticed);
                    }
                    Input::Leg(event)
                }
                Some(answer) = running.answers.next() => answer,
                () = &mut sleep, if deadline.is_some() => Input::Tick,
            };
            let now = self.clock.now();
            let inputs = std::iter::once(input).chain(noticed.drain(..).filter_map(|noticed| self.noticed(noticed)));
            let inputs: Vec<Input> = inputs.collect();
            if catch_unwind(AssertUnwindSafe(|| inputs.into_iter().for_each(|input| mind.handle(now, input)))).is_err()
            {
                tracing::error!(call = %self.call, "an invariant of this call broke; ending it with an apology");
                running = Running::default();
                if apologised {
                    drop(self.commands.send(LegCommand::Hangup).await);
                    self.recorder.ended_unexpectedly(EndCause::InternalError).await;
                    break;
                }
                apologised = true;
                drop(self.commands.send(LegCommand::Clear).await);
                let language = self.recorder.language();
                match Machine::apology(self.call, Arc::clone(&self.script), language, now) {
                    Ok(machine) => mind = Mind::Talk(Box::new(machine)),
                    Err(_) => {
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

    async fn drain(&mut self, mind: &mut Mind, running: &mut Running) -> Flow {
        while let Some(output) = mind.poll() {
            match output {
                Output::Leg(command) => {
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
                Output::Cancel(ask) => {
                    running.stop(ask);
                }
                Output::Fact(event @ Event::CallEnded { .. }) => {
                    // What is still being computed for nobody is given up first: it has its price.
                    *running = Running::default();
                    self.recorder.end(event).await;
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
