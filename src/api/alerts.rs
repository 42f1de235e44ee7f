//! `/api/alerts`: what is wrong with the box and wakes somebody, what lately was, and what the last
//! look at the box found.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::ApiDeps;
use crate::ops::alerts::Alert;
use crate::ops::health::{Finding, Severity};

/// Alerts and what they come from.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct AlertsNow {
    /// Raised and not over, oldest first.
    pub raised: Vec<Alert>,
    /// Over, newest first.
    pub past: Vec<Alert>,
    /// Everything that was looked at, worst first.
    pub findings: Vec<Finding>,
}

/// What is wrong with the box.
#[utoipa::path(get, path = "/api/alerts", tag = "box", responses(
    (status = 200, description = "Alerts and findings", body = AlertsNow)
))]
async fn show(State(deps): State<ApiDeps>) -> Json<AlertsNow> {
    Json(AlertsNow {
        raised: deps.health.alerts().map(|alerts| alerts.raised()).unwrap_or_default(),
        past: deps.health.alerts().map(|alerts| alerts.past()).unwrap_or_default(),
        findings: deps.health.findings(),
    })
}

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new().route("/api/alerts", get(show))
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(show), components(schemas(AlertsNow, Alert, Finding, Severity)))]
pub(super) struct Doc;

#[cfg(test)]
mod tests {
    use utoipa::OpenApi as _;

    use super::*;

    #[test]
    fn the_document_knows_the_route_and_every_field() {
        let doc = serde_json::to_value(Doc::openapi()).unwrap();
        assert!(doc["paths"]["/api/alerts"]["get"]["responses"]["200"].is_object());
        let alert = &doc["components"]["schemas"]["Alert"]["properties"];
        for field in ["id", "code", "about", "severity", "text", "fix", "raised_ms", "cleared_ms"] {
            assert!(alert[field].is_object(), "{field}: {alert}");
        }
    }
}
