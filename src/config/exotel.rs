//! `[exotel]`: how the carrier is told from others, what its streams are like, and its API.

use super::tree::Fields;
use crate::base::limits;
use crate::base::network::{Network, NotANetwork};
use crate::base::phone::Phone;
use crate::base::secret::Secret;

/// Where the account is, if nobody says: the cluster in Mumbai.
const SUBDOMAIN: &str = "api.in.exotel.com";

#[derive(Clone, Debug)]
pub struct Exotel {
    /// Shown by the carrier with every request, since they stand before the host in its addresses.
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Our addresses begin with `/exotel/SECRET`.
    pub path_secret: Option<Secret>,
    /// Networks the carrier comes from; empty: any.
    pub allow_from: Vec<Network>,
    /// Samples a second.
    pub sample_rate: u32,
    /// Bytes of sound in one message.
    pub chunk_bytes: u32,
    pub account_sid: Option<String>,
    pub api_key: Option<String>,
    pub api_token: Option<Secret>,
    /// Scheme and host of the REST API.
    pub api_url: String,
    /// A number of the account, to place calls from.
    pub exophone: Option<Phone>,
    /// The flow that placed calls go through.
    pub flow_id: Option<String>,
    /// The flow connects callers with whom the box names.
    pub flow_connects: bool,
    /// The flow goes back to the Voicebot applet where Passthru is answered 302.
    pub flow_returns: bool,
}

/// How far somebody has come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing is set.
    Unused,
    /// Something is, but nothing that tells the carrier from others: all of it is refused.
    Unguarded,
    Ready,
}

impl Exotel {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let user = word(&mut fields, "user", |text| !text.contains([':', ' ']), "a name without spaces and colons");
        let password = super::schema::secret(&mut fields, "password", 8).map(|(password, _)| password);
        if user.is_some() != password.is_some() {
            let at = fields.at().clone();
            fields.refuse(&at, "`exotel.user` and `exotel.password` belong together; write both, or neither");
        }
        let path_secret = super::schema::secret(&mut fields, "path_secret", 16);
        let path_secret = path_secret.map(|(secret, at)| {
            if !secret.expose().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
                fields.refuse(&at, "`exotel.path_secret` stands in addresses; write letters, digits, - and _ only");
            }
            secret
        });
        let allow_from = fields.optional::<Vec<String>>("allow_from").map_or_else(Vec::new, |(texts, at)| {
            let (networks, faults): (Vec<_>, Vec<_>) =
                texts.iter().map(|text| text.parse::<Network>()).partition(Result::is_ok);
            for fault in faults.into_iter().filter_map(Result::err) {
                let fault: NotANetwork = fault;
                fields.refuse(&at, format!("`exotel.allow_from`: {fault}"));
            }
            networks.into_iter().filter_map(Result::ok).collect()
        });
        let sample_rate = match fields.optional::<i64>("sample_rate") {
            None => 16_000,
            Some((rate, at)) => {
                let known = limits::EXOTEL_RATES_ASKED.into_iter().find(|known| i64::from(*known) == rate);
                if known.is_none() {
                    fields.refuse(&at, format!("`exotel.sample_rate` is {rate}; write 8000, 16000 or 24000"));
                }
                known.unwrap_or(16_000)
            }
        };
        let step = limits::EXOTEL_CHUNK_STEP as u32;
        let place = fields.place("chunk_bytes");
        let chunk_bytes = fields.whole("chunk_bytes", limits::EXOTEL_CHUNK, step, limits::EXOTEL_CHUNK_MAX);
        if let (Some(at), false) = (place, chunk_bytes.is_multiple_of(step)) {
            fields.refuse(&at, format!("`exotel.chunk_bytes` is {chunk_bytes}; write a multiple of {step}"));
        }
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let account_sid = word(&mut fields, "account_sid", plain, "the SID of the dashboard");
        let api_key = word(&mut fields, "api_key", plain, "the key of the dashboard");
        let api_token = super::schema::secret(&mut fields, "api_token", 8).map(|(token, _)| token);
        let subdomain = word(
            &mut fields,
            "subdomain",
            |text| plain(text.trim_start_matches('@')),
            "a host such as \"api.in.exotel.com\" (Mumbai) or \"api.exotel.com\" (Singapore)",
        );
        let usual = subdomain.as_deref().map_or(SUBDOMAIN, |text| text.trim_start_matches('@'));
        let mut api_url = format!("https://{usual}");
        if let Some((text, at)) = fields.optional::<String>("api_url").filter(|(text, _)| !text.trim().is_empty()) {
            let here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            if !text.starts_with("https://") && !here.iter().any(|start| text.starts_with(start)) {
                let what = "must begin with https://; calls are ordered with the account's secret";
                fields.refuse(&at, format!("`exotel.api_url` {what}"));
            }
            api_url = text.trim().trim_end_matches('/').to_owned();
        }
        let exophone = fields.optional::<String>("exophone").filter(|(text, _)| !text.trim().is_empty());
        let exophone = exophone.and_then(|(text, at)| {
            let phone = Phone::written(&text).ok();
            if phone.is_none() {
                fields.refuse(&at, "`exotel.exophone` is no phone number; write it as the dashboard does: 04440001234");
            }
            phone
        });
        let flow_id = word(&mut fields, "flow_id", plain, "the number in the flow's address");
        let flow_connects = fields.or("flow_connects", false);
        let flow_returns = fields.or("flow_returns", false);
        fields.finish();
        Self {
            user,
            password,
            path_secret,
            allow_from,
            sample_rate,
            chunk_bytes,
            account_sid,
            api_key,
            api_token,
            api_url,
            exophone,
            flow_id,
            flow_connects,
            flow_returns,
        }
    }

    pub const fn readiness(&self) -> Readiness {
        if self.password.is_some() || self.path_secret.is_some() || !self.allow_from.is_empty() {
            Readiness::Ready
        } else if self.account_sid.is_some()
            || self.api_key.is_some()
            || self.api_token.is_some()
            || self.exophone.is_some()
        {
            Readiness::Unguarded
        } else {
            Readiness::Unused
        }
    }
}

/// A text without which nothing is wrong.
fn word(fields: &mut Fields<'_>, key: &str, is_good: impl Fn(&str) -> bool, instead: &str) -> Option<String> {
    let (text, at) = fields.optional::<String>(key)?;
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if !is_good(text) || text.contains(char::is_control) {
        let name = fields.name(key);
        fields.refuse(&at, format!("`{name}` is {text:?}; write {instead}"));
    }
    Some(text.to_owned())
}
