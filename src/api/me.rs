//! `/api/me`: one's own account, password, second factor and sessions.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Problem;
use super::extract::{Body, Key};
use super::guard::Peer;
use super::login::{arrived, with_cookie};
use crate::auth::{Gate, Kind, Permission, Principal, Role};
use crate::base::limits;
use crate::base::secret::Secret;
use crate::store::sessions::Session;
use crate::store::users::User;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(show, password, totp_enrol, totp_confirm, totp_remove, sessions, end_session, end_sessions),
    components(schemas(
        Me,
        SecondFactor,
        NewPassword,
        Confirm,
        Enrolled,
        FirstCode,
        Recovery,
        OwnSession,
        Role,
        Permission
    ))
)]
pub(super) struct Doc;

pub(super) fn routes<S>() -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
    Gate: FromRef<S>,
{
    axum::Router::new()
        .route("/api/me", get(show))
        .route("/api/me/password", post(password))
        .route("/api/me/totp", post(totp_enrol).delete(totp_remove))
        .route("/api/me/totp/confirm", post(totp_confirm))
        .route("/api/me/sessions", get(sessions).delete(end_sessions))
        .route("/api/me/sessions/{id}", delete(end_session))
        .layer(DefaultBodyLimit::max(limits::ACCESS_BODY_MAX))
}

/// Who asks, and what they may.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// `user:…`, `key:…`, `token:…` or `box`.
    actor: String,
    login: String,
    name: String,
    role: Role,
    /// Absent: the whole box.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    permissions: Vec<Permission>,
    /// Sent back in the header `x-csrf-token` with every change. Absent without a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
    second_factor: SecondFactor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SecondFactor {
    /// Keys, tokens, and whoever comes from single sign-on.
    NotHere,
    None,
    /// The role asks for it: nothing else is possible before it is enrolled.
    Missing,
    Enrolled,
}

impl Me {
    pub(super) fn of(gate: &Gate, user: &User, how: &str, csrf: &str) -> Result<Self, Problem> {
        let who = gate.principal_of(user, how)?;
        let mut me = Self::new(&who, Some(user));
        me.csrf = Some(csrf.to_owned());
        if gate.must_enrol(user, how) {
            me.second_factor = SecondFactor::Missing;
        }
        Ok(me)
    }

    fn new(who: &Principal, user: Option<&User>) -> Self {
        let second_factor = match user {
            Some(user) if user.totp_confirmed => SecondFactor::Enrolled,
            Some(user) if user.provider.is_none() => SecondFactor::None,
            _ => SecondFactor::NotHere,
        };
        Self {
            actor: who.actor(),
            login: who.name.clone(),
            name: user.map_or_else(|| who.name.clone(), |user| user.name.clone()),
            role: who.role,
            tenant: who.tenant.clone().map(String::from),
            permissions: who.permissions().collect(),
            csrf: None,
            second_factor,
        }
    }
}

/// Also for keys and tokens: what do I hold?
#[utoipa::path(get, path = "/api/me", tag = "access", responses((status = 200, body = Me),))]
async fn show(State(gate): State<Gate>, who: Principal, peer: Peer) -> Result<Json<Me>, Problem> {
    let user = match who.kind {
        Kind::User { id } => gate.user(id).await?,
        _ => None,
    };
    let mut me = Me::new(&who, user.as_ref());
    me.csrf = peer.session.map(|session| session.csrf);
    if me.second_factor == SecondFactor::None && who.scopes.is_some() {
        me.second_factor = SecondFactor::Missing;
    }
    Ok(Json(me))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[schema(value_type = String, format = Password)]
    old: Secret,
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Every other session ends, and this one goes on under a new token.
#[utoipa::path(post, path = "/api/me/password", tag = "access", request_body = NewPassword, responses(
    (status = 200, body = Me),
))]
async fn password(
    State(gate): State<Gate>,
    who: Principal,
    peer: Peer,
    Body(change): Body<NewPassword>,
) -> Result<Response, Problem> {
    let NewPassword { old, new } = change;
    let (user, fresh) = gate.change_password(&who, old, new, peer.from()).await?;
    arrived(&gate, &user, &fresh)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

#[derive(Debug, Serialize, ToSchema)]
struct Enrolled {
    /// To be typed into an authenticator.
    secret: String,
    /// The same as a QR code says it.
    uri: String,
}

/// A secret for an authenticator. It is asked for once a first code has confirmed it.
#[utoipa::path(post, path = "/api/me/totp", tag = "access", request_body = Confirm, responses(
    (status = 200, body = Enrolled),
))]
async fn totp_enrol(
    State(gate): State<Gate>,
    who: Principal,
    peer: Peer,
    Body(confirm): Body<Confirm>,
) -> Result<Json<Enrolled>, Problem> {
    let enrolment = gate.enrol(&who, confirm.password, &peer.from()).await?;
    Ok(Json(Enrolled { secret: enrolment.secret, uri: enrolment.uri }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    code: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Recovery {
    /// Each lets in once when the device is lost. They are shown this once.
    recovery_codes: Vec<String>,
    #[serde(flatten)]
    me: Me,
}

/// Confirms the second factor; every other session ends, and this one goes on under a new token.
#[utoipa::path(post, path = "/api/me/totp/confirm", tag = "access", request_body = FirstCode, responses(
    (status = 200, body = Recovery),
))]
async fn totp_confirm(
    State(gate): State<Gate>,
    who: Principal,
    peer: Peer,
    Body(first): Body<FirstCode>,
) -> Result<Response, Problem> {
    let (recovery_codes, user, fresh) = gate.confirm_totp(&who, &first.code, peer.from()).await?;
    let me = Me::of(&gate, &user, &fresh.session.how, &fresh.session.csrf)?;
    let response = Json(Recovery { recovery_codes, me }).into_response();
    Ok(with_cookie(response, &gate.cookies().set(&fresh.token)))
}

/// Removes the second factor, or one that waits to be confirmed.
#[utoipa::path(delete, path = "/api/me/totp", tag = "access", request_body = Confirm, responses(
    (status = 204),
))]
async fn totp_remove(
    State(gate): State<Gate>,
    who: Principal,
    peer: Peer,
    Body(confirm): Body<Confirm>,
) -> Result<StatusCode, Problem> {
    gate.remove_totp(&who, confirm.password, &peer.from()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct OwnSession {
    id: Uuid,
    /// The one that asks.
    this: bool,
    how: String,
    created_ms: i64,
    seen_ms: i64,
    until_ms: i64,
    address: String,
    agent: String,
}

/// Where I am logged in.
#[utoipa::path(get, path = "/api/me/sessions", tag = "access", responses(
    (status = 200, body = [OwnSession]),
))]
async fn sessions(State(gate): State<Gate>, who: Principal, peer: Peer) -> Result<Json<Vec<OwnSession>>, Problem> {
    let shown = peer.session.map(|session| session.id);
    let row = |session: Session| OwnSession {
        id: session.id,
        this: shown == Some(session.id),
        how: session.how,
        created_ms: session.created_ms,
        seen_ms: session.seen_ms,
        until_ms: session.until_ms.min(session.idle_until_ms),
        address: session.address,
        agent: session.agent,
    };
    Ok(Json(gate.my_sessions(&who).await?.into_iter().map(row).collect()))
}

/// Ends one of my sessions.
#[utoipa::path(delete, path = "/api/me/sessions/{id}", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 204),
))]
async fn end_session(
    State(gate): State<Gate>,
    who: Principal,
    peer: Peer,
    Key(id): Key,
) -> Result<StatusCode, Problem> {
    gate.end_sessions(&who, Some(id), peer.session.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all my sessions but this one.
#[utoipa::path(delete, path = "/api/me/sessions", tag = "access", responses(
    (status = 204),
))]
async fn end_sessions(State(gate): State<Gate>, who: Principal, peer: Peer) -> Result<StatusCode, Problem> {
    gate.end_sessions(&who, None, peer.session.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
