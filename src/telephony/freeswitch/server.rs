//! The media routes: `/fs/fork` for `mod_audio_fork`, `/fs/media` for `mod_audio_stream`.
//! Promise: a socket shows a one-time token of ours, or passes the door; a call that is refused is hung
//! up over the event socket, since closing a media socket ends no channel.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts as _, OriginalUri, Request, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::{Semaphore, mpsc};
use tracing::warn;

use super::esl::Command;
use super::esl::command::Module;
use super::hub::{Hub, Ticket, Told};
use super::machine::{Leg, Output as LegOutput, Shown};
use crate::base::event::Direction;
use crate::base::{Moment, limits};
use crate::telephony::pbx::{Door, Facts, facts};
use crate::telephony::stream::socket::{self, Admitted, Surroundings};
use crate::telephony::stream::{Input, Machine, Output};

/// The sub-protocol that `mod_audio_fork` offers.
const PROTOCOL: &str = "audio.drachtio.org";

struct Shared {
    hub: Arc<Hub>,
    door: Door,
    /// Sockets that have not said whose they are.
    pending: Arc<Semaphore>,
}

/// All routes of the transport; merge them at the root.
pub fn routes(hub: Arc<Hub>, door: Door) -> Router {
    let pending = Arc::new(Semaphore::new(limits::STREAMS_PENDING_MAX));
    Router::new().route("/fs/fork", get(fork)).route("/fs/media", get(media)).with_state(Arc::new(Shared {
        hub,
        door,
        pending,
    }))
}

async fn fork(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    open(&shared, Module::Fork, request).await
}

async fn media(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    open(&shared, Module::Stream, request).await
}

async fn open(shared: &Arc<Shared>, module: Module, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let query = uri.query().unwrap_or_default().to_owned();
    let named =
        |wanted: &str| facts::pairs(&query).into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let ticket = named("ticket").and_then(|token| shared.hub.redeem(&token));
    if ticket.is_none() {
        let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
            return (StatusCode::INTERNAL_SERVER_ERROR, "where from?").into_response();
        };
        if let Err(fault) = shared.door.check(peer.ip(), &parts.headers, &query) {
            return shared.door.refuse(fault, parts.uri.path()).into_response();
        }
    }
    let told = facts::of_query(&query);
    let rate = match (&ticket, named("rate")) {
        (Some(ticket), _) => Some(ticket.rate),
        (None, None) => Some(8_000),
        (None, Some(rate)) => rate.parse().ok(),
    };
    let Some(codec) = rate.and_then(Leg::codec) else {
        return (StatusCode::BAD_REQUEST, "rate is 8000 or 16000").into_response();
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(pending) = Arc::clone(&shared.pending).try_acquire_owned() else {
        warn!("too many media sockets wait for their start; refusing another");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets").into_response();
    };
    let hub = Arc::clone(&shared.hub);
    let around = Surroundings {
        transport: "freeswitch",
        exchange: Arc::clone(hub.exchange()),
        clock: hub.clock(),
        tasks: hub.tasks().clone(),
        metrics: hub.metrics().streams.clone(),
    };
    let known = ticket.is_some() || told.call.is_some();
    let leg = Leg::new(hub.clock().now(), module, codec, known);
    let leg = Joined { leg, hub: Arc::clone(&hub), facts: told, ticket, channel: None, admitted: false };
    socket::serve(upgrade, around, leg, pending, move |admission| match admission {
        Admission::Known(admitted) => Some(admitted),
        Admission::Asked(channel, facts) => {
            match hub.exchange().announce(facts.announcement("freeswitch", &channel, Direction::Inbound)) {
                Ok(call) => Some(Admitted { call, language: facts.language }),
                Err(refusal) => {
                    hub.metrics().refused_calls.inc();
                    warn!(transport = "freeswitch", %refusal, "call refused");
                    None
                }
            }
        }
        Admission::Nobody => {
            warn!(transport = "freeswitch", "a media stream names no channel; give `uuid` in its metadata");
            None
        }
    })
}

/// Whose sound it is.
enum Admission {
    Known(Admitted),
    Asked(String, Box<Facts>),
    Nobody,
}

/// The leg, with its channel's news and orders.
struct Joined {
    leg: Leg,
    hub: Arc<Hub>,
    /// Of the address.
    facts: Facts,
    ticket: Option<Ticket>,
    /// Once it is known; what it tells.
    channel: Option<(String, mpsc::Receiver<Told>)>,
    admitted: bool,
}

impl Joined {
    fn admission(&mut self, shown: Shown) -> Admission {
        if let Some(Ticket { channel, admitted, .. }) = self.ticket.take() {
            let told = self.hub.join(&channel);
            self.channel = Some((channel, told));
            return Admission::Known(admitted);
        }
        let said = Facts::of(shown.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let facts = said.or(std::mem::take(&mut self.facts));
        let Some(channel) = facts.call.clone() else { return Admission::Nobody };
        let told = self.hub.join(&channel);
        self.channel = Some((channel.clone(), told));
        Admission::Asked(channel, Box::new(facts))
    }

    fn leave(&mut self) {
        if let Some((channel, _)) = self.channel.take() {
            self.hub.leave(&channel, if self.admitted { "NORMAL_CLEARING" } else { "USER_BUSY" });
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Machine for Joined {
    type Shown = Admission;

    fn handle(&mut self, now: Moment, input: Input<'_>) {
        self.admitted |= matches!(input, Input::Admitted);
        self.leg.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output<Admission>> {
        loop {
            match self.leg.poll() {
                Some(LegOutput::Silence) => {
                    if let Some((channel, _)) = &self.channel {
                        self.hub.tell(channel, &Command::Silence { channel: channel.clone() });
                    }
                }
                Some(LegOutput::Stream(output)) => {
                    return Some(match output {
                        Output::Admit(shown) => Output::Admit(self.admission(shown)),
                        Output::Event(event) => Output::Event(event),
                        Output::Send(frame) => Output::Send(frame),
                        Output::Notice(oddity) => Output::Notice(oddity),
                        Output::Close { code, reason } => {
                            self.leave();
                            Output::Close { code, reason }
                        }
                    });
                }
                // Sound comes fifty times a second, so that keys are looked for as often.
                None => match self.channel.as_mut()?.1.try_recv() {
                    Ok(told) => self.leg.told(told),
                    Err(_) => return None,
                },
            }
        }
    }

    fn deadline(&self) -> Option<Moment> {
        self.leg.deadline()
    }

    fn oddities(&self) -> Vec<(&'static str, u32)> {
        self.leg.oddities()
    }
}
