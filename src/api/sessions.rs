//! `/sessions`: live calls and those that ended a moment ago.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::calls::{known, shown, words_for};
use super::extract::Segments;
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::event::{EndCause, Event, Record};
use crate::base::limits;
use crate::call::registry::{Control, View};
use crate::store::journal;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, show, decisions, hang_up), tags((name = "sessions", description = "Live calls")))]
pub(super) struct Doc;

/// A call in memory and whom it concerns. Whoever belongs to the whole box finds every tenant's by its
/// id, without naming the tenant.
pub(super) fn find(deps: &ApiDeps, tenant: &Tenant, who: &Principal, id: &str) -> Option<(View, Tenant)> {
    let view = deps.registry.view(id)?;
    if view.tenant == tenant.id {
        return Some((view, tenant.clone()));
    }
    who.tenant.is_none().then_some(())?;
    let (id, db) = (view.tenant.clone(), deps.vault.tenant(&view.tenant)?);
    Some((view, Tenant { id, db }))
}

/// A view as `who` may see it.
pub(super) async fn told(deps: &ApiDeps, tenant: &Tenant, who: &Principal, mut view: View) -> Result<View, Problem> {
    let words = words_for(deps, tenant, who, view.id, "session").await?;
    view.events = view.events.into_iter().map(|record| shown(record, words, who)).collect();
    Ok(view)
}

/// Calls that are live.
#[utoipa::path(get, path = "/sessions", tag = "sessions", responses((status = 200, body = Vec<View>)))]
pub(super) async fn list(State(deps): State<ApiDeps>, tenant: Tenant) -> Json<Vec<View>> {
    Json(deps.registry.live().into_iter().filter(|view| view.tenant == tenant.id).collect())
}

/// One call with its facts, words included while it lives, for whoever may read them. Takes the box's
/// id or the carrier's.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses((status = 200, body = View)))]
pub(super) async fn show(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<Json<View>, Problem> {
    let (view, tenant) = find(&deps, &tenant, &who, &id).ok_or_else(|| Problem::not_found("no such session"))?;
    Ok(Json(told(&deps, &tenant, &who, view).await?))
}

/// Who answered each stage of the call's turns, and why not the others.
#[utoipa::path(get, path = "/api/calls/{id}/decisions", tag = "calls", params(("id" = String, Path)), responses((status = 200, body = Vec<Record>)))]
pub(super) async fn decisions(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<Json<Vec<Record>>, Problem> {
    if let Some((view, _)) = find(&deps, &tenant, &who, &id) {
        return Ok(Json(view.decisions.into()));
    }
    let call = known(&tenant, id).await?.id;
    let records = tenant.db.read(move |db| journal::of_call(db, call, 0, limits::EVENTS_OF_CALL_MAX)).await?;
    let decided = records.into_iter().map(|numbered| numbered.record);
    Ok(Json(decided.filter(|record| matches!(record.event, Event::Routed(_))).collect()))
}

/// Says goodbye and hangs up.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses((status = 202, description = "It will end.")))]
pub(super) async fn hang_up(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let (view, tenant) = find(&deps, &tenant, &who, &id).ok_or_else(|| Problem::not_found("no such session"))?;
    if !deps.registry.control(view.id, Control::Finish(EndCause::Operator)).await {
        return Err(Problem::not_found("the session is over"));
    }
    let about = view.id.to_string();
    deps.audit.note(Some(&tenant.id), &who, "call.hang_up", &about, serde_json::Value::Null).await?;
    Ok(StatusCode::ACCEPTED)
}
