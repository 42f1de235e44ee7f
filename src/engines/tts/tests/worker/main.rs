//! The worker program from outside, as the daemon meets it: over its socket, with the starter voice.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod conduct;
mod daemon;
mod speech;
