//! The task of one media socket: moves frames between the WebSocket, the leg's machine and the call.
//! Promise: it always ends (each wait has a bound) and always tells the call how.
//! A call that does not take its events loses its oldest audio, nothing else; a carrier that does
//! not take our audio is closed as dead.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;
use tracing::{debug, info, warn};

use super::machine::{Credentials, Input, Leg, Output};
use super::server::Shared;
use crate::base::{CallId, Moment, limits};
use crate::telephony::leg::{LegCommand, LegEnd, LegEvent, LegOffer};

/// Bounds are checked this often; none of them is finer.
const TICK: Duration = Duration::from_millis(500);

/// Runs until the leg is over. `pending` is given back once the peer is known or gone.
pub(super) async fn run(socket: WebSocket, shared: Arc<Shared>, pending: OwnedSemaphorePermit) {
    let clock = shared.deps.clock;
    let mut task = Task {
        shared,
        leg: Leg::new(clock.now()),
        wire: Wire { socket, outbox: VecDeque::new(), unflushed: false, sent: 0 },
        pending: Some(pending),
        call: None,
        end: None,
        progress: (0, clock.now()),
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut commands = Vec::new();
    let close = loop {
        if let Some(close) = task.settle() {
            break close;
        }
        tokio::select! {
            message = poll_fn(|cx| task.wire.poll(cx)) => task.received(clock.now(), message),
            wake = attend(&mut task.call, &mut commands) => task.wake(clock.now(), wake, &mut commands),
            _ = ticks.tick() => task.tick(clock.now()),
        }
    };
    task.finish(close).await;
}

struct Task {
    shared: Arc<Shared>,
    leg: Leg,
    wire: Wire,
    pending: Option<OwnedSemaphorePermit>,
    call: Option<Link>,
    /// How the leg ended, once the call has been told.
    end: Option<LegEnd>,
    /// Messages sent so far, and when that number last changed or nothing was waiting.
    progress: (u64, Moment),
}

/// The socket and what waits to be sent on it.
struct Wire {
    socket: WebSocket,
    outbox: VecDeque<Message>,
    unflushed: bool,
    sent: u64,
}

/// The call this leg carries.
struct Link {
    call: CallId,
    events: mpsc::Sender<LegEvent>,
    /// Events the channel had no room for.
    backlog: VecDeque<LegEvent>,
    commands: mpsc::Receiver<LegCommand>,
}

/// What the call's side has for us.
enum Wake {
    Commands,
    CallGone,
    /// One event of the backlog went over.
    Delivered,
}

struct Close {
    code: u16,
    reason: &'static str,
}

impl Task {
    /// Does everything the machine asks for; a close is the last of it.
    fn settle(&mut self) -> Option<Close> {
        while let Some(output) = self.leg.poll() {
            match output {
                Output::Admit(shown) => {
                    let answer = if self.admit(&shown) { Input::Admitted } else { Input::Refused };
                    self.leg.handle(self.shared.deps.clock.now(), answer);
                }
                Output::Event(event) => {
                    if let LegEvent::Closed(end) = event {
                        self.end = Some(end);
                    }
                    if let Some(link) = &mut self.call {
                        self.shared.deps.metrics.dropped_audio_frames.inc_by(link.deliver(event));
                    }
                }
                Output::Send(text) => self.wire.outbox.push_back(Message::text(text)),
                Output::Notice(oddity) => {
                    let call = self.call.as_ref().map(|link| link.call);
                    info!(?call, oddity = oddity.name(), "the carrier sent something odd; later ones are only counted");
                }
                Output::Close { code, reason } => return Some(Close { code, reason }),
            }
        }
        None
    }

    /// Redeems the token and offers the leg to the exchange.
    fn admit(&mut self, shown: &Credentials) -> bool {
        self.pending = None;
        let deps = &self.shared.deps;
        let ticket = match self.shared.tokens.redeem(deps.clock.now(), shown) {
            Ok(ticket) => ticket,
            Err(fault) => {
                warn!(%fault, "a media stream was refused");
                return false;
            }
        };
        let (events, leg_events) = mpsc::channel(limits::LEG_EVENTS_QUEUE);
        let (leg_commands, commands) = mpsc::channel(limits::LEG_COMMANDS_QUEUE);
        let call = ticket.call;
        let offer = LegOffer { call, language: ticket.language, events: leg_events, commands: leg_commands };
        if let Err(refusal) = deps.exchange.connect(offer) {
            warn!(%call, %refusal, "a media stream was refused");
            return false;
        }
        deps.metrics.streams.inc();
        info!(%call, "media stream connected");
        self.call = Some(Link { call, events, backlog: VecDeque::new(), commands });
        true
    }

    fn received(&mut self, now: Moment, message: Option<Result<Message, axum::Error>>) {
        match message {
            Some(Ok(Message::Text(text))) => self.leg.handle(now, Input::Text(&text)),
            Some(Ok(Message::Binary(_))) => self.leg.handle(now, Input::Binary),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {} // answered by the socket itself
            Some(Ok(Message::Close(frame))) => self.leg.handle(now, Input::PeerClosed(frame.map(|f| f.code))),
            Some(Err(error)) => {
                let too_big = matches!(
                    error.into_inner().downcast_ref::<tungstenite::Error>(),
                    Some(tungstenite::Error::Capacity(_))
                );
                self.leg.handle(now, if too_big { Input::TooBig } else { Input::Broken });
            }
            None => self.leg.handle(now, Input::Broken),
        }
    }

    fn wake(&mut self, now: Moment, wake: Wake, commands: &mut Vec<LegCommand>) {
        match wake {
            Wake::Commands => commands.drain(..).for_each(|command| self.leg.handle(now, Input::Command(command))),
            Wake::CallGone => self.leg.handle(now, Input::CallGone),
            Wake::Delivered => {}
        }
        if self.wire.outbox.len() > limits::LEG_COMMANDS_QUEUE {
            self.leg.handle(now, Input::Stalled);
        }
    }

    fn tick(&mut self, now: Moment) {
        let idle = self.wire.outbox.is_empty() && !self.wire.unflushed;
        if idle || self.progress.0 != self.wire.sent {
            self.progress = (self.wire.sent, now);
        } else if now.since(self.progress.1) >= limits::LEG_WRITE_STALL_MAX {
            self.leg.handle(now, Input::Stalled);
        }
        self.leg.handle(now, Input::Tick);
    }

    /// Tells the call, sends what is left and closes, all within bounds.
    async fn finish(mut self, close: Close) {
        let Close { code, reason } = close;
        self.pending = None;
        let metrics = self.shared.deps.metrics.clone();
        for (oddity, count) in self.leg.counts() {
            metrics.oddities.get_or_create(&[("kind", oddity.name())]).inc_by(u64::from(count));
        }
        if let Some(link) = self.call.take() {
            info!(call = %link.call, code, reason, end = ?self.end, "media stream over");
            if self.end == Some(LegEnd::Lost) {
                metrics.lost_streams.inc();
            }
            if !link.backlog.is_empty() {
                // The call is behind; it has as long to take the rest as the carrier to close.
                self.shared.deps.tasks.spawn("twilio leg's last events", link.deliver_rest());
            }
        } else {
            metrics.refused_streams.inc();
            debug!(code, reason, "media socket closed before it carried a call");
        }
        let Wire { mut socket, outbox, .. } = self.wire;
        let farewell = async {
            for message in outbox {
                socket.feed(message).await?;
            }
            // 1006 is never sent: it says that there was no close frame.
            if code != 1006 {
                socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
                while let Some(Ok(message)) = socket.next().await {
                    if matches!(message, Message::Close(_)) {
                        break;
                    }
                }
            }
            Ok::<(), axum::Error>(())
        };
        drop(timeout(limits::LEG_CLOSE_WITHIN, farewell).await);
    }
}

impl Wire {
    /// Writes as much as goes and reads one message. Safe to drop between polls.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, axum::Error>>> {
        if let Err(error) = self.write(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        Pin::new(&mut self.socket).poll_next(cx)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), axum::Error> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.outbox.is_empty() {
            match socket.as_mut().poll_ready(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.outbox.pop_front() {
                socket.as_mut().start_send(message)?;
                self.unflushed = true;
                self.sent += 1;
            }
        }
        if self.unflushed && socket.as_mut().poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }
}

impl Link {
    async fn deliver_rest(self) {
        let Self { call, events, backlog, .. } = self;
        let rest = async {
            for event in backlog {
                if events.send(event).await.is_err() {
                    break; // nobody listens any more
                }
            }
        };
        if timeout(limits::LEG_CLOSE_WITHIN, rest).await.is_err() {
            warn!(%call, "the call did not take its last events");
        }
    }

    /// Hands an event over, or keeps it in order; says how many frames of audio had to go for it.
    fn deliver(&mut self, event: LegEvent) -> u64 {
        if self.backlog.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return 0,
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
            }
        } else {
            self.backlog.push_back(event);
        }
        let is_audio = |event: &LegEvent| matches!(event, LegEvent::Audio { .. });
        if self.backlog.len() <= limits::LEG_EVENTS_QUEUE {
            return 0;
        }
        match self.backlog.iter().position(is_audio) {
            Some(oldest) => {
                self.backlog.remove(oldest);
                1
            }
            // Marks and keys only: the oldest of them is long past mattering.
            None => {
                self.backlog.pop_front();
                0
            }
        }
    }
}

/// Waits for the call: commands, its end, or room for the backlog. Nothing is lost if dropped.
async fn attend(call: &mut Option<Link>, commands: &mut Vec<LegCommand>) -> Wake {
    let Some(link) = call else { return std::future::pending().await };
    tokio::select! {
        count = link.commands.recv_many(commands, 32) => if count == 0 { Wake::CallGone } else { Wake::Commands },
        room = link.events.reserve(), if !link.backlog.is_empty() => {
            match (room, link.backlog.pop_front()) {
                (Ok(room), Some(event)) => room.send(event),
                _ => link.backlog.clear(), // nobody listens any more
            }
            Wake::Delivered
        }
    }
}
