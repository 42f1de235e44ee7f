//! What to say and when: pure. Promise: no I/O, no clock; the same input gives the same output.
//! Absent on purpose: audio, engines, carriers.

pub mod agent;
pub mod book;
pub mod brief;
pub mod clauses;
pub mod facts;
pub mod policy;
pub mod prompts;
pub mod shelf;
pub mod slots;
pub mod speak;
pub mod states;
pub mod tags;
