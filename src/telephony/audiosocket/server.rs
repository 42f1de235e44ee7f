//! The listener, and the task of one connection: moves bytes between the socket, the leg's machine and
//! the call.
//! Promise: connections without an id are bounded in number and time; every task ends and tells the call
//! how; a peer that does not take our sound is closed as dead.

use std::net::SocketAddr;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::machine::Leg;
use crate::base::event::Direction;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::telephony::leg::{Exchange, LegCommand, LegEnd, LegEvent};
use crate::telephony::pbx::waiting::Waiting;
use crate::telephony::pbx::{Door, Facts};
use crate::telephony::stream::link::{Link, Wake, attend};
use crate::telephony::stream::pump::Pump;
use crate::telephony::stream::socket::Admitted;
use crate::telephony::stream::{Frame, Input, Machine as _, Output, StreamMetrics};

/// Calls announced before their AudioSocket, by UUID in its usual writing.
pub type Expected = Waiting<Admitted>;

#[derive(Clone)]
pub struct AudioSocketDeps {
    pub door: Door,
    pub expected: Arc<Expected>,
    /// A UUID that nobody announced is a call of which nothing is known, if the peer is in a network
    /// that is named.
    pub anonymous: bool,
    pub exchange: Arc<dyn Exchange>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: AudioSocketMetrics,
}

#[derive(Clone, Debug, Default)]
pub struct AudioSocketMetrics {
    pub refused_peers: Counter,
    pub streams: StreamMetrics,
}

impl AudioSocketMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("audiosocket");
        let help = "Connections from a strange network, with an unknown id or beyond the bound";
        registry.register("refused_peers", help, self.refused_peers.clone());
        self.streams.register(registry);
    }
}

/// Takes connections until the box stops.
pub async fn serve(listener: TcpListener, deps: AudioSocketDeps) {
    let pending = Arc::new(Semaphore::new(limits::AUDIOSOCKET_PENDING_MAX));
    loop {
        let accepted = tokio::select! {
            () = deps.tasks.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles: it gets better when calls end.
                warn!(%error, "an AudioSocket could not be accepted");
                tokio::time::sleep(limits::LEG_CLOSE_WITHIN).await;
                continue;
            }
        };
        if let Err(fault) = deps.door.check_address(peer.ip()) {
            deps.door.note(fault, "audiosocket");
            continue;
        }
        let Ok(pending) = Arc::clone(&pending).try_acquire_owned() else {
            if deps.metrics.refused_peers.inc().wrapping_add(1).is_power_of_two() {
                warn!("too many AudioSockets wait for their id; closing another");
            }
            continue;
        };
        deps.tasks.spawn("audiosocket", run(stream, peer, deps.clone(), pending));
    }
}

struct Task {
    deps: AudioSocketDeps,
    peer: SocketAddr,
    leg: Leg,
    pending: Option<OwnedSemaphorePermit>,
    call: Option<Link>,
    end: Option<LegEnd>,
    pump: Pump,
}

async fn run(mut stream: TcpStream, peer: SocketAddr, deps: AudioSocketDeps, pending: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY could not be set");
    }
    let clock = deps.clock;
    let (leg, pump) = (Leg::new(clock.now()), Pump::new(clock, limits::AUDIOSOCKET_READ));
    let mut task = Task { deps, peer, leg, pending: Some(pending), call: None, end: None, pump };
    let mut commands = Vec::new();
    let reason = loop {
        if let Some(reason) = task.settle() {
            break reason;
        }
        let (mut reader, mut writer) = stream.split();
        tokio::select! {
            input = task.pump.next(&mut reader, &mut writer, task.leg.deadline()) => task.leg.handle(clock.now(), input),
            wake = attend(&mut task.call, &mut commands) => match wake {
                Wake::Commands => commands.drain(..).for_each(|command: LegCommand| {
                    task.leg.handle(clock.now(), Input::Command(command));
                }),
                Wake::CallGone => task.leg.handle(clock.now(), Input::CallGone),
                Wake::Delivered => {}
            },
        }
    };
    task.finish(stream, reason).await;
}

impl Task {
    /// Does everything the machine asks for; the reason of its close is the last of it.
    fn settle(&mut self) -> Option<&'static str> {
        while let Some(output) = self.leg.poll() {
            match output {
                Output::Admit(uuid) => {
                    let answer = if self.admit(Uuid::from_bytes(uuid)) { Input::Admitted } else { Input::Refused };
                    self.leg.handle(self.deps.clock.now(), answer);
                }
                Output::Event(event) => {
                    if let LegEvent::Closed(end) = event {
                        self.end = Some(end);
                    }
                    if let Some(link) = &mut self.call {
                        self.deps.metrics.streams.dropped_audio_frames.inc_by(link.deliver(event));
                    }
                }
                Output::Send(Frame::Binary(bytes)) => self.pump.outbox.extend(bytes),
                Output::Send(Frame::Text(_)) => {} // this machine has no words
                Output::Notice(oddity) => {
                    let call = self.call.as_ref().map(Link::call);
                    info!(?call, oddity, "an AudioSocket sent something odd; later ones are only counted");
                }
                Output::Close { reason, .. } => return Some(reason),
            }
        }
        None
    }

    fn admit(&mut self, uuid: Uuid) -> bool {
        self.pending = None;
        let name = uuid.as_hyphenated().to_string();
        let deps = &self.deps;
        let admitted = match deps.expected.take(deps.clock.now(), &name) {
            Some(admitted) => admitted,
            None if deps.anonymous && deps.door.has_networks() => {
                let announcement = Facts::default().announcement("audiosocket", &name, Direction::Inbound);
                match deps.exchange.announce(announcement) {
                    Ok(call) => Admitted { call, language: None },
                    Err(refusal) => {
                        warn!(transport = "audiosocket", %refusal, "call refused");
                        return false;
                    }
                }
            }
            None => {
                if deps.metrics.refused_peers.inc().wrapping_add(1).is_power_of_two() {
                    let refused = deps.metrics.refused_peers.get();
                    warn!(peer = %self.peer, refused, "an AudioSocket came that nobody announced at /ast/pre");
                }
                return false;
            }
        };
        match Link::offer(deps.exchange.as_ref(), admitted.call, admitted.language) {
            Ok(link) => self.call = Some(link),
            Err(refusal) => {
                warn!(transport = "audiosocket", call = %admitted.call, %refusal, "a media stream was refused");
                return false;
            }
        }
        deps.metrics.streams.streams.inc();
        info!(transport = "audiosocket", call = %admitted.call, "media stream connected");
        true
    }

    /// Tells the call, sends what is left and closes, all within bounds.
    async fn finish(mut self, mut stream: TcpStream, reason: &'static str) {
        self.pending = None;
        let metrics = &self.deps.metrics.streams;
        metrics.count_oddities(self.leg.oddities());
        if let Some(link) = self.call.take() {
            info!(transport = "audiosocket", call = %link.call(), reason, end = ?self.end, "media stream over");
            if self.end == Some(LegEnd::Lost) {
                metrics.lost.inc();
            }
            if link.is_behind() {
                self.deps.tasks.spawn("a leg's last events", link.deliver_rest());
            }
        } else {
            metrics.refused.inc();
            debug!(reason, "an AudioSocket closed before it carried a call");
        }
        let outbox = self.pump.outbox;
        let farewell = async {
            stream.write_all(&outbox).await?;
            stream.shutdown().await?;
            // Until Asterisk closes its side: a reset would throw away what it has not read.
            let mut rest = [0; 1_024];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        drop(timeout(limits::LEG_CLOSE_WITHIN, farewell).await);
    }
}
