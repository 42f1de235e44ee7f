//! Arguments to one subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    vaani::cli::main()
}
