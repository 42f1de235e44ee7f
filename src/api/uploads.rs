//! `/upload-customers` and `/api/uploads`: lists of customers from files, and what became of them.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

use super::csv::{Table, shown};
use super::cursor::Cursors;
use super::customers::phone_hash;
use super::extract::{Key, Params, page, wants_csv, whole};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::{Permission, Principal};
use crate::base::limits;
use crate::base::multipart;
use crate::base::secret::hex;
use crate::campaigns::import::{self, Bring, Broken};
use crate::store::uploads::{self, Reject, Status, Upload};

#[derive(OpenApi)]
#[openapi(
    paths(bring, list, show, rejects, rejects_table),
    tags((name = "uploads", description = "Lists of customers from CSV and Excel files"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    // The frame of a form is a little larger than the file in it.
    let room = DefaultBodyLimit::max(limits::UPLOAD_BYTES_MAX + 64 * 1024);
    Router::new()
        .route("/upload-customers", post(bring).layer(room))
        .route("/api/uploads", get(list).post(bring).layer(room))
        .route("/api/uploads/{id}", get(show))
        .route("/api/uploads/{id}/rejects", get(rejects))
        .route("/api/uploads/{id}/rejects.csv", get(rejects_table))
}

/// A list that somebody brought.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadView {
    id: Uuid,
    file_name: String,
    sha256: String,
    bytes: i64,
    /// `csv` or `xlsx`.
    format: String,
    /// Who brought it.
    who: String,
    status: Status,
    rows_total: i64,
    rows_ok: i64,
    rows_rejected: i64,
    /// Why nothing of it was kept, if so.
    detail: String,
    started_ms: i64,
    finished_ms: Option<i64>,
}

impl From<Upload> for UploadView {
    fn from(upload: Upload) -> Self {
        let Upload { id, file_name, sha256, bytes, format, who, status, .. } = upload;
        Self {
            id,
            file_name,
            sha256,
            bytes,
            format,
            who,
            status,
            rows_total: upload.rows_total,
            rows_ok: upload.rows_ok,
            rows_rejected: upload.rows_rejected,
            detail: upload.detail,
            started_ms: upload.started_ms,
            finished_ms: upload.finished_ms,
        }
    }
}

/// A row that was left out, and why.
#[derive(Serialize, ToSchema)]
pub(super) struct RejectView {
    line: u64,
    /// The field it was refused for; empty if it is the row as a whole.
    field: String,
    reason: String,
    /// What to write instead.
    advice: String,
    /// The row as it came; left out without the permission `personal_read`.
    cells: Vec<String>,
}

impl RejectView {
    fn of(reject: Reject, who: &Principal) -> Self {
        let Reject { line, field, reason, advice, cells } = reject;
        let cells = if who.may(Permission::PersonalRead) { cells } else { Vec::new() };
        Self { line, field, reason, advice, cells }
    }
}

/// What became of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Brought {
    #[serde(flatten)]
    upload: UploadView,
    /// Columns that are not kept.
    ignored_columns: Vec<String>,
    /// The first rows that were left out; all are under `/api/uploads/{id}/rejects`.
    rejects: Vec<RejectView>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// Only tell what would become of it.
    #[serde(default)]
    dry_run: bool,
    /// For files that are sent as the body itself.
    file_name: Option<String>,
}

/// The file, as a form would send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct Form {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    dry_run: Option<bool>,
}

/// Takes over a list of customers from a CSV or .xlsx file: every valid row, or with `dry_run` none.
/// The file comes as the field `file` of a form, or as the body itself.
#[utoipa::path(
    post, path = "/api/uploads", tag = "uploads", params(How),
    request_body(content = Form, content_type = "multipart/form-data"),
    responses((status = 201, description = "Taken over.", body = Brought), (status = 200, description = "A dry run.", body = Brought))
)]
pub(super) async fn bring(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Params(How { mut dry_run, mut file_name }): Params<How>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = whole(body, limits::UPLOAD_BYTES_MAX)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let file = if kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let parts = multipart::read(kind, &body)
            .ok_or_else(|| Problem::bad_request("the form cannot be read; send the file as its field `file`"))?;
        for part in &parts {
            if part.name == "dry_run" {
                dry_run |= matches!(&body[part.content.clone()], b"true" | b"1" | b"on" | b"yes");
            }
        }
        let part = parts.into_iter().find(|part| part.name == "file" || part.file_name.is_some());
        let part = part.ok_or_else(|| Problem::bad_request("the form has no field `file`; put the list into it"))?;
        file_name = part.file_name.or(file_name);
        body.slice(part.content)
    } else {
        body
    };
    let file_name = plain_name(file_name.as_deref().unwrap_or("list"));
    let place = deps.lists.enter().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "other lists are being read; send yours again in a minute",
        )
    })?;
    let (lists, db, hash, clock) = (deps.lists.clone(), tenant.db.clone(), phone_hash(&deps), deps.clock);
    let by = format!("{} ({})", who.name, who.actor());
    // A thread goes on to the end even if the client does not wait for it.
    let work = tokio::task::spawn_blocking(move || {
        let _place = place;
        let parsed = lists.parse(&file)?;
        let sha256 = hex(&Sha256::digest(&file));
        let ignored = parsed.ignored.clone();
        let how = Bring { file_name: &file_name, sha256, bytes: file.len(), who: &by, dry_run, clock, hash: &hash };
        Ok::<_, Broken>((import::bring(&db, &how, parsed)?, ignored))
    });
    let (upload, ignored_columns) = match work.await {
        Ok(Ok(done)) => done,
        Ok(Err(Broken::Unreadable(why))) => {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not a list of customers", why.detail));
        }
        Ok(Err(Broken::Store(error))) => return Err(error.into()),
        Err(_) => return Err(Problem::internal("reading the list broke; nothing of it was kept; see the log")),
    };
    let detail = json!({ "rows_ok": upload.rows_ok, "rows_rejected": upload.rows_rejected, "sha256": upload.sha256 });
    if !dry_run {
        deps.audit.note(Some(&tenant.id), &who, "customers.import", &upload.id.to_string(), detail).await?;
    }
    let id = upload.id;
    let first = tenant.db.read(move |db| uploads::rejects(db, id, None, limits::PAGE_USUAL)).await?;
    let rejects = first.into_iter().map(|(_, reject)| RejectView::of(reject, &who)).collect();
    let code = if dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok((code, Json(Brought { upload: upload.into(), ignored_columns, rejects })).into_response())
}

/// The last part of whatever path a browser sent, without signs that are none of a name.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(limits::CUSTOMER_TEXT_CHARS_MAX).collect();
    if plain.trim().is_empty() { "list".to_owned() } else { plain }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct UploadPage {
    items: Vec<UploadView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Lists that were brought, newest first.
#[utoipa::path(get, path = "/api/uploads", tag = "uploads", params(Query), responses((status = 200, body = UploadPage)))]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Params(query): Params<Query>,
) -> Result<Json<UploadPage>, Problem> {
    let most = page(query.limit)?;
    let cursors = Cursors::new(&deps, &tenant, "uploads", &());
    let after = cursors.place::<Uuid>(query.cursor.as_deref())?;
    let mut found = tenant.db.read(move |db| uploads::list(db, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |last| last.id.to_string());
    Ok(Json(UploadPage { items: found.into_iter().map(Into::into).collect(), next }))
}

fn none() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", "there is no upload with this id")
}

/// One list.
#[utoipa::path(
    get, path = "/api/uploads/{id}", tag = "uploads", params(("id" = Uuid, Path)),
    responses((status = 200, body = UploadView))
)]
pub(super) async fn show(tenant: Tenant, Key(id): Key) -> Result<Json<UploadView>, Problem> {
    let found = tenant.db.read(move |db| uploads::get(db, id)).await?;
    found.map(|upload| Json(upload.into())).ok_or_else(none)
}

#[derive(Serialize, ToSchema)]
pub(super) struct RejectPage {
    items: Vec<RejectView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// The rows of a list that were left out, in the order of the file. With `Accept: text/csv` as a table.
#[utoipa::path(
    get, path = "/api/uploads/{id}/rejects", tag = "uploads", params(("id" = Uuid, Path), Query),
    responses((status = 200, body = RejectPage, content_type = "application/json"))
)]
pub(super) async fn rejects(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    headers: HeaderMap,
    Key(id): Key,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    if wants_csv(&headers) {
        return export(&deps, &tenant, &who, id, query).await;
    }
    let most = page(query.limit)?;
    let (found, next) = some_rejects(&deps, &tenant, id, query.cursor.as_deref(), most).await?;
    let items = found.into_iter().map(|reject| RejectView::of(reject, &who)).collect();
    Ok(Json(RejectPage { items, next }).into_response())
}

/// The same as a table, to be mended and brought again.
#[utoipa::path(
    get, path = "/api/uploads/{id}/rejects.csv", tag = "uploads", params(("id" = Uuid, Path), Query),
    responses((status = 200, body = String, content_type = "text/csv"))
)]
pub(super) async fn rejects_table(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Key(id): Key,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    export(&deps, &tenant, &who, id, query).await
}

async fn some_rejects(
    deps: &ApiDeps,
    tenant: &Tenant,
    id: Uuid,
    cursor: Option<&str>,
    most: usize,
) -> Result<(Vec<Reject>, Option<String>), Problem> {
    let cursors = Cursors::new(deps, tenant, "rejects", &id);
    let after = cursors.place::<i64>(cursor)?;
    let mut found = tenant
        .db
        .read(move |db| match uploads::get(db, id)? {
            Some(_) => uploads::rejects(db, id, after, most + 1).map(Some),
            None => Ok(None),
        })
        .await?
        .ok_or_else(none)?;
    let next = cursors.cut(&mut found, most, |(number, _)| number.to_string());
    Ok((found.into_iter().map(|(_, reject)| reject).collect(), next))
}

async fn export(deps: &ApiDeps, tenant: &Tenant, who: &Principal, id: Uuid, query: Query) -> Result<Response, Problem> {
    let most = query.limit.unwrap_or(limits::CSV_ROWS_MAX).clamp(1, limits::CSV_ROWS_MAX);
    let (found, next) = some_rejects(deps, tenant, id, query.cursor.as_deref(), most).await?;
    let mut table = Table::new(&["line", "field", "reason", "advice", "row"]);
    for reject in found {
        let view = RejectView::of(reject, who);
        // The cells of the row follow in columns of their own.
        let first = [shown(Some(view.line)), view.field.into(), view.reason.into(), view.advice.into()];
        table.row(first.into_iter().chain(view.cells.into_iter().map(Into::into)));
    }
    table.respond("rejected-rows", next.as_deref())
}
