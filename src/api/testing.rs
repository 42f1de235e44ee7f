//! The API behind a real socket for tests: true databases, no engines. Who asks is said in a header
//! here; the guard has tests of its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::backups::Keeping;
use super::guard::Tenant;
use super::{ApiDeps, Component, HealthSource, Live, Metrics, Problem, idempotency, records};
use crate::ai::absent::Nobody;
use crate::ai::router::{Planner, Table};
use crate::auth::audit::Audit;
use crate::auth::{Gate, GateDeps, Kind, Principal, Role};
use crate::base::event::CallCost;
use crate::base::secret::{KeyedHash, Secret};
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId};
use crate::call::admission::Admission;
use crate::call::driver::Engines;
use crate::call::registry::{Deps, Registry};
use crate::call::script::Scripts;
use crate::campaigns::lists::Lists;
use crate::config;
use crate::delivery::objects::Objects;
use crate::delivery::recordings::Recordings;
use crate::delivery::{Delivery, DeliveryMetrics, SystemNames};
use crate::dialogue::states::States;
use crate::ops::backups::{Backups, Plan};
use crate::ops::upkeep::Upkeep;
use crate::store::backup::Source;
use crate::store::crypt::MasterKey;
use crate::store::depot::Depot;
use crate::store::journal::Journal;
use crate::store::{Database, Vault};

impl HealthSource for Nobody {
    fn components(&self) -> Vec<Component> {
        Vec::new()
    }
}

/// An API with two tenants, `bank` and `hospital`, beside the usual one.
pub(super) struct Api {
    pub(super) deps: ApiDeps,
    pub(super) journal: Journal,
    pub(super) address: std::net::SocketAddr,
    http: reqwest::Client,
    _state: TempDir,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.deps.tasks.stop();
    }
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::with(|router| router).await
    }

    /// `more` adds routes of the test's own.
    pub(super) async fn with(more: impl FnOnce(axum::Router<ApiDeps>) -> axum::Router<ApiDeps>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), clock).unwrap();
        for tenant in ["bank", "hospital"] {
            vault.create_tenant(&tenant.parse().unwrap(), tenant).unwrap();
        }
        let journal = Journal::new(vault.clone(), Vec::new());
        let engines = Engines { stt: Arc::new(Nobody), llm: Arc::new(Nobody), tts: Arc::new(Nobody) };
        let scripts = Arc::new(Scripts::new(Vec::new(), "none"));
        let tasks = Scope::new();
        let live = Live::new(vec!["https://console.example".to_owned()]);
        let registry = Registry::new(Deps {
            clock,
            scope: tasks.clone(),
            journal: journal.clone(),
            engines: engines.clone(),
            scripts: Arc::clone(&scripts),
            admission: Admission::new(10),
            room: Arc::new(|_, _, _| true),
            vault: vault.clone(),
            phone_hash: KeyedHash::of_key(&vault.master().derive("phone hash")),
            keep_words: true,
            reels: None,
            mute_keys: true,
            observers: Vec::new(),
            prices: Arc::new(|_, _| CallCost::default()),
        });
        let states = States::load(std::path::Path::new("config/states.toml")).unwrap();
        let audit = Audit::new(vault.clone(), clock);
        let gate = Gate::new(GateDeps {
            vault: vault.clone(),
            audit: audit.clone(),
            clock,
            settings: config::Auth::default(),
            base_url: "http://vaani.test".to_owned(),
            token: Secret::random().unwrap(),
        })
        .unwrap();
        let webhooks = config::Webhooks {
            allow_private: Vec::new(),
            allow_http: false,
            give_up_hours: 1,
            parallel: 1,
            keep_days: 1,
            roots: Default::default(),
        };
        let delivery = Delivery::new(&webhooks, Arc::new(SystemNames), clock, DeliveryMetrics::default()).unwrap();
        let plan = Plan {
            source: Source { state: state.path().to_owned(), config: None, master: vault.master().clone() },
            depot: Depot::folder(state.path().join("copies")),
            rhythm: config::Rhythm::Never,
            keep: 1,
        };
        let keeping = Keeping {
            backups: Backups::new(plan, clock, tasks.clone(), Arc::new(|_| ())),
            upkeep: Upkeep::new(vault.clone(), clock, Arc::new(|_| ())),
            audit: audit.clone(),
        };
        let objects = Objects::new(Depot::folder(state.path().join("objects")), vault.clone());
        let allowed = config::Recording { allowed: true, ..config::Recording::default() };
        let recordings = Recordings::new(vault.clone(), objects, clock, allowed, true);
        recordings.start(&tasks).unwrap();
        let deps = ApiDeps {
            registry,
            metrics: Arc::new(Metrics::new(|_| {})),
            health: Arc::new(Nobody),
            engines,
            planner: Arc::new(Planner::new(Table::local_only(), Default::default(), clock, Arc::new(|_, _| {}))),
            scripts,
            audit,
            gate,
            delivery,
            recordings,
            keeping,
            vault,
            clock,
            lists: Lists::new(states, jiff::tz::TimeZone::UTC),
            live,
            readings: super::Readings::default(),
            tasks: tasks.clone(),
        };
        let router = more(records())
            .route_layer(middleware::from_fn_with_state(deps.clone(), idempotency::once))
            .route_layer(middleware::from_fn_with_state(deps.clone(), as_told))
            .with_state(deps.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = tasks.clone();
        tasks.spawn("http", async move {
            let served = axum::serve(listener, super::linger::linger(router))
                .with_graceful_shutdown(async move { stopping.stopped().await });
            served.await.unwrap();
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { deps, journal, address, http, _state: state }
    }

    pub(super) fn db(&self, tenant: &str) -> Database {
        self.deps.vault.tenant(&tenant.parse().unwrap()).unwrap()
    }

    /// As an admin of the tenant `bank`.
    pub(super) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.ask_as("bank", "admin", method, path)
    }

    pub(super) fn ask_as(&self, tenant: &str, role: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method, url).header("x-test-tenant", tenant).header("x-test-role", role)
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        told(self.ask(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        told(self.ask(Method::POST, path).json(body)).await
    }
}

/// Status and body; every error must be a problem.
pub(super) async fn told(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = answer.text().await.unwrap();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(kind, "application/problem+json", "{status} {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status.as_u16());
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn as_told(State(deps): State<ApiDeps>, mut request: Request, next: Next) -> Response {
    let said = ["x-test-tenant", "x-test-role"]
        .map(|name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned));
    if let [Some(tenant), Some(role)] = said {
        let id: TenantId = tenant.parse().unwrap();
        let Some(db) = deps.vault.tenant(&id) else { return Problem::not_found("tenant").into_response() };
        let role: Role = serde_json::from_value(Value::String(role)).unwrap();
        let who = Principal::new(Kind::Key { id: "test".to_owned() }, "asha", role, Some(id.clone()));
        request.extensions_mut().insert(who);
        request.extensions_mut().insert(Tenant { id, db });
    }
    next.run(request).await
}
