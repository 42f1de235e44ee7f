//! Do carriers find the box?

use super::finding::Finding;
use crate::config::Settings;

pub(super) fn check(settings: &Settings) -> Finding {
    match &settings.http.public_base_url {
        Some(url) if url.starts_with("https://") => Finding::fine("public_url", format!("carriers call {url}")),
        Some(url) => Finding::warning(
            "public_url",
            format!("{url} is not https; carriers open media streams to wss:// only"),
            "put a TLS proxy before the box and set http.public_base_url to its address",
        ),
        None => Finding::warning(
            "public_url",
            "http.public_base_url is not set: only rehearsals on this machine can call",
            "set it to the address carriers reach, https://…",
        ),
    }
}
