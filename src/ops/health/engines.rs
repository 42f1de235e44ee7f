//! Are the engines' programs and models where they should be?

use super::finding::Finding;
use crate::ai::engines::Setup;

pub(super) fn check(setup: &Setup) -> Vec<Finding> {
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
                .about(path.display().to_string())
        })
        .collect()
}
