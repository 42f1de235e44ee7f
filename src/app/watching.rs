//! How the box watches itself: who is told the facts of calls and requests, and where the health
//! checks get theirs.

use std::sync::Arc;

use prometheus_client::registry::Registry as Page;

use super::health::Parts;
use crate::ai::engines::Setup;
use crate::ai::router::Planner;
use crate::api::{HealthSource as _, StoreGauges, WatchGauges, http_metrics};
use crate::base::Clock;
use crate::base::event::Record;
use crate::base::tasks::Scope;
use crate::call::registry::Observer;
use crate::config::Settings;
use crate::ops::alerts::{self, Alerts};
use crate::ops::backups::Backups;
use crate::ops::call_log;
use crate::ops::health::{BackupFacts, DatabaseFacts, Facts, OutboxFacts};
use crate::ops::lately::Lately;
use crate::ops::traces::{Answered, Traces};
use crate::ops::upkeep::Upkeep;
use crate::ops::watch::{FactsSource, Watch};
use crate::store::journal::Journal;
use crate::store::{Vault, outbox};

/// What watches.
pub(super) struct Watching {
    pub(super) alerts: Alerts,
    lately: Arc<Lately>,
    traces: Option<Traces>,
}

/// Whom the health checks ask.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) parts: Arc<Parts>,
    pub(super) planner: Arc<Planner>,
    pub(super) journal: Journal,
    pub(super) vault: Vault,
    pub(super) upkeep: Option<Upkeep>,
    pub(super) backups: Option<Backups>,
}

impl Watching {
    /// `tellers` hear of alerts: webhooks, live streams.
    pub(super) fn start(
        settings: &Settings,
        clock: Clock,
        scope: &Scope,
        tellers: Vec<alerts::Observer>,
    ) -> anyhow::Result<Self> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            alerts: Alerts::new(&settings.alerts, clock, tellers),
            lately: Arc::new(Lately::new(&settings.alerts, clock)),
            traces: Traces::start(&settings.telemetry, scope, name.trim())?,
        })
    }

    pub(super) fn register(&self, vault: &Vault, page: &mut Page) {
        page.register_collector(Box::new(StoreGauges::new(vault.clone())));
        page.register_collector(Box::new(WatchGauges::new(self.alerts.clone(), self.traces.clone())));
    }

    /// For the registry of calls.
    pub(super) fn of_calls(&self, journal: Journal) -> Observer {
        let (lately, traces) = (Arc::clone(&self.lately), self.traces.clone());
        Arc::new(move |record: &Record| {
            lately.observe(record);
            if let Some(traces) = &traces {
                traces.observe(record);
            }
            call_log::tell(record, &journal.tenant_of(record.call));
        })
    }

    /// For the HTTP server.
    pub(super) fn of_requests(&self) -> Vec<http_metrics::Observer> {
        let (lately, traces) = (Arc::clone(&self.lately), self.traces.clone());
        vec![Arc::new(move |answered: &Answered<'_>| {
            lately.answered(answered.status);
            if let Some(traces) = &traces {
                traces.answered(answered);
            }
        })]
    }

    /// Looks at the box until it stops.
    pub(super) fn run(&self, settings: &Settings, setup: Setup, clock: Clock, scope: &Scope, sources: Sources) {
        let facts: FactsSource = Arc::new(move || {
            let sources = sources.clone();
            Box::pin(async move { sources.facts().await })
        });
        let watch = Watch {
            settings: settings.clone(),
            setup,
            clock,
            facts,
            lately: Arc::clone(&self.lately),
            alerts: self.alerts.clone(),
        };
        scope.spawn("watch", Box::pin(watch.run(scope.clone())));
    }
}

impl Sources {
    async fn facts(self) -> Facts {
        let offline = self.planner.is_offline();
        let asking = self.clone();
        // Lengths of files and statuses: quick, but the disk may hang.
        let from_disk = tokio::task::spawn_blocking(move || {
            let mut databases = asking.upkeep.as_ref().map(DatabaseFacts::all).unwrap_or_default();
            databases.extend(asking.vault.broken().into_iter().map(|(tenant, why)| DatabaseFacts {
                name: tenant.to_string(),
                corrupt: Some(why),
                ..DatabaseFacts::default()
            }));
            (databases, asking.backups.as_ref().map(BackupFacts::of))
        });
        let mut waiting = OutboxFacts::default();
        for (_, db) in self.vault.databases() {
            // One that cannot be read is told as such by the check of databases.
            let read = db.read(|db| Ok((outbox::counts(db)?, outbox::oldest_waiting_ms(db)?))).await;
            if let Ok((counts, oldest)) = read {
                waiting.add(counts.waiting, counts.dead, oldest);
            }
        }
        let (databases, backup) = from_disk.await.unwrap_or_default();
        Facts {
            components: self.parts.components(),
            offline: self.planner.is_outside_allowed().then_some(offline),
            journal_dropped: Some(self.journal.dropped()),
            databases,
            backup,
            outbox: Some(waiting),
            ..Facts::default()
        }
    }
}
