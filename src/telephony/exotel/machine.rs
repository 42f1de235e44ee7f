//! An AgentStream leg as a machine (`telephony::stream::machine`). Inside of the call sound is 8 kHz; the
//! stream has the rate that `start` names.
//! Promise: sound leaves in pieces the carrier takes without a gap; what the call has said last leaves
//! when it pauses, before the carrier runs dry; while it is undecided whether somebody speaks the carrier
//! begins no further piece.
//! Absent on purpose: sockets, who may connect, logging, what the call is about.

use std::collections::VecDeque;
use std::time::Duration;

use super::sound::{Gauge, Inlet, Outlet, Piece, Reading, Speech};
use super::wire::{self, Coding, Media, Message, Problem, Received, Start};
use crate::base::audio::LINE_RATE;
use crate::base::resample::ResampleError;
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::stream::counter::{Counter, Slip};
use crate::telephony::stream::marks::{Marks, Returned};
use crate::telephony::stream::payload::{self, StreamName};
use crate::telephony::stream::{Frame, Input, Machine, Output};

/// What `start` shows for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub call: String,
    pub from: String,
    pub to: String,
    pub parameters: Vec<(String, String)>,
}

/// What is known before the stream says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Of the stream's address, samples a second.
    pub rate: Option<u32>,
    /// Bytes of 16-bit sound in one message to the carrier.
    pub chunk_bytes: usize,
}

/// Something the carrier should not have sent. Counted per leg; the leg goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Oddity {
    NotAMessage,
    UnknownEvent,
    OddField,
    BinaryFrame,
    WrongStream,
    BadPayload,
    BeforeStart,
    SecondStart,
    UnknownMark,
    /// Sequence or chunk numbers skipped.
    Gap,
    /// A number came twice or late.
    Disorder,
    /// The messages hold more or less sound than their times say.
    OddPace,
}

impl Oddity {
    pub const ALL: [Self; 12] = [
        Self::NotAMessage,
        Self::UnknownEvent,
        Self::OddField,
        Self::BinaryFrame,
        Self::WrongStream,
        Self::BadPayload,
        Self::BeforeStart,
        Self::SecondStart,
        Self::UnknownMark,
        Self::Gap,
        Self::Disorder,
        Self::OddPace,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAMessage => "not_a_message",
            Self::UnknownEvent => "unknown_event",
            Self::OddField => "odd_field",
            Self::BinaryFrame => "binary_frame",
            Self::WrongStream => "wrong_stream",
            Self::BadPayload => "bad_payload",
            Self::BeforeStart => "before_start",
            Self::SecondStart => "second_start",
            Self::UnknownMark => "unknown_mark",
            Self::Gap => "gap",
            Self::Disorder => "disorder",
            Self::OddPace => "odd_pace",
        }
    }
}

impl From<Slip> for Oddity {
    fn from(slip: Slip) -> Self {
        match slip {
            Slip::Gap => Self::Gap,
            Slip::Disorder => Self::Disorder,
        }
    }
}

pub struct Leg {
    terms: Terms,
    state: State,
    out: VecDeque<Output<Shown>>,
    counts: [u32; Oddity::ALL.len()],
}

enum State {
    /// Connected, nobody yet.
    Waiting {
        until: Moment,
        messages: u32,
    },
    /// Who it is is being looked at.
    Asked(Box<Live>),
    Live(Box<Live>),
    Over,
}

struct Live {
    stream: StreamName,
    speech: Speech,
    inlet: Inlet,
    outlet: Outlet,
    gauge: Gauge,
    last_media: Moment,
    /// Media time just after the last message, for one that does not say when it is.
    next_at_ms: u64,
    sequence: Counter,
    chunks: Counter,
    marks: Marks,
    bytes: Vec<u8>,
}

impl Machine for Leg {
    type Shown = Shown;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Text(text) => self.text(now, text),
            Input::Binary(_) => self.odd(Oddity::BinaryFrame),
            Input::TooBig => self.close(LegEnd::Lost, 1009, "message too big"),
            Input::Admitted => {
                if let State::Asked(live) = &mut self.state {
                    live.last_media = now;
                    if let State::Asked(live) = std::mem::replace(&mut self.state, State::Over) {
                        self.state = State::Live(live);
                    }
                }
            }
            Input::Refused => self.close(LegEnd::Lost, 1008, "not admitted"),
            Input::Command(command) => self.command(now, command),
            Input::CallGone => self.close(LegEnd::ClosedByUs, 1000, "call ended"),
            Input::PeerClosed(code) => {
                self.close(LegEnd::of_close(code), 1000, "closed by carrier");
            }
            Input::Broken => self.close(LegEnd::Lost, 1006, "socket broke"),
            Input::Stalled => self.close(LegEnd::Lost, 1011, "carrier does not take our audio"),
            Input::Tick => self.tick(now),
        }
    }

    fn poll(&mut self) -> Option<Output<Shown>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Live(live) => Some(live.outlet.due_at().map_or(live.dead_at(), |due| due.min(live.dead_at()))),
            State::Asked(_) | State::Over => None,
        }
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        let counted = Oddity::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0);
        counted.map(|(oddity, count)| (oddity.name(), count)).collect()
    }

    /// A piece has to be full before it leaves, so that the call must be as much further ahead.
    fn lead(&self) -> Duration {
        match &self.state {
            State::Asked(live) | State::Live(live) => limits::PLAYOUT_LEAD + live.outlet.chunk_lasts(),
            State::Waiting { .. } | State::Over => limits::PLAYOUT_LEAD,
        }
    }
}

impl Leg {
    pub fn new(now: Moment, terms: Terms) -> Self {
        Self {
            terms,
            state: State::Waiting { until: now + limits::STREAM_START_WITHIN, messages: 0 },
            out: VecDeque::new(),
            counts: [0; Oddity::ALL.len()],
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn text(&mut self, now: Moment, text: &str) {
        let (received, problems) = wire::parse(text);
        for problem in problems {
            self.odd(match problem {
                Problem::NotJson | Problem::NoEvent => Oddity::NotAMessage,
                Problem::UnknownEvent => Oddity::UnknownEvent,
                Problem::Field(_) => Oddity::OddField,
            });
        }
        match &mut self.state {
            State::Waiting { messages, .. } => {
                *messages += 1;
                if *messages > limits::STREAM_MESSAGES_BEFORE_START {
                    return self.close(LegEnd::Lost, 1008, "no start");
                }
                match received {
                    Some(Received { stream, message: Message::Start(start), .. }) => self.start(now, &stream, *start),
                    Some(Received { message: Message::Connected | Message::Clear, .. }) | None => {}
                    Some(Received { message: Message::Stop { .. }, .. }) => {
                        self.close(LegEnd::HungUp, 1000, "stopped");
                    }
                    Some(_) => self.odd(Oddity::BeforeStart),
                }
            }
            State::Live(_) => {
                if let Some(received) = received {
                    self.live(now, received);
                }
            }
            State::Asked(_) => self.odd(Oddity::BeforeStart),
            State::Over => {}
        }
    }

    fn start(&mut self, now: Moment, stream: &str, start: Start) {
        if stream.is_empty() || start.call.is_empty() {
            return self.close(LegEnd::Lost, 1008, "start without names");
        }
        let speech = Speech::of(start.format, self.terms.rate);
        let live = Live::new(StreamName::new(stream), speech, self.terms.chunk_bytes, now);
        let Some(live) = live.ok().filter(|_| limits::EXOTEL_RATES.contains(&speech.rate)) else {
            return self.close(LegEnd::Lost, 1003, "no such sample rate here");
        };
        self.state = State::Asked(Box::new(live));
        let Start { call, from, to, parameters, .. } = start;
        self.out.push_back(Output::Admit(Shown { call, from, to, parameters }));
    }

    fn live(&mut self, now: Moment, received: Received) {
        let State::Live(live) = &mut self.state else { return };
        if !matches!(received.message, Message::Unknown { .. } | Message::Connected)
            && !received.stream.is_empty()
            && !live.stream.is(&received.stream)
        {
            return self.odd(Oddity::WrongStream);
        }
        let order = received.sequence.and_then(|number| live.sequence.follow(number));
        match received.message {
            Message::Media(media) => self.media(now, &media),
            Message::Dtmf { digit: Some(digit) } => self.out.push_back(Output::Event(LegEvent::Dtmf(digit))),
            Message::Mark { name } => match live.marks.returned(&name) {
                Returned::Played(mark) => self.out.push_back(Output::Event(LegEvent::MarkPlayed(mark))),
                Returned::Stale => {}
                Returned::Unknown => self.odd(Oddity::UnknownMark),
            },
            Message::Stop { .. } => self.close(LegEnd::HungUp, 1000, "stopped"),
            Message::Start(_) | Message::Connected => self.odd(Oddity::SecondStart),
            // Counted by the parser already, or none of our business.
            Message::Dtmf { digit: None } | Message::Unknown { .. } | Message::Clear => {}
        }
        if let Some(slip) = order {
            self.odd(slip.into());
        }
    }

    fn media(&mut self, now: Moment, media: &Media) {
        let State::Live(live) = &mut self.state else { return };
        if payload::decode(&media.payload, &mut live.bytes).is_err() {
            return self.odd(Oddity::BadPayload);
        }
        live.last_media = now;
        if live.bytes.is_empty() {
            return;
        }
        let slip = media.chunk.and_then(|number| live.chunks.follow(number));
        let at_ms = media.timestamp.unwrap_or(live.next_at_ms);
        let reading = media.timestamp.and_then(|at_ms| live.gauge.read(live.speech, at_ms, live.bytes.len()));
        let mut pieces = Vec::new();
        let changed = reading == Some(Reading::Mulaw)
            && live.speech.guessed
            && live.becomes_mulaw(now, self.terms.chunk_bytes, &mut pieces);
        live.next_at_ms = at_ms.saturating_add(live.inlet.lasts_ms(live.bytes.len()));
        let (pcm, at_ms) = live.inlet.take(&live.bytes, at_ms);
        if !pcm.is_empty() {
            self.out.push_back(Output::Event(LegEvent::Audio { pcm, at_ms }));
        }
        if matches!(reading, Some(Reading::Odd | Reading::Mulaw)) && !changed {
            self.odd(Oddity::OddPace);
        }
        if let Some(slip) = slip {
            self.odd(slip.into());
        }
        self.send(pieces);
    }

    fn command(&mut self, now: Moment, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        let mut pieces = Vec::new();
        match command {
            LegCommand::Audio(pcm) => live.outlet.take(now, &pcm, &mut pieces),
            LegCommand::Mark(mark) => live.outlet.mark(now, mark, &mut pieces),
            LegCommand::Hush => {
                if let Some(again) = live.outlet.hush(now) {
                    live.marks.taken_back(again.into_iter());
                    self.send_clear();
                }
            }
            LegCommand::Clear => {
                let unsent = live.outlet.clear(now);
                let flushed: Vec<u64> = live.marks.clear().chain(unsent).collect();
                self.send_clear();
                self.out.extend(flushed.into_iter().map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
            }
            LegCommand::Hangup => {
                live.outlet.go_on(now, &mut pieces);
                live.outlet.flush(now, &mut pieces);
                self.send(pieces);
                return self.close(LegEnd::ClosedByUs, 1000, "goodbye");
            }
        }
        self.send(pieces);
    }

    fn send_clear(&mut self) {
        let State::Live(live) = &mut self.state else { return };
        let mut text = String::with_capacity(80);
        wire::print_clear(&live.stream, &mut text);
        self.out.push_back(Output::Send(Frame::Text(text)));
    }

    fn send(&mut self, pieces: Vec<Piece>) {
        let State::Live(live) = &mut self.state else { return };
        for piece in pieces {
            let mut text = String::new();
            match piece {
                Piece::Sound(bytes) => wire::print_media(&live.stream, &bytes, &mut text),
                Piece::Mark(mark) => {
                    wire::print_mark(&live.stream, &live.marks.name(mark), &mut text);
                    let lost = live.marks.sent(mark);
                    self.out.extend(lost.map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
                }
            }
            self.out.push_back(Output::Send(Frame::Text(text)));
        }
    }

    fn tick(&mut self, now: Moment) {
        match &mut self.state {
            State::Waiting { until, .. } if now >= *until => self.close(LegEnd::Lost, 1008, "no start"),
            State::Live(live) if now >= live.dead_at() => self.close(LegEnd::Lost, 1011, "no media"),
            State::Live(live) => {
                let mut pieces = Vec::new();
                live.outlet.tick(now, &mut pieces);
                self.send(pieces);
            }
            State::Waiting { .. } | State::Asked(_) | State::Over => {}
        }
    }

    fn close(&mut self, end: LegEnd, code: u16, reason: &'static str) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Live(_) => self.out.push_back(Output::Event(LegEvent::Closed(end))),
            State::Waiting { .. } | State::Asked(_) => {}
            State::Over => return,
        }
        self.out.push_back(Output::Close { code, reason });
    }

    fn odd(&mut self, oddity: Oddity) {
        let count = &mut self.counts[oddity as usize];
        if *count == 0 && !matches!(self.state, State::Over) {
            self.out.push_back(Output::Notice(oddity.name()));
        }
        *count = count.saturating_add(1);
    }
}

impl Live {
    fn new(stream: StreamName, speech: Speech, chunk_bytes: usize, now: Moment) -> Result<Self, ResampleError> {
        Ok(Self {
            stream,
            speech,
            inlet: Inlet::new(speech)?,
            outlet: Outlet::new(speech, chunk_bytes)?,
            gauge: Gauge::default(),
            last_media: now,
            next_at_ms: 0,
            sequence: Counter::default(),
            chunks: Counter::default(),
            marks: Marks::default(),
            bytes: Vec::new(),
        })
    }

    fn dead_at(&self) -> Moment {
        self.last_media + limits::LEG_SILENT_SOCKET_MAX
    }

    /// The stream said nothing of its format, and its pace is that of mu-law.
    fn becomes_mulaw(&mut self, now: Moment, chunk_bytes: usize, pieces: &mut Vec<Piece>) -> bool {
        let speech = Speech { coding: Coding::Mulaw, rate: LINE_RATE, guessed: false };
        let (Ok(inlet), Ok(outlet)) = (Inlet::new(speech), Outlet::new(speech, chunk_bytes)) else { return false };
        self.outlet.go_on(now, pieces);
        self.outlet.flush(now, pieces);
        (self.inlet, self.outlet, self.speech) = (inlet, outlet, speech);
        true
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
