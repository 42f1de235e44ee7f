//! The way of a WebSocket out of the box: straight, or through the proxy that the environment names,
//! as the HTTP client does by itself.
//! Promise: reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case; a proxy's
//! answer is bounded; its password is in no error.
//! Absent on purpose: SOCKS and proxies that are themselves reached over TLS.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// Bytes of a proxy's answer.
const ANSWER_MAX: usize = 8 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum NoWay {
    #[error("the address names no host")]
    NoHost,
    #[error("no connection")]
    Unreachable,
    #[error("no connection to the proxy")]
    ProxyUnreachable,
    #[error("the proxy is of a kind that WebSockets cannot go through")]
    ProxyKind,
    #[error("the proxy refused with {0}")]
    Refused(u16),
    #[error("the proxy gave no answer that makes sense")]
    Nonsense,
}

/// A connection to the host of `url`.
pub(super) async fn connect(url: &Url) -> Result<TcpStream, NoWay> {
    let host = url.host_str().ok_or(NoWay::NoHost)?;
    let port = url.port_or_known_default().ok_or(NoWay::NoHost)?;
    match proxy_for(url, |name| std::env::var(name).ok())? {
        None => {
            // Literal IPv6 addresses stand in brackets in a URL only.
            let host = host.trim_start_matches('[').trim_end_matches(']');
            TcpStream::connect((host, port)).await.map_err(|_| NoWay::Unreachable)
        }
        Some(proxy) => tunnel(&proxy, host, port).await,
    }
}

/// The proxy for an address, if there is one.
fn proxy_for(url: &Url, environment: impl Fn(&str) -> Option<String>) -> Result<Option<Url>, NoWay> {
    let read = |name: &str| {
        let value = environment(&name.to_lowercase()).or_else(|| environment(name))?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let own = if matches!(url.scheme(), "wss" | "https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some(named) = read(own).or_else(|| read("ALL_PROXY")) else { return Ok(None) };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if read("NO_PROXY").is_some_and(|list| list.split(',').any(|entry| covers(entry.trim(), host))) {
        return Ok(None);
    }
    let full = if named.contains("://") { named } else { format!("http://{named}") };
    let proxy: Url = full.parse().map_err(|_| NoWay::ProxyKind)?;
    if proxy.scheme() == "http" && proxy.has_host() { Ok(Some(proxy)) } else { Err(NoWay::ProxyKind) }
}

/// `example.in` and `.example.in` both mean the domain and all below it.
fn covers(entry: &str, host: &str) -> bool {
    let entry = entry.strip_prefix('.').unwrap_or(entry);
    if entry.is_empty() {
        return false;
    }
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    entry == "*" || host == entry || host.strip_suffix(&entry).is_some_and(|rest| rest.ends_with('.'))
}

async fn tunnel(proxy: &Url, host: &str, port: u16) -> Result<TcpStream, NoWay> {
    let at = proxy.host_str().ok_or(NoWay::ProxyKind)?.trim_start_matches('[').trim_end_matches(']');
    let at = (at, proxy.port_or_known_default().unwrap_or(80));
    let mut line = TcpStream::connect(at).await.map_err(|_| NoWay::ProxyUnreachable)?;
    let mut ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if !proxy.username().is_empty() {
        let (user, password) = (plain(proxy.username()), plain(proxy.password().unwrap_or_default()));
        // Writing into a string cannot fail.
        let _ = write!(ask, "Proxy-Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")));
    }
    ask.push_str("\r\n");
    line.write_all(ask.as_bytes()).await.map_err(|_| NoWay::ProxyUnreachable)?;
    // Byte by byte: what follows the answer belongs to the other end.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == ANSWER_MAX {
            return Err(NoWay::Nonsense);
        }
        answer.push(line.read_u8().await.map_err(|_| NoWay::Nonsense)?);
    }
    match status(&answer) {
        Some(200..=299) => Ok(line),
        Some(status) => Err(NoWay::Refused(status)),
        None => Err(NoWay::Nonsense),
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok().filter(|status| (100..600).contains(status))
}

/// Takes the percent signs out of a user's name or password.
fn plain(encoded: &str) -> String {
    let query = format!("v={}", encoded.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::future;
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Result<Option<String>, String> {
        let read = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let chosen = proxy_for(&url.parse().unwrap(), read).map_err(|error| error.to_string())?;
        Ok(chosen.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn the_environment_names_the_proxy() {
        let both = [("HTTPS_PROXY", "http://p:3128"), ("http_proxy", "q:80")];
        let cases: [(&str, &[(&str, &str)], Option<&str>); 8] = [
            ("wss://api.sarvam.ai/x", &[], None),
            ("wss://api.sarvam.ai/x", &both, Some("http://p:3128/")),
            ("ws://10.0.0.1/x", &both, Some("http://q/")),
            ("wss://api.sarvam.ai/x", &[("ALL_PROXY", "http://p")], Some("http://p/")),
            ("wss://api.sarvam.ai/x", &[("https_proxy", "")], None),
            ("wss://api.sarvam.ai/x", &[("https_proxy", "p"), ("NO_PROXY", "localhost, .sarvam.ai")], None),
            ("wss://api.sarvam.ai/x", &[("https_proxy", "p"), ("no_proxy", "vam.ai,,10.0.0.1")], Some("http://p/")),
            ("wss://[::1]/x", &[("https_proxy", "p"), ("no_proxy", "::1")], None),
        ];
        for (url, environment, proxy) in cases {
            assert_eq!(chosen(url, environment).unwrap().as_deref(), proxy, "{url} {environment:?}");
        }
        let secret = chosen("wss://a", &[("ALL_PROXY", "socks5://u:hidden@p")]).unwrap_err();
        assert!(!secret.contains("hidden"), "{secret}");
    }

    /// What a proxy reads, and what comes of its answer.
    async fn through(answer: &[u8], user: &str) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy: Url = format!("http://{user}{}", listener.local_addr().unwrap()).parse().unwrap();
        let serve = async {
            let (mut line, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                read.push(line.read_u8().await.unwrap());
            }
            line.write_all(answer).await.unwrap();
            drop(line);
            String::from_utf8(read).unwrap()
        };
        let (read, line) = future::join(serve, tunnel(&proxy, "api.sarvam.ai", 443)).await;
        let Ok(mut line) = line else { return (read, line.map(drop).map_err(|error| error.to_string())) };
        let mut rest = String::new();
        line.read_to_string(&mut rest).await.unwrap();
        (read, if rest == "hello" { Ok(()) } else { Err(rest) })
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for() {
        let (read, end) = through(b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\nhello", "").await;
        assert_eq!(read, "CONNECT api.sarvam.ai:443 HTTP/1.1\r\nHost: api.sarvam.ai:443\r\n\r\n");
        assert_eq!(end, Ok(()));
        let (read, _) = through(b"HTTP/1.1 200 OK\r\n\r\nhello", "us%40r:p+w@").await;
        assert!(read.contains("\r\nProxy-Authorization: Basic dXNAcjpwK3c=\r\n"), "{read}");
        for (answer, error) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], "the proxy refused with 407"),
            (b"SSH-2.0-x\r\n\r\n", "the proxy gave no answer that makes sense"),
            (b"", "the proxy gave no answer that makes sense"),
            (&[b'x'; ANSWER_MAX + 9], "the proxy gave no answer that makes sense"),
        ] {
            assert_eq!(through(answer, "").await.1, Err(error.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(answer in proptest::collection::vec(any::<u8>(), 0..60), text in "HTTP/1.{0,20}") {
            for answer in [&answer[..], text.as_bytes()] {
                prop_assert!(status(answer).is_none_or(|status| (100..600).contains(&status)));
            }
        }
    }
}
