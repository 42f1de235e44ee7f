//! A Media Streams leg as a machine (`telephony::stream::machine`). Who connects shows a token.
//! Absent on purpose: sockets, tokens' keeping, logging, what the call is about.

use std::collections::VecDeque;

use super::wire::{self, Media, Message, Problem, Received, Start, StreamName};
use crate::base::audio::LINE_RATE;
use crate::base::{Moment, g711, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::stream::counter::{Counter, Slip};
use crate::telephony::stream::marks::{Marks, Returned};
use crate::telephony::stream::{Frame, Input, Machine, Output};

/// What `start` shows for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub token: String,
    pub call: String,
    pub account: String,
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
    OtherTrack,
    /// Sequence or chunk numbers skipped.
    Gap,
    /// A number came twice or late.
    Disorder,
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
        Self::OtherTrack,
        Self::Gap,
        Self::Disorder,
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
            Self::OtherTrack => "other_track",
            Self::Gap => "gap",
            Self::Disorder => "disorder",
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
    state: State,
    out: VecDeque<Output<Credentials>>,
    counts: [u32; Oddity::ALL.len()],
}

enum State {
    /// Connected, nobody yet.
    Waiting {
        until: Moment,
        messages: u32,
    },
    /// The token is being looked at.
    Asked {
        stream: StreamName,
    },
    Live(Box<Live>),
    Over,
}

struct Live {
    stream: StreamName,
    last_media: Moment,
    /// Media time just after the last chunk, for one that does not say when it is.
    next_at_ms: u64,
    sequence: Counter,
    chunks: Counter,
    marks: Marks,
    bytes: Vec<u8>,
}

impl Machine for Leg {
    type Shown = Credentials;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Text(text) => self.text(now, text),
            Input::Binary(_) => self.odd(Oddity::BinaryFrame),
            Input::TooBig => self.close(LegEnd::Lost, 1009, "message too big"),
            Input::Admitted => {
                if let State::Asked { stream } = &self.state {
                    self.state = State::Live(Box::new(Live::new(stream.clone(), now)));
                }
            }
            Input::Refused => self.close(LegEnd::Lost, 1008, "not admitted"),
            Input::Command(command) => self.command(command),
            Input::CallGone => self.close(LegEnd::ClosedByUs, 1000, "call ended"),
            Input::PeerClosed(code) => {
                self.close(LegEnd::of_close(code), 1000, "closed by carrier");
            }
            Input::Broken => self.close(LegEnd::Lost, 1006, "socket broke"),
            Input::Stalled => self.close(LegEnd::Lost, 1011, "carrier does not take our audio"),
            Input::Tick => self.tick(now),
        }
    }

    fn poll(&mut self) -> Option<Output<Credentials>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Live(live) => Some(live.last_media + limits::LEG_SILENT_SOCKET_MAX),
            State::Asked { .. } | State::Over => None,
        }
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        let counted = Oddity::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0);
        counted.map(|(oddity, count)| (oddity.name(), count)).collect()
    }
}

impl Leg {
    pub fn new(now: Moment) -> Self {
        Self {
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
                    Some(Received { stream, message: Message::Start(start), .. }) => self.start(&stream, *start),
                    Some(Received { message: Message::Connected, .. }) | None => {}
                    Some(Received { message: Message::Stop, .. }) => self.close(LegEnd::HungUp, 1000, "stopped"),
                    Some(_) => self.odd(Oddity::BeforeStart),
                }
            }
            State::Live(_) => {
                if let Some(received) = received {
                    self.live(now, received);
                }
            }
            State::Asked { .. } => self.odd(Oddity::BeforeStart),
            State::Over => {}
        }
    }

    fn start(&mut self, stream: &str, start: Start) {
        if stream.is_empty() || start.call.is_empty() {
            return self.close(LegEnd::Lost, 1008, "start without names");
        }
        if start.format.as_ref().is_some_and(|format| !format.is_telephone()) {
            return self.close(LegEnd::Lost, 1003, "only 8 kHz mu-law is spoken here");
        }
        let token = start.parameter("token").unwrap_or_default().to_owned();
        self.state = State::Asked { stream: StreamName::new(stream) };
        self.out.push_back(Output::Admit(Credentials { token, call: start.call, account: start.account }));
    }

    fn live(&mut self, now: Moment, received: Received<'_>) {
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
                // The carrier gives back what a clear threw away; that has been told already.
                Returned::Stale => {}
                Returned::Unknown => self.odd(Oddity::UnknownMark),
            },
            Message::Stop => self.close(LegEnd::HungUp, 1000, "stopped"),
            Message::Start(_) => self.odd(Oddity::SecondStart),
            Message::Connected => self.odd(Oddity::SecondStart),
            Message::Dtmf { digit: None } | Message::Unknown { .. } => {} // counted by the parser already
        }
        if let Some(slip) = order {
            self.odd(slip.into());
        }
    }

    fn media(&mut self, now: Moment, media: &Media<'_>) {
        let State::Live(live) = &mut self.state else { return };
        if !media.inbound {
            return self.odd(Oddity::OtherTrack);
        }
        if wire::decode_payload(&media.payload, &mut live.bytes).is_err() {
            return self.odd(Oddity::BadPayload);
        }
        live.last_media = now;
        if live.bytes.is_empty() {
            return;
        }
        let order = media.chunk.and_then(|number| live.chunks.follow(number));
        let at_ms = media.timestamp.unwrap_or(live.next_at_ms);
        live.next_at_ms = at_ms.saturating_add(live.bytes.len() as u64 * 1_000 / u64::from(LINE_RATE));
        self.out.push_back(Output::Event(LegEvent::Audio { pcm: g711::decode_ulaw(&live.bytes), at_ms }));
        if let Some(slip) = order {
            self.odd(slip.into());
        }
    }

    fn command(&mut self, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        match command {
            LegCommand::Audio(pcm) => {
                // Longer than a second at once is cut, so that no message outgrows the socket's buffer.
                for piece in pcm.chunks(LINE_RATE as usize) {
                    live.bytes.clear();
                    g711::encode_ulaw(piece, &mut live.bytes);
                    let mut text = String::new();
                    wire::print_media(&live.stream, &live.bytes, &mut text);
                    self.out.push_back(Output::Send(Frame::Text(text)));
                }
            }
            LegCommand::Mark(mark) => {
                let mut text = String::with_capacity(96);
                wire::print_mark(&live.stream, &live.marks.name(mark), &mut text);
                self.out.push_back(Output::Send(Frame::Text(text)));
                let lost = live.marks.sent(mark);
                self.out.extend(lost.map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
            }
            LegCommand::Hush => {}
            LegCommand::Clear => {
                let mut text = String::with_capacity(80);
                wire::print_clear(&live.stream, &mut text);
                self.out.push_back(Output::Send(Frame::Text(text)));
                self.out.extend(live.marks.clear().map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
            }
            LegCommand::Hangup => self.close(LegEnd::ClosedByUs, 1000, "goodbye"),
        }
    }

    fn tick(&mut self, now: Moment) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.state {
            State::Waiting { .. } => self.close(LegEnd::Lost, 1008, "no start"),
            State::Live(_) => self.close(LegEnd::Lost, 1011, "no media"),
            State::Asked { .. } | State::Over => {}
        }
    }

    fn close(&mut self, end: LegEnd, code: u16, reason: &'static str) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Live(_) => self.out.push_back(Output::Event(LegEvent::Closed(end))),
            State::Waiting { .. } | State::Asked { .. } => {}
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
    fn new(stream: StreamName, now: Moment) -> Self {
        Self {
            stream,
            last_media: now,
            next_at_ms: 0,
            sequence: Counter::default(),
            chunks: Counter::default(),
            marks: Marks::default(),
            bytes: Vec::with_capacity(160),
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
