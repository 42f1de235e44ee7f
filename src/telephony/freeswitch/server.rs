//! The media routes: `/fs/fork` for `mod_audio_fork`, `/fs/media` for `mod_audio_stream`.
//! Promise: a socket shows a one-time token of ours, or passes the door; a call that is refused is hung
//! up over the event socket, since closing a media socket ends no channel. A second stream for a channel
//! whose first lives is refused, and changes nothing for the first.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts as _, OriginalUri, Request, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tracing::warn;

use super::esl::Command;
use super::esl::command::Module;
use super::hub::{Carried, Hub, Stream, Ticket};
use super::machine::{Leg, Output as LegOutput, Shown};
use crate::base::event::Direction;
use crate::base::{Moment, limits};
use crate::telephony::leg::{LegEnd, LegEvent};
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
    let let_in = Arc::new(OnceLock::new());
    let leg = Joined {
        leg,
        hub: Arc::clone(&hub),
        facts: told,
        ticket,
        channel: None,
        let_in: Arc::clone(&let_in),
        streams: (module, rate.unwrap_or(8_000)),
        carried: None,
        end: None,
    };
    let admit = move |admission| match admission {
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
    };
    socket::serve(upgrade, around, leg, pending, move |admission| {
        let admitted = admit(admission)?;
        Some(*let_in.get_or_init(|| admitted))
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
    /// Once it is known.
    channel: Option<String>,
    /// The call, once the socket was told which one it may carry.
    let_in: Arc<OnceLock<Admitted>>,
    /// Module and samples a second.
    streams: (Module, u32),
    /// Once the call has taken it.
    carried: Option<Carried>,
    /// Once it is over.
    end: Option<LegEnd>,
}

impl Joined {
    fn admission(&mut self, shown: Shown) -> Admission {
        if let Some(Ticket { channel, admitted, .. }) = self.ticket.take() {
            self.channel = Some(channel);
            return Admission::Known(admitted);
        }
        let said = Facts::of(shown.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let facts = said.or(std::mem::take(&mut self.facts));
        let Some(channel) = facts.call.clone() else { return Admission::Nobody };
        self.channel = Some(channel.clone());
        Admission::Asked(channel, Box::new(facts))
    }

    /// The call has taken the stream.
    fn join(&mut self) {
        if let (Some(channel), Some(admitted)) = (&self.channel, self.let_in.get()) {
            let (module, rate) = self.streams;
            self.carried = Some(self.hub.join(channel, Stream { admitted: *admitted, module, rate }));
        }
    }

    fn leave(&mut self) {
        let Some(channel) = self.channel.take() else { return };
        match self.carried.take() {
            Some(Carried { number, .. }) if self.end == Some(LegEnd::Lost) => self.hub.lost(&channel, number),
            Some(Carried { number, .. }) => self.hub.left(&channel, number, "NORMAL_CLEARING"),
            None => self.hub.turned_away(&channel),
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
        if matches!(input, Input::Admitted) {
            self.join();
        }
        self.leg.handle(now, input);
    }

    fn poll(&mut self) -> Option<Output<Admission>> {
        loop {
            match self.leg.poll() {
                Some(LegOutput::Silence) => {
                    if let Some(channel) = &self.channel {
                        self.hub.tell(channel, &Command::Silence { channel: channel.clone() });
                    }
                }
                Some(LegOutput::Stream(output)) => {
                    return Some(match output {
                        Output::Admit(shown) => Output::Admit(self.admission(shown)),
                        Output::Event(event) => {
                            if let LegEvent::Closed(end) = event {
                                self.end = Some(end);
                            }
                            Output::Event(event)
                        }
                        Output::Send(frame) => Output::Send(frame),
                        Output::Notice(oddity) => Output::Notice(oddity),
                        Output::Close { code, reason } => {
                            self.leave();
                            Output::Close { code, reason }
                        }
                    });
                }
                // Sound comes fifty times a second, so that keys are looked for as often.
                None => match self.carried.as_mut()?.told.try_recv() {
                    Ok(told) => self.leg.told(self.hub.clock().now(), told),
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
