//! Handing a caller to a person: what a transport can do for it.
//!
//! The conversation decides, speaks and waits. Where it can, a person is rung through a
//! [`super::dial::Dialer`] and gets a leg of their own, so that they hear who waits and may refuse while
//! the caller is still ours; only then are the two joined: by their carrier, if it can, or in the box.
//! Where the carrier's flow does it all ([`Way::LetGo`]) the leg ends and the carrier asks where to send
//! the caller.
//!
//! Promise: a caller whom nobody takes comes back to the conversation.
//! Absent on purpose: who is rung and when, what is said.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::dial::{Destination, Refused};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang};

/// How a caller on a transport's line reaches a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The person is rung on another line; the transport joins two of its own lines ([`Transferer::join`]).
    Join,
    /// The person is rung on another line, and the two stay on legs of the box, which carries their sound.
    InBox,
    /// The leg ends, and the carrier asks where to send the caller ([`super::leg::Exchange::goes_to_person`]).
    LetGo,
}

/// To whom a caller who was let go is to be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeking {
    pub to: Destination,
    /// It rings so long at most.
    pub ring: Duration,
    /// The number to show; `None`: the transport's own.
    pub caller_id: Option<Phone>,
    /// What the person hears about the caller before the two are connected, where the carrier can say it.
    pub summary: Option<String>,
    /// The caller's.
    pub language: Option<Lang>,
}

/// What a carrier tells of a caller's way to a person, where it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonNews {
    Ringing,
    /// The two talk.
    Talking,
    /// Nobody took the caller, who comes back or is gone.
    NotReached(Refused),
    /// They have talked; the person is gone.
    Done,
}

/// A transport that can hand callers on.
pub trait Transferer: Send + Sync + 'static {
    /// As in [`super::leg::Announcement::transport`].
    fn transport(&self) -> &'static str;
    /// How this caller reaches a person.
    fn way(&self, carrier_call: &str) -> Way;
    /// Lets two lines of this transport talk to each other without the box, by the carrier's ids. Their
    /// legs end with it, in any order; [`super::leg::Exchange::carrier_state`] tells the end of the
    /// caller's line. An error says that both are where they were.
    fn join<'a>(&'a self, call: CallId, caller: &'a str, person: &'a str) -> BoxFuture<'a, Result<(), String>>;
}
