//! A daemon under test, and how its calls are looked at.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use vaani::base::event::{EndCause, Event, Record};
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock};
use vaani::media::wav;
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;
use vaani::store::journal;
use vaani::telephony::exotel::carrier as exotel;
use vaani::telephony::far::FarCall;
use vaani::telephony::local::carrier as handset;
use vaani::telephony::local::server::SOCKET;
use vaani::telephony::public_url::PublicUrl;
use vaani::telephony::twilio::carrier::{self, DialError, DialOptions};
use vaani::telephony::webrtc::carrier as browser;

/// Long enough for a busy test machine; the tests fail by their assertions, not by this.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(40);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// "Tell me the truth, are you a man or a robot": a question that does not end the call.
pub(crate) fn question() -> Vec<i16> {
    let file = std::fs::read(root().join("models/starter/stt/eval/hi-40.wav")).unwrap();
    let (rate, pcm) = wav::read(&file).unwrap();
    assert_eq!(rate, 8_000);
    pcm
}

pub(crate) struct Daemon {
    child: Child,
    state: PathBuf,
    /// Where it serves HTTPS, if it does.
    secure: Option<PublicUrl>,
    options: DialOptions,
    api_token: Secret,
    http: reqwest::Client,
    tasks: Scope,
    clock: Clock,
}

/// Somebody who asks the API.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: PublicUrl,
    token: Secret,
}

impl Api {
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(self.token.expose())
    }

    /// Of nobody, unless it is told who asks.
    pub(crate) fn bare(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.base.webhook(path))
    }

    /// The header that tells that the box itself asks.
    pub(crate) fn authorization(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.token.expose()))
    }

    /// Where a WebSocket is opened.
    pub(crate) fn socket(&self, path: &str) -> String {
        self.base.socket(path)
    }
}

impl Daemon {
    /// Without engines it takes calls and can say nothing.
    pub(crate) async fn start(state: &Path, config: &Path, engines: bool, more: &[(&str, &str)]) -> Self {
        let vaani = Path::new(env!("CARGO_BIN_EXE_vaani"));
        let programs = vaani.parent().unwrap();
        // Where its log is to go; the test's own output otherwise.
        let log = more.iter().find(|(name, _)| *name == "TEST_LOG").map(|(_, path)| path);
        let (auth_token, api_token) = (Secret::random().unwrap(), Secret::random().unwrap());
        let mut child = Command::new(vaani)
            .args(["serve", "--announce", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("WEBHOOK_BASE_URL")
            .env_remove("TWILIO_AUTH_TOKEN")
            .env("VAANI_HTTP__PUBLIC_BASE_URL", "")
            .env("VAANI_TWILIO__AUTH_TOKEN", auth_token.expose())
            .env("VAANI_API__TOKEN", api_token.expose())
            .env("VAANI_STATE__DIR", state)
            .env("VAANI_DATA__MODELS_DIR", root().join("models"))
            .env("VAANI_DATA__LIB_DIR", programs.with_file_name("vaani-runtime"))
            .env("VAANI_DATA__ENGINES_DIR", if engines { programs } else { state })
            .env("VAANI_LOG__LEVEL", if engines { "error" } else { "off" })
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_or_else(Stdio::inherit, |path| std::fs::File::create(path).unwrap().into()))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let ready: Value = serde_json::from_str(&line.expect("the daemon ended before it was ready")).unwrap();
        let url = format!("http://{}", ready["listening"].as_str().unwrap()).parse().unwrap();
        let daemon = Self {
            child,
            state: state.to_owned(),
            secure: ready["tls"].as_str().map(|address| format!("https://{address}").parse().unwrap()),
            options: DialOptions::new(url, auth_token),
            api_token,
            http: carrier::client().unwrap(),
            tasks: Scope::new(),
            clock: Clock::system(),
        };
        if engines {
            daemon.healthy().await;
        }
        daemon
    }

    /// Where it listens, `host:port`.
    pub(crate) fn address(&self) -> String {
        self.options.base_url.webhook("").split_once("://").unwrap().1.trim_end_matches('/').to_owned()
    }

    /// A new call of its own.
    pub(crate) fn call(&self) -> DialOptions {
        let DialOptions { base_url, auth_token, .. } = self.options.clone();
        DialOptions::new(base_url, auth_token)
    }

    pub(crate) async fn dial(&self, options: DialOptions) -> Result<FarCall, DialError> {
        options.dial(&self.tasks, self.clock).await
    }

    /// A call over Exotel's protocol; `login` stands before the host.
    pub(crate) fn exotel(&self, login: &str) -> exotel::DialOptions {
        let base = &self.options.base_url;
        let address = base.webhook("").replace("://", &format!("://{login}"));
        exotel::DialOptions::new(address.parse().unwrap(), base.clone())
    }

    pub(crate) async fn dial_exotel(&self, options: exotel::DialOptions) -> Result<FarCall, exotel::DialError> {
        options.dial(&self.tasks, self.clock).await
    }

    /// Where the daemon takes handsets, if it was started for them.
    pub(crate) fn handsets(&self) -> PathBuf {
        self.state.join(SOCKET)
    }

    pub(crate) async fn dial_handset(&self, options: handset::DialOptions) -> FarCall {
        options.dial(&self.tasks, self.clock).await.unwrap()
    }

    /// A browser's call to the agent, over a path that can be cut. The daemon was started for browsers.
    pub(crate) fn browser(&self, agent: &str) -> browser::DialOptions {
        let authority = std::fs::read_to_string(self.state.join("tls/ca.crt")).unwrap();
        let (http, secure) = (browser::client(&authority).unwrap(), self.secure.clone().unwrap());
        let mut options = browser::DialOptions::new(secure, self.api_token.clone(), agent, http);
        options.over_path = true;
        options
    }

    pub(crate) async fn dial_browser(&self, options: browser::DialOptions) -> Result<FarCall, browser::DialError> {
        options.dial(&self.tasks, self.clock).await
    }

    /// Of the box's own address.
    pub(crate) async fn get(&self, path: &str) -> Option<reqwest::Response> {
        let url = self.options.base_url.webhook(path);
        let answer = self.http.get(url).bearer_auth(self.api_token.expose()).send().await.ok()?;
        answer.status().is_success().then_some(answer)
    }

    /// The API, asked as the box itself.
    pub(crate) fn api(&self) -> Api {
        Api { http: self.http.clone(), base: self.options.base_url.clone(), token: self.api_token.clone() }
    }

    pub(crate) async fn health(&self) -> Value {
        let answer = self.http.get(self.options.base_url.webhook("/health")).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub(crate) async fn healthy(&self) {
        until("the daemon is healthy", async || (self.health().await["status"] == "ok").then_some(())).await;
    }

    /// Pids of one engine's workers.
    pub(crate) async fn workers(&self, engine: &str) -> Vec<Pid> {
        let health = self.health().await;
        let components = health["components"].as_array().unwrap();
        let engine = components.iter().find(|c| c["name"] == format!("engine/{engine}")).unwrap();
        let workers = engine["facts"]["workers"].as_array().unwrap().iter();
        workers.filter_map(|w| Pid::from_raw(i32::try_from(w["pid"].as_u64()?).ok()?)).collect()
    }

    /// All facts of a call so far.
    pub(crate) async fn facts(&self, call_sid: &str) -> Vec<Event> {
        let Some(answer) = self.get(&format!("/sessions/{call_sid}")).await else { return Vec::new() };
        let view: Value = answer.json().await.unwrap();
        let records: Vec<Record> = serde_json::from_value(view["events"].clone()).unwrap();
        records.into_iter().map(|r| r.event).collect()
    }

    /// Waits until one of the facts after the first `skip` is like this; all of them then.
    pub(crate) async fn fact(&self, sid: &str, what: &str, skip: usize, like: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut facts = Vec::new();
        let found = timeout(PATIENCE, async {
            while !facts.iter().skip(skip).any(&like) {
                sleep(POLL).await;
                facts = self.facts(sid).await;
            }
        });
        if found.await.is_err() {
            panic!("{what}: never happened; what did: {facts:#?}");
        }
        facts
    }

    /// Waits for the end of a call and that the box has forgotten it; all facts and the cause.
    pub(crate) async fn ended(&self, sid: &str) -> (Vec<Event>, EndCause) {
        let facts = self.fact(sid, "the call ended", 0, |e| matches!(e, Event::CallEnded { .. })).await;
        let ends = ends(&facts);
        assert_eq!(ends.len(), 1, "{facts:#?}");
        until("the call leaves the list", async || {
            let live: Vec<Value> = self.get("/sessions").await?.json().await.ok()?;
            live.iter().all(|view| view["carrier_call"] != sid).then_some(())
        })
        .await;
        (facts, ends[0])
    }

    /// The box's own name of a carrier's call.
    pub(crate) async fn id(&self, call_sid: &str) -> CallId {
        let answer = self.get(&format!("/sessions/{call_sid}")).await.expect("the call is known");
        let view: Value = answer.json().await.unwrap();
        view["id"].as_str().unwrap().parse().unwrap()
    }

    fn of_process(&self, what: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{what}", self.child.id().unwrap()))
    }

    /// Files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.of_process("fd")).unwrap().count()
    }

    /// Its memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(self.of_process("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) async fn exit(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("the daemon ends").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.signal(Signal::TERM);
        let state = self.state.clone();
        assert!(self.exit().await.success());
        for (call, events) in journal(&state) {
            assert_eq!(ends(&events).len(), 1, "{call}: {events:#?}");
        }
    }
}

pub(crate) fn ends(events: &[Event]) -> Vec<EndCause> {
    let cause = |event: &Event| if let Event::CallEnded { cause, .. } = event { Some(*cause) } else { None };
    events.iter().filter_map(cause).collect()
}

/// What the journal says of each call; the daemon may be running.
pub(crate) fn journal(state: &Path) -> std::collections::HashMap<CallId, Vec<Event>> {
    let vault = Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap();
    let mut calls = std::collections::HashMap::<_, Vec<_>>::new();
    for (_, db) in vault.databases() {
        for numbered in db.read_blocking(|db| journal::since(db, 0, 1_000_000)).unwrap() {
            calls.entry(numbered.record.call).or_default().push(numbered.record.event);
        }
    }
    vault.close();
    calls
}

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(POLL).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("it never came about that {what}"))
}

/// The shipped configuration with a helpdesk that asks silent callers as soon as may be.
pub(crate) fn impatient_config() -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(&root().join("config"), to.path());
    let agent = to.path().join("agents/helpdesk.toml");
    let text = std::fs::read_to_string(&agent).unwrap();
    let quick = text.replace("silence_seconds = 7", "silence_seconds = 2");
    assert_ne!(quick, text, "the shipped agent's silence has changed");
    std::fs::write(agent, quick).unwrap();
    to
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
