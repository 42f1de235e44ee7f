//! What the box keeps. Promise: what was acknowledged as durable survives a power cut.
//! Today: the calls' journal as files. Absent on purpose: what the records mean.

pub mod journal;
