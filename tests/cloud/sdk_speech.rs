//! The fake speaks the truth: the providers' own SDKs for Python talk to it. Needs a Python with
//! `sarvamai`, `deepgram-sdk` and `elevenlabs`, named by `VAANI_SDK_PYTHON`:
//! `cargo nextest run --workspace --test cloud --run-ignored only sdk_speech`.

use std::path::Path;
use std::process::Command;

use crate::fake::{Fake, KEY};

#[test]
#[ignore = "needs the SDKs from PyPI"]
fn the_official_sdks_understand_the_fake() {
    let Some(python) = std::env::var_os("VAANI_SDK_PYTHON") else {
        panic!("VAANI_SDK_PYTHON is to name a Python with the SDKs");
    };
    let fake = Fake::start();
    let address = fake.url("/").authority().to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/sdk_speech.py");
    let out = Command::new(python).arg(script).arg(address).arg(KEY).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
}
