//! A disk that gets full under the daemon: calls go on and come, what needs room is refused with a
//! reason, and when there is room again everything is as it was, without a restart. Then a start on a
//! full disk.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use vaani::base::CallId;
use vaani::base::event::{EndCause, Event};
use vaani::telephony::far::FarCall;

use crate::support::{Daemon, ends, journal, root, until};

const SETTINGS: [(&str, &str); 4] = [
    // Engines that are not there are no matter of this test.
    ("VAANI_LOG__LEVEL", "info,vaani::ai=off"),
    ("VAANI_ALERTS__RAISE_AFTER_SECONDS", "0"),
    ("VAANI_ALERTS__CLEAR_AFTER_SECONDS", "0"),
    ("VAANI_ALERTS__QUIET_MINUTES", "0"),
];

/// A disk of its own, unmounted with it.
struct Disk(PathBuf);

impl Disk {
    /// `None`: this user may not mount.
    fn new(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mib}m,mode=700");
        let out = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "vaani-test"]).arg(at).output();
        match out {
            Ok(out) if out.status.success() => Some(Self(at.to_owned())),
            out => {
                let why = out.map(|out| String::from_utf8_lossy(&out.stderr).into_owned());
                eprintln!("SKIPPED: no disk could be mounted for this test (it needs root): {why:?}");
                None
            }
        }
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [vec![0; 1 << 16], vec![0; 1 << 10], vec![0; 1]] {
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

async fn start(disk: &Disk, log: &Path) -> Daemon {
    let settings = [SETTINGS.as_slice(), &[("TEST_LOG", log.to_str().unwrap())]].concat();
    Daemon::start(&disk.state(), &root().join("config"), false, &settings).await
}

/// Live calls by the carrier's id. A single call's facts are not shown without a note in the audit log,
/// for which there is no room.
async fn live(daemon: &Daemon) -> HashMap<String, Value> {
    let live: Vec<Value> = daemon.get("/sessions").await.unwrap().json().await.unwrap();
    live.into_iter().map(|view| (view["carrier_call"].as_str().unwrap().to_owned(), view)).collect()
}

async fn echo(daemon: &Daemon) -> FarCall {
    let mut options = daemon.call();
    options.path.push_str("?agent=echo");
    let call = daemon.dial(options).await.unwrap();
    until("the call is in progress", async || {
        live(daemon).await.get(call.carrier_call()).is_some_and(|view| view["state"] == "in_progress").then_some(())
    })
    .await;
    call
}

async fn id(daemon: &Daemon, call: &FarCall) -> CallId {
    live(daemon).await[call.carrier_call()]["id"].as_str().unwrap().parse().unwrap()
}

async fn hang_up(daemon: &Daemon, call: &FarCall) {
    call.hang_up().await.unwrap();
    until("the call is over", async || (!live(daemon).await.contains_key(call.carrier_call())).then_some(())).await;
}

/// Facts that were lost, and that wait.
async fn counted(daemon: &Daemon) -> (u64, u64) {
    let health = daemon.health().await;
    let parts = health["components"].as_array().unwrap();
    let facts = &parts.iter().find(|part| part["name"] == "journal").unwrap()["facts"];
    (facts["lost"].as_u64().unwrap(), facts["waiting"].as_u64().unwrap())
}

async fn finding(daemon: &Daemon, code: &str) -> Option<Value> {
    let health = daemon.health().await;
    health["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code).cloned()
}

/// What the API says of a list and of a wish for many calls.
async fn ask_for_much(daemon: &Daemon, phone: &str) -> [(u16, bool, Value); 2] {
    let list = daemon.api().request(Method::POST, "/upload-customers?file_name=list.csv");
    let list = list.header("content-type", "text/csv").body(format!("name,phone_number\nAsha,{phone}\n"));
    let many = daemon.api().request(Method::POST, "/trigger-bulk-calls");
    let many = many.json(&json!({ "customer_ids": ["0198c5d5-7d44-7000-8000-000000000001"] }));
    let mut answers = Vec::new();
    for request in [list, many] {
        let answer = request.send().await.unwrap();
        let (status, waits) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
        answers.push((status, waits, answer.json().await.unwrap()));
    }
    answers.try_into().unwrap()
}

fn lines<'a>(log: &'a str, with: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(with)).collect()
}

#[tokio::test]
async fn a_disk_that_gets_full_under_calls_ends_none_loses_no_end_and_heals_by_itself() {
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(&elsewhere.path().join("disk"), 24) else { return };
    let log = elsewhere.path().join("vaani.log");
    let daemon = start(&disk, &log).await;
    let first = echo(&daemon).await;
    until("room is kept for a start on a full disk", async || disk.state().join("reserve").exists().then_some(()))
        .await;
    disk.fill();
    let second = echo(&daemon).await;
    let said = until("health says that the disk is full", async || finding(&daemon, "disk").await).await;
    assert_eq!(said["severity"], "error", "{said}");
    let alert = until("there is an alert about it", async || {
        let alerts: Value = daemon.get("/api/alerts").await?.json().await.ok()?;
        alerts["raised"].as_array()?.iter().find(|alert| alert["code"] == "disk").cloned()
    })
    .await;
    assert!(alert["text"].as_str().unwrap().contains("full"), "{alert}");
    assert!(alert["fix"].as_str().unwrap().contains("make room"), "{alert}");
    for (status, waits, problem) in ask_for_much(&daemon, "9811100001").await {
        assert_eq!((status, waits), (507, true), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("make room"), "{problem}");
    }
    // Calls end, and what the box owes of them waits.
    hang_up(&daemon, &first).await;
    let third = echo(&daemon).await;
    hang_up(&daemon, &third).await;
    let (_, waiting) = counted(&daemon).await;
    assert!(waiting >= 3, "{waiting}");

    disk.make_room();
    until("all that waited is written", async || (counted(&daemon).await.1 == 0).then_some(())).await;
    until("the disk is well again", async || finding(&daemon, "disk").await.is_none().then_some(())).await;
    until("the alert is over", async || {
        let alerts: Value = daemon.get("/api/alerts").await?.json().await.ok()?;
        alerts["raised"].as_array()?.iter().all(|alert| alert["code"] != "disk").then_some(())
    })
    .await;
    let [list, many] = ask_for_much(&daemon, "9811100002").await;
    assert_eq!((list.0, &list.2["rows_ok"], many.0), (201, &json!(1), 501), "{list:?} {many:?}");
    let uploads: Value = daemon.get("/api/uploads").await.unwrap().json().await.unwrap();
    assert_eq!(uploads["items"].as_array().unwrap().len(), 1, "the refused list has left nothing: {uploads}");
    let customers: Value = daemon.get("/api/customers").await.unwrap().json().await.unwrap();
    assert_eq!(customers["items"].as_array().unwrap().len(), 1, "{customers}");
    hang_up(&daemon, &second).await;
    let calls: Value = daemon.get("/api/calls").await.unwrap().json().await.unwrap();
    let calls = calls["items"].as_array().unwrap();
    assert!(calls.len() == 3 && calls.iter().all(|call| call["cause"] == "caller_hung_up"), "{calls:?}");

    // What was counted as lost is what is not there.
    let (mut happened, mut ids) = (0, Vec::new());
    for call in [&first, &second, &third] {
        happened += daemon.facts(call.carrier_call()).await.len();
        ids.push(daemon.id(call.carrier_call()).await);
    }
    let (lost, _) = counted(&daemon).await;
    daemon.stop().await;
    let kept = journal(&disk.state());
    assert_eq!(ids.iter().map(|id| kept[id].len()).sum::<usize>() as u64 + lost, happened as u64, "{kept:#?}");
    for id in &ids {
        assert!(matches!(kept[id][0], Event::CallInitiated { .. }), "{:#?}", kept[id]);
        assert_eq!(ends(&kept[id]), [EndCause::CallerHungUp]);
    }
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines(&log, "panicked"), [""; 0]);
    let wrong: Vec<_> =
        lines(&log, "found something wrong").into_iter().filter(|line| line.contains("\"disk\"")).collect();
    assert!((1..=2).contains(&wrong.len()), "little room, then none: {wrong:#?}");
    assert!(lines(&log, "writes were lost").len() <= 4, "{log}");
    let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).count();
    assert!(complaints < 20, "{complaints} lines:\n{log}");
}

#[tokio::test]
async fn a_start_on_a_full_disk_takes_calls_and_ends_the_lost_ones_when_there_is_room() {
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(&elsewhere.path().join("disk"), 24) else { return };
    let log = elsewhere.path().join("vaani.log");
    let daemon = start(&disk, &log).await;
    let lost = echo(&daemon).await;
    let lost_id = id(&daemon, &lost).await;
    until("the journal knows the call", async || journal(&disk.state()).contains_key(&lost_id).then_some(())).await;
    until("room is kept", async || disk.state().join("reserve").exists().then_some(())).await;
    daemon.signal(Signal::KILL);
    assert!(!daemon.exit().await.success());

    disk.fill();
    let daemon = start(&disk, &log).await;
    disk.fill();
    let call = echo(&daemon).await;
    let ended_id = id(&daemon, &call).await;
    until("health says so", async || finding(&daemon, "disk").await).await;
    hang_up(&daemon, &call).await;
    assert!(counted(&daemon).await.1 > 0);
    disk.make_room();
    until("all that waited is written", async || (counted(&daemon).await.1 == 0).then_some(())).await;
    daemon.stop().await;
    let kept = journal(&disk.state());
    assert_eq!(
        (ends(&kept[&lost_id]), ends(&kept[&ended_id])),
        (vec![EndCause::ProcessLost], vec![EndCause::CallerHungUp])
    );

    // After an orderly end not even the index files are there: the room that was kept makes them.
    assert!(!disk.state().join("system.db-shm").exists());
    disk.fill();
    let daemon = start(&disk, &log).await;
    assert!(!disk.state().join("reserve").exists());
    let call = echo(&daemon).await;
    hang_up(&daemon, &call).await;
    disk.make_room();
    until("room is kept again", async || disk.state().join("reserve").exists().then_some(())).await;
    daemon.stop().await;
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines(&log, "panicked"), [""; 0]);
}
