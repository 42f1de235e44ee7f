use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::auth::{Kind, Role};
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId};
use crate::config::Webhooks as Settings;
use crate::delivery::{DeliveryMetrics, SystemNames};
use crate::store::crypt::MasterKey;
use crate::store::outbox::{Fate, Settled};

struct Desked {
    url: String,
    scope: Scope,
    db: Database,
    delivery: Delivery,
    audit: Audit,
    tenant: TenantId,
    _state: tempfile::TempDir,
}

async fn start() -> Desked {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), clock).unwrap();
    let tenant = TenantId::default_tenant();
    let db = vault.tenant(&tenant).unwrap();
    let settings = Settings {
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: true,
        give_up_hours: 1,
        parallel: 4,
        keep_days: 1,
        roots: Default::default(),
    };
    let delivery = Delivery::new(&settings, Arc::new(SystemNames), clock, DeliveryMetrics::default()).unwrap();
    let audit = Audit::new(vault.clone(), clock);
    let who = Principal::new(Kind::Box, "test", Role::Admin, None);
    let api = routes::<()>(Desk::new(delivery.clone(), audit.clone(), &vault))
        .layer(axum::Extension(who))
        .layer(axum::Extension(Tenant { id: tenant.clone(), db: db.clone() }))
        .with_state(());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let scope = Scope::new();
    let stopping = scope.clone();
    scope.spawn("api", async move {
        let served = axum::serve(listener, api).with_graceful_shutdown(async move { stopping.stopped().await });
        served.await.unwrap();
    });
    Desked { url, scope, db, delivery, audit, tenant, _state: state }
}

impl Drop for Desked {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

impl Desked {
    async fn ask(&self, method: &str, path: &str, tag: Option<&str>, body: Value) -> (u16, Value, String) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let tag = response.headers().get("etag").map(|t| t.to_str().unwrap().to_owned()).unwrap_or_default();
        (status, response.json().await.unwrap_or(Value::Null), tag)
    }

    async fn make(&self, body: Value) -> (String, String) {
        let (status, made, _) = self.ask("POST", "/api/webhooks", None, body).await;
        assert_eq!(status, 201, "{made}");
        (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_webhook_lives_from_making_to_removal() {
    let it = start().await;
    let wish = json!({"url": "https://example.in/hooks?key=s3cr3t", "events": ["CALL_INITIATED", "call.ended", "call.ended"], "ordered": true});
    let (status, made, tag) = it.ask("POST", "/api/webhooks", None, wish).await;
    assert_eq!((status, tag.as_str()), (201, "\"v1\""));
    assert_eq!(made["events"], json!(["call.started", "call.ended"]));
    assert_eq!((made["enabled"].as_bool(), made["numbers"].as_str()), (Some(true), Some("hash")));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/api/webhooks/{}", made["id"].as_str().unwrap());
    let (status, shown, _) = it.ask("GET", &path, None, Value::Null).await;
    assert_eq!(status, 200);
    assert!(shown.get("secret").is_none(), "shown once");
    assert_eq!(it.ask("GET", "/api/webhooks", None, Value::Null).await.1, json!([shown]));

    let wish =
        json!({"url": "http://127.0.0.1:9/", "events": ["*", "call.ended"], "numbers": "masked", "about": "लोन"});
    assert_eq!(it.ask("PUT", &path, None, wish.clone()).await.0, 428);
    assert_eq!(it.ask("PUT", &path, Some("\"v7\""), wish.clone()).await.0, 412);
    let (status, changed, tag) = it.ask("PUT", &path, Some("\"v1\""), wish.clone()).await;
    assert_eq!((status, tag.as_str()), (200, "\"v2\""), "{changed}");
    assert_eq!((&changed["events"], &changed["ordered"]), (&json!(["*"]), &json!(false)));
    assert_eq!(it.ask("PUT", &path, Some("\"v1\""), wish).await.0, 412, "twice over");

    let (status, rotated, _) = it.ask("POST", &format!("{path}/rotate"), None, json!({"keep_old_hours": 1})).await;
    assert_eq!(status, 200);
    assert_ne!(rotated["secret"], made["secret"]);
    let id: EndpointId = made["id"].as_str().unwrap().parse().unwrap();
    let secrets = it.db.read(move |db| webhooks::secrets(db, id)).await.unwrap().unwrap();
    assert!(secrets.current.matches(rotated["secret"].as_str().unwrap()));
    assert!(secrets.old.unwrap().0.matches(made["secret"].as_str().unwrap()));
    assert_eq!(it.ask("POST", &format!("{path}/rotate"), None, json!({"keep_old_hours": 721})).await.0, 422);
    assert_eq!(it.ask("POST", &format!("{path}/rotate"), None, json!({"hours": 1})).await.0, 400);

    assert_eq!(it.ask("DELETE", &path, Some("\"v1\""), Value::Null).await.0, 412);
    assert_eq!(it.ask("DELETE", &path, Some("*"), Value::Null).await.0, 204);
    for (method, path) in
        [("GET", path.clone()), ("POST", format!("{path}/test")), ("GET", format!("{path}/deliveries"))]
    {
        assert_eq!(it.ask(method, &path, None, Value::Null).await.0, 404, "{method} {path}");
    }
    let report = it.audit.verify(Some(&it.tenant), Vec::new()).await.unwrap();
    assert_eq!(report.entries, 4, "each change is written down once");
    let kept =
        it.db.read(|db| Ok(db.query_row("SELECT group_concat(detail) FROM audit", [], |r| r.get::<_, String>(0))?));
    let kept = kept.await.unwrap();
    assert!(!kept.contains("s3cr3t") && !kept.contains("whsec_") && kept.contains("example.in"), "{kept}");
}

#[tokio::test]
async fn a_wrong_wish_is_told_what_is_wrong_and_leaves_nothing() {
    let it = start().await;
    let long = "x".repeat(201);
    for (wish, status, part) in [
        (json!({"url": "ftp://example.in/"}), 422, "url: that is no address"),
        (json!({"url": "https://u:p@example.in/"}), 422, "user or password"),
        (json!({"url": "https://10.0.0.1/"}), 422, "allow_private"),
        (json!({"url": "https://[::ffff:127.0.0.1]/"}), 422, "allow_private"),
        (json!({"url": "https://example.in/", "events": []}), 422, "at least one"),
        (json!({"url": "https://example.in/", "events": ["call.begun"]}), 422, "call.started"),
        (json!({"url": "https://example.in/", "about": long}), 422, "at most 200"),
        (json!({"url": "https://example.in/", "about": "a\nb"}), 422, "one line"),
        (json!({"url": "https://example.in/", "numbers": "full"}), 400, "full"),
        (json!({"url": "https://example.in/", "secret": "mine"}), 400, "secret"),
        (json!({"events": ["*"]}), 400, "url"),
        (json!([1]), 400, ""),
        (json!("x"), 400, ""),
    ] {
        let (code, problem, _) = it.ask("POST", "/api/webhooks", None, wish.clone()).await;
        assert_eq!(code, status, "{wish}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{wish}: {problem}");
    }
    assert_eq!(it.ask("GET", "/api/webhooks", None, Value::Null).await.1, json!([]));
    for path in ["/api/webhooks/x", "/api/webhooks/%00", "/api/webhooks/01900000-0000-7000-8000-000000000000"] {
        assert_eq!(it.ask("GET", path, None, Value::Null).await.0, 404, "{path}");
    }
    for query in ["?limit=0", "?limit=501", "?limit=x", "?cursor=AAAA", "?before=1"] {
        assert_eq!(it.ask("GET", &format!("/api/outbox{query}"), None, Value::Null).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn the_outbox_is_paged_and_replayed() {
    let it = start().await;
    let (id, _) = it.make(json!({"url": "https://example.in/"})).await;
    let endpoint: EndpointId = id.parse().unwrap();
    let mut ids = Vec::new();
    for n in 0..5_u64 {
        let put = move |db: &rusqlite::Connection| {
            outbox::enqueue(db, n, endpoint, "call.ended", "", "{\"words\":\"secret\"}")
        };
        ids.push(it.db.write(put).await.unwrap());
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page, _) = it.ask("GET", &format!("/api/outbox?limit=2{cursor}"), None, Value::Null).await;
        assert_eq!(status, 200);
        assert!(!page.to_string().contains("secret"), "no bodies");
        seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // Another list's cursor is none of this one.
        assert_eq!(it.ask("GET", &format!("/api/outbox/dead?cursor={next}"), None, Value::Null).await.0, 400);
    }
    assert_eq!(seen, ids.iter().rev().map(ToString::to_string).collect::<Vec<_>>());

    let replay = format!("/api/outbox/{}/replay", ids[0]);
    assert_eq!(it.ask("POST", &replay, None, Value::Null).await.0, 409, "it waits");
    for id in ids.clone() {
        let settled = Settled {
            id,
            endpoint,
            fate: Fate::Dead,
            attempts: 3,
            status: Some(500),
            error: "HTTP 500".to_owned(),
            circuit: webhooks::Circuit::default(),
            disable: None,
        };
        it.db.write(move |db| outbox::settle(db, &settled, 9)).await.unwrap();
    }
    let (_, dead, _) = it.ask("GET", "/api/outbox/dead", None, Value::Null).await;
    assert_eq!(dead["items"][0]["error"], "HTTP 500");
    assert_eq!(dead["items"][0]["next_ms"], Value::Null);
    let (status, row, _) = it.ask("POST", &replay, None, Value::Null).await;
    assert_eq!(
        (status, row["state"].as_str(), row["id"].as_str()),
        (202, Some("waiting"), Some(ids[0].to_string().as_str()))
    );
    let range = format!("/api/webhooks/{id}/replay");
    let (status, queued, _) = it.ask("POST", &range, None, json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert_eq!((status, &queued["queued"]), (202, &json!(4)), "{queued}");
    for bad in [
        json!({"since": "yesterday"}),
        json!({"since": "2999-01-01T00:00:00Z"}),
        json!({}),
        json!({"since": "2020-01-01T00:00:00Z", "x": 1}),
    ] {
        assert_eq!(it.ask("POST", &range, None, bad.clone()).await.0, 400, "{bad}");
    }
    let (_, deliveries, _) = it.ask("GET", &format!("/api/webhooks/{id}/deliveries"), None, Value::Null).await;
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_test_is_signed_and_tells_how_it_was_answered() {
    let it = start().await;
    let got = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&got);
    let receiver = Router::new().route(
        "/{status}",
        post(
            async move |axum::extract::Path(status): axum::extract::Path<u16>,
                        headers: axum::http::HeaderMap,
                        body: String| {
                keep.lock().unwrap().push((headers, body));
                StatusCode::from_u16(status).unwrap()
            },
        ),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    it.scope.spawn("receiver", async move { axum::serve(listener, receiver).await.unwrap() });
    for (status, delivered, error) in
        [(204, true, ""), (503, false, "HTTP 503"), (410, false, "HTTP 410: nobody is there any more")]
    {
        let (id, secret) = it.make(json!({"url": format!("http://{address}/{status}")})).await;
        let (code, answer, _) = it.ask("POST", &format!("/api/webhooks/{id}/test"), None, Value::Null).await;
        assert_eq!(code, 200);
        assert_eq!(
            (answer["delivered"].as_bool(), answer["status"].as_u64(), answer["error"].as_str()),
            (Some(delivered), Some(status), Some(error))
        );
        let (headers, body) = got.lock().unwrap().pop().unwrap();
        let header = |name: &str| headers[name].to_str().unwrap();
        let now = it.delivery.clock().wall().as_secs();
        let (id, at, signed) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        delivery::verify(&Secret::new(secret), id, at, signed, body.as_bytes(), now).unwrap();
        assert_eq!(header("content-type"), "application/json");
        assert!(header("user-agent").starts_with("vaani-webhooks/"));
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["event_type"], "webhook.test");
    }
    let (id, _) = it.make(json!({"url": "http://127.0.0.1:1/"})).await;
    let (_, answer, _) = it.ask("POST", &format!("/api/webhooks/{id}/test"), None, Value::Null).await;
    assert_eq!((answer["status"].as_u64(), answer["error"].as_str()), (None, Some("no connection")));
    let waiting = it.db.read(outbox::counts).await.unwrap();
    assert_eq!(waiting.waiting, 0, "a test is beside the outbox");
}

#[test]
fn every_route_has_its_row_and_its_document() {
    let documented = serde_json::to_value(Doc::openapi()).unwrap();
    let mut rows = 0;
    for row in crate::auth::access::TABLE
        .iter()
        .filter(|r| r.path.starts_with("/api/webhooks") || r.path.starts_with("/api/outbox"))
    {
        rows += 1;
        let path = &documented["paths"][row.path][row.method.to_lowercase()];
        assert!(path.is_object(), "{} {}", row.method, row.path);
    }
    let paths = documented["paths"].as_object().unwrap();
    assert_eq!(paths.values().map(|p| p.as_object().unwrap().len()).sum::<usize>(), rows);
}
