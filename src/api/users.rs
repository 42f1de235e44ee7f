//! `/api/users`: people, as admins keep them.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Problem;
use super::etag::{self, IfMatch};
use super::extract::{Body, Key, Params};
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
#[serde(deny_unknown_fields)]
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
    pub(super) fn checked(self) -> Result<(String, u32), Problem> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=ACCESS_PAGE_MAX).contains(&limit) || self.after.len() > 64 {
            return Err(Problem::bad_request(format!("limit is 1 to {ACCESS_PAGE_MAX}; after is what `next` said")));
        }
        Ok((self.after, limit))
    }

    /// The cursor of the next page: the last id of a full one.
    pub(super) fn next<T>(rows: &[T], limit: u32, id: impl Fn(&T) -> String) -> Option<String> {
        rows.last().filter(|_| rows.len() >= limit as usize).map(id)
    }
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
    (status = 200, body = People),
))]
async fn list(State(gate): State<Gate>, who: Principal, Params(page): Params<Page>) -> Result<Json<People>, Problem> {
    let (after, limit) = page.checked()?;
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
    (status = 201, body = Invited),
))]
async fn make(State(gate): State<Gate>, who: Principal, Body(wanted): Body<NewUser>) -> Result<Response, Problem> {
    let NewUser { login, name, role, tenant } = wanted;
    let tenant = tenant.as_deref().map(tenant_of).transpose()?;
    let (user, code) = gate.make_user(&who, Wanted { login, name, role, tenant }).await?;
    let tag = [etag::header_of(user.version)];
    Ok((StatusCode::CREATED, tag, Json(Invited { user: user.into(), code })).into_response())
}

/// Somebody.
#[utoipa::path(get, path = "/api/users/{id}", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Person),
))]
async fn show(State(gate): State<Gate>, who: Principal, Key(id): Key) -> Result<Response, Problem> {
    let user = gate.one_user(&who, id).await?;
    Ok(([etag::header_of(user.version)], Json(Person::from(user))).into_response())
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
        (status = 200, body = Person),
    )
)]
async fn change(
    State(gate): State<Gate>,
    who: Principal,
    Key(id): Key,
    read: IfMatch,
    Body(wanted): Body<UserChange>,
) -> Result<Response, Problem> {
    let kept = gate.one_user(&who, id).await?.version;
    read.check(kept)?;
    let tenant = match wanted.tenant.as_deref() {
        None => None,
        Some("*") => Some(None),
        Some(text) => Some(Some(tenant_of(text)?)),
    };
    let change = Change { name: wanted.name, role: wanted.role, tenant, disabled: wanted.disabled };
    let user = gate.change_user(&who, id, kept, change).await?;
    Ok(([etag::header_of(user.version)], Json(Person::from(user))).into_response())
}

/// Removes somebody; what they did stays in the audit log.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 204),
))]
async fn remove(State(gate): State<Gate>, who: Principal, Key(id): Key) -> Result<StatusCode, Problem> {
    gate.remove_user(&who, id).await?;
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
        (status = 200, body = OneTimeCode),
    )
)]
async fn reset(
    State(gate): State<Gate>,
    who: Principal,
    Key(id): Key,
    Body(wanted): Body<ResetUser>,
) -> Result<Json<OneTimeCode>, Problem> {
    Ok(Json(OneTimeCode { code: gate.reset_user(&who, id, wanted.second_factor).await? }))
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
