//! Placing calls: what every transport that can dial fulfils.
//! Promise: a verdict says whether somebody may have been rung. Who cannot tell says [`Verdict::Unknown`],
//! and such a call is never dialled again by the box itself.
//! Absent on purpose: when and whom to call, retries, the conversation.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::base::CallId;
use crate::base::phone::Phone;

/// Whom to ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Number(Phone),
    /// As the dial plan of an exchange of the house knows it: `1001`, a queue's name.
    Extension(String),
}

impl Destination {
    /// `None`: it is reached inside the house only.
    pub const fn number(&self) -> Option<&Phone> {
        match self {
            Self::Number(phone) => Some(phone),
            Self::Extension(_) => None,
        }
    }
}

/// Somebody is to be rung.
#[derive(Clone, Debug)]
pub struct Order {
    /// The box's own id. The carrier is told it and brings it back with its webhooks or media
    /// ([`super::leg::Announcement::call`]).
    pub call: CallId,
    pub to: Destination,
    /// The number to show; `None`: the transport's own.
    pub caller_id: Option<Phone>,
    pub agent: String,
    /// It rings so long at most.
    pub ring: Duration,
    /// An answered call lasts so long at most.
    pub limit: Duration,
    /// Find out whether a person or a machine answers, and tell ([`super::leg::Exchange::answered_by`]).
    pub detect_machine: bool,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The carrier has taken it; news comes by its callbacks and media.
    Placed { carrier_call: String },
    /// Nobody was rung.
    Refused { why: Refused, detail: String },
    /// The order may or may not have reached the carrier.
    Unknown { detail: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the carrier could not be reached")]
    Unreachable,
    #[error("the carrier asks to wait")]
    Throttled { after: Option<Duration> },
    #[error("the carrier does not know us or does not allow it")]
    NotAllowed,
    #[error("the carrier does not take this number")]
    BadNumber,
    #[error("the carrier has a fault of its own")]
    CarrierFault,
    #[error("the line is busy")]
    Busy,
    #[error("nobody answered")]
    NoAnswer,
    #[error("the called side declined")]
    Declined,
}

/// May the same number be dialled again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Yes, after a while.
    Safe,
    /// It would end the same way until somebody changes something.
    Pointless,
    /// Somebody may have been rung already: only a person decides.
    Ask,
}

impl Verdict {
    pub fn refused(why: Refused, detail: impl Into<String>) -> Self {
        Self::Refused { why, detail: detail.into() }
    }

    pub const fn retry(&self) -> Retry {
        match self {
            Self::Placed { .. } | Self::Unknown { .. } => Retry::Ask,
            Self::Refused { why, .. } => match why {
                Refused::Unreachable
                | Refused::Throttled { .. }
                | Refused::CarrierFault
                | Refused::Busy
                | Refused::NoAnswer
                | Refused::Declined => Retry::Safe,
                Refused::NotAllowed | Refused::BadNumber => Retry::Pointless,
            },
        }
    }
}

/// A transport that can dial.
pub trait Dialer: Send + Sync + 'static {
    /// As in [`super::leg::Announcement::transport`].
    fn transport(&self) -> &'static str;
    /// Is it set up to ring this kind of destination?
    fn reaches(&self, _to: &Destination) -> bool {
        true
    }
    /// Does the carrier find out who answers, and tell ([`super::leg::Exchange::answered_by`])? Else the call
    /// listens for itself.
    fn tells_machines(&self) -> bool {
        false
    }
    /// Hands the order to the carrier, within a bounded time.
    fn place(&self, order: Order) -> BoxFuture<'_, Verdict>;
    /// Ends a call that was placed, ringing or not; one that is over already counts as ended.
    fn hang_up<'a>(&'a self, carrier_call: &'a str) -> BoxFuture<'a, Result<(), String>>;
}
