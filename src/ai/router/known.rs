//! What is known of providers without asking the routing file: names, addresses, ways to sign,
//! what they can do in which language, prices as published. The file wins over all of it.

use super::candidates::{AuthStyle, Capability, Kind, Price};
use crate::base::Lang;

/// Names that a priority list may use although the file does not define them: somebody will.
pub(super) const WELL_KNOWN: [(&str, Option<Kind>); 15] = [
    ("sarvam", Some(Kind::Sarvam)),
    ("ai4bharat", Some(Kind::Bhashini)),
    ("bhashini", Some(Kind::Bhashini)),
    ("openai", Some(Kind::OpenAi)),
    ("vllm", Some(Kind::OpenAi)),
    ("deepgram", Some(Kind::Deepgram)),
    ("elevenlabs", Some(Kind::ElevenLabs)),
    ("azure", Some(Kind::Azure)),
    ("bedrock", Some(Kind::Bedrock)),
    ("aws_bedrock", Some(Kind::Bedrock)),
    ("anthropic", Some(Kind::Anthropic)),
    ("google", None),
    ("generic", Some(Kind::Generic)),
    ("generic_cloud", None),
    ("proprietary", Some(Kind::Generic)),
];

/// What the file calls a kind.
pub(super) const KINDS: [(&str, Kind); 12] = [
    ("sarvam", Kind::Sarvam),
    ("bhashini", Kind::Bhashini),
    ("ai4bharat", Kind::Bhashini),
    ("openai", Kind::OpenAi),
    ("openai_compatible", Kind::OpenAi),
    ("deepgram", Kind::Deepgram),
    ("elevenlabs", Kind::ElevenLabs),
    ("azure", Kind::Azure),
    ("bedrock", Kind::Bedrock),
    ("anthropic", Kind::Anthropic),
    ("generic", Kind::Generic),
    ("generic_http", Kind::Generic),
];

/// The address of a service that has only one. An OpenAI-compatible server can be anywhere.
pub(super) const fn base_url(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Sarvam => Some("https://api.sarvam.ai"),
        Kind::Bhashini => Some("https://meity-auth.ulcacontrib.org"),
        Kind::Deepgram => Some("https://api.deepgram.com"),
        Kind::ElevenLabs => Some("https://api.elevenlabs.io"),
        Kind::Anthropic => Some("https://api.anthropic.com"),
        Kind::OpenAi | Kind::Azure | Kind::Bedrock | Kind::Generic | Kind::Local => None,
    }
}

/// The way to sign if the file says nothing, with the name it needs.
pub(super) const fn auth(kind: Kind) -> (AuthStyle, Option<&'static str>) {
    match kind {
        Kind::Sarvam => (AuthStyle::Header, Some("api-subscription-key")),
        Kind::Bhashini => (AuthStyle::Header, Some("ulcaApiKey")),
        Kind::Deepgram => (AuthStyle::Scheme, Some("Token")),
        Kind::ElevenLabs => (AuthStyle::Header, Some("xi-api-key")),
        Kind::Azure => (AuthStyle::Header, Some("Ocp-Apim-Subscription-Key")),
        Kind::Anthropic => (AuthStyle::Header, Some("x-api-key")),
        Kind::OpenAi | Kind::Bedrock | Kind::Generic => (AuthStyle::Bearer, None),
        Kind::Local => (AuthStyle::None, None),
    }
}

pub(super) const fn can(kind: Kind, capability: Capability) -> bool {
    use Capability::{ConversationalAi, Llm, Stt, Tts};
    match kind {
        Kind::Sarvam | Kind::OpenAi | Kind::Generic | Kind::Local => true,
        Kind::Bhashini | Kind::ElevenLabs | Kind::Azure => matches!(capability, Stt | Tts),
        Kind::Deepgram => matches!(capability, Stt),
        Kind::Bedrock | Kind::Anthropic => matches!(capability, Llm | ConversationalAi),
    }
}

/// Languages of a model whose entry names none.
pub(super) fn languages(kind: Kind, model: &str, capabilities: &[Capability]) -> Vec<Lang> {
    let lacking: &[Lang] = match kind {
        Kind::Deepgram => &[Lang::Ml, Lang::Or],
        Kind::ElevenLabs if model.contains("flash") || model.contains("turbo") || model.contains("multilingual_v2") => {
            return vec![Lang::En, Lang::Hi, Lang::Ta];
        }
        Kind::ElevenLabs if capabilities.contains(&Capability::Tts) => &[Lang::Or],
        Kind::OpenAi if capabilities.contains(&Capability::Stt) => &[Lang::Or],
        _ => &[],
    };
    Lang::ALL.into_iter().filter(|lang| !lacking.contains(lang)).collect()
}

/// Published prices, for a model whose entry names none (2026-09).
pub(super) fn price(kind: Kind, capabilities: &[Capability]) -> Option<Price> {
    if kind != Kind::Sarvam {
        return None;
    }
    Some(match capabilities {
        [Capability::Stt] => Price { millipaise_per_minute: 50_000, ..Price::FREE },
        [Capability::Tts] => Price { millipaise_per_1k_chars: 300_000, ..Price::FREE },
        [Capability::Llm] => {
            Price { millipaise_per_1m_tokens_in: 2_928_000, millipaise_per_1m_tokens_out: 7_320_000, ..Price::FREE }
        }
        _ => return None,
    })
}

/// Hosts whose servers are known to stand abroad unless a contract says otherwise.
const ABROAD: [&str; 4] = ["api.openai.com", "api.anthropic.com", "api.deepgram.com", "api.elevenlabs.io"];
/// Parts of host names of regions in India.
const INDIAN_REGIONS: [&str; 7] =
    ["ap-south-1", "ap-south-2", "asia-south1", "centralindia", "southindia", "westindia", "jioindia"];

/// Why a claim to be in India looks wrong; the file's owner may know better.
pub(super) fn doubt(kind: Kind, host: &str, model: &str) -> Option<String> {
    if ABROAD.contains(&host) {
        return Some(format!("{host} is known to answer from abroad"));
    }
    let regional = matches!(kind, Kind::Azure | Kind::Bedrock);
    if regional && !INDIAN_REGIONS.iter().any(|region| host.contains(region)) {
        return Some(format!("{host} is no region in India"));
    }
    if kind == Kind::Bedrock && ["global.", "apac.", "us.", "eu."].iter().any(|p| model.starts_with(p)) {
        return Some(format!("the profile {model} may be computed in another country"));
    }
    None
}
