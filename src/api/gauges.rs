//! What `/metrics` reads off the router when it is asked: budgets and how everybody does now. Labels
//! are names of the routing file, so there are never more rows than it has.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::ai::router::Planner;
use crate::ai::router::report::Did;
use crate::base::Clock;

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
        let left = |(tenant, budget, spent): (String, crate::base::money::Money, crate::base::money::Money)| {
            (vec![("tenant", tenant)], budget.less(spent).paise())
        };
        let left: Vec<_> = self.planner.budgets().into_iter().map(left).collect();
        put(&mut encoder, "router_budget_left_paise", "What is left of a tenant's budget of the day", &left)?;
        let now_ms = self.clock.unix_ms(self.clock.now());
        let known = |candidate: &str| self.planner.table().named(candidate).is_some();
        let did: Vec<Did> = self.planner.measured().iter().map(|measured| Did::of(measured, now_ms)).collect();
        let labels = |did: &Did| -> Labels {
            vec![
                ("candidate", did.candidate.clone()),
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
