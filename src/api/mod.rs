//! HTTP resources: types in, types out. Promise: personal data only with the box's API token; errors
//! are `application/problem+json`. Absent on purpose: carriers' webhooks (they are their transport's).

mod ai;
mod alerts;
mod analytics;
pub mod backups;
mod callbacks;
mod calls;
mod costs;
mod csv;
mod cursor;
mod customers;
mod diff;
mod documents;
mod etag;
mod extract;
mod gauges;
pub mod guard;
mod health;
pub mod http_metrics;
mod idempotency;
mod live;
pub mod metrics;
mod multipart;
mod openapi;
mod problem;
mod sessions;
mod stats;
mod uploads;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

pub use gauges::{RouterGauges, StoreGauges, WatchGauges};
pub use health::{Component, Health, HealthSource};
pub use live::Live;
pub use metrics::Metrics;
pub use problem::Problem;

use crate::ai::router::Planner;
use crate::auth::Principal;
use crate::auth::audit::Audit;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId};
use crate::call::driver::Engines;
use crate::call::registry::Registry;
use crate::call::script::Scripts;
use crate::campaigns::lists::Lists;
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
    pub token: Secret,
    pub audit: Audit,
    pub lists: Lists,
    pub live: Live,
    /// For work that goes on when its client has gone away.
    pub tasks: Scope,
}

pub fn routes(deps: ApiDeps) -> Router {
    let private = Router::new()
        .route("/sessions", get(sessions::list))
        .route("/api/callbacks", get(callbacks::list))
        .route("/api/callbacks/{id}", delete(callbacks::done))
        .route("/api/calls/{id}", get(costs::call))
        .route("/api/ai/costs", get(costs::costs))
        .route("/api/ai/quality", get(costs::quality))
        .route("/api/calls/{id}/decisions", get(sessions::decisions))
        .route("/sessions/{id}", get(sessions::show).delete(sessions::hang_up))
        .route("/ai/process", post(ai::process))
        .merge(alerts::routes())
        .merge(records())
        .route_layer(middleware::from_fn_with_state(deps.clone(), idempotency::once))
        .route_layer(middleware::from_fn_with_state(deps.clone(), require_token));
    Router::new()
        .route("/health", get(health::show))
        .route("/metrics", get(metrics::show))
        .merge(private)
        .with_state(deps)
}

/// Records and what is made of them.
fn records() -> Router<ApiDeps> {
    [
        customers::routes(),
        uploads::routes(),
        calls::routes(),
        documents::routes(),
        analytics::routes(),
        stats::routes(),
        live::routes(),
        openapi::routes(),
    ]
    .into_iter()
    .fold(Router::new(), Router::merge)
}

async fn require_token(State(deps): State<ApiDeps>, mut request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(axum::http::header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    if given.is_some_and(|token| deps.token.matches(token.trim())) {
        let id = TenantId::default_tenant();
        if let Some(db) = deps.vault.tenant(&id) {
            request.extensions_mut().insert(guard::Tenant { id, db });
        }
        request.extensions_mut().insert(Principal::the_box("api token"));
        next.run(request).await
    } else {
        Problem::unauthorized().into_response()
    }
}
