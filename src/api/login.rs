//! `/api/login`, `/api/setup`, `/api/logout`, `/api/oidc/…`: coming in and going out.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Body, Params};
use super::guard::Peer;
use super::me::Me;
use crate::auth::login::Attempt;
use crate::auth::people::Wanted;
use crate::auth::sessions::FreshSession;
use crate::auth::{Gate, Principal, Returned, Role};
use crate::base::limits;
use crate::base::secret::Secret;
use crate::store::users::User;

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(ways, enter, reset, set_up, leave, oidc_login, oidc_callback),
    components(schemas(Ways, Login, Reset, SetUp)),
    tags((name = "access", description = "Logins, people, keys and tenants"))
)]
pub(super) struct Doc;

pub(super) fn routes<S>() -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
    Gate: FromRef<S>,
{
    axum::Router::new()
        .route("/api/login", get(ways).post(enter))
        .route("/api/login/reset", post(reset))
        .route("/api/setup", post(set_up))
        .route("/api/logout", post(leave))
        .route("/api/oidc/login", get(oidc_login))
        .route("/api/oidc/callback", get(oidc_callback))
        .layer(DefaultBodyLimit::max(limits::ACCESS_BODY_MAX))
}

/// How people come in.
#[derive(Debug, Serialize, ToSchema)]
struct Ways {
    /// Nobody exists yet: make the first admin with the set-up code.
    setup: bool,
    password: bool,
    oidc: bool,
}

/// What a login page asks before it shows itself.
#[utoipa::path(get, path = "/api/login", tag = "access", responses(
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),(status = 200, body = Ways)))]
async fn ways(State(gate): State<Gate>) -> Result<Json<Ways>, Problem> {
    Ok(Json(Ways { setup: gate.needs_setup().await?, password: true, oidc: gate.has_oidc() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    login: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// Six digits of the authenticator, or a recovery code.
    code: Option<String>,
}

/// Password, and the second factor if there is one: without it the answer is 401 with the reason
/// `code_needed`, and the same request is sent again with `code`.
#[utoipa::path(post, path = "/api/login", tag = "access", request_body = Login, responses(
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not let in."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),
    (status = 200, body = Me, description = "a session; its cookie comes along"),
))]
async fn enter(State(gate): State<Gate>, peer: Peer, Body(login): Body<Login>) -> Result<Response, Problem> {
    let Login { login, password, code } = login;
    let (user, fresh) = gate.enter(Attempt { login, password, code, from: peer.from() }).await?;
    arrived(&gate, &user, &fresh)
}

/// A session was made: what it may, with its cookie.
pub(super) fn arrived(gate: &Gate, user: &User, fresh: &FreshSession) -> Result<Response, Problem> {
    let me = Me::of(gate, user, &fresh.session.how, &fresh.session.csrf)?;
    Ok(with_cookie((StatusCode::OK, Json(me)).into_response(), &gate.cookies().set(&fresh.token)))
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    login: String,
    /// The one-time code that an admin gave.
    code: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Sets a password with a one-time code; log in with it afterwards.
#[utoipa::path(post, path = "/api/login/reset", tag = "access", request_body = Reset, responses(
    (status = 403, body = Problem, content_type = "application/problem+json", description = "Not let in."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),
    (status = 204, description = "the password is set"),
))]
async fn reset(State(gate): State<Gate>, peer: Peer, Body(reset): Body<Reset>) -> Result<StatusCode, Problem> {
    let Reset { login, code, password } = reset;
    gate.set_with_code(&login, &code, password, peer.from()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The code that the daemon printed at its start.
    code: String,
    login: String,
    #[serde(default)]
    name: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// The first start: makes the first admin of the whole box.
#[utoipa::path(post, path = "/api/setup", tag = "access", request_body = SetUp, responses(
    (status = 403, body = Problem, content_type = "application/problem+json", description = "Not let in."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),
    (status = 200, body = Me),
))]
async fn set_up(State(gate): State<Gate>, peer: Peer, Body(wanted): Body<SetUp>) -> Result<Response, Problem> {
    let SetUp { code, login, name, password } = wanted;
    let wanted = Wanted { login, name, role: Role::Admin, tenant: None };
    let (user, fresh) = gate.set_up(&code, wanted, password, peer.from()).await?;
    arrived(&gate, &user, &fresh)
}

/// Ends the session.
#[utoipa::path(post, path = "/api/logout", tag = "access", responses((status = 204),))]
async fn leave(State(gate): State<Gate>, who: Principal, peer: Peer) -> Result<Response, Problem> {
    if let Some(session) = &peer.session {
        gate.leave(&who, &session.hash).await?;
    }
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &gate.cookies().clear()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Begin {
    /// The page of this box to return to.
    back: Option<String>,
}

/// Sends the browser to the provider of single sign-on.
#[utoipa::path(get, path = "/api/oidc/login", tag = "access", params(Begin), responses(
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),
    (status = 502, body = Problem, content_type = "application/problem+json", description = "The provider does not answer."),
    (status = 303, description = "to the provider"),
))]
async fn oidc_login(State(gate): State<Gate>, Params(begin): Params<Begin>) -> Result<Response, Problem> {
    let (url, state) = gate.oidc_leave(begin.back.as_deref()).await?;
    Ok(with_cookie(to(&url)?, &gate.cookies().set_oidc(&state)))
}

fn to(place: &str) -> Result<Response, Problem> {
    let place = HeaderValue::from_str(place).map_err(|_| Problem::internal("the provider's address is no address"))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Came {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// The provider sends the browser here.
#[utoipa::path(get, path = "/api/oidc/callback", tag = "access", params(Came), responses(
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not let in."),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "Not let in."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The login is taken."),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries; wait."),
    (status = 502, body = Problem, content_type = "application/problem+json", description = "The provider does not answer."),
    (status = 303, description = "logged in; to the page of the box"),
))]
async fn oidc_callback(
    State(gate): State<Gate>,
    peer: Peer,
    headers: HeaderMap,
    Params(came): Params<Came>,
) -> Result<Response, Problem> {
    let cookies = gate.cookies();
    let kept = CookieJar::from_headers(&headers).get(cookies.oidc_name()).map(|cookie| cookie.value().to_owned());
    let returned =
        Returned { code: came.code, state: came.state.unwrap_or_default(), error: came.error, issuer: came.iss };
    let done = gate.oidc_back(returned, kept.as_deref(), peer.from()).await;
    let response = match done {
        Ok((_, fresh, back)) => with_cookie(to(&back)?, &cookies.set(&fresh.token)),
        Err(refusal) => Problem::of(refusal).into_response(),
    };
    Ok(with_cookie(response, &cookies.clear_oidc()))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
