//! `/api/callbacks`: callers who asked to be called back when no line was free.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;

use super::Problem;
use super::guard::Tenant;
use crate::base::CallId;
use crate::store::StoreError;
use crate::store::callbacks::{self, Callback};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, done), tags((name = "callbacks", description = "Callers who asked to be called back")))]
pub(super) struct Doc;

/// Oldest first, with the numbers in full: somebody has to dial them.
#[utoipa::path(get, path = "/api/callbacks", tag = "callbacks", responses((status = 200, body = Vec<Callback>)))]
pub(super) async fn list(tenant: Tenant) -> Result<Json<Vec<Callback>>, Problem> {
    Ok(Json(tenant.db.read(callbacks::list).await?))
}

/// Somebody has called; the number is forgotten.
#[utoipa::path(delete, path = "/api/callbacks/{id}", tag = "callbacks", params(("id" = String, Path)), responses((status = 204, description = "Done.")))]
pub(super) async fn done(tenant: Tenant, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id: CallId = id.parse().map_err(|_| StoreError::NotFound("an open callback of that id"))?;
    tenant.db.write(move |db| callbacks::done(db, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
