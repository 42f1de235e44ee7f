//! The contract of speech recognition: one utterance in, one text out; where an engine can, the utterance
//! goes in while it is spoken.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

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

/// An utterance that has begun.
#[derive(Clone, Debug)]
pub struct SttOpening {
    pub call: Option<CallId>,
    /// 16 kHz mono, so far.
    pub audio: Arc<[i16]>,
    pub hint: LanguageHint,
    pub words: Option<Arc<str>>,
}

/// Recognition while the caller speaks.
pub struct Listening {
    /// 16 kHz mono, in order; dropping it is the end of the utterance.
    pub sound: mpsc::Sender<Vec<i16>>,
    /// Carries the sound. To be polled until it ends; dropping it cancels everything.
    pub pump: BoxFuture<'static, ()>,
    pub answer: Awaited,
}

/// What will come of it once the sound has ended.
#[derive(Debug)]
pub struct Awaited {
    /// Whose it is, for the one who chose: see [`Stt::finish`].
    pub by: usize,
    pub answer: oneshot::Receiver<Result<SttText, Fault>>,
}

/// A recogniser. Dropping the future cancels the request.
pub trait Stt: Send + Sync {
    fn id(&self) -> &str;
    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>>;

    /// May [`Stt::listen`] ever be of use?
    fn listens(&self) -> bool {
        false
    }

    /// Begins to recognise before the utterance is whole, if it can.
    fn listen(&self, _: SttOpening) -> Option<Listening> {
        None
    }

    /// The same as `transcribe` for an utterance that was listened to; `request` has it whole, for
    /// when listening failed.
    fn finish(&self, request: SttRequest, _: Awaited) -> BoxFuture<'static, Result<SttText, Fault>> {
        self.transcribe(request)
    }
}
