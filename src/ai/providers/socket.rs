//! One exchange over a WebSocket: what there is to send is sent while answers are read.
//! Promise: one message, all messages and the time to connect are bounded; dropping the future closes
//! the socket; what a provider's refusal and closing codes mean is decided here.
//! Absent on purpose: reconnecting, sockets that outlive one utterance.

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use futures_util::{SinkExt, future};
use reqwest::StatusCode;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

use super::{Endpoint, http, proxy};
use crate::ai::{Fault, FaultKind};

/// One message, bytes.
const MESSAGE_MAX: usize = 256 * 1024;
/// All messages of one exchange, bytes and number.
const ANSWERS_MAX: usize = 4 << 20;
const MESSAGES_MAX: usize = 10_000;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `heard` said that it has what it wants.
    Enough,
    /// The provider closed without complaint.
    Closed,
}

/// Connects to `url`, sends `messages` and gives each text that comes to `heard`, until that says
/// true or the provider closes.
pub async fn exchange(
    endpoint: &Endpoint,
    url: Url,
    messages: impl Stream<Item = Message> + Send,
    mut heard: impl FnMut(&str) -> Result<bool, Fault>,
) -> Result<End, Fault> {
    let mut request =
        url.as_str().into_client_request().map_err(|_| endpoint.fault(FaultKind::Refused, "the address is no URL"))?;
    if let Some((name, value)) = endpoint.auth_header() {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        let Some((name, mut value)) = pair else {
            return Err(endpoint.fault(FaultKind::Denied, "the key cannot be written into a header"));
        };
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let connecting = async {
        let line =
            proxy::connect(&url).await.map_err(|error| endpoint.fault(FaultKind::Unavailable, error.to_string()))?;
        // Small messages are not to wait for one another.
        let _ = line.set_nodelay(true);
        let socket = tokio_tungstenite::client_async_tls_with_config(request, line, Some(config), None).await;
        socket.map_err(|error| fault(endpoint, error))
    };
    let (socket, _) = tokio::time::timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| endpoint.fault(FaultKind::Unavailable, "no connection"))??;
    let (mut to, mut from) = socket.split();
    let sending = async {
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = messages.next().await {
            // Why it cannot be sent is told by what is read.
            if to.send(message).await.is_err() {
                break;
            }
        }
        future::pending::<Result<End, Fault>>().await
    };
    let reading = async {
        let (mut bytes, mut count) = (0, 0);
        while let Some(message) = from.next().await {
            let message = message.map_err(|error| fault(endpoint, error))?;
            bytes += message.len();
            count += 1;
            if bytes > ANSWERS_MAX || count > MESSAGES_MAX {
                return Err(
                    endpoint.fault(FaultKind::Broken, format!("the answers are larger than {ANSWERS_MAX} bytes"))
                );
            }
            match message {
                Message::Text(text) if heard(text.as_str())? => return Ok(End::Enough),
                Message::Close(frame) => {
                    return closed(endpoint, frame.map_or(1_005, |frame| u16::from(frame.code)));
                }
                // Providers speak text; pings are answered by the library.
                _ => {}
            }
        }
        Err(endpoint.fault(FaultKind::Unavailable, "the connection broke"))
    };
    tokio::select! {
        end = reading => end,
        end = sending => end,
    }
}

/// What a closing code means for asking again. 1003 is Sarvam's "rate, quota or key", 4000 its
/// "wrong parameter".
pub fn closed(endpoint: &Endpoint, code: u16) -> Result<End, Fault> {
    let kind = match code {
        1_000 | 1_001 | 1_005 => return Ok(End::Closed),
        1_003 => FaultKind::Overloaded,
        1_002 | 1_007 | 1_009 => FaultKind::Broken,
        4_000..=4_999 => FaultKind::Refused,
        _ => FaultKind::Unavailable,
    };
    Err(endpoint.fault(kind, format!("closed with {code}")))
}

fn fault(endpoint: &Endpoint, error: Error) -> Fault {
    let (kind, what) = match error {
        Error::Http(response) => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
            let code = response.body().as_deref().and_then(http::error_code);
            return http::refused(endpoint, status, code, http::retry_after(response.headers()));
        }
        Error::Capacity(_) => (FaultKind::Broken, "a message is too large"),
        Error::Utf8(_) | Error::Protocol(_) | Error::AttackAttempt => {
            // A connection that ends without a closing handshake counts as a protocol error too.
            (FaultKind::Unavailable, "the connection broke")
        }
        Error::Url(_) | Error::HttpFormat(_) => (FaultKind::Refused, "the address is no URL"),
        _ => (FaultKind::Unavailable, "no connection, or it broke"),
    };
    endpoint.fault(kind, what)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::net::TcpListener;

    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    /// Asks a server that sends `messages` and reads until its end; how many came there.
    async fn against(messages: Vec<Message>, patience: Duration) -> (usize, Result<End, Fault>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut endpoint = endpoint("x/y");
        endpoint.base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let serve = Box::pin(async {
            let (line, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(line).await.unwrap();
            for message in messages {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
            let mut count = 0;
            while let Some(Ok(message)) = socket.next().await {
                count += usize::from(message.is_text());
            }
            count
        });
        let url = endpoint.socket_url("/ws");
        let ask =
            Box::pin(exchange(&endpoint, url, stream::iter([Message::text("a"), Message::text("b")]), |_| Ok(false)));
        let late = || endpoint.fault(FaultKind::Deadline, "late");
        let ask = async { tokio::time::timeout(patience, ask).await.unwrap_or_else(|_| Err(late())) };
        future::join(serve, ask).await
    }

    #[tokio::test]
    async fn going_away_closes_the_socket() {
        let (count, end) = against(Vec::new(), Duration::from_millis(300)).await;
        assert_eq!((count, end.unwrap_err().kind), (2, FaultKind::Deadline));
    }

    #[tokio::test]
    async fn answers_are_bounded() {
        let long = vec![Message::text("x".repeat(MESSAGE_MAX)); ANSWERS_MAX / MESSAGE_MAX + 1];
        let many = vec![Message::text("x"); MESSAGES_MAX + 1];
        for messages in [vec![Message::text("x".repeat(MESSAGE_MAX + 1))], long, many] {
            let (_, end) = against(messages, Duration::from_secs(30)).await;
            assert_eq!(end.unwrap_err().kind, FaultKind::Broken);
        }
    }

    #[tokio::test]
    async fn who_speaks_no_tls_is_not_available() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut endpoint = endpoint("x/y");
        endpoint.base_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let serve = async {
            let (mut line, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut line, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let ask = exchange(&endpoint, endpoint.socket_url("/ws"), stream::empty(), |_| Ok(false));
        let (_, end) = future::join(serve, ask).await;
        assert_eq!(end.unwrap_err().kind, FaultKind::Unavailable);
    }

    #[test]
    fn closing_codes_tell_whether_asking_again_helps() {
        let endpoint = endpoint("sarvam/saaras");
        let kind = |code| closed(&endpoint, code).map_err(|fault| fault.kind);
        assert_eq!(kind(1_000), Ok(End::Closed));
        assert_eq!(kind(1_003), Err(FaultKind::Overloaded));
        assert_eq!(kind(4_000), Err(FaultKind::Refused));
        assert_eq!(kind(1_008), Err(FaultKind::Unavailable));
        assert_eq!(kind(1_011), Err(FaultKind::Unavailable));
        assert_eq!(kind(1_009), Err(FaultKind::Broken));
    }
}
