//! The load: legs that speak real sound at their carrier's cadence and note when each echoed frame comes back.
//! Cheap on purpose, since it shares the cores with what it measures: sound is encoded once, frames
//! are written straight to the socket, and twenty clocks (spread over one frame) serve
//! all legs, so that they speak spread out as independent callers do.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at};

use super::browsers;
use super::speaker::{Dial, Sound, Speaker, Stream};
use crate::base::tasks::Scope;
use crate::base::{Clock, Moment};

const LANES: u64 = 20;

/// The lanes, ready to take legs.
pub(super) struct Load {
    lanes: Vec<mpsc::UnboundedSender<Leg>>,
    next: usize,
    results: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    stop: watch::Sender<bool>,
    scope: Scope,
    clock: Clock,
    /// How long a frame lasts.
    period: Duration,
    sound: Arc<Sound>,
}

/// Times, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Frames sent and returned while it was measured.
    pub(super) sent: u64,
    pub(super) returned: u64,
    /// How much later than the quickest frame of its leg each frame came back, against the schedule
    /// on which it should have been sent.
    pub(super) lateness: Vec<u32>,
    /// The quickest way there and back of each leg.
    pub(super) quickest: Vec<u32>,
    /// How late the load itself was.
    pub(super) own_lateness: Vec<u32>,
    pub(super) ended_early: usize,
}

pub(super) enum Told {
    /// When a leg began to speak, and when each of its frames came back.
    Heard {
        leg: usize,
        arrivals: Vec<Moment>,
        ended_early: bool,
    },
    Sent {
        leg: usize,
        began: Moment,
    },
    OwnLateness(Vec<(Moment, u32)>),
}

struct Leg {
    number: usize,
    writer: OwnedWriteHalf,
    speaker: Speaker,
    /// Where in the sound this leg is.
    place: usize,
    frame: u64,
}

impl Load {
    /// `sound` is spoken in a circle.
    pub(super) fn start(sound: Arc<Sound>, scope: &Scope, clock: Clock) -> Self {
        let (results, told) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let origin = clock.now();
        let lanes = (0..LANES)
            .map(|lane| {
                let (legs, taken) = mpsc::unbounded_channel();
                let first = origin + sound.period + sound.period.mul_f64(lane as f64 / LANES as f64);
                let lane = Lane { sound: Arc::clone(&sound), clock, first, results: results.clone() };
                scope.spawn("bench lane", lane.run(taken, stopped.clone()));
                legs
            })
            .collect();
        Self { lanes, next: 0, results, told, stop, scope: scope.clone(), clock, period: sound.period, sound }
    }

    /// Dials one more leg and lets it speak.
    pub(super) fn add(&mut self, dial: Dial) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let number = self.next;
        self.next += 1;
        let lane = self.lanes[number % self.lanes.len()].clone();
        let (results, scope, clock) = (self.results.clone(), self.scope.clone(), self.clock);
        let (sound, stop) = (Arc::clone(&self.sound), self.stop.subscribe());
        async move {
            let (socket, speaker) = match dial.open().await? {
                Stream::Socket(socket, speaker) => (*socket, speaker),
                Stream::Browser(browser) => {
                    let leg = browsers::Leg { number, browser: *browser, sound };
                    scope.spawn("bench browser", browsers::carry(leg, stop, clock, results));
                    return Ok(());
                }
            };
            // The box says nothing before it has heard something, so no byte of it is lost here.
            let (reader, writer) = socket.into_inner().into_split();
            scope.spawn("bench ear", hear(number, reader, clock, results));
            // Legs are at different places of the sound, so that they do not all pause at once.
            let leg = Leg { number, writer, speaker, place: number * 37, frame: 0 };
            drop(lane.send(leg));
            Ok(())
        }
    }

    /// Hangs every leg up and gathers what was measured between the two moments.
    pub(super) async fn finish(mut self, from: Moment, to: Moment) -> Measured {
        self.stop.send_replace(true);
        drop((self.lanes, self.results));
        let mut measured = Measured::default();
        let mut began = vec![None; self.next];
        let mut heard = Vec::new();
        while let Some(told) = self.told.recv().await {
            match told {
                Told::Sent { leg, began: at } => began[leg] = Some(at),
                Told::Heard { leg, arrivals, ended_early } => {
                    measured.ended_early += usize::from(ended_early);
                    heard.push((leg, arrivals));
                }
                Told::OwnLateness(list) => {
                    let inside = list.into_iter().filter(|(at, _)| *at >= from && *at < to);
                    measured.own_lateness.extend(inside.map(|(_, late)| late));
                }
            }
        }
        for (leg, arrivals) in heard {
            if let Some(began) = began[leg] {
                measured.add(self.period, began, &arrivals, from, to);
            }
        }
        measured.sent = measured.own_lateness.len() as u64;
        measured
    }
}

impl Measured {
    /// One leg: its k-th frame back is the echo of the k-th one sent. A frame lost on the way makes
    /// all later ones late by a whole one, so a loss cannot hide.
    fn add(&mut self, period: Duration, began: Moment, arrivals: &[Moment], from: Moment, to: Moment) {
        let mut delays: Vec<u32> = Vec::new();
        let mut scheduled = began;
        for arrival in arrivals {
            if scheduled >= from && scheduled < to {
                delays.push(u32::try_from(arrival.since(scheduled).as_micros()).unwrap_or(u32::MAX));
            }
            scheduled = scheduled + period;
        }
        let Some(quickest) = delays.iter().min().copied() else { return };
        self.returned += delays.len() as u64;
        self.quickest.push(quickest);
        self.lateness.extend(delays.into_iter().map(|delay| delay - quickest));
    }
}

struct Lane {
    sound: Arc<Sound>,
    clock: Clock,
    first: Moment,
    results: mpsc::UnboundedSender<Told>,
}

impl Lane {
    async fn run(self, mut taken: mpsc::UnboundedReceiver<Leg>, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval_at(self.clock.instant(self.first).into(), self.sound.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut nominal = self.first;
        let period_ms = self.sound.period.as_millis() as u64;
        let mut legs: Vec<Leg> = Vec::new();
        let mut lateness = Vec::new();
        let (mut text, mut bytes) = (String::new(), Vec::new());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.changed() => break,
            }
            while let Ok(leg) = taken.try_recv() {
                drop(self.results.send(Told::Sent { leg: leg.number, began: nominal }));
                legs.push(leg);
            }
            let mut still = Vec::with_capacity(legs.len());
            for mut leg in legs.drain(..) {
                text.clear();
                let payload = &self.sound.pieces[leg.place % self.sound.pieces.len()];
                leg.speaker.media(payload, leg.frame * period_ms, &mut text);
                leg.place += 1;
                leg.frame += 1;
                frame(&text, &mut bytes);
                let late = self.clock.now().since(nominal);
                lateness.push((nominal, u32::try_from(late.as_micros()).unwrap_or(u32::MAX)));
                if leg.writer.write_all(&bytes).await.is_ok() {
                    still.push(leg);
                }
            }
            legs = still;
            nominal = nominal + self.sound.period;
        }
        for mut leg in legs {
            frame(&leg.speaker.stop(), &mut bytes);
            drop(leg.writer.write_all(&bytes).await);
        }
        drop(self.results.send(Told::OwnLateness(lateness)));
    }
}

/// A client's text frame. The mask is zero, which the protocol allows and which leaves the text as it is.
fn frame(text: &str, out: &mut Vec<u8>) {
    out.clear();
    out.push(0x81);
    match text.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(long).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(text.as_bytes());
}

/// Notes when frames of sound come, until the socket ends.
async fn hear(leg: usize, mut reader: OwnedReadHalf, clock: Clock, results: mpsc::UnboundedSender<Told>) {
    let mut arrivals = Vec::with_capacity(4_096);
    let mut buffer = Vec::with_capacity(4_096);
    let mut closed = false;
    while let Ok(read) = reader.read_buf(&mut buffer).await {
        if read == 0 {
            break;
        }
        let now = clock.now();
        let mut at = 0;
        while let Some((kind, body, end)) = server_frame(&buffer[at..]) {
            if kind == 1 && buffer[at + body..at + end].starts_with(b"{\"event\":\"media\"") {
                arrivals.push(now);
            }
            closed |= kind == 8;
            at += end;
        }
        buffer.drain(..at);
    }
    drop(results.send(Told::Heard { leg, arrivals, ended_early: !closed }));
}

/// Kind, where the payload begins and where the frame ends, once it is complete.
fn server_frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let kind = bytes.first()? & 0x0F;
    let (body, length) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => return None, // the box sends no such frames; the reader stops here and the leg counts as ended early
        short => (2, usize::from(short & 0x7F)),
    };
    (bytes.len() >= body + length).then_some((kind, body, body + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::audio::FRAME;

    #[test]
    fn frames_are_cut_out_of_the_stream() {
        let mut stream = vec![0x81, 5];
        stream.extend(b"hello");
        assert_eq!(server_frame(&stream), Some((1, 2, 7)));
        assert_eq!(server_frame(&stream[..6]), None);
        let mut long = vec![0x81, 126, 1, 0];
        long.extend([b'x'; 256]);
        assert_eq!(server_frame(&long), Some((1, 4, 260)));
        assert_eq!(server_frame(&[0x88, 0]), Some((8, 2, 2)));
        assert_eq!(server_frame(&[]), None);
    }

    #[test]
    fn lateness_is_measured_against_the_schedule_and_the_quickest_frame() {
        let at = Moment::from_millis;
        let mut measured = Measured::default();
        // Sent at 100, 120, 140, 160; the window leaves the first one out, the third is 7 ms late.
        measured.add(FRAME, at(100), &[at(190), at(125), at(152), at(165)], at(110), at(170));
        assert_eq!((measured.returned, measured.quickest, measured.lateness), (3, vec![5_000], vec![0, 7_000, 0]));
        let mut lost = Measured::default();
        lost.add(FRAME, at(0), &[at(5), at(45), at(65)], at(0), at(1_000));
        assert_eq!(lost.lateness, [0, 20_000, 20_000], "a lost frame shows");
    }
}
