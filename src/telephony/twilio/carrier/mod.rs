//! The other side of the line: a carrier that dials us the way Twilio does. Rehearsals, benches and
//! fault tests use it.
//! Promise: it signs like the carrier, follows the TwiML it is given, also after a stream that broke, and
//! speaks Media Streams on the line (`telephony::far`).
//! Absent on purpose: TLS (it dials the box it runs on), and what is said.

mod follow;
mod line;
pub mod wire;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::Clock;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::telephony::far::{FarCall, Line, LineOptions, OpenError, Socket};
use crate::telephony::public_url::PublicUrl;

pub use crate::telephony::far::{Network, client};

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box really listens: `http://127.0.0.1:8080`.
    pub base_url: PublicUrl,
    /// What the box believes its address to be; this is what gets signed.
    pub public_base_url: PublicUrl,
    pub auth_token: Secret,
    pub account_sid: String,
    pub from: String,
    pub to: String,
    pub call_sid: String,
    /// Pressed one after the other, each in a menu of its own.
    pub digits: VecDeque<char>,
    /// Path and query of the first webhook.
    pub path: String,
    pub network: Network,
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
    /// Shared between calls when there are many; each makes its own otherwise.
    pub http: Option<reqwest::Client>,
}

impl DialOptions {
    /// A call to a box on this machine, with made-up ids.
    pub fn new(base_url: PublicUrl, auth_token: Secret) -> Self {
        let id = crate::base::CallId::new().to_string().replace('-', "");
        Self {
            public_base_url: base_url.clone(),
            base_url,
            auth_token,
            account_sid: format!("AC{:032x}", 9),
            from: "+919876543210".to_owned(),
            to: "+914440001234".to_owned(),
            call_sid: format!("CA{id}"),
            digits: VecDeque::new(),
            path: "/voice/incoming".to_owned(),
            network: Network::default(),
            noise: None,
            http: None,
        }
    }

    pub fn digit(mut self, digit: char) -> Self {
        self.digits.push_back(digit);
        self
    }

    /// Of the call's stream with this number.
    fn printer(&self, stream: u32) -> wire::Printer {
        wire::Printer::new(&self.account_sid, &self.call_sid, &stream_sid(&self.call_sid, stream))
    }

    /// Dials, goes through the menu and connects the media stream.
    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let mut follower = follow::Follower::new(self)?;
        let offer = follower.dial().await?;
        let socket = follower.open(&offer).await?;
        let Self { call_sid, network, noise, .. } = &follower.options;
        let wire = line::MediaStream::new(follower.options.printer(0), offer.parameters.clone());
        let options = LineOptions { network: network.clone(), noise: noise.clone() };
        let (line, call) = Line::new(wire, call_sid, options);
        tasks.spawn("carrier's line", line::run(line, socket, offer, follower, clock));
        Ok(call)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the box answered {status} to {path}")]
    Status { path: String, status: u16 },
    #[error("the box could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the answer to {path} is not TwiML we can follow: {what}")]
    Twiml { path: String, what: String },
    #[error("the call was rejected ({reason})")]
    Rejected { reason: String },
    #[error("the box hung up before any media")]
    HungUp,
    #[error("the box sent us from one webhook to the next {0} times")]
    Loop(usize),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A media stream that is open but has not said a word: no `connected`, no `start`.
#[derive(Debug)]
pub struct OpenStream {
    pub socket: Socket,
    /// The `<Parameter>`s to repeat in `start`.
    pub parameters: Vec<(String, String)>,
    pub printer: wire::Printer,
}

impl OpenStream {
    /// Dials and goes through the menu, and leaves the rest to the caller of this function.
    pub async fn dial(options: DialOptions) -> Result<Self, DialError> {
        let mut follower = follow::Follower::new(options)?;
        let offer = follower.dial().await?;
        let socket = follower.open(&offer).await?;
        Ok(Self { socket, parameters: offer.parameters, printer: follower.options.printer(0) })
    }
}

/// Streams of a call are counted from 0.
fn stream_sid(call_sid: &str, stream: u32) -> String {
    let first = call_sid.replacen("CA", "MZ", 1);
    if stream == 0 { first } else { format!("{first}-{stream}") }
}
