//! What the box keeps. Promise: what was acknowledged as durable survives a power cut.
//! Today: the calls' journal, the list of callbacks and the router's ledger, as files. Absent on
//! purpose: what the records mean.

pub mod audit;
pub mod callbacks;
mod files;
pub mod journal;
pub mod ledger;
pub mod measures;
pub mod spending;
