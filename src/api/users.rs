//! `/api/users`: people, as admins keep them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRef, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Problem;
use super::login::body;
use crate::auth::people::{Change, Wanted};
use crate::auth::{Gate, Principal, Refusal, Role};
use crate::base::limits;
use crate::base::{TenantId, limits::ACCESS_PAGE_MAX};
use crate::store::users::User;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, make, show, change, remove, reset),
    components(schemas(Person, People, NewUser, UserChange, Invited, ResetUser, OneTimeCode))
)]
pub(super) struct Doc;

pub(super) fn routes<S>() -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
    Gate: FromRef<S>,
{
    axum::Router::new()
        .route("/api/users", get(list).post(make))
        .route("/api/users/{id}", get(show).put(change).delete(remove))
        .route("/api/users/{id}/reset", post(reset))
        .layer(DefaultBodyLimit::max(limits::ACCESS_BODY_MAX))
}

/// One page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// What the page before gave as `next`.
    #[serde(default)]
    after: String,
    /// Rows, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Page {
    pub(super) fn of(query: Result<Query<Self>, QueryRejection>) -> Result<(String, u32), Problem> {
        let Query(page) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
        let limit = page.limit.unwrap_or(50);
        if !(1..=ACCESS_PAGE_MAX).contains(&limit) || page.after.len() > 64 {
            return Err(Problem::bad_request(format!("limit is 1 to {ACCESS_PAGE_MAX}; after is what `next` said")));
        }
        Ok((page.after, limit))
    }

    /// The cursor of the next page: the last id of a full one.
    pub(super) fn next<T>(rows: &[T], limit: u32, id: impl Fn(&T) -> String) -> Option<String> {
        rows.last().filter(|_| rows.len() >= limit as usize).map(id)
    }
}

/// The version that a change was made from.
pub(super) fn version_of(headers: &HeaderMap) -> Result<i64, Problem> {
    let given = headers.get(header::IF_MATCH).ok_or_else(|| {
        let what = "send the header If-Match with the ETag that was read";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "version needed", what)
    })?;
    let version = given.to_str().ok().and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    version.ok_or_else(|| Problem::of(Refusal::Stale))
}

pub(super) fn etag(version: i64) -> [(HeaderName, HeaderValue); 1] {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    [(header::ETAG, tag)]
}

/// A tenant's id as it is written in requests.
pub(super) fn tenant_of(text: &str) -> Result<TenantId, Problem> {
    text.parse().map_err(|error: crate::base::ids::NotATenant| Problem::of(Refusal::Invalid(error.to_string())))
}

#[derive(Debug, Serialize, ToSchema)]
struct Person {
    id: Uuid,
    login: String,
    name: String,
    role: String,
    /// Absent: the whole box.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    disabled: bool,
    second_factor: bool,
    /// Comes in through single sign-on.
    single_sign_on: bool,
    /// A password is set (else a one-time code is out, or single sign-on is used).
    has_password: bool,
    created_ms: i64,
    changed_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_ms: Option<i64>,
    version: i64,
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            name: user.name,
            role: user.role,
            tenant: user.tenant,
            disabled: user.disabled,
            second_factor: user.totp_confirmed,
            single_sign_on: user.provider.is_some(),
            has_password: user.password.is_some(),
            created_ms: user.created_ms,
            changed_ms: user.changed_ms,
            login_ms: user.login_ms,
            version: user.version,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct People {
    users: Vec<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A tenant's admin sees that tenant's people.
#[utoipa::path(get, path = "/api/users", tag = "access", params(Page), responses(
    (status = 200, body = People), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem),
))]
async fn list(
    State(gate): State<Gate>,
    who: Principal,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<People>, Problem> {
    let (after, limit) = Page::of(page)?;
    let users = gate.users(&who, &after, limit).await?;
    let next = Page::next(&users, limit, |user| user.id.to_string());
    Ok(Json(People { users: users.into_iter().map(Person::from).collect(), next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    login: String,
    #[serde(default)]
    name: String,
    role: Role,
    /// Absent: the whole box, or one's own tenant.
    tenant: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Invited {
    user: Person,
    /// With it the new user sets a password (`POST /api/login/reset`), once and within a day. Shown once.
    code: String,
}

/// Makes somebody. Nobody gives a role with more than their own rights.
#[utoipa::path(post, path = "/api/users", tag = "access", request_body = NewUser, responses(
    (status = 201, body = Invited), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem), (status = 422, body = Problem),
))]
async fn make(
    State(gate): State<Gate>,
    who: Principal,
    wanted: Result<Json<NewUser>, JsonRejection>,
) -> Result<Response, Problem> {
    let NewUser { login, name, role, tenant } = body(wanted)?;
    let tenant = tenant.as_deref().map(tenant_of).transpose()?;
    let (user, code) = gate.make_user(&who, Wanted { login, name, role, tenant }).await?;
    let tag = etag(user.version);
    Ok((StatusCode::CREATED, tag, Json(Invited { user: user.into(), code })).into_response())
}

fn id_of(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::of(Refusal::NotFound("the user")))
}

#[utoipa::path(get, path = "/api/users/{id}", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Person), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem),
))]
async fn show(State(gate): State<Gate>, who: Principal, Path(id): Path<String>) -> Result<Response, Problem> {
    let user = gate.one_user(&who, id_of(&id)?).await?;
    Ok((etag(user.version), Json(Person::from(user))).into_response())
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    name: Option<String>,
    role: Option<Role>,
    /// A tenant's id, or `*` for the whole box.
    tenant: Option<String>,
    disabled: Option<bool>,
}

/// Changes somebody. Whoever loses rights is logged out everywhere; the last admin of the box stays.
#[utoipa::path(put, path = "/api/users/{id}", tag = "access", request_body = UserChange,
    params(("id" = Uuid, Path), ("if-match" = String, Header, description = "the ETag that was read")),
    responses(
        (status = 200, body = Person), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 428, body = Problem),
    )
)]
async fn change(
    State(gate): State<Gate>,
    who: Principal,
    Path(id): Path<String>,
    headers: HeaderMap,
    wanted: Result<Json<UserChange>, JsonRejection>,
) -> Result<Response, Problem> {
    let (id, wanted, version) = (id_of(&id)?, body(wanted)?, version_of(&headers)?);
    let tenant = match wanted.tenant.as_deref() {
        None => None,
        Some("*") => Some(None),
        Some(text) => Some(Some(tenant_of(text)?)),
    };
    let change = Change { name: wanted.name, role: wanted.role, tenant, disabled: wanted.disabled };
    let user = gate.change_user(&who, id, version, change).await?;
    Ok((etag(user.version), Json(Person::from(user))).into_response())
}

/// Removes somebody; what they did stays in the audit log.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem),
))]
async fn remove(State(gate): State<Gate>, who: Principal, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    gate.remove_user(&who, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetUser {
    /// The second factor goes too: the device is lost.
    #[serde(default)]
    second_factor: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct OneTimeCode {
    /// Sets a new password (`POST /api/login/reset`), once and within a day. Shown once.
    code: String,
}

/// Makes the password void and gives a one-time code for a new one; every session ends.
#[utoipa::path(post, path = "/api/users/{id}/reset", tag = "access", params(("id" = Uuid, Path)),
    request_body = ResetUser,
    responses(
        (status = 200, body = OneTimeCode), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
    )
)]
async fn reset(
    State(gate): State<Gate>,
    who: Principal,
    Path(id): Path<String>,
    wanted: Result<Json<ResetUser>, JsonRejection>,
) -> Result<Json<OneTimeCode>, Problem> {
    let (id, wanted) = (id_of(&id)?, body(wanted)?);
    Ok(Json(OneTimeCode { code: gate.reset_user(&who, id, wanted.second_factor).await? }))
}
