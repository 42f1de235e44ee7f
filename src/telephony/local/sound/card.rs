//! The sound card, through cpal (ALSA). Its threads move samples to and from rings and do nothing else; a
//! thread of ours changes rates and makes frames.
//! Promise: any rate, format and number of channels that the device offers will do; a device that stops or
//! is pulled out ends the sound, and with it the call, within a bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{Device, FromSample, Sample as _, SampleFormat, SizedSample, Stream, SupportedStreamConfig};
use tokio::sync::{mpsc, oneshot};

use super::ring::Ring;
use super::{Audio, Counts, QUEUE, Samples};
use crate::base::audio::{LINE_FRAME, LINE_RATE};
use crate::base::limits;
use crate::base::resample::{ResampleError, Resampler};

/// How often frames are made of what the card has brought.
const PUMP: Duration = Duration::from_millis(5);
/// Sound held back before the speaker begins, milliseconds, and the most that may wait for it.
const PREFILL_MS: usize = 40;
const AHEAD_MS: usize = 160;
/// A card that brings nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// A card must open within this time.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum CardError {
    #[error("there is no {0} on this machine (`arecord -l` and `aplay -l` list what ALSA sees)")]
    None(&'static str),
    #[error("there is no {what} named {name:?}; there are: {there}")]
    Unknown { what: &'static str, name: String, there: String },
    #[error("the {what} {name:?} cannot be used: {source}")]
    Device { what: &'static str, name: String, source: cpal::Error },
    #[error("the {what}'s rate cannot be changed to the line's")]
    Rate { what: &'static str, source: ResampleError },
    #[error("the {what}'s samples have a format that is not known here: {format}")]
    Format { what: &'static str, format: SampleFormat },
    #[error("the sound card did not open in time")]
    Late,
    #[error("no thread for the sound card")]
    Thread(#[source] std::io::Error),
}

/// Opens them by name, or the machine's usual ones. Blocks for as long as the card takes.
pub fn open(microphone: Option<&str>, speaker: Option<&str>) -> Result<Audio, CardError> {
    let (heard, microphone_frames) = mpsc::channel(QUEUE);
    let (speaker_frames, played) = mpsc::channel(QUEUE);
    let (done, over) = oneshot::channel();
    let counts = Arc::new(Counts::default());
    let (opened, opens) = std::sync::mpsc::channel();
    let names = (microphone.map(str::to_owned), speaker.map(str::to_owned));
    let counting = Arc::clone(&counts);
    let run = move || {
        // The streams live and die on this thread.
        match Card::open(names.0.as_deref(), names.1.as_deref(), &counting) {
            Ok(card) => {
                drop(opened.send(Ok(card.name.clone())));
                card.carry(&heard, played, &counting);
                drop(done.send(Ok(())));
            }
            Err(error) => drop(opened.send(Err(error))),
        }
    };
    std::thread::Builder::new().name("sound card".to_owned()).spawn(run).map_err(CardError::Thread)?;
    let name = opens.recv_timeout(OPEN_WITHIN).map_err(|_| CardError::Late)??;
    Ok(Audio { microphone: microphone_frames, speaker: speaker_frames, counts, name, over })
}

/// Opens a stream in the samples that the device speaks.
macro_rules! open_stream {
    ($open:ident, $what:expr, $device:expr, $config:expr, $ring:expr, $counts:expr, $name:expr) => {
        match $config.sample_format() {
            SampleFormat::I16 => $open::<i16>($device, $config, $ring, $counts),
            SampleFormat::U16 => $open::<u16>($device, $config, $ring, $counts),
            SampleFormat::I8 => $open::<i8>($device, $config, $ring, $counts),
            SampleFormat::U8 => $open::<u8>($device, $config, $ring, $counts),
            SampleFormat::I32 => $open::<i32>($device, $config, $ring, $counts),
            SampleFormat::U32 => $open::<u32>($device, $config, $ring, $counts),
            SampleFormat::F32 => $open::<f32>($device, $config, $ring, $counts),
            SampleFormat::F64 => $open::<f64>($device, $config, $ring, $counts),
            format => return Err(CardError::Format { what: $what, format }),
        }
        .map_err(|source| CardError::Device { what: $what, name: $name.to_owned(), source })
    };
}

struct Card {
    name: String,
    input: Arc<Ring>,
    output: Arc<Ring>,
    down: Resampler,
    up: Resampler,
    output_rate: usize,
    _streams: [Stream; 2],
}

impl Card {
    fn open(microphone: Option<&str>, speaker: Option<&str>, counts: &Arc<Counts>) -> Result<Self, CardError> {
        let host = cpal::default_host();
        let (what_in, what_out) = ("microphone", "speaker");
        let from = find(what_in, microphone, host.default_input_device(), || host.input_devices())?;
        let to = find(what_out, speaker, host.default_output_device(), || host.output_devices())?;
        let (from_name, to_name) = (name_of(&from), name_of(&to));
        let fault = |what, name: &str| {
            let name = name.to_owned();
            move |source| CardError::Device { what, name, source }
        };
        let heard = from.default_input_config().map_err(fault(what_in, &from_name))?;
        let played = to.default_output_config().map_err(fault(what_out, &to_name))?;
        let (input, output) = (Arc::new(Ring::new(limits::LOCAL_RING)), Arc::new(Ring::new(limits::LOCAL_RING)));
        let listening = open_stream!(listen, what_in, &from, &heard, &input, counts, from_name)?;
        let speaking = open_stream!(speak, what_out, &to, &played, &output, counts, to_name)?;
        listening.play().map_err(fault(what_in, &from_name))?;
        speaking.play().map_err(fault(what_out, &to_name))?;
        let (from_rate, to_rate) = (heard.sample_rate(), played.sample_rate());
        Ok(Self {
            name: format!("{from_name} at {from_rate} Hz and {to_name} at {to_rate} Hz"),
            input,
            output,
            down: Resampler::new(from_rate, LINE_RATE).map_err(|source| CardError::Rate { what: what_in, source })?,
            up: Resampler::new(LINE_RATE, to_rate).map_err(|source| CardError::Rate { what: what_out, source })?,
            output_rate: to_rate as usize,
            _streams: [listening, speaking],
        })
    }

    /// Until the handset is put down or the card is silent.
    #[expect(clippy::disallowed_methods, reason = "the thread of a device has no clock handed in")]
    fn carry(mut self, heard: &mpsc::Sender<Samples>, mut played: mpsc::Receiver<Samples>, counts: &Counts) {
        let (mut raw, mut line, mut wide) = (Vec::new(), Vec::new(), Vec::new());
        let mut last_sound = Instant::now();
        let mut begun = false;
        loop {
            std::thread::sleep(PUMP);
            raw.clear();
            raw.extend(std::iter::from_fn(|| self.input.pop()));
            if raw.is_empty() {
                if last_sound.elapsed() > SILENT_MAX {
                    tracing::warn!("the microphone brings nothing any more");
                    return;
                }
            } else {
                last_sound = Instant::now();
                self.down.push(&raw, &mut line);
            }
            let (frames, rest) = line.as_chunks::<LINE_FRAME>();
            for frame in frames {
                match heard.try_send(*frame) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => Counts::add(&counts.overruns),
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                }
            }
            line = rest.to_vec();
            loop {
                match played.try_recv() {
                    Ok(frame) => self.play(&frame, &mut begun, &mut wide, counts),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn play(&mut self, frame: &Samples, begun: &mut bool, wide: &mut Vec<i16>, counts: &Counts) {
        let waiting = self.output.len() * 1_000 / self.output_rate;
        if !*begun || waiting == 0 {
            // At the beginning, and after the speaker ran dry, a little is held back again.
            for _ in 0..self.output_rate * PREFILL_MS / 1_000 {
                self.output.push(0);
            }
            *begun = true;
        } else if waiting > AHEAD_MS {
            // The two clocks differ: what is too much goes.
            Counts::add(&counts.dropped);
            return;
        }
        wide.clear();
        self.up.push(frame, wide);
        if !wide.iter().all(|sample| self.output.push(*sample)) {
            Counts::add(&counts.dropped);
        }
    }
}

fn name_of(device: &Device) -> String {
    device.id().map_or_else(|_| "unnamed".to_owned(), |id| id.id().to_owned())
}

/// By its ALSA name, whole or a part of its description.
fn find<I: Iterator<Item = Device>>(
    what: &'static str,
    wanted: Option<&str>,
    usual: Option<Device>,
    all: impl FnOnce() -> Result<I, cpal::Error>,
) -> Result<Device, CardError> {
    let Some(wanted) = wanted else { return usual.ok_or(CardError::None(what)) };
    let all: Vec<Device> = all().map(Iterator::collect).unwrap_or_default();
    let described = |device: &Device| device.description().map(|text| text.to_string()).unwrap_or_default();
    let found = all.iter().find(|device| name_of(device) == wanted);
    let found = found.or_else(|| all.iter().find(|d| described(d).to_lowercase().contains(&wanted.to_lowercase())));
    found.cloned().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(name_of).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        CardError::Unknown { what, name: wanted.to_owned(), there }
    })
}

/// The card's thread: one sample a frame of all channels, their mean.
fn listen<T: SizedSample>(
    device: &Device,
    config: &SupportedStreamConfig,
    ring: &Arc<Ring>,
    counts: &Arc<Counts>,
) -> Result<Stream, cpal::Error>
where
    i16: FromSample<T>,
{
    let channels = usize::from(config.channels()).max(1);
    let (ring, counts, faults) = (Arc::clone(ring), Arc::clone(counts), Arc::clone(counts));
    let take = move |data: &[T], _: &cpal::InputCallbackInfo| {
        for frame in data.chunks_exact(channels) {
            let sum: i32 = frame.iter().map(|sample| i32::from(i16::from_sample(*sample))).sum();
            let mean = sum / i32::try_from(channels).unwrap_or(1);
            if !ring.push(i16::try_from(mean).unwrap_or_default()) {
                Counts::add(&counts.overruns);
            }
        }
    };
    device.build_input_stream::<T, _, _>(config.config(), take, move |_| Counts::add(&faults.faults), Some(OPEN_WITHIN))
}

/// The card's thread: the same sample on all channels, silence when there is none.
fn speak<T: SizedSample + FromSample<i16>>(
    device: &Device,
    config: &SupportedStreamConfig,
    ring: &Arc<Ring>,
    counts: &Arc<Counts>,
) -> Result<Stream, cpal::Error> {
    let channels = usize::from(config.channels()).max(1);
    let (ring, counts, faults) = (Arc::clone(ring), Arc::clone(counts), Arc::clone(counts));
    let mut playing = false;
    let give = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        for frame in data.chunks_mut(channels) {
            let sample = ring.pop();
            if sample.is_none() && playing {
                Counts::add(&counts.underruns);
            }
            playing = sample.is_some();
            frame.fill(T::from_sample(sample.unwrap_or(0)));
        }
    };
    device.build_output_stream::<T, _, _>(
        config.config(),
        give,
        move |_| Counts::add(&faults.faults),
        Some(OPEN_WITHIN),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_told_with_those_that_are() {
        let error = open(Some("no such thing"), Some("no such thing")).unwrap_err();
        assert!(matches!(&error, CardError::Unknown { what: "microphone", .. }), "{error}");
        assert!(error.to_string().contains("there are: "), "{error}");
    }

    /// ALSA's own device that hears silence and plays to nobody; there wherever libasound has its files.
    #[test]
    fn alsas_null_device_carries_frames_both_ways() {
        let mut audio = match open(Some("null"), Some("null")) {
            Ok(audio) => audio,
            Err(CardError::Unknown { there, .. }) => {
                println!("no null device of ALSA here ({there}); nothing tested");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let mut frames = 0;
        while frames < 25 {
            let frame = audio.microphone.blocking_recv().expect("the microphone goes on");
            assert_eq!(frame, [0; LINE_FRAME]);
            let _ = audio.speaker.try_send([1_000; LINE_FRAME]);
            frames += 1;
        }
        let over = audio.over;
        drop((audio.microphone, audio.speaker));
        over.blocking_recv().expect("the card is let go").unwrap();
    }
}
