//! Who may ask. The carrier signs nothing, so that it is known by what an administrator put into its
//! addresses (a password, a secret part of the path) and by where it comes from.
//! Promise: everything that is configured must hold; with nothing configured nobody is let in.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::base::network::{self, Network};
use crate::base::secret::Secret;

#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `user:password`, as the carrier's addresses have it before the host.
    pub login: Option<Login>,
    /// The part of the path after `/exotel/`.
    pub secret_path: Option<Secret>,
    /// Networks the carrier comes from; none: any.
    pub networks: Vec<Network>,
    /// Proxies in front of the box that are believed about whom they speak for.
    pub trusted_proxies: Vec<IpAddr>,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("nothing is configured that tells the carrier from others")]
    Unconfigured,
    #[error("it comes from none of the allowed networks")]
    Network,
    #[error("the path lacks its secret part, or has a wrong one")]
    Path,
    #[error("user and password are missing or wrong")]
    Login,
}

impl Access {
    pub const fn is_configured(&self) -> bool {
        self.login.is_some() || self.secret_path.is_some() || !self.networks.is_empty()
    }

    /// `secret`: what the path has at its place.
    pub fn check(&self, request: &Parts, secret: Option<&str>) -> Result<(), Fault> {
        if !self.is_configured() {
            return Err(Fault::Unconfigured);
        }
        if !self.networks.is_empty() {
            let from = self.origin(request);
            if !from.is_some_and(|from| self.networks.iter().any(|network| network.contains(from))) {
                return Err(Fault::Network);
            }
        }
        match (&self.secret_path, secret) {
            (Some(wanted), Some(shown)) if wanted.matches(shown) => {}
            (None, None) => {}
            // A secret where none is configured is no address of ours.
            _ => return Err(Fault::Path),
        }
        match &self.login {
            Some(login) if !login.is_shown(&request.headers) => Err(Fault::Login),
            _ => Ok(()),
        }
    }

    fn origin(&self, request: &Parts) -> Option<IpAddr> {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
        let said = request.headers.get_all("x-forwarded-for");
        let said = said.iter().filter_map(|value| value.to_str().ok());
        Some(network::origin(peer, &self.trusted_proxies, said))
    }
}

impl Login {
    /// RFC 7617.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' '));
        let Some((scheme, credentials)) = shown else { return false };
        let Ok(decoded) = BASE64.decode(credentials.trim()) else { return false };
        let Ok(decoded) = String::from_utf8(decoded) else { return false };
        scheme.eq_ignore_ascii_case("basic") && Secret::new(self.plain()).matches(&decoded)
    }

    fn plain(&self) -> String {
        format!("{}:{}", self.user, self.password.expose())
    }

    /// For the front of an address: `user:password@`.
    pub fn in_address(&self) -> String {
        let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // A form writes a space as `+`, an address does not.
        let (user, password) = (part(&self.user), part(self.password.expose()));
        format!("{}:{}@", user.replace('+', "%20"), password.replace('+', "%20"))
    }

    /// The value of the header.
    pub fn header(&self) -> String {
        format!("Basic {}", BASE64.encode(self.plain()))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    fn request(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 5_000)));
        parts
    }

    fn login() -> Login {
        Login { user: "exotel".to_owned(), password: Secret::new("p@ss: w/rd") }
    }

    #[test]
    fn nobody_is_let_in_where_nothing_is_configured() {
        let access = Access { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..Access::default() };
        assert_eq!(access.check(&request("127.0.0.1", &[]), None), Err(Fault::Unconfigured));
    }

    #[test]
    fn all_that_is_configured_must_hold() {
        let access = Access {
            login: Some(login()),
            secret_path: Some(Secret::new("between-us")),
            networks: vec!["203.0.113.0/24".parse().unwrap()],
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        };
        let right = login().header();
        let right = right.as_str();
        let wrong = Login { password: Secret::new("other"), ..login() }.header();
        let through = ("x-forwarded-for", "203.0.113.7");
        for (peer, headers, secret, expected) in [
            ("203.0.113.7", &[("authorization", right)][..], Some("between-us"), Ok(())),
            ("127.0.0.1", &[("authorization", right), through], Some("between-us"), Ok(())),
            ("198.51.100.1", &[("authorization", right), through], Some("between-us"), Err(Fault::Network)),
            ("127.0.0.1", &[("authorization", right)], Some("between-us"), Err(Fault::Network)),
            ("203.0.113.7", &[("authorization", right)], None, Err(Fault::Path)),
            ("203.0.113.7", &[("authorization", right)], Some("between"), Err(Fault::Path)),
            ("203.0.113.7", &[], Some("between-us"), Err(Fault::Login)),
            ("203.0.113.7", &[("authorization", wrong.as_str())], Some("between-us"), Err(Fault::Login)),
            ("203.0.113.7", &[("authorization", "Basic ???")], Some("between-us"), Err(Fault::Login)),
            ("203.0.113.7", &[("authorization", "Basic")], Some("between-us"), Err(Fault::Login)),
            (
                "203.0.113.7",
                &[("authorization", &right.replace("Basic", "Bearer"))],
                Some("between-us"),
                Err(Fault::Login),
            ),
            ("203.0.113.7", &[("authorization", &right.replace("Basic", "bAsIc "))], Some("between-us"), Ok(())),
        ] {
            assert_eq!(access.check(&request(peer, headers), secret), expected, "{peer} {headers:?} {secret:?}");
        }
        let open = Access { login: Some(login()), ..Access::default() };
        assert_eq!(open.check(&request("203.0.113.7", &[("authorization", right)]), Some("x")), Err(Fault::Path));
    }

    #[test]
    fn a_login_survives_the_way_through_an_address() {
        let address = format!("wss://{}box.example.in/ws", login().in_address());
        let parsed = url::Url::parse(&address).unwrap();
        let decode = |text: &str| {
            let pairs = format!("x={text}");
            url::form_urlencoded::parse(pairs.as_bytes()).next().unwrap().1.into_owned()
        };
        assert_eq!(decode(parsed.username()), "exotel");
        assert_eq!(decode(parsed.password().unwrap()), "p@ss: w/rd");
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(value in "[ -~]{0,60}") {
            let access = Access { login: Some(login()), ..Access::default() };
            prop_assert_eq!(access.check(&request("::1", &[("authorization", &value)]), None), Err(Fault::Login));
        }
    }
}
