//! Speech synthesis by the TTS worker: Piper voices, and espeak-ng where there is none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::json;
use vaani_engine_protocol::{Ask, Ready, Speak, Spoken, Tell};

use super::Setup;
use super::link::Answers;
use super::pool::{Pool, PoolHealth, Terms};
use super::supervise::Orders;
use super::voices::{find, onnxruntime};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::limits::{ENGINE_READY_WITHIN, ENGINE_REQUEST_MAX};
use crate::base::{Lang, audio};

/// The local voices.
#[derive(Clone, Debug)]
pub struct Voices {
    pool: Pool,
    /// The voice of a language when nobody asks for another; without an entry the worker chooses.
    defaults: Arc<BTreeMap<Lang, String>>,
}

const PROVIDER: &str = "local/tts";
const ESPEAK: &str = "espeak";

impl Voices {
    /// Starts the workers; they load while the caller goes on. espeak-ng is always there.
    pub fn start(setup: &Setup) -> Self {
        let plan = &setup.plan.tts;
        let onnxruntime = onnxruntime(&setup.lib_dir);
        let voices = if onnxruntime.is_some() { find(&setup.tts_model, &setup.models_dir) } else { Vec::new() };
        if voices.is_empty() {
            tracing::warn!(lib_dir = %setup.lib_dir.display(), "no Piper voice can be loaded; espeak-ng speaks");
        }
        let settings = json!({
            "espeak_data": setup.lib_dir,
            "onnxruntime": onnxruntime,
            "voices": voices,
            "slots": plan.slots,
            "copies": plan.threads.clamp(1, plan.slots.max(1)),
        });
        let orders = Orders {
            engine: "tts",
            provider: PROVIDER,
            program: setup.program("vaani-engine-tts", plan, settings),
            memory: plan.memory,
            ready_within: ENGINE_READY_WITHIN,
            recycle_after: None,
        };
        let pool = Pool::start(&orders, plan.workers, plan.spares, &setup.scope, setup.clock);
        Self { pool, defaults: Arc::new(setup.voices.clone()) }
    }

    pub fn health(&self) -> PoolHealth {
        self.pool.health()
    }

    /// Waits until a worker has loaded its voices.
    pub async fn ready(&self, within: Duration) -> Result<Ready, Fault> {
        self.pool.ready(within).await
    }
}

impl Tts for Voices {
    fn id(&self) -> &str {
        PROVIDER
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let voice = request.voice.or_else(|| self.defaults.get(&request.language).cloned());
        let start = Step::Ask(self.pool.clone(), TtsRequest { voice, ..request });
        stream::unfold(start, |mut step| async move {
            loop {
                let (pool, request, mut answers, begun) = match step {
                    Step::Ask(pool, request) => match pool.ask(&question(&request), &[], TERMS).await {
                        Ok(answers) => (pool, request, answers, false),
                        Err(fault) => return Some((Err(fault), Step::Over)),
                    },
                    Step::Read(pool, request, answers) => (pool, request, answers, true),
                    Step::Over => return None,
                };
                return Some(match answers.next().await {
                    Ok((Tell::Audio, samples)) => (Ok(TtsEvent::Audio(samples)), Step::Read(pool, request, answers)),
                    Ok((Tell::Spoken(spoken), _)) => (Ok(TtsEvent::Done(usage(spoken, request.rate))), Step::Over),
                    Ok((other, _)) => (Err(answers.unexpected(&other)), Step::Over),
                    Err(fault) if !begun => match without_piper(&request, &fault) {
                        Some(again) => {
                            tracing::warn!(provider = PROVIDER, %fault, "voice is not there; espeak-ng speaks instead");
                            step = Step::Ask(pool, again);
                            continue;
                        }
                        None => (Err(fault), Step::Over),
                    },
                    Err(fault) => (Err(fault), Step::Over),
                });
            }
        })
        .boxed()
    }
}

const TERMS: Terms = Terms { conversation: None, speculative: false, deadline: ENGINE_REQUEST_MAX };

/// Where a streamed answer is.
enum Step {
    Ask(Pool, TtsRequest),
    Read(Pool, TtsRequest, Answers),
    Over,
}

fn question(request: &TtsRequest) -> Ask {
    Ask::Speak(Speak {
        text: request.text.clone(),
        language: request.language.tag().to_owned(),
        voice: request.voice.clone(),
        pace: request.pace,
        rate: request.rate,
    })
}

/// The same request with espeak-ng, when a Piper voice was wanted (by name or as the default) and
/// is not loaded or failed before it said anything.
fn without_piper(request: &TtsRequest, fault: &Fault) -> Option<TtsRequest> {
    let voice = request.voice.as_deref();
    let was_piper = !voice.is_some_and(|v| v == ESPEAK || v.starts_with("espeak:"));
    let may_help = match fault.kind {
        // Refused by name: that voice is not loaded. Refused as the default: the text is wrong.
        FaultKind::Refused => voice.is_some(),
        FaultKind::Broken => true,
        FaultKind::Deadline | FaultKind::Overloaded | FaultKind::Unavailable | FaultKind::Denied => false,
    };
    (was_piper && may_help).then(|| TtsRequest { voice: Some(ESPEAK.to_owned()), ..request.clone() })
}

fn usage(spoken: Spoken, rate: u32) -> TtsUsage {
    let espeak = spoken.voice == ESPEAK || spoken.voice.starts_with("espeak:");
    TtsUsage {
        audio: audio::duration(usize::try_from(spoken.samples).unwrap_or(usize::MAX), rate.max(1)),
        first_audio: Duration::from_micros(spoken.first_audio_us),
        took: Duration::from_micros(spoken.took_us),
        provider: if espeak { "local/espeak" } else { "local/piper" }.to_owned(),
        voice: spoken.voice,
    }
}
