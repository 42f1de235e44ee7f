//! How fast: events kept and put into the outbox, and webhooks delivered. Measured, not judged:
//! `cargo nextest run --workspace --test delivery --run-ignored only --no-capture speed`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock, TenantId};
use vaani::delivery::{self, ShapeSettings};
use vaani::store::journal::Journal;
use vaani::store::{outbox, webhooks};

use crate::crash::{ended, endpoint, open, sending};
use crate::receiver::Receiver;

const EVENTS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_fast_events_become_webhooks_and_webhooks_leave() {
    for endpoints in [0, 1, 3] {
        let state = tempfile::tempdir().unwrap();
        let (receiver, address) = Receiver::start(0).await;
        let (vault, db) = open(state.path());
        let rows: Vec<_> = (0..endpoints).map(|n| endpoint(format!("http://{address}/{n}"), n == 2)).collect();
        let adding = rows.clone();
        db.write(move |db| adding.iter().try_for_each(|row| webhooks::insert(db, row, &delivery::new_secret()?)))
            .await
            .unwrap();
        let scope = Scope::new();
        let sending = sending(&scope, &db);
        // What waits is counted before it leaves: no courier yet.
        sending.close(&TenantId::default_tenant());
        let derive = delivery::announce(ShapeSettings { words: false, number_of: None }, &sending);
        let journal = Journal::new(vault.clone(), vec![derive]);
        let clock = Clock::system();
        let began = Instant::now();
        let mut writers = Vec::new();
        for _ in 0..64 {
            let journal = journal.clone();
            writers.push(async move {
                for number in 0..EVENTS / 64 {
                    journal.append_durable(ended(CallId::new(), number, clock)).await.unwrap();
                }
            });
        }
        futures_util::future::join_all(writers).await;
        let kept = began.elapsed();
        let began = Instant::now();
        sending.open(&TenantId::default_tenant(), db.clone(), &scope);
        let mut left = u64::MAX;
        while left > 0 && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            left = db.read(outbox::counts).await.unwrap().waiting;
        }
        let gone = receiver.arrived().len();
        println!(
            "{endpoints} endpoints: {:.0} durable events/s; {:.0} webhooks/s delivered ({gone} in {:?}, {left} left)",
            EVENTS as f64 / kept.as_secs_f64(),
            gone as f64 / began.elapsed().as_secs_f64(),
            began.elapsed(),
        );
        scope.stop();
        scope.join(Duration::from_secs(5)).await;
        let closing = Arc::new(vault);
        tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    }
}
