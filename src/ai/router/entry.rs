//! The `providers` of a routing file: where each is, how it is signed, what its models can do.
//! Promise: no key is ever read from the file, and none that was written there by mistake is
//! repeated in a fault.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use url::Url;

use super::address::{KEY_NAMES, address, residency};
use super::candidates::{AuthStyle, Candidate, CandidateId, Capability, Kind, LOCAL, Price, Provider, RateLimit};
use super::deadlines::Deadlines;
use super::known;
use super::read::{named, number, scalar, section};
use super::residency::Residency;
use super::sign::{auth, secret};
use crate::base::Lang;
use crate::config::{At, Fields, Node, Problem, Value, nearest};

/// Candidates of one file, those of the box among them.
pub(super) const CANDIDATES_MAX: usize = 256;
/// A rupee amount a minute beyond this is a slip of the pen.
const COST_MAX: f64 = 10_000.0;
/// Paise.
const PRICE_MAX: f64 = 100_000_000.0;

/// Reads one provider and appends its models to `candidates`.
pub(super) fn provider(
    name: &str,
    mut fields: Fields<'_>,
    candidates: &mut Vec<Candidate>,
    remarks: &mut Vec<Problem>,
) {
    let at = fields.at().clone();
    if name == LOCAL {
        fields.refuse(&at, "`providers.local` is the box itself and always there; give your provider another name");
        return;
    }
    if let Err(fault) = plain_name(name) {
        fields.refuse(&at, format!("the provider name `{name}` {fault}"));
    }
    for key in KEY_NAMES {
        if let Some(place) = fields.place(key) {
            fields.take(key);
            let message = format!(
                "`{}` would hold a key; put the key into a credential and write its name: `secret: {}_api_key`",
                fields.name(key),
                name.replace('-', "_")
            );
            fields.refuse(&place, message);
        }
    }
    let told_kind = kind(&mut fields);
    let told_url = address(&mut fields);
    let known_kind = known::WELL_KNOWN.iter().find(|(known, _)| *known == name).and_then(|(_, kind)| *kind);
    let (url_told, url_faulty) = (told_url.is_ok_and_some(), told_url.is_err());
    let kind = match (told_kind, known_kind) {
        (Some(Ok(kind)), _) => kind,
        (None, Some(kind)) => kind,
        (Some(Err(())), _) => Kind::Generic,
        (None, None) => {
            if url_told {
                let message =
                    format!("`{}` is missing; write the protocol it speaks, one of {}", fields.name("kind"), kinds());
                fields.refuse(&at, message);
            }
            Kind::Generic
        }
    };
    let base_url = told_url.ok().flatten().or_else(|| known::base_url(kind)?.parse().ok());
    let residency = residency(&mut fields, &at, base_url.as_ref(), url_faulty);
    let secret = secret(&mut fields);
    let auth = auth(&mut fields, kind, secret.is_some(), base_url.as_ref());
    let needs_key = auth.style != AuthStyle::None;
    if needs_key && secret.is_none() && base_url.is_some() && !fields.faulty("secret") {
        let message = format!(
            "`{}` is missing; write the name of the credential that holds the key, for example {}_api_key",
            fields.name("secret"),
            name.replace('-', "_")
        );
        fields.refuse(&at, message);
    }
    if base_url.is_none() && !url_faulty {
        remarks.push(Problem::new(&at, format!("`{name}` has no base_url: nobody is asked for it until it has one")));
    }
    let deadlines = deadlines(&mut fields);
    let rate_limit = rate_limit(&mut fields);
    let concurrency = bounded(&mut fields, "concurrency", 1, 10_000);
    let provider = Arc::new(Provider {
        name: name.into(),
        kind,
        base_url,
        residency,
        secret,
        auth,
        deadlines,
        rate_limit,
        concurrency,
    });

    let mut models = section(&mut fields, "models");
    let rows = models.rest();
    if rows.is_empty() {
        let message = format!(
            "`{}` is empty; name at least one model and its capabilities",
            models.name("").trim_end_matches('.')
        );
        let place = models.at().clone();
        models.refuse(&place, message);
    }
    for (model, node) in rows {
        let place = node.at.clone();
        let Some(entry) = super::read::child(&mut models, &model, node) else { continue };
        let Some(read) = model_entry(&model, entry, &provider, remarks) else { continue };
        let Ok(id) = u16::try_from(candidates.len()) else { continue };
        if candidates.len() >= CANDIDATES_MAX {
            models.refuse(&place, format!("there are more than {CANDIDATES_MAX} models; take some out"));
            break;
        }
        doubts(&provider, &model, &place, remarks);
        candidates.push(Candidate { id: CandidateId(id), ..read });
    }
    models.finish();
    fields.finish();
}

fn doubts(provider: &Provider, model: &str, at: &At, remarks: &mut Vec<Problem>) {
    let Some(host) = provider.base_url.as_ref().and_then(Url::host_str) else { return };
    if provider.residency == Residency::India
        && let Some(doubt) = known::doubt(provider.kind, host, model)
    {
        let name = &provider.name;
        remarks
            .push(Problem::new(at, format!("`{name}` is said to be in India, but {doubt}; it is taken on your word")));
    }
}

fn model_entry(
    model: &str,
    mut fields: Fields<'_>,
    provider: &Arc<Provider>,
    remarks: &mut Vec<Problem>,
) -> Option<Candidate> {
    let at = fields.at().clone();
    if model.trim() != model || model.is_empty() || model.chars().count() > 128 || model.chars().any(char::is_control) {
        fields.refuse(&at, "a model's name has 1 to 128 characters and no spaces around it");
    }
    let kind = provider.kind;
    let is_listed = fields.place("capabilities").is_some();
    let capabilities = words(&mut fields, "capabilities", |word| match named(word, &Capability::ALL) {
        Ok(capability) if known::can(kind, capability) => Ok(capability),
        Ok(_) => Err(format!("is {word:?}, which this kind of provider does not do; take it out")),
        Err(instead) => Err(format!("is {word:?}; {instead}")),
    })
    .unwrap_or_default();
    if !is_listed {
        let message = format!("`{}` is missing; write for example [stt]", fields.name("capabilities"));
        fields.refuse(&at, message);
    }
    let languages = words(&mut fields, "languages", |word| language(word).map_err(|e| format!("is {word:?}; {e}")))
        .filter(|list| !list.is_empty())
        .unwrap_or_else(|| known::languages(kind, model, &capabilities));
    let (price, is_priced) = price(&mut fields);
    let outside = provider.base_url.is_some() && provider.residency != Residency::OnBox;
    let published = known::price(kind, &capabilities);
    if !is_priced && published.is_none() && outside {
        let message = format!("`{}/{model}` has no price: it counts as free and no budget stops it", provider.name);
        remarks.push(Problem::new(&at, message));
    }
    let price = if is_priced { price } else { published.unwrap_or(Price::FREE) };
    #[expect(clippy::cast_possible_truncation, reason = "a share needs no more than an f32 holds")]
    let accuracy = number(&mut fields, "accuracy_score", 0.0, 1.0).map(|share| share as f32);
    let latency = bounded(&mut fields, "latency_ms", 1, 60_000).map(|ms| Duration::from_millis(ms.into()));
    let tier = scalar::<String>(&mut fields, "tier").map(|(tier, _)| tier);
    let options = options(&mut fields);
    let voices = voices(&mut fields);
    fields.finish();
    Some(Candidate {
        id: CandidateId(0),
        name: format!("{}/{model}", provider.name).into(),
        provider: Arc::clone(provider),
        model: model.to_owned(),
        capabilities,
        languages,
        price,
        is_priced: is_priced || published.is_some() || provider.residency == Residency::OnBox,
        accuracy,
        latency,
        tier,
        options,
        voices,
    })
}

/// `ml`, `ml-IN` and the names of the language.
pub(super) fn language(text: &str) -> Result<Lang, String> {
    text.parse::<Lang>().map_err(|_| {
        let known = || Lang::ALL.iter().map(|lang| lang.iso());
        match nearest(text, known().chain(Lang::ALL.iter().map(|lang| lang.tag()))) {
            Some(near) => format!("no language of the box; write `{near}`"),
            None => format!("no language of the box; those are {}", known().collect::<Vec<_>>().join(", ")),
        }
    })
}

/// A list of words, each read by `one`; the first wrong one is refused at its own line.
fn words<T: PartialEq>(fields: &mut Fields<'_>, key: &str, one: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
    let node = fields.take(key)?;
    let name = fields.name(key);
    let Value::List(items) = node.value else {
        fields.refuse(&node.at, format!("`{name}` is no list; write the words in square brackets"));
        return Some(Vec::new());
    };
    if items.is_empty() {
        fields.refuse(&node.at, format!("`{name}` is empty; write at least one word, or take the line out"));
    }
    let mut found = Vec::new();
    for item in items {
        match &item.value {
            Value::Text(word) => match one(word) {
                Ok(value) if found.contains(&value) => {
                    fields.refuse(&item.at, format!("`{name}` names {word:?} twice; write it once"));
                }
                Ok(value) => found.push(value),
                Err(fault) => fields.refuse(&item.at, format!("`{name}` {fault}")),
            },
            _ => {
                fields.refuse(&item.at, format!("`{name}` holds something that is no word; write for example [ml, hi]"))
            }
        }
    }
    Some(found)
}

fn kinds() -> String {
    known::KINDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn kind(fields: &mut Fields<'_>) -> Option<Result<Kind, ()>> {
    fields.place("kind")?;
    let Some((word, at)) = scalar::<String>(fields, "kind") else { return Some(Err(())) };
    Some(named(&word, &known::KINDS).map_err(|instead| {
        let message = format!("`{}` is {word:?}; {instead}", fields.name("kind"));
        fields.refuse(&at, message);
    }))
}

/// A whole number within bounds, if it is there.
fn bounded(fields: &mut Fields<'_>, key: &str, least: u32, most: u32) -> Option<u32> {
    let (number, at) = scalar::<i64>(fields, key)?;
    let found = u32::try_from(number).ok().filter(|n| (least..=most).contains(n));
    if found.is_none() {
        let message = format!("`{}` is {number}; write a number from {least} to {most}", fields.name(key));
        fields.refuse(&at, message);
    }
    found
}

fn deadlines(fields: &mut Fields<'_>) -> Deadlines {
    let usual = Deadlines::default();
    if fields.place("deadlines_ms").is_none() {
        fields.take("deadlines_ms");
        return usual;
    }
    let mut part = section(fields, "deadlines_ms");
    let mut one = |key: &str, usual: Duration| {
        bounded(&mut part, key, 20, 60_000).map_or(usual, |ms| Duration::from_millis(ms.into()))
    };
    let read = Deadlines {
        stt: one("stt", usual.stt),
        llm_first_token: one("llm_first_token", usual.llm_first_token),
        tts_first_audio: one("tts_first_audio", usual.tts_first_audio),
        piece: one("piece", usual.piece),
        patience: bounded(&mut part, "patience", 20, 60_000).map(|ms| Duration::from_millis(ms.into())),
    };
    part.finish();
    read
}

fn rate_limit(fields: &mut Fields<'_>) -> Option<RateLimit> {
    if fields.place("rate_limit").is_none() {
        fields.take("rate_limit");
        return None;
    }
    let mut part = section(fields, "rate_limit");
    let at = part.at().clone();
    if part.place("per_minute").is_none() {
        let message = format!("`{}` is missing; write for example 60", part.name("per_minute"));
        part.refuse(&at, message);
    }
    let per_minute = bounded(&mut part, "per_minute", 1, 1_000_000);
    let burst = bounded(&mut part, "burst", 1, 1_000_000);
    part.finish();
    let per_minute = per_minute?;
    // Ten seconds' worth at once, if the file does not say.
    Some(RateLimit { per_minute, burst: burst.unwrap_or_else(|| (per_minute / 6).max(1)) })
}

/// The price, and whether the file gives any.
fn price(fields: &mut Fields<'_>) -> (Price, bool) {
    // A thousandth of a paisa is the smallest step.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds and not negative")]
    let milli = |paise: f64| (paise * 1_000.0).round() as u64;
    let written = fields.place("price");
    let per_minute = number(fields, "cost_per_minute", 0.0, COST_MAX);
    let mut price =
        Price { millipaise_per_minute: per_minute.map_or(0, |rupees| milli(rupees * 100.0)), ..Price::FREE };
    if written.is_none() {
        fields.take("price");
        return (price, per_minute.is_some());
    }
    let mut part = section(fields, "price");
    if let Some(at) = part.place("paise_per_minute")
        && per_minute.is_some()
    {
        part.refuse(&at, "the price of a minute is given twice; take out `cost_per_minute` or this");
    }
    let mut one = |key: &str, slot: &mut u64| {
        if let Some(paise) = number(&mut part, key, 0.0, PRICE_MAX) {
            *slot = milli(paise);
        }
    };
    one("paise_per_minute", &mut price.millipaise_per_minute);
    one("paise_per_1k_chars", &mut price.millipaise_per_1k_chars);
    one("paise_per_1m_tokens_in", &mut price.millipaise_per_1m_tokens_in);
    one("paise_per_1m_tokens_out", &mut price.millipaise_per_1m_tokens_out);
    part.finish();
    (price, true)
}

fn options(fields: &mut Fields<'_>) -> Map<String, Json> {
    if fields.place("options").is_none() {
        fields.take("options");
        return Map::new();
    }
    let mut part = section(fields, "options");
    let mut map = Map::new();
    for (key, node) in part.rest() {
        let at = node.at.clone();
        if KEY_NAMES.contains(&key.to_lowercase().as_str()) || key.eq_ignore_ascii_case("authorization") {
            let message = format!(
                "`{}` would hold a key; put the key into a credential and write its name under `secret`",
                part.name(&key)
            );
            part.refuse(&at, message);
        } else {
            map.insert(key, json(node));
        }
    }
    part.finish();
    map
}

fn json(node: Node) -> Json {
    match node.value {
        Value::Text(text) | Value::Moment(text) => Json::String(text),
        Value::Whole(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Truth(truth) => truth.into(),
        Value::List(items) => items.into_iter().map(json).collect(),
        Value::Table(rows) if rows.is_empty() => Json::Null,
        Value::Table(rows) => Json::Object(rows.into_iter().map(|(key, value)| (key, json(value))).collect()),
    }
}

fn voices(fields: &mut Fields<'_>) -> BTreeMap<Lang, String> {
    if fields.place("voices").is_none() {
        fields.take("voices");
        return BTreeMap::new();
    }
    let mut part = section(fields, "voices");
    let mut voices = BTreeMap::new();
    for (key, node) in part.rest() {
        let at = node.at.clone();
        let name = part.name(&key);
        match (Lang::from_str(&key), node.value) {
            (Ok(lang), Value::Text(voice)) if !voice.trim().is_empty() => {
                if voices.insert(lang, voice).is_some() {
                    part.refuse(&at, format!("`{name}` gives {lang} a second voice; write one"));
                }
            }
            (Ok(_), _) => part.refuse(&at, format!("`{name}` is no name of a voice; write a text")),
            (Err(_), _) => {
                let instead = language(&key).err().unwrap_or_default();
                part.refuse(&at, format!("`{name}`: {key} is {instead}"));
            }
        }
    }
    part.finish();
    voices
}

/// A provider's name is used in metrics, records and the file's own lists.
fn plain_name(name: &str) -> Result<(), String> {
    let plain =
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if plain { Ok(()) } else { Err("may hold letters, digits, `_`, `-` and `.` only, at most 64".to_owned()) }
}
