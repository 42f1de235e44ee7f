//! `/api/webhooks`: who is told of what happens on calls, and `/api/outbox`: what is still to be told.
//! Promise: a secret is shown once, when it is made; bodies of webhooks are not shown at all (they may
//! hold words); what is changed is written down in the audit log in the same transaction.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::Problem;
use super::cursor::Cursors;
use super::etag::{self, IfMatch};
use super::extract::{Body, Params, Segments, page};
use super::guard::Tenant;
use crate::auth::Principal;
use crate::auth::audit::Audit;
use crate::base::secret::Secret;
use crate::base::{DeliveryId, EndpointId, limits};
use crate::delivery::{self, Delivery, EventType, Outcome, Public};
use crate::store::outbox::{self, Of, Posted, Range, State as PostState};
use crate::store::webhooks::{self, Endpoint, Letter, Numbers, Standing};
use crate::store::{Database, StoreError, Vault};

/// A webhook as people see it.
#[derive(Serialize, ToSchema)]
struct Webhook {
    #[schema(value_type = String, format = "uuid")]
    id: EndpointId,
    url: String,
    /// What people call it.
    about: String,
    /// Event types; `["*"]` is all.
    events: Vec<String>,
    /// How it is told whom a call is with.
    numbers: Numbers,
    /// One after the other, in the order of events.
    ordered: bool,
    enabled: bool,
    /// Why the box itself switched it off; empty otherwise.
    disabled_why: String,
    version: u64,
    created_ms: u64,
    updated_ms: u64,
    standing: Standing,
}

impl From<(Endpoint, Standing)> for Webhook {
    fn from((endpoint, standing): (Endpoint, Standing)) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            about: endpoint.about,
            events: endpoint.events,
            numbers: endpoint.numbers,
            ordered: endpoint.ordered,
            enabled: endpoint.enabled,
            disabled_why: endpoint.disabled_why,
            version: endpoint.version,
            created_ms: endpoint.created_ms,
            updated_ms: endpoint.updated_ms,
            standing,
        }
    }
}

/// A webhook with the secret that signs it: shown this once.
#[derive(Serialize, ToSchema)]
struct Made {
    #[serde(flatten)]
    webhook: Webhook,
    /// `whsec_…`, for the receiver's library of Standard Webhooks.
    secret: String,
}

/// What makes or changes a webhook.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// `https://…`
    #[schema(max_length = 2000)]
    url: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    about: String,
    /// Event types such as `call.ended`; `["*"]` is all.
    #[serde(default = "everything")]
    #[schema(min_items = 1)]
    events: Vec<String>,
    #[serde(default)]
    numbers: Numbers,
    #[serde(default)]
    ordered: bool,
    #[serde(default = "yes")]
    enabled: bool,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

const fn yes() -> bool {
    true
}

/// One webhook that was or is to be delivered.
#[derive(Serialize, ToSchema)]
struct Delivered {
    /// The `webhook-id`: the same over all attempts and replays.
    #[schema(value_type = String, format = "uuid")]
    id: DeliveryId,
    #[schema(value_type = String, format = "uuid")]
    endpoint: EndpointId,
    event_type: String,
    /// The call it is about, or empty.
    about: String,
    /// Its place in the endpoint's line.
    sequence: u64,
    created_ms: u64,
    state: PostState,
    attempts: u32,
    replays: u32,
    /// When it is tried next; `null` once it is settled.
    next_ms: Option<u64>,
    settled_ms: Option<u64>,
    /// Of the last attempt that got an answer.
    status: Option<u16>,
    /// Of the last attempt that failed.
    error: String,
}

impl From<Posted> for Delivered {
    fn from(row: Posted) -> Self {
        Self {
            id: row.id,
            endpoint: row.endpoint,
            event_type: row.event_type,
            about: row.about,
            sequence: row.sequence,
            created_ms: row.created_ms,
            state: row.state,
            attempts: row.attempts,
            replays: row.replays,
            next_ms: (row.state == PostState::Waiting).then_some(row.next_ms),
            settled_ms: row.settled_ms,
            status: row.status,
            error: row.error,
        }
    }
}

/// Newest first.
#[derive(Serialize, ToSchema)]
struct DeliveryPage {
    items: Vec<Delivered>,
    /// For the next page; `null` on the last.
    next: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    cursor: Option<String>,
    #[param(minimum = 1)]
    limit: Option<usize>,
}

/// How an endpoint answered a test.
#[derive(Serialize, ToSchema)]
struct Tested {
    delivered: bool,
    status: Option<u16>,
    /// A fixed phrase; never what the other side wrote.
    error: String,
    took_ms: u64,
}

/// How long the secret that is replaced goes on signing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotation {
    /// 0: it signs nothing any more, at once. Left out: 24.
    #[schema(maximum = 720)]
    keep_old_hours: Option<u32>,
}

/// What to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// Events from then on, RFC 3339 such as `2026-11-30T09:00:00Z`.
    #[schema(value_type = String, format = "date-time")]
    since: jiff::Timestamp,
    /// Up to then; left out: up to now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    until: Option<jiff::Timestamp>,
    /// Dead letters only, nothing that was delivered.
    #[serde(default)]
    dead_only: bool,
}

#[derive(Serialize, ToSchema)]
struct Queued {
    queued: usize,
}

const TAG: &str = "webhooks";

/// What these resources need.
#[derive(Clone)]
pub(super) struct Desk {
    delivery: Delivery,
    audit: Audit,
    cursor_key: [u8; 32],
}

impl Desk {
    pub(super) fn new(delivery: Delivery, audit: Audit, vault: &Vault) -> Self {
        Self { delivery, audit, cursor_key: vault.master().derive("cursors") }
    }

    fn now_ms(&self) -> u64 {
        let clock = self.delivery.clock();
        clock.unix_ms(clock.now())
    }
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>(desk: Desk) -> Router<S> {
    Router::new()
        .route("/api/webhooks", get(list).post(create))
        .route("/api/webhooks/{id}", get(show).put(change).delete(remove))
        .route("/api/webhooks/{id}/rotate", post(rotate))
        .route("/api/webhooks/{id}/test", post(test))
        .route("/api/webhooks/{id}/deliveries", get(deliveries))
        .route("/api/webhooks/{id}/replay", post(replay_range))
        .route("/api/outbox", get(waiting))
        .route("/api/outbox/dead", get(dead))
        .route("/api/outbox/{id}/replay", post(replay))
        .with_state(desk)
}

#[derive(OpenApi)]
#[openapi(
    paths(list, create, show, change, remove, rotate, test, deliveries, replay_range, waiting, dead, replay),
    components(schemas(
        Webhook,
        Made,
        Wish,
        Delivered,
        DeliveryPage,
        Tested,
        Rotation,
        Again,
        Queued,
        delivery::WorkerProfile,
        delivery::Alert
    ))
)]
pub(super) struct Doc;

/// The path's id. One that no id can be belongs to nothing.
fn endpoint_id(text: &str) -> Result<EndpointId, Problem> {
    text.parse().map_err(|_| StoreError::NotFound("webhook of that id").into())
}

/// What is wrong with a wish, said so that it can be mended; the events by their own names.
fn checked(delivery: &Delivery, wish: Wish) -> Result<Wish, Problem> {
    let unfit = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", why);
    let url = wish.url.trim().to_owned();
    delivery.guard().check(&url).map_err(|refusal| unfit(format!("url: {refusal}")))?;
    if wish.about.chars().count() > limits::WEBHOOK_ABOUT_MAX {
        return Err(unfit(format!("about: write at most {} characters", limits::WEBHOOK_ABOUT_MAX)));
    }
    if wish.about.chars().any(char::is_control) {
        return Err(unfit("about: write plain text on one line".to_owned()));
    }
    if wish.events.is_empty() {
        return Err(unfit("events: name at least one event type, or `*` for all".to_owned()));
    }
    let mut events = Vec::new();
    for word in &wish.events {
        let name = match word.as_str() {
            "*" => "*",
            word => word.parse::<EventType>().map_err(|error| unfit(format!("events: {error}")))?.name(),
        };
        if !events.iter().any(|known| known == name) {
            events.push(name.to_owned());
        }
    }
    if events.iter().any(|event| event == "*") {
        events = everything();
    }
    Ok(Wish { url, events, ..wish })
}

/// With its version as ETag.
fn tagged<T: Serialize>(code: StatusCode, version: u64, body: T) -> Response {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    (code, [etag::header_of(version)], Json(body)).into_response()
}

async fn found(db: &Database, id: EndpointId) -> Result<(Endpoint, Standing), Problem> {
    let found = db.read(move |db| webhooks::get(db, id)).await?;
    found.ok_or_else(|| StoreError::NotFound("webhook of that id").into())
}

/// All webhooks of the tenant, oldest first.
#[utoipa::path(get, path = "/api/webhooks", tag = TAG, responses((status = 200, body = Vec<Webhook>)))]
async fn list(tenant: Tenant) -> Result<Json<Vec<Webhook>>, Problem> {
    let all = tenant.db.read(webhooks::list).await?;
    Ok(Json(all.into_iter().map(Webhook::from).collect()))
}

/// Makes a webhook. Its secret is in this answer and never again.
#[utoipa::path(post, path = "/api/webhooks", tag = TAG, request_body = Wish,
    responses((status = 201, body = Made), (status = 409, description = "as many as a tenant may have"), (status = 422, description = "what is wrong with it")))]
async fn create(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let wish = checked(&desk.delivery, wish)?;
    let secret = fresh_secret()?;
    let now_ms = desk.now_ms();
    let endpoint = Endpoint {
        id: EndpointId::new(),
        url: wish.url,
        about: wish.about,
        events: wish.events,
        numbers: wish.numbers,
        ordered: wish.ordered,
        enabled: wish.enabled,
        disabled_why: String::new(),
        version: 1,
        created_ms: now_ms,
        updated_ms: now_ms,
    };
    let (row, kept) = (endpoint.clone(), secret.clone());
    let audit = desk.audit.clone();
    tenant
        .db
        .write(move |db| {
            webhooks::insert(db, &row, &kept)?;
            audit.note_in(db, &who, "webhook.create", &row.id.to_string(), noted(&row))?;
            Ok(())
        })
        .await?;
    desk.delivery.bell().ring();
    let made = Made { webhook: (endpoint, Standing::default()).into(), secret: secret.expose().to_owned() };
    Ok(tagged(StatusCode::CREATED, 1, made))
}

fn fresh_secret() -> Result<Secret, Problem> {
    delivery::new_secret().map_err(|error| {
        tracing::error!(%error, "no secret could be made");
        Problem::internal("no secret could be made; the log says why")
    })
}

/// For the audit log: where to, but not what stands behind the name, which may be a key.
fn noted(endpoint: &Endpoint) -> serde_json::Value {
    let host = url::Url::parse(&endpoint.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    json!({
        "host": host, "events": endpoint.events, "numbers": endpoint.numbers,
        "ordered": endpoint.ordered, "enabled": endpoint.enabled,
    })
}

/// One webhook.
#[utoipa::path(get, path = "/api/webhooks/{id}", tag = TAG, params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Webhook), (status = 404, description = "there is none")))]
async fn show(tenant: Tenant, Segments(id): Segments<String>) -> Result<Response, Problem> {
    let found = found(&tenant.db, endpoint_id(&id)?).await?;
    Ok(tagged(StatusCode::OK, found.0.version, Webhook::from(found)))
}

/// Changes a webhook, whole. One that was given up on is tried again at once.
#[utoipa::path(put, path = "/api/webhooks/{id}", tag = TAG, request_body = Wish,
    params(("id" = String, Path, format = "uuid"), ("If-Match" = String, Header)),
    responses((status = 200, body = Webhook), (status = 404, description = "there is none"),
        (status = 412, description = "changed meanwhile"), (status = 422, description = "what is wrong with it"), (status = 428, description = "If-Match is missing")))]
async fn change(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    if_match: IfMatch,
    Segments(id): Segments<String>,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let wish = checked(&desk.delivery, wish)?;
    let (kept, _) = found(&tenant.db, endpoint_id(&id)?).await?;
    if_match.check(i64::try_from(kept.version).unwrap_or(i64::MAX))?;
    let changed = Endpoint {
        url: wish.url,
        about: wish.about,
        events: wish.events,
        numbers: wish.numbers,
        ordered: wish.ordered,
        // A person has looked at it.
        disabled_why: if wish.enabled { String::new() } else { kept.disabled_why },
        enabled: wish.enabled,
        updated_ms: desk.now_ms(),
        ..kept
    };
    let id = changed.id;
    let audit = desk.audit.clone();
    let found = tenant
        .db
        .write(move |db| {
            webhooks::update(db, &changed)?;
            audit.note_in(db, &who, "webhook.change", &id.to_string(), noted(&changed))?;
            webhooks::get(db, id)?.ok_or(StoreError::NotFound("webhook of that id"))
        })
        .await?;
    desk.delivery.bell().ring();
    Ok(tagged(StatusCode::OK, found.0.version, Webhook::from(found)))
}

/// Removes a webhook and all that still waits for it.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = TAG,
    params(("id" = String, Path, format = "uuid"), ("If-Match" = String, Header)),
    responses((status = 204), (status = 404, description = "there is none"), (status = 412, description = "changed meanwhile"), (status = 428, description = "If-Match is missing")))]
async fn remove(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    if_match: IfMatch,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let (kept, _) = found(&tenant.db, endpoint_id(&id)?).await?;
    if_match.check(i64::try_from(kept.version).unwrap_or(i64::MAX))?;
    let now_ms = desk.now_ms();
    let audit = desk.audit.clone();
    tenant
        .db
        .write(move |db| {
            webhooks::remove(db, kept.id, now_ms)?;
            audit.note_in(db, &who, "webhook.remove", &kept.id.to_string(), noted(&kept))?;
            Ok(())
        })
        .await?;
    desk.delivery.bell().ring();
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret, shown in this answer and never again. The old one signs beside it for a while.
#[utoipa::path(post, path = "/api/webhooks/{id}/rotate", tag = TAG, request_body = Rotation,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Made), (status = 404, description = "there is none"), (status = 422, description = "too long")))]
async fn rotate(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
    Body(rotation): Body<Rotation>,
) -> Result<Response, Problem> {
    const HOURS_MAX: u32 = 720;
    let id = endpoint_id(&id)?;
    let usual = limits::WEBHOOK_OLD_SECRET.as_secs() / 3_600;
    let hours = rotation.keep_old_hours.map_or(usual, u64::from);
    if hours > u64::from(HOURS_MAX) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not possible",
            format!("keep_old_hours: write 0 to {HOURS_MAX}"),
        ));
    }
    let secret = fresh_secret()?;
    let now_ms = desk.now_ms();
    let kept = secret.clone();
    let audit = desk.audit.clone();
    let found = tenant
        .db
        .write(move |db| {
            webhooks::rotate(db, id, &kept, now_ms + hours * 3_600_000, now_ms)?;
            audit.note_in(db, &who, "webhook.rotate", &id.to_string(), json!({"keep_old_hours": hours}))?;
            webhooks::get(db, id)?.ok_or(StoreError::NotFound("webhook of that id"))
        })
        .await?;
    let version = found.0.version;
    Ok(tagged(StatusCode::OK, version, Made { webhook: found.into(), secret: secret.expose().to_owned() }))
}

/// Sends one signed `webhook.test` now, beside the outbox, and tells how it was answered.
#[utoipa::path(post, path = "/api/webhooks/{id}/test", tag = TAG, params(("id" = String, Path, format = "uuid")),
    responses((status = 200, body = Tested), (status = 404, description = "there is none")))]
async fn test(
    State(desk): State<Desk>,
    tenant: Tenant,
    Segments(id): Segments<String>,
) -> Result<Json<Tested>, Problem> {
    let id = endpoint_id(&id)?;
    let (endpoint, _) = found(&tenant.db, id).await?;
    let secrets = tenant.db.read(move |db| webhooks::secrets(db, id)).await?;
    let secrets = secrets.ok_or(StoreError::NotFound("webhook of that id"))?;
    let body = Public::test(desk.now_ms()).body(endpoint.numbers).map_err(StoreError::from)?;
    let clock = desk.delivery.clock();
    let began = clock.now();
    let outcome = desk.delivery.try_once(&Letter { id: DeliveryId::new(), url: endpoint.url, body, secrets }).await;
    let took_ms = u64::try_from(clock.now().since(began).as_millis()).unwrap_or(u64::MAX);
    let (delivered, status, error) = match outcome {
        Outcome::Delivered { status } => (true, Some(status), String::new()),
        Outcome::Failed { status, why, .. } => (false, status, why),
        Outcome::Gone => (false, Some(410), "HTTP 410: nobody is there any more".to_owned()),
        Outcome::Vanished => (false, None, "it was removed meanwhile".to_owned()),
    };
    Ok(Json(Tested { delivered, status, error, took_ms }))
}

/// What a webhook was sent and is still to be sent, newest first.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", tag = TAG,
    params(("id" = String, Path, format = "uuid"), Paging),
    responses((status = 200, body = DeliveryPage), (status = 400, description = "a cursor of another list"), (status = 404, description = "there is none")))]
async fn deliveries(
    State(desk): State<Desk>,
    tenant: Tenant,
    Segments(id): Segments<String>,
    Params(paging): Params<Paging>,
) -> Result<Json<DeliveryPage>, Problem> {
    let id = endpoint_id(&id)?;
    found(&tenant.db, id).await?;
    pages(&desk, &tenant, Of::Endpoint(id), &format!("deliveries {id}"), paging).await
}

/// Everything that waits to be delivered, newest first.
#[utoipa::path(get, path = "/api/outbox", tag = TAG, params(Paging),
    responses((status = 200, body = DeliveryPage), (status = 400, description = "a cursor of another list")))]
async fn waiting(
    State(desk): State<Desk>,
    tenant: Tenant,
    Params(paging): Params<Paging>,
) -> Result<Json<DeliveryPage>, Problem> {
    pages(&desk, &tenant, Of::State(PostState::Waiting), "outbox", paging).await
}

/// Dead letters: what was given up, newest first.
#[utoipa::path(get, path = "/api/outbox/dead", tag = TAG, params(Paging),
    responses((status = 200, body = DeliveryPage), (status = 400, description = "a cursor of another list")))]
async fn dead(
    State(desk): State<Desk>,
    tenant: Tenant,
    Params(paging): Params<Paging>,
) -> Result<Json<DeliveryPage>, Problem> {
    pages(&desk, &tenant, Of::State(PostState::Dead), "dead letters", paging).await
}

async fn pages(
    desk: &Desk,
    tenant: &Tenant,
    of: Of,
    name: &str,
    paging: Paging,
) -> Result<Json<DeliveryPage>, Problem> {
    let most = page(paging.limit)?;
    let cursors = Cursors::keyed(desk.cursor_key, tenant.id.as_str(), name, &());
    let before = cursors.place::<DeliveryId>(paging.cursor.as_deref())?;
    let mut rows = tenant.db.read(move |db| outbox::list(db, of, before, most + 1)).await?;
    let next = cursors.cut(&mut rows, most, |row| row.id.to_string());
    Ok(Json(DeliveryPage { items: rows.into_iter().map(Delivered::from).collect(), next }))
}

/// Sends one webhook again that was delivered or given up: the same id and bytes, at the end of the line.
#[utoipa::path(post, path = "/api/outbox/{id}/replay", tag = TAG, params(("id" = String, Path, format = "uuid")),
    responses((status = 202, body = Delivered), (status = 404, description = "there is none"), (status = 409, description = "it waits already, or too many do")))]
async fn replay(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<Delivered>), Problem> {
    let id: DeliveryId = id.parse().map_err(|_| StoreError::NotFound("webhook of that id in the outbox"))?;
    let now_ms = desk.now_ms();
    let audit = desk.audit.clone();
    let row = tenant
        .db
        .write(move |db| {
            outbox::replay(db, id, now_ms)?;
            audit.note_in(db, &who, "webhook.replay", &id.to_string(), json!({}))?;
            outbox::get(db, id)?.ok_or(StoreError::NotFound("webhook of that id in the outbox"))
        })
        .await?;
    desk.delivery.bell().ring();
    Ok((StatusCode::ACCEPTED, Json(row.into())))
}

/// Sends everything again that an endpoint was sent of events in a range, oldest first: the same ids
/// and bytes, at the end of the line.
#[utoipa::path(post, path = "/api/webhooks/{id}/replay", tag = TAG, request_body = Again,
    params(("id" = String, Path, format = "uuid")),
    responses((status = 202, body = Queued), (status = 404, description = "there is none"), (status = 409, description = "too many wait already")))]
async fn replay_range(
    State(desk): State<Desk>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
    Body(again): Body<Again>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let endpoint = endpoint_id(&id)?;
    found(&tenant.db, endpoint).await?;
    let now_ms = desk.now_ms();
    let ms = |at: jiff::Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
    let (since_ms, until_ms) = (ms(again.since), again.until.map_or(now_ms, ms).min(now_ms));
    if since_ms > until_ms {
        return Err(Problem::bad_request("since: write a time before `until`, and none in the future"));
    }
    let range = Range { endpoint, since_ms, until_ms, dead_only: again.dead_only };
    let mut queued = 0;
    let mut after = None;
    let mut done = Ok(());
    loop {
        // Batch by batch, so that calls never wait behind it.
        match tenant.db.write(move |db| outbox::replay_range(db, range, after, now_ms)).await {
            Ok((rows, next)) => {
                queued += rows;
                after = next;
            }
            Err(error) => {
                done = Err(error);
                break;
            }
        }
        if after.is_none() {
            break;
        }
    }
    desk.delivery.bell().ring();
    let detail = json!({"since_ms": since_ms, "until_ms": until_ms, "dead_only": again.dead_only, "queued": queued});
    desk.audit.note(Some(&tenant.id), &who, "webhook.replay", &endpoint.to_string(), detail).await?;
    done?;
    Ok((StatusCode::ACCEPTED, Json(Queued { queued })))
}

#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod tests;
