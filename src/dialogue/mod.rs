//! What to say and when: pure. Promise: no I/O, no clock; the same input gives the same output.
//! Absent on purpose: audio, engines, carriers.

pub mod agent;
pub mod book;
pub mod brief;
pub mod clauses;
pub mod facts;
pub mod handover;
pub mod policy;
pub mod prompts;
pub mod reply;
pub mod shelf;
pub mod slots;
pub mod speak;
pub mod states;
pub mod tags;

pub mod ending;
pub mod explain;
pub mod intent;
pub mod language;
pub mod objection;
pub mod utterance;

mod ending_table;
mod ending_words;
mod features;
#[cfg(test)]
mod hearing_tests;
mod language_asked;
mod language_tracker;
mod language_words;
mod lessons;
mod romanise;
mod train;
pub mod voicemail;
mod words;
