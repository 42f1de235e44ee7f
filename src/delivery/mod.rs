//! What leaves the box, or is kept for others to fetch. Promise: nothing is sent before its cause is
//! durable. Absent on purpose: what calls mean.

pub mod objects;
