//! `/api/keys` and `/api/tokens`: what programs come in with.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::extract::{Body, Params, Segments};
use super::guard::Tenant;
use super::users::{Page, tenant_of};
use crate::auth::{Gate, Permission, Principal, Role, WantedKey, WantedToken, shown_key};
use crate::base::limits;
use crate::store::api_keys::ApiKey;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, make, show, revoke, issue, take_back),
    components(schemas(Key, Keys, NewKey, MadeKey, NewToken, Issued))
)]
pub(super) struct Doc;

pub(super) fn routes<S>() -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
    Gate: FromRef<S>,
{
    axum::Router::new()
        .route("/api/keys", get(list).post(make))
        .route("/api/keys/{id}", get(show).delete(revoke))
        .route("/api/tokens", post(issue))
        .route("/api/tokens/{jti}", delete(take_back))
        .layer(DefaultBodyLimit::max(limits::ACCESS_BODY_MAX))
}

#[derive(Debug, Serialize, ToSchema)]
struct Key {
    id: String,
    /// How the key begins.
    shown: String,
    name: String,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    /// Absent: the whole box.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    created_by: String,
    created_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_ms: Option<i64>,
}

impl From<ApiKey> for Key {
    fn from(key: ApiKey) -> Self {
        Self {
            shown: shown_key(&key.id),
            id: key.id,
            name: key.name,
            role: key.role,
            scopes: key.scopes,
            tenant: key.tenant,
            created_by: key.created_by,
            created_ms: key.created_ms,
            until_ms: key.until_ms,
            used_ms: key.used_ms,
            revoked_ms: key.revoked_ms,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Keys {
    keys: Vec<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Keys, the revoked ones too.
#[utoipa::path(get, path = "/api/keys", tag = "access", params(Page), responses(
    (status = 200, body = Keys),
))]
async fn list(State(gate): State<Gate>, who: Principal, Params(page): Params<Page>) -> Result<Json<Keys>, Problem> {
    let (after, limit) = page.checked()?;
    let keys = gate.keys(&who, &after, limit).await?;
    let next = Page::next(&keys, limit, |key| key.id.clone());
    Ok(Json(Keys { keys: keys.into_iter().map(Key::from).collect(), next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    role: Role,
    /// Only these of what the role may.
    scopes: Option<Vec<Permission>>,
    /// Absent: the whole box, or one's own tenant.
    tenant: Option<String>,
    /// Unix time, milliseconds. Absent: until it is revoked.
    until_ms: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    #[serde(flatten)]
    about: Key,
    /// All of it. Shown this once.
    key: String,
}

/// Makes a key. Nobody gives what they do not have.
#[utoipa::path(post, path = "/api/keys", tag = "access", request_body = NewKey, responses(
    (status = 201, body = MadeKey),
))]
async fn make(State(gate): State<Gate>, who: Principal, Body(wanted): Body<NewKey>) -> Result<Response, Problem> {
    let NewKey { name, role, scopes, tenant, until_ms } = wanted;
    let tenant = tenant.as_deref().map(tenant_of).transpose()?;
    let (about, key) = gate.make_key(&who, WantedKey { name, role, tenant, scopes, until_ms }).await?;
    let made = MadeKey { about: about.into(), key: key.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// A key, without its secret.
#[utoipa::path(get, path = "/api/keys/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 200, body = Key),
))]
async fn show(State(gate): State<Gate>, who: Principal, Segments(id): Segments<String>) -> Result<Json<Key>, Problem> {
    Ok(Json(gate.key(&who, &id).await?.into()))
}

/// Makes a key void, and every token that it issued.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 204),
))]
async fn revoke(
    State(gate): State<Gate>,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    gate.revoke_key(&who, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// For people: what the token is for.
    name: String,
    /// Absent: one's own.
    role: Option<Role>,
    /// Only these of what the role may.
    scopes: Option<Vec<Permission>>,
    /// How long it holds; at most an hour.
    #[serde(default = "quarter")]
    #[schema(minimum = 1, maximum = 3600, default = 900)]
    seconds: u64,
}

const fn quarter() -> u64 {
    900
}

#[derive(Debug, Serialize, ToSchema)]
struct Issued {
    jti: String,
    /// For `Authorization: Bearer …`.
    token: String,
    tenant: String,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    until_ms: i64,
}

/// A short-lived token (JWT) of the tenant the request is about, with one's own rights or less.
#[utoipa::path(post, path = "/api/tokens", tag = "access", request_body = NewToken, responses(
    (status = 201, body = Issued),
))]
async fn issue(
    State(gate): State<Gate>,
    who: Principal,
    tenant: Tenant,
    Body(wanted): Body<NewToken>,
) -> Result<Response, Problem> {
    let NewToken { name, role, scopes, seconds } = wanted;
    let wanted = WantedToken { name, role, tenant: tenant.id, scopes, seconds };
    let (token, signed) = gate.make_token(&who, wanted).await?;
    let issued = Issued {
        jti: token.jti,
        token: signed.expose().to_owned(),
        tenant: token.tenant,
        role: token.role,
        scopes: token.scopes,
        until_ms: token.until_ms,
    };
    Ok((StatusCode::CREATED, Json(issued)).into_response())
}

/// Makes a token void before its end.
#[utoipa::path(delete, path = "/api/tokens/{jti}", tag = "access", params(("jti" = String, Path)), responses(
    (status = 204),
))]
async fn take_back(
    State(gate): State<Gate>,
    who: Principal,
    Segments(jti): Segments<String>,
) -> Result<StatusCode, Problem> {
    gate.revoke_token(&who, &jti).await?;
    Ok(StatusCode::NO_CONTENT)
}
