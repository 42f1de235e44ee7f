//! Where browsers reach us: addresses of the box's own network, and the ports that sessions use.
//! Absent on purpose: names, STUN, anything outside the LAN.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

/// Interfaces that other machines of the LAN are not behind, by how their names begin.
const INNER: [&str; 12] =
    ["docker", "veth", "br-", "virbr", "vmnet", "cni", "flannel", "tun", "tap", "wg", "tailscale", "zt"];

/// Addresses a browser on the LAN can send to, the first of each interface and family. Without any (a
/// machine without a network) the loopback, which serves browsers on the box.
pub fn usable() -> Vec<IpAddr> {
    let found = match rtc::shared::ifaces::ifaces() {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the box's interfaces could not be listed; browsers on other machines cannot call");
            Vec::new()
        }
    };
    let named = found.into_iter().filter_map(|interface| Some((interface.name, interface.addr?.ip())));
    let usable = choose(named);
    if usable.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { usable }
}

fn choose(named: impl Iterator<Item = (String, IpAddr)>) -> Vec<IpAddr> {
    let mut chosen: Vec<(String, IpAddr)> = Vec::new();
    for (name, ip) in named {
        let inner = INNER.iter().any(|start| name.starts_with(start));
        let known = chosen.iter().any(|(other, address)| *other == name && address.is_ipv4() == ip.is_ipv4());
        if !inner && !known && is_reachable(ip) {
            chosen.push((name, ip));
        }
    }
    chosen.into_iter().map(|(_, ip)| ip).collect()
}

const fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local()),
    }
}

/// UDP ports of a configured range; without one the system gives any.
#[derive(Clone, Debug)]
pub struct Ports(Option<Arc<Mutex<VecDeque<u16>>>>);

/// A port in use; free again when dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    of: Ports,
}

impl Ports {
    pub fn new(range: Option<RangeInclusive<u16>>) -> Self {
        Self(range.map(|range| Arc::new(Mutex::new(range.collect()))))
    }

    /// `None`: all are in use. The one that was free for the longest, so that what is still on its way to a
    /// session that is over does not reach the next.
    pub fn take(&self) -> Option<Port> {
        let number = match &self.0 {
            None => 0,
            Some(free) => free.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?,
        };
        Some(Port { number, of: self.clone() })
    }
}

impl Port {
    /// 0: the system chooses.
    pub const fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(free) = &self.of.0 {
            free.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_lan_are_offered() {
        let named = [
            ("lo", "127.0.0.1"),
            ("eth0", "192.168.1.20"),
            ("eth0", "192.168.1.21"),
            ("eth0", "fe80::1"),
            ("eth0", "fd00::20"),
            ("docker0", "172.17.0.1"),
            ("wlan0", "10.0.0.7"),
            ("wlan1", "169.254.3.4"),
            ("veth12", "10.9.9.9"),
            ("lo", "::1"),
        ];
        let named = named.into_iter().map(|(name, ip)| (name.to_owned(), ip.parse().unwrap()));
        let chosen: Vec<String> = choose(named).iter().map(ToString::to_string).collect();
        assert_eq!(chosen, ["192.168.1.20", "fd00::20", "10.0.0.7"]);
        assert!(!usable().is_empty());
    }

    #[test]
    fn ports_are_lent() {
        let ports = Ports::new(Some(40_000..=40_001));
        let (one, two) = (ports.take().unwrap(), ports.take().unwrap());
        assert_eq!((one.number(), two.number()), (40_000, 40_001));
        assert!(ports.take().is_none());
        drop(two);
        drop(one);
        assert_eq!(ports.take().unwrap().number(), 40_001, "the one that has been free for longer");
        assert_eq!(Ports::new(None).take().unwrap().number(), 0);
    }
}
