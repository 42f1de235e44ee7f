//! A browser's side of a call: the same library with full ICE, as a browser has it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_PCMA, MIME_TYPE_PCMU};
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use vaani::base::audio::LINE_FRAME;
use vaani::telephony::webrtc::codec::{Codec, Ear, Mouth};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
};

const PATIENCE: Duration = Duration::from_secs(30);
const SSRC: u32 = 77;

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

pub(super) struct Browser {
    pc: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    channel: Arc<dyn DataChannel>,
    told: mpsc::UnboundedReceiver<Told>,
    codec: Codec,
    payload_type: u8,
    sequence: u16,
    ticks: u32,
    mouth: Mouth,
    ear: Ear,
    remote: Option<Arc<dyn TrackRemote>>,
    phase: usize,
}

impl Browser {
    /// A browser with these codecs, and its offer.
    pub(super) async fn new(codecs: &[Codec]) -> (Self, String) {
        let mut engine = MediaEngine::default();
        for codec in codecs {
            let payload_type = match codec {
                Codec::Opus => 109,
                Codec::Pcmu => 0,
                Codec::Pcma => 8,
            };
            let rtp_codec = coding(*codec);
            engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, RtpCodecKind::Audio).unwrap();
        }
        let interceptors = register_default_interceptors(Registry::new(), &mut engine).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let settings = SettingEngineBuilder::new().with_include_loopback_candidate(true).build();
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler(tell)))
            .with_udp_addrs(vec!["127.0.0.1:0"]);
        let pc: Arc<dyn PeerConnection> = Arc::new(Box::pin(builder.build()).await.unwrap());
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            codec: coding(codecs[0]),
            ..Default::default()
        };
        let name = || "mic".to_owned();
        let track = MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let local: Arc<dyn TrackLocal> = Arc::<TrackLocalStaticRTP>::clone(&track);
        pc.add_track(local).await.unwrap();
        let channel = pc.create_data_channel("events", None).await.unwrap();
        let offer = pc.create_offer(None).await.unwrap();
        pc.set_local_description(offer).await.unwrap();
        timeout(PATIENCE, async { while !matches!(told.recv().await.unwrap(), Told::Gathered) {} }).await.unwrap();
        let offer = pc.local_description().await.unwrap().sdp;
        let browser = Self {
            pc,
            track,
            channel,
            told,
            codec: codecs[0],
            payload_type: 0,
            sequence: u16::MAX - 5,
            ticks: u32::MAX - 2_000,
            mouth: Mouth::new(codecs[0]).unwrap(),
            ear: Ear::new(codecs[0]).unwrap(),
            remote: None,
            phase: 0,
        };
        (browser, offer)
    }

    /// Takes the box's answer and waits for the line.
    pub(super) async fn connect(&mut self, answer: String) {
        let name = self.codec.name();
        let map = answer.lines().find(|line| line.starts_with("a=rtpmap:") && line.contains(name));
        let number = map.and_then(|map| map.trim_start_matches("a=rtpmap:").split(' ').next()?.parse().ok());
        self.payload_type = number.unwrap_or_else(|| panic!("no {name} in {answer}"));
        self.pc.set_remote_description(RTCSessionDescription::answer(answer).unwrap()).await.unwrap();
        let connected = async {
            loop {
                match self.told.recv().await.unwrap() {
                    Told::State(RTCPeerConnectionState::Connected) => return,
                    Told::State(RTCPeerConnectionState::Failed) => panic!("the browser could not connect"),
                    Told::Track(track) => self.remote = Some(track),
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, connected).await.expect("the line opens");
    }

    /// 20 ms of a tone, or of silence.
    pub(super) async fn speak(&mut self, loud: bool) {
        let wave = |n: usize| (f64::sin(n as f64 * 400.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
        let frame: Vec<i16> = (0..LINE_FRAME).map(|n| if loud { wave(self.phase + n) } else { 0 }).collect();
        self.phase += LINE_FRAME;
        let payload = self.mouth.say(&frame).unwrap();
        let header = Header {
            version: 2,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.ticks,
            ssrc: SSRC,
            ..Header::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.ticks = self.ticks.wrapping_add(self.codec.frame_ticks());
        // A line that the box has closed takes nothing; the test sees that elsewhere.
        let _ = self.track.write_rtp(Packet { header, payload: Bytes::from(payload) }).await;
    }

    /// Speaks in real time.
    pub(super) async fn speak_for(&mut self, frames: usize, loud: bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..frames {
            ticks.tick().await;
            self.speak(loud).await;
        }
    }

    /// The next packet of the box, decoded.
    pub(super) async fn hear(&mut self) -> Option<Vec<i16>> {
        loop {
            if self.remote.is_none() {
                match timeout(PATIENCE, self.told.recv()).await.expect("the box's track comes")? {
                    Told::Track(track) => self.remote = Some(track),
                    _ => continue,
                }
            }
            let track = self.remote.as_ref().unwrap();
            match timeout(PATIENCE, track.poll()).await.expect("packets keep coming")? {
                TrackRemoteEvent::OnRtpPacket(packet) => {
                    assert_eq!(packet.header.payload_type, self.payload_type);
                    let mut pcm = Vec::new();
                    assert!(self.ear.hear(&packet.payload, &mut pcm));
                    return Some(pcm);
                }
                _ => continue,
            }
        }
    }

    pub(super) async fn send(&self, text: &str) {
        self.channel.send_text(text).await.unwrap();
    }

    /// The next message of this kind; `None`: the channel has closed.
    pub(super) async fn message(&self, kind: &str) -> Option<Value> {
        let found = async {
            loop {
                if let DataChannelEvent::OnMessage(message) = self.channel.poll().await? {
                    let message: Value = serde_json::from_slice(&message.data).unwrap();
                    if message["t"] == kind {
                        return Some(message);
                    }
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no message {kind}"))
    }

    pub(super) async fn opened(&self) {
        let open = async { while !matches!(self.channel.poll().await, Some(DataChannelEvent::OnOpen) | None) {} };
        timeout(PATIENCE, open).await.expect("the data channel opens");
    }

    pub(super) async fn close(self) {
        self.pc.close().await.unwrap();
    }
}

fn coding(codec: Codec) -> RTCRtpCodec {
    let (mime, channels, wanted) = match codec {
        Codec::Opus => (MIME_TYPE_OPUS, 2, "minptime=10;useinbandfec=1"),
        Codec::Pcmu => (MIME_TYPE_PCMU, 0, ""),
        Codec::Pcma => (MIME_TYPE_PCMA, 0, ""),
    };
    RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate: codec.clock(),
        channels,
        sdp_fmtp_line: wanted.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}
