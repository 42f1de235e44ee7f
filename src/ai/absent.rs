//! Engines that are not there, for tests of whatever stands behind them.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::fault::{Fault, FaultKind};
use super::llm::{Llm, LlmRequest, LlmStream};
use super::stt::{Stt, SttRequest, SttText};
use super::tts::{Tts, TtsRequest, TtsStream};
use crate::base::CallId;

pub(crate) struct Nobody;

fn absent() -> Fault {
    Fault::new(FaultKind::Unavailable, "nobody", "there are no engines in this test")
}

impl Stt for Nobody {
    fn id(&self) -> &str {
        "nobody"
    }
    fn transcribe(&self, _: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        async { Err(absent()) }.boxed()
    }
}

impl Llm for Nobody {
    fn id(&self) -> &str {
        "nobody"
    }
    fn generate(&self, _: LlmRequest) -> LlmStream {
        Box::pin(futures_util::stream::once(async { Err(absent()) }))
    }
    fn forget(&self, _: CallId) {}
}

impl Tts for Nobody {
    fn id(&self) -> &str {
        "nobody"
    }
    fn speak(&self, _: TtsRequest) -> TtsStream {
        Box::pin(futures_util::stream::once(async { Err(absent()) }))
    }
}
