use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::super::testing::{Api, told};
use super::hub::{Live, Told};
use crate::auth::{Kind, Principal, Role};
use crate::base::event::{CallState, Concerns, Direction, EndCause, Event, Record, Speaker};
use crate::base::{CallId, Lang, limits};
use crate::ops::alerts::{Alert, AlertEvent};
use crate::ops::health::Severity;

fn record(call: CallId, event: Event) -> Record {
    Record { call, unix_ms: 1, call_ms: 1, event }
}

fn began(call: CallId, tenant: &str) -> Record {
    let concerns = Box::new(Concerns { tenant: tenant.to_owned(), ..Concerns::default() });
    let event = Event::CallInitiated {
        transport: "twilio".to_owned(),
        carrier_call: None,
        direction: Direction::Inbound,
        agent: "emi".to_owned(),
        caller_hash: None,
        concerns,
        customer: None,
    };
    record(call, event)
}

fn heard(call: CallId) -> Record {
    record(
        call,
        Event::Heard {
            turn: 1,
            by: Speaker::Caller,
            language: Lang::Hi,
            confidence: 1.0,
            text: "मेरा 9876543210".to_owned(),
        },
    )
}

fn ended(call: CallId) -> Record {
    record(call, Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 1, turns: 1 })
}

fn who(role: Role) -> Principal {
    Principal::new(Kind::Nobody, "x", role, None)
}

async fn next(watcher: &mut super::hub::Watcher) -> Option<Value> {
    match timeout(Duration::from_millis(200), watcher.next()).await {
        Ok(Some(Told::Event { json, .. })) => Some(serde_json::from_str(&json).unwrap()),
        Ok(Some(Told::Missed(count))) => Some(serde_json::json!({ "missed": count })),
        Ok(None) | Err(_) => None,
    }
}

#[tokio::test]
async fn alerts_reach_those_who_own_the_box_and_may_read_them() {
    let live = Live::new(Vec::new());
    let bank: crate::base::TenantId = "bank".parse().unwrap();
    let mut owner = live.watch(&bank, &who(Role::Admin), None).unwrap();
    let of_bank = Principal::new(Kind::Nobody, "x", Role::Admin, Some(bank.clone()));
    let mut others =
        [live.watch(&bank, &of_bank, None).unwrap(), live.watch(&bank, &who(Role::HumanAgent), None).unwrap()];
    let alert = Alert {
        id: uuid::Uuid::now_v7(),
        code: "disk",
        about: String::new(),
        severity: Severity::Error,
        text: "full".to_owned(),
        fix: "make room".to_owned(),
        raised_ms: 1,
        cleared_ms: None,
    };
    live.alert(&AlertEvent { event_type: "alert.raised", alert });
    let told = next(&mut owner).await.unwrap();
    assert_eq!(
        (&told["event"], &told["code"], &told["fix"]),
        (&"alert.raised".into(), &"disk".into(), &"make room".into())
    );
    for other in &mut others {
        assert_eq!(next(other).await, None);
    }
    let mut late = live.watch(&bank, &who(Role::Admin), Some("of another process")).unwrap();
    next(&mut late).await;
    assert_eq!(next(&mut late).await.unwrap()["severity"], "error", "kept for those who come again");
}

#[tokio::test]
async fn everybody_hears_of_their_own_tenant_what_their_role_may_read() {
    let live = Live::new(Vec::new());
    let (bank, hospital) = ("bank".parse().unwrap(), "hospital".parse().unwrap());
    let mut supervisor = live.watch(&bank, &who(Role::Supervisor), None).unwrap();
    let mut ops = live.watch(&bank, &who(Role::AiOps), None).unwrap();
    let mut viewer = live.watch(&bank, &who(Role::Viewer), None).unwrap();
    let mut other = live.watch(&hospital, &who(Role::Admin), None).unwrap();
    let call = CallId::from_seed(1, 1);
    for fact in [began(call, "bank"), heard(call), ended(call)] {
        live.observe(&fact);
    }
    assert_eq!(next(&mut supervisor).await.unwrap()["event"], "call_initiated");
    assert_eq!(next(&mut supervisor).await.unwrap()["text"], "मेरा 9876543210");
    assert_eq!(next(&mut supervisor).await.unwrap()["event"], "call_ended");
    next(&mut ops).await;
    assert_eq!(next(&mut ops).await.unwrap()["text"], "मेरा ••••••3210");
    next(&mut viewer).await;
    assert_eq!(next(&mut viewer).await.unwrap()["text"], "");
    assert_eq!(next(&mut other).await, None, "the other tenant hears nothing");
    // Who comes later gets what is kept, without the words of a call that is over.
    let mut late = live.watch(&bank, &who(Role::Supervisor), Some("of another process")).unwrap();
    assert_eq!(next(&mut late).await.unwrap()["missed"], 0);
    next(&mut late).await;
    assert_eq!(next(&mut late).await.unwrap()["text"], "");
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_much_it_missed_and_holds_up_nobody() {
    let live = Live::new(Vec::new());
    let tenant = "bank".parse().unwrap();
    let mut slow = live.watch(&tenant, &who(Role::Admin), None).unwrap();
    let call = CallId::from_seed(1, 1);
    live.observe(&began(call, "bank"));
    let many = limits::LIVE_QUEUE as u64 + 99;
    for turn in 0..many {
        live.observe(&record(call, Event::Filler { turn: u32::try_from(turn).unwrap() }));
    }
    assert_eq!(next(&mut slow).await.unwrap()["missed"], 100);
    let mut left = 0;
    while next(&mut slow).await.is_some() {
        left += 1;
    }
    assert_eq!(left, limits::LIVE_QUEUE);
}

#[tokio::test]
async fn whoever_comes_back_goes_on_where_it_was() {
    let live = Live::new(Vec::new());
    let tenant = "bank".parse().unwrap();
    let call = CallId::from_seed(1, 1);
    live.observe(&began(call, "bank"));
    let mut first = live.watch(&tenant, &who(Role::Admin), None).unwrap();
    let filler = |turn| record(call, Event::Filler { turn });
    live.observe(&filler(1));
    let Some(Told::Event { id, .. }) = first.next().await else { panic!() };
    drop(first);
    live.observe(&filler(2));
    live.observe(&filler(3));
    let mut back = live.watch(&tenant, &who(Role::Admin), Some(&id)).unwrap();
    live.observe(&filler(4));
    for turn in 2..=4 {
        assert_eq!(next(&mut back).await.unwrap()["turn"], turn, "each once, in order");
    }
    for turn in 0..u32::try_from(limits::LIVE_KEPT).unwrap() {
        live.observe(&filler(turn));
    }
    let mut late = live.watch(&tenant, &who(Role::Admin), Some(&id)).unwrap();
    assert_eq!(next(&mut late).await.unwrap()["missed"], 3, "2, 3 and 4 are not kept any more");
    assert_eq!(live.watchers(), 2);
    let more: Vec<_> = std::iter::from_fn(|| live.watch(&tenant, &who(Role::Admin), None)).collect();
    assert_eq!(more.len() + 2, limits::LIVE_WATCHERS_MAX);
    drop((more, late, back));
    assert_eq!(live.watchers(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_opens_by_ticket_once_and_not_for_other_peoples_pages() {
    let api = Api::start().await;
    let ticket = async || {
        let (status, body) = told(api.ask(Method::POST, "/api/live/ticket")).await;
        assert_eq!(status, 201);
        body["ticket"].as_str().unwrap().to_owned()
    };
    let open = async |query: String, origin: Option<&str>| {
        let mut request = format!("ws://{}/ws/dashboard/wall{query}", api.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket).map_err(|error| match error {
            tungstenite::Error::Http(answer) => answer.status().as_u16(),
            other => panic!("{other}"),
        })
    };
    assert_eq!(open(String::new(), None).await.unwrap_err(), 401);
    assert_eq!(open("?ticket=guess".to_owned(), None).await.unwrap_err(), 401);
    let good = ticket().await;
    assert_eq!(open(format!("?ticket={good}"), Some("https://evil.example")).await.unwrap_err(), 403);
    let own = format!("http://{}", api.address);
    let mut socket = open(format!("?ticket={good}"), Some(&own)).await.unwrap();
    assert_eq!(open(format!("?ticket={good}"), Some(&own)).await.unwrap_err(), 401, "a ticket is good once");
    let second = ticket().await;
    assert!(open(format!("?ticket={second}"), Some("https://console.example")).await.is_ok());

    let call = CallId::from_seed(2, 1);
    let mut read = async || loop {
        let message = timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = message else { continue };
        let value: Value = serde_json::from_str(&text).unwrap();
        if value["event"] != "beat" {
            return value;
        }
    };
    api.deps.live.observe(&began(call, "hospital"));
    api.deps.live.observe(&began(CallId::from_seed(2, 2), "bank"));
    let told_of = read().await;
    assert_eq!(
        (&told_of["event"], &told_of["call"]),
        (&"call_initiated".into(), &CallId::from_seed(2, 2).to_string().into())
    );
    assert!(told_of["id"].as_str().unwrap().starts_with(api.deps.live.boot()));
    socket.send(Message::Text("whatever".into())).await.unwrap();
    socket.close(None).await.unwrap();
    for _ in 0..100 {
        if api.deps.live.watchers() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(api.deps.live.watchers(), 0);
    assert_eq!(told(api.ask(Method::GET, "/ws/dashboard/wall")).await.0, 426);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_served_as_a_stream_that_ends_with_the_daemon() {
    let api = Api::start().await;
    let mut answer = api.ask(Method::GET, "/api/live?last_event_id=x").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    api.deps.live.observe(&began(CallId::from_seed(3, 1), "bank"));
    let mut text = String::new();
    while !text.contains("call_initiated") {
        let chunk = timeout(Duration::from_secs(5), answer.chunk()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.starts_with("event: missed\ndata: {\"missed\":0}"), "{text}");
    assert!(text.contains(&format!("id: {}-1", api.deps.live.boot())), "{text}");
    api.deps.tasks.stop();
    while timeout(Duration::from_secs(5), answer.chunk()).await.unwrap().unwrap_or(None).is_some() {}
}
