//! Running the box: telling the service manager, health. Absent on purpose: calls.

pub mod findings;
pub mod notify;
pub mod sweep;
