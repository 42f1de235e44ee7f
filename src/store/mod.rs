//! What the box keeps. Promise: what was acknowledged as durable survives a power cut.
//! Today: the calls' journal and the list of callbacks, as files. Absent on purpose: what the records mean.

pub mod callbacks;
pub mod journal;
