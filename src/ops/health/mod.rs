//! What can be wrong with a box, as a catalogue: code, severity, plain text, and how to mend it. The
//! doctor, `/health`, the log and the alerts read the same findings.
//! Promise: looking changes nothing on the box; a finding whose cause is known hides behind it.
//! Absent on purpose: how findings are shown, and who is told.

mod agents;
mod audit;
mod backup;
mod board;
mod catalogue;
mod certificate;
mod clock;
mod component;
mod database;
mod disk;
mod engines;
mod examine;
mod exotel;
mod facts;
mod finding;
mod journal;
mod master_key;
mod memory;
mod models;
mod offline;
mod outbox;
mod processor;
mod public_url;
mod rates;
mod recordings;
mod speech_library;
mod state;
mod twilio;
mod x509;

pub use board::{Board, causes_only};
pub use catalogue::{CATALOGUE, Entry, entry};
pub use certificate::{Certificate, fetch as fetch_certificate, read as read_certificate};
pub use clock::{Synchronised, is_synchronised};
pub use component::Component;
pub use disk::FILES;
pub use examine::{examine, judge};
pub use facts::{AgentFacts, AuditFacts, BackupFacts, DatabaseFacts, Facts, JournalFacts, OutboxFacts, RecordingFacts};
pub use finding::{Finding, Severity};
pub use rates::{Rate, Rates};
