//! The task of one event socket, and the connection that we open and keep.
//! Promise: it is opened again after every loss, ever more slowly, until the box stops; orders given
//! while it is away are answered at once, as not sent.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::command::Command;
use super::machine::{Input, Order, Output, Reason, Reply, Session, Side};
use super::wire::Event;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};

/// An order and whom to tell.
pub(super) struct Wanted {
    order: Order,
    answer: oneshot::Sender<Reply>,
}

/// Gives orders to one connection; cheap to clone.
#[derive(Clone, Debug)]
pub struct Esl {
    orders: mpsc::Sender<Wanted>,
    /// Many share the connection, so none may keep it.
    shared: bool,
}

impl Esl {
    pub(super) fn new(shared: bool) -> (Self, mpsc::Receiver<Wanted>) {
        let (orders, taken) = mpsc::channel(limits::ESL_COMMANDS_QUEUE);
        (Self { orders, shared }, taken)
    }

    /// Gives the command now; the answer comes within the bound of its kind.
    pub fn ask(&self, command: &Command) -> impl Future<Output = Reply> + Send + use<> {
        let waiting = command.print().and_then(|line| {
            let order = if self.shared { Order::Job { line, within: within(command) } } else { Order::Api(line) };
            self.give(order)
        });
        async move {
            match waiting {
                Some(waiting) => waiting.await.unwrap_or(Reply::Lost),
                None => Reply::Unsent,
            }
        }
    }

    /// Runs an application on the connection's own channel.
    pub fn execute(
        &self,
        application: &'static str,
        argument: &'static str,
    ) -> impl Future<Output = Reply> + Send + use<> {
        let waiting = self.give(Order::Execute { application, argument });
        async move {
            match waiting {
                Some(waiting) => waiting.await.unwrap_or(Reply::Lost),
                None => Reply::Unsent,
            }
        }
    }

    /// Gives the command; nobody waits for what becomes of it.
    pub fn tell(&self, command: &Command) {
        drop(self.ask(command));
    }

    fn give(&self, order: Order) -> Option<oneshot::Receiver<Reply>> {
        let (answer, waiting) = oneshot::channel();
        self.orders.try_send(Wanted { order, answer }).ok().map(|()| waiting)
    }
}

const fn within(command: &Command) -> Duration {
    match command {
        Command::Originate { ring, .. } => ring.saturating_add(limits::ORIGINATE_GRACE),
        _ => limits::ESL_JOB_WITHIN,
    }
}

/// What a connection tells.
pub enum News {
    /// The connection's own channel, if FreeSWITCH opened it.
    Ready(Option<Box<Event>>),
    Event(Box<Event>),
}

/// Runs a session on a socket until it is over.
pub(super) async fn drive(
    mut stream: TcpStream,
    mut session: Session,
    clock: Clock,
    orders: &mut mpsc::Receiver<Wanted>,
    stop: &Scope,
    mut tell: impl FnMut(News),
) -> Reason {
    let mut open: HashMap<u64, oneshot::Sender<Reply>> = HashMap::new();
    let (mut next, mut outbox, mut piece) = (0_u64, Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some(output) = session.poll() {
            match output {
                Output::Send(text) => outbox.extend(text.into_bytes()),
                Output::Ready(channel) => tell(News::Ready(channel)),
                Output::Event(event) => tell(News::Event(event)),
                Output::Answer { id, reply } => {
                    if let Some(answer) = open.remove(&id) {
                        // Whoever asked may not care any more.
                        let _ = answer.send(reply);
                    }
                }
                Output::Close(reason) => {
                    drop(timeout(limits::LEG_CLOSE_WITHIN, stream.shutdown()).await);
                    return reason;
                }
            }
        }
        let due = session.deadline().map(|at| at.since(clock.now()));
        let (mut reader, mut writer) = stream.split();
        tokio::select! {
            read = reader.read(&mut piece) => match read {
                Ok(length) if length > 0 => session.handle(clock.now(), Input::Bytes(&piece[..length])),
                _ => session.handle(clock.now(), Input::Gone),
            },
            written = writer.write(&outbox), if !outbox.is_empty() => match written {
                Ok(length) => drop(outbox.drain(..length)),
                Err(_) => session.handle(clock.now(), Input::Gone),
            },
            Some(wanted) = orders.recv() => {
                next += 1;
                open.insert(next, wanted.answer);
                session.handle(clock.now(), Input::Order { id: next, order: wanted.order });
            }
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => session.handle(clock.now(), Input::Tick),
            // What was ordered last (the end of channels) still goes out.
            () = stop.stopped(), if outbox.is_empty() => session.handle(clock.now(), Input::Gone),
        }
    }
}

/// Where FreeSWITCH listens.
#[derive(Clone, Debug)]
pub struct Connect {
    /// `host:port`.
    pub address: String,
    pub password: Secret,
}

/// Who hears of the connection that we keep.
pub trait Listener: Send + Sync + 'static {
    fn news(&self, news: News);
    /// It is not there, and why.
    fn away(&self, why: &str);
}

/// Opens the connection. It is kept for as long as the box runs.
pub fn keep(connect: Connect, listener: impl Listener, clock: Clock, tasks: &Scope) -> Esl {
    let (esl, orders) = Esl::new(true);
    tasks.spawn("event socket", run(connect, listener, clock, tasks.clone(), orders));
    esl
}

async fn run(
    connect: Connect,
    listener: impl Listener,
    clock: Clock,
    tasks: Scope,
    mut orders: mpsc::Receiver<Wanted>,
) {
    let mut pause = limits::ESL_BACKOFF_MIN;
    while !tasks.is_stopping() {
        let why = match timeout(limits::ESL_READY_WITHIN, TcpStream::connect(&connect.address)).await {
            Ok(Ok(stream)) => {
                let session = Session::new(Side::Ours { password: connect.password.clone() }, clock.now());
                let mut was_ready = false;
                let reason = drive(stream, session, clock, &mut orders, &tasks, |news| {
                    if matches!(news, News::Ready(_)) {
                        was_ready = true;
                        info!(address = connect.address, "FreeSWITCH's event socket is open");
                    }
                    listener.news(news);
                })
                .await;
                if was_ready {
                    pause = limits::ESL_BACKOFF_MIN;
                }
                reason.to_string()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "nobody answers".to_owned(),
        };
        if tasks.is_stopping() {
            return;
        }
        listener.away(&why);
        if pause == limits::ESL_BACKOFF_MIN {
            warn!(address = connect.address, why, "FreeSWITCH's event socket is closed; it is opened again");
        } else {
            debug!(address = connect.address, why, "FreeSWITCH's event socket could not be opened");
        }
        refuse_for(pause, &mut orders, &tasks).await;
        pause = (pause * 2).min(limits::ESL_BACKOFF_MAX);
    }
}

/// Waits, and answers what is ordered meanwhile.
async fn refuse_for(pause: Duration, orders: &mut mpsc::Receiver<Wanted>, tasks: &Scope) {
    let over = tokio::time::sleep(pause);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return,
            () = tasks.stopped() => return,
            Some(wanted) = orders.recv() => drop(wanted.answer.send(Reply::Unsent)),
        }
    }
}
