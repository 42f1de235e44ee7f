//! How the box watches itself: who is told the facts of calls and requests, and where the health
//! checks get theirs.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::Registry as Page;
use tokio::sync::Notify;

use super::health::Parts;
use super::keepers::Keepers;
use super::tenants::AgentTenants;
use crate::ai::engines::Setup;
use crate::ai::router::Planner;
use crate::api::{HealthSource as _, Live, StoreGauges, WatchGauges, http_metrics};
use crate::auth::audit::Audit;
use crate::base::event::Record;
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId, limits};
use crate::call::registry::Observer;
use crate::config::Settings;
use crate::delivery::recordings::Trouble;
use crate::delivery::{self, Public};
use crate::ops::alerts::{self, Alerts};
use crate::ops::call_log;
use crate::ops::health::{AuditFacts, BackupFacts, DatabaseFacts, Facts, JournalFacts, OutboxFacts, RecordingFacts};
use crate::ops::lately::Lately;
use crate::ops::traces::{Answered, Traces};
use crate::ops::watch::{FactsSource, Watch};
use crate::store::journal::Journal;
use crate::store::{StoreError, Vault, outbox};

/// What watches.
pub(super) struct Watching {
    pub(super) alerts: Alerts,
    bell: Arc<Notify>,
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
    pub(super) keepers: Keepers,
    pub(super) tenants: AgentTenants,
}

/// Alerts go out as webhooks of the tenant `default`, whose people own the box.
fn as_webhooks(vault: &Vault, keepers: &Keepers, clock: Clock) -> alerts::Observer {
    let (vault, bell) = (vault.clone(), keepers.delivery.bell());
    Arc::new(move |event| {
        let Some(db) = vault.tenant(&TenantId::default_tenant()) else { return };
        let now_ms = clock.unix_ms(clock.now());
        let alert = delivery::Alert {
            code: event.alert.code.to_owned(),
            severity: event.alert.severity.as_str().to_owned(),
            text: event.alert.text.clone(),
            fix: event.alert.fix.clone(),
        };
        let public = Public::alert(now_ms, alert, event.alert.cleared_ms.is_none());
        let ringing = bell.clone();
        let told = move |result: Result<usize, StoreError>| match result {
            Ok(endpoints) if endpoints > 0 => ringing.ring(),
            Ok(_) => {}
            // A full disk is itself an alert; it stands in the log and at /api/alerts.
            Err(error) if error.is_full() => {}
            Err(error) => tracing::error!(%error, "an alert could not be put into the outbox"),
        };
        if !db.post(move |db| delivery::publish(db, now_ms, &public), told) {
            tracing::error!("an alert could not be put into the outbox: too many writes are waiting");
        }
    })
}

impl Watching {
    pub(super) fn start(
        settings: &Settings,
        clock: Clock,
        scope: &Scope,
        vault: &Vault,
        keepers: &Keepers,
        live: &Live,
        bell: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let watchers = live.clone();
        let tellers: Vec<alerts::Observer> =
            vec![as_webhooks(vault, keepers, clock), Arc::new(move |event| watchers.alert(event))];
        Ok(Self {
            alerts: Alerts::new(&settings.alerts, clock, tellers),
            bell,
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
            // Its 503 says that something else is down.
            if answered.route != "/health" {
                lately.answered(answered.status);
            }
            if let Some(traces) = &traces {
                traces.answered(answered);
            }
        })]
    }

    /// Looks at the box until it stops.
    pub(super) fn run(&self, settings: &Settings, setup: Setup, clock: Clock, scope: &Scope, sources: Sources) {
        let trails: Arc<Mutex<Vec<AuditFacts>>> = Arc::default();
        let checking = check_trails(sources.vault.clone(), sources.keepers.audit.clone(), clock, Arc::clone(&trails));
        let stop = scope.clone();
        scope.spawn("audit check", async move {
            tokio::select! {
                () = stop.stopped() => {}
                () = checking => {}
            }
        });
        let facts: FactsSource = Arc::new(move || {
            let (sources, trails) = (sources.clone(), Arc::clone(&trails));
            Box::pin(async move {
                let audit = trails.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Facts { audit, ..sources.facts().await }
            })
        });
        let watch = Watch {
            settings: settings.clone(),
            setup,
            clock,
            facts,
            lately: Arc::clone(&self.lately),
            alerts: self.alerts.clone(),
            bell: Arc::clone(&self.bell),
        };
        scope.spawn("watch", Box::pin(watch.run(scope.clone())));
    }
}

/// Verifies every audit trail now and then; for ever.
async fn check_trails(vault: Vault, audit: Audit, clock: Clock, found: Arc<Mutex<Vec<AuditFacts>>>) {
    loop {
        let mut all = Vec::new();
        for tenant in std::iter::once(None).chain(vault.tenants().into_iter().map(Some)) {
            let name = tenant.as_ref().map_or_else(|| "system".to_owned(), ToString::to_string);
            // What cannot be read is told by the check of databases.
            if let Ok(report) = audit.verify(tenant.as_ref(), Vec::new()).await {
                all.push(AuditFacts {
                    name,
                    verified_ms: Some(clock.unix_ms(clock.now())),
                    broken: report.wrong.map(|wrong| wrong.text),
                });
            }
        }
        *found.lock().unwrap_or_else(PoisonError::into_inner) = all;
        tokio::time::sleep(limits::AUDIT_CHECK_EVERY).await;
    }
}

impl Sources {
    async fn facts(self) -> Facts {
        let offline = self.planner.is_offline();
        let asking = self.clone();
        // Lengths of files and statuses: quick, but the disk may hang.
        let from_disk = tokio::task::spawn_blocking(move || {
            let mut databases = DatabaseFacts::all(&asking.keepers.upkeep);
            databases.extend(asking.vault.broken().into_iter().map(|(tenant, why)| DatabaseFacts {
                name: tenant.to_string(),
                corrupt: Some(why),
                ..DatabaseFacts::default()
            }));
            (databases, Some(BackupFacts::of(&asking.keepers.backups)))
        });
        let mut waiting = OutboxFacts::default();
        for (_, db) in self.vault.databases() {
            // One that cannot be read is told as such by the check of databases.
            let read = db.read(|db| Ok((outbox::counts(db)?, outbox::oldest_waiting_ms(db)?))).await;
            if let Ok((counts, oldest)) = read {
                waiting.add(counts.waiting, counts.dead, oldest);
            }
        }
        let Trouble { broken_off, waiting: on_their_way, why } = self.keepers.recordings.trouble();
        let recordings = RecordingFacts { broken_off, waiting: on_their_way, why };
        let (databases, backup) = from_disk.await.unwrap_or_default();
        Facts {
            components: self.parts.components(),
            offline: self.planner.is_outside_allowed().then_some(offline),
            disk: Some(self.vault.disk().last()).filter(|look| look.total_bytes != u64::MAX),
            agents: self.tenants.shut(),
            journal: Some(JournalFacts { lost: self.journal.dropped(), waiting: self.journal.waiting() as u64 }),
            databases,
            backup,
            outbox: Some(waiting),
            recordings: Some(recordings),
            ..Facts::default()
        }
    }
}
