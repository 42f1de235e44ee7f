//! Carriers' protocols over real sockets: golden frames, and the routes of each transport against
//! an exchange that only takes notes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod exchange;
mod exotel;
mod local;
mod pbx;
mod twilio;
mod webrtc;
