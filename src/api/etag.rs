//! Versions of what people edit, as HTTP knows them. A change names the version it was made to; one
//! that somebody else has changed meanwhile is refused instead of overwritten.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::Problem;

pub(super) fn header_of(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"v{version}\"")).unwrap_or(HeaderValue::from_static("\"v0\""));
    (header::ETAG, value)
}

/// The `If-Match` of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Whatever is kept.
    Any,
    Versions(Vec<i64>),
}

impl IfMatch {
    fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut versions = Vec::new();
        let mut given = false;
        for value in headers.get_all(header::IF_MATCH) {
            given = true;
            let value = value.to_str().map_err(|_| unreadable())?;
            for tag in value.split(',').map(str::trim) {
                if tag == "*" {
                    return Ok(Some(Self::Any));
                }
                // A tag that is none of ours, or a weak one, is well-formed but matches nothing.
                let inner = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|t| t.strip_suffix('"'));
                let inner = inner.ok_or_else(unreadable)?;
                versions.extend(
                    inner.strip_prefix('v').filter(|_| !tag.starts_with("W/")).and_then(|v| v.parse::<i64>().ok()),
                );
            }
        }
        Ok(given.then_some(Self::Versions(versions)))
    }

    /// Refuses a change to another version than the one that is kept.
    pub(super) fn check(&self, kept: i64) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::Versions(versions) if versions.contains(&kept) => Ok(()),
            Self::Versions(_) => Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "changed meanwhile",
                "somebody else has changed it since you read it; read it again, then send your change with its new ETag",
            )),
        }
    }
}

fn unreadable() -> Problem {
    Problem::bad_request("If-Match must be the ETag that the box sent, such as \"v3\", or *")
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)?.ok_or_else(|| {
            Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "which version?",
                "send the header If-Match with the ETag of what you have read (or * to change whatever is there)",
            )
        })
    }
}

/// An `If-Match` that may be left out.
pub(super) struct IfMatchMaybe(pub(super) Option<IfMatch>);

impl<S: Sync> FromRequestParts<S> for IfMatchMaybe {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        IfMatch::of(&parts.headers).map(Self)
    }
}

/// For what may not be there yet: `If-None-Match: *` makes it, `If-Match` changes it.
pub(super) struct MakeOrChange(pub(super) Option<IfMatch>);

impl<S: Sync> FromRequestParts<S> for MakeOrChange {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let make = parts.headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == b"*");
        if make { Ok(Self(None)) } else { IfMatch::from_request_parts(parts, state).await.map(|m| Self(Some(m))) }
    }
}

/// Has the client this version already?
pub(super) fn is_known(headers: &HeaderMap, version: i64) -> bool {
    let (_, tag) = header_of(version);
    let tag = tag.to_str().unwrap_or_default();
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn only_the_kept_version_may_be_changed() {
        for (value, passes) in [
            ("\"v3\"", true),
            ("\"v2\", \"v3\"", true),
            ("*", true),
            ("\"v4\"", false),
            ("W/\"v3\"", false),
            ("\"of another box\"", false),
        ] {
            let wanted = IfMatch::of(&headers(value)).unwrap().unwrap();
            assert_eq!(wanted.check(3).is_ok(), passes, "{value}");
        }
        for value in ["v3", "\"v3", "", "3"] {
            assert!(IfMatch::of(&headers(value)).is_err(), "{value}");
        }
        assert_eq!(IfMatch::of(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for (value, known) in
            [("\"v3\"", true), ("W/\"v3\"", true), ("\"v1\", \"v3\"", true), ("*", true), ("\"v2\"", false)]
        {
            assert_eq!(is_known(&headers(value), 3), known, "{value}");
        }
    }
}
