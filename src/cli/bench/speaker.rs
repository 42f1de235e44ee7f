//! One leg's messages as its carrier writes them, for the load.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::base::audio::{LINE_RATE, duration};
use crate::base::g711;
use crate::media::resample;
use crate::telephony::far::Socket;
use crate::telephony::webrtc::codec::{Codec, CodecError, Mouth};
use crate::telephony::{exotel, twilio, webrtc};

/// How long a message of Exotel lasts, milliseconds.
const EXOTEL_CADENCE_MS: u64 = 100;
/// Samples a second of the bench's Exotel streams.
const EXOTEL_RATE: u32 = 16_000;

/// A call that is to become a leg.
pub(super) enum Dial {
    Twilio(Box<twilio::carrier::DialOptions>),
    Exotel(Box<exotel::carrier::DialOptions>),
    Webrtc(Box<webrtc::carrier::DialOptions>),
}

/// A leg that is open.
pub(super) enum Stream {
    Socket(Box<Socket>, Speaker),
    Browser(Box<webrtc::carrier::Browser>),
}

/// Writes the messages of one leg.
pub(super) enum Speaker {
    Twilio(twilio::carrier::wire::Printer),
    Exotel(Box<exotel::carrier::wire::Printer>),
}

/// Callers' speech cut into messages.
pub(super) struct Sound {
    /// Base64.
    pub(super) pieces: Vec<String>,
    /// Opus, of browsers' legs.
    pub(super) packets: Vec<Vec<u8>>,
    /// How long each lasts.
    pub(super) period: Duration,
}

impl Sound {
    /// `pcm`: 8 kHz.
    pub(super) fn of_twilio(pcm: &[i16]) -> Self {
        let mut ulaw = Vec::with_capacity(pcm.len());
        g711::encode_ulaw(pcm, &mut ulaw);
        Self::cut(&ulaw, LINE_RATE as usize / 50, duration(LINE_RATE as usize / 50, LINE_RATE))
    }

    /// The same for Exotel.
    pub(super) fn of_exotel(pcm: &[i16]) -> Self {
        let wide = resample::convert(pcm, LINE_RATE, EXOTEL_RATE);
        let bytes: Vec<u8> = wide.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let period = Duration::from_millis(EXOTEL_CADENCE_MS);
        Self::cut(&bytes, EXOTEL_RATE as usize * 2 * EXOTEL_CADENCE_MS as usize / 1_000, period)
    }

    /// The same for browsers.
    pub(super) fn of_webrtc(pcm: &[i16]) -> Result<Self, CodecError> {
        let mut mouth = Mouth::new(Codec::Opus)?;
        let frames = pcm.chunks_exact(LINE_RATE as usize / 50);
        let packets = frames.map(|frame| mouth.say(frame)).collect::<Result<_, _>>()?;
        Ok(Self { pieces: Vec::new(), packets, period: duration(LINE_RATE as usize / 50, LINE_RATE) })
    }

    fn cut(bytes: &[u8], piece: usize, period: Duration) -> Self {
        Self {
            pieces: bytes.chunks_exact(piece).map(|piece| BASE64.encode(piece)).collect(),
            packets: Vec::new(),
            period,
        }
    }
}

impl Dial {
    /// Dials, and says all that comes before sound.
    pub(super) async fn open(self) -> anyhow::Result<Stream> {
        let (mut socket, first, speaker) = match self {
            Self::Twilio(options) => {
                let opened = twilio::carrier::OpenStream::dial(*options).await?;
                let twilio::carrier::OpenStream { socket, parameters, mut printer } = opened;
                let first = [twilio::carrier::wire::Printer::connected(), printer.start(&parameters)];
                (socket, first, Speaker::Twilio(printer))
            }
            Self::Webrtc(options) => {
                let (browser, _) = options.open().await?;
                return Ok(Stream::Browser(Box::new(browser)));
            }
            Self::Exotel(mut options) => {
                options.query.push(("sample-rate".to_owned(), EXOTEL_RATE.to_string()));
                let exotel::carrier::OpenStream { socket, mut printer } = options.open_stream().await?;
                let first = [exotel::carrier::wire::Printer::connected(), printer.start()];
                (socket, first, Speaker::Exotel(Box::new(printer)))
            }
        };
        for text in first {
            socket.send(Message::text(text)).await.context("the media socket broke")?;
        }
        Ok(Stream::Socket(Box::new(socket), speaker))
    }
}

impl Speaker {
    pub(super) fn media(&mut self, payload: &str, at_ms: u64, out: &mut String) {
        match self {
            Self::Twilio(printer) => printer.media_encoded(payload, at_ms, out),
            Self::Exotel(printer) => out.push_str(&printer.media_encoded(payload, at_ms)),
        }
    }

    pub(super) fn stop(&mut self) -> String {
        match self {
            Self::Twilio(printer) => printer.stop(),
            Self::Exotel(printer) => printer.stop(),
        }
    }
}
