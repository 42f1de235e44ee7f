//! What the daemon leaves on the disk: nobody's number, name or words can be read in it, not in a
//! backup either, and with the key all of it is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::json;
use vaani::base::event::Event;
use vaani::base::{Clock, TenantId};
use vaani::store::crypt::MasterKey;
use vaani::store::{Vault, journal};

use crate::support::{Daemon, question, root};

const NAME: &str = "Zubeida Qureshi-Marathe";
const PHONE: &str = "+919811122233";
const LISTED: (&str, &str) = ("Oindrila Dasmunshi", "+919822233344");

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            // What else there is are sockets, which hold nothing.
            found.push(entry.path());
        }
    }
    found
}

/// Where one of the needles stands, as UTF-8 or UTF-16.
fn readable(files: &[PathBuf], needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        for needle in needles {
            let wide: Vec<u8> = needle.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if [needle.as_bytes(), &wide].iter().any(|n| bytes.windows(n.len()).any(|w| w == *n)) {
                found.push(format!("{needle:?} in {}", file.display()));
            }
        }
    }
    found
}

fn vaani(state: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vaani"))
        .args(args)
        .env("VAANI_STATE__DIR", state)
        .env_remove("CREDENTIALS_DIRECTORY")
        .output()
        .unwrap()
}

#[tokio::test]
async fn no_number_name_or_word_can_be_read_off_the_disk_and_a_backup_has_them_for_whoever_has_the_key() {
    let (state, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = elsewhere.path().join("vaani.log");
    let settings = [
        ("VAANI_PRIVACY__TRANSCRIPTS", "true"),
        ("VAANI_LOG__LEVEL", "debug,vaani=trace"),
        ("TEST_LOG", log.to_str().unwrap()),
    ];
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
    let body = json!({ "name": NAME, "phone_number": PHONE });
    let made = daemon.api().request(Method::POST, "/api/customers").json(&body).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let list = format!("name,phone_number\n{},{}\nNobody,12\n", LISTED.0, LISTED.1);
    let request = daemon.api().request(Method::POST, "/upload-customers?file_name=list.csv");
    let brought = request.header("content-type", "text/csv").body(list).send().await.unwrap();
    assert!(brought.status().is_success(), "{}", brought.text().await.unwrap());

    let mut options = daemon.call().digit('2');
    options.from = PHONE.to_owned();
    let call = daemon.dial(options).await.unwrap();
    let sid = call.carrier_call().to_owned();
    daemon.fact(&sid, "the greeting", 0, |e| matches!(e, Event::Said { .. })).await;
    call.say(question()).await.unwrap();
    let facts = daemon.fact(&sid, "the question", 0, |e| matches!(e, Event::Heard { .. })).await;
    let heard = facts.iter().find_map(|e| if let Event::Heard { text, .. } = e { Some(text.clone()) } else { None });
    let heard = heard.unwrap();
    call.hang_up().await.unwrap();
    daemon.ended(&sid).await;
    let needles: Vec<String> =
        [NAME, &PHONE[3..], LISTED.0, &LISTED.1[3..], &heard].iter().map(ToString::to_string).collect();
    // While it runs, its log lies beside the databases.
    assert_eq!(readable(&files(state.path()), &needles), [""; 0]);
    daemon.stop().await;
    assert_eq!(readable(&files(state.path()), &needles), [""; 0]);
    assert!(std::fs::read_to_string(&log).unwrap().lines().count() > 10, "the log was looked at");
    assert_eq!(readable(&[log], &needles), [""; 0]);

    let file = elsewhere.path().join("box.vbk");
    let backed = vaani(state.path(), &["backup", file.to_str().unwrap()]);
    assert!(backed.status.success(), "{backed:?}");
    assert_eq!(readable(std::slice::from_ref(&file), &needles), [""; 0]);
    let (with, without) = (elsewhere.path().join("with"), elsewhere.path().join("without"));
    let key = MasterKey::path(state.path());
    let restore = |into: &Path, more: &[&str]| {
        let args = [&["restore", file.to_str().unwrap(), "--into", into.to_str().unwrap()], more].concat();
        vaani(into, &args)
    };
    let refused = restore(&without, &[]);
    assert!(!refused.status.success() && !without.join("system.db").exists(), "{refused:?}");
    let restored = restore(&with, &["--key-file", key.to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");

    let vault = Vault::open(&with, MasterKey::read(&key).unwrap(), Clock::system()).unwrap();
    let db = vault.tenant(&TenantId::default_tenant()).unwrap();
    let records = db.read(|db| journal::since(db, 0, 10_000)).await.unwrap();
    assert!(records.iter().any(|n| matches!(&n.record.event, Event::Heard { text, .. } if *text == heard)));
    let kept = db
        .read(|db| {
            let mut rows = db.prepare("SELECT name || phone FROM customers ORDER BY name")?;
            Ok(rows.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?)
        })
        .await
        .unwrap();
    assert_eq!(kept, [format!("{}{}", LISTED.0, LISTED.1), format!("{NAME}{PHONE}")]);
}
