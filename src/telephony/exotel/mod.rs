//! Exotel: the Voicebot applet's dynamic address and WebSocket, the Passthru and Connect applets, status
//! callbacks.
//! Promise: nothing is answered that does not show what an administrator has put into the carrier's
//! addresses; a stream carries the one call its session was made for, once.
//! Absent on purpose: the Legs API (it wants gRPC), the one-way Stream applet.

pub mod access;
pub mod carrier;
mod connect;
pub mod form;
pub mod machine;
mod passthru;
pub mod rest;
pub mod server;
pub mod sound;
pub mod wire;

pub use connect::Flows;
pub use server::{ExotelDeps, ExotelMetrics, ExotelSettings, routes};

/// The name of this transport.
pub const TRANSPORT: &str = "exotel";
