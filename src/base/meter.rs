//! What rooms count of themselves where they do not know the metrics page: one meter for the
//! process, which the page registers. Clones count together. Promise: labels come from closed
//! lists.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
const STORE_BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 2.5];

static STORE: LazyLock<StoreMeter> = LazyLock::new(StoreMeter::default);

/// The meter of every database of this process.
pub fn store() -> &'static StoreMeter {
    &STORE
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

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn clones_of_a_meter_count_together() {
        let store = StoreMeter::default();
        let mut registry = Registry::default();
        store.register(&mut registry);
        store.committed(1, Duration::from_millis(9));
        store.clone().committed(3, Duration::from_millis(2));
        store.failed("full");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "store_write_batch_jobs_sum 4.0",
            "store_commit_seconds_bucket{le=\"0.002\"} 1",
            "store_write_failures_total{why=\"full\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
