//! Agents that answer for tenants which are not there (any more).

use serde_json::Value;
use vaani::base::Clock;
use vaani::base::event::{CallState, EndCause, Event};
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;
use vaani::telephony::twilio::carrier::DialError;

use crate::support::{Daemon, impatient_config, until};

#[tokio::test]
async fn an_agent_of_a_tenant_that_was_destroyed_takes_no_calls_and_keeps_nobody_else_from_theirs() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let echo = std::fs::read_to_string(config.path().join("agents/echo.toml")).unwrap();
    for (agent, tenant) in [("bank-line", "bank"), ("shop-line", "shop")] {
        let text = format!(
            "{}\n[routing]\ntenant = \"{tenant}\"\n",
            echo.replace("name = \"echo\"", &format!("name = \"{agent}\""))
        );
        std::fs::write(config.path().join(format!("agents/{agent}.toml")), text).unwrap();
    }
    let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), Clock::system()).unwrap();
    vault.create_tenant(&"bank".parse().unwrap(), "A bank").unwrap();
    vault.shred_tenant(&"bank".parse().unwrap()).unwrap();
    vault.close();
    drop(vault);

    let log = state.path().join("log");
    let settings = [("TEST_LOG", log.to_str().unwrap()), ("VAANI_LOG__LEVEL", "info")];
    let daemon = Daemon::start(state.path(), config.path(), false, &settings).await;
    let dial = async |agent: &str| {
        let mut options = daemon.call();
        options.path.push_str(&format!("?agent={agent}"));
        daemon.dial(options).await
    };
    for agent in ["echo", "shop-line"] {
        let call = dial(agent).await.unwrap();
        let in_progress = |e: &Event| matches!(e, Event::StateChanged { to: CallState::InProgress, .. });
        daemon.fact(call.carrier_call(), "media", 0, in_progress).await;
        call.hang_up().await.unwrap();
        assert_eq!(daemon.ended(call.carrier_call()).await.1, EndCause::CallerHungUp);
    }
    let refused = dial("bank-line").await.unwrap_err();
    assert!(matches!(refused, DialError::Rejected { .. } | DialError::HungUp), "{refused}");
    let live: Value = daemon.get("/sessions").await.unwrap().json().await.unwrap();
    assert_eq!(live.as_array().unwrap().len(), 0, "nobody is on the line: {live}");
    let found = until("health names the agent", async || {
        let alerts: Value = daemon.get("/api/alerts").await?.json().await.ok()?;
        alerts["findings"].as_array()?.iter().find(|f| f["code"] == "agent" && f["severity"] == "error").cloned()
    })
    .await;
    assert_eq!(found["about"], "bank-line", "{found}");
    assert!(found["text"].as_str().unwrap().contains("removed for good"), "{found}");
    assert!(found["fix"].as_str().unwrap().contains("routing.tenant"), "{found}");
    // One that goes while the daemon runs is refused from then on.
    let gone = daemon.api().request(reqwest::Method::DELETE, "/api/tenants/shop");
    let gone = gone.json(&serde_json::json!({ "confirm": "shop" })).send().await.unwrap();
    assert!(gone.status().is_success(), "{}", gone.text().await.unwrap());
    assert!(dial("shop-line").await.is_err());
    let told = |agent: &str| {
        let log = std::fs::read_to_string(&log).unwrap();
        log.lines().any(|line| line.contains("an agent takes no calls") && line.contains(agent)).then_some(())
    };
    until("the log says so, too", async || told("shop-line")).await;
    daemon.stop().await;
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(log.matches("an agent takes no calls: its tenant is not there").count(), 2, "once for each:\n{log}");
}
