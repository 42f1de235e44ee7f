//! A box's access API on a real socket, for tests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::middleware;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::guard;
use crate::auth::audit::Audit;
use crate::auth::people::Wanted;
use crate::auth::totp::TotpSecret;
use crate::auth::{Gate, GateDeps, Principal, Role, WantedKey, setup};
use crate::base::Clock;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::config;
use crate::store::Vault;
use crate::store::crypt::MasterKey;

pub(super) const PASSWORD: &str = "a horse in the rain";
pub(super) const BOX_TOKEN: &str = "the-token-of-the-box-0123456789";

pub(super) struct House {
    pub(super) gate: Gate,
    pub(super) address: SocketAddr,
    http: reqwest::Client,
    _tasks: Scope,
    _state: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HashMap<String, String>,
    pub(super) cookies: Vec<String>,
    pub(super) json: Value,
}

/// A browser that is logged in.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    pub(super) cookie: String,
    pub(super) csrf: String,
    pub(super) me: Value,
}

pub(super) fn gate(state: &Path, settings: config::Auth, base_url: &str) -> Gate {
    let clock = Clock::system();
    let vault = Vault::open(state, MasterKey::load(state).unwrap(), clock).unwrap();
    let audit = Audit::new(vault.clone(), clock);
    let token = Secret::new(BOX_TOKEN);
    Gate::new(GateDeps { vault, audit, clock, settings, base_url: base_url.to_owned(), token }).unwrap()
}

/// Limits that tests do not meet by accident.
pub(super) fn settings() -> config::Auth {
    let limits = config::AuthLimits {
        key_per_second: 10_000,
        key_burst: 10_000,
        address_per_second: 10_000,
        address_burst: 10_000,
    };
    config::Auth { limits, ..config::Auth::default() }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(settings(), super::access_routes).await
    }

    pub(super) async fn with(settings: config::Auth, routes: impl FnOnce(Gate) -> Router) -> Self {
        let state = tempfile::tempdir().unwrap();
        let gate = gate(state.path(), settings, "http://vaani.test");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = routes(gate.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let tasks = Scope::new();
        tasks.spawn("api", async move { axum::serve(listener, app).await.unwrap() });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { gate, address, http, _tasks: tasks, _state: state }
    }

    /// Any router behind the guard.
    pub(super) fn guarded(routes: Router<Gate>) -> impl FnOnce(Gate) -> Router {
        |gate| routes.route_layer(middleware::from_fn_with_state(gate.clone(), guard::guard)).with_state(gate)
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let cookies = answer.headers().get_all("set-cookie").iter().map(text).collect();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = answer.text().await.unwrap();
        Answer { status, headers, cookies, json: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
    }

    pub(super) async fn by(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// As the holder of the box's token.
    pub(super) async fn owner(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.by(BOX_TOKEN, method, path, body).await
    }

    pub(super) async fn browse(&self, browser: &Browser, method: &str, path: &str, body: Option<Value>) -> Answer {
        let headers = [("cookie", browser.cookie.as_str()), ("x-csrf-token", browser.csrf.as_str())];
        self.send(method, path, &headers, body).await
    }

    /// Somebody with [`PASSWORD`].
    pub(super) async fn person(&self, login: &str, role: Role, tenant: Option<&str>) -> uuid::Uuid {
        let wanted = Wanted {
            login: login.to_owned(),
            name: String::new(),
            role,
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
        };
        let owner = Principal::the_box("test");
        self.gate.make_user_with(&owner, wanted, Secret::new(PASSWORD)).await.unwrap().id
    }

    pub(super) async fn tenant(&self, id: &str) {
        let owner = Principal::the_box("test");
        self.gate.make_tenant(&owner, &id.parse().unwrap(), id).await.unwrap();
    }

    pub(super) async fn try_login(&self, login: &str, password: &str, code: Option<&str>) -> Answer {
        let body = json!({ "login": login, "password": password, "code": code });
        self.send("POST", "/api/login", &[], Some(body)).await
    }

    pub(super) async fn login(&self, login: &str) -> Browser {
        let answer = self.try_login(login, PASSWORD, None).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json);
        answer.browser()
    }

    /// A key of this role and tenant.
    pub(super) async fn key(&self, role: Role, tenant: Option<&str>) -> String {
        let tenant = tenant.map(|tenant| tenant.parse().unwrap());
        let wanted = WantedKey { name: format!("{role}"), role, tenant, scopes: None, until_ms: None };
        self.gate.make_key(&Principal::the_box("test"), wanted).await.unwrap().1.expose().to_owned()
    }

    pub(super) fn setup_code(&self) -> Option<String> {
        let (system, now) = (self.gate.vault().system().clone(), self.gate.now_ms());
        setup::code(&system, now).unwrap()
    }

    /// What the audit log of the box holds, as `what` words.
    pub(super) async fn noted(&self) -> Vec<String> {
        let read = self.gate.vault().system().read(|db| {
            let mut find = db.prepare("SELECT what FROM audit ORDER BY seq")?;
            let rows = find.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            Ok(rows)
        });
        read.await.unwrap()
    }
}

impl Answer {
    pub(super) fn browser(&self) -> Browser {
        let set = self.cookies.iter().find(|cookie| cookie.starts_with("vaani=")).expect("a session's cookie");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
        Browser {
            cookie: set.split(';').next().unwrap().to_owned(),
            csrf: self.json["csrf"].as_str().unwrap_or_default().to_owned(),
            me: self.json.clone(),
        }
    }

    /// Is it a proper problem with this status?
    #[track_caller]
    pub(super) fn is(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.json);
        if status >= 400 {
            assert_eq!(self.headers["content-type"], "application/problem+json");
            assert_eq!(self.json["status"], status);
            assert!(!self.json["detail"].as_str().unwrap().is_empty());
        }
        if status == 401 {
            assert_eq!(self.headers["www-authenticate"], "Bearer");
        }
    }
}

/// The code an authenticator shows now.
pub(super) fn totp_now(base32: &str, offset: i64) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for c in base32.chars() {
        held = held << 5 | u32::try_from(alphabet.find(c).unwrap()).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
        }
    }
    let now = Clock::system().wall().as_secs();
    TotpSecret::from_bytes(&bytes).at(now.checked_add_signed(offset).unwrap())
}
