use super::*;
use crate::base::Moment;
use crate::call::bench::Bench;
use crate::call::machine::Input;
use crate::media::noise::{Colour, Noise};
use crate::media::pace::Pacer;
use crate::telephony::exotel::machine::{Leg, Terms};
use crate::telephony::leg::{LegCommand, LegEvent};
use crate::telephony::stream::{self, Frame, Machine as _, payload};

/// What is noticed of frames that are loud or not.
fn noticed(loud: &[bool]) -> Vec<(usize, Heard)> {
    let mut hearing = Hearing::new(Sense::Level).unwrap();
    let mut all = Vec::new();
    for (n, loud) in loud.iter().enumerate() {
        let mut heard = Vec::new();
        hearing.push(n as u64 * 20, &[if *loud { 3_000 } else { 0 }; LINE_FRAME], &mut heard);
        all.extend(heard.into_iter().map(|heard| (n, heard)));
    }
    all
}

#[test]
fn two_frames_of_a_voice_stir_and_a_click_does_not() {
    let stirs = |pattern: &str| -> Vec<usize> {
        let loud: Vec<bool> = pattern.chars().map(|c| c == 'x').collect();
        noticed(&loud).into_iter().filter(|(_, heard)| *heard == Heard::Stirring).map(|(n, _)| n).collect()
    };
    for (pattern, expected) in [
        ("....x...............", &[][..]),
        ("....x....x....x.....", &[]),
        ("....xx..............", &[5]),
        ("....x.x.............", &[6]),
        ("....xxx.............", &[5]),
        // Told again only when it was quiet in between.
        ("....xx..xx..........", &[5]),
        ("....xx..............xx", &[5, 21]),
        // Somebody who speaks stirs once, before they are known to speak.
        ("....xxxxxxxxxxxxxxxx", &[5]),
    ] {
        assert_eq!(stirs(pattern), expected, "{pattern}");
    }
    let all = noticed(&[true; 20]);
    assert!(matches!(&all[..], [(1, Heard::Stirring), (5, Heard::SpeechStarted { .. })]), "{all:?}");
}

#[test]
fn noise_stirs_seldom() {
    // A typist beside the telephone does; each stroke that is taken for more costs a pause of an instant.
    for (colour, level, most) in [(Colour::Pink, -42.0, 0), (Colour::Pink, -30.0, 0), (Colour::Keys, -30.0, 20)] {
        let mut hearing = Hearing::new(Sense::Voice).unwrap();
        let mut heard = Vec::new();
        for (n, frame) in Noise::new(colour, 5).take(60 * 8_000, level).chunks(LINE_FRAME).enumerate() {
            hearing.push(n as u64 * 20, frame, &mut heard);
        }
        let stirs = heard.iter().filter(|heard| **heard == Heard::Stirring).count();
        assert!(stirs <= most, "{colour:?} at {level} dBFS: {stirs} in a minute");
    }
}

#[test]
fn the_leg_is_told_who_may_be_about_to_speak_over_the_agent() {
    let mut bench = Bench::new();
    let mut at_ms = 0;
    let mut caller = |bench: &mut Bench, level: i16, frames: usize| {
        bench.leg.clear();
        for _ in 0..frames {
            bench.now = bench.now + Duration::from_millis(20);
            bench.give(Input::Leg(LegEvent::Audio { pcm: vec![level; LINE_FRAME], at_ms }));
            at_ms += 20;
        }
        bench.leg.iter().filter(|command| !matches!(command, LegCommand::Audio(_))).cloned().collect::<Vec<_>>()
    };
    caller(&mut bench, 0, 20);
    assert!(!caller(&mut bench, 3_000, 3).contains(&LegCommand::Hush), "the agent is silent");
    caller(&mut bench, 0, 50);
    bench.machine.say("this is the first part, this is the second part, this is the third part");
    bench.give(Input::Tick);
    caller(&mut bench, 0, 4);
    assert_eq!(caller(&mut bench, 3_000, 3), [LegCommand::Hush], "and nothing else happens yet");
    assert_eq!(caller(&mut bench, 3_000, 4), [LegCommand::Clear], "until it is a voice");
}

/// Exotel at the far end of a leg, by the millisecond: brings the caller's sound in messages of 100 ms, and plays
/// out what it has begun whatever it is told.
struct Exotel {
    leg: Leg,
    rate: u32,
    /// When each piece begins and ends.
    pieces: VecDeque<(Moment, Moment)>,
    dry: Moment,
}

impl Exotel {
    fn new(rate: u32) -> Self {
        let mut leg = Leg::new(Moment::ZERO, Terms { rate: Some(rate), chunk_bytes: limits::EXOTEL_CHUNK as usize });
        let start = r#"{"event":"start","stream_sid":"s","start":{"stream_sid":"s","call_sid":"c"}}"#;
        leg.handle(Moment::ZERO, stream::Input::Text(start));
        while leg.poll().is_some() {}
        leg.handle(Moment::ZERO, stream::Input::Admitted);
        Self { leg, rate, pieces: VecDeque::new(), dry: Moment::ZERO }
    }

    /// What happens; the caller's sound as the call gets it.
    fn give(&mut self, now: Moment, input: stream::Input<'_>) -> Vec<(u64, Vec<i16>)> {
        self.leg.handle(now, input);
        let mut heard = Vec::new();
        while let Some(output) = self.leg.poll() {
            match output {
                stream::Output::Event(LegEvent::Audio { pcm, at_ms }) => heard.push((at_ms, pcm)),
                stream::Output::Send(Frame::Text(text)) => self.told(now, &text),
                _ => {}
            }
        }
        heard
    }

    fn told(&mut self, now: Moment, text: &str) {
        let message: serde_json::Value = serde_json::from_str(text).unwrap();
        match message["event"].as_str().unwrap() {
            "media" => {
                let mut bytes = Vec::new();
                payload::decode(message["media"]["payload"].as_str().unwrap(), &mut bytes).unwrap();
                let begins = self.dry.max(now);
                self.dry = begins + crate::base::audio::duration(bytes.len() / 2, self.rate);
                self.pieces.push_back((begins, self.dry));
            }
            "clear" => {
                self.pieces.retain(|(begins, _)| *begins <= now);
                self.dry = self.pieces.back().map_or(now, |(_, ends)| *ends);
            }
            _ => {}
        }
    }

    /// The caller's last 100 ms, who speaks from `since` on.
    fn message(&self, now: Moment, since: Moment) -> String {
        let count = self.rate as usize / 10;
        let begins = now - Duration::from_millis(100);
        let silent = (since.since(begins).as_micros() as usize * self.rate as usize / 1_000_000).min(count);
        let samples = (0..count).map(|n| if n < silent { 0_i16 } else { 3_000 });
        let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
        let mut text = String::new();
        payload::encode(&bytes, &mut text);
        let at_ms = begins.since(Moment::ZERO).as_millis();
        format!(
            r#"{{"event":"media","stream_sid":"s","media":{{"chunk":"{}","timestamp":"{at_ms}","payload":"{text}"}}}}"#,
            at_ms / 100 + 1
        )
    }

    /// Milliseconds from the caller's first sound to silence at their ear, if the agent begins to speak and they
    /// break in then.
    fn silent_after(rate: u32, (begins, speaks_at): (u64, u64), hushes: bool) -> u64 {
        let since = Moment::from_millis(speaks_at);
        let mut it = Self::new(rate);
        let mut hearing = Hearing::new(Sense::Level).unwrap();
        let mut pacer = Pacer::new(it.leg.lead());
        for ms in begins..speaks_at + 1_000 {
            let now = Moment::from_millis(ms);
            while pacer.is_due(now) {
                pacer.sent(now);
                it.give(now, stream::Input::Command(LegCommand::Audio(vec![3_000; LINE_FRAME])));
            }
            it.give(now, stream::Input::Tick);
            let mut noticed = Vec::new();
            if ms % 100 == 0 {
                let message = it.message(now, since);
                for (at_ms, pcm) in it.give(now, stream::Input::Text(&message)) {
                    hearing.push(at_ms, &pcm, &mut noticed);
                }
            }
            for heard in noticed {
                match heard {
                    Heard::Stirring if hushes => drop(it.give(now, stream::Input::Command(LegCommand::Hush))),
                    Heard::SpeechStarted { .. } => {
                        it.give(now, stream::Input::Command(LegCommand::Clear));
                        return it.dry.since(since).as_millis() as u64;
                    }
                    _ => {}
                }
            }
        }
        panic!("the voice was not heard");
    }
}

/// Callers who break in at many moments, so that messages and pieces are met at all offsets.
#[test]
fn at_an_exotel_callers_ear_the_agent_is_silent_soon() {
    let spread = |rate, hushes| {
        let moments = (0..30).map(|n| (1 + n * 29 % 200, 400 + n * 41 % 600));
        let mut all: Vec<u64> = moments.map(|moments| Exotel::silent_after(rate, moments, hushes)).collect();
        all.sort_unstable();
        (all[all.len() / 2], all[all.len() - 1])
    };
    // A message of the caller's, 20 ms of two frames, and a piece that has begun: 200, 100 or 67 ms.
    for (rate, median_within, within) in [(8_000, 220, 325), (16_000, 160, 225), (24_000, 150, 195)] {
        let ((median, most), before) = (spread(rate, true), spread(rate, false));
        println!("{rate} Hz: median {median} ms, at most {most}; without a hush {before:?}");
        assert!(median <= median_within && most <= within, "{rate} Hz: median {median} ms, at most {most}");
        assert!(before.1 > most, "{rate} Hz: {before:?} without a hush");
    }
}
