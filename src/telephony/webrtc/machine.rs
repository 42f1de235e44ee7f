//! A browser's leg as a machine without I/O: packets, messages, commands and time go in; leg events,
//! packets and messages for the browser and at last a close come out.
//!
//! Promise: from the moment the line is open a packet leaves every 20 ms, the call's sound or silence; a
//! mark is played once what was sent before it has left and the browser's own buffer has passed; after
//! `Clear` nothing queued is heard, and the page is told to let pass in silence what it has got already; after [`LegEvent::Closed`] nothing more comes but the close itself;
//! every wait has an end. Absent on purpose: sockets, encryption, what the call is about.

use std::collections::VecDeque;

use super::codec::{Codec, CodecError, Ear, Mouth};
use super::order::{Next, Order};
use super::sdp::Agreed;
use super::wire::{self, Asked};
use crate::base::audio::{FRAME, LINE_FRAME, LINE_RATE};
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};

/// A sender that was away for longer does not send what it missed.
const CATCH_UP_FRAMES: u32 = 5;

/// A packet of the browser.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub payload_type: u8,
    pub sequence: u16,
    pub ticks: u32,
    pub payload: &'a [u8],
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The line is open both ways.
    Open,
    Packet(Packet<'a>),
    /// A message on the data channel.
    Message(&'a str),
    Command(LegCommand),
    /// The call's task is gone without a word.
    CallGone,
    /// The browser has closed the connection, or asked over HTTP that it end.
    HungUp,
    /// The connection failed or the machine it runs on is stopping.
    Broken,
    Tick,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Event(LegEvent),
    Send(Outgoing),
    /// A message for the data channel.
    Tell(String),
    /// The same, for now or never: a page that is told later would silence something else.
    TellNow(String),
    /// The first of its kind on this leg, by name; worth a line in the log.
    Notice(&'static str),
    /// Last output.
    Close(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub payload_type: u8,
    pub sequence: u16,
    pub ticks: u32,
    /// The first packet, and the first of a sound after silence.
    pub marker: bool,
    pub payload: Vec<u8>,
}

/// What the browser should not have sent. Counted per leg; the leg goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Oddity {
    OtherPayload,
    BadPacket,
    Late,
    Restart,
    NotAMessage,
    TooManyMessages,
    /// The call sent more than a second ahead.
    Overrun,
}

impl Oddity {
    pub const ALL: [Self; 7] = [
        Self::OtherPayload,
        Self::BadPacket,
        Self::Late,
        Self::Restart,
        Self::NotAMessage,
        Self::TooManyMessages,
        Self::Overrun,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherPayload => "other_payload",
            Self::BadPacket => "bad_packet",
            Self::Late => "late",
            Self::Restart => "restart",
            Self::NotAMessage => "not_a_message",
            Self::TooManyMessages => "too_many_messages",
            Self::Overrun => "overrun",
        }
    }
}

#[derive(Debug)]
enum Queued {
    Frame(Vec<i16>),
    Mark(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The browser has our answer.
    Connecting,
    Open,
    /// The call has hung up; what is queued is still sent.
    Ending,
    Over,
}

pub struct Leg {
    state: State,
    began: Moment,
    codec: Codec,
    agreed: Agreed,
    // In.
    ear: Ear,
    order: Order,
    /// Media time up to which sound was given out, samples of the line; `None`: from the next packet on.
    heard_to: Option<u64>,
    last_heard: Moment,
    heard_any: bool,
    /// Start of the last telephone event, so that its repeats are not further keys.
    last_key: Option<u32>,
    messages: (Moment, u32),
    // Out.
    mouth: Mouth,
    queue: VecDeque<Queued>,
    frames: usize,
    next_frame: Moment,
    /// Until then the page is silent, and sound would be lost on it.
    hushed_to: Moment,
    /// When the browser will have played all that was sent of the call's sound.
    played_to: Moment,
    marks: VecDeque<(Moment, u64)>,
    sequence: u16,
    ticks: u32,
    silent: bool,
    out: VecDeque<Output>,
    counts: [u32; Oddity::ALL.len()],
}

impl Leg {
    /// `seed`: where sequence numbers and ticks begin, which is to be nobody's guess.
    pub fn new(codec: Codec, agreed: Agreed, seed: u64, now: Moment) -> Result<Self, CodecError> {
        Ok(Self {
            state: State::Connecting,
            began: now,
            codec,
            agreed,
            ear: Ear::new(codec)?,
            order: Order::default(),
            heard_to: None,
            last_heard: now,
            heard_any: false,
            last_key: None,
            messages: (now, 0),
            mouth: Mouth::new(codec)?,
            queue: VecDeque::new(),
            frames: 0,
            next_frame: now,
            hushed_to: now,
            played_to: now,
            marks: VecDeque::new(),
            sequence: (seed >> 32) as u16,
            ticks: seed as u32,
            silent: true,
            out: VecDeque::new(),
            counts: [0; Oddity::ALL.len()],
        })
    }

    pub fn handle(&mut self, now: Moment, input: Input<'_>) {
        match (self.state, input) {
            (State::Over, _) => {}
            (State::Connecting, Input::Open) => {
                self.state = State::Open;
                self.began = now;
                self.last_heard = now;
                self.next_frame = now;
            }
            (_, Input::Packet(packet)) => self.packet(now, packet),
            (_, Input::Message(text)) => self.message(now, text),
            (_, Input::Command(command)) => self.command(now, command),
            (_, Input::HungUp) => self.over(LegEnd::HungUp, "hung up"),
            (_, Input::Broken) => self.over(LegEnd::Lost, "connection lost"),
            (_, Input::CallGone) => self.over(LegEnd::ClosedByUs, "call over"),
            (_, Input::Open | Input::Tick) => {}
        }
        self.time(now);
    }

    /// To be drained after every `handle`.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When it wants [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Moment {
        match self.state {
            State::Connecting => self.began + limits::WEBRTC_CONNECT_MAX,
            // The bounds that are seconds away are looked at with every frame.
            State::Open | State::Ending => self.order.deadline().map_or(self.next_frame, |at| at.min(self.next_frame)),
            State::Over => self.next_frame + limits::WEBRTC_SESSION_MAX,
        }
    }

    /// How often the browser did what it should not have, by kind.
    pub fn oddities(&self) -> impl Iterator<Item = (&'static str, u32)> {
        Oddity::ALL.iter().map(|oddity| (oddity.name(), self.counts[*oddity as usize])).filter(|(_, count)| *count > 0)
    }

    pub const fn lost_packets(&self) -> u64 {
        self.order.lost
    }

    fn odd(&mut self, oddity: Oddity) {
        let count = &mut self.counts[oddity as usize];
        *count = count.saturating_add(1);
        if *count == 1 {
            self.out.push_back(Output::Notice(oddity.name()));
        }
    }

    fn event(&mut self, event: LegEvent) {
        self.out.push_back(Output::Event(event));
    }

    fn over(&mut self, end: LegEnd, reason: &'static str) {
        self.state = State::Over;
        self.event(LegEvent::Closed(end));
        self.out.push_back(Output::Tell(wire::bye(reason)));
        self.out.push_back(Output::Close(reason));
    }

    // What the browser sends.

    fn packet(&mut self, now: Moment, packet: Packet<'_>) {
        if self.state == State::Connecting {
            return; // nothing can be heard before both sides have keys
        }
        self.last_heard = now;
        if Some(packet.payload_type) == self.agreed.keys {
            if let Some(key) = wire::event_key(packet.payload)
                && self.last_key.replace(packet.ticks) != Some(packet.ticks)
            {
                self.event(LegEvent::Dtmf(key));
            }
            // It has a number like any other; without it, it would count as lost.
            self.arrived(now, packet, Vec::new());
            return;
        }
        if packet.payload_type != self.agreed.voice {
            self.odd(Oddity::OtherPayload);
            self.arrived(now, packet, Vec::new());
            return;
        }
        self.heard_any = true;
        self.arrived(now, packet, packet.payload.to_vec());
    }

    fn arrived(&mut self, now: Moment, packet: Packet<'_>, payload: Vec<u8>) {
        let late = self.order.late;
        let mut ready = Vec::new();
        self.order.push(now, packet.sequence, packet.ticks, payload, &mut ready);
        if self.order.late > late {
            self.odd(Oddity::Late);
        }
        self.hear(ready);
    }

    fn hear(&mut self, ready: Vec<Next>) {
        let mut lost = 0;
        for next in ready {
            match next {
                Next::Restart => {
                    self.odd(Oddity::Restart);
                    self.turn_to(None);
                }
                Next::Lost(count) => lost = count,
                // A key, not sound.
                Next::Sound(sound) if sound.payload.is_empty() => lost = 0,
                Next::Sound(sound) => {
                    self.sound(sound.ticks, &sound.payload, std::mem::take(&mut lost));
                }
            }
        }
    }

    /// One packet of sound, with how many were lost right before it.
    fn sound(&mut self, ticks: u64, payload: &[u8], lost: u64) {
        let at = ticks * u64::from(LINE_RATE) / u64::from(self.codec.clock());
        let frame = self.ear.lost_samples().max(1) as u64;
        let taken_to = self.heard_to.map(|to| to + self.ear.held_back());
        let gap = taken_to.map_or(0, |to| (at.saturating_sub(to) + frame / 2) / frame);
        let mut pcm = Vec::new();
        if lost > 0 && (1..=limits::WEBRTC_CONCEALED_MAX.min(lost)).contains(&gap) {
            for left in (0..gap).rev() {
                // Only the last one lost has a copy in the packet after it.
                self.ear.conceal((left == 0).then_some(payload), &mut pcm);
            }
            self.give(pcm);
            pcm = Vec::new();
        }
        let taken_to = self.heard_to.map(|to| to + self.ear.held_back());
        if taken_to.is_none_or(|to| to.abs_diff(at) > LINE_FRAME as u64 / 2) {
            // Silence that was not sent, a longer loss, a clock that jumped: the call sees it by the time.
            self.turn_to(Some(at));
        }
        if !self.ear.hear(payload, &mut pcm) {
            self.odd(Oddity::BadPacket);
        }
        self.give(pcm);
    }

    /// Sound that goes on where the last one ended.
    fn give(&mut self, pcm: Vec<i16>) {
        let Some(from) = self.heard_to else { return };
        if pcm.is_empty() {
            return;
        }
        self.heard_to = Some(from + pcm.len() as u64);
        self.event(LegEvent::Audio { pcm, at_ms: from * 1_000 / u64::from(LINE_RATE) });
    }

    /// What the decoder holds back belongs to the time before.
    fn turn_to(&mut self, at: Option<u64>) {
        let mut rest = Vec::new();
        self.ear.jump(&mut rest);
        self.give(rest);
        self.heard_to = at;
    }

    fn message(&mut self, now: Moment, text: &str) {
        self.last_heard = now;
        let (since, count) = &mut self.messages;
        if now.since(*since).as_secs() >= 1 {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > limits::WEBRTC_MESSAGES_PER_SECOND {
            self.odd(Oddity::TooManyMessages);
            return;
        }
        match wire::read(text) {
            Some(Asked::Key(key)) => self.event(LegEvent::Dtmf(key)),
            Some(Asked::HangUp) => self.over(LegEnd::HungUp, "hung up"),
            Some(Asked::Ping(n)) => self.out.push_back(Output::Tell(wire::pong(n))),
            None => self.odd(Oddity::NotAMessage),
        }
    }

    // What the call sends.

    fn command(&mut self, now: Moment, command: LegCommand) {
        if self.state == State::Ending {
            return;
        }
        match command {
            LegCommand::Audio(frame) => {
                if self.frames >= limits::WEBRTC_PLAYOUT_MAX {
                    self.odd(Oddity::Overrun);
                    self.drop_oldest_frame();
                }
                self.queue.push_back(Queued::Frame(frame));
                self.frames += 1;
            }
            LegCommand::Mark(mark) => {
                if self.queue.is_empty() {
                    self.marks.push_back((self.played_to.max(now), mark));
                } else {
                    self.queue.push_back(Queued::Mark(mark));
                }
                // Frames are bounded, marks by the call; whoever sends more than that is not waited for.
                if self.marks.len() + self.queue.len() > limits::LEG_MARKS_MAX {
                    self.odd(Oddity::Overrun);
                    if let Some((_, oldest)) = self.marks.pop_front() {
                        self.event(LegEvent::MarkPlayed(oldest));
                    }
                }
            }
            LegCommand::Hush => {}
            LegCommand::Clear => {
                self.frames = 0;
                self.hushed_to = now + limits::WEBRTC_HUSH;
                self.out.push_back(Output::TellNow(wire::clear()));
                let flushed: Vec<u64> = self
                    .queue
                    .drain(..)
                    .filter_map(|q| if let Queued::Mark(mark) = q { Some(mark) } else { None })
                    .collect();
                flushed.into_iter().for_each(|mark| self.event(LegEvent::MarkFlushed(mark)));
            }
            LegCommand::Hangup if self.state == State::Connecting => self.over(LegEnd::ClosedByUs, "call over"),
            LegCommand::Hangup => self.state = State::Ending,
        }
    }

    fn drop_oldest_frame(&mut self) {
        if let Some(at) = self.queue.iter().position(|queued| matches!(queued, Queued::Frame(_))) {
            self.queue.remove(at);
            self.frames -= 1;
        }
        self.release_marks(self.played_to);
    }

    /// Marks with nothing before them any more wait for their time.
    fn release_marks(&mut self, due: Moment) {
        while let Some(Queued::Mark(mark)) = self.queue.front() {
            self.marks.push_back((due, *mark));
            self.queue.pop_front();
        }
    }

    // Time.

    fn time(&mut self, now: Moment) {
        match self.state {
            State::Over => return,
            State::Connecting => {
                if now.since(self.began) >= limits::WEBRTC_CONNECT_MAX {
                    self.over(LegEnd::Lost, "no connection");
                }
                return;
            }
            State::Open | State::Ending => {}
        }
        let mut ready = Vec::new();
        self.order.tick(now, &mut ready);
        self.hear(ready);
        self.send_due(now);
        while let Some((_, mark)) = self.marks.front().copied().filter(|(due, _)| *due <= now) {
            self.marks.pop_front();
            self.event(LegEvent::MarkPlayed(mark));
        }
        let silence = now.since(self.last_heard);
        if now.since(self.began) >= limits::WEBRTC_SESSION_MAX {
            self.over(LegEnd::Lost, "too long");
        } else if silence >= limits::WEBRTC_SILENT_MAX
            || !self.heard_any && now.since(self.began) >= limits::WEBRTC_FIRST_MEDIA_MAX
        {
            self.over(LegEnd::Lost, "nothing is heard of the browser");
        } else if self.state == State::Ending && self.queue.is_empty() && self.marks.is_empty() && now >= self.played_to
        {
            self.over(LegEnd::ClosedByUs, "call over");
        }
    }

    fn send_due(&mut self, now: Moment) {
        if now.since(self.next_frame) > FRAME * CATCH_UP_FRAMES {
            // Time passes for the browser too: what it did not get is silence, with its ticks.
            let frames = u32::try_from(now.since(self.next_frame).as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX);
            self.ticks = self.ticks.wrapping_add(self.codec.frame_ticks().wrapping_mul(frames));
            self.next_frame = now;
            self.silent = true;
        }
        while self.next_frame <= now {
            self.release_marks(self.played_to.max(now));
            let frame = match self.queue.front() {
                Some(Queued::Frame(_)) if now >= self.hushed_to => self.queue.pop_front(),
                // Marks at the front have just been released.
                _ => None,
            };
            let frame = if let Some(Queued::Frame(frame)) = frame { Some(frame) } else { None };
            self.send(now, frame);
            self.next_frame = self.next_frame + FRAME;
        }
    }

    fn send(&mut self, now: Moment, frame: Option<Vec<i16>>) {
        let starts = frame.is_some() && self.silent;
        self.silent = frame.is_none();
        if frame.is_some() {
            self.frames = self.frames.saturating_sub(1);
            self.played_to = now + FRAME + limits::WEBRTC_BROWSER_BUFFER;
        }
        match self.mouth.say(frame.as_deref().unwrap_or_default()) {
            Ok(payload) => self.out.push_back(Output::Send(Outgoing {
                payload_type: self.agreed.voice,
                sequence: self.sequence,
                ticks: self.ticks,
                marker: starts,
                payload,
            })),
            // A frame that cannot be encoded is a gap of 20 ms; the browser conceals it.
            Err(_) => self.odd(Oddity::Overrun),
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.ticks = self.ticks.wrapping_add(self.codec.frame_ticks());
        self.release_marks(self.played_to);
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
