//! A handset's leg as a machine (`telephony::stream::machine`); binary messages are pieces of the socket's
//! stream, cut anywhere. The microphone is its clock: for every frame that comes, one leaves for the speaker,
//! the call's sound or silence, so that both are known in one place and the echo can be taken out.
//! Promise: after `Clear` nothing queued is heard; a mark is played once what was sent before it has left and
//! the handset's own buffer has passed; a handset that falls silent is given up.

use std::collections::VecDeque;

use super::echo_gate::EchoGate;
use super::wire::{Decoder, Message, Start, printed};
use crate::base::audio::{FRAME, LINE_FRAME};
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent};
use crate::telephony::pbx::counts::Counts;
use crate::telephony::stream::{Frame, Input, Machine, Output};

/// Frames between a sound that leaves and the speaker that plays it.
const BUFFER_FRAMES: u64 = (limits::LOCAL_SPEAKER_BUFFER.as_millis() / FRAME.as_millis()) as u64;

pub struct Leg {
    state: State,
    decoder: Decoder,
    out: VecDeque<Output<Start>>,
    counts: Counts,
}

enum State {
    Waiting { until: Moment },
    Asked { full_duplex: bool },
    Live(Box<Live>),
    Over,
}

struct Live {
    /// `None`: a headset.
    gate: Option<EchoGate>,
    last_heard: Moment,
    queue: VecDeque<Queued>,
    /// Marks whose sound has left, and the frame at which it will have been heard.
    leaving: VecDeque<(u64, u64)>,
    /// Frames of the microphone so far.
    frames: u64,
    /// The call wants to end once the queue is empty.
    ending: bool,
}

#[expect(clippy::large_enum_variant, reason = "nearly all of them are sound, and no more than a second of it")]
enum Queued {
    Sound([i16; LINE_FRAME]),
    Mark(u64),
}

impl Machine for Leg {
    type Shown = Start;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Binary(bytes) => {
                self.decoder.push(bytes);
                self.messages(now);
            }
            Input::Text(_) => self.odd("text"),
            Input::TooBig => self.close(LegEnd::Lost, "message too big", None),
            Input::Admitted => {
                if let State::Asked { full_duplex } = self.state {
                    self.state = State::Live(Box::new(Live {
                        gate: (!full_duplex).then(EchoGate::default),
                        last_heard: now,
                        queue: VecDeque::new(),
                        leaving: VecDeque::new(),
                        frames: 0,
                        ending: false,
                    }));
                    // What came behind the start in the same piece.
                    self.messages(now);
                }
            }
            Input::Refused => self.close(LegEnd::Lost, "not admitted", Some("the box takes no call now")),
            Input::Command(command) => self.command(command),
            Input::CallGone => self.close(LegEnd::ClosedByUs, "call ended", Some("")),
            // Who hangs up says so.
            Input::PeerClosed(_) => self.close(LegEnd::Lost, "handset gone", None),
            Input::Broken => self.close(LegEnd::Lost, "socket broke", None),
            Input::Stalled => self.close(LegEnd::Lost, "handset does not take our sound", None),
            Input::Tick => self.tick(now),
        }
    }

    fn poll(&mut self) -> Option<Output<Start>> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Live(live) => Some(live.last_heard + limits::LOCAL_SILENT_MAX),
            State::Asked { .. } | State::Over => None,
        }
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        self.counts.all()
    }
}

impl Leg {
    pub fn new(now: Moment) -> Self {
        Self {
            state: State::Waiting { until: now + limits::LOCAL_START_WITHIN },
            decoder: Decoder::default(),
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    fn odd(&mut self, kind: &'static str) {
        if self.counts.note(kind) {
            self.out.push_back(Output::Notice(kind));
        }
    }

    fn messages(&mut self, now: Moment) {
        while !matches!(self.state, State::Asked { .. } | State::Over)
            && let Some(message) = self.decoder.take()
        {
            match (&mut self.state, message) {
                (State::Waiting { .. }, Message::Start(start)) => {
                    self.state = State::Asked { full_duplex: start.full_duplex };
                    self.out.push_back(Output::Admit(start));
                }
                // Before it is known who calls, only hanging up makes sense.
                (State::Waiting { .. }, Message::Over(_)) => self.close(LegEnd::HungUp, "hung up", None),
                (State::Waiting { .. }, _) => self.odd("before_start"),
                (State::Live(live), Message::Sound(pcm)) => {
                    live.last_heard = now;
                    self.frame(&pcm);
                }
                (State::Live(_), Message::Key(key)) => self.out.push_back(Output::Event(LegEvent::Dtmf(key))),
                (State::Live(_), Message::Over(_)) => self.close(LegEnd::HungUp, "hung up", None),
                (State::Live(_), Message::Start(_)) => self.odd("second_start"),
                (State::Live(_), Message::Fact(_)) => self.odd("fact"),
                (State::Live(_), Message::Odd(_)) => self.odd("odd_message"),
                (State::Asked { .. } | State::Over, _) => {}
            }
        }
    }

    /// 20 ms pass: one frame out, one in.
    fn frame(&mut self, microphone: &[i16; LINE_FRAME]) {
        let State::Live(live) = &mut self.state else { return };
        let spoken = live.next(&mut self.out);
        self.out.push_back(Output::Send(Frame::Binary(printed(&Message::Sound(spoken)))));
        let pcm = match &mut live.gate {
            Some(gate) => gate.push(&spoken, microphone).to_vec(),
            None => microphone.to_vec(),
        };
        let at_ms = live.frames * 20;
        live.frames += 1;
        self.out.push_back(Output::Event(LegEvent::Audio { pcm, at_ms }));
        if live.ending && live.queue.is_empty() && live.leaving.is_empty() {
            self.close(LegEnd::ClosedByUs, "call over", Some(""));
        }
    }

    fn command(&mut self, command: LegCommand) {
        let State::Live(live) = &mut self.state else { return };
        match command {
            LegCommand::Audio(pcm) => {
                let mut frame = [0; LINE_FRAME];
                let length = pcm.len().min(LINE_FRAME);
                frame[..length].copy_from_slice(&pcm[..length]);
                live.queue.push_back(Queued::Sound(frame));
                if live.sounds() > limits::LOCAL_PLAYOUT_MAX {
                    live.drop_oldest_sound();
                    self.odd("overrun");
                }
            }
            LegCommand::Mark(mark) => live.queue.push_back(Queued::Mark(mark)),
            LegCommand::Hush => {}
            LegCommand::Clear => {
                let flushed = live.queue.drain(..).filter_map(|queued| match queued {
                    Queued::Mark(mark) => Some(mark),
                    Queued::Sound(_) => None,
                });
                // What has left for the speaker is heard; its marks come in their time.
                self.out.extend(flushed.map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
            }
            LegCommand::Hangup => live.ending = true,
        }
    }

    fn tick(&mut self, now: Moment) {
        match &self.state {
            State::Waiting { until } if now >= *until => self.close(LegEnd::Lost, "no start", None),
            State::Live(live) if now >= live.last_heard + limits::LOCAL_SILENT_MAX => {
                // A call that waits to end needs no microphone for it.
                let end = if live.ending { LegEnd::ClosedByUs } else { LegEnd::Lost };
                self.close(end, "no sound from the handset", Some(""));
            }
            _ => {}
        }
    }

    /// The last thing. `told`: the handset is still there and is told why.
    fn close(&mut self, end: LegEnd, reason: &'static str, told: Option<&str>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return,
            State::Live(live) => {
                let queued = live.queue.iter().filter_map(|queued| match queued {
                    Queued::Mark(mark) => Some(*mark),
                    Queued::Sound(_) => None,
                });
                let lost = live.leaving.iter().map(|(mark, _)| *mark).chain(queued);
                self.out.extend(lost.map(|mark| Output::Event(LegEvent::MarkFlushed(mark))));
                self.out.push_back(Output::Event(LegEvent::Closed(end)));
            }
            State::Waiting { .. } | State::Asked { .. } => {}
        }
        if let Some(told) = told {
            self.out.push_back(Output::Send(Frame::Binary(printed(&Message::Over(told.to_owned())))));
        }
        self.out.push_back(Output::Close { code: 1000, reason });
    }
}

impl Live {
    /// What the speaker plays next; marks that are due are told.
    fn next(&mut self, out: &mut VecDeque<Output<Start>>) -> [i16; LINE_FRAME] {
        let mut spoken = [0; LINE_FRAME];
        while let Some(queued) = self.queue.pop_front() {
            match queued {
                Queued::Mark(mark) => self.leaving.push_back((mark, self.frames + BUFFER_FRAMES)),
                Queued::Sound(pcm) => {
                    spoken = pcm;
                    break;
                }
            }
        }
        // A mark right behind the last sound leaves with it.
        while let Some(Queued::Mark(mark)) = self.queue.front() {
            self.leaving.push_back((*mark, self.frames + BUFFER_FRAMES));
            self.queue.pop_front();
        }
        while let Some((mark, due)) = self.leaving.front()
            && *due <= self.frames
        {
            out.push_back(Output::Event(LegEvent::MarkPlayed(*mark)));
            self.leaving.pop_front();
        }
        spoken
    }

    fn sounds(&self) -> usize {
        self.queue.iter().filter(|queued| matches!(queued, Queued::Sound(_))).count()
    }

    fn drop_oldest_sound(&mut self) {
        if let Some(oldest) = self.queue.iter().position(|queued| matches!(queued, Queued::Sound(_))) {
            self.queue.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "local-test";

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn start(full_duplex: bool) -> Vec<u8> {
        printed(&Message::Start(Start { name: START.to_owned(), full_duplex, ..Start::default() }))
    }

    fn live(full_duplex: bool) -> Leg {
        let mut leg = Leg::new(at(0));
        leg.handle(at(0), Input::Binary(&start(full_duplex)));
        assert!(matches!(leg.poll(), Some(Output::Admit(Start { name, .. })) if name == START));
        leg.handle(at(0), Input::Admitted);
        assert!(leg.poll().is_none());
        leg
    }

    fn microphone(leg: &mut Leg, n: u64, level: i16) -> Vec<Output<Start>> {
        leg.handle(at(n * 20), Input::Binary(&printed(&Message::Sound([level; LINE_FRAME]))));
        std::iter::from_fn(|| leg.poll()).collect()
    }

    /// The speaker's frame of what came out.
    fn speaker(out: &[Output<Start>]) -> Option<i16> {
        out.iter().find_map(|output| match output {
            Output::Send(Frame::Binary(bytes)) if bytes[0] == 0x10 => Some(i16::from_le_bytes([bytes[3], bytes[4]])),
            _ => None,
        })
    }

    fn events(out: Vec<Output<Start>>) -> Vec<LegEvent> {
        let event = |output| match output {
            Output::Event(LegEvent::Audio { .. }) => None,
            Output::Event(event) => Some(event),
            _ => None,
        };
        out.into_iter().filter_map(event).collect()
    }

    #[test]
    fn frames_go_both_ways_and_marks_come_when_they_were_heard() {
        let mut leg = live(true);
        for level in [1, 2] {
            leg.handle(at(0), Input::Command(LegCommand::Audio(vec![level; LINE_FRAME])));
        }
        leg.handle(at(0), Input::Command(LegCommand::Mark(7)));
        let out = microphone(&mut leg, 1, 50);
        assert_eq!(speaker(&out), Some(1));
        assert!(out.contains(&Output::Event(LegEvent::Audio { pcm: vec![50; LINE_FRAME], at_ms: 0 })));
        let out = microphone(&mut leg, 2, 51);
        assert_eq!(speaker(&out), Some(2));
        assert!(out.contains(&Output::Event(LegEvent::Audio { pcm: vec![51; LINE_FRAME], at_ms: 20 })));
        let mut frames = 0;
        let played = loop {
            let out = microphone(&mut leg, 3 + frames, 0);
            assert_eq!(speaker(&out), Some(0), "silence follows");
            frames += 1;
            let events = events(out);
            if !events.is_empty() {
                break events;
            }
        };
        assert_eq!((played, frames), (vec![LegEvent::MarkPlayed(7)], BUFFER_FRAMES));
    }

    #[test]
    fn after_a_clear_nothing_queued_is_heard() {
        let mut leg = live(true);
        for _ in 0..10 {
            leg.handle(at(0), Input::Command(LegCommand::Audio(vec![9; LINE_FRAME])));
        }
        leg.handle(at(0), Input::Command(LegCommand::Mark(1)));
        microphone(&mut leg, 1, 0);
        leg.handle(at(20), Input::Command(LegCommand::Clear));
        assert_eq!(leg.poll(), Some(Output::Event(LegEvent::MarkFlushed(1))));
        for n in 2..30 {
            let out = microphone(&mut leg, n, 0);
            assert_eq!(speaker(&out), Some(0));
            assert_eq!(events(out), []);
        }
    }

    #[test]
    fn a_loudspeaker_shuts_the_microphone() {
        let mut leg = live(false);
        leg.handle(at(0), Input::Command(LegCommand::Audio(vec![8_000; LINE_FRAME])));
        let heard = |out: Vec<Output<Start>>| {
            out.into_iter().find_map(|output| match output {
                Output::Event(LegEvent::Audio { pcm, .. }) => Some(pcm[0]),
                _ => None,
            })
        };
        assert_eq!(heard(microphone(&mut leg, 1, 4_000)), Some(0));
        let shut = (2..100).find(|n| heard(microphone(&mut leg, *n, 30)) != Some(0)).unwrap();
        assert_eq!(u128::from(shut - 1) * 20, limits::ECHO_TAIL.as_millis() + 20, "the tail is over");
    }

    #[test]
    fn every_end_is_told_once() {
        let cases: [(fn(&mut Leg), LegEnd); 6] = [
            (|leg| leg.handle(at(9), Input::Binary(&printed(&Message::Over(String::new())))), LegEnd::HungUp),
            (|leg| leg.handle(at(9), Input::PeerClosed(None)), LegEnd::Lost),
            (|leg| leg.handle(at(9), Input::Broken), LegEnd::Lost),
            (|leg| leg.handle(at(9), Input::Stalled), LegEnd::Lost),
            (|leg| leg.handle(at(9), Input::CallGone), LegEnd::ClosedByUs),
            (|leg| leg.handle(at(15_000), Input::Tick), LegEnd::Lost),
        ];
        for (case, (end_it, end)) in cases.into_iter().enumerate() {
            let mut leg = live(true);
            leg.handle(at(0), Input::Command(LegCommand::Mark(3)));
            end_it(&mut leg);
            end_it(&mut leg);
            let out: Vec<_> = std::iter::from_fn(|| leg.poll()).collect();
            assert!(matches!(out.last(), Some(Output::Close { .. })), "{case}");
            assert_eq!(events(out), [LegEvent::MarkFlushed(3), LegEvent::Closed(end)], "{case}");
            assert_eq!(leg.deadline(), None);
            leg.handle(at(16_000), Input::Binary(&printed(&Message::Key('1'))));
            leg.handle(at(16_000), Input::Command(LegCommand::Audio(vec![1; LINE_FRAME])));
            assert!(leg.poll().is_none(), "{case}");
        }
    }

    #[test]
    fn what_was_said_last_is_heard_before_the_end() {
        let mut leg = live(true);
        leg.handle(at(0), Input::Command(LegCommand::Audio(vec![5; LINE_FRAME])));
        leg.handle(at(0), Input::Command(LegCommand::Mark(1)));
        leg.handle(at(0), Input::Command(LegCommand::Hangup));
        let mut all = Vec::new();
        for n in 1..10 {
            all.extend(microphone(&mut leg, n, 0));
        }
        assert_eq!(speaker(&all), Some(5));
        assert_eq!(events(all), [LegEvent::MarkPlayed(1), LegEvent::Closed(LegEnd::ClosedByUs)]);
    }

    #[test]
    fn who_says_nothing_or_nonsense_is_not_waited_for() {
        let mut leg = Leg::new(at(0));
        leg.handle(at(1), Input::Binary(&printed(&Message::Key('1'))));
        leg.handle(at(1), Input::Binary(&[0x55, 0, 1, 2]));
        leg.handle(at(4_999), Input::Tick);
        assert_eq!(leg.oddities(), [("before_start", 2)]);
        leg.handle(at(5_000), Input::Tick);
        let out: Vec<_> = std::iter::from_fn(|| leg.poll()).collect();
        assert!(
            matches!(out[..], [Output::Notice("before_start"), Output::Close { reason: "no start", .. }]),
            "{out:?}"
        );

        let mut leg = live(true);
        leg.handle(at(1), Input::Binary(&start(true)));
        for n in 0..200 {
            leg.handle(at(1), Input::Command(LegCommand::Audio(vec![n; LINE_FRAME])));
        }
        let kinds: Vec<_> = leg.oddities().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["overrun", "second_start"]);
        let out: Vec<_> = std::iter::from_fn(|| leg.poll()).collect();
        assert_eq!(out.len(), 2, "one notice a kind");
    }
}
