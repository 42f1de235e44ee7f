//! `/api/system/stats`: how the box itself is doing.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::{ApiDeps, Problem};

#[derive(OpenApi)]
#[openapi(paths(show), tags((name = "system", description = "The box itself")))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new().route("/api/system/stats", get(show))
}

/// What one database did since the start.
#[derive(Serialize, ToSchema)]
pub(super) struct DatabaseStats {
    commits: u64,
    writes: u64,
    failed: u64,
    waiting: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    version: &'static str,
    uptime_seconds: u64,
    live_calls: usize,
    max_calls: usize,
    draining: bool,
    live_watchers: usize,
    live_events: u64,
    offline: bool,
    /// `system` and every tenant.
    databases: BTreeMap<String, DatabaseStats>,
    /// Tenants whose databases could not be opened.
    broken_tenants: Vec<String>,
}

/// How the box is doing.
#[utoipa::path(get, path = "/api/system/stats", tag = "system", responses((status = 200, body = Stats)))]
pub(super) async fn show(State(deps): State<ApiDeps>) -> Result<Json<Stats>, Problem> {
    let admission = deps.registry.admission();
    let system = ("system".to_owned(), deps.vault.system().clone());
    let tenants = deps.vault.databases().into_iter().map(|(id, db)| (format!("tenant/{id}"), db));
    let databases = std::iter::once(system)
        .chain(tenants)
        .map(|(name, db)| {
            let stats = db.stats();
            let (commits, writes, failed, waiting) = (stats.commits, stats.writes, stats.failed, stats.waiting);
            (name, DatabaseStats { commits, writes, failed, waiting })
        })
        .collect();
    Ok(Json(Stats {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: deps.clock.now().as_millis() / 1_000,
        live_calls: admission.live(),
        max_calls: admission.most(),
        draining: admission.is_draining(),
        live_watchers: deps.live.watchers(),
        live_events: deps.live.seen(),
        offline: deps.planner.is_offline(),
        databases,
        broken_tenants: deps.vault.broken().into_keys().map(|id| id.to_string()).collect(),
    }))
}
