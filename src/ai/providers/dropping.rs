//! JSON requests to providers that take fewer parameters than others.
//! Promise: a parameter that a provider names in its refusal is left out, once per request; if that
//! helps, later requests leave it out by themselves and do not pay for the same refusal again. What the
//! answer's meaning hangs on is never left out.

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
        let learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = without(body.clone(), &learnt);
        let send = |body: &Map<String, Value>| http::try_send(http::post(client, endpoint, path).json(body), endpoint);
        let refusal = match send(&sent).await {
            Ok(response) => return Ok(response),
            Err(refusal) => refusal,
        };
        let blamed = refusal.parameter.filter(|parameter| sent.contains_key(parameter));
        let Some(fewer) = blamed.and_then(|parameter| and(&learnt, &parameter)) else { return Err(refusal.fault) };
        let response = send(&without(body, &fewer)).await.map_err(|refusal| refusal.fault)?;
        // Only now is it known that the parameter was at fault and not its value beside this request.
        tracing::info!(provider = %endpoint.id, ?fewer, "provider does not take all parameters; leaving them out");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fewer;
        Ok(response)
    }
}

/// One more to leave out, if it may be.
fn and(learnt: &BTreeSet<String>, parameter: &str) -> Option<BTreeSet<String>> {
    // An answer without any limit is another one, too.
    let last_limit = LIMITS.iter().any(|(one, other)| *one == parameter && learnt.contains(*other));
    if KEPT.contains(&parameter) || last_limit || learnt.len() >= DROPPED_MAX {
        return None;
    }
    let mut fewer = learnt.clone();
    fewer.insert(parameter.to_owned());
    Some(fewer)
}

fn without(mut body: Map<String, Value>, dropped: &BTreeSet<String>) -> Map<String, Value> {
    for (refused, other) in LIMITS {
        if dropped.contains(refused)
            && let Some(limit) = body.remove(refused)
        {
            body.entry(other).or_insert(limit);
        }
    }
    body.retain(|field, _| !dropped.contains(field));
    body
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
        let none = BTreeSet::new();
        assert_eq!(without(body(), &none), body());
        let two = and(&and(&none, "temperature").unwrap(), "max_tokens").unwrap();
        assert_eq!(Value::Object(without(body(), &two)), json!({"model": "m", "max_completion_tokens": 9}));
        assert_eq!(and(&two, "max_completion_tokens"), None);
        assert_eq!(and(&two, "model"), None);
    }
}
