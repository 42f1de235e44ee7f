//! A FreeSWITCH whose event socket we connect to: does what the reference says, remembers what it was
//! asked, and can be cut off.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use super::*;

pub(super) const PASSWORD: &str = "not-ClueCon";

#[derive(Clone)]
enum Do {
    Event(Value),
    Cut,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub(super) address: String,
    /// Commands, without `bgapi` and job ids.
    heard: Arc<Mutex<Vec<String>>>,
    /// What commands that begin so are answered with; `None`: never.
    answers: Arc<Mutex<Vec<(&'static str, Option<String>)>>>,
    orders: broadcast::Sender<Do>,
    pub(super) logins: Arc<Mutex<usize>>,
}

impl Fake {
    pub(super) async fn start(tasks: &Scope) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap().to_string(),
            heard: Arc::default(),
            answers: Arc::new(Mutex::new(vec![("show channels", Some(r#"{"row_count":0}"#.to_owned()))])),
            orders: broadcast::channel(64).0,
            logins: Arc::default(),
        };
        let (serving, scope) = (fake.clone(), tasks.clone());
        tasks.spawn("fake freeswitch", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = scope.stopped() => return,
                };
                let (fake, stop) = (serving.clone(), scope.clone());
                scope.spawn("fake session", async move {
                    tokio::select! {
                        _ = fake.serve(accepted) => {}
                        () = stop.stopped() => {}
                    }
                });
            }
        });
        fake
    }

    pub(super) fn answer(&self, begins: &'static str, with: Option<&str>) {
        self.answers.lock().unwrap().insert(0, (begins, with.map(str::to_owned)));
    }

    pub(super) fn event(&self, event: Value) {
        drop(self.orders.send(Do::Event(event)));
    }

    pub(super) fn cut(&self) {
        drop(self.orders.send(Do::Cut));
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for a command that begins so.
    pub(super) async fn hears(&self, begins: &str) -> String {
        until(&format!("{begins} in {:?}", self.heard()), || self.heard().iter().any(|c| c.starts_with(begins))).await;
        self.heard().into_iter().find(|c| c.starts_with(begins)).unwrap()
    }

    pub(super) async fn logged_in(&self, times: usize) {
        until("a login", || *self.logins.lock().unwrap() >= times).await;
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut orders = self.orders.subscribe();
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"Content-Type: auth/request\n\n").await?;
        let mut command: Vec<String> = Vec::new();
        loop {
            let line = tokio::select! {
                order = orders.recv() => match order {
                    Ok(Do::Event(event)) => {
                        writer.write_all(event_text(&event).as_bytes()).await?;
                        continue;
                    }
                    _ => return Ok(()),
                },
                line = lines.next_line() => line?,
            };
            match line {
                None => return Ok(()),
                Some(line) if !line.is_empty() => command.push(line),
                Some(_) => {
                    let said = std::mem::take(&mut command);
                    let Some(first) = said.first() else { continue };
                    let reply = |text: &str| format!("Content-Type: command/reply\nReply-Text: {text}\n\n");
                    let text = if let Some(password) = first.strip_prefix("auth ") {
                        if password != PASSWORD {
                            writer.write_all(reply("-ERR invalid").as_bytes()).await?;
                            return Ok(());
                        }
                        reply("+OK accepted")
                    } else if first.starts_with("event json ") {
                        let custom = "CUSTOM mod_audio_stream::play mod_audio_stream::error mod_audio_stream::disconnect mod_audio_fork::connect_failed mod_audio_fork::disconnect";
                        assert!(first.ends_with(custom), "{first}");
                        *self.logins.lock().unwrap() += 1;
                        reply("+OK event listener enabled json")
                    } else if let Some(line) = first.strip_prefix("bgapi ") {
                        let job = said[1].strip_prefix("Job-UUID: ").unwrap().to_owned();
                        self.heard.lock().unwrap().push(line.to_owned());
                        let mut text = reply(&format!("+OK Job-UUID: {job}"));
                        let known = self.answers.lock().unwrap().clone();
                        let answer = known.into_iter().find(|(begins, _)| line.starts_with(begins));
                        if let Some(body) = answer.map_or_else(|| Some("+OK".to_owned()), |(_, body)| body) {
                            let event = json!({"Event-Name": "BACKGROUND_JOB", "Job-UUID": job, "_body": body});
                            text.push_str(&event_text(&event));
                        }
                        text
                    } else if first == "api status" {
                        "Content-Type: api/response\nContent-Length: 2\n\nUP".to_owned()
                    } else {
                        reply(&format!("-ERR command not found {first}"))
                    };
                    writer.write_all(text.as_bytes()).await?;
                }
            }
        }
    }
}

fn event_text(event: &Value) -> String {
    let body = event.to_string();
    format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len())
}
