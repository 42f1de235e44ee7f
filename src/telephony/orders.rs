//! Orders to a carrier's REST API, as every transport that dials so sends them.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, redirect};

use crate::base::limits;

/// A client that answers within [`limits::DIAL_WITHIN`], one way or the other.
pub fn client() -> reqwest::Result<Client> {
    Client::builder()
        .timeout(limits::DIAL_WITHIN)
        .connect_timeout(limits::DIAL_WITHIN / 3)
        .redirect(redirect::Policy::none())
        .build()
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
