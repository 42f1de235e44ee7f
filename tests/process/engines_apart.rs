//! whisper.cpp and llama.cpp each bring their own ggml, of different versions. In one program they
//! link without a word and then compute nonsense (`src/ARCHITECTURE.md`), so none may hold both.

use std::path::Path;
use std::process::Command;

use crate::worker::program;

/// Functions in a program whose names begin with `start`.
fn functions(program: &Path, start: &str) -> usize {
    let out = Command::new("nm").arg(program).output().expect("nm runs (apt-get install binutils)");
    assert!(out.status.success(), "nm {}: {}", program.display(), String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(_, rest)| rest.trim_start().split_once(' '))
        .filter(|(kind, name)| matches!(*kind, "T" | "t") && name.starts_with(start))
        .count()
}

#[test]
fn no_program_holds_two_engines_and_the_daemon_none() {
    let rows = [
        ("vaani", [false, false, false]),
        ("vaani-engine-whisper", [true, false, true]),
        ("vaani-engine-llama", [false, true, true]),
        ("vaani-engine-tts", [false, false, false]),
    ];
    for (name, expected) in rows {
        let program = program(name);
        let found = ["whisper_", "llama_", "ggml_"].map(|start| functions(&program, start) > 0);
        assert_eq!(found, expected, "{name}: whisper, llama, ggml");
    }
}

/// espeak-ng is under the GPL: it stays in its own program.
#[test]
fn only_the_speech_worker_holds_espeak() {
    for name in ["vaani", "vaani-engine-whisper", "vaani-engine-llama", "vaani-engine-tts"] {
        assert_eq!(functions(&program(name), "espeak_") > 0, name == "vaani-engine-tts", "{name}");
    }
}
