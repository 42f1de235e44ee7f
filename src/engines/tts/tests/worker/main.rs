//! The worker program from outside, as the daemon meets it: over its socket, with the starter voice.

mod conduct;
mod daemon;
mod speech;
