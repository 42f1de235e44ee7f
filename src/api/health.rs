//! `/health`: is the box able to answer calls?

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::ApiDeps;

#[derive(utoipa::OpenApi)]
#[openapi(paths(show), tags((name = "system", description = "The box itself")))]
pub(super) struct Doc;

/// One part of the box.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Component {
    pub name: String,
    /// `ok`, `degraded` or `down`.
    pub status: &'static str,
    /// What is wrong and what to do; empty when all is well.
    pub detail: String,
    /// Figures for people.
    #[schema(value_type = Object)]
    pub facts: Value,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    pub status: &'static str,
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub live_calls: usize,
    pub max_calls: usize,
    pub draining: bool,
    pub components: Vec<Component>,
}

/// Whoever knows the parts (the composition root).
pub trait HealthSource: Send + Sync {
    fn components(&self) -> Vec<Component>;
}

/// Is the box able to answer calls?
#[utoipa::path(get, path = "/health", tag = "system", responses(
    (status = 200, description = "It is, perhaps not at its best.", body = Health),
    (status = 503, description = "It is not.", body = Health),
))]
pub(super) async fn show(State(deps): State<ApiDeps>) -> (StatusCode, Json<Health>) {
    let components = deps.health.components();
    let admission = deps.registry.admission();
    let worst = |status: &str| components.iter().any(|c| c.status == status);
    let status = if worst("down") {
        "down"
    } else if worst("degraded") || admission.is_draining() {
        "degraded"
    } else {
        "ok"
    };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: deps.clock.now().as_millis() / 1_000,
        live_calls: admission.live(),
        max_calls: admission.most(),
        draining: admission.is_draining(),
        components,
    };
    let code = if status == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health))
}
