//! How the box watches itself: facts for its findings, alerts and who hears of them, rates, traces.

use std::sync::{Arc, PoisonError};

use futures_util::FutureExt;

use super::Parts;
use super::keepers::Keepers;
use crate::ai::router::Planner;
use crate::api::HealthSource;
use crate::api::http_metrics;
use crate::base::event::Record;
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId};
use crate::call::registry::Observer;
use crate::config::Settings;
use crate::delivery::{self, Delivery, Public};
use crate::ops::alerts::{AlertEvent, Alerts};
use crate::ops::call_log;
use crate::ops::health::{BackupFacts, DatabaseFacts, Facts, OutboxFacts};
use crate::ops::lately::Lately;
use crate::ops::traces::{Answered, Traces};
use crate::ops::watch::FactsSource;
use crate::store::journal::Journal;
use crate::store::{Vault, outbox};

#[derive(Clone)]
pub(super) struct Watching {
    pub(super) alerts: Alerts,
    pub(super) lately: Arc<Lately>,
    pub(super) traces: Option<Traces>,
}

impl Watching {
    pub(super) fn new(
        settings: &Settings,
        delivery: &Delivery,
        vault: &Vault,
        clock: Clock,
        scope: &Scope,
    ) -> anyhow::Result<Self> {
        let (delivery, vault) = (delivery.clone(), vault.clone());
        let telling = Arc::new(move |event: &AlertEvent| announce(event, &delivery, &vault));
        let instance = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            alerts: Alerts::new(&settings.alerts, clock, vec![telling]),
            lately: Arc::new(Lately::new(&settings.alerts, clock)),
            traces: Traces::start(&settings.telemetry, scope, instance.trim())?,
        })
    }

    /// Who hears of every fact of a call.
    pub(super) fn of_calls(&self, journal: &Journal) -> Vec<Observer> {
        let (journal, lately) = (journal.clone(), Arc::clone(&self.lately));
        let mut all: Vec<Observer> = vec![
            Arc::new(move |record: &Record| call_log::tell(record, &journal.tenant_of(record.call))),
            Arc::new(move |record: &Record| lately.observe(record)),
        ];
        if let Some(traces) = self.traces.clone() {
            all.push(Arc::new(move |record: &Record| traces.observe(record)));
        }
        all
    }

    /// Who hears of every answered HTTP request.
    pub(super) fn of_requests(&self) -> Vec<http_metrics::Observer> {
        let lately = Arc::clone(&self.lately);
        let mut all: Vec<http_metrics::Observer> =
            vec![Arc::new(move |answered: &Answered<'_>| lately.answered(answered.status))];
        if let Some(traces) = self.traces.clone() {
            all.push(Arc::new(move |answered: &Answered<'_>| traces.answered(answered)));
        }
        all
    }
}

/// Webhooks of the tenant `default` tell of alerts: it is whoever runs the box. Other tenants need not
/// know how the box is.
fn announce(event: &AlertEvent, delivery: &Delivery, vault: &Vault) {
    let Some(db) = vault.tenant(&TenantId::default_tenant()) else { return };
    let AlertEvent { event_type, alert } = event;
    let raised = *event_type == "alert.raised";
    let at_ms = alert.cleared_ms.filter(|_| !raised).unwrap_or(alert.raised_ms);
    let told = delivery::Alert {
        code: alert.code.to_owned(),
        severity: serde_json::to_value(alert.severity)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default(),
        text: alert.text.clone(),
        fix: alert.fix.clone(),
    };
    let (public, bell, clock) = (Public::alert(at_ms, told, raised), delivery.bell(), delivery.clock());
    db.post(
        move |db| delivery::publish(db, clock.unix_ms(clock.now()), &public),
        move |result| match result {
            Ok(_) => bell.ring(),
            Err(error) => tracing::error!(%error, "webhooks could not be told of an alert"),
        },
    );
}

/// What only the running daemon knows.
pub(super) fn facts(parts: Arc<Parts>, planner: Arc<Planner>, keepers: Keepers, vault: Vault) -> FactsSource {
    Arc::new(move || {
        let (parts, planner, keepers, vault) =
            (Arc::clone(&parts), Arc::clone(&planner), keepers.clone(), vault.clone());
        async move {
            let mut outbox = OutboxFacts::default();
            for (_, db) in vault.databases() {
                let counted = db.read(|db| Ok((outbox::counts(db)?, outbox::oldest_waiting_ms(db)?))).await;
                if let Ok((counts, oldest_ms)) = counted {
                    outbox.add(counts.waiting, counts.dead, oldest_ms);
                }
            }
            let upkeep = keepers.upkeep.clone();
            let databases = tokio::task::spawn_blocking(move || DatabaseFacts::all(&upkeep)).await;
            Facts {
                components: parts.components(),
                offline: Some(planner.is_offline()),
                journal_dropped: Some(parts.journal.dropped()),
                databases: databases.unwrap_or_default(),
                backup: Some(BackupFacts::of(&keepers.backups)),
                audit: keepers.chains.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                outbox: Some(outbox),
                ..Facts::default()
            }
        }
        .boxed()
    })
}
