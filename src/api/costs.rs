//! `/api/ai/costs` and `/api/ai/quality`: what was spent, what is left of budgets, and how everybody
//! did; `/api/calls/{id}`: one call with what it cost and would have cost elsewhere.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::calls::{CallView, known};
use super::extract::Segments;
use super::guard::Tenant;
use super::recordings::RecordingView;
use super::{ApiDeps, Problem, recordings, sessions};
use crate::ai::router::report::{Costs, Did};
use crate::auth::Principal;
use crate::base::event::{CallCost, Event, Record};
use crate::base::{TenantId, limits};
use crate::call::registry::View;
use crate::store::journal;

#[derive(utoipa::OpenApi)]
#[openapi(paths(costs, quality, call), tags((name = "ai", description = "Engines that hear, think and speak")))]
pub(super) struct Doc;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Days {
    #[param(minimum = 1, maximum = 92)]
    days: Option<u64>,
}

/// Of today, or of so many days.
#[utoipa::path(get, path = "/api/ai/costs", tag = "ai", params(Days), responses((status = 200, body = Object)))]
pub(super) async fn costs(
    State(deps): State<ApiDeps>,
    who: Principal,
    days: Result<Query<Days>, QueryRejection>,
) -> Result<Json<Costs>, Problem> {
    let Query(Days { days }) = days.map_err(|error| Problem::bad_request(error.body_text()))?;
    let days = days.unwrap_or(1);
    if !(1..=limits::SPENDING_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("days is from 1 to {}", limits::SPENDING_DAYS)));
    }
    let today = deps.planner.today();
    let first = today.saturating_sub(days - 1);
    let mut spent = deps.planner.spent_since(first);
    let Some(own) = &who.tenant else {
        return Ok(Json(Costs::of(deps.planner.table(), &spent, first, today)));
    };
    // What belongs to no call and to nobody in particular is the tenant `default`'s.
    let is_own = |tenant: &str| tenant == own.as_str() || (tenant.is_empty() && *own == TenantId::default_tenant());
    spent.retain(|(row, _)| is_own(&row.tenant));
    let mut costs = Costs::of(deps.planner.table(), &spent, first, today);
    costs.budgets.retain(|budget| is_own(&budget.tenant));
    Ok(Json(costs))
}

/// How engines and providers did lately.
#[utoipa::path(get, path = "/api/ai/quality", tag = "ai", responses((status = 200, body = Vec<Did>)))]
pub(super) async fn quality(State(deps): State<ApiDeps>) -> Json<Vec<Did>> {
    let now_ms = deps.clock.unix_ms(deps.clock.now());
    Json(deps.planner.measured().iter().map(|measured| Did::of(measured, now_ms)).collect())
}

/// A call and its bill.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Call {
    #[serde(flatten)]
    view: View,
    cost: CallCost,
    /// What was kept of its sound; live calls have none yet.
    recording: Option<RecordingView>,
}

/// A call that is no longer in memory, and its bill.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct KeptCall {
    #[serde(flatten)]
    call: CallView,
    cost: CallCost,
    recording: Option<RecordingView>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum Billed {
    Live(Box<Call>),
    Kept(Box<KeptCall>),
}

fn bill(records: impl DoubleEndedIterator<Item = Record>) -> Option<CallCost> {
    records.rev().find_map(|record| match record.event {
        Event::CallCost(cost) => Some(*cost),
        _ => None,
    })
}

/// One call with what it cost and would have cost elsewhere.
#[utoipa::path(get, path = "/api/calls/{id}", tag = "calls", params(("id" = String, Path)), responses((status = 200, body = Billed)))]
pub(super) async fn call(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<Json<Billed>, Problem> {
    if let Some((view, tenant)) = sessions::find(&deps, &tenant, &who, &id) {
        let view = sessions::told(&deps, &tenant, &who, view).await?;
        let told = bill(view.events.iter().cloned());
        let cost = told.unwrap_or_else(|| deps.planner.cost(view.id, &view.bill));
        let recording = recordings::of_call(&deps, &tenant, view.id).await?;
        return Ok(Json(Billed::Live(Box::new(Call { view, cost, recording }))));
    }
    let call = known(&tenant, id).await?;
    let id = call.id;
    let records = tenant.db.read(move |db| journal::of_call(db, id, 0, limits::EVENTS_OF_CALL_MAX)).await?;
    let cost = bill(records.into_iter().map(|numbered| numbered.record)).unwrap_or_default();
    let recording = recordings::of_call(&deps, &tenant, id).await?;
    Ok(Json(Billed::Kept(Box::new(KeptCall { call: call.into(), cost, recording }))))
}
