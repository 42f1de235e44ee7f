//! Engines that hear, think and speak. The contract is in [`stt`], [`llm`] and [`tts`]; [`engines`]
//! is the daemon's side of the local workers, [`providers`] are engines outside the box, [`router`] decides who answers a stage of a turn.
//! Absent on purpose: telephony, dialogue, prompts.

#[cfg(test)]
pub(crate) mod absent;
pub mod catalogue;
pub mod engines;
pub mod fault;
pub mod hardware;
pub mod line_cache;
pub mod llm;
pub mod providers;
pub mod router;
pub mod score;
pub mod stt;
pub mod tts;

pub use fault::{Fault, FaultKind};
