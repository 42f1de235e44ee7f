//! Orders to a carrier's REST API, as every transport that dials so sends them.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, redirect};

use super::dial::{Refused, Verdict};
use crate::base::limits;

/// A client that answers within [`limits::DIAL_WITHIN`], one way or the other.
pub fn client() -> reqwest::Result<Client> {
    Client::builder()
        .timeout(limits::DIAL_WITHIN)
        .connect_timeout(limits::DIAL_WITHIN / 3)
        .redirect(redirect::Policy::none())
        .build()
}

/// A carrier, as errors of its orders say it.
pub const CARRIER: &str = "the carrier's API";

/// An order that has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It never left.
    Unsent(String),
    /// It may have been carried out.
    Lost(String),
}

impl From<Unanswered> for Verdict {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unsent(detail) => Self::refused(Refused::Unreachable, detail),
            Unanswered::Lost(detail) => Self::Unknown { detail },
        }
    }
}

/// Sends an order; `whom`: who is to take it, as errors say it.
pub async fn send(order: RequestBuilder, whom: &str) -> Result<Response, Unanswered> {
    order.send().await.map_err(|error| match error {
        error if error.is_connect() || error.is_builder() => Unanswered::Unsent(format!("no connection to {whom}")),
        error if error.is_timeout() => Unanswered::Lost(format!("{whom} did not answer")),
        _ => Unanswered::Lost(format!("the connection to {whom} broke")),
    })
}

/// An answer's body, unless it is larger than any of a carrier's.
pub async fn body(mut answer: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.ok()? {
        if body.len() + piece.len() > limits::WEBHOOK_BODY_MAX {
            return None;
        }
        body.extend_from_slice(&piece);
    }
    Some(body)
}

/// How long the carrier asks to wait.
pub fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
