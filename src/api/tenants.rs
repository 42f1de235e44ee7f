//! `/api/tenants`: the customers of the box, for whoever owns it.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::etag::{self, IfMatch};
use super::extract::{Body, Segments};
use super::users::tenant_of;
use crate::auth::people::plain_name;
use crate::auth::{Gate, Principal, Refusal};
use crate::base::limits;
use crate::store::vault::{self, TenantRow};

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, make, show, rename, shred),
    components(schemas(Customer, Customers, NewTenant, TenantName, Shredding))
)]
pub(super) struct Doc;

pub(super) fn routes<S>() -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
    Gate: FromRef<S>,
{
    axum::Router::new()
        .route("/api/tenants", get(list).post(make))
        .route("/api/tenants/{id}", get(show).put(rename).delete(shred))
        .layer(DefaultBodyLimit::max(limits::ACCESS_BODY_MAX))
}

#[derive(Debug, Serialize, ToSchema)]
struct Customer {
    id: String,
    name: String,
    created_ms: u64,
    /// Its data was destroyed then; the id is never given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    shredded_ms: Option<u64>,
    version: u64,
}

impl From<TenantRow> for Customer {
    fn from(row: TenantRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            created_ms: row.created_ms,
            shredded_ms: row.shredded_ms,
            version: row.version,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Customers {
    tenants: Vec<Customer>,
}

/// All of them: a box has few.
#[utoipa::path(get, path = "/api/tenants", tag = "access", responses(
    (status = 200, body = Customers),
))]
async fn list(State(gate): State<Gate>) -> Result<Json<Customers>, Problem> {
    let rows = gate.vault().system().read(vault::all).await?;
    Ok(Json(Customers { tenants: rows.into_iter().map(Customer::from).collect() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// Small letters, digits, - and _.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    id: String,
    name: String,
}

/// A new tenant with a database and a key of its own.
#[utoipa::path(post, path = "/api/tenants", tag = "access", request_body = NewTenant, responses(
    (status = 201, body = Customer),
))]
async fn make(State(gate): State<Gate>, who: Principal, Body(wanted): Body<NewTenant>) -> Result<Response, Problem> {
    let id = tenant_of(&wanted.id)?;
    gate.make_tenant(&who, &id, &wanted.name).await?;
    let row = gate.vault().system().read(move |db| vault::find(db, &id)).await?;
    let row = row.ok_or(Refusal::NotFound("the tenant"))?;
    Ok((StatusCode::CREATED, tag(&row), Json(Customer::from(row))).into_response())
}

fn tag(row: &TenantRow) -> [(HeaderName, HeaderValue); 1] {
    [etag::header_of(i64::try_from(row.version).unwrap_or(0))]
}

/// One tenant.
#[utoipa::path(get, path = "/api/tenants/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 200, body = Customer),
))]
async fn show(State(gate): State<Gate>, Segments(id): Segments<String>) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Refusal::NotFound("the tenant"))?;
    let row = gate.vault().system().read(move |db| vault::find(db, &id)).await?;
    let row = row.ok_or(Refusal::NotFound("the tenant"))?;
    Ok((tag(&row), Json(Customer::from(row))).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantName {
    name: String,
}

/// Changes the name that people read.
#[utoipa::path(put, path = "/api/tenants/{id}", tag = "access", request_body = TenantName,
    params(("id" = String, Path), ("if-match" = String, Header, description = "the ETag that was read")),
    responses(
        (status = 200, body = Customer),
    )
)]
async fn rename(
    State(gate): State<Gate>,
    who: Principal,
    Segments(id): Segments<String>,
    read: IfMatch,
    Body(wanted): Body<TenantName>,
) -> Result<Response, Problem> {
    let id: crate::base::TenantId = id.parse().map_err(|_| Refusal::NotFound("the tenant"))?;
    let (name, looked) = (plain_name(&wanted.name)?, id.clone());
    let kept = gate.vault().system().read(move |db| vault::find(db, &looked)).await?;
    let version = kept.ok_or(Refusal::NotFound("the tenant"))?.version;
    read.check(i64::try_from(version).unwrap_or(0))?;
    let row = gate.rename_tenant(&who, &id, name, version).await?;
    Ok((tag(&row), Json(Customer::from(row))).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Shredding {
    /// The tenant's id once more.
    confirm: String,
}

/// Destroys the tenant's key and database for good, with its people, keys and tokens.
#[utoipa::path(delete, path = "/api/tenants/{id}", tag = "access", params(("id" = String, Path)),
    request_body = Shredding,
    responses(
        (status = 204),
    )
)]
async fn shred(
    State(gate): State<Gate>,
    who: Principal,
    Segments(id): Segments<String>,
    Body(confirm): Body<Shredding>,
) -> Result<StatusCode, Problem> {
    let id: crate::base::TenantId = id.parse().map_err(|_| Refusal::NotFound("the tenant"))?;
    if confirm.confirm != id.as_str() {
        return Err(Refusal::Invalid(format!(
            "everything of this tenant would be destroyed: write its id {id} as confirm"
        ))
        .into());
    }
    gate.shred(&who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
