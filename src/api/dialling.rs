//! Asking the box to call somebody.
//!
//! Promise: 202 means that the call is on the disk and will be tried once; whoever asks twice for the same
//! customer rings them once. Absent on purpose: lists of calls, windows and retries (a campaign's).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::customers::phone_hash;
use super::extract::{Body, Key};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::event::CallState;
use crate::base::money::Money;
use crate::base::phone::Phone;
use crate::base::{CallId, limits};
use crate::call::lifecycle;
use crate::call::registry::{NotCalled, Wanted};
use crate::store::{StoreError, customers};
use crate::telephony::leg::Refusal;

#[derive(OpenApi)]
#[openapi(paths(initiate, trigger, trigger_many))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/calls/initiate", post(initiate))
        .route("/trigger-call/{id}", post(trigger))
        .route("/trigger-bulk-calls", post(trigger_many))
}

/// Whom to call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallInput {
    /// Any form in which it is written in India, or + and the country code.
    #[schema(example = "98765 43210")]
    phone_number: String,
    /// Which agent speaks; absent: the usual one.
    agent: Option<String>,
    /// Through which transport (`twilio`); absent: the usual one.
    transport: Option<String>,
    /// What the agent knows of the person: `customer name`, `amount due`, `due date`, `loan id` and any other.
    #[serde(default)]
    facts: BTreeMap<String, String>,
    /// The number to show; absent: the transport's own.
    caller_id: Option<String>,
    /// It rings so long at most.
    #[schema(minimum = 5, maximum = 120)]
    ring_seconds: Option<u64>,
    /// Find out whether a machine answers, and leave it a message.
    #[serde(default)]
    detect_machine: bool,
    /// Not taken here: add an endpoint under `/api/webhooks`, which hears of every call.
    webhook_url: Option<String>,
}

/// A call that is being placed.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    call_id: CallId,
    status: CallState,
}

type Accepted = (StatusCode, HeaderMap, Json<Begun>);

fn impossible(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", detail)
}

fn problem(refused: NotCalled) -> Problem {
    let detail = format!("{refused}; nobody was called");
    let wait = |detail: String| Problem {
        retry_after: Some(Duration::from_secs(30)),
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no room for a call", detail)
    };
    match refused {
        NotCalled::UnknownAgent => impossible(format!("agent: {detail}; `vaani config check` lists them")),
        NotCalled::UnknownTransport => impossible(format!("transport: {detail}")),
        NotCalled::NoDialer => Problem::new(StatusCode::CONFLICT, "placing calls is not set up", detail),
        NotCalled::DoNotCall => Problem::new(StatusCode::CONFLICT, "not to be called", detail),
        NotCalled::AlreadyCalling(_) => Problem::new(StatusCode::CONFLICT, "being called already", detail),
        NotCalled::Refused(Refusal::Full | Refusal::Overloaded | Refusal::Draining) => wait(detail),
        NotCalled::Refused(_) => impossible(detail),
        NotCalled::Store(StoreError::Conflict(why)) => {
            Problem::new(StatusCode::CONFLICT, "not in this state", format!("{why}; nobody was called"))
        }
        NotCalled::Store(error) => error.into(),
    }
}

fn begun(call_id: CallId) -> Accepted {
    let mut headers = HeaderMap::new();
    // An id has no character that a header could not hold.
    if let Ok(place) = HeaderValue::from_str(&format!("/api/calls/status/{call_id}")) {
        headers.insert(header::LOCATION, place);
    }
    (StatusCode::ACCEPTED, headers, Json(Begun { call_id, status: CallState::Initiated }))
}

async fn place(deps: &ApiDeps, tenant: &Tenant, who: &Principal, wanted: Wanted) -> Result<CallId, Problem> {
    let about = wanted.customer.map(|id| id.to_string()).unwrap_or_default();
    let hash = phone_hash(deps).of(wanted.to.reveal());
    let placed = deps.registry.originate(wanted).await.map_err(problem);
    if placed.as_ref().is_err_and(|problem| problem.code == StatusCode::UNPROCESSABLE_ENTITY) {
        // A request that makes no sense is nothing that was done.
        return placed;
    }
    let answer = match &placed {
        Ok(call) => call.to_string(),
        Err(problem) => problem.title.clone(),
    };
    let detail = json!({ "phone_hash": hash, "answer": answer });
    deps.audit.note(Some(&tenant.id), who, "call.asked", &about, detail).await?;
    placed
}

/// Calls a number. The answer comes before it rings; how it went is at the address of `Location`.
#[utoipa::path(post, path = "/api/calls/initiate", tag = "calls", request_body = CallInput,
    responses((status = 202, description = "The call is being placed.", body = Begun)))]
pub(super) async fn initiate(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(input): Body<CallInput>,
) -> Result<Accepted, Problem> {
    let number = |name: &str, text: &str| Phone::written(text).map_err(|why| impossible(format!("{name}: {why}")));
    let to = number("phone_number", &input.phone_number)?;
    let caller_id = input.caller_id.as_deref().map(|text| number("caller_id", text)).transpose()?;
    if input.webhook_url.is_some() {
        return Err(impossible("webhook_url: add an endpoint under /api/webhooks; it hears of the end of every call"));
    }
    let ring = match input.ring_seconds {
        None => limits::RING_USUAL,
        Some(seconds @ 5..=120) => Duration::from_secs(seconds),
        Some(_) => return Err(impossible("ring_seconds: from 5 to 120")),
    };
    let long = |text: &String| text.chars().count() > limits::CUSTOMER_TEXT_CHARS_MAX;
    if input.facts.len() > limits::CALL_FACTS_MAX || input.facts.iter().any(|(key, value)| long(key) || long(value)) {
        return Err(impossible(format!(
            "facts: at most {} of {} characters",
            limits::CALL_FACTS_MAX,
            limits::CUSTOMER_TEXT_CHARS_MAX
        )));
    }
    // What the agent's file says of its example customer is not said to anybody else.
    let mut facts = nothing_known();
    facts.extend(input.facts);
    let wanted = Wanted {
        tenant: tenant.id.clone(),
        agent: input.agent,
        to,
        customer: None,
        facts,
        language: None,
        state: None,
        district: None,
        caller_id,
        through: input.transport,
        ring,
        detect_machine: input.detect_machine,
    };
    place(&deps, &tenant, &who, wanted).await.map(begun)
}

const ABOUT_SOMEBODY: [&str; 4] = ["customer name", "amount due", "due date", "loan id"];

fn nothing_known() -> Vec<(String, String)> {
    ABOUT_SOMEBODY.map(|key| (key.to_owned(), String::new())).to_vec()
}

/// What an agent may know of a customer.
fn facts(customer: &customers::Fields) -> Vec<(String, String)> {
    let amount = customer.amount_paise.or(customer.outstanding_paise);
    let amount = amount.map(|paise| Money::from_paise(paise.unsigned_abs()).to_string());
    let known = [Some(customer.name.clone()), amount, customer.due_date.clone(), customer.loan_id.clone()];
    ABOUT_SOMEBODY.iter().zip(known).map(|(key, value)| ((*key).to_owned(), value.unwrap_or_default())).collect()
}

/// May this customer be called now?
fn callable(db: &rusqlite::Connection, id: Uuid) -> Result<Result<customers::Customer, Problem>, StoreError> {
    let Some(customer) = customers::get(db, id)? else {
        return Ok(Err(Problem::new(StatusCode::NOT_FOUND, "not found", "there is no customer with this id")));
    };
    Ok(if lifecycle::allowed(customer.status, CallState::Initiated) {
        Ok(customer)
    } else {
        let state = customers::status_name(customer.status);
        Err(Problem::new(
            StatusCode::CONFLICT,
            "not in this state",
            format!("the customer is {state}; only one who is ready can be called"),
        ))
    })
}

/// Calls a customer. They are `initiated` from then on, and `ready` again when somebody says so.
#[utoipa::path(post, path = "/trigger-call/{id}", tag = "calls", params(("id" = Uuid, Path)),
    responses((status = 202, description = "The call is being placed.", body = Begun)))]
pub(super) async fn trigger(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Key(id): Key,
) -> Result<Accepted, Problem> {
    let customer = tenant.db.read(move |db| callable(db, id)).await??.fields;
    let wanted = Wanted {
        tenant: tenant.id.clone(),
        agent: None,
        facts: facts(&customer),
        to: customer.phone,
        customer: Some(id),
        language: customer.language,
        state: customer.state,
        district: customer.district,
        caller_id: None,
        through: None,
        ring: limits::RING_USUAL,
        detect_machine: true,
    };
    place(&deps, &tenant, &who, wanted).await.map(begun)
}

/// Customers that one request may ask calls for.
const TRIGGERED_MAX: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Many {
    #[schema(min_items = 1, max_items = 1000)]
    customer_ids: Vec<Uuid>,
}

/// Asks for calls to customers. Not there yet: a request that is right is answered with 501.
#[utoipa::path(post, path = "/trigger-bulk-calls", tag = "calls", request_body = Many,
    responses((status = 501, description = "Calling a list is not there yet.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn trigger_many(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(Many { customer_ids }): Body<Many>,
) -> Result<StatusCode, Problem> {
    if !deps.vault.disk().campaigns_may_start() {
        return Err(Problem::no_room("no calls are begun for many customers at once"));
    }
    let asked = customer_ids.len();
    if !(1..=TRIGGERED_MAX).contains(&asked) {
        return Err(Problem::bad_request(format!("customer_ids must have 1 to {TRIGGERED_MAX} ids")));
    }
    let ready = tenant
        .db
        .read(move |db| {
            let mut ready = 0;
            for id in customer_ids {
                ready += usize::from(callable(db, id)?.is_ok());
            }
            Ok(ready)
        })
        .await?;
    deps.audit.note(Some(&tenant.id), &who, "call.asked", "", json!({ "customers": asked, "ready": ready })).await?;
    Err(Problem::new(
        StatusCode::NOT_IMPLEMENTED,
        "calling a list is not there yet",
        format!(
            "{ready} of {asked} customers could be called; this version of vaani calls one at a time \
             (/trigger-call/{{id}}); nobody was called and nothing is queued"
        ),
    ))
}
