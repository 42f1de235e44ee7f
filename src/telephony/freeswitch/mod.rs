//! FreeSWITCH: media over `mod_audio_fork` (sound streams both ways) or `mod_audio_stream` (sound comes
//! back as files), channels over its event socket.
//! Promise: nobody passes but through the door (`telephony::pbx::door`) or with a one-time token for a
//! stream that we have asked for; a channel ends with its call.
//! Absent on purpose: SIP.

pub mod carrier;
pub mod causes;
pub mod dialer;
pub mod esl;
pub mod hub;
pub mod machine;
pub mod server;
pub mod wire;

pub use dialer::{FreeswitchDialer, FreeswitchTransferer};
pub use hub::{FreeswitchMetrics, Hub, Streams};
pub use server::routes;
