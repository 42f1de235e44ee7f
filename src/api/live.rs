//! Live events of calls: `/ws/dashboard/{id}` over WebSocket and `/api/live` as server-sent events.
//!
//! Promise: a call never waits for whoever watches it; a watcher that is too slow is told how much it
//! missed; nobody hears of another tenant, or words that they may not read. What was said is
//! forgotten here when its call ends. Absent on purpose: commands to calls.

mod hub;
mod socket;
mod ticket;

pub use hub::Live;

use std::convert::Infallible;

use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response, Sse as Stream};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use self::hub::{Told, Watcher};
use super::extract::{Params, Segments};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::{Permission, Principal};
use crate::base::limits;

#[derive(OpenApi)]
#[openapi(paths(events, ticket, dashboard), tags((name = "live", description = "Live events of calls")))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/live", get(events))
        .route("/api/live/ticket", post(ticket))
        .route("/ws/dashboard/{id}", get(dashboard))
}

fn full() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many watchers",
        format!("{} clients watch already; close one", limits::LIVE_WATCHERS_MAX),
    )
}

/// The id of the last event a watcher has, from the header or the parameter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The id of the last event that you have; those after it come first, as far as they are kept.
    last_event_id: Option<String>,
    /// The tenant, for whoever may see several and cannot set the header.
    #[serde(rename = "x-vaani-tenant")]
    _tenant: Option<String>,
}

/// Live events as server-sent events: `event: call` and, for whoever may read alerts and belongs to the
/// whole box, `event: alert` (`alert.raised`, `alert.cleared`). `event: missed` says how many were left out, of any tenant.
#[utoipa::path(
    get, path = "/api/live", tag = "live",
    params(Since, ("last-event-id" = Option<String>, Header, description = "The same, as browsers send it.")),
    responses((status = 200, body = String, content_type = "text/event-stream"))
)]
pub(super) async fn events(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Params(Since { last_event_id, .. }): Params<Since>,
) -> Result<Response, Problem> {
    let given = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let watcher = deps.live.watch(&tenant.id, &who, given.or(last_event_id).as_deref()).ok_or_else(full)?;
    let stopping = deps.tasks.clone();
    let until = tokio::time::Instant::now() + limits::LIVE_WATCH_MAX;
    let told = stream::unfold((watcher, stopping), move |(mut watcher, stopping)| async move {
        let told = tokio::select! {
            told = watcher.next() => told?,
            () = stopping.stopped() => return None,
            () = tokio::time::sleep_until(until) => return None,
        };
        let event = match told {
            Told::Event { id, kind, json } => Sse::default().id(id).event(kind).data(json),
            Told::Missed(count) => Sse::default().event("missed").data(format!("{{\"missed\":{count}}}")),
        };
        Some((Ok::<_, Infallible>(event), (watcher, stopping)))
    });
    let beat = KeepAlive::new().interval(limits::LIVE_HEARTBEAT).text("beat");
    let mut response = Stream::new(told).keep_alive(beat).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Lets one WebSocket in.
#[derive(Serialize, ToSchema)]
pub(super) struct Ticket {
    /// For `/ws/dashboard/{id}?ticket=…`; good once.
    ticket: String,
    expires_in_seconds: u64,
}

/// A ticket for a WebSocket: browsers cannot send headers with one.
#[utoipa::path(post, path = "/api/live/ticket", tag = "live", responses((status = 201, body = Ticket)))]
pub(super) async fn ticket(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let ticket = deps.live.tickets().issue(tenant, who, deps.clock.now());
    let ticket = ticket.map_err(|_| Problem::internal("the system gave no random bytes; ask again"))?;
    let expires_in_seconds = limits::LIVE_TICKET_TTL.as_secs();
    Ok((StatusCode::CREATED, Json(Ticket { ticket: ticket.expose().to_owned(), expires_in_seconds })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Entry {
    /// From `POST /api/live/ticket`.
    ticket: Option<String>,
    /// The id of the last event that you have.
    last_event_id: Option<String>,
    /// The tenant, for whoever may see several and has no ticket.
    #[serde(rename = "x-vaani-tenant")]
    _tenant: Option<String>,
}

/// Live events over a WebSocket, one JSON object a message: `{"id", "event", …}` (alerts for whoever
/// may read them and belongs to the whole box), `{"event": "missed",
/// "missed"}` or `{"event": "beat"}`. Who has no session or token in headers comes with a ticket.
#[utoipa::path(
    get, path = "/ws/dashboard/{id}", tag = "live",
    params(("id" = String, Path, description = "A name of the client's own choice."), Entry),
    responses((status = 101, description = "Switched to WebSocket."), (status = 426, description = "Not a WebSocket.", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn dashboard(
    State(deps): State<ApiDeps>,
    known: Option<Extension<Principal>>,
    tenant: Option<Extension<Tenant>>,
    headers: HeaderMap,
    _name: Segments<String>,
    Params(Entry { ticket, last_event_id, .. }): Params<Entry>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    // A page of another site can open sockets with the browser's cookies: it is known by its Origin.
    if !deps.live.takes_origin(&headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not from here",
            "the page that opens the socket is not one of this box",
        ));
    }
    let by_ticket = ticket.and_then(|ticket| deps.live.tickets().take(&ticket, deps.clock.now()));
    let (tenant, who) = match (by_ticket, known, tenant) {
        (Some(pair), ..) => pair,
        (None, Some(Extension(who)), Some(Extension(tenant))) => (tenant, who),
        _ => return Err(Problem::unauthorized()),
    };
    if !who.may(Permission::LiveWatch) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not allowed",
            "this needs the permission live_watch; ask an admin",
        ));
    }
    let upgrade = upgrade.map_err(|error| {
        // What asks for no WebSocket at all is told which way to come.
        Problem::new(
            if headers.contains_key(header::UPGRADE) { error.status() } else { StatusCode::UPGRADE_REQUIRED },
            "a WebSocket is wanted",
            "open this address as a WebSocket; for plain HTTP there is /api/live",
        )
    })?;
    let watcher: Watcher = deps.live.watch(&tenant.id, &who, last_event_id.as_deref()).ok_or_else(full)?;
    let tasks = deps.tasks.clone();
    let upgrade = upgrade.max_message_size(4 * 1024).max_frame_size(4 * 1024);
    Ok(upgrade.on_upgrade(move |socket| socket::serve(socket, watcher, tasks)))
}

#[cfg(test)]
mod tests;
