//! The task of one browser's call: the connection, the leg's machine and the call meet here.
//! Promise: it always ends, always tells the call how, and always closes the connection, whatever the
//! browser, the network or the library do; its place and its port are free afterwards.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info, warn};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::facts::{Facts, Told};
use super::machine::{Input, Leg, Output, Packet};
use super::peer::{Peer, PeerError, PeerEvent};
use super::places::Port;
use super::sdp::Offer;
use super::wire;
use crate::base::event::{CallState, Event};
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, Moment, limits};
use crate::telephony::leg::{Exchange, LegCommand, LegEnd, LegEvent};
use crate::telephony::stream::StreamMetrics;
use crate::telephony::stream::link::{Link, Wake, attend};

/// What a session needs of its surroundings.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub exchange: Arc<dyn Exchange>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: StreamMetrics,
    pub facts: Facts,
}

/// What HTTP asks of a session.
#[derive(Debug)]
pub(super) enum Control {
    /// `DELETE`.
    HangUp,
    /// The browser says that the line is broken: it makes another.
    Broken,
    Candidates(Vec<(String, String)>, Option<String>),
}

/// When a browser was heard last, for those who ask whether it is there. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub(super) struct LastHeard(Arc<AtomicU64>);

impl LastHeard {
    fn at(&self, now: Moment) {
        self.0.store(now.as_millis().max(1), Ordering::Relaxed);
    }

    /// `None`: never.
    pub(super) fn get(&self) -> Option<Moment> {
        Some(self.0.load(Ordering::Relaxed)).filter(|ms| *ms > 0).map(Moment::from_millis)
    }
}

/// What the end of a session means for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Over,
    /// The call may wait for the browser to come back.
    Broken,
}

pub(super) struct Order {
    pub call: CallId,
    pub carrier_call: String,
    /// To be held in, if the caller has said so.
    pub language: Option<Lang>,
    pub offer: Offer,
    pub addresses: Vec<IpAddr>,
    pub port: Port,
    pub controls: mpsc::Receiver<Control>,
    pub heard: LastHeard,
    /// The call is there already and waits for its line.
    pub back: bool,
    /// Given back when the session is over.
    pub place: OwnedSemaphorePermit,
}

/// Why a browser got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("the codec could not be set up")]
    Codec,
    /// The library gave up on this offer.
    #[error("the offer could not be worked with")]
    Broke,
}

/// Answers the offer, then carries the call to its end. Whoever waits for the answer may go away: then
/// there is no call, or it goes on waiting for its line.
pub(super) async fn run(around: Surroundings, order: Order, answer: oneshot::Sender<Result<String, Failure>>) -> Ended {
    let Order { call, carrier_call, language, offer, addresses, port, controls, heard, back, place } = order;
    // A call that waits is not over because one attempt came to nothing.
    let give_up = |exchange: &dyn Exchange, state| {
        if !back {
            exchange.carrier_state(&carrier_call, state);
        }
        if back { Ended::Broken } else { Ended::Over }
    };
    let told = around.facts.of(call);
    let seed = fastrand::u64(..);
    let ssrc = fastrand::u32(1..);
    let mut peer = match Peer::new(&offer, &addresses, port, ssrc).await {
        Ok(peer) => peer,
        Err(error) => {
            let ended = give_up(around.exchange.as_ref(), CallState::Failed);
            drop(answer.send(Err(error.into())));
            return ended;
        }
    };
    // A library that parses what strangers send may break on it; that is this session's end only.
    let negotiated = AssertUnwindSafe(timeout(limits::WEBRTC_ANSWER_MAX, peer.answer(&offer))).catch_unwind().await;
    let negotiated = match negotiated {
        Ok(Ok(result)) => result.map_err(Failure::from),
        Ok(Err(_)) => Err(PeerError::Late.into()),
        Err(_) => Err(Failure::Broke),
    };
    let now = around.clock.now();
    let ready = negotiated.and_then(|(sdp, agreed)| {
        Leg::new(offer.codec, agreed, seed, now).map(|leg| (sdp, leg)).map_err(|_| Failure::Codec)
    });
    let (sdp, leg) = match ready {
        Ok(ready) => ready,
        Err(failure) => {
            let ended = give_up(around.exchange.as_ref(), CallState::Failed);
            drop(answer.send(Err(failure)));
            peer.close().await;
            return ended;
        }
    };
    if answer.send(Ok(sdp)).is_err() {
        debug!(%call, "a browser went away before its answer");
        let ended = give_up(around.exchange.as_ref(), CallState::NotPicked);
        peer.close().await;
        return ended;
    }
    let session = Session {
        around,
        call,
        language,
        peer,
        leg,
        told,
        controls,
        heard,
        back,
        link: None,
        track: None,
        channel: None,
        leg_end: None,
        end: None,
    };
    let ended = session.carry(&carrier_call).await;
    drop(place);
    ended
}

struct Session {
    around: Surroundings,
    call: CallId,
    language: Option<Lang>,
    peer: Peer,
    leg: Leg,
    told: Told,
    controls: mpsc::Receiver<Control>,
    heard: LastHeard,
    back: bool,
    /// The call, once the line is open.
    link: Option<Link>,
    track: Option<Arc<dyn TrackRemote>>,
    channel: Option<Channel>,
    leg_end: Option<LegEnd>,
    end: Option<&'static str>,
}

/// The data channel, and what waits for it to open.
struct Channel {
    channel: Arc<dyn DataChannel>,
    open: bool,
}

impl Session {
    async fn carry(mut self, carrier_call: &str) -> Ended {
        let call = self.call;
        let mut commands = Vec::new();
        // What is told before the channel is open.
        let mut early = Vec::new();
        let mut heard_of_call = true;
        while self.end.is_none() {
            let due = self.around.clock.instant(self.leg.deadline());
            tokio::select! {
                event = self.peer.events.recv() => self.peer_event(event),
                event = poll_track(&self.track) => self.track_event(event),
                event = poll_channel(&self.channel) => self.channel_event(event),
                wake = attend(&mut self.link, &mut commands) => self.call_woke(wake, &mut commands),
                control = self.controls.recv() => self.control(control).await,
                record = self.told.next(), if heard_of_call => match record {
                    Some(record) => early.extend(wire::told(&record)),
                    None => heard_of_call = false,
                },
                () = sleep_until(due.into()) => self.handle(Input::Tick),
                () = self.around.tasks.stopped() => self.handle(Input::Broken),
            }
            self.settle(&mut early).await;
        }
        let ended = self.ended(carrier_call).await;
        if self.link.is_some() && ended == Ended::Over {
            let _ = timeout(limits::LEG_CLOSE_WITHIN, self.last_facts(&mut early)).await;
        }
        self.tell(&mut early).await;
        let _ = timeout(limits::WEBRTC_LAST_WORDS_MAX, self.all_taken()).await;
        let Self { around, peer, leg, link, back, end, .. } = self;
        around.metrics.count_oddities(leg.oddities());
        let reason = end.unwrap_or_default();
        match link {
            Some(link) => {
                info!(transport = "webrtc", %call, reason, lost_packets = leg.lost_packets(), "a browser's line is over");
                if link.is_behind() {
                    around.tasks.spawn("a leg's last events", link.deliver_rest());
                }
            }
            None => {
                around.metrics.refused.inc();
                info!(transport = "webrtc", %call, reason, "a browser's line ended before it carried a call");
                if ended == Ended::Over && !back {
                    around.exchange.carrier_state(carrier_call, CallState::NotPicked);
                }
            }
        }
        peer.close().await;
        ended
    }

    async fn ended(&mut self, carrier_call: &str) -> Ended {
        let waits = match self.leg_end {
            Some(LegEnd::Lost) => self.back || self.link.is_some(),
            // Of a call that waits and has no leg yet that could say so.
            Some(LegEnd::HungUp) if self.back && self.link.is_none() => {
                hang_up_waiting(self.around.exchange.as_ref(), carrier_call).await;
                false
            }
            _ => false,
        };
        // Who hung up while the line broke was not heard any more.
        self.controls.close();
        while let Ok(control) = self.controls.try_recv() {
            if waits && matches!(control, Control::HangUp) {
                hang_up_waiting(self.around.exchange.as_ref(), carrier_call).await;
                return Ended::Over;
            }
        }
        if waits { Ended::Broken } else { Ended::Over }
    }

    /// The end of the call may be on its way: it comes after that of its leg.
    async fn last_facts(&mut self, early: &mut Vec<String>) {
        while let Some(record) = self.told.next().await {
            early.extend(wire::told(&record));
            if matches!(record.event, Event::CallEnded { .. }) {
                return;
            }
        }
    }

    /// Until the browser has taken all messages: closing throws away what is still under way.
    async fn all_taken(&mut self) {
        while let Some(Channel { channel, open: true }) = &self.channel
            && channel.outstanding_bytes().await.is_ok_and(|bytes| bytes > 0)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.leg.handle(self.around.clock.now(), input);
    }

    fn peer_event(&mut self, event: Option<PeerEvent>) {
        match event {
            Some(PeerEvent::Connected) if self.link.is_none() => self.connected(),
            Some(PeerEvent::Connected | PeerEvent::Gathered) => {}
            // An attempt that the browser gave up.
            Some(PeerEvent::Closed) if self.back && self.link.is_none() => self.handle(Input::Broken),
            Some(PeerEvent::Closed) => self.handle(Input::HungUp),
            Some(PeerEvent::Track(track)) => self.track = Some(track),
            Some(PeerEvent::Channel(channel)) if self.channel.is_none() => {
                self.channel = Some(Channel { channel, open: false });
            }
            Some(PeerEvent::Channel(_)) => debug!(call = %self.call, "a browser opened a second data channel"),
            Some(PeerEvent::Failed) | None => self.handle(Input::Broken),
        }
    }

    /// The line is open: the call gets its leg.
    fn connected(&mut self) {
        match Link::offer(self.around.exchange.as_ref(), self.call, self.language) {
            Ok(link) => {
                self.link = Some(link);
                self.around.metrics.streams.inc();
                info!(transport = "webrtc", call = %self.call, "a browser's line is open");
                self.handle(Input::Open);
            }
            Err(refusal) => {
                warn!(transport = "webrtc", call = %self.call, %refusal, "a browser's line was refused");
                self.handle(Input::CallGone);
            }
        }
    }

    fn track_event(&mut self, event: Option<TrackRemoteEvent>) {
        match event {
            Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                let header = &packet.header;
                self.heard.at(self.around.clock.now());
                self.handle(Input::Packet(Packet {
                    payload_type: header.payload_type,
                    sequence: header.sequence_number,
                    ticks: header.timestamp,
                    payload: &packet.payload,
                }));
            }
            Some(_) => {}
            // The machine's own bound ends the call if nothing else comes.
            None => self.track = None,
        }
    }

    fn channel_event(&mut self, event: Option<DataChannelEvent>) {
        match event {
            Some(DataChannelEvent::OnOpen) => self.channel_opened(),
            Some(DataChannelEvent::OnMessage(message)) => {
                self.channel_opened();
                match std::str::from_utf8(&message.data) {
                    Ok(text) if message.is_string => self.handle(Input::Message(text)),
                    _ => self.handle(Input::Message("")),
                }
            }
            Some(_) => {}
            None => self.channel = None,
        }
    }

    fn channel_opened(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.open = true;
        }
    }

    fn call_woke(&mut self, wake: Wake, commands: &mut Vec<LegCommand>) {
        match wake {
            Wake::Commands => commands.drain(..).for_each(|command| self.handle(Input::Command(command))),
            Wake::CallGone => self.handle(Input::CallGone),
            Wake::Delivered => {}
        }
    }

    async fn control(&mut self, control: Option<Control>) {
        match control {
            Some(Control::HangUp) | None => self.handle(Input::HungUp),
            Some(Control::Broken) => self.handle(Input::Broken),
            Some(Control::Candidates(candidates, ufrag)) => {
                for (candidate, mid) in candidates {
                    if let Err(error) = self.peer.candidate(candidate, mid, ufrag.clone()).await {
                        debug!(call = %self.call, %error, "a browser's candidate was not taken");
                    }
                }
            }
        }
    }

    /// Does everything the machine asks for.
    async fn settle(&mut self, early: &mut Vec<String>) {
        while let Some(output) = self.leg.poll() {
            match output {
                Output::Event(event) => {
                    if let LegEvent::Closed(end) = event {
                        self.leg_end = Some(end);
                        self.around.metrics.lost.inc_by(u64::from(end == LegEnd::Lost && self.link.is_some()));
                    }
                    if let Some(link) = &mut self.link {
                        self.around.metrics.dropped_audio_frames.inc_by(link.deliver(event));
                    }
                }
                Output::Send(packet) => {
                    if !self.peer.send(packet).await {
                        self.handle(Input::Broken);
                    }
                }
                Output::Tell(text) => early.push(text),
                Output::TellNow(text) => {
                    if matches!(self.channel, Some(Channel { open: true, .. })) {
                        early.push(text);
                    }
                }
                Output::Notice(oddity) => {
                    info!(
                        transport = "webrtc",
                        call = %self.call,
                        oddity,
                        "a browser sent something odd; later ones are only counted"
                    );
                }
                Output::Close(reason) => self.end = Some(reason),
            }
        }
        self.tell(early).await;
    }

    /// Sends what waits, once the channel is open; what a browser has no room for is left out.
    async fn tell(&mut self, early: &mut Vec<String>) {
        early.truncate(limits::WEBRTC_FACTS_QUEUE);
        let Some(Channel { channel, open: true }) = &self.channel else { return };
        for text in early.drain(..) {
            if let Err(error) = channel.try_send_text(&text).await {
                debug!(call = %self.call, %error, "a message for a browser was left out");
            }
        }
    }
}

/// Ends a call that waits for its line; one that has noticed nothing yet is made to.
pub(super) async fn hang_up_waiting(exchange: &dyn Exchange, carrier_call: &str) {
    if exchange.media_over(carrier_call).await {
        exchange.carrier_state(carrier_call, CallState::Completed);
    }
}

async fn poll_track(track: &Option<Arc<dyn TrackRemote>>) -> Option<TrackRemoteEvent> {
    match track {
        Some(track) => track.poll().await,
        None => std::future::pending().await,
    }
}

async fn poll_channel(channel: &Option<Channel>) -> Option<DataChannelEvent> {
    match channel {
        Some(channel) => channel.channel.poll().await,
        None => std::future::pending().await,
    }
}
