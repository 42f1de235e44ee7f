//! A leg: the bytes of a carrier on one side, [`leg::LegEvent`] and [`leg::LegCommand`] on the
//! other. Nothing above this room knows which carrier a call came from.

pub mod dial;
pub mod leg;
pub mod public_url;
pub mod signature;
pub mod stream;
pub mod twilio;
pub mod webrtc;
