//! The connection to one browser: ICE-lite, DTLS, SRTP and SCTP are the library's; here it is built,
//! answered and always closed.
//! Promise: the answer holds every candidate of ours; events come through one bounded queue; `close` ends
//! sockets and tasks within a bound.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_PCMA, MIME_TYPE_PCMU, MIME_TYPE_TELEPHONE_EVENT,
};
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};

use super::codec::Codec;
use super::machine::Outgoing;
use super::places::Port;
use super::sdp::{Agreed, Offer};
use crate::base::limits;

/// What we want to receive: speech of the telephone's band, every frame of it.
const OPUS_WANTED: &str = "minptime=10;useinbandfec=1;maxaveragebitrate=24000;maxplaybackrate=16000;stereo=0;usedtx=0";
/// Events of one connection waiting for its session.
const EVENTS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("the connection could not be made: {0}")]
    Connection(#[from] webrtc::error::Error),
    #[error("the answer does not hold what was agreed")]
    Answer,
    #[error("the answer took too long")]
    Late,
}

/// What a connection tells its session.
pub(super) enum PeerEvent {
    Connected,
    /// The browser has closed it.
    Closed,
    /// Nothing comes through any more.
    Failed,
    Gathered,
    Track(Arc<dyn TrackRemote>),
    Channel(Arc<dyn DataChannel>),
}

/// Called on the connection's own task: everything is handed on at once.
struct Handler(mpsc::Sender<PeerEvent>);

impl Handler {
    fn tell(&self, event: PeerEvent) {
        // A full queue is that of a session which is ending, or of a browser that opens channel after
        // channel; neither is owed more.
        if self.0.try_send(event).is_err() {
            tracing::debug!("a connection's event was dropped");
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.tell(PeerEvent::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => self.tell(PeerEvent::Connected),
            RTCPeerConnectionState::Closed => self.tell(PeerEvent::Closed),
            RTCPeerConnectionState::Failed => self.tell(PeerEvent::Failed),
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.tell(PeerEvent::Track(track));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.tell(PeerEvent::Channel(channel));
    }
}

pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    _port: Port,
    pub(super) events: mpsc::Receiver<PeerEvent>,
}

fn mime(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => MIME_TYPE_OPUS,
        Codec::Pcmu => MIME_TYPE_PCMU,
        Codec::Pcma => MIME_TYPE_PCMA,
    }
}

pub(super) fn voice(codec: Codec) -> RTCRtpCodec {
    let (channels, wanted) = if codec == Codec::Opus { (2, OPUS_WANTED) } else { (0, "") };
    RTCRtpCodec {
        mime_type: mime(codec).to_owned(),
        clock_rate: codec.clock(),
        channels,
        sdp_fmtp_line: wanted.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// Only what will be spoken: with one codec there is no question which.
fn engine(offer: &Offer) -> Result<MediaEngine, PeerError> {
    let mut engine = MediaEngine::default();
    let fixed = match offer.codec {
        Codec::Opus => 111,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    };
    let spoken = RTCRtpCodecParameters { rtp_codec: voice(offer.codec), payload_type: fixed };
    engine.register_codec(spoken, RtpCodecKind::Audio)?;
    if let Some(clock_rate) = offer.keys_clock {
        let keys = RTCRtpCodec {
            mime_type: MIME_TYPE_TELEPHONE_EVENT.to_owned(),
            clock_rate,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: Vec::new(),
        };
        let payload_type = if clock_rate == 8_000 { 126 } else { 110 };
        engine.register_codec(RTCRtpCodecParameters { rtp_codec: keys, payload_type }, RtpCodecKind::Audio)?;
    }
    Ok(engine)
}

impl Peer {
    /// Sockets are bound when this returns. `ssrc` names our stream.
    pub(super) async fn new(offer: &Offer, addresses: &[IpAddr], port: Port, ssrc: u32) -> Result<Self, PeerError> {
        let (tell, events) = mpsc::channel(EVENTS);
        let mut engine = engine(offer)?;
        let interceptors = register_default_interceptors(Registry::new(), &mut engine)?;
        let loopback = addresses.iter().any(IpAddr::is_loopback);
        let settings = SettingEngineBuilder::new()
            .with_lite(true)
            .with_include_loopback_candidate(loopback)
            // Names under `.local` need not be resolved: the browser's checks say where it is.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        let places: Vec<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(*ip, port.number())).collect();
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler(tell)))
            .with_udp_addrs(places)
            .with_data_channel_send_buffer_limit(limits::WEBRTC_CHANNEL_BUFFER);
        // Its future is large, and so would be all that wait for it.
        let connection = Box::pin(builder.build()).await?;
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: voice(offer.codec),
            ..Default::default()
        };
        let name = || "vaani".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![coding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        Ok(Self { connection: Arc::new(connection), track, ssrc, _port: port, events })
    }

    /// The answer with all our candidates, and what it came to.
    pub(super) async fn answer(&mut self, offer: &Offer) -> Result<(String, Agreed), PeerError> {
        self.connection.set_remote_description(RTCSessionDescription::offer(offer.sdp.clone())?).await?;
        let track: Arc<dyn TrackLocal> = Arc::<TrackLocalStaticRTP>::clone(&self.track);
        self.connection.add_track(track).await?;
        let answer = self.connection.create_answer(None).await?;
        self.connection.set_local_description(answer).await?;
        let gathered = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, PeerEvent::Gathered) {
                    return;
                }
            }
        };
        if timeout(limits::WEBRTC_GATHER_MAX, gathered).await.is_err() {
            tracing::warn!("not all candidates were there in time; the answer goes out with those there are");
        }
        let answer = self.connection.local_description().await.ok_or(PeerError::Answer)?.sdp;
        if !answer.contains("a=candidate:") {
            return Err(PeerError::Answer);
        }
        let agreed = Agreed::of(&answer, offer.codec).ok_or(PeerError::Answer)?;
        Ok((answer, agreed))
    }

    pub(super) async fn candidate(
        &self,
        candidate: String,
        mid: String,
        ufrag: Option<String>,
    ) -> Result<(), PeerError> {
        let init = RTCIceCandidateInit {
            candidate,
            sdp_mid: Some(mid),
            username_fragment: ufrag,
            ..RTCIceCandidateInit::default()
        };
        Ok(self.connection.add_ice_candidate(init).await?)
    }

    /// False: the connection takes nothing any more.
    pub(super) async fn send(&self, packet: Outgoing) -> bool {
        let Outgoing { payload_type, sequence, ticks, marker, payload } = packet;
        let header = Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: sequence,
            timestamp: ticks,
            ssrc: self.ssrc,
            ..Header::default()
        };
        let write = self.track.write_rtp(Packet { header, payload: Bytes::from(payload) });
        matches!(timeout(limits::WEBRTC_WRITE_MAX, write).await, Ok(Ok(())))
    }

    /// Must be called: dropping a connection leaves its task and sockets.
    pub(super) async fn close(self) {
        match timeout(limits::WEBRTC_CLOSE_MAX, self.connection.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a connection did not close as it should"),
            Err(_) => tracing::warn!("a connection did not close in time"),
        }
    }
}
