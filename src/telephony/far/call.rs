//! What a caller does and hears on a line.

use tokio::sync::{mpsc, oneshot};

use crate::base::Moment;

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
    /// Cut on purpose ([`super::Network::cut_after`], [`Caller::cut`]) or broken.
    Network,
}

/// How a call ended, and what was counted on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    pub by: Side,
    pub close_code: Option<u16>,
    /// What the box wants after the stream is that the call ends.
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

/// A call with media flowing.
#[derive(Debug)]
pub struct FarCall {
    caller: Caller,
    ear: mpsc::Receiver<Heard>,
    carrier_call: String,
}

/// The caller's side of a call; clones speak on the same line.
#[derive(Clone, Debug)]
pub struct Caller {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
pub(super) enum Order {
    Say(Vec<i16>, oneshot::Sender<Moment>),
    Press(char),
    Raw(String),
    Cut,
    HangUp,
}

/// The line's ends of a call's channels.
pub(super) struct Ends {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) ear: mpsc::Sender<Heard>,
}

/// Frames the listener may lag behind before the oldest news is lost: one minute.
const EAR_QUEUE: usize = 3_000;
const ORDERS_QUEUE: usize = 64;

impl FarCall {
    pub(super) fn new(carrier_call: &str) -> (Self, Ends) {
        let (orders, taken) = mpsc::channel(ORDERS_QUEUE);
        let (ear, heard) = mpsc::channel(EAR_QUEUE);
        let call = Self { caller: Caller { orders }, ear: heard, carrier_call: carrier_call.to_owned() };
        (call, Ends { orders: taken, ear })
    }

    /// The carrier's own id of the call.
    pub fn carrier_call(&self) -> &str {
        &self.carrier_call
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

    /// The media connection is dropped now, without a word.
    pub async fn cut(&self) -> Result<(), CallOver> {
        self.order(Order::Cut).await
    }

    /// Says goodbye in the carrier's way, then the socket closes.
    pub async fn hang_up(&self) -> Result<(), CallOver> {
        self.order(Order::HangUp).await
    }

    async fn order(&self, order: Order) -> Result<(), CallOver> {
        self.orders.send(order).await.map_err(|_| CallOver)
    }
}
