//! The HTTP side: the applet's address, Passthru, status callbacks.

use vaani::base::event::{AnsweredBy, CallState};
use vaani::base::{CallId, limits};

use super::*;

#[tokio::test]
async fn the_applet_is_told_a_socket_of_its_own_for_each_call() {
    let access = Access { secret_path: Some(Secret::new("between-us-0123")), ..known() };
    let running = Setup { access, public: Some("https://voice.example.in:8443/x"), ..Setup::default() }.start().await;
    let ask = async |request: reqwest::RequestBuilder| {
        let (status, text) = answer(request).await;
        assert_eq!(status, 200, "{text}");
        let url = serde_json::from_str::<serde_json::Value>(&text).unwrap()["url"].as_str().unwrap().to_owned();
        let front = "wss://exotel:p%40ss%2Fword@voice.example.in:8443/x/exotel/between-us-0123/ws/voicebot/";
        let rest = url.strip_prefix(front).unwrap_or_else(|| panic!("{url}"));
        let (session, rate) = rest.split_once("?sample-rate=").unwrap();
        assert_eq!(session.len(), 64);
        (session.to_owned(), rate.to_owned())
    };
    let form = [("CallSid", "c1"), ("CallFrom", "09876543210"), ("CustomField", "agent=sales")];
    let json = serde_json::json!({"call_sid": "c1", "from": "09876543210"});
    let first = ask(http().get(running.at("/ws-url?CallSid=c1&From=09876543210"))).await;
    let second = ask(http().post(running.at("/ws-url?sample-rate=8000")).form(&form)).await;
    let third = ask(http().post(running.at("/ws-url?sample_rate=11025")).json(&json)).await;
    assert_ne!(first.0, second.0);
    assert_eq!((first.1.as_str(), second.1.as_str(), third.1.as_str()), ("16000", "8000", "16000"));
    assert_eq!(running.exchange.calls(), 1, "the same CallSid is the same call");
    let announced = running.exchange.announced.lock().unwrap();
    assert!(announced.iter().all(|known| known.from.as_ref().unwrap().reveal() == "+919876543210"));
    assert_eq!(announced[1].agent.as_deref(), Some("sales"));
}

#[tokio::test]
async fn odd_requests_start_nothing() {
    let running = Setup::default().start().await;
    for path in ["/ws-url", "/ws-url?CallSid=", "/ws-url?CallSid=a%2Fb", "/passthru-handler", "/webhook/exotel"] {
        assert_eq!(answer(http().get(running.at(path))).await.0, 400, "{path}");
    }
    let typed = |kind: &'static str, body: &'static str| {
        http().post(running.at("/ws-url")).header("content-type", kind).body(body)
    };
    for (kind, body) in [("text/plain", "CallSid=c1"), ("application/json", "[]"), ("multipart/form-data", "x")] {
        assert_eq!(answer(typed(kind, body)).await.0, 415, "{kind}");
    }
    let long = vec![("CallSid", "x".repeat(100_000))];
    assert_eq!(answer(http().post(running.at("/ws-url")).form(&long)).await.0, 413);
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn the_branch_after_a_stream_is_the_same_however_often_it_is_asked() {
    let running = Setup::default().start().await;
    let passthru = async |query: &str| answer(http().get(running.at(&format!("/passthru-handler?{query}")))).await.0;
    let of_stream = "CallSid=c1&Stream%5BStreamSID%5D=s1&Stream%5BStatus%5D=completed&Stream%5BDisconnectedBy%5D=bot";
    assert_eq!(passthru(of_stream).await, 200);
    running.exchange.person.lock().unwrap().push("c1".to_owned());
    running.exchange.person.lock().unwrap().push("c2".to_owned());
    assert_eq!(passthru(of_stream).await, 200, "the same question has the same answer");
    let nested = r#"CallSid=c2&Stream={"StreamSID":"s2","Status":"completed","DisconnectedBy":"bot"}"#;
    assert_eq!((passthru(nested).await, passthru(nested).await), (302, 302));
    let failed = serde_json::json!({"CallSid": "c3", "Stream": {"StreamSID": "s3", "Status": "failed", "Error": "3009 failed to establish ws conn\nforged line"}});
    assert_eq!(answer(http().post(running.at("/passthru-handler")).json(&failed)).await.0, 200);
    assert_eq!(passthru("CallSid=c4").await, 200, "before any stream");
    let states = running.exchange.states.lock().unwrap().clone();
    let states: Vec<_> = states.iter().map(|(call, state)| (call.as_str(), *state)).collect();
    assert_eq!(states, [("c1", CallState::Completed), ("c3", CallState::Failed)], "c2 goes on");
}

#[tokio::test]
async fn a_call_whose_stream_broke_is_led_back_as_often_as_is_bearable() {
    let running = Setup::default().start().await;
    let ask = async |path: &str| answer(http().get(running.at(path))).await;
    let broke = |stream: &str, status: &str| {
        format!("/passthru-handler?CallSid=c1&Stream%5BStreamSID%5D={stream}&Stream%5BStatus%5D={status}")
    };
    running.exchange.waits.lock().unwrap().push("c1".to_owned());
    assert_eq!(ask("/passthru-handler?CallSid=c1").await.0, 200, "nothing is said of a stream");
    for resumed in 1..=limits::RESUMES_MAX {
        // It is not documented which status a stream has that broke.
        let status = if resumed % 2 == 0 { "completed" } else { "failed" };
        let path = broke(&format!("s{resumed}"), status);
        assert_eq!((ask(&path).await.0, ask(&path).await.0), (302, 302), "asked twice, counted once: {path}");
        let (_, text) = ask("/connect-handler?CallSid=c1").await;
        assert!(text.contains(r#""numbers":[]"#), "nobody is rung: {text}");
        for result in ["null", "completed", "no-answer", ""] {
            let path = format!("/passthru-after-connect?CallSid=c1&DialCallStatus={result}");
            assert_eq!(ask(&path).await.0, 302, "the flow goes on to the Voicebot applet: {path}");
        }
    }
    assert!(running.exchange.person_news.lock().unwrap().is_empty());
    assert!(running.exchange.states.lock().unwrap().is_empty(), "the call goes on");
    assert_eq!(ask(&broke("s9", "failed")).await.0, 200);
    let told = std::mem::take(&mut *running.exchange.states.lock().unwrap());
    assert_eq!(told, [("c1".to_owned(), CallState::Failed)]);

    running.exchange.waits.lock().unwrap().push("c2".to_owned());
    let gone = broke("t1", "cancelled").replace("c1", "c2");
    assert_eq!(ask(&gone).await.0, 200, "who has hung up is not waited for");
    running.exchange.person.lock().unwrap().push("c3".to_owned());
    running.exchange.waits.lock().unwrap().push("c3".to_owned());
    let (_, person) =
        (ask(&broke("u1", "completed").replace("c1", "c3")).await, ask("/connect-handler?CallSid=c3").await);
    assert!(person.1.contains("+912266554433"), "who goes to a person goes there first: {}", person.1);
    assert_eq!(ask("/passthru-after-connect?CallSid=c3&DialCallStatus=completed").await.0, 200);
}

#[tokio::test]
async fn status_callbacks_come_in_every_form() {
    let running = Setup::default().start().await;
    let ours = CallId::new();
    let multipart = |status: &'static str| reqwest::multipart::Form::new().text("CallSid", "c1").text("Status", status);
    let post = |query: &str| http().post(running.at(&format!("/webhook/exotel{query}")));
    for (request, expected) in [
        (post("").form(&[("CallSid", "c1"), ("Status", "completed")]), Some(CallState::Completed)),
        (post("").multipart(multipart("busy")), Some(CallState::NotPicked)),
        (post("").json(&serde_json::json!({"CallSid": "c1", "Status": "failed"})), Some(CallState::Failed)),
        (
            post("").form(&[("CallSid", "c1"), ("EventType", "answered"), ("Status", "ringing")]),
            Some(CallState::InProgress),
        ),
        (post("").form(&[("CallSid", "c1"), ("Status", "dancing")]), None),
        (http().get(running.at("/webhook/exotel?CallSid=c1&CallStatus=no-answer")), Some(CallState::NotPicked)),
        (
            post(&format!("?call={ours}")).form(&[
                ("CallSid", "c1"),
                ("EventType", "answered"),
                ("Legs[0][AnsweredBy]", "Machine"),
            ]),
            Some(CallState::InProgress),
        ),
    ] {
        assert_eq!(answer(request).await, (204, String::new()));
        let states = std::mem::take(&mut *running.exchange.states.lock().unwrap());
        assert_eq!(states, expected.map(|state| ("c1".to_owned(), state)).into_iter().collect::<Vec<_>>());
    }
    assert_eq!(*running.exchange.named.lock().unwrap(), [(ours, "c1".to_owned())]);
    assert_eq!(*running.exchange.answered.lock().unwrap(), [("c1".to_owned(), AnsweredBy::Machine)]);
    assert_eq!(running.exchange.calls(), 0);
}
