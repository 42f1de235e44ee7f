//! The worker program from outside, as the daemon meets it: over its socket, on the starter model.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod conduct;
mod daemon;
mod recognition;
