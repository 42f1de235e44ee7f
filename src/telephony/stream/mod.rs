//! What every transport that streams sound over a socket shares: the contract of its machine, the task
//! that moves frames between a WebSocket and the call, and the call's end of the channels.
//! Absent on purpose: any carrier's messages, and who may connect.

pub mod counter;
pub mod link;
pub mod machine;
pub mod marks;
pub mod metrics;
pub mod packets;
pub mod payload;
pub mod pump;
pub mod socket;
pub mod tokens;

pub use link::Link;
pub use machine::{Frame, Input, Machine, Output};
pub use metrics::StreamMetrics;
