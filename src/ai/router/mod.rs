//! Who answers this stage of this turn. Promise: a request that any candidate can still answer is
//! answered, within the deadlines, and a failure that can be hidden from the caller is hidden.
//! [`decide`] is pure: a [`Table`] (the routing file), [`Facts`] of the turn and the [`State`] of the
//! candidates go in, a [`Decision`] with a reason for every candidate comes out.
//! Absent on purpose: engines and providers themselves; what to say when everything fails.

mod account;
mod address;
pub mod bill;
mod breaker;
pub mod candidates;
mod condition;
mod deadlines;
pub mod decision;
pub mod dialect;
mod dialect_words;
mod entry;
pub mod execute;
pub mod facts;
pub mod file;
mod known;
mod ledger;
mod load;
mod offline;
mod outside;
mod overlap;
pub mod plan;
mod prior;
pub mod probing;
mod quality;
mod race;
mod read;
pub mod report;
pub mod residency;
pub mod rule;
mod score;
mod sign;
pub mod table;
mod term;
#[cfg(test)]
mod tests;
mod till;
mod yaml;

pub use candidates::{AuthStyle, Candidate, CandidateId, Kind, Stage};
pub use deadlines::Deadlines;
pub use decision::{Circuit, Decision, Reason, Standing, State, Verdict, decide};
pub use dialect::Dialect;
pub use execute::{Member, Router};
pub use facts::Facts;
pub use file::{Remark, RoutingError};
pub use plan::{CallFacts, Planner};
pub use residency::{Policy, Residency};
pub use table::{Order, Table};
