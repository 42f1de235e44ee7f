//! The fake speaks the truth: the providers' own SDKs for Python talk to it. `VAANI_SDKS` names the
//! folder they are installed in (`scripts/sdks` makes it, `scripts/check` does so by itself); without
//! it nothing is checked.

use std::path::Path;
use std::process::Command;

use crate::fake::{Fake, KEY};

fn understand(script: &str) {
    let Some(sdks) = std::env::var_os("VAANI_SDKS") else {
        eprintln!("skipped: VAANI_SDKS names no folder with the SDKs; `export VAANI_SDKS=$(scripts/sdks)`");
        return;
    };
    let fake = Fake::start();
    let address = fake.url("/").authority().to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud").join(script);
    let mut python = Command::new("python3");
    // The fake is on this machine: no proxy, and no keys of whoever runs the tests.
    python.env("PYTHONPATH", sdks).env("NO_PROXY", "127.0.0.1").env_remove("AWS_BEARER_TOKEN_BEDROCK");
    let out = python.arg(script).arg(address).arg(KEY).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
    assert_eq!(said.matches(" ok").count(), 3, "{said}");
}

#[test]
fn the_official_sdks_of_language_models_understand_the_fake() {
    understand("sdk_models.py");
}

#[test]
fn the_official_sdks_of_recognisers_and_voices_understand_the_fake() {
    understand("sdk_speech.py");
}
