//! A browser's connection: the same library as the box's, but the side that offers, with full ICE.
//! Promise: every wait has an end; `close` ends sockets and tasks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
};

use super::path::Path;
use crate::telephony::webrtc::codec::Codec;
use crate::telephony::webrtc::peer::voice;

/// A browser's own patience with candidates and with the line.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const SSRC: u32 = 77;

#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error("the connection could not be made")]
    Connection(#[from] webrtc::error::Error),
    #[error("no codec was chosen to call with")]
    NoCodec,
    #[error("the answer has no {0}")]
    NotAgreed(&'static str),
    #[error("the line did not open")]
    NotOpen,
    #[error("no path could be laid")]
    NoPath(#[source] std::io::Error),
}

/// News of the connection.
enum Told {
    Gathered,
    State(RTCPeerConnectionState),
    Track(Arc<dyn TrackRemote>),
}

struct Handler(mpsc::UnboundedSender<Told>);

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.send(Told::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.0.send(Told::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.0.send(Told::Track(track));
    }
}

/// What comes over the line.
#[derive(Debug)]
pub enum News {
    Packet(Packet),
    /// A message of the data channel.
    Message(String),
    ChannelOpen,
    ChannelClosed,
    /// The connection is over.
    Closed,
}

/// One connection, which speaks its first codec.
pub struct Browser {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    channel: Arc<dyn DataChannel>,
    channel_over: bool,
    told: mpsc::UnboundedReceiver<Told>,
    remote: Option<Arc<dyn TrackRemote>>,
    codec: Codec,
    payload_type: u8,
    near: Option<IpAddr>,
    path: Option<Path>,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Browser({:?})", self.codec)
    }
}

impl Browser {
    /// A browser with these codecs that sends from these addresses, and its offer with all candidates.
    pub async fn offer(codecs: &[Codec], addresses: &[IpAddr]) -> Result<(Self, String), BrowserError> {
        let codec = *codecs.first().ok_or(BrowserError::NoCodec)?;
        let mut engine = MediaEngine::default();
        for codec in codecs {
            let payload_type = match codec {
                Codec::Opus => 109,
                Codec::Pcmu => 0,
                Codec::Pcma => 8,
            };
            let known = RTCRtpCodecParameters { rtp_codec: voice(*codec), payload_type };
            engine.register_codec(known, RtpCodecKind::Audio)?;
        }
        let interceptors = register_default_interceptors(Registry::new(), &mut engine)?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let settings = SettingEngineBuilder::new().with_include_loopback_candidate(true).build();
        let sockets: Vec<std::net::SocketAddr> = addresses.iter().map(|ip| (*ip, 0).into()).collect();
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler(tell)))
            .with_udp_addrs(sockets);
        let connection: Arc<dyn PeerConnection> = Arc::new(Box::pin(builder.build()).await?);
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            codec: voice(codec),
            ..Default::default()
        };
        let name = || "mic".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let local: Arc<dyn TrackLocal> = Arc::<TrackLocalStaticRTP>::clone(&track);
        connection.add_track(local).await?;
        let channel = connection.create_data_channel("events", None).await?;
        let offer = connection.create_offer(None).await?;
        connection.set_local_description(offer).await?;
        let gathered = async {
            while let Some(news) = told.recv().await {
                if matches!(news, Told::Gathered) {
                    return;
                }
            }
        };
        timeout(OPEN_WITHIN, gathered).await.map_err(|_| BrowserError::NotOpen)?;
        let offer = connection.local_description().await.ok_or(BrowserError::NotOpen)?.sdp;
        let browser = Self {
            connection,
            track,
            channel,
            channel_over: false,
            told,
            remote: None,
            codec,
            payload_type: 0,
            near: addresses.first().copied(),
            path: None,
        };
        Ok((browser, offer))
    }

    /// The same over a path that can be cut.
    pub async fn connect_over_path(&mut self, answer: String) -> Result<(), BrowserError> {
        let near = self.near.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let (path, answer) = Path::through(&answer, near).await.map_err(BrowserError::NoPath)?;
        self.path = Some(path);
        self.connect(answer).await
    }

    /// Takes the box's answer and waits for the line.
    pub async fn connect(&mut self, answer: String) -> Result<(), BrowserError> {
        let name = self.codec.name();
        let map = answer.lines().find(|line| line.starts_with("a=rtpmap:") && line.contains(name));
        let number = map.and_then(|map| map.trim_start_matches("a=rtpmap:").split(' ').next()?.parse().ok());
        self.payload_type = number.ok_or(BrowserError::NotAgreed(name))?;
        self.connection.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
        let connected = async {
            while let Some(news) = self.told.recv().await {
                match news {
                    Told::State(RTCPeerConnectionState::Connected) => return true,
                    Told::State(RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) => return false,
                    Told::Track(track) => self.remote = Some(track),
                    _ => {}
                }
            }
            false
        };
        match timeout(OPEN_WITHIN, connected).await {
            Ok(true) => Ok(()),
            _ => Err(BrowserError::NotOpen),
        }
    }

    pub const fn codec(&self) -> Codec {
        self.codec
    }

    pub const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Sends a packet of its voice; false: the line takes nothing any more.
    pub async fn send_packet(&self, sequence: u16, ticks: u32, payload: Vec<u8>) -> bool {
        let header = Header {
            version: 2,
            payload_type: self.payload_type,
            sequence_number: sequence,
            timestamp: ticks,
            ssrc: SSRC,
            ..Header::default()
        };
        self.track.write_rtp(Packet { header, payload: Bytes::from(payload) }).await.is_ok()
    }

    /// Sends a message over the data channel; false: it takes none.
    pub async fn send_message(&self, text: &str) -> bool {
        self.channel.send_text(text).await.is_ok()
    }

    /// What comes next. May be dropped while it waits.
    pub async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(Told::Track(track)) => self.remote = Some(track),
                    Some(Told::State(RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)) | None => {
                        return News::Closed;
                    }
                    Some(Told::Gathered | Told::State(_)) => {}
                },
                event = poll_track(&self.remote) => match event {
                    Some(TrackRemoteEvent::OnRtpPacket(packet)) => return News::Packet(packet),
                    Some(_) => {}
                    None => self.remote = None,
                },
                event = self.channel.poll(), if !self.channel_over => match event {
                    Some(DataChannelEvent::OnOpen) => return News::ChannelOpen,
                    Some(DataChannelEvent::OnMessage(message)) => {
                        return News::Message(String::from_utf8_lossy(&message.data).into_owned());
                    }
                    Some(_) => {}
                    None => {
                        self.channel_over = true;
                        return News::ChannelClosed;
                    }
                },
            }
        }
    }

    /// The line dies, and the box is told nothing. Only over a path.
    pub async fn vanish(mut self) {
        drop(self.path.take());
        // What it says of its end goes nowhere.
        self.close().await;
    }

    /// Must be called: dropping a connection leaves its task and sockets.
    pub async fn close(self) {
        if !matches!(timeout(CLOSE_WITHIN, self.connection.close()).await, Ok(Ok(()))) {
            tracing::debug!("a browser's connection did not close as it should");
        }
    }
}

async fn poll_track(track: &Option<Arc<dyn TrackRemote>>) -> Option<TrackRemoteEvent> {
    match track {
        Some(track) => track.poll().await,
        None => std::future::pending().await,
    }
}
