//! `vaani route costs` and `vaani route quality`: what lies in the ledger of the state directory, also
//! while the daemon runs (spending is at most a moment old, quality half a minute).

use std::process::ExitCode;

use anyhow::Context as _;

use super::output::{complain, json_line, line};
use crate::ai::router::report::{Costs, Did};
use crate::app;
use crate::base::money::Money;
use crate::base::{Clock, limits};
use crate::config::Settings;
use crate::store::ledger::{self, Kept};

#[derive(Debug, clap::Args)]
pub(super) struct CostsArgs {
    /// Today and the days before it, so many in all
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=limits::SPENDING_DAYS))]
    days: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct QualityArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn costs(args: &CostsArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let table = app::load_table(settings).context("the routing file cannot be used")?;
    let today = Clock::system().day();
    let first = today.saturating_sub(args.days - 1);
    let (kept, _) = kept(settings, first);
    let rows: Vec<_> = kept.spending.rows().map(|(row, sum)| (row.clone(), *sum)).collect();
    let costs = Costs::of(&table, &rows, first, today);
    if args.json {
        json_line(&costs)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(&format!("What providers charge by their price lists, {} to {}", costs.from, costs.to))?;
    if costs.rows.is_empty() {
        line("  nothing: the box's own engines cost nothing, and no other was asked")?;
    } else {
        line("  day         tenant            provider          stage  requests        amount   share")?;
        for row in &costs.rows {
            let tenant = if row.tenant.is_empty() { "(none)" } else { &row.tenant };
            line(&format!(
                "  {}  {tenant:<16}  {:<16}  {:<5}  {:>8}  {:>12}  {:>5.1} %",
                row.day,
                row.provider,
                row.stage.as_str(),
                row.sum.requests,
                row.sum.paise,
                row.percent
            ))?;
        }
        line(&format!("  {:<59}  {:>12}", "together", costs.paise))?;
    }
    if costs.estimated_paise != Money::ZERO {
        line(&format!("  of it estimated, where a provider did not say what it counted: {}", costs.estimated_paise))?;
    }
    for budget in &costs.budgets {
        let end = if budget.is_used_up {
            "used up: only what is free is asked until midnight".to_owned()
        } else {
            format!("{} left", budget.left_paise)
        };
        let (spent, whole) = (budget.spent_paise, budget.budget_paise);
        line(&format!("  budget of {} today: {spent} of {whole}, {end}", budget.tenant))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn quality(args: &QualityArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let (kept, written) = kept(settings, clock.day());
    let now_ms = clock.unix_ms(clock.now());
    let did: Vec<Did> = kept.measures.iter().map(|measured| Did::of(measured, now_ms)).collect();
    if args.json {
        did.iter().try_for_each(json_line)?;
        return Ok(ExitCode::SUCCESS);
    }
    if did.is_empty() {
        line("nothing was measured yet")?;
        return Ok(ExitCode::SUCCESS);
    }
    line(&format!("How everybody did, as of {}", ago(now_ms.saturating_sub(written))))?;
    line(
        "  candidate                         stage  language  requests  failed  answered    median  slowest 5 %  last asked",
    )?;
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for row in &did {
        line(&format!(
            "  {:<32}  {:<5}  {:<8}  {:>8}  {:>6}  {:>8}  {:>8}  {:>11}  {}",
            row.candidate,
            row.stage.as_str(),
            row.language.tag(),
            row.requests,
            row.failures,
            or_dash(row.success_percent.map(|percent| format!("{percent:.1} %"))),
            or_dash(row.median_ms.map(|ms| format!("{ms} ms"))),
            or_dash(row.p95_ms.map(|ms| format!("{ms} ms"))),
            ago(now_ms.saturating_sub(row.last_unix_ms))
        ))?;
    }
    line("  \"answered\" is what the order of candidates goes by: the last requests count most and fade within a day")?;
    Ok(ExitCode::SUCCESS)
}

fn kept(settings: &Settings, first: u64) -> (Kept, u64) {
    let (kept, written, remarks) = ledger::look(&settings.state.dir, first);
    remarks.iter().for_each(|remark| complain(remark));
    (kept, written)
}

fn ago(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7_200 => format!("{} min ago", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}
