//! Recognition as plain whisper.cpp does it, with the defaults of its command line: the whole 30 s
//! of context, beam search, timestamps, temperature fallback, up to four threads. The yardstick of
//! the benchmark, never used for a call.
//!
//! Two differences remain: whisper-rs cannot set `best_of` beside a beam, so a fallback samples once
//! instead of five times (which makes the yardstick faster), and no language means `auto`.

#![expect(unsafe_code, reason = "the abort callback is a raw pair")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

use vaani_engine_protocol::desk::{Fail, Stop};
use whisper_rs::{FullParams, SamplingStrategy, WhisperState, get_lang_str};

use crate::clip;
use crate::model::Model;

/// A state of its own: the five beams enlarge its caches for good.
pub(crate) struct Plain {
    state: WhisperState,
}

pub(crate) struct PlainReading {
    pub(crate) text: String,
    /// Tag of the language, if it is one of the box's.
    pub(crate) language: Option<&'static str>,
    pub(crate) confidence: f32,
}

impl Plain {
    pub(crate) fn new(model: &Model) -> Result<Self, Fail> {
        let state = model.context.create_state().map_err(engine)?;
        Ok(Self { state })
    }

    /// `language`: Whisper's code.
    pub(crate) fn transcribe(
        &mut self,
        model: &Model,
        samples: &[i16],
        language: Option<&str>,
        stop: &Stop,
    ) -> Result<PlainReading, Fail> {
        let mut parameters = FullParams::new(SamplingStrategy::BeamSearch { beam_size: 5, patience: -1.0 });
        // Leaks a few bytes; benchmarks end.
        parameters.set_language(language);
        parameters.set_print_progress(false);
        parameters.set_print_timestamps(false);
        let flag: *const AtomicBool = stop.flag();
        // SAFETY: the raw pair, as the other setter hands a wrong pointer to its callback. The flag
        // lives as long as `stop`, which outlives the call below.
        unsafe {
            parameters.set_abort_callback(Some(aborted));
            parameters.set_abort_callback_user_data(flag.cast_mut().cast());
        }
        let outcome = self.state.full(parameters, &clip::to_float(samples));
        stop.check()?;
        outcome.map_err(engine)?;
        let mut text = String::new();
        let mut probabilities = Vec::new();
        for segment in self.state.as_iter() {
            text.push_str(&segment.to_str_lossy().map_err(engine)?);
            for number in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(number) else { continue };
                let data = token.token_data();
                if data.id < model.special.end {
                    probabilities.push(data.p);
                }
            }
        }
        let text = text.replace('\u{FFFD}', "").trim().to_owned();
        let code = get_lang_str(self.state.full_lang_id_from_state());
        let language = model.languages.iter().find(|l| Some(l.code.as_str()) == code).map(|l| l.tag);
        let confidence = if text.is_empty() { 0.0 } else { mean(&probabilities) };
        Ok(PlainReading { text, language, confidence })
    }
}

pub(crate) fn mean(values: &[f32]) -> f32 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f32>() / values.len() as f32 }
}

unsafe extern "C" fn aborted(flag: *mut c_void) -> bool {
    // SAFETY: `transcribe` passes a live AtomicBool, which is only ever read shared.
    unsafe { &*flag.cast_const().cast::<AtomicBool>() }.load(Ordering::Relaxed)
}

fn engine(error: whisper_rs::WhisperError) -> Fail {
    Fail::engine(format!("whisper.cpp failed: {error}"))
}
