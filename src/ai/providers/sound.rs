//! Sound on its way to and from a provider: WAV for recognition, streamed answers of voices.
//! Promise: samples may be split anywhere between reads; whatever a header says, nothing is allocated
//! beyond what came; an answer that is no sound is a fault and never reaches a caller's ear.
//! Absent on purpose: compressed formats (every provider is asked for plain samples).

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, future};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use super::{Endpoint, http};
use crate::ai::tts::{TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::resample::{RATES, Resampler};
use crate::base::{Clock, Moment, audio, limits};

pub use crate::base::audio::STT_RATE;

/// Bytes of one spoken clause: over two minutes at 48 kHz.
const SPEECH_MAX: usize = 16 << 20;
/// Bytes before the samples of a WAV file.
const HEADER_MAX: usize = 64 * 1024;

/// A WAV file of 16 kHz mono.
pub fn wav(pcm: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: STT_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::with_capacity(44 + pcm.len() * 2));
    let written = hound::WavWriter::new(&mut file, spec).and_then(|mut writer| {
        pcm.iter().try_for_each(|sample| writer.write_sample(*sample))?;
        writer.finalize()
    });
    debug_assert!(written.is_ok(), "a vector takes every byte");
    file.into_inner()
}

pub fn bytes_of(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// The length of an utterance, or the fault of sending more than the provider takes.
pub fn length(pcm: &[i16], at_most: Duration, endpoint: &Endpoint) -> Result<Duration, Fault> {
    let lasts = audio::duration(pcm.len(), STT_RATE);
    if lasts > at_most {
        let detail = format!("{} s of sound, at most {} at once", lasts.as_secs(), at_most.as_secs());
        return Err(endpoint.fault(FaultKind::Refused, detail));
    }
    Ok(lasts)
}

/// The fault of a text that the provider would refuse.
pub fn text_length(text: &str, at_most: usize, endpoint: &Endpoint) -> Result<(), Fault> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err(endpoint.fault(FaultKind::Refused, "there is nothing to say"));
    }
    if length > at_most {
        let detail = format!("{length} characters, at most {at_most} at once");
        return Err(endpoint.fault(FaultKind::Refused, detail));
    }
    Ok(())
}

/// A pace within the provider's bounds, with two decimals and no more.
pub fn hundredths(pace: f32, (least, most): (f32, f32)) -> f64 {
    let pace = if pace.is_finite() { pace.clamp(least, most) } else { 1.0 };
    (f64::from(pace) * 100.0).round() / 100.0
}

/// The lowest of the provider's rates (ascending) that loses nothing of the wanted one.
pub fn rate_for(rates: &[u32], wanted: u32) -> u32 {
    rates.iter().copied().find(|rate| *rate >= wanted).or_else(|| rates.last().copied()).unwrap_or(wanted)
}

/// The voice to ask for: the request's, if it is one of this provider's, else the configured one. A
/// name like `espeak:hi+m3` belongs to another engine.
pub fn voice(endpoint: &Endpoint, request: &TtsRequest) -> Option<String> {
    let own = endpoint.id.split('/').next().unwrap_or_default();
    let named = request.voice.as_deref().and_then(|voice| match voice.split_once(':') {
        Some((engine, name)) if engine == own => Some(name),
        Some(_) => None,
        None => Some(voice),
    });
    named.or_else(|| endpoint.voices.get(&request.language).map(String::as_str)).map(str::to_owned)
}

/// Nothing lasts for ever, even if whoever asked forgot its own deadline.
pub async fn within<T>(endpoint: &Endpoint, ask: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    no_longer_than(limits::ENGINE_REQUEST_MAX, endpoint, ask).await
}

async fn no_longer_than<T>(
    limit: Duration,
    endpoint: &Endpoint,
    ask: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(limit, ask).await.unwrap_or_else(|_| Err(late(endpoint)))
}

fn late(endpoint: &Endpoint) -> Fault {
    endpoint.fault(FaultKind::Deadline, format!("no end after {} s", limits::ENGINE_REQUEST_MAX.as_secs()))
}

pub type Pieces = BoxStream<'static, Result<Bytes, Fault>>;

/// The body of a voice's answer, if it is sound that can be read.
pub fn pieces(response: Response, endpoint: &Endpoint) -> Result<Pieces, Fault> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    let foreign = ["text/", "application/json", "application/xml", "audio/mpeg", "audio/mp3", "audio/ogg"];
    if foreign.iter().any(|other| kind.starts_with(other)) {
        return Err(endpoint.fault(FaultKind::Broken, "the answer is not the sound that was asked for"));
    }
    Ok(http::pieces(response, endpoint.clone()))
}

/// One clause as a stream: asks, decodes, converts, accounts.
pub struct Speech {
    pub endpoint: Endpoint,
    pub clock: Clock,
    /// Of the samples that will come, unless a WAV header says otherwise.
    pub from: u32,
    /// Wanted by whoever asked.
    pub to: u32,
    pub voice: String,
}

impl Speech {
    pub fn stream(self, ask: BoxFuture<'static, Result<Pieces, Fault>>) -> TtsStream {
        let ask = if RATES.contains(&self.to) {
            ask
        } else {
            let fault = self.endpoint.fault(FaultKind::Refused, format!("{} samples a second", self.to));
            future::ready(Err(fault)).boxed()
        };
        stream::unfold(Some(Stage::Ask(self, ask)), |stage| async { next(stage?).await }).boxed()
    }
}

enum Stage {
    Ask(Speech, BoxFuture<'static, Result<Pieces, Fault>>),
    Play(Playing),
    Done(TtsUsage),
}

struct Playing {
    speech: Speech,
    pieces: Pieces,
    decoder: Decoder,
    begun: Moment,
    first: Option<Moment>,
    bytes: usize,
    samples: usize,
}

/// The next event and what is to be done after it; a fault is the last event.
async fn next(mut stage: Stage) -> Option<(Result<TtsEvent, Fault>, Option<Stage>)> {
    loop {
        stage = match stage {
            Stage::Ask(speech, ask) => {
                let begun = speech.clock.now();
                match within(&speech.endpoint, ask).await {
                    Ok(pieces) => {
                        let decoder = Decoder::new(speech.from, speech.to);
                        Stage::Play(Playing { speech, pieces, decoder, begun, first: None, bytes: 0, samples: 0 })
                    }
                    Err(fault) => return Some((Err(fault), None)),
                }
            }
            Stage::Play(mut playing) => match playing.piece().await {
                Ok(Some(sound)) if sound.is_empty() => Stage::Play(playing),
                Ok(Some(sound)) => return Some((Ok(TtsEvent::Audio(sound)), Some(Stage::Play(playing)))),
                Ok(None) => match playing.end() {
                    Ok((sound, usage)) if sound.is_empty() => Stage::Done(usage),
                    Ok((sound, usage)) => return Some((Ok(TtsEvent::Audio(sound)), Some(Stage::Done(usage)))),
                    Err(fault) => return Some((Err(fault), None)),
                },
                Err(fault) => return Some((Err(fault), None)),
            },
            Stage::Done(usage) => return Some((Ok(TtsEvent::Done(usage)), None)),
        }
    }
}

impl Playing {
    async fn piece(&mut self) -> Result<Option<Vec<i16>>, Fault> {
        let endpoint = &self.speech.endpoint;
        let left = limits::ENGINE_REQUEST_MAX.saturating_sub(self.speech.clock.now().since(self.begun));
        let next = tokio::time::timeout(left, self.pieces.next()).await.map_err(|_| late(endpoint))?;
        let Some(piece) = next.transpose()? else { return Ok(None) };
        self.bytes += piece.len();
        if self.bytes > SPEECH_MAX {
            return Err(endpoint.fault(FaultKind::Broken, format!("the answer is larger than {SPEECH_MAX} bytes")));
        }
        let mut sound = Vec::new();
        self.decoder.push(&piece, &mut sound).map_err(|bad| endpoint.fault(FaultKind::Broken, bad.to_string()))?;
        self.count(&sound);
        Ok(Some(sound))
    }

    fn end(&mut self) -> Result<(Vec<i16>, TtsUsage), Fault> {
        let mut sound = Vec::new();
        let endpoint = &self.speech.endpoint;
        self.decoder.finish(&mut sound).map_err(|bad| endpoint.fault(FaultKind::Broken, bad.to_string()))?;
        self.count(&sound);
        let speech = &self.speech;
        let now = speech.clock.now();
        let usage = TtsUsage {
            audio: audio::duration(self.samples, speech.to),
            first_audio: self.first.unwrap_or(now).since(self.begun),
            took: now.since(self.begun),
            provider: speech.endpoint.id.clone(),
            voice: speech.voice.clone(),
        };
        Ok((sound, usage))
    }

    fn count(&mut self, sound: &[i16]) {
        self.samples += sound.len();
        if !sound.is_empty() && self.first.is_none() {
            self.first = Some(self.speech.clock.now());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSound {
    #[error("the answer holds no sound")]
    Nothing,
    #[error("the WAV header makes no sense")]
    Header,
    #[error("the WAV file holds another kind of samples than 16-bit or float")]
    Format,
    #[error("the sound cannot be brought to the rate asked for")]
    Rate,
}

/// Bytes in, samples at the wanted rate out. Raw 16-bit little-endian samples, or a WAV file: which
/// of the two is seen by its first bytes.
pub struct Decoder {
    to: u32,
    /// Bytes of an unfinished header or frame.
    kept: Vec<u8>,
    shape: Shape,
    /// Known; before that the bytes are looked at.
    settled: bool,
    /// Bytes of samples still to come; what follows in the file is no sound.
    left: usize,
    resampler: Option<Resampler>,
    any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rate: u32,
    channels: usize,
    float: bool,
}

impl Decoder {
    pub fn new(from: u32, to: u32) -> Self {
        let shape = Shape { rate: from, channels: 1, float: false };
        Self { to, kept: Vec::new(), shape, settled: false, left: usize::MAX, resampler: None, any: false }
    }

    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Result<(), BadSound> {
        self.kept.extend_from_slice(bytes);
        if !self.settled && !self.settle(false)? {
            return Ok(());
        }
        self.decode(out)
    }

    /// The rest. An incomplete last sample is dropped: it is less than can be heard.
    pub fn finish(&mut self, out: &mut Vec<i16>) -> Result<(), BadSound> {
        if !self.settled && !self.settle(true)? {
            return Err(BadSound::Header);
        }
        self.decode(out)?;
        if !self.any {
            return Err(BadSound::Nothing);
        }
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(out);
        }
        Ok(())
    }

    /// Finds out what this is, as soon as there is enough of it.
    fn settle(&mut self, all: bool) -> Result<bool, BadSound> {
        let head = &self.kept[..self.kept.len().min(4)];
        if *head == b"RIFF"[..head.len()] && !(all && head.len() < 4) {
            let Some((shape, start, len)) = header(&self.kept)? else {
                return if self.kept.len() > HEADER_MAX { Err(BadSound::Header) } else { Ok(false) };
            };
            self.shape = shape;
            self.left = len;
            self.kept.drain(..start);
        }
        self.resampler = Some(Resampler::new(self.shape.rate, self.to).map_err(|_| BadSound::Rate)?);
        self.settled = true;
        Ok(true)
    }

    fn decode(&mut self, out: &mut Vec<i16>) -> Result<(), BadSound> {
        let frame = self.shape.channels * if self.shape.float { 4 } else { 2 };
        let whole = self.kept.len().min(self.left) / frame * frame;
        let samples: Vec<i16> = self.kept[..whole].chunks_exact(frame).map(|frame| self.shape.sample(frame)).collect();
        self.left -= whole;
        if self.left < frame {
            self.left = 0;
            self.kept.clear();
        } else {
            self.kept.drain(..whole);
        }
        self.any |= !samples.is_empty();
        let Some(resampler) = &mut self.resampler else { return Err(BadSound::Rate) };
        resampler.push(&samples, out);
        Ok(())
    }
}

impl Shape {
    /// One instant, all channels mixed.
    fn sample(self, frame: &[u8]) -> i16 {
        let sum: f32 = if self.float {
            let float = |b: &[u8]| b.first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b));
            frame.chunks_exact(4).map(float).sum::<f32>() * 32_767.0
        } else {
            let int = |b: &[u8]| b.first_chunk().map_or(0, |b| i16::from_le_bytes(*b));
            frame.chunks_exact(2).map(|b| f32::from(int(b))).sum()
        };
        // The cast saturates, and is zero for what is no number.
        (sum / self.channels as f32).round() as i16
    }
}

/// Shape, start and length in bytes of the samples; `None` while the header is incomplete.
fn header(file: &[u8]) -> Result<Option<(Shape, usize, usize)>, BadSound> {
    let word = |at: usize| file.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b));
    let long = |at: usize| file.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b));
    match file.get(8..12) {
        Some(b"WAVE") => {}
        Some(_) => return Err(BadSound::Header),
        None => return Ok(None),
    }
    let (mut at, mut shape) = (12, None);
    while let (Some(name), Some(len)) = (file.get(at..at + 4), long(at + 4)) {
        let (body, len) = (at + 8, len as usize);
        if name == b"data" {
            let shape = shape.ok_or(BadSound::Header)?;
            // Servers that stream fill in nothing or everything for a length they do not know.
            let open = len == 0 || len >= 0x7fff_0000;
            return Ok(Some((shape, body, if open { usize::MAX } else { len })));
        }
        if name == b"fmt " {
            let (Some(tag), Some(channels), Some(rate), Some(bits)) =
                (word(body), word(body + 2), long(body + 4), word(body + 14))
            else {
                return Ok(None);
            };
            // 0xFFFE: the real tag begins the sub-format.
            let tag = if tag == 0xfffe && len >= 26 {
                let Some(tag) = word(body + 24) else { return Ok(None) };
                tag
            } else {
                tag
            };
            let float = match (tag, bits) {
                (1, 16) => false,
                (3, 32) => true,
                _ => return Err(BadSound::Format),
            };
            if !(1..=8).contains(&channels) {
                return Err(BadSound::Header);
            }
            shape = Some(Shape { rate, channels: usize::from(channels), float });
        }
        // Chunks are padded to even lengths.
        at = body.saturating_add(len).saturating_add(len & 1);
    }
    Ok(None)
}

/// A future of a provider's own as the contract wants it.
pub fn asked<T, F>(endpoint: Endpoint, ask: F) -> BoxFuture<'static, Result<T, Fault>>
where
    F: Future<Output = Result<T, Fault>> + Send + 'static,
    T: Send + 'static,
{
    async move { within(&endpoint, ask).await }.boxed()
}

#[cfg(test)]
#[path = "sound_tests.rs"]
pub(super) mod tests;
