//! Real programs on the real starter models, started as the daemon starts them.

mod engines_apart;
mod spoken_and_heard;
mod worker;
