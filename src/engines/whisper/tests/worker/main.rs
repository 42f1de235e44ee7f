//! The worker program from outside, as the daemon meets it: over its socket, on the starter model.

mod conduct;
mod daemon;
mod recognition;
