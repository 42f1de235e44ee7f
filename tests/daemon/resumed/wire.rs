//! A wire between a carrier and the box that can be cut without a farewell.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vaani::base::tasks::Scope;

#[derive(Clone)]
pub(crate) struct Wire {
    /// `host:port`.
    pub(crate) address: String,
    to: Arc<Mutex<String>>,
    cuts: watch::Sender<u32>,
    dead: Arc<Mutex<bool>>,
    /// The first line of each connection, as far as it came at once.
    began: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    pub(crate) async fn start(tasks: &Scope) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            address: listener.local_addr().unwrap().to_string(),
            to: Arc::default(),
            cuts: watch::Sender::new(0),
            dead: Arc::default(),
            began: Arc::default(),
        };
        let (serving, scope) = (wire.clone(), tasks.clone());
        tasks.spawn("wire", async move {
            loop {
                let carrier = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = scope.stopped() => return,
                };
                let (wire, stop) = (serving.clone(), scope.clone());
                scope.spawn("a connection on the wire", async move {
                    tokio::select! {
                        _ = wire.carry(carrier) => {}
                        () = stop.stopped() => {}
                    }
                });
            }
        });
        wire
    }

    /// Where it leads.
    pub(crate) fn leads_to(&self, address: &str) {
        address.clone_into(&mut self.to.lock().unwrap());
    }

    /// Everything that is on it is reset.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether new connections come to nothing.
    pub(crate) fn is_dead(&self, dead: bool) {
        *self.dead.lock().unwrap() = dead;
    }

    pub(crate) fn connections(&self) -> usize {
        self.began.lock().unwrap().len()
    }

    /// What the last connection began with.
    pub(crate) fn last(&self) -> String {
        self.began.lock().unwrap().last().unwrap().clone()
    }

    async fn carry(&self, mut carrier: TcpStream) -> io::Result<()> {
        let mut cut = self.cuts.subscribe();
        let mut first = vec![0; 2_048];
        let length = carrier.read(&mut first).await?;
        let line = first[..length].split(|byte| *byte == b'\r').next().unwrap_or_default();
        self.began.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        if *self.dead.lock().unwrap() {
            return reset(&carrier);
        }
        let to = self.to.lock().unwrap().clone();
        let mut at_box = TcpStream::connect(to).await?;
        carrier.set_nodelay(true)?;
        at_box.set_nodelay(true)?;
        at_box.write_all(&first[..length]).await?;
        tokio::select! {
            carried = copy_bidirectional(&mut carrier, &mut at_box) => carried.map(drop),
            _ = cut.changed() => {
                reset(&carrier)?;
                reset(&at_box)
            }
        }
    }
}

/// Closed without a word: what is dropped now is a reset for the other side.
fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(set_socket_linger(stream, Some(Duration::ZERO))?)
}
