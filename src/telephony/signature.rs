//! Webhook validation: `X-Twilio-Signature`, checked and (for the rehearsal's carrier) made.
//! Promise: nothing a caller of ours sends is believed before its signature holds; comparisons take
//! the same time wherever they fail. Absent on purpose: the `Host` header (see `public_url`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::public_url::PublicUrl;
use crate::base::secret::Secret;

/// Header with the signature itself.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";
/// Header that names another key and algorithm than the account's token with SHA-1.
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    HmacSha1,
    HmacSha256,
}

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no auth token is configured, so no webhook can be checked")]
    NoKey,
    #[error("the request carries no X-Twilio-Signature")]
    Missing,
    #[error("the signature settings name an algorithm we do not know")]
    UnknownAlgorithm,
    #[error("the signature settings name a shared key we do not have")]
    UnknownKey,
    #[error(
        "the signature does not fit the address and parameters (is the public base URL the one the carrier dials?)"
    )]
    Mismatch,
    #[error("the body does not have the digest its address promises")]
    BodyDigest,
}

/// The keys of one account.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The account's primary auth token.
    pub auth_token: Option<Secret>,
    /// Shared keys by name, for requests that name one.
    pub shared: Vec<(String, Secret)>,
}

/// What the request's headers claim.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    pub signature: Option<&'a str>,
    pub settings: Option<&'a str>,
}

impl Keys {
    pub const fn is_configured(&self) -> bool {
        self.auth_token.is_some() || !self.shared.is_empty()
    }

    /// A form post (`params` are the decoded body) or a GET (no `params`: they are in the URL).
    pub fn check_form(&self, claim: Presented<'_>, url: &str, params: &[(String, String)]) -> Result<(), Fault> {
        let (key, algorithm) = self.choose(claim)?;
        let signature = claim.signature.ok_or(Fault::Missing)?;
        let found = webhook_candidates(url).any(|candidate| fits(signature, key, algorithm, &candidate, params));
        if found { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// A post of anything but a form: the URL carries the body's digest and is signed without params.
    pub fn check_body(&self, claim: Presented<'_>, url: &str, body: &[u8]) -> Result<(), Fault> {
        self.check_form(claim, url, &[])?;
        let query = split(url).map_or("", |parts| parts.query().unwrap_or_default());
        let promised = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256");
        let (_, promised) = promised.ok_or(Fault::BodyDigest)?;
        let digest: String = Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect();
        if bool::from(digest.as_bytes().ct_eq(promised.as_bytes())) { Ok(()) } else { Err(Fault::BodyDigest) }
    }

    /// A WebSocket upgrade. The carrier signs the `wss` address it dials; the query is not part of
    /// it, its pairs are signed like form parameters.
    pub fn check_upgrade(
        &self,
        claim: Presented<'_>,
        base: &PublicUrl,
        path: &str,
        query: Option<&str>,
    ) -> Result<(), Fault> {
        let (key, algorithm) = self.choose(claim)?;
        let signature = claim.signature.ok_or(Fault::Missing)?;
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        let bare = path.trim_end_matches('/');
        let slashed = format!("{bare}/");
        let found = [base.socket(bare), base.socket(&slashed), base.webhook(bare), base.webhook(&slashed)]
            .iter()
            .flat_map(|url| port_forms(url))
            .any(|candidate| fits(signature, key, algorithm, &candidate, &pairs));
        if found { Ok(()) } else { Err(Fault::Mismatch) }
    }

    fn choose(&self, claim: Presented<'_>) -> Result<(&Secret, Algorithm), Fault> {
        let mut name = None;
        let mut algorithm = Algorithm::HmacSha1;
        for part in claim.settings.unwrap_or_default().split(',') {
            match part.trim().split_once('=') {
                Some(("key", value)) => name = Some(value.trim()),
                Some(("algorithm", value)) => {
                    algorithm = match value.trim().to_ascii_uppercase().as_str() {
                        "" | "HMAC_SHA1" => Algorithm::HmacSha1,
                        "HMAC_SHA256" => Algorithm::HmacSha256,
                        _ => return Err(Fault::UnknownAlgorithm),
                    }
                }
                _ => {}
            }
        }
        let key = match (algorithm, name) {
            (Algorithm::HmacSha256, Some(name)) => {
                self.shared.iter().find(|(known, _)| known == name).map(|(_, key)| key).ok_or(Fault::UnknownKey)?
            }
            _ => self.auth_token.as_ref().ok_or(Fault::NoKey)?,
        };
        Ok((key, algorithm))
    }
}

/// The signature of a URL with parameters: names in byte order, of each name its distinct values in
/// order, name and value written without anything between.
pub fn sign(key: &Secret, algorithm: Algorithm, url: &str, params: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = params.iter().collect();
    sorted.sort();
    sorted.dedup();
    let parts =
        std::iter::once(url).chain(sorted.into_iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    match algorithm {
        Algorithm::HmacSha1 => hmac_base64::<Hmac<Sha1>>(key, parts),
        Algorithm::HmacSha256 => hmac_base64::<Hmac<Sha256>>(key, parts),
    }
}

fn hmac_base64<'a, M: Mac + hmac::digest::KeyInit>(key: &Secret, parts: impl Iterator<Item = &'a str>) -> String {
    let mut mac = <M as Mac>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of every length");
    parts.for_each(|part| mac.update(part.as_bytes()));
    BASE64.encode(mac.finalize().into_bytes())
}

fn fits(presented: &str, key: &Secret, algorithm: Algorithm, url: &str, params: &[(String, String)]) -> bool {
    sign(key, algorithm, url, params).as_bytes().ct_eq(presented.as_bytes()).into()
}

/// The spellings of a webhook's URL under which a carrier may have signed it, likeliest first.
fn webhook_candidates(url: &str) -> impl Iterator<Item = String> {
    let normalised = url::Url::parse(url).map(String::from).ok();
    let legacy = split(url).and_then(|parts| parts.with_legacy_query());
    let mut seen: Vec<String> = Vec::new();
    for spelling in [Some(url.to_owned()), normalised, legacy].into_iter().flatten() {
        for form in port_forms(&spelling) {
            if !seen.contains(&form) {
                seen.push(form);
            }
        }
    }
    seen.into_iter()
}

/// As written, without a port, with the port made explicit: carriers are not consistent about it.
fn port_forms(url: &str) -> Vec<String> {
    let mut forms = vec![url.to_owned()];
    if let Some(parts) = split(url) {
        let port = parts.port.unwrap_or(if matches!(parts.scheme, "https" | "wss") { "443" } else { "80" });
        forms.push(format!("{}://{}{}", parts.scheme, parts.host, parts.tail));
        forms.push(format!("{}://{}:{port}{}", parts.scheme, parts.host, parts.tail));
    }
    forms
}

/// A URL cut at its seams without changing a byte of it.
struct Parts<'a> {
    scheme: &'a str,
    /// With user information, if any.
    host: &'a str,
    port: Option<&'a str>,
    /// Path and query.
    tail: &'a str,
}

fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // The colon of a port comes after an IPv6 address' bracket.
    let address_end = authority.rfind(']').or_else(|| authority.rfind('@')).unwrap_or(0);
    let (host, port) = match authority[address_end..].rfind(':') {
        Some(colon) => (&authority[..address_end + colon], Some(&authority[address_end + colon + 1..])),
        None => (authority, None),
    };
    Some(Parts { scheme, host, port: port.filter(|p| !p.is_empty()), tail })
}

impl<'a> Parts<'a> {
    fn query(&self) -> Option<&'a str> {
        self.tail.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default())
    }

    /// The query decoded and written again the way older carriers' libraries do, where `'` and its
    /// kin stay as they are and a space is `%20`.
    fn with_legacy_query(&self) -> Option<String> {
        let query = self.query()?;
        let (path, _) = self.tail.split_once('?')?;
        let mut out = format!("{}://{}", self.scheme, self.host);
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(port);
        }
        out.push_str(path);
        let mut separator = '?';
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            out.push(separator);
            push_legacy_escaped(&name, &mut out);
            out.push('=');
            push_legacy_escaped(&value, &mut out);
            separator = '&';
        }
        Some(out)
    }
}

fn push_legacy_escaped(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "vgw-test-auth-token-000000000001";
    const T1: &str = "https://voice.example.in/twilio/voice?tenant=demo";
    const T1_SIGNED: &str = "z0Y58lXKG3XERTJwq97QvwtSEnA=";

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    fn t1_params() -> Vec<(String, String)> {
        pairs(&[
            ("CallSid", "CA00000000000000000000000000000001"),
            ("From", "+919876543210"),
            ("To", "+914440001234"),
            ("CallStatus", "ringing"),
            ("Digits", ""),
        ])
    }

    fn keys() -> Keys {
        Keys {
            auth_token: Some(Secret::new(TOKEN)),
            shared: vec![("webhooks_sharedkey_01".to_owned(), Secret::new(TOKEN))],
        }
    }

    fn signed(signature: &str) -> Presented<'_> {
        Presented { signature: Some(signature), settings: None }
    }

    #[test]
    fn signatures_are_those_of_the_official_sdk() {
        use Algorithm::{HmacSha1, HmacSha256};
        let t1p = "https://voice.example.in:443/twilio/voice?tenant=demo";
        let t2 = "https://voice.example.in/twilio/json?bodySHA256=6636d05d410fb2fe93c0955e24c2fe3684e2413aab9a92e96f2b00b64ab2340b";
        let t3q = pairs(&[("tenant", "demo"), ("b", "2")]);
        let t4 = pairs(&[("K", "1"), ("Multi", "b"), ("Multi", "a"), ("Multi", "a")]);
        for (name, algorithm, url, params, expected) in [
            ("T1", HmacSha1, T1, t1_params(), T1_SIGNED),
            ("T1p", HmacSha1, t1p, t1_params(), "XagZDLN9U3tdFEkBkWxjBLeAODo="),
            ("T1s", HmacSha256, T1, t1_params(), "PyPxqVQ2fBm5CMaTy8bqims3sUzNVFNkcmcXn5wXMz4="),
            ("T2", HmacSha1, t2, vec![], "hl/5ZndztJekiMWHAMIdox6YsV4="),
            ("T3", HmacSha1, "wss://voice.example.in/twilio/media", vec![], "ccOPOg2lY1PdM/087R8HqK/QIwI="),
            ("T3s", HmacSha1, "wss://voice.example.in/twilio/media/", vec![], "OvTEPRx3nsJU+gjUt+TXClIzl74="),
            ("T3h", HmacSha1, "https://voice.example.in/twilio/media", vec![], "UfgKhTIg+UdNMBvxHSRq/hZZOfc="),
            ("T3q", HmacSha1, "wss://voice.example.in/twilio/media", t3q, "izIjHEGGzNMxt4Q60A0Wy2v85VM="),
            ("T4", HmacSha1, "https://voice.example.in/t", t4, "Pm993Z5pJVnUgpZY5F9vuYUr/hs="),
        ] {
            assert_eq!(sign(&Secret::new(TOKEN), algorithm, url, &params), expected, "{name}");
        }
    }

    #[test]
    fn form_posts_are_believed_under_every_spelling_of_the_port() {
        let keys = keys();
        let with_port = "https://voice.example.in:443/twilio/voice?tenant=demo";
        for (url, signature) in [
            (T1, T1_SIGNED),
            (T1, "XagZDLN9U3tdFEkBkWxjBLeAODo="),
            (with_port, T1_SIGNED),
            (with_port, "XagZDLN9U3tdFEkBkWxjBLeAODo="),
        ] {
            assert_eq!(keys.check_form(signed(signature), url, &t1_params()), Ok(()), "{url} {signature}");
        }
        let other = "https://voice.example.in:8443/twilio/voice?tenant=demo";
        let theirs = sign(&Secret::new(TOKEN), Algorithm::HmacSha1, other, &t1_params());
        assert_eq!(keys.check_form(signed(&theirs), other, &t1_params()), Ok(()));
        assert_eq!(keys.check_form(signed(&theirs), T1, &t1_params()), Err(Fault::Mismatch));
    }

    #[test]
    fn queries_are_believed_in_either_encoding() {
        let keys = keys();
        for (ours, theirs) in [
            ("https://h.in/p?a=it's", "https://h.in/p?a=it%27s"),
            ("https://h.in/p?a=it%27s", "https://h.in/p?a=it's"),
            ("https://h.in/p?a=x%20y", "https://h.in/p?a=x%20y"),
        ] {
            let signature = sign(&Secret::new(TOKEN), Algorithm::HmacSha1, theirs, &[]);
            assert_eq!(keys.check_form(signed(&signature), ours, &[]), Ok(()), "{ours} as {theirs}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let keys = keys();
        let check = |claim, params: &[(String, String)]| keys.check_form(claim, T1, params);
        assert_eq!(check(Presented::default(), &t1_params()), Err(Fault::Missing));
        for wrong in ["", "z0Y58lXKG3XERTJwq97QvwtSEnA", "Z0Y58lXKG3XERTJwq97QvwtSEnA=", "\u{0}"] {
            assert_eq!(check(signed(wrong), &t1_params()), Err(Fault::Mismatch), "{wrong:?}");
        }
        assert_eq!(check(signed(T1_SIGNED), &[]), Err(Fault::Mismatch));
        let mut more = t1_params();
        more.push(("Extra".to_owned(), "1".to_owned()));
        assert_eq!(check(signed(T1_SIGNED), &more), Err(Fault::Mismatch));
        assert_eq!(Keys::default().check_form(signed(T1_SIGNED), T1, &t1_params()), Err(Fault::NoKey));
    }

    #[test]
    fn the_settings_header_chooses_key_and_algorithm() {
        let keys = keys();
        let sha256 = "PyPxqVQ2fBm5CMaTy8bqims3sUzNVFNkcmcXn5wXMz4=";
        for (settings, signature, expected) in [
            ("key=webhooks_sharedkey_01,algorithm=HMAC_SHA256", sha256, Ok(())),
            ("algorithm=HMAC_SHA256", sha256, Ok(())),
            ("key=webhooks_sharedkey_01", T1_SIGNED, Ok(())),
            ("algorithm=", T1_SIGNED, Ok(())),
            (" key=webhooks_sharedkey_01 , algorithm=hmac_sha256", sha256, Ok(())),
            ("key=webhooks_sharedkey_01,algorithm=HMAC_SHA256", T1_SIGNED, Err(Fault::Mismatch)),
            ("key=webhooks_sharedkey_99,algorithm=HMAC_SHA256", sha256, Err(Fault::UnknownKey)),
            ("algorithm=HMAC_MD5", T1_SIGNED, Err(Fault::UnknownAlgorithm)),
        ] {
            let claim = Presented { signature: Some(signature), settings: Some(settings) };
            assert_eq!(keys.check_form(claim, T1, &t1_params()), expected, "{settings}");
        }
    }

    #[test]
    fn a_json_body_must_have_the_signed_digest() {
        let keys = keys();
        let url = "https://voice.example.in/twilio/json?bodySHA256=6636d05d410fb2fe93c0955e24c2fe3684e2413aab9a92e96f2b00b64ab2340b";
        let claim = signed("hl/5ZndztJekiMWHAMIdox6YsV4=");
        assert_eq!(keys.check_body(claim, url, br#"{"a":1,"b":"x y"}"#), Ok(()));
        assert_eq!(keys.check_body(claim, url, br#"{"a":1,"b":"x  y"}"#), Err(Fault::BodyDigest));
        let undigested = sign(&Secret::new(TOKEN), Algorithm::HmacSha1, "https://voice.example.in/j", &[]);
        assert_eq!(keys.check_body(signed(&undigested), "https://voice.example.in/j", b"{}"), Err(Fault::BodyDigest));
    }

    #[test]
    fn upgrades_are_believed_as_wss_or_https_with_and_without_slash() {
        let keys = keys();
        let base: PublicUrl = "https://voice.example.in".parse().unwrap();
        for signature in
            ["ccOPOg2lY1PdM/087R8HqK/QIwI=", "OvTEPRx3nsJU+gjUt+TXClIzl74=", "UfgKhTIg+UdNMBvxHSRq/hZZOfc="]
        {
            assert_eq!(keys.check_upgrade(signed(signature), &base, "/twilio/media", None), Ok(()), "{signature}");
            assert_eq!(keys.check_upgrade(signed(signature), &base, "/twilio/other", None), Err(Fault::Mismatch));
        }
        let with_query = signed("izIjHEGGzNMxt4Q60A0Wy2v85VM=");
        assert_eq!(keys.check_upgrade(with_query, &base, "/twilio/media", Some("tenant=demo&b=2")), Ok(()));
        assert_eq!(keys.check_upgrade(with_query, &base, "/twilio/media", None), Err(Fault::Mismatch));
        let port = sign(&Secret::new(TOKEN), Algorithm::HmacSha1, "wss://voice.example.in:443/twilio/media", &[]);
        assert_eq!(keys.check_upgrade(signed(&port), &base, "/twilio/media", None), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn no_url_or_header_makes_the_check_panic(url in ".{0,80}", signature in ".{0,40}", settings in ".{0,60}") {
            let claim = Presented { signature: Some(&signature), settings: Some(&settings) };
            proptest::prop_assert!(keys().check_form(claim, &url, &[]).is_err());
            proptest::prop_assert!(keys().check_body(claim, &url, url.as_bytes()).is_err());
        }

        #[test]
        fn what_sign_makes_check_takes(path in "/[a-z/]{0,20}", query in "[a-z=&]{0,20}", value in ".{0,30}") {
            let url = format!("https://h.example:8443{path}?{query}");
            let params = vec![("Body".to_owned(), value)];
            let signature = sign(&Secret::new(TOKEN), Algorithm::HmacSha1, &url, &params);
            proptest::prop_assert_eq!(keys().check_form(signed(&signature), &url, &params), Ok(()));
        }
    }
}
