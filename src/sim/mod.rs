//! Whole calls in virtual time: the real call machine, a scripted caller, engines and a line that
//! fail on purpose, all from one seed.
//!
//! Promise: the same seed gives the same call, to the frame; a broken invariant names the seed that
//! shows it again. Absent on purpose: sound quality (speech is a loud frame, see
//! [`crate::call::hearing::Sense::Level`]), sockets, processes.

#[cfg(test)]
mod consent_tests;
mod engines;
mod invariants;
mod person;
pub mod storm;
mod world;

pub use invariants::Broken;
pub use world::{Outcome, Simulator};
