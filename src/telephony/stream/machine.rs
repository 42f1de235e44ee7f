//! A streaming leg as a machine without I/O: the peer's frames, the call's commands and time go in; leg
//! events, frames for the peer and at last a close come out.
//! Promise of every such machine: nothing is heard from or said to a peer that was not admitted; after
//! [`LegEvent::Closed`] nothing more comes out but the close itself; no message of the peer, however
//! odd, ends the leg unless it can go on no further.

use std::time::Duration;

use crate::base::{Moment, limits};
use crate::telephony::leg::{LegCommand, LegEvent};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// A message over the socket's bound; the rest of the stream is lost with it.
    TooBig,
    /// Answer to [`Output::Admit`]: the call is told of this leg.
    Admitted,
    /// Answer to [`Output::Admit`]: no.
    Refused,
    Command(LegCommand),
    /// The call's task is gone without a word.
    CallGone,
    /// A close frame, with its code if it had one.
    PeerClosed(Option<u16>),
    /// The socket ended without a close frame, or broke.
    Broken,
    /// The peer does not take what we send.
    Stalled,
    Tick,
}

/// A message for the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

/// What to do about it. `S` is what a peer shows for itself.
#[derive(Debug, PartialEq)]
pub enum Output<S> {
    /// Ask whether this peer may carry a call; answer with `Admitted` or `Refused` before anything else.
    Admit(S),
    Event(LegEvent),
    Send(Frame),
    /// The first of its kind on this leg, by name; worth a line in the log.
    Notice(&'static str),
    /// Last output: close the socket once everything before it has been sent.
    Close {
        code: u16,
        reason: &'static str,
    },
}

pub trait Machine: Send + 'static {
    type Shown: Send;

    fn handle(&mut self, now: Moment, input: Input<'_>);
    /// To be drained after every `handle`.
    fn poll(&mut self) -> Option<Output<Self::Shown>>;
    /// When it wants [`Input::Tick`] at the latest; it gets one twice a second anyway.
    fn deadline(&self) -> Option<Moment>;
    /// How often the peer did what it should not have, by kind.
    fn oddities(&self) -> Vec<(&'static str, u32)>;

    /// How far ahead of real time the call must send, so that the peer never runs dry. Asked once, when the
    /// peer is admitted.
    fn lead(&self) -> Duration {
        limits::PLAYOUT_LEAD
    }
}
