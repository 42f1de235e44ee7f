//! The daemon's side of the local engine workers.
