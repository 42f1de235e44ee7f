//! The contract of speech recognition: one utterance in, one text out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Fault;
use crate::base::{CallId, Lang};

/// What is known of the caller's language before recognition.
#[derive(Clone, Debug, PartialEq)]
pub enum LanguageHint {
    /// Recognise in this language, whatever it sounds like.
    Fixed(Lang),
    /// Probably this one; tell when it sounds like another of `among`.
    Likely { expected: Lang, among: Vec<Lang> },
    /// Nothing is known.
    Open { among: Vec<Lang> },
}

#[derive(Clone, Debug)]
pub struct SttRequest {
    /// For cancelling and accounting; `None` from the command line.
    pub call: Option<CallId>,
    /// 16 kHz mono.
    pub audio: Arc<[i16]>,
    pub hint: LanguageHint,
    /// Words as this caller may say them, for recognisers that can be primed with text. A hint only.
    pub words: Option<Arc<str>>,
    /// A speculative request may be dropped when engines are busy.
    pub speculative: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SttText {
    /// Empty when nothing was said.
    pub text: String,
    pub language: Lang,
    /// 0 to 1, among the languages asked about; 1 for [`LanguageHint::Fixed`].
    pub language_confidence: f32,
    /// 0 to 1, mean token probability.
    pub confidence: f32,
    pub audio: Duration,
    /// The engine's own working time, queueing excluded.
    pub took: Duration,
    pub provider: String,
}

/// A recogniser. Dropping the future cancels the request.
pub trait Stt: Send + Sync {
    fn id(&self) -> &str;
    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>>;
}
