//! Calls that are placed through Asterisk, and the connection over which it tells of them.
//! Promise: the channel has the box's own id, so that whatever comes of an order, both name the same call;
//! every channel that was ordered is heard of until it is gone, or was looked for and not found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tracing::{info, warn};

use super::client::{Ari, NewChannel};
use super::wire::{self, Event, What};
use crate::base::event::CallState;
use crate::base::phone::Phone;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Moment, limits};
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::leg::Exchange;

/// The application under which ARI knows the box.
const APPLICATION: &str = "vaani";

/// How calls are placed.
#[derive(Clone, Debug)]
pub struct DialPlan {
    /// `PJSIP/{number}@trunk`; holds `{number}` (as in India: ten digits) or `{e164}`.
    pub endpoint: String,
    /// `PJSIP/{extension}`.
    pub extension_endpoint: String,
    /// Where in Asterisk's dial plan an answered channel goes on; its extension is `s`.
    pub context: String,
    /// The number to show.
    pub caller_id: Option<Phone>,
}

/// Dials through ARI.
pub struct AriDialer {
    ari: Ari,
    plan: DialPlan,
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    ordered: Mutex<HashMap<String, Ordered>>,
    /// See [`limits::ARI_LOOK_AFTER`] and [`limits::ARI_LOOK_EVERY`].
    look_after: Duration,
    look_every: Duration,
    /// Why there are no events; `None`: they come.
    trouble: Mutex<Option<String>>,
}

/// A channel that was ordered and is not known to be gone.
#[derive(Clone, Copy, Debug)]
struct Ordered {
    call: CallId,
    answered: bool,
    /// Whether it is there is not asked before.
    since: Moment,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl AriDialer {
    pub fn new(ari: Ari, plan: DialPlan, exchange: Arc<dyn Exchange>, clock: Clock) -> Self {
        Self {
            ari,
            plan,
            exchange,
            clock,
            ordered: Mutex::default(),
            look_after: limits::ARI_LOOK_AFTER,
            look_every: limits::ARI_LOOK_EVERY,
            trouble: Mutex::new(Some("not connected yet".to_owned())),
        }
    }

    /// Looks for channels sooner and more often than usual.
    #[must_use]
    pub const fn looking(mut self, after: Duration, every: Duration) -> Self {
        (self.look_after, self.look_every) = (after, every);
        self
    }

    /// Why nothing is heard of calls, if that is so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Channels that are being followed.
    pub fn followed(&self) -> usize {
        self.ordered().len()
    }

    fn ordered(&self) -> MutexGuard<'_, HashMap<String, Ordered>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoint(&self, to: &Destination) -> Option<String> {
        wire::endpoint(to, &self.plan.endpoint, &self.plan.extension_endpoint)
    }

    async fn order(&self, order: Order) -> Verdict {
        let DialPlan { context, caller_id, .. } = &self.plan;
        let Some(endpoint) = self.endpoint(&order.to) else {
            return Verdict::refused(
                Refused::BadNumber,
                "the extension cannot be written into asterisk.ari.extension_endpoint",
            );
        };
        let id = order.call.to_string();
        {
            let mut ordered = self.ordered();
            if ordered.len() >= limits::ARI_ORDERED_MAX {
                return Verdict::refused(
                    Refused::Throttled { after: None },
                    "too many channels of the box are open at Asterisk",
                );
            }
            // News may come before the answer.
            ordered.insert(id.clone(), Ordered { call: order.call, answered: false, since: self.clock.now() });
        }
        let variables = [
            ("VAANI_CALL", id.clone()),
            ("VAANI_AGENT", order.agent),
            ("VAANI_LIMIT", order.limit.as_secs().max(60).to_string()),
        ];
        let verdict = self
            .ari
            .originate(&NewChannel {
                id: &id,
                endpoint: &endpoint,
                context,
                caller_id: order.caller_id.as_ref().or(caller_id.as_ref()).map(Phone::national),
                ring: order.ring.min(limits::ORIGINATE_RING_MAX),
                variables: &variables,
            })
            .await;
        match &verdict {
            // The exchange must know the call by this name before its media comes.
            Verdict::Placed { .. } => self.exchange.named(order.call, &id),
            Verdict::Refused { .. } => drop(self.ordered().remove(&id)),
            // The next look finds out.
            Verdict::Unknown { .. } => {}
        }
        verdict
    }

    fn event(&self, event: &Event) {
        let state = {
            let mut ordered = self.ordered();
            let Some(known) = ordered.get_mut(&event.channel) else { return };
            let known_call = known.call;
            let state = match event.what {
                What::Ringing => CallState::Ringing,
                What::Answered => {
                    known.answered = true;
                    CallState::InProgress
                }
                What::Gone(cause) => {
                    let state = wire::state_of(cause, known.answered);
                    ordered.remove(&event.channel);
                    state
                }
            };
            drop(ordered);
            // Whatever became of the answer to the order: it was taken.
            self.exchange.named(known_call, &event.channel);
            state
        };
        self.exchange.carrier_state(&event.channel, state);
    }

    /// Asks how those channels are of which no events came.
    async fn look_through(&self) {
        let now = self.clock.now();
        let old = |ordered: &Ordered| now.since(ordered.since) >= self.look_after;
        let followed: Vec<_> =
            self.ordered().iter().filter(|(_, ordered)| old(ordered)).map(|(id, o)| (id.clone(), *o)).collect();
        for (id, known) in followed {
            match self.ari.look(&id).await {
                Ok(Some(channel)) if channel.is_up() && !known.answered => {
                    self.event(&Event { channel: id, what: What::Answered });
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    if self.ordered().remove(&id).is_none() {
                        continue; // an event came first
                    }
                    // Why it has ended is not known: nobody says that somebody was busy.
                    let state = if known.answered { CallState::Completed } else { CallState::NotPicked };
                    self.exchange.carrier_state(&id, state);
                }
                // Without Asterisk there is nothing to ask.
                Err(_) => return,
            }
        }
    }

    fn is_troubled(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &trouble) {
            (Some(_), None) => info!("Asterisk tells of the calls that the box places"),
            (None, Some(why)) => warn!(why, "Asterisk's events are away; calls that the box places are looked for"),
            _ => {}
        }
        *known = trouble;
    }

    async fn connect(&self) -> Result<Socket, String> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::ARI_EVENT_MAX))
            .max_frame_size(Some(limits::ARI_EVENT_MAX));
        let url = self.ari.events(APPLICATION);
        let connecting = connect_async_with_config(url.expose(), Some(config), true);
        match timeout(limits::ARI_READY_WITHIN, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Http(answer))) if answer.status().as_u16() == 401 => {
                Err("it does not know this user and password; look at ari.conf".to_owned())
            }
            Ok(Err(tungstenite::Error::Http(answer))) => Err(format!("it answered {}", answer.status())),
            // The error's own words could repeat the address, and with it the password.
            Ok(Err(tungstenite::Error::Io(error))) => Err(error.kind().to_string()),
            Ok(Err(_)) => Err("it does not speak as a WebSocket".to_owned()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }

    /// Until the connection is lost; says why.
    async fn listen(&self, mut socket: Socket) -> &'static str {
        let mut asked = false;
        loop {
            match timeout(limits::ARI_SILENCE_ASKED, socket.next()).await {
                Ok(Some(Ok(message))) => {
                    asked = false;
                    match message {
                        Message::Text(text) => {
                            if let Some(event) = wire::parse(&text) {
                                self.event(&event);
                            }
                        }
                        Message::Close(_) => return "it closed the connection",
                        _ => {}
                    }
                }
                Ok(_) => return "the connection broke",
                Err(_) if asked => return "it says nothing any more",
                Err(_) => {
                    asked = true;
                    if timeout(limits::ARI_READY_WITHIN, socket.send(Message::Ping(Vec::new().into()))).await.is_err() {
                        return "it takes nothing any more";
                    }
                }
            }
        }
    }
}

/// Listens to Asterisk's events until the box stops; after every loss it connects again, ever more slowly.
pub async fn keep(dialer: Arc<AriDialer>, scope: Scope) {
    let running = async {
        let mut pause = limits::ESL_BACKOFF_MIN;
        loop {
            match dialer.connect().await {
                Ok(socket) => {
                    pause = limits::ESL_BACKOFF_MIN;
                    dialer.is_troubled(None);
                    // What has happened meanwhile, and what an event did not tell, is looked for.
                    let looking = async {
                        loop {
                            dialer.look_through().await;
                            sleep(dialer.look_every).await;
                        }
                    };
                    let why = tokio::select! {
                        why = dialer.listen(socket) => why,
                        () = looking => unreachable!("it looks until it is dropped"),
                    };
                    dialer.is_troubled(Some(why.to_owned()));
                }
                Err(why) => {
                    dialer.is_troubled(Some(why));
                    dialer.look_through().await;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(limits::ESL_BACKOFF_MAX);
        }
    };
    tokio::select! {
        () = scope.stopped() => {}
        () = running => {}
    }
}

impl Dialer for AriDialer {
    fn transport(&self) -> &'static str {
        "asterisk"
    }

    fn reaches(&self, to: &Destination) -> bool {
        self.endpoint(to).is_some()
    }

    fn place(&self, order: Order) -> BoxFuture<'_, Verdict> {
        self.order(order).boxed()
    }

    fn hang_up<'a>(&'a self, carrier_call: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.ari.hang_up(carrier_call).boxed()
    }
}
