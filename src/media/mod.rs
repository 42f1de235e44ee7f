//! Sound: pure functions and machines on 20 ms frames.
//! Promise: nothing here waits, reads a clock, allocates without bound or panics on odd input; time
//! is handed in. On the way in: [`g711`] → [`jitter`] → [`resample`] → [`activity`] → [`endpoint`],
//! with [`dtmf`] beside it; on the way out: [`pace`] → [`g711`]; both ways go to [`record`].
//! Absent on purpose: carriers, text, who speaks when.

pub mod activity;
pub mod answering_machine;
#[cfg(test)]
mod cost;
pub mod dtmf;
pub mod endpoint;
mod features;
pub mod g711;
pub mod jitter;
pub mod noise;
pub mod pace;
pub mod record;
pub use crate::base::resample;
pub mod wav;
