//! `/api/consents`: who agreed to what. Numbers come in requests and are kept as keyed hashes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

use super::cursor::Cursors;
use super::customers::phone_hash;
use super::extract::{Body, Params, page};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::phone::Phone;
use crate::store::consents::{self, Channel, Consent, Purpose, Status, Verdict};
use crate::store::dnd::Category;

#[derive(OpenApi)]
#[openapi(
    paths(list, note, history, check),
    tags((name = "consents", description = "Who agreed to what, and took it back"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/consents", get(list).post(note))
        .route("/api/consents/history", post(history))
        .route("/api/consents/check", post(check))
}

/// A number as people write it.
pub(super) fn number(written: &str) -> Result<Phone, Problem> {
    Phone::written(written)
        .map_err(|why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", why.to_string()))
}

pub(super) fn by(who: &Principal) -> String {
    who.actor()
}

pub(super) fn now(deps: &ApiDeps) -> u64 {
    deps.clock.unix_ms(deps.clock.now())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One page.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsentPage {
    items: Vec<Consent>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// The ledger, newest entry first.
#[utoipa::path(
    get, path = "/api/consents", tag = "consents", params(Paging), responses((status = 200, body = ConsentPage))
)]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Params(Paging { cursor, limit }): Params<Paging>,
) -> Result<Json<ConsentPage>, Problem> {
    let cursors = Cursors::new(&deps, &tenant, "consents", &());
    let after = cursors.read(cursor.as_deref())?.and_then(|place| {
        let (ms, id) = place.split_once(' ')?;
        Some((ms.parse::<u64>().ok()?, id.parse::<Uuid>().ok()?))
    });
    let most = page(limit)?;
    let mut items = tenant.db.read(move |db| consents::list(db, after, most + 1)).await?;
    let next = cursors.cut(&mut items, most, |last| format!("{} {}", last.noted_ms, last.id));
    Ok(Json(ConsentPage { items, next }))
}

/// What somebody said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    #[schema(example = "98765 43210")]
    phone_number: String,
    purpose: Purpose,
    channel: Channel,
    status: Status,
    /// Said or ticked, not inferred.
    explicit: bool,
    /// When; now if it is left out.
    at_ms: Option<u64>,
    expires_ms: Option<u64>,
    /// The call on which it was said, as proof, and where in it.
    call: Option<Uuid>,
    call_offset_ms: Option<u64>,
    /// Version of the notice that was read out.
    #[serde(default)]
    notice: String,
    #[serde(default)]
    #[schema(example = "hi-IN")]
    language: String,
}

/// Writes down a consent or its withdrawal.
#[utoipa::path(
    post, path = "/api/consents", tag = "consents", request_body = Said, responses((status = 201, body = Consent))
)]
pub(super) async fn note(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(said): Body<Said>,
) -> Result<(StatusCode, Json<Consent>), Problem> {
    let now_ms = now(&deps);
    let consent = Consent {
        id: Uuid::now_v7(),
        phone_hash: phone_hash(&deps).of(number(&said.phone_number)?.reveal()),
        purpose: said.purpose,
        channel: said.channel,
        status: said.status,
        explicit: said.explicit,
        at_ms: said.at_ms.unwrap_or(now_ms),
        expires_ms: said.expires_ms,
        call: said.call.map(|call| call.to_string()),
        call_offset_ms: said.call_offset_ms,
        notice: said.notice,
        language: said.language,
        noted_by: by(&who),
        noted_ms: now_ms,
    };
    let (row, audit) = (consent.clone(), deps.audit.clone());
    tenant
        .db
        .write(move |db| {
            consents::insert(db, &row)?;
            let detail = json!({ "purpose": row.purpose, "status": row.status, "number": row.phone_hash });
            audit.note_in(db, &who, "consent.note", &row.id.to_string(), detail)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(consent)))
}

/// Whose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    #[schema(example = "98765 43210")]
    phone_number: String,
}

/// Every entry of a number, oldest first.
#[utoipa::path(
    post, path = "/api/consents/history", tag = "consents", request_body = Whose,
    responses((status = 200, body = Vec<Consent>))
)]
pub(super) async fn history(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Body(whose): Body<Whose>,
) -> Result<Json<Vec<Consent>>, Problem> {
    let hash = phone_hash(&deps).of(number(&whose.phone_number)?.reveal());
    Ok(Json(tenant.db.read(move |db| consents::history(db, &hash)).await?))
}

/// What is meant to be done with somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Meant {
    #[schema(example = "98765 43210")]
    phone_number: String,
    purpose: Purpose,
    /// What the call is about, as the register of preferences has it.
    category: Category,
}

/// What the ledger and the lists say of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Allowed {
    /// May the number be called for this now?
    call: bool,
    verdict: Verdict,
    /// What the ledger alone says.
    ledger: Verdict,
}

/// May this number be called for this purpose now? Asked before every call.
#[utoipa::path(
    post, path = "/api/consents/check", tag = "consents", request_body = Meant, responses((status = 200, body = Allowed))
)]
pub(super) async fn check(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Body(meant): Body<Meant>,
) -> Result<Json<Allowed>, Problem> {
    let hash = phone_hash(&deps).of(number(&meant.phone_number)?.reveal());
    let now_ms = now(&deps);
    let allowed = tenant
        .db
        .read(move |db| {
            let verdict = consents::may_call(db, &hash, &meant.purpose, meant.category, now_ms)?;
            let ledger = consents::may(db, &hash, &meant.purpose, now_ms)?;
            Ok(Allowed { call: verdict.is_allowed(), verdict, ledger })
        })
        .await?;
    Ok(Json(allowed))
}
