//! A leg on a media socket of FreeSWITCH as a machine.
//! `mod_audio_fork` plays what we stream, empties its buffer when told and says what became of marks.
//! `mod_audio_stream` is given files: a mark is played when the sound before it must have been, and what
//! waits to be played is stopped over the event socket ([`Output::Silence`]).

use std::collections::VecDeque;

use super::esl::command::Module;
use super::hub::Told;
use super::wire::{self, Message};
use crate::base::audio::{LINE_RATE, duration};
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::pbx::clock::MediaClock;
use crate::telephony::pbx::counts::Counts;
use crate::telephony::pbx::marks::{Echo, Marks};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::stream::{self, Frame, Input};

/// The dial plan's metadata.
pub type Shown = Vec<(String, String)>;

#[derive(Debug, PartialEq)]
pub enum Output {
    Stream(stream::Output<Shown>),
    /// Stop what is being played; over the event socket.
    Silence,
}

pub struct Leg {
    module: Module,
    state: State,
    codec: Codec,
    /// Everything that is needed stands in the address: sound may come first.
    known: bool,
    out: VecDeque<Output>,
    counts: Counts,
}

enum State {
    Waiting { until: Moment, messages: u32 },
    Asked,
    Live(Box<Live>),
    Over,
}

struct Live {
    clock: MediaClock,
    last_media: Moment,
    /// The module says that a stream is over: this one, if nothing more comes.
    doubted: Option<Moment>,
    marks: Marks,
    /// Of files: sound that is not yet one, when it must become one, until when all files are played.
    unsent: Vec<i16>,
    send_by: Option<Moment>,
    played_until: Moment,
    /// Marks that are played at their moment.
    due: VecDeque<(Moment, u64)>,
}

impl Live {
    /// A stream that brings nothing is dead then.
    fn silent_at(&self) -> Moment {
        match self.doubted {
            // What was on its way when the module said so proves nothing.
            Some(since) => since.max(self.last_media) + limits::FREESWITCH_DOUBT,
            None => self.last_media + limits::PBX_SILENT_MAX,
        }
    }
}

impl Leg {
    /// `codec` is of 16-bit samples at the rate of the stream.
    pub fn new(now: Moment, module: Module, codec: Codec, known: bool) -> Self {
        Self {
            module,
            state: State::Waiting { until: now + limits::STREAM_START_WITHIN, messages: 0 },
            codec,
            known,
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// A codec for a rate that the modules have.
    pub fn codec(rate: u32) -> Option<Codec> {
        matches!(rate, 8_000 | 16_000 | 24_000 | 32_000 | 48_000).then(|| Codec::new(Format::Slin { rate }).ok())?
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn oddities(&self) -> Vec<(&'static str, u32)> {
        self.counts.all()
    }

    pub fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Live(live) => {
                let mark = live.due.front().map(|(at, _)| *at);
                [Some(live.silent_at()), live.send_by, mark].into_iter().flatten().min()
            }
            State::Asked | State::Over => None,
        }
    }

    pub fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Text(text) => self.text(text),
            Input::Binary(bytes) => self.sound(now, bytes),
            Input::TooBig => self.close(LegEnd::Lost, 1009, "message too big"),
            Input::Admitted => {
                if matches!(self.state, State::Asked) {
                    self.state = State::Live(Box::new(Live {
                        clock: MediaClock::default(),
                        last_media: now,
                        doubted: None,
                        marks: Marks::default(),
                        unsent: Vec::new(),
                        send_by: None,
                        played_until: now,
                        due: VecDeque::new(),
                    }));
                }
            }
            Input::Refused => self.close(LegEnd::Lost, 1008, "not admitted"),
            Input::Command(command) => self.command(now, command),
            Input::CallGone => self.close(LegEnd::ClosedByUs, 1000, "call ended"),
            Input::PeerClosed(code) => {
                self.close(LegEnd::of_close(code), 1000, "closed by freeswitch");
            }
            Input::Broken => self.close(LegEnd::Lost, 1006, "socket broke"),
            Input::Stalled => self.close(LegEnd::Lost, 1011, "freeswitch does not take our audio"),
            Input::Tick => self.tick(now),
        }
    }

    /// The channel says something over the event socket.
    pub fn told(&mut self, now: Moment, told: Told) {
        match (told, &mut self.state) {
            (Told::Key(digit), State::Live(_)) => self.event(LegEvent::Dtmf(digit)),
            (Told::HungUp, _) => self.close(LegEnd::HungUp, 1000, "hung up"),
            (Told::Dropped, State::Live(live)) => live.doubted = Some(now),
            (Told::Key(_) | Told::Dropped, _) => {}
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.state {
            State::Waiting { messages, .. } => {
                *messages += 1;
                if *messages > limits::STREAM_MESSAGES_BEFORE_START {
                    return self.close(LegEnd::Lost, 1008, "no start");
                }
                let metadata = wire::metadata(text);
                if metadata.is_empty() && !self.known {
                    return self.odd("before_start");
                }
                self.ask(metadata);
            }
            State::Live(live) => match wire::parse(text) {
                // What was cleared was told when we cleared it.
                Some(Message::Mark { cleared: true, .. }) => {}
                Some(Message::Mark { name, cleared: false }) => match live.marks.echo(&name) {
                    Echo::Played(mark) => self.event(LegEvent::MarkPlayed(mark)),
                    Echo::Old => {}
                    Echo::Unknown => self.odd("unknown_mark"),
                },
                Some(Message::Unknown) => self.odd("unknown_event"),
                // Metadata that came behind the first sound, and words for somebody else.
                None => self.odd("not_a_message"),
            },
            State::Asked => self.odd("before_start"),
            State::Over => {}
        }
    }

    fn ask(&mut self, metadata: Shown) {
        self.state = State::Asked;
        self.out.push_back(Output::Stream(stream::Output::Admit(metadata)));
    }

    fn sound(&mut self, now: Moment, bytes: &[u8]) {
        match &mut self.state {
            State::Live(live) => {
                live.last_media = now;
                live.doubted = live.doubted.filter(|since| now.since(*since) < limits::FREESWITCH_DOUBT);
                let mut pcm = Vec::with_capacity(bytes.len() / 2);
                let whole = self.codec.decode(bytes, &mut pcm);
                if !pcm.is_empty() {
                    let at_ms = live.clock.at_ms(now, pcm.len());
                    self.event(LegEvent::Audio { pcm, at_ms });
                }
                if !whole {
                    self.odd("half_a_sample");
                }
            }
            State::Waiting { .. } if self.known => self.ask(Vec::new()),
            State::Waiting { .. } => self.odd("before_start"),
            State::Asked | State::Over => {}
        }
    }

    fn command(&mut self, now: Moment, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        match (command, self.module) {
            (LegCommand::Audio(pcm), Module::Fork) => {
                let mut bytes = Vec::with_capacity(640);
                self.codec.encode(&pcm, &mut bytes);
                self.send_sound(&bytes);
            }
            (LegCommand::Audio(pcm), Module::Stream) => {
                live.unsent.extend(pcm);
                live.send_by.get_or_insert(now + limits::FREESWITCH_FILE);
                while let State::Live(live) = &mut self.state
                    && duration(live.unsent.len(), LINE_RATE) >= limits::FREESWITCH_FILE
                {
                    self.send_file(now);
                }
            }
            (LegCommand::Mark(mark), Module::Fork) => {
                let (name, lost) = live.marks.send(mark);
                let mut rest = Vec::new();
                self.codec.finish(&mut rest);
                self.send_sound(&rest);
                self.send(Frame::Text(wire::print_mark(&name)));
                if let Some(lost) = lost {
                    self.event(LegEvent::MarkFlushed(lost));
                }
            }
            (LegCommand::Mark(mark), Module::Stream) => {
                self.send_file(now);
                if let State::Live(live) = &mut self.state {
                    live.due.push_back((live.played_until.max(now), mark));
                    if live.due.len() > limits::LEG_MARKS_MAX
                        && let Some((_, lost)) = live.due.pop_front()
                    {
                        self.event(LegEvent::MarkFlushed(lost));
                    }
                }
                self.play_marks(now);
            }
            (LegCommand::Hush, _) => {}
            (LegCommand::Clear, module) => {
                let mut rest = Vec::new();
                self.codec.finish(&mut rest);
                live.unsent.clear();
                live.send_by = None;
                live.played_until = now;
                let flushed: Vec<u64> = live.marks.clear().chain(live.due.drain(..).map(|(_, mark)| mark)).collect();
                match module {
                    Module::Fork => self.send(Frame::Text(wire::print_kill())),
                    Module::Stream => self.out.push_back(Output::Silence),
                }
                for mark in flushed {
                    self.event(LegEvent::MarkFlushed(mark));
                }
            }
            (LegCommand::Hangup, _) => self.close(LegEnd::ClosedByUs, 1000, "goodbye"),
        }
    }

    /// In messages that the socket's buffer holds.
    fn send_sound(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(LINE_RATE as usize * 2) {
            self.send(Frame::Binary(piece.to_vec()));
        }
    }

    /// Makes a file of what there is, up to the usual length.
    fn send_file(&mut self, now: Moment) {
        let State::Live(live) = &mut self.state else { return };
        let usual = usize::try_from(limits::FREESWITCH_FILE.as_millis()).unwrap_or(400) * LINE_RATE as usize / 1_000;
        let samples: Vec<i16> = live.unsent.drain(..live.unsent.len().min(usual)).collect();
        live.send_by = (!live.unsent.is_empty()).then_some(now + limits::FREESWITCH_FILE);
        if samples.is_empty() {
            return;
        }
        live.played_until = live.played_until.max(now) + duration(samples.len(), LINE_RATE);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.send(Frame::Text(wire::print_file(LINE_RATE, &bytes)));
    }

    fn play_marks(&mut self, now: Moment) {
        while let State::Live(live) = &mut self.state
            && live.due.front().is_some_and(|(at, _)| now >= *at)
            && let Some((_, mark)) = live.due.pop_front()
        {
            self.event(LegEvent::MarkPlayed(mark));
        }
    }

    fn tick(&mut self, now: Moment) {
        match &self.state {
            State::Waiting { until, .. } if now >= *until => return self.close(LegEnd::Lost, 1008, "no start"),
            State::Live(live) if now >= live.silent_at() => {
                return self.close(LegEnd::Lost, 1011, "no media");
            }
            State::Live(live) if live.send_by.is_some_and(|at| now >= at) => self.send_file(now),
            _ => {}
        }
        self.play_marks(now);
    }

    fn send(&mut self, frame: Frame) {
        self.out.push_back(Output::Stream(stream::Output::Send(frame)));
    }

    fn event(&mut self, event: LegEvent) {
        self.out.push_back(Output::Stream(stream::Output::Event(event)));
    }

    fn close(&mut self, end: LegEnd, code: u16, reason: &'static str) {
        if let State::Live(_) = &self.state {
            if end == LegEnd::ClosedByUs {
                // The last words.
                let mut rest = Vec::new();
                self.codec.finish(&mut rest);
                if self.module == Module::Fork {
                    self.send_sound(&rest);
                }
            }
            self.event(LegEvent::Closed(end));
        }
        if !self.is_over() {
            self.out.push_back(Output::Stream(stream::Output::Close { code, reason }));
        }
        self.state = State::Over;
    }

    fn odd(&mut self, kind: &'static str) {
        if self.counts.note(kind) && !self.is_over() {
            self.out.push_back(Output::Stream(stream::Output::Notice(kind)));
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
