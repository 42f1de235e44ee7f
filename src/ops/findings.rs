//! What can be wrong with a box, as a catalogue: code, severity, plain text, and how to mend it.
//! Promise: examining changes nothing on the box. Absent on purpose: how findings are shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::config::Settings;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// All is well; said so that nobody wonders whether it was looked at.
    Fine,
    /// Calls are answered, but something is not as it should be.
    Warning,
    /// Calls cannot be answered as they should.
    Error,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: &'static str,
    pub severity: Severity,
    pub text: String,
    /// What to do; empty when all is well.
    pub fix: String,
}

impl Finding {
    fn fine(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fine, text: text.into(), fix: String::new() }
    }

    fn warning(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, text: text.into(), fix: fix.into() }
    }

    fn error(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, text: text.into(), fix: fix.into() }
    }
}

/// Looks at everything that can be looked at without a running daemon.
pub fn examine(settings: &Settings, setup: &Setup, hardware: &Hardware) -> Vec<Finding> {
    let mut found = vec![processor(hardware), memory(hardware)];
    found.extend(parts(setup));
    found.push(runtime_library(&setup.lib_dir));
    found.push(state(&settings.state.dir));
    found.push(starter_models(settings));
    found.extend(twilio(settings));
    found
}

fn processor(hardware: &Hardware) -> Finding {
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

fn memory(hardware: &Hardware) -> Finding {
    let free = hardware.memory_free >> 20;
    if free < 1_024 {
        return Finding::warning(
            "memory",
            format!("only {free} MiB of memory are free"),
            "end other programs, or give the box more memory; engines that run out of it are restarted",
        );
    }
    Finding::fine("memory", format!("{free} MiB of {} MiB are free", hardware.memory >> 20))
}

fn parts(setup: &Setup) -> Vec<Finding> {
    let missing = setup.missing();
    if missing.is_empty() {
        return vec![Finding::fine("engine_files", "the engines' programs and models are there")];
    }
    missing
        .into_iter()
        .map(|path| {
            let program = path.starts_with(&setup.engines_dir);
            let fix = if program {
                "build the whole workspace (scripts/build), or set data.engines_dir"
            } else {
                "put the model there, or name another one under [engines] in vaani.toml (see `vaani models list`)"
            };
            Finding::error("engine_files", format!("{} is missing", path.display()), fix)
        })
        .collect()
}

fn runtime_library(lib_dir: &Path) -> Finding {
    let has_library = std::fs::read_dir(lib_dir).is_ok_and(|entries| {
        entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("libonnxruntime.so"))
    });
    let has_data = lib_dir.join("espeak-ng-data/phontab").exists();
    match (has_library, has_data) {
        (true, true) => Finding::fine("speech_library", "ONNX Runtime and espeak-ng's data are there"),
        (false, true) => Finding::warning(
            "speech_library",
            format!("there is no libonnxruntime.so in {}; only espeak-ng can speak", lib_dir.display()),
            "run scripts/engine-data",
        ),
        (_, false) => Finding::error(
            "speech_library",
            format!("there is no espeak-ng-data in {}; nothing can be spoken", lib_dir.display()),
            "run scripts/engine-data",
        ),
    }
}

fn state(dir: &Path) -> Finding {
    let Ok(about) = std::fs::metadata(dir) else {
        return Finding::warning(
            "state",
            format!("the state directory {} does not exist yet", dir.display()),
            "it is made at the first start; check that the daemon's user may make it",
        );
    };
    if about.permissions().mode() & 0o077 != 0 {
        return Finding::warning(
            "state",
            format!("others may read the state directory {}", dir.display()),
            format!("chmod 700 {}", dir.display()),
        );
    }
    let free = rustix::fs::statvfs(dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize)) >> 20;
    if free < 200 {
        return Finding::error(
            "state",
            format!("only {free} MiB are free on the disk of {}", dir.display()),
            "make room: without it calls leave no record",
        );
    }
    Finding::fine("state", format!("{} is private and has {free} MiB of room", dir.display()))
}

fn starter_models(settings: &Settings) -> Finding {
    let starters = [&settings.engines.stt.engine.model, &settings.engines.llm.engine.model]
        .into_iter()
        .any(|model| model.contains("starter"));
    if starters {
        return Finding::warning(
            "starter_models",
            "starter models are in use: they have only ever heard synthetic speech and will fail on real callers",
            "put in a full Whisper and a larger language model (see README, \"models\")",
        );
    }
    Finding::fine("starter_models", "no starter model is in use")
}

fn twilio(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    if settings.twilio.auth_token.is_none() {
        found.push(Finding::warning(
            "twilio_token",
            "no Twilio auth token is set: Twilio's webhooks are refused",
            "set TWILIO_AUTH_TOKEN, twilio.auth_token, or the systemd credential twilio_auth_token",
        ));
    }
    match &settings.http.public_base_url {
        Some(url) if url.starts_with("https://") => {
            found.push(Finding::fine("public_url", format!("carriers call {url}")))
        }
        Some(url) => found.push(Finding::warning(
            "public_url",
            format!("{url} is not https; Twilio opens media streams to wss:// only"),
            "put a TLS proxy before the box and set http.public_base_url to its address",
        )),
        None => found.push(Finding::warning(
            "public_url",
            "http.public_base_url is not set: only rehearsals on this machine can call",
            "set it to the address carriers reach, https://…",
        )),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware(features: Vec<&'static str>, memory_free: u64) -> Hardware {
        Hardware { arch: "x86_64", cores: 2, features, memory: 8 << 30, memory_free, gpu: None }
    }

    #[test]
    fn an_old_processor_and_little_memory_are_told() {
        let good = hardware(vec!["avx2", "fma", "f16c", "bmi2"], 4 << 30);
        assert_eq!(processor(&good).severity, Severity::Fine);
        assert_eq!(memory(&good).severity, Severity::Fine);
        let old = hardware(vec!["sse4.2"], 100 << 20);
        assert_eq!(processor(&old).severity, Severity::Error);
        assert!(processor(&old).text.contains("avx2, fma"));
        assert_eq!(memory(&old).severity, Severity::Warning);
    }

    #[test]
    fn an_empty_folder_lacks_what_speech_needs_and_an_open_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(runtime_library(dir.path()).severity, Severity::Error);
        std::fs::create_dir_all(dir.path().join("espeak-ng-data")).unwrap();
        std::fs::write(dir.path().join("espeak-ng-data/phontab"), "x").unwrap();
        assert_eq!(runtime_library(dir.path()).severity, Severity::Warning);
        std::fs::write(dir.path().join("libonnxruntime.so.1"), "x").unwrap();
        assert_eq!(runtime_library(dir.path()).severity, Severity::Fine);
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(state(dir.path()).severity, Severity::Warning);
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(state(dir.path()).severity, Severity::Fine);
    }
}
