//! Networks of the Internet protocol, as people write them: `10.0.0.0/8`, `fd00::/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR notation; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network; write one such as \"10.0.0.0/8\", \"192.168.1.20\" or \"fd00::/8\"")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.chars().take(60).collect());
        let (address, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
        };
        let network = Self { address, bits };
        // "10.1.2.3/8" is a slip: did they mean the host or the network?
        if network.first() == address { Ok(network) } else { Err(wrong()) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// For tables; `bits` is not checked against the address.
    pub const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    /// The same, of the first three groups.
    pub const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), bits }
    }

    fn first(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask32(self.bits))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask128(self.bits))),
        }
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => (u32::from(net) ^ u32::from(ip)) & mask32(self.bits) == 0,
            (IpAddr::V6(net), IpAddr::V6(ip)) => (u128::from(net) ^ u128::from(ip)) & mask128(self.bits) == 0,
            _ => false,
        }
    }

    /// A single address, named as such.
    pub fn is_one_host(&self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

/// Who is at the other end of a connection from `peer`: the peer itself, or what the farthest proxy that is
/// trusted says about it (the values of `X-Forwarded-For`, in the order of the headers).
pub fn origin<'a>(peer: IpAddr, trusted: &[IpAddr], said: impl Iterator<Item = &'a str>) -> IpAddr {
    let mut address = peer.to_canonical();
    let hops: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    // From the nearest to the farthest, as long as whoever says it is trusted.
    for hop in hops.into_iter().rev() {
        if !trusted.contains(&address) {
            break;
        }
        let Ok(said) = hop.parse::<IpAddr>() else { break };
        address = said.to_canonical();
    }
    address
}

fn mask32(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask128(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_should() {
        let cases: [(&str, &str, bool); 12] = [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.20", "192.168.1.20", true),
            ("192.168.1.20/32", "192.168.1.21", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::/0", "2001:db8::1", true),
            ("::1", "::1", true),
            ("2001:db8::/127", "2001:db8::2", false),
        ];
        for (network, ip, within) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip.parse().unwrap()), within, "{network} {ip}");
        }
    }

    #[test]
    fn only_who_is_trusted_speaks_for_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = [ip("127.0.0.1"), ip("10.0.0.1")];
        for (peer, said, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("203.0.113.1", &["198.51.100.1"], "203.0.113.1"),
            ("127.0.0.1", &["198.51.100.1, 203.0.113.7", "10.0.0.1"], "203.0.113.7"),
            ("127.0.0.1", &["198.51.100.1, nonsense"], "127.0.0.1"),
        ] {
            assert_eq!(origin(ip(peer), &trusted, said.iter().copied()), ip(expected), "{peer} {said:?}");
        }
    }

    #[test]
    fn slips_are_refused() {
        for odd in
            ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "10.1.2.3/8", "fd00::1/8", "::/129", "a.b.c.d/8", "10.0.0.0/8/8"]
        {
            let error = odd.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
        assert_eq!(" 10.0.0.0/8 ".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
    }
}
