//! Counts and times HTTP requests by the route's template. Promise: whatever paths and methods are
//! asked for, there are no more rows than routes times methods times status codes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::base::Clock;
use crate::ops::traces::Answered;

const BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Where there is no route.
const UNMATCHED: &str = "unmatched";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

/// Of the HTTP server. Clones count together.
#[derive(Clone, Debug)]
pub struct HttpMeter {
    requests: Family<StatusLabels, Counter>,
    took: Family<RouteLabels, Histogram>,
    in_flight: Gauge<i64, AtomicI64>,
}

impl Default for HttpMeter {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
        }
    }
}

impl HttpMeter {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "HTTP requests, by method, route and status", self.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "From a request's head to the head of its answer",
            self.took.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "HTTP requests that wait for their answer",
            self.in_flight.clone(),
        );
    }

    fn count(&self, answered: &Answered<'_>) {
        let (method, route): (_, Arc<str>) = (answered.method, answered.route.into());
        self.requests.get_or_create(&StatusLabels { method, route: Arc::clone(&route), status: answered.status }).inc();
        self.took.get_or_create(&RouteLabels { method, route }).observe(answered.took.as_secs_f64());
    }
}

/// Hears of every answered request; must be quick.
pub type Observer = Arc<dyn Fn(&Answered<'_>) + Send + Sync>;

#[derive(Clone)]
struct Watched {
    meter: HttpMeter,
    observers: Arc<[Observer]>,
    clock: Clock,
}

/// Counts what the whole router answers; put it around everything that is merged.
pub fn watch(router: Router, meter: HttpMeter, clock: Clock, observers: Vec<Observer>) -> Router {
    let watched = Watched { meter, observers: observers.into(), clock };
    router.layer(middleware::from_fn_with_state(watched, measure))
}

/// Ends the counting of a request however it ends: a client that goes away leaves none in flight.
struct InFlight(Gauge<i64, AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn measure(State(watched): State<Watched>, request: Request, next: Next) -> Response {
    let began = watched.clock.now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    watched.meter.in_flight.inc();
    let here = InFlight(watched.meter.in_flight.clone());
    let response = next.run(request).await;
    drop(here);
    let answered = Answered {
        method,
        route: route.as_ref().map_or(UNMATCHED, MatchedPath::as_str),
        status: response.status().as_u16(),
        began: Duration::from_millis(watched.clock.unix_ms(began)),
        took: watched.clock.now().since(began),
    };
    watched.meter.count(&answered);
    for observer in watched.observers.iter() {
        observer(&answered);
    }
    response
}

/// Methods may be anything; ours are few.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::http::StatusCode;
    use axum::routing::get;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::api::Metrics;
    use crate::api::metrics::strict::Page;
    use crate::base::tasks::Scope;

    struct Server {
        url: String,
        metrics: Arc<Metrics>,
        seen: Arc<Mutex<Vec<(String, u16)>>>,
        http: reqwest::Client,
    }

    async fn server() -> Server {
        let metrics = Arc::new(Metrics::new(|_| ()));
        let seen: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
        let seeing = Arc::clone(&seen);
        let router = Router::new()
            .route("/api/calls/{id}", get(|| async { "a call" }))
            .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }));
        let observer: Observer = Arc::new(move |answered: &Answered<'_>| {
            seeing.lock().unwrap().push((answered.route.to_owned(), answered.status));
        });
        let router = watch(router, metrics.http().clone(), Clock::system(), vec![observer]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Scope::new().spawn("server", async move { axum::serve(listener, router).await.unwrap() });
        Server { url, metrics, seen, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    impl Server {
        async fn ask(&self, method: &str, path: &str) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            self.http.request(method, format!("{}{path}", self.url)).send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn requests_are_counted_by_template_and_status() {
        let server = server().await;
        for path in ["/api/calls/1", "/api/calls/2", "/broken", "/nowhere"] {
            server.ask("GET", path).await;
        }
        server.ask("POST", "/broken").await;
        let page = Page::parse(&server.metrics.text());
        let count = |route: &str, method: &str, status: &str| {
            page.value("http_requests_total", &[("route", route), ("method", method), ("status", status)])
        };
        assert_eq!(count("/api/calls/{id}", "GET", "200"), Some(2.0));
        assert_eq!(count("/broken", "GET", "502"), Some(1.0));
        assert_eq!(count("/broken", "POST", "405"), Some(1.0));
        assert_eq!(count(UNMATCHED, "GET", "404"), Some(1.0));
        let timed = [("route", "/api/calls/{id}"), ("method", "GET")];
        assert_eq!(page.value("http_request_duration_seconds_count", &timed), Some(2.0));
        assert_eq!(page.value("http_requests_in_flight", &[]), Some(0.0));
        assert!(server.seen.lock().unwrap().contains(&("/broken".to_owned(), 502)));
    }

    #[tokio::test]
    async fn a_thousand_paths_and_odd_methods_make_no_new_rows() {
        let server = server().await;
        for (method, path) in [("GET", "/x"), ("GET", "/api/calls/1"), ("BREW", "/x"), ("BREW", "/api/calls/1")] {
            server.ask(method, path).await;
        }
        let before = Page::parse(&server.metrics.text()).series();
        let mut runner = TestRunner::new(Config::default());
        let strategy = proptest::strategy::Strategy::prop_map(
            ("(GET|BREW|PROPFIND|[A-Z]{1,12}X)", "(/api/calls)?/[a-z0-9._~%é/-]{1,40}"),
            |(method, path): (String, String)| (method, path),
        );
        for _ in 0..1_000 {
            let tree = proptest::strategy::Strategy::new_tree(&strategy, &mut runner).unwrap();
            let (method, path) = proptest::strategy::ValueTree::current(&tree);
            server.ask(&method, &path.replace('%', "%25")).await;
        }
        let after = Page::parse(&server.metrics.text()).series();
        assert_eq!(before, after);
    }
}
