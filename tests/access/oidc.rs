//! Single sign-on. The provider is a program from npm (`scripts/oidc-provider`); what it answers is
//! tampered with between it and us. Skipped with a word where it cannot be installed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use vaani::auth::audit::Audit;
use vaani::auth::people::Wanted;
use vaani::auth::{Gate, GateDeps, Principal, Role};
use vaani::base::Clock;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::config::{Auth, OidcSettings};
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;

/// The folder with the provider; `None` where no package registry can be reached.
fn installed() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("VAANI_OIDC_PROVIDER") {
        return Some(folder.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = std::process::Command::new(root.join("scripts/oidc-provider")).output();
    match done {
        Ok(done) if done.status.success() => Some(String::from_utf8(done.stdout).unwrap().trim().into()),
        done => {
            eprintln!("skipped: the OpenID Connect provider could not be installed ({done:?})");
            None
        }
    }
}

/// A box, its provider, and a browser between them.
struct Scene {
    base: String,
    issuer: String,
    gate: Gate,
    http: Client,
    _provider: Child,
    _tasks: Scope,
    _state: tempfile::TempDir,
}

/// Cookies by site and name, as a browser keeps them.
#[derive(Default)]
struct Browser(BTreeMap<(u16, String), String>);

impl Browser {
    fn keep(&mut self, url: &Url, answer: &Response) {
        for set in answer.headers().get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let key = (url.port().unwrap(), name.to_owned());
            if value.is_empty() || set.to_lowercase().contains("max-age=0") || set.contains("1970") {
                self.0.remove(&key);
            } else {
                self.0.insert(key, value.to_owned());
            }
        }
    }

    fn header(&self, url: &Url) -> String {
        let port = url.port().unwrap();
        let mine = self.0.iter().filter(|((at, _), _)| *at == port);
        mine.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

impl Scene {
    async fn new(claims_in: &str, change: impl FnOnce(&mut OidcSettings)) -> Option<Self> {
        let folder = installed()?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut provider = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/access/provider.mjs"))
            .arg(folder)
            .arg(format!("{base}/api/oidc/callback"))
            .arg(claims_in)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs the provider");
        let mut lines = BufReader::new(provider.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.expect("it starts").unwrap();
        let told: Value = serde_json::from_str(&line.expect("it says where it listens")).unwrap();
        let issuer = told["issuer"].as_str().unwrap().to_owned();

        let mut oidc = OidcSettings {
            issuer: issuer.clone(),
            client_id: "vaani".to_owned(),
            client_secret: Some(Secret::new(told["secret"].as_str().unwrap())),
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            role_claim: "groups".to_owned(),
            roles: [("vaani-admins", "admin"), ("floor", "supervisor")]
                .map(|(g, r)| (g.to_owned(), r.to_owned()))
                .into(),
            default_role: None,
            tenant_claim: None,
            tenants: BTreeMap::new(),
            tenant: Some("default".parse().unwrap()),
            login_claim: "preferred_username".to_owned(),
        };
        change(&mut oidc);
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let vault = Vault::open(state.path(), MasterKey::load(state.path()).unwrap(), clock).unwrap();
        vault.create_tenant(&"asha".parse().unwrap(), "Bank of Asha").unwrap();
        let audit = Audit::new(vault.clone(), clock);
        let settings = Auth { oidc: Some(oidc), ..Auth::default() };
        let token = Secret::random().unwrap();
        let gate = Gate::new(GateDeps { vault, audit, clock, settings, base_url: base.clone(), token }).unwrap();
        let app = vaani::api::access_routes(gate.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let tasks = Scope::new();
        tasks.spawn("api", async move { axum::serve(listener, app).await.unwrap() });
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Some(Self { base, issuer, gate, http, _provider: provider, _tasks: tasks, _state: state })
    }

    async fn tamper(&self, mode: &str) {
        let url = format!("{}/tamper", self.issuer);
        let done = self.http.post(url).json(&json!({ "mode": mode })).send().await.unwrap();
        assert!(done.status().is_success());
    }

    async fn get(&self, browser: &mut Browser, url: &Url) -> Response {
        let answer = self.http.get(url.clone()).header("cookie", browser.header(url)).send().await.unwrap();
        browser.keep(url, &answer);
        answer
    }

    /// From the login page of the box to the address at the box that the provider sends the browser
    /// back to, not yet opened.
    async fn to_the_callback(&self, browser: &mut Browser, person: &str) -> Url {
        let begin: Url = format!("{}/api/oidc/login?back=/calls", self.base).parse().unwrap();
        let answer = self.get(browser, &begin).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.text().await);
        let mut at: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        for part in ["code_challenge_method=S256", "nonce=", "state=", "response_type=code"] {
            assert!(at.as_str().contains(part), "{at}");
        }
        at.query_pairs_mut().append_pair("login_hint", person);
        for _ in 0..10 {
            if at.as_str().starts_with(&self.base) {
                return at;
            }
            let answer = self.get(browser, &at).await;
            let status = answer.status();
            let next = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
            let Some(next) = next else { panic!("{status} at {at}: {}", answer.text().await.unwrap()) };
            at = at.join(&next).unwrap();
        }
        panic!("the provider sends the browser round in circles");
    }

    async fn log_in(&self, person: &str) -> (Browser, Response) {
        let mut browser = Browser::default();
        let callback = self.to_the_callback(&mut browser, person).await;
        let answer = self.get(&mut browser, &callback).await;
        (browser, answer)
    }

    async fn me(&self, browser: &mut Browser) -> Value {
        let answer = self.get(browser, &format!("{}/api/me", self.base).parse().unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }
}

/// Nobody was let in, with this status and this word in the explanation.
async fn refused(answer: Response, status: u16, word: &str) {
    assert_eq!(answer.status().as_u16(), status, "{word}");
    let session = answer.headers().get_all("set-cookie").iter().any(|c| c.to_str().unwrap().starts_with("vaani="));
    assert!(!session, "a session was given all the same");
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains(word), "{word}: {problem}");
}

#[tokio::test]
async fn a_whole_login_gives_a_session_with_the_right_role() {
    let Some(scene) = Scene::new("id_token", |_| {}).await else { return };
    let (mut browser, answer) = scene.log_in("asha").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.text().await);
    assert_eq!(answer.headers()["location"], "/calls");
    let me = scene.me(&mut browser).await;
    assert_eq!((&me["login"], &me["role"], &me["tenant"]), (&json!("asha"), &json!("admin"), &json!("default")));
    assert_eq!((&me["name"], &me["second_factor"]), (&json!("Asha Rao"), &json!("not_here")));
    // Again: the same account.
    let (mut again, _) = scene.log_in("asha").await;
    assert_eq!(scene.me(&mut again).await["actor"], me["actor"]);
    let (mut bina, _) = scene.log_in("bina").await;
    assert_eq!(scene.me(&mut bina).await["role"], "supervisor");
    // In no group that has a role; not let in at the provider; a local user of the same login.
    refused(scene.log_in("chitra").await.1, 403, "no group").await;
    refused(scene.log_in("nobody").await.1, 403, "access_denied").await;
    let wanted = Wanted { login: "local".to_owned(), name: String::new(), role: Role::Viewer, tenant: None };
    scene.gate.make_user(&Principal::the_box("test"), wanted).await.unwrap();
    refused(scene.log_in("local").await.1, 409, "exists here already").await;
    // Closed here: the provider does not open it.
    let owner = Principal::the_box("test");
    let user = scene.gate.user_of_login("bina").await.unwrap();
    let closed = vaani::auth::people::Change { disabled: Some(true), ..Default::default() };
    scene.gate.change_user(&owner, user.id, user.version, closed).await.unwrap();
    let (_, answer) = scene.log_in("bina").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let url: Url = format!("{}/api/me", scene.base).parse().unwrap();
    assert_eq!(scene.get(&mut bina, &url).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_the_provider_did_not_say_so_lets_nobody_in() {
    let Some(scene) = Scene::new("id_token", |_| {}).await else { return };
    let cases = [
        ("nonce", 403, "nonce"),
        ("no_nonce", 403, "nonce"),
        ("issuer", 403, "another issuer"),
        ("audience", 403, "audience"),
        ("two_audiences", 403, "audience"),
        ("expired", 403, "run out"),
        ("old", 403, "another time"),
        ("future", 403, "another time"),
        ("at_hash", 403, "access token"),
        ("other_key", 403, "signature"),
        ("unknown_key", 403, "signature"),
        ("hmac_secret", 403, "signature"),
        ("hmac_public", 403, "signature"),
        ("unsigned", 403, "signature"),
        ("flipped", 403, "signature"),
        ("no_token", 403, "no ID token"),
        ("no_end", 502, "single sign-on"),
        ("subject", 502, "single sign-on"),
        ("huge", 502, "longer than"),
    ];
    for (mode, status, word) in cases {
        scene.tamper(mode).await;
        let (_, answer) = scene.log_in("asha").await;
        eprintln!("{mode}");
        refused(answer, status, word).await;
    }
    assert!(scene.gate.user_of_login("asha").await.is_err(), "no account was made by any of them");
    scene.tamper("none").await;
    assert_eq!(scene.log_in("asha").await.1.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_login_is_finished_once_and_in_its_own_browser() {
    let Some(scene) = Scene::new("id_token", |_| {}).await else { return };
    let mut browser = Browser::default();
    let callback = scene.to_the_callback(&mut browser, "asha").await;
    // Somebody else's browser with the same address (login CSRF), and one that has begun its own login.
    refused(scene.get(&mut Browser::default(), &callback).await, 400, "another browser").await;
    let mut other = Browser::default();
    scene.to_the_callback(&mut other, "bina").await;
    refused(scene.get(&mut other, &callback).await, 400, "another browser").await;
    // The right one, and then a replay with everything it had.
    let kept = Browser(browser.0.clone());
    assert_eq!(scene.get(&mut browser, &callback).await.status(), StatusCode::SEE_OTHER);
    refused(scene.get(&mut Browser(kept.0.clone()), &callback).await, 400, "used already").await;
    // A code that belongs to another login does not fit this one's PKCE verifier.
    let (mut a, mut b) = (Browser::default(), Browser::default());
    let (to_a, to_b) = (scene.to_the_callback(&mut a, "asha").await, scene.to_the_callback(&mut b, "bina").await);
    let part = |url: &Url, name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let mixed = Url::parse_with_params(
        &format!("{}/api/oidc/callback", scene.base),
        [("code", part(&to_b, "code")), ("state", part(&to_a, "state"))],
    );
    refused(scene.get(&mut a, &mixed.unwrap()).await, 403, "invalid_grant").await;
    // Another provider's answer (RFC 9207), nonsense, and nothing at all.
    let mut mixed_up = Browser::default();
    let mut url = scene.to_the_callback(&mut mixed_up, "asha").await;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != "iss").collect();
    url.query_pairs_mut().clear().extend_pairs(pairs).append_pair("iss", "https://evil.example");
    refused(scene.get(&mut mixed_up, &url).await, 403, "another issuer").await;
    for query in ["", "?state=", "?state=x&code=y", "?error=server_error", "?code=y"] {
        let url = format!("{}/api/oidc/callback{query}", scene.base).parse().unwrap();
        refused(scene.get(&mut Browser::default(), &url).await, 400, "begin again").await;
    }
    // Too late.
    let mut late = Browser::default();
    let url = scene.to_the_callback(&mut late, "asha").await;
    let system = scene.gate.vault().system().clone();
    system.write(|db| Ok(db.execute("UPDATE oidc_logins SET until_ms = 1", [])?)).await.unwrap();
    refused(scene.get(&mut late, &url).await, 400, "took too long").await;
}

#[tokio::test]
async fn claims_that_are_told_at_the_user_information_count_too() {
    let change = |oidc: &mut OidcSettings| {
        oidc.tenant_claim = Some("org".to_owned());
        oidc.tenants = [("Bank of Asha".to_owned(), "asha".parse().unwrap())].into();
    };
    let Some(scene) = Scene::new("userinfo", change).await else { return };
    let (mut bina, answer) = scene.log_in("bina").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.text().await);
    let me = scene.me(&mut bina).await;
    assert_eq!((&me["role"], &me["tenant"]), (&json!("supervisor"), &json!("asha")));
    refused(scene.log_in("asha").await.1, 403, "no tenant").await;
    // The user information of somebody else.
    scene.tamper("other_info").await;
    refused(scene.log_in("bina").await.1, 403, "somebody else").await;
}

#[tokio::test]
async fn keys_may_be_changed_at_the_provider() {
    let Some(scene) = Scene::new("id_token", |_| {}).await else { return };
    assert_eq!(scene.log_in("asha").await.1.status(), StatusCode::SEE_OTHER);
    scene.tamper("rotated").await;
    // What was asked a moment ago is not asked again; then it is.
    tokio::time::sleep(vaani::base::limits::OIDC_DISCOVERY_PAUSE + Duration::from_millis(200)).await;
    let (_, answer) = scene.log_in("asha").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{:?}", answer.text().await);
}

#[tokio::test]
async fn a_provider_that_is_not_what_it_says_is_refused() {
    // It calls itself by another name than the one configured.
    let with_slash = |oidc: &mut OidcSettings| oidc.issuer.push('/');
    let Some(scene) = Scene::new("id_token", with_slash).await else { return };
    let begin = format!("{}/api/oidc/login", scene.base);
    let answer = scene.http.get(&begin).send().await.unwrap();
    refused(answer, 502, "issuer").await;
    // Nobody listens, and something listens that never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let Some(scene) = Scene::new("id_token", |oidc| oidc.issuer = format!("http://{address}")).await else { return };
    let begin = format!("{}/api/oidc/login", scene.base);
    let began = tokio::time::Instant::now();
    let both = futures_util::future::join(scene.http.get(&begin).send(), scene.http.get(&begin).send()).await;
    let took = began.elapsed();
    assert!(took < vaani::base::limits::OIDC_REQUEST_MAX + Duration::from_secs(3), "{took:?}");
    refused(both.0.unwrap(), 502, "single sign-on").await;
    refused(both.1.unwrap(), 502, "single sign-on").await;
}
