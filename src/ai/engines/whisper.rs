//! Speech recognition by the Whisper worker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use vaani_engine_protocol::{Ask, Ready, Tell, Transcribe, Transcript};

use super::Setup;
use super::pool::{Pool, PoolHealth, Terms};
use super::supervise::Orders;
use crate::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use crate::ai::{Fault, FaultKind};
use crate::base::Lang;
use crate::base::audio::{self, STT_RATE};
use crate::base::limits::{ENGINE_READY_WITHIN, ENGINE_REQUEST_MAX};

/// The yardstick is slow on purpose and nobody waits for it.
const PLAIN_MAX: Duration = ENGINE_REQUEST_MAX.saturating_mul(10);

/// The local recogniser.
#[derive(Clone, Debug)]
pub struct Whisper {
    pool: Pool,
}

const PROVIDER: &str = "local/whisper";

/// Sound of one request. The worker cuts it at pauses; what is longer does not fit into a frame.
const AUDIO_MAX: Duration = Duration::from_secs(600);

impl Whisper {
    /// Starts the workers; they load while the caller goes on.
    pub fn start(setup: &Setup) -> Self {
        let plan = &setup.plan.stt;
        let settings = json!({ "model": setup.stt_model, "slots": plan.slots, "threads_per_slot": plan.threads });
        let orders = Orders {
            engine: "whisper",
            provider: PROVIDER,
            program: setup.program("vaani-engine-whisper", plan, settings),
            memory: plan.memory,
            ready_within: ENGINE_READY_WITHIN,
            // whisper-rs leaks a small string with every language it is given.
            recycle_after: Some(200_000),
        };
        Self { pool: Pool::start(&orders, plan.workers, plan.spares, &setup.scope, setup.clock) }
    }

    pub fn health(&self) -> PoolHealth {
        self.pool.health()
    }

    /// Waits until a worker has loaded its model.
    pub async fn ready(&self, within: Duration) -> Result<Ready, Fault> {
        self.pool.ready(within).await
    }

    /// Recognition with the engine's own defaults: the yardstick of `vaani bench stt`.
    pub async fn transcribe_plain(&self, audio: Arc<[i16]>, language: Lang) -> Result<SttText, Fault> {
        let ask =
            Transcribe { language: Some(language.tag().to_owned()), among: Vec::new(), prompt: None, plain: true };
        transcribe(&self.pool, &audio, ask, false, PLAIN_MAX).await
    }
}

impl Stt for Whisper {
    fn id(&self) -> &str {
        PROVIDER
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let pool = self.pool.clone();
        async move {
            let SttRequest { audio, hint, words, speculative, .. } = request;
            if let Some(text) = without_asking(&audio, &hint)? {
                return Ok(text);
            }
            transcribe(&pool, &audio, question(&hint, words.as_deref()), speculative, ENGINE_REQUEST_MAX).await
        }
        .boxed()
    }
}

/// Requests that need no engine: nothing was recorded, or too much.
fn without_asking(audio: &[i16], hint: &LanguageHint) -> Result<Option<SttText>, Fault> {
    let lasts = audio::duration(audio.len(), STT_RATE);
    if lasts > AUDIO_MAX {
        let detail = format!("{} s of sound, at most {} at once", lasts.as_secs(), AUDIO_MAX.as_secs());
        return Err(Fault::new(FaultKind::Refused, PROVIDER, detail));
    }
    let among = match hint {
        LanguageHint::Fixed(language) | LanguageHint::Likely { expected: language, .. } => Some(*language),
        LanguageHint::Open { among } => among.first().copied(),
    };
    let Some(language) = among else {
        return Err(Fault::new(FaultKind::Refused, PROVIDER, "no language to choose from"));
    };
    Ok(audio.is_empty().then(|| SttText {
        text: String::new(),
        language,
        language_confidence: 0.0,
        confidence: 0.0,
        audio: Duration::ZERO,
        took: Duration::ZERO,
        provider: PROVIDER.to_owned(),
    }))
}

fn question(hint: &LanguageHint, words: Option<&str>) -> Transcribe {
    let prompt = words.map(str::to_owned);
    let tags = |languages: &[Lang]| languages.iter().map(|l| l.tag().to_owned()).collect();
    match hint {
        LanguageHint::Fixed(language) => {
            Transcribe { language: Some(language.tag().to_owned()), among: Vec::new(), prompt, plain: false }
        }
        LanguageHint::Likely { expected, among } => Transcribe {
            language: Some(expected.tag().to_owned()),
            among: tags(&with(among, *expected)),
            prompt,
            plain: false,
        },
        LanguageHint::Open { among } => Transcribe { language: None, among: tags(among), prompt, plain: false },
    }
}

fn with(among: &[Lang], expected: Lang) -> Vec<Lang> {
    let mut all = among.to_vec();
    if !all.contains(&expected) {
        all.insert(0, expected);
    }
    all
}

/// `within`: beyond the length of the sound.
async fn transcribe(
    pool: &Pool,
    audio: &[i16],
    ask: Transcribe,
    speculative: bool,
    within: Duration,
) -> Result<SttText, Fault> {
    let compared = !ask.among.is_empty();
    let lasts = audio::duration(audio.len(), STT_RATE);
    let terms = Terms { conversation: None, speculative, deadline: within + lasts };
    let mut answers = pool.ask(&Ask::Transcribe(ask), audio, terms).await?;
    match answers.next().await? {
        (Tell::Transcript(Transcript { text, language, language_confidence, confidence, took_us }), _) => Ok(SttText {
            text: text.trim().to_owned(),
            language: language.parse().map_err(|_| broken(&format!("answered in unknown language {language:?}")))?,
            language_confidence: if compared { share(language_confidence) } else { 1.0 },
            confidence: share(confidence),
            audio: lasts,
            took: Duration::from_micros(took_us),
            provider: PROVIDER.to_owned(),
        }),
        (other, _) => Err(answers.unexpected(&other)),
    }
}

fn broken(detail: &str) -> Fault {
    Fault::new(FaultKind::Broken, PROVIDER, detail)
}

/// A probability, whatever the engine computed.
const fn share(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}
