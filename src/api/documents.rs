//! `/api/documents`: agents, flows, prompts and policies with all their versions. The files of the
//! configuration are what calls use; a document is what people have edited and not yet put there.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::cursor::Cursors;
use super::customers::now_ms;
use super::diff;
use super::etag::{self, IfMatch, MakeOrChange};
use super::extract::{Params, Segments, page, whole};
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::limits;
use crate::base::secret::hex;
use crate::store::documents::{self, Document, Draft, Kind, Version};

#[derive(OpenApi)]
#[openapi(
    paths(list, show, keep, versions, version, difference, activate),
    tags((name = "documents", description = "Agents, flows, prompts and policies with their versions"))
)]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/documents", get(list))
        .route(
            "/api/documents/{kind}/{name}",
            get(show).put(keep).layer(DefaultBodyLimit::max(limits::DOCUMENT_BYTES_MAX)),
        )
        .route("/api/documents/{kind}/{name}/versions", get(versions))
        .route("/api/documents/{kind}/{name}/versions/{number}", get(version))
        .route("/api/documents/{kind}/{name}/versions/{number}/diff", get(difference))
        .route("/api/documents/{kind}/{name}/versions/{number}/activate", post(activate))
}

/// A document, without its content.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentView {
    kind: Kind,
    name: String,
    /// The number of the version in use; `null`: none is.
    active: Option<i64>,
    latest: i64,
    /// Counts changes of any kind; it is in the ETag.
    version: i64,
    updated_ms: i64,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        let Document { kind, name, active, latest, version, updated_ms } = document;
        Self { kind, name, active, latest, version, updated_ms }
    }
}

/// One version.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionView {
    number: i64,
    active: bool,
    sha256: String,
    /// Who wrote it.
    who: String,
    note: String,
    at_ms: i64,
    /// Left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl VersionView {
    fn of(version: Version, active: Option<i64>, with_content: bool) -> Self {
        let Version { number, content, sha256, who, note, at_ms } = version;
        let content = with_content.then_some(content);
        Self { number, active: active == Some(number), sha256, who, note, at_ms, content }
    }
}

/// A document with the content of its newest, or its active, version.
#[derive(Serialize, ToSchema)]
pub(super) struct Whole {
    #[serde(flatten)]
    document: DocumentView,
    shown: VersionView,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    kind: Option<Kind>,
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct DocumentPage {
    items: Vec<DocumentView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// Documents by kind and name.
#[utoipa::path(get, path = "/api/documents", tag = "documents", params(ListQuery), responses((status = 200, body = DocumentPage)))]
pub(super) async fn list(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Params(query): Params<ListQuery>,
) -> Result<Json<DocumentPage>, Problem> {
    let most = page(query.limit)?;
    let cursors = Cursors::new(&deps, &tenant, "documents", &query.kind);
    let after = cursors.read(query.cursor.as_deref())?.and_then(|place| {
        let (kind, name) = place.split_once(' ')?;
        Some((kind.parse::<Kind>().ok()?, name.to_owned()))
    });
    let kind = query.kind;
    let mut found = tenant.db.read(move |db| documents::list(db, kind, after, most + 1)).await?;
    let next = cursors.cut(&mut found, most, |last| format!("{} {}", last.kind.as_str(), last.name));
    Ok(Json(DocumentPage { items: found.into_iter().map(Into::into).collect(), next }))
}

fn none(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", format!("there is no {what} of this name"))
}

fn kind_of(kind: &str) -> Result<Kind, Problem> {
    kind.parse().map_err(|_| none("kind of document: agent, flow, prompt and policy are known, none"))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShowQuery {
    /// Show the version in use instead of the newest.
    #[serde(default)]
    active: bool,
}

/// One document with its newest version.
#[utoipa::path(
    get, path = "/api/documents/{kind}/{name}", tag = "documents",
    params(("kind" = Kind, Path), ("name" = String, Path), ShowQuery),
    responses((status = 200, body = Whole, headers(("etag" = String))), (status = 304, description = "You have it."))
)]
pub(super) async fn show(
    tenant: Tenant,
    headers: HeaderMap,
    Segments((kind, name)): Segments<(String, String)>,
    Params(ShowQuery { active }): Params<ShowQuery>,
) -> Result<Response, Problem> {
    let kind = kind_of(&kind)?;
    let found = tenant
        .db
        .read(move |db| {
            let Some(document) = documents::get(db, kind, &name)? else { return Ok(None) };
            let number = if active { document.active } else { Some(document.latest) };
            let version = number.map(|number| documents::version(db, kind, &name, number)).transpose()?.flatten();
            Ok(version.map(|version| (document, version)))
        })
        .await?;
    let (document, version) = found.ok_or_else(|| none("document (or no version of it in use)"))?;
    let tag = etag::header_of(document.version);
    if etag::is_known(&headers, document.version) {
        return Ok((StatusCode::NOT_MODIFIED, [tag]).into_response());
    }
    let shown = VersionView::of(version, document.active, true);
    Ok(([tag], Json(Whole { document: document.into(), shown })).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KeepQuery {
    /// Use it from now on.
    #[serde(default)]
    activate: bool,
    /// Why it was changed.
    #[serde(default)]
    note: String,
}

/// Keeps a new version; the body is its content as it is. `If-Match` changes a document,
/// `If-None-Match: *` begins one.
#[utoipa::path(
    put, path = "/api/documents/{kind}/{name}", tag = "documents",
    params(
        ("kind" = Kind, Path), ("name" = String, Path), KeepQuery,
        ("if-match" = Option<String>, Header, description = "The ETag of what was read, to change it."),
        ("if-none-match" = Option<String>, Header, description = "*, to begin one."),
    ),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, description = "Changed.", body = DocumentView, headers(("etag" = String))),
        (status = 201, description = "Begun.", body = DocumentView, headers(("etag" = String))),
    )
)]
pub(super) async fn keep(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    MakeOrChange(expected): MakeOrChange,
    Segments((kind, name)): Segments<(String, String)>,
    Params(query): Params<KeepQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let kind = kind_of(&kind)?;
    let wrong = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", detail);
    if !documents::name_fits(&name) {
        return Err(wrong("a document's name has small letters, digits, - _ and . only, at most 64 of them".into()));
    }
    let body = whole(body, limits::DOCUMENT_BYTES_MAX)?;
    let content = std::str::from_utf8(&body).map_err(|_| wrong("the content must be text in UTF-8".into()))?.to_owned();
    if content.contains('\0') {
        return Err(wrong("the content must be text; it has zero bytes in it".into()));
    }
    if query.note.chars().count() > limits::CUSTOMER_TEXT_CHARS_MAX {
        return Err(wrong(format!("the note may have {} characters", limits::CUSTOMER_TEXT_CHARS_MAX)));
    }
    if kind == Kind::Agent && toml::from_str::<toml::Table>(&content).is_err() {
        return Err(wrong("an agent is written in TOML; check it with `vaani config check`".into()));
    }
    let draft = Draft {
        sha256: hex(&Sha256::digest(content.as_bytes())),
        content,
        who: who.name.clone(),
        note: query.note,
        at_ms: now_ms(&deps),
        activate: query.activate,
    };
    let (audit, by) = (deps.audit.clone(), who.clone());
    let document = tenant
        .db
        .write(move |db| {
            let kept = documents::get(db, kind, &name)?;
            let refused = match (&expected, &kept) {
                (None, Some(_)) => Some(Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    "it is there already",
                    "there is a document of this name; read it, then send your change with its ETag in If-Match",
                )),
                (Some(version), Some(kept)) => version.check(kept.version).err(),
                (Some(IfMatch::Any), None) | (None, None) => None,
                (Some(_), None) => Some(none("document")),
            };
            if let Some(problem) = refused {
                return Ok(Err(problem));
            }
            let document = documents::put(db, kind, &name, kept.map(|kept| kept.version), &draft)?;
            let about = format!("{}/{name}", kind.as_str());
            let detail = json!({ "number": document.latest, "sha256": draft.sha256, "active": draft.activate });
            audit.note_in(db, &by, "document.edit", &about, detail)?;
            Ok(Ok(document))
        })
        .await??;
    let code = if document.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, [etag::header_of(document.version)], Json(DocumentView::from(document))).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionsQuery {
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct VersionPage {
    items: Vec<VersionView>,
    /// The cursor of the next page; `null` on the last one.
    next: Option<String>,
}

/// All versions, newest first, without their content.
#[utoipa::path(
    get, path = "/api/documents/{kind}/{name}/versions", tag = "documents",
    params(("kind" = Kind, Path), ("name" = String, Path), VersionsQuery),
    responses((status = 200, body = VersionPage))
)]
pub(super) async fn versions(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    Segments((kind, name)): Segments<(String, String)>,
    Params(query): Params<VersionsQuery>,
) -> Result<Json<VersionPage>, Problem> {
    let kind = kind_of(&kind)?;
    let most = page(query.limit)?;
    let cursors = Cursors::new(&deps, &tenant, "versions", &(kind, &name));
    let before = cursors.place::<i64>(query.cursor.as_deref())?;
    let (document, mut found) = tenant
        .db
        .read(move |db| {
            let Some(document) = documents::get(db, kind, &name)? else { return Ok(None) };
            Ok(Some((document, documents::versions(db, kind, &name, before, most + 1)?)))
        })
        .await?
        .ok_or_else(|| none("document"))?;
    let next = cursors.cut(&mut found, most, |last| last.number.to_string());
    let items = found.into_iter().map(|version| VersionView::of(version, document.active, false)).collect();
    Ok(Json(VersionPage { items, next }))
}

type OfVersion = (String, String, String);

fn number_of(number: &str) -> Result<i64, Problem> {
    number.parse().map_err(|_| none("version"))
}

/// One version with its content.
#[utoipa::path(
    get, path = "/api/documents/{kind}/{name}/versions/{number}", tag = "documents",
    params(("kind" = Kind, Path), ("name" = String, Path), ("number" = i64, Path)),
    responses((status = 200, body = VersionView))
)]
pub(super) async fn version(
    tenant: Tenant,
    Segments((kind, name, number)): Segments<OfVersion>,
) -> Result<Json<VersionView>, Problem> {
    let (kind, number) = (kind_of(&kind)?, number_of(&number)?);
    let found = tenant
        .db
        .read(move |db| {
            let active = documents::get(db, kind, &name)?.and_then(|document| document.active);
            Ok(documents::version(db, kind, &name, number)?.map(|version| (version, active)))
        })
        .await?;
    let (version, active) = found.ok_or_else(|| none("version"))?;
    Ok(Json(VersionView::of(version, active, true)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The older version; absent: the one before.
    against: Option<i64>,
}

/// What one version has that another has not.
#[derive(Serialize, ToSchema)]
pub(super) struct Difference {
    from: i64,
    to: i64,
    /// Lines that begin with `-` are gone, with `+` are new, with a space are the same.
    lines: Vec<String>,
    added: usize,
    removed: usize,
}

/// What changed from one version to another.
#[utoipa::path(
    get, path = "/api/documents/{kind}/{name}/versions/{number}/diff", tag = "documents",
    params(("kind" = Kind, Path), ("name" = String, Path), ("number" = i64, Path), DiffQuery),
    responses((status = 200, body = Difference))
)]
pub(super) async fn difference(
    tenant: Tenant,
    Segments((kind, name, number)): Segments<OfVersion>,
    Params(DiffQuery { against }): Params<DiffQuery>,
) -> Result<Json<Difference>, Problem> {
    let (kind, to) = (kind_of(&kind)?, number_of(&number)?);
    let from = against.unwrap_or(to.saturating_sub(1));
    let (before, after) = tenant
        .db
        .read(move |db| {
            let before = if from == 0 {
                Some(String::new())
            } else {
                documents::version(db, kind, &name, from)?.map(|v| v.content)
            };
            Ok((before, documents::version(db, kind, &name, to)?))
        })
        .await?;
    let (Some(before), Some(after)) = (before, after) else { return Err(none("version")) };
    let lines = tokio::task::spawn_blocking(move || diff::lines(&before, &after.content))
        .await
        .map_err(|_| Problem::internal("the versions could not be compared"))?;
    let count = |sign: char| lines.iter().filter(|line| line.starts_with(sign)).count();
    Ok(Json(Difference { from, to, added: count('+'), removed: count('-'), lines }))
}

/// Uses a version from now on; 0 uses none.
#[utoipa::path(
    post, path = "/api/documents/{kind}/{name}/versions/{number}/activate", tag = "documents",
    params(
        ("kind" = Kind, Path), ("name" = String, Path), ("number" = i64, Path),
        ("if-match" = String, Header, description = "The ETag of the document that was read, or *."),
    ),
    responses((status = 200, body = DocumentView, headers(("etag" = String))))
)]
pub(super) async fn activate(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    expected: IfMatch,
    Segments((kind, name, number)): Segments<OfVersion>,
) -> Result<Response, Problem> {
    let (kind, number, now) = (kind_of(&kind)?, number_of(&number)?, now_ms(&deps));
    let (audit, by) = (deps.audit.clone(), who.clone());
    let document = tenant
        .db
        .write(move |db| {
            let Some(kept) = documents::get(db, kind, &name)? else { return Ok(Err(none("document"))) };
            if let Err(problem) = expected.check(kept.version) {
                return Ok(Err(problem));
            }
            if number != 0 && documents::version(db, kind, &name, number)?.is_none() {
                return Ok(Err(none("version")));
            }
            let document = documents::activate(db, kind, &name, kept.version, (number != 0).then_some(number), now)?;
            let about = format!("{}/{name}", kind.as_str());
            audit.note_in(db, &by, "document.activate", &about, json!({ "number": number, "before": kept.active }))?;
            Ok(Ok(document))
        })
        .await??;
    Ok(([etag::header_of(document.version)], Json(DocumentView::from(document))).into_response())
}
