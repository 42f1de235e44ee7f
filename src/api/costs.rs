//! `/api/ai/costs` and `/api/ai/quality`: what was spent, what is left of budgets, and how everybody
//! did; `/api/calls/{id}`: one call with what it cost and would have cost elsewhere.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::{ApiDeps, Problem};
use crate::ai::router::report::{Costs, Did};
use crate::base::event::{CallCost, Event};
use crate::base::limits;
use crate::call::registry::View;

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
    days: Result<Query<Days>, QueryRejection>,
) -> Result<Json<Costs>, Problem> {
    let Query(Days { days }) = days.map_err(|error| Problem::bad_request(error.body_text()))?;
    let days = days.unwrap_or(1);
    if !(1..=limits::SPENDING_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("days is from 1 to {}", limits::SPENDING_DAYS)));
    }
    let today = deps.planner.today();
    let first = today.saturating_sub(days - 1);
    Ok(Json(Costs::of(deps.planner.table(), &deps.planner.spent_since(first), first, today)))
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
}

/// One call with what it cost and would have cost elsewhere.
#[utoipa::path(get, path = "/api/calls/{id}", tag = "calls", params(("id" = String, Path)), responses((status = 200, body = Call)))]
pub(super) async fn call(State(deps): State<ApiDeps>, Path(id): Path<String>) -> Result<Json<Call>, Problem> {
    let view = deps.registry.view(&id).ok_or_else(|| Problem::not_found("no such call"))?;
    let told = view.events.iter().rev().find_map(|record| match &record.event {
        Event::CallCost(cost) => Some((**cost).clone()),
        _ => None,
    });
    let cost = told.unwrap_or_else(|| deps.planner.cost(view.id, &view.bill));
    Ok(Json(Call { view, cost }))
}
