//! `vaani route explain`: who would be asked for a stage of a turn, in which order, and why nobody
//! else. Nothing is asked; all candidates are taken to be well. `costs` and `quality` are in `costs.rs`.

use std::process::ExitCode;

use anyhow::Context as _;

use super::costs::{self, CostsArgs, QualityArgs};
use super::output::{json_line, line};
use crate::ai::router::{Dialect, Facts, Stage, State, Table, decide};
use crate::app;
use crate::base::{Clock, Lang};
use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Who would answer a turn like this, and why
    Explain(Explain),
    /// What was spent, by day, tenant and provider, and what is left of today's budgets
    Costs(CostsArgs),
    /// How quick and reliable everybody was, by stage and language
    Quality(QualityArgs),
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// Of the turn; without it all three.
    #[arg(long, value_parser = ["stt", "llm", "tts"])]
    stage: Option<String>,
    /// Of the caller
    #[arg(long, value_name = "TAG")]
    language: Lang,
    /// travancore, malabar or cochin
    #[arg(long)]
    dialect: Option<Dialect>,
    /// How sure the language is, 0 to 1
    #[arg(long, default_value_t = 1.0)]
    confidence: f64,
    /// Where the call comes from
    #[arg(long, default_value = "")]
    region: String,
    /// State or union territory in the customer's record
    #[arg(long, default_value = "")]
    state: String,
    #[arg(long, default_value = "")]
    tenant: String,
    #[arg(long, default_value = "")]
    campaign: String,
    #[arg(long, default_value = "")]
    data_class: String,
    /// 0 to 23; by default now
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..24))]
    hour: Option<u8>,
    /// As if nothing outside the box could be reached
    #[arg(long)]
    offline: bool,
    /// One JSON object a stage
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let args = match args.what {
        What::Explain(args) => args,
        What::Costs(args) => return costs::costs(&args, settings),
        What::Quality(args) => return costs::quality(&args, settings),
    };
    anyhow::ensure!((0.0..=1.0).contains(&args.confidence), "--confidence is between 0 and 1");
    let table = app::load_table(settings).context("the routing file cannot be used")?;
    let wanted = |stage: &Stage| args.stage.as_deref().is_none_or(|name| name == stage.as_str());
    for (_, stage) in Stage::ALL.into_iter().filter(|(_, stage)| wanted(stage)) {
        explain(&args, &table, stage)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(args: &Explain, table: &Table, stage: Stage) -> anyhow::Result<()> {
    let clock = Clock::system();
    let mut facts = Facts::new(stage, args.language).from_region(&args.region).from_state(&args.state);
    facts.dialect = args.dialect;
    facts.confidence = args.confidence;
    facts.tenant.clone_from(&args.tenant);
    facts.campaign.clone_from(&args.campaign);
    facts.data_class.clone_from(&args.data_class);
    facts.hour = args.hour.unwrap_or_else(|| clock.hour());
    let state = State { offline: args.offline, ..State::fresh(table, clock.now()) };
    let record = decide(table, &facts, &state).record(table);
    if args.json {
        json_line(&record)?;
        return Ok(());
    }
    line(&format!("{} in {} ({})", stage.as_str(), args.language.english_name(), args.language))?;
    let rule = record.rule.as_deref().map_or_else(|| "no rule matches".to_owned(), |rule| format!("rule {rule}"));
    line(&format!("  residency {}; {rule}", record.residency.as_str()))?;
    let mut rows: Vec<_> = record.considered.iter().collect();
    rows.sort_by_key(|row| row.rank.unwrap_or(u16::MAX));
    for row in rows {
        let rank = row.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
        line(&format!("  {rank:>2}  {:<32} {}", row.candidate, row.sentence))?;
    }
    if record.attempts.is_empty() {
        line("  nobody may and can answer: the caller would hear an apology")?;
    }
    Ok(())
}
