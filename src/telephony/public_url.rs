//! The address under which a carrier reaches us, from the configuration and never from `Host`:
//! behind a proxy or tunnel the two differ, and a signature covers the address the carrier dialled.

use std::fmt;
use std::str::FromStr;

/// `https://voice.example.in`, `http://127.0.0.1:8080`, possibly with a path the proxy strips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    secure: bool,
    /// Authority and path, without scheme and without a slash at the end.
    rest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the public base URL {0:?} is not usable: write https://HOST[:PORT][/PATH] (http:// for rehearsals on this box)"
)]
pub struct BadPublicUrl(String);

impl PublicUrl {
    /// Where the carrier sends a webhook: `path_and_query` begins with a slash.
    pub fn webhook(&self, path_and_query: &str) -> String {
        format!("{}://{}{path_and_query}", if self.secure { "https" } else { "http" }, self.rest)
    }

    /// Where the carrier opens a WebSocket.
    pub fn socket(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.secure { "wss" } else { "ws" }, self.rest)
    }
}

impl FromStr for PublicUrl {
    type Err = BadPublicUrl;

    fn from_str(s: &str) -> Result<Self, BadPublicUrl> {
        let bad = || BadPublicUrl(s.to_owned());
        let text = s.trim();
        let parsed = url::Url::parse(text).map_err(|_| bad())?;
        let secure = match parsed.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(bad()),
        };
        if parsed.host_str().is_none_or(str::is_empty) || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad());
        }
        // Kept as written, not as the parser would spell it: the carrier signs what it was told.
        let (_, rest) = text.split_once("://").ok_or_else(bad)?;
        Ok(Self { secure, rest: rest.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.webhook(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_built_from_the_configured_one() {
        for (base, webhook, socket) in [
            ("https://v.example.in", "https://v.example.in/a?b=1", "wss://v.example.in/m"),
            ("https://v.example.in:8443/x/", "https://v.example.in:8443/x/a?b=1", "wss://v.example.in:8443/x/m"),
            (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080/a?b=1", "ws://127.0.0.1:8080/m"),
            ("http://[::1]:8080", "http://[::1]:8080/a?b=1", "ws://[::1]:8080/m"),
        ] {
            let url: PublicUrl = base.parse().unwrap();
            assert_eq!((url.webhook("/a?b=1").as_str(), url.socket("/m").as_str()), (webhook, socket), "{base}");
        }
        for bad in ["", "voice.example.in", "ftp://x", "https://", "https://x/?q=1", "https://x/#f"] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
