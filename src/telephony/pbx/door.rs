//! The door for peers that cannot sign. A peer shows a token (`Authorization: Bearer`, the password of
//! `Authorization: Basic`, or `token` in the address), comes from a network that is named, or both, as
//! configured.
//! Promise: with nothing configured nobody passes; refusals are counted, and logged ever more rarely.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prometheus_client::metrics::counter::Counter;
use tracing::warn;

use crate::base::network::Network;
use crate::base::secret::Secret;

/// Why somebody does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("neither a token nor a network is configured")]
    Unconfigured,
    #[error("the address is in none of the networks")]
    Network,
    #[error("it came through a proxy, so its address says nothing")]
    Proxied,
    #[error("the token is missing or wrong")]
    Token,
}

#[derive(Clone, Debug)]
pub struct Door {
    /// Section of the settings, for the log.
    section: &'static str,
    token: Option<Secret>,
    networks: Vec<Network>,
    refused: Counter,
}

impl Door {
    /// `refused` counts who did not pass.
    pub fn new(section: &'static str, token: Option<Secret>, networks: Vec<Network>, refused: Counter) -> Self {
        Self { section, token: token.filter(|token| !token.is_empty()), networks, refused }
    }

    pub const fn is_configured(&self) -> bool {
        self.token.is_some() || !self.networks.is_empty()
    }

    /// An HTTP request from `peer`, with the query of its address.
    pub fn check(&self, peer: IpAddr, headers: &HeaderMap, query: &str) -> Result<(), Fault> {
        if !self.is_configured() {
            return Err(Fault::Unconfigured);
        }
        if !self.networks.is_empty() {
            if headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded") {
                return Err(Fault::Proxied);
            }
            self.check_network(peer)?;
        }
        match &self.token {
            Some(token) if !shown(headers, query).iter().any(|shown| token.matches(shown)) => Err(Fault::Token),
            _ => Ok(()),
        }
    }

    /// A bare connection, which can show nothing; what it then says must be known already.
    pub fn check_address(&self, peer: IpAddr) -> Result<(), Fault> {
        match (self.is_configured(), self.networks.is_empty()) {
            (false, _) => Err(Fault::Unconfigured),
            (true, true) => Ok(()),
            (true, false) => self.check_network(peer),
        }
    }

    /// Are there networks that vouch for a peer which shows nothing?
    pub const fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    fn check_network(&self, peer: IpAddr) -> Result<(), Fault> {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(peer)).then_some(()).ok_or(Fault::Network)
    }

    /// Counts and says so in the log: the first ones, then ever fewer.
    pub fn note(&self, fault: Fault, what: &str) {
        if !self.refused.inc().wrapping_add(1).is_power_of_two() {
            return;
        }
        let (section, refused) = (self.section, self.refused.get());
        if fault == Fault::Unconfigured {
            warn!(
                what,
                refused,
                "a telephone exchange came but nothing says whom to believe; set `token` or `networks` in the section [{section}] of vaani.toml"
            );
        } else {
            warn!(%fault, what, refused, section, "a telephone exchange was turned away");
        }
    }

    /// The same, with the answer.
    pub fn refuse(&self, fault: Fault, what: &str) -> (StatusCode, &'static str) {
        self.note(fault, what);
        match fault {
            Fault::Unconfigured => (StatusCode::SERVICE_UNAVAILABLE, "this box believes no exchange yet"),
            Fault::Token => (StatusCode::UNAUTHORIZED, "show the token"),
            Fault::Network | Fault::Proxied => (StatusCode::FORBIDDEN, "not from here"),
        }
    }
}

/// All that could be a token.
fn shown(headers: &HeaderMap, query: &str) -> Vec<String> {
    let mut shown: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned())
        .collect();
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some((scheme, rest)) = authorization.split_once(' ') {
        if scheme.eq_ignore_ascii_case("bearer") {
            shown.push(rest.trim().to_owned());
        } else if scheme.eq_ignore_ascii_case("basic")
            && let Ok(bytes) = BASE64.decode(rest.trim())
            && let Some((_, password)) = String::from_utf8_lossy(&bytes).split_once(':')
        {
            shown.push(password.to_owned());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(token: Option<&str>, networks: &[&str]) -> Door {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Door::new("asterisk", token.map(Secret::new), networks, Counter::default())
    }

    #[test]
    fn who_passes() {
        let basic = format!("Basic {}", BASE64.encode("pbx:the-token"));
        let wrong = format!("Basic {}", BASE64.encode("the-token"));
        let cases: [(&Door, &str, &str, &str, Result<(), Fault>); 15] = [
            (&door(None, &[]), "127.0.0.1", "Bearer x", "", Err(Fault::Unconfigured)),
            (&door(Some(""), &[]), "127.0.0.1", "Bearer ", "", Err(Fault::Unconfigured)),
            (&door(Some("the-token"), &[]), "8.8.8.8", "Bearer the-token", "", Ok(())),
            (&door(Some("the-token"), &[]), "8.8.8.8", "bearer the-token", "", Ok(())),
            (&door(Some("the-token"), &[]), "8.8.8.8", &basic, "", Ok(())),
            (&door(Some("the-token"), &[]), "8.8.8.8", "", "a=b&token=the-token", Ok(())),
            (&door(Some("the-token"), &[]), "8.8.8.8", &wrong, "", Err(Fault::Token)),
            (&door(Some("the-token"), &[]), "8.8.8.8", "", "token=", Err(Fault::Token)),
            (&door(Some("the-token"), &[]), "8.8.8.8", "the-token", "", Err(Fault::Token)),
            (&door(None, &["10.0.0.0/8"]), "10.1.2.3", "", "", Ok(())),
            (&door(None, &["10.0.0.0/8"]), "::ffff:10.1.2.3", "", "", Ok(())),
            (&door(None, &["10.0.0.0/8"]), "11.1.2.3", "Bearer x", "", Err(Fault::Network)),
            (&door(Some("the-token"), &["10.0.0.0/8"]), "10.1.2.3", "", "", Err(Fault::Token)),
            (&door(Some("the-token"), &["10.0.0.0/8"]), "11.1.2.3", "Bearer the-token", "", Err(Fault::Network)),
            (&door(Some("the-token"), &["10.0.0.0/8"]), "10.1.2.3", "Bearer the-token", "", Ok(())),
        ];
        for (door, peer, authorization, query, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            assert_eq!(door.check(peer.parse().unwrap(), &headers, query), expected, "{peer} {authorization} {query}");
        }
    }

    #[test]
    fn an_address_behind_a_proxy_vouches_for_nobody() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "10.1.2.3".parse().unwrap());
        let local = "127.0.0.1".parse().unwrap();
        assert_eq!(door(None, &["127.0.0.1"]).check(local, &headers, ""), Err(Fault::Proxied));
        assert_eq!(door(Some("the-token"), &[]).check(local, &headers, "token=the-token"), Ok(()));
    }

    #[test]
    fn a_bare_connection_is_known_by_its_network_if_there_are_any() {
        let far = "8.8.8.8".parse().unwrap();
        assert_eq!(door(None, &[]).check_address(far), Err(Fault::Unconfigured));
        assert_eq!(door(Some("the-token"), &[]).check_address(far), Ok(()));
        assert_eq!(door(Some("the-token"), &["10.0.0.0/8"]).check_address(far), Err(Fault::Network));
    }

    #[test]
    fn refusals_say_what_they_are() {
        let door = door(None, &[]);
        for (fault, status) in [(Fault::Unconfigured, 503), (Fault::Token, 401), (Fault::Network, 403)] {
            assert_eq!(door.refuse(fault, "/ast/media").0.as_u16(), status);
        }
        assert_eq!(door.refused.get(), 3);
    }
}
