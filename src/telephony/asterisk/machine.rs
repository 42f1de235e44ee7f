//! A `chan_websocket` leg as a machine (`telephony::stream::machine`).
//! Who connects has passed the door already; `MEDIA_START` says what the sound is and, in JSON, what the
//! dial plan's variables are.
//! Marks: newer releases tell when a mark is played. Older ones tell when a buffered utterance is; what
//! lies between two marks is such an utterance.

use std::collections::VecDeque;

use super::wire::{self, Command, Form, MediaStart, Message};
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::pbx::clock::MediaClock;
use crate::telephony::pbx::counts::Counts;
use crate::telephony::pbx::marks::{Echo, Marks};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::stream::{Frame, Input, Machine, Output};

/// The most one binary message may hold; a longer one makes Asterisk close the socket.
const MESSAGE_MAX: usize = 65_500;

pub struct Leg {
    state: State,
    form: Form,
    out: VecDeque<Output<MediaStart>>,
    counts: Counts,
}

enum State {
    Waiting { until: Moment, messages: u32 },
    Asked(Box<Live>),
    Live(Box<Live>),
    Over,
}

struct Live {
    codec: Codec,
    /// Bytes; what is sent is a multiple of it.
    unit: usize,
    clock: MediaClock,
    /// Anything at all from Asterisk.
    last_heard: Moment,
    /// It was asked how it is and has not answered.
    asked_status: bool,
    marks: Marks,
    /// Does it know `MARK_MEDIA`?
    knows_marks: bool,
    /// An utterance is being buffered.
    buffering: bool,
    /// Encoded and not yet a whole unit.
    unsent: Vec<u8>,
    /// Asterisk said stop; these wait.
    stopped: bool,
    held: VecDeque<Frame>,
}

impl Machine for Leg {
    type Shown = MediaStart;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Text(text) => self.text(now, text),
            Input::Binary(bytes) => self.sound(now, bytes),
            Input::TooBig => self.close(LegEnd::Lost, 1009, "message too big"),
            Input::Admitted => {
                if let State::Asked(_) = &self.state
                    && let State::Asked(mut live) = std::mem::replace(&mut self.state, State::Over)
                {
                    live.last_heard = now;
                    self.state = State::Live(live);
                    // With the option `n` of Dial the caller hears ringing until now; else it changes nothing.
                    self.command_out(Command::Answer);
                }
            }
            // The dial plan goes on and may try somebody else.
            Input::Refused => self.close(LegEnd::Lost, 1008, "not admitted"),
            Input::Command(command) => self.command(command),
            Input::CallGone => self.hang_up("call ended"),
            Input::PeerClosed(code) => {
                self.close(LegEnd::of_close(code), 1000, "closed by asterisk");
            }
            Input::Broken => self.close(LegEnd::Lost, 1006, "socket broke"),
            Input::Stalled => self.close(LegEnd::Lost, 1011, "asterisk does not take our audio"),
            Input::Tick => self.tick(now),
        }
    }

    fn poll(&mut self) -> Option<Output<MediaStart>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Live(live) if live.asked_status => Some(live.last_heard + limits::LEG_SILENT_SOCKET_MAX),
            State::Live(live) => Some(live.last_heard + limits::PBX_SILENCE_ASKED),
            State::Asked(_) | State::Over => None,
        }
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        self.counts.all()
    }
}

impl Leg {
    pub fn new(now: Moment) -> Self {
        Self {
            state: State::Waiting { until: now + limits::STREAM_START_WITHIN, messages: 0 },
            form: Form::Plain,
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn text(&mut self, now: Moment, text: &str) {
        if self.is_over() {
            return;
        }
        let (form, message, problems) = wire::parse(text);
        for problem in problems {
            self.odd(problem.kind());
        }
        match (&mut self.state, message) {
            (State::Waiting { messages, .. }, message) => {
                *messages += 1;
                if *messages > limits::STREAM_MESSAGES_BEFORE_START {
                    return self.close(LegEnd::Lost, 1008, "no start");
                }
                match message {
                    Some(Message::MediaStart(start)) => {
                        self.form = form;
                        self.start(now, *start);
                    }
                    Some(_) => self.odd("before_start"),
                    None => {}
                }
            }
            (State::Live(live), Some(message)) => {
                live.last_heard = now;
                live.asked_status = false;
                self.live(message);
            }
            (State::Asked(_), Some(_)) => self.odd("before_start"),
            _ => {}
        }
    }

    fn start(&mut self, now: Moment, start: MediaStart) {
        if start.connection.is_empty() {
            return self.close(LegEnd::Lost, 1008, "start without a name");
        }
        let codec = Format::named(&start.format).and_then(|format| Codec::new(format).ok());
        let Some(codec) = codec else {
            return self.close(LegEnd::Lost, 1003, "write c(ulaw), c(alaw), c(slin) or c(slin16) in Dial");
        };
        // An odd size would cut samples in two.
        let usual = codec.format().frame_bytes();
        let unit =
            start.optimal_frame_size.filter(|size| size.is_multiple_of(2) && *size <= MESSAGE_MAX).unwrap_or(usual);
        self.state = State::Asked(Box::new(Live {
            codec,
            unit,
            clock: MediaClock::default(),
            last_heard: now,
            asked_status: false,
            marks: Marks::default(),
            // The channel's id came with the same releases as the marks.
            knows_marks: self.form == Form::Json || !start.channel_id.is_empty(),
            buffering: false,
            unsent: Vec::new(),
            stopped: false,
            held: VecDeque::new(),
        }));
        self.out.push_back(Output::Admit(start));
    }

    fn live(&mut self, message: Message) {
        let State::Live(live) = &mut self.state else { return };
        match message {
            Message::DtmfEnd { digit: Some(digit) } => self.out.push_back(Output::Event(LegEvent::Dtmf(digit))),
            Message::Xoff => live.stopped = true,
            Message::Xon => {
                live.stopped = false;
                self.out.extend(live.held.drain(..).map(Output::Send));
            }
            Message::MarkProcessed { id } | Message::BufferingCompleted { id } => match live.marks.echo(&id) {
                Echo::Played(mark) => self.out.push_back(Output::Event(LegEvent::MarkPlayed(mark))),
                Echo::Old => {}
                Echo::Unknown => self.odd("unknown_mark"),
            },
            Message::MediaStart(_) => self.odd("second_start"),
            Message::Status | Message::QueueDrained => {}
            Message::DtmfEnd { digit: None } | Message::Unknown { .. } => {} // counted by the parser already
        }
    }

    fn sound(&mut self, now: Moment, bytes: &[u8]) {
        match &mut self.state {
            State::Live(live) => {
                live.last_heard = now;
                live.asked_status = false;
                let mut pcm = Vec::with_capacity(bytes.len());
                let whole = live.codec.decode(bytes, &mut pcm);
                if !pcm.is_empty() {
                    let at_ms = live.clock.at_ms(now, pcm.len());
                    self.out.push_back(Output::Event(LegEvent::Audio { pcm, at_ms }));
                }
                if !whole {
                    self.odd("half_a_sample");
                }
            }
            State::Waiting { .. } => self.odd("before_start"),
            // Asterisk does not wait for us to look at its start.
            State::Asked(_) | State::Over => {}
        }
    }

    fn command(&mut self, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        match command {
            LegCommand::Audio(pcm) => {
                live.codec.encode(&pcm, &mut live.unsent);
                self.send_units();
            }
            LegCommand::Mark(mark) => {
                // The end of a sound: what the filter holds back belongs to it, the last unit is filled up.
                live.codec.finish(&mut live.unsent);
                let short = live.unsent.len() % live.unit;
                if short > 0 {
                    live.unsent.resize(live.unsent.len() + live.unit - short, live.codec.format().silence());
                }
                self.send_units();
                self.mark(mark);
            }
            LegCommand::Hush => {}
            LegCommand::Clear => {
                let mut rest = Vec::new();
                live.codec.finish(&mut rest);
                live.unsent.clear();
                live.held.clear();
                live.buffering = false;
                // Its queue is empty with this; not every release says so.
                live.stopped = false;
                let flushed: Vec<u64> = live.marks.clear().collect();
                // Control is not held back: Asterisk's queue is what must be emptied.
                let text = wire::print(self.form, Command::Flush);
                self.out.push_back(Output::Send(Frame::Text(text)));
                self.out.extend(flushed.into_iter().map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
            }
            LegCommand::Hangup => self.hang_up("goodbye"),
        }
    }

    fn send_units(&mut self) {
        let form = self.form;
        let State::Live(live) = &mut self.state else { return };
        let whole = live.unsent.len() / live.unit * live.unit;
        if whole == 0 {
            return;
        }
        if !live.knows_marks && !live.buffering {
            live.buffering = true;
            let start = Frame::Text(wire::print(form, Command::StartBuffering));
            self.send(start);
        }
        let State::Live(live) = &mut self.state else { return };
        let longest = MESSAGE_MAX / live.unit * live.unit;
        let sound: Vec<u8> = live.unsent.drain(..whole).collect();
        for piece in sound.chunks(longest) {
            self.send(Frame::Binary(piece.to_vec()));
        }
    }

    fn mark(&mut self, mark: u64) {
        let form = self.form;
        let State::Live(live) = &mut self.state else { return };
        let (name, lost) = live.marks.send(mark);
        let (knows, buffering) = (live.knows_marks, std::mem::take(&mut live.buffering));
        if knows {
            self.send(Frame::Text(wire::print(form, Command::Mark(&name))));
        } else {
            if !buffering {
                self.send(Frame::Text(wire::print(form, Command::StartBuffering)));
            }
            self.send(Frame::Text(wire::print(form, Command::StopBuffering(&name))));
        }
        self.out.extend(lost.map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
    }

    /// Sends, or holds back as long as Asterisk wants no more; then the oldest sound goes first.
    fn send(&mut self, frame: Frame) {
        let State::Live(live) = &mut self.state else { return };
        if !live.stopped {
            self.out.push_back(Output::Send(frame));
            return;
        }
        live.held.push_back(frame);
        if live.held.len() > limits::PBX_HELD_MAX {
            let oldest = live.held.iter().position(|frame| matches!(frame, Frame::Binary(_)));
            live.held.remove(oldest.unwrap_or(0));
            self.odd("queue_full");
        }
    }

    fn command_out(&mut self, command: Command<'_>) {
        let text = wire::print(self.form, command);
        self.out.push_back(Output::Send(Frame::Text(text)));
    }

    fn tick(&mut self, now: Moment) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &mut self.state {
            State::Waiting { .. } => self.close(LegEnd::Lost, 1008, "no start"),
            // A caller who is silent or on hold may send nothing; Asterisk itself must be there.
            State::Live(live) if !live.asked_status => {
                live.asked_status = true;
                self.command_out(Command::GetStatus);
            }
            State::Live(_) => self.close(LegEnd::Lost, 1011, "no sign of life"),
            State::Asked(_) | State::Over => {}
        }
    }

    /// Ends the channel, not the socket alone.
    fn hang_up(&mut self, reason: &'static str) {
        if let State::Live(live) = &mut self.state {
            self.out.extend(live.held.drain(..).map(Output::Send));
            self.command_out(Command::Hangup);
        }
        self.close(LegEnd::ClosedByUs, 1000, reason);
    }

    fn close(&mut self, end: LegEnd, code: u16, reason: &'static str) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Live(_) => self.out.push_back(Output::Event(LegEvent::Closed(end))),
            State::Waiting { .. } | State::Asked(_) => {}
            State::Over => return,
        }
        self.out.push_back(Output::Close { code, reason });
    }

    fn odd(&mut self, kind: &'static str) {
        if self.counts.note(kind) && !self.is_over() {
            self.out.push_back(Output::Notice(kind));
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
