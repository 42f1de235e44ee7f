use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::audio::rms;

const AGREED: Agreed = Agreed { voice: 111, keys: Some(110) };

/// A leg with its clock.
struct Line {
    leg: Leg,
    now: Moment,
    sent: Vec<Outgoing>,
    events: Vec<(u64, LegEvent)>,
    told: Vec<String>,
    closed: Option<&'static str>,
}

impl Line {
    fn new(codec: Codec) -> Self {
        let leg = Leg::new(codec, AGREED, 0xffff_fff0_0000, Moment::ZERO).unwrap();
        Self { leg, now: Moment::ZERO, sent: Vec::new(), events: Vec::new(), told: Vec::new(), closed: None }
    }

    fn open(codec: Codec) -> Self {
        let mut line = Self::new(codec);
        line.put(Input::Open);
        line
    }

    fn put(&mut self, input: Input<'_>) {
        self.leg.handle(self.now, input);
        while let Some(output) = self.leg.poll() {
            assert_eq!(self.closed, None, "nothing follows the close: {output:?}");
            match output {
                Output::Event(event) => self.events.push((self.now.as_millis(), event)),
                Output::Send(packet) => self.sent.push(packet),
                Output::Tell(text) | Output::TellNow(text) => self.told.push(text),
                Output::Notice(_) => {}
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    /// Lets time pass as the task does: to each deadline.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.closed.is_none() && self.leg.deadline() <= until {
            self.now = self.now.max(self.leg.deadline());
            self.put(Input::Tick);
        }
        self.now = until;
    }

    fn hear(&mut self, number: u16, payload: &[u8]) {
        let ticks = u32::from(number) * 960;
        self.put(Input::Packet(Packet { payload_type: 111, sequence: number, ticks, payload }));
    }

    fn say(&mut self, frames: usize) {
        for _ in 0..frames {
            self.put(Input::Command(LegCommand::Audio(vec![1_000; LINE_FRAME])));
        }
    }

    fn ends(&self) -> Vec<LegEnd> {
        self.events.iter().filter_map(|(_, e)| if let LegEvent::Closed(end) = e { Some(*end) } else { None }).collect()
    }

    fn marks(&self) -> Vec<(u64, LegEvent)> {
        let is_mark = |event: &LegEvent| matches!(event, LegEvent::MarkPlayed(_) | LegEvent::MarkFlushed(_));
        self.events.iter().filter(|(_, event)| is_mark(event)).cloned().collect()
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn opus(frames: usize) -> Vec<Vec<u8>> {
    let mut mouth = Mouth::new(Codec::Opus).unwrap();
    let wave = |n: usize| (f64::sin(n as f64 * 300.0 * std::f64::consts::TAU / 8_000.0) * 8_000.0) as i16;
    (0..frames)
        .map(|f| mouth.say(&(f * LINE_FRAME..(f + 1) * LINE_FRAME).map(wave).collect::<Vec<_>>()).unwrap())
        .collect()
}

#[test]
fn a_packet_leaves_every_20_ms_with_sound_or_silence() {
    let mut line = Line::open(Codec::Opus);
    line.pass(ms(100));
    line.say(3);
    line.pass(ms(900));
    assert_eq!(line.sent.len(), 51);
    for pair in line.sent.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].ticks, pair[0].ticks.wrapping_add(960));
    }
    let marked: Vec<usize> = (0..51).filter(|at| line.sent[*at].marker).collect();
    assert_eq!(marked, [6], "the first frame of the sound");
}

#[test]
fn nothing_is_sent_before_the_line_is_open() {
    let mut line = Line::new(Codec::Opus);
    line.say(3);
    line.hear(1, &opus(1)[0]);
    line.pass(ms(5_000));
    assert!(line.sent.is_empty() && line.events.is_empty());
}

#[test]
fn a_mark_is_played_after_what_was_sent_before_it() {
    let mut line = Line::open(Codec::Opus);
    line.pass(ms(10));
    line.say(3);
    line.put(Input::Command(LegCommand::Mark(7)));
    line.put(Input::Command(LegCommand::Mark(8)));
    line.pass(ms(300));
    // Frames leave at 20, 40 and 60 ms; the last has been played 20 ms and a browser's buffer later.
    assert_eq!(line.marks(), [(140, LegEvent::MarkPlayed(7)), (140, LegEvent::MarkPlayed(8))]);
    line.put(Input::Command(LegCommand::Mark(9)));
    line.pass(ms(100));
    assert_eq!(line.marks()[2].1, LegEvent::MarkPlayed(9), "with nothing before it, at once");
}

#[test]
fn clear_throws_away_what_is_queued_and_its_marks() {
    let mut line = Line::open(Codec::Opus);
    line.say(1);
    line.put(Input::Command(LegCommand::Mark(1)));
    line.pass(ms(25));
    line.say(10);
    line.put(Input::Command(LegCommand::Mark(2)));
    line.put(Input::Command(LegCommand::Clear));
    let before = line.sent.len();
    line.pass(ms(500));
    assert!(line.sent[before..].iter().all(|packet| !packet.marker), "no sound after the clear");
    let marks: Vec<LegEvent> = line.marks().into_iter().map(|(_, event)| event).collect();
    assert_eq!(marks, [LegEvent::MarkFlushed(2), LegEvent::MarkPlayed(1)]);
    assert_eq!(line.told, [wire::clear()], "the page has sound that was sent before");
}

#[test]
fn what_is_said_after_a_clear_waits_until_the_page_plays_again() {
    let mut line = Line::open(Codec::Opus);
    line.say(5);
    line.pass(ms(50));
    line.put(Input::Command(LegCommand::Clear));
    let (before, cleared) = (line.sent.len(), line.now);
    line.say(3);
    line.put(Input::Command(LegCommand::Mark(4)));
    line.pass(limits::WEBRTC_HUSH - ms(20));
    assert!(line.sent[before..].iter().all(|packet| !packet.marker), "it would be lost on a silent page");
    line.pass(ms(300));
    assert_eq!(line.sent[before..].iter().filter(|packet| packet.marker).count(), 1);
    let played = line.marks().into_iter().find(|(_, event)| *event == LegEvent::MarkPlayed(4)).unwrap().0;
    assert!(Moment::from_millis(played).since(cleared) >= limits::WEBRTC_HUSH + ms(60), "{played}");
}

#[test]
fn hanging_up_sends_what_is_queued_first() {
    let mut line = Line::open(Codec::Pcmu);
    line.say(5);
    line.put(Input::Command(LegCommand::Mark(3)));
    line.put(Input::Command(LegCommand::Hangup));
    line.put(Input::Command(LegCommand::Audio(vec![9; 160])));
    assert_eq!(line.closed, None);
    line.pass(ms(1_000));
    assert_eq!(line.closed, Some("call over"));
    assert_eq!(line.ends(), [LegEnd::ClosedByUs]);
    assert_eq!(line.marks().len(), 1);
    let sounds = line.sent.iter().filter(|packet| packet.payload.iter().any(|b| *b != 0xff)).count();
    assert_eq!(sounds, 5);
    assert!(line.told.last().unwrap().contains("bye"));
}

#[test]
fn sound_is_heard_in_order_with_its_media_time() {
    let mut line = Line::open(Codec::Opus);
    let packets = opus(60);
    for (at, packet) in packets.iter().enumerate() {
        if at == 20 || at == 40 || at == 41 {
            line.pass(ms(20));
            continue; // lost
        }
        line.hear(at as u16, packet);
        line.pass(ms(20));
    }
    let mut end = None;
    let mut all = Vec::new();
    for (_, event) in &line.events {
        let LegEvent::Audio { pcm, at_ms } = event else { continue };
        if let Some(end) = end {
            assert_eq!(*at_ms, end, "no gap is left");
        }
        end = Some(at_ms + pcm.len() as u64 / 8);
        all.extend_from_slice(pcm);
    }
    assert!(all.len() >= 59 * LINE_FRAME, "{}", all.len());
    // The second of two has only what the decoder makes up, and that fades.
    for lost in [20, 40] {
        let part = &all[lost * LINE_FRAME..(lost + 1) * LINE_FRAME];
        assert!(rms(part) > 1_500.0, "packet {lost} was made up for: {}", rms(part));
    }
    assert_eq!(line.leg.lost_packets(), 3);
}

#[test]
fn a_long_gap_shows_in_the_media_time() {
    for codec in [Codec::Opus, Codec::Pcma] {
        let mut line = Line::open(codec);
        let mut mouth = Mouth::new(codec).unwrap();
        let packet = mouth.say(&[500; LINE_FRAME]).unwrap();
        for at in (0..10_u16).chain(60..70) {
            let ticks = u32::from(at) * codec.frame_ticks();
            line.put(Input::Packet(Packet { payload_type: 111, sequence: at, ticks, payload: &packet }));
            line.pass(ms(20));
        }
        line.pass(ms(100));
        let times: Vec<u64> = line
            .events
            .iter()
            .filter_map(|(_, e)| if let LegEvent::Audio { at_ms, .. } = e { Some(*at_ms) } else { None })
            .collect();
        let base = times[0];
        assert!(times.contains(&(base + 1_200)), "{codec:?}: {times:?}");
        assert!(times.is_sorted());
    }
}

#[test]
fn keys_come_once_each_by_either_way() {
    let mut line = Line::open(Codec::Opus);
    let packets = opus(4);
    line.hear(0, &packets[0]);
    for (sequence, end) in [(1, 0), (2, 0), (3, 0x80), (4, 0x80), (5, 0x80)] {
        let payload = [5, end | 10, 3, 192];
        line.put(Input::Packet(Packet { payload_type: 110, sequence, ticks: 960, payload: &payload }));
    }
    line.put(Input::Packet(Packet { payload_type: 110, sequence: 6, ticks: 9_600, payload: &[11, 0, 0, 0] }));
    line.put(Input::Message(r#"{"t":"dtmf","d":"5"}"#));
    let keys: String =
        line.events.iter().filter_map(|(_, e)| if let LegEvent::Dtmf(key) = e { Some(*key) } else { None }).collect();
    assert_eq!(keys, "5#5");
    assert_eq!(line.leg.lost_packets(), 0);
}

#[test]
fn messages_are_answered_and_bounded() {
    let mut line = Line::open(Codec::Opus);
    line.put(Input::Message(r#"{"t":"ping","n":9}"#));
    assert!(line.told[0].contains("pong") && line.told[0].contains('9'));
    for _ in 0..200 {
        line.put(Input::Message("nonsense"));
    }
    let odd: Vec<_> = line.leg.oddities().collect();
    assert!(odd.iter().any(|(name, count)| *name == "too_many_messages" && *count > 150), "{odd:?}");
    line.pass(ms(1_100));
    line.put(Input::Message(r#"{"t":"ctl","op":"hangup"}"#));
    assert_eq!(line.ends(), [LegEnd::HungUp]);
    assert!(line.closed.is_some());
}

#[test]
fn every_wait_has_an_end() {
    let mut line = Line::new(Codec::Opus);
    line.pass(Duration::from_secs(60));
    assert_eq!((line.closed, line.ends()), (Some("no connection"), vec![LegEnd::Lost]));

    let mut line = Line::open(Codec::Opus);
    line.pass(Duration::from_secs(60));
    assert_eq!(line.ends(), [LegEnd::Lost]);
    assert!(line.events[0].0 <= 20_020, "no sound came");

    let mut line = Line::open(Codec::Opus);
    line.hear(1, &opus(1)[0]);
    line.pass(Duration::from_secs(60));
    let (at, end) = line.events.last().unwrap();
    assert_eq!(*end, LegEvent::Closed(LegEnd::Lost));
    let bound = limits::WEBRTC_SILENT_MAX.as_millis() as u64;
    assert!((bound..bound + 100).contains(at), "{at}");

    let mut line = Line::open(Codec::Opus);
    line.put(Input::Broken);
    assert_eq!(line.ends(), [LegEnd::Lost]);
    line.put(Input::HungUp);
    line.put(Input::CallGone);
    assert_eq!(line.ends().len(), 1);
}

#[test]
fn a_stall_of_ours_is_not_made_good_in_a_burst() {
    let mut line = Line::open(Codec::Opus);
    line.pass(ms(100));
    let before = line.sent.len();
    line.now = line.now + ms(2_000);
    line.put(Input::Tick);
    assert!(line.sent.len() - before <= CATCH_UP_FRAMES as usize + 1);
    let (last, first) = (line.sent.last().unwrap(), &line.sent[0]);
    let ticks = last.ticks.wrapping_sub(first.ticks) / 960;
    assert!((103..=106).contains(&ticks), "time passed for the browser too: {ticks} frames");
}

proptest! {
    /// Whatever comes in whatever order: one end, nothing after it, marks answered once, bounded queues.
    #[test]
    fn the_contract_holds(steps in proptest::collection::vec((0_u8..14, any::<u16>(), 0_u64..80), 1..200)) {
        let mut line = Line::new(Codec::Pcmu);
        let mut asked = 0;
        for (kind, number, time) in steps {
            match kind {
                0 | 1 => line.put(Input::Open),
                2 | 3 => line.hear(number, &number.to_be_bytes().repeat(usize::from(number) % 90)),
                4 => line.put(Input::Packet(Packet {
                    payload_type: (number % 128) as u8,
                    sequence: number,
                    ticks: u32::from(number) << 7,
                    payload: &[1, 2, 3, 4],
                })),
                5..=7 => line.say(usize::from(number % 9)),
                8 => {
                    if line.closed.is_none() {
                        asked += 1;
                    }
                    line.put(Input::Command(LegCommand::Mark(asked)));
                }
                9 => line.put(Input::Command(LegCommand::Clear)),
                10 => line.put(Input::Message(["{}", r#"{"t":"dtmf","d":"1"}"#][usize::from(number % 2)])),
                11 if number < 3_000 => line.put(Input::Command(LegCommand::Hangup)),
                12 if number < 1_000 => line.put(Input::HungUp),
                13 if number < 1_000 => line.put(Input::Broken),
                _ => {}
            }
            line.pass(ms(time));
            prop_assert!(line.leg.frames <= limits::WEBRTC_PLAYOUT_MAX);
            prop_assert!(line.ends().len() <= 1);
            prop_assert_eq!(line.ends().len() == 1, line.closed.is_some());
        }
        line.pass(Duration::from_secs(4_000));
        prop_assert_eq!(line.ends().len(), 1, "it ends");
        let mut seen: Vec<u64> = line.marks().into_iter().map(|(_, event)| match event {
            LegEvent::MarkPlayed(mark) | LegEvent::MarkFlushed(mark) => mark,
            _ => 0,
        }).collect();
        seen.sort_unstable();
        let once = seen.len();
        seen.dedup();
        prop_assert_eq!(seen.len(), once, "each once");
    }
}
