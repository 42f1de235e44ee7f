//! A daemon that starts for the first time, as its owner meets it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(90);
const PASSWORD: &str = "a horse in the rain";

struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    async fn start(state: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_vaani"))
            .args(["serve", "--announce", "--listen", "127.0.0.1:0", "--config"])
            .arg(root.join("config"))
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("WEBHOOK_BASE_URL")
            .env("VAANI_STATE__DIR", state)
            .env("VAANI_DATA__MODELS_DIR", root.join("models"))
            // Without engines: it answers the API all the same.
            .env("VAANI_DATA__ENGINES_DIR", state)
            .env("VAANI_LOG__LEVEL", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let ready: Value = serde_json::from_str(&line.expect("it ended before it was ready")).unwrap();
        let url = format!("http://{}", ready["listening"].as_str().unwrap());
        Self { child, url }
    }

    /// What it printed for people, once it has ended.
    async fn end(mut self) -> String {
        let mut printed = String::new();
        self.child.start_kill().unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut printed).await.unwrap();
        self.child.wait().await.unwrap();
        printed
    }
}

/// The code in what was printed, if there is one.
fn code_in(printed: &str) -> Option<&str> {
    printed.lines().map(str::trim).find(|line| line.len() == 29 && line.split('-').all(|part| part.len() == 4))
}

#[tokio::test]
async fn the_code_of_the_first_start_opens_the_box_and_nothing_else_does() {
    let state = tempfile::tempdir().unwrap();
    let http = Client::new();
    let first = Daemon::start(state.path()).await;
    for path in ["/sessions", "/api/users", "/api/me", "/api/callbacks"] {
        let answer = http.get(format!("{}{path}", first.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for (login, password) in [("admin", "admin"), ("admin", ""), ("root", "vaani")] {
        let body = json!({ "login": login, "password": password });
        let answer = http.post(format!("{}/api/login", first.url)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let printed = first.end().await;
    let void = code_in(&printed).expect("a set-up code is printed").to_owned();

    // The next start prints another; the reader takes it from the console while the daemon runs.
    let mut second = Daemon::start(state.path()).await;
    let mut console = BufReader::new(second.child.stderr.take().unwrap()).lines();
    let code = loop {
        let line = tokio::time::timeout(PATIENCE, console.next_line()).await.unwrap().unwrap().expect("a code");
        if let Some(code) = code_in(&line) {
            break code.to_owned();
        }
    };
    let set_up = async |code: &str| {
        let body = json!({ "code": code, "login": "asha", "password": PASSWORD });
        http.post(format!("{}/api/setup", second.url)).json(&body).send().await.unwrap()
    };
    assert_eq!(set_up(&void).await.status(), StatusCode::FORBIDDEN, "a restart made it void");
    let made = set_up(&code).await;
    assert_eq!(made.status(), StatusCode::OK);
    let cookie = made.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let me: Value = made.json().await.unwrap();
    assert_eq!((&me["role"], &me["login"]), (&json!("admin"), &json!("asha")));
    // The session survives kill -9, and the code does not come again.
    second.child.kill().await.unwrap();
    let third = Daemon::start(state.path()).await;
    let answer = http.get(format!("{}/api/users", third.url)).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let logout = http.post(format!("{}/api/logout", third.url)).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(logout.status(), StatusCode::FORBIDDEN, "without the token of the page");
    let csrf = me["csrf"].as_str().unwrap();
    let logout = http.post(format!("{}/api/logout", third.url)).header("cookie", &cookie).header("x-csrf-token", csrf);
    assert_eq!(logout.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(code_in(&third.end().await), None);
}
