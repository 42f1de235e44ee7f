//! Workers that misbehave, played from the other end of the socket or by programs of the system.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vaani_engine_protocol::{Ask, Frame, Ready, Tell, Transcript, Why, encode, read_frame};

use super::pool::{Pool, Terms};
use super::spawn::Program;
use super::supervise::{End, Ends, Orders, State, Worker, converse};
use crate::ai::{Fault, FaultKind};
use crate::base::Clock;
use crate::base::limits::ENGINE_ANSWERS_QUEUE;
use crate::base::tasks::Scope;

const PATIENCE: Duration = Duration::from_secs(60);

fn orders(path: &str, settings: &str, ready_within: Duration) -> Orders {
    Orders {
        engine: "test",
        provider: "local/test",
        program: Program { path: path.into(), settings: settings.to_owned() },
        memory: 0,
        ready_within,
        recycle_after: None,
    }
}

/// Asks one thing of a worker played by `worker` on a thread; gives what came of the question and
/// how the conversation ended.
async fn converse_with(worker: impl FnOnce(UnixStream) + Send + 'static) -> (Result<Vec<Tell>, Fault>, String) {
    converse_late_with(&AtomicBool::new(true), worker).await
}

/// The same, but the answers are not looked at before `look`.
async fn converse_late_with(
    look: &AtomicBool,
    worker: impl FnOnce(UnixStream) + Send + 'static,
) -> (Result<Vec<Tell>, Fault>, String) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (read, write) = tokio::net::UnixStream::from_std(ours).unwrap().into_split();
    let played = std::thread::spawn(move || worker(theirs));
    let watched = Worker::new(orders("/bin/true", "", PATIENCE));
    let scope = Scope::new();
    let ask = async {
        let link = loop {
            match watched.state() {
                State::Ready(link) => break link,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let mut answers = link.ask(&Ask::Forget { conversation: 7 }, &[], PATIENCE)?;
        let mut told = Vec::new();
        while !look.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            let (tell, _) = answers.next().await?;
            let last = matches!(tell, Tell::Transcript(_));
            told.push(tell);
            if last {
                return Ok(told);
            }
        }
    };
    let set = |state| watched.set_state(state);
    let conversation = converse(&watched, &scope, Clock::system(), &set, Ends { read, write, pid: 1 });
    tokio::pin!(conversation, ask);
    let (answer, end) = tokio::select! {
        end = &mut conversation => {
            let unasked = !matches!(watched.state(), State::Ready(_));
            let answer = if unasked { Err(Fault::new(FaultKind::Unavailable, "nobody", "never asked")) } else { ask.await };
            (answer, end)
        }
        answer = &mut ask => {
            // A worker that failed us ends by itself; one in good order waits for us to close.
            if !matches!(&answer, Err(fault) if fault.kind == FaultKind::Unavailable) {
                scope.stop();
            }
            (answer, tokio::time::timeout(PATIENCE, conversation).await.unwrap())
        }
    };
    played.join().unwrap();
    let end = match end {
        End::NotStarted(why) => format!("not started: {why}"),
        End::Died(why) => format!("died: {why}"),
        End::Renewed => "renewed".to_owned(),
        End::Stopped => "stopped".to_owned(),
    };
    (answer, end)
}

fn tell(socket: &mut UnixStream, request: u64, message: &Tell) {
    // The daemon may have closed already: that is one of the cases.
    drop(socket.write_all(&encode(request, message, &[]).unwrap()));
}

fn ready(socket: &mut UnixStream) {
    tell(socket, 0, &Tell::Ready(Ready { slots: 1, ..Ready::default() }));
}

fn question(socket: &mut UnixStream) -> u64 {
    loop {
        let frame: Frame<Ask> = read_frame(socket).unwrap().unwrap();
        if matches!(frame.message, Ask::Forget { .. }) {
            return frame.request;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_gets_ready_says_why() {
    let (_, end) = converse_with(|mut socket| tell(&mut socket, 0, &Tell::Pong)).await;
    assert!(end.contains("not started: worker spoke before it was ready"), "{end}");
    let failed = Tell::Failed { why: Why::Refused, detail: "no such model".to_owned() };
    let (_, end) = converse_with(move |mut socket| tell(&mut socket, 0, &failed)).await;
    assert_eq!(end, "not started: no such model");
    let (_, end) = converse_with(drop).await;
    assert!(end.contains("ended before it was ready"), "{end}");
    let (_, end) = converse_with(|mut socket| socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap()).await;
    assert!(end.contains("broke the protocol"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_nobody_are_passed_over() {
    let (answer, end) = converse_with(|mut socket| {
        ready(&mut socket);
        let request = question(&mut socket);
        tell(&mut socket, request + 1_000, &Tell::Transcript(Transcript::default()));
        tell(&mut socket, 0, &Tell::Audio);
        tell(&mut socket, request, &Tell::Transcript(Transcript { text: "yes".to_owned(), ..Transcript::default() }));
        tell(&mut socket, request, &Tell::Transcript(Transcript::default()));
        drop(read_frame::<Ask>(&mut socket));
    })
    .await;
    assert!(matches!(&answer.unwrap()[..], [Tell::Transcript(t)] if t.text == "yes"));
    assert_eq!(end, "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_or_closed_socket_ends_every_request_at_once() {
    for (garbage, word) in [(&[0xFF; 64][..], "larger than the limit"), (&[][..], "closed its socket")] {
        let (answer, end) = converse_with(move |mut socket| {
            ready(&mut socket);
            question(&mut socket);
            socket.write_all(garbage).unwrap();
        })
        .await;
        let fault = answer.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable, "{fault}");
        assert!(fault.detail.contains(word) && end.contains(word), "{fault}; {end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_floods_is_told_to_stop() {
    let cancelled = Arc::new(AtomicBool::new(false));
    let told = cancelled.clone();
    let (answer, end) = converse_late_with(&cancelled, move |mut socket| {
        ready(&mut socket);
        let request = question(&mut socket);
        for _ in 0..=ENGINE_ANSWERS_QUEUE {
            tell(&mut socket, request, &Tell::Text { text: "la".to_owned() });
        }
        while let Ok(Some(frame)) = read_frame::<Ask>(&mut socket) {
            if frame.message == Ask::Cancel && frame.request == request {
                told.store(true, Ordering::Relaxed);
            }
        }
    })
    .await;
    assert!(cancelled.load(Ordering::Relaxed));
    assert_eq!(answer.unwrap_err().kind, FaultKind::Overloaded);
    assert_eq!(end, "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_no_workers_are_ended_and_told() {
    let cases = [
        ("/bin/cat", "/nowhere/at/all", PATIENCE, "No such file"),
        ("/bin/sleep", "1000", Duration::from_millis(50), "not ready within 50 ms"),
        ("/bin/true", "", PATIENCE, "exit status: 0"),
        ("/etc/passwd", "", PATIENCE, "start /etc/passwd"),
    ];
    for (path, settings, within, word) in cases {
        let scope = Scope::new();
        let pool = Pool::start(&orders(path, settings, within), 1, 0, &scope, Clock::system());
        let terms = Terms { conversation: None, speculative: false, deadline: PATIENCE };
        let fault = pool.ask(&Ask::Ping, &[], terms).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert!(fault.detail.contains(word), "{path}: {fault}");
        assert_eq!(pool.health().workers[0].state, "down");
        scope.stop();
        assert!(scope.join(PATIENCE).await);
        assert_eq!(pool.health().workers[0].state, "stopped");
        let fault = pool.ask(&Ask::Ping, &[], terms).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable, "after the end: {fault}");
    }
}
