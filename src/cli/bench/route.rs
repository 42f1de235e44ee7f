//! `vaani bench route`: what a decision of the router costs, and that a million of them leave nothing
//! behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use crate::ai::router::{CallFacts, Facts, Planner, Stage, State, Table, decide};
use crate::base::{Clock, Lang};
use crate::cli::output::{json_line, line};
use crate::store::ledger::{Kept, Purse};
use crate::store::measures::Measured;

/// Parts of the measurement.
const PARTS: u32 = 50;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=200))]
    candidates: u32,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=200))]
    rules: u32,
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    decisions: u32,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    candidates: usize,
    rules: u32,
    decisions: u32,
    us_per_decision: f64,
    /// With everybody's standing taken from the ledger, where all of them were measured.
    us_with_standings: f64,
    /// Resident memory after the decisions, less before the last nine tenths of them.
    grown_bytes: i64,
    /// Against turning the same decision into a record for the journal.
    record_over_decision: f64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (table, _) = Table::from_text(&routing(args.candidates, args.rules))?;
    let clock = Clock::system();
    let state = State::fresh(&table, clock.now());
    let facts: Vec<Facts> = Lang::ALL
        .into_iter()
        .flat_map(|language| Stage::ALL.map(|(_, stage)| Facts::new(stage, language).from_region("kerala")))
        .collect();
    let decide_some = |some: u32| {
        let began = clock.now();
        let mut attempts = 0;
        for turn in 0..some {
            let facts = &facts[turn as usize % facts.len()];
            attempts += std::hint::black_box(decide(&table, std::hint::black_box(facts), &state)).attempts.len();
        }
        anyhow::ensure!(attempts > 0, "nobody was ever chosen");
        Ok(clock.now().since(began))
    };
    // The first ones fill what is filled once.
    decide_some(args.decisions / 10)?;
    let before = resident()?;
    // In parts, of which the middle one counts: other programs run on this machine as well.
    let part = (args.decisions / PARTS).max(1);
    let mut parts = (0..PARTS).map(|_| decide_some(part)).collect::<anyhow::Result<Vec<_>>>()?;
    parts.sort_unstable();
    let took = parts[parts.len() / 2];
    let grown_bytes = resident()? - before;
    let decision = decide(&table, &facts[0], &state);
    let began = clock.now();
    for _ in 0..1_000 {
        std::hint::black_box(decision.record(&table));
    }
    let record_us = clock.now().since(began).as_secs_f64() * 1_000.0;
    let us = took.as_secs_f64() * 1_000_000.0 / f64::from(part);
    let us_with_standings = with_standings(args, clock)?;
    let report = Report {
        candidates: table.candidates().len(),
        rules: args.rules,
        decisions: args.decisions,
        us_per_decision: (us * 100.0).round() / 100.0,
        us_with_standings: (us_with_standings * 100.0).round() / 100.0,
        grown_bytes,
        record_over_decision: (record_us / us * 100.0).round() / 100.0,
    };
    if args.json {
        json_line(&report)?;
    } else {
        line(&format!(
            "{} candidates, {} rules: {} µs a decision, {} µs with standings from the ledger, over {}, memory grown by {} KiB",
            report.candidates,
            report.rules,
            report.us_per_decision,
            report.us_with_standings,
            report.decisions,
            report.grown_bytes / 1024
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The same through the planner, every candidate measured at every stage in every language.
fn with_standings(args: &Args, clock: Clock) -> anyhow::Result<f64> {
    let (table, _) = Table::from_text(&routing(args.candidates, args.rules))?;
    let mut measures = Vec::new();
    for candidate in table.candidates() {
        for (stage, language) in Stage::ALL.iter().flat_map(|(_, stage)| Lang::ALL.map(|language| (*stage, language))) {
            measures.push(Measured {
                candidate: candidate.name.to_string(),
                stage,
                language,
                at_unix_ms: clock.unix_ms(clock.now()),
                good: 19.0,
                bad: 1.0,
                requests: 1_000,
                failures: 50,
                took_ms: (0..64).map(|n| 300 + n * 7 % 64).collect(),
            });
        }
    }
    let kept = Kept { measures, ..Kept::default() };
    let planner = Planner::new(table, BTreeMap::new(), clock, Arc::new(|_, _| ())).remembering(kept, Purse::default());
    let known = CallFacts { region: "kerala".to_owned(), ..CallFacts::default() };
    let decisions = args.decisions / 4;
    let began = clock.now();
    for turn in 0..decisions as usize {
        let (stage, language) = (Stage::ALL[turn % 3].1, Lang::ALL[turn % Lang::ALL.len()]);
        std::hint::black_box(planner.consider(stage, language, std::hint::black_box(&known)));
    }
    Ok(clock.now().since(began).as_secs_f64() * 1_000_000.0 / f64::from(decisions))
}

/// As many candidates and rules, of the kinds that real files mix.
fn routing(candidates: u32, rules: u32) -> String {
    let mut text = "residency: {default: any}\nhedge: false\nproviders:\n".to_owned();
    // Writing into a String cannot fail.
    for n in 0..candidates.saturating_sub(3) {
        let place = if n % 2 == 0 { "india" } else { "abroad" };
        let _ = write!(
            text,
            "  p{n}:\n    kind: openai\n    base_url: https://p{n}.example.in/v1\n    residency: {place}\n    auth: {{style: none}}\n    \
             models:\n      m: {{capabilities: [stt, llm, tts], cost_per_minute: 0.{:02}}}\n",
            n % 90 + 1
        );
    }
    if rules > 0 {
        text.push_str("routing_rules:\n");
    }
    for n in 0..rules {
        let condition = match n % 3 {
            0 => format!("region == 'r{n}' and language == 'ml'"),
            1 => format!("tenant == 't{n}' and (hour >= 21 or hour < 7)"),
            _ => format!("dialect == 'malabar' or confidence < 0.{:02}", n % 50 + 10),
        };
        let _ = write!(text, "  rule{n}:\n    condition: \"{condition}\"\n    priority_providers: [local]\n");
    }
    text
}

fn resident() -> anyhow::Result<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: i64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(pages * i64::try_from(rustix::param::page_size())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_file_is_a_right_one() {
        let (table, _) = Table::from_text(&routing(30, 50)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((table.candidates().len(), table.rules().len()), (30, 50));
    }
}
