//! Browsers' calls over real sockets: two peers in one process, and an exchange that takes notes.

mod browser;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use vaani::base::audio::{LINE_FRAME, rms};
use vaani::base::event::{CallState, EndCause, Event, Record, Speaker};
use vaani::base::tasks::Scope;
use vaani::base::{Clock, Lang, TenantId};
use vaani::telephony::leg::{LegCommand, LegEnd, LegEvent, LegOffer, Refusal};
use vaani::telephony::webrtc::codec::Codec;
use vaani::telephony::webrtc::{AgentCard, Caller, Facts, Standing, WebrtcDeps, WebrtcMetrics, WebrtcSettings, routes};

use crate::exchange::Notes;
use browser::Browser;

const PATIENCE: Duration = Duration::from_secs(40);

struct Office {
    base: String,
    http: reqwest::Client,
    notes: Arc<Notes>,
    offers: mpsc::UnboundedReceiver<LegOffer>,
    facts: Facts,
    metrics: WebrtcMetrics,
    tasks: Scope,
}

/// `x-who` says who asks, as the guard would: `asha` and `bina` may call, `viewer` may not.
async fn introduce(mut request: Request, next: Next) -> axum::response::Response {
    let who = request.headers().get("x-who").and_then(|who| who.to_str().ok()).map(str::to_owned);
    let standing = match who {
        Some(actor) => {
            let tenant = (actor == "other").then(|| "other".parse().unwrap());
            Standing::Known { may_call: actor != "viewer", actor, tenant }
        }
        None => Standing::Nobody,
    };
    request.extensions_mut().insert(Caller { standing, address: IpAddr::from([127, 0, 0, 1]) });
    next.run(request).await
}

impl Office {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut WebrtcSettings)) -> Self {
        let mut settings = WebrtcSettings { addresses: vec![IpAddr::from([127, 0, 0, 1])], ..Default::default() };
        change(&mut settings);
        let (notes, offers) = Notes::new(&[Lang::Hi]);
        let notes = Arc::new(notes);
        let (facts, metrics, tasks) = (Facts::default(), WebrtcMetrics::default(), Scope::new());
        let card = |name: &str, tenant: TenantId| AgentCard {
            name: name.to_owned(),
            languages: vec![Lang::Hi],
            default: name == "helpdesk",
            tenant,
        };
        let cards = vec![card("helpdesk", TenantId::default_tenant()), card("secret", "other".parse().unwrap())];
        let deps = WebrtcDeps {
            settings,
            exchange: notes.clone(),
            agents: Arc::new(move || cards.clone()),
            facts: facts.clone(),
            clock: Clock::system(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        };
        let router = routes(deps).layer(middleware::from_fn(introduce));
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tasks.spawn("http", async move { axum::serve(listener, router).await.unwrap() });
        Self { base, http: reqwest::Client::new(), notes, offers, facts, metrics, tasks }
    }

    fn post(&self, who: &str, agent: &str, offer: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/webrtc/{agent}", self.base)).body(offer);
        let request = request.header("content-type", "application/sdp");
        if who.is_empty() { request } else { request.header("x-who", who) }
    }

    /// An offer that is taken: where the session is, its etag and the answer.
    async fn offer(&self, offer: String) -> (String, String, String) {
        let answer = self.post("asha", "helpdesk", offer).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers()["content-type"], "application/sdp");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let (location, etag) = (header("location"), header("etag"));
        (location, etag, answer.text().await.unwrap())
    }

    async fn delete(&self, who: &str, location: &str) -> StatusCode {
        let request = self.http.delete(format!("{}{location}", self.base)).header("x-who", who);
        request.send().await.unwrap().status()
    }

    async fn patch(&self, who: &str, location: &str, etag: Option<&str>, kind: &str, body: &str) -> StatusCode {
        let mut request = self.http.patch(format!("{}{location}", self.base)).header("x-who", who);
        request = request.header("content-type", kind).body(body.to_owned());
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        request.send().await.unwrap().status()
    }

    /// A browser on the line, and the call it carries.
    async fn call(&mut self, codecs: &[Codec]) -> (Browser, Call, String) {
        let (mut browser, offer) = Browser::new(codecs).await;
        let (location, _, answer) = self.offer(offer).await;
        browser.connect(answer).await;
        let offer = timeout(PATIENCE, self.offers.recv()).await.expect("the call gets its leg").unwrap();
        (browser, Call { offer }, location)
    }
}

/// The call's end of the leg.
struct Call {
    offer: LegOffer,
}

impl Call {
    async fn event(&mut self) -> LegEvent {
        timeout(PATIENCE, self.offer.events.recv()).await.expect("something happens").expect("the leg is there")
    }

    /// The next event that is no sound.
    async fn news(&mut self) -> LegEvent {
        loop {
            match self.event().await {
                LegEvent::Audio { .. } => {}
                news => return news,
            }
        }
    }

    async fn send(&self, command: LegCommand) {
        self.offer.commands.send(command).await.unwrap();
    }

    async fn say(&self, frames: usize) {
        let wave = |n: usize| (f64::sin(n as f64 * 500.0 * std::f64::consts::TAU / 8_000.0) * 9_000.0) as i16;
        for frame in 0..frames {
            self.send(LegCommand::Audio((frame * LINE_FRAME..(frame + 1) * LINE_FRAME).map(wave).collect())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_holds_a_conversation() {
    let mut office = Office::open().await;
    let (mut browser, mut call, _) = office.call(&[Codec::Opus, Codec::Pcmu]).await;
    let announced = office.notes.announced.lock().unwrap()[0].clone();
    assert_eq!((announced.transport, announced.agent.as_deref()), ("webrtc", Some("helpdesk")));

    // The caller speaks.
    browser.opened().await;
    browser.speak_for(50, true).await;
    let (mut heard, mut end) = (Vec::new(), None);
    while heard.len() < 40 * LINE_FRAME {
        if let LegEvent::Audio { pcm, at_ms } = call.event().await {
            let due: u64 = end.unwrap_or(at_ms);
            assert!(at_ms.abs_diff(due) <= 1, "media time goes on: {at_ms} after {due}");
            end = Some(at_ms + pcm.len() as u64 / 8);
            heard.extend(pcm);
        }
    }
    let level = rms(&heard[10 * LINE_FRAME..]);
    assert!((5_000.0..8_000.0).contains(&level), "{level}");

    // The agent speaks, and is told when it was heard.
    call.say(10).await;
    call.send(LegCommand::Mark(1)).await;
    let mut loud = 0;
    let started = Instant::now();
    while loud < 8 && started.elapsed() < PATIENCE {
        loud += usize::from(rms(&browser.hear().await.unwrap()) > 3_000.0);
    }
    assert!(loud >= 8, "the agent's voice is heard");
    assert_eq!(call.news().await, LegEvent::MarkPlayed(1));

    // Keys, signs of life and facts go over the data channel.
    browser.send(r#"{"t":"dtmf","d":"7"}"#).await;
    assert_eq!(call.news().await, LegEvent::Dtmf('7'));
    browser.send(r#"{"t":"ping","n":41}"#).await;
    assert_eq!(browser.message("pong").await.unwrap()["n"], 41);
    let record = |event| Record { call: call.offer.call, unix_ms: 0, call_ms: 900, event };
    let words = "आपका स्वागत है";
    let heard =
        Event::Heard { turn: 1, by: Speaker::Caller, language: Lang::Hi, confidence: 0.9, text: words.to_owned() };
    office.facts.observe(&record(heard.clone()));
    office.facts.observe(&Record { call: vaani::base::CallId::new(), ..record(heard) });
    assert_eq!(browser.message("heard").await.unwrap()["text"], words);

    // The agent hangs up: what was said is still sent, then the line is closed for both.
    call.say(5).await;
    call.send(LegCommand::Mark(2)).await;
    call.send(LegCommand::Hangup).await;
    let over = Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 5, turns: 1 };
    office.facts.observe(&record(over));
    assert_eq!(call.news().await, LegEvent::MarkPlayed(2));
    assert_eq!(call.news().await, LegEvent::Closed(LegEnd::ClosedByUs));
    assert_eq!(browser.message("ended").await.unwrap()["cause"], "goodbye");
    assert_eq!(browser.message("bye").await.unwrap()["reason"], "call over");
    browser.close().await;
    idle(&office).await;
    assert_eq!(office.metrics.streams.streams.get(), 1);
    assert_eq!(office.metrics.streams.lost.get(), 0);
}

/// Nothing of any session is left.
async fn idle(office: &Office) {
    let started = Instant::now();
    while office.facts.listening() > 0 {
        assert!(started.elapsed() < PATIENCE, "sessions are left");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_interrupted_falls_silent_at_once() {
    let mut office = Office::open().await;
    let (mut browser, mut call, location) = office.call(&[Codec::Opus]).await;
    browser.speak_for(5, false).await;
    call.say(50).await;
    call.send(LegCommand::Mark(9)).await;
    let mut loud = 0;
    while loud < 5 {
        loud += usize::from(rms(&browser.hear().await.unwrap()) > 3_000.0);
    }
    call.send(LegCommand::Clear).await;
    let cleared = Instant::now();
    assert_eq!(call.news().await, LegEvent::MarkFlushed(9));
    // Packets that were under way are still heard; then silence, for as long as the rest would have been.
    let mut last_loud = cleared;
    while cleared.elapsed() < Duration::from_millis(700) {
        if rms(&browser.hear().await.unwrap()) > 500.0 {
            last_loud = Instant::now();
        }
    }
    let stopped = last_loud.duration_since(cleared);
    assert!(stopped < Duration::from_millis(200), "it went on for {stopped:?}");
    assert_eq!(office.delete("asha", &location).await, StatusCode::OK);
    assert_eq!(call.news().await, LegEvent::Closed(LegEnd::HungUp));
    browser.close().await;
    idle(&office).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_opus_it_is_g711() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let mut office = Office::open().await;
        let (mut browser, mut call, location) = office.call(&[codec]).await;
        browser.speak_for(20, true).await;
        let mut heard = Vec::new();
        while heard.len() < 15 * LINE_FRAME {
            if let LegEvent::Audio { pcm, .. } = call.event().await {
                heard.extend(pcm);
            }
        }
        assert!(rms(&heard) > 5_000.0);
        call.say(5).await;
        while rms(&browser.hear().await.unwrap()) < 3_000.0 {}
        if codec == Codec::Pcma {
            // The browser goes away without a word: that is noticed in time.
            browser.close().await;
            assert!(matches!(call.news().await, LegEvent::Closed(LegEnd::Lost | LegEnd::HungUp)));
        } else {
            assert_eq!(office.delete("asha", &location).await, StatusCode::OK);
            browser.close().await;
        }
        idle(&office).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_ended_by_whoever_began_it() {
    let mut office = Office::open().await;
    let (mut browser, mut call, location) = office.call(&[Codec::Opus]).await;
    browser.speak_for(3, false).await;
    assert_eq!(office.delete("bina", &location).await, StatusCode::FORBIDDEN);
    assert_eq!(office.delete("viewer", &location).await, StatusCode::FORBIDDEN);
    assert_eq!(office.delete("asha", &location).await, StatusCode::OK);
    assert_eq!(call.news().await, LegEvent::Closed(LegEnd::HungUp));
    idle(&office).await;
    assert_eq!(office.delete("asha", &location).await, StatusCode::OK, "again");
    assert_eq!(office.delete("asha", "/webrtc/session/none").await, StatusCode::OK);
    browser.close().await;

    // By the page's own message.
    let (mut browser, mut call, _) = office.call(&[Codec::Opus]).await;
    browser.opened().await;
    browser.send(r#"{"t":"ctl","op":"hangup"}"#).await;
    assert_eq!(call.news().await, LegEvent::Closed(LegEnd::HungUp));
    browser.close().await;

    // The call's task dies without a word.
    let (mut browser, call, _) = office.call(&[Codec::Opus]).await;
    browser.opened().await;
    browser.send(r#"{"t":"ping","n":1}"#).await;
    browser.message("pong").await;
    drop(call);
    assert_eq!(browser.message("bye").await.unwrap()["reason"], "call over");
    browser.close().await;
    idle(&office).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_is_refused_with_a_reason() {
    let office = Office::open().await;
    let (browser, offer) = Browser::new(&[Codec::Opus]).await;
    let giant = format!("{offer}{}", "a=x:y\r\n".repeat(20_000));
    let cases = [
        ("asha", "helpdesk", "hello".to_owned(), 400),
        ("asha", "helpdesk", String::new(), 400),
        ("asha", "helpdesk", offer.replace("a=rtcp-mux\r\n", ""), 400),
        ("asha", "helpdesk", offer.replace("opus/48000/2", "speex/16000"), 406),
        ("asha", "helpdesk", giant, 413),
        ("asha", "helpdesk?lang=klingon", offer.clone(), 400),
        ("asha", "nobody-of-that-name", offer.clone(), 404),
        ("other", "helpdesk", offer.clone(), 404),
        ("viewer", "helpdesk", offer.clone(), 403),
        ("", "helpdesk", offer.clone(), 401),
    ];
    for (who, agent, body, status) in cases {
        let answer = office.post(who, agent, body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{who} {agent}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
    }
    let typed = office.post("asha", "helpdesk", offer.clone()).header("content-type", "text/plain");
    // Two content types, or one that is none of ours: neither is SDP.
    let request = typed.build().map(|mut request| {
        request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        request
    });
    assert_eq!(office.http.execute(request.unwrap()).await.unwrap().status(), 415);
    for refusal in [Refusal::Full, Refusal::Overloaded, Refusal::Draining] {
        *office.notes.refuse.lock().unwrap() = Some(refusal);
        let answer = office.post("asha", "helpdesk", offer.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{refusal}");
        assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    }
    assert_eq!(office.notes.calls(), 0, "nothing was promised");
    assert_eq!(office.facts.listening(), 0);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_call_from_the_boxs_own_page_in_networks_that_are_theirs() {
    let office = Office::with(|settings| settings.guests = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let list = |origin: Option<String>| {
        let mut request = office.http.get(format!("{}/webrtc", office.base));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        async { request.send().await.unwrap() }
    };
    let listed: serde_json::Value = list(None).await.json().await.unwrap();
    assert_eq!(listed["guest"], true);
    assert_eq!(listed["agents"].as_array().unwrap().len(), 1, "agents of other tenants are not there");
    assert_eq!(list(Some(office.base.clone())).await.status(), 200);
    assert_eq!(list(Some("https://evil.example".to_owned())).await.status(), 403);
    let office = Office::with(|settings| settings.guests = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let request = office.http.get(format!("{}/webrtc", office.base));
    assert_eq!(request.send().await.unwrap().status(), 401);
    let options = office.http.request(reqwest::Method::OPTIONS, format!("{}/webrtc/helpdesk", office.base));
    let answer = options.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    assert!(answer.headers()["access-control-expose-headers"].to_str().unwrap().contains("Location"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_may_come_later_and_a_restart_is_not_there() {
    const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
    let mut office = Office::open().await;
    let (mut browser, offer) = Browser::new(&[Codec::Opus]).await;
    let bare: String = offer.lines().filter(|l| !l.starts_with("a=candidate:")).map(|l| format!("{l}\r\n")).collect();
    let (location, etag, answer) = office.offer(bare).await;
    let lines = |start: &str| offer.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>().join("\r\n");
    let ufrag = offer.lines().find(|line| line.starts_with("a=ice-ufrag:")).unwrap();
    let fragment = format!("{ufrag}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{}\r\n", lines("a=candidate:"));
    let good = Some(etag.as_str());
    for (who, etag, kind, body, status) in [
        ("asha", good, FRAGMENT, fragment.as_str(), 204),
        ("asha", good, FRAGMENT, "a=end-of-candidates\r\n", 204),
        ("asha", Some("\"another\""), FRAGMENT, &fragment, 412),
        ("asha", None, FRAGMENT, &fragment, 428),
        ("asha", Some("*"), FRAGMENT, &fragment, 422),
        ("asha", good, FRAGMENT, "a=ice-ufrag:other1\r\n", 422),
        ("asha", good, FRAGMENT, "nonsense", 400),
        ("asha", good, "application/sdp", &fragment, 415),
        ("bina", good, FRAGMENT, &fragment, 403),
    ] {
        assert_eq!(office.patch(who, &location, etag, kind, body).await.as_u16(), status, "{who} {etag:?} {body}");
    }
    browser.connect(answer).await;
    let leg = timeout(PATIENCE, office.offers.recv()).await.unwrap().unwrap();
    assert_eq!(office.delete("asha", &location).await, StatusCode::OK);
    drop(leg);
    idle(&office).await;
    assert_eq!(office.patch("asha", &location, good, FRAGMENT, &fragment).await.as_u16(), 404);

    // The same offer once more is a call of its own.
    browser.close().await;
    let (again, ..) = office.offer(offer.clone()).await;
    assert_ne!(again, location);
    assert_eq!(office.notes.calls(), 2);
    assert_eq!(office.delete("asha", &again).await, StatusCode::OK);
    idle(&office).await;
}

/// UDP sockets of this process.
fn open_sockets() -> usize {
    let tables =
        ["/proc/self/net/udp", "/proc/self/net/udp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let inode = |line: &str| line.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]"));
    let known: Vec<String> = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(inode).collect();
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| known.contains(&link.to_string_lossy().into_owned())).count()
}

/// Refused, aborted and abandoned offers leave no socket, no task, no port and no call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks() {
    let office = Office::with(|settings| settings.ports = Some(45_100..=45_111)).await;
    let (browser, offer) = Browser::new(&[Codec::Opus]).await;
    // Once, so that what is made once is there.
    let (location, ..) = office.offer(offer.clone()).await;
    office.delete("asha", &location).await;
    idle(&office).await;
    sleep(Duration::from_millis(300)).await;
    let before = open_sockets();
    assert!(before > 0, "the browser has one");
    let damaged = [
        offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        offer.replace("a=mid:0", "a=mid:"),
        offer.replace("webrtc-datachannel", "5000"),
        offer.replace("a=sctp-port:5000", "a=sctp-port:99999999999"),
        offer.replace("o=-", "o="),
        offer.replace("s=-", "s"),
    ];
    let mut taken = Vec::new();
    for round in 0..40 {
        let body = damaged.get(round % 12).unwrap_or(&offer).clone();
        let request = office.post("asha", "helpdesk", body);
        if round % 3 == 0 {
            // The browser goes away before its answer.
            let _ = request.timeout(Duration::from_millis(round as u64 % 7)).send().await;
            continue;
        }
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            201 => taken.push(answer.headers()["location"].to_str().unwrap().to_owned()),
            400 | 503 => {}
            other => panic!("{other}"),
        }
    }
    assert!(!taken.is_empty());
    // Half of them are ended, the others never come: each is given up in time.
    for location in taken.iter().step_by(2) {
        assert_eq!(office.delete("asha", location).await, StatusCode::OK);
    }
    idle(&office).await;
    let started = Instant::now();
    while open_sockets() > before {
        assert!(started.elapsed() < PATIENCE, "{} sockets, {before} before", open_sockets());
        sleep(Duration::from_millis(100)).await;
    }
    let (calls, states) = (office.notes.calls(), office.notes.states.lock().unwrap().len());
    assert_eq!(calls, states, "each call that was announced was told to be over");
    // All ports are free again.
    for _ in 0..12 {
        let (location, ..) = office.offer(offer.clone()).await;
        taken.push(location);
    }
    assert_eq!(office.post("asha", "helpdesk", offer.clone()).send().await.unwrap().status(), 503);
    browser.close().await;
    office.tasks.stop();
    assert!(timeout(PATIENCE, async { idle(&office).await }).await.is_ok(), "a stop ends them all");
}
