//! Answers a client that is still sending. A refusal written while the body is on its way closes the
//! line under the client's hands, and many clients then report a broken pipe and never read why.
//!
//! Promise: before an error goes out, what is left of the request's body is taken and thrown away, as
//! much as `limits::LINGER_BYTES_MAX` for as long as `limits::LINGER`. Memory does not grow by it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _};

use crate::base::limits;

/// Put it around everything that is merged.
pub fn linger(router: Router) -> Router {
    router.layer(middleware::from_fn(answer))
}

async fn answer(request: Request, next: Next) -> Response {
    // Who waits for `100 Continue` has sent nothing yet, and will not when refused.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let left = Arc::new(Mutex::new(None));
    let (parts, body) = request.into_parts();
    let lent = Lent { body: Some(body.into_data_stream()), back: Arc::clone(&left) };
    let response = next.run(Request::from_parts(parts, Body::from_stream(lent))).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let body = left.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = body {
            // Whatever the client does within that time, the answer goes out after it.
            let _ = tokio::time::timeout(limits::LINGER, swallow(body)).await;
        }
    }
    response
}

async fn swallow(mut body: BodyDataStream) {
    let mut taken = 0_usize;
    while let Some(Ok(bytes)) = body.next().await {
        taken = taken.saturating_add(bytes.len());
        if taken > limits::LINGER_BYTES_MAX {
            return;
        }
    }
}

/// A body that comes back when its reader has had enough of it.
struct Lent {
    /// None once it has ended or broken off.
    body: Option<BodyDataStream>,
    back: Arc<Mutex<Option<BodyDataStream>>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use axum::extract::DefaultBodyLimit;
    use axum::http::StatusCode;
    use axum::routing::post;

    use super::*;
    use crate::base::tasks::Scope;

    async fn server() -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/some", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/none", post(|| async { StatusCode::UNAUTHORIZED }))
            .layer(DefaultBodyLimit::max(1_000));
        Scope::new().spawn("server", async move { axum::serve(listener, linger(router)).await.unwrap() });
        address
    }

    /// Sends all of the body before it reads a word, as many clients do.
    fn stubborn(address: SocketAddr, path: &str, bytes: usize) -> std::io::Result<String> {
        let mut line = TcpStream::connect(address)?;
        write!(line, "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n")?;
        for _ in 0..bytes / 1_000 {
            line.write_all(&[b'x'; 1_000])?;
        }
        let mut told = String::new();
        line.read_to_string(&mut told)?;
        Ok(told.lines().next().unwrap_or_default().to_owned())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_sends_too_much_or_may_not_send_reads_why() {
        let address = server().await;
        let ask = move |path, bytes| tokio::task::spawn_blocking(move || stubborn(address, path, bytes));
        for _ in 0..20 {
            assert_eq!(ask("/some", 1_000).await.unwrap().unwrap(), "HTTP/1.1 200 OK");
            assert_eq!(ask("/some", 9_000_000).await.unwrap().unwrap(), "HTTP/1.1 413 Payload Too Large");
            assert_eq!(ask("/none", 9_000_000).await.unwrap().unwrap(), "HTTP/1.1 401 Unauthorized");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_is_listened_to_for_ever() {
        let address = server().await;
        let endless = tokio::task::spawn_blocking(move || stubborn(address, "/none", limits::LINGER_BYTES_MAX * 3));
        assert!(endless.await.unwrap().is_err(), "the line is closed under who sends without end");
        let slow = tokio::task::spawn_blocking(move || {
            let mut line = TcpStream::connect(address).unwrap();
            write!(line, "POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n").unwrap();
            let mut told = [0; 12];
            line.read_exact(&mut told).unwrap();
            told
        });
        assert_eq!(&slow.await.unwrap(), b"HTTP/1.1 401", "who sends nothing is answered all the same");
    }
}
