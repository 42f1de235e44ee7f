//! `/api/backups` and `/api/system/storage`: copies of the whole state, and how disk and databases are doing.
//! What takes long is begun and answered with 202; asking again tells how it went.

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;

use super::Problem;
use crate::auth::Principal;
use crate::auth::audit::Audit;
use crate::ops::backups::{Backups, Refused, Status, Verdict};
use crate::ops::upkeep::{Shape, Upkeep};
use crate::store::disk::Room;

/// What these resources need.
#[derive(Clone)]
pub struct Keeping {
    pub backups: Backups,
    pub upkeep: Upkeep,
    pub audit: Audit,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, make, verify, storage),
    components(schemas(Listing, Listed, Begun, Status, Verdict, Storage, Disk, Shape))
)]
pub struct Doc;

/// The routes, whatever state the router they are merged into has.
pub fn routes<S: Clone + Send + Sync + 'static>(keeping: Keeping) -> Router<S> {
    Router::new()
        .route("/api/backups", get(list).post(make))
        .route("/api/backups/{name}/verify", get(verify))
        .route("/api/system/storage", get(storage))
        .with_state(keeping)
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Listed {
    name: String,
    /// Of the sealed file.
    bytes: u64,
    /// When it was put where it lies, milliseconds since 1970 UTC.
    put_ms: u64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Listing {
    /// A folder or a bucket, without secrets.
    place: String,
    scheduled: bool,
    running: bool,
    status: Status,
    /// Oldest first.
    backups: Vec<Listed>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Begun {
    /// `running`
    state: &'static str,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Disk {
    /// `enough`, `low` (no new campaign starts) or `full` (what must be durable is refused).
    #[schema(value_type = String)]
    room: Room,
    free_bytes: u64,
    total_bytes: u64,
    campaigns_may_start: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Storage {
    disk: Disk,
    databases: Vec<Shape>,
}

impl From<Refused> for Problem {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Busy | Refused::Verifying => Self::new(StatusCode::CONFLICT, "busy", error.to_string()),
            Refused::Unknown => Self::new(StatusCode::NOT_FOUND, "not found", error.to_string()),
            Refused::Backup(error) => {
                tracing::error!(%error, "the place of the backups could not be used");
                Self::new(StatusCode::BAD_GATEWAY, "the place of the backups cannot be used", error.to_string())
            }
        }
    }
}

/// The backups there are, and how the last one went.
#[utoipa::path(get, path = "/api/backups", tag = "system", responses(
    (status = 200, body = Listing),
    (status = 502, description = "the folder or bucket of the backups cannot be used"),
))]
async fn list(State(keeping): State<Keeping>) -> Result<Json<Listing>, Problem> {
    let backups = keeping.backups.list().await?;
    let backups =
        backups.into_iter().map(|kept| Listed { name: kept.name, bytes: kept.bytes, put_ms: kept.unix_ms }).collect();
    Ok(Json(Listing {
        place: keeping.backups.place(),
        scheduled: keeping.backups.is_scheduled(),
        running: keeping.backups.is_running(),
        status: keeping.backups.status(),
        backups,
    }))
}

/// Begins a backup. `GET /api/backups` tells when it is done and how it went.
#[utoipa::path(post, path = "/api/backups", tag = "system", responses(
    (status = 202, body = Begun),
    (status = 409, description = "one is being made already"),
))]
async fn make(State(keeping): State<Keeping>, who: Principal) -> Result<(StatusCode, Json<Begun>), Problem> {
    keeping.backups.start()?;
    let place = keeping.backups.place();
    // The backup is under way; that its note could not be written must not hide that.
    if let Err(error) = keeping.audit.note(None, &who, "backup.make", "", json!({ "place": place })).await {
        tracing::error!(%error, "a backup that was asked for could not be noted in the audit log");
    }
    Ok((StatusCode::ACCEPTED, Json(Begun { state: "running" })))
}

/// What is known of a backup; if nothing is, looking begins: the whole file is read and every database in
/// it examined. Ask again until the answer is 200.
#[utoipa::path(get, path = "/api/backups/{name}/verify", tag = "system",
    params(("name" = String, Path, description = "as `GET /api/backups` names it")),
    responses(
        (status = 200, body = Verdict),
        (status = 202, body = Begun),
        (status = 404, description = "there is no such backup"),
        (status = 409, description = "another one is being verified"),
    ))]
async fn verify(State(keeping): State<Keeping>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(match keeping.backups.verify(&name).await? {
        Verdict::Running => (StatusCode::ACCEPTED, Json(Begun { state: "running" })).into_response(),
        verdict => Json(verdict).into_response(),
    })
}

/// Room on the disk of the state, and how every database is doing.
#[utoipa::path(get, path = "/api/system/storage", tag = "system", responses((status = 200, body = Storage)))]
async fn storage(State(keeping): State<Keeping>) -> Json<Storage> {
    let disk = keeping.upkeep.disk();
    let last = disk.last();
    Json(Storage {
        disk: Disk {
            room: last.room,
            free_bytes: last.free_bytes,
            total_bytes: last.total_bytes,
            campaigns_may_start: disk.campaigns_may_start(),
        },
        databases: keeping.upkeep.shapes(),
    })
}

#[cfg(test)]
#[path = "backups_tests.rs"]
mod tests;
