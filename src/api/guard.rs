//! What stands before every handler: the table says what a route needs, the request shows who asks.
//! `Principal`, `Tenant` and `Peer` are extractors: a handler that names one gets what the guard found
//! out, never what the request says of itself.
//!
//! Promise: a route without a row in `auth/access.rs` is closed; a cookie alone changes nothing (the
//! header `x-csrf-token` must come with it, and no foreign page's `Origin`); whoever belongs to one
//! tenant gets that tenant's database and no other.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, OptionalFromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use subtle::ConstantTimeEq as _;

use super::Problem;
use crate::auth::access::{self, Need};
use crate::auth::gate::Shown;
use crate::auth::login::From;
use crate::auth::sessions::CSRF_HEADER;
use crate::auth::{Gate, Principal, Refusal};
use crate::base::ids::TenantId;
use crate::base::network;
use crate::store::database::Database;

/// Chooses the tenant, for whoever may see several. Browsers' WebSockets and event streams cannot set
/// headers; there it may stand in the query.
pub const TENANT_HEADER: &str = "x-vaani-tenant";

/// The tenant the request is about, and its database.
#[derive(Clone)]
pub struct Tenant {
    pub id: TenantId,
    pub db: Database,
}

/// Where the request comes from, and the session it showed.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub agent: String,
    pub session: Option<Shown>,
}

impl Peer {
    pub fn from(&self) -> From {
        let session = self.session.as_ref().map(|session| session.hash.clone());
        From { address: self.address, agent: self.agent.clone(), session }
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::unauthorized)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            let what = format!("name one that exists in the header {TENANT_HEADER}");
            Problem::new(StatusCode::NOT_FOUND, "no such tenant", what)
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("the guard was passed by"))
    }
}

/// The middleware: `route_layer(from_fn_with_state(gate, guard))` around all routers of the API.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&gate, &mut parts).await {
        Ok(Need::Nobody) => next.run(Request::from_parts(parts, body)).await,
        Ok(_) => {
            let mut response = next.run(Request::from_parts(parts, body)).await;
            // What one person may see is for no shared cache.
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            response
        }
        Err(response) => response,
    }
}

async fn admit(gate: &Gate, request: &mut Parts) -> Result<Need, Response> {
    let path = request.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let Some(need) = access::needs(request.method.as_str(), &path) else { return Err(closed(&path)) };
    let address = address(gate, request);
    let agent = text(&request.headers, header::USER_AGENT.as_str()).unwrap_or_default().to_owned();
    let known = identify(gate, request, need).await;
    let (principal, session) = match known {
        Ok(known) => known,
        Err(refusal) => {
            // Whoever shows wrong keys is counted as nobody.
            gate.take(None, address).map_err(|wait| Problem::of(Refusal::Wait(wait)).into_response())?;
            return Err(refusal.into_response());
        }
    };
    gate.take(principal.as_ref(), address).map_err(|wait| Problem::of(Refusal::Wait(wait)).into_response())?;
    if !need.lets(principal.as_ref()) {
        return Err(refused(principal.as_ref(), need).into_response());
    }
    request.extensions.insert(Peer { address, agent, session });
    if let Some(mut principal) = principal {
        principal.address = Some(address);
        match tenant(gate, request, &principal).await {
            Ok(Some(tenant)) => drop(request.extensions.insert(tenant)),
            Ok(None) => {}
            Err(problem) => return Err(problem.into_response()),
        }
        request.extensions.insert(principal);
    }
    Ok(need)
}

/// No row: 405 if the path has other methods, else nobody may.
fn closed(path: &str) -> Response {
    let methods = access::methods(path);
    if methods.is_empty() {
        let what = "this route is open to nobody";
        return Problem::new(StatusCode::FORBIDDEN, "not allowed", what).into_response();
    }
    let allow = methods.join(", ");
    let what = format!("this route knows {allow}");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no such method here", what).into_response();
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn refused(principal: Option<&Principal>, need: Need) -> Problem {
    let Some(principal) = principal else { return Problem::of(Refusal::Unknown) };
    let what = match need {
        // Somebody known lacks the permission; which one is no secret: the table is documented.
        Need::May(permission) if principal.user().is_some() && principal.role.may(permission) => {
            format!(
                "this needs the permission {permission}; enrol your second factor first, or use the whole box's account"
            )
        }
        Need::May(permission) => format!("this needs the permission {permission}; ask an admin"),
        Need::Anybody | Need::Nobody => "not allowed".to_owned(),
    };
    Problem::new(StatusCode::FORBIDDEN, "not allowed", what)
}

type Found = (Option<Principal>, Option<Shown>);

/// Who asks. A header goes before a cookie: no foreign page can make a browser send it.
async fn identify(gate: &Gate, request: &Parts, need: Need) -> Result<Found, Problem> {
    let headers = &request.headers;
    let public = need == Need::Nobody;
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = given.to_str().ok().and_then(|given| given.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let known = match token {
            Some(token) => gate.by_bearer(token).await,
            None => Err(Refusal::Unknown),
        };
        return match known {
            Ok(principal) => Ok((Some(principal), None)),
            // Where nobody is asked who they are, nothing shown can be wrong.
            Err(_) if public => Ok((None, None)),
            Err(refusal) => Err(refusal.into()),
        };
    }
    let cookie = CookieJar::from_headers(headers).get(gate.cookies().name()).map(|cookie| cookie.value().to_owned());
    let Some(cookie) = cookie else { return Ok((None, None)) };
    let (principal, shown) = match gate.by_cookie(&cookie).await {
        Ok(known) => known,
        Err(_) if public => return Ok((None, None)),
        Err(refusal) => return Err(refusal.into()),
    };
    match own_page(gate, request, &shown) {
        Ok(()) => Ok((Some(principal), Some(shown))),
        // A login ends the session that was there; it is nobody who asks for it.
        Err(_) if public => Ok((None, Some(shown))),
        Err(problem) => Err(problem),
    }
}

/// A cookie comes with whatever a browser sends; that our own page made it do so shows otherwise.
fn own_page(gate: &Gate, request: &Parts, shown: &Shown) -> Result<(), Problem> {
    if is_foreign(gate, &request.headers) {
        return Err(Problem::forbidden("the request comes from another site's page"));
    }
    let given = text(&request.headers, CSRF_HEADER).unwrap_or_default();
    let right: bool = given.as_bytes().ct_eq(shown.csrf.as_bytes()).into();
    if right || is_safe(&request.method) {
        return Ok(());
    }
    let what = format!("send the header {CSRF_HEADER} with the value that GET /api/me gives as csrf");
    Err(Problem::forbidden(&what))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A browser says which page made it ask; ours has the box's own address.
fn is_foreign(gate: &Gate, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    let ours = gate.is_own_origin(origin);
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    let same = origin.split_once("://").is_some_and(|(_, site)| !host.is_empty() && site.eq_ignore_ascii_case(host));
    !ours && !same
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Who is at the other end: the peer, or what the last proxy that we trust says about it.
fn address(gate: &Gate, request: &Parts) -> IpAddr {
    let Some(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    };
    let said = request.headers.get_all("x-forwarded-for");
    let said = said.iter().filter_map(|value| value.to_str().ok());
    network::origin(peer.0.ip(), &gate.settings().trusted_proxies, said)
}

/// The tenant of the request. `None`: it is gone, which only matters to handlers that need one.
async fn tenant(gate: &Gate, request: &Parts, principal: &Principal) -> Result<Option<Tenant>, Problem> {
    let in_query = || {
        let query = request.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == TENANT_HEADER)
            .map(|(_, id)| id.into_owned())
    };
    let header = request.headers.get(TENANT_HEADER).map(|value| value.to_str().unwrap_or_default().to_owned());
    let wanted = header.or_else(in_query).map(|id| id.parse::<TenantId>());
    let id = match (&principal.tenant, wanted) {
        (_, Some(Err(_))) => return Err(no_tenant()),
        (Some(own), None) => own.clone(),
        // Whether another tenant exists is nobody's business.
        (Some(own), Some(Ok(wanted))) if *own != wanted => {
            return Err(Problem::forbidden("you belong to another tenant"));
        }
        (_, Some(Ok(wanted))) => match gate.tenant(&wanted).await? {
            Some(db) => return Ok(Some(Tenant { id: wanted, db })),
            None => return Err(no_tenant()),
        },
        (None, None) => TenantId::default_tenant(),
    };
    Ok(gate.tenant(&id).await?.map(|db| Tenant { id, db }))
}

fn no_tenant() -> Problem {
    let what = format!("{TENANT_HEADER} names no tenant of this box");
    Problem::new(StatusCode::NOT_FOUND, "no such tenant", what)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
