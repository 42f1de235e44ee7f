//! `vaani bench store`: what keeping costs. A call from its announcement to its rows on the disk, a
//! carrier's webhook through the whole daemon, facts of calls a second, and dashboards over as many
//! calls as a large customer has in years.

mod calls;
mod dashboards;
mod webhooks;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::base::Clock;
use crate::cli::output::{json_line, line};
use crate::config::Settings;
use crate::store::Vault;
use crate::store::crypt::MasterKey;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Calls in the store when dashboards are asked for; 0 leaves this part out.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(0..=20_000_000))]
    calls: u64,
    /// How long facts are written.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    seconds: u64,
    /// Facts a second that are wanted; 0: as many as go.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    rate: u64,
    /// Calls announced, and webhooks sent.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    requests: u64,
    /// Calls that are live and write at the same time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    live: u64,
    /// Keep the store of the dashboards here and use it again; else it is thrown away.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Spread {
    count: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Spread {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |percent: usize| {
            let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
            took.get(place).map_or(0.0, |time| (time.as_secs_f64() * 1e6).round() / 1e3)
        };
        Self { count: took.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

#[derive(Debug, Default, Serialize)]
struct Report {
    /// From a carrier's word to the call's rows on the disk, one after the other, then many at once.
    session_creation_ms: Spread,
    session_creation_busy_ms: Spread,
    /// A call's first webhook (signature, call, TwiML) and its last, over HTTP.
    webhook_ms: Spread,
    status_webhook_ms: Spread,
    journal: Option<calls::Sustained>,
    dashboards: Option<dashboards::Dashboards>,
    cores: usize,
}

pub(super) async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut report = Report { cores: std::thread::available_parallelism().map_or(1, Into::into), ..Report::default() };
    let place = std::env::temp_dir().join(format!("vaani-store-{}", std::process::id()));
    let measured = measure(&args, settings, &place, &mut report).await;
    if let Err(error) = std::fs::remove_dir_all(&place) {
        tracing::debug!(%error, "the bench's directory stays");
    }
    measured?;
    if args.json {
        json_line(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args, settings: &Settings, place: &Path, report: &mut Report) -> anyhow::Result<()> {
    if args.requests > 0 {
        let vault = open(&place.join("sessions"))?;
        let (alone, busy) = calls::sessions(settings, &vault, args.requests, args.live).await?;
        (report.session_creation_ms, report.session_creation_busy_ms) = (alone, busy);
        close(vault).await?;
        (report.webhook_ms, report.status_webhook_ms) = webhooks::measure(settings, args.requests).await?;
    }
    if args.seconds > 0 {
        let vault = open(&place.join("journal"))?;
        report.journal = Some(calls::sustained(&vault, args.live, args.rate, Duration::from_secs(args.seconds)).await?);
        close(vault).await?;
    }
    if args.calls > 0 {
        let state = args.keep.clone().unwrap_or_else(|| place.join("dashboards"));
        let vault = open(&state)?;
        report.dashboards = Some(dashboards::measure(&vault, args.calls).await?);
        close(vault).await?;
    }
    Ok(())
}

fn open(state: &Path) -> anyhow::Result<Vault> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .with_context(|| format!("could not make {}", state.display()))?;
    Ok(Vault::open(state, MasterKey::load(state)?, Clock::system())?)
}

async fn close(vault: Vault) -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(move || vault.close()).await?)
}

fn print(report: &Report) -> anyhow::Result<()> {
    let show = |what: &str, spread: &Spread| {
        if spread.count == 0 {
            return Ok(());
        }
        line(&format!(
            "{what:44} p50 {:8.3} ms   p99 {:8.3} ms   max {:8.3} ms   ({})",
            spread.p50, spread.p99, spread.max, spread.count
        ))
    };
    show("a call on the disk", &report.session_creation_ms)?;
    show("the same, many at once", &report.session_creation_busy_ms)?;
    show("a call's first webhook", &report.webhook_ms)?;
    show("a status webhook", &report.status_webhook_ms)?;
    if let Some(journal) = &report.journal {
        line(&format!(
            "{:44} {:.0} a second for {} s, {} commits, {} lost",
            "facts of calls, durable", journal.events_per_second, journal.seconds, journal.commits, journal.lost
        ))?;
        show("  until one is on the disk", &journal.durable_ms)?;
    }
    if let Some(dashboards) = &report.dashboards {
        line(&format!(
            "{:44} {} calls, {} MiB, filled in {:.0} s",
            "dashboards over",
            dashboards.calls,
            dashboards.bytes >> 20,
            dashboards.fill_seconds
        ))?;
        for (name, spread) in &dashboards.queries_ms {
            show(&format!("  {name}"), spread)?;
        }
        show("  all of them", &dashboards.all_ms)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_tail() {
        let spread = Spread::of((1..=200).map(Duration::from_millis).collect());
        assert_eq!((spread.count, spread.p50, spread.p99, spread.max), (200, 100.0, 198.0, 200.0));
        assert_eq!(Spread::of(Vec::new()).max, 0.0);
        assert_eq!(Spread::of(vec![Duration::from_micros(1_500)]).p99, 1.5);
    }
}
