//! A cloud in a box: one server on 127.0.0.1 that answers as each provider does on the wire, checks
//! keys and required fields, and misbehaves as told, per path.
//!
//! A provider is one file: `routes()` with its paths below a prefix of its own and `error()` with the
//! body it sends along with a status; its row is in [`router`]. A handler answers with [`pieces`] or
//! [`whole`] and knows nothing of misbehaviour, which [`misbehave`] lays over its body; a WebSocket
//! handler takes [`Extension<Behaviour>`](axum::Extension) and sends through [`send`].

pub(crate) mod anthropic;
pub(crate) mod azure;
pub(crate) mod bedrock;
pub(crate) mod bhashini;
pub(crate) mod deepgram;
pub(crate) mod elevenlabs;
pub(crate) mod generic;
pub(crate) mod openai;
pub(crate) mod sarvam;
mod sound;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

/// The key every provider of the fake takes, in its own place.
pub(crate) const KEY: &str = "test-key-4711";
/// Bytes of a request that are read.
const REQUEST_MAX: usize = 16 << 20;
/// Bytes of a [`Behaviour::TooLarge`] answer; adapters give up long before.
const TOO_LARGE: usize = 80 << 20;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Behaviour {
    #[default]
    Ok,
    /// Takes the request and never answers.
    Hang,
    /// Every piece is torn and its parts come this far apart.
    Drip(Duration),
    /// The provider's own error body with this status.
    Status { status: u16, retry_after: Option<u32> },
    /// The connection breaks after so many pieces.
    CloseAfter(usize),
    /// The answer ends after so many pieces as if it were complete.
    EndAfter(usize),
    /// So many pieces, then silence.
    StallAfter(usize),
    /// The right status and content type, senseless bytes.
    Garbage,
    /// An answer without end.
    TooLarge,
}

impl Behaviour {
    pub(crate) const fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// Those that every adapter must survive, whatever it asks for.
    pub(crate) fn bad() -> Vec<Self> {
        vec![
            Self::Status { status: 429, retry_after: Some(7) },
            Self::status(500),
            Self::status(401),
            Self::status(529),
            Self::CloseAfter(0),
            Self::CloseAfter(1),
            Self::Garbage,
            Self::TooLarge,
        ]
    }
}

/// Which of several golden answers a handler gives; empty is the usual one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant(pub(crate) String);

/// Samples that came over sockets, while they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Arc<AtomicUsize>);

impl Samples {
    pub(crate) fn came(&self, samples: usize) {
        self.0.fetch_add(samples, Ordering::Relaxed);
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Switchboard {
    behaviours: BTreeMap<String, Behaviour>,
    variants: BTreeMap<String, Variant>,
    samples: Samples,
    seen: Vec<Seen>,
}

impl Switchboard {
    /// The longest prefix of `path` that somebody set.
    fn of<T: Clone + Default>(map: &BTreeMap<String, T>, path: &str) -> T {
        map.iter()
            .filter(|(prefix, _)| path.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default)]
struct Switch(Arc<Mutex<Switchboard>>);

impl Switch {
    fn lock(&self) -> MutexGuard<'_, Switchboard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running fake. Stops when dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    switch: Switch,
    life: Option<Life>,
}

/// A thread with a runtime of its own, so that going away cuts every connection at once.
struct Life {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let switch = Switch::default();
        let (address, life) = live("127.0.0.1:0".parse().unwrap(), switch.clone());
        Self { address, switch, life: Some(life) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address below the fake: `fake.url("/openai/v1")`.
    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// From now on all paths that start so behave so; `""` is every path.
    pub(crate) fn set(&self, path: &str, behaviour: Behaviour) {
        self.switch.lock().behaviours.insert(path.to_owned(), behaviour);
    }

    /// From now on handlers of these paths give another golden answer.
    pub(crate) fn vary(&self, path: &str, variant: &str) {
        self.switch.lock().variants.insert(path.to_owned(), Variant(variant.to_owned()));
    }

    /// Takes out the requests that came since the last time.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.switch.lock().seen)
    }

    /// Samples that came over sockets so far.
    pub(crate) fn samples(&self) -> usize {
        self.switch.lock().samples.0.load(Ordering::Relaxed)
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) fn go_away(&mut self) {
        if let Some(life) = self.life.take() {
            let _ = life.stop.send(());
            let _ = life.thread.join();
        }
    }

    /// Takes connections again, at the same address.
    pub(crate) fn come_back(&mut self) {
        if self.life.is_none() {
            self.life = Some(live(self.address, self.switch.clone()).1);
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn live(address: SocketAddr, switch: Switch) -> (SocketAddr, Life) {
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tokio::select! {
                _ = axum::serve(listener, router(switch)) => {}
                _ = stopped => {}
            }
        });
    });
    (address, Life { stop, thread })
}

/// All providers. One row each.
fn router(switch: Switch) -> Router {
    Router::new()
        .merge(over(anthropic::routes(), anthropic::error, &switch))
        .merge(over(bedrock::routes(), bedrock::error, &switch))
        .merge(over(generic::routes(), generic::error, &switch))
        .merge(over(openai::routes(), openai::error, &switch))
        .merge(over(sarvam::routes(), sarvam::error, &switch))
        .merge(over(bhashini::routes(), bhashini::error, &switch))
        .merge(over(deepgram::routes(), deepgram::error, &switch))
        .merge(over(elevenlabs::routes(), elevenlabs::error, &switch))
        .merge(over(azure::routes(), azure::error, &switch))
}

/// The body a provider sends along with a status.
type ErrorBody = fn(u16) -> String;

fn over(routes: Router, error: ErrorBody, switch: &Switch) -> Router {
    routes
        .layer(axum::middleware::from_fn_with_state((switch.clone(), error), misbehave))
        .layer(axum::extract::DefaultBodyLimit::max(REQUEST_MAX))
}

async fn misbehave(State((switch, error)): State<(Switch, ErrorBody)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    // An upgrade has no body, and waiting for one would take the connection from the handler.
    let upgrade = parts.headers.contains_key(header::UPGRADE);
    let body = if upgrade {
        body
    } else {
        match axum::body::to_bytes(body, REQUEST_MAX).await {
            Ok(bytes) => {
                switch.lock().seen.push(Seen {
                    path: path.clone(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers.clone(),
                    body: bytes.clone(),
                });
                Body::from(bytes)
            }
            Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        }
    };
    let (behaviour, variant) = {
        let board = switch.lock();
        parts.extensions.insert(board.samples.clone());
        (Switchboard::of(&board.behaviours, &path), Switchboard::of(&board.variants, &path))
    };
    match behaviour {
        Behaviour::Hang => return std::future::pending().await,
        Behaviour::Status { status, retry_after } => return refuse(status, retry_after, error(status)),
        _ => {}
    }
    parts.extensions.insert(behaviour.clone());
    parts.extensions.insert(variant);
    let response = next.run(Request::from_parts(parts, body)).await;
    // What the provider refuses is refused in good order.
    if upgrade || !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let pieces = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other));
    let broken = || Err(std::io::Error::other("closed in mid-stream"));
    let body = match behaviour {
        Behaviour::Ok | Behaviour::Hang | Behaviour::Status { .. } => Body::from_stream(pieces),
        Behaviour::Drip(apart) => Body::from_stream(
            pieces.flat_map(|piece| stream::iter(torn(piece.unwrap_or_default()))).then(move |part| async move {
                tokio::time::sleep(apart).await;
                Ok::<_, std::io::Error>(part)
            }),
        ),
        // The pause lets what was written before leave the box.
        Behaviour::CloseAfter(n) => Body::from_stream(pieces.take(n).chain(stream::once(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            broken()
        }))),
        Behaviour::EndAfter(n) => Body::from_stream(pieces.take(n)),
        Behaviour::StallAfter(n) => Body::from_stream(pieces.take(n).chain(stream::pending())),
        Behaviour::Garbage => Body::from(garbage()),
        Behaviour::TooLarge => {
            let piece = Bytes::from(vec![b' '; 1 << 16]);
            let count = TOO_LARGE / piece.len();
            Body::from_stream(stream::iter(std::iter::repeat_n(piece, count)).map(Ok::<_, std::io::Error>))
        }
    };
    Response::from_parts(parts, body)
}

/// A refusal with the provider's own body.
pub(crate) fn refuse(status: u16, retry_after: Option<u32>, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// An answer in pieces, as the provider would send them.
pub(crate) fn pieces<P: Into<Bytes>>(content_type: &'static str, pieces: impl IntoIterator<Item = P>) -> Response {
    let pieces: Vec<Bytes> = pieces.into_iter().map(Into::into).collect();
    let body = Body::from_stream(stream::iter(pieces).map(Ok::<_, std::io::Error>));
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// An answer in pieces that are made one after the other.
pub(crate) fn paced<P: Into<Bytes>>(
    content_type: &'static str,
    pieces: impl IntoIterator<Item = P>,
    apart: Duration,
) -> Response {
    let pieces: Vec<Bytes> = pieces.into_iter().map(Into::into).collect();
    let one_by_one = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(apart).await;
        Ok::<_, std::io::Error>(piece)
    });
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(one_by_one)).into_response()
}

/// An answer in one piece.
pub(crate) fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    pieces(content_type, [body.into()])
}

/// Sends golden messages over a WebSocket, with the misbehaviour of the path. False when it broke
/// off and the handler is to return.
#[allow(dead_code, reason = "for providers with sockets")]
pub(crate) async fn send(socket: &mut WebSocket, behaviour: &Behaviour, messages: Vec<Message>) -> bool {
    for (n, message) in messages.into_iter().enumerate() {
        match behaviour {
            Behaviour::Drip(apart) => tokio::time::sleep(*apart).await,
            Behaviour::CloseAfter(most) | Behaviour::EndAfter(most) if n >= *most => {
                if matches!(behaviour, Behaviour::EndAfter(_)) {
                    let _ = socket.send(Message::Close(None)).await;
                }
                return false;
            }
            Behaviour::StallAfter(most) if n >= *most => return std::future::pending().await,
            Behaviour::Garbage => {
                let _ = socket.send(Message::Text("}{ no json".into())).await;
                let _ = socket.send(Message::Binary(garbage())).await;
                return false;
            }
            Behaviour::TooLarge => {
                let huge = Bytes::from(vec![b' '; TOO_LARGE]);
                let _ = socket.send(Message::Binary(huge)).await;
                return false;
            }
            _ => {}
        }
        if socket.send(message).await.is_err() {
            return false;
        }
    }
    true
}

/// One field of a multipart form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: Vec<u8>,
}

impl Field {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Reads `multipart/form-data`; `None` if it is not well-formed.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Option<Vec<Field>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = kind.strip_prefix("multipart/form-data")?.split_once("boundary=")?.1.trim_matches('"');
    let (open, next) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let mut rest = body.strip_prefix(open.as_bytes())?;
    let mut fields = Vec::new();
    loop {
        let end = find(rest, next.as_bytes())?;
        let (part, after) = (&rest[..end], &rest[end + next.len()..]);
        let head = find(part, b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&part[..head]).into_owned();
        let value = |key: &str| Some(text.split_once(&format!(" {key}=\""))?.1.split_once('"')?.0.to_owned());
        fields.push(Field { name: value("name")?, file_name: value("filename"), content: part[head + 4..].to_vec() });
        if after.starts_with(b"--") {
            return Some(fields);
        }
        rest = after.strip_prefix(b"\r\n")?;
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

/// Up to three parts, cut where no character and no sample ends.
fn torn(piece: Bytes) -> Vec<Bytes> {
    if piece.len() < 3 {
        return vec![piece];
    }
    let (a, b) = ((piece.len() / 3).max(1), (2 * piece.len() / 3).max(2));
    vec![piece.slice(..a), piece.slice(a..b), piece.slice(b..)]
}

fn garbage() -> Bytes {
    (0_u32..2_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into()
}

/// Reads until the other side has closed too: a socket that is dropped with unread bytes takes the
/// closing code with it.
pub(crate) async fn farewell(socket: &mut WebSocket) {
    let _ =
        tokio::time::timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}
