//! `[asterisk]` and `[freeswitch]`: telephone exchanges of the house, whom of them to believe, and what
//! to ask of them.

use std::net::SocketAddr;

use url::Url;

use super::schema::secret;
use super::tree::Fields;
use crate::base::network::Network;
use crate::base::phone::Phone;
use crate::base::secret::Secret;

/// Characters of a token at least.
const TOKEN_LEAST: usize = 12;

#[derive(Clone, Debug)]
pub struct Asterisk {
    /// `None`, and no network: every connection is refused.
    pub token: Option<Secret>,
    pub networks: Vec<Network>,
    /// `None`: no AudioSocket is taken.
    pub audiosocket_listen: Option<SocketAddr>,
    /// An AudioSocket that nobody announced is a call of which nothing is known.
    pub audiosocket_anonymous: bool,
    /// `None`: no calls are placed through it.
    pub ari: Option<AsteriskAri>,
}

/// Asterisk's REST interface.
#[derive(Clone, Debug)]
pub struct AsteriskAri {
    pub url: Url,
    pub user: String,
    pub password: Secret,
    /// How a number is dialled: `PJSIP/{number}@trunk`.
    pub endpoint: String,
    /// How a telephone of the house is rung: `PJSIP/{extension}`.
    pub extension_endpoint: String,
    /// Where in the dial plan an answered call goes on.
    pub context: String,
    pub caller_id: Option<Phone>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaModule {
    Fork,
    Stream,
}

#[derive(Clone, Debug)]
pub struct Freeswitch {
    /// `None`, and no network: only streams that the box itself has asked for are taken.
    pub token: Option<Secret>,
    pub networks: Vec<Network>,
    /// `host:port` of FreeSWITCH's event socket; `None`: the box does not connect.
    pub event_socket: Option<String>,
    pub password: Option<Secret>,
    /// Where FreeSWITCH opens an event socket for each call; `None`: nowhere.
    pub outbound_listen: Option<SocketAddr>,
    pub module: MediaModule,
    /// Samples a second.
    pub rate: u32,
    /// Where FreeSWITCH reaches the box: `ws://10.0.0.5:8080`; `None`: `http.public_base_url`.
    pub media_url: Option<String>,
    /// How a number is dialled: `sofia/gateway/gw/{number}`; `None`: no calls are placed.
    pub dial: Option<String>,
    /// How a telephone of the house is dialled: `user/{extension}`.
    pub dial_extension: String,
    pub caller_id: Option<Phone>,
}

impl Asterisk {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let token = secret(&mut fields, "token", TOKEN_LEAST).map(|(token, _)| token);
        let networks: Vec<Network> = fields.or("networks", Vec::new());
        let audiosocket_listen = fields.parsed("audiosocket_listen", "an address and a port such as \"10.0.0.5:9092\"");
        let anonymous_at = fields.place("audiosocket_anonymous");
        let audiosocket_anonymous = fields.or("audiosocket_anonymous", false);
        if let Some(at) = anonymous_at.filter(|_| audiosocket_anonymous && networks.is_empty()) {
            fields.refuse(
                &at,
                "`asterisk.audiosocket_anonymous` needs `asterisk.networks`, for example [\"10.0.0.0/24\"]: else anybody could call",
            );
        }
        let ari_at = fields.place("ari");
        let ari = AsteriskAri::read(fields.section("ari"));
        if let Some(at) = ari_at.filter(|_| ari.is_some() && token.is_none() && networks.is_empty()) {
            fields.refuse(
                &at,
                "`asterisk.ari` needs `asterisk.networks` or `asterisk.token`: who answers is led to the box, which else lets nobody in",
            );
        }
        fields.finish();
        Self {
            token,
            networks,
            audiosocket_listen: audiosocket_listen.map(|(address, _)| address),
            audiosocket_anonymous,
            ari,
        }
    }

    pub const fn is_configured(&self) -> bool {
        self.token.is_some() || !self.networks.is_empty()
    }
}

impl AsteriskAri {
    /// `None` without an address.
    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let url = fields.optional::<String>("url").filter(|(text, _)| !text.trim().is_empty());
        let url = url.and_then(|(text, at)| {
            let url = Url::parse(text.trim()).ok().filter(|url| {
                let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
                url.scheme() == "http" && url.has_host() && bare
            });
            if url.is_none() {
                let what = "write where Asterisk's HTTP server is on the LAN, such as \"http://10.0.0.7:8088\"";
                fields.refuse(&at, format!("`asterisk.ari.url` is {text:?}; {what}"));
            }
            Some((url?, at))
        });
        let user = fields.or("user", String::new()).trim().to_owned();
        let password = secret(&mut fields, "password", 8).map(|(password, _)| password);
        let mut endpoint = |key: &str, usual: &str, places: &[&str], example: &str| {
            let Some((text, at)) = fields.optional::<String>(key) else { return usual.to_owned() };
            let text = text.trim().to_owned();
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@/+*#{}".contains(&b));
            if !plain || !places.iter().any(|place| text.contains(place)) {
                fields.refuse(&at, format!("`asterisk.ari.{key}` is {text:?}; write for example \"{example}\""));
            }
            text
        };
        let number = endpoint("endpoint", "", &["{number}", "{e164}"], "PJSIP/{number}@trunk");
        let usual = "PJSIP/{extension}";
        let extension_endpoint = endpoint("extension_endpoint", usual, &["{extension}"], usual);
        let context = fields.or("context", "vaani-placed".to_owned());
        let caller_id = fields.optional::<String>("caller_id").and_then(|(text, at)| match Phone::written(&text) {
            _ if text.trim().is_empty() => None,
            Ok(phone) => Some(phone),
            Err(wrong) => {
                fields.refuse(&at, format!("`asterisk.ari.caller_id`: {wrong}"));
                None
            }
        });
        if let Some((_, at)) = &url {
            if user.is_empty() || user.contains([':', ' ']) {
                fields.refuse(at, "`asterisk.ari.url` stands alone; write `asterisk.ari.user` too, as in ari.conf");
            }
            if password.is_none() {
                fields.refuse(at, "`asterisk.ari.url` stands alone; write `asterisk.ari.password` too, as in ari.conf");
            }
            if number.is_empty() {
                let what = "write `asterisk.ari.endpoint` too, for example \"PJSIP/{number}@trunk\"";
                fields.refuse(at, format!("`asterisk.ari.url` stands alone; {what}"));
            }
        }
        fields.finish();
        let ((url, _), password) = url.zip(password)?;
        Some(Self { url, user, password, endpoint: number, extension_endpoint, context, caller_id })
    }
}

impl Freeswitch {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let token = secret(&mut fields, "token", TOKEN_LEAST).map(|(token, _)| token);
        let networks: Vec<Network> = fields.or("networks", Vec::new());
        let password = secret(&mut fields, "password", 1).map(|(password, _)| password);
        let event_socket = fields.optional::<String>("event_socket").and_then(|(text, at)| {
            let text = text.trim();
            if text.is_empty() {
                return None;
            }
            let whole = text.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            if !whole {
                fields.refuse(&at, format!("`freeswitch.event_socket` is {text:?}; write a host and a port such as \"10.0.0.7:8021\""));
            } else if password.is_none() {
                fields.refuse(&at, "`freeswitch.event_socket` stands alone; write `freeswitch.password` too, as in event_socket.conf.xml");
            }
            Some(text.to_owned())
        });
        let outbound_at = fields.place("outbound_listen");
        let outbound_listen = fields.parsed("outbound_listen", "an address and a port such as \"10.0.0.5:8084\"");
        if let Some(at) = outbound_at.filter(|_| outbound_listen.is_some() && token.is_none() && networks.is_empty()) {
            fields.refuse(
                &at,
                "`freeswitch.outbound_listen` needs `freeswitch.networks` or `freeswitch.token`: else nobody is let in",
            );
        }
        let modules = [("mod_audio_fork", MediaModule::Fork), ("mod_audio_stream", MediaModule::Stream)];
        let module = fields.choice("module", MediaModule::Fork, &modules);
        let rate_at = fields.place("rate");
        let rate = fields.whole("rate", 8_000, 8_000, 16_000);
        if let Some(at) = rate_at.filter(|_| rate != 8_000 && rate != 16_000) {
            fields.refuse(&at, format!("`freeswitch.rate` is {rate}; write 8000 or 16000"));
        }
        let media_url = fields.optional::<String>("media_url").and_then(|(text, at)| {
            let text = text.trim().trim_end_matches('/').to_owned();
            if text.is_empty() {
                return None;
            }
            if !text.starts_with("ws://") && !text.starts_with("wss://") {
                fields.refuse(
                    &at,
                    format!("`freeswitch.media_url` is {text:?}; write for example \"ws://10.0.0.5:8080\""),
                );
            }
            Some(text)
        });
        let dial = fields.optional::<String>("dial").and_then(|(text, at)| {
            let text = text.trim().to_owned();
            if text.is_empty() {
                return None;
            }
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@/+*#{}".contains(&b));
            if !plain || !(text.contains("{number}") || text.contains("{e164}")) {
                fields.refuse(
                    &at,
                    format!("`freeswitch.dial` is {text:?}; write for example \"sofia/gateway/gw/{{number}}\""),
                );
            } else if event_socket.is_none() {
                fields.refuse(&at, "`freeswitch.dial` needs `freeswitch.event_socket`: calls are placed over it");
            }
            Some(text)
        });
        let extension_at = fields.place("dial_extension");
        let dial_extension = fields.or("dial_extension", "user/{extension}".to_owned()).trim().to_owned();
        let plain = dial_extension.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@/+*#{}".contains(&b));
        if let Some(at) = extension_at.filter(|_| !plain || !dial_extension.contains("{extension}")) {
            fields.refuse(
                &at,
                format!("`freeswitch.dial_extension` is {dial_extension:?}; write for example \"user/{{extension}}\""),
            );
        }
        let caller_id = fields.optional::<String>("caller_id").and_then(|(text, at)| match Phone::written(&text) {
            _ if text.trim().is_empty() => None,
            Ok(phone) => Some(phone),
            Err(wrong) => {
                fields.refuse(&at, format!("`freeswitch.caller_id`: {wrong}"));
                None
            }
        });
        fields.finish();
        Self {
            token,
            networks,
            event_socket,
            password,
            outbound_listen: outbound_listen.map(|(address, _)| address),
            module,
            rate,
            media_url,
            dial,
            dial_extension,
            caller_id,
        }
    }

    pub const fn is_configured(&self) -> bool {
        self.token.is_some() || !self.networks.is_empty()
    }
}
