//! How engines did lately, by name, stage and language: one JSON file, `quality.json`, replaced whole.
//! Absent on purpose: what the figures mean (the router's).

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use crate::base::Lang;
use crate::base::event::Stage;
use crate::base::limits;

const VERSION: u32 = 1;
const NAME: &str = "quality.json";

/// What was measured of one candidate at one stage in one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `provider/model`.
    pub candidate: String,
    pub stage: Stage,
    pub language: Lang,
    /// When the last answer or failure came, milliseconds since 1970 UTC; older ones weigh less.
    pub at_unix_ms: u64,
    /// Weights of answers and failures as they were then.
    pub good: f32,
    pub bad: f32,
    /// Since the first one, for people.
    pub requests: u64,
    pub failures: u64,
    /// The last answers, oldest first.
    pub took_ms: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    written_unix_ms: u64,
    rows: Vec<serde_json::Value>,
}

/// The rows and when they were written; rows that say nothing are left out.
pub(super) fn read(dir: &Path) -> io::Result<(u64, Vec<Measured>)> {
    let Some(bytes) = files::read(&dir.join(NAME), limits::QUALITY_FILE_MAX)? else { return Ok((0, Vec::new())) };
    let kept: Kept = serde_json::from_slice(&bytes)?;
    if kept.version > VERSION {
        return Err(io::Error::other("it was written by a newer vaani"));
    }
    let rows = kept.rows.into_iter().take(limits::QUALITY_ROWS_MAX);
    Ok((kept.written_unix_ms, rows.filter_map(|row| serde_json::from_value(row).ok()).collect()))
}

/// The same, with a file that cannot be used put aside.
pub(super) fn take_over(dir: &Path) -> Vec<Measured> {
    match read(dir) {
        Ok((_, rows)) => rows,
        Err(error) => {
            tracing::warn!(%error, "what was measured of engines cannot be read; it is put aside and measured anew");
            drop(files::put_aside(&dir.join(NAME)));
            Vec::new()
        }
    }
}

pub(super) fn write(dir: &Path, written_unix_ms: u64, rows: &[Measured]) -> io::Result<()> {
    let rows = rows.iter().take(limits::QUALITY_ROWS_MAX).map(serde_json::to_value).collect::<Result<_, _>>()?;
    files::replace(&dir.join(NAME), &serde_json::to_vec(&Kept { version: VERSION, written_unix_ms, rows })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_put_aside_and_single_rows_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let row = Measured {
            candidate: "a/m".into(),
            stage: Stage::Tts,
            language: Lang::Ml,
            at_unix_ms: 5,
            good: 3.5,
            bad: 0.0,
            requests: 4,
            failures: 0,
            took_ms: vec![80, 90],
        };
        assert_eq!(take_over(dir.path()), []);
        write(dir.path(), 7, std::slice::from_ref(&row)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), (7, vec![row.clone()]));

        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"rows\":[", "\"rows\":[{\"candidate\":7},")).unwrap();
        assert_eq!(take_over(dir.path()), [row]);
        let huge = " ".repeat(limits::QUALITY_FILE_MAX as usize + 1);
        for wrong in ["", "{", "[1]", "{\"version\":1}", &text.replace("\"version\":1", "\"version\":9"), &huge] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(take_over(dir.path()), []);
            assert!(!path.exists() && dir.path().join("quality.json.damaged").exists());
        }
        std::fs::create_dir(&path).unwrap();
        assert_eq!(take_over(dir.path()), []);
    }
}
