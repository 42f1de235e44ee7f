//! Real programs on the real starter models, started as the daemon starts them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod spoken_and_heard;
mod worker;
