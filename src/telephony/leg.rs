//! The contract every transport fulfils.
//! Promise: audio is 8 kHz mono in order of arrival with the carrier's media time; after
//! [`LegEvent::Closed`] nothing more comes. Absent on purpose: what is said, and why.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::transfer::{PersonNews, Seeking};
use crate::base::event::{AnsweredBy, CallState, Direction};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang};

/// Something happened on the line.
#[derive(Clone, Debug, PartialEq)]
pub enum LegEvent {
    /// Caller's sound, any length, 8 kHz. `at_ms` is the carrier's media clock; gaps, repeats and
    /// disorder are the call's to mend.
    Audio {
        pcm: Vec<i16>,
        at_ms: u64,
    },
    /// A key, told by the carrier: `0-9 * #`.
    Dtmf(char),
    /// Everything sent before this mark has been played to the caller.
    MarkPlayed(u64),
    /// The mark was thrown away by `Clear`, its audio (or part of it) not played.
    MarkFlushed(u64),
    Closed(LegEnd),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEnd {
    /// The carrier said that the call or stream is over.
    HungUp,
    /// We closed it.
    ClosedByUs,
    /// The socket broke, stalled or broke the protocol beyond repair.
    Lost,
}

impl LegEnd {
    /// What a peer's close frame says, by its code if it had one (RFC 6455, 7.4.1).
    pub const fn of_close(code: Option<u16>) -> Self {
        if matches!(code, None | Some(1000 | 1001 | 1005)) { Self::HungUp } else { Self::Lost }
    }
}

/// What the call wants of the line.
#[derive(Clone, Debug, PartialEq)]
pub enum LegCommand {
    /// One 20 ms frame, 8 kHz. The call paces; the leg sends at once.
    Audio(Vec<i16>),
    /// Ask to be told when everything sent so far has been played.
    Mark(u64),
    /// Somebody may be about to speak. Where the carrier plays out what it has begun, it is to begin nothing more
    /// for now: `Clear` follows within a moment, or it was nothing and the leg goes on by itself. For all others
    /// `Clear` is soon enough.
    Hush,
    /// Throw away what the carrier has not played yet.
    Clear,
    /// Send what is queued in the leg, then end the line.
    Hangup,
}

/// A call the carrier has told us of, before any media.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub transport: &'static str,
    /// The carrier's own id of the call (`CallSid`). The same id announced twice is the same call.
    pub carrier_call: String,
    pub direction: Direction,
    pub from: Option<Phone>,
    pub to: Option<Phone>,
    pub agent: Option<String>,
    /// The box's own id, of a call that it has placed itself ([`super::dial::Order::call`]).
    pub call: Option<CallId>,
    /// The customer's state and district, where a record says them.
    pub state: Option<String>,
    pub district: Option<String>,
}

/// A media connection ready to carry an announced call.
#[derive(Debug)]
pub struct LegOffer {
    pub call: CallId,
    /// Chosen by key in a menu or by the number dialled.
    pub language: Option<Lang>,
    /// How far ahead of real time sound must be sent, so that the carrier never runs dry.
    pub lead: Duration,
    pub events: mpsc::Receiver<LegEvent>,
    pub commands: mpsc::Sender<LegCommand>,
}

/// Why a call is not taken; the transport says it in its own way (busy tone, 503, `<Reject>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the box is at its limit of live calls")]
    Full,
    #[error("the engines have no room for another call")]
    Overloaded,
    #[error("the box is stopping and takes no new calls")]
    Draining,
    #[error("no such call was announced, or it already has its media")]
    UnknownCall,
    #[error("no agent of that name is configured")]
    UnknownAgent,
    #[error("the agent answers for a tenant that is not there")]
    NoTenant,
}

/// The exchange behind the legs, implemented by `call::registry`.
pub trait Exchange: Send + Sync + 'static {
    /// A call begins. Admission is decided here, before anything is promised to the carrier.
    fn announce(&self, announcement: Announcement) -> Result<CallId, Refusal>;
    /// Its media is there; the call's task starts, or goes on with it if its media had broken.
    fn connect(&self, offer: LegOffer) -> Result<(), Refusal>;
    /// The carrier's own id of a call that the box has placed. Calls that are over are ignored.
    fn named(&self, call: CallId, carrier_call: &str);
    /// The carrier reports a state of the call (status callback). Unknown calls are ignored.
    fn carrier_state(&self, carrier_call: &str, state: CallState);
    /// The carrier reports who took a call that we placed. Unknown calls are ignored.
    fn answered_by(&self, carrier_call: &str, who: AnsweredBy);
    /// Languages that the agent for `to` offers, in the order of its key menu; one or none: no menu.
    fn menu(&self, agent: Option<&str>) -> Vec<Lang>;
    /// Has the conversation let this call go to a person? The carrier asks where to send it next.
    fn goes_to_person(&self, _carrier_call: &str) -> Option<Seeking> {
        None
    }
    /// The carrier tells how a caller gets on who goes to a person; the same may come twice. Unknown calls are
    /// ignored.
    fn person(&self, _carrier_call: &str, _news: PersonNews) {}
    /// The media of a call is over and its carrier, or whoever asks it, wants to know what follows: does the call
    /// wait to be connected again? True: [`Exchange::connect`] is taken once more. Calls that are over, end just
    /// now or were never known do not wait.
    fn media_over(&self, _carrier_call: &str) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }
    /// The language to speak to a caller in of whom nothing else is known.
    fn greeting_language(&self, announcement: &Announcement) -> Lang;
    /// Somebody who could not be taken wants to be called back; true once that is on the disk.
    fn wants_callback(&self, announcement: Announcement, language: Lang) -> BoxFuture<'_, bool>;
}
