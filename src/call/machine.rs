//! One call as a machine without I/O: leg, ear, mouth and mind in one place.
//!
//! Everything that happens comes in through [`Machine::handle`]; what the call wants comes out of
//! [`Machine::poll`]; [`Machine::deadline`] says when it must be looked at again. The same machine
//! runs under `call::driver` with real engines and under `sim` in virtual time.
//!
//! Promise: after [`Output::Over`] nothing comes out; no audio leaves between `Clear` and the next
//! thing said; every ask is answered, cancelled or outlived by the call; [`Output::Over`] comes
//! exactly once, whatever goes wrong. Absent on purpose: tokio, sockets, clocks.

mod endings;
mod timers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::consent::{self, Consent};
use super::consult::PersonEvent;
use super::hearing::{Heard, Hearing, Sense};
use super::minutes::Minutes;
use super::mouth::{LineId, Mouth, Spoken};
use super::resume::Cut;
use super::script::Script;
use super::transfer::Away;
pub use super::transfer::{Elsewhere, PersonOrder};
use super::turns::{Answer, Draft, Entry};
use crate::ai::Fault;
use crate::ai::llm::{LlmEvent, LlmRequest};
use crate::ai::stt::{SttOpening, SttRequest, SttText};
use crate::ai::tts::{TtsEvent, TtsRequest};
use crate::base::audio::LINE_RATE;
use crate::base::event::{CallState, EndCause, Event, Stage};
use crate::base::{AskId, CallId, Lang, Moment, limits};
use crate::dialogue::language::Tracker;
use crate::dialogue::reply::Question;
use crate::dialogue::speak;
use crate::dialogue::tags::Action;
use crate::media::resample::ResampleError;
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

/// Everything that can happen to a call.
#[derive(Debug)]
pub enum Input {
    Leg(LegEvent),
    Stt {
        ask: AskId,
        result: Result<SttText, Fault>,
    },
    Llm {
        ask: AskId,
        event: Result<LlmEvent, Fault>,
    },
    Tts {
        ask: AskId,
        event: Result<TtsEvent, Fault>,
    },
    /// An action was carried out and recorded, or could not be.
    Acted {
        ask: AskId,
        done: bool,
    },
    /// News of the line of the person who was sought as the `attempt`-th.
    Person {
        attempt: u32,
        event: PersonEvent,
    },
    /// News of a caller who has no leg here.
    Elsewhere(Elsewhere),
    /// End the call politely (the box stops, an operator said so).
    Finish(EndCause),
    /// A machine has taken the call and waits for the message.
    LeaveMessage,
    /// End it now, without a word.
    Cut(EndCause),
    Tick,
}

/// Everything a call may want.
#[derive(Debug)]
pub enum Output {
    Leg(LegCommand),
    /// The caller has begun to speak: whoever can may recognise it from now on. Nothing answers this;
    /// [`Output::Stt`] with the same `ask` ends it.
    Listen {
        ask: AskId,
        opening: SttOpening,
    },
    /// More of what is listened to, 16 kHz.
    Sound {
        ask: AskId,
        pcm: Vec<i16>,
    },
    Stt {
        ask: AskId,
        request: SttRequest,
    },
    Llm {
        ask: AskId,
        request: LlmRequest,
    },
    Tts {
        ask: AskId,
        request: TtsRequest,
    },
    /// Carry this out and record it; answered by [`Input::Acted`].
    Act {
        ask: AskId,
        action: Action,
    },
    /// For the line of the person who is sought as the `attempt`-th; numbers only grow.
    Person {
        attempt: u32,
        order: PersonOrder,
    },
    /// The call's state in its life cycle.
    State(CallState),
    Cancel(AskId),
    /// About the call's recording.
    Record(consent::Order),
    Fact(Event),
    /// The call is over; the last fact.
    Over {
        outcome: CallState,
        cause: EndCause,
    },
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Talking,
    /// The caller goes to a person, or is with one.
    Away,
    /// The last line is on its way; the caller is no longer listened to.
    Ending {
        cause: EndCause,
        since: Moment,
    },
    Over,
}

pub struct Machine {
    pub(super) id: CallId,
    pub(super) script: Arc<Script>,
    pub(super) started: Moment,
    pub(super) now: Moment,
    pub(super) hearing: Hearing,
    pub(super) mouth: Mouth,
    pub(super) tracker: Tracker,
    pub(super) language: Lang,
    pub(super) phase: Phase,
    pub(super) turn: u32,
    pub(super) answered: u32,
    pub(super) pace: f32,
    pub(super) draft: Option<Draft>,
    /// Whether anybody recognises while the caller speaks, and under which ask just now.
    pub(super) listens: bool,
    pub(super) listening: Option<AskId>,
    /// Samples of the turn that were passed on to it.
    pub(super) listened: usize,
    pub(super) answer: Option<Answer>,
    pub(super) history: Vec<Entry>,
    pub(super) question: Option<Question>,
    pub(super) last_said: String,
    pub(super) failures: u32,
    pub(super) intents_answered: Vec<crate::dialogue::book::Intent>,
    pub(super) filler: Option<LineId>,
    /// How many were said before and in this answer.
    pub(super) fillers: u32,
    /// Since when the caller has been speaking over the agent, or over a pending answer.
    pub(super) interrupted: Option<Moment>,
    /// Since when nobody has said anything that matters.
    pub(super) quiet_since: Moment,
    /// Since when the caller has given no sign of life at all.
    pub(super) inactive_since: Moment,
    /// A transfer on its way.
    pub(super) away: Option<Away>,
    /// How often the caller was to be transferred, and how many persons were sought for that.
    pub(super) tries: u32,
    pub(super) attempt: u32,
    /// Nobody could be reached, or they are gone again.
    pub(super) unreached: bool,
    /// The caller's last promise.
    pub(super) promised: Option<Action>,
    pub(super) consent: Consent,
    /// What caller and person say to each other is written down.
    pub(super) writes: bool,
    pub(super) minutes: Option<Minutes>,
    /// The caller's line broke and may come back.
    pub(super) cut: Option<Cut>,
    /// The carrier has said that the caller's line is over.
    pub(super) line_over: bool,
    /// Since when there has been a line without a break.
    pub(super) line_since: Moment,
    /// When sound of the caller's line came last, silence included.
    pub(super) last_sound: Moment,
    /// Marks on their way: line finished locally, not yet confirmed by the carrier.
    marks: VecDeque<(u64, Moment)>,
    next_ask: u64,
    next_mark: u64,
    out: VecDeque<Output>,
}

impl Machine {
    /// A call whose media is connected. `chosen`: the language the caller picked in a menu.
    pub fn new(
        id: CallId,
        script: Arc<Script>,
        chosen: Option<Lang>,
        sense: Sense,
        now: Moment,
    ) -> Result<Self, ResampleError> {
        let mut machine = Self::blank(id, script, chosen, sense, now)?;
        machine.greet(chosen.is_some());
        machine.settle();
        Ok(machine)
    }

    /// The same, with a first guess of the language that the caller has not chosen.
    pub fn greeting_in(
        id: CallId,
        script: Arc<Script>,
        likely: Option<Lang>,
        sense: Sense,
        now: Moment,
    ) -> Result<Self, ResampleError> {
        let mut machine = Self::blank(id, script, likely, sense, now)?;
        machine.tracker = Tracker::new(machine.language, false);
        machine.greet(false);
        machine.settle();
        Ok(machine)
    }

    /// There is a recogniser that hears while the caller speaks.
    pub fn with_live_recognition(mut self, listens: bool) -> Self {
        self.listens = listens;
        self
    }

    /// Words are kept: also those that caller and person say to each other on legs of the box.
    pub const fn with_minutes(mut self, writes: bool) -> Self {
        self.writes = writes;
        self
    }

    /// The leg wants sound so far ahead of real time. To be told before any of it is due.
    pub fn with_lead(mut self, lead: Duration) -> Self {
        self.mouth.lead_by(lead);
        self
    }

    /// A call whose conversation broke: says so and ends.
    pub fn apology(
        id: CallId,
        script: Arc<Script>,
        language: Option<Lang>,
        now: Moment,
    ) -> Result<Self, ResampleError> {
        let mut machine = Self::blank(id, script, language, Sense::Level, now)?;
        machine.farewell("apology_error", EndCause::InternalError);
        machine.settle();
        Ok(machine)
    }

    fn blank(
        id: CallId,
        script: Arc<Script>,
        chosen: Option<Lang>,
        sense: Sense,
        now: Moment,
    ) -> Result<Self, ResampleError> {
        let language = chosen.filter(|l| script.speaks(*l)).unwrap_or_else(|| script.default_language());
        Ok(Self {
            id,
            tracker: Tracker::new(language, chosen.is_some()),
            script,
            started: now,
            now,
            hearing: Hearing::new(sense)?,
            mouth: Mouth::new(limits::PLAYOUT_LEAD),
            language,
            phase: Phase::Talking,
            turn: 0,
            answered: 0,
            pace: 1.0,
            draft: None,
            listens: false,
            listening: None,
            listened: 0,
            answer: None,
            history: Vec::new(),
            question: None,
            last_said: String::new(),
            failures: 0,
            intents_answered: Vec::new(),
            filler: None,
            fillers: 0,
            interrupted: None,
            quiet_since: now,
            inactive_since: now,
            away: None,
            tries: 0,
            attempt: 0,
            unreached: false,
            promised: None,
            consent: Consent::Off,
            writes: false,
            minutes: None,
            cut: None,
            line_over: false,
            line_since: now,
            last_sound: now,
            marks: VecDeque::new(),
            next_ask: 0,
            next_mark: 0,
            out: VecDeque::new(),
        })
    }

    /// Takes in what happened at `now`. Drain [`Machine::poll`] afterwards.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.now = self.now.max(now);
        if self.phase == Phase::Over {
            return;
        }
        match input {
            Input::Leg(LegEvent::Audio { .. } | LegEvent::Dtmf(_)) if self.cut.is_some() => {}
            Input::Leg(LegEvent::Audio { pcm, at_ms }) => self.audio(at_ms, &pcm),
            Input::Leg(LegEvent::Dtmf(key)) => self.key(key, false),
            Input::Leg(LegEvent::MarkPlayed(mark) | LegEvent::MarkFlushed(mark)) => self.mark(mark),
            Input::Leg(LegEvent::Closed(end)) => self.closed(end),
            Input::Stt { ask, result } => {
                if !self.minuted(ask, &result) {
                    self.recognised(ask, result);
                }
            }
            Input::Llm { ask, event } => self.written(ask, event),
            Input::Tts { ask, event } => self.voiced(ask, event),
            Input::Acted { ask, done } => {
                if !self.noted(ask, done) {
                    self.acted(ask, done);
                }
            }
            Input::Person { attempt, event } => self.person(attempt, event),
            Input::Elsewhere(news) => self.elsewhere(news),
            Input::Finish(cause) => self.finish(cause),
            Input::LeaveMessage => self.leave_message(),
            Input::Cut(cause) => self.over(cause),
            Input::Tick => {}
        }
        self.settle();
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    // ---- what came in ----

    pub(super) fn closed(&mut self, end: LegEnd) {
        if self.away_closed(end) || (end == LegEnd::Lost && self.wait_for_line()) {
            return;
        }
        self.over(match end {
            LegEnd::HungUp => match self.phase {
                Phase::Ending { cause, .. } => cause,
                _ => EndCause::CallerHungUp,
            },
            LegEnd::ClosedByUs => EndCause::Goodbye,
            LegEnd::Lost => EndCause::MediaLost,
        });
    }

    fn audio(&mut self, at_ms: u64, pcm: &[i16]) {
        self.last_sound = self.now;
        if self.away_sound(at_ms, pcm) {
            return;
        }
        let mut noticed = Vec::new();
        self.hearing.push(at_ms, pcm, &mut noticed);
        for heard in noticed {
            match heard {
                Heard::Gap { missing_ms } => self.fact(Event::AudioGap { missing_ms }),
                Heard::Key(key) => self.key(key, true),
                _ if self.phase != Phase::Talking => {}
                Heard::Stirring if self.mouth.is_audible() => self.put(Output::Leg(LegCommand::Hush)),
                Heard::Stirring => {}
                Heard::SpeechStarted { ago_ms } => self.speech_started(ago_ms),
                Heard::SoftPause { speech_end_ms } => self.look(speech_end_ms, true),
                Heard::Resumed => {
                    self.drop_draft();
                    self.listen();
                }
                Heard::EndOfTurn { speech_end_ms } => self.end_of_turn(speech_end_ms),
            }
        }
        self.pass_sound_on();
    }

    /// A key: before the first answer it picks a language, later `0` wants a person, `*` a repeat.
    fn key(&mut self, key: char, in_band: bool) {
        self.fact(Event::Dtmf { in_band });
        self.inactive_since = self.now;
        self.away_key();
        if self.phase != Phase::Talking {
            return;
        }
        self.pressed(key);
    }

    fn mark(&mut self, mark: u64) {
        if let Some(at) = self.marks.iter().position(|(m, _)| *m == mark) {
            self.marks.drain(..=at);
            self.notice_played(mark);
            self.after_playing();
        }
    }

    fn voiced(&mut self, ask: AskId, event: Result<TtsEvent, Fault>) {
        let persons = self.away_voice(ask, &event);
        match event {
            Ok(_) if persons => {}
            Ok(event) => {
                if let Some((line, usage)) = self.mouth.voice(ask, event) {
                    self.note_voice(line, usage);
                }
            }
            Err(fault) => {
                self.fact(Event::EngineFault { stage: Stage::Tts, fault: fault.to_string() });
                if let Some(line) = self.mouth.voice_failed(ask) {
                    self.notice_broke(line);
                    self.voice_lost();
                }
            }
        }
    }

    // ---- what goes out ----

    pub(super) fn fact(&mut self, event: Event) {
        self.out.push_back(Output::Fact(event));
    }

    pub(super) fn put(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(super) const fn ask_id(&mut self) -> AskId {
        self.next_ask += 1;
        AskId(self.next_ask)
    }

    pub(super) fn cancel(&mut self, asks: impl IntoIterator<Item = AskId>) {
        self.out.extend(asks.into_iter().map(Output::Cancel));
    }

    /// Says a fixed line, behind whatever is already queued.
    pub(super) fn say(&mut self, text: &str) -> LineId {
        if !self.mouth.is_busy() {
            // Suspended with nothing left to resume: this line is meant to be heard.
            self.mouth.resume();
        }
        let line = self.mouth.begin(self.turn, self.language, self.pace, false);
        self.mouth.fill(line, text);
        line
    }

    /// After every input: voices are asked for, due frames leave, timers that ran out act.
    fn settle(&mut self) {
        self.timers();
        let mut next = self.next_ask;
        let wanted = self.mouth.wanted(|| {
            next += 1;
            AskId(next)
        });
        let persons = self.away_wanted(|| {
            next += 1;
            AskId(next)
        });
        self.next_ask = next;
        for w in wanted.into_iter().chain(persons) {
            let request = TtsRequest {
                call: Some(self.id),
                text: speak::spoken(w.language, &w.text),
                language: w.language,
                voice: self.script.voice(w.language),
                pace: w.pace,
                rate: LINE_RATE,
            };
            self.put(Output::Tts { ask: w.ask, request });
        }
        let mut finished = Vec::new();
        for frame in self.mouth.frames(self.now, &mut finished) {
            self.put(Output::Leg(LegCommand::Audio(frame)));
            self.note_first_frame();
        }
        for spoken in finished {
            self.finished(spoken);
        }
        self.away_frames();
        self.look_after_notice();
        if self.marks.front().is_some_and(|(_, at)| *at + limits::MARK_WITHIN <= self.now) {
            let last = self.marks.back().map_or(0, |(mark, _)| *mark);
            self.marks.clear();
            self.notice_played(last);
            self.after_playing();
        }
    }

    fn finished(&mut self, spoken: Spoken) {
        self.next_mark += 1;
        self.marks.push_back((self.next_mark, self.now + self.mouth.lead()));
        self.put(Output::Leg(LegCommand::Mark(self.next_mark)));
        self.notice_sent(spoken.line, !spoken.heard.is_empty(), self.next_mark);
        self.said(spoken);
    }

    /// Everything said so far has reached the caller (or will within a breath).
    fn after_playing(&mut self) {
        if !self.marks.is_empty() || self.mouth.is_busy() {
            return;
        }
        self.quiet_since = self.now;
        self.away_heard();
        if let Phase::Ending { cause, .. } = self.phase {
            self.put(Output::Leg(LegCommand::Hangup));
            self.over(cause);
        }
    }

    /// Nothing is being said, and nothing that was said is still to be heard.
    pub(super) fn is_quiet(&self) -> bool {
        !self.mouth.is_busy() && self.marks.is_empty()
    }

    pub(super) fn forget_marks(&mut self) {
        self.notice_cleared();
        self.marks.clear();
    }
}
