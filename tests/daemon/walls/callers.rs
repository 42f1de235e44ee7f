//! Who asks, and what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use vaani::auth::Role;
use vaani::auth::role::Permission;

use crate::support::Api;

/// How long an answer without an end is listened to.
const LISTENED: Duration = Duration::from_millis(80);
const PASSWORD: &str = "an owl reads 17 letters";

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Nothing,
    Json(Value),
    Text(&'static str, String),
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) sent: Sent,
}

impl Ask {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), sent: Sent::Nothing }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// All that the one who asks has said, in small letters.
    pub(super) fn said(&self) -> String {
        let sent = match &self.sent {
            Sent::Nothing => String::new(),
            Sent::Json(body) => body.to_string(),
            Sent::Text(_, text) => text.clone(),
        };
        format!("{} {} {:?} {sent}", self.method, self.path, self.headers).to_lowercase()
    }
}

/// An answer, headers and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The cursor in the header `link` of a table.
    pub(super) fn link(&self) -> Option<&str> {
        self.headers.get("link")?.split_once("cursor=")?.1.split(['&', '>']).next()
    }

    pub(super) fn text(&self) -> String {
        format!("{} {:?} {}", self.status, self.headers, self.body).to_lowercase()
    }

    /// Without what differs from one time to the next: made-up ids, times, secrets, hashes.
    pub(super) fn timeless(&self) -> String {
        let headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "date" | "content-length")).collect();
        let body =
            serde_json::from_str(&self.body).map_or_else(|_| self.body.clone(), |body| faded(body, "").to_string());
        format!("{} {headers:?} {body}", self.status)
    }
}

fn faded(value: Value, name: &str) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(name, value)| (name.clone(), faded(value, &name))).collect(),
        Value::Array(list) => list.into_iter().map(|value| faded(value, name)).collect(),
        Value::Number(_) if name.ends_with("_ms") => json!(0),
        Value::String(_) if matches!(name, "id" | "phone_hash") => json!("…"),
        other => other,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Stranger,
    Key,
    Token,
    Person,
}

/// Somebody who asks.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) by: By,
    pub(super) role: Role,
    /// `None`: the whole box.
    pub(super) tenant: Option<String>,
    headers: Vec<(&'static str, String)>,
    api: Api,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} of {:?}", self.by, self.role, self.tenant)
    }
}

impl Caller {
    /// Written out, not asked of the daemon's own `Principal::may`.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.by != By::Stranger && self.role.may(permission) && !(self.tenant.is_some() && permission.is_of_the_box())
    }

    pub(super) fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Answer {
        let mut request = self.api.bare(ask.method.clone(), &ask.path);
        for (name, value) in self.headers.iter().chain(&ask.headers) {
            request = request.header(*name, value);
        }
        request = match &ask.sent {
            Sent::Nothing => request,
            Sent::Json(body) => request.json(body),
            Sent::Text(kind, text) => request.header("content-type", *kind).body(text.clone()),
        };
        let answer = request.send().await.unwrap_or_else(|error| panic!("{ask:?}: {error}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        let headers: BTreeMap<String, String> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let endless = headers.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let body = if endless {
            let mut pieces = answer.bytes_stream();
            let mut body = Vec::new();
            while let Ok(Some(Ok(piece))) = tokio::time::timeout(LISTENED, pieces.next()).await {
                body.extend_from_slice(&piece);
            }
            String::from_utf8_lossy(&body).into_owned()
        } else {
            answer.text().await.unwrap_or_else(|error| panic!("{ask:?}: {error}"))
        };
        Answer { status, headers, body }
    }
}

/// The holder of the box's own token.
pub(super) struct Box_(pub(super) Api);

impl Box_ {
    fn caller(&self, tenant: &str) -> Caller {
        let headers = vec![self.0.authorization(), ("x-vaani-tenant", tenant.to_owned())];
        Caller { by: By::Key, role: Role::Admin, tenant: None, headers, api: self.0.clone() }
    }

    /// What this tenant's admin would see.
    pub(super) async fn of(&self, tenant: &str, ask: &Ask) -> Answer {
        self.caller(tenant).ask(ask).await
    }

    pub(super) async fn made(&self, tenant: &str, method: Method, path: &str, body: &Value) -> Value {
        let ask = Ask { method, path: path.to_owned(), headers: Vec::new(), sent: Sent::Json(body.clone()) };
        self.done(tenant, &ask).await
    }

    pub(super) async fn sent(&self, tenant: &str, path: &str, kind: &'static str, text: String) -> Value {
        let ask =
            Ask { method: Method::POST, path: path.to_owned(), headers: Vec::new(), sent: Sent::Text(kind, text) };
        self.done(tenant, &ask).await
    }

    /// A document, new or changed.
    pub(super) async fn written(&self, tenant: &str, path: &str, new: bool, text: String) {
        let header = (if new { "if-none-match" } else { "if-match" }, "*".to_owned());
        let ask = Ask {
            method: Method::PUT,
            path: path.to_owned(),
            headers: vec![header],
            sent: Sent::Text("text/plain", text),
        };
        self.done(tenant, &ask).await;
    }

    async fn done(&self, tenant: &str, ask: &Ask) -> Value {
        let answer = self.of(tenant, ask).await;
        assert!(answer.status.is_success(), "{ask:?}: {answer:?}");
        answer.json()
    }

    pub(super) fn stranger(&self) -> Caller {
        Caller { by: By::Stranger, role: Role::Viewer, tenant: None, headers: Vec::new(), api: self.0.clone() }
    }

    /// With a key of its own.
    pub(super) async fn key(&self, role: Role, tenant: Option<&str>) -> Caller {
        let body = json!({ "name": format!("walker {role}"), "role": role, "tenant": tenant });
        let made = self.made("default", Method::POST, "/api/keys", &body).await;
        self.bearer(By::Key, role, tenant, made["key"].as_str().unwrap())
    }

    pub(super) async fn token(&self, role: Role, tenant: &str) -> Caller {
        let made = self
            .made(tenant, Method::POST, "/api/tokens", &json!({ "name": "walker", "role": role, "seconds": 3600 }))
            .await;
        self.bearer(By::Token, role, Some(tenant), made["token"].as_str().unwrap())
    }

    fn bearer(&self, by: By, role: Role, tenant: Option<&str>, secret: &str) -> Caller {
        let headers = vec![("authorization", format!("Bearer {secret}"))];
        Caller { by, role, tenant: tenant.map(str::to_owned), headers, api: self.0.clone() }
    }

    /// Somebody who has logged in, and the id of the session.
    pub(super) async fn person(&self, login: &str, role: Role, tenant: Option<&str>) -> (Caller, String) {
        let body = json!({ "login": login, "role": role, "tenant": tenant });
        let made = self.made("default", Method::POST, "/api/users", &body).await;
        let stranger = self.stranger();
        let post = |path: &str, body: Value| Ask {
            method: Method::POST,
            path: path.to_owned(),
            headers: Vec::new(),
            sent: Sent::Json(body),
        };
        let reset = post("/api/login/reset", json!({ "login": login, "code": made["code"], "password": PASSWORD }));
        let answer = stranger.ask(&reset).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        let answer = stranger.ask(&post("/api/login", json!({ "login": login, "password": PASSWORD }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
        let headers = vec![("cookie", cookie), ("x-csrf-token", answer.json()["csrf"].as_str().unwrap().to_owned())];
        let caller = Caller { by: By::Person, role, tenant: tenant.map(str::to_owned), headers, api: self.0.clone() };
        let sessions = caller.ask(&Ask::get("/api/me/sessions")).await.json();
        (caller, sessions[0]["id"].as_str().unwrap().to_owned())
    }
}
