//! What an agent may not say, checked on every clause before it is spoken, whoever wrote it.
//! Promise: no waiver or guarantee, no threat, no request for a secret, no abuse, no claim to be a
//! person, in eleven languages and romanised; and none of the agent's own forbidden words. A line
//! that says the opposite ("do not share your OTP") passes. Absent on purpose: understanding. These
//! are words near words; a check by a model may come on top, never instead.

mod check;
mod pattern;
mod words;

pub use check::{Policy, Verdict, check};
