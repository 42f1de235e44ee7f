//! The routes Asterisk uses: the media socket, and the word in advance for AudioSocket.
//! Promise: who does not pass the door starts nothing; a call that is refused closes the socket at once,
//! so that the dial plan goes on.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts as _, OriginalUri, Request, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::warn;

use super::machine::Leg;
use crate::base::event::{CallState, Direction};
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::telephony::audiosocket::Expected;
use crate::telephony::leg::Exchange;
use crate::telephony::pbx::{Door, Facts, facts};
use crate::telephony::stream::StreamMetrics;
use crate::telephony::stream::socket::{self, Admitted, Surroundings};

/// The sub-protocol that `websocket_client.conf` names.
const PROTOCOL: &str = "media";

pub struct AsteriskDeps {
    pub door: Door,
    pub exchange: Arc<dyn Exchange>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: AsteriskMetrics,
    /// Calls whose AudioSocket is about to come; shared with its listener.
    pub expected: Arc<Expected>,
}

/// What can be counted without knowing anything of a call. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct AsteriskMetrics {
    pub refused_peers: Counter,
    pub refused_calls: Counter,
    pub streams: StreamMetrics,
}

impl AsteriskMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("asterisk");
        for (name, help, counter) in [
            ("refused_peers", "Connections without a token or from a strange network", &self.refused_peers),
            ("refused_calls", "Calls given back to the dial plan", &self.refused_calls),
        ] {
            registry.register(name, help, counter.clone());
        }
        self.streams.register(registry);
    }
}

struct Shared {
    deps: AsteriskDeps,
    /// Sockets that have not said what they are.
    pending: Arc<Semaphore>,
}

/// All routes of the transport; merge them at the root.
pub fn routes(deps: AsteriskDeps) -> Router {
    let shared = Shared { deps, pending: Arc::new(Semaphore::new(limits::STREAMS_PENDING_MAX)) };
    Router::new()
        .route("/ast/media", get(media))
        .route("/ast/pre", get(in_advance))
        .route("/ast/next", get(what_next))
        .route("/ast/over", get(over))
        .with_state(Arc::new(shared))
}

/// The query of a request that passes the door; the error is the answer.
fn pass(door: &Door, parts: &Parts) -> Result<String, (StatusCode, &'static str)> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let query = uri.query().unwrap_or_default().to_owned();
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, "where from?"));
    };
    match door.check(peer.ip(), &parts.headers, &query) {
        Ok(()) => Ok(query),
        Err(fault) => Err(door.refuse(fault, parts.uri.path())),
    }
}

async fn media(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let query = match pass(&shared.deps.door, &parts) {
        Ok(query) => query,
        Err(answer) => return answer.into_response(),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(pending) = Arc::clone(&shared.pending).try_acquire_owned() else {
        warn!("too many media sockets wait for their start; refusing another");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets").into_response();
    };
    let around = Surroundings {
        transport: "asterisk",
        exchange: Arc::clone(&shared.deps.exchange),
        clock: shared.deps.clock,
        tasks: shared.deps.tasks.clone(),
        metrics: shared.deps.metrics.streams.clone(),
    };
    let leg = Leg::new(shared.deps.clock.now());
    socket::serve(upgrade, around, leg, pending, move |start| {
        let variables = start.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let facts = facts::of_query(&query).or(Facts::of(variables));
        // The caller's channel, if the dial plan says it; else the one to us.
        let known = [facts.call.as_deref(), Some(start.channel_id.as_str()), Some(start.connection.as_str())];
        let id = known.into_iter().flatten().find(|id| facts::is_id(id))?.to_owned();
        let announcement = facts.announcement("asterisk", &id, Direction::Inbound);
        match shared.deps.exchange.announce(announcement) {
            Ok(call) => Some(Admitted { call, language: facts.language }),
            Err(refusal) => {
                shared.deps.metrics.refused_calls.inc();
                warn!(transport = "asterisk", %refusal, "call refused");
                None
            }
        }
    })
}

/// Comes before an AudioSocket, which can say nothing but a UUID. Admission is decided here: a dial plan
/// that reads `busy` may go elsewhere.
async fn in_advance(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = match pass(&shared.deps.door, &parts) {
        Ok(query) => query,
        Err(answer) => return answer.into_response(),
    };
    let facts = facts::of_query(&query);
    let Some(uuid) = facts.call.as_deref().and_then(|id| id.parse::<uuid::Uuid>().ok()) else {
        return (StatusCode::BAD_REQUEST, "uuid is missing or is none").into_response();
    };
    let name = uuid.as_hyphenated().to_string();
    match shared.deps.exchange.announce(facts.announcement("audiosocket", &name, Direction::Inbound)) {
        Ok(call) => {
            let admitted = Admitted { call, language: facts.language };
            // Asked twice, it is the same call.
            shared.deps.expected.put(shared.deps.clock.now(), &name, admitted);
            (StatusCode::OK, "ok").into_response()
        }
        Err(refusal) => {
            shared.deps.metrics.refused_calls.inc();
            warn!(transport = "audiosocket", %refusal, "call refused");
            (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response()
        }
    }
}

/// A call as the dial plan names it: `uuid` of an AudioSocket, `call` of a WebSocket channel.
struct Named {
    name: String,
    audiosocket: bool,
}

impl Named {
    fn of(query: &str) -> Option<Self> {
        let pairs = facts::pairs(query);
        let value = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        match value("uuid") {
            Some(uuid) => {
                let name = uuid.parse::<uuid::Uuid>().ok()?.as_hyphenated().to_string();
                Some(Self { name, audiosocket: true })
            }
            None => {
                let name = value("call").filter(|name| facts::is_id(name))?.to_owned();
                Some(Self { name, audiosocket: false })
            }
        }
    }
}

const NAMELESS: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "say which call, as `call` or as `uuid`");

/// The media of a call is over and its caller is still in the dial plan. `again`: connect it once more under
/// the same name; `over`: the call is over, or was never here.
async fn what_next(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let AsteriskDeps { door, exchange, clock, expected, .. } = &shared.deps;
    let query = match pass(door, &parts) {
        Ok(query) => query,
        Err(answer) => return answer.into_response(),
    };
    let Some(Named { name, audiosocket }) = Named::of(&query) else { return NAMELESS.into_response() };
    let mut waits = exchange.media_over(&name).await;
    if waits && audiosocket {
        // A call that lives is known by its name; nothing else is asked of it.
        match exchange.announce(Facts::default().announcement("audiosocket", &name, Direction::Inbound)) {
            Ok(call) => drop(expected.put(clock.now(), &name, Admitted { call, language: None })),
            Err(_) => waits = false,
        }
    }
    (StatusCode::OK, if waits { "again" } else { "over" }).into_response()
}

/// The caller's channel is gone; a call that waits for its media does not wait any longer.
async fn over(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let query = match pass(&shared.deps.door, &parts) {
        Ok(query) => query,
        Err(answer) => return answer.into_response(),
    };
    let Some(Named { name, .. }) = Named::of(&query) else { return NAMELESS.into_response() };
    // One that ended with its media is not known any more.
    shared.deps.exchange.carrier_state(&name, CallState::Completed);
    (StatusCode::OK, "ok").into_response()
}
