//! A machine takes a call that is placed through FreeSWITCH, which does not tell: the call hears it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use vaani::base::audio::{LINE_FRAME, rms};
use vaani::base::event::{AnsweredBy, Event};
use vaani::base::tasks::Scope;

use crate::support::{Daemon, question, root, until};

const PASSWORD: &str = "not-ClueCon";

/// What the called machine says and hears.
#[derive(Clone, Default)]
struct Line {
    /// When its beep began, and when it was over.
    beep: Arc<Mutex<Option<(Instant, Instant)>>>,
    /// When sound of the box came.
    heard: Arc<Mutex<Vec<Instant>>>,
    /// The stream's end.
    over: Arc<Mutex<Option<Instant>>>,
}

/// FreeSWITCH's event socket, as far as a placed call needs it.
async fn exchange(stream: TcpStream, line: Line, tasks: Scope) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"Content-Type: auth/request\n\n").await?;
    let mut command: Vec<String> = Vec::new();
    while let Some(said) = lines.next_line().await? {
        if !said.is_empty() {
            command.push(said);
            continue;
        }
        let said = std::mem::take(&mut command);
        let Some(first) = said.first() else { continue };
        let reply = |text: &str| format!("Content-Type: command/reply\nReply-Text: {text}\n\n");
        let text = if let Some(password) = first.strip_prefix("auth ") {
            assert_eq!(password, PASSWORD);
            reply("+OK accepted")
        } else if let Some(order) = first.strip_prefix("bgapi ") {
            let job = said[1].strip_prefix("Job-UUID: ").unwrap();
            if order.starts_with("uuid_audio_fork ") && order.contains(" start ") {
                let url = order.split(' ').nth(3).unwrap().to_owned();
                tasks.spawn("machine", answering_machine(url, line.clone()));
            }
            let body = if order.starts_with("show channels") { r#"{"row_count":0}"# } else { "+OK" };
            let event = json!({"Event-Name": "BACKGROUND_JOB", "Job-UUID": job, "_body": body}).to_string();
            let event = format!("Content-Length: {}\nContent-Type: text/event-json\n\n{event}", event.len());
            reply(&format!("+OK Job-UUID: {job}")) + &event
        } else if first == "api status" {
            "Content-Type: api/response\nContent-Length: 2\n\nUP".to_owned()
        } else {
            reply("+OK")
        };
        writer.write_all(text.as_bytes()).await?;
    }
    Ok(())
}

/// Three sentences, a beep, and then it records.
async fn answering_machine(url: String, line: Line) {
    let mut says = vec![0_i16; 4_000];
    for _ in 0..3 {
        says.extend(question());
        says.extend([0; 3_200]);
    }
    let beep_from = says.len();
    let beep = |n: usize| (f64::sin(n as f64 * 1_000.0 * std::f64::consts::TAU / 8_000.0) * 6_000.0) as i16;
    says.extend((0..3_200).map(beep));
    let beep_to = says.len();
    let host = url.split('/').nth(2).unwrap().to_owned();
    let tcp = TcpStream::connect(host).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(url.into_client_request().unwrap(), tcp).await.unwrap();
    let (mut to_box, mut from_box) = socket.split();
    to_box.send(Message::text("{}")).await.unwrap();
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut at = 0;
    let mut began = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let mut frame = [0_i16; LINE_FRAME];
                let said = &says[at.min(says.len())..(at + LINE_FRAME).min(says.len())];
                frame[..said.len()].copy_from_slice(said);
                at += LINE_FRAME;
                if at <= beep_from {
                    began = Instant::now();
                } else if at >= beep_to {
                    line.beep.lock().unwrap().get_or_insert((began, Instant::now()));
                }
                let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                if to_box.send(Message::binary(bytes)).await.is_err() {
                    break;
                }
            }
            message = from_box.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let pcm: Vec<i16> = bytes.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                    if rms(&pcm) > 150.0 {
                        line.heard.lock().unwrap().push(Instant::now());
                    }
                }
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "mark" {
                        let data = json!({"name": message["data"]["name"], "event": "playout"});
                        drop(to_box.send(Message::text(json!({"type": "mark", "data": data}).to_string())).await);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    *line.over.lock().unwrap() = Some(Instant::now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_is_left_after_the_beep_and_not_before() {
    let (tasks, line) = (Scope::new(), Line::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (scope, answering) = (tasks.clone(), line.clone());
    tasks.spawn("freeswitch", async move {
        while let Ok((stream, _)) = listener.accept().await {
            scope.spawn("event socket", {
                let (line, tasks) = (answering.clone(), scope.clone());
                async move { drop(exchange(stream, line, tasks).await) }
            });
        }
    });
    let state = tempfile::tempdir().unwrap();
    let settings = [
        ("VAANI_FREESWITCH__EVENT_SOCKET", address.as_str()),
        ("VAANI_FREESWITCH__PASSWORD", PASSWORD),
        ("VAANI_FREESWITCH__DIAL", "sofia/gateway/gw/{number}"),
        ("VAANI_FREESWITCH__RATE", "8000"),
    ];
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &settings).await;
    let body = json!({ "name": "Meena Iyer", "phone_number": "+919876500001", "loan_id": "LN-77",
        "due_date": "2027-01-05", "amount_paise": 520_000, "language_code": "hi" });
    let made = daemon.api().request(Method::POST, "/api/customers").json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let path = format!("/trigger-call/{}", made["id"].as_str().unwrap());
    let begun = daemon.api().request(Method::POST, &path).json(&json!({})).send().await.unwrap();
    assert_eq!(begun.status().as_u16(), 202);
    let begun: Value = begun.json().await.unwrap();
    let call = begun["call_id"].as_str().unwrap().to_owned();

    // The verdict comes while the machine talks; nobody leaves a message yet.
    let verdict = |event: &Event| matches!(event, Event::CallAnsweredBy { who: AnsweredBy::Machine });
    daemon.fact(&call, "a machine is noticed", 0, verdict).await;
    assert!(line.beep.lock().unwrap().is_none(), "noticed by its greeting, before the beep");

    let kept = until("the call is over", async || {
        let answer = daemon.api().request(Method::GET, &format!("/api/calls/status/{call}")).send().await.unwrap();
        let kept: Value = answer.json().await.unwrap();
        (!kept["cause"].is_null()).then_some(kept)
    })
    .await;
    assert_eq!(kept["cause"], "machine", "{kept}");
    until("the stream is over", async || *line.over.lock().unwrap()).await;
    let (began, ended) = line.beep.lock().unwrap().expect("it has beeped");
    let over = line.over.lock().unwrap().unwrap();
    let heard = line.heard.lock().unwrap().clone();
    let after = heard.iter().filter(|at| **at > ended).count();
    assert!(after >= 50, "a second of the message at least is recorded: {after} of {} frames", heard.len());
    assert!(over.duration_since(began) > Duration::from_secs(1), "the message is said to its end");
    let facts = daemon.facts(&call).await;
    assert_eq!(facts.iter().filter(|event| verdict(event)).count(), 1, "{facts:#?}");
    daemon.stop().await;
    tasks.stop();
}
