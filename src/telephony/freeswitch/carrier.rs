//! The other side of the line: a FreeSWITCH with `mod_audio_fork` that opens an event socket for a call,
//! does what it is told on it, and streams the call's sound. A stream that breaks ends no channel: the box is
//! told so, and may ask for another one. Rehearsals and fault tests use it.

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
use crate::telephony::far::{FarCall, FarWire, FromBox, Line, LineOptions, Network, OpenError, Side, Socket, open};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::stream::Frame;

/// The box asks for the media stream within this time.
const ASKED_WITHIN: Duration = Duration::from_secs(10);
/// And ends the channel so soon after it has closed the stream.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// A caller who hears nothing at all hangs up after so long.
const CALLER_WAITS: Duration = Duration::from_secs(60);

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
        let opened = open_fork(&url).await;
        let reply = if opened.is_ok() { "+OK Success" } else { "-ERR Operation Failed" };
        channel.respond(reply).await.map_err(DialError::Connect)?;
        let mut socket = opened?;
        let (keys, pressed) = mpsc::unbounded_channel();
        let wire =
            move |rate| Fork { codec: Codec::new(Format::Slin { rate }).ok(), keys: keys.clone(), clearing: false };
        let options = LineOptions { network: channel.options.network.clone(), noise: channel.options.noise.clone() };
        let id = channel.options.channel.clone();
        let (mut line, far) = Line::new(wire(rate), &id, options);
        let scope = tasks.clone();
        tasks.spawn("freeswitch's line", async move {
            let (news, happened) = mpsc::unbounded_channel();
            let (ask, mut asked) = mpsc::unbounded_channel();
            let (over, mut killed) = mpsc::channel(1);
            scope.spawn("freeswitch's event socket", async move {
                let _ = over.send(channel.until_end(pressed, happened, ask).await).await; // the line may be gone
            });
            let clean = loop {
                let by = line.carry_stream(socket, clock).await;
                if by == Side::Caller {
                    break true;
                }
                let _ = news.send(Happened::Dropped);
                // A stream that is closed ends no channel: the box must do it, or ask for another stream.
                let patience = if by == Side::Box { ENDED_WITHIN } else { CALLER_WAITS };
                let next = loop {
                    tokio::select! {
                        ended = killed.recv() => break Err(ended.unwrap_or(false)),
                        hung_up = line.hold(patience) => break Err(hung_up),
                        Some((url, rate)) = asked.recv() => match open_fork(&url).await {
                            Ok(opened) => break Ok((opened, rate)),
                            Err(_) => drop(news.send(Happened::Failed)),
                        },
                    }
                };
                match next {
                    Ok((opened, rate)) => {
                        line.go_on(wire(rate));
                        socket = opened;
                    }
                    Err(clean) => break clean,
                }
            };
            let _ = news.send(Happened::HungUp); // one that was killed hears nothing of it
            line.over(clean).await;
        });
        Ok(far)
    }
}

/// Opens a media stream as the module does.
async fn open_fork(url: &str) -> Result<Socket, OpenError> {
    let mut request = url.into_client_request().map_err(OpenError::from)?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("audio.drachtio.org"));
    open(request).await
}

/// On the line, for the event socket.
enum Happened {
    /// The stream is over, and the channel is not.
    Dropped,
    /// A stream that was asked for could not be opened.
    Failed,
    HungUp,
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
                [..] if self.stream_of(&command[0]).is_some() => {
                    return self.stream_of(&command[0]).ok_or_else(|| DialError::Unknown(command[0].clone()));
                }
                _ => return Err(DialError::Unknown(command.join(" | "))),
            };
            io.map_err(DialError::Connect)?;
        }
        Err(DialError::NoStream)
    }

    /// Address and rate of the stream that is asked for.
    fn stream_of(&self, command: &str) -> Option<(String, u32)> {
        let words: Vec<&str> = command.split(' ').collect();
        let ["api", "uuid_audio_fork", channel, "start", url, "mono", rate, "vaani", "{}", "true", "true", down] =
            words[..]
        else {
            return None;
        };
        (channel == self.options.channel && rate == down).then_some(())?;
        Some((url.to_owned(), rate.parse().ok()?))
    }

    /// Until the channel has ended; true if the box has ended it.
    async fn until_end(
        mut self,
        mut pressed: mpsc::UnboundedReceiver<char>,
        mut happened: mpsc::UnboundedReceiver<Happened>,
        ask: mpsc::UnboundedSender<(String, u32)>,
    ) -> bool {
        let id = self.options.channel.clone();
        // The module keeps what is left of a stream until it is stopped.
        let mut attached = true;
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
                    let kill = format!("api uuid_kill {id} ");
                    let killed = command[0].starts_with(&kill) || command.iter().any(|line| line == "call-command: hangup");
                    if killed {
                        drop(self.respond("+OK").await);
                        self.bye("NORMAL_CLEARING").await;
                        return true;
                    }
                    let done = if command[0] == format!("api uuid_audio_fork {id} stop vaani") {
                        std::mem::take(&mut attached)
                    } else if let Some(stream) = self.stream_of(&command[0]) {
                        !std::mem::replace(&mut attached, true) && ask.send(stream).is_ok()
                    } else {
                        true
                    };
                    let reply = if done { "+OK Success" } else { "-ERR Operation Failed" };
                    if self.respond(reply).await.is_err() {
                        return false;
                    }
                }
                happened = happened.recv() => {
                    let subclass = match happened {
                        Some(Happened::Dropped) => "mod_audio_fork::disconnect",
                        Some(Happened::Failed) => "mod_audio_fork::connect_failed",
                        Some(Happened::HungUp) | None => {
                            self.bye("NORMAL_CLEARING").await;
                            return false;
                        }
                    };
                    if self.event(json!({"Event-Name": "CUSTOM", "Event-Subclass": subclass})).await.is_err() {
                        return false;
                    }
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
