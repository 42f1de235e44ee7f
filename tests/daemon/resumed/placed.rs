//! Calls that the box places through Asterisk: whoever answers is in the dial plan, which connects them again.

use std::collections::HashMap;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use vaani::base::Clock;
use vaani::base::event::{EndCause, Event};
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::telephony::asterisk::carrier::DialOptions;

use super::ear::{Ear, breaks};
use super::exchange::TOKEN;
use super::wire::Wire;
use crate::support::{Daemon, root, until};

/// An ARI that takes every order for a channel and tells of it; events come none.
async fn ari(tasks: &Scope) -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ordered, orders) = mpsc::unbounded_channel();
    let create = async |State(ordered): State<mpsc::UnboundedSender<(String, Value)>>,
                        Query(query): Query<HashMap<String, String>>,
                        Json(body): Json<Value>| {
        let id = query["channelId"].clone();
        ordered.send((id.clone(), body["variables"].clone())).unwrap();
        Json(json!({ "id": id, "state": "Down" })).into_response()
    };
    let look = async |Path(id): Path<String>| Json(json!({ "id": id, "state": "Up" }));
    let events = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket| while let Some(Ok(_)) = socket.recv().await {})
    };
    let routes = Router::new()
        .route("/ari/channels", post(create))
        .route("/ari/events", get(events))
        .route("/ari/channels/{id}", get(look).delete(async || StatusCode::NO_CONTENT))
        .with_state(ordered);
    tasks.spawn("ari", async move { axum::serve(listener, routes).await.unwrap() });
    (url, orders)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_called_is_connected_again() {
    let (state, tasks) = (tempfile::tempdir().unwrap(), Scope::new());
    let (url, mut orders) = ari(&tasks).await;
    let settings = [
        ("VAANI_ASTERISK__TOKEN", TOKEN),
        ("VAANI_ASTERISK__ARI__URL", &url),
        ("VAANI_ASTERISK__ARI__USER", "vaani"),
        ("VAANI_ASTERISK__ARI__PASSWORD", "a-password-of-ari"),
        ("VAANI_ASTERISK__ARI__ENDPOINT", "PJSIP/{number}@trunk"),
    ];
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
    let wanted = json!({ "phone_number": "98765 43210", "agent": "reminder" });
    let answer = daemon.api().request(reqwest::Method::POST, "/api/calls/initiate").json(&wanted).send().await.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());

    let (id, variables) = orders.recv().await.unwrap();
    let wire = Wire::start(&tasks).await;
    wire.leads_to(&daemon.address());
    let mut options = DialOptions::new(daemon.call().base_url, Some(Secret::new(TOKEN)));
    options.media_url = Some(format!("http://{}", wire.address).parse().unwrap());
    options.call = id;
    options.ours = Some(variables["VAANI_CALL"].as_str().unwrap().parse().unwrap());
    let ear = Ear::of(options.dial(&tasks, Clock::system()).await.unwrap());
    ear.hears_ms(500).await;
    wire.cut();
    until("another socket", async || (wire.connections() > 1).then_some(())).await;
    daemon.fact(&ear.sid, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    let before = ear.heard_ms();
    ear.hears_ms(before + 500).await;
    ear.caller.hang_up().await.unwrap();
    let (facts, cause) = daemon.ended(&ear.sid).await;
    assert_eq!((cause, breaks(&facts)), (EndCause::CallerHungUp, (1, 1)), "{facts:#?}");
    daemon.stop().await;
}
