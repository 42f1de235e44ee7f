//! The telephone exchanges of the house: Asterisk and FreeSWITCH, wired as the settings say.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use prometheus_client::registry::Registry as Page;
use tokio::net::TcpListener;

use crate::api::Component;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::{MediaModule, Settings};
use crate::telephony::asterisk::ari::{self, Ari, AriDialer, AriSettings, DialPlan};
use crate::telephony::asterisk::{self, AsteriskDeps, AsteriskMetrics};
use crate::telephony::audiosocket::{self, AudioSocketDeps, AudioSocketMetrics, Expected};
use crate::telephony::dial::Dialer;
use crate::telephony::freeswitch::esl::client::Connect;
use crate::telephony::freeswitch::esl::command::Module;
use crate::telephony::freeswitch::hub::Ears;
use crate::telephony::freeswitch::{
    self, FreeswitchDialer, FreeswitchMetrics, FreeswitchTransferer, Hub, Streams, esl,
};
use crate::telephony::leg::Exchange;
use crate::telephony::pbx::Door;

#[derive(Clone, Default)]
pub(super) struct ExchangeMetrics {
    asterisk: AsteriskMetrics,
    audiosocket: AudioSocketMetrics,
    freeswitch: FreeswitchMetrics,
}

impl ExchangeMetrics {
    pub(super) fn register(&self, page: &mut Page) {
        self.asterisk.register(page);
        self.audiosocket.register(page);
        self.freeswitch.register(page);
    }
}

pub(super) struct Exchanges {
    pub(super) router: Router,
    pub(super) dialers: Vec<Arc<dyn Dialer>>,
    pub(super) transferer: Arc<FreeswitchTransferer>,
    pub(super) health: ExchangeHealth,
}

/// How they are, as `/health` shows it.
pub(super) struct ExchangeHealth {
    asterisk: Option<&'static str>,
    freeswitch: Option<&'static str>,
    hub: Arc<Hub>,
    ari: Option<Arc<AriDialer>>,
}

pub(super) async fn start(
    settings: &Settings,
    public: &str,
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    scope: &Scope,
    metrics: ExchangeMetrics,
) -> anyhow::Result<Exchanges> {
    let ExchangeMetrics { asterisk: of_asterisk, audiosocket: of_audiosocket, freeswitch: of_freeswitch } = metrics;
    let theirs = &settings.asterisk;
    let expected = Arc::new(Expected::default());
    let door = |counter| Door::new("asterisk", theirs.token.clone(), theirs.networks.clone(), counter);
    let ari = ari(settings, &exchange, clock, scope)?;
    let asterisk = asterisk::routes(AsteriskDeps {
        door: door(of_asterisk.refused_peers.clone()),
        exchange: Arc::clone(&exchange),
        clock,
        tasks: scope.clone(),
        metrics: of_asterisk,
        expected: Arc::clone(&expected),
    });
    if let Some(address) = theirs.audiosocket_listen {
        let listener = bind(address, "asterisk.audiosocket_listen").await?;
        let deps = AudioSocketDeps {
            door: door(of_audiosocket.refused_peers.clone()),
            expected,
            anonymous: theirs.audiosocket_anonymous,
            exchange: Arc::clone(&exchange),
            clock,
            tasks: scope.clone(),
            metrics: of_audiosocket,
        };
        tracing::info!(%address, "AudioSockets are taken");
        scope.spawn("audiosocket listener", audiosocket::serve(listener, deps));
    }

    let theirs = &settings.freeswitch;
    let streams = Streams {
        module: match theirs.module {
            MediaModule::Fork => Module::Fork,
            MediaModule::Stream => Module::Stream,
        },
        url: theirs.media_url.as_deref().unwrap_or(public).parse()?,
        rate: theirs.rate,
    };
    let door =
        Door::new("freeswitch", theirs.token.clone(), theirs.networks.clone(), of_freeswitch.refused_peers.clone());
    let hub = Arc::new(Hub::new(exchange, clock, scope.clone(), of_freeswitch, streams));
    if let (Some(address), Some(password)) = (&theirs.event_socket, &theirs.password) {
        let connect = Connect { address: address.clone(), password: password.clone() };
        hub.keep(esl::client::keep(connect, Ears(Arc::clone(&hub)), clock, scope));
    }
    if let Some(address) = theirs.outbound_listen {
        let listener = bind(address, "freeswitch.outbound_listen").await?;
        tracing::info!(%address, "FreeSWITCH's event sockets are taken");
        scope.spawn("event socket listener", esl::server::serve(listener, Arc::clone(&hub), door.clone()));
    }
    let freeswitch_dialer = theirs.event_socket.is_some().then(|| {
        let (dial, extension) = (theirs.dial.clone(), theirs.dial_extension.clone());
        FreeswitchDialer::new(Arc::clone(&hub), dial, extension, theirs.caller_id.clone())
    });
    let transferer = Arc::new(FreeswitchTransferer(Arc::clone(&hub)));
    let mut dialers: Vec<Arc<dyn Dialer>> = Vec::new();
    dialers.extend(ari.clone().map(|dialer| dialer as Arc<_>));
    dialers.extend(freeswitch_dialer.map(|dialer| Arc::new(dialer) as Arc<_>));
    let router = asterisk.merge(freeswitch::routes(Arc::clone(&hub), door));
    Ok(Exchanges { router, dialers, transferer, health: ExchangeHealth::new(settings, hub, ari) })
}

/// Who places calls through Asterisk, if that is set up.
fn ari(
    settings: &Settings,
    exchange: &Arc<dyn Exchange>,
    clock: Clock,
    scope: &Scope,
) -> anyhow::Result<Option<Arc<AriDialer>>> {
    let Some(theirs) = settings.asterisk.ari.clone() else { return Ok(None) };
    let client = Ari::new(AriSettings { url: theirs.url, user: theirs.user, password: theirs.password })
        .context("the client of Asterisk's ARI could not be made")?;
    let plan = DialPlan {
        endpoint: theirs.endpoint,
        extension_endpoint: theirs.extension_endpoint,
        context: theirs.context,
        caller_id: theirs.caller_id,
    };
    let dialer = Arc::new(AriDialer::new(client, plan, Arc::clone(exchange), clock));
    scope.spawn("asterisk's events", ari::keep(Arc::clone(&dialer), scope.clone()));
    Ok(Some(dialer))
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("could not listen on {address} ({setting})"))
}

impl ExchangeHealth {
    fn new(settings: &Settings, hub: Arc<Hub>, ari: Option<Arc<AriDialer>>) -> Self {
        let asterisk = &settings.asterisk;
        let asterisk = match (asterisk.is_configured(), asterisk.audiosocket_listen.is_some()) {
            (true, _) => Some(""),
            (false, true) => Some("AudioSockets are refused: set asterisk.networks or asterisk.token"),
            (false, false) => None,
        };
        let theirs = &settings.freeswitch;
        let controlled = theirs.event_socket.is_some() || theirs.outbound_listen.is_some();
        let freeswitch = match (theirs.is_configured(), controlled) {
            (_, true) => Some(""),
            (true, false) => Some(
                "no event socket: keys are not heard and a channel does not end with its call; set freeswitch.event_socket and freeswitch.password",
            ),
            (false, false) => None,
        };
        Self { asterisk, freeswitch, hub, ari }
    }

    /// Those that are configured.
    pub(super) fn components(&self) -> Vec<Component> {
        let part = |name: &str, status, detail: String| Component {
            name: name.to_owned(),
            status,
            detail,
            facts: serde_json::Value::Null,
        };
        let settled = |detail: &str| if detail.is_empty() { "ok" } else { "degraded" };
        let mut parts = Vec::new();
        parts.extend(self.asterisk.map(|detail| match self.ari.as_ref().and_then(|ari| ari.trouble()) {
            Some(why) => {
                let detail = format!("Asterisk's REST interface is not there for calls that the box places: {why}; look at asterisk.ari and at ari.conf and http.conf there");
                part("transport/asterisk", "degraded", detail)
            }
            None => part("transport/asterisk", settled(detail), detail.to_owned()),
        }));
        parts.extend(self.freeswitch.map(|detail| match self.hub.trouble() {
            Some(why) => {
                let detail = format!("FreeSWITCH's event socket is not open: {why}; look at freeswitch.event_socket and event_socket.conf.xml");
                part("transport/freeswitch", "down", detail)
            }
            None => part("transport/freeswitch", settled(detail), detail.to_owned()),
        }));
        parts
    }
}
