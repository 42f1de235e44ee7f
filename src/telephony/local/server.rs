//! The socket that handsets of the box connect to.
//! Promise: only who may enter the state directory may call; each connection ends with its call, each wait
//! has a bound, and a handset that takes nothing costs a bounded amount of memory.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::lines::{Line, Lines};
use super::machine::Leg;
use super::wire::{self, Message, Start, print};
use crate::base::event::{Direction, Event};
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, limits};
use crate::telephony::leg::{Announcement, Exchange, LegCommand, LegEnd, LegEvent};
use crate::telephony::stream::link::{Link, Wake, attend};
use crate::telephony::stream::pump::Pump;
use crate::telephony::stream::{Frame, Input, Machine as _, Output, StreamMetrics};
use crate::telephony::webrtc::facts::Told;
use crate::telephony::webrtc::{Facts, wire as page};

/// In the state directory.
pub const SOCKET: &str = "handset.sock";
/// Bytes read at once: a few frames.
const READ: usize = 4 * 1_024;

#[derive(Clone)]
pub struct LocalDeps {
    pub exchange: Arc<dyn Exchange>,
    pub facts: Facts,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: StreamMetrics,
}

/// Opens the socket, in the place of one that a daemon has left behind.
pub fn open(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        // Whoever holds the lock of the state directory is the only daemon there is.
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has this name")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes handsets until the box stops.
pub async fn serve(listener: UnixListener, deps: LocalDeps) {
    let places = Arc::new(Semaphore::new(limits::LOCAL_CALLS_MAX));
    let lines = Lines::default();
    loop {
        let accepted = tokio::select! {
            () = deps.tasks.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles: it gets better when calls end.
                warn!(%error, "a handset could not be accepted");
                tokio::time::sleep(limits::LEG_CLOSE_WITHIN).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => deps.tasks.spawn("handset", run(stream, deps.clone(), lines.clone(), place)),
            Err(_) => {
                deps.metrics.refused.inc();
                deps.tasks.spawn("handset", refuse(stream, "as many handsets as the box takes are in use"));
            }
        }
    }
}

async fn refuse(mut stream: UnixStream, why: &str) {
    let mut bytes = Vec::new();
    print(&Message::Over(why.to_owned()), &mut bytes);
    drop(timeout(limits::LEG_CLOSE_WITHIN, stream.write_all(&bytes)).await);
}

struct Task {
    deps: LocalDeps,
    leg: Leg,
    lines: Lines,
    /// A handset has said what it wants.
    asked: Option<Start>,
    call: Option<Link>,
    line: Option<Line>,
    told: Option<Told>,
    end: Option<LegEnd>,
    pump: Pump,
}

async fn run(mut stream: UnixStream, deps: LocalDeps, lines: Lines, place: OwnedSemaphorePermit) {
    let clock = deps.clock;
    let (leg, pump) = (Leg::new(clock.now()), Pump::new(clock, READ));
    let mut task = Task { leg, deps, lines, asked: None, call: None, line: None, told: None, end: None, pump };
    let mut commands = Vec::new();
    let reason = loop {
        if let Some(reason) = task.settle() {
            break reason;
        }
        if let Some(start) = task.asked.take() {
            let answer = if task.admit(start).await { Input::Admitted } else { Input::Refused };
            task.leg.handle(clock.now(), answer);
            continue;
        }
        let (mut reader, mut writer) = stream.split();
        let stopped = task.deps.tasks.clone();
        tokio::select! {
            input = task.pump.next(&mut reader, &mut writer, task.leg.deadline()) => task.leg.handle(clock.now(), input),
            wake = attend(&mut task.call, &mut commands) => match wake {
                Wake::Commands => commands.drain(..).for_each(|command: LegCommand| {
                    task.leg.handle(clock.now(), Input::Command(command));
                }),
                Wake::CallGone => task.leg.handle(clock.now(), Input::CallGone),
                Wake::Delivered => {}
            },
            record = next(&mut task.told) => {
                if let Some(fact) = record.as_ref().and_then(page::told) {
                    task.tell(fact);
                }
            }
            () = stopped.stopped() => task.leg.handle(clock.now(), Input::Broken),
        }
        if task.pump.outbox.len() > 2 * limits::LOCAL_OUTBOX_MAX {
            task.leg.handle(clock.now(), Input::Stalled);
        }
    };
    task.finish(stream, reason).await;
    drop(place);
}

async fn next(told: &mut Option<Told>) -> Option<crate::base::event::Record> {
    match told {
        Some(told) => match told.next().await {
            Some(record) => Some(record),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

impl Task {
    /// Does everything the machine asks for; the reason of its close is the last of it.
    fn settle(&mut self) -> Option<&'static str> {
        while let Some(output) = self.leg.poll() {
            match output {
                Output::Admit(start) => self.asked = Some(start),
                Output::Event(event) => {
                    if let LegEvent::Closed(end) = event {
                        self.end = Some(end);
                    }
                    if let Some(link) = &mut self.call {
                        self.deps.metrics.dropped_audio_frames.inc_by(link.deliver(event));
                    }
                }
                Output::Send(Frame::Binary(bytes)) => self.pump.outbox.extend(bytes),
                Output::Send(Frame::Text(_)) => {} // this machine has no words
                Output::Notice(oddity) => {
                    let call = self.call.as_ref().map(Link::call);
                    info!(
                        transport = "local",
                        ?call,
                        oddity,
                        "a handset sent something odd; later ones are only counted"
                    );
                }
                Output::Close { reason, .. } => return Some(reason),
            }
        }
        None
    }

    async fn admit(&mut self, start: Start) -> bool {
        let refused = match self.lines.carry_on(&start.name, start.proof.as_deref()).await {
            Ok(Some(line)) => self.carry_on(line, &start.name).await,
            Ok(None) => self.begin(start),
            Err(why) => Err(why.to_owned()),
        };
        match refused {
            Ok(()) => {
                self.deps.metrics.streams.inc();
                true
            }
            Err(why) => {
                warn!(transport = "local", why, "a handset's call was refused");
                print(&Message::Over(why), &mut self.pump.outbox);
                false
            }
        }
    }

    fn begin(&mut self, start: Start) -> Result<(), String> {
        let announcement = Announcement {
            transport: "local",
            carrier_call: start.name.clone(),
            direction: Direction::Inbound,
            from: None,
            to: None,
            agent: start.agent,
            call: None,
            state: None,
            district: None,
        };
        let call = self.deps.exchange.announce(announcement).map_err(|refusal| refusal.to_string())?;
        self.connect(call, start.language)?;
        info!(transport = "local", %call, "a handset was lifted");
        match self.lines.begin(&start.name, call) {
            Ok((line, proof)) => {
                self.line = Some(line);
                print(&Message::Fact(wire::proof(&proof)), &mut self.pump.outbox);
            }
            Err(error) => warn!(transport = "local", %call, %error, "a handset cannot come back if its line breaks"),
        }
        Ok(())
    }

    async fn carry_on(&mut self, line: Line, name: &str) -> Result<(), String> {
        let call = line.call;
        self.line = Some(line);
        if !self.deps.exchange.media_over(name).await {
            return Err("this call is over".to_owned());
        }
        self.connect(call, None)?;
        info!(transport = "local", %call, "a handset carries its call on");
        Ok(())
    }

    fn connect(&mut self, call: CallId, language: Option<Lang>) -> Result<(), String> {
        self.told = Some(self.deps.facts.of(call));
        let link = Link::offer(self.deps.exchange.as_ref(), call, language).map_err(|refusal| refusal.to_string())?;
        self.call = Some(link);
        Ok(())
    }

    /// A handset that is behind misses facts.
    fn tell(&mut self, fact: String) {
        if self.pump.outbox.len() < limits::LOCAL_OUTBOX_MAX {
            print(&Message::Fact(fact), &mut self.pump.outbox);
        }
    }

    /// Tells the call, sends what is left and closes, all within bounds.
    async fn finish(mut self, mut stream: UnixStream, reason: &'static str) {
        self.deps.metrics.count_oddities(self.leg.oddities());
        if let Some(line) = self.line.take() {
            let waits = self.call.is_some() && self.end == Some(LegEnd::Lost);
            self.lines.ended(line, waits, &self.deps.tasks);
        }
        let Some(link) = self.call.take() else {
            self.deps.metrics.refused.inc();
            debug!(reason, "a handset closed before it carried a call");
            drop(timeout(limits::LEG_CLOSE_WITHIN, stream.write_all(&self.pump.outbox)).await);
            return;
        };
        info!(transport = "local", call = %link.call(), reason, end = ?self.end, "a handset's call is over");
        if self.end == Some(LegEnd::Lost) {
            self.deps.metrics.lost.inc();
        }
        if link.is_behind() {
            self.deps.tasks.spawn("a leg's last events", link.deliver_rest());
        } else {
            drop(link);
        }
        // The end of the call comes after that of its leg; whoever holds the handset wants to know it.
        let farewell = async {
            if self.end == Some(LegEnd::ClosedByUs) {
                while let Some(record) = next(&mut self.told).await {
                    if let Some(fact) = page::told(&record) {
                        self.tell(fact);
                    }
                    if matches!(record.event, Event::CallEnded { .. }) {
                        break;
                    }
                }
            }
        };
        drop(timeout(limits::LEG_CLOSE_WITHIN, farewell).await);
        drop(timeout(limits::LEG_CLOSE_WITHIN, stream.write_all(&self.pump.outbox)).await);
    }
}
