//! `vaani simulate --storms`: calls behind the real router while engines and providers fail by drawn
//! schedules, checked at the members and at the caller.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::simulate::on_all_cores;
use crate::base::event::EndCause;
use crate::call::script::Scripts;
use crate::config::Settings;
use crate::dialogue::book::Catalogue;
use crate::sim::storm::{Blow, Shelter, Storms};

/// Broken storms that are shown.
const SHOWN: usize = 20;

pub(super) struct Asked<'a> {
    pub(super) storms: u64,
    pub(super) seed: u64,
    pub(super) only: Option<u64>,
    pub(super) agent: Option<&'a str>,
    pub(super) json: bool,
}

pub(super) fn run(asked: &Asked<'_>, scripts: &Scripts, settings: &Settings) -> anyhow::Result<ExitCode> {
    let named = |script: &&Arc<_>| asked.agent.is_none_or(|agent| crate::call::script::Script::name(script) == agent);
    let scripts: Vec<_> = scripts.all().filter(|s| !s.is_echo()).filter(named).cloned().collect();
    anyhow::ensure!(!scripts.is_empty(), "there is no conversational agent of that name");
    scripts.iter().for_each(|script| script.warm());
    let catalogue = Arc::new(Catalogue::load(&settings.data.config_dir.join("prompts"))?);
    let storms = Storms { scripts, catalogue, seed: asked.seed };
    // What fails on purpose, thousands of times, is no news.
    let quiet = |number, journal| {
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || storms.blow(number, journal))
    };
    if let Some(number) = asked.only {
        let blow = on_all_cores(1, |_| quiet(number, true)).pop();
        let blow = blow.ok_or_else(|| anyhow::anyhow!("the storm's thread panicked (see above)"))??;
        show(&blow)?;
        report(asked, std::slice::from_ref(&blow))?;
        return Ok(ExitCode::from(u8::from(!blow.broken.is_empty())));
    }
    let blows = on_all_cores(asked.storms, |number| quiet(number, false));
    let blows: Vec<Blow> = blows.into_iter().collect::<Result<_, _>>()?;
    anyhow::ensure!(
        blows.len() as u64 == asked.storms,
        "only {} of {} storms came to an end; a thread panicked on the others (see above)",
        blows.len(),
        asked.storms
    );
    report(asked, &blows)?;
    Ok(ExitCode::from(u8::from(blows.iter().any(|b| !b.broken.is_empty()))))
}

/// Everything about one storm.
fn show(blow: &Blow) -> anyhow::Result<()> {
    println!("{}", blow.file);
    for (provider, spells) in &blow.weather {
        println!("{provider} {}", serde_json::to_string(spells)?);
    }
    for (at, call, event) in &blow.journal {
        let call = call.map(|call| call.low_bits() % 16).unwrap_or_default();
        println!("{at:?} call {call} {}", serde_json::to_string(event)?);
    }
    for broken in &blow.broken {
        println!("BROKEN {:?} {}", broken.at, broken.what);
    }
    Ok(())
}

fn report(asked: &Asked<'_>, blows: &[Blow]) -> anyhow::Result<()> {
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    for cause in blows.iter().flat_map(|b| &b.causes) {
        *causes.entry(serde_json::to_value(cause)?.as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let sum = |of: fn(&Blow) -> u64| blows.iter().map(of).sum::<u64>();
    let calls: u64 = causes.values().sum();
    let seconds = blows.iter().map(|b| b.virtual_time).sum::<Duration>().as_secs();
    let mut answered: Vec<u128> = blows.iter().flat_map(|b| &b.answered).map(Duration::as_millis).collect();
    answered.sort_unstable();
    let at = |share: usize| answered.get((answered.len() * share / 1_000).min(answered.len().saturating_sub(1)));
    let [p50, p99, most] = [at(500), at(990), at(1_000)].map(|ms| ms.copied().unwrap_or_default());
    let unsheltered = || blows.iter().filter(|b| b.shelter == Shelter::None).flat_map(|b| &b.causes);
    let (unsafe_calls, lost) =
        (unsheltered().count(), unsheltered().filter(|cause| **cause == EndCause::TooManyFailures).count());
    let broken: Vec<&Blow> = blows.iter().filter(|b| !b.broken.is_empty()).collect();
    if asked.json {
        let example = |b: &&Blow| serde_json::json!({ "storm": b.number, "at_ms": b.broken[0].at.as_millis(), "what": b.broken[0].what });
        println!(
            "{}",
            serde_json::json!({
                "storms": blows.len(), "seed": asked.seed, "calls": calls, "virtual_seconds": seconds,
                "turns": answered.len(), "requests": sum(|b| b.requests), "asked": sum(|b| b.asked),
                "asked_outside": sum(|b| b.asked_outside), "failed": sum(|b| b.failed),
                "answered_ms": { "p50": p50, "p99": p99, "max": most },
                "causes": causes, "calls_without_shelter": unsafe_calls, "lost_without_shelter": lost, "broken": broken.len(),
                "examples": broken.iter().take(SHOWN).map(example).collect::<Vec<_>>(),
            })
        );
        return Ok(());
    }
    println!("{} storms, {calls} calls, {} h of virtual time, seed {}", blows.len(), seconds / 3_600, asked.seed);
    println!(
        "  {} requests to the router, {} of them without an answer; {} to its members, {} of those outside the box",
        sum(|b| b.requests),
        sum(|b| b.failed),
        sum(|b| b.asked),
        sum(|b| b.asked_outside)
    );
    println!(
        "  {} turns answered, after the caller's last sound: p50 {p50} ms, p99 {p99} ms, max {most} ms",
        answered.len()
    );
    for (cause, count) in causes {
        println!("  ended by {cause}: {count}");
    }
    println!("  {unsafe_calls} of the calls were left without anybody who was always well; {lost} of those were lost");
    if broken.is_empty() {
        println!("no invariant was broken");
    }
    for blow in broken.iter().take(SHOWN) {
        println!("BROKEN in storm {}: {:?} {}", blow.number, blow.broken[0].at, blow.broken[0].what);
        println!("  see it again: vaani simulate --storms 1 --seed {} --only {}", asked.seed, blow.number);
    }
    Ok(())
}
