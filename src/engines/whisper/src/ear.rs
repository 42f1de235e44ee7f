//! One slot's state of the engine: one encoder pass an utterance, then as many readings of it as
//! are wanted.
//!
//! whisper.cpp's own `whisper_full` detects the language with an encoder pass of its own (over the
//! whole 30 s the first time), cannot restrict it to our languages, and reads the no-speech
//! probability from logits it never computed. So the decoder is driven from here: the start token
//! gives the languages' and the no-speech probability, the language token follows, then text. A
//! second reading in another language costs decoder steps only.

#![expect(unsafe_code, reason = "one raw callback keeps whisper_full from encoding")]

use std::ffi::c_void;

use vaani_engine_protocol::desk::{Fail, Stop};
use whisper_rs::{FullParams, SamplingStrategy, WhisperState, WhisperSysContext, WhisperSysState, WhisperTokenId};

use crate::clip;
use crate::language::{Language, Script};
use crate::model::{Mask, Model};

/// Text tokens a second of speech, at most, and on top of that. Whisper spells Indian scripts in
/// up to two tokens a letter.
const TOKENS_A_SECOND: usize = 40;
const TOKENS_MORE: usize = 16;
/// A tail of this many tokens that only repeats itself is a loop, not speech.
const LOOP_TOKENS: usize = 16;
const LOOP_TIMES: usize = 4;

pub(crate) struct Ear<'m> {
    model: &'m Model,
    state: WhisperState,
    threads: usize,
    /// Tokens before the start of the text, from [`Ear::open`].
    primed: usize,
    /// Made once, because whisper-rs leaks the language's name at each `set_language`.
    preparation: FullParams<'static, 'static>,
}

/// What the start of the text tells.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// In the order of the languages asked about, together 1.
    pub(crate) languages: Vec<f32>,
    pub(crate) no_speech: f32,
}

/// One reading of the utterance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) text: String,
    /// Probability of each token of the text.
    pub(crate) tokens: Vec<f32>,
    /// Mean of the logarithms, the end of the text included.
    pub(crate) mean_log: f32,
    /// The engine repeated itself, or did not come to an end.
    pub(crate) ran_on: bool,
}

impl<'m> Ear<'m> {
    pub(crate) fn new(model: &'m Model, threads: usize) -> Result<Self, Fail> {
        let state = model
            .context
            .create_state()
            .map_err(|error| Fail::engine(format!("whisper.cpp cannot make a state: {error}")))?;
        let mut preparation = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        preparation.set_language(Some("en"));
        preparation.set_no_context(true);
        preparation.set_print_progress(false);
        preparation.set_n_threads(i32::try_from(threads).unwrap_or(1));
        // SAFETY: the callback touches nothing.
        unsafe { preparation.set_start_encoder_callback(Some(no_encoder)) };
        Ok(Self { model, state, threads, primed: 0, preparation })
    }

    /// Listens to one piece: spectrogram and encoder, the dear part.
    pub(crate) fn hear(&mut self, samples: &[i16]) -> Result<(), Fail> {
        let context = clip::context(samples.len(), self.model.context_least, self.model.context_most);
        let mut parameters = self.preparation.clone();
        parameters.set_audio_ctx(i32::try_from(context).unwrap_or(0));
        // Sets the context and the spectrogram, then stops at `no_encoder`.
        self.state.full(parameters, &clip::to_float(samples)).map_err(engine)?;
        self.state.encode(0, self.threads).map_err(engine)
    }

    /// The probabilities at the start of the text. An English-only model knows one language.
    /// `primer`: text that stands before it, see [`Model::primer`].
    pub(crate) fn open(&mut self, among: &[&Language], primer: &[WhisperTokenId]) -> Result<Opening, Fail> {
        if !primer.is_empty() {
            self.state.decode(primer, 0, self.threads).map_err(engine)?;
        }
        self.primed = primer.len();
        self.state.decode(&[self.model.special.start], self.primed, self.threads).map_err(engine)?;
        let logits = self.state.get_logits().map_err(engine)?;
        let at = |token: WhisperTokenId| usize::try_from(token).ok().and_then(|i| logits.get(i)).copied();
        let languages = if self.model.multilingual {
            let known = |l: &&Language| self.model.language_token(l).and_then(at).unwrap_or(f32::NEG_INFINITY);
            softmax(&among.iter().map(known).collect::<Vec<_>>())
        } else {
            vec![1.0; among.len()]
        };
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|l| (l - most).exp()).sum();
        let no_speech = at(self.model.special.no_speech).map_or(0.0, |l| (l - most).exp() / sum);
        Ok(Opening { languages, no_speech })
    }

    /// Writes down what was heard, after [`Ear::open`]. With `script`, in that script only.
    pub(crate) fn write(
        &mut self,
        language: &Language,
        script: Option<Script>,
        samples: usize,
        stop: &Stop,
    ) -> Result<Reading, Fail> {
        let model = self.model;
        let mut past = self.primed + 1;
        if let (true, Some(token)) = (model.multilingual, model.language_token(language)) {
            self.state.decode(&[token, model.special.transcribe], past, self.threads).map_err(engine)?;
            past += 2;
        }
        // The last token of the prompt goes alone: only then are its logits the first row.
        self.state.decode(&[model.special.no_timestamps], past, self.threads).map_err(engine)?;
        past += 1;
        let most = (samples * TOKENS_A_SECOND / clip::RATE + TOKENS_MORE).min(model.text_most.saturating_sub(past + 1));
        let mask = model.mask(script);
        let mut tokens = Vec::new();
        let mut reading = Reading::default();
        let mut logs = 0.0;
        loop {
            stop.check()?;
            let first = tokens.is_empty();
            let choice = choose(self.state.get_logits().map_err(engine)?, mask, model.special.end, |t| {
                !first || model.may_begin(t)
            });
            logs += choice.log;
            if choice.token == model.special.end {
                break;
            }
            if tokens.len() == most {
                reading.ran_on = true;
                break;
            }
            tokens.push(choice.token);
            reading.tokens.push(choice.log.exp());
            if let Some(keep) = looping(&tokens) {
                tokens.truncate(keep);
                reading.tokens.truncate(keep);
                reading.ran_on = true;
                break;
            }
            self.state.decode(&[choice.token], past, self.threads).map_err(engine)?;
            past += 1;
        }
        reading.mean_log = logs / (reading.tokens.len() + 1) as f32;
        reading.text = model.text(tokens);
        if reading.text.is_empty() {
            reading.tokens.clear();
        }
        Ok(reading)
    }
}

unsafe extern "C" fn no_encoder(_: *mut WhisperSysContext, _: *mut WhisperSysState, _: *mut c_void) -> bool {
    false
}

fn engine(error: whisper_rs::WhisperError) -> Fail {
    Fail::engine(format!("whisper.cpp failed: {error}"))
}

struct Choice {
    token: WhisperTokenId,
    /// Logarithm of its probability among the tokens that may be said.
    log: f32,
}

/// The most probable token up to `end`.
fn choose(logits: &[f32], mask: &Mask, end: WhisperTokenId, may: impl Fn(WhisperTokenId) -> bool) -> Choice {
    let end_index = usize::try_from(end).unwrap_or(0);
    let end_logit =
        if may(end) { logits.get(end_index).copied().unwrap_or(f32::NEG_INFINITY) } else { f32::NEG_INFINITY };
    let mut best = Choice { token: end, log: end_logit };
    for (index, (logit, closed)) in logits.iter().zip(mask).enumerate() {
        let value = logit + closed;
        if value > best.log {
            // Token numbers are those of a vocabulary of some ten thousands.
            let token = index as WhisperTokenId;
            if may(token) {
                best = Choice { token, log: value };
            }
        }
    }
    // What is twenty below the best adds nothing that a float could hold.
    let mut sum = 0.0;
    for value in logits.iter().zip(mask).map(|(l, m)| l + m - best.log).chain([end_logit - best.log]) {
        if value > -20.0 {
            sum += value.exp();
        }
    }
    best.log = -f32::max(sum, 1.0).ln();
    best
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return vec![0.0; logits.len()];
    }
    let exps: Vec<f32> = logits.iter().map(|l| (l - most).exp()).collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}

/// How much to keep of a text whose tail only repeats itself: up to the first repetition.
fn looping(tokens: &[WhisperTokenId]) -> Option<usize> {
    for period in 1..=tokens.len() / LOOP_TIMES {
        let tail = LOOP_TOKENS.max(period * LOOP_TIMES);
        if tail > tokens.len() {
            continue;
        }
        let start = tokens.len() - tail;
        if tokens[start..].iter().zip(&tokens[start + period..]).all(|(a, b)| a == b) {
            return Some(start + period);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_the_best_allowed_token_and_its_probability_among_the_allowed() {
        let logits = [1.0, 5.0, 3.0, 3.0, 9.0];
        let mask = vec![0.0, f32::NEG_INFINITY, 0.0];
        let best = choose(&logits, &mask, 3, |t| t != 3);
        assert_eq!(best.token, 2);
        let expected = 1.0 / (1.0 + (-2.0_f32).exp());
        assert!((best.log.exp() - expected).abs() < 1e-6, "{}", best.log.exp());
        assert_eq!(choose(&logits, &vec![f32::NEG_INFINITY; 3], 3, |_| true).token, 3);
    }

    #[test]
    fn a_repeating_tail_is_cut_and_a_phone_number_is_not() {
        let mut tokens: Vec<WhisperTokenId> = (0..10).collect();
        assert_eq!(looping(&tokens), None);
        tokens.extend([9; 9]);
        assert_eq!(looping(&tokens), None, "ten equal digits");
        tokens.extend([9; 6]);
        assert_eq!(looping(&tokens), Some(10));
        let phrase: Vec<WhisperTokenId> = (0..24).map(|i| i % 6).collect();
        assert_eq!(looping(&phrase), Some(6));
    }

    /// Hindi speech written as Hindi, then held to another script: no foreign letter slips through.
    #[test]
    fn a_forced_script_is_kept() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/starter/stt");
        let settings = serde_json::json!({"model": folder.join("vaani-starter-stt.bin")});
        whisper_rs::install_logging_hooks();
        let mut model = Model::load(&serde_json::from_value(settings).unwrap()).unwrap();
        let wave = std::fs::read(folder.join("eval/hi-40.wav")).unwrap();
        let samples: Vec<i16> =
            wave[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).flat_map(|s| [s, s]).collect();
        let words = Some("किस्त, ऋण, नमस्ते");
        assert!(model.primer(words).is_empty(), "the starter model is not made for prompts");
        model.takes_prompts = true;
        let primer = model.primer(words);
        assert_eq!(primer[0], model.special.before);
        assert!(primer.len() > 4 && primer.len() <= model.text_most / 2);
        let long = model.primer(Some(&"नमस्ते ".repeat(400))).len();
        assert!((50..=model.text_most / 2).contains(&long), "the last words are kept: {long} of {}", model.text_most);
        assert!(model.primer(None).is_empty() && model.primer(Some("\0")).is_empty());
        let mut ear = Ear::new(&model, 1).unwrap();
        ear.hear(&samples).unwrap();
        let hindi = model.language("hi-IN").unwrap();
        let stop = Stop::default();
        let mut read_after = |primer: &[WhisperTokenId], script| {
            ear.open(&[hindi], primer).unwrap();
            ear.write(hindi, script, samples.len(), &stop).unwrap().text
        };
        let primed = read_after(&primer, None);
        assert!(!primed.is_empty() && !Script::Devanagari.misses(&primed));
        let mut read = |script| read_after(&[], script);
        let free = read(None);
        assert!(!free.is_empty() && !Script::Devanagari.misses(&free));
        for script in [Script::Devanagari, Script::Tamil, Script::Latin] {
            let text = read(Some(script));
            assert!(!text.is_empty() && text.chars().all(|c| Script::of(c).is_none_or(|s| s == script)), "{script:?}");
        }
        assert_eq!(read(Some(Script::Devanagari)), free);
        assert_eq!(read(None), free, "a reading leaves nothing behind");
    }

    #[test]
    fn probabilities_of_languages_sum_to_one() {
        let p = softmax(&[1.0, 2.0, f32::NEG_INFINITY]);
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6 && p[2] == 0.0);
        assert_eq!(softmax(&[f32::NEG_INFINITY; 2]), [0.0, 0.0]);
    }
}
