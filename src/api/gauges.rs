//! What `/metrics` reads off other rooms when it is asked: the router's budgets and how everybody does
//! now, the databases, alerts, logs and traces. Labels are names of the routing file or of the
//! catalogue of findings, so there are never more rows than those have.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::metrics::plain;
use crate::ai::router::Planner;
use crate::ai::router::report::Did;
use crate::base::Clock;
use crate::base::money::Money;
use crate::ops::alerts::Alerts;
use crate::ops::health::CATALOGUE;
use crate::ops::log;
use crate::ops::traces::Traces;
use crate::store::Vault;

/// What is left of tenants' budgets.
pub struct BudgetGauges {
    planner: Arc<Planner>,
}

impl BudgetGauges {
    pub const fn new(planner: Arc<Planner>) -> Self {
        Self { planner }
    }
}

impl fmt::Debug for BudgetGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BudgetGauges")
    }
}

impl Collector for BudgetGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let left = |(tenant, budget, spent): (String, Money, Money)| {
            (vec![("tenant", plain(&tenant))], budget.less(spent).paise())
        };
        let left: Vec<_> = self.planner.budgets().into_iter().map(left).collect();
        put(&mut encoder, "router_budget_left_paise", "What is left of a tenant's budget of the day", &left)
    }
}

/// The router as a source of gauges.
pub struct RouterGauges {
    planner: Arc<Planner>,
    clock: Clock,
}

impl RouterGauges {
    pub const fn new(planner: Arc<Planner>, clock: Clock) -> Self {
        Self { planner, clock }
    }
}

impl fmt::Debug for RouterGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouterGauges")
    }
}

type Labels = Vec<(&'static str, String)>;

fn put(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, rows: &[(Labels, f64)]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

impl Collector for RouterGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now_ms = self.clock.unix_ms(self.clock.now());
        let known = |candidate: &str| self.planner.table().named(candidate).is_some();
        let did: Vec<Did> = self.planner.measured().iter().map(|measured| Did::of(measured, now_ms)).collect();
        let labels = |did: &Did| -> Labels {
            vec![
                ("candidate", plain(&did.candidate)),
                ("stage", did.stage.as_str().to_owned()),
                ("language", did.language.tag().to_owned()),
            ]
        };
        let rows = |value: fn(&Did) -> Option<f64>| -> Vec<(Labels, f64)> {
            let known = did.iter().filter(|did| known(&did.candidate));
            known.filter_map(|did| Some((labels(did), value(did)?))).collect()
        };
        let success = rows(|did| did.success_percent.map(|percent| percent / 100.0));
        put(&mut encoder, "router_success_share", "Requests answered lately, 0 to 1", &success)?;
        let p95 = rows(|did| did.p95_ms.map(|ms| ms as f64 / 1_000.0));
        put(&mut encoder, "router_p95_seconds", "Slow tail until the first useful piece", &p95)
    }
}

fn put_counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// All databases together: tenants come and go, and are nobody's business here.
#[derive(Debug)]
pub struct StoreGauges {
    vault: Vault,
}

impl StoreGauges {
    pub const fn new(vault: Vault) -> Self {
        Self { vault }
    }
}

impl Collector for StoreGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tenants = self.vault.databases();
        let all: Vec<_> = std::iter::once(self.vault.system()).chain(tenants.iter().map(|(_, db)| db)).collect();
        let stats: Vec<_> = all.iter().map(|db| db.stats()).collect();
        let bytes: u64 = all.iter().map(|db| std::fs::metadata(db.path()).map_or(0, |about| about.len())).sum();
        put_counter(&mut encoder, "store_writes", "Writes that are on the disk", stats.iter().map(|s| s.writes).sum())?;
        put_counter(&mut encoder, "store_commits", "Commits that carried them", stats.iter().map(|s| s.commits).sum())?;
        let waiting: u64 = stats.iter().map(|s| s.waiting).sum();
        let gauges = [
            ("store_write_queue_length", "Writes that wait for their writer", waiting as f64),
            ("store_databases", "Databases that are open", all.len() as f64),
            ("store_broken_databases", "Databases that could not be opened", self.vault.broken().len() as f64),
            ("store_bytes", "Size of all databases", bytes as f64),
        ];
        gauges.into_iter().try_for_each(|(name, help, value)| put(&mut encoder, name, help, &[(Vec::new(), value)]))
    }
}

/// Alerts, and what logs and traces lost.
#[derive(Debug)]
pub struct WatchGauges {
    alerts: Alerts,
    traces: Option<Traces>,
}

impl WatchGauges {
    pub const fn new(alerts: Alerts, traces: Option<Traces>) -> Self {
        Self { alerts, traces }
    }
}

impl Collector for WatchGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let raised = self.alerts.raised();
        let rows: Vec<(Labels, f64)> = CATALOGUE
            .iter()
            .filter(|row| row.alerts_from.is_some())
            .map(|row| {
                let count = raised.iter().filter(|alert| alert.code == row.code).count();
                (vec![("code", row.code.to_owned())], count as f64)
            })
            .collect();
        put(&mut encoder, "alerts_active", "Alerts that are raised, by code of the catalogue", &rows)?;
        put_counter(&mut encoder, "log_entries_dropped", "Log entries that the journal did not take", log::dropped())?;
        let Some(traces) = &self.traces else { return Ok(()) };
        let counts = traces.counts();
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        put_counter(&mut encoder, "trace_spans_sent", "Spans that the collector took", of(&counts.sent))?;
        put_counter(&mut encoder, "trace_spans_dropped", "Spans that did not fit the queue", of(&counts.dropped))?;
        put_counter(&mut encoder, "trace_spans_failed", "Spans that the collector did not take", of(&counts.failed))
    }
}
