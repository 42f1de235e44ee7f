use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::*;
use crate::base::event::{
    Attempted, CallState, Concerns, Direction, EndCause, Event, Routed, Speaker, Stage, Usage, Waterfall, Way,
};
use crate::base::money::Money;
use crate::base::secret::Secret;
use crate::base::{CallId, Lang};

/// A protobuf message: field numbers with their values, in order.
struct Message(Vec<(u64, Field)>);

enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    fn parse(mut bytes: &[u8]) -> Self {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let (&byte, rest) = bytes.split_first().expect("a number ends");
                *bytes = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    return value;
                }
            }
            panic!("a number has at most ten bytes");
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => {
                    let (value, rest) = bytes.split_at(8);
                    bytes = rest;
                    Field::Number(u64::from_le_bytes(value.try_into().unwrap()))
                }
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(value.to_vec())
                }
                5 => {
                    let (value, rest) = bytes.split_at(4);
                    bytes = rest;
                    Field::Number(u64::from(u32::from_le_bytes(value.try_into().unwrap())))
                }
                other => panic!("there is no wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        Self(fields)
    }

    fn bytes(&self, number: u64) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(move |(found, field)| match field {
            Field::Bytes(bytes) if *found == number => Some(bytes.as_slice()),
            _ => None,
        })
    }

    fn messages(&self, number: u64) -> impl Iterator<Item = Self> {
        self.bytes(number).map(Self::parse)
    }

    fn text(&self, number: u64) -> String {
        String::from_utf8(self.bytes(number).next().unwrap_or_default().to_vec()).unwrap()
    }

    fn number(&self, number: u64) -> u64 {
        let found = self.0.iter().find_map(|(found, field)| match field {
            Field::Number(value) if *found == number => Some(*value),
            _ => None,
        });
        found.unwrap_or(0)
    }
}

/// KeyValue: key 1, AnyValue 2 (text 1, truth 2, whole 3).
fn attributes(of: &Message, number: u64) -> BTreeMap<String, String> {
    of.messages(number)
        .map(|pair| {
            let value = pair.messages(2).next().expect("a value");
            let text = value.text(1);
            let shown = if text.is_empty() { value.number(3).max(value.number(2)).to_string() } else { text };
            (pair.text(1), shown)
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Seen {
    trace: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    began_ms: u64,
    ended_ms: u64,
    attributes: BTreeMap<String, String>,
    events: Vec<String>,
    /// 0 unset, 1 fine, 2 error.
    status: u64,
}

#[derive(Default)]
struct Collector {
    spans: Mutex<Vec<Seen>>,
    resource: Mutex<BTreeMap<String, String>>,
    authorization: Mutex<Option<String>>,
    broken: AtomicBool,
}

async fn collect(State(collector): State<Arc<Collector>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if collector.broken.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    assert_eq!(headers["content-type"], "application/x-protobuf");
    *collector.authorization.lock().unwrap() =
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    // ExportTraceServiceRequest: ResourceSpans 1 (Resource 1, ScopeSpans 2 (Span 2)).
    for of_resource in Message::parse(&body).messages(1) {
        let resource = of_resource.messages(1).next().expect("a resource");
        *collector.resource.lock().unwrap() = attributes(&resource, 1);
        for span in of_resource.messages(2).flat_map(|scope| scope.messages(2).collect::<Vec<_>>()) {
            let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
            collector.spans.lock().unwrap().push(Seen {
                trace: hex(span.bytes(1).next().expect("a trace")),
                id: span.bytes(2).next().expect("an id").to_vec(),
                parent: span.bytes(4).next().unwrap_or_default().to_vec(),
                name: span.text(5),
                began_ms: span.number(7) / 1_000_000,
                ended_ms: span.number(8) / 1_000_000,
                attributes: attributes(&span, 9),
                events: span.messages(11).map(|event| event.text(2)).collect(),
                status: span.messages(15).next().map_or(0, |status| status.number(3)),
            });
        }
    }
    StatusCode::OK
}

impl Collector {
    async fn start() -> (Arc<Self>, String) {
        let collector = Arc::new(Self::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let app = axum::Router::new().route("/v1/traces", post(collect)).with_state(Arc::clone(&collector));
        Scope::new().spawn("collector", async move { axum::serve(listener, app).await.unwrap() });
        (collector, endpoint)
    }
}

fn settings(endpoint: &str) -> Telemetry {
    Telemetry {
        otlp_endpoint: Some(endpoint.to_owned()),
        otlp_authorization: Some(Secret::new("Bearer of-the-collector")),
        sample_percent: 100,
    }
}

const SECRET: &str = "9876543210";
const BEGAN_MS: u64 = 1_800_000_000_000;

fn record(call: CallId, call_ms: u64, event: Event) -> Record {
    Record { call, unix_ms: BEGAN_MS + call_ms, call_ms, event }
}

fn initiated() -> Event {
    Event::CallInitiated {
        transport: "twilio".to_owned(),
        carrier_call: Some(SECRET.to_owned()),
        direction: Direction::Inbound,
        agent: "helpdesk".to_owned(),
        caller_hash: Some("hash".to_owned()),
        concerns: Box::new(Concerns { tenant: "acme".to_owned(), ..Concerns::default() }),
        customer: None,
    }
}

fn ended(cause: EndCause) -> Event {
    Event::CallEnded { outcome: CallState::Completed, cause, duration_ms: 9_000, turns: 1 }
}

fn routed(stage: Stage, turn: u32, candidate: &str, answered: bool) -> Event {
    Event::Routed(Box::new(Routed {
        stage,
        language: Lang::Hi,
        answered_by: answered.then(|| candidate.to_owned()),
        tried: vec![Attempted {
            candidate: candidate.to_owned(),
            outcome: if answered { "answered" } else { "timed out" }.to_owned(),
            took_ms: 120,
        }],
        passed_over: Vec::new(),
        rule: None,
        offline: false,
        cost_paise: Money::ZERO,
        turn,
        usage: Usage::default(),
        charges: Vec::new(),
    }))
}

/// A call with one answered turn, one that was thrown away, and everybody's words.
fn a_call(call: CallId) -> Vec<Record> {
    let waterfall = Waterfall {
        speech_end: 3_000,
        endpoint: Some(400),
        stt_final: Some(450),
        llm_first_token: Some(700),
        first_clause: Some(800),
        tts_first_audio: Some(950),
        first_frame_out: Some(960),
        stt_provider: Some("local/stt".to_owned()),
        ..Waterfall::default()
    };
    let heard =
        Event::Heard { turn: 1, by: Speaker::Caller, language: Lang::Hi, confidence: 0.9, text: SECRET.to_owned() };
    let answered =
        Event::TurnAnswered { turn: 1, language: Lang::Hi, intent: Some(SECRET.to_owned()), way: Way::Free, waterfall };
    vec![
        record(call, 0, initiated()),
        record(call, 10, Event::StateChanged { from: CallState::Ringing, to: CallState::InProgress }),
        record(call, 500, Event::LanguageDetected { language: Lang::Hi, confidence: 0.9, source: SECRET.to_owned() }),
        record(call, 3_450, routed(Stage::Stt, 1, "local/stt", true)),
        record(call, 3_460, heard),
        record(call, 3_960, answered),
        record(call, 4_100, routed(Stage::Tts, 1, "local/tts", true)),
        record(call, 7_000, routed(Stage::Stt, 2, "cloud/stt", false)),
        record(call, 9_000, ended(EndCause::Goodbye)),
    ]
}

async fn wait(what: &str, done: impl Fn() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came about that {what}");
}

#[tokio::test]
async fn a_call_becomes_a_trace_with_turns_stages_and_engines() {
    let (collector, endpoint) = Collector::start().await;
    let scope = Scope::new();
    let traces = Traces::start(&settings(&endpoint), &scope, "box-1").unwrap().expect("a collector");
    let call = CallId::new();
    a_call(call).iter().for_each(|record| traces.observe(record));
    traces.answered(&Answered {
        method: "GET",
        route: "/api/calls/{id}",
        status: 500,
        began: Duration::from_millis(BEGAN_MS),
        took: Duration::from_millis(5),
    });
    wait("all spans came", || traces.counts().sent.load(Ordering::Relaxed) == 13).await;
    let spans = collector.spans.lock().unwrap().clone();
    assert_eq!(spans.len(), 13, "{spans:#?}");
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();

    let root = named("call")[0];
    assert_eq!(root.trace, call.to_string().replace('-', ""));
    assert_eq!((root.began_ms, root.ended_ms, root.status), (BEGAN_MS, BEGAN_MS + 9_000, 1));
    assert_eq!(root.events, ["WEBSOCKET_CONNECTED", "LANGUAGE_DETECTED"]);
    assert_eq!(
        (root.attributes["vaani.tenant"].as_str(), root.attributes["vaani.cause"].as_str()),
        ("acme", "Goodbye")
    );
    assert!(root.parent.is_empty());

    let turns = named("turn");
    assert_eq!(turns.len(), 2);
    assert!(turns.iter().all(|turn| turn.parent == root.id && turn.trace == root.trace));
    let (first, second) = (turns[0], turns[1]);
    assert_eq!((first.began_ms, first.ended_ms), (BEGAN_MS + 3_000, BEGAN_MS + 3_960));
    assert_eq!((second.attributes["vaani.turn"].as_str(), second.attributes["vaani.answered"].as_str()), ("2", "0"));

    let stages: Vec<_> = ["endpoint", "stt", "llm", "clause", "tts", "frame"]
        .map(|name| {
            let stage = named(name)[0];
            assert_eq!(stage.parent, first.id, "{name}");
            (stage.began_ms - BEGAN_MS - 3_000, stage.ended_ms - BEGAN_MS - 3_000)
        })
        .into();
    assert_eq!(stages, [(0, 400), (400, 450), (450, 700), (700, 800), (800, 950), (950, 960)]);
    let asked = named("ask stt");
    assert_eq!((&asked[0].parent, &asked[1].parent, asked[1].status), (&first.id, &second.id, 2));
    assert_eq!(asked[0].ended_ms - asked[0].began_ms, 120);

    let request = named("GET /api/calls/{id}")[0];
    assert_eq!((request.status, request.attributes["http.response.status_code"].as_str()), (2, "500"));
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| (&span.trace, &span.id)).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    assert_eq!(collector.resource.lock().unwrap()["service.instance.id"], "box-1");
    assert_eq!(collector.authorization.lock().unwrap().as_deref(), Some("Bearer of-the-collector"));
    assert!(!format!("{spans:?}").contains(SECRET), "nobody's words or numbers");
    scope.stop();
    assert!(scope.join(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_counted_spans_and_nothing_else() {
    let (collector, endpoint) = Collector::start().await;
    collector.broken.store(true, Ordering::Relaxed);
    let scope = Scope::new();
    let traces = Traces::start(&settings(&endpoint), &scope, "box-1").unwrap().unwrap();
    a_call(CallId::new()).iter().for_each(|record| traces.observe(record));
    wait("the spans were given up", || traces.counts().failed.load(Ordering::Relaxed) == 12).await;
    collector.broken.store(false, Ordering::Relaxed);
    a_call(CallId::new()).iter().for_each(|record| traces.observe(record));
    wait("the next ones came", || traces.counts().sent.load(Ordering::Relaxed) == 12).await;
    // What is queued at the end is still sent.
    a_call(CallId::new()).iter().for_each(|record| traces.observe(record));
    scope.stop();
    assert!(scope.join(Duration::from_secs(10)).await);
    assert_eq!(traces.counts().sent.load(Ordering::Relaxed), 24);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_the_end_does_not_wait_long() {
    // Nobody answers there: the connection is taken and nothing said.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let scope = Scope::new();
    let traces = Traces::start(&settings(&endpoint), &scope, "box-1").unwrap().unwrap();
    let began = tokio::time::Instant::now();
    for _ in 0..2_000 {
        a_call(CallId::new()).iter().for_each(|record| traces.observe(record));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "whoever observes does not wait");
    assert!(traces.counts().dropped.load(Ordering::Relaxed) >= 24_000 - 2 * limits::TRACE_QUEUE as u64);
    scope.stop();
    assert!(scope.join(Duration::from_secs(12)).await);
    let counts = traces.counts();
    let all = counts.dropped.load(Ordering::Relaxed) + counts.failed.load(Ordering::Relaxed);
    assert_eq!((all, counts.sent.load(Ordering::Relaxed)), (24_000, 0), "every span is accounted for");
}

#[tokio::test]
async fn calls_that_never_end_and_endless_calls_stay_bounded() {
    let calls = CallSpans::new(100);
    let mut dropped = 0;
    for n in 0..limits::TRACE_CALLS_MAX as u64 + 10 {
        dropped += calls.observe(&record(CallId::from_seed(7, n), 0, initiated())).dropped;
    }
    assert_eq!(dropped, 10);
    let call = CallId::from_seed(7, 100);
    let (mut made, mut lost) = (0, 0);
    for n in 0..3_000 {
        let spans = calls.observe(&record(call, n, routed(Stage::Llm, 1, "local/llm", true)));
        (made, lost) = (made + spans.made.len(), lost + spans.dropped);
    }
    assert_eq!((made, lost), (limits::TRACE_CALL_SPANS_MAX, 3_000 - limits::TRACE_CALL_SPANS_MAX as u64));
    let last = calls.observe(&record(call, 4_000, ended(EndCause::Goodbye)));
    assert!(last.made.iter().any(|span| span.name == "call"), "the call's own span comes all the same");
}

#[test]
fn a_part_of_the_calls_is_traced_whole_or_not_at_all() {
    let calls = CallSpans::new(25);
    let traced = (0..2_000)
        .filter(|_| {
            let made: Vec<_> = a_call(CallId::new()).iter().flat_map(|record| calls.observe(record).made).collect();
            assert!(made.is_empty() || made.len() == 12, "{}", made.len());
            !made.is_empty()
        })
        .count();
    assert!((350..=650).contains(&traced), "{traced}");
}
