//! `/sessions`: live calls and those that ended a moment ago.

use std::collections::VecDeque;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{ApiDeps, Problem};
use crate::base::event::{EndCause, Record};
use crate::call::registry::{Control, View};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, show, decisions, hang_up), tags((name = "sessions", description = "Live calls")))]
pub(super) struct Doc;

/// Calls that are live.
#[utoipa::path(get, path = "/sessions", tag = "sessions", responses((status = 200, body = Vec<View>)))]
pub(super) async fn list(State(deps): State<ApiDeps>) -> Json<Vec<View>> {
    Json(deps.registry.live())
}

/// One call with its facts, words included while it lives. Takes the box's id or the carrier's.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses((status = 200, body = View)))]
pub(super) async fn show(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    deps.registry.view(&id).map(Json).ok_or_else(|| Problem::not_found("no such session"))
}

/// Who answered each stage of the call's turns, and why not the others.
#[utoipa::path(get, path = "/api/calls/{id}/decisions", tag = "calls", params(("id" = String, Path)), responses((status = 200, body = Vec<Record>)))]
pub(super) async fn decisions(
    State(deps): State<ApiDeps>,
    Path(id): Path<String>,
) -> Result<Json<VecDeque<Record>>, Problem> {
    let view = deps.registry.view(&id).ok_or_else(|| Problem::not_found("no such call"))?;
    Ok(Json(view.decisions))
}

/// Says goodbye and hangs up.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses((status = 202, description = "It will end.")))]
pub(super) async fn hang_up(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let view = deps.registry.view(&id).ok_or_else(|| Problem::not_found("no such session"))?;
    if deps.registry.control(view.id, Control::Finish(EndCause::Operator)).await {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::not_found("the session is over"))
    }
}
