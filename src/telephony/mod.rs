//! A leg: the bytes of a carrier on one side, [`leg::LegEvent`] and [`leg::LegCommand`] on the
//! other. Nothing above this room knows which carrier a call came from.

pub mod apology;
pub mod asterisk;
pub mod audiosocket;
pub mod dial;
pub mod exotel;
pub mod far;
pub mod freeswitch;
pub mod leg;
pub mod lines;
pub mod local;
pub mod orders;
pub mod pbx;
pub mod public_url;
pub mod signature;
pub mod stream;
pub mod transfer;
pub mod twilio;
pub mod webrtc;
