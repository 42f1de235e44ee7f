//! FreeSWITCH's event socket, in both directions: we connect and see all channels, or FreeSWITCH connects
//! for one channel.
//! Promise: replies are matched to their commands in order, jobs by their id; what has no answer within
//! its time, or was under way when the connection broke, is told as lost, never guessed.

pub mod client;
pub mod command;
pub mod machine;
pub mod server;
pub mod wire;

pub use client::Esl;
pub use command::Command;
pub use machine::Reply;
