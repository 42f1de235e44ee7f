//! `vaani simulate`: whole calls in virtual time, with faults, checked against the invariants.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::storms::Asked;
use crate::app;
use crate::config::Settings;
use crate::dialogue::book::Catalogue;
use crate::sim::{Outcome, Simulator};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many calls.
    #[arg(long, default_value_t = 1_000)]
    calls: u64,
    /// Where chance starts; the same seed gives the same calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run one call of this seed only and print everything that happened on it.
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Storms instead: so many schedules of failing engines and providers behind the real router.
    #[arg(long, value_name = "NUMBER")]
    storms: Option<u64>,
    /// The agent that answers; in storms one or another, if none is named.
    #[arg(long)]
    agent: Option<String>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let scripts = app::load_scripts(settings)?;
    if let Some(storms) = args.storms {
        let asked = Asked { storms, seed: args.seed, only: args.only, agent: args.agent.as_deref(), json: args.json };
        return super::storms::run(&asked, &scripts, settings);
    }
    let script = scripts
        .get(args.agent.as_deref())
        .filter(|s| !s.is_echo())
        .ok_or_else(|| anyhow::anyhow!("there is no conversational agent of that name"))?;
    let catalogue = Arc::new(Catalogue::load(&settings.data.config_dir.join("prompts"))?);
    let simulator = Simulator::new(script, catalogue, args.seed);
    if let Some(number) = args.only {
        let outcome = simulator.call(number, true);
        for (at, event) in &outcome.journal {
            println!("{at:?} {}", serde_json::to_string(event)?);
        }
        report(&args, std::slice::from_ref(&outcome))?;
        return Ok(ExitCode::from(u8::from(!outcome.broken.is_empty())));
    }
    let outcomes: Vec<Outcome> = on_all_cores(args.calls, |number| simulator.call(number, false));
    anyhow::ensure!(
        outcomes.len() as u64 == args.calls,
        "only {} of {} calls came to an end; the machine panicked on the others (see above)",
        outcomes.len(),
        args.calls
    );
    report(&args, &outcomes)?;
    Ok(ExitCode::from(u8::from(outcomes.iter().any(|o| !o.broken.is_empty()))))
}

/// Numbers from 0 on every core; what came of them in their order. Those that panicked are missing.
pub(super) fn on_all_cores<T: Send>(count: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(u64, T)> = std::thread::scope(|scope| {
        let worker = || {
            let mut mine = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return mine;
                }
                mine.push((number, run(number)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap_or_default()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, outcome)| outcome).collect()
}

fn report(args: &Args, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for outcome in outcomes {
        let cause = serde_json::to_value(outcome.cause)?;
        *causes.entry(cause.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let broken: Vec<_> = outcomes.iter().filter(|o| !o.broken.is_empty()).collect();
    let seconds = sum(|o| o.virtual_time.as_secs());
    if args.json {
        let shown: Vec<_> = broken
            .iter()
            .take(20)
            .map(|o| serde_json::json!({ "call": o.number, "at_ms": o.broken[0].at.as_millis(), "what": o.broken[0].what }))
            .collect();
        println!(
            "{}",
            serde_json::json!({
                "calls": outcomes.len(), "seed": args.seed, "virtual_seconds": seconds,
                "turns": sum(|o| u64::from(o.turns)), "barge_ins": sum(|o| u64::from(o.barge_ins)),
                "repairs": sum(|o| u64::from(o.repairs)), "engine_faults": sum(|o| u64::from(o.faults)),
                "causes": causes, "broken": broken.len(), "examples": shown,
            })
        );
        return Ok(());
    }
    println!("{} calls, {} h of virtual time, seed {}", outcomes.len(), seconds / 3_600, args.seed);
    println!(
        "  {} turns answered, {} barge-ins, {} repairs, {} engine faults",
        sum(|o| u64::from(o.turns)),
        sum(|o| u64::from(o.barge_ins)),
        sum(|o| u64::from(o.repairs)),
        sum(|o| u64::from(o.faults))
    );
    for (cause, count) in causes {
        println!("  ended by {cause}: {count}");
    }
    if broken.is_empty() {
        println!("no invariant was broken");
    }
    for outcome in broken.iter().take(20) {
        println!("BROKEN in call {}: {:?} {}", outcome.number, outcome.broken[0].at, outcome.broken[0].what);
        println!("  see it again: vaani simulate --seed {} --only {}", args.seed, outcome.number);
    }
    Ok(())
}
