//! The way from the box to a provider, which can be cut: refused at once, or without a sound.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Connections that wait to be taken.
const BACKLOG: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// New connections are refused, those that are open are reset.
    Refused,
    /// Packets are lost: no connection comes about, nothing moves on those that are open. What was
    /// under way arrives when the way is open again, as TCP sends it once more.
    Vanished,
    Over,
}

/// A proxy of its own thread in front of one server.
pub(super) struct Way {
    pub(super) address: SocketAddr,
    state: watch::Sender<State>,
    thread: Option<JoinHandle<()>>,
}

impl Way {
    pub(super) fn to(server: SocketAddr) -> Self {
        let (state, told) = watch::channel(State::Open);
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = listen("127.0.0.1:0".parse().unwrap());
                let own = listener.local_addr().unwrap();
                ready.send(own).unwrap();
                lead(listener, own, server, told).await;
            });
        });
        Self { address: address.recv().unwrap(), state, thread: Some(thread) }
    }

    pub(super) fn is(&self, state: State) {
        self.state.send_replace(state);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.is(State::Over);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(BACKLOG).unwrap()
}

async fn lead(listener: TcpListener, own: SocketAddr, server: SocketAddr, mut told: watch::Receiver<State>) {
    let mut listener = Some(listener);
    let mut connections = FuturesUnordered::new();
    // They fill the queue, so that the system answers no new connection.
    let mut fillers: Vec<TcpStream> = Vec::new();
    loop {
        let state = *told.borrow_and_update();
        match state {
            State::Over => return,
            State::Refused => listener = None,
            State::Vanished if fillers.is_empty() => fillers = fill(own).await,
            State::Open | State::Vanished => {}
        }
        if state == State::Open {
            listener.get_or_insert_with(|| listen(own));
            fillers.clear();
        }
        let accept = async {
            match &listener {
                Some(listener) if state == State::Open => listener.accept().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            accepted = accept => {
                if let Ok((client, _)) = accepted {
                    connections.push(carry(client, server, told.clone()));
                }
            }
            Some(()) = connections.next(), if !connections.is_empty() => {}
        }
    }
}

async fn fill(own: SocketAddr) -> Vec<TcpStream> {
    let mut fillers = Vec::new();
    while let Ok(Ok(filler)) = timeout(Duration::from_millis(30), TcpStream::connect(own)).await {
        fillers.push(filler);
        assert!(fillers.len() < 1_000, "the system takes connections without end");
    }
    fillers
}

/// One connection, to its end or its reset.
async fn carry(client: TcpStream, server: SocketAddr, mut told: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    for side in [&client, &server] {
        side.set_nodelay(true).unwrap();
        side.set_zero_linger().unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (there, back) = (told.clone(), told.clone());
    let both = async { tokio::join!(pump(from_client, to_server, there), pump(from_server, to_client, back)) };
    tokio::select! {
        _ = both => {}
        _ = told.wait_for(|state| matches!(state, State::Refused | State::Over)) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut told: watch::Receiver<State>) {
    let mut bytes = vec![0; 4 * 1024];
    loop {
        if told.wait_for(|state| *state == State::Open).await.is_err() {
            return;
        }
        let read = tokio::select! {
            biased;
            // What comes while the way is cut stays where it is.
            _ = told.wait_for(|state| *state != State::Open) => continue,
            read = from.read(&mut bytes) => read,
        };
        match read {
            Ok(0) | Err(_) => return drop(to.shutdown().await),
            Ok(n) if to.write_all(&bytes[..n]).await.is_ok() => {}
            Ok(_) => return,
        }
    }
}

#[tokio::test]
async fn a_vanished_way_answers_nothing_and_a_refused_one_at_once() {
    let fake = crate::fake::Fake::start();
    let way = Way::to(fake.address());
    let url = format!("http://{}/openai/v1/models", way.address);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async || timeout(Duration::from_millis(700), http.get(&url).bearer_auth(crate::fake::KEY).send()).await;
    assert!(ask().await.unwrap().unwrap().status().is_success());
    way.is(State::Vanished);
    assert!(ask().await.is_err(), "on the connection that is open");
    assert!(ask().await.is_err(), "on a new one");
    let connect = timeout(Duration::from_millis(700), TcpStream::connect(way.address));
    assert!(connect.await.is_err(), "no connection comes about");
    way.is(State::Open);
    crate::support::until("the way is open", async || ask().await.ok()?.ok()).await;
    way.is(State::Refused);
    crate::support::until("it is refused", async || ask().await.ok()?.err()).await;
    assert!(ask().await.unwrap().is_err());
    way.is(State::Open);
    crate::support::until("the way is open", async || ask().await.ok()?.ok()).await;
}
