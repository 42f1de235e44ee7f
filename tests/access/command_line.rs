//! `vaani user`, `token` and `tenant` as a person runs them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PASSWORD: &str = "a horse in the rain";

fn vaani(state: &Path, arguments: &[&str], input: Option<&str>) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_vaani"))
        .args(arguments)
        .arg("--config")
        .arg(root.join("config"))
        .env("VAANI_STATE__DIR", state)
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn fine(state: &Path, arguments: &[&str], input: Option<&str>) -> Vec<Value> {
    let done = vaani(state, &[arguments, &["--json"]].concat(), input);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(state: &Path, arguments: &[&str], input: Option<&str>, code: i32, word: &str) {
    let done = vaani(state, arguments, input);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(word), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty());
}

#[test]
fn a_directory_without_a_box_is_told_as_such_and_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [["audit", "verify"], ["audit", "list"], ["audit", "head"]] {
        refused(dir.path(), &arguments, None, 2, "start the daemon once");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn people_are_kept_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let line = format!("{PASSWORD}\nrubbish\n");
    let made = fine(state, &["user", "add", "Asha", "--role", "admin", "--name", "Asha Rao"], Some(&line));
    assert_eq!(
        (&made[0]["login"], &made[0]["role"], &made[0]["tenant"]),
        (&"asha".into(), &"admin".into(), &Value::Null)
    );
    assert_eq!(made[0]["has_password"], true);
    refused(state, &["user", "add", "asha", "--role", "viewer"], Some(&line), 1, "has this login already");
    refused(state, &["user", "add", "bina", "--role", "viewer"], Some("short\n"), 1, "too short");
    refused(state, &["user", "add", "bina", "--role", "viewer"], Some(""), 1, "no password was given");
    refused(state, &["user", "add", "bina", "--role", "service"], Some(&line), 1, "API key");
    refused(state, &["user", "add", "bina", "--role", "root"], Some(&line), 2, "write one of admin");
    refused(state, &["user", "add", "bina", "--role", "viewer", "--password", "x"], None, 2, "unexpected argument");
    refused(
        state,
        &["user", "add", "bina", "--role", "viewer", "--tenant", "bank"],
        Some(&line),
        1,
        "there is no tenant",
    );
    fine(state, &["tenant", "add", "bank", "A bank"], None);
    let made = fine(state, &["user", "add", "bina", "--role", "human_agent", "--tenant", "bank", "--invite"], None);
    assert!(made[0]["code"].as_str().unwrap().len() > 20);
    refused(state, &["user", "disable", "asha"], None, 1, "last admin");
    assert_eq!(fine(state, &["user", "disable", "bina"], None)[0]["disabled"], true);
    assert_eq!(fine(state, &["user", "enable", "bina"], None)[0]["disabled"], false);
    assert_eq!(fine(state, &["user", "role", "bina", "supervisor", "--tenant", "*"], None)[0]["tenant"], Value::Null);
    assert_eq!(fine(state, &["user", "password", "bina"], Some("a cat on the roof\n"))[0]["has_password"], true);
    assert_eq!(fine(state, &["user", "reset", "bina"], None)[0]["has_password"], false);
    refused(state, &["user", "password", "nobody"], Some(&line), 1, "a user of this login is not there");
    let all = fine(state, &["user", "list"], None);
    assert_eq!(all.iter().map(|user| user["login"].as_str().unwrap()).collect::<Vec<_>>(), ["asha", "bina"]);
    let table = vaani(state, &["user", "list"], None);
    assert!(String::from_utf8(table.stdout).unwrap().contains("(whole box)"));
    // Nothing of it lies readable in the state directory.
    for file in walk(state) {
        let bytes = std::fs::read(&file).unwrap();
        for word in ["asha", "Asha Rao", PASSWORD, "argon2id"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} in {}", file.display());
        }
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn keys_and_tokens_are_made_listed_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let made = fine(
        state,
        &["token", "create", "crm", "--role", "service", "--scope", "ask_ai", "--scope", "calls_place", "--days", "30"],
        None,
    );
    let (key, id) = (made[0]["key"].as_str().unwrap(), made[0]["id"].as_str().unwrap());
    assert!(key.starts_with("vaani_"));
    let plain = vaani(state, &["token", "create", "crm", "--role", "viewer"], None);
    assert!(String::from_utf8(plain.stdout).unwrap().trim().starts_with("vaani_"), "the key alone, for scripts");
    let token = fine(state, &["token", "create", "page", "--role", "viewer", "--seconds", "60"], None);
    assert!(token[0]["token"].as_str().unwrap().starts_with("ey"));
    refused(state, &["token", "create", "page", "--role", "viewer", "--seconds", "4000"], None, 1, "1 to 3600");
    refused(
        state,
        &["token", "create", "page", "--role", "viewer", "--scope", "everything"],
        None,
        2,
        "is no permission",
    );
    let all = fine(state, &["token", "list"], None);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|row| row["holds"] == true) && !format!("{all:?}").contains(key));
    fine(state, &["token", "revoke", id], None);
    fine(state, &["token", "revoke", token[0]["jti"].as_str().unwrap()], None);
    let all = fine(state, &["token", "list"], None);
    assert_eq!(all.iter().filter(|row| row["holds"] == true).count(), 1);
    refused(state, &["token", "revoke", "nothing"], None, 1, "vaani token list");
}

#[test]
fn a_tenant_is_destroyed_only_by_whoever_means_it_and_never_under_a_running_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    fine(state, &["tenant", "add", "bank", "A bank"], None);
    refused(state, &["tenant", "add", "bank", "Again"], None, 1, "there is, or was");
    refused(state, &["tenant", "add", "Bank", "x"], None, 2, "small letters");
    refused(state, &["tenant", "shred", "bank"], None, 2, "--confirm");
    refused(state, &["tenant", "shred", "bank", "--confirm", "yes"], None, 1, "--confirm bank");
    refused(state, &["tenant", "shred", "default", "--confirm", "default"], None, 1, "stays");
    // Whoever holds the lock is a daemon that runs.
    let lock = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(state.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    refused(state, &["tenant", "shred", "bank", "--confirm", "bank"], None, 1, "daemon is running");
    assert!(state.join("tenants/bank.db").exists());
    fine(state, &["tenant", "list"], None);
    drop(lock);
    fine(state, &["tenant", "shred", "bank", "--confirm", "bank"], None);
    assert!(!state.join("tenants/bank.db").exists());
    let all = fine(state, &["tenant", "list"], None);
    assert!(all.iter().any(|row| row["id"] == "bank" && row["shredded_ms"].is_number()));
}
