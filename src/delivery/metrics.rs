//! What can be counted of webhooks: nobody's words, numbers or addresses.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Labels<const N: usize> = [(&'static str, String); N];

const ATTEMPT_BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Clones count together.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    /// By outcome: `delivered`, `failed` (tried again), `dead`.
    pub deliveries: Family<[(&'static str, &'static str); 1], Counter>,
    pub waiting: Family<Labels<1>, Gauge>,
    pub dead: Family<Labels<1>, Gauge>,
    pub attempts: Histogram,
    /// Dead letters that were forgotten before anybody asked for them.
    pub lost: Counter,
    pub switched_off: Counter,
}

impl Default for DeliveryMetrics {
    fn default() -> Self {
        Self {
            deliveries: Family::default(),
            waiting: Family::default(),
            dead: Family::default(),
            attempts: Histogram::new(ATTEMPT_BUCKETS),
            lost: Counter::default(),
            switched_off: Counter::default(),
        }
    }
}

impl DeliveryMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("webhook_deliveries", "Attempts to deliver a webhook, by outcome", self.deliveries.clone());
        registry.register("outbox_queue_size", "Webhooks waiting to be delivered, by tenant", self.waiting.clone());
        registry.register("outbox_dead_letters", "Webhooks given up and kept, by tenant", self.dead.clone());
        registry.register("webhook_attempt_seconds", "Time of one attempt", self.attempts.clone());
        registry.register("outbox_dead_letters_lost", "Dead letters forgotten unread", self.lost.clone());
        registry.register(
            "webhook_endpoints_switched_off",
            "Endpoints that answered 410 Gone",
            self.switched_off.clone(),
        );
    }

    pub(super) fn tried(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn sizes(&self, tenant: &str, waiting: u64, dead: u64) {
        let set = |family: &Family<Labels<1>, Gauge>, value: u64| {
            family.get_or_create(&[("tenant", tenant.to_owned())]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.waiting, waiting);
        set(&self.dead, dead);
    }

    /// The tenant is gone.
    pub(super) fn forget(&self, tenant: &str) {
        let labels = [("tenant", tenant.to_owned())];
        self.waiting.remove(&labels);
        self.dead.remove(&labels);
    }
}
