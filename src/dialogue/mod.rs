//! What to say and when: pure. Promise: no I/O, no clock; the same input gives the same output.
//! Absent on purpose: audio, engines, carriers.

pub mod book;

pub mod clauses;
pub mod prompts;
pub mod tags;
