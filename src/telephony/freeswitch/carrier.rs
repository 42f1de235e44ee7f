//! The other side of the line: a FreeSWITCH with `mod_audio_fork` that opens an event socket for a call,
//! does what it is told on it, and streams the call's sound. Rehearsals and fault tests use it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang};
use crate::telephony::far::{FarCall, FarWire, FromBox, Line, LineOptions, Network, OpenError, Side, open};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::stream::Frame;

/// The box asks for the media stream within this time.
const ASKED_WITHIN: Duration = Duration::from_secs(10);
/// And ends the channel so soon after the stream.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box takes event sockets, `host:port`.
    pub socket: String,
    /// The dial plan's variable `vaani_token`.
    pub token: Option<Secret>,
    pub from: String,
    pub to: String,
    pub channel: String,
    pub agent: Option<String>,
    pub language: Option<Lang>,
    pub network: Network,
    pub noise: Option<Arc<[i16]>>,
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no connection to the box's event socket")]
    Connect(#[source] std::io::Error),
    #[error("the box hung up with {0}")]
    HungUp(String),
    #[error("the box did not ask for a media stream")]
    NoStream,
    #[error("the box said something that FreeSWITCH does not know: {0}")]
    Unknown(String),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl DialOptions {
    /// A call to a box on this machine, with a made-up id.
    pub fn new(socket: String, token: Option<Secret>) -> Self {
        Self {
            socket,
            token,
            from: "9876543210".to_owned(),
            to: "04440001234".to_owned(),
            channel: CallId::new().to_string(),
            agent: None,
            language: None,
            network: Network::default(),
            noise: None,
        }
    }

    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let tcp = TcpStream::connect(&self.socket).await.map_err(DialError::Connect)?;
        tcp.set_nodelay(true).map_err(DialError::Connect)?;
        let (reader, writer) = tcp.into_split();
        let mut channel = Channel { reader: BufReader::new(reader), writer, options: self };
        let (url, rate) = match timeout(ASKED_WITHIN, channel.until_stream()).await {
            Ok(asked) => asked?,
            Err(_) => return Err(DialError::NoStream),
        };
        let mut request = url.as_str().into_client_request().map_err(OpenError::from)?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("audio.drachtio.org"));
        let opened = open(request).await;
        let reply = if opened.is_ok() { "+OK Success" } else { "-ERR Operation Failed" };
        channel.respond(reply).await.map_err(DialError::Connect)?;
        let socket = opened?;
        let (keys, pressed) = mpsc::unbounded_channel();
        let format = Format::Slin { rate };
        let wire = Fork { codec: Codec::new(format).ok(), keys, clearing: false };
        let options = LineOptions { network: channel.options.network.clone(), noise: channel.options.noise.clone() };
        let id = channel.options.channel.clone();
        let (mut line, far) = Line::new(wire, &id, options);
        let scope = tasks.clone();
        tasks.spawn("freeswitch's line", async move {
            let (ended, end) = mpsc::channel(1);
            let (over, mut killed) = mpsc::channel(1);
            scope.spawn("freeswitch's event socket", async move {
                let _ = over.send(channel.until_end(pressed, end).await).await; // the line may be gone
            });
            let by = line.carry(socket, clock).await;
            if by == Side::Caller {
                let _ = ended.send(()).await;
            }
            // A stream that is closed ends no channel: the box must do it.
            let killed = timeout(ENDED_WITHIN, killed.recv()).await.ok().flatten().unwrap_or(false);
            line.over(by == Side::Caller || (by == Side::Box && killed)).await;
        });
        Ok(far)
    }
}

/// The event socket's end of a call.
struct Channel {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    options: DialOptions,
}

impl Channel {
    /// The next command: its lines up to the blank one. `None`: the box has closed.
    async fn command(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => return Some(lines),
                line => lines.push(line.to_owned()),
            }
        }
    }

    async fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.writer.write_all(text.as_bytes()).await
    }

    async fn reply(&mut self, text: &str) -> std::io::Result<()> {
        self.write(&format!("Content-Type: command/reply\nReply-Text: {text}\n\n")).await
    }

    async fn respond(&mut self, text: &str) -> std::io::Result<()> {
        self.write(&format!("Content-Type: api/response\nContent-Length: {}\n\n{text}", text.len())).await
    }

    async fn event(&mut self, mut event: Value) -> std::io::Result<()> {
        event["Unique-ID"] = self.options.channel.as_str().into();
        let body = event.to_string();
        self.write(&format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len())).await
    }

    /// The channel's data, as the answer to `connect`.
    fn data(&self) -> String {
        let DialOptions { token, from, to, channel, agent, language, .. } = &self.options;
        let escaped = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let mut lines = format!(
            "Content-Type: command/reply\nReply-Text: +OK\nEvent-Name: CHANNEL_DATA\nUnique-ID: {channel}\nCaller-Caller-ID-Number: {}\nCaller-Destination-Number: {}\nCall-Direction: inbound\nAnswer-State: ringing\n",
            escaped(from),
            escaped(to)
        );
        let variables = [
            ("vaani_token", token.as_ref().map(|token| token.expose().to_owned())),
            ("vaani_agent", agent.clone()),
            ("vaani_lang", language.map(|language| language.tag().to_owned())),
        ];
        for (name, value) in variables {
            if let Some(value) = value {
                lines.push_str(&format!("variable_{name}: {}\n", escaped(&value)));
            }
        }
        lines.push('\n');
        lines
    }

    /// Does what the box says, up to the media stream: its address and rate.
    async fn until_stream(&mut self) -> Result<(String, u32), DialError> {
        while let Some(command) = self.command().await {
            let io = match command[0].split(' ').collect::<Vec<_>>()[..] {
                ["connect"] => {
                    let data = self.data();
                    self.write(&data).await
                }
                ["myevents", "json"] => self.reply("+OK Events Enabled").await,
                ["linger", _] => self.reply("+OK will linger").await,
                ["sendmsg"] => {
                    self.reply("+OK").await.map_err(DialError::Connect)?;
                    if command.iter().any(|line| line == "call-command: hangup") {
                        let cause = command.iter().find_map(|line| line.strip_prefix("hangup-cause: "));
                        return Err(DialError::HungUp(cause.unwrap_or_default().to_owned()));
                    }
                    self.event(json!({"Event-Name": "CHANNEL_ANSWER", "Answer-State": "answered"})).await
                }
                [
                    "api",
                    "uuid_audio_fork",
                    channel,
                    "start",
                    url,
                    "mono",
                    rate,
                    "vaani",
                    "{}",
                    "true",
                    "true",
                    down,
                ] if channel == self.options.channel && rate == down => {
                    let rate = rate.parse().map_err(|_| DialError::Unknown(command[0].clone()))?;
                    return Ok((url.to_owned(), rate));
                }
                _ => return Err(DialError::Unknown(command.join(" | "))),
            };
            io.map_err(DialError::Connect)?;
        }
        Err(DialError::NoStream)
    }

    /// Until the channel has ended; true if the box has ended it.
    async fn until_end(mut self, mut pressed: mpsc::UnboundedReceiver<char>, mut end: mpsc::Receiver<()>) -> bool {
        loop {
            tokio::select! {
                Some(digit) = pressed.recv() => {
                    let event = json!({"Event-Name": "DTMF", "DTMF-Digit": digit.to_string(), "DTMF-Duration": "2000"});
                    if self.event(event).await.is_err() {
                        return false;
                    }
                }
                command = self.command() => {
                    let Some(command) = command else { return false };
                    let kill = format!("api uuid_kill {} ", self.options.channel);
                    let killed = command[0].starts_with(&kill) || command.iter().any(|line| line == "call-command: hangup");
                    if killed {
                        drop(self.respond("+OK").await);
                        self.bye("NORMAL_CLEARING").await;
                        return true;
                    }
                    if self.respond("+OK").await.is_err() {
                        return false;
                    }
                }
                _ = end.recv() => {
                    self.bye("NORMAL_CLEARING").await;
                    return false;
                }
            }
        }
    }

    async fn bye(&mut self, cause: &str) {
        let text = "Disconnected, goodbye.\n";
        drop(self.event(json!({"Event-Name": "CHANNEL_HANGUP", "Hangup-Cause": cause})).await);
        let notice = format!("Content-Type: text/disconnect-notice\nContent-Length: {}\n\n{text}", text.len());
        drop(self.write(&notice).await);
    }
}

/// The media socket's messages.
struct Fork {
    codec: Option<Codec>,
    keys: mpsc::UnboundedSender<char>,
    /// The marks that come now were thrown away.
    clearing: bool,
}

impl FarWire for Fork {
    fn opening(&mut self) -> Vec<Frame> {
        vec![Frame::Text("{}".to_owned())]
    }

    fn sound(&mut self, pcm: &[i16], _: u64) -> Option<Frame> {
        self.clearing = false;
        let mut bytes = Vec::new();
        self.codec.as_mut()?.encode(pcm, &mut bytes);
        Some(Frame::Binary(bytes))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        // Keys go over the event socket; without one nobody hears them.
        let _ = self.keys.send(digit);
        None
    }

    fn mark(&mut self, name: &str) -> Option<Frame> {
        let event = if self.clearing { "cleared" } else { "playout" };
        Some(Frame::Text(json!({"type": "mark", "data": {"name": name, "event": event}}).to_string()))
    }

    fn hang_up(&mut self) -> Option<Frame> {
        None
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        self.clearing = false;
        let text = match frame {
            Frame::Binary(bytes) => {
                let mut pcm = Vec::new();
                return match self.codec.as_mut().map(|codec| codec.decode(bytes, &mut pcm)) {
                    Some(true) => Ok(FromBox::Sound(pcm)),
                    _ => Err("half a sample".to_owned()),
                };
            }
            Frame::Text(text) => text,
        };
        let value: Value = serde_json::from_str(text).map_err(|_| "not JSON".to_owned())?;
        match (value["type"].as_str(), value["data"]["name"].as_str()) {
            (Some("killAudio"), None) => {
                self.clearing = true;
                Ok(FromBox::Clear)
            }
            (Some("mark"), Some(name)) => Ok(FromBox::Mark(name.to_owned())),
            _ => Err(format!("unsupported type: {text}")),
        }
    }
}
