//! The other side of the line: a carrier that dials us the way Twilio does. Rehearsals, benches and
//! fault tests use it.
//! Promise: it signs like the carrier, follows the TwiML it is given, sends 20 ms frames in real
//! time, plays what it gets in real time and echoes marks when they have really been played.
//! Absent on purpose: TLS (it dials the box it runs on), and what is said.

mod follow;
mod line;
mod network;
mod player;
pub mod wire;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;

use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, Moment};
use crate::telephony::public_url::PublicUrl;

pub use follow::client;
pub use network::Network;

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
    #[error("only ws:// sockets can be dialled from here, not {0}")]
    NotPlain(String),
    #[error("the media socket could not be opened")]
    Socket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("no connection to the media socket")]
    Connect(#[source] std::io::Error),
}

/// What comes out of the caller's earpiece.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// One for every 20 ms of the call, silence included.
    Frame(Played),
    /// The box threw away what was not played yet.
    Cleared { at: Moment, samples: usize },
    /// Nothing comes after this.
    Ended(CallEnd),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    pub at: Moment,
    /// Milliseconds since the media stream began.
    pub at_ms: u64,
    pub pcm: Vec<i16>,
    /// How many of the samples the box sent; the rest is silence because it sent nothing.
    pub from_box: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    Box,
    /// Cut on purpose ([`Network::cut_after`]) or broken.
    Network,
}

/// How a call ended, and what was counted on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    pub by: Side,
    pub close_code: Option<u16>,
    /// The TwiML after the stream ended with a hang-up.
    pub clean: bool,
    pub frames_sent: u64,
    pub frames_received: u64,
    /// Times the earpiece ran dry in the middle of speech.
    pub underruns: u32,
    /// Messages of the box that the real carrier would have dropped, by its error text.
    pub violations: Vec<String>,
}

/// The line is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call is over")]
pub struct CallOver;

/// A media stream that is open but has not said a word: no `connected`, no `start`.
#[derive(Debug)]
pub struct OpenStream {
    pub socket: WebSocketStream<TcpStream>,
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
        let DialOptions { account_sid, call_sid, .. } = &follower.options;
        let printer = wire::Printer::new(account_sid, call_sid, &stream_sid(call_sid));
        Ok(Self { socket, parameters: offer.parameters, printer })
    }
}

fn stream_sid(call_sid: &str) -> String {
    call_sid.replacen("CA", "MZ", 1)
}

/// A call with media flowing.
#[derive(Debug)]
pub struct CarrierCall {
    caller: Caller,
    ear: mpsc::Receiver<Heard>,
    call_sid: String,
}

/// The caller's side of a call; clones speak on the same line.
#[derive(Clone, Debug)]
pub struct Caller {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Say(Vec<i16>, oneshot::Sender<Moment>),
    Press(char),
    Raw(String),
    HangUp,
}

/// Frames the listener may lag behind before the oldest news is lost: one minute.
const EAR_QUEUE: usize = 3_000;
const ORDERS_QUEUE: usize = 64;

impl CarrierCall {
    /// Dials, goes through the menu and connects the media stream.
    pub async fn dial(options: DialOptions, tasks: &Scope, clock: Clock) -> Result<Self, DialError> {
        let (orders, taken) = mpsc::channel(ORDERS_QUEUE);
        let (ear, heard) = mpsc::channel(EAR_QUEUE);
        let call_sid = options.call_sid.clone();
        let mut follower = follow::Follower::new(options)?;
        let offer = follower.dial().await?;
        let socket = follower.open(&offer).await?;
        tasks.spawn("carrier's line", line::run(socket, offer, follower, clock, taken, ear));
        Ok(Self { caller: Caller { orders }, ear: heard, call_sid })
    }

    pub fn call_sid(&self) -> &str {
        &self.call_sid
    }

    /// The caller's side, to speak while another task listens.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// What comes next out of the earpiece; `None` after the end.
    pub async fn hear(&mut self) -> Option<Heard> {
        self.ear.recv().await
    }

    /// Listens on until the call has ended.
    pub async fn end(mut self) -> Option<CallEnd> {
        while let Some(heard) = self.hear().await {
            if let Heard::Ended(end) = heard {
                return Some(end);
            }
        }
        None
    }

    /// See [`Caller::say`].
    pub async fn say(&self, pcm: Vec<i16>) -> Result<Moment, CallOver> {
        self.caller.say(pcm).await
    }

    pub async fn press(&self, digit: char) -> Result<(), CallOver> {
        self.caller.press(digit).await
    }

    pub async fn hang_up(&self) -> Result<(), CallOver> {
        self.caller.hang_up().await
    }
}

impl Caller {
    /// Speaks 8 kHz sound after what is being said already; completes when the last of it has been
    /// sent and tells when that was.
    pub async fn say(&self, pcm: Vec<i16>) -> Result<Moment, CallOver> {
        let (said, done) = oneshot::channel();
        self.order(Order::Say(pcm, said)).await?;
        done.await.map_err(|_| CallOver)
    }

    pub async fn press(&self, digit: char) -> Result<(), CallOver> {
        self.order(Order::Press(digit)).await
    }

    /// Sends a text frame as it stands, however wrong; for fault tests.
    pub async fn send_raw(&self, text: String) -> Result<(), CallOver> {
        self.order(Order::Raw(text)).await
    }

    /// `stop`, then the socket closes.
    pub async fn hang_up(&self) -> Result<(), CallOver> {
        self.order(Order::HangUp).await
    }

    async fn order(&self, order: Order) -> Result<(), CallOver> {
        self.orders.send(order).await.map_err(|_| CallOver)
    }
}
