//! What is known of FreeSWITCH's channels that carry calls of ours: who gives them orders, which leg hears
//! their keys, whether they may be ended with it.
//! Promise: a channel is ended with its call (its media socket alone would leave the caller in silence),
//! unless it was handed on; a channel that ended while nobody looked is found out after the next look; a
//! stream that broke is asked for again as long as its call waits for it.

mod again;
mod ears;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::causes;
use super::esl::command::Module;
use super::esl::wire::Event;
use super::esl::{Command, Esl, Reply};
use crate::base::event::CallState;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::telephony::leg::Exchange;
use crate::telephony::pbx::waiting::Waiting;
use crate::telephony::public_url::PublicUrl;
use crate::telephony::stream::StreamMetrics;
use crate::telephony::stream::socket::Admitted;

pub use ears::Ears;

/// What can be counted without knowing anything of a call. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct FreeswitchMetrics {
    pub refused_peers: Counter,
    pub refused_calls: Counter,
    pub lost_connections: Counter,
    pub streams: StreamMetrics,
}

impl FreeswitchMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("freeswitch");
        for (name, help, counter) in [
            ("refused_peers", "Connections without a token or from a strange network", &self.refused_peers),
            ("refused_calls", "Calls hung up because they could not be taken", &self.refused_calls),
            ("lost_connections", "Times the event socket was lost or could not be opened", &self.lost_connections),
        ] {
            registry.register(name, help, counter.clone());
        }
        self.streams.register(registry);
    }
}

/// How media streams are asked for.
#[derive(Clone, Debug)]
pub struct Streams {
    pub module: Module,
    /// Where FreeSWITCH reaches the box: `ws://10.0.0.5:8080`.
    pub url: PublicUrl,
    /// Samples a second.
    pub rate: u32,
}

/// For a leg, from its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Key(char),
    HungUp,
    /// The module says that a stream of this channel is over; which one, it does not say.
    Dropped,
}

/// How a channel's sound streams, and for which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub admitted: Admitted,
    pub module: Module,
    /// Samples a second.
    pub rate: u32,
}

/// A leg that carries a channel: its number among all legs, and what it is told.
#[derive(Debug)]
pub struct Carried {
    pub number: u64,
    pub told: mpsc::Receiver<Told>,
}

/// What a one-time token stands for.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub channel: String,
    pub admitted: Admitted,
    pub rate: u32,
}

#[derive(Default)]
struct Channel {
    /// Its own connection; `None`: the one we keep.
    own: Option<Esl>,
    leg: Option<mpsc::Sender<Told>>,
    /// Of the leg that it has, or had last.
    number: u64,
    /// Somebody else has it; it is not ended with its leg.
    handed_on: bool,
    /// As it was when a leg joined.
    stream: Option<Stream>,
    /// Streams that were asked for after one broke.
    asked: u32,
    /// Somebody is asking for one.
    asking: bool,
    /// The one that was asked for last does not come.
    failed: bool,
}

pub struct Hub {
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    tasks: Scope,
    metrics: FreeswitchMetrics,
    streams: Streams,
    channels: Mutex<HashMap<String, Channel>>,
    legs: AtomicU64,
    tickets: Waiting<Ticket>,
    kept: OnceLock<Esl>,
    /// Why the connection that we keep is not there; `None`: it is.
    away: Mutex<Option<String>>,
}

impl Hub {
    pub fn new(
        exchange: Arc<dyn Exchange>,
        clock: Clock,
        tasks: Scope,
        metrics: FreeswitchMetrics,
        streams: Streams,
    ) -> Self {
        Self {
            exchange,
            clock,
            tasks,
            metrics,
            streams,
            channels: Mutex::default(),
            legs: AtomicU64::new(0),
            tickets: Waiting::default(),
            kept: OnceLock::new(),
            away: Mutex::new(Some("it was not opened yet".to_owned())),
        }
    }

    pub const fn exchange(&self) -> &Arc<dyn Exchange> {
        &self.exchange
    }

    pub const fn clock(&self) -> Clock {
        self.clock
    }

    pub const fn tasks(&self) -> &Scope {
        &self.tasks
    }

    pub const fn metrics(&self) -> &FreeswitchMetrics {
        &self.metrics
    }

    /// The connection that we keep; set once.
    pub fn keep(&self, esl: Esl) {
        let _ = self.kept.set(esl);
    }

    /// Gives orders about any channel.
    pub fn kept(&self) -> Option<&Esl> {
        self.kept.get()
    }

    /// Why the event socket is not there; `None`: it is, or none is wanted.
    pub fn trouble(&self) -> Option<String> {
        self.kept.get()?;
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<String, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel is ours from now on.
    pub fn follow(&self, channel: &str, own: Option<Esl>) {
        let mut channels = self.channels();
        // More channels than calls are a fault of ours; they would only not be ended.
        if channels.len() < limits::CALLS_MAX * 2 || channels.contains_key(channel) {
            let known = channels.entry(channel.to_owned()).or_default();
            known.own = own.or(known.own.take());
        }
    }

    /// Its own connection is gone. Without a leg there is nobody to take the channel out later; a call that
    /// waits for its stream has nobody left who could ask for it.
    pub fn unfollow(&self, channel: &str) {
        let waited = {
            let mut channels = self.channels();
            let Some(known) = channels.get_mut(channel) else { return };
            known.own = None;
            if known.leg.is_some() || (known.stream.is_some() && self.kept.get().is_some()) {
                return;
            }
            channels.remove(channel).is_some_and(|known| known.stream.is_some())
        };
        if waited {
            self.exchange.carrier_state(channel, CallState::Failed);
        }
    }

    /// The channel never came about.
    pub fn forget(&self, channel: &str) {
        self.channels().remove(channel);
    }

    /// A leg carries the channel from now on.
    pub fn join(&self, channel: &str, stream: Stream) -> Carried {
        self.follow(channel, None);
        let (tell, told) = mpsc::channel(limits::FREESWITCH_KEYS_QUEUE);
        let number = self.legs.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(known) = self.channels().get_mut(channel) {
            (known.leg, known.number, known.stream) = (Some(tell), number, Some(stream));
        }
        Carried { number, told }
    }

    /// Is this channel still the box's to end?
    pub fn follows(&self, channel: &str) -> bool {
        self.channels().get(channel).is_some_and(|known| !known.handed_on)
    }

    /// This leg is over, and the channel with it, unless another leg carries it by now.
    pub fn left(&self, channel: &str, number: u64, cause: &'static str) {
        let others = self.channels().get(channel).is_some_and(|known| known.number != number);
        if !others {
            self.leave(channel, cause);
        }
    }

    /// Who came with a stream for this channel is not let in.
    pub fn turned_away(&self, channel: &str) {
        if let Some(known) = self.channels().get_mut(channel)
            && known.stream.is_some()
        {
            // A call has this channel; its end is the call's.
            known.failed = true;
            return;
        }
        self.leave(channel, "USER_BUSY");
    }

    /// The channel is over for the box: it is ended, unless it was handed on.
    pub fn leave(&self, channel: &str, cause: &'static str) {
        let known = self.channels().remove(channel).unwrap_or_default();
        if known.handed_on {
            return;
        }
        let command = Command::HangUp { channel: channel.to_owned(), cause };
        match known.own.as_ref().or(self.kept.get()) {
            Some(esl) => esl.tell(&command),
            None => debug!("no event socket is configured, so the channel must end by itself"),
        }
    }

    /// Gives a command about this channel; nobody waits.
    pub fn tell(&self, channel: &str, command: &Command) {
        let own = self.channels().get(channel).and_then(|known| known.own.clone());
        if let Some(esl) = own.as_ref().or(self.kept.get()) {
            esl.tell(command);
        }
    }

    async fn ask(&self, channel: &str, command: &Command) -> Reply {
        let own = self.channels().get(channel).and_then(|known| known.own.clone());
        match own.as_ref().or(self.kept.get()) {
            Some(esl) => esl.ask(command).await,
            None => Reply::Unsent,
        }
    }

    /// Hands the caller to an extension of the dial plan; the leg may end, the caller talks on.
    pub async fn transfer(&self, channel: &str, extension: &str, context: Option<&str>) -> Reply {
        let (id, extension) = (channel.to_owned(), extension.to_owned());
        let command = Command::Transfer { channel: id, extension, context: context.map(str::to_owned) };
        self.hand_on(channel, &command).await
    }

    /// Lets two channels talk to each other (a person who was asked beforehand).
    pub async fn bridge(&self, channel: &str, other: &str) -> Reply {
        let command = Command::Bridge { channel: channel.to_owned(), other: other.to_owned() };
        self.hand_on(channel, &command).await
    }

    /// Lets a caller and a person who both have legs here talk without the box; their media streams are
    /// closed, and with them the legs. An error: both have their legs as before.
    pub async fn join_lines(&self, caller: &str, person: &str) -> Result<(), String> {
        self.mark(person, true);
        // Who is left alone on the line has nobody who would end it.
        let _ = self.ask(caller, &Command::EndWithBridge { channel: caller.to_owned() }).await;
        let reply = self.bridge(caller, person).await;
        match reply {
            // What was lost on its way may have been done: the lines must not be ended for it.
            Reply::Ok(_) | Reply::Lost => {}
            Reply::Err(why) => {
                self.mark(person, false);
                return Err(format!("FreeSWITCH does not join the lines: {}", why.trim()));
            }
            Reply::Unsent => {
                self.mark(person, false);
                return Err("FreeSWITCH's event socket is not open".to_owned());
            }
        }
        for channel in [caller, person] {
            let module = self.streams.module;
            self.tell(channel, &Command::StopStream { channel: channel.to_owned(), module });
        }
        Ok(())
    }

    fn mark(&self, channel: &str, handed_on: bool) {
        if let Some(known) = self.channels().get_mut(channel) {
            known.handed_on = handed_on;
        }
    }

    /// Marked before it is known: a leg that ends in between must not take the caller with it.
    async fn hand_on(&self, channel: &str, command: &Command) -> Reply {
        self.mark(channel, true);
        let reply = self.ask(channel, command).await;
        if matches!(reply, Reply::Err(_) | Reply::Unsent) {
            self.mark(channel, false);
        }
        reply
    }

    /// Asks for the media stream, which then shows a one-time token.
    pub async fn open_stream(self: &Arc<Self>, esl: &Esl, channel: &str, admitted: Admitted) -> Reply {
        let Streams { module, rate, .. } = self.streams;
        let (reply, token) = self.ask_stream(esl, channel, Stream { admitted, module, rate }).await;
        if let (Reply::Ok(_), Some(token)) = (&reply, token) {
            self.tasks.spawn("a stream that was promised", Arc::clone(self).await_stream(token, channel.to_owned()));
        }
        reply
    }

    /// The answer, and the token that the stream will show.
    async fn ask_stream(&self, esl: &Esl, channel: &str, stream: Stream) -> (Reply, Option<Secret>) {
        let token = match Secret::random() {
            Ok(token) => token,
            Err(error) => {
                error!(%error, "the system gives no random numbers; no call can be taken");
                return (Reply::Unsent, None);
            }
        };
        let Stream { admitted, module, rate } = stream;
        let ticket = Ticket { channel: channel.to_owned(), admitted, rate };
        self.tickets.put(self.clock.now(), token.expose(), ticket);
        let path = match module {
            Module::Fork => "/fs/fork",
            Module::Stream => "/fs/media",
        };
        let url = format!("{}?ticket={}", self.streams.url.socket(path), token.expose());
        (esl.ask(&Command::Stream { channel: channel.to_owned(), module, url, rate }).await, Some(token))
    }

    /// A module may say that it streams and then not reach us; the caller must not sit in silence.
    async fn await_stream(self: Arc<Self>, token: Secret, channel: String) {
        tokio::select! {
            () = self.tasks.stopped() => return,
            () = tokio::time::sleep(limits::STREAM_START_WITHIN) => {}
        }
        if self.redeem(token.expose()).is_some() {
            warn!(
                transport = "freeswitch",
                "FreeSWITCH did not reach the box with its media; look at freeswitch.media_url"
            );
            self.leave(&channel, "NORMAL_TEMPORARY_FAILURE");
            self.exchange.carrier_state(&channel, CallState::Failed);
        }
    }

    /// A token is shown; it is spent with that.
    pub fn redeem(&self, token: &str) -> Option<Ticket> {
        self.tickets.take(self.clock.now(), token)
    }

    /// Something happened on a channel.
    pub fn event(&self, event: &Event) {
        let Some(channel) = event.channel() else { return };
        match event.name() {
            "CHANNEL_HANGUP" | "CHANNEL_HANGUP_COMPLETE" => {
                self.ended(channel, causes::state_of(event.get("Hangup-Cause").unwrap_or_default()));
            }
            "CHANNEL_PROGRESS" | "CHANNEL_PROGRESS_MEDIA" => self.exchange.carrier_state(channel, CallState::Ringing),
            "CHANNEL_ANSWER" => self.exchange.carrier_state(channel, CallState::InProgress),
            "DTMF" => {
                let digit = event.get("DTMF-Digit").and_then(|text| {
                    let mut signs = text.chars();
                    signs.next().filter(|c| signs.next().is_none() && matches!(c, '0'..='9' | '*' | '#'))
                });
                let leg = self.channels().get(channel).and_then(|known| known.leg.clone());
                if let (Some(digit), Some(leg)) = (digit, leg) {
                    // A leg that takes none any more is at its end.
                    let _ = leg.try_send(Told::Key(digit));
                }
            }
            "CUSTOM" => self.of_module(channel, event),
            _ => {}
        }
    }

    /// The module has written what we sent into a file; playing it is left to us.
    fn of_module(&self, channel: &str, event: &Event) {
        if !self.channels().contains_key(channel) {
            return;
        }
        match event.get("Event-Subclass") {
            Some("mod_audio_stream::play") => {
                let body: Value = serde_json::from_str(event.body()).unwrap_or_default();
                if let Some(file) = body["file"].as_str() {
                    self.tell(channel, &Command::Play { channel: channel.to_owned(), file: file.to_owned() });
                }
            }
            Some("mod_audio_stream::disconnect" | "mod_audio_fork::disconnect") => self.dropped(channel, false),
            Some("mod_audio_stream::error" | "mod_audio_fork::connect_failed") => {
                warn!(transport = "freeswitch", "the media module reports an error");
                self.dropped(channel, true);
            }
            _ => {}
        }
    }

    fn ended(&self, channel: &str, state: CallState) {
        let leg = self.channels().get(channel).and_then(|known| known.leg.clone());
        match leg {
            Some(leg) => drop(leg.try_send(Told::HungUp)),
            // Without a leg there is nobody to take it out later.
            None => drop(self.channels().remove(channel)),
        }
        self.exchange.carrier_state(channel, state);
    }

    /// These channels are there; all others of ours have ended while the connection was away.
    pub fn look_through(&self, alive: &HashSet<String>) {
        let gone: Vec<String> = self.channels().keys().filter(|channel| !alive.contains(*channel)).cloned().collect();
        for channel in gone {
            self.ended(&channel, CallState::Failed);
        }
    }
}
