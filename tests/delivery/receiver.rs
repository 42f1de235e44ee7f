//! Somebody who is told: keeps what arrives, and fails now and then.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) headers: Vec<(String, String)>,
    /// It was told that this one is taken.
    pub(crate) taken: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Receiver(Arc<Mutex<Vec<Arrived>>>);

impl Receiver {
    /// `fails`: how many of a hundred are answered with an error.
    pub(crate) async fn start(fails: u8) -> (Self, SocketAddr) {
        let receiver = Self::default();
        let app = Router::new().route("/{path}", post(arrive)).with_state((receiver.clone(), fails));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move { axum::serve(listener, app).await.unwrap() };
        vaani::base::tasks::Scope::new().spawn("receiver", serve);
        (receiver, address)
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.0.lock().unwrap().clone()
    }
}

async fn arrive(
    State((receiver, fails)): State<(Receiver, u8)>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let taken = fastrand::u8(0..100) >= fails;
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    let id = headers.iter().find(|(name, _)| name == "webhook-id").map(|(_, id)| id.clone()).unwrap_or_default();
    receiver.0.lock().unwrap().push(Arrived { path, id, body, headers, taken });
    // The box may die before it hears the answer.
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..5))).await;
    if taken { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}
