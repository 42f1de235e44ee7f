//! Messages and framing between the vaani daemon and its engine workers.
//!
//! A worker is started with one end of a Unix stream socket as its standard input. Both sides write
//! frames; the daemon asks, the worker tells. One socket carries many requests at once, told apart
//! by their number.
//!
//! ```text
//! u32  length of everything after this field, little endian
//! u8   protocol version (VERSION)
//! u64  request number, 0 for messages about the worker itself
//! u32  length of the JSON message
//! ...  JSON message
//! ...  samples: 16-bit little-endian mono PCM, possibly none
//! ```
//!
//! Promise: a frame that breaks these rules is an error, never a panic; nothing is read beyond
//! [`FRAME_MAX`]. Absent on purpose: engines, sockets, threads, async.

pub mod desk;
mod frame;
mod message;
pub mod worker;

pub use frame::{Decoder, FRAME_MAX, Frame, FrameError, VERSION, decode_samples, encode, read_frame};
pub use message::*;
