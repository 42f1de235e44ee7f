//! The task of one media socket: moves frames between the WebSocket, the leg's machine and the call.
//! Promise: it always ends (each wait has a bound) and always tells the call how; a peer that does not
//! take our audio is closed as dead.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;
use tracing::{debug, info, warn};

use super::link::{Link, Wake, attend};
use super::machine::{Frame, Input, Machine, Output};
use super::metrics::StreamMetrics;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, Moment, limits};
use crate::telephony::leg::{Exchange, LegCommand, LegEnd, LegEvent};

/// Bounds are checked this often; a machine that needs it finer has a deadline.
const TICK: Duration = Duration::from_millis(500);

/// What the task needs of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// For the log.
    pub transport: &'static str,
    pub exchange: Arc<dyn Exchange>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: StreamMetrics,
}

/// The call a peer may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub call: CallId,
    /// Chosen by key in a menu or by the number dialled.
    pub language: Option<Lang>,
}

/// Takes the upgrade and runs the leg on it as a task of its own, with bounded messages and buffers.
/// `pending` is given back once the peer is known or gone. `admit` says which call the peer may carry;
/// it tells the log why not.
pub fn serve<M: Machine>(
    upgrade: WebSocketUpgrade,
    around: Surroundings,
    leg: M,
    pending: OwnedSemaphorePermit,
    admit: impl FnMut(M::Shown) -> Option<Admitted> + Send + 'static,
) -> Response {
    upgrade
        .read_buffer_size(limits::LEG_READ_BUFFER)
        .write_buffer_size(limits::LEG_WRITE_BUFFER)
        .max_write_buffer_size(limits::LEG_WRITE_BUFFER_MAX)
        .max_message_size(limits::WIRE_MESSAGE_MAX)
        .max_frame_size(limits::WIRE_MESSAGE_MAX)
        .on_failed_upgrade(|error| debug!(%error, "a media socket's upgrade failed"))
        .on_upgrade(async move |websocket| {
            let tasks = around.tasks.clone();
            tasks.spawn("media socket", run(websocket, around, leg, pending, admit));
        })
}

/// Runs until the leg is over.
async fn run<M: Machine>(
    socket: WebSocket,
    around: Surroundings,
    leg: M,
    pending: OwnedSemaphorePermit,
    admit: impl FnMut(M::Shown) -> Option<Admitted> + Send + 'static,
) {
    let clock = around.clock;
    let mut task = Task {
        around,
        leg,
        admit,
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
        let due = task.leg.deadline().map(|at| at.since(clock.now()));
        tokio::select! {
            message = poll_fn(|cx| task.wire.poll(cx)) => task.received(clock.now(), message),
            wake = attend(&mut task.call, &mut commands) => task.wake(clock.now(), wake, &mut commands),
            _ = ticks.tick() => task.tick(clock.now()),
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some_and(|due| due < TICK) => {
                task.leg.handle(clock.now(), Input::Tick);
            }
        }
    };
    task.finish(close).await;
}

struct Task<M, A> {
    around: Surroundings,
    leg: M,
    admit: A,
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

struct Close {
    code: u16,
    reason: &'static str,
}

impl<M: Machine, A: FnMut(M::Shown) -> Option<Admitted>> Task<M, A> {
    /// Does everything the machine asks for; a close is the last of it.
    fn settle(&mut self) -> Option<Close> {
        while let Some(output) = self.leg.poll() {
            match output {
                Output::Admit(shown) => {
                    let answer = if self.admit(shown) { Input::Admitted } else { Input::Refused };
                    self.leg.handle(self.around.clock.now(), answer);
                }
                Output::Event(event) => {
                    if let LegEvent::Closed(end) = event {
                        self.end = Some(end);
                    }
                    if let Some(link) = &mut self.call {
                        self.around.metrics.dropped_audio_frames.inc_by(link.deliver(event));
                    }
                }
                Output::Send(Frame::Text(text)) => self.wire.outbox.push_back(Message::text(text)),
                Output::Send(Frame::Binary(bytes)) => self.wire.outbox.push_back(Message::binary(bytes)),
                Output::Notice(oddity) => {
                    let (transport, call) = (self.around.transport, self.call.as_ref().map(Link::call));
                    info!(
                        transport,
                        ?call,
                        oddity,
                        "the peer of a media stream sent something odd; later ones are only counted"
                    );
                }
                Output::Close { code, reason } => return Some(Close { code, reason }),
            }
        }
        None
    }

    /// Offers the leg to the exchange, if the peer may carry a call.
    fn admit(&mut self, shown: M::Shown) -> bool {
        self.pending = None;
        let Some(Admitted { call, language }) = (self.admit)(shown) else { return false };
        let transport = self.around.transport;
        match Link::offer_ahead(self.around.exchange.as_ref(), call, language, self.leg.lead()) {
            Ok(link) => self.call = Some(link),
            Err(refusal) => {
                warn!(transport, %call, %refusal, "a media stream was refused");
                return false;
            }
        }
        self.around.metrics.streams.inc();
        info!(transport, %call, "media stream connected");
        true
    }

    fn received(&mut self, now: Moment, message: Option<Result<Message, axum::Error>>) {
        match message {
            Some(Ok(Message::Text(text))) => self.leg.handle(now, Input::Text(&text)),
            Some(Ok(Message::Binary(bytes))) => self.leg.handle(now, Input::Binary(&bytes)),
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
        let (transport, metrics) = (self.around.transport, self.around.metrics.clone());
        metrics.count_oddities(self.leg.oddities());
        if let Some(link) = self.call.take() {
            info!(transport, call = %link.call(), code, reason, end = ?self.end, "media stream over");
            if self.end == Some(LegEnd::Lost) {
                metrics.lost.inc();
            }
            if link.is_behind() {
                // The call is behind; it has as long to take the rest as the peer to close.
                self.around.tasks.spawn("a leg's last events", link.deliver_rest());
            }
        } else {
            metrics.refused.inc();
            debug!(transport, code, reason, "media socket closed before it carried a call");
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
