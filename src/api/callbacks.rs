//! `/api/callbacks`: callers who asked to be called back when no line was free.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{ApiDeps, Problem};
use crate::base::CallId;
use crate::store::callbacks::{Callback, CallbackError};

/// Oldest first, with the numbers in full: somebody has to dial them.
pub(super) async fn list(State(deps): State<ApiDeps>) -> Json<Vec<Callback>> {
    Json(deps.callbacks.list())
}

/// Somebody has called; the number is forgotten.
pub(super) async fn done(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id: CallId = id.parse().map_err(|_| Problem::not_found("there is no open callback of that id"))?;
    match tokio::task::spawn_blocking(move || deps.callbacks.done(id)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error @ CallbackError::Unknown)) => Err(Problem::not_found(&error.to_string())),
        Ok(Err(error)) => {
            tracing::error!(%error, "a callback could not be marked as done");
            Err(Problem::internal("it could not be written; is the disk of the state directory full?"))
        }
        Err(_) => Err(Problem::internal("the list of callbacks broke; see the log")),
    }
}
