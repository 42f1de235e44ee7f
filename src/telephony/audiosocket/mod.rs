//! Asterisk's AudioSocket: bare TCP, packets of a type, a length and a payload. Asterisk dials us; the
//! first packet is a UUID, under which the call was announced before over HTTP (`/ast/pre`).
//! Promise: an unknown UUID gets nothing unless strangers from named networks are allowed; there is no
//! way to empty Asterisk's queue, so hardly anything is put into it ahead of time.

pub mod carrier;
pub mod machine;
pub mod server;
pub mod wire;

pub use server::{AudioSocketDeps, AudioSocketMetrics, Expected, serve};
