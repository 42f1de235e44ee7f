//! How a carrier on this machine reaches the box: plain HTTP and plain sockets.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A media socket as the carrier holds it.
pub type Socket = WebSocketStream<TcpStream>;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("only ws:// sockets can be dialled from here, not {0}")]
    NotPlain(String),
    #[error("the media socket could not be opened")]
    Socket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("no connection to the media socket")]
    Connect(#[source] std::io::Error),
}

impl From<tokio_tungstenite::tungstenite::Error> for OpenError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// A client that behaves like a carrier's: no proxies, no HTTP redirects, its own patience.
pub fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

/// Opens the media socket of a request that may carry headers of the carrier's own.
pub async fn open(request: Request<()>) -> Result<Socket, OpenError> {
    if request.uri().scheme_str() != Some("ws") {
        return Err(OpenError::NotPlain(request.uri().to_string()));
    }
    let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let tcp = TcpStream::connect((host, port)).await.map_err(OpenError::Connect)?;
    tcp.set_nodelay(true).map_err(OpenError::Connect)?;
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024).write_buffer_size(0);
    let (stream, _) = tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await?;
    Ok(stream)
}
