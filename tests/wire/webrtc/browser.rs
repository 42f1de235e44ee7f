//! A browser's side of a call: the carrier's browser, with a tone for a voice.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use vaani::base::audio::LINE_FRAME;
use vaani::telephony::webrtc::carrier::{self, News};
use vaani::telephony::webrtc::codec::{Codec, Ear, Mouth};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Browser {
    line: carrier::Browser,
    open: bool,
    over: bool,
    /// What came while something else was waited for.
    packets: Vec<Vec<i16>>,
    messages: Vec<String>,
    sequence: u16,
    ticks: u32,
    mouth: Mouth,
    ear: Ear,
    phase: usize,
}

impl Browser {
    /// A browser with these codecs, and its offer.
    pub(super) async fn new(codecs: &[Codec]) -> (Self, String) {
        let (line, offer) = carrier::Browser::offer(codecs, &[IpAddr::from([127, 0, 0, 1])]).await.unwrap();
        let browser = Self {
            line,
            open: false,
            over: false,
            packets: Vec::new(),
            messages: Vec::new(),
            sequence: u16::MAX - 5,
            ticks: u32::MAX - 2_000,
            mouth: Mouth::new(codecs[0]).unwrap(),
            ear: Ear::new(codecs[0]).unwrap(),
            phase: 0,
        };
        (browser, offer)
    }

    /// Takes the box's answer and waits for the line.
    pub(super) async fn connect(&mut self, answer: String) {
        self.line.connect(answer).await.expect("the line opens");
    }

    /// 20 ms of a tone, or of silence.
    pub(super) async fn speak(&mut self, loud: bool) {
        let wave = |n: usize| (f64::sin(n as f64 * 400.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
        let frame: Vec<i16> = (0..LINE_FRAME).map(|n| if loud { wave(self.phase + n) } else { 0 }).collect();
        self.phase += LINE_FRAME;
        let payload = self.mouth.say(&frame).unwrap();
        // A line that the box has closed takes nothing; the test sees that elsewhere.
        self.line.send_packet(self.sequence, self.ticks, payload).await;
        self.sequence = self.sequence.wrapping_add(1);
        self.ticks = self.ticks.wrapping_add(self.line.codec().frame_ticks());
    }

    /// Speaks in real time.
    pub(super) async fn speak_for(&mut self, frames: usize, loud: bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..frames {
            ticks.tick().await;
            self.speak(loud).await;
        }
    }

    /// Takes the next that comes.
    async fn take(&mut self) {
        match timeout(PATIENCE, self.line.next()).await.expect("something comes") {
            News::Packet(packet) => {
                assert_eq!(packet.header.payload_type, self.line.payload_type());
                let mut pcm = Vec::new();
                assert!(self.ear.hear(&packet.payload, &mut pcm));
                self.packets.push(pcm);
            }
            News::ChannelOpen => self.open = true,
            News::Message(text) => self.messages.push(text),
            News::ChannelClosed => {}
            News::Closed => self.over = true,
        }
    }

    /// The next packet of the box, decoded; `None`: the line is over.
    pub(super) async fn hear(&mut self) -> Option<Vec<i16>> {
        self.packets.clear(); // what nobody listened to is past
        while self.packets.is_empty() && !self.over {
            self.take().await;
        }
        self.packets.pop()
    }

    pub(super) async fn send(&self, text: &str) {
        assert!(self.line.send_message(text).await);
    }

    /// The next message of this kind; `None`: the line is over.
    pub(super) async fn message(&mut self, kind: &str) -> Option<Value> {
        let found = async {
            loop {
                for text in std::mem::take(&mut self.messages) {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["t"] == kind {
                        return Some(message);
                    }
                }
                if self.over {
                    return None;
                }
                self.take().await;
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no message {kind}"))
    }

    pub(super) async fn opened(&mut self) {
        let open = async {
            while !self.open && !self.over {
                self.take().await;
            }
        };
        timeout(PATIENCE, open).await.expect("the data channel opens");
    }

    pub(super) async fn close(self) {
        self.line.close().await;
    }
}
