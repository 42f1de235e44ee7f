//! From an ask to a transcript: which language, how many pieces, is the script right.

use vaani_engine_protocol::desk::{Fail, Job};
use vaani_engine_protocol::worker::Stopwatch;
use vaani_engine_protocol::{Tell, Transcribe, Transcript};

use crate::clip;
use crate::ear::{Ear, Reading};
use crate::language::Language;
use crate::model::Model;
use crate::plain::{Plain, mean};

/// A language other than the expected one is taken when it is at least this probable ...
const SWITCH_LEAST: f32 = 0.8;
/// ... the expected one at most this ...
const SWITCH_EXPECTED_MOST: f32 = 0.1;
/// ... and the clip is no shorter than this: a lone "haan" says little about its language.
const SWITCH_SAMPLES: usize = clip::RATE * 7 / 10;
/// OpenAI's rule for "nothing was said": this probable, and the text itself this improbable.
const NO_SPEECH: f32 = 0.6;
const NO_SPEECH_MEAN_LOG: f32 = -1.0;
/// Confidence left when the text is in a wrong script, or ran on.
const DOUBT: f32 = 0.5;

/// An utterance on the desk.
#[derive(Debug)]
pub(crate) struct Utterance {
    pub(crate) ask: Transcribe,
    pub(crate) samples: Vec<i16>,
}

/// What one slot keeps between requests.
pub(crate) struct Slot<'m> {
    model: &'m Model,
    ear: Ear<'m>,
    plain: Option<Plain>,
}

impl<'m> Slot<'m> {
    pub(crate) fn new(model: &'m Model, threads: usize) -> Result<Self, Fail> {
        let mut slot = Self { model, ear: Ear::new(model, threads)?, plain: None };
        slot.warm()?;
        Ok(slot)
    }

    /// A first reading of silence, so that the first caller does not pay for fresh memory, and a
    /// model that cannot be run fails here.
    fn warm(&mut self) -> Result<(), Fail> {
        let samples = vec![0; clip::RATE];
        self.ear.hear(&samples)?;
        let Some(language) = self.model.languages.first() else { return Ok(()) };
        self.ear.open(&[language], &[])?;
        self.ear.write(language, None, samples.len(), &Default::default()).map(drop)
    }

    pub(crate) fn transcribe(&mut self, job: &Job<Utterance>) -> Result<Tell, Fail> {
        if job.work.ask.plain && self.plain.is_none() {
            // Before the clock runs: a yardstick that pays for its memory would flatter us.
            self.plain = Some(Plain::new(self.model)?);
        }
        let watch = Stopwatch::start();
        let mut transcript = if job.work.ask.plain { self.run_plain(job)? } else { self.run(job)? };
        transcript.took_us = watch.us();
        Ok(Tell::Transcript(transcript))
    }

    fn run(&mut self, job: &Job<Utterance>) -> Result<Transcript, Fail> {
        let model = self.model;
        let samples = &job.work.samples;
        let wanted = Wanted::of(model, &job.work.ask)?;
        let primer = model.primer(job.work.ask.prompt.as_deref());
        let mut heard = Heard::default();
        let mut decided: Option<(&Language, f32)> = None;
        if clip::audible(samples) {
            for range in clip::pieces(samples, clip::longest(model.context_most)) {
                job.stop.check()?;
                let piece = &samples[range];
                if !clip::audible(piece) {
                    continue;
                }
                self.ear.hear(piece)?;
                job.stop.check()?;
                let opening = self.ear.open(&wanted.among, &primer)?;
                let (language, confidence) = decided.unwrap_or_else(|| wanted.decide(&opening.languages, piece.len()));
                let reading = self.read(language, piece.len(), job)?;
                let silent = opening.no_speech > NO_SPEECH && reading.mean_log < NO_SPEECH_MEAN_LOG;
                if !silent && !reading.text.is_empty() {
                    // The first piece with words decides for the rest.
                    decided = Some((language, confidence));
                    heard.add(reading);
                }
            }
        }
        let (language, language_confidence) = decided.unwrap_or((wanted.fallback(), 0.0));
        Ok(Transcript {
            confidence: heard.confidence(),
            text: heard.text,
            language: language.tag.to_owned(),
            language_confidence,
            took_us: 0,
        })
    }

    /// Writes the piece down; text in a wrong script is written again with the script forced.
    fn read(&mut self, language: &Language, samples: usize, job: &Job<Utterance>) -> Result<Reading, Fail> {
        let mut reading = self.ear.write(language, None, samples, &job.stop)?;
        if language.script.misses(&reading.text) {
            let again = self.ear.write(language, Some(language.script), samples, &job.stop)?;
            if !again.text.is_empty() && !again.ran_on && !language.script.misses(&again.text) {
                return Ok(again);
            }
            reading.tokens.iter_mut().for_each(|p| *p *= DOUBT);
        }
        if reading.ran_on {
            reading.tokens.iter_mut().for_each(|p| *p *= DOUBT);
        }
        Ok(reading)
    }

    fn run_plain(&mut self, job: &Job<Utterance>) -> Result<Transcript, Fail> {
        let model = self.model;
        let wanted = Wanted::of(model, &job.work.ask)?;
        let plain = match &mut self.plain {
            Some(plain) => plain,
            none => none.insert(Plain::new(model)?),
        };
        let code = wanted.expected.map(|l| l.code.as_str());
        let reading = plain.transcribe(model, &job.work.samples, code, &job.stop)?;
        Ok(Transcript {
            text: reading.text,
            language: reading.language.unwrap_or(wanted.fallback().tag).to_owned(),
            language_confidence: if reading.language.is_some() { 1.0 } else { 0.0 },
            confidence: reading.confidence,
            took_us: 0,
        })
    }
}

/// The languages of an ask.
struct Wanted<'m> {
    expected: Option<&'m Language>,
    /// Not empty; holds the expected one.
    among: Vec<&'m Language>,
}

impl<'m> Wanted<'m> {
    fn of(model: &'m Model, ask: &Transcribe) -> Result<Self, Fail> {
        let known = |tag: &String| {
            model.language(tag).ok_or_else(|| Fail::refused(format!("this model does not recognise {tag:?}")))
        };
        let expected = ask.language.as_ref().map(known).transpose()?;
        // Languages this model lacks are no candidates; with none left, all of its own are.
        let mut among: Vec<&Language> = Vec::new();
        for language in ask.among.iter().filter_map(|tag| model.language(tag)).chain(expected) {
            if !among.contains(&language) {
                among.push(language);
            }
        }
        if among.is_empty() {
            among.extend(&model.languages);
        }
        if among.is_empty() {
            return Err(Fail::engine("the model has no language"));
        }
        Ok(Self { expected, among })
    }

    /// The language to write in and how sure it is.
    fn decide(&self, probabilities: &[f32], samples: usize) -> (&'m Language, f32) {
        let pairs = || self.among.iter().copied().zip(probabilities.iter().copied());
        let best = pairs().fold((self.fallback(), -1.0), |best, next| if next.1 > best.1 { next } else { best });
        let Some(expected) = self.expected else { return best };
        let own = pairs().find(|(l, _)| *l == expected).map_or(1.0, |(_, p)| p);
        let switch = best.1 >= SWITCH_LEAST && own <= SWITCH_EXPECTED_MOST && samples >= SWITCH_SAMPLES;
        if switch { best } else { (expected, own) }
    }

    fn fallback(&self) -> &'m Language {
        self.expected.unwrap_or(self.among[0])
    }
}

/// The pieces put together.
#[derive(Default)]
struct Heard {
    text: String,
    tokens: Vec<f32>,
}

impl Heard {
    fn add(&mut self, reading: Reading) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(&reading.text);
        self.tokens.extend(reading.tokens);
    }

    fn confidence(&self) -> f32 {
        mean(&self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::languages;

    #[test]
    fn another_language_wins_only_when_it_is_clear_and_the_clip_is_long_enough() {
        let all = languages(true, Some("si"));
        let wanted = |expected: Option<usize>| Wanted {
            expected: expected.map(|i| &all[i]),
            among: all.iter().take(3).collect(),
        };
        let long = SWITCH_SAMPLES;
        let cases: [(Option<usize>, [f32; 3], usize, &str, f32); 6] = [
            (None, [0.2, 0.5, 0.3], long, "hi-IN", 0.5),
            (Some(0), [0.2, 0.5, 0.3], long, "en-IN", 0.2),
            (Some(0), [0.05, 0.9, 0.05], long, "hi-IN", 0.9),
            (Some(0), [0.05, 0.9, 0.05], long - 1, "en-IN", 0.05),
            (Some(0), [0.15, 0.81, 0.04], long, "en-IN", 0.15),
            (Some(1), [0.05, 0.9, 0.05], long, "hi-IN", 0.9),
        ];
        for (expected, probabilities, samples, tag, confidence) in cases {
            let (language, p) = wanted(expected).decide(&probabilities, samples);
            assert_eq!((language.tag, p), (tag, confidence), "{probabilities:?}");
        }
    }
}
