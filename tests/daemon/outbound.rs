//! Calls that the box places, against a REST API that behaves as Twilio's is documented.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vaani::base::event::Event;
use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock};
use vaani::telephony::far::FarCall;
use vaani::telephony::signature::{self, Algorithm};
use vaani::telephony::twilio::carrier::DialOptions;

use crate::support::{Daemon, root, until};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000009";

type Pairs = Vec<(String, String)>;

/// What the last digit of a number makes the carrier do; with any other somebody answers.
const NO_SUCH_NUMBER: char = '2';
const BUSY: char = '3';
const SAYS_NOTHING: char = '4';
pub(crate) const RINGS_ON: char = '5';
const THROTTLED: char = '6';
const MACHINE: char = '7';

#[derive(Clone, Default)]
pub(crate) struct Carrier {
    /// How the box is called back; known once it runs.
    pub(crate) back: Arc<Mutex<Option<DialOptions>>>,
    pub(crate) orders: Arc<Mutex<Vec<HashMap<String, Vec<String>>>>>,
    pub(crate) completed: Arc<Mutex<Vec<String>>>,
    pub(crate) calls: Arc<Mutex<HashMap<String, FarCall>>>,
    tasks: Scope,
}

fn sid() -> String {
    format!("CA{}", CallId::new().to_string().replace('-', ""))
}

impl Carrier {
    pub(crate) async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls.json", post(create))
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(update))
            .with_state(self.clone());
        self.tasks.spawn("api", async move { axum::serve(listener, routes).await.unwrap() });
        url
    }

    fn options(&self, call_sid: &str) -> DialOptions {
        let mut options = self.back.lock().unwrap().clone().unwrap();
        options.call_sid = call_sid.to_owned();
        options.account_sid = ACCOUNT.to_owned();
        options
    }

    /// A signed status callback.
    async fn news(&self, url: &str, call_sid: &str, more: &[(&str, &str)]) -> StatusCode {
        let options = self.options(call_sid);
        let mut form: Pairs = vec![("CallSid".into(), call_sid.into()), ("AccountSid".into(), ACCOUNT.into())];
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let signed = signature::sign(&options.auth_token, Algorithm::HmacSha1, url, &form);
        let request = reqwest::Client::new().post(url).header("x-twilio-signature", signed).form(&form);
        request.send().await.unwrap().status()
    }

    /// Somebody picks up: the first webhook, then the media.
    async fn pick_up(self, url: String, call_sid: String) {
        let mut options = self.options(&call_sid);
        options.path = url.strip_prefix(options.base_url.webhook("").as_str()).unwrap().to_owned();
        let call = options.dial(&self.tasks, Clock::system()).await.unwrap();
        self.calls.lock().unwrap().insert(call_sid, call);
    }
}

fn allowed(headers: &HeaderMap, account: &str) -> bool {
    let given = headers.get("authorization").and_then(|v| v.to_str().ok()?.strip_prefix("Basic "));
    let given = given.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok()).unwrap_or_default();
    account == ACCOUNT && given.starts_with(&format!("{ACCOUNT}:")) && given.len() > ACCOUNT.len() + 8
}

async fn create(
    State(carrier): State<Carrier>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Pairs>,
) -> Response {
    if !allowed(&headers, &account) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "code": 20_003, "status": 401 }))).into_response();
    }
    let mut order = HashMap::<String, Vec<String>>::new();
    for (name, value) in form {
        order.entry(name).or_default().push(value);
    }
    let (to, url, news) = (order["To"][0].clone(), order["Url"][0].clone(), order["StatusCallback"][0].clone());
    carrier.orders.lock().unwrap().push(order);
    let call_sid = sid();
    let created = (StatusCode::CREATED, Json(json!({ "sid": call_sid, "status": "queued", "to": to })));
    let (told, named) = (carrier.clone(), call_sid.clone());
    match to.chars().last().unwrap() {
        NO_SUCH_NUMBER => {
            return (StatusCode::BAD_REQUEST, Json(json!({ "code": 21_211, "message": "Invalid 'To' Phone Number" })))
                .into_response();
        }
        THROTTLED => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response(),
        // The order is taken, and the answer gets lost on its way.
        SAYS_NOTHING => return (StatusCode::BAD_GATEWAY, "upstream").into_response(),
        BUSY => carrier.tasks.spawn("busy", async move {
            for (number, status) in ["initiated", "ringing", "busy"].into_iter().enumerate() {
                let number = number.to_string();
                let more =
                    [("CallStatus", status), ("CallbackSource", "call-progress-events"), ("SequenceNumber", &number)];
                assert_eq!(told.news(&news, &named, &more).await, StatusCode::NO_CONTENT);
            }
        }),
        RINGS_ON => {}
        digit => carrier.tasks.spawn("pick up", async move {
            told.clone().pick_up(url, named.clone()).await;
            if digit == MACHINE {
                let more = [("AnsweredBy", "machine_end_beep"), ("MachineDetectionDuration", "4200")];
                assert_eq!(told.news(&news, &named, &more).await, StatusCode::NO_CONTENT);
            }
        }),
    }
    created.into_response()
}

async fn update(
    State(carrier): State<Carrier>,
    Path((_, call)): Path<(String, String)>,
    Form(form): Form<Pairs>,
) -> StatusCode {
    assert_eq!(form, [("Status".to_owned(), "completed".to_owned())]);
    carrier.completed.lock().unwrap().push(call.trim_end_matches(".json").to_owned());
    StatusCode::OK
}

struct Rig {
    daemon: Daemon,
    carrier: Carrier,
    _state: tempfile::TempDir,
}

impl Rig {
    async fn start(engines: bool) -> Self {
        let state = tempfile::tempdir().unwrap();
        let carrier = Carrier::default();
        let url = carrier.clone().start().await;
        let settings = [
            ("VAANI_TWILIO__ACCOUNT_SID", ACCOUNT),
            ("VAANI_TWILIO__CALLER_ID", "+914440001234"),
            ("VAANI_TWILIO__API_URL", &url),
        ];
        let daemon = Daemon::start(state.path(), &root().join("config"), engines, &settings).await;
        *carrier.back.lock().unwrap() = Some(daemon.call());
        Self { daemon, carrier, _state: state }
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.daemon.api().request(Method::POST, path).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.daemon.api().request(Method::GET, path).send().await.unwrap();
        answer.json().await.unwrap_or_default()
    }

    async fn customer(&self, phone: &str) -> String {
        let body = json!({ "name": "Meena Iyer", "phone_number": phone, "loan_id": "LN-77", "due_date": "2027-01-05",
            "amount_paise": 520_000, "language_code": "ta" });
        let (status, made) = self.post("/api/customers", &body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    async fn status_of(&self, customer: &str) -> String {
        self.get(&format!("/api/customers/{customer}")).await["call_status"].as_str().unwrap_or_default().to_owned()
    }

    /// The call once it is over.
    async fn ended(&self, call: &str) -> Value {
        until("the call is over", async || {
            let kept = self.get(&format!("/api/calls/status/{call}")).await;
            (!kept["cause"].is_null()).then_some(kept)
        })
        .await
    }

    async fn becomes(&self, customer: &str, wanted: &str) {
        until(&format!("the customer is {wanted}"), async || (self.status_of(customer).await == wanted).then_some(()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_called_and_everything_of_it_is_known() {
    let it = Rig::start(true).await;
    let customer = it.customer("+919876500001").await;
    let path = format!("/trigger-call/{customer}");
    let nothing = json!({});
    let both = tokio::join!(it.post(&path, &nothing), it.post(&path, &nothing));
    let mut answers = [both.0, both.1];
    answers.sort_by_key(|(status, _)| *status);
    assert_eq!((answers[0].0, answers[1].0), (202, 409), "asked twice at once, called once: {answers:?}");
    let call = answers[0].1["call_id"].as_str().unwrap().to_owned();
    it.becomes(&customer, "in_progress").await;

    let orders = it.carrier.orders.lock().unwrap().clone();
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order["To"][0].as_str(), order["From"][0].as_str()), ("+919876500001", "+914440001234"));
    assert_eq!(order["StatusCallbackEvent"], ["initiated", "ringing", "answered", "completed"]);
    assert_eq!((order["Timeout"][0].as_str(), order["MachineDetection"][0].as_str()), ("35", "DetectMessageEnd"));
    assert!(order["Url"][0].contains(&call) && order["StatusCallback"][0].ends_with(&call));

    let live = it.get(&format!("/sessions/{call}")).await;
    assert_eq!((&live["direction"], &live["agent"]), (&json!("outbound"), &json!("reminder")));
    assert!(!live.to_string().contains("9876500001"), "numbers are masked: {live}");
    let named = live["carrier_call"].as_str().unwrap().to_owned();
    let talking = it.carrier.calls.lock().unwrap().remove(&named).unwrap();
    // A connection that breaks is made anew, as for callers.
    talking.caller().cut().await.unwrap();
    it.daemon.fact(&named, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    talking.hang_up().await.unwrap();
    it.becomes(&customer, "completed").await;
    let kept = it.get(&format!("/api/calls/status/{call}")).await;
    assert_eq!(kept["carrier_call"], json!(named), "{kept}");
    assert_eq!(it.get(&format!("/api/customers/{customer}")).await["last_call_id"], json!(call));
    it.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_reached_is_told_apart_from_who_may_have_been() {
    let it = Rig::start(false).await;
    for (digit, status, cause) in [
        (NO_SUCH_NUMBER, "failed", "not_dialled"),
        (BUSY, "not_picked", "never_connected"),
        (THROTTLED, "failed", "not_dialled"),
    ] {
        let customer = it.customer(&format!("+91987650000{digit}")).await;
        let (_, begun) = it.post(&format!("/trigger-call/{customer}"), &json!({})).await;
        it.becomes(&customer, status).await;
        let call = begun["call_id"].as_str().unwrap();
        let kept = it.ended(call).await;
        assert_eq!(kept["cause"], cause, "{kept}");
        // Only a person puts them back on the list.
        assert_eq!(it.post(&format!("/trigger-call/{customer}"), &json!({})).await.0, 409);
    }

    // The order went out and no answer came: it is not dialled again, whoever asks.
    let unknown = it.customer(&format!("+91987650000{SAYS_NOTHING}")).await;
    let (_, begun) = it.post(&format!("/trigger-call/{unknown}"), &json!({})).await;
    let call = begun["call_id"].as_str().unwrap().to_owned();
    until("the order has gone out", async || (it.carrier.orders.lock().unwrap().len() == 4).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(it.status_of(&unknown).await, "initiated");
    let again = json!({ "phone_number": format!("+91987650000{SAYS_NOTHING}"), "agent": "reminder" });
    assert_eq!(it.post("/api/calls/initiate", &again).await.0, 409);
    assert_eq!(it.carrier.orders.lock().unwrap().len(), 4);
    // An operator gives up on it.
    let gone = it.daemon.api().request(Method::DELETE, &format!("/sessions/{call}")).send().await.unwrap();
    assert!(gone.status().is_success());
    it.becomes(&unknown, "failed").await;
    assert_eq!(it.ended(&call).await["cause"], "dial_unknown");

    // One that rings is ended at the carrier, too, when the box stops.
    let ringing = it.customer(&format!("+91987650000{RINGS_ON}")).await;
    it.post(&format!("/trigger-call/{ringing}"), &json!({})).await;
    until("it rings", async || (it.carrier.orders.lock().unwrap().len() == 5).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let completed = Arc::clone(&it.carrier.completed);
    it.daemon.stop().await;
    assert_eq!(completed.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_want_to_be_called_is_not() {
    let it = Rig::start(false).await;
    let body = json!({ "phone_number": "+919876500001", "reason": "asked in the branch" });
    let (status, answer) = it.post("/api/dnd", &body).await;
    assert!(status < 300, "{status} {answer}");
    let (status, problem) = it.post("/api/calls/initiate", &json!({ "phone_number": "98765 00001" })).await;
    assert_eq!((status, problem["title"].as_str()), (409, Some("not to be called")), "{problem}");
    assert!(it.carrier.orders.lock().unwrap().is_empty());
    it.daemon.stop().await;
}

/// In the customer's language and about the customer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_gets_the_message() {
    let it = Rig::start(true).await;
    let customer = it.customer(&format!("+91987650000{MACHINE}")).await;
    let (status, begun) = it.post(&format!("/trigger-call/{customer}"), &json!({})).await;
    assert_eq!(status, 202, "{begun}");
    let call = begun["call_id"].as_str().unwrap().to_owned();
    let kept = it.ended(&call).await;
    assert_eq!(it.status_of(&customer).await, "completed");
    assert_eq!((&kept["cause"], &kept["language"]), (&json!("machine"), &json!("ta-IN")), "{kept}");
    let facts = it.daemon.facts(&call).await;
    let told = format!("{facts:?}");
    assert!(told.contains("CallAnsweredBy { who: Machine }"), "{told}");
    it.daemon.stop().await;
}
