//! `/api/dnd`: numbers that must not be called. They come in requests and files and are kept as keyed
//! hashes; what people told us on calls is on the list `opt-outs`.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::consents::{by, now, number};
use super::cursor::Cursors;
use super::customers::phone_hash;
use super::extract::{Body, Params, Segments, page};
use super::guard::Tenant;
use super::stream::{self, FormFile};
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::limits;
use crate::store::dnd::{self, Block, Categories, Category, ImportError, Imported, Kind, List, Listed, NewList};

#[derive(OpenApi)]
#[openapi(
    paths(lists, bring, numbers, rejects, add, remove, check),
    tags((name = "dnd", description = "Numbers that must not be called"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/dnd", post(add))
        .route("/api/dnd/remove", post(remove))
        .route("/api/dnd/check", post(check))
        .route("/api/dnd/lists", get(lists).post(bring))
        .route("/api/dnd/lists/{number}/numbers", get(numbers))
        .route("/api/dnd/lists/{number}/rejects", get(rejects))
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Busy => Self::new(StatusCode::CONFLICT, "busy", error.to_string()),
            ImportError::Read(why) if why.kind() == std::io::ErrorKind::FileTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too large",
                format!("the file is too large: {why}; divide it"),
            ),
            ImportError::Read(_) => Self::bad_request(error.to_string()),
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not a list of numbers", error.to_string()),
        }
    }
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
pub(super) struct ListPage {
    items: Vec<List>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Lists and imports, newest first.
#[utoipa::path(get, path = "/api/dnd/lists", tag = "dnd", params(Paging), responses((status = 200, body = ListPage)))]
pub(super) async fn lists(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Params(Paging { cursor, limit }): Params<Paging>,
) -> Result<Json<ListPage>, Problem> {
    let cursors = Cursors::new(&deps, &tenant, "dnd lists", &());
    let (before, most) = (cursors.place::<i64>(cursor.as_deref())?, page(limit)?);
    let mut items = tenant.db.read(move |db| dnd::lists(db, before, most + 1)).await?;
    let next = cursors.cut(&mut items, most, |last| last.number.to_string());
    Ok(Json(ListPage { items, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct About {
    /// Takes the place of the older list of this name.
    #[param(max_length = 60)]
    name: String,
    /// `register`: scrubbed against the operators' register, binds advertising and service calls nobody
    /// agreed to. `own`: binds every call.
    #[param(inline)]
    kind: Kind,
    /// Of the whole list.
    valid_until_ms: Option<u64>,
}

/// Takes over a file of numbers: CSV with a header (`phone`, and if wanted `category`, `valid_until`,
/// `status`), or a plain list. Read as it comes; until its end nothing has changed. The file is the
/// body itself, or the field `file` of a form.
#[utoipa::path(
    post, path = "/api/dnd/lists", tag = "dnd", params(About),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 201, description = "In force.", body = Imported))
)]
pub(super) async fn bring(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Params(About { name, kind, valid_until_ms }): Params<About>,
    request: Request,
) -> Result<(StatusCode, Json<Imported>), Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let (pump, body) = stream::reader(request.into_body(), limits::DND_FILE_MAX);
    let list = NewList { name, kind, valid_until_ms, made_by: by(&who) };
    let (db, hash, clock, audit) = (tenant.db.clone(), phone_hash(&deps), deps.clock, deps.audit.clone());
    // A thread that has the whole file goes on to the end even if the client does not wait for it.
    let work = tokio::task::spawn_blocking(move || {
        let now_ms = move || clock.unix_ms(clock.now());
        let noted = move |db: &rusqlite::Connection, done: &Imported| {
            let detail = json!({ "accepted": done.accepted, "rejected": done.rejected, "allowed": done.allowed });
            audit.note_in(db, &who, "dnd.import", &done.list.to_string(), detail).map(drop)
        };
        match FormFile::of(&content_type, body) {
            Ok(file) => dnd::import(&db, file, &list, &hash, &now_ms, noted),
            Err(body) => dnd::import(&db, body, &list, &hash, &now_ms, noted),
        }
    });
    let ((), done) = tokio::join!(pump.run(), work);
    let done = done.map_err(|_| Problem::internal("reading the list broke; nothing was changed; see the log"))??;
    Ok((StatusCode::CREATED, Json(done)))
}

/// One page.
#[derive(Serialize, ToSchema)]
pub(super) struct NumberPage {
    items: Vec<Listed>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// The numbers of a list, by their keyed hashes.
#[utoipa::path(
    get, path = "/api/dnd/lists/{number}/numbers", tag = "dnd", params(("number" = i64, Path), Paging),
    responses((status = 200, body = NumberPage))
)]
pub(super) async fn numbers(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Segments(list): Segments<i64>,
    Params(Paging { cursor, limit }): Params<Paging>,
) -> Result<Json<NumberPage>, Problem> {
    let cursors = Cursors::new(&deps, &tenant, "dnd numbers", &list);
    let (after, most) = (cursors.read(cursor.as_deref())?.unwrap_or_default(), page(limit)?);
    let mut items = tenant.db.read(move |db| dnd::listed(db, list, &after, most + 1)).await?;
    let next = cursors.cut(&mut items, most, |last| last.phone_hash.clone());
    Ok(Json(NumberPage { items, next }))
}

/// A line of a file that was left out.
#[derive(Serialize, ToSchema)]
pub(super) struct RejectedLine {
    line: u64,
    reason: String,
}

/// One page.
#[derive(Serialize, ToSchema)]
pub(super) struct RejectPage {
    items: Vec<RejectedLine>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Every line of an import that was left out, and why.
#[utoipa::path(
    get, path = "/api/dnd/lists/{number}/rejects", tag = "dnd", params(("number" = i64, Path), Paging),
    responses((status = 200, body = RejectPage))
)]
pub(super) async fn rejects(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Segments(list): Segments<i64>,
    Params(Paging { cursor, limit }): Params<Paging>,
) -> Result<Json<RejectPage>, Problem> {
    let cursors = Cursors::new(&deps, &tenant, "dnd rejects", &list);
    let (after, most) = (cursors.place::<u64>(cursor.as_deref())?.unwrap_or(0), page(limit)?);
    let mut found = tenant.db.read(move |db| dnd::rejects(db, list, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |(line, _)| line.to_string());
    let items = found.into_iter().map(|(line, reason)| RejectedLine { line, reason }).collect();
    Ok(Json(RejectPage { items, next }))
}

/// A number that is not to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[schema(example = "98765 43210")]
    phone_number: String,
    /// 0 for everything, or some of the register's categories 1 to 8.
    #[serde(default = "everything")]
    #[schema(value_type = Vec<u8>)]
    categories: Categories,
    valid_until_ms: Option<u64>,
    reason: String,
}

const fn everything() -> Categories {
    Categories::EVERYTHING
}

/// Puts a number on the list `by-hand`.
#[utoipa::path(post, path = "/api/dnd", tag = "dnd", request_body = Entry, responses((status = 201, body = Listed)))]
pub(super) async fn add(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(entry): Body<Entry>,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    if entry.reason.trim().is_empty() {
        return Err(Problem::bad_request("give the reason, such as how the person asked for it"));
    }
    let listed = Listed {
        list: dnd::BY_HAND,
        phone_hash: phone_hash(&deps).of(number(&entry.phone_number)?.reveal()),
        categories: entry.categories,
        since_ms: Some(now(&deps)),
        until_ms: entry.valid_until_ms,
        call: None,
        noted_by: Some(by(&who)),
        reason: Some(entry.reason),
        removed_ms: None,
        removed_by: None,
        removed_reason: None,
    };
    let (row, audit) = (listed.clone(), deps.audit.clone());
    tenant
        .db
        .write(move |db| {
            dnd::add(db, &row)?;
            audit.note_in(db, &who, "dnd.add", &row.phone_hash, json!({ "categories": row.categories }))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(listed)))
}

/// A number that may be called again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    #[schema(example = "98765 43210")]
    phone_number: String,
    /// How the person asked for it. Kept.
    reason: String,
}

/// From how many lists.
#[derive(Serialize, ToSchema)]
pub(super) struct Removed {
    lists: u64,
}

/// Takes a number off every list, an opt-out included. That it was there, and why it went, stays on record.
#[utoipa::path(post, path = "/api/dnd/remove", tag = "dnd", request_body = Again, responses((status = 200, body = Removed)))]
pub(super) async fn remove(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Body(again): Body<Again>,
) -> Result<Json<Removed>, Problem> {
    let hash = phone_hash(&deps).of(number(&again.phone_number)?.reveal());
    let (now_ms, audit) = (now(&deps), deps.audit.clone());
    let lists = tenant
        .db
        .write(move |db| {
            let lists = dnd::remove(db, &hash, &by(&who), &again.reason, now_ms)?;
            audit.note_in(db, &who, "dnd.remove", &hash, json!({ "lists": lists }))?;
            Ok(lists)
        })
        .await?;
    Ok(Json(Removed { lists }))
}

/// Which number, for a call about what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[schema(example = "98765 43210")]
    phone_number: String,
    category: Category,
}

/// Is it on a list?
#[derive(Serialize, ToSchema)]
pub(super) struct OnLists {
    /// The first list in force that says so.
    blocked: Option<Block>,
    /// Everything that is on record of the number.
    records: Vec<Listed>,
}

/// Is a number on any list? What consent overrides is said by `/api/consents/check`.
#[utoipa::path(post, path = "/api/dnd/check", tag = "dnd", request_body = Asked, responses((status = 200, body = OnLists)))]
pub(super) async fn check(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Body(asked): Body<Asked>,
) -> Result<Json<OnLists>, Problem> {
    let hash = phone_hash(&deps).of(number(&asked.phone_number)?.reveal());
    let now_ms = now(&deps);
    let found = tenant
        .db
        .read(move |db| {
            let blocked = dnd::is_blocked(db, &hash, asked.category, now_ms)?;
            Ok(OnLists { blocked, records: dnd::of_number(db, &hash)? })
        })
        .await?;
    Ok(Json(found))
}
