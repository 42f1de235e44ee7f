//! Connections whose handshake is done.
//! Promise: one that is slow or hostile keeps nobody else from being served; handshakes are bounded in
//! number and time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::base::limits;
use crate::base::tasks::Scope;

type Accepted = (TlsStream<TcpStream>, SocketAddr);

pub struct TlsListener {
    accepted: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

impl TlsListener {
    /// Accepts until `tasks` stop.
    pub fn new(listener: TcpListener, settings: ServerConfig, tasks: &Scope) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (give, accepted) = mpsc::channel(limits::TLS_HANDSHAKES_MAX);
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        tasks.spawn("tls", accept(listener, acceptor, give, tasks.clone()));
        Ok(Self { accepted, address })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, give: mpsc::Sender<Accepted>, tasks: Scope) {
    let room = Arc::new(Semaphore::new(limits::TLS_HANDSHAKES_MAX));
    loop {
        // Who does not get through the handshake makes others wait for its end at most.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let came = tokio::select! {
            came = listener.accept() => came,
            () = tasks.stopped() => return,
        };
        let (stream, address) = match came {
            Ok(came) => came,
            Err(error) => {
                // Out of descriptors, or one that went away: the next may do better.
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (acceptor, give) = (acceptor.clone(), give.clone());
        tasks.spawn("tls handshake", async move {
            let _place = place;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            match tokio::time::timeout(limits::TLS_HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(give.send((stream, address)).await),
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // Nobody accepts any more; the server is being stopped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
