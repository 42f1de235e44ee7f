//! Who may be asked: each model of each provider, and all that its adapter needs to be built.
//! Absent on purpose: keys (a candidate knows the *name* of its key), how it does today.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::deadlines::Deadlines;
use super::residency::Residency;
use crate::base::Lang;
pub use crate::base::event::Stage;

/// The place of a candidate in its table. Means nothing in another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CandidateId(pub(super) u16);

impl CandidateId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a model can do. `conversational_ai` is a language model that needs no prompt of ours; it
/// serves the stage `llm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    Stt,
    Llm,
    Tts,
    ConversationalAi,
}

impl Capability {
    pub const ALL: [(&'static str, Self); 4] =
        [("stt", Self::Stt), ("llm", Self::Llm), ("tts", Self::Tts), ("conversational_ai", Self::ConversationalAi)];

    pub const fn stage(self) -> Stage {
        match self {
            Self::Stt => Stage::Stt,
            Self::Llm | Self::ConversationalAi => Stage::Llm,
            Self::Tts => Stage::Tts,
        }
    }
}

/// Which adapter speaks to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The box's own workers.
    Local,
    Sarvam,
    Bhashini,
    /// OpenAI and every server that speaks its protocol.
    OpenAi,
    Deepgram,
    ElevenLabs,
    Azure,
    Bedrock,
    Anthropic,
    /// A proprietary HTTP interface described by `options`.
    Generic,
}

/// How requests show whose they are; the key itself is in a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Auth {
    pub style: AuthStyle,
    /// Of the header, the query parameter or the scheme.
    pub name: Option<String>,
    /// AWS only.
    pub region: Option<String>,
    /// AWS only: the public half of the key.
    pub access_key: Option<String>,
}

impl Auth {
    pub const NONE: Self = Self { style: AuthStyle::None, name: None, region: None, access_key: None };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthStyle {
    None,
    Bearer,
    Header,
    Query,
    Scheme,
    SigV4,
}

/// Requests a provider takes from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    pub per_minute: u32,
    /// So many may come at once.
    pub burst: u32,
}

#[derive(Clone, Debug)]
pub struct Provider {
    pub name: Arc<str>,
    pub kind: Kind,
    /// `None` for the local workers, and for providers of which the file only gives the name and
    /// properties; those cannot be asked.
    pub base_url: Option<Url>,
    pub residency: Residency,
    /// The name of the credential that holds the key.
    pub secret: Option<String>,
    pub auth: Auth,
    pub deadlines: Deadlines,
    pub rate_limit: Option<RateLimit>,
    /// Requests in flight at once.
    pub concurrency: Option<u32>,
}

/// Thousandths of a paisa, so that small amounts add up exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Price {
    pub millipaise_per_minute: u64,
    pub millipaise_per_1k_chars: u64,
    pub millipaise_per_1m_tokens_in: u64,
    pub millipaise_per_1m_tokens_out: u64,
}

/// What one request used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub audio: Duration,
    pub chars: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// What a minute of conversation uses at each stage, to compare prices of different units.
const MINUTE_CHARS: u64 = 450;
const MINUTE_TOKENS_IN: u64 = 6_000;
const MINUTE_TOKENS_OUT: u64 = 250;

impl Price {
    pub const FREE: Self = Self {
        millipaise_per_minute: 0,
        millipaise_per_1k_chars: 0,
        millipaise_per_1m_tokens_in: 0,
        millipaise_per_1m_tokens_out: 0,
    };

    pub fn is_free(&self) -> bool {
        *self == Self::FREE
    }

    /// The cost of a request, in thousandths of a paisa, rounded down once per unit.
    pub fn millipaise(&self, used: &Used) -> u64 {
        let ms = u64::try_from(used.audio.as_millis()).unwrap_or(u64::MAX);
        let part = |price: u64, amount: u64, unit: u64| price.saturating_mul(amount) / unit;
        part(self.millipaise_per_minute, ms, 60_000)
            .saturating_add(part(self.millipaise_per_1k_chars, used.chars, 1_000))
            .saturating_add(part(self.millipaise_per_1m_tokens_in, used.tokens_in, 1_000_000))
            .saturating_add(part(self.millipaise_per_1m_tokens_out, used.tokens_out, 1_000_000))
    }

    /// What a minute of conversation costs at `stage`.
    pub fn of_a_minute(&self, stage: Stage) -> u64 {
        let minute = Duration::from_secs(60);
        self.millipaise(&match stage {
            Stage::Stt => Used { audio: minute, ..Used::default() },
            Stage::Llm => {
                Used { audio: minute, tokens_in: MINUTE_TOKENS_IN, tokens_out: MINUTE_TOKENS_OUT, ..Used::default() }
            }
            Stage::Tts => Used { audio: minute, chars: MINUTE_CHARS, ..Used::default() },
        })
    }
}

/// One model of one provider.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub id: CandidateId,
    /// `provider/model`, as decision records and metrics name it.
    pub name: Arc<str>,
    pub provider: Arc<Provider>,
    pub model: String,
    pub capabilities: Vec<Capability>,
    /// In the order of the file; all eleven if the file names none.
    pub languages: Vec<Lang>,
    pub price: Price,
    /// Does anybody say what it costs? Otherwise it counts as free.
    pub is_priced: bool,
    /// 0 to 1, as the file's owner rates it.
    pub accuracy: Option<f32>,
    /// Its slow tail, as the file's owner expects it until it is measured.
    pub latency: Option<Duration>,
    pub tier: Option<String>,
    /// Fields for the adapter.
    pub options: Map<String, Value>,
    pub voices: BTreeMap<Lang, String>,
}

impl Candidate {
    pub fn serves(&self, stage: Stage) -> bool {
        self.capabilities.iter().any(|capability| capability.stage() == stage)
    }

    pub fn speaks(&self, language: Lang) -> bool {
        self.languages.contains(&language)
    }

    /// Is there anything to send a request to?
    pub fn is_reachable(&self) -> bool {
        self.provider.kind == Kind::Local || self.provider.base_url.is_some()
    }
}

/// The provider that is always there, and its models.
pub const LOCAL: &str = "local";
pub(super) const LOCAL_MODELS: [(&str, Capability); 3] =
    [("whisper", Capability::Stt), ("llama", Capability::Llm), ("speech", Capability::Tts)];

/// The box's own engines, which every table begins with.
pub(super) fn local_candidates() -> Vec<Candidate> {
    let provider = Arc::new(Provider {
        name: LOCAL.into(),
        kind: Kind::Local,
        base_url: None,
        residency: Residency::OnBox,
        secret: None,
        auth: Auth::NONE,
        deadlines: Deadlines::default(),
        rate_limit: None,
        concurrency: None,
    });
    (0_u16..)
        .zip(LOCAL_MODELS)
        .map(|(id, (model, capability))| Candidate {
            id: CandidateId(id),
            name: format!("{LOCAL}/{model}").into(),
            provider: Arc::clone(&provider),
            model: model.to_owned(),
            capabilities: vec![capability],
            languages: Lang::ALL.to_vec(),
            price: Price::FREE,
            is_priced: true,
            accuracy: None,
            latency: None,
            tier: None,
            options: Map::new(),
            voices: BTreeMap::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_add_up_over_units() {
        let price = Price {
            millipaise_per_minute: 50_000,
            millipaise_per_1k_chars: 300_000,
            millipaise_per_1m_tokens_in: 2_928_000,
            millipaise_per_1m_tokens_out: 7_320_000,
        };
        let cases = [
            (Used { audio: Duration::from_secs(6), ..Used::default() }, 5_000),
            (Used { chars: 100, ..Used::default() }, 30_000),
            (Used { tokens_in: 1_000, tokens_out: 100, ..Used::default() }, 2_928 + 732),
            (Used { chars: u64::MAX, ..Used::default() }, u64::MAX / 1_000),
            (Used::default(), 0),
        ];
        for (used, expected) in cases {
            assert_eq!(price.millipaise(&used), expected, "{used:?}");
        }
        assert!(Price::FREE.is_free() && Price::FREE.of_a_minute(Stage::Tts) == 0);
        assert_eq!(price.of_a_minute(Stage::Stt), 50_000);
    }
}
