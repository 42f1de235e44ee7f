//! The box's own microphone and speaker: a call for bring-up, an intercom or a kiosk.
//!
//! The daemon takes handsets on a Unix socket in its state directory, so that whoever may read that directory
//! may call, and no daemon needs a sound library; `vaani call --local` is a handset with a sound card, two
//! files or nothing behind it. Promise: a handset's call is a call like any other, its microphone does not
//! hear its speaker; a handset whose socket broke comes back and carries its call on; nothing of it is left when
//! either side goes away for good.
//! Absent on purpose: other machines (the socket is this one's), and more than one voice.

pub mod carrier;
mod echo_canceller;
mod echo_gate;
pub mod handset;
mod lines;
pub mod machine;
pub mod server;
pub mod sound;
pub mod wire;

pub use server::{LocalDeps, serve};
