//! The other side of the line: a carrier that calls us the way Exotel does. Rehearsals, benches and fault
//! tests use it.
//! Promise: it asks for the socket's address, opens it with the credentials that stand in it, speaks
//! AgentStream on the line (`telephony::far`), and follows the flow behind it: Passthru, Connect, and back.
//! Absent on purpose: TLS (it dials the box it runs on), the other applets, and what is said.

mod flow;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::StatusCode;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};

pub use self::flow::{Flow, Person};
use self::wire::{Peculiarities, Printer};
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::telephony::far::{self, FarCall, Line, LineOptions, Network, OpenError, Side, Socket};
use crate::telephony::public_url::PublicUrl;

/// The carrier's patience with the applet's address.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box really listens, with the credentials of its addresses and the secret part of the path:
    /// `http://user:password@127.0.0.1:8080/exotel/SECRET`.
    pub base_url: url::Url,
    /// What the box believes its address to be, and tells in its answers.
    pub public_base_url: PublicUrl,
    pub account_sid: String,
    pub call_sid: String,
    pub from: String,
    pub to: String,
    /// Further parameters of the applet's address.
    pub query: Vec<(String, String)>,
    /// Opens this path at once, as a static address in the applet has it, instead of asking.
    pub fixed_socket: Option<String>,
    /// How this account's streams differ from others'.
    pub peculiarities: Peculiarities,
    pub network: Network,
    /// Whom the Connect applet rings, if the flow comes to it.
    pub person: Person,
    /// Where Passthru's 302 leads.
    pub flow: Flow,
    /// Streams that the call had before.
    streams: u32,
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
    /// Shared between calls when there are many; each makes its own otherwise.
    pub http: Option<reqwest::Client>,
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the box could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the box answered {status} to {path}")]
    Status { path: String, status: u16 },
    #[error("the answer to /ws-url names no socket: {0}")]
    NoSocket(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the Connect applet does not take the box's answer: {0}")]
    Connect(String),
    /// Refused at the handshake, twice as the carrier tries.
    #[error("the box answered {0} to the media socket")]
    Handshake(u16),
}

/// A media stream that is open but has not said a word.
#[derive(Debug)]
pub struct OpenStream {
    pub socket: Socket,
    pub printer: Printer,
}

impl DialOptions {
    /// A call to a box on this machine, with made-up ids.
    pub fn new(base_url: url::Url, public_base_url: PublicUrl) -> Self {
        let call_sid = crate::base::CallId::new().to_string().replace('-', "");
        Self {
            base_url,
            public_base_url,
            account_sid: "rehearsal1".to_owned(),
            call_sid,
            from: "09876543210".to_owned(),
            to: "04440001234".to_owned(),
            query: Vec::new(),
            fixed_socket: None,
            peculiarities: Peculiarities::default(),
            network: Network::default(),
            person: Person::DoesNotAnswer,
            flow: Flow::default(),
            streams: 0,
            noise: None,
            http: None,
        }
    }

    /// Asks where to connect, and connects the media stream.
    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let http = self.http()?;
        let OpenStream { socket, printer } = self.open(&http).await?;
        let options = LineOptions { network: self.network.clone(), noise: self.noise.clone() };
        let (line, call) = Line::new(printer, &self.call_sid, options);
        tasks.spawn("carrier's line", flow::run(self, line, socket, http, clock));
        Ok(call)
    }

    /// The stream without the line, for those who speak on it themselves.
    pub async fn open_stream(self) -> Result<OpenStream, DialError> {
        let http = self.http()?;
        self.open(&http).await
    }

    fn http(&self) -> Result<reqwest::Client, DialError> {
        self.http.clone().map_or_else(|| far::client().map_err(DialError::Unreachable), Ok)
    }

    async fn open(&self, http: &reqwest::Client) -> Result<OpenStream, DialError> {
        let told = match &self.fixed_socket {
            Some(path) => self.told_as_applet(path),
            None => self.ask(http).await?,
        };
        let wrong = || DialError::NoSocket(told.clone());
        let mut url = url::Url::parse(&told).map_err(|_| wrong())?;
        // Where the box says it is, replaced by where it really is.
        let real = &self.base_url;
        let plain = url.set_scheme("ws").and_then(|()| url.set_port(real.port())).is_ok();
        if !plain || url.set_host(real.host_str()).is_err() {
            return Err(wrong());
        }
        // The carrier strips the credentials and sends them as a header.
        let login = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(wrong());
        }
        let socket = match self.handshake(&url, &login).await {
            // One automatic retry.
            Err(DialError::Handshake(_)) => self.handshake(&url, &login).await?,
            opened => opened?,
        };
        let asked = url.query_pairs().find(|(name, _)| matches!(&**name, "sample-rate" | "sample_rate"));
        let rate = asked.and_then(|(_, rate)| rate.parse().ok()).unwrap_or(8_000);
        let parameters: Vec<_> =
            url.query_pairs().into_owned().filter(|(name, _)| !name.starts_with("sample")).collect();
        let printer = Printer::new(self, rate, parameters);
        Ok(OpenStream { socket, printer })
    }

    async fn handshake(&self, url: &url::Url, login: &str) -> Result<Socket, DialError> {
        let mut request = url.as_str().into_client_request().map_err(OpenError::from)?;
        if login != ":"
            && let Ok(value) = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(login)))
        {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        match far::open(request).await {
            Err(OpenError::Socket(error)) => match *error {
                tokio_tungstenite::tungstenite::Error::Http(answer) => {
                    Err(DialError::Handshake(answer.status().as_u16()))
                }
                other => Err(OpenError::from(other).into()),
            },
            opened => Ok(opened?),
        }
    }

    /// The Voicebot applet's request.
    async fn ask(&self, http: &reqwest::Client) -> Result<String, DialError> {
        let mut query = self.query.clone();
        query.extend(self.of_call());
        let answer = self.get(http, "/ws-url", &query).await?;
        if !answer.status().is_success() {
            return Err(DialError::Status { path: "/ws-url".to_owned(), status: answer.status().as_u16() });
        }
        let answer: serde_json::Value = answer.json().await.map_err(DialError::Unreachable)?;
        let told = answer["url"].as_str().ok_or_else(|| DialError::NoSocket(answer.to_string()))?;
        Ok(told.to_owned())
    }

    /// The Passthru applet's question after the stream; the status picks the branch.
    pub async fn passthru(&self, http: &reqwest::Client, by: Side) -> Result<StatusCode, DialError> {
        let (status, whose) = match by {
            Side::Box => ("completed", "bot"),
            Side::Caller => ("cancelled", "user"),
            Side::Network => ("failed", "NA"),
        };
        let mut query = self.of_call();
        query.extend(
            [
                ("Stream[StreamSID]", self.stream_sid().as_str()),
                ("Stream[Status]", status),
                ("Stream[DisconnectedBy]", whose),
                ("Stream[Duration]", "10"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Ok(self.get(http, "/passthru-handler", &query).await?.status())
    }

    fn of_call(&self) -> Vec<(String, String)> {
        [
            ("CallSid", self.call_sid.as_str()),
            ("CallFrom", &self.from),
            ("CallTo", &self.to),
            ("From", &self.from),
            ("To", &self.to),
            ("Direction", "incoming"),
            ("CallStatus", "in-progress"),
            ("CallType", "call-attempt"),
            ("flow_id", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn stream_sid(&self) -> String {
        match self.streams {
            0 => format!("s{}", self.call_sid),
            again => format!("s{}-{again}", self.call_sid),
        }
    }

    fn told_as_applet(&self, path: &str) -> String {
        self.base_url.as_str().trim_end_matches('/').to_owned() + path
    }

    async fn get(
        &self,
        http: &reqwest::Client,
        path: &str,
        query: &[(String, String)],
    ) -> Result<reqwest::Response, DialError> {
        let asked = http.get(self.told_as_applet(path)).query(query).timeout(ANSWER_WITHIN);
        asked.send().await.map_err(DialError::Unreachable)
    }
}

/// A part of an address without its percent signs.
fn decoded(part: &str) -> String {
    let pair = format!("x={}", part.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
