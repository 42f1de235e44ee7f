//! kill -9 at any moment: nothing that was acknowledged is lost, nothing is told that is not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vaani::base::event::{CallState, EndCause, Event, Record};
use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock, EndpointId, TenantId};
use vaani::config::Webhooks;
use vaani::delivery::{self, Delivery, DeliveryMetrics, ShapeSettings, SystemNames};
use vaani::store::crypt::MasterKey;
use vaani::store::journal::Journal;
use vaani::store::webhooks::{self, Endpoint, Numbers};
use vaani::store::{Database, Vault, outbox};

use crate::receiver::{Arrived, Receiver};

const STATE: &str = "VAANI_DELIVERY_STATE";
/// Write nothing, deliver what is left, end.
const DRAIN: &str = "VAANI_DELIVERY_DRAIN";
const KILLS: usize = 50;

pub(crate) fn open(state: &Path) -> (Vault, Database) {
    let vault = Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap();
    let db = vault.tenant(&TenantId::default_tenant()).unwrap();
    (vault, db)
}

pub(crate) fn sending(scope: &Scope, db: &Database) -> Delivery {
    let settings = Webhooks {
        allow_private: vec!["127.0.0.1".parse().unwrap()],
        allow_http: true,
        give_up_hours: 24,
        parallel: 8,
        keep_days: 1,
        roots: Default::default(),
    };
    let delivery =
        Delivery::new(&settings, Arc::new(SystemNames), Clock::system(), DeliveryMetrics::default()).unwrap();
    delivery.open(&TenantId::default_tenant(), db.clone(), scope);
    delivery
}

pub(crate) fn ended(call: CallId, number: u64, clock: Clock) -> Record {
    let event =
        Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: number, turns: 1 };
    Record { call, unix_ms: clock.unix_ms(clock.now()), call_ms: number, event }
}

/// The process that is killed: this very test, started again with a variable. Says `durable CALL` once
/// the write of a call's end has returned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let (vault, db) = open(Path::new(&state));
    let scope = Scope::new();
    let delivery = sending(&scope, &db);
    let mut out = std::io::stdout();
    writeln!(out, "ready").unwrap();
    if std::env::var_os(DRAIN).is_some() {
        while db.read(outbox::counts).await.unwrap().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        scope.stop();
        assert!(scope.join(Duration::from_secs(5)).await);
        tokio::task::spawn_blocking(move || vault.close()).await.unwrap();
        return;
    }
    let derive = delivery::announce(ShapeSettings { words: true, number_of: None }, &delivery);
    let journal = Journal::new(vault, vec![derive]);
    let clock = Clock::system();
    for writer in 0..2 {
        let journal = journal.clone();
        scope.spawn("writer", async move {
            for number in 0.. {
                let call = CallId::new();
                journal.append_durable(ended(call, number, clock)).await.unwrap();
                // One write, so that a line is whole or missing.
                std::io::stdout().write_all(format!("durable {call}\n").as_bytes()).unwrap();
                tokio::time::sleep(Duration::from_millis(6 + 3 * writer)).await;
            }
        });
    }
    scope.stopped().await;
}

struct Running {
    child: Child,
    reader: std::thread::JoinHandle<()>,
    ready: std::sync::mpsc::Receiver<()>,
}

fn start(state: &Path, drain: bool, durable: &Arc<Mutex<BTreeSet<String>>>) -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]).env(STATE, state);
    if drain {
        command.env(DRAIN, "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let durable = Arc::clone(durable);
    let (told, ready) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            // The test's own heading may share the first line.
            if line.ends_with("ready") {
                let _ = told.send(());
            } else if let Some(call) = line.strip_prefix("durable ")
                && call.len() == 36
            {
                durable.lock().unwrap().insert(call.to_owned());
            }
        }
    });
    Running { child, reader, ready }
}

pub(crate) fn endpoint(url: String, ordered: bool) -> Endpoint {
    Endpoint {
        id: EndpointId::new(),
        url,
        about: String::new(),
        events: vec!["*".to_owned()],
        numbers: Numbers::Hash,
        ordered,
        enabled: true,
        disabled_why: String::new(),
        version: 1,
        created_ms: 1,
        updated_ms: 1,
    }
}

/// What the database knows: webhook-id -> (sequence, body, call, state), by endpoint.
type Kept = BTreeMap<String, (u64, String, String, String)>;

fn kept(db: &Database, endpoint: EndpointId) -> Kept {
    db.read_blocking(|db| {
        let sql = "SELECT id, sequence, body, about, state FROM outbox WHERE endpoint = ?1";
        let of_row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
        Ok(db.prepare(sql)?.query_map([endpoint.to_string()], of_row)?.collect::<Result<_, _>>()?)
    })
    .unwrap()
}

fn calls_in_order(db: &Database) -> Vec<String> {
    db.read_blocking(|db| {
        Ok(db
            .prepare("SELECT call FROM events ORDER BY seq")?
            .query_map([], |r| r.get(0))?
            .collect::<Result<_, _>>()?)
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_is_killed_fifty_times_loses_no_webhook_and_invents_none() {
    if std::env::var_os(STATE).is_some() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let (receiver, address) = Receiver::start(1).await;
    let (ordered, any) =
        (endpoint(format!("http://{address}/ordered"), true), endpoint(format!("http://{address}/any"), false));
    let (vault, db) = open(state.path());
    let (a, b) = (ordered.clone(), any.clone());
    db.write(move |db| {
        for endpoint in [&a, &b] {
            webhooks::insert(db, endpoint, &delivery::new_secret()?)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    drop(db);
    tokio::task::spawn_blocking(move || vault.close()).await.unwrap();

    let durable = Arc::default();
    let mut slowest = Duration::ZERO;
    for kill in 0..KILLS {
        let began = Instant::now();
        let mut running = start(state.path(), false, &durable);
        // Every fifth dies while it starts.
        if kill % 5 != 4 {
            tokio::task::block_in_place(|| running.ready.recv_timeout(Duration::from_secs(30))).unwrap();
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..400))).await;
        } else {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..60))).await;
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        running.reader.join().unwrap();
        // What was on the wire arrives.
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let began = Instant::now();
    let mut last = start(state.path(), true, &durable);
    let status = tokio::task::spawn_blocking(move || last.child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "the last one could not deliver the rest");
    let drained = began.elapsed();

    let (vault, db) = open(state.path());
    let calls = calls_in_order(&db);
    let known: BTreeSet<&String> = calls.iter().collect();
    let durable: BTreeSet<String> = durable.lock().unwrap().clone();
    assert!(durable.len() > 200, "only {} writes", durable.len());
    assert!(durable.iter().all(|call| known.contains(call)), "an acknowledged event is not in the journal");
    let all = receiver.arrived();
    let mut twice = 0;
    for (endpoint, path) in [(&ordered, "ordered"), (&any, "any")] {
        let rows = kept(&db, endpoint.id);
        let arrived: Vec<&Arrived> = all.iter().filter(|a| a.path == path).collect();
        // One row for each event, each delivered.
        assert_eq!(rows.len(), calls.len());
        assert!(rows.values().all(|(_, _, call, state)| state == "delivered" && known.contains(call)));
        // Nothing arrived that is not kept; whatever came twice came with the same bytes.
        for one in &arrived {
            let (_, body, call, _) = rows.get(&one.id).expect("told of what is not in the database");
            assert_eq!(&one.body, body);
            assert!(one.body.contains(call.as_str()));
        }
        // Everything that is durable was taken.
        let taken: BTreeSet<&String> = arrived.iter().filter(|a| a.taken).map(|a| &a.id).collect();
        let told: BTreeSet<&String> = rows.iter().filter(|(id, _)| taken.contains(id)).map(|(_, row)| &row.2).collect();
        assert!(durable.iter().all(|call| told.contains(call)), "an acknowledged event was never delivered");
        assert_eq!(taken.len(), rows.len());
        twice += arrived.len() - arrived.iter().map(|a| &a.id).collect::<BTreeSet<_>>().len();
        if path == "ordered" {
            let mut order: Vec<u64> = arrived.iter().map(|a| rows[&a.id].0).collect();
            order.dedup();
            assert!(order.windows(2).all(|w| w[0] < w[1]), "out of order: {order:?}");
            let mut by_sequence: Vec<_> = rows.values().map(|(sequence, _, call, _)| (*sequence, call)).collect();
            by_sequence.sort_unstable();
            assert!(by_sequence.iter().map(|(_, call)| *call).eq(&calls), "the line is not the order of the events");
        }
    }
    println!(
        "{KILLS} kills: {} events, {} acknowledged, {} arrivals, {twice} of them again; ready after at most {slowest:?}, the rest delivered in {drained:?}",
        calls.len(),
        durable.len(),
        all.len(),
    );
    drop(db);
    tokio::task::spawn_blocking(move || vault.close()).await.unwrap();
}
