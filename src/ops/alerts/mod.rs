//! What wakes somebody: findings that last, told once when they begin and once when they are over.
//! Promise: the same alert is not raised twice within the quiet time, and something that lasts is
//! never kept from being told by that. Absent on purpose: webhooks and pages (whoever observes).

mod machine;
mod rules;
mod shown;

pub use machine::{Change, Machine, Pace, Symptom};
pub use rules::symptoms;
pub use shown::{Alert, AlertEvent, Alerts, Observer};
