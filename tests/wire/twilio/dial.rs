//! Placing and ending calls over REST: the carrier's own library and ours send the same requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use vaani::base::CallId;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::dial::{Destination, Dialer, Order, Verdict};
use vaani::telephony::transfer::Transferer as _;
use vaani::telephony::twilio::rest::{Rest, RestSettings};

const ACCOUNT: &str = "AC00000000000000000000000000000009";
const SID: &str = "CA00000000000000000000000000000001";
const PERSON: &str = "CA00000000000000000000000000000002";
const TOKEN: &str = "a-token-of-the-account";

/// Method, path, authorisation and the form, sorted.
type Asked = (String, String, String, Vec<(String, String)>);

#[derive(Clone, Default)]
struct Api(Arc<Mutex<Vec<Asked>>>);

async fn take(State(api): State<Api>, request: Request) -> (StatusCode, Json<Value>) {
    let (parts, body) = request.into_parts();
    let authorisation = parts.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let mut form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    form.sort();
    api.0.lock().unwrap().push((parts.method.to_string(), parts.uri.to_string(), authorisation, form));
    (StatusCode::CREATED, Json(json!({ "sid": SID, "account_sid": ACCOUNT, "status": "queued" })))
}

async fn server() -> (Api, String) {
    let api = Api::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(any(take)).with_state(api.clone());
    Scope::new().spawn("api", async move { axum::serve(listener, routes).await.unwrap() });
    (api, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_carriers_own_client_and_ours_send_the_same_requests() {
    let Some(sdks) = std::env::var_os("VAANI_SDKS") else {
        eprintln!("skipped: VAANI_SDKS names no folder with the SDKs; `export VAANI_SDKS=$(scripts/sdks)`");
        return;
    };
    let (api, url) = server().await;
    let call = CallId::new();
    let rest = Rest::new(RestSettings {
        api_url: url.clone(),
        account_sid: ACCOUNT.to_owned(),
        auth_token: Secret::new(TOKEN),
        caller_id: "+914440001234".parse().unwrap(),
        public_base_url: "https://voice.example.in".parse().unwrap(),
    })
    .unwrap();
    let order = Order {
        call,
        to: Destination::Number("+919876543210".parse().unwrap()),
        caller_id: None,
        agent: "loan & more".to_owned(),
        ring: Duration::from_secs(35),
        limit: Duration::from_secs(900),
        detect_machine: true,
    };
    assert_eq!(rest.place(order).await, Verdict::Placed { carrier_call: SID.to_owned() });
    rest.hang_up(SID).await.unwrap();
    rest.join(call, SID, PERSON).await.unwrap();
    let invitation = api.0.lock().unwrap()[2].3[1].1.clone();

    let news = format!("https://voice.example.in/api/calls/webhook/{call}");
    let back = |path: &str| format!("https://voice.example.in/voice/{path}/{call}?caller={SID}");
    let given = json!({ "account": ACCOUNT, "token": TOKEN,
        "move": { "who": [PERSON, SID], "twiml": invitation, "action": back("after-person"), "news": back("with-person") },
        "call": {
        "to": "+919876543210",
        "from_": "+914440001234",
        "url": format!("https://voice.example.in/voice/incoming?call={call}&agent=loan+%26+more"),
        "method": "POST",
        "status_callback": news,
        "status_callback_method": "POST",
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "timeout": 35,
        "time_limit": 900,
        "machine_detection": "DetectMessageEnd",
        "async_amd": "true",
        "async_amd_status_callback": news,
        "async_amd_status_callback_method": "POST",
    }});
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/twilio/official_client.py");
    let mut python = tokio::process::Command::new("python3")
        .arg(script)
        .arg(&url)
        .arg(&sdks)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    assert!(python.wait().await.unwrap().success());

    let asked = api.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 8, "{asked:#?}");
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json");
    assert_eq!((asked[0].0.as_str(), asked[0].1.as_str()), ("POST", path.as_str()));
    assert_eq!(asked[0], asked[4], "placing a call");
    assert_eq!(asked[1], asked[5], "ending it");
    assert_eq!(asked[2..4], asked[6..], "moving the person, then the caller");
}

#[tokio::test]
async fn an_api_that_is_not_there_has_rung_nobody() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rest = Rest::new(RestSettings {
        api_url: format!("http://{gone}"),
        account_sid: ACCOUNT.to_owned(),
        auth_token: Secret::new(TOKEN),
        caller_id: "+914440001234".parse().unwrap(),
        public_base_url: "https://voice.example.in".parse().unwrap(),
    })
    .unwrap();
    let order = Order {
        call: CallId::new(),
        to: Destination::Number("+919876543210".parse().unwrap()),
        caller_id: None,
        agent: "reminder".to_owned(),
        ring: Duration::from_secs(35),
        limit: Duration::from_secs(900),
        detect_machine: false,
    };
    let verdict = rest.place(order).await;
    assert_eq!(verdict.retry(), vaani::telephony::dial::Retry::Safe, "{verdict:?}");
    assert!(!format!("{verdict:?}").contains("98765"));
}
