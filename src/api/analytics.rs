//! `/api/analytics`: figures of calls for dashboards. `/api/system/stats`: how the box itself is.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::customers::now_ms;
use super::extract::Params;
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::ai::router::report::Did;
use crate::auth::{Permission, Principal};
use crate::base::event::CallState;
use crate::base::limits;
use crate::base::money::Money;
use crate::store::analytics::{self, By, Sums, Which};
use crate::store::{calls, customers};

#[derive(OpenApi)]
#[openapi(paths(show), tags((name = "analytics", description = "Figures for dashboards")))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new().route("/api/analytics", get(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// So many days up to today; absent: 7.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u32>,
    agent: Option<String>,
    campaign: Option<String>,
}

/// Sums of ended calls.
#[derive(Serialize, ToSchema)]
pub(super) struct Figures {
    calls: i64,
    connected: i64,
    /// Of all calls, 0 to 100; `null` where there are none.
    connected_percent: Option<f64>,
    completed: i64,
    failed: i64,
    not_picked: i64,
    /// Of connected calls.
    average_handling_ms: Option<i64>,
    turns: i64,
    /// `null` without the permission `ai_read`.
    cost_paise: Option<Money>,
    /// Calls that ended in what they were made for. Always `null` in this version: dispositions of
    /// calls are not taken down yet.
    converted: Option<i64>,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
    fn of(s: Sums, costs: bool) -> Self {
        Self {
            calls: s.calls,
            connected: s.connected,
            connected_percent: (s.calls > 0).then(|| (s.connected as f64 * 1_000.0 / s.calls as f64).round() / 10.0),
            completed: s.completed,
            failed: s.failed,
            not_picked: s.not_picked,
            average_handling_ms: s.duration_ms.checked_div(s.connected),
            turns: s.turns,
            cost_paise: costs.then(|| Money::from_millipaise(s.cost_millipaise.unsigned_abs())),
            converted: None,
        }
    }
}

/// The same for one day, agent, language and so on.
#[derive(Serialize, ToSchema)]
pub(super) struct Of {
    name: String,
    #[serde(flatten)]
    figures: Figures,
}

/// Customers by where they stand.
#[derive(Serialize, ToSchema)]
pub(super) struct Standing {
    status: CallState,
    customers: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Analytics {
    /// `2025-08-17`, on the site's calendar.
    first_day: String,
    last_day: String,
    today: Figures,
    total: Figures,
    live_calls: usize,
    by_day: Vec<Of>,
    by_agent: Vec<Of>,
    by_campaign: Vec<Of>,
    by_language: Vec<Of>,
    by_direction: Vec<Of>,
    by_cause: Vec<Of>,
    funnel: Vec<Standing>,
    /// How engines and providers did; empty without the permission `ai_read`.
    providers: Vec<Did>,
}

fn date(day: i64) -> String {
    let first = jiff::civil::date(1970, 1, 1);
    first.checked_add(jiff::Span::new().days(day)).map_or_else(|_| String::new(), |day| day.to_string())
}

/// Figures of calls by day, agent, campaign, language, direction and cause.
#[utoipa::path(get, path = "/api/analytics", tag = "analytics", params(Query), responses((status = 200, body = Analytics)))]
pub(super) async fn show(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(query): Params<Query>,
) -> Result<Json<Analytics>, Problem> {
    let days = query.days.unwrap_or(7);
    if !(1..=limits::ANALYTICS_DAYS_MAX).contains(&days) {
        return Err(Problem::bad_request(format!("days is from 1 to {}", limits::ANALYTICS_DAYS_MAX)));
    }
    let now = now_ms(&deps);
    let today = calls::site_day(now.unsigned_abs());
    let which = Which {
        first_day: today - i64::from(days) + 1,
        last_day: today,
        agent: query.agent.unwrap_or_default(),
        campaign: query.campaign.unwrap_or_default(),
    };
    let (first_day, last_day) = (date(which.first_day), date(which.last_day));
    let costs = who.may(Permission::AiRead);
    let of = move |(name, sums): (String, Sums)| Of { name, figures: Figures::of(sums, costs) };
    let answer = tenant
        .db
        .read(move |db| {
            let by =
                |by| Ok::<_, crate::store::StoreError>(analytics::sums(db, &which, by)?.into_iter().map(of).collect());
            let one = |which: &Which| -> Result<Figures, crate::store::StoreError> {
                let sums = analytics::sums(db, which, By::Nothing)?.first().map(|(_, sums)| *sums);
                Ok(Figures::of(sums.unwrap_or_default(), costs))
            };
            let mut by_day: Vec<Of> = by(By::Day)?;
            for day in &mut by_day {
                day.name = date(day.name.parse().unwrap_or_default());
            }
            Ok(Analytics {
                first_day,
                last_day,
                today: one(&Which { first_day: today, ..which.clone() })?,
                total: one(&which)?,
                live_calls: 0,
                by_day,
                by_agent: by(By::Agent)?,
                by_campaign: by(By::Campaign)?,
                by_language: by(By::Language)?,
                by_direction: by(By::Direction)?,
                by_cause: by(By::Cause)?,
                funnel: customers::by_status(db)?
                    .into_iter()
                    .map(|(status, customers)| Standing { status, customers })
                    .collect(),
                providers: Vec::new(),
            })
        })
        .await?;
    let live_calls = tenant.db.read(crate::store::call_list::live).await?;
    let measured = if costs { deps.planner.measured() } else { Vec::new() };
    let providers = measured.iter().map(|measured| Did::of(measured, now.unsigned_abs())).collect();
    Ok(Json(Analytics { live_calls, providers, ..answer }))
}
