//! Requests that may come twice: with an `Idempotency-Key`, a `POST` is carried out once, and whoever
//! sends it again gets the first answer. The same key with another request is refused, and so is one
//! whose first sending is still being carried out, or was cut off by the end of the process.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::extract::too_large;
use super::guard::Tenant;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::limits;
use crate::base::secret::hex;
use crate::store::Database;
use crate::store::idempotency::{self, Answer, Asked, Seen};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What an answer is without it.
const KEPT_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::CONTENT_DISPOSITION];

/// Goes around handlers, inside the guard: it must know who asks.
pub(super) async fn once(State(deps): State<ApiDeps>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match carried_out(&deps, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn carried_out(deps: &ApiDeps, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key_of(request.headers())?;
    let who = request.extensions().get::<Principal>().ok_or_else(Problem::unauthorized)?.actor();
    let db = request.extensions().get::<Tenant>().map(|tenant| tenant.db.clone());
    let db = db.ok_or_else(|| Problem::bad_request("name the tenant that the request is for"))?;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, limits::UPLOAD_BYTES_MAX + limits::API_BODY_MAX)
        .await
        .map_err(|_| too_large(limits::UPLOAD_BYTES_MAX))?;
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let request_hash = hex(&hash.finalize());
    let asked = Asked { who, key, request: request_hash, boot: deps.live.boot().to_owned() };

    let now_ms = i64::try_from(deps.clock.unix_ms(deps.clock.now())).unwrap_or(i64::MAX);
    let kept = i64::try_from(limits::IDEMPOTENCY_KEPT.as_millis()).unwrap_or(i64::MAX);
    let beginning = asked.clone();
    let seen = db.write(move |db| idempotency::begin(db, &beginning, now_ms, now_ms.saturating_sub(kept))).await?;
    match seen {
        Seen::New => {}
        Seen::Answered(answer) => return replay(answer),
        Seen::Other => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key used for something else",
                "this Idempotency-Key came with another request before; use a new key for a new request",
            ));
        }
        Seen::Running => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "being carried out",
                "the first request with this Idempotency-Key is still being carried out; ask again in a moment",
            ));
        }
        Seen::CutOff => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "cut off",
                "the box stopped while it carried out the first request with this key; look whether it was done, \
                 and if not send it with a new key",
            ));
        }
    }
    // The work goes on even if the client goes away: its answer must be kept.
    let (told, done) = oneshot::channel();
    let request = Request::from_parts(parts, Body::from(body));
    deps.tasks.spawn("request with a key", async move {
        let _ = told.send(run_and_keep(request, next, db, asked).await);
    });
    done.await.unwrap_or_else(|_| Err(Problem::internal("the request broke; see the log")))
}

async fn run_and_keep(request: Request, next: Next, db: Database, asked: Asked) -> Result<Response, Problem> {
    let (parts, body) = next.run(request).await.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::internal("the answer broke off"))?;
    let again = parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS;
    let kept = if again || bytes.len() > limits::IDEMPOTENCY_BODY_MAX {
        // Nothing was done, or it cannot be said again: the key is free.
        db.write(move |db| idempotency::forget(db, &asked)).await
    } else {
        let answer =
            Answer { status: parts.status.as_u16(), headers: kept_headers(&parts.headers), body: bytes.to_vec() };
        db.write(move |db| idempotency::answer(db, &asked, &answer)).await
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "an answer could not be kept for a request that may come again");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let key = headers.get(KEY).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_MAX || headers.get_all(KEY).iter().count() > 1 {
        let most = limits::IDEMPOTENCY_KEY_MAX;
        return Err(Problem::bad_request(format!("Idempotency-Key must be one word of 1 to {most} characters")));
    }
    Ok(key.to_owned())
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept =
        KEPT_HEADERS.iter().filter_map(|name| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned())));
    kept.collect()
}

fn replay(answer: Answer) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status)
        .map_err(|_| Problem::internal("the answer that was kept cannot be read"))?;
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
