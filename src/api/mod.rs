//! HTTP resources: types in, types out. Promise: nothing is handled before `guard` knows who asks and
//! that they may (`auth::access`); errors are `application/problem+json`; what is served is described
//! by `openapi`. Absent on purpose: carriers' webhooks (they are their transport's), SQL.

mod ai;
mod alerts;
mod analytics;
mod audit;
pub mod backups;
mod callbacks;
mod calls;
mod consents;
mod costs;
mod csv;
mod cursor;
mod customers;
mod dialling;
mod diff;
mod dnd;
mod documents;
mod etag;
mod extract;
mod gauges;
pub mod guard;
mod health;
pub mod http_metrics;
mod idempotency;
pub mod linger;
mod live;
mod login;
mod me;
pub mod metrics;
mod openapi;
mod privacy;
mod problem;
mod readings;
mod recordings;
mod sessions;
mod stats;
mod stream;
mod tenants;
mod tokens;
mod uploads;
mod users;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post};

pub use gauges::{BudgetGauges, RouterGauges, StoreGauges, WatchGauges};
pub use health::{Component, Health, HealthSource};
pub use live::Live;
pub use metrics::Metrics;
pub use problem::Problem;
pub use readings::Readings;

use crate::ai::router::Planner;
use crate::auth::Gate;
use crate::auth::audit::Audit;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::call::driver::Engines;
use crate::call::registry::Registry;
use crate::call::script::Scripts;
use crate::campaigns::lists::Lists;
use crate::delivery::Delivery;
use crate::delivery::recordings::Recordings;
use crate::store::Vault;

/// What the resources need.
#[derive(Clone)]
pub struct ApiDeps {
    pub registry: Registry,
    pub metrics: Arc<Metrics>,
    pub health: Arc<dyn HealthSource>,
    pub engines: Engines,
    pub planner: Arc<Planner>,
    pub scripts: Arc<Scripts>,
    pub vault: Vault,
    pub clock: Clock,
    pub audit: Audit,
    pub lists: Lists,
    pub live: Live,
    pub readings: Readings,
    pub gate: Gate,
    pub delivery: Delivery,
    pub recordings: Recordings,
    pub keeping: backups::Keeping,
    /// For work that goes on when its client has gone away.
    pub tasks: Scope,
}

/// Every route of the API, each behind the guard.
pub fn routes(deps: ApiDeps) -> Router {
    let gate = deps.gate.clone();
    let desk = webhooks::Desk::new(deps.delivery.clone(), deps.audit.clone(), &deps.vault);
    let keeping = deps.keeping.clone();
    let open = Router::new().route("/health", get(health::show)).route("/metrics", get(metrics::show));
    Router::new()
        .merge(calls_and_engines())
        .merge(records())
        .merge(backups::routes(keeping))
        .route_layer(middleware::from_fn_with_state(deps.clone(), idempotency::once))
        .merge(open)
        .with_state(deps)
        // Answers with fresh secrets in them are kept for nobody who repeats a request.
        .merge(webhooks::routes(desk))
        .merge(access(gate.clone()))
        .route_layer(middleware::from_fn_with_state(gate, guard::guard))
}

fn calls_and_engines() -> Router<ApiDeps> {
    Router::new()
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", get(sessions::show).delete(sessions::hang_up))
        .route("/api/callbacks", get(callbacks::list))
        .route("/api/callbacks/{id}", delete(callbacks::done))
        .route("/api/calls/{id}", get(costs::call))
        .route("/api/calls/{id}/decisions", get(sessions::decisions))
        .route("/api/ai/costs", get(costs::costs))
        .route("/api/ai/quality", get(costs::quality))
        .route("/ai/process", post(ai::process))
        .merge(alerts::routes())
}

/// Records and what is made of them.
fn records() -> Router<ApiDeps> {
    [
        customers::routes(),
        uploads::routes(),
        calls::routes(),
        recordings::routes(),
        dialling::routes(),
        documents::routes(),
        analytics::routes(),
        stats::routes(),
        live::routes(),
        audit::routes(),
        consents::routes(),
        dnd::routes(),
        privacy::routes(),
        openapi::routes(),
    ]
    .into_iter()
    .fold(Router::new(), Router::merge)
}

/// Logins, users, keys, tokens and tenants.
fn access(gate: Gate) -> Router {
    [login::routes(), me::routes(), users::routes(), tokens::routes(), tenants::routes()]
        .into_iter()
        .fold(Router::new(), Router::merge)
        .with_state(gate)
}

/// The same behind the guard, for a box that has nothing else.
pub fn access_routes(gate: Gate) -> Router {
    access(gate.clone()).route_layer(middleware::from_fn_with_state(gate, guard::guard))
}

#[cfg(test)]
mod access_support;
#[cfg(test)]
mod privacy_tests;
#[cfg(test)]
mod records_tests;
#[cfg(test)]
mod testing;
