//! What the box can do.
