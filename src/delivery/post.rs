//! One attempt: a signed request to a guarded address, and what its answer means. Promise: it ends
//! within [`limits::WEBHOOK_ATTEMPT_MAX`]; nothing of what the other side writes is kept, shown or
//! logged; redirects are not followed.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use super::guard::{Guard, Refusal};
use super::sign;
use crate::base::{Clock, limits};
use crate::config::Roots;
use crate::store::webhooks::Letter;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        status: u16,
    },
    /// Told that nobody lives there any more: 410.
    Gone,
    Failed {
        status: Option<u16>,
        /// A fixed phrase.
        why: String,
        /// The other side named a time.
        retry_after: Option<Duration>,
    },
    /// It waits no longer: removed, given up, or its endpoint is switched off.
    Vanished,
}

impl Outcome {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed { status: None, why: why.into(), retry_after: None }
    }

    /// As the metrics count it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Gone => "gone",
            Self::Failed { .. } => "failed",
            Self::Vanished => "vanished",
        }
    }
}

/// Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Post {
    client: Client,
    guard: Guard,
    clock: Clock,
}

impl Post {
    /// `roots` are trusted besides the usual authorities.
    pub fn new(guard: Guard, clock: Clock, roots: &Roots) -> Result<Self, reqwest::Error> {
        let mut client = Client::builder()
            .dns_resolver(Arc::new(guard.clone()))
            // A proxy would resolve names where the guard cannot look.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits::WEBHOOK_ATTEMPT_MAX)
            .timeout(limits::WEBHOOK_ATTEMPT_MAX)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(limits::WEBHOOK_PARALLEL_ONE)
            .tcp_nodelay(true)
            .user_agent(concat!("vaani-webhooks/", env!("CARGO_PKG_VERSION")));
        for root in roots.certificates()? {
            client = client.add_root_certificate(root);
        }
        Ok(Self { client: client.build()?, guard, clock })
    }

    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends once.
    pub async fn send(&self, letter: &Letter) -> Outcome {
        let url = match self.guard.check(&letter.url) {
            Ok(url) => url,
            Err(refusal) => return Outcome::failed(phrase(&refusal)),
        };
        let id = letter.id.to_string();
        let now_ms = self.clock.wall_ms();
        let Ok(signed) = sign::headers(&letter.secrets, &id, now_ms, letter.body.as_bytes()) else {
            return Outcome::failed("the secret signs nothing; rotate it");
        };
        let mut request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(letter.body.clone());
        for (name, value) in signed {
            request = request.header(name, value);
        }
        match tokio::time::timeout(limits::WEBHOOK_ATTEMPT_MAX, request.send()).await {
            Ok(Ok(response)) => answered(response, self.clock).await,
            Ok(Err(error)) => Outcome::failed(transport(&error)),
            Err(_) => Outcome::failed("no answer in time"),
        }
    }
}

async fn answered(response: Response, clock: Clock) -> Outcome {
    let status = response.status();
    let outcome = match status {
        status if status.is_success() => Outcome::Delivered { status: status.as_u16() },
        StatusCode::GONE => Outcome::Gone,
        status => {
            let why = if status.is_redirection() {
                format!("HTTP {} (redirects are not followed; give the address it leads to)", status.as_u16())
            } else {
                format!("HTTP {}", status.as_u16())
            };
            let retry_after = match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    retry_after(response.headers(), clock.wall())
                }
                _ => None,
            };
            Outcome::Failed { status: Some(status.as_u16()), why, retry_after }
        }
    };
    // Read to its end the connection can be used again; a long or slow answer is not worth it.
    drop(tokio::time::timeout(limits::WEBHOOK_ANSWER_WITHIN, drain(response)).await);
    outcome
}

async fn drain(response: Response) {
    let mut read = 0;
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        read += piece.len();
        if read > limits::WEBHOOK_ANSWER_MAX {
            return;
        }
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
        Duration::from_secs(u64::try_from(at).ok()?.saturating_sub(now.as_secs()))
    };
    Some(wait.min(limits::WEBHOOK_BACKOFF_MAX))
}

const fn phrase(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Private => "the address is not allowed",
        Refusal::Unknown => "the name is unknown",
        _ => "the address makes no request",
    }
}

/// Errors without an answer. Addresses are left out: they may hold keys.
fn transport(error: &reqwest::Error) -> &'static str {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return phrase(refusal);
        }
        if inner.to_string().contains("certificate") {
            return "its certificate is not trusted";
        }
        source = inner.source();
    }
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_read_in_both_forms_and_bounded() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, Duration::from_secs(1_445_412_480))
        };
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(read("7"), seconds(7));
        assert_eq!(read(" 0 "), seconds(0));
        assert_eq!(read("999999999"), seconds(3_600));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:30 GMT"), seconds(30));
        assert_eq!(read("Wed, 21 Oct 2015 07:27:00 GMT"), seconds(0), "over already");
        for odd in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Duration::ZERO), None);
    }
}
