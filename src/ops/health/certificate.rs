//! Until when does the certificate hold that carriers see?

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use url::Url;

use super::finding::Finding;
use super::x509;
use crate::config::Alerts;

const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Milliseconds since 1970 UTC.
    pub until_ms: u64,
    /// Would a carrier accept it? `None`: not asked.
    pub trusted: Option<bool>,
}

pub(super) fn check(read: Result<&Certificate, &String>, wall_ms: u64, limits: &Alerts) -> Finding {
    let fix = "renew it on the TLS proxy before the box, and see why that does not happen by itself";
    let certificate = match read {
        Ok(certificate) => certificate,
        Err(why) => {
            return Finding::warning(
                "certificate",
                format!("the certificate of the public address could not be read: {why}"),
                "see whether the box reaches its own public address; calls may work nevertheless",
            );
        }
    };
    if certificate.until_ms <= wall_ms {
        return Finding::error(
            "certificate",
            "the certificate of the public address has expired: no carrier calls",
            fix,
        );
    }
    let days = (certificate.until_ms - wall_ms) / DAY_MS;
    let text = format!("the certificate of the public address holds for {days} more days");
    if days < u64::from(limits.certificate_last_days) {
        return Finding::error("certificate", text, fix);
    }
    if certificate.trusted == Some(false) {
        return Finding::error(
            "certificate",
            "the certificate of the public address is not one that carriers accept",
            "see that the proxy sends the whole chain of a public authority, for the name in http.public_base_url",
        );
    }
    if days < u64::from(limits.certificate_days) {
        return Finding::warning("certificate", text, fix);
    }
    Finding::fine("certificate", text)
}

/// Asks the address as a carrier would. Nothing is sent but a request for the root; the certificate
/// of one who cannot be trusted is read all the same, because its date is what is wanted.
pub async fn fetch(public: &Url, within: Duration) -> Result<Certificate, String> {
    let mut root = public.clone();
    root.set_path("/");
    root.set_query(None);
    let client = |believing: bool| {
        reqwest::Client::builder()
            .timeout(within)
            .redirect(reqwest::redirect::Policy::none())
            .tls_info(true)
            .danger_accept_invalid_certs(believing)
            .build()
            .map_err(|error| error.to_string())
    };
    let ask = |client: reqwest::Client| client.get(root.clone()).send();
    let (shown, trusted) = match ask(client(false)?).await {
        Ok(answer) => (answer, true),
        Err(error) if error.is_timeout() => return Err("nobody answers in time".to_owned()),
        Err(_) => (ask(client(true)?).await.map_err(|error| words(&error))?, false),
    };
    let seen = shown.extensions().get::<reqwest::tls::TlsInfo>().and_then(|tls| tls.peer_certificate());
    let until_ms = x509::not_after(seen.ok_or("no certificate was shown")?).map_err(|error| error.to_string())?;
    Ok(Certificate { until_ms, trusted: Some(trusted) })
}

/// The innermost reason; the outer ones repeat the address.
fn words(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// The first certificate of a PEM file, which is the box's own.
pub fn read(file: &Path) -> Result<Certificate, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let body = text
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .ok_or_else(|| format!("{} holds no certificate", file.display()))?
        .0;
    let der = BASE64.decode(body.split_whitespace().collect::<String>()).map_err(|_| "the PEM file is damaged")?;
    let until_ms = x509::not_after(&der).map_err(|error| error.to_string())?;
    Ok(Certificate { until_ms, trusted: None })
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
