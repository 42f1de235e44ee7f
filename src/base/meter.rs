//! What rooms count of themselves where they do not know the metrics page: one meter of a kind for
//! the process, which the page registers. Clones count together. Promise: labels come from closed
//! lists.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
const STORE_BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 2.5];
const DELIVERY_BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static STORE: LazyLock<StoreMeter> = LazyLock::new(StoreMeter::default);
static DELIVERY: LazyLock<DeliveryMeter> = LazyLock::new(DeliveryMeter::default);

/// The meter of every database of this process.
pub fn store() -> &'static StoreMeter {
    &STORE
}

/// The meter of the outbox.
pub fn delivery() -> &'static DeliveryMeter {
    &DELIVERY
}

/// Of a database: one for all databases, because tenants come and go.
#[derive(Clone, Debug)]
pub struct StoreMeter {
    batch: Histogram,
    commit: Histogram,
    read: Histogram,
    failures: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for StoreMeter {
    fn default() -> Self {
        Self {
            batch: Histogram::new(BATCH_BUCKETS),
            commit: Histogram::new(STORE_BUCKETS),
            read: Histogram::new(STORE_BUCKETS),
            failures: Family::default(),
        }
    }
}

impl StoreMeter {
    /// `jobs` writes are on the disk; `took` from the first statement to the end of the commit.
    pub fn committed(&self, jobs: usize, took: Duration) {
        self.batch.observe(jobs as f64);
        self.commit.observe(took.as_secs_f64());
    }

    pub fn read(&self, took: Duration) {
        self.read.observe(took.as_secs_f64());
    }

    /// A write failed: `full` (disk), `conflict`, `other`.
    pub fn failed(&self, why: &'static str) {
        self.failures.get_or_create(&[("why", why)]).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register("store_write_batch_jobs", "Writes that were committed together", self.batch.clone());
        registry.register("store_commit_seconds", "From a batch's first statement to its commit", self.commit.clone());
        registry.register("store_query_seconds", "Reading jobs of the databases", self.read.clone());
        registry.register("store_write_failures", "Writes that failed, by reason", self.failures.clone());
    }
}

/// How an attempt to deliver a webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Delivered,
    /// Will be tried again.
    Failed,
    /// Given up; a person may replay it.
    Dead,
    /// The address may not be reached from this box.
    Refused,
}

/// Of the outbox.
#[derive(Clone, Debug)]
pub struct DeliveryMeter {
    attempts: Family<[(&'static str, &'static str); 1], Counter>,
    took: Histogram,
    waiting: Gauge,
    dead: Gauge,
    oldest: Gauge,
}

impl Default for DeliveryMeter {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            took: Histogram::new(DELIVERY_BUCKETS),
            waiting: Gauge::default(),
            dead: Gauge::default(),
            oldest: Gauge::default(),
        }
    }
}

impl DeliveryMeter {
    pub fn attempted(&self, how: Attempt, took: Duration) {
        let status = match how {
            Attempt::Delivered => "delivered",
            Attempt::Failed => "failed",
            Attempt::Dead => "dead",
            Attempt::Refused => "refused",
        };
        self.attempts.get_or_create(&[("status", status)]).inc();
        self.took.observe(took.as_secs_f64());
    }

    /// What lies in the outbox now; `oldest` is how long the oldest one waits.
    pub fn backlog(&self, waiting: u64, dead: u64, oldest: Duration) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
        self.oldest.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register("webhook_deliveries", "Attempts to deliver webhooks, by outcome", self.attempts.clone());
        registry.register("webhook_delivery_seconds", "Time of one attempt", self.took.clone());
        registry.register("outbox_queue_size", "Webhooks that are not delivered yet", self.waiting.clone());
        registry.register("outbox_dead_letters", "Webhooks that were given up", self.dead.clone());
        registry.register("outbox_oldest_seconds", "How long the oldest webhook waits", self.oldest.clone());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn meters_carry_the_documents_names_and_count_together() {
        let (store, delivery) = (StoreMeter::default(), DeliveryMeter::default());
        let mut registry = Registry::default();
        store.register(&mut registry);
        delivery.register(&mut registry);
        store.committed(1, Duration::from_millis(9));
        store.clone().committed(3, Duration::from_millis(2));
        delivery.attempted(Attempt::Delivered, Duration::from_millis(40));
        delivery.backlog(7, 1, Duration::from_secs(90));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "store_write_batch_jobs_sum 4.0",
            "store_commit_seconds_bucket{le=\"0.002\"} 1",
            "webhook_deliveries_total{status=\"delivered\"} 1",
            "outbox_queue_size 7",
            "outbox_oldest_seconds 90",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
