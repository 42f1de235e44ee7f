//! One file per subcommand.

mod local;
pub mod models;
mod output;
