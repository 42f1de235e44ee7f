//! From the routing file to engines that can be asked: each candidate gets its adapter and its key.
//! Promise: a candidate without a key or an address stays in the table and says why it cannot be
//! asked; nothing is sent to find that out.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Client;

use super::Local;
use crate::ai::providers::{
    self, Endpoint, anthropic, azure, bedrock, bhashini, deepgram, elevenlabs, http_generic, openai, sarvam,
};
use crate::ai::router::{AuthStyle, Candidate, Kind, Member, Stage, Table};
use crate::base::Clock;
use crate::base::secret::Secret;

/// Bytes of a key.
const SECRET_MAX: u64 = 16 * 1024;

/// One member for each candidate of the table, and why some of them cannot be asked.
pub(super) struct Connected {
    pub members: Vec<Member>,
    pub missing: BTreeMap<String, String>,
}

pub(super) fn connect(table: &Table, local: &Local, clock: Clock) -> anyhow::Result<Connected> {
    let http = providers::http::client()?;
    let mut connected = Connected { members: Vec::new(), missing: BTreeMap::new() };
    for candidate in table.candidates() {
        let member = match candidate.provider.kind {
            Kind::Local => Ok(of_the_box(candidate, local)),
            _ => endpoint(candidate).map(|endpoint| outside(candidate, &endpoint, &http, clock)),
        };
        connected.members.push(member.unwrap_or_else(|why| {
            tracing::warn!(candidate = %candidate.name, why, "a candidate cannot be asked");
            connected.missing.insert(candidate.name.to_string(), why);
            Member::default()
        }));
    }
    Ok(connected)
}

fn of_the_box(candidate: &Candidate, local: &Local) -> Member {
    Member {
        on_box: true,
        takes_style: candidate.options.get("dialect_style") == Some(&serde_json::Value::Bool(true)),
        stt: candidate.serves(Stage::Stt).then(|| std::sync::Arc::new(local.stt.clone()) as _),
        llm: candidate.serves(Stage::Llm).then(|| std::sync::Arc::new(local.llm.clone()) as _),
        tts: candidate.serves(Stage::Tts).then(|| std::sync::Arc::new(local.tts.clone()) as _),
    }
}

fn endpoint(candidate: &Candidate) -> Result<Endpoint, String> {
    let provider = &candidate.provider;
    let base_url = provider.base_url.clone().ok_or("the routing file gives no base_url")?;
    let secret = match &provider.secret {
        Some(name) => Some(secret(name)?),
        None => None,
    };
    let auth = &provider.auth;
    let key = || secret.clone().ok_or("the routing file names no secret");
    let name = |default: &str| auth.name.clone().unwrap_or_else(|| default.to_owned());
    let auth = match auth.style {
        AuthStyle::None => providers::Auth::None,
        AuthStyle::Bearer => providers::Auth::Bearer(key()?),
        AuthStyle::Header => providers::Auth::Header(name("x-api-key"), key()?),
        AuthStyle::Query => providers::Auth::Query(name("key"), key()?),
        AuthStyle::Scheme => providers::Auth::Scheme(name("Token"), key()?),
        AuthStyle::SigV4 => providers::Auth::SigV4 {
            access_key: auth.access_key.clone().ok_or("auth.access_key is missing")?,
            secret_key: key()?,
            session_token: None,
            region: auth.region.clone().ok_or("auth.region is missing")?,
        },
    };
    Ok(Endpoint {
        id: candidate.name.to_string(),
        base_url,
        auth,
        model: candidate.model.clone(),
        options: candidate.options.clone(),
        voices: candidate.voices.clone(),
    })
}

fn outside(candidate: &Candidate, endpoint: &Endpoint, http: &Client, clock: Clock) -> Member {
    let (e, h) = (|| endpoint.clone(), || http.clone());
    let (stt, llm, tts) = (candidate.serves(Stage::Stt), candidate.serves(Stage::Llm), candidate.serves(Stage::Tts));
    match candidate.provider.kind {
        Kind::Local => Member::default(),
        Kind::Sarvam => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| sarvam::stt(e(), h(), clock)),
            // Its chat speaks OpenAI's protocol.
            llm: llm.then(|| openai::llm(e(), h(), clock)),
            tts: tts.then(|| sarvam::tts(e(), h(), clock)),
        },
        Kind::Bhashini => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| bhashini::stt(e(), h(), clock)),
            llm: None,
            tts: tts.then(|| bhashini::tts(e(), h(), clock)),
        },
        Kind::OpenAi => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| openai::stt(e(), h(), clock)),
            llm: llm.then(|| openai::llm(e(), h(), clock)),
            tts: tts.then(|| openai::tts(e(), h(), clock)),
        },
        Kind::Deepgram => {
            Member { stt: stt.then(|| deepgram::stt(e(), h(), clock)), takes_style: true, ..Member::default() }
        }
        Kind::ElevenLabs => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| elevenlabs::stt(e(), h(), clock)),
            llm: None,
            tts: tts.then(|| elevenlabs::tts(e(), h(), clock)),
        },
        Kind::Azure => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| azure::stt(e(), h(), clock)),
            llm: None,
            tts: tts.then(|| azure::tts(e(), h(), clock)),
        },
        Kind::Bedrock => {
            Member { llm: llm.then(|| bedrock::llm(e(), h(), clock)), takes_style: true, ..Member::default() }
        }
        Kind::Anthropic => {
            Member { llm: llm.then(|| anthropic::llm(e(), h(), clock)), takes_style: true, ..Member::default() }
        }
        Kind::Generic => Member {
            on_box: false,
            takes_style: true,
            stt: stt.then(|| http_generic::stt(e(), h(), clock)),
            llm: llm.then(|| http_generic::llm(e(), h(), clock)),
            tts: tts.then(|| http_generic::tts(e(), h(), clock)),
        },
    }
}

/// A key by its name: a systemd credential, or else a variable of the environment.
fn secret(name: &str) -> Result<Secret, String> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !plain {
        return Err("the secret's name may have letters, digits and _-. only".to_owned());
    }
    if let Some(dir) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let path = Path::new(&dir).join(name);
        if std::fs::metadata(&path).is_ok_and(|file| file.len() <= SECRET_MAX)
            && let Ok(value) = std::fs::read_to_string(&path)
        {
            return Ok(Secret::new(value.trim()));
        }
    }
    match std::env::var(name) {
        Ok(value) if !value.trim().is_empty() => Ok(Secret::new(value.trim())),
        _ => Err(format!("there is no credential and no variable {name}")),
    }
}
