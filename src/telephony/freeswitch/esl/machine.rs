//! One event socket as a machine: bytes, orders and time go in; text to send, events and answers come
//! out.
//! Promise: each order has exactly one answer, the last of them at the close; after the close nothing
//! comes out. Absent on purpose: sockets, reconnecting, what a channel is.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::wire::{Broken, Decoder, Event, Kind, Message};
use crate::base::secret::Secret;
use crate::base::{Moment, limits};

/// Events that a connection which sees all channels asks for. `CUSTOM` must come last.
pub const EVENTS: &str = "event json CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_HANGUP CHANNEL_BRIDGE DTMF BACKGROUND_JOB CUSTOM mod_audio_stream::play mod_audio_stream::error mod_audio_stream::disconnect mod_audio_fork::connect_failed mod_audio_fork::disconnect";

#[derive(Debug)]
pub enum Input<'a> {
    Bytes(&'a [u8]),
    /// The socket ended or broke.
    Gone,
    Order {
        id: u64,
        order: Order,
    },
    Tick,
}

/// What is wanted of FreeSWITCH. The text has no line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Answered on the spot; FreeSWITCH does nothing else on this connection meanwhile.
    Api(String),
    /// Done beside others; the answer is an event.
    Job { line: String, within: Duration },
    /// An application on the connection's own channel: `answer`, `hangup`.
    Execute { application: &'static str, argument: &'static str },
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What stands behind `+OK`, or the whole body where there is no such word.
    Ok(String),
    /// What stands behind `-ERR`.
    Err(String),
    /// It never left: nothing was done.
    Unsent,
    /// It may have been done or not.
    Lost,
}

impl Reply {
    fn of(text: &str) -> Self {
        let text = text.trim();
        match (text.strip_prefix("+OK"), text.strip_prefix("-ERR").or(text.strip_prefix("-USAGE"))) {
            (Some(rest), _) => Self::Ok(rest.trim().to_owned()),
            (None, Some(rest)) => Self::Err(rest.trim().to_owned()),
            (None, None) => Self::Ok(text.to_owned()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Send(String),
    /// Orders are taken from now on. The connection's own channel, if FreeSWITCH opened it.
    Ready(Option<Box<Event>>),
    Event(Box<Event>),
    Answer {
        id: u64,
        reply: Reply,
    },
    /// Last output.
    Close(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the password is wrong")]
    Password,
    #[error("FreeSWITCH does not let this address in; see event_socket.conf.xml and its list of addresses")]
    Rejected,
    #[error("FreeSWITCH refused the subscription or the channel")]
    Refused,
    #[error("FreeSWITCH closed the connection")]
    Closed,
    #[error("what came is no event socket: {0}")]
    Broken(#[from] Broken),
    #[error("FreeSWITCH does not answer")]
    Silent,
}

/// Who opened the connection.
#[derive(Clone, Debug)]
pub enum Side {
    /// We did.
    Ours { password: Secret },
    /// FreeSWITCH did, for one channel.
    Theirs,
}

pub struct Session {
    side: Side,
    phase: Phase,
    /// The password was sent; whoever asks for it again gets nothing.
    greeted: bool,
    decoder: Decoder,
    out: VecDeque<Output>,
    /// What the next replies are to, in order.
    awaited: VecDeque<Awaited>,
    jobs: HashMap<u64, Moment>,
    last_heard: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until the moment, everything that comes before orders are taken.
    Opening(Moment),
    Ready,
    Over,
}

struct Awaited {
    what: What,
    until: Moment,
}

enum What {
    Password,
    Subscription,
    /// The answer is the channel.
    Connect,
    /// Whatever is said, we go on.
    Formality,
    Order(u64),
    /// The answer says that the job has begun.
    Job(u64),
}

impl Session {
    pub fn new(side: Side, now: Moment) -> Self {
        let body_max = match side {
            Side::Ours { .. } => limits::ESL_BODY_MAX,
            Side::Theirs => limits::ESL_CHANNEL_BODY_MAX,
        };
        let mut session = Self {
            side,
            phase: Phase::Opening(now + limits::ESL_READY_WITHIN),
            greeted: false,
            decoder: Decoder::new(body_max),
            out: VecDeque::new(),
            awaited: VecDeque::new(),
            jobs: HashMap::new(),
            last_heard: now,
        };
        if matches!(session.side, Side::Theirs) {
            session.ask(now, What::Connect, "connect");
        }
        session
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When it wants [`Input::Tick`].
    pub fn deadline(&self) -> Option<Moment> {
        let opening = match self.phase {
            Phase::Opening(until) => Some(until),
            Phase::Ready => Some(self.last_heard + limits::ESL_SILENCE_ASKED),
            Phase::Over => return None,
        };
        let reply = self.awaited.front().map(|awaited| awaited.until);
        let job = self.jobs.values().min().copied();
        [opening, reply, job].into_iter().flatten().min()
    }

    pub fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Order { id, order } => self.order(now, id, order),
            _ if self.phase == Phase::Over => {}
            Input::Bytes(bytes) => {
                self.last_heard = now;
                self.decoder.push(bytes);
                while self.phase != Phase::Over {
                    match self.decoder.take() {
                        Ok(Some(message)) => self.message(now, &message),
                        Ok(None) => break,
                        Err(broken) => self.close(broken.into()),
                    }
                }
            }
            Input::Gone => self.close(Reason::Closed),
            Input::Tick => self.tick(now),
        }
    }

    fn order(&mut self, now: Moment, id: u64, order: Order) {
        if self.phase != Phase::Ready || self.awaited.len() + self.jobs.len() >= limits::ESL_OPEN_MAX {
            self.out.push_back(Output::Answer { id, reply: Reply::Unsent });
            return;
        }
        match order {
            Order::Api(line) => self.ask(now, What::Order(id), &format!("api {line}")),
            Order::Job { line, within } => {
                self.jobs.insert(id, now + within);
                self.ask(now, What::Job(id), &format!("bgapi {line}\nJob-UUID: {}", job_name(id)));
            }
            Order::Execute { application: "hangup", argument } => {
                self.ask(now, What::Order(id), &format!("sendmsg\ncall-command: hangup\nhangup-cause: {argument}"));
            }
            Order::Execute { application, argument } => {
                let line = format!(
                    "sendmsg\ncall-command: execute\nexecute-app-name: {application}\nexecute-app-arg: {argument}\nevent-lock: true"
                );
                self.ask(now, What::Order(id), &line);
            }
        }
    }

    fn ask(&mut self, now: Moment, what: What, line: &str) {
        self.awaited.push_back(Awaited { what, until: now + limits::ESL_REPLY_WITHIN });
        self.out.push_back(Output::Send(format!("{line}\n\n")));
    }

    fn message(&mut self, now: Moment, message: &Message) {
        match message.kind() {
            Kind::AuthRequest => {
                if let Side::Ours { password } = &self.side
                    && !std::mem::replace(&mut self.greeted, true)
                {
                    let line = format!("auth {}", password.expose());
                    self.ask(now, What::Password, &line);
                }
            }
            Kind::CommandReply | Kind::ApiResponse => self.replied(now, message),
            Kind::EventJson => self.event(Event::of_json(&message.body)),
            Kind::EventPlain => self.event(Event::of_plain(&message.body)),
            Kind::Disconnect => {
                // With `linger` the events of the end still come.
                if message.get("Content-Disposition") != Some("linger") {
                    self.close(Reason::Closed);
                }
            }
            Kind::Rejection => self.close(Reason::Rejected),
            Kind::Other => {}
        }
    }

    fn replied(&mut self, now: Moment, message: &Message) {
        // An answer to nothing: nothing can be matched any more.
        let Some(Awaited { what, .. }) = self.awaited.pop_front() else { return self.close(Reason::Refused) };
        let reply = Reply::of(message.reply());
        let refused = matches!(reply, Reply::Err(_));
        match what {
            What::Password if refused => self.close(Reason::Password),
            What::Password => self.ask(now, What::Subscription, EVENTS),
            What::Subscription if refused => self.close(Reason::Refused),
            What::Subscription => self.ready(None),
            What::Connect => {
                let channel = message.as_event();
                if channel.channel().is_none() {
                    return self.close(Reason::Refused);
                }
                self.ask(now, What::Formality, "myevents json");
                self.ask(now, What::Formality, "linger 5");
                self.ready(Some(Box::new(channel)));
            }
            What::Formality => {}
            What::Order(id) => self.out.push_back(Output::Answer { id, reply }),
            What::Job(id) => {
                if refused && self.jobs.remove(&id).is_some() {
                    self.out.push_back(Output::Answer { id, reply });
                }
            }
        }
    }

    fn ready(&mut self, channel: Option<Box<Event>>) {
        self.phase = Phase::Ready;
        self.out.push_back(Output::Ready(channel));
    }

    fn event(&mut self, event: Option<Event>) {
        let Some(event) = event else { return };
        if event.name() == "BACKGROUND_JOB" {
            let id = event.get("Job-UUID").and_then(job_id);
            if let Some(id) = id.filter(|id| self.jobs.remove(id).is_some()) {
                self.out.push_back(Output::Answer { id, reply: Reply::of(event.body()) });
            }
            return;
        }
        self.out.push_back(Output::Event(Box::new(event)));
    }

    fn tick(&mut self, now: Moment) {
        let late: Vec<u64> = self.jobs.iter().filter(|(_, until)| now >= **until).map(|(id, _)| *id).collect();
        for id in late {
            self.jobs.remove(&id);
            self.out.push_back(Output::Answer { id, reply: Reply::Lost });
        }
        if self.awaited.front().is_some_and(|awaited| now >= awaited.until) {
            return self.close(Reason::Silent);
        }
        match self.phase {
            Phase::Opening(until) if now >= until => self.close(Reason::Silent),
            Phase::Ready if now.since(self.last_heard) >= limits::ESL_SILENCE_ASKED && self.awaited.is_empty() => {
                self.ask(now, What::Formality, "api status");
            }
            _ => {}
        }
    }

    fn close(&mut self, reason: Reason) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        for awaited in self.awaited.drain(..) {
            if let What::Order(id) = awaited.what {
                self.out.push_back(Output::Answer { id, reply: Reply::Lost });
            }
        }
        let mut jobs: Vec<u64> = self.jobs.drain().map(|(id, _)| id).collect();
        jobs.sort_unstable();
        self.out.extend(jobs.into_iter().map(|id| Output::Answer { id, reply: Reply::Lost }));
        self.out.push_back(Output::Close(reason));
    }
}

/// In the form of a UUID, which is what FreeSWITCH makes itself.
fn job_name(id: u64) -> String {
    uuid::Uuid::from_u64_pair(0, id).as_hyphenated().to_string()
}

fn job_id(name: &str) -> Option<u64> {
    match uuid::Uuid::parse_str(name).ok()?.as_u64_pair() {
        (0, id) => Some(id),
        _ => None,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
