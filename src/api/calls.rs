//! `/api/calls`: what is kept of calls.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

use super::csv::{self, Table};
use super::cursor::Cursors;
use super::customers::phone_hash;
use super::extract::{Params, Segments, page, wants_csv};
use super::guard::Tenant;
use super::readings::Reading;
use super::{ApiDeps, Problem};
use crate::auth::{Permission, Principal};
use crate::base::event::{CallState, Direction, EndCause, Event, Record, Speaker, Way};
use crate::base::money::Money;
use crate::base::phone::Phone;
use crate::base::{CallId, Lang, limits, mask};
use crate::store::call_list::{self, Filter, Place};
use crate::store::calls::{self, Call};
use crate::store::journal;

#[derive(OpenApi)]
#[openapi(
    paths(list, table, status, turns, events),
    tags((name = "calls", description = "Calls, live and over"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/calls", get(list))
        .route("/api/calls.csv", get(table))
        .route("/api/calls/status/{id}", get(status))
        .route("/api/calls/{id}/turns", get(turns))
        .route("/api/calls/{id}/events", get(events))
}

/// A call, live or over.
#[derive(Serialize, ToSchema)]
pub(super) struct CallView {
    id: CallId,
    transport: String,
    /// Its id at the carrier.
    carrier_call: Option<String>,
    direction: Direction,
    agent: String,
    campaign: String,
    customer: Option<String>,
    /// The same for all calls of one number, on this box only.
    caller_hash: Option<String>,
    language: Option<Lang>,
    state: CallState,
    cause: Option<EndCause>,
    started_ms: u64,
    connected_ms: Option<u64>,
    ended_ms: Option<u64>,
    duration_ms: Option<u64>,
    turns: u32,
    cost_paise: Money,
}

impl From<Call> for CallView {
    fn from(call: Call) -> Self {
        Self {
            id: call.id,
            transport: call.transport,
            carrier_call: call.carrier_call,
            direction: call.direction,
            agent: call.agent,
            campaign: call.campaign,
            customer: call.customer,
            caller_hash: call.caller_hash,
            language: call.language,
            state: call.state,
            cause: call.cause,
            started_ms: call.started_ms,
            connected_ms: call.connected_ms,
            ended_ms: call.ended_ms,
            duration_ms: call.duration_ms,
            turns: call.turns,
            cost_paise: Money::from_millipaise(call.cost_millipaise),
        }
    }
}

/// Which calls, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    state: Option<CallState>,
    direction: Option<Direction>,
    agent: Option<String>,
    campaign: Option<String>,
    language: Option<String>,
    customer: Option<Uuid>,
    /// Calls of this number, in any form.
    phone_number: Option<String>,
    /// Begun at or after this time, milliseconds since 1970.
    from_ms: Option<i64>,
    /// Begun before this time.
    to_ms: Option<i64>,
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CallPage {
    items: Vec<CallView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Calls, newest first. With `Accept: text/csv` as a table.
#[utoipa::path(
    get, path = "/api/calls", tag = "calls", params(Query),
    responses((status = 200, body = CallPage, content_type = "application/json"))
)]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    if wants_csv(&headers) {
        return export(deps, tenant, who, query).await;
    }
    let (found, next) = one_page(&deps, &tenant, &query, page(query.limit)?).await?;
    Ok(Json(CallPage { items: found.into_iter().map(Into::into).collect(), next }).into_response())
}

async fn one_page(
    deps: &ApiDeps,
    tenant: &Tenant,
    query: &Query,
    most: usize,
) -> Result<(Vec<Call>, Option<String>), Problem> {
    let phone = query.phone_number.as_deref().map(Phone::written).transpose();
    let phone = phone.map_err(|why| Problem::bad_request(format!("phone_number: {why}")))?;
    let language = query.language.as_deref().map(str::parse::<Lang>).transpose();
    let filter = Filter {
        state: query.state,
        direction: query.direction,
        agent: query.agent.clone(),
        campaign: query.campaign.clone(),
        language: language.map_err(|error| Problem::bad_request(error.to_string()))?,
        customer: query.customer.map(|id| id.to_string()),
        caller_hash: phone.map(|phone| phone_hash(deps).of(phone.reveal())),
        from_ms: query.from_ms,
        to_ms: query.to_ms,
    };
    let cursors = Cursors::new(deps, tenant, "calls", &filter);
    let after = cursors.place::<Place>(query.cursor.as_deref())?;
    let mut found = tenant.db.read(move |db| call_list::list(db, &filter, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |last| Place::of(last).to_string());
    Ok((found, next))
}

/// Calls as a table; at most 10,000, the rest by the cursor in the `link` header.
#[utoipa::path(
    get, path = "/api/calls.csv", tag = "calls", params(Query),
    responses((status = 200, body = String, content_type = "text/csv"))
)]
pub(super) async fn table(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    export(deps, tenant, who, query).await
}

async fn export(deps: ApiDeps, tenant: Tenant, who: Principal, query: Query) -> Result<Response, Problem> {
    csv::may_export(&who)?;
    let most = query.limit.unwrap_or(limits::CSV_ROWS_MAX).clamp(1, limits::CSV_ROWS_MAX);
    let (found, next) = one_page(&deps, &tenant, &query, most).await?;
    deps.audit.note(Some(&tenant.id), &who, "calls.export", "", json!({ "rows": found.len() })).await?;
    let mut table = Table::new(&[
        "id",
        "started_at",
        "direction",
        "agent",
        "campaign",
        "customer",
        "caller_hash",
        "language",
        "state",
        "cause",
        "duration_seconds",
        "turns",
        "cost_paise",
        "transport",
        "carrier_call",
    ]);
    let time = |ms: u64| csv::time(i64::try_from(ms).ok());
    for call in found {
        table.row([
            call.id.to_string().into(),
            time(call.started_ms),
            calls::word(&call.direction)?.into(),
            call.agent.as_str().into(),
            call.campaign.as_str().into(),
            csv::text(call.customer.as_deref()),
            csv::text(call.caller_hash.as_deref()),
            csv::shown(call.language),
            calls::word(&call.state)?.into(),
            call.cause.map(|cause| calls::word(&cause)).transpose()?.unwrap_or_default().into(),
            csv::shown(call.duration_ms.map(|ms| ms / 1_000)),
            call.turns.to_string().into(),
            Money::from_millipaise(call.cost_millipaise).paise().to_string().into(),
            call.transport.as_str().into(),
            csv::text(call.carrier_call.as_deref()),
        ]);
    }
    table.respond("calls", next.as_deref())
}

fn none() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", "there is no call with this id")
}

/// One step of a call's life.
#[derive(Serialize, ToSchema)]
pub(super) struct Step {
    unix_ms: u64,
    from: CallState,
    to: CallState,
}

/// How a call stands, and how it came there.
#[derive(Serialize, ToSchema)]
pub(super) struct CallStatus {
    call_id: CallId,
    status: CallState,
    #[serde(flatten)]
    call: CallView,
    updates: Vec<Step>,
}

/// How a call stands. Takes the box's id or the carrier's.
#[utoipa::path(
    get, path = "/api/calls/status/{id}", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = CallStatus))
)]
pub(super) async fn status(tenant: Tenant, Segments(id): Segments<String>) -> Result<Json<CallStatus>, Problem> {
    let found = tenant
        .db
        .read(move |db| {
            let Some(call) = calls::find(db, &id)? else { return Ok(None) };
            let updates = calls::status_updates(db, call.id)?;
            Ok(Some((call, updates)))
        })
        .await?;
    let (call, updates) = found.ok_or_else(none)?;
    let updates =
        updates.into_iter().map(|step| Step { unix_ms: step.unix_ms, from: step.from, to: step.to }).collect();
    Ok(Json(CallStatus { call_id: call.id, status: call.state, call: call.into(), updates }))
}

/// What one side said.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    text: String,
    /// The part of it that was played before the caller spoke over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<String>,
}

/// One turn.
#[derive(Serialize, ToSchema)]
pub(super) struct TurnView {
    turn: u32,
    unix_ms: u64,
    language: Option<Lang>,
    intent: Option<String>,
    way: Option<Way>,
    first_frame_ms: Option<u32>,
    #[schema(value_type = Object)]
    waterfall: Value,
    /// What the caller said; `null` without the right to read it, or where no transcripts are kept.
    caller: Option<String>,
    agent: Option<Vec<Line>>,
    /// What the person said who has taken the caller over.
    person: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Turns {
    call_id: CallId,
    /// Whether words are shown to you.
    words: bool,
    items: Vec<TurnView>,
    /// There were more events than are looked through; `/api/calls/{id}/events` has all.
    cut: bool,
}

/// Events of one call that its turns are read from.
const TURN_EVENTS_MAX: usize = 10_000;

/// May `who` read what was said on calls? Each reading is written down; one who goes on reading is
/// written down again after a while only.
pub(super) async fn words_for(
    deps: &ApiDeps,
    tenant: &Tenant,
    who: &Principal,
    call: CallId,
    how: &'static str,
) -> Result<bool, Problem> {
    let may = who.may(Permission::TranscriptsRead);
    let reading = Reading::new(who, call, how);
    if may && !deps.readings.is_noted(&reading, deps.clock.now()) {
        deps.audit.note(Some(&tenant.id), who, "transcript.view", &call.to_string(), json!({ "as": how })).await?;
        deps.readings.noted(reading, deps.clock.now());
    }
    Ok(may)
}

pub(super) async fn known(tenant: &Tenant, id: String) -> Result<Call, Problem> {
    tenant.db.read(move |db| calls::find(db, &id)).await?.ok_or_else(none)
}

/// The turns of a call, with what was said for those who may read it.
#[utoipa::path(
    get, path = "/api/calls/{id}/turns", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Turns))
)]
pub(super) async fn turns(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<Json<Turns>, Problem> {
    let call = known(&tenant, id).await?.id;
    let words = words_for(&deps, &tenant, &who, call, "turns").await?;
    let (answered, records) = tenant
        .db
        .read(move |db| {
            let records = if words { journal::of_call(db, call, 0, TURN_EVENTS_MAX)? } else { Vec::new() };
            Ok((calls::turns(db, call)?, records))
        })
        .await?;
    let cut = records.len() >= TURN_EVENTS_MAX;
    let mut items: Vec<TurnView> = answered
        .into_iter()
        .map(|turn| TurnView {
            turn: turn.turn,
            unix_ms: turn.unix_ms,
            language: Some(turn.language),
            intent: turn.intent,
            way: Some(turn.way),
            first_frame_ms: turn.first_frame_ms,
            waterfall: turn.waterfall,
            caller: None,
            agent: None,
            person: None,
        })
        .collect();
    for journal::Numbered { record, .. } in records {
        add_words(&mut items, record, &who);
    }
    items.sort_by_key(|turn| turn.turn);
    Ok(Json(Turns { call_id: call, words, items, cut }))
}

/// What somebody without `personal_read` sees of words: no numbers.
fn readable(text: String, who: &Principal) -> String {
    if who.may(Permission::PersonalRead) { text } else { mask::text(&text) }
}

fn add_words(items: &mut Vec<TurnView>, record: Record, who: &Principal) {
    let (number, language) = match &record.event {
        Event::Heard { turn, language, .. } | Event::Said { turn, language, .. } => (*turn, *language),
        _ => return,
    };
    let at = items.iter().position(|item| item.turn == number).unwrap_or_else(|| {
        // A turn that was never answered, or what was said before the first.
        items.push(TurnView {
            turn: number,
            unix_ms: record.unix_ms,
            language: Some(language),
            intent: None,
            way: None,
            first_frame_ms: None,
            waterfall: json!({}),
            caller: None,
            agent: None,
            person: None,
        });
        items.len() - 1
    });
    let item = &mut items[at];
    match record.event {
        Event::Heard { by: Speaker::Caller, text, .. } if !text.is_empty() => item.caller = Some(readable(text, who)),
        Event::Heard { by: Speaker::Person, text, .. } if !text.is_empty() => item.person = Some(readable(text, who)),
        Event::Said { text, heard, cut, .. } if !text.is_empty() => {
            let heard = cut.then(|| readable(heard, who));
            item.agent.get_or_insert_default().push(Line { text: readable(text, who), heard });
        }
        _ => {}
    }
}

/// Which events of a call, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EventPage {
    call_id: CallId,
    items: Vec<Record>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// The facts of a call as the journal has them, oldest first.
#[utoipa::path(
    get, path = "/api/calls/{id}/events", tag = "calls", params(("id" = String, Path), EventQuery),
    responses((status = 200, body = EventPage))
)]
pub(super) async fn events(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
    Params(query): Params<EventQuery>,
) -> Result<Json<EventPage>, Problem> {
    let most = page(query.limit)?;
    let call = known(&tenant, id).await?.id;
    let cursors = Cursors::new(&deps, &tenant, "events", &call);
    let after = cursors.place::<u64>(query.cursor.as_deref())?.unwrap_or(0);
    let words = words_for(&deps, &tenant, &who, call, "events").await?;
    let mut found = tenant.db.read(move |db| journal::of_call(db, call, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |last| last.seq.to_string());
    let items = found.into_iter().map(|numbered| shown(numbered.record, words, &who)).collect();
    Ok(Json(EventPage { call_id: call, items, next }))
}

/// A fact as `who` may see it.
pub(super) fn shown(record: Record, words: bool, who: &Principal) -> Record {
    let event = if words { record.event } else { record.event.without_words() };
    let event = match event {
        Event::Heard { turn, by, language, confidence, text } => {
            Event::Heard { turn, by, language, confidence, text: readable(text, who) }
        }
        Event::Said { turn, language, text, heard, cut } => {
            Event::Said { turn, language, text: readable(text, who), heard: readable(heard, who), cut }
        }
        other => other,
    };
    Record { event, ..record }
}
