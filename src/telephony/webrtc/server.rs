//! The HTTP side: an offer is answered, candidates are taken, a call is ended.
//! Promise: nothing is promised to a browser before the exchange has room for its call; every body, wait
//! and number of sessions is bounded; ending a call twice is no error; nobody ends another's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{info, warn};

use super::facts::Facts;
use super::places::{self, Port, Ports};
use super::resume::carry_on;
use super::sdp::{Fragment, Offer, Unfit};
use super::session::{self, Control, Failure, LastHeard, Order, Surroundings};
use crate::base::event::Direction;
use crate::base::ids::TenantId;
use crate::base::network::Network;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, Moment, limits};
use crate::telephony::leg::{Announcement, Exchange, Refusal};
use crate::telephony::stream::StreamMetrics;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// The box's own id of a call, told with its answer; `/sessions/ID` knows it.
pub(super) const CALL_HEADER: &str = "x-vaani-call";
/// Messages of HTTP to one session that it has not read yet; more get 503.
const CONTROLS: usize = 16;

/// Who asks, as the guard found out.
#[derive(Clone, Debug)]
pub struct Caller {
    pub standing: Standing,
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
pub enum Standing {
    /// Known; `tenant`: whose agents they may call, `None`: anybody's.
    Known {
        actor: String,
        may_call: bool,
        tenant: Option<TenantId>,
    },
    Nobody,
}

/// An agent that can be called.
#[derive(Clone, Debug, Serialize)]
pub struct AgentCard {
    pub name: String,
    pub languages: Vec<Lang>,
    /// Takes calls whose request names none.
    pub default: bool,
    #[serde(skip)]
    pub tenant: TenantId,
}

/// All agents there are.
pub type Agents = Arc<dyn Fn() -> Vec<AgentCard> + Send + Sync>;

#[derive(Clone, Debug, Default)]
pub struct WebrtcSettings {
    /// Where browsers send to; empty: the addresses of the box's own interfaces.
    pub addresses: Vec<IpAddr>,
    pub ports: Option<std::ops::RangeInclusive<u16>>,
    /// Networks whose browsers may call without a login; empty: none.
    pub guests: Vec<Network>,
}

pub struct WebrtcDeps {
    pub settings: WebrtcSettings,
    pub exchange: Arc<dyn Exchange>,
    pub agents: Agents,
    pub facts: Facts,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: WebrtcMetrics,
}

/// What can be counted without knowing anything of a call. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct WebrtcMetrics {
    pub offers: Counter,
    pub refused_offers: Counter,
    pub carried_on: Counter,
    pub streams: StreamMetrics,
}

impl WebrtcMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("webrtc");
        registry.register("offers", "Offers of browsers", self.offers.clone());
        registry.register("refused_offers", "Offers that were not answered", self.refused_offers.clone());
        registry.register("carried_on", "Offers that carried on a call whose line was broken", self.carried_on.clone());
        self.streams.register(registry);
    }
}

pub(super) struct Shared {
    pub(super) deps: WebrtcDeps,
    ports: Ports,
    places: Arc<Semaphore>,
    sessions: Mutex<HashMap<String, Handle>>,
}

/// A session as HTTP sees it. Its id is a secret that only whoever began the call was told.
#[derive(Clone)]
pub(super) struct Handle {
    owner: String,
    /// Names the connection; each that carries the call on has another.
    pub(super) etag: String,
    ufrag: String,
    pub(super) controls: mpsc::Sender<Control>,
    pub(super) call: CallId,
    pub(super) carrier_call: String,
    pub(super) heard: LastHeard,
    pub(super) since: Moment,
    /// How often the call was carried on.
    pub(super) resumes: u32,
    /// Somebody is about to carry it on.
    pub(super) claimed: bool,
}

/// What a connection is to carry.
pub(super) struct NewLine {
    pub(super) owner: String,
    pub(super) call: CallId,
    pub(super) carrier_call: String,
    /// Chosen by the caller.
    pub(super) language: Option<Lang>,
    /// Of a call that is carried on: how often, with this time. `None`: it begins.
    pub(super) resumes: Option<u32>,
}

/// An offer that has its place and its port.
pub(super) struct Taken {
    offer: Offer,
    place: OwnedSemaphorePermit,
    port: Port,
}

/// All routes of the transport; each request must carry a [`Caller`].
pub fn routes(deps: WebrtcDeps) -> Router {
    let shared = Shared {
        ports: Ports::new(deps.settings.ports.clone()),
        deps,
        places: Arc::new(Semaphore::new(limits::WEBRTC_SESSIONS_MAX)),
        sessions: Mutex::default(),
    };
    Router::new()
        .route("/webrtc", get(agents))
        .route("/webrtc/{agent}", post(create).options(preflight))
        .route("/webrtc/session/{id}", post(carry_on).patch(trickle).delete(end).options(preflight))
        .with_state(Arc::new(shared))
}

/// Why a request is not done; small, so that it can be an error.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    title: &'static str,
    detail: String,
    /// Seconds.
    retry_after: Option<u32>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), retry_after: None }
    }

    fn busy(detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no room", detail).again_after(seconds)
    }

    pub(super) fn again_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { status, title, detail, retry_after } = self;
        let body = json!({"title": title, "status": status.as_u16(), "detail": detail}).to_string();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        open(response)
    }
}

/// Pages of other places may call with a token of their own; what a cookie allows is ours alone, which the
/// guard sees to.
fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Retry-After, x-vaani-call"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, DELETE, OPTIONS"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, if-match, x-csrf-token, x-vaani-tenant"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert("accept-post", HeaderValue::from_static(SDP));
    open(response)
}

/// Somebody who may call.
pub(super) struct Admitted {
    pub(super) actor: String,
    tenant: Option<TenantId>,
}

impl Shared {
    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<String, Handle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(&self, caller: &Caller, headers: &HeaderMap) -> Result<Admitted, Refused> {
        match &caller.standing {
            Standing::Known { actor, may_call: true, tenant } => {
                Ok(Admitted { actor: actor.clone(), tenant: tenant.clone() })
            }
            Standing::Known { .. } => {
                let what = "this needs the permission calls_place; ask an admin";
                Err(Refused::new(StatusCode::FORBIDDEN, "not allowed", what))
            }
            Standing::Nobody if self.deps.settings.guests.iter().any(|net| net.contains(caller.address)) => {
                // A guest is known by the network alone, which any page of any site can use.
                if is_foreign(headers) {
                    let what = "guests call from the box's own page";
                    return Err(Refused::new(StatusCode::FORBIDDEN, "not allowed", what));
                }
                // A guest who walks into another network is the same one; the session's secret tells.
                Ok(Admitted { actor: "guest".to_owned(), tenant: Some(TenantId::default_tenant()) })
            }
            Standing::Nobody => {
                let what = "log in, or send a token as Authorization: Bearer";
                Err(Refused::new(StatusCode::UNAUTHORIZED, "who are you?", what))
            }
        }
    }

    fn agents_of(&self, who: &Admitted) -> Vec<AgentCard> {
        let mut cards = (self.deps.agents)();
        cards.retain(|card| who.tenant.as_ref().is_none_or(|tenant| *tenant == card.tenant));
        cards
    }

    /// The session of that id, if it is this caller's.
    pub(super) fn session(&self, id: &str, who: &Admitted) -> Result<Option<Handle>, Refused> {
        match self.sessions().get(id) {
            Some(handle) if handle.owner == who.actor => Ok(Some(handle.clone())),
            Some(_) => Err(Refused::new(StatusCode::FORBIDDEN, "not allowed", "this call is somebody else's")),
            None => Ok(None),
        }
    }
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let site = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
    host.is_empty() || site.is_none_or(|site| !site.eq_ignore_ascii_case(host))
}

/// `?lang=ta-IN`: what the caller wants to talk in.
fn language(query: &str) -> Result<Option<Lang>, Refused> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let Some((_, wanted)) = pairs.find(|(name, _)| name == "lang") else { return Ok(None) };
    wanted.parse().map(Some).map_err(|_| {
        let what = "lang is a language of the box, such as hi-IN; without it the caller is asked or listened to";
        Refused::new(StatusCode::BAD_REQUEST, "no such language", what)
    })
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

async fn text(body: Body) -> Result<String, Refused> {
    let read = axum::body::to_bytes(body, limits::WEBRTC_SDP_MAX);
    let bytes = match tokio::time::timeout(limits::WEBHOOK_BODY_WITHIN, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let what = format!("the body is over {} bytes, or broke off", limits::WEBRTC_SDP_MAX);
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", what));
        }
        Err(_) => return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "too slow", "the body did not come")),
    };
    String::from_utf8(bytes.into())
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "no session description", "the body is not UTF-8"))
}

async fn agents(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    match shared.admit(&caller, &headers) {
        Ok(who) => {
            let guest = matches!(caller.standing, Standing::Nobody);
            open(Json(json!({"agents": shared.agents_of(&who), "guest": guest})).into_response())
        }
        Err(refused) => refused.into_response(),
    }
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(agent): Path<String>,
    request: Request,
) -> Response {
    shared.deps.metrics.offers.inc();
    match shared.create(&caller, &agent, request).await {
        Ok(response) => response,
        Err(refused) => {
            shared.deps.metrics.refused_offers.inc();
            info!(transport = "webrtc", status = refused.status.as_u16(), "an offer was not answered");
            refused.into_response()
        }
    }
}

impl Shared {
    async fn create(self: &Arc<Self>, caller: &Caller, agent: &str, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        let who = self.admit(caller, &parts.headers)?;
        if !self.agents_of(&who).iter().any(|card| card.name == agent) {
            return Err(unknown_agent());
        }
        let language = language(parts.uri.query().unwrap_or_default())?;
        let taken = self.take(&parts.headers, body).await?;
        let carrier_call = format!("browser-{}", CallId::new());
        let secret = Secret::random().map_err(|_| no_random())?;
        let call = self.announce(agent, &carrier_call)?;
        let line = NewLine { owner: who.actor, call, carrier_call, language, resumes: None };
        self.open(secret.expose().to_owned(), line, taken).await
    }

    /// Reads an offer that there is room for.
    pub(super) async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Refused> {
        if !is_type(headers, SDP) {
            let what = format!("send the offer as {SDP}");
            return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "another type is wanted", what));
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Refused::busy("as many browsers as the box takes are calling; try again soon", 10));
        };
        let offer = Offer::read(&text(body).await?).map_err(|unfit| match unfit {
            Unfit::Malformed(_) => Refused::new(StatusCode::BAD_REQUEST, "no offer", unfit.to_string()),
            Unfit::NoCodec => Refused::new(StatusCode::NOT_ACCEPTABLE, "no codec in common", unfit.to_string()),
        })?;
        let Some(port) = self.ports.take() else {
            return Err(Refused::busy("all UDP ports of webrtc.udp_ports are in use; try again soon", 10));
        };
        Ok(Taken { offer, place, port })
    }

    /// Answers an offer for a call under the session's id.
    pub(super) async fn open(self: &Arc<Self>, id: String, line: NewLine, taken: Taken) -> Result<Response, Refused> {
        let NewLine { owner, call, carrier_call, language, resumes } = line;
        let Taken { offer, place, port } = taken;
        let addresses = match self.deps.settings.addresses.as_slice() {
            [] => places::usable(),
            configured => configured.to_vec(),
        };
        let etag = format!("\"{}\"", &Secret::random().map_err(|_| no_random())?.expose()[..16]);
        let (controls, controlled) = mpsc::channel(CONTROLS);
        let (answer, answered) = oneshot::channel();
        let heard = LastHeard::default();
        let handle = Handle {
            owner,
            etag: etag.clone(),
            ufrag: offer.ufrag.clone(),
            controls,
            call,
            carrier_call: carrier_call.clone(),
            heard: heard.clone(),
            since: self.deps.clock.now(),
            resumes: resumes.unwrap_or(0),
            claimed: false,
        };
        self.sessions().insert(id.clone(), handle);
        let controls = controlled;
        let back = resumes.is_some();
        let order = Order { call, carrier_call, language, offer, addresses, port, controls, heard, back, place };
        let deps = &self.deps;
        let around = Surroundings {
            exchange: Arc::clone(&deps.exchange),
            clock: deps.clock,
            tasks: deps.tasks.clone(),
            metrics: deps.metrics.streams.clone(),
            facts: deps.facts.clone(),
        };
        let (shared, ended) = (Arc::clone(self), (id.clone(), etag.clone()));
        deps.tasks.spawn("browser call", async move {
            let how = session::run(around, order, answer).await;
            shared.ended(&ended.0, &ended.1, how).await;
        });
        match answered.await {
            Ok(Ok(sdp)) => {
                let location = format!("/webrtc/session/{id}");
                let headers = [(header::CONTENT_TYPE, SDP), (header::LOCATION, &location), (header::ETAG, &etag)];
                let own = [(CALL_HEADER, call.to_string())];
                Ok(open((StatusCode::CREATED, headers, own, sdp).into_response()))
            }
            Ok(Err(failure)) => Err(failed(&failure)),
            Err(_) => Err(Refused::busy("the call could not be set up; try again", 5)),
        }
    }

    fn announce(&self, agent: &str, carrier_call: &str) -> Result<CallId, Refused> {
        let announcement = Announcement {
            transport: "webrtc",
            carrier_call: carrier_call.to_owned(),
            direction: Direction::Inbound,
            from: None,
            to: None,
            agent: Some(agent.to_owned()),
            call: None,
            state: None,
            district: None,
        };
        self.deps.exchange.announce(announcement).map_err(|refusal| match refusal {
            Refusal::UnknownAgent | Refusal::UnknownCall | Refusal::NoTenant => unknown_agent(),
            Refusal::Full => Refused::busy("the box has as many calls as it takes; try again soon", 15),
            Refusal::Overloaded => Refused::busy("the engines have no room for another call; try again soon", 5),
            Refusal::Draining => Refused::busy("the box is stopping and takes no new calls", 60),
        })
    }
}

fn no_random() -> Refused {
    Refused::busy("the system gave no random bytes; try again", 1)
}

fn unknown_agent() -> Refused {
    let what = "no agent of that name takes your calls; GET /webrtc lists those that do";
    Refused::new(StatusCode::NOT_FOUND, "no such agent", what)
}

fn failed(failure: &Failure) -> Refused {
    warn!(transport = "webrtc", %failure, "an offer could not be answered");
    match failure {
        // What passed our reading and not the library's is the offer's fault.
        Failure::Peer(super::peer::PeerError::Connection(_)) | Failure::Broke => {
            let what = "the offer could not be worked with; the log says why";
            Refused::new(StatusCode::BAD_REQUEST, "no offer", what)
        }
        Failure::Peer(_) | Failure::Codec => Refused::busy("the call could not be set up; try again", 5),
    }
}

async fn trickle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    match shared.trickle(&caller, &id, request).await {
        Ok(()) => open(StatusCode::NO_CONTENT.into_response()),
        Err(refused) => refused.into_response(),
    }
}

impl Shared {
    async fn trickle(&self, caller: &Caller, id: &str, request: Request) -> Result<(), Refused> {
        let (parts, body) = request.into_parts();
        let who = self.admit(caller, &parts.headers)?;
        let gone = || Refused::new(StatusCode::NOT_FOUND, "no such call", "this call is over");
        let handle = self.session(id, &who)?.ok_or_else(gone)?;
        if !is_type(&parts.headers, FRAGMENT) {
            let what = format!("send candidates as {FRAGMENT}");
            return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "another type is wanted", what));
        }
        let matched = parts.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        let restart = || {
            let what = "ICE is not restarted here; POST a new offer to this address";
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "not supported", what)
        };
        match matched {
            Some(etag) if etag == handle.etag => {}
            Some("*") => return Err(restart()),
            Some(_) => {
                let what = "If-Match names another session of ICE";
                return Err(Refused::new(StatusCode::PRECONDITION_FAILED, "not this one", what));
            }
            None => {
                let what = "send the ETag of the answer as If-Match";
                return Err(Refused::new(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing", what));
            }
        }
        let fragment = Fragment::read(&text(body).await?)
            .map_err(|unfit| Refused::new(StatusCode::BAD_REQUEST, "no fragment", unfit.to_string()))?;
        if fragment.ufrag.as_ref().is_some_and(|ufrag| *ufrag != handle.ufrag) {
            return Err(restart());
        }
        if fragment.candidates.is_empty() {
            return Ok(());
        }
        handle.controls.try_send(Control::Candidates(fragment.candidates, fragment.ufrag)).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => Refused::busy("too many candidates at once", 1),
                mpsc::error::TrySendError::Closed(_) => gone(),
            },
        )
    }
}

async fn end(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let ended = shared.admit(&caller, &headers).and_then(|who| shared.session(&id, &who));
    match ended {
        Ok(handle) => {
            // One that is over already has ended, which is what was asked for. A full queue is read first.
            if let Some(handle) = handle {
                let told = tokio::time::timeout(limits::WEBRTC_WRITE_MAX, handle.controls.send(Control::HangUp)).await;
                if matches!(told, Ok(Err(_))) {
                    session::hang_up_waiting(shared.deps.exchange.as_ref(), &handle.carrier_call).await;
                }
            }
            open(StatusCode::OK.into_response())
        }
        Err(refused) => refused.into_response(),
    }
}
