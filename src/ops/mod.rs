//! Running the box: telling the service manager, health, alerts, logs, traces. Absent on purpose:
//! calls, and what is shown to whom.

pub mod alerts;
pub mod backups;
pub mod call_log;
mod call_spans;
pub mod health;
pub mod journald;
pub mod lately;
pub mod log;
pub mod notice;
pub mod notify;
pub mod process;
pub mod rhythm;
pub mod sweep;
pub mod tls;
pub mod traces;
pub mod upkeep;
pub mod watch;
pub mod window;
