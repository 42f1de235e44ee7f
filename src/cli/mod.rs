//! The command line (a contract, design §9): one file a subcommand.
//! Promise: results on stdout, logs on stderr; exit codes 0 fine, 1 the thing asked for failed, 2
//! wrong usage or configuration.
#![expect(clippy::print_stdout, reason = "results of commands go to stdout")]

mod access;
pub mod ask;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod bench_llm;
pub mod bench_stt;
pub mod call;
mod carrier;
pub mod config;
mod costs;
mod daemon;
pub mod doctor;
pub mod explain;
mod local;
pub mod models;
mod output;
pub mod privacy;
pub mod rehearse;
pub mod restore;
pub mod route;
pub mod say;
pub mod serve;
pub mod simulate;
mod storms;
pub mod tenant;
mod terminal;
pub mod token;
pub mod transcribe;
pub mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Settings;
use crate::ops::log;

/// A voice exchange for the customer's rack.
#[derive(Debug, Parser)]
#[command(name = "vaani", version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    /// Folder with vaani.toml, agents/, prompts/ (default: config/ of a checkout, else /etc/vaani).
    #[arg(long, global = true, value_name = "DIR")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve(serve::Args),
    /// Write down what is said in sound files.
    Transcribe(transcribe::Args),
    /// Speak a text into a sound file.
    Say(say::Args),
    /// Ask the language model as a caller would.
    Ask(ask::Args),
    /// What the box makes of a text, without any engine.
    Explain(explain::Args),
    /// Call the box over the carrier's real protocol and check the conversation.
    Rehearse(rehearse::Args),
    /// Talk to the box over its own microphone and speaker.
    Call(call::Args),
    /// Run whole calls in virtual time with faults and check what must always hold.
    Simulate(simulate::Args),
    /// Who answers a stage of a turn, and why; what was spent, and how everybody did.
    Route(route::Args),
    /// Measure.
    Bench(bench::Args),
    /// Make a sealed copy of the whole state, list the copies there are, verify one.
    Backup(backup::Args),
    /// Turn a backup into a state directory.
    Restore(restore::Args),
    /// Explain what is wrong with this box and how to mend it.
    Doctor(doctor::Args),
    /// Check the configuration.
    Config(config::Args),
    /// The models this box knows and has.
    Models(models::Args),
    /// People who log in.
    User(user::Args),
    /// API keys and short-lived tokens of programs.
    Token(token::Args),
    /// The customers of the box, each with a database of its own.
    Tenant(tenant::Args),
    /// Who did what, and the proof that nobody has changed it.
    Audit(audit::Args),
    /// Everything about one person: told or erased.
    Privacy(privacy::Args),
}

/// What was asked for cannot be done here, whatever is tried: the box is not set up, or the command does
/// not know where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotSetUp(String);

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    // Some commands need no settings, or are there to say what is wrong with them.
    let result = match cli.command {
        Command::Explain(args) => with_logs(None, false, || explain::run(args, cli.config.as_deref())),
        Command::Config(args) => with_logs(None, false, || config::run(args, cli.config.as_deref())),
        command => match Settings::load(cli.config.as_deref()) {
            Ok(mut settings) => {
                // A conversation is on the screen; what goes wrong is told beside it.
                if matches!(command, Command::Call(_)) && settings.log.level == "info" {
                    "warn".clone_into(&mut settings.log.level);
                }
                let is_daemon = matches!(command, Command::Serve(_));
                with_logs(Some(&settings), is_daemon, || dispatch(command, settings.clone()))
            }
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        },
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vaani: {error:#}");
            ExitCode::from(if error.is::<NotSetUp>() { 2 } else { 1 })
        }
    }
}

fn dispatch(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(args) => Box::pin(serve::run(args, settings)).await,
            Command::Transcribe(args) => Box::pin(transcribe::run(args, &settings)).await,
            Command::Say(args) => Box::pin(say::run(args, &settings)).await,
            Command::Ask(args) => Box::pin(ask::run(args, &settings)).await,
            Command::Route(args) => route::run(args, &settings),
            Command::Rehearse(args) => Box::pin(rehearse::run(args, &settings)).await,
            Command::Call(args) => Box::pin(call::run(args, &settings)).await,
            Command::Simulate(args) => simulate::run(args, &settings),
            Command::Bench(args) => Box::pin(bench::run(args, &settings)).await,
            Command::Backup(args) => Box::pin(backup::run(args, &settings)).await,
            Command::Restore(args) => Box::pin(restore::run(args, &settings)).await,
            Command::Doctor(args) => Box::pin(doctor::run(args, &settings)).await,
            Command::Models(args) => Box::pin(models::run(args, &settings)).await,
            Command::User(args) => Box::pin(user::run(args, &settings)).await,
            Command::Token(args) => Box::pin(token::run(args, &settings)).await,
            Command::Tenant(args) => Box::pin(tenant::run(args, &settings)).await,
            Command::Audit(args) => Box::pin(audit::run(args, &settings)).await,
            Command::Privacy(args) => Box::pin(privacy::run(args, &settings)).await,
            // Handled before the settings are loaded.
            Command::Explain(_) | Command::Config(_) => Ok(ExitCode::from(2)),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

/// Logs go to stderr or to the journal, where people find them.
fn with_logs<T>(settings: Option<&Settings>, is_daemon: bool, run: impl FnOnce() -> T) -> T {
    let _logs = log::start(settings.map(|settings| &settings.log), is_daemon);
    run()
}
