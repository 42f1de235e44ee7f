//! `/health`: is the box able to answer calls?

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::ApiDeps;
use crate::ops::alerts::Alerts;
pub use crate::ops::health::Component;
use crate::ops::health::{Finding, Severity, entry};

/// What is wrong, for whoever asks: no names of files or customers. `vaani doctor` and
/// `/api/alerts` say more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Told {
    pub code: &'static str,
    pub severity: Severity,
    pub text: &'static str,
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
    /// What is wrong now, worst first.
    pub findings: Vec<Told>,
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(show), components(schemas(Health, Told, Severity, Component)))]
pub(super) struct Doc;

/// Whoever knows the parts (the composition root).
pub trait HealthSource: Send + Sync {
    fn components(&self) -> Vec<Component>;

    /// Of the last look at the box, worst first; fine ones may be among them.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn alerts(&self) -> Option<&Alerts> {
        None
    }
}

fn told(findings: &[Finding]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for finding in findings.iter().filter(|finding| !finding.is_fine()) {
        if !told.iter().any(|known| known.code == finding.code) {
            let text = entry(finding.code).map_or("", |row| row.title);
            told.push(Told { code: finding.code, severity: finding.severity, text });
        }
    }
    told
}

/// Is the box able to answer calls, and what is wrong with it?
#[utoipa::path(get, path = "/health", tag = "system", responses(
    (status = 200, description = "Calls are answered", body = Health),
    (status = 503, description = "Calls cannot be answered", body = Health)
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
        findings: told(&deps.health.findings()),
    };
    let code = if status == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_hears_what_is_wrong_and_no_names() {
        let told = told(&[
            Finding::error("database", "the database acme is damaged: page 3", "…").about("acme"),
            Finding::error("database", "the database other is damaged", "…").about("other"),
            Finding::warning("disk", "2 MiB are free on the disk of /secret/place", "…"),
            Finding::fine("clock", "…"),
        ]);
        assert_eq!(told.iter().map(|t| t.code).collect::<Vec<_>>(), ["database", "disk"]);
        let text = serde_json::to_string(&told).unwrap();
        assert!(!text.contains("acme") && !text.contains("/secret"), "{text}");
        assert!(told.iter().all(|t| !t.text.is_empty()));
    }
}
