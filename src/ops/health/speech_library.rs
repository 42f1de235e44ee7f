//! Does the speech engine find its library and its data?

use std::path::Path;

use super::finding::Finding;

pub(super) fn check(lib_dir: &Path) -> Finding {
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

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn an_empty_folder_lacks_what_speech_needs() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(dir.path()).severity, Severity::Error);
        std::fs::create_dir_all(dir.path().join("espeak-ng-data")).unwrap();
        std::fs::write(dir.path().join("espeak-ng-data/phontab"), "x").unwrap();
        assert_eq!(check(dir.path()).severity, Severity::Warning);
        std::fs::write(dir.path().join("libonnxruntime.so.1"), "x").unwrap();
        assert_eq!(check(dir.path()).severity, Severity::Fine);
        assert_eq!(check(Path::new("/nowhere/at/all")).severity, Severity::Error);
    }
}
