//! The HTTP side: the dynamic address of the Voicebot applet, and the upgrades to its WebSocket.
//! Promise: who does not show what is configured gets 403 and starts nothing; a caller who cannot be taken
//! hears so, if the box can say it; the same call announced again is the same call; every body, wait and
//! number of sockets is bounded.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, RawPathParams, Request, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::TRANSPORT;
use super::access::{Access, Fault};
use super::connect::{self, Flows};
use super::form::{Asked, is_sid};
use super::machine::{Leg, Shown, Terms};
use super::passthru::{self, Answers};
use crate::base::phone::Phone;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, limits};
use crate::telephony::apology::{Apologies, Apology};
use crate::telephony::leg::{Announcement, Exchange, Refusal};
use crate::telephony::lines::SpokenLines;
use crate::telephony::public_url::PublicUrl;
use crate::telephony::stream::StreamMetrics;
use crate::telephony::stream::socket::{self, Admitted, Surroundings};
use crate::telephony::stream::tokens::Tokens;

#[derive(Clone, Debug)]
pub struct ExotelSettings {
    pub access: Access,
    /// Where the carrier reaches us. `http://` makes the media socket `ws://` (rehearsals).
    pub public_base_url: PublicUrl,
    /// Asked of the carrier, samples a second: 8000, 16000 or 24000.
    pub sample_rate: u32,
    /// Bytes of 16-bit sound in one message to the carrier, a multiple of
    /// [`limits::EXOTEL_CHUNK_STEP`].
    pub chunk_bytes: u32,
    /// Say the apology to a caller we cannot take (the call is answered and charged) instead of letting the
    /// flow go on.
    pub spoken_busy: bool,
    /// A number of the account, shown to a person whom a caller is connected with.
    pub exophone: Option<Phone>,
}

impl ExotelSettings {
    pub const fn new(access: Access, public_base_url: PublicUrl) -> Self {
        Self {
            access,
            public_base_url,
            sample_rate: 16_000,
            chunk_bytes: limits::EXOTEL_CHUNK,
            spoken_busy: false,
            exophone: None,
        }
    }
}

pub struct ExotelDeps {
    pub settings: ExotelSettings,
    pub flows: Arc<Flows>,
    pub exchange: Arc<dyn Exchange>,
    pub lines: Arc<dyn SpokenLines>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: ExotelMetrics,
}

/// What can be counted without knowing anything of a call. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ExotelMetrics {
    pub webhooks: Counter,
    pub refused_requests: Counter,
    pub refused_calls: Counter,
    pub apologies: Counter,
    pub streams: StreamMetrics,
}

impl ExotelMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix(TRANSPORT);
        for (name, help, counter) in [
            ("webhooks", "Requests answered that showed what they must", &self.webhooks),
            ("refused_requests", "Requests from nobody who is known", &self.refused_requests),
            ("refused_calls", "Calls that could not be taken", &self.refused_calls),
            ("apologies", "Callers who were told so", &self.apologies),
        ] {
            registry.register(name, help, counter.clone());
        }
        self.streams.register(registry);
    }
}

/// What every request and every leg of this transport shares.
pub(super) struct Shared {
    pub(super) settings: ExotelSettings,
    pub(super) flows: Arc<Flows>,
    clock: Clock,
    tasks: Scope,
    metrics: ExotelMetrics,
    pub(super) exchange: Arc<Apologies>,
    pub(super) answers: Answers,
    sessions: Tokens<Session>,
    /// Sockets that have not shown their call yet.
    pending: Arc<Semaphore>,
}

/// What a session's address stands for.
struct Session {
    call: CallId,
    /// The carrier's id, which `start` must repeat.
    carrier_call: String,
    language: Option<Lang>,
    apology: Option<Apology>,
}

/// All routes of the transport; merge them at the root.
pub fn routes(deps: ExotelDeps) -> Router {
    let ExotelDeps { settings, flows, exchange, lines, clock, tasks, metrics } = deps;
    let shared = Arc::new(Shared {
        settings,
        flows,
        exchange: Arc::new(Apologies::new(exchange, lines, tasks.clone())),
        clock,
        tasks,
        metrics,
        answers: Answers::default(),
        sessions: Tokens::default(),
        pending: Arc::new(Semaphore::new(limits::STREAMS_PENDING_MAX)),
    });
    let all: [(&str, MethodRouter<Arc<Shared>>); 9] = [
        ("/ws-url", get(ws_url).post(ws_url)),
        ("/passthru-handler", get(passthru::passthru).post(passthru::passthru)),
        ("/connect-handler", get(connect::connect).post(connect::connect)),
        ("/connect-numbers", get(connect::numbers).post(connect::numbers)),
        ("/dial-event", get(connect::dial_event).post(connect::dial_event)),
        ("/passthru-after-connect", get(connect::after).post(connect::after)),
        ("/webhook/exotel", get(passthru::status).post(passthru::status)),
        ("/ws/voicebot/{session}", get(voicebot)),
        ("/ws/voicebot-compatibility/{session}", get(compatibility)),
    ];
    let mut router = Router::new();
    for (path, handlers) in all {
        router = router.route(path, handlers.clone()).route(&format!("/exotel/{{secret}}{path}"), handlers);
    }
    router.with_state(shared)
}

/// The secret part of the path, if the address has a place for it.
pub(super) struct SecretPath(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for SecretPath {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let shown = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "secret"));
        Ok(Self(shown.map(|(_, value)| value.to_owned())))
    }
}

/// The Voicebot applet asks where to open its socket.
async fn ws_url(State(shared): State<Arc<Shared>>, path: SecretPath, request: Request) -> Response {
    match shared.receive(path, request).await {
        Ok(asked) => shared.invite(&asked).unwrap_or_else(Answer::into_response),
        Err(answer) => answer.into_response(),
    }
}

/// The socket of a session that [`ws_url`] has made.
async fn voicebot(
    State(shared): State<Arc<Shared>>,
    path: SecretPath,
    Path(params): Path<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let (session, parts) = (last(params), request.into_parts().0);
    if let Err(answer) = shared.check(&path, &parts) {
        return answer.into_response();
    }
    // A session that is spent is refused before it costs a socket; `start` spends it.
    if !shared.sessions.is_good(shared.clock.now(), &session) {
        return shared.stranger("a media socket was refused: its session is unknown, spent or too old").into_response();
    }
    let admitting = Arc::clone(&shared);
    let upgraded = shared.upgrade(parts, move |_, shown| {
        let found = admitting.sessions.take(admitting.clock.now(), &session)?;
        if found.carrier_call != shown.call {
            warn!("a media stream was refused: its session was made for another call");
            return None;
        }
        if let Some(apology) = found.apology {
            admitting.exchange.expect(found.call, apology);
        }
        Some(Admitted { call: found.call, language: found.language })
    });
    upgraded.await
}

/// A socket at an address that an administrator has written into the applet, or we into an order: nobody has
/// announced the call. The path names an agent, or `default`.
async fn compatibility(
    State(shared): State<Arc<Shared>>,
    path: SecretPath,
    Path(params): Path<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let (agent, parts) = (last(params), request.into_parts().0);
    if let Err(answer) = shared.check(&path, &parts) {
        return answer.into_response();
    }
    let admitting = Arc::clone(&shared);
    shared.upgrade(parts, move |query, shown| admitting.announce_stream(&agent, query, shown)).await
}

fn last(mut params: Vec<(String, String)>) -> String {
    params.pop().map(|(_, value)| value).unwrap_or_default()
}

impl Shared {
    /// Reads and checks a request; the error is the answer.
    pub(super) async fn receive(&self, path: SecretPath, request: Request) -> Result<Asked, Answer> {
        let (parts, body) = request.into_parts();
        self.check(&path, &parts)?;
        let read = axum::body::to_bytes(body, limits::WEBHOOK_BODY_MAX);
        let body = match tokio::time::timeout(limits::WEBHOOK_BODY_WITHIN, read).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off")),
            Err(_) => return Err(plain(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
        };
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let asked = Asked::read(parts.uri.query().unwrap_or_default(), kind, &body)
            .map_err(|_| plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send a query, a form or JSON"))?;
        self.metrics.webhooks.inc();
        Ok(asked)
    }

    fn check(&self, path: &SecretPath, parts: &Parts) -> Result<(), Answer> {
        match self.settings.access.check(parts, path.0.as_deref()) {
            Ok(()) => Ok(()),
            Err(Fault::Unconfigured) => {
                if self.is_telling() {
                    error!(
                        "an Exotel request came but nothing is configured that tells Exotel from others; set \
                         exotel.user and exotel.password, exotel.path_secret or exotel.allow_from"
                    );
                }
                Err(plain(StatusCode::SERVICE_UNAVAILABLE, "this box is not set up for Exotel yet"))
            }
            Err(fault) => {
                if self.is_telling() {
                    warn!(%fault, refused = self.metrics.refused_requests.get(), "an Exotel request was refused");
                }
                Err(plain(StatusCode::FORBIDDEN, "not allowed"))
            }
        }
    }

    /// Counts a refusal. An attacker must not be able to fill the log: the first ones are told, then ever
    /// fewer.
    fn is_telling(&self) -> bool {
        self.metrics.refused_requests.inc().wrapping_add(1).is_power_of_two()
    }

    fn stranger(&self, what: &'static str) -> Answer {
        if self.is_telling() {
            warn!(refused = self.metrics.refused_requests.get(), "{what}");
        }
        plain(StatusCode::FORBIDDEN, "not allowed")
    }

    /// Makes a session for the call and says where its socket is.
    fn invite(&self, asked: &Asked) -> Result<Response, Answer> {
        let missing = || plain(StatusCode::BAD_REQUEST, "CallSid is missing");
        let announcement = asked.announcement().ok_or_else(missing)?;
        let carrier_call = announcement.carrier_call.clone();
        let (call, apology) = match self.exchange.announce(announcement.clone()) {
            Ok(call) => (call, None),
            Err(refusal) => match self.refuse(announcement, refusal) {
                Some(apology) => (CallId::new(), Some(apology)),
                // The flow goes on without us.
                None => return Err(plain(StatusCode::SERVICE_UNAVAILABLE, "no line is free")),
            },
        };
        let session = Session { call, carrier_call, language: asked.language(), apology };
        let session = self.sessions.mint(self.clock.now(), session).map_err(|error| {
            error!(%error, "the system gives no random numbers; no call can be taken");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "try again")
        })?;
        let wanted = asked.sample_rate().filter(|rate| limits::EXOTEL_RATES_ASKED.contains(rate));
        let rate = wanted.unwrap_or(self.settings.sample_rate);
        let url = self.settings.socket_url(&format!("/ws/voicebot/{session}?sample-rate={rate}"));
        info!(%call, "offering the media socket");
        Ok(axum::Json(serde_json::json!({ "url": url })).into_response())
    }

    /// The call of a stream that nobody has announced.
    fn announce_stream(&self, agent: &str, query: &str, shown: Shown) -> Option<Admitted> {
        let mut asked = Asked::read(query, None, b"").unwrap_or_default();
        if !is_sid(&shown.call) {
            warn!("a media stream was refused: it names no call");
            return None;
        }
        // Our order has written it there: a static address of an applet knows no call.
        let ordered = asked.get(&["call"]).is_some();
        asked.add_shown(&shown);
        let mut announcement = asked.announcement()?;
        if ordered {
            self.flows.note_direct(&announcement.carrier_call);
        }
        announcement.agent = if agent == "default" { announcement.agent } else { Some(agent.to_owned()) };
        let call = match self.exchange.announce(announcement.clone()) {
            Ok(call) => call,
            Err(refusal) => {
                let (call, apology) = (CallId::new(), self.refuse(announcement, refusal)?);
                self.exchange.expect(call, apology);
                call
            }
        };
        Some(Admitted { call, language: asked.language() })
    }

    /// A call that is not taken; what its caller hears instead, if anything.
    fn refuse(&self, announcement: Announcement, refusal: Refusal) -> Option<Apology> {
        self.metrics.refused_calls.inc();
        warn!(%refusal, "call refused");
        if !self.settings.spoken_busy {
            return None;
        }
        let apology = self.exchange.instead_of(announcement, refusal)?;
        self.metrics.apologies.inc();
        Some(apology)
    }

    /// `admit` is given the query of the socket's address, and what `start` shows.
    async fn upgrade(
        &self,
        mut parts: Parts,
        mut admit: impl FnMut(&str, Shown) -> Option<Admitted> + Send + 'static,
    ) -> Response {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let Ok(pending) = Arc::clone(&self.pending).try_acquire_owned() else {
            warn!("too many media sockets wait for their call; refusing another");
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many sockets").into_response();
        };
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let rate = Asked::read(&query, None, b"").ok().and_then(|asked| asked.sample_rate());
        let terms = Terms { rate, chunk_bytes: self.settings.chunk_bytes as usize };
        let around = Surroundings {
            transport: TRANSPORT,
            exchange: Arc::clone(&self.exchange) as Arc<dyn Exchange>,
            clock: self.clock,
            tasks: self.tasks.clone(),
            metrics: self.metrics.streams.clone(),
        };
        let leg = Leg::new(self.clock.now(), terms);
        socket::serve(upgrade, around, leg, pending, move |shown| admit(&query, shown))
    }
}

impl ExotelSettings {
    /// The address of a socket as the carrier is told it: with all that it must show.
    pub fn socket_url(&self, path_and_query: &str) -> String {
        self.with_login(self.public_base_url.socket(&self.path(path_and_query)))
    }

    /// The same of a webhook.
    pub fn webhook_url(&self, path_and_query: &str) -> String {
        self.with_login(self.public_base_url.webhook(&self.path(path_and_query)))
    }

    fn path(&self, path_and_query: &str) -> String {
        match &self.access.secret_path {
            Some(secret) => format!("/exotel/{}{path_and_query}", secret.expose()),
            None => path_and_query.to_owned(),
        }
    }

    fn with_login(&self, url: String) -> String {
        match (&self.access.login, url.split_once("://")) {
            (Some(login), Some((scheme, rest))) => format!("{scheme}://{}{rest}", login.in_address()),
            _ => url,
        }
    }
}

/// What is told without a body of its own. Small, so that it can be an error as well.
pub(super) struct Answer(StatusCode, &'static str);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

pub(super) const fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer(status, text)
}
