//! What the box keeps.
