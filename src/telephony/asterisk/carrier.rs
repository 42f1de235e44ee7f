//! The other side of the line: an Asterisk that dials us over `chan_websocket`, by our dial plan: again if
//! the socket breaks and the box waits for the call. Rehearsals and fault tests use it.
//! Promise: it speaks plain text or JSON as releases do, and drops what the real one would drop.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang};
use crate::telephony::far::{FarCall, FarWire, FromBox, Line, LineOptions, Network, OpenError, Side, Socket, open};
use crate::telephony::pbx::carrier::{DialPlan, Next};
use crate::telephony::pbx::{Codec, Format};
use crate::telephony::public_url::PublicUrl;
use crate::telephony::stream::Frame;

/// Bytes of one message at most.
const MESSAGE_MAX: usize = 65_500;

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box listens.
    pub base_url: PublicUrl,
    /// `uri` of `websocket_client.conf`, if it is another address.
    pub media_url: Option<PublicUrl>,
    pub token: Option<Secret>,
    pub from: String,
    pub to: String,
    /// The channel's unique id.
    pub call: String,
    /// The box's own id, of a call that it has placed.
    pub ours: Option<CallId>,
    pub agent: Option<String>,
    pub language: Option<Lang>,
    pub release: Release,
    /// By Asterisk's name: `ulaw`, `alaw`, `slin`, `slin16`.
    pub format: String,
    pub network: Network,
    pub noise: Option<Arc<[i16]>>,
}

/// What a release knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 20.16, 22.6: plain text, no marks.
    First,
    /// 20.18, 22.8: marks; plain text.
    Plain,
    /// The same with `f(json)`.
    Json,
}

impl DialOptions {
    /// A call to a box on this machine, with a made-up id.
    pub fn new(base_url: PublicUrl, token: Option<Secret>) -> Self {
        Self {
            base_url,
            media_url: None,
            token,
            from: "9876543210".to_owned(),
            to: "04440001234".to_owned(),
            call: format!("pbx1-{}", CallId::new()),
            ours: None,
            agent: None,
            language: None,
            release: Release::Json,
            format: "slin16".to_owned(),
            network: Network::default(),
            noise: None,
        }
    }

    /// The address, as `websocket_client.conf` and `v(…)` of the dial plan make it.
    fn url(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("caller", &self.from).append_pair("exten", &self.to).append_pair("call", &self.call);
        if let Some(ours) = self.ours {
            query.append_pair("vaani_call", &ours.to_string());
        }
        if let Some(agent) = &self.agent {
            query.append_pair("agent", agent);
        }
        if let Some(language) = self.language {
            query.append_pair("lang", language.tag());
        }
        format!("{}?{}", self.media_url.as_ref().unwrap_or(&self.base_url).socket("/ast/media"), query.finish())
    }

    /// `Dial(WebSocket/…)`: the socket, opened.
    async fn open(&self) -> Result<Socket, OpenError> {
        let mut request = self.url().as_str().into_client_request().map_err(OpenError::from)?;
        // The answer must name it, or the socket is not opened.
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("media"));
        let token = self.token.as_ref().map(|token| HeaderValue::from_str(&format!("Bearer {}", token.expose())));
        if let Some(Ok(value)) = token {
            request.headers_mut().insert("authorization", value);
        }
        open(request).await
    }

    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let mut socket = self.open().await?;
        let mut plan = DialPlan::new(self.base_url.clone(), self.token.clone(), ("call", self.call.clone()), clock)
            .map_err(DialError::Client)?;
        let options = LineOptions { network: self.network.clone(), noise: self.noise.clone() };
        let (mut line, far) = Line::new(Channel::new(self.clone()), &self.call, options);
        tasks.spawn("asterisk's line", async move {
            let clean = 'call: loop {
                let by = line.carry_stream(socket, clock).await;
                if by == Side::Caller {
                    break true;
                }
                socket = loop {
                    match plan.next(&mut line).await {
                        Next::Over => break 'call by == Side::Box,
                        Next::HungUp => break 'call true,
                        Next::Again => {}
                    }
                    if let Ok(opened) = self.open().await {
                        break opened;
                    }
                };
                line.go_on(Channel::new(self.clone()));
            };
            plan.gone().await;
            line.over(clean).await;
        });
        Ok(far)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("no client for the dial plan's requests could be made")]
    Client(#[source] reqwest::Error),
}

/// One channel's messages.
struct Channel {
    options: DialOptions,
    format: Format,
    codec: Option<Codec>,
    /// The caller's sound that is not yet 20 ms.
    unsent: Vec<u8>,
    bulk: bool,
}

impl Channel {
    fn new(options: DialOptions) -> Self {
        let format = Format::named(&options.format).unwrap_or(Format::Ulaw);
        Self { options, format, codec: Codec::new(format).ok(), unsent: Vec::new(), bulk: false }
    }

    /// An event in the release's form; the first pair is the one that may stand alone.
    fn event(&self, name: &str, fields: &[(&str, &str)]) -> Frame {
        Frame::Text(if self.options.release == Release::Json {
            let mut event = serde_json::json!({ "event": name, "channel_id": self.options.call });
            for (field, value) in fields {
                event[*field] = match value.parse::<u64>() {
                    Ok(number) if *field != "digit" => number.into(),
                    _ => (*value).into(),
                };
            }
            event.to_string()
        } else {
            let fields: String = fields.iter().map(|(field, value)| format!(" {field}:{value}")).collect();
            format!("{name}{fields}")
        })
    }

    fn command(&mut self, name: &str, id: Option<&str>) -> Result<FromBox, String> {
        let marks = self.options.release != Release::First;
        match (name, id) {
            ("ANSWER" | "HANGUP" | "GET_STATUS", None) => Ok(FromBox::Nothing),
            ("START_MEDIA_BUFFERING", None) if !self.bulk => {
                self.bulk = true;
                Ok(FromBox::Nothing)
            }
            ("STOP_MEDIA_BUFFERING", Some(id)) if self.bulk => {
                self.bulk = false;
                Ok(FromBox::Mark(id.to_owned()))
            }
            ("MARK_MEDIA", Some(id)) if marks => Ok(FromBox::Mark(id.to_owned())),
            ("FLUSH_MEDIA", None) => {
                self.bulk = false;
                Ok(FromBox::Clear)
            }
            _ => Err(format!("unknown command {name}")),
        }
    }
}

impl FarWire for Channel {
    fn opening(&mut self) -> Vec<Frame> {
        let size = self.format.frame_bytes().to_string();
        let mut fields = vec![
            ("connection_id", "rehearsal"),
            ("channel", "WebSocket/vaani/0x1"),
            ("format", self.options.format.as_str()),
            ("optimal_frame_size", size.as_str()),
        ];
        if self.options.release == Release::Plain {
            fields.push(("channel_id", self.options.call.as_str()));
        }
        vec![self.event("MEDIA_START", &fields)]
    }

    fn sound(&mut self, pcm: &[i16], _: u64) -> Option<Frame> {
        self.codec.as_mut()?.encode(pcm, &mut self.unsent);
        let size = self.format.frame_bytes();
        (self.unsent.len() >= size).then(|| Frame::Binary(self.unsent.drain(..size).collect()))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        Some(self.event("DTMF_END", &[("digit", &digit.to_string())]))
    }

    fn mark(&mut self, name: &str) -> Option<Frame> {
        Some(match self.options.release {
            Release::First => Frame::Text(format!("MEDIA_BUFFERING_COMPLETED {name}")),
            _ => self.event("MEDIA_MARK_PROCESSED", &[("correlation_id", name)]),
        })
    }

    fn hang_up(&mut self) -> Option<Frame> {
        None
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        match frame {
            Frame::Binary(bytes) if bytes.len() > MESSAGE_MAX => Err("message too long".to_owned()),
            Frame::Binary(bytes) if !self.bulk && !bytes.len().is_multiple_of(self.format.frame_bytes()) => {
                Err("the tail of a message is no whole frame".to_owned())
            }
            Frame::Binary(bytes) => {
                let mut pcm = Vec::new();
                match self.codec.as_mut().map(|codec| codec.decode(bytes, &mut pcm)) {
                    Some(true) => Ok(FromBox::Sound(pcm)),
                    _ => Err("half a sample".to_owned()),
                }
            }
            Frame::Text(text) if self.options.release == Release::Json => {
                let value: serde_json::Value = serde_json::from_str(text).map_err(|_| "not JSON".to_owned())?;
                let name = value["command"].as_str().ok_or("no command")?;
                self.command(name, value["correlation_id"].as_str())
            }
            Frame::Text(text) => {
                let (name, id) = text.split_once(' ').map_or((text.as_str(), None), |(name, id)| (name, Some(id)));
                self.command(name, id)
            }
        }
    }

    fn gives_cleared_marks_back(&self) -> bool {
        false
    }
}
