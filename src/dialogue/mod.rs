//! What to say and when, pure.
