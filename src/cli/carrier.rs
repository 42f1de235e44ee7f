//! Which carrier a rehearsal or a bench plays, and how it calls a box as that one.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;

use crate::app;
use crate::base::secret::Secret;
use crate::config::Settings;
use crate::telephony::exotel::ExotelSettings;
use crate::telephony::exotel::access::Login;
use crate::telephony::exotel::carrier as exotel;
use crate::telephony::public_url::PublicUrl;

/// How rehearsed calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Transport {
    Twilio,
    Exotel,
    /// Asterisk's WebSocket channel.
    Asterisk,
    /// Asterisk's AudioSocket.
    Audiosocket,
    /// FreeSWITCH's event socket and mod_audio_fork.
    Freeswitch,
}

/// Carriers that can bring many calls at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Carrier {
    Twilio,
    Exotel,
}

/// How exchanges of the house reach a box on this machine.
#[derive(Clone, Debug)]
pub(super) struct Exchanges {
    pub(super) asterisk_token: Option<Secret>,
    /// Where AudioSockets are taken, `host:port`.
    pub(super) audiosocket: Option<String>,
    pub(super) freeswitch_token: Option<Secret>,
    /// Where FreeSWITCH's event sockets are taken.
    pub(super) event_socket: Option<String>,
}

impl Exchanges {
    /// Of a box that runs with these settings.
    pub(super) fn of(settings: &Settings) -> Self {
        let here = |address: SocketAddr| match address.ip() {
            ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
            _ => address.to_string(),
        };
        Self {
            asterisk_token: settings.asterisk.token.clone(),
            audiosocket: settings.asterisk.audiosocket_listen.map(here),
            freeswitch_token: settings.freeswitch.token.clone(),
            event_socket: settings.freeswitch.outbound_listen.map(here),
        }
    }

    /// Of a daemon that is about to be started, with ports that were free a moment ago.
    pub(super) fn own() -> std::io::Result<Self> {
        let free = || -> std::io::Result<String> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string()) };
        let token = Some(Secret::random()?);
        Ok(Self {
            asterisk_token: token.clone(),
            audiosocket: Some(free()?),
            freeswitch_token: token,
            event_socket: Some(free()?),
        })
    }

    /// The same as variables of that daemon.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let shown = |token: &Option<Secret>| token.as_ref().map_or_else(String::new, |token| token.expose().to_owned());
        let here = || "127.0.0.0/8".to_owned();
        vec![
            ("VAANI_ASTERISK__TOKEN", shown(&self.asterisk_token)),
            ("VAANI_ASTERISK__NETWORKS", here()),
            ("VAANI_ASTERISK__AUDIOSOCKET_LISTEN", self.audiosocket.clone().unwrap_or_default()),
            ("VAANI_FREESWITCH__TOKEN", shown(&self.freeswitch_token)),
            ("VAANI_FREESWITCH__NETWORKS", here()),
            ("VAANI_FREESWITCH__OUTBOUND_LISTEN", self.event_socket.clone().unwrap_or_default()),
        ]
    }
}

/// Who the daemons of rehearsals and benches know Exotel by.
pub(super) fn own_login() -> std::io::Result<Login> {
    Ok(Login { user: "rehearsal".to_owned(), password: Secret::random()? })
}

/// A call as Exotel makes it to a box with this configuration, by another login if one is given.
pub(super) fn exotel_call(
    settings: &Settings,
    real: &PublicUrl,
    public: &PublicUrl,
    login: Option<&Login>,
) -> anyhow::Result<exotel::DialOptions> {
    let mut access = app::exotel::access(settings);
    if let Some(login) = login {
        access.login = Some(login.clone());
    }
    // Networks say nothing about who asks: from this machine it is known by login or path alone.
    anyhow::ensure!(
        access.login.is_some() || access.secret_path.is_some(),
        "nothing is configured here that the box knows Exotel by; set exotel.user and exotel.password to the box's"
    );
    let address = ExotelSettings::new(access, real.clone()).webhook_url("");
    let address = address.parse().context("the box's address is odd")?;
    Ok(exotel::DialOptions::new(address, public.clone()))
}
