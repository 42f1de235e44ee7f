//! What the kernel says of this process, for the metrics. Names as every Prometheus client has them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::base::Clock;

/// Units of the times in `/proc/self/stat`: the kernel shows 100 a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub open_files: u64,
    pub files_max: u64,
    pub threads: u64,
}

/// Reads it now; what cannot be read is zero.
pub fn usage() -> Usage {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Usage {
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        files_max: limit.unwrap_or(u64::MAX),
        ..of_stat(&stat, rustix::param::page_size() as u64)
    }
}

fn of_stat(stat: &str, page: u64) -> Usage {
    // The name in parentheses may hold anything; the numbers come after the last one.
    let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
    let numbers: Vec<u64> = numbers.split_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
    let number = |field: usize| numbers.get(field - 3).copied().unwrap_or(0);
    Usage {
        cpu_seconds: (number(14) + number(15)) as f64 / TICKS_PER_SECOND,
        resident_bytes: number(24).saturating_mul(page),
        threads: number(20),
        ..Usage::default()
    }
}

/// The process as a source of metrics, read when somebody asks.
#[derive(Debug)]
pub struct ProcessMetrics {
    started: f64,
}

impl ProcessMetrics {
    pub fn new(clock: Clock) -> Self {
        Self { started: clock.unix_ms(crate::base::Moment::ZERO) as f64 / 1_000.0 }
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let usage = usage();
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "Processor time that the daemon used",
            None,
            MetricType::Counter,
        )?)?;
        let gauges = [
            ("process_resident_memory_bytes", "Memory that the daemon holds", usage.resident_bytes as f64),
            ("process_open_fds", "Files and sockets that are open", usage.open_files as f64),
            ("process_max_fds", "Files and sockets that may be open", usage.files_max as f64),
            ("process_threads", "Threads of the daemon", usage.threads as f64),
            ("process_start_time_seconds", "When the daemon started, since 1970 UTC", self.started),
        ];
        for (name, help, value) in gauges {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_numbers() {
        let numbers: Vec<String> = (4..=52).map(|n| (n * 100).to_string()).collect();
        let stat = format!("77 (va) ani ( 9) S {}", numbers.join(" "));
        let usage = of_stat(&stat, 4_096);
        assert_eq!((usage.cpu_seconds, usage.threads), (29.0, 2_000));
        assert_eq!(usage.resident_bytes, 2_400 * 4_096);
        assert_eq!(of_stat("", 4_096), Usage::default());
    }

    #[test]
    fn our_own_usage_is_plausible() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let usage = usage();
        assert!(usage.resident_bytes > 1 << 20 && usage.threads >= 1, "{usage:?}");
        assert!(usage.open_files >= 3 && usage.open_files < usage.files_max, "{usage:?} {file:?}");
    }
}
