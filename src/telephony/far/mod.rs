//! The far end of a line: a caller behind a carrier that streams sound, for rehearsals, benches and
//! fault tests. What is the same for every carrier is here; a carrier brings its messages
//! ([`FarWire`]) and the way a call is set up.
//! Promise: the caller's sound leaves in 20 ms steps of real time, what the box sends is played in real
//! time, and marks go back when they have really been played.
//! Absent on purpose: any carrier's messages, TLS (it dials the box it runs on), and what is said.

mod call;
mod dial;
mod line;
mod network;
mod player;
mod wire;

pub use call::{CallEnd, CallOver, Caller, FarCall, Heard, Played, Side};
pub use dial::{OpenError, Socket, client, open};
pub use line::{Line, LineOptions};
pub use network::{AfterCut, Network};
pub use wire::{FarWire, FromBox};
