//! `/api/calls/{id}/recording`: hear it, stop it while the call lasts, delete it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::calls::known;
use super::extract::Segments;
use super::guard::Tenant;
use super::readings::Reading;
use super::{ApiDeps, Problem, sessions};
use crate::auth::Principal;
use crate::base::{CallId, limits};
use crate::call::registry::Control;
use crate::delivery::recordings::{NotRead, Part, Recorded};
use crate::store::{StoreError, holds};

#[derive(OpenApi)]
#[openapi(paths(hear, delete, stop))]
pub(super) struct Doc;

pub(super) fn routes() -> Router<ApiDeps> {
    Router::new()
        .route("/api/calls/{id}/recording", get(hear).delete(delete))
        .route("/api/calls/{id}/recording/stop", post(stop))
}

/// A call's recording.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordingView {
    /// Where it lies: `calls/audio/2026-11-30/0190…/recording.wav`.
    name: String,
    /// Of the WAV file.
    bytes: u64,
    #[serde(flatten)]
    recorded: Recorded,
}

/// What a call has, for whoever may see the call.
pub(super) async fn of_call(deps: &ApiDeps, tenant: &Tenant, call: CallId) -> Result<Option<RecordingView>, Problem> {
    let found = deps.recordings.of(&tenant.db, call).await?;
    Ok(found.map(|(media, recorded)| RecordingView { name: media.name, bytes: media.bytes, recorded }))
}

impl From<NotRead> for Problem {
    fn from(error: NotRead) -> Self {
        let said = error.to_string();
        match error {
            NotRead::Never => Self::new(StatusCode::NOT_FOUND, "not recorded", said),
            NotRead::Gone => Self::new(StatusCode::GONE, "gone", said),
            NotRead::NotYet => {
                let retry_after = Some(limits::RECORDING_RETRY);
                Self { retry_after, ..Self::new(StatusCode::CONFLICT, "not ready", format!("{said}; ask again")) }
            }
            NotRead::Store(error) => error.into(),
            NotRead::Object(error) => {
                tracing::error!(%error, "a recording could not be read");
                let retry_after = Some(limits::RECORDING_RETRY);
                let detail = "the recording cannot be read now; the log says why";
                Self { retry_after, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "not readable", detail) }
            }
        }
    }
}

/// The part of `whole` bytes that a `Range` asks for. `None`: all (no range, or one that may be ignored);
/// an error: none of it is there.
fn asked(headers: &HeaderMap, whole: u64) -> Result<Option<Part>, ()> {
    let Some(text) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let Some(range) = text.trim().strip_prefix("bytes=").map(str::trim) else { return Ok(None) };
    let Some((from, to)) = range.split_once('-').filter(|_| !range.contains(',')) else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, until) = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => (from, to.saturating_add(1).min(whole)),
        (Some(from), None) if to.trim().is_empty() => (from, whole),
        (None, Some(last)) if from.trim().is_empty() => (whole.saturating_sub(last), whole),
        _ => return Ok(None),
    };
    if from < until { Ok(Some(Part { from, length: until - from })) } else { Err(()) }
}

/// The recording of a call: WAV, 16 bit, 8 kHz, the caller left and the agent right. Each hearing is
/// written down. `Range` gives a part.
#[utoipa::path(
    get, path = "/api/calls/{id}/recording", tag = "calls", params(("id" = String, Path)),
    responses(
        (status = 200, description = "All of it.", body = Vec<u8>, content_type = "audio/wav"),
        (status = 206, description = "The part that was asked for.", body = Vec<u8>, content_type = "audio/wav"),
        (status = 404, description = "The call is not known, or was not recorded."),
        (status = 409, description = "It is still being written."),
        (status = 410, description = "It was deleted."),
        (status = 416, description = "There is no such part."),
    )
)]
pub(super) async fn hear(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = known(&tenant, id).await?.id;
    let (media, _) = deps.recordings.ready(&tenant.id, &tenant.db, call).await?;
    let whole = media.bytes;
    let Ok(part) = asked(&headers, whole) else {
        let mut refused =
            Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "no such part", format!("it has {whole} bytes"))
                .into_response();
        refused.headers_mut().insert(header::CONTENT_RANGE, number(&format!("bytes */{whole}")));
        return Ok(refused);
    };
    let reading = Reading::new(&who, call, "recording");
    if !deps.readings.is_noted(&reading, deps.clock.now()) {
        let detail = json!({ "as": "recording" });
        deps.audit.note(Some(&tenant.id), &who, "recording.listen", &call.to_string(), detail).await?;
        deps.readings.noted(reading, deps.clock.now());
    }
    let given = part.unwrap_or(Part { from: 0, length: whole });
    let sound = deps.recordings.read(&tenant.id, &media.name, given, &deps.tasks).await?;
    let mut response = Body::from_stream(sound).into_response();
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let last = given.from + given.length - 1;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, number(&given.length.to_string()));
    headers.insert(header::CONTENT_DISPOSITION, number(&format!("attachment; filename=\"{call}.wav\"")));
    if part.is_some() {
        headers.insert(header::CONTENT_RANGE, number(&format!("bytes {}-{last}/{whole}", given.from)));
    }
    Ok(response)
}

/// Of digits and signs only.
fn number(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Deletes the recording of a call and the transcript beside it. Refused while a legal hold covers the
/// call.
#[utoipa::path(
    delete, path = "/api/calls/{id}/recording", tag = "calls", params(("id" = String, Path)),
    responses((status = 204, description = "It is gone."), (status = 404), (status = 409, description = "A legal hold."))
)]
pub(super) async fn delete(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let call = known(&tenant, id).await?;
    let (media, _) = deps.recordings.ready(&tenant.id, &tenant.db, call.id).await?;
    let now_ms = deps.clock.unix_ms(deps.clock.now());
    let about =
        [call.caller_hash.into_iter().collect(), call.customer.into_iter().collect(), vec![call.id.to_string()]];
    let hold = tenant
        .db
        .read(move |db| {
            let [hashes, customers, calls]: [Vec<String>; 3] = about;
            holds::covering(db, &hashes, &customers, &calls, now_ms)
        })
        .await?;
    if let Some(hold) = hold {
        let why = format!("a legal hold stands against it (hold {}, {}); lift it first", hold.id, hold.reason);
        return Err(StoreError::Conflict(why).into());
    }
    let detail = json!({ "bytes": media.bytes });
    deps.audit.note(Some(&tenant.id), &who, "recording.delete", &call.id.to_string(), detail).await?;
    deps.recordings.delete(&tenant.id, &tenant.db, call.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops the recording of a live call. What was recorded until then is kept.
#[utoipa::path(
    post, path = "/api/calls/{id}/recording/stop", tag = "calls", params(("id" = String, Path)),
    responses((status = 202, description = "Nothing more is recorded."), (status = 404))
)]
pub(super) async fn stop(
    State(deps): State<ApiDeps>,
    tenant: Tenant,
    who: Principal,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    let (view, tenant) =
        sessions::find(&deps, &tenant, &who, &id).ok_or_else(|| Problem::not_found("no such live call"))?;
    // Who has no media yet is not recorded, and is not to be ended by this.
    if view.connected_unix_ms.is_none() || view.ended_unix_ms.is_some() {
        return Err(Problem::not_found("no such live call"));
    }
    if !deps.registry.control(view.id, Control::StopRecording).await {
        return Err(Problem::not_found("the call is over"));
    }
    deps.audit.note(Some(&tenant.id), &who, "recording.stop", &view.id.to_string(), serde_json::Value::Null).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "call_id": view.id }))).into_response())
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
