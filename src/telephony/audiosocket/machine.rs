//! An AudioSocket leg as a machine (`telephony::stream::machine`); binary messages are pieces of the TCP
//! stream, cut anywhere.
//! Asterisk has no marks and cannot be told to be silent. So sound leaves at the pace at which it is
//! played, [`limits::AUDIOSOCKET_LEAD`] ahead; a mark is played when the sound before it must have been,
//! and `Clear` throws away what has not left.

use std::collections::VecDeque;
use std::time::Duration;

use super::wire::{self, Decoder, Packet};
use crate::base::audio::{FRAME, LINE_FRAME};
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::pbx::clock::MediaClock;
use crate::telephony::pbx::counts::Counts;
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::stream::{Frame, Input, Machine, Output};

/// The UUID that Asterisk shows.
pub type Shown = [u8; 16];

const USUAL: Format = Format::Slin { rate: 8_000 };

pub struct Leg {
    state: State,
    decoder: Decoder,
    out: VecDeque<Output<Shown>>,
    counts: Counts,
}

enum State {
    Waiting { until: Moment },
    Asked,
    Live(Box<Live>),
    Over,
}

struct Live {
    /// Of what the caller's sound is; ours is the same. `None`: of a rate nobody can change.
    codec: Option<Codec>,
    clock: MediaClock,
    last_heard: Moment,
    queue: VecDeque<Queued>,
    /// When what has left will have been played.
    played_until: Moment,
    /// The call wants to end once the queue is empty.
    ending: bool,
}

enum Queued {
    /// 20 ms at 8 kHz, or what was left.
    Sound(Vec<i16>),
    Mark(u64),
}

impl Machine for Leg {
    type Shown = Shown;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Binary(bytes) => self.bytes(now, bytes),
            Input::Text(_) => self.odd("text"),
            Input::TooBig => self.close(LegEnd::Lost, 1009, "packet too big"),
            Input::Admitted => {
                if matches!(self.state, State::Asked) {
                    self.state = State::Live(Box::new(Live::new(now)));
                    // What came behind the UUID in the same piece.
                    self.packets(now);
                }
            }
            Input::Refused => self.hang_up(LegEnd::Lost, "not admitted"),
            Input::Command(command) => self.command(now, command),
            Input::CallGone => self.hang_up(LegEnd::ClosedByUs, "call ended"),
            // Closing the socket is how Asterisk hangs up.
            Input::PeerClosed(_) => self.close(LegEnd::HungUp, 1000, "closed by asterisk"),
            Input::Broken => self.close(LegEnd::Lost, 1006, "socket broke"),
            Input::Stalled => self.close(LegEnd::Lost, 1011, "asterisk does not take our audio"),
            Input::Tick => self.tick(now),
        }
    }

    fn poll(&mut self) -> Option<Output<Shown>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Live(live) => {
                let silent = live.last_heard + limits::PBX_SILENT_MAX;
                let due = live.due();
                Some(due.map_or(silent, |due| due.min(silent)))
            }
            State::Asked | State::Over => None,
        }
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        self.counts.all()
    }
}

impl Live {
    fn new(now: Moment) -> Self {
        Self {
            codec: Codec::new(USUAL).ok(),
            clock: MediaClock::default(),
            last_heard: now,
            queue: VecDeque::new(),
            played_until: now,
            ending: false,
        }
    }

    /// When the first of the queue is to leave, or to be told as played.
    fn due(&self) -> Option<Moment> {
        match self.queue.front() {
            Some(Queued::Mark(_)) => Some(self.played_until),
            Some(Queued::Sound(_)) => Some(before(self.played_until, limits::AUDIOSOCKET_LEAD)),
            None => self.ending.then_some(self.played_until),
        }
    }
}

/// `at` less a length of time, not before the beginning of all clocks.
fn before(at: Moment, length: Duration) -> Moment {
    Moment::ZERO + at.since(Moment::ZERO).saturating_sub(length)
}

impl Leg {
    pub fn new(now: Moment) -> Self {
        Self {
            state: State::Waiting { until: now + limits::AUDIOSOCKET_ID_WITHIN },
            decoder: Decoder::default(),
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn bytes(&mut self, now: Moment, bytes: &[u8]) {
        if !self.is_over() {
            self.decoder.push(bytes);
            self.packets(now);
        }
    }

    /// All whole packets, up to one that needs an answer first.
    fn packets(&mut self, now: Moment) {
        while !matches!(self.state, State::Asked | State::Over) {
            let Some(packet) = self.decoder.take() else { return };
            match (&mut self.state, packet) {
                (State::Waiting { .. }, Packet::Uuid(uuid)) => {
                    self.state = State::Asked;
                    self.out.push_back(Output::Admit(uuid));
                }
                // Whoever does not begin with a UUID is no Asterisk.
                (State::Waiting { .. }, _) => self.close(LegEnd::Lost, 1008, "no id"),
                (State::Live(live), packet) => {
                    live.last_heard = now;
                    match packet {
                        Packet::Sound(format, bytes) => {
                            if live.codec.as_ref().is_none_or(|codec| codec.format() != format) {
                                live.codec = Codec::new(format).ok();
                            }
                            let mut pcm = Vec::with_capacity(LINE_FRAME);
                            let whole = live.codec.as_mut().is_some_and(|codec| codec.decode(bytes, &mut pcm));
                            if !pcm.is_empty() {
                                let at_ms = live.clock.at_ms(now, pcm.len());
                                self.out.push_back(Output::Event(LegEvent::Audio { pcm, at_ms }));
                            }
                            if !whole {
                                self.odd("half_a_sample");
                            }
                        }
                        Packet::Dtmf(digit) => self.out.push_back(Output::Event(LegEvent::Dtmf(digit))),
                        Packet::Hangup | Packet::Error(Some(0x01)) => self.close(LegEnd::HungUp, 1000, "hung up"),
                        Packet::Error(_) => self.odd("error"),
                        Packet::Uuid(_) => self.odd("second_id"),
                        Packet::Odd(_) => self.odd("unknown_packet"),
                    }
                }
                (State::Asked | State::Over, _) => {}
            }
        }
    }

    fn command(&mut self, now: Moment, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        match command {
            LegCommand::Audio(pcm) => {
                live.queue.extend(pcm.chunks(LINE_FRAME).map(|frame| Queued::Sound(frame.to_vec())));
                let most =
                    usize::try_from(limits::AUDIOSOCKET_QUEUE.as_millis() / FRAME.as_millis()).unwrap_or(usize::MAX);
                let mut full = false;
                while live.queue.len() > most {
                    let oldest = live.queue.iter().position(|queued| matches!(queued, Queued::Sound(_)));
                    live.queue.remove(oldest.unwrap_or(0));
                    full = true;
                }
                if full {
                    self.odd("queue_full");
                }
            }
            LegCommand::Mark(mark) => live.queue.push_back(Queued::Mark(mark)),
            LegCommand::Hush => {}
            LegCommand::Clear => {
                let flushed = live.queue.drain(..).filter_map(|queued| match queued {
                    Queued::Mark(mark) => Some(Output::Event(LegEvent::MarkFlushed(mark))),
                    Queued::Sound(_) => None,
                });
                self.out.extend(flushed);
            }
            LegCommand::Hangup => live.ending = true,
        }
        self.play(now);
    }

    /// Sends what is due.
    fn play(&mut self, now: Moment) {
        while let State::Live(live) = &mut self.state {
            // After a pause the first sound is played as it comes.
            live.played_until = live.played_until.max(now);
            if live.due().is_none_or(|due| now < due) {
                return;
            }
            match live.queue.pop_front() {
                Some(Queued::Sound(pcm)) => {
                    live.played_until = live.played_until + crate::base::audio::duration(pcm.len(), 8_000);
                    let Some(codec) = &mut live.codec else { continue };
                    let (mut bytes, mut packet) = (Vec::with_capacity(640), Vec::with_capacity(648));
                    codec.encode(&pcm, &mut bytes);
                    wire::print_sound(codec.format(), &bytes, &mut packet);
                    self.out.push_back(Output::Send(Frame::Binary(packet)));
                }
                Some(Queued::Mark(mark)) => self.out.push_back(Output::Event(LegEvent::MarkPlayed(mark))),
                None => return self.hang_up(LegEnd::ClosedByUs, "goodbye"),
            }
        }
    }

    fn tick(&mut self, now: Moment) {
        self.play(now);
        match &self.state {
            State::Waiting { until } if now >= *until => self.close(LegEnd::Lost, 1008, "no id"),
            State::Live(live) if now.since(live.last_heard) >= limits::PBX_SILENT_MAX => {
                self.hang_up(LegEnd::Lost, "no media");
            }
            _ => {}
        }
    }

    fn hang_up(&mut self, end: LegEnd, reason: &'static str) {
        if !self.is_over() {
            self.out.push_back(Output::Send(Frame::Binary(wire::print_hangup().to_vec())));
        }
        self.close(end, 1000, reason);
    }

    fn close(&mut self, end: LegEnd, code: u16, reason: &'static str) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Live(_) => self.out.push_back(Output::Event(LegEvent::Closed(end))),
            State::Waiting { .. } | State::Asked => {}
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
