//! What the telephone exchanges of the house (Asterisk, FreeSWITCH) have in common: they cannot sign, so
//! a door asks for a token and looks at their address; they say of a call what their dial plan was told
//! to say; their sound comes in several formats.
//! Absent on purpose: any exchange's own messages.

pub mod carrier;
pub mod clock;
pub mod codec;
pub mod counts;
pub mod door;
pub mod facts;
pub mod marks;
pub mod waiting;

pub use codec::{Codec, Format};
pub use door::Door;
pub use facts::Facts;
