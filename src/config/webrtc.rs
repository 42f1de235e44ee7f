//! Calls from browsers.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::tree::{Fields, FromNode, Node};
use crate::base::network::Network;

#[derive(Clone, Debug)]
pub struct Webrtc {
    pub enabled: bool,
    /// Where browsers send sound to; empty: the addresses of the box's own interfaces.
    pub addresses: Vec<IpAddr>,
    /// UDP ports of calls; `None`: any that are free.
    pub udp_ports: Option<RangeInclusive<u16>>,
    /// Networks whose browsers may call without a login; empty: none.
    pub guests: Vec<Network>,
}

impl FromNode for IpAddr {
    fn from_node(node: &Node) -> Result<Self, String> {
        let text = String::from_node(node)?;
        let address: Self =
            text.trim().parse().map_err(|_| format!("is {text:?}; write an address such as \"192.168.1.20\""))?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(format!("is {text:?}, to which nobody can send; write an address such as \"192.168.1.20\""));
        }
        Ok(address)
    }
}

/// The networks that are somebody's own.
fn private() -> Vec<Network> {
    vec![
        Network::v4(127, 0, 0, 0, 8),
        Network::v4(10, 0, 0, 0, 8),
        Network::v4(172, 16, 0, 0, 12),
        Network::v4(192, 168, 0, 0, 16),
        Network::v6(0xfd00, 0, 0, 8),
    ]
}

impl Webrtc {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let enabled = fields.or("enabled", false);
        let addresses = fields.or("addresses", Vec::new());
        let udp_ports = fields.optional::<String>("udp_ports").and_then(|(text, at)| {
            if text.trim().is_empty() {
                return None;
            }
            let range = ports(&text);
            if range.is_none() {
                let what =
                    format!("`webrtc.udp_ports` is {text:?}; write two ports from 1024 up, such as \"40000-40199\"");
                fields.refuse(&at, what);
            }
            range
        });
        let guests: bool = fields.or("guests", false);
        let networks = fields.or("guest_networks", private());
        fields.finish();
        Self { enabled, addresses, udp_ports, guests: if guests { networks } else { Vec::new() } }
    }
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first >= 1_024 && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports() {
        assert_eq!(ports("40000-40199"), Some(40_000..=40_199));
        assert_eq!(ports(" 40000 - 40000 "), Some(40_000..=40_000));
        for wrong in ["", "40000", "40000-", "-40000", "40100-40000", "80-90", "40000-70000", "a-b", "1-2-3"] {
            assert_eq!(ports(wrong), None, "{wrong}");
        }
    }
}
