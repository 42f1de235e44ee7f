//! How requests to a provider of the routing file are signed: the name of a credential and the place
//! its content goes to.
//! Promise: a key that was written into the file is refused and never repeated.
//! Absent on purpose: the keys; whoever builds the adapters reads the credentials.

use url::Url;

use super::address::{Place, place_of};
use super::candidates::{Auth, AuthStyle, Kind};
use super::known;
use super::read::{named, scalar, section};
use crate::config::Fields;

/// The name of a credential; a key in its place is refused without repeating it.
pub(super) fn secret(fields: &mut Fields<'_>) -> Option<String> {
    let (text, at) = scalar::<String>(fields, "secret")?;
    if is_credential_name(&text) {
        return Some(text);
    }
    let name = fields.name("secret");
    fields.refuse(
        &at,
        format!("`{name}` looks like the key itself; put the key into a credential and write its name, for example sarvam_api_key"),
    );
    // Something was written; a second fault about a missing name would only confuse.
    Some(String::new())
}

/// Names are words of letters joined by `_`, `-` or `.`; keys are long and random.
pub(super) fn is_credential_name(text: &str) -> bool {
    let begins_like_a_key =
        ["sk-", "sk_", "pk-", "pk_", "xi-", "AKIA", "ghp_", "eyJ", "AIza"].iter().any(|p| text.starts_with(p));
    let is_name = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let random = text
        .split(['_', '-', '.'])
        .any(|word| word.len() >= 20 || (word.len() >= 10 && word.chars().filter(char::is_ascii_digit).count() >= 3));
    is_name && !random && !begins_like_a_key
}

pub(super) fn auth(fields: &mut Fields<'_>, kind: Kind, has_secret: bool, url: Option<&Url>) -> Auth {
    const STYLES: [(&str, AuthStyle); 6] = [
        ("bearer", AuthStyle::Bearer),
        ("header", AuthStyle::Header),
        ("query", AuthStyle::Query),
        ("scheme", AuthStyle::Scheme),
        ("sigv4", AuthStyle::SigV4),
        ("none", AuthStyle::None),
    ];
    let (usual, usual_name) = known::auth(kind);
    if fields.place("auth").is_none() {
        fields.take("auth");
        // A server of one's own may need no key at all; a service always does.
        let is_service = known::base_url(kind).is_some() || url.is_some_and(|url| place_of(url) == Place::Outside);
        let style = if has_secret || is_service { usual } else { AuthStyle::None };
        return Auth { style, name: usual_name.map(str::to_owned), ..Auth::NONE };
    }
    let mut part = section(fields, "auth");
    let at = part.at().clone();
    let style = match scalar::<String>(&mut part, "style") {
        Some((word, at)) => match named(&word, &STYLES) {
            Ok(style) => style,
            Err(instead) => {
                let message = format!("`{}` is {word:?}; {instead}", part.name("style"));
                part.refuse(&at, message);
                usual
            }
        },
        None => usual,
    };
    let name = scalar::<String>(&mut part, "name");
    let region = scalar::<String>(&mut part, "region");
    let access_key = scalar::<String>(&mut part, "access_key");
    if let Some((text, at)) = &name
        && (text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
    {
        let message =
            format!("`{}` is no name of a header, parameter or scheme; write for example x-api-key", part.name("name"));
        part.refuse(at, message);
    }
    let needed: &[(&str, bool, &str)] = match style {
        AuthStyle::Header if usual == style => &[],
        AuthStyle::Scheme if usual == style => &[],
        AuthStyle::Header => &[("name", name.is_some(), "x-api-key")],
        AuthStyle::Query => &[("name", name.is_some(), "key")],
        AuthStyle::Scheme => &[("name", name.is_some(), "Token")],
        AuthStyle::SigV4 => {
            &[("region", region.is_some(), "ap-south-1"), ("access_key", access_key.is_some(), "the access key's id")]
        }
        AuthStyle::Bearer | AuthStyle::None => &[],
    };
    for (key, there, example) in needed {
        if !there && !part.faulty(key) {
            let message = format!("`{}` is missing; write for example {example}", part.name(key));
            part.refuse(&at, message);
        }
    }
    let name = name.map(|(text, _)| text).or_else(|| (usual == style).then(|| usual_name.map(str::to_owned)).flatten());
    part.finish();
    Auth { style, name, region: region.map(|(text, _)| text), access_key: access_key.map(|(text, _)| text) }
}
