//! From an ask to sound: which voice, clause by clause, frame by frame.

use vaani_engine_protocol::desk::{Fail, Job, Stop};
use vaani_engine_protocol::worker::{Stopwatch, Teller};
use vaani_engine_protocol::{Speak, Spoken, Tell};

use crate::clause::{Clause, clauses};
use crate::espeak::Espeak;
use crate::language::{espeak_voice, tags};
use crate::name::{Name, Tone};
use crate::piper::{PiperVoice, Voices};
use crate::settings::Settings;
use crate::sound::{Converter, RATES, below_full_scale, trimmed};

/// Characters of one request.
const TEXT_CHARS: usize = 20_000;
/// Milliseconds of one frame to the daemon: a cancelled request says no more than that.
const FRAME_MS: u32 = 200;

/// Everything the slots share.
pub(crate) struct Studio {
    settings: Settings,
    espeak: Espeak,
    pub(crate) voices: Voices,
}

/// The voice of one request.
enum Mouth<'s> {
    Piper(&'s PiperVoice),
    Espeak(Tone),
}

impl Studio {
    pub(crate) fn new(settings: Settings, espeak: Espeak, voices: Voices) -> Result<Self, Fail> {
        let studio = Self { settings, espeak, voices };
        // Wrong names show here and not in the first call.
        for (tag, name) in &studio.settings.defaults {
            let mouth = studio.mouth(tag, Some(name.as_str()));
            let heard = mouth.and_then(|m| studio.clause_sound(&m, &Clause::one("a"), 1.0, &Stop::default()));
            heard.map_err(|fail| Fail { detail: format!("defaults: {tag}: {}", fail.detail), ..fail })?;
        }
        Ok(studio)
    }

    pub(crate) fn slots(&self) -> u32 {
        self.settings.slots
    }

    /// espeak-ng's; Piper's is that of the files.
    pub(crate) fn version(&self) -> String {
        format!("espeak-ng {}", self.espeak.version)
    }

    pub(crate) fn languages(&self) -> Vec<String> {
        tags().map(str::to_owned).collect()
    }

    pub(crate) fn speak(&self, job: &Job<Speak>, teller: &Teller) -> Result<Tell, Fail> {
        let watch = Stopwatch::start();
        let ask = &job.work;
        if ask.text.chars().nth(TEXT_CHARS).is_some() {
            return Err(Fail::refused(format!("a text may have {TEXT_CHARS} characters")));
        }
        if !RATES.contains(&ask.rate) {
            return Err(Fail::refused(format!("{} samples a second are not offered; {RATES:?} are", ask.rate)));
        }
        let pace = if ask.pace.is_finite() && ask.pace > 0.0 { ask.pace.clamp(0.5, 2.0) } else { 1.0 };
        let mouth = self.mouth(&ask.language, ask.voice.as_deref())?;
        let from = match &mouth {
            Mouth::Piper(voice) => voice.rate,
            Mouth::Espeak(_) => self.espeak.rate,
        };
        let mut line = Line::new(job, teller, watch, from)?;
        let mut pause_ms = 0;
        for clause in clauses(&ask.text) {
            job.stop.check()?;
            let mut sound = self.clause_sound(&mouth, &clause, pace, &job.stop)?;
            below_full_scale(&mut sound);
            let sound = trimmed(&sound, from);
            if sound.is_empty() {
                continue;
            }
            let pause = (f64::from(pause_ms * from) / 1_000.0 / f64::from(pace)) as usize;
            line.say(&vec![0.0; pause])?;
            line.say(sound)?;
            pause_ms = clause.mark.pause_ms();
        }
        line.end()?;
        Ok(Tell::Spoken(Spoken {
            samples: line.samples,
            first_audio_us: line.first_us.unwrap_or_else(|| watch.us()),
            took_us: watch.us(),
            voice: match mouth {
                Mouth::Piper(voice) => voice.id.clone(),
                Mouth::Espeak(tone) => format!("espeak:{}", tone.voice),
            },
        }))
    }

    /// The voice asked for, or the language's default.
    fn mouth(&self, language: &str, name: Option<&str>) -> Result<Mouth<'_>, Fail> {
        let own =
            espeak_voice(language).ok_or_else(|| Fail::refused(format!("{language:?} is no language of the box")))?;
        let usable = |n: &&str| !n.is_empty() && !self.voices.is_left_out(n);
        let default = || self.settings.defaults.get(language).map(String::as_str).filter(usable);
        let Some(name) = name.filter(usable).or_else(default) else {
            return Ok(match self.voices.of_language(language) {
                Some(voice) => Mouth::Piper(voice),
                None => Mouth::Espeak(Tone::new(own)),
            });
        };
        match Name::parse(name, own)? {
            Name::Piper => self
                .voices
                .of_language(language)
                .map(Mouth::Piper)
                .ok_or_else(|| Fail::refused(format!("no Piper voice speaks {language}"))),
            Name::Loaded(id) => {
                self.voices.get(id).map(Mouth::Piper).ok_or_else(|| Fail::refused(format!("no voice is called {id:?}")))
            }
            Name::Espeak(tone) => Ok(Mouth::Espeak(tone.unwrap_or_else(|| Tone::new(own)))),
        }
    }

    fn clause_sound(&self, mouth: &Mouth<'_>, clause: &Clause, pace: f32, stop: &Stop) -> Result<Vec<f32>, Fail> {
        match mouth {
            Mouth::Piper(voice) => {
                let phonemes = self.espeak.phonemes(&clause.text, &voice.espeak_voice)?;
                if phonemes.is_empty() {
                    return Ok(Vec::new());
                }
                stop.check()?;
                voice.speak(&format!("{phonemes}{}", clause.mark.sign()), pace)
            }
            Mouth::Espeak(tone) => {
                let rate = (tone.rate as f32 * pace).round() as i32;
                let tone = Tone { rate: rate.clamp(80, 450), ..tone.clone() };
                let sound = self.espeak.sound(&format!("{}{}", clause.text, clause.mark.sign()), &tone, stop)?;
                Ok(sound.into_iter().map(|s| f32::from(s) / 32_768.0).collect())
            }
        }
    }
}

/// The way of one request's sound to the daemon.
struct Line<'a> {
    request: u64,
    stop: &'a Stop,
    teller: &'a Teller,
    watch: Stopwatch,
    converter: Converter,
    ready: Vec<i16>,
    frame: usize,
    samples: u64,
    first_us: Option<u64>,
}

impl<'a> Line<'a> {
    fn new(job: &'a Job<Speak>, teller: &'a Teller, watch: Stopwatch, from: u32) -> Result<Self, Fail> {
        let rate = job.work.rate;
        Ok(Self {
            request: job.request,
            stop: &job.stop,
            teller,
            watch,
            converter: Converter::new(from, rate)?,
            ready: Vec::new(),
            frame: (rate * FRAME_MS / 1_000) as usize,
            samples: 0,
            first_us: None,
        })
    }

    fn say(&mut self, sound: &[f32]) -> Result<(), Fail> {
        self.converter.push(sound, &mut self.ready)?;
        self.send()
    }

    fn end(&mut self) -> Result<(), Fail> {
        self.converter.finish(&mut self.ready)?;
        self.send()
    }

    fn send(&mut self) -> Result<(), Fail> {
        for frame in self.ready.chunks(self.frame) {
            self.stop.check()?;
            self.first_us.get_or_insert_with(|| self.watch.us());
            self.samples += frame.len() as u64;
            // The daemon being gone ends the worker elsewhere.
            self.teller.tell(self.request, &Tell::Audio, frame).map_err(|_| Fail::cancelled())?;
        }
        self.ready.clear();
        Ok(())
    }
}
