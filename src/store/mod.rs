//! What the box keeps. Promise: what was acknowledged as durable survives a power cut; nothing that
//! is kept can be read without the box's key, but the router's ledger, which knows nobody.
//! Absent on purpose: what the records mean, and who may see them.

mod error;
pub(crate) mod files;

mod complaint;
pub mod crypt;
pub mod database;
mod migrations;
pub mod vault;

pub mod backup;
pub mod care;
pub mod depot;
pub mod disk;
pub(crate) mod reserve;
pub mod sealed;
pub mod spool;
#[cfg(test)]
pub(crate) mod tiny_disk;

pub mod api_keys;
pub mod audit;
pub mod callbacks;
pub mod calls;
pub mod consents;
pub mod dnd;
pub mod holds;
pub mod journal;
mod late;
pub mod media;
pub mod outbox;
pub mod person;
pub mod retention;
pub mod webhooks;

pub mod analytics;
pub mod call_list;
pub mod customers;
pub mod documents;
pub mod idempotency;
pub mod sessions;
pub mod uploads;
pub mod users;

pub mod ledger;
pub mod measures;
pub mod spending;

pub use database::Database;
pub use error::StoreError;
pub use vault::Vault;
