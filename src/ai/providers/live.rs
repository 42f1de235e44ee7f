//! Sound sent to a recogniser while the caller is still speaking.
//! Promise: pieces have the size and the coding that the provider was told of; nothing of the sound is
//! lost or sent twice; an utterance nobody waits for any more closes its socket.
//! Absent on purpose: what the providers answer, and who is asked.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::{Endpoint, sound};
use crate::ai::Fault;
use crate::ai::stt::{Awaited, Listening, SttText};
use crate::base::audio::{LINE_RATE, STT_RATE};
use crate::base::limits::LIVE_SOUND_QUEUE;
use crate::base::resample::Resampler;
use crate::base::{Clock, Moment, g711};

/// Sound in one message.
const PIECE: Duration = Duration::from_millis(100);

/// How samples travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// What the telephone line carries anyhow: a quarter of the bytes, nothing lost.
    Mulaw8k,
    /// `encoding: linear16`, for lines that carry more than a telephone does.
    Linear16k,
}

impl Coding {
    pub fn of(endpoint: &Endpoint) -> Self {
        if endpoint.text("encoding") == Some("linear16") { Self::Linear16k } else { Self::Mulaw8k }
    }

    /// As Sarvam and Deepgram call them: encoding and rate.
    pub const fn parameters(self) -> (&'static str, &'static str) {
        match self {
            Self::Mulaw8k => ("mulaw", "8000"),
            Self::Linear16k => ("linear16", "16000"),
        }
    }
}

/// Turns 16 kHz samples into messages.
struct Coder {
    /// `None` where samples go as they are.
    to_line: Option<Resampler>,
    pending: Vec<u8>,
    piece: usize,
}

impl Coder {
    fn new(coding: Coding) -> Self {
        let ms = PIECE.as_millis() as usize;
        match coding {
            Coding::Mulaw8k => Self {
                // 16 and 8 kHz always convert; were it otherwise, samples would go as they are and the
                // provider would refuse them.
                to_line: Resampler::new(STT_RATE, LINE_RATE).ok(),
                pending: Vec::new(),
                piece: LINE_RATE as usize * ms / 1_000,
            },
            Coding::Linear16k => Self { to_line: None, pending: Vec::new(), piece: STT_RATE as usize * ms / 1_000 * 2 },
        }
    }

    fn push(&mut self, pcm: &[i16]) -> Vec<Vec<u8>> {
        match &mut self.to_line {
            Some(to_line) => {
                let mut narrow = Vec::with_capacity(pcm.len() / 2 + 16);
                to_line.push(pcm, &mut narrow);
                g711::encode_ulaw(&narrow, &mut self.pending);
            }
            None => self.pending.extend(sound::bytes_of(pcm)),
        }
        let whole = self.pending.len() / self.piece * self.piece;
        let rest = self.pending.split_off(whole);
        let pieces = std::mem::replace(&mut self.pending, rest);
        pieces.chunks(self.piece).map(<[u8]>::to_vec).collect()
    }

    fn finish(&mut self) -> Vec<Vec<u8>> {
        if let Some(to_line) = &mut self.to_line {
            let mut narrow = Vec::new();
            to_line.finish(&mut narrow);
            g711::encode_ulaw(&narrow, &mut self.pending);
        }
        std::mem::take(&mut self.pending).chunks(self.piece).map(<[u8]>::to_vec).collect()
    }
}

/// The sound of an utterance, 16 kHz mono; its end is the end of the utterance.
pub type Sound = BoxStream<'static, Vec<i16>>;

/// An utterance that is known whole.
pub fn whole(pcm: Arc<[i16]>) -> Sound {
    stream::once(async move { pcm.to_vec() }).boxed()
}

/// As messages on the wire.
pub fn coded(sound: Sound, coding: Coding) -> impl Stream<Item = Vec<u8>> + Send {
    stream::unfold((sound, Some(Coder::new(coding))), |(mut sound, coder)| async move {
        let mut coder = coder?;
        match sound.next().await {
            Some(pcm) => Some((coder.push(&pcm), (sound, Some(coder)))),
            None => Some((coder.finish(), (sound, None))),
        }
    })
    .flat_map(stream::iter)
}

/// When the sound ended, which is when waiting for the answer begins, and how long it was.
#[derive(Clone)]
pub struct Watch {
    clock: Clock,
    ended: Arc<OnceLock<(Moment, usize)>>,
}

impl Watch {
    pub fn new(clock: Clock) -> Self {
        Self { clock, ended: Arc::default() }
    }

    pub fn over(&self, sound: Sound) -> Sound {
        let watch = self.clone();
        stream::unfold((sound, 0_usize), move |(mut sound, samples)| {
            let watch = watch.clone();
            async move {
                match sound.next().await {
                    Some(pcm) => {
                        let samples = samples + pcm.len();
                        Some((pcm, (sound, samples)))
                    }
                    None => {
                        // Set once: the stream is not polled after its end.
                        let _ = watch.ended.set((watch.clock.now(), samples));
                        None
                    }
                }
            }
        })
        .boxed()
    }

    /// Time since the end of the sound, and the sound's length.
    pub fn told(&self) -> (Duration, Duration) {
        let (at, samples) = self.ended.get().copied().unwrap_or((self.clock.now(), 0));
        (self.clock.now().since(at), crate::base::audio::duration(samples, STT_RATE))
    }
}

/// A recognition that has begun with `so_far` and goes on while the caller speaks.
pub fn listening<F>(so_far: Arc<[i16]>, ask: impl FnOnce(Sound) -> F) -> Listening
where
    F: Future<Output = Result<SttText, Fault>> + Send + 'static,
{
    let (to, from) = mpsc::channel(LIVE_SOUND_QUEUE);
    let later =
        stream::unfold(from, |mut from: mpsc::Receiver<Vec<i16>>| async move { Some((from.recv().await?, from)) });
    let ask = ask(whole(so_far).chain(later).boxed());
    let (told, answer) = oneshot::channel();
    let pump = async move {
        // Nobody waits any more if that fails.
        let _ = told.send(ask.await);
    };
    Listening { sound: to, pump: pump.boxed(), answer: Awaited { by: 0, answer } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(parts: Vec<Vec<i16>>, coding: Coding) -> Vec<Vec<u8>> {
        coded(stream::iter(parts).boxed(), coding).collect::<Vec<_>>().now_or_never().unwrap()
    }

    proptest! {
        #[test]
        fn however_it_comes_the_same_bytes_are_sent(parts in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..900), 0..12)) {
            let all = parts.concat();
            for coding in [Coding::Mulaw8k, Coding::Linear16k] {
                let (pieces, at_once) = (sent(parts.clone(), coding), sent(vec![all.clone()], coding));
                let most = if coding == Coding::Mulaw8k { 800 } else { 3_200 };
                prop_assert!(pieces.iter().all(|p| !p.is_empty() && p.len() <= most));
                prop_assert!(pieces.iter().rev().skip(1).all(|p| p.len() == most));
                prop_assert_eq!(pieces.concat(), at_once.concat());
                let bytes = if coding == Coding::Mulaw8k { all.len().div_ceil(2) } else { all.len() * 2 };
                prop_assert_eq!(pieces.concat().len(), bytes);
            }
        }
    }
}
