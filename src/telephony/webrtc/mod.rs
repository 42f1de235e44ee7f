//! Calls from a browser: Opus over WebRTC, offered and answered over HTTP in the way of WHIP (RFC 9725,
//! but both ways), with a page that does it.
//!
//! Promise: a browser is answered only if whoever sits at it may call, its session is bounded in number,
//! life and silence, and nothing of it is left when it is over; a browser whose connection broke carries its
//! call on with a new offer. Absent on purpose: who may call
//! (`api/guard.rs` finds out, the routes are told), TURN and anything else outside the LAN.

pub mod carrier;
pub mod codec;
pub mod facts;
pub mod machine;
pub mod order;
mod page;
mod peer;
pub mod places;
mod resume;
pub mod sdp;
pub mod server;
mod session;
pub mod wire;

pub use facts::Facts;
pub use page::pages;
pub use server::{AgentCard, Caller, Standing, WebrtcDeps, WebrtcMetrics, WebrtcSettings, routes};
