//! One configured model of one provider: where it is, how to sign, what to send along.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::Url;

use crate::ai::{Fault, FaultKind};
use crate::base::Lang;
use crate::base::secret::Secret;

/// How a request shows whose it is.
#[derive(Clone, Debug)]
pub enum Auth {
    None,
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: {scheme} …`, for instance Deepgram's `Token`.
    Scheme(String, Secret),
    /// A header of the provider's own.
    Header(String, Secret),
    /// A query parameter.
    Query(String, Secret),
    /// AWS Signature Version 4.
    SigV4 {
        access_key: String,
        secret_key: Secret,
        session_token: Option<Secret>,
        region: String,
    },
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `provider/model`, as decision records name it.
    pub id: String,
    pub base_url: Url,
    pub auth: Auth,
    pub model: String,
    /// Fields of the provider's own, sent along or read by its adapter (see each adapter's docs).
    pub options: Map<String, Value>,
    /// Voice of each language, for speech synthesis; `None` in the map's place is the provider's default.
    pub voices: BTreeMap<Lang, String>,
}

impl Endpoint {
    /// The address of a path below the base URL; the base's own path and query stay.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let joined = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&joined);
        if let Auth::Query(name, secret) = &self.auth {
            url.query_pairs_mut().append_pair(name, secret.expose());
        }
        url
    }

    /// The same for a WebSocket: `https` becomes `wss`.
    pub fn socket_url(&self, path: &str) -> Url {
        let mut url = self.url(path);
        let scheme = if url.scheme() == "http" || url.scheme() == "ws" { "ws" } else { "wss" };
        // Both are special schemes, between which the url crate always allows the change.
        let _ = url.set_scheme(scheme);
        url
    }

    /// The header that signs, except for [`Auth::SigV4`] whose signature depends on the request.
    pub fn auth_header(&self) -> Option<(String, String)> {
        match &self.auth {
            Auth::None | Auth::Query(..) | Auth::SigV4 { .. } => None,
            Auth::Bearer(secret) => Some(("authorization".to_owned(), format!("Bearer {}", secret.expose()))),
            Auth::Scheme(scheme, secret) => Some(("authorization".to_owned(), format!("{scheme} {}", secret.expose()))),
            Auth::Header(name, secret) => Some((name.clone(), secret.expose().to_owned())),
        }
    }

    pub fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option)?.as_str()
    }

    pub fn flag(&self, option: &str) -> bool {
        self.options.get(option).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn number(&self, option: &str) -> Option<f64> {
        self.options.get(option)?.as_f64()
    }

    /// Adds the fields under the option `body` to a request, over what the adapter put there; a
    /// `null` takes a field out.
    pub fn extend(&self, body: &mut Map<String, Value>) {
        let Some(Value::Object(extra)) = self.options.get("body") else { return };
        for (name, value) in extra {
            if value.is_null() {
                body.remove(name);
            } else {
                body.insert(name.clone(), value.clone());
            }
        }
    }

    /// Adds the parameters under the option `query` to an address; a list repeats its parameter.
    pub fn extend_query(&self, url: &mut Url) {
        let Some(Value::Object(extra)) = self.options.get("query") else { return };
        let mut pairs = url.query_pairs_mut();
        for (name, value) in extra {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values.iter().filter(|value| !value.is_null()) {
                pairs.append_pair(name, &plain(value));
            }
        }
    }

    pub fn fault(&self, kind: FaultKind, detail: impl Into<String>) -> Fault {
        Fault::new(kind, self.id.clone(), detail)
    }
}

/// A value as forms and queries write it.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str, auth: Auth) -> Endpoint {
        Endpoint {
            id: "x/y".into(),
            base_url: base.parse().unwrap(),
            auth,
            model: "y".into(),
            options: Map::new(),
            voices: BTreeMap::new(),
        }
    }

    #[test]
    fn paths_are_put_below_the_base() {
        let plain = endpoint("https://api.example.in/v1/?a=b", Auth::None);
        assert_eq!(plain.url("/chat").as_str(), "https://api.example.in/v1/chat?a=b");
        assert_eq!(plain.socket_url("ws").as_str(), "wss://api.example.in/v1/ws?a=b");
        let query = endpoint("http://10.0.0.1:8000", Auth::Query("key".into(), Secret::new("s p")));
        assert_eq!(query.socket_url("listen").as_str(), "ws://10.0.0.1:8000/listen?key=s+p");
        assert!(!format!("{query:?}").contains("s p"), "secrets are not printed");
    }

    #[test]
    fn configured_fields_win() {
        let mut endpoint = endpoint("http://h", Auth::None);
        endpoint.options = serde_json::from_str(r#"{"body": {"temperature": null, "top_p": 0.5}}"#).unwrap();
        let mut body: Map<String, Value> = serde_json::from_str(r#"{"temperature": 0, "model": "m"}"#).unwrap();
        endpoint.extend(&mut body);
        assert_eq!(Value::Object(body), serde_json::json!({"model": "m", "top_p": 0.5}));
    }
}
