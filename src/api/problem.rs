//! Errors of the HTTP faces, RFC 9457.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::auth::{OidcError, PasswordError, Refusal};
use crate::base::limits;
use crate::store::StoreError;

/// What went wrong and what to do, for the person who called the API.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    #[serde(skip)]
    #[schema(ignore)]
    pub code: StatusCode,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// One word for programs, where the status says too little (`code_needed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Said in the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(code: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        let title = title.to_owned();
        Self { code, title, status: code.as_u16(), detail: detail.into(), reason: None, retry_after: None }
    }

    pub fn unauthorized() -> Self {
        Self::of(Refusal::Unknown)
    }

    /// The disk has little room: what would take much of it waits.
    pub fn no_room(what: &str) -> Self {
        let detail = format!(
            "the disk of the state directory has little room: {what} until there is more; make room on it, then ask again"
        );
        let retry_after = Some(limits::NO_ROOM_RETRY);
        Self { retry_after, ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "the disk is full", detail) }
    }

    pub fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not allowed", detail)
    }

    /// Why somebody is not let in, or not given what they ask for.
    pub fn of(refusal: Refusal) -> Self {
        let said = refusal.to_string();
        let new = |code, title: &str| Self::new(code, title, said.clone());
        let because = |reason, problem| Self { reason: Some(reason), ..problem };
        match refusal {
            Refusal::Unknown => new(StatusCode::UNAUTHORIZED, "who are you?"),
            Refusal::Wrong => because("wrong", new(StatusCode::UNAUTHORIZED, "not let in")),
            Refusal::CodeNeeded => because("code_needed", new(StatusCode::UNAUTHORIZED, "second factor needed")),
            Refusal::CodeWrong => because("code_wrong", new(StatusCode::FORBIDDEN, "not let in")),
            Refusal::Wait(wait) => {
                Self { retry_after: Some(wait), ..new(StatusCode::TOO_MANY_REQUESTS, "too many requests") }
            }
            Refusal::Password(PasswordError::Busy) => {
                let wait = Some(Duration::from_secs(3));
                Self { retry_after: wait, ..new(StatusCode::SERVICE_UNAVAILABLE, "busy") }
            }
            Refusal::Password(PasswordError::Broken(error)) => {
                tracing::error!(error, "a password could not be hashed");
                Self::internal("the password could not be hashed; the log says why")
            }
            Refusal::Password(_) | Refusal::Invalid(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "not possible"),
            Refusal::Forbidden(_) => new(StatusCode::FORBIDDEN, "not allowed"),
            Refusal::Conflict(_) => new(StatusCode::CONFLICT, "conflict"),
            Refusal::Stale => new(StatusCode::PRECONDITION_FAILED, "changed meanwhile"),
            Refusal::NotFound(_) => new(StatusCode::NOT_FOUND, "not found"),
            Refusal::Oidc(OidcError::Off) => new(StatusCode::NOT_FOUND, "no single sign-on"),
            Refusal::Oidc(OidcError::Provider(_) | OidcError::Settings(_)) => {
                new(StatusCode::BAD_GATEWAY, "single sign-on does not answer")
            }
            Refusal::Oidc(OidcError::State) => because("state", new(StatusCode::BAD_REQUEST, "login not finished")),
            Refusal::Oidc(OidcError::Taken) => new(StatusCode::CONFLICT, "login taken"),
            Refusal::Oidc(_) => because("refused", new(StatusCode::FORBIDDEN, "not let in")),
            Refusal::Store(error) => error.into(),
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", format!("{what}; it may have ended and been forgotten"))
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the box could not do it", detail)
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request not understood", detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::of(refusal)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(&format!("there is no {what}")),
            StoreError::Conflict(why) => Self::new(StatusCode::CONFLICT, "conflict", why),
            StoreError::Invalid(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", why),
            StoreError::Full => Self {
                retry_after: Some(limits::NO_ROOM_RETRY),
                ..Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "the disk is full",
                    "nothing of it was kept; make room on the disk of the state directory; calls go on meanwhile",
                )
            },
            StoreError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "closing", "the box is stopping; ask again in a moment")
            }
            error => {
                tracing::error!(%error, "a request could not be served from the store");
                Self::internal("what is kept could not be read or written; the log says why")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, wait) = (self.code, self.retry_after);
        let mut response = (code, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = wait {
            // Whole seconds, rounded up: who comes back then is not told again.
            let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
            if let Ok(seconds) = HeaderValue::from_str(&seconds) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
        }
        response
    }
}
