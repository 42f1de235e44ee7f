//! The official library verifies what the box sends. `VAANI_SDKS` names the folder it is installed in
//! (`scripts/sdks` makes it); without it nothing is checked.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use vaani::base::secret::Secret;
use vaani::base::{CallId, Clock, DeliveryId};
use vaani::config::Webhooks;
use vaani::delivery::{self, Delivery, DeliveryMetrics, Outcome, Person, Public, SystemNames, WorkerProfile};
use vaani::store::webhooks::{Letter, Numbers, Secrets};

use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_library_verifies_what_the_box_sends() {
    let Some(sdks) = std::env::var_os("VAANI_SDKS") else {
        eprintln!("skipped: VAANI_SDKS names no folder with the SDKs; `export VAANI_SDKS=$(scripts/sdks)`");
        return;
    };
    let (receiver, address) = Receiver::start(0).await;
    let settings = Webhooks {
        allow_private: vec!["127.0.0.1".parse().unwrap()],
        allow_http: true,
        give_up_hours: 1,
        parallel: 1,
        keep_days: 1,
        roots: Default::default(),
    };
    let clock = Clock::system();
    let sending = Delivery::new(&settings, Arc::new(SystemNames), clock, DeliveryMetrics::default()).unwrap();
    let [now, old, stranger] = [(); 3].map(|()| delivery::new_secret().unwrap());
    let now_ms = u64::try_from(clock.wall().as_millis()).unwrap();
    let profile = WorkerProfile { name: Some("மீனா".to_owned()), ..WorkerProfile::default() };
    let public = Public::profile(now_ms, CallId::new(), Person::default(), profile);
    let mut lines = String::new();
    // Alone, while the secret is being replaced, and after that.
    for (until, secrets, wrong) in [
        (None, vec![&now], vec![&old, &stranger]),
        (Some(now_ms + 60_000), vec![&now, &old], vec![&stranger]),
        (Some(now_ms - 1), vec![&now], vec![&old, &stranger]),
    ] {
        let letter = Letter {
            id: DeliveryId::new(),
            url: format!("http://{address}/sdk"),
            body: public.body(Numbers::Hash).unwrap(),
            secrets: Secrets { current: now.clone(), old: until.map(|until| (old.clone(), until)) },
        };
        assert_eq!(sending.try_once(&letter).await, Outcome::Delivered { status: 200 });
        let arrived = receiver.arrived().pop().unwrap();
        let texts = |secrets: Vec<&Secret>| secrets.into_iter().map(|s| s.expose().to_owned()).collect::<Vec<_>>();
        let headers: BTreeMap<_, _> = arrived.headers.into_iter().collect();
        let line = serde_json::json!({
            "secrets": texts(secrets), "wrong": texts(wrong), "headers": headers, "body": arrived.body,
        });
        lines.push_str(&format!("{line}\n"));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/delivery/official_library.py");
    let mut python = tokio::process::Command::new("python3")
        .env("PYTHONPATH", sdks)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let out = python.wait_with_output().await.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stdout).matches("ok").count(), 3);
}
