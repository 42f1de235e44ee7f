//! Errors of the HTTP faces, RFC 9457.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

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
}

impl Problem {
    pub fn new(code: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self { code, title: title.to_owned(), status: code.as_u16(), detail: detail.into() }
    }

    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "API token needed",
            "send the header `Authorization: Bearer TOKEN`; the token is in the file api-token of the state directory",
        )
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

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(&format!("there is no {what}")),
            StoreError::Conflict(why) => Self::new(StatusCode::CONFLICT, "conflict", why),
            StoreError::Invalid(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not possible", why),
            StoreError::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the disk is full",
                "make room on the disk of the state directory; calls go on meanwhile",
            ),
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
        let code = self.code;
        let mut response = (code, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
