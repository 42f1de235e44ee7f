//! Where a provider of the routing file is: its address, and in which country its servers stand.
//! Promise: nothing is said to be on the box that is on the internet, and callers' words do not leave
//! the customer's network in the clear.
//! Absent on purpose: looking names up; an address is judged as it is written.

use std::net::IpAddr;

use url::{Host, Url};

use super::read::{named, scalar};
use super::residency::Residency;
use crate::config::{At, Fields};

/// What people call a key that they write into the file.
pub(super) const KEY_NAMES: [&str; 8] =
    ["api_key", "apikey", "key", "token", "password", "secret_key", "api_secret", "access_token"];

/// Told, not told, or told wrongly.
#[derive(Debug)]
pub(super) struct Told(Result<Option<Url>, ()>);

impl Told {
    pub(super) const fn is_ok_and_some(&self) -> bool {
        matches!(self.0, Ok(Some(_)))
    }

    pub(super) const fn is_err(&self) -> bool {
        self.0.is_err()
    }

    pub(super) fn ok(self) -> Option<Option<Url>> {
        self.0.ok()
    }
}

pub(super) fn address(fields: &mut Fields<'_>) -> Told {
    if fields.place("base_url").is_none() {
        fields.take("base_url");
        return Told(Ok(None));
    }
    let Some((text, at)) = scalar::<String>(fields, "base_url") else { return Told(Err(())) };
    let name = fields.name("base_url");
    let fault = match Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "does not begin with https://".to_owned(),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "holds a user name or a password; put the key into a credential and write its name under `secret`"
                .to_owned()
        }
        Ok(url) if url.query_pairs().any(|(name, _)| KEY_NAMES.contains(&&*name.to_lowercase())) => {
            "holds a key; put it into a credential and write `auth: {style: query, name: …}`".to_owned()
        }
        Ok(url) if url.scheme() == "http" && place_of(&url) == Place::Outside => {
            "sends callers' words over the internet in the clear; write https://".to_owned()
        }
        Ok(url) => return Told(Ok(Some(url))),
        Err(_) => "is no address; write for example https://api.example.in/v1".to_owned(),
    };
    fields.refuse(&at, format!("`{name}` {fault}"));
    Told(Err(()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    ThisBox,
    /// An address that only exists inside the customer's network.
    Network,
    Outside,
}

pub(super) fn place_of(url: &Url) -> Place {
    let of_ip = |ip: IpAddr| match ip {
        ip if ip.is_loopback() => Place::ThisBox,
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Place::Network,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Place::Network,
        _ => Place::Outside,
    };
    match url.host() {
        Some(Host::Ipv4(v4)) => of_ip(v4.into()),
        Some(Host::Ipv6(v6)) => of_ip(v6.into()),
        Some(Host::Domain("localhost")) => Place::ThisBox,
        Some(Host::Domain(name)) => {
            let inside = [".local", ".lan", ".internal", ".home.arpa"].iter().any(|end| name.ends_with(end));
            if inside || !name.contains('.') { Place::Network } else { Place::Outside }
        }
        None => Place::Outside,
    }
}

pub(super) fn residency(fields: &mut Fields<'_>, at: &At, url: Option<&Url>, url_faulty: bool) -> Residency {
    let written = fields.place("residency").is_some();
    let told = scalar::<String>(fields, "residency");
    let name = fields.name("residency");
    let place = url.map(place_of);
    if let Some((word, at)) = told {
        return match named(&word, &Residency::ALL) {
            Ok(Residency::OnBox) if place == Some(Place::Outside) => {
                let host = url.and_then(Url::host_str).unwrap_or_default();
                fields.refuse(&at, format!("`{name}` is on_box, but {host} is on the internet; write india or abroad"));
                Residency::Abroad
            }
            Ok(residency) => residency,
            Err(instead) => {
                fields.refuse(&at, format!("`{name}` is {word:?}; {instead}"));
                Residency::Abroad
            }
        };
    }
    match place {
        Some(Place::ThisBox) => Residency::OnBox,
        // Not said and nowhere to send to: treated like the farthest.
        None => Residency::Abroad,
        Some(Place::Network | Place::Outside) => {
            if !written && !url_faulty {
                fields.refuse(at, format!("`{name}` is missing; write where its servers are: on_box, india or abroad"));
            }
            Residency::Abroad
        }
    }
}
