use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use serde_json::Value;

use super::*;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Rhythm;
use crate::ops::backups::Plan;
use crate::store::Vault;
use crate::store::backup::Source;
use crate::store::crypt::MasterKey;
use crate::store::depot::Depot;

struct Served {
    dir: tempfile::TempDir,
    at: SocketAddr,
    vault: Vault,
}

async fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let opening = state.clone();
    let open = move || Vault::open(&opening, MasterKey::load(&opening).unwrap(), Clock::system()).unwrap();
    let vault = tokio::task::spawn_blocking(open).await.unwrap();
    let (clock, scope) = (Clock::system(), Scope::new());
    let plan = Plan {
        source: Source { state, config: None, master: vault.master().clone() },
        depot: Depot::folder(dir.path().join("copies")),
        rhythm: Rhythm::Never,
        keep: 3,
    };
    let keeping = Keeping {
        backups: Backups::new(plan, clock, scope.clone(), Arc::new(|_| ())),
        upkeep: Upkeep::new(vault.clone(), clock, Arc::new(|_| ())),
        audit: Audit::new(vault.clone(), clock),
    };
    let looking = keeping.upkeep.clone();
    tokio::task::spawn_blocking(move || looking.look()).await.unwrap();
    let router: Router = routes::<()>(keeping).layer(Extension(Principal::the_box("test")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    scope.spawn("api", async move { axum::serve(listener, router).await.unwrap() });
    Served { dir, at, vault }
}

impl Served {
    async fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let method = method.parse().unwrap();
        let answer = client.request(method, format!("http://{}{path}", self.at)).send().await.unwrap();
        let code = answer.status().as_u16();
        (code, answer.json().await.unwrap_or_default())
    }

    async fn until(&self, path: &str, what: impl Fn(u16, &Value) -> bool) -> Value {
        for _ in 0..500 {
            let (code, body) = self.ask("GET", path).await;
            if what(code, &body) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} did not come to that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_begun_listed_and_verified_over_the_api() {
    let served = served().await;
    let (code, body) = served.ask("GET", "/api/backups").await;
    assert_eq!((code, body["backups"].as_array().unwrap().len(), &body["running"]), (200, 0, &json!(false)));
    let (code, body) = served.ask("POST", "/api/backups").await;
    assert_eq!((code, &body["state"]), (202, &json!("running")));
    let (again, _) = served.ask("POST", "/api/backups").await;
    assert!([202, 409].contains(&again));
    let body = served.until("/api/backups", |_, body| {
        body["running"] == json!(false) && body["backups"].as_array().is_some_and(|list| !list.is_empty())
    });
    let body = body.await;
    let name = body["backups"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(body["status"]["failures"], json!(0));
    let path = format!("/api/backups/{name}/verify");
    let verdict = served.until(&path, |code, _| code == 200).await;
    assert_eq!((&verdict["state"], &verdict["databases"]), (&json!("good"), &json!(2)));
    for unknown in ["vaani-x.vbk", "..%2Fstate%2Fsystem.db", "%00", "a/b"] {
        let (code, _) = served.ask("GET", &format!("/api/backups/{unknown}/verify")).await;
        assert_eq!(code, 404, "{unknown}");
    }
    // Who asked is in the box's own audit log.
    let noted: i64 = served
        .vault
        .system()
        .read(|db| Ok(db.query_row("SELECT count(*) FROM audit WHERE what = 'backup.make'", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert!(noted >= 1);
    // The place is gone.
    std::fs::remove_dir_all(served.dir.path().join("copies")).unwrap();
    std::fs::write(served.dir.path().join("copies"), "").unwrap();
    let (code, body) = served.ask("GET", "/api/backups").await;
    assert_eq!(code, 502, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_tells_the_disk_and_every_database() {
    let served = served().await;
    let (code, body) = served.ask("GET", "/api/system/storage").await;
    assert_eq!(code, 200);
    assert!(body["disk"]["total_bytes"].as_u64().unwrap() > body["disk"]["free_bytes"].as_u64().unwrap());
    let names: Vec<_> = body["databases"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["system", "default"]);
}

/// Every route here has a row, and its document tells of it.
#[test]
fn every_route_has_a_row_and_is_documented() {
    use utoipa::OpenApi;
    let doc = serde_json::to_value(Doc::openapi()).unwrap();
    for (method, path) in [
        ("GET", "/api/backups"),
        ("POST", "/api/backups"),
        ("GET", "/api/backups/{name}/verify"),
        ("GET", "/api/system/storage"),
    ] {
        assert!(crate::auth::access::needs(method, path).is_some(), "{method} {path}");
        assert!(doc["paths"][path][method.to_lowercase()].is_object(), "{method} {path}");
    }
}
