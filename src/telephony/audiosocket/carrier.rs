//! The other side of the line: an Asterisk that announces a call and opens an AudioSocket for it, by our
//! dial plan: again if it breaks and the box waits for the call. Rehearsals and fault tests use it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

use super::wire::{self, Decoder, Packet};
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang};
use crate::telephony::far::{FarCall, FarWire, FromBox, Line, LineOptions, Network, Side, client};
use crate::telephony::pbx::carrier::{DialPlan, Next};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::public_url::PublicUrl;
use crate::telephony::stream::Frame;

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box listens for HTTP, to announce the call; `None`: it is not announced.
    pub base_url: Option<PublicUrl>,
    /// Where it takes AudioSockets, `host:port`.
    pub socket: String,
    pub token: Option<Secret>,
    pub from: String,
    pub to: String,
    pub uuid: Uuid,
    pub agent: Option<String>,
    pub language: Option<Lang>,
    /// Samples a second: 8000 of the application, others of the channel driver.
    pub rate: u32,
    pub network: Network,
    pub noise: Option<Arc<[i16]>>,
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the call could not be announced")]
    Announce(#[source] reqwest::Error),
    #[error("the box answered {status} ({text}) to the announcement")]
    Refused { status: u16, text: String },
    #[error("no connection to the AudioSocket")]
    Connect(#[source] std::io::Error),
}

impl DialOptions {
    /// A call to a box on this machine, with a made-up id.
    pub fn new(base_url: PublicUrl, socket: String, token: Option<Secret>) -> Self {
        Self {
            base_url: Some(base_url),
            socket,
            token,
            from: "9876543210".to_owned(),
            to: "04440001234".to_owned(),
            uuid: CallId::new().to_string().parse().unwrap_or_default(),
            agent: None,
            language: None,
            rate: 8_000,
            network: Network::default(),
            noise: None,
        }
    }

    /// `CURL(…/ast/pre?…)` of the dial plan.
    async fn announce(&self, base_url: &PublicUrl) -> Result<(), DialError> {
        let mut query = vec![("uuid", self.uuid.to_string()), ("from", self.from.clone()), ("to", self.to.clone())];
        query.extend(self.agent.clone().map(|agent| ("agent", agent)));
        query.extend(self.language.map(|language| ("lang", language.tag().to_owned())));
        query.extend(self.token.as_ref().map(|token| ("token", token.expose().to_owned())));
        let request = client().map_err(DialError::Announce)?.get(base_url.webhook("/ast/pre")).query(&query);
        let answer = request.send().await.map_err(DialError::Announce)?;
        let status = answer.status().as_u16();
        match answer.text().await.map_err(DialError::Announce)? {
            text if status == 200 && text == "ok" => Ok(()),
            text => Err(DialError::Refused { status, text }),
        }
    }

    /// `AudioSocket(…)`: the connection, opened.
    async fn open(&self) -> std::io::Result<TcpStream> {
        let tcp = TcpStream::connect(&self.socket).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    fn wire(&self) -> Socket {
        let format = Format::Slin { rate: self.rate };
        Socket { uuid: self.uuid, format, codec: Codec::new(format).ok() }
    }

    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        if let Some(base_url) = self.base_url.clone() {
            self.announce(&base_url).await?;
        }
        let mut tcp = self.open().await.map_err(DialError::Connect)?;
        let id = self.uuid.to_string();
        let plan =
            self.base_url.clone().map(|base| DialPlan::new(base, self.token.clone(), ("uuid", id.clone()), clock));
        let mut plan = plan.transpose().map_err(DialError::Announce)?;
        let options = LineOptions { network: self.network.clone(), noise: self.noise.clone() };
        let (mut line, far) = Line::new(self.wire(), &id, options);
        tasks.spawn("asterisk's audiosocket", async move {
            let clean = 'call: loop {
                let by = line.carry_stream(Packets::new(tcp), clock).await;
                if by == Side::Caller {
                    break true;
                }
                tcp = loop {
                    // Who announced nothing has no dial plan that could ask.
                    let Some(plan) = &mut plan else { break 'call by == Side::Box };
                    match plan.next(&mut line).await {
                        Next::Over => break 'call by == Side::Box,
                        Next::HungUp => break 'call true,
                        Next::Again => {}
                    }
                    if let Ok(opened) = self.open().await {
                        break opened;
                    }
                };
                line.go_on(self.wire());
            };
            if let Some(plan) = plan {
                plan.gone().await;
            }
            line.over(clean).await;
        });
        Ok(far)
    }
}

/// One call's packets.
struct Socket {
    uuid: Uuid,
    format: Format,
    codec: Option<Codec>,
}

impl FarWire for Socket {
    fn opening(&mut self) -> Vec<Frame> {
        let mut packet = Vec::new();
        wire::print_uuid(self.uuid.as_bytes(), &mut packet);
        vec![Frame::Binary(packet)]
    }

    fn sound(&mut self, pcm: &[i16], _: u64) -> Option<Frame> {
        let (mut bytes, mut packet) = (Vec::new(), Vec::new());
        self.codec.as_mut()?.encode(pcm, &mut bytes);
        wire::print_sound(self.format, &bytes, &mut packet);
        Some(Frame::Binary(packet))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        let mut packet = Vec::new();
        wire::print_dtmf(digit, &mut packet);
        Some(Frame::Binary(packet))
    }

    fn mark(&mut self, _: &str) -> Option<Frame> {
        None
    }

    fn hang_up(&mut self) -> Option<Frame> {
        Some(Frame::Binary(wire::print_hangup().to_vec()))
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        let Frame::Binary(bytes) = frame else { return Err("words".to_owned()) };
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        match decoder.take() {
            Some(Packet::Sound(format, bytes)) if format == self.format => {
                let mut pcm = Vec::new();
                match self.codec.as_mut().map(|codec| codec.decode(bytes, &mut pcm)) {
                    Some(true) => Ok(FromBox::Sound(pcm)),
                    _ => Err("half a sample".to_owned()),
                }
            }
            Some(Packet::Sound(format, _)) => Err(format!("sound of another format: {format:?}")),
            other => Err(format!("not for a channel: {other:?}")),
        }
    }
}

/// A bare connection as messages, one a packet; a hang-up is a close.
pub(crate) struct Packets<S> {
    stream: S,
    read: BytesMut,
    unsent: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// The next whole packet.
    fn packet(&mut self) -> Option<Message> {
        let [kind, high, low, ..] = self.read[..] else { return None };
        let length = 3 + usize::from(u16::from_be_bytes([high, low]));
        if self.read.len() < length {
            return None;
        }
        let packet = self.read.split_to(length).freeze();
        Some(if kind == 0 { Message::Close(None) } else { Message::Binary(packet) })
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unsent)? {
                Poll::Ready(length) => self.unsent.advance(length),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Packets<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(packet) = self.packet() {
                return Poll::Ready(Some(Ok(packet)));
            }
            let mut piece = [0; 4_096];
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer)? {
                Poll::Ready(()) if buffer.filled().is_empty() => return Poll::Ready(None),
                Poll::Ready(()) => self.read.extend_from_slice(buffer.filled()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Packets<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        if let Message::Binary(bytes) = message {
            self.unsent.extend_from_slice(&bytes);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.write(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_shutdown(cx).map_err(Error::from),
            other => other,
        }
    }
}
