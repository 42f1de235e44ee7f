//! Couriers against a real receiver on this machine that misbehaves as told.
#![expect(clippy::disallowed_methods, reason = "real sockets are timed by a real clock")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::base::secret::Secret;
use crate::config::Webhooks as Settings;
use crate::delivery::{Delivery, SystemNames, new_secret, verify};
use crate::store::outbox::{Of, Posted, State};
use crate::store::webhooks::{Endpoint, Numbers};

/// How the receiver answers one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Status(u16),
    /// With a header.
    Later(u16, &'static str),
    Redirect(&'static str),
    /// Reads the request and says nothing.
    Hang,
    /// A byte now and then.
    Drip,
    Close,
    CloseMidway,
    Giant,
    Garbage,
    Slow(u64),
}

#[derive(Clone, Debug)]
struct Got {
    id: String,
    body: String,
    at: Instant,
}

#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    open: Arc<Mutex<(usize, usize)>>,
    bad: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// `manner` is asked for each request: its number and how often this id came before.
    async fn start(
        scope: &Scope,
        secret: &Secret,
        manner: impl Fn(usize, usize) -> Manner + Send + Sync + 'static,
    ) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self::default();
        let (own, inner, secret) = (receiver.clone(), scope.clone(), secret.clone());
        let manner = Arc::new(manner);
        scope.spawn("receiver", async move {
            loop {
                let (stream, _) = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap(),
                    () = inner.stopped() => return,
                };
                let (own, secret, manner, stop) = (own.clone(), secret.clone(), Arc::clone(&manner), inner.clone());
                inner.spawn("receiving", async move {
                    tokio::select! {
                        () = own.serve(stream, &secret, &*manner) => {}
                        () = stop.stopped() => {}
                    }
                });
            }
        });
        (receiver, address)
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        secret: &Secret,
        manner: &(dyn Fn(usize, usize) -> Manner + Send + Sync),
    ) {
        while let Some((headers, body)) = read_request(&mut stream).await {
            let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
            let id = header("webhook-id");
            let now = Clock::system().wall().as_secs();
            if let Err(error) =
                verify(secret, &id, &header("webhook-timestamp"), &header("webhook-signature"), body.as_bytes(), now)
            {
                self.bad.lock().unwrap().push(error.to_string());
            }
            let (number, before) = {
                let mut got = self.got.lock().unwrap();
                let before = got.iter().filter(|g| g.id == id).count();
                got.push(Got { id, body, at: Instant::now() });
                (got.len() - 1, before)
            };
            {
                let mut open = self.open.lock().unwrap();
                open.0 += 1;
                open.1 = open.1.max(open.0);
            }
            let alive = answer(&mut stream, manner(number, before)).await;
            self.open.lock().unwrap().0 -= 1;
            if !alive {
                return;
            }
        }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(HashMap<String, String>, String)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let headers: HashMap<String, String> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            while bytes.len() < end + 4 + length {
                let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
                bytes.extend_from_slice(&chunk[..read]);
            }
            return Some((headers, String::from_utf8(bytes[end + 4..].to_vec()).ok()?));
        }
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// False: the connection is over.
async fn answer(stream: &mut TcpStream, manner: Manner) -> bool {
    let plain = |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{more}\r\nok");
    let text = match manner {
        Manner::Status(status) => plain(status, ""),
        Manner::Later(status, header) => plain(status, &format!("{header}\r\n")),
        Manner::Redirect(to) => plain(302, &format!("location: {to}\r\n")),
        Manner::Slow(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            plain(200, "")
        }
        Manner::Hang => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            return false;
        }
        Manner::Drip => {
            for byte in plain(200, "").into_bytes().into_iter().cycle() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            return false;
        }
        Manner::Close => return false,
        Manner::CloseMidway => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf").await;
            return false;
        }
        Manner::Giant => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
            let chunk = vec![b'x'; 64 * 1024];
            let mut sent = 0_u64;
            while stream.write_all(&chunk).await.is_ok() {
                sent += chunk.len() as u64;
                assert!(sent < 64 << 20, "somebody reads it all");
            }
            return false;
        }
        Manner::Garbage => {
            let _ = stream.write_all(b"\x00\x01SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
            return false;
        }
    };
    stream.write_all(text.as_bytes()).await.is_ok()
}

struct Bench {
    db: Database,
    scope: Scope,
    delivery: Delivery,
    endpoint: Endpoint,
    receiver: Receiver,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

impl Bench {
    async fn start(ordered: bool, manner: impl Fn(usize, usize) -> Manner + Send + Sync + 'static) -> Self {
        let scope = Scope::new();
        let secret = new_secret().unwrap();
        let (receiver, address) = Receiver::start(&scope, &secret, manner).await;
        let db = Database::scratch_tenant();
        let endpoint = Endpoint {
            id: EndpointId::new(),
            url: format!("http://{address}/hooks"),
            about: String::new(),
            events: vec!["*".to_owned()],
            numbers: Numbers::Hash,
            ordered,
            enabled: true,
            disabled_why: String::new(),
            version: 1,
            created_ms: 1,
            updated_ms: 1,
        };
        let row = endpoint.clone();
        db.write(move |db| webhooks::insert(db, &row, &secret)).await.unwrap();
        let settings = Settings {
            allow_private: vec!["127.0.0.0/8".parse().unwrap()],
            allow_http: true,
            give_up_hours: 1,
            parallel: 8,
            keep_days: 1,
            roots: Default::default(),
        };
        let delivery =
            Delivery::new(&settings, Arc::new(SystemNames), Clock::system(), DeliveryMetrics::default()).unwrap();
        delivery.open(&"default".parse().unwrap(), db.clone(), &scope);
        Self { db, scope, delivery, endpoint, receiver }
    }

    async fn write(&self, n: usize) -> DeliveryId {
        let (endpoint, clock) = (self.endpoint.id, self.delivery.clock());
        let now = clock.unix_ms(clock.now());
        let put =
            move |db: &Connection| outbox::enqueue(db, now, endpoint, "call.ended", "", &format!("{{\"n\":{n}}}"));
        let id = self.db.write(put).await.unwrap();
        self.delivery.bell().ring();
        id
    }

    async fn row(&self, id: DeliveryId) -> Posted {
        self.db.read(move |db| outbox::get(db, id)).await.unwrap().unwrap()
    }

    async fn until(&self, what: &str, mut reached: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..1_500 {
            if reached(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {what}; got {:?}", self.receiver.got());
    }

    async fn all_are(&self, ids: &[DeliveryId], state: State) {
        self.until("all settled", async |bench| {
            for id in ids {
                if bench.row(*id).await.state != state {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_delivered_signed_and_at_once() {
    let bench = Bench::start(false, |_, _| Manner::Status(202)).await;
    let began = Instant::now();
    let id = bench.write(7).await;
    bench.all_are(&[id], State::Delivered).await;
    let got = bench.receiver.got();
    assert_eq!((got.len(), got[0].id.as_str(), got[0].body.as_str()), (1, id.to_string().as_str(), "{\"n\":7}"));
    assert!(got[0].at - began < limits::OUTBOX_LOOK, "it was woken, not found");
    let row = bench.row(id).await;
    assert_eq!((row.attempts, row.status, row.error.as_str()), (1, Some(202), ""));
    assert!(bench.receiver.bad.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_through_failures_and_every_attempt_is_the_same() {
    // Every third request fails in another way.
    let manners = [Manner::Status(500), Manner::Close, Manner::Garbage];
    let bench = Bench::start(true, move |n, _| if n % 3 == 1 { manners[n / 3 % 3] } else { Manner::Status(200) }).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(bench.write(n).await);
    }
    bench.all_are(&ids, State::Delivered).await;
    let got = bench.receiver.got();
    assert!(got.len() > ids.len());
    let mut order: Vec<_> = got.iter().map(|g| g.id.clone()).collect();
    order.dedup();
    assert_eq!(order, ids.iter().map(ToString::to_string).collect::<Vec<_>>(), "repeated at most in its place");
    for g in &got {
        let n = ids.iter().position(|id| id.to_string() == g.id).unwrap();
        assert_eq!(g.body, format!("{{\"n\":{n}}}"));
    }
    assert_eq!(bench.receiver.open.lock().unwrap().1, 1, "one at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_misbehaves_costs_one_attempt_and_no_more() {
    for (manner, wanted) in [
        (Manner::Hang, "no answer in time"),
        (Manner::Drip, "no answer in time"),
        (Manner::Close, "the connection broke"),
        (Manner::Garbage, "the connection broke"),
        (Manner::Status(404), "HTTP 404"),
        (
            Manner::Redirect("http://169.254.169.254/latest/"),
            "HTTP 302 (redirects are not followed; give the address it leads to)",
        ),
        (Manner::Redirect("/elsewhere"), "HTTP 302 (redirects are not followed; give the address it leads to)"),
    ] {
        let bench = Bench::start(false, move |_, before| if before == 0 { manner } else { Manner::Status(200) }).await;
        let id = bench.write(1).await;
        let began = Instant::now();
        bench.until("a failure", async |bench| bench.row(id).await.attempts == 1).await;
        let row = bench.row(id).await;
        assert_eq!((row.state, row.error.as_str()), (State::Waiting, wanted), "{manner:?}");
        assert!(began.elapsed() < limits::WEBHOOK_ATTEMPT_MAX + Duration::from_secs(2), "{manner:?}");
        let clock = bench.delivery.clock();
        let pause = row.next_ms.saturating_sub(clock.unix_ms(clock.now()));
        assert!(pause <= 2_000, "{manner:?}: {pause}");
        bench.all_are(&[id], State::Delivered).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_follows_a_good_status_it_is_delivered() {
    for manner in [Manner::Giant, Manner::CloseMidway, Manner::Slow(300)] {
        let bench = Bench::start(true, move |_, _| manner).await;
        let ids = [bench.write(1).await, bench.write(2).await];
        let began = Instant::now();
        bench.all_are(&ids, State::Delivered).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{manner:?}: {:?}", began.elapsed());
        assert_eq!(bench.receiver.got().len(), 2, "{manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_time_to_wait_holds_for_the_whole_endpoint() {
    let bench =
        Bench::start(false, |n, _| if n == 0 { Manner::Later(429, "retry-after: 3") } else { Manner::Status(200) })
            .await;
    let first = bench.write(1).await;
    bench.until("told to wait", async |bench| bench.row(first).await.attempts == 1).await;
    let told = bench.receiver.got()[0].at;
    let second = bench.write(2).await;
    bench.all_are(&[first, second], State::Delivered).await;
    for later in &bench.receiver.got()[1..] {
        assert!(later.at - told >= Duration::from_millis(2_900), "{:?}", later.at - told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_gone_is_switched_off_and_its_letters_can_be_replayed() {
    let bench = Bench::start(true, |n, _| if n == 0 { Manner::Status(410) } else { Manner::Status(200) }).await;
    let (id, clock) = (bench.endpoint.id, bench.delivery.clock());
    let now = clock.unix_ms(clock.now());
    let put = move |db: &Connection| {
        (0..3).map(|n| outbox::enqueue(db, now, id, "x", "", &format!("{n}"))).collect::<Result<Vec<_>, _>>()
    };
    let ids = bench.db.write(put).await.unwrap();
    bench.delivery.bell().ring();
    bench.all_are(&ids, State::Dead).await;
    let (mut endpoint, _) = bench.db.read(move |db| webhooks::get(db, id)).await.unwrap().unwrap();
    assert!(!endpoint.enabled && endpoint.disabled_why.contains("410"));
    assert_eq!(bench.receiver.got().len(), 1);
    // Nothing is queued for it while it is off.
    assert_eq!(bench.db.write(|db| outbox::announce(db, 1, "x", "", |_| Ok(String::new()))).await.unwrap(), 0);
    endpoint.enabled = true;
    bench.db.write(move |db| webhooks::update(db, &endpoint)).await.unwrap();
    let range = outbox::Range { endpoint: id, since_ms: 0, until_ms: now + 10_000, dead_only: true };
    let (count, _) = bench.db.write(move |db| outbox::replay_range(db, range, None, now)).await.unwrap();
    assert_eq!(count, 3);
    bench.delivery.bell().ring();
    bench.all_are(&ids, State::Delivered).await;
    assert_eq!(bench.receiver.got()[1..].iter().map(|g| g.body.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_go_in_parallel_within_the_bound_and_none_twice() {
    let bench = Bench::start(false, |_, _| Manner::Slow(20)).await;
    let (id, clock) = (bench.endpoint.id, bench.delivery.clock());
    let now = clock.unix_ms(clock.now());
    let put = move |db: &Connection| {
        (0..200).map(|n| outbox::enqueue(db, now, id, "x", "", &format!("{n}"))).collect::<Result<Vec<_>, _>>()
    };
    let ids = bench.db.write(put).await.unwrap();
    bench.delivery.bell().ring();
    bench.all_are(&ids, State::Delivered).await;
    let mut seen: Vec<_> = bench.receiver.got().into_iter().map(|g| g.id).collect();
    seen.sort();
    assert_eq!(seen, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    let most = bench.receiver.open.lock().unwrap().1;
    assert!((2..=limits::WEBHOOK_PARALLEL_ONE).contains(&most), "{most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_does_not_send_what_was_delivered_again_and_again() {
    let bench = Bench::start(false, |_, _| Manner::Slow(200)).await;
    let id = bench.write(1).await;
    // Nothing can be written: an update that needs a page fails as a disk does.
    bench
        .db
        .write(|db| {
            db.execute_batch(
                "CREATE TRIGGER no_room BEFORE UPDATE OF state ON outbox BEGIN SELECT RAISE(FAIL, 'no room'); END",
            )?;
            Ok(())
        })
        .await
        .unwrap();
    bench.until("sent", async |bench| bench.receiver.got().len() == 1).await;
    tokio::time::sleep(limits::OUTBOX_WRITE_AGAIN + limits::OUTBOX_WRITE_AGAIN / 2).await;
    assert_eq!(bench.receiver.got().len(), 1);
    assert_eq!(bench.row(id).await.state, State::Waiting);
    bench
        .db
        .write(|db| {
            db.execute_batch("DROP TRIGGER no_room")?;
            Ok(())
        })
        .await
        .unwrap();
    bench.all_are(&[id], State::Delivered).await;
    assert_eq!(bench.receiver.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_in_time_and_the_next_courier_goes_on() {
    let bench = Bench::start(true, |_, before| if before == 0 { Manner::Hang } else { Manner::Status(200) }).await;
    let tenant = "default".parse().unwrap();
    let id = bench.write(1).await;
    bench.until("sent", async |bench| bench.receiver.got().len() == 1).await;
    bench.delivery.close(&tenant);
    tokio::time::sleep(limits::OUTBOX_STOP_MAX + Duration::from_millis(300)).await;
    let row = bench.row(id).await;
    assert_eq!((row.state, row.attempts), (State::Waiting, 0), "given back");
    let second = bench.write(2).await;
    bench.delivery.open(&tenant, bench.db.clone(), &bench.scope);
    bench.until("sent again", async |bench| bench.row(id).await.state == State::Delivered).await;
    bench.until("the next", async |bench| bench.receiver.got().iter().any(|g| g.id == second.to_string())).await;
    let got = bench.receiver.got();
    assert_eq!((&got[0].id, &got[0].body), (&got[1].id, &got[1].body), "the same name and bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened() {
    let bench =
        Bench::start(false, |_, before| if before == 0 { Manner::Status(500) } else { Manner::Status(200) }).await;
    let id = bench.write(1).await;
    bench.all_are(&[id], State::Delivered).await;
    let dead = bench.db.read(|db| outbox::list(db, Of::State(State::Dead), None, 9)).await.unwrap();
    assert!(dead.is_empty());
    let mut registry = prometheus_client::registry::Registry::default();
    let courier_metrics = bench.delivery.metrics();
    courier_metrics.register(&mut registry);
    bench
        .until("counted", async |_| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            [
                "webhook_deliveries_total{outcome=\"delivered\"} 1",
                "webhook_deliveries_total{outcome=\"failed\"} 1",
                "outbox_queue_size 0",
                "webhook_attempt_seconds_count 2",
            ]
            .iter()
            .all(|line| text.contains(line))
        })
        .await;
}
