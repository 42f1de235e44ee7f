//! Asterisk over `chan_websocket`: one WebSocket a call, raw sound in binary messages both ways, control
//! in text, plain or JSON. Asterisk dials us; calls of the box's own are placed through its REST interface.
//! Promise: nobody passes but through the door (`telephony::pbx::door`); Asterisk's queue is never filled
//! beyond where it says stop.
//! Absent on purpose: SIP.

pub mod ari;
pub mod carrier;
pub mod machine;
pub mod server;
pub mod wire;

pub use server::{AsteriskDeps, AsteriskMetrics, routes};
