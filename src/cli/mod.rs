//! One file per subcommand.

pub mod bench;
pub mod bench_llm;
pub mod bench_stt;
mod local;
pub mod models;
mod output;
pub mod transcribe;
