//! Money over starts of the real daemon: a used-up budget stays used up when the process is killed,
//! another tenant's is its own, and the same figures come from the API, the metrics and the command
//! line.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use vaani::base::event::{CallCost, Event};
use vaani::base::money::Money;
use vaani::store::ledger;

use crate::fake::{Fake, KEY};
use crate::journey::{configured, said};
use crate::support::{Daemon, journal, question, until};

/// Recognition outside costs a rupee a second; one turn uses up the budget of either bank.
fn routing(fake: &Fake) -> String {
    format!(
        "residency: {{default: any}}\norder: cloud_first\nbudgets: {{bank-a: {{paise_per_day: 100}}, bank-b: {{paise_per_day: 100}}}}\n\
         providers:\n  faraway:\n    kind: openai\n    base_url: {}\n    residency: abroad\n    secret: FARAWAY_KEY\n    \
         auth: {{style: bearer}}\n    models:\n      gpt-transcribe: {{capabilities: [stt], cost_per_minute: 60}}\n",
        fake.url("/openai/v1")
    )
}

/// The helpdesk of two banks.
fn two_banks(config: &Path) {
    let agents = config.join("agents");
    let helpdesk = std::fs::read_to_string(agents.join("helpdesk.toml")).unwrap();
    let of = |name: &str, tenant: &str| {
        let renamed = helpdesk.replace("name = \"helpdesk\"", &format!("name = {name:?}"));
        std::fs::write(agents.join(format!("{name}.toml")), format!("{renamed}\n[routing]\ntenant = {tenant:?}\n"))
            .unwrap();
    };
    of("helpdesk", "bank-a");
    of("other", "bank-b");
}

async fn costs(daemon: &Daemon) -> Value {
    daemon.get("/api/ai/costs").await.unwrap().json().await.unwrap()
}

fn budget<'a>(costs: &'a Value, tenant: &str) -> &'a Value {
    costs["budgets"].as_array().unwrap().iter().find(|b| b["tenant"] == tenant).unwrap()
}

/// Who recognised the first turn of a new call, with what was said of the provider; then hangs up.
async fn recognised_by(daemon: &Daemon, agent: &str) -> (String, Vec<Value>, CallCost) {
    let mut options = daemon.call();
    options.path = format!("/voice/incoming?agent={agent}");
    let call = daemon.dial(options).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let facts = daemon.fact(&sid, "a greeting", 0, said).await;
    call.say(question()).await.unwrap();
    daemon.fact(&sid, "an answer", facts.len(), |e| matches!(e, Event::TurnAnswered { .. })).await;
    let records: Vec<Value> = daemon.get(&format!("/api/calls/{sid}/decisions")).await.unwrap().json().await.unwrap();
    let recognised = |r: &&Value| r["stage"] == "stt" && r["answered_by"].is_string();
    let first = records.iter().find(recognised).unwrap()["answered_by"].as_str().unwrap().to_owned();
    call.hang_up().await.unwrap();
    let (facts, _) = daemon.ended(&sid).await;
    let cost =
        facts.iter().find_map(|fact| if let Event::CallCost(cost) = fact { Some((**cost).clone()) } else { None });
    let cost = cost.expect("a call tells what it cost");
    assert!(matches!(facts.last(), Some(Event::CallEnded { .. })), "nothing comes after the end");
    let shown: Value = daemon.get(&format!("/api/calls/{sid}")).await.unwrap().json().await.unwrap();
    assert_eq!(serde_json::from_value::<CallCost>(shown["cost"].clone()).unwrap(), cost);
    (first, records, cost)
}

#[tokio::test]
async fn a_used_up_budget_stays_used_up_when_the_process_is_killed() {
    let fake = Fake::start();
    fake.vary("/openai/v1/audio/transcriptions", "text:किस्त कितनी है");
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(config.path(), &routing(&fake));
    two_banks(config.path());
    let key = [("FARAWAY_KEY", KEY)];
    let daemon = Daemon::start(state.path(), config.path(), true, &key).await;
    assert_eq!(budget(&costs(&daemon).await, "bank-a")["left_paise"], 100.0);

    let (by, _, cost) = recognised_by(&daemon, "helpdesk").await;
    assert_eq!(by, "faraway/gpt-transcribe");
    assert!(cost.paise >= Money::from_paise(100), "{cost:?}");
    let sum = |parts: Vec<Money>| parts.into_iter().sum::<Money>();
    assert_eq!(sum(cost.turns.iter().map(|t| t.paise).collect()), cost.paise);
    assert_eq!(sum(cost.charged.iter().map(|c| c.paise).collect()), cost.paise);
    assert!(cost.turns.iter().any(|t| t.turn == 1 && t.stt > Money::ZERO), "{:?}", cost.turns);
    let local = cost.stacks.iter().find(|s| s.name == "all_local").unwrap();
    assert_eq!((local.paise, local.lacks.len()), (Money::ZERO, 0));
    assert!(cost.elsewhere.iter().any(|row| row.candidate == "faraway/gpt-transcribe" && row.allowed));
    let told = costs(&daemon).await;
    assert_eq!(budget(&told, "bank-a")["is_used_up"], true);
    assert_eq!(budget(&told, "bank-b")["left_paise"], 100.0);
    let spent = Money::from_millipaise((told["paise"].as_f64().unwrap() * 1_000.0).round() as u64);
    assert_eq!(spent, cost.paise, "the day has seen this call alone");

    // Killed as soon as it is on the disk, which takes a moment.
    let on_disk = || {
        let (kept, _, remarks) = ledger::look(state.path(), 0);
        assert!(remarks.is_empty(), "{remarks:?}");
        kept.spending.rows().map(|(_, sum)| sum.paise).sum::<Money>()
    };
    until("the ledger has it", async || (on_disk() == spent).then_some(())).await;
    daemon.signal(Signal::KILL);
    daemon.exit().await;
    let journalled: Money = journal(state.path())
        .into_values()
        .flatten()
        .filter_map(|event| if let Event::Routed(routed) = event { Some(routed.cost_paise) } else { None })
        .sum();
    assert_eq!(journalled, spent, "journal and ledger agree");

    let daemon = Daemon::start(state.path(), config.path(), true, &key).await;
    assert_eq!(budget(&costs(&daemon).await, "bank-a")["is_used_up"], true, "a restart opens no budget");
    let (by, records, cost) = recognised_by(&daemon, "helpdesk").await;
    assert_eq!((by.as_str(), cost.paise), ("local/whisper", Money::ZERO));
    let reasons = records.iter().flat_map(|r| r["passed_over"].as_array().unwrap().clone());
    assert!(
        reasons.into_iter().any(|p| p["reason"].as_str().unwrap().contains("budget of 100 paise a day is used up"))
    );
    let (by, _, _) = recognised_by(&daemon, "other").await;
    assert_eq!(by, "faraway/gpt-transcribe", "the other bank has its own");

    // The same figures everywhere; the command line reads beside the daemon.
    let told = costs(&daemon).await;
    let metrics = daemon.get("/metrics").await.unwrap().text().await.unwrap();
    for wanted in [
        "router_budget_left_paise{tenant=\"bank-a\"} 0.0",
        "router_cost_paise_total{provider=\"faraway\",stage=\"stt\"}",
        "router_success_share{candidate=\"faraway/gpt-transcribe\",stage=\"stt\",language=",
    ] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
    let all = told["paise"].as_f64().unwrap();
    until("the ledger has both", async || (on_disk().paise() == all).then_some(())).await;
    let vaani = |arguments: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_vaani"))
            .args(arguments)
            .arg("--config")
            .arg(config.path())
            .env("VAANI_STATE__DIR", state.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let shown: Value = serde_json::from_str(&vaani(&["route", "costs", "--days", "1", "--json"])).unwrap();
    assert_eq!(shown, told);
    let text = vaani(&["route", "costs"]);
    assert!(text.contains("bank-b") && text.contains("faraway") && text.contains('₹'), "{text}");
    assert!(text.contains("budget of bank-a today: ") && text.contains("used up"), "{text}");
    daemon.stop().await;

    // Written at the end.
    let quality = vaani(&["route", "quality", "--json"]);
    let rows: Vec<Value> = quality.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        rows.iter().any(|r| r["candidate"] == "faraway/gpt-transcribe" && r["requests"].as_u64() > Some(0)),
        "{rows:?}"
    );
    assert!(vaani(&["route", "quality"]).contains("local/whisper"));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_never_stops_the_start() {
    let fake = Fake::start();
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(config.path(), &routing(&fake));
    let ledger = state.path().join("ledger");
    std::fs::create_dir(&ledger).unwrap();
    let day = vaani::store::spending::day_name(vaani::base::Clock::system().day());
    std::fs::write(ledger.join(format!("spent-{day}.jsonl")), b"\x7fELF\0\xff\xfe").unwrap();
    std::fs::write(ledger.join("quality.json"), b"{\"version\":99}").unwrap();
    let daemon = Daemon::start(state.path(), config.path(), false, &[("FARAWAY_KEY", KEY)]).await;
    let told = costs(&daemon).await;
    assert_eq!(told["paise"], 0.0);
    let quality: Vec<Value> = daemon.get("/api/ai/quality").await.unwrap().json().await.unwrap();
    assert!(quality.iter().all(|row| row["candidate"] == "local/speech"), "{quality:?}");
    assert!(daemon.get("/api/ai/costs?days=0").await.is_none() && daemon.get("/api/ai/costs?days=x").await.is_none());
    daemon.stop().await;
    for name in [format!("spent-{day}.jsonl.damaged"), "quality.json.damaged".to_owned()] {
        assert!(ledger.join(&name).exists(), "{name}");
    }
}
