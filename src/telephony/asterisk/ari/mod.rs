//! Asterisk's REST interface (ARI): calls that the box places, and how they end.
//! Promise: an order without a clear answer is never given twice; what Asterisk tells of our channels reaches
//! the exchange, and what it could not tell while the connection was away is asked for afterwards.
//! Absent on purpose: media (the dial plan leads an answered channel to the box, over `chan_websocket` or
//! AudioSocket), calls that come in, and bridges: ARI moves only channels that are in one of its
//! applications, and ours are in the dial plan, so that the box itself carries the sound of a caller and a
//! person.

pub mod client;
pub mod dialer;
pub mod wire;

pub use client::{Ari, AriSettings};
pub use dialer::{AriDialer, DialPlan, keep};
