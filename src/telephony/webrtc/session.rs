//! The task of one browser's call: the connection, the leg's machine and the call meet here.
//! Promise: it always ends, always tells the call how, and always closes the connection, whatever the
//! browser, the network or the library do; its place and its port are free afterwards.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
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
use crate::base::{CallId, Clock, Lang, limits};
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
    Candidates(Vec<(String, String)>, Option<String>),
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
/// there is no call.
pub(super) async fn run(around: Surroundings, order: Order, answer: oneshot::Sender<Result<String, Failure>>) {
    let Order { call, carrier_call, language, offer, addresses, port, controls, place } = order;
    let told = around.facts.of(call);
    let seed = fastrand::u64(..);
    let ssrc = fastrand::u32(1..);
    let mut peer = match Peer::new(&offer, &addresses, port, ssrc).await {
        Ok(peer) => peer,
        Err(error) => {
            around.exchange.carrier_state(&carrier_call, CallState::Failed);
            drop(answer.send(Err(error.into())));
            return;
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
            around.exchange.carrier_state(&carrier_call, CallState::Failed);
            drop(answer.send(Err(failure)));
            peer.close().await;
            return;
        }
    };
    if answer.send(Ok(sdp)).is_err() {
        debug!(%call, "a browser went away before its answer");
        around.exchange.carrier_state(&carrier_call, CallState::NotPicked);
        peer.close().await;
        return;
    }
    let session = Session {
        around,
        call,
        language,
        peer,
        leg,
        told,
        controls,
        link: None,
        track: None,
        channel: None,
        end: None,
    };
    session.carry(&carrier_call).await;
    drop(place);
}

struct Session {
    around: Surroundings,
    call: CallId,
    language: Option<Lang>,
    peer: Peer,
    leg: Leg,
    told: Told,
    controls: mpsc::Receiver<Control>,
    /// The call, once the line is open.
    link: Option<Link>,
    track: Option<Arc<dyn TrackRemote>>,
    channel: Option<Channel>,
    end: Option<&'static str>,
}

/// The data channel, and what waits for it to open.
struct Channel {
    channel: Arc<dyn DataChannel>,
    open: bool,
}

impl Session {
    async fn carry(mut self, carrier_call: &str) {
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
        if self.link.is_some() {
            let _ = timeout(limits::LEG_CLOSE_WITHIN, self.last_facts(&mut early)).await;
        }
        self.tell(&mut early).await;
        let _ = timeout(limits::WEBRTC_LAST_WORDS_MAX, self.all_taken()).await;
        let Self { around, peer, leg, link, end, .. } = self;
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
                around.exchange.carrier_state(carrier_call, CallState::NotPicked);
            }
        }
        peer.close().await;
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
                    if event == LegEvent::Closed(LegEnd::Lost) && self.link.is_some() {
                        self.around.metrics.lost.inc();
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
