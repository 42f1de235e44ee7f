//! Is there room for the models and the calls?

use super::finding::Finding;
use crate::ai::hardware::Hardware;

/// MiB; below it the kernel soon ends a program.
const LEAST: u64 = 1_024;

pub(super) fn check(hardware: &Hardware) -> Finding {
    let free = hardware.memory_free >> 20;
    if free < LEAST {
        return Finding::warning(
            "memory",
            format!("only {free} MiB of memory are free"),
            "end other programs, or give the box more memory; engines that run out of it are restarted",
        );
    }
    Finding::fine("memory", format!("{free} MiB of {} MiB are free", hardware.memory >> 20))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn little_memory_is_told() {
        let of = |memory_free| Hardware {
            arch: "x86_64",
            cores: 2,
            features: vec![],
            memory: 8 << 30,
            memory_free,
            gpu: None,
        };
        assert_eq!(check(&of(4 << 30)).severity, Severity::Fine);
        assert_eq!(check(&of((1_024 << 20) - 1)).severity, Severity::Warning);
    }
}
