//! JSON requests to providers that take fewer parameters than others.
//! Promise: a parameter that a provider names in its refusal is left out, once per request, and from
//! then on by itself, so that later requests do not pay for the same refusal again. What the answer's
//! meaning hangs on is never left out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Client, Response};
use serde_json::{Map, Value};

use super::{Endpoint, http};
use crate::ai::Fault;

/// Fields without which the request is another one.
const KEPT: [&str; 10] = [
    "model",
    "messages",
    "stream",
    "input",
    "voice",
    "grammar",
    "structured_outputs",
    "response_format",
    "system",
    "file",
];
/// Parameters one provider can be without.
const DROPPED_MAX: usize = 16;
/// Two names of one limit; a provider that refuses one takes the other.
const LIMITS: [(&str, &str); 2] = [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")];

/// What one endpoint was found not to take.
#[derive(Clone, Debug, Default)]
pub struct Unsupported(Arc<Mutex<BTreeSet<String>>>);

impl Unsupported {
    pub async fn post(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        path: &str,
        body: Map<String, Value>,
    ) -> Result<Response, Fault> {
        let body = self.without(body);
        let send = |body: &Map<String, Value>| http::try_send(http::post(client, endpoint, path).json(body), endpoint);
        let refusal = match send(&body).await {
            Ok(response) => return Ok(response),
            Err(refusal) => refusal,
        };
        match refusal.parameter {
            Some(parameter) if body.contains_key(&parameter) && self.learn(&parameter) => {
                tracing::info!(provider = %endpoint.id, parameter, "provider does not take a parameter; leaving it out");
                send(&self.without(body)).await.map_err(|refusal| refusal.fault)
            }
            _ => Err(refusal.fault),
        }
    }

    fn learn(&self, parameter: &str) -> bool {
        let mut dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !KEPT.contains(&parameter) && dropped.len() < DROPPED_MAX && {
            dropped.insert(parameter.to_owned());
            true
        }
    }

    fn without(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        let dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (refused, other) in LIMITS {
            if dropped.contains(refused)
                && !dropped.contains(other)
                && let Some(limit) = body.remove(refused)
            {
                body.entry(other).or_insert(limit);
            }
        }
        body.retain(|field, _| !dropped.contains(field));
        body
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_change_their_name_and_meaning_stays() {
        let body = || match json!({"model": "m", "max_tokens": 9, "temperature": 0.1}) {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        let found = Unsupported::default();
        assert_eq!(found.without(body()), body());
        assert!(found.learn("temperature") && found.learn("max_tokens"));
        assert_eq!(Value::Object(found.without(body())), json!({"model": "m", "max_completion_tokens": 9}));
        assert!(found.learn("max_completion_tokens"));
        assert_eq!(Value::Object(found.without(body())), json!({"model": "m"}));
        assert!(!found.learn("model"));
    }
}
