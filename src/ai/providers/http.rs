//! The one HTTP client of all providers, and what their status codes mean.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::Endpoint;
use crate::ai::{Fault, FaultKind};

/// Bytes of an error's body that are looked at.
const ERROR_BODY_MAX: usize = 16 * 1024;
/// Bytes of a whole answer.
pub const ANSWER_MAX: usize = 32 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const IDLE_KEPT: Duration = Duration::from_secs(90);
/// A connection whose other end confirms nothing for this long is dead, whatever the system thinks: a
/// router that forgot it during an outage says nothing afterwards.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(5);
/// The same for connections that many requests share and nobody uses just now.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Connections are kept and shared; proxies of the environment are honoured. There is no overall
/// timeout: whoever asks sets the deadline of the attempt and drops it.
pub fn client() -> Result<Client, reqwest::Error> {
    let builder = Client::builder();
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNCONFIRMED_MAX);
    builder
        .connect_timeout(CONNECT_WITHIN)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(UNCONFIRMED_MAX)
        .http2_keep_alive_while_idle(true)
        .pool_idle_timeout(IDLE_KEPT)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("vaani/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A signed request to a path of the endpoint.
pub fn post(client: &Client, endpoint: &Endpoint, path: &str) -> RequestBuilder {
    sign(client.post(endpoint.url(path)), endpoint)
}

pub fn sign(request: RequestBuilder, endpoint: &Endpoint) -> RequestBuilder {
    match endpoint.auth_header() {
        Some((name, value)) => request.header(name, value),
        None => request,
    }
}

/// Sends, and turns everything but success into a fault.
pub async fn send(request: RequestBuilder, endpoint: &Endpoint) -> Result<Response, Fault> {
    try_send(request, endpoint).await.map_err(|refusal| refusal.fault)
}

/// Why a request was not answered, and which of its parameters the provider blames.
#[derive(Debug)]
pub struct Refusal {
    pub fault: Fault,
    pub parameter: Option<String>,
}

/// Like [`send`], for who can do without a parameter.
pub async fn try_send(request: RequestBuilder, endpoint: &Endpoint) -> Result<Response, Refusal> {
    let plain = |fault| Refusal { fault, parameter: None };
    let response = request.send().await.map_err(|error| plain(transport(endpoint, &error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    let body = bounded(response, ERROR_BODY_MAX, endpoint).await.unwrap_or_default();
    let code = error_code(&body);
    let parameter = if status == StatusCode::BAD_REQUEST { error_parameter(&body) } else { None };
    Err(Refusal { fault: refused(endpoint, status, code, retry_after), parameter })
}

/// The fault of a status that is no success.
pub(super) fn refused(
    endpoint: &Endpoint,
    status: StatusCode,
    code: Option<String>,
    retry_after: Option<Duration>,
) -> Fault {
    let mut fault =
        endpoint.fault(kind_of(status, code.as_deref()), format!("HTTP {}", status.as_u16())).after_an_answer();
    if let Some(code) = code {
        fault.detail.push_str(&format!(", {code}"));
    }
    fault.retry_after = retry_after;
    fault
}

/// The whole body, at most `most` bytes.
pub async fn bounded(response: Response, most: usize, endpoint: &Endpoint) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| transport(endpoint, &error))?;
        if body.len() + piece.len() > most {
            return Err(endpoint.fault(FaultKind::Broken, format!("the answer is larger than {most} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The answer as JSON.
pub async fn json(response: Response, endpoint: &Endpoint) -> Result<Value, Fault> {
    let body = bounded(response, ANSWER_MAX, endpoint).await?;
    serde_json::from_slice(&body).map_err(|_| endpoint.fault(FaultKind::Broken, "the answer is no JSON"))
}

/// The body piece by piece, as it comes.
pub fn pieces(response: Response, endpoint: Endpoint) -> BoxStream<'static, Result<bytes::Bytes, Fault>> {
    response.bytes_stream().map(move |piece| piece.map_err(|error| transport(&endpoint, &error))).boxed()
}

/// Errors without an answer. Addresses are left out: they may hold keys.
pub fn transport(endpoint: &Endpoint, error: &reqwest::Error) -> Fault {
    let (kind, what) = if error.is_timeout() {
        (FaultKind::Deadline, "the connection timed out")
    } else if error.is_connect() {
        (FaultKind::Unavailable, "no connection")
    } else if error.is_decode() {
        (FaultKind::Broken, "the answer could not be read")
    } else if error.is_builder() {
        (FaultKind::Denied, "what is configured makes no request")
    } else {
        (FaultKind::Unavailable, "the connection broke")
    };
    endpoint.fault(kind, what)
}

/// What a status means for asking again. 529 is Anthropic's "overloaded".
pub fn kind_of(status: StatusCode, code: Option<&str>) -> FaultKind {
    match status.as_u16() {
        401..=403 => FaultKind::Denied,
        404 => FaultKind::Denied,
        408 | 504 => FaultKind::Deadline,
        429 if matches!(code, Some("insufficient_quota" | "insufficient_quota_error" | "quota_exceeded")) => {
            FaultKind::Denied
        }
        429 | 503 | 529 => FaultKind::Overloaded,
        // Bedrock: the model itself failed on it.
        424 => FaultKind::Unavailable,
        400..=499 => FaultKind::Refused,
        500..=599 => FaultKind::Unavailable,
        _ => FaultKind::Broken,
    }
}

/// `Retry-After` in seconds. A date is not worth a clock here: the breaker's own pause is taken then.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = headers.get("retry-after")?.to_str().ok()?;
    let seconds: f64 = header.trim().parse().ok()?;
    (0.0..=3_600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// The provider's own word for the error, wherever it puts it; never its message, which may repeat
/// what was sent.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let places = ["/error/code", "/error/type", "/err_code", "/detail/status", "/code", "/type", "/__type"];
    let code = places.iter().find_map(|place| json.pointer(place)?.as_str())?;
    is_plain(code).then(|| code.to_owned())
}

/// A word that may be repeated in a fault: it cannot be something that was said.
pub(super) fn is_plain(code: &str) -> bool {
    code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// The top-level field of the request that an error is about.
fn error_parameter(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let parameter = json.pointer("/error/param")?.as_str()?.split(['.', '[']).next()?;
    let plain = (1..=64).contains(&parameter.len()) && parameter.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| parameter.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_codes_are_taken_from_an_error() {
        let code = |body: &str| error_code(body.as_bytes());
        assert_eq!(code(r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#).unwrap(), "rate_limit_exceeded");
        assert_eq!(code(r#"{"err_code":"INVALID_AUTH"}"#).unwrap(), "INVALID_AUTH");
        assert_eq!(code(r#"{"detail":{"status":"quota_exceeded"}}"#).unwrap(), "quota_exceeded");
        assert_eq!(code(r#"{"error":{"code":"you said: my number is 98"}}"#), None);
        assert_eq!(code("<html>"), None);
    }

    #[test]
    fn statuses_tell_whether_asking_again_helps() {
        let kind = |status: u16, code| kind_of(StatusCode::from_u16(status).unwrap(), code);
        assert_eq!(kind(401, None), FaultKind::Denied);
        assert_eq!(kind(429, None), FaultKind::Overloaded);
        assert_eq!(kind(429, Some("insufficient_quota")), FaultKind::Denied);
        assert_eq!(kind(529, None), FaultKind::Overloaded);
        assert_eq!(kind(422, None), FaultKind::Refused);
        assert_eq!(kind(500, None), FaultKind::Unavailable);
        assert_eq!(kind(504, None), FaultKind::Deadline);
    }
}
