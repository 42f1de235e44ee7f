//! Where webhooks may go. An endpoint's address is given by people of a tenant; it must not become a
//! hand that reaches into the box's own network.
//!
//! Promise: a connection is only ever made to an address that [`Guard::permits`] has seen, because the
//! guard itself resolves the name and hands the connector nothing else: what a name resolves to later
//! does not matter. Refused is everything that is not plainly public (loopback, private, link-local,
//! carrier-grade NAT, multicast, documentation, reserved), every IPv6 form that wraps an IPv4 address,
//! and the metadata services of clouds. `[webhooks] allow_private` opens networks by name; a metadata
//! service only if its very address is named.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::base::limits;
use crate::base::network::Network;

/// IPv4 that is not the public Internet (IANA's registry of special addresses).
const NOT_PUBLIC_V4: [Network; 16] = [
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(10, 0, 0, 0, 8),
    Network::v4(100, 64, 0, 0, 10),
    Network::v4(127, 0, 0, 0, 8),
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 0, 2, 0, 24),
    Network::v4(192, 31, 196, 0, 24),
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(198, 51, 100, 0, 24),
    Network::v4(203, 0, 113, 0, 24),
    Network::v4(224, 0, 0, 0, 4),
    Network::v4(240, 0, 0, 0, 4),
];

/// The only IPv6 that is public. What wraps IPv4 outside of it (`::ffff:0:0/96`, `::/96`, NAT64's
/// `64:ff9b::/96` and `64:ff9b:1::/48`) is refused with everything else.
const PUBLIC_V6: Network = Network::v6(0x2000, 0, 0, 3);
/// Within it: protocols' own (Teredo among them), documentation, 6to4, documentation again.
const NOT_PUBLIC_V6: [Network; 4] = [
    Network::v6(0x2001, 0, 0, 23),
    Network::v6(0x2001, 0xdb8, 0, 32),
    Network::v6(0x2002, 0, 0, 16),
    Network::v6(0x3fff, 0, 0, 20),
];

/// Metadata services that give out keys of the machine to whoever asks.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Resolves names; the system's resolver, or a test's.
pub trait Lookup: Send + Sync {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl Lookup for SystemNames {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Why a webhook does not go there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("that is no address of the web; write one such as https://example.in/hooks")]
    NotAUrl,
    #[error("the address is longer than {} characters", limits::WEBHOOK_URL_MAX)]
    TooLong,
    #[error("only https is allowed; http can be allowed with [webhooks] allow_http")]
    NotHttps,
    #[error("the address holds a user or password; webhooks are signed instead")]
    Credentials,
    #[error("the address ends in a fragment (#…), which is never sent; remove it")]
    Fragment,
    #[error("the address is within the box's own network; networks can be opened with [webhooks] allow_private")]
    Private,
    #[error("the name is unknown")]
    Unknown,
}

/// What may be reached. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[Network]>,
    allow_http: bool,
    names: Arc<dyn Lookup>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed", &self.allowed).field("allow_http", &self.allow_http).finish()
    }
}

impl Guard {
    pub fn new(allowed: Vec<Network>, allow_http: bool, names: Arc<dyn Lookup>) -> Self {
        Self { allowed: allowed.into(), allow_http, names }
    }

    /// What can be known of an address before anything is resolved: when it is written down, and again
    /// before every attempt, because the configuration may have changed.
    pub fn check(&self, text: &str) -> Result<Url, Refusal> {
        if text.len() > limits::WEBHOOK_URL_MAX {
            return Err(Refusal::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Refusal::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| Refusal::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(Refusal::NotHttps),
            _ => return Err(Refusal::NotAUrl),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        if url.port() == Some(0) {
            return Err(Refusal::NotAUrl);
        }
        // The parser has read every spelling of an address by now: decimal, octal, hexadecimal, short.
        let fits = match url.host().ok_or(Refusal::NotAUrl)? {
            Host::Ipv4(ip) => self.permits(IpAddr::V4(ip)),
            Host::Ipv6(ip) => self.permits(IpAddr::V6(ip)),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                if name.is_empty() {
                    return Err(Refusal::NotAUrl);
                }
                let is_local = name == "localhost" || name.ends_with(".localhost");
                !is_local || self.permits(IpAddr::V4(Ipv4Addr::LOCALHOST))
            }
        };
        if fits { Ok(url) } else { Err(Refusal::Private) }
    }

    /// May a connection be made to this address?
    pub fn permits(&self, ip: IpAddr) -> bool {
        if METADATA.contains(&ip) {
            return self.allowed.iter().any(|network| network.is_one_host() && network.contains(ip));
        }
        let public = match ip {
            IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(ip)),
            IpAddr::V6(_) => PUBLIC_V6.contains(ip) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(ip)),
        };
        public || self.allowed.iter().any(|network| network.contains(ip))
    }

    /// The addresses of a name that may be connected to, just now.
    async fn addresses(self, name: String) -> Result<Vec<IpAddr>, Refusal> {
        let mut found = self.names.lookup(name).await.map_err(|_| Refusal::Unknown)?;
        if found.is_empty() {
            return Err(Refusal::Unknown);
        }
        found.retain(|ip| self.permits(*ip));
        if found.is_empty() { Err(Refusal::Private) } else { Ok(found) }
    }
}

/// The connector's only source of addresses.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str().to_owned()).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
