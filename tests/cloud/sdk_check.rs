//! The fake speaks the truth: the language models' own SDKs for Python talk to it. Needs a Python with
//! `openai`, `anthropic` and `boto3`, named by `VAANI_CLOUD_SDK_PYTHON`; without it nothing is checked.

use std::path::Path;
use std::process::Command;

use crate::fake::{Fake, KEY};

#[test]
fn the_official_sdks_of_language_models_understand_the_fake() {
    let Some(python) = std::env::var_os("VAANI_CLOUD_SDK_PYTHON") else {
        println!("skipped: VAANI_CLOUD_SDK_PYTHON names no Python with openai, anthropic and boto3");
        return;
    };
    let fake = Fake::start();
    let address = fake.url("/").authority().to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/sdk_check.py");
    let mut python = Command::new(python);
    // The fake is on this machine: no proxy, and no keys of whoever runs the tests.
    let out =
        python.arg(script).arg(address).arg(KEY).env("NO_PROXY", "127.0.0.1").env_remove("AWS_BEARER_TOKEN_BEDROCK");
    let out = out.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
}
