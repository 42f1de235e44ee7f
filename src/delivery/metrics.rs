//! What can be counted of webhooks: nobody's words, numbers or addresses. How many wait is told to
//! everybody as one sum; by tenant it is on a page of its own, since names of tenants are not for
//! whoever can reach the port.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const ATTEMPT_BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Clones count together.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    /// By outcome: `delivered`, `failed` (tried again), `dead`.
    pub deliveries: Family<[(&'static str, &'static str); 1], Counter>,
    sizes: Sizes,
    pub attempts: Histogram,
    /// Dead letters that were forgotten before anybody asked for them.
    pub lost: Counter,
    pub switched_off: Counter,
}

impl Default for DeliveryMetrics {
    fn default() -> Self {
        Self {
            deliveries: Family::default(),
            sizes: Sizes::default(),
            attempts: Histogram::new(ATTEMPT_BUCKETS),
            lost: Counter::default(),
            switched_off: Counter::default(),
        }
    }
}

impl DeliveryMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("webhook_deliveries", "Attempts to deliver a webhook, by outcome", self.deliveries.clone());
        registry.register_collector(Box::new(Outboxes { sizes: self.sizes.clone(), by_tenant: false }));
        registry.register("webhook_attempt_seconds", "Time of one attempt", self.attempts.clone());
        registry.register("outbox_dead_letters_lost", "Dead letters forgotten unread", self.lost.clone());
        registry.register(
            "webhook_endpoints_switched_off",
            "Endpoints that answered 410 Gone",
            self.switched_off.clone(),
        );
    }

    /// What names tenants.
    pub fn register_by_tenant(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Outboxes { sizes: self.sizes.clone(), by_tenant: true }));
    }

    pub(super) fn tried(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub fn sizes(&self, tenant: &str, waiting: u64, dead: u64) {
        self.sizes.set(tenant, Some(Size { waiting, dead }));
    }

    /// The tenant is gone.
    pub(super) fn forget(&self, tenant: &str) {
        self.sizes.set(tenant, None);
    }
}

#[derive(Clone, Copy, Debug)]
struct Size {
    waiting: u64,
    dead: u64,
}

/// Of every tenant's outbox, as its courier last saw it.
#[derive(Clone, Debug, Default)]
struct Sizes(Arc<Mutex<BTreeMap<String, Size>>>);

impl Sizes {
    fn set(&self, tenant: &str, size: Option<Size>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match size {
            Some(size) => drop(all.insert(tenant.to_owned(), size)),
            None => drop(all.remove(tenant)),
        }
    }
}

/// Reads the sizes off when a page is asked for.
#[derive(Debug)]
struct Outboxes {
    sizes: Sizes,
    by_tenant: bool,
}

type Column = (&'static str, &'static str, fn(&Size) -> u64);

impl Collector for Outboxes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.sizes.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let columns: [Column; 2] = if self.by_tenant {
            [
                ("tenant_outbox_queue_size", "Webhooks waiting to be delivered, by tenant", |size| size.waiting),
                ("tenant_outbox_dead_letters", "Webhooks given up and kept, by tenant", |size| size.dead),
            ]
        } else {
            [
                ("outbox_queue_size", "Webhooks waiting to be delivered", |size| size.waiting),
                ("outbox_dead_letters", "Webhooks given up and kept", |size| size.dead),
            ]
        };
        for (name, help, value) in columns {
            if self.by_tenant && all.is_empty() {
                continue;
            }
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            if self.by_tenant {
                for (tenant, size) in &all {
                    // Ids of tenants are plain words: nothing in them ends a label.
                    let labels = [("tenant", tenant.as_str())];
                    ConstGauge::new(value(size)).encode(family.encode_family(&labels)?)?;
                }
            } else {
                ConstGauge::new(all.values().map(value).sum::<u64>()).encode(family)?;
            }
        }
        Ok(())
    }
}
