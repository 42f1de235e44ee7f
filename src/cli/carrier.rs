//! Which carrier a rehearsal or a bench plays, and how it calls a box as that one.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Context as _;

use crate::app;
use crate::base::secret::Secret;
use crate::config::Settings;
use crate::telephony::exotel::ExotelSettings;
use crate::telephony::exotel::access::Login;
use crate::telephony::exotel::carrier as exotel;
use crate::telephony::public_url::PublicUrl;
use crate::telephony::webrtc::carrier as webrtc;
use crate::telephony::webrtc::places;

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
    /// A handset of the box itself.
    Local,
    /// A browser: HTTPS, ICE, DTLS-SRTP and Opus.
    Webrtc,
}

/// Carriers that can bring many calls at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Carrier {
    Twilio,
    Exotel,
    /// Browsers; each is a client of its own.
    Webrtc,
}

/// How a browser on this machine reaches a box: where it serves HTTPS, and whom to believe.
#[derive(Clone, Debug)]
pub(super) struct Browsers {
    url: PublicUrl,
    /// The default agent, for calls that name none.
    agent: String,
    addresses: Vec<IpAddr>,
    http: reqwest::Client,
}

impl Browsers {
    /// Of a box with this state directory that serves HTTPS at `address`. `own`: it was started for this, and
    /// takes browsers' calls on the loopback.
    pub(super) fn of(settings: &Settings, state: &Path, address: SocketAddr, own: bool) -> anyhow::Result<Self> {
        let file = state.join("tls/ca.crt");
        let authority = std::fs::read_to_string(&file).with_context(|| {
            format!("the box's own authority is what a browser believes; could not read {}", file.display())
        })?;
        let mut addresses = vec![IpAddr::from([127, 0, 0, 1])];
        if !own {
            addresses.extend(places::usable().into_iter().filter(|ip| !ip.is_loopback()));
        }
        let address = here(address);
        Ok(Self {
            url: format!("https://{address}").parse()?,
            agent: settings.calls.default_agent.clone(),
            addresses,
            http: webrtc::client(&authority)?,
        })
    }

    /// A call to that agent.
    pub(super) fn call(&self, agent: Option<&str>, token: &Secret) -> webrtc::DialOptions {
        let agent = agent.unwrap_or(&self.agent);
        let mut options = webrtc::DialOptions::new(self.url.clone(), token.clone(), agent, self.http.clone());
        options.addresses.clone_from(&self.addresses);
        options
    }
}

/// Where to reach on this machine what listens there.
fn here(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    }
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
