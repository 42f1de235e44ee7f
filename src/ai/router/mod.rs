//! Who answers this stage of this turn. Promise: a request that any candidate can still answer is
//! answered, within the deadlines, and a failure that can be hidden from the caller is hidden.
//! Absent on purpose: engines and providers themselves; what to say when everything fails.

mod dispatch;

pub use dispatch::{Deadlines, Engines};
