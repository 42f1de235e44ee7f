//! Guards against pitfalls that no compiler reports (see src/ARCHITECTURE.md, "What never meets").

use std::path::{Path, PathBuf};
use std::process::Command;

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_vaani")).with_file_name(name)
}

/// How many functions of whisper.cpp, llama.cpp and ggml a program defines.
fn engine_functions(program: &Path) -> (usize, usize, usize) {
    let names = functions(program);
    let of = |prefix: &str| names.iter().filter(|n| n.starts_with(prefix)).count();
    (of("whisper_"), of("llama_"), of("ggml_"))
}

/// The names of the functions a program defines.
fn functions(program: &Path) -> Vec<String> {
    let out = Command::new("nm").arg("--defined-only").arg(program).output().expect("nm is part of binutils");
    assert!(out.status.success(), "nm {}: {}", program.display(), String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines()
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, "T" | "t", name] => Some(name.to_owned()),
            _ => None,
        })
        .collect()
}

/// Two engines in one program link without any error, and one then runs on the other's ggml.
#[test]
fn no_program_holds_two_engines_and_the_daemon_none() {
    assert_eq!(engine_functions(&program("vaani")), (0, 0, 0), "the daemon holds an engine");
    let (whisper, llama, ggml) = engine_functions(&program("vaani-engine-whisper"));
    assert!(whisper > 20 && ggml > 20, "the guard does not see whisper.cpp in its own worker");
    assert_eq!(llama, 0, "whisper's worker holds llama.cpp");
    let (whisper, llama, ggml) = engine_functions(&program("vaani-engine-llama"));
    assert!(llama > 20 && ggml > 20, "the guard does not see llama.cpp in its own worker");
    assert_eq!(whisper, 0, "llama's worker holds whisper.cpp");
    let (whisper, llama, _) = engine_functions(&program("vaani-engine-tts"));
    assert_eq!((whisper, llama), (0, 0), "the speech worker holds another engine");
}

/// espeak-ng is under the GPL; it stays in its own program.
#[test]
fn only_the_speech_worker_holds_espeak() {
    for name in ["vaani", "vaani-engine-whisper", "vaani-engine-llama", "vaani-engine-tts"] {
        let holds = functions(&program(name)).iter().any(|f| f.starts_with("espeak_"));
        assert_eq!(holds, name == "vaani-engine-tts", "{name}");
    }
}

fn files_below(dir: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut dirs = vec![dir.to_owned()];
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// A box is built once and runs on machines the builder has not seen.
#[test]
fn nothing_is_built_for_the_builders_own_processor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = std::fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    assert!(settings.contains("GGML_NATIVE = \"OFF\""), "whisper.cpp would be built with -march=native");
    assert!(!settings.contains("target-cpu=native"));
    let build = program("vaani").with_file_name("build");
    let engines = files_below(&build, |path| {
        let text = path.to_string_lossy();
        path.file_name().is_some_and(|n| n == "flags.make")
            && (text.contains("whisper-rs-sys-") || text.contains("llama-cpp-sys-2-"))
    });
    assert!(!engines.is_empty(), "found no compiler flags of the native engines below {}", build.display());
    for flags in engines {
        let text = std::fs::read_to_string(&flags).unwrap();
        assert!(!text.contains("-march=native"), "{} was built with -march=native", flags.display());
    }
}

/// The safe wrapper of whisper's abort callback stores one pointer type and reads another.
#[test]
fn the_broken_abort_callback_is_never_used() {
    let forbidden = concat!("set_abort_callback", "_safe(");
    let workers = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engines");
    let files = files_below(&workers, |path| path.extension().is_some_and(|e| e == "rs"));
    assert!(files.len() > 5);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(forbidden), "{} uses it", file.display());
    }
}
