//! The real daemon as a process, with real engines, called over the carrier's real protocol while
//! things break: workers die, lines are cut, callers say nothing, the daemon is told to stop or is
//! killed.
//!
//! Needs `cargo build --workspace` and `scripts/engine-data`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod ends;
mod engines;
mod exotel;
mod full;
mod kills;
mod left;
mod lines;
mod machines;
mod outbound;
mod recording;
mod refused;
mod resumed;
mod support;
mod tenants;
mod transfer;
mod walls;
