//! Joins telephony, media, dialogue and ai: one machine a call, one task that drives it.
//! Promise: every call that was announced ends in a final state, recorded exactly once. Absent on
//! purpose: carriers' formats, engines' processes, HTTP.

pub mod admission;
mod answered;
mod answers;
#[cfg(test)]
mod bench;
pub mod bridge;
pub mod consent;
pub mod consult;
pub mod driver;
pub mod echo;
pub mod hearing;
pub mod lifecycle;
pub mod machine;
mod minutes;
pub mod mouth;
pub mod oneshot;
pub mod recording;
pub mod registry;
mod resume;
pub mod script;
pub mod transfer;
mod turns;
