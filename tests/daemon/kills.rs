//! A daemon that is killed over and over while calls, imports, edits and webhooks are under way.
//! Whatever anybody was told is kept must be there afterwards, whole, and must have been announced.
//!
//! `VAANI_KILLS=200 cargo nextest run --workspace --test daemon kills` is the long form
//! (`scripts/kills`); without the variable a few kills show that the short way works.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use vaani::base::{Clock, TenantId};
use vaani::store::crypt::MasterKey;
use vaani::store::{StoreError, Vault};
use vaani::telephony::twilio::carrier::DialOptions;

use crate::support::{Api, Daemon, root, until};

const SETTINGS: [(&str, &str); 2] =
    [("VAANI_WEBHOOKS__ALLOW_PRIVATE", "127.0.0.0/8"), ("VAANI_WEBHOOKS__ALLOW_HTTP", "true")];
const ROWS: usize = 20;

/// What the world was told.
#[derive(Default)]
struct Told {
    customers: Vec<String>,
    /// Lists that were sent; `true`: taken over, says the box.
    lists: Vec<(Vec<String>, bool)>,
    /// Calls whose end was read from the store.
    ended: BTreeSet<String>,
    /// Webhooks by id: event type, call, and every body that came with it.
    hooks: BTreeMap<String, (String, String, BTreeSet<String>)>,
    twice: usize,
}

type Shared = Arc<Mutex<Told>>;

async fn receive(State(told): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let payload: Value = serde_json::from_str(&body).unwrap();
    let text = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
    let mut told = told.lock().unwrap();
    let known = told.hooks.contains_key(&id);
    told.twice += usize::from(known);
    let hook = told.hooks.entry(id).or_insert_with(|| (text("event_type"), text("call_id"), BTreeSet::new()));
    hook.2.insert(body);
    // Now and then the receiver is not well: these come again.
    if !known && told.hooks.len().is_multiple_of(13) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn receiver(told: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = axum::Router::new().route("/hook", axum::routing::post(receive)).with_state(told);
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}/hook")
}

/// Never the same twice: the box takes a number once.
fn number() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(10_000_000);
    format!("+9198{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Brings lists of customers until the box is gone.
async fn import(api: Api, told: Shared) {
    loop {
        let phones: Vec<String> = (0..ROWS).map(|_| number()).collect();
        let rows: String = phones.iter().map(|phone| format!("Asha Rao,{phone},Kerala\n")).collect();
        let at = {
            let mut told = told.lock().unwrap();
            told.lists.push((phones, false));
            told.lists.len() - 1
        };
        let request =
            api.request(Method::POST, "/upload-customers?file_name=list.csv").header("content-type", "text/csv");
        let Ok(answer) = request.body(format!("name,phone_number,state\n{rows}")).send().await else { return };
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        if text.is_empty() {
            return;
        }
        assert!(status.is_success(), "{status} {text}");
        let brought: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(brought["rows_ok"], ROWS, "{brought}");
        told.lock().unwrap().lists[at].1 = true;
    }
}

async fn edit(api: Api, told: Shared) {
    loop {
        let body = json!({ "name": "Ravi Kumar", "phone_number": number() });
        let Ok(answer) = api.request(Method::POST, "/api/customers").json(&body).send().await else { return };
        let status = answer.status();
        let Ok(made) = answer.json::<Value>().await else { return };
        assert_eq!(status, StatusCode::CREATED, "{made}");
        told.lock().unwrap().customers.push(made["id"].as_str().unwrap().to_owned());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Calls, hangs up, and looks at what the store says of calls.
async fn dial(api: Api, options: DialOptions, told: Shared) {
    let (scope, clock) = (vaani::base::tasks::Scope::new(), Clock::system());
    loop {
        let mut mine = DialOptions::new(options.base_url.clone(), options.auth_token.clone());
        mine.path.push_str("?agent=echo");
        let Ok(call) = mine.dial(&scope, clock).await else { return };
        sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        if call.hang_up().await.is_err() {
            return;
        }
        let Ok(answer) = api.request(Method::GET, "/api/calls?limit=50").send().await else { return };
        let Ok(page) = answer.json::<Value>().await else { return };
        let over = page["items"].as_array().expect("a list of calls").iter().filter(|call| call["ended_ms"].is_u64());
        told.lock().unwrap().ended.extend(over.map(|call| call["id"].as_str().unwrap().to_owned()));
    }
}

fn ids(db: &rusqlite::Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    Ok(db.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost_however_often_the_daemon_is_killed() {
    let kills: u32 = std::env::var("VAANI_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let state = tempfile::tempdir().unwrap();
    let config = root().join("config");
    let told = Shared::default();
    let url = receiver(Arc::clone(&told)).await;
    let clock = Clock::system();
    let mut starts = Vec::new();
    for life in 0..kills {
        let began = clock.now();
        let daemon = Daemon::start(state.path(), &config, false, &SETTINGS).await;
        starts.push(clock.now().since(began));
        if life == 0 {
            let hook = json!({ "url": url, "events": ["call.started", "call.ended"], "ordered": false });
            let made = daemon.api().request(Method::POST, "/api/webhooks").json(&hook).send().await.unwrap();
            assert_eq!(made.status(), StatusCode::CREATED, "{}", made.text().await.unwrap());
        }
        let mut load = JoinSet::new();
        load.spawn(import(daemon.api(), Arc::clone(&told)));
        load.spawn(edit(daemon.api(), Arc::clone(&told)));
        for _ in 0..3 {
            load.spawn(dial(daemon.api(), daemon.call(), Arc::clone(&told)));
        }
        sleep(Duration::from_millis(fastrand::u64(50..1_200))).await;
        daemon.signal(Signal::KILL);
        assert!(!daemon.exit().await.success());
        // Their last requests fail by themselves; a failed assertion in one of them fails the test.
        while let Ok(Some(ended)) = tokio::time::timeout(Duration::from_secs(20), load.join_next()).await {
            ended.unwrap();
        }
    }
    let daemon = Daemon::start(state.path(), &config, false, &SETTINGS).await;
    until("everything is delivered", async || {
        let outbox: Value = daemon.api().request(Method::GET, "/api/outbox").send().await.ok()?.json().await.ok()?;
        outbox["items"].as_array()?.is_empty().then_some(())
    })
    .await;
    daemon.stop().await;
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_vaani"))
        .args(["audit", "verify"])
        .env("VAANI_STATE__DIR", state.path())
        .env_remove("CREDENTIALS_DIRECTORY")
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), clock).unwrap();
    let db = vault.tenant(&TenantId::default_tenant()).unwrap();
    let column =
        |sql: &'static str| -> BTreeSet<String> { db.read_blocking(|db| ids(db, sql)).unwrap().into_iter().collect() };
    let told = told.lock().unwrap();
    let customers = column("SELECT id FROM customers");
    let lost: Vec<_> = told.customers.iter().filter(|id| !customers.contains(*id)).collect();
    assert!(lost.is_empty(), "customers that were acknowledged: {lost:?}");
    let phones = column("SELECT phone FROM customers");
    for (list, taken) in &told.lists {
        let there = list.iter().filter(|phone| phones.contains(*phone)).count();
        assert!(there == ROWS || (there == 0 && !taken), "{there} rows of a list that was taken over: {taken}");
    }
    let over = column("SELECT id FROM calls WHERE ended_ms IS NOT NULL");
    assert_eq!(over, column("SELECT id FROM calls"), "every call has its end");
    let lost: Vec<_> = told.ended.difference(&over).collect();
    assert!(lost.is_empty(), "ends that were read: {lost:?}");
    let ends = db.read_blocking(|db| ids(db, "SELECT call FROM events WHERE kind = 'call_ended'")).unwrap();
    assert_eq!((ends.len(), &ends.into_iter().collect::<BTreeSet<_>>()), (over.len(), &over), "one end a call");

    let mut announced = BTreeMap::<(&str, &str), usize>::new();
    for (kind, call, bodies) in told.hooks.values() {
        *announced.entry((kind, call)).or_default() += 1;
        assert_eq!(bodies.len(), 1, "the same id with another body: {bodies:?}");
        assert!(over.contains(call), "announced and not kept: {kind} {call}");
    }
    for call in &over {
        for kind in ["call.started", "call.ended"] {
            assert_eq!(announced.get(&(kind, call.as_str())), Some(&1), "{kind} of {call}");
        }
    }
    starts.sort();
    println!(
        "{kills} kills: {} calls, {} customers, {} lists ({} taken over), {} webhooks ({} came again); \
         restart ready after {:?} (median), {:?} (slowest)",
        over.len(),
        told.customers.len(),
        told.lists.len(),
        told.lists.iter().filter(|(_, taken)| *taken).count(),
        told.hooks.len(),
        told.twice,
        starts[starts.len() / 2],
        starts[starts.len() - 1],
    );
}
