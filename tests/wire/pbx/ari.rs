//! Calls that are placed through Asterisk's REST interface, against a stand-in that was written from its
//! documentation: it answers, tells events, and dials the box as the dial plan would.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use vaani::base::CallId;
use vaani::base::event::{CallState, Direction};
use vaani::telephony::asterisk::ari::{Ari, AriDialer, AriSettings, DialPlan, keep};
use vaani::telephony::asterisk::carrier::DialOptions;
use vaani::telephony::dial::{Destination, Dialer as _, Order, Refused, Retry, Verdict};

use super::*;

const PASSWORD: &str = "p&s=w:d";

/// What the last digit of a number makes Asterisk do.
const ANSWERS: char = '1';
const NO_SUCH_ENDPOINT: char = '2';
const BUSY: char = '3';
const LOSES_ITS_ANSWER: char = '4';
const NOT_REGISTERED: char = '6';
// With any other it rings, and nothing is told.

type Asked = (HashMap<String, String>, Value);

#[derive(Clone)]
struct Asterisk {
    /// Where the box is.
    back: PublicUrl,
    channels: Arc<Mutex<HashMap<String, &'static str>>>,
    orders: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<Mutex<Vec<String>>>,
    events: broadcast::Sender<String>,
    tells: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<FarCall>>>,
    tasks: Scope,
}

fn is_allowed(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("vaani:{PASSWORD}")));
    headers.get("authorization").is_some_and(|shown| shown.to_str().unwrap() == expected)
}

fn fault(status: u16, message: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "message": message }))).into_response()
}

impl Asterisk {
    async fn start(running: &TestBox) -> (Self, String) {
        let asterisk = Self {
            back: running.url.clone(),
            channels: Arc::default(),
            orders: Arc::default(),
            ended: Arc::default(),
            events: broadcast::channel(64).0,
            tells: Arc::new(AtomicBool::new(true)),
            calls: Arc::default(),
            tasks: running.tasks.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/ari/channels", post(originate))
            .route("/ari/channels/{id}", get(look).delete(hang_up))
            .route("/ari/events", get(events))
            .with_state(asterisk.clone());
        running.tasks.spawn("ari", async move { axum::serve(listener, routes).await.unwrap() });
        (asterisk, url)
    }

    fn event(&self, kind: &str, id: &str, more: Value) {
        let state = self.channels.lock().unwrap().get(id).copied().unwrap_or("Down");
        let mut event = json!({ "type": kind, "application": "vaani", "timestamp": "2026-11-30T10:00:00.000+0530",
            "channel": { "id": id, "name": format!("PJSIP/trunk-{id}"), "state": state } });
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        let _ = self.events.send(event.to_string()); // nobody may listen
    }

    fn becomes(&self, id: &str, state: &'static str) {
        self.channels.lock().unwrap().insert(id.to_owned(), state);
        self.event("ChannelStateChange", id, json!({}));
    }

    fn ends(&self, id: &str, cause: u32) {
        self.channels.lock().unwrap().remove(id);
        self.event("ChannelDestroyed", id, json!({ "cause": cause, "cause_txt": "as it is" }));
    }

    /// Somebody picks up, and the dial plan leads them to the box.
    async fn answer(self, id: String, variables: Value) {
        self.becomes(&id, "Up");
        let mut options = DialOptions::new(self.back.clone(), Some(Secret::new(TOKEN)));
        options.call = id;
        options.ours = Some(variables["VAANI_CALL"].as_str().unwrap().parse().unwrap());
        let call = options.dial(&self.tasks, Clock::system()).await.unwrap();
        self.calls.lock().unwrap().push(call);
    }
}

async fn originate(
    State(asterisk): State<Asterisk>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !is_allowed(&headers) {
        return fault(401, "Authentication required");
    }
    let (id, endpoint) = (query["channelId"].clone(), query["endpoint"].clone());
    asterisk.orders.lock().unwrap().push((query, body.clone()));
    let digit = endpoint.trim_end_matches("@trunk").chars().last().unwrap();
    match digit {
        NO_SUCH_ENDPOINT => return fault(400, "Invalid endpoint specified"),
        NOT_REGISTERED => return fault(500, "Allocation failed"),
        _ => {}
    }
    asterisk.becomes(&id, "Ringing");
    let ringing = asterisk.clone();
    let (name, variables) = (id.clone(), body["variables"].clone());
    match digit {
        ANSWERS => asterisk.tasks.spawn("answers", async move { ringing.answer(name, variables).await }),
        BUSY => ringing.ends(&name, 17),
        LOSES_ITS_ANSWER => return (StatusCode::BAD_GATEWAY, "upstream").into_response(),
        _ => {}
    }
    Json(json!({ "id": id, "state": "Down" })).into_response()
}

async fn look(State(asterisk): State<Asterisk>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    assert!(is_allowed(&headers));
    match asterisk.channels.lock().unwrap().get(&id) {
        Some(state) => Json(json!({ "id": id, "state": state })).into_response(),
        None => fault(404, "Channel not found"),
    }
}

async fn hang_up(State(asterisk): State<Asterisk>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    assert!(is_allowed(&headers));
    asterisk.ended.lock().unwrap().push(id.clone());
    if !asterisk.channels.lock().unwrap().contains_key(&id) {
        return fault(404, "Channel not found");
    }
    asterisk.ends(&id, 16);
    StatusCode::NO_CONTENT.into_response()
}

async fn events(
    State(asterisk): State<Asterisk>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if query["api_key"] != format!("vaani:{PASSWORD}") {
        return fault(401, "Authentication required");
    }
    assert_eq!((query["app"].as_str(), query["subscribeAll"].as_str()), ("vaani", "true"));
    if !asterisk.tells.load(Ordering::Relaxed) {
        return fault(404, "not here");
    }
    upgrade.on_upgrade(async move |socket| tell(socket, asterisk.events.subscribe()).await)
}

async fn tell(mut socket: WebSocket, mut events: broadcast::Receiver<String>) {
    // What is none of the box's business, and what it cannot read.
    for odd in [r#"{"type":"ApplicationRegistered"}"#, "not json", "[]", r#"{"type":"ChannelDestroyed"}"#] {
        if socket.send(Message::text(odd)).await.is_err() {
            return;
        }
    }
    while let Ok(event) = events.recv().await {
        if socket.send(Message::text(event)).await.is_err() {
            return;
        }
    }
}

fn dialer(running: &TestBox, url: &str, password: &str) -> Arc<AriDialer> {
    let settings = AriSettings { url: url.parse().unwrap(), user: "vaani".to_owned(), password: Secret::new(password) };
    let plan = DialPlan {
        endpoint: "PJSIP/{number}@trunk".to_owned(),
        extension_endpoint: "PJSIP/{extension}".to_owned(),
        context: "vaani-placed".to_owned(),
        caller_id: Some("+914440001234".parse().unwrap()),
    };
    let exchange = Arc::clone(&running.exchange) as Arc<_>;
    let dialer = AriDialer::new(Ari::new(settings).unwrap(), plan, exchange, running.clock);
    let dialer = Arc::new(dialer.looking(Duration::from_millis(300), Duration::from_millis(100)));
    running.tasks.spawn("ari's events", keep(Arc::clone(&dialer), running.tasks.clone()));
    dialer
}

fn order(to: Destination) -> Order {
    Order {
        call: CallId::new(),
        to,
        caller_id: None,
        agent: "reminder".to_owned(),
        ring: Duration::from_secs(35),
        limit: Duration::from_secs(900),
        detect_machine: false,
    }
}

fn number(last: char) -> Destination {
    Destination::Number(format!("+91987654321{last}").parse().unwrap())
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    timeout(PATIENCE, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what}"));
}

fn states(running: &TestBox, id: &str) -> Vec<CallState> {
    running.exchange.states.lock().unwrap().iter().filter(|(call, _)| call == id).map(|(_, state)| *state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_is_led_to_the_box() {
    let mut running = Setup::default().start().await;
    let (asterisk, url) = Asterisk::start(&running).await;
    let dialer = dialer(&running, &url, PASSWORD);
    until("events come", || dialer.trouble().is_none()).await;
    let order = order(number(ANSWERS));
    let (call, id) = (order.call, order.call.to_string());
    assert_eq!(dialer.place(order).await, Verdict::Placed { carrier_call: id.clone() });
    let mut leg = running.leg().await;
    let (query, body) = asterisk.orders.lock().unwrap()[0].clone();
    for (name, value) in [
        ("endpoint", "PJSIP/9876543211@trunk"),
        ("context", "vaani-placed"),
        ("extension", "s"),
        ("priority", "1"),
        ("channelId", &id),
        ("timeout", "35"),
        ("callerId", "4440001234"),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert_eq!(body, json!({ "variables": { "VAANI_CALL": id, "VAANI_AGENT": "reminder", "VAANI_LIMIT": "900" } }));
    let announced = running.exchange.announced.lock().unwrap()[0].clone();
    assert_eq!(
        (announced.call, announced.carrier_call.as_str(), announced.direction),
        (Some(call), id.as_str(), Direction::Outbound)
    );
    assert!(running.exchange.named.lock().unwrap().contains(&(call, id.clone())));
    let far = asterisk.calls.lock().unwrap().pop();
    let mut far = match far {
        Some(far) => far,
        None => {
            until("the line is there", || !asterisk.calls.lock().unwrap().is_empty()).await;
            asterisk.calls.lock().unwrap().pop().unwrap()
        }
    };
    the_caller_is_heard(&far, &mut leg).await;
    the_box_is_heard(&mut far, &mut leg).await;
    dialer.hang_up(&id).await.unwrap();
    dialer.hang_up(&id).await.unwrap();
    assert_eq!(asterisk.ended.lock().unwrap().len(), 2, "one that is over counts as ended");
    until("its end is told", || states(&running, &id).contains(&CallState::Completed)).await;
    assert_eq!(states(&running, &id), [CallState::Ringing, CallState::InProgress, CallState::Completed]);
    assert_eq!(dialer.followed(), 0);
}

/// Where there is AudioSocket only, the dial plan says before it whose call it is.
#[tokio::test]
async fn a_placed_call_may_come_over_audiosocket() {
    let running = Setup::default().start().await;
    let call = CallId::new();
    let url = format!("{}?token={TOKEN}&uuid={call}&vaani_call={call}", running.url.webhook("/ast/pre"));
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok");
    let announced = running.exchange.announced.lock().unwrap()[0].clone();
    assert_eq!(
        (announced.transport, announced.call, announced.direction),
        ("audiosocket", Some(call), Direction::Outbound)
    );
}

#[tokio::test]
async fn every_answer_has_its_verdict() {
    let running = Setup::default().start().await;
    let (asterisk, url) = Asterisk::start(&running).await;
    let dialling = dialer(&running, &url, PASSWORD);
    until("events come", || dialling.trouble().is_none()).await;
    for (to, why) in [
        (number(NO_SUCH_ENDPOINT), Refused::BadNumber),
        (number(NOT_REGISTERED), Refused::Unreachable),
        (Destination::Extension("1001&PJSIP/trunk".to_owned()), Refused::BadNumber),
    ] {
        let whole = to.number().is_some();
        assert_eq!(dialling.reaches(&to), whole, "{to:?}");
        match dialling.place(order(to)).await {
            Verdict::Refused { why: found, detail } => {
                assert_eq!(found, why);
                assert!(!detail.contains("98765"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((asterisk.orders.lock().unwrap().len(), dialling.followed()), (2, 0));
    assert!(dialling.reaches(&Destination::Extension("1005".to_owned())));
    let inside = order(Destination::Extension("1005".to_owned()));
    let ringing = inside.call.to_string();
    assert_eq!(dialling.place(inside).await.retry(), Retry::Ask);
    assert_eq!(asterisk.orders.lock().unwrap()[2].0["endpoint"], "PJSIP/1005");
    dialling.hang_up(&ringing).await.unwrap();
    until("it has not answered", || states(&running, &ringing).last() == Some(&CallState::NotPicked)).await;

    // What comes later is news.
    let busy = order(number(BUSY));
    let id = busy.call.to_string();
    assert!(matches!(dialling.place(busy).await, Verdict::Placed { .. }));
    until("it is busy", || states(&running, &id).last() == Some(&CallState::NotPicked)).await;

    // The answer gets lost, but not the call.
    let lost = order(number(LOSES_ITS_ANSWER));
    let (call, id) = (lost.call, lost.call.to_string());
    let verdict = dialling.place(lost).await;
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    until("it is known by name", || running.exchange.named.lock().unwrap().contains(&(call, id.clone()))).await;

    let stranger = dialer(&running, &url, "another-password");
    let verdict = stranger.place(order(number(ANSWERS))).await;
    assert!(matches!(verdict, Verdict::Refused { why: Refused::NotAllowed, .. }), "{verdict:?}");
    until("it says so", || stranger.trouble().is_some_and(|why| why.contains("ari.conf"))).await;
    let gone = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let nobody = dialer(&running, &gone, PASSWORD);
    let verdict = nobody.place(order(number(ANSWERS))).await;
    assert!(matches!(verdict, Verdict::Refused { why: Refused::Unreachable, .. }), "{verdict:?}");
    until("it says so, too", || nobody.trouble().is_some_and(|why| why.contains("refused"))).await;
    assert_eq!(nobody.hang_up("x").await.map_err(|error| error.contains(PASSWORD)), Err(false));
}

#[tokio::test]
async fn what_no_event_tells_is_looked_for() {
    let running = Setup::default().start().await;
    let (asterisk, url) = Asterisk::start(&running).await;
    asterisk.tells.store(false, Ordering::Relaxed);
    let dialer = dialer(&running, &url, PASSWORD);
    let (talks, rings) = (order(number('8')), order(number('9')));
    let (talked, rung) = (talks.call.to_string(), rings.call.to_string());
    for order in [talks, rings] {
        assert!(matches!(dialer.place(order).await, Verdict::Placed { .. }));
    }
    until("it says that it is deaf", || dialer.trouble().is_some_and(|why| why.contains("404"))).await;
    asterisk.channels.lock().unwrap().insert(talked.clone(), "Up");
    until("who has answered is found", || states(&running, &talked) == [CallState::InProgress]).await;
    asterisk.channels.lock().unwrap().clear();
    until("and their ends", || dialer.followed() == 0).await;
    assert_eq!(states(&running, &talked), [CallState::InProgress, CallState::Completed]);
    assert_eq!(states(&running, &rung), [CallState::NotPicked]);

    // Events are back, and a message that no Asterisk sends costs one connection.
    asterisk.tells.store(true, Ordering::Relaxed);
    until("it hears again", || dialer.trouble().is_none()).await;
    asterisk.events.send("x".repeat(2_000_000)).unwrap();
    until("it has lost the connection", || dialer.trouble().is_some()).await;
    until("and has another", || dialer.trouble().is_none()).await;
    let busy = order(number(BUSY));
    let id = busy.call.to_string();
    assert!(matches!(dialer.place(busy).await, Verdict::Placed { .. }));
    until("it is busy", || states(&running, &id).last() == Some(&CallState::NotPicked)).await;
}
