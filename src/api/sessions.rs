//! `/sessions`: live calls and those that ended a moment ago.

use std::collections::VecDeque;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{ApiDeps, Problem};
use crate::base::event::{EndCause, Record};
use crate::call::registry::{Control, View};

pub(super) async fn list(State(deps): State<ApiDeps>) -> Json<Vec<View>> {
    Json(deps.registry.live())
}

/// One call with its facts, words included while it lives. Takes the box's id or the carrier's.
pub(super) async fn show(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<Json<View>, Problem> {
    deps.registry.view(&id).map(Json).ok_or_else(|| Problem::not_found("no such session"))
}

/// Who answered each stage of the call's turns, and why not the others.
pub(super) async fn decisions(
    State(deps): State<ApiDeps>,
    Path(id): Path<String>,
) -> Result<Json<VecDeque<Record>>, Problem> {
    let view = deps.registry.view(&id).ok_or_else(|| Problem::not_found("no such call"))?;
    Ok(Json(view.decisions))
}

/// Says goodbye and hangs up.
pub(super) async fn hang_up(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let view = deps.registry.view(&id).ok_or_else(|| Problem::not_found("no such session"))?;
    if deps.registry.control(view.id, Control::Finish(EndCause::Operator)).await {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::not_found("the session is over"))
    }
}
