//! Browsers' legs for the load. Unlike a carrier's, each is a client of its own with ICE, DTLS and SRTP, so
//! that a leg is a task; and the box sends one packet every 20 ms whatever is said, so that lateness is
//! measured against the box's own beat: the quickest packet of the leg sets it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::load::Told;
use super::speaker::Sound;
use crate::base::audio::{FRAME, rms};
use crate::base::{Clock, Moment};
use crate::telephony::webrtc::carrier::{Browser, News};
use crate::telephony::webrtc::codec::{Codec, Ear};

/// Louder than this is the echo of speech, 16-bit amplitude.
const AUDIBLE: f32 = 300.0;

pub(super) struct Leg {
    pub(super) number: usize,
    pub(super) browser: Browser,
    pub(super) sound: Arc<Sound>,
}

/// Speaks and notes when packets come, until it is told to stop or the box ends the line.
pub(super) async fn carry(
    leg: Leg,
    mut stop: watch::Receiver<bool>,
    clock: Clock,
    results: mpsc::UnboundedSender<Told>,
) {
    let Leg { number, mut browser, sound } = leg;
    // Legs speak spread out over one frame, as independent callers do.
    let first = Instant::now() + FRAME.mul_f64((number * 7 % 20) as f64 / 20.0);
    let mut nominal = clock.now() + first.duration_since(Instant::now());
    let mut ticks = interval_at(first, FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sequence, mut clock_ticks, mut place) = (0_u16, 0_u32, number * 37);
    let (mut arrivals, mut own) = (Vec::with_capacity(4_096), Vec::with_capacity(4_096));
    let mut ear = Ear::new(Codec::Opus).ok();
    let mut ended_early = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let payload = sound.packets[place % sound.packets.len()].clone();
                let late = clock.now().since(nominal);
                own.push((nominal, u32::try_from(late.as_micros()).unwrap_or(u32::MAX)));
                nominal = nominal + FRAME;
                place += 1;
                if !browser.send_packet(sequence, clock_ticks, payload).await {
                    ended_early = true;
                    break;
                }
                sequence = sequence.wrapping_add(1);
                clock_ticks = clock_ticks.wrapping_add(Codec::Opus.frame_ticks());
            }
            news = browser.next() => match news {
                News::Packet(packet) => {
                    arrivals.push(clock.now());
                    listen(&mut ear, &packet.payload);
                }
                News::Closed => {
                    ended_early = true;
                    break;
                }
                News::Message(_) | News::ChannelOpen | News::ChannelClosed => {}
            },
            _ = stop.changed() => break,
        }
    }
    browser.close().await;
    // Who never heard an echo was answered by somebody else.
    if ear.is_some() {
        arrivals.clear();
    }
    if let Some(began) = beat(&arrivals) {
        drop(results.send(Told::Sent { leg: number, began }));
    }
    drop(results.send(Told::Heard { leg: number, arrivals, ended_early }));
    drop(results.send(Told::OwnLateness(own)));
}

/// Decodes until the first sound; after that it would only take time from what is measured.
fn listen(ear: &mut Option<Ear>, payload: &[u8]) {
    let Some(open) = ear else { return };
    let mut pcm = Vec::new();
    open.hear(payload, &mut pcm);
    if rms(&pcm) > AUDIBLE {
        *ear = None;
    }
}

/// When the first packet was due, by the beat that the quickest of all kept.
fn beat(arrivals: &[Moment]) -> Option<Moment> {
    let first = *arrivals.first()?;
    let early =
        |(n, at): (usize, &Moment)| (FRAME * u32::try_from(n).unwrap_or(u32::MAX)).saturating_sub(at.since(first));
    let most = arrivals.iter().enumerate().map(early).max().unwrap_or(Duration::ZERO);
    Some(first - most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_packet_sets_the_beat() {
        let at = Moment::from_millis;
        assert_eq!(beat(&[at(105), at(121), at(140), at(163)]), Some(at(100)));
        assert_eq!(beat(&[at(100), at(125), at(141)]), Some(at(100)));
        assert_eq!(beat(&[]), None);
    }
}
