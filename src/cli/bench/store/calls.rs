//! Calls as the registry makes them, and their facts in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Spread;
use crate::ai::router::{Planner, Router, Table};
use crate::app;
use crate::base::event::{CallCost, CallState, Concerns, Direction, EndCause, Event, Record, Waterfall, Way};
use crate::base::secret::KeyedHash;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, TenantId};
use crate::call::admission::Admission;
use crate::call::driver::Engines;
use crate::call::registry::{Deps, Registry};
use crate::config::Settings;
use crate::store::Vault;
use crate::store::journal::Journal;
use crate::telephony::leg::{Announcement, Exchange as _};

/// Agent that needs no engine.
const AGENT: &str = "echo";

/// What the journal took.
#[derive(Debug, Serialize)]
pub(super) struct Sustained {
    pub(super) events_per_second: f64,
    pub(super) seconds: f64,
    pub(super) events: u64,
    pub(super) commits: u64,
    pub(super) lost: u64,
    /// Of each fact, from handing it over until it is on the disk.
    pub(super) durable_ms: Spread,
}

fn registry(settings: &Settings, vault: &Vault, journal: &Journal, clock: Clock) -> anyhow::Result<Registry> {
    let planner = Planner::new(Table::local_only(), BTreeMap::new(), clock, Arc::new(|_, _| ()));
    // Nobody is connected, so nobody is asked.
    let router = Arc::new(Router::new(Arc::new(planner), Vec::new()));
    Ok(Registry::new(Deps {
        clock,
        scope: Scope::new(),
        journal: journal.clone(),
        engines: Engines { stt: router.clone(), llm: router.clone(), tts: router },
        scripts: Arc::new(app::load_scripts(settings)?),
        admission: Admission::new(1_000_000),
        room: Arc::new(|_, _, _| true),
        vault: vault.clone(),
        phone_hash: KeyedHash::of_key(&vault.master().derive("phone hash")),
        keep_words: false,
        reels: None,
        mute_keys: true,
        observers: Vec::new(),
        prices: Arc::new(|_, _| CallCost::default()),
    }))
}

/// Announces calls and waits for their rows: one after the other, then `live` at a time.
pub(super) async fn sessions(
    settings: &Settings,
    vault: &Vault,
    calls: u64,
    live: u64,
) -> anyhow::Result<(Spread, Spread)> {
    let clock = Clock::system();
    let journal = Journal::new(vault.clone(), Vec::new());
    let registry = registry(settings, vault, &journal, clock)?;
    let one = move |registry: Registry, vault: Vault, number: u64| async move {
        let began = clock.now();
        let announcement = Announcement {
            transport: "twilio",
            carrier_call: format!("CA{number:032x}"),
            direction: Direction::Inbound,
            from: format!("+9198{:08}", number % 100_000_000).parse().ok(),
            to: None,
            agent: Some(AGENT.to_owned()),
            state: None,
            district: None,
            call: None,
        };
        registry.announce(announcement).map_err(|refusal| anyhow::anyhow!("the call was refused: {refusal}"))?;
        // Whatever was handed over before this is on the disk once it returns.
        let db = vault.tenant(&TenantId::default_tenant()).context("the tenant is not there")?;
        db.write(|_| Ok(())).await?;
        anyhow::Ok(clock.now().since(began))
    };
    let mut alone = Vec::new();
    for number in 0..calls {
        alone.push(one(registry.clone(), vault.clone(), number).await?);
    }
    let (mut busy, mut running) = (Vec::new(), JoinSet::new());
    for number in calls..calls * 2 {
        running.spawn(one(registry.clone(), vault.clone(), number));
        if running.len() as u64 >= live {
            busy.extend(running.join_next().await.transpose()?.transpose()?);
        }
    }
    while let Some(done) = running.join_next().await {
        busy.push(done??);
    }
    anyhow::ensure!(journal.dropped() == 0, "{} facts were lost", journal.dropped());
    Ok((Spread::of(alone), Spread::of(busy)))
}

/// `live` calls write their facts for so long, each fact once the one before it is on the disk.
pub(super) async fn sustained(vault: &Vault, live: u64, rate: u64, time: Duration) -> anyhow::Result<Sustained> {
    let clock = Clock::system();
    let journal = Journal::new(vault.clone(), Vec::new());
    let db = vault.tenant(&TenantId::default_tenant()).context("the tenant is not there")?;
    let before = db.stats().commits;
    let began = clock.now();
    let mut running = JoinSet::new();
    for number in 0..live {
        let journal = journal.clone();
        // Each takes its share of the rate, where one is wanted.
        let pace = (rate > 0).then(|| Duration::from_secs_f64(live as f64 / rate as f64));
        running.spawn(async move {
            let mut took = Vec::new();
            let mut beat = pace.map(tokio::time::interval);
            let mut facts = Facts::new(CallId::new(), number);
            while clock.now().since(began) < time {
                if let Some(beat) = &mut beat {
                    beat.tick().await;
                }
                let record = facts.next(clock.unix_ms(clock.now()));
                let handed = clock.now();
                journal.append_durable(record).await?;
                took.push(clock.now().since(handed));
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = running.join_next().await {
        all.extend(done??);
    }
    let seconds = clock.now().since(began).as_secs_f64();
    Ok(Sustained {
        events_per_second: (all.len() as f64 / seconds).round(),
        seconds: seconds.round(),
        events: all.len() as u64,
        commits: db.stats().commits - before,
        lost: journal.dropped(),
        durable_ms: Spread::of(all),
    })
}

/// The facts of one call after another.
pub(super) struct Facts {
    call: CallId,
    number: u64,
    step: u32,
    began_ms: u64,
}

/// Facts of one call.
pub(super) const FACTS: u32 = 9;

const AGENTS: [&str; 5] = ["helpdesk", "loan", "survey", "doctor", "echo"];
const CAMPAIGNS: [&str; 4] = ["", "emi-june", "renewals", "feedback"];

impl Facts {
    pub(super) const fn new(call: CallId, number: u64) -> Self {
        Self { call, number, step: 0, began_ms: 0 }
    }

    /// The next one; after the end a new call begins.
    pub(super) fn next(&mut self, unix_ms: u64) -> Record {
        if self.step == FACTS {
            *self = Self::new(CallId::new(), self.number + 1);
        }
        if self.step == 0 {
            self.began_ms = unix_ms;
        }
        let event = self.event();
        self.step += 1;
        Record { call: self.call, unix_ms, call_ms: unix_ms.saturating_sub(self.began_ms), event }
    }

    fn event(&self) -> Event {
        let n = self.number as usize;
        let language = Lang::ALL[n % Lang::ALL.len()];
        let picked = !n.is_multiple_of(7);
        let turn = |turn| Event::TurnAnswered {
            turn,
            language,
            intent: Some("balance".to_owned()),
            way: Way::Choose,
            waterfall: Waterfall {
                endpoint: Some(420),
                stt_final: Some(500),
                llm_first_token: Some(640),
                first_clause: Some(700),
                tts_first_audio: Some(810),
                first_frame_out: Some(830),
                ..Waterfall::default()
            },
        };
        match self.step {
            0 => Event::CallInitiated {
                transport: "twilio".to_owned(),
                carrier_call: Some(format!("CA{}", self.call)),
                direction: if n.is_multiple_of(3) { Direction::Inbound } else { Direction::Outbound },
                agent: AGENTS[n % AGENTS.len()].to_owned(),
                caller_hash: Some(format!("{:016x}", (n as u64 % 400_000).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                concerns: Box::new(Concerns {
                    campaign: CAMPAIGNS[n / 2 % CAMPAIGNS.len()].to_owned(),
                    ..Concerns::default()
                }),
                customer: None,
            },
            1 => Event::StateChanged { from: CallState::Ready, to: CallState::Initiated },
            2 => Event::StateChanged { from: CallState::Initiated, to: CallState::Ringing },
            3 if picked => Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress },
            4 => Event::LanguageDetected { language, confidence: 0.93, source: "speech".to_owned() },
            3 | 5 => turn(1),
            6 => turn(2),
            7 => Event::CallCost(Box::default()),
            _ => Event::CallEnded {
                outcome: match n % 10 {
                    _ if !picked => CallState::NotPicked,
                    0 => CallState::Failed,
                    _ => CallState::Completed,
                },
                cause: if picked { EndCause::Goodbye } else { EndCause::NeverConnected },
                duration_ms: 30_000 + n as u64 % 240_000,
                turns: 2,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_ends_once_and_another_follows() {
        let mut facts = Facts::new(CallId::new(), 0);
        let records: Vec<_> = (0..FACTS * 3).map(|n| facts.next(u64::from(n))).collect();
        for call in records.chunks(FACTS as usize) {
            assert!(call.iter().all(|record| record.call == call[0].call));
            assert!(matches!(call[0].event, Event::CallInitiated { .. }));
            let ends = call.iter().filter(|record| matches!(record.event, Event::CallEnded { .. })).count();
            assert!(ends == 1 && matches!(call[8].event, Event::CallEnded { .. }));
        }
        assert_ne!(records[0].call, records[9].call);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_counted_is_in_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let vault = super::super::open(dir.path()).unwrap();
        let settings = Settings::load(None).unwrap();
        let (alone, busy) = sessions(&settings, &vault, 20, 5).await.unwrap();
        assert_eq!((alone.count, busy.count), (20, 20));
        let done = sustained(&vault, 4, 0, Duration::from_millis(300)).await.unwrap();
        assert!(done.events > 4 && done.lost == 0 && done.commits > 0, "{done:?}");
        let db = vault.tenant(&TenantId::default_tenant()).unwrap();
        let kept = db.read(|db| Ok(crate::store::journal::since(db, 0, 1_000_000)?.len())).await.unwrap();
        // Three facts for each announced call.
        assert_eq!(kept as u64, done.events + 40 * 3);
        super::super::close(vault).await.unwrap();
    }
}
