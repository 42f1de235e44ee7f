//! `/api/privacy` and `/api/holds`: everything about one person, told or erased, and what stands
//! against deleting.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

use super::consents::{by, now, number};
use super::cursor::Cursors;
use super::customers::phone_hash;
use super::extract::{Body, Key, Params, page};
use super::guard::Tenant;
use super::{ApiDeps, Problem, stream};
use crate::auth::Principal;
use crate::store::holds::{self, Hold, Scope};
use crate::store::person::{self, Asked, Purpose, Receipt};
use crate::store::{StoreError, care};

#[derive(OpenApi)]
#[openapi(
    paths(export, erase, list_holds, place_hold, lift_hold),
    tags((name = "privacy", description = "One person: told, erased, held"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/privacy/export", post(export))
        .route("/api/privacy/erase", post(erase))
        .route("/api/holds", get(list_holds).post(place_hold))
        .route("/api/holds/{id}", delete(lift_hold))
}

/// Who: by number, or by the id of one customer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    #[schema(example = "98765 43210")]
    phone_number: Option<String>,
    customer_id: Option<Uuid>,
}

impl Who {
    fn asked(&self) -> Result<Asked, Problem> {
        match (&self.phone_number, self.customer_id) {
            (Some(written), None) => Ok(Asked::Phone(number(written)?)),
            (None, Some(id)) => Ok(Asked::Customer(id.to_string())),
            _ => Err(Problem::bad_request("name one person: either phone_number or customer_id")),
        }
    }
}

/// Everything that is kept of one person, as one JSON document: rows of all tables, and the names of
/// recordings and transcripts.
#[utoipa::path(
    post, path = "/api/privacy/export", tag = "privacy", request_body = Who,
    responses((status = 200, description = "Written as it is read.", body = Object, content_type = "application/json"))
)]
pub(super) async fn export(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(whom): Body<Who>,
) -> Result<Response, Problem> {
    let (asked, hash, now_ms) = (whom.asked()?, phone_hash(&deps), now(&deps));
    let subject = tenant.db.read(move |db| person::find(db, &asked, &hash, Purpose::Export)).await?;
    if subject.is_unknown() {
        return Err(StoreError::NotFound("person of that id").into());
    }
    // Before the first byte: what was told is on record even if the connection breaks.
    let detail = json!({ "calls": subject.calls.len(), "customers": subject.customers.len() });
    deps.audit.note(Some(&tenant.id), &who, "person.export", &subject.name, detail).await?;
    let (mut pen, body) = stream::writer();
    let db = tenant.db;
    deps.tasks.spawn("export of a person", async move {
        let done = db
            .read(move |db| {
                let written = person::export(db, &subject, now_ms, &mut pen);
                match written {
                    Ok(_) => Ok(pen.finish()?),
                    Err(error) => {
                        pen.break_off();
                        Err(error)
                    }
                }
            })
            .await;
        if let Err(error) = done {
            tracing::warn!(%error, "the export of a person broke off");
        }
    });
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"person.json\""));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Erases everything that is kept of one person, but for what law obliges to keep. Refused under a
/// legal hold. Doing it again changes nothing and gives the same receipt.
#[utoipa::path(
    post, path = "/api/privacy/erase", tag = "privacy", request_body = Who, responses((status = 200, body = Receipt))
)]
pub(super) async fn erase(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(whom): Body<Who>,
) -> Result<Json<Receipt>, Problem> {
    let (asked, hash, now_ms) = (whom.asked()?, phone_hash(&deps), now(&deps));
    let subject = tenant.db.read(move |db| person::find(db, &asked, &hash, Purpose::Erase)).await?;
    let (audit, name) = (deps.audit.clone(), subject.name.clone());
    let actor = who.clone();
    let erased = tenant
        .db
        .write(move |db| {
            let receipt = person::erase(db, subject, &by(&actor), now_ms)?;
            let detail = json!({ "receipt": receipt.id, "gone": receipt.gone, "repeated": receipt.repeated });
            audit.note_in(db, &actor, "person.erase", &receipt.subject, detail)?;
            Ok(receipt)
        })
        .await;
    let receipt = match erased {
        Ok(receipt) => receipt,
        Err(refused) => {
            let detail = json!({ "refused": matches!(refused, StoreError::Conflict(_)) });
            deps.audit.note(Some(&tenant.id), &who, "person.erase.refused", &name, detail).await?;
            return Err(refused.into());
        }
    };
    let calls: Vec<_> = receipt.calls.iter().filter_map(|call| call.parse().ok()).collect();
    deps.registry.forget(&calls);
    // Sound is not left lying until the night.
    deps.recordings.remove_gone(&tenant.id, &tenant.db).await;
    // What was deleted is overwritten in the file; the log of the database still has it until now.
    let db = tenant.db;
    match tokio::task::spawn_blocking(move || care::checkpoint(&db)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the log of a database could not be emptied; it is tried again every night")
        }
        Err(_) => tracing::warn!("emptying the log of a database broke; it is tried again every night"),
    }
    Ok(Json(receipt))
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
pub(super) struct HoldPage {
    items: Vec<Hold>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Legal holds, newest first, those that were lifted too.
#[utoipa::path(get, path = "/api/holds", tag = "privacy", params(Paging), responses((status = 200, body = HoldPage)))]
pub(super) async fn list_holds(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Params(Paging { cursor, limit }): Params<Paging>,
) -> Result<Json<HoldPage>, Problem> {
    let cursors = Cursors::new(&deps, &tenant, "holds", &());
    let after = cursors.read(cursor.as_deref())?.and_then(|place| {
        let (ms, id) = place.split_once(' ')?;
        Some((ms.parse::<u64>().ok()?, id.parse::<Uuid>().ok()?))
    });
    let most = page(limit)?;
    let mut items = tenant.db.read(move |db| holds::list(db, after, most + 1)).await?;
    let next = cursors.cut(&mut items, most, |last| format!("{} {}", last.placed_ms, last.id));
    Ok(Json(HoldPage { items, next }))
}

/// What is to be held. One of the three, or none of them for the whole tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHold {
    #[schema(example = "98765 43210")]
    phone_number: Option<String>,
    customer_id: Option<Uuid>,
    call: Option<Uuid>,
    /// The case, order or authority.
    reason: String,
    until_ms: Option<u64>,
}

/// Places a legal hold: what it covers is deleted neither by age nor by erasure.
#[utoipa::path(post, path = "/api/holds", tag = "privacy", request_body = NewHold, responses((status = 201, body = Hold)))]
pub(super) async fn place_hold(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(wanted): Body<NewHold>,
) -> Result<(StatusCode, Json<Hold>), Problem> {
    let (scope, about) = match (&wanted.phone_number, wanted.customer_id, wanted.call) {
        (None, None, None) => (Scope::Tenant, String::new()),
        (Some(written), None, None) => (Scope::Person, phone_hash(&deps).of(number(written)?.reveal())),
        (None, Some(customer), None) => (Scope::Customer, customer.to_string()),
        (None, None, Some(call)) => (Scope::Call, call.to_string()),
        _ => {
            return Err(Problem::bad_request("name one of phone_number, customer_id and call, or none for the tenant"));
        }
    };
    let hold = Hold {
        id: Uuid::now_v7(),
        scope,
        about,
        reason: wanted.reason,
        placed_by: by(&who),
        placed_ms: now(&deps),
        until_ms: wanted.until_ms,
        lifted_by: None,
        lifted_ms: None,
        lifted_reason: None,
    };
    let (row, audit) = (hold.clone(), deps.audit.clone());
    tenant
        .db
        .write(move |db| {
            holds::place(db, &row)?;
            let detail = json!({ "scope": row.scope, "about": row.about, "until_ms": row.until_ms });
            audit.note_in(db, &who, "hold.place", &row.id.to_string(), detail)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(hold)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// Why it is lifted. Kept.
    reason: String,
}

/// Lifts a hold. It stays on record.
#[utoipa::path(
    delete, path = "/api/holds/{id}", tag = "privacy", params(("id" = Uuid, Path), Why),
    responses((status = 200, body = Hold))
)]
pub(super) async fn lift_hold(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Key(id): Key,
    Params(Why { reason }): Params<Why>,
) -> Result<Json<Hold>, Problem> {
    let (now_ms, audit) = (now(&deps), deps.audit.clone());
    let hold = tenant
        .db
        .write(move |db| {
            let hold = holds::lift(db, id, &by(&who), &reason, now_ms)?;
            audit.note_in(db, &who, "hold.lift", &id.to_string(), json!({ "scope": hold.scope }))?;
            Ok(hold)
        })
        .await?;
    Ok(Json(hold))
}
