//! What a single value must look like. Whether files exist is not asked here: a box is configured
//! before its models arrive.

/// Why `text` cannot be the address carriers call.
pub(super) fn base_url(text: &str) -> Result<(), &'static str> {
    let url = url::Url::parse(text).map_err(|_| "which is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("which is neither http nor https");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("which has no host");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("which has a query or a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("which holds a password");
    }
    Ok(())
}

/// Names of agents: they become file names and URL parts.
pub(super) fn plain_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

pub(super) fn voice_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | ':' | '.'))
}

pub(super) fn log_filter(text: &str) -> bool {
    text.parse::<tracing_subscriber::EnvFilter>().is_ok()
        && text.split(',').all(|part| {
            let level = part.rsplit('=').next().unwrap_or(part).trim().to_ascii_lowercase();
            matches!(level.as_str(), "error" | "warn" | "info" | "debug" | "trace" | "off")
        })
}
