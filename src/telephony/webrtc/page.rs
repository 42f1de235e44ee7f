//! The softphone at `/call`: a page of the binary, which holds nothing of anybody; what it may do is
//! decided when it asks.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const HTML: &str = include_str!("page/call.html");
const CSS: &str = include_str!("page/call.css");
const JS: &str = include_str!("page/call.js");

/// Everything from the box itself, nothing inline, in nobody's frame; the microphone for this page alone.
const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob:; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("permissions-policy", "microphone=(self), camera=(), geolocation=(), display-capture=()"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-cache"),
];

/// The page and what it is made of.
pub fn pages() -> Router {
    Router::new()
        .route("/call", get(|| async { served("text/html; charset=utf-8", HTML) }))
        .route("/call/call.css", get(|| async { served("text/css; charset=utf-8", CSS) }))
        .route("/call/call.js", get(|| async { served("text/javascript; charset=utf-8", JS) }))
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        assert!(!HTML.contains(" style=") && !HTML.contains("<style") && !HTML.contains(" onclick="));
        assert_eq!(HTML.matches("<script").count(), HTML.matches("<script type=\"module\" src=").count());
        for text in [HTML, CSS, JS] {
            assert!(!text.contains("http://") && !text.contains("https://"), "everything comes from the box");
        }
        assert!(!JS.contains("innerHTML") && !JS.contains("eval("));
        let response = served("text/html", HTML);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(
            response.headers()["permissions-policy"].to_str().unwrap().split(',').next(),
            Some("microphone=(self)")
        );
    }

    #[test]
    fn every_field_has_a_name() {
        for kind in ["<input", "<select"] {
            for (at, _) in HTML.match_indices(kind) {
                let tag = &HTML[at..at + HTML[at..].find('>').unwrap()];
                let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
                assert!(HTML.contains(&format!("for=\"{id}\"")), "{id} has no label");
            }
        }
    }
}
