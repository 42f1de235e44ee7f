//! What the machine can do, and how many workers and threads it is worth.

use std::path::Path;

use serde::Serialize;

/// The machine as the engines see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hardware {
    pub arch: &'static str,
    /// Processors this process may use (affinity and cgroup quota counted in).
    pub cores: usize,
    /// Instruction sets that the engines make use of.
    pub features: Vec<&'static str>,
    /// Bytes, the smaller of the machine's and the cgroup's.
    pub memory: u64,
    pub memory_free: u64,
    /// A graphics processor seems to be there: `nvidia`, `render`.
    pub gpu: Option<&'static str>,
}

/// How many processes of one engine to run, and what each of them gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerPlan {
    pub workers: usize,
    /// Loaded and idle, to take over when a worker dies.
    pub spares: usize,
    /// Requests worked on at once in one worker.
    pub slots: usize,
    /// Threads of one worker: of one request for recognition, of the whole batch for the others.
    pub threads: usize,
    /// Bytes of private memory before a worker is taken for broken; 0: no limit.
    pub memory: u64,
    pub nice: i32,
    /// Processors to stay on; empty: all.
    pub cores: Vec<usize>,
}

/// The plan of the whole box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub stt: WorkerPlan,
    pub llm: WorkerPlan,
    pub tts: WorkerPlan,
}

/// Bytes of the model files the plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelSizes {
    pub stt: u64,
    pub llm: u64,
    pub tts: u64,
}

impl ModelSizes {
    /// The sizes of these files; missing ones count as nothing and fail later, with their name.
    pub fn of(stt: &Path, llm: &Path, tts: &Path) -> Self {
        let size = |path: &Path| std::fs::metadata(path).map(|m| m.len()).unwrap_or(0);
        Self { stt: size(stt), llm: size(llm), tts: size(tts) }
    }
}

/// Models up to this size are quick on one thread (the language model's worker draws the same line).
const SMALL: u64 = 48 * MIB;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Hardware {
    pub fn detect() -> Self {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let cgroup = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|t| t.trim().parse().ok());
        let total = meminfo_bytes(&meminfo, "MemTotal:").unwrap_or(GIB).min(cgroup.unwrap_or(u64::MAX));
        let free = meminfo_bytes(&meminfo, "MemAvailable:").unwrap_or(total).min(total);
        let gpu = if Path::new("/dev/nvidia0").exists() {
            Some("nvidia")
        } else if Path::new("/dev/dri/renderD128").exists() {
            Some("render")
        } else {
            None
        };
        Self {
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            features: features(),
            memory: total,
            memory_free: free,
            gpu,
        }
    }

    /// Workers and threads for these models. The thread teams of large models spin while they wait
    /// for each other, so that together they never exceed the cores. Small models run every request
    /// on one thread of its own; those share the cores like any others, and so does synthesis.
    pub fn plan(&self, sizes: ModelSizes) -> Plan {
        let cores = self.cores.max(1);
        let for_stt = (cores / 2).max(1);
        let for_llm = (cores - cores / 2).max(1);
        let (stt_slots, stt_threads) =
            if sizes.stt < SMALL { (cores.min(16), 1) } else { ((for_stt / 4).clamp(1, 16), for_stt.min(4)) };
        let llm_threads = if sizes.llm < SMALL { cores.min(8) } else { for_llm.min(16) };
        let llm_slots = if sizes.llm < GIB { 8 } else { 4 };
        let spare = |bytes: u64| usize::from(self.memory >= 2 * GIB && bytes * 4 + 512 * MIB < self.memory_free);
        let limit = |bytes: u64, slots: usize| bytes * 2 + GIB + slots as u64 * 256 * MIB;
        let plan = |slots, threads, spares, memory| WorkerPlan {
            workers: 1,
            spares,
            slots,
            threads,
            memory,
            nice: 0,
            cores: Vec::new(),
        };
        Plan {
            stt: plan(stt_slots, stt_threads, spare(sizes.stt), limit(sizes.stt, stt_slots)),
            llm: plan(llm_slots, llm_threads, spare(sizes.llm), limit(sizes.llm, llm_slots)),
            tts: plan(1, 1, spare(sizes.tts), limit(sizes.tts, 1)),
        }
    }
}

fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    macro_rules! look {
        ($($name:tt),*) => { $( if std::is_x86_feature_detected!($name) { found.push($name); } )* };
    }
    look!("sse4.2", "avx", "f16c", "fma", "bmi2", "avx2", "avx512f", "avx512vnni");
    found
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let mut found = Vec::new();
    macro_rules! look {
        ($($name:tt),*) => { $( if std::arch::is_aarch64_feature_detected!($name) { found.push($name); } )* };
    }
    look!("neon", "fp16", "dotprod", "i8mm", "sve");
    found
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn machine(cores: usize, memory: u64) -> Hardware {
        Hardware { arch: "x86_64", cores, features: Vec::new(), memory, memory_free: memory / 4 * 3, gpu: None }
    }

    proptest! {
        #[test]
        fn threads_that_spin_never_exceed_the_cores(
            cores in 2_usize..256,
            stt in 0..4 * GIB,
            llm in 0..40 * GIB,
            memory in GIB..256 * GIB,
        ) {
            let plan = machine(cores, memory).plan(ModelSizes { stt, llm, tts: 0 });
            let of_stt = plan.stt.workers * plan.stt.slots * plan.stt.threads;
            let of_llm = plan.llm.workers * plan.llm.threads;
            let spinning = if stt < SMALL { 0 } else { of_stt } + if llm < SMALL { 0 } else { of_llm };
            prop_assert!(spinning <= cores, "{spinning} threads on {cores} cores");
            prop_assert!(of_stt <= cores && of_llm <= cores);
            for worker in [plan.stt, plan.llm, plan.tts] {
                prop_assert!(worker.workers >= 1 && worker.slots >= 1 && worker.threads >= 1);
            }
        }
    }

    #[test]
    fn spares_are_kept_only_where_memory_allows() {
        let sizes = ModelSizes { stt: 18 * MIB, llm: 5 * GIB, tts: 9 * MIB };
        let small = machine(2, GIB).plan(sizes);
        assert_eq!((small.stt.spares, small.llm.spares), (0, 0));
        let usual = machine(2, 8 * GIB).plan(sizes);
        assert_eq!((usual.stt.spares, usual.llm.spares), (1, 0));
    }

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        let text = "MemTotal:       24689012 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(meminfo_bytes(text, "MemAvailable:"), Some(20_480_000_000));
        assert_eq!(meminfo_bytes("MemTotal: lots", "MemTotal:"), None);
    }
}
