//! Can the local engines run on this processor?

use super::finding::Finding;
use crate::ai::hardware::Hardware;

pub(super) fn check(hardware: &Hardware) -> Finding {
    let wanted = ["avx2", "fma", "f16c", "bmi2"];
    let lacking: Vec<_> = wanted.into_iter().filter(|f| !hardware.features.contains(f)).collect();
    if hardware.arch == "x86_64" && !lacking.is_empty() {
        return Finding::error(
            "processor",
            format!("the processor lacks {}; the local engines will not start", lacking.join(", ")),
            "run the box on a processor of 2013 or later (Haswell, Zen), or let the virtual machine show these features",
        );
    }
    Finding::fine("processor", format!("{} cores, {}", hardware.cores, hardware.arch))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn an_old_processor_is_told_with_what_it_lacks() {
        let of = |features| Hardware { arch: "x86_64", cores: 2, features, memory: 8 << 30, memory_free: 0, gpu: None };
        assert_eq!(check(&of(vec!["avx2", "fma", "f16c", "bmi2"])).severity, Severity::Fine);
        let old = check(&of(vec!["sse4.2", "bmi2", "f16c"]));
        assert_eq!(old.severity, Severity::Error);
        assert!(old.text.contains("avx2, fma;"), "{}", old.text);
    }
}
