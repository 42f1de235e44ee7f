//! Running the box: telling the service manager, health. Absent on purpose: calls.

pub mod backups;
pub mod findings;
pub mod notice;
pub mod notify;
pub mod rhythm;
pub mod sweep;
pub mod upkeep;
