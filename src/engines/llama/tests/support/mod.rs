//! A daemon of a few lines: starts the worker and talks to it.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

pub mod gguf;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vaani_engine_protocol::{Ask, ChatMessage, Frame, Generate, Generated, Ready, Tell, Why, encode, read_frame};

pub fn starter(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../models/starter/llm").join(path)
}

pub fn model() -> PathBuf {
    starter("vaani-starter-llm.gguf")
}

pub struct Worker {
    pub child: Child,
    pub socket: UnixStream,
    stderr: Option<std::thread::JoinHandle<String>>,
    /// Read while something else was waited for.
    early: VecDeque<Frame<Tell>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub text: String,
    pub pieces: Vec<String>,
    pub generated: Generated,
    pub failed: Option<(Why, String)>,
}

impl Worker {
    /// Started, and what it said first.
    pub fn begin(settings: &Value) -> (Self, Tell) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(240))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vaani-engine-llama"))
            .arg(settings.to_string())
            .env_remove("GOMP_SPINCOUNT")
            .env_remove("GGML_NO_BACKTRACE")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        let mut worker = Self { child, socket: ours, stderr: Some(stderr), early: VecDeque::new() };
        let first = worker.read();
        assert_eq!(first.request, 0);
        (worker, first.message)
    }

    pub fn with(settings: Value) -> Self {
        let mut all = json!({"model": model(), "threads": 2});
        for (name, value) in settings.as_object().unwrap() {
            all[name] = value.clone();
        }
        match Self::begin(&all) {
            (worker, Tell::Ready(Ready { engine, slots, .. })) => {
                assert!(engine == "llama" && slots > 0);
                worker
            }
            (mut worker, first) => {
                worker.child.wait().unwrap();
                panic!("not ready: {first:?}: {}", worker.stderr())
            }
        }
    }

    pub fn start() -> Self {
        Self::with(json!({}))
    }

    pub fn send(&mut self, request: u64, ask: &Ask) {
        self.socket.write_all(&encode(request, ask, &[]).unwrap()).unwrap();
    }

    pub fn read(&mut self) -> Frame<Tell> {
        read_frame(&mut self.socket).unwrap().expect("the worker closed its socket")
    }

    /// The next frame of this request; others are kept.
    pub fn next(&mut self, request: u64) -> Tell {
        if let Some(at) = self.early.iter().position(|f| f.request == request) {
            return self.early.remove(at).unwrap().message;
        }
        loop {
            let frame = self.read();
            if frame.request == request {
                return frame.message;
            }
            self.early.push_back(frame);
        }
    }

    pub fn answer(&mut self, request: u64) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.next(request) {
                Tell::Text { text } => {
                    answer.text.push_str(&text);
                    answer.pieces.push(text);
                }
                Tell::Generated(generated) => {
                    answer.generated = generated;
                    return answer;
                }
                Tell::Failed { why, detail } => {
                    answer.failed = Some((why, detail));
                    return answer;
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    pub fn ask(&mut self, request: u64, generate: Generate) -> Answer {
        self.send(request, &Ask::Generate(generate));
        self.answer(request)
    }

    /// Everything the worker wrote to standard error, once it has ended.
    pub fn stderr(&mut self) -> String {
        self.stderr.take().unwrap().join().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn message(role: &str, content: &str) -> ChatMessage {
    ChatMessage { role: role.to_owned(), content: content.to_owned() }
}

/// A greedy request.
pub fn chat(conversation: u64, messages: &[(&str, &str)]) -> Generate {
    Generate {
        conversation,
        messages: messages.iter().map(|(role, content)| message(role, content)).collect(),
        grammar: None,
        max_tokens: 160,
        temperature: 0.0,
        cold: false,
    }
}

pub const BRIEF: &str = "You are Asha, a phone assistant of Kaveri Finance. Speak Tamil. Goal: remind the customer of the EMI due and note when they will pay.
Facts:
- customer name: ரமேஷ் குமார்
- loan id: LN-20391
- amount due: ₹5,200
- due date: 5 June
- office hours: 9:30 AM to 6 PM
- address: 12, Gandhi Road, Madurai
- phone: 1800 123 4567
Never: promise a waiver.";

/// Grammar of the starter model's classification.
pub const CLASSIFY: &str = r#"root ::= "{\"intent\":\"" intent "\",\"language\":\"" language "\",\"sentiment\":\"" ("positive" | "neutral" | "negative") "\",\"disposition\":\"" disposition "\"}"
intent ::= "greet" | "affirm" | "deny" | "ask_amount" | "ask_due_date" | "ask_loan_details" | "already_paid" | "promise_to_pay" | "cannot_pay" | "ask_more_time" | "payment_methods" | "request_human" | "request_callback" | "busy_now" | "wrong_number" | "do_not_call" | "repeat_please" | "speak_slower" | "who_are_you" | "are_you_a_bot" | "complaint" | "frustrated" | "office_hours" | "office_address" | "book_appointment" | "language_switch" | "thanks" | "goodbye" | "unclear"
language ::= ("en" | "hi" | "ta" | "te" | "ml" | "kn" | "gu" | "mr" | "bn" | "pa" | "or") "-IN"
disposition ::= "promise_to_pay" | "already_paid" | "refused" | "callback" | "wrong_number" | "do_not_call" | "transferred" | "unresolved"
"#;
