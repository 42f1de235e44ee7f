//! `vaani bench`: measurements of this box, each against something it can be compared with.

mod browsers;
mod legs;
mod load;
mod route;
mod speaker;
mod store;

use std::process::ExitCode;

use super::{bench_llm, bench_stt};
use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Many telephone legs at once, with echo and voice activity: what a leg costs and how late its
    /// frames are.
    Legs(legs::Args),
    /// Recognition after the end of speech, against plain whisper.cpp.
    Stt(bench_stt::Args),
    /// A decision of the router.
    Route(route::Args),
    /// Calls, webhooks and facts on their way to the disk, and dashboards over many calls.
    Store(store::Args),
    /// First tokens with a kept prefix, and calls decoded together.
    Llm(bench_llm::Args),
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Legs(args) => legs::run(args, settings).await,
        What::Route(args) => route::run(&args),
        What::Store(args) => Box::pin(store::run(args, settings)).await,
        What::Stt(args) => Box::pin(bench_stt::run(args, settings)).await,
        What::Llm(args) => Box::pin(bench_llm::run(args, settings)).await,
    }
}
