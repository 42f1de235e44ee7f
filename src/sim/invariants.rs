//! What must hold on every call, whatever fails (design §2).

use std::collections::HashSet;
use std::time::Duration;

use crate::base::event::{CallState, Event, TransferStep};
use crate::base::{AskId, Moment, limits};
use crate::call::consent::Order;
use crate::call::consult::PersonEvent;
use crate::call::machine::{Output, PersonOrder};
use crate::telephony::dial::Verdict;
use crate::telephony::leg::{LegCommand, LegEvent};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub at: Moment,
    pub what: String,
}

/// Asks a call may have open at once: two turns' stages, and clauses ahead.
const OPEN_ASKS_MAX: usize = 24;
/// A call that can be heard at all is never silent for longer.
const SILENCE_MAX: Duration = Duration::from_secs(7 + 10 + 3);

/// Watches one call's outputs.
pub(super) struct Watch {
    broken: Vec<Broken>,
    ended: u32,
    over: bool,
    hung_up: bool,
    /// The caller speaks over the agent: silence until it is decided what that was.
    hushed: bool,
    open: HashSet<AskId>,
    /// What is recognised while the caller speaks.
    listening: Option<AskId>,
    acts: HashSet<AskId>,
    last_sound: Moment,
    /// Sound cannot be made or heard on this call; its silences are excused.
    pub(super) mute: bool,
    turn_open_since: Option<Moment>,
    /// The last that the caller has begun with the agent.
    turn: u32,
    /// The person's line that is there, or may be, and whether it has media.
    line: Option<(u32, bool)>,
    /// Numbers of persons only grow.
    sought: u32,
    /// Somebody else has the caller's ear.
    elsewhere: bool,
    /// What callers are told of a recording, in every language.
    pub(super) notices: Vec<String>,
    /// One of them has been said whole, and nothing was thrown away since.
    told_of_recording: bool,
    recording: bool,
    declined: bool,
    /// The caller has no line, and may have one again.
    cut: bool,
}

impl Watch {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            broken: Vec::new(),
            ended: 0,
            over: false,
            hung_up: false,
            hushed: false,
            open: HashSet::new(),
            listening: None,
            acts: HashSet::new(),
            last_sound: now,
            mute: false,
            turn_open_since: None,
            turn: 0,
            line: None,
            sought: 0,
            elsewhere: false,
            notices: Vec::new(),
            told_of_recording: false,
            recording: false,
            declined: false,
            cut: false,
        }
    }

    /// The caller has a new leg.
    pub(super) fn back(&mut self, now: Moment) {
        self.hung_up = false;
        self.last_sound = now;
    }

    /// News of a person's line; false: nobody can have it any more, the line was given up.
    pub(super) fn person(&mut self, attempt: u32, event: &PersonEvent) -> bool {
        // Whoever was asked to join the two answers, also when the line has ended meanwhile.
        let asked = matches!(event, PersonEvent::Joined(_)) && attempt == self.sought;
        let news = |of: u32| of == attempt || (asked && of == 0);
        let Some((of, connected)) = self.line.as_mut().filter(|(of, _)| news(*of)) else { return false };
        match event {
            PersonEvent::Connected { .. } => *connected = true,
            PersonEvent::Leg(_) if !*connected => return false,
            PersonEvent::Leg(LegEvent::Closed(_)) => *connected = false,
            PersonEvent::Verdict(Verdict::Refused { .. }) | PersonEvent::Ended(_) | PersonEvent::LetGo => {
                // Nothing is left to be ended.
                *of = 0;
                *connected = false;
            }
            PersonEvent::Joined(true) => {
                self.line = None;
                self.elsewhere = true;
            }
            _ => {}
        }
        true
    }

    fn order(&mut self, now: Moment, attempt: u32, order: &PersonOrder) {
        match order {
            PersonOrder::Ring { .. } => {
                if self.line.is_some_and(|(of, _)| of != 0) {
                    self.break_(now, "somebody is rung while another one's line is there");
                }
                if attempt <= self.sought {
                    self.break_(now, format!("the number {attempt} was given to two persons"));
                }
                self.sought = attempt;
                self.line = Some((attempt, false));
            }
            PersonOrder::HangUp => self.line = None,
            PersonOrder::Leg(LegCommand::Audio(frame)) => {
                let there = self.line.is_some_and(|(of, connected)| of == attempt && connected);
                if frame.len() != 160 {
                    self.break_(now, format!("a frame of {} samples for a person", frame.len()));
                }
                if !there {
                    self.break_(now, "sound for a person who has no leg");
                }
            }
            PersonOrder::Leg(_) | PersonOrder::Join => {}
        }
    }

    fn break_(&mut self, at: Moment, what: impl Into<String>) {
        self.broken.push(Broken { at, what: what.into() });
    }

    pub(super) fn caller_spoke(&mut self, now: Moment) {
        self.last_sound = now;
    }

    pub(super) fn answered(&mut self, ask: AskId) {
        self.open.remove(&ask);
        self.acts.remove(&ask);
    }

    /// The box was told to end the call: its last line may be said while the caller speaks.
    pub(super) fn told_to_end(&mut self) {
        self.hushed = false;
    }

    pub(super) fn output(&mut self, now: Moment, output: &Output) {
        if self.over {
            self.break_(now, format!("output after the end: {output:?}"));
        }
        match output {
            Output::Leg(LegCommand::Audio(frame)) => {
                if frame.len() != 160 {
                    self.break_(now, format!("a frame of {} samples", frame.len()));
                }
                if self.hung_up {
                    self.break_(now, "sound after hang-up");
                }
                if self.cut {
                    self.break_(now, "sound without a line");
                }
                if self.hushed {
                    self.break_(now, "sound after clear, while the caller speaks");
                }
                self.last_sound = now;
            }
            Output::Leg(LegCommand::Clear) => self.told_of_recording = false,
            Output::Leg(LegCommand::Hangup) => self.hung_up = true,
            Output::Leg(_) => {}
            Output::Person { attempt, order } => self.order(now, *attempt, order),
            Output::State(CallState::InProgress) => {
                self.elsewhere = false;
                self.last_sound = now;
            }
            Output::State(_) => {}
            Output::Listen { ask, .. } => {
                if let Some(other) = self.listening.replace(*ask) {
                    self.break_(now, format!("{other} is still listened to while {ask} begins"));
                }
            }
            Output::Sound { ask, pcm } => {
                if self.listening != Some(*ask) || pcm.is_empty() {
                    self.break_(now, format!("{} samples for {ask}, to which nobody listens", pcm.len()));
                }
            }
            Output::Stt { ask, .. } if self.listening.take_if(|live| live != ask).is_some() => {
                self.break_(now, format!("{ask} is recognised while another is listened to"));
            }
            Output::Stt { ask, .. } | Output::Llm { ask, .. } | Output::Tts { ask, .. } => {
                self.listening.take_if(|live| live == ask);
                if !self.open.insert(*ask) {
                    self.break_(now, format!("ask {ask} was used twice"));
                }
                if self.open.len() > OPEN_ASKS_MAX {
                    self.break_(now, format!("{} asks are open", self.open.len()));
                }
            }
            Output::Act { ask, .. } => {
                self.acts.insert(*ask);
            }
            Output::Cancel(ask) => {
                self.open.remove(ask);
                self.listening.take_if(|live| live == ask);
            }
            Output::Record(order) => self.record(now, *order),
            Output::Fact(event) => self.fact(now, event),
            Output::Over { .. } => self.over = true,
        }
    }

    fn record(&mut self, now: Moment, order: Order) {
        match order {
            Order::Start { .. } => {
                if !self.told_of_recording {
                    self.break_(now, "recorded before the caller was told");
                }
                if self.recording || self.declined {
                    self.break_(now, "recorded twice, or after the caller said no");
                }
                self.recording = true;
            }
            Order::Confirm | Order::Discard => {
                if !self.recording {
                    self.break_(now, format!("{order:?}, but nothing is recorded"));
                }
                self.recording &= order == Order::Confirm;
                self.told_of_recording = false;
            }
        }
    }

    fn fact(&mut self, now: Moment, event: &Event) {
        match event {
            Event::BargeIn { .. } => self.hushed = true,
            Event::SpeechStarted { turn } => self.turn = *turn,
            // What caller and person say to each other asks for no answer.
            Event::Heard { turn, .. } if *turn != self.turn => {}
            Event::Heard { .. } => {
                self.hushed = false;
                self.turn_open_since = Some(now);
            }
            Event::FalseBargeIn { .. } | Event::Repair { .. } | Event::Dtmf { .. } => {
                self.hushed = false;
                self.turn_open_since = None;
            }
            Event::Said { text, heard, cut, .. } => {
                self.turn_open_since = None;
                let whole = !cut && !heard.is_empty();
                self.told_of_recording |= whole && self.notices.iter().any(|notice| words(notice) == words(text));
                // Cut for good: whatever follows is a new line (a farewell the box was told to say).
                self.hushed = false;
                let (spoken, written) = (words(heard), words(text));
                if !written.starts_with(&spoken[..]) && !spoken.iter().all(|w| written.contains(w)) {
                    self.break_(now, "heard more than was said");
                }
                if !cut && !heard.is_empty() && spoken.len() < written.len() && !self.mute {
                    self.break_(now, "a line that was not cut was not heard whole");
                }
            }
            Event::Transfer { step: TransferStep::Taken | TransferStep::HandedOn, .. } => self.elsewhere = true,
            Event::Transfer { step: TransferStep::Over, .. } => {
                self.elsewhere = false;
                self.last_sound = now;
            }
            Event::RecordingDeclined { .. } => {
                if self.recording || self.declined {
                    self.break_(now, "declined, but recorded on; or declined twice");
                }
                self.declined = true;
            }
            Event::MediaLost => self.cut = true,
            Event::MediaBack { .. } => {
                (self.cut, self.hushed, self.last_sound) = (false, false, now);
                self.turn_open_since = self.turn_open_since.map(|_| now);
            }
            Event::CallEnded { .. } => {
                self.ended += 1;
                self.hushed = false;
                if self.ended > 1 {
                    self.break_(now, "the end was recorded twice");
                }
            }
            _ => {}
        }
    }

    /// Between events: has the caller been left alone?
    pub(super) fn look(&mut self, now: Moment) {
        if self.over || self.mute {
            return;
        }
        // Nobody listens on a line that was let go, or broke.
        if self.elsewhere || self.hung_up || self.cut {
            self.last_sound = now;
            self.turn_open_since = self.turn_open_since.map(|at| if self.cut { now } else { at });
        }
        if now.since(self.last_sound) > SILENCE_MAX {
            self.break_(now, format!("silence since {:?}", self.last_sound));
            self.last_sound = now;
        }
        if self.turn_open_since.is_some_and(|at| now.since(at) > limits::ANSWER_WITHIN + Duration::from_secs(2)) {
            self.break_(now, "a turn was heard and never answered");
            self.turn_open_since = None;
        }
    }

    /// The machine wants to be woken at once, again and again, and does nothing.
    pub(super) fn spins(&mut self, now: Moment, timers: &[(&'static str, Moment)]) {
        self.break_(now, format!("woken for nothing, without end: {timers:?}"));
    }

    pub(super) fn finish(mut self, now: Moment) -> Vec<Broken> {
        if !self.over {
            self.break_(now, "the call never ended");
        }
        if self.line.is_some_and(|(of, _)| of != 0) {
            self.break_(now, "a person's line is left");
        }
        if self.ended != 1 {
            self.break_(now, format!("the end was recorded {} times", self.ended));
        }
        self.broken
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}
