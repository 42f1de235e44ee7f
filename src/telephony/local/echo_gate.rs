//! Half-duplex with a door in it: while the agent is to be heard, the microphone is shut, except for whoever
//! speaks over it. Behind an echo canceller, so that "over it" can be told.
//! Promise: what the agent says never comes back as the caller's words before the canceller knows the room;
//! the door is open whenever the speaker is silent.

use super::echo_canceller::{Cleaned, EchoCanceller};
use crate::base::audio::LINE_FRAME;
use crate::base::limits;

/// Louder than this the speaker is heard, mean square of 16-bit samples.
const AUDIBLE: f32 = 60.0 * 60.0;
/// What is left must be this much over what the canceller usually leaves, and over the room's own noise.
const OVER_REST: f32 = 4.0;
const OVER_NOISE: f32 = 6.0;
/// The canceller knows the room when it leaves no more than this of the echo.
const KNOWN: f32 = 0.2;
/// How quickly it is learned what is left at most, a frame: up at once, down slowly.
const UP: f32 = 0.2;
const DOWN: f32 = 0.01;
/// The same of the room's noise, which is the least that is heard.
const NOISE_UP: f32 = 0.001;
const NOISE_DOWN: f32 = 0.1;
/// A room answers for longer than a frame: the echo expected in one counts in the next ones by this share.
const LINGERS: f32 = 0.7;
/// Frames in a row that somebody must speak, and frames that the door stays open after.
const SPEAKS_FRAMES: u32 = 3;
const STAYS_FRAMES: u32 = 20;

#[derive(Debug)]
pub(super) struct EchoGate {
    canceller: EchoCanceller,
    /// What is left of the echo at most, as a share of it.
    rest: f32,
    /// The echo that is expected, with what lingers of it.
    echo: f32,
    /// Mean square of the room when nobody speaks.
    noise: f32,
    /// Frames since the speaker was last heard.
    silent: u32,
    speaks: u32,
    open: u32,
}

impl Default for EchoGate {
    fn default() -> Self {
        Self {
            canceller: EchoCanceller::new(),
            rest: 1.0,
            echo: 0.0,
            noise: AUDIBLE,
            silent: u32::MAX,
            speaks: 0,
            open: 0,
        }
    }
}

impl EchoGate {
    /// What the call gets to hear of `microphone` while `played` leaves for the speaker.
    pub(super) fn push(&mut self, played: &[i16; LINE_FRAME], microphone: &[i16; LINE_FRAME]) -> [i16; LINE_FRAME] {
        let speaker = played.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / LINE_FRAME as f32;
        self.silent = if speaker > AUDIBLE { 0 } else { self.silent.saturating_add(1) };
        let cleaned = self.canceller.push(played, microphone);
        if u128::from(self.silent) * 20 > limits::ECHO_TAIL.as_millis() {
            self.learn_noise(cleaned.heard);
            (self.speaks, self.open) = (0, 0);
            return cleaned.pcm;
        }
        self.watch(&cleaned);
        if self.open > 0 { cleaned.pcm } else { [0; LINE_FRAME] }
    }

    fn learn_noise(&mut self, heard: f32) {
        let rate = if heard < self.noise { NOISE_DOWN } else { NOISE_UP };
        self.noise += rate * (heard - self.noise);
    }

    fn watch(&mut self, cleaned: &Cleaned) {
        let Cleaned { echo, rest, .. } = *cleaned;
        self.echo = echo.max(LINGERS * self.echo);
        let expected = self.rest * self.echo;
        let over = rest > OVER_REST * expected && rest > OVER_NOISE * self.noise && rest > AUDIBLE;
        let speaks = over && self.rest < KNOWN;
        self.speaks = if speaks { self.speaks + 1 } else { 0 };
        if self.speaks >= SPEAKS_FRAMES {
            self.open = STAYS_FRAMES;
        } else {
            self.open = self.open.saturating_sub(1);
        }
        if !speaks && self.open == 0 && echo > AUDIBLE {
            let share = (rest / self.echo).min(1.0);
            let rate = if share < self.rest { DOWN } else { UP };
            self.rest += rate * (share - self.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephony::local::echo_canceller::tests::{room, talk, through};

    /// Frames that reached the call, of those in `from..to` seconds that were not silent.
    fn passed(out: &[[i16; LINE_FRAME]], from: usize, to: usize) -> usize {
        out[from * 50..to * 50].iter().filter(|frame| frame.iter().any(|s| s.unsigned_abs() > 100)).count()
    }

    fn run(far: &[i16], microphone: &[i16]) -> Vec<[i16; LINE_FRAME]> {
        let mut gate = EchoGate::default();
        let frames = far.as_chunks().0.iter().zip(microphone.as_chunks().0);
        frames.map(|(far, near)| gate.push(far, near)).collect()
    }

    #[test]
    fn the_agent_is_not_its_own_caller_but_can_be_interrupted() {
        let seconds = |n: usize| n * 8_000;
        let mut far = talk(0, seconds(14));
        far.extend(vec![0; seconds(3)]);
        let mut random = fastrand::Rng::with_seed(5);
        for (what, delay, rt60, gain) in [("desk", 20, 120, 0.5), ("room", 60, 250, 0.5), ("usb", 160, 200, 0.3)] {
            let echo = through(&far, &room(delay, rt60, gain, 3));
            let mut near: Vec<i16> = (0..far.len()).map(|_| random.i16(-20..20)).collect();
            for (into, voice) in near[seconds(9)..seconds(11)].iter_mut().zip(talk(5, seconds(2))) {
                *into += voice;
            }
            for (into, voice) in near[seconds(15)..seconds(16)].iter_mut().zip(talk(6, seconds(1))) {
                *into += voice;
            }
            let microphone: Vec<i16> = echo.iter().zip(&near).map(|(a, b)| a.saturating_add(*b)).collect();
            let out = run(&far, &microphone);
            let leaked = passed(&out, 0, 9) + passed(&out, 12, 14);
            let heard = passed(&out, 9, 11);
            let first = out[450..550].iter().position(|frame| frame.iter().any(|s| s.unsigned_abs() > 100));
            let after = passed(&out, 15, 16);
            println!(
                "{what}: {leaked} of 550 frames of echo leaked; of 100 frames over it {heard} heard, first after {first:?}; {after} of 50 in silence"
            );
            assert!(leaked <= 11, "{what}: {leaked} frames leaked");
            assert!(heard >= 30 && first.is_some_and(|first| first < 40), "{what}: {heard} heard, first {first:?}");
            assert!(after >= 20, "{what}: {after}");
        }
    }

    #[test]
    fn a_silent_speaker_shuts_nothing() {
        let near = talk(1, 16_000);
        let out = run(&vec![0; near.len()], &near);
        let flat: Vec<i16> = out.into_iter().flatten().collect();
        assert_eq!(flat, near);
    }
}
