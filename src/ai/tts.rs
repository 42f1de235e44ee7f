//! The contract of speech synthesis: one clause in, a stream of sound out.

use std::time::Duration;

use futures_util::stream::BoxStream;

use super::Fault;
use crate::base::{CallId, Lang};

#[derive(Clone, Debug, PartialEq)]
pub struct TtsRequest {
    pub call: Option<CallId>,
    /// As it is to be spoken: numbers already in words.
    pub text: String,
    pub language: Lang,
    /// `None` is the box's default voice of the language; `espeak:hi+m3` names one.
    pub voice: Option<String>,
    /// 1.0 is the voice's own pace; 0.8 is slower.
    pub pace: f32,
    /// Samples a second wanted; the engine converts once.
    pub rate: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TtsEvent {
    /// Mono samples at the rate asked for.
    Audio(Vec<i16>),
    Done(TtsUsage),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TtsUsage {
    pub audio: Duration,
    /// The engine's own time to the first samples, queueing excluded.
    pub first_audio: Duration,
    pub took: Duration,
    pub provider: String,
    pub voice: String,
}

pub type TtsStream = BoxStream<'static, Result<TtsEvent, Fault>>;

/// A voice. Dropping the stream cancels the request. The stream ends after `Done` or a fault.
pub trait Tts: Send + Sync {
    fn id(&self) -> &str;
    fn speak(&self, request: TtsRequest) -> TtsStream;
}
