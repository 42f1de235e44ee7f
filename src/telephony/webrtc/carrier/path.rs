//! A browser's way to the box that can be cut: its packets go through sockets of ours, as through a router
//! that is switched off without telling anybody.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

use crate::base::tasks::Scope;

/// The longest packet.
const PACKET: usize = 2_048;

/// Cut when dropped.
#[derive(Debug)]
pub(super) struct Path(Scope);

impl Drop for Path {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Path {
    /// The answer, with places on this path in the place of the box's own. `near`: the browser's address.
    pub(super) async fn through(answer: &str, near: IpAddr) -> io::Result<(Self, String)> {
        let path = Self(Scope::new());
        let mut changed = String::with_capacity(answer.len());
        for line in answer.lines() {
            match place(line).filter(|place| place.is_ipv4() == near.is_ipv4()) {
                Some(to) => {
                    let ours = path.lead_to(to, near).await?;
                    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                    let (ip, port) = (ours.ip().to_string(), ours.port().to_string());
                    let words = words.into_iter().enumerate().map(|(at, word)| match at {
                        4 => ip.clone(),
                        5 => port.clone(),
                        _ => word,
                    });
                    changed.push_str(&words.collect::<Vec<_>>().join(" "));
                }
                None => changed.push_str(line),
            }
            changed.push_str("\r\n");
        }
        Ok((path, changed))
    }

    async fn lead_to(&self, to: SocketAddr, near: IpAddr) -> io::Result<SocketAddr> {
        let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0; 16].into() };
        let (inner, outer) = (UdpSocket::bind((near, 0)).await?, UdpSocket::bind((any, 0)).await?);
        outer.connect(to).await?;
        let ours = inner.local_addr()?;
        let scope = self.0.clone();
        self.0.spawn("a path", async move {
            tokio::select! {
                () = carry(inner, outer, &scope) => {}
                () = scope.stopped() => {}
            }
        });
        Ok(ours)
    }
}

/// Where a candidate of UDP is.
fn place(line: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
    let [_, _, protocol, _, ip, port, ..] = words.as_slice() else { return None };
    let udp = protocol.eq_ignore_ascii_case("udp");
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)).filter(|_| udp)
}

async fn carry(inner: UdpSocket, outer: UdpSocket, cut: &Scope) {
    let (mut out, mut back) = (vec![0; PACKET], vec![0; PACKET]);
    let mut browser = None;
    loop {
        // A packet that cannot be sent is lost, as on any network.
        tokio::select! {
            Ok((length, from)) = inner.recv_from(&mut out) => {
                if cut.is_stopping() {
                    return;
                }
                browser = Some(from);
                let _ = outer.send(&out[..length]).await;
            }
            Ok(length) = outer.recv(&mut back) => {
                if let Some(browser) = browser {
                    let _ = inner.send_to(&back[..length], browser).await;
                }
            }
            else => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_pass_until_it_is_cut() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let there = UdpSocket::bind((here, 0)).await.unwrap();
        let answer = format!(
            "v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 {} typ host\r\na=end-of-candidates\r\n",
            there.local_addr().unwrap().port()
        );
        let (path, changed) = Path::through(&answer, here).await.unwrap();
        assert_eq!(changed.lines().count(), 3);
        let on_path = changed.lines().find_map(place).unwrap();
        assert_ne!(Some(on_path), answer.lines().find_map(place));
        let browser = UdpSocket::bind((here, 0)).await.unwrap();
        browser.send_to(b"ping", on_path).await.unwrap();
        let mut packet = [0; 16];
        let (length, from) = there.recv_from(&mut packet).await.unwrap();
        assert_eq!(&packet[..length], b"ping");
        there.send_to(b"pong", from).await.unwrap();
        assert_eq!(browser.recv(&mut packet).await.unwrap(), 4);
        drop(path);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let _ = browser.send_to(b"ping", on_path).await;
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(100), there.recv_from(&mut packet)).await;
        assert!(nothing.is_err());
    }
}
