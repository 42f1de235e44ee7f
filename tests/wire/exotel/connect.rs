//! A caller who goes on to a person through the flow, and comes back where nobody takes them.

use serde_json::{Value, json};
use vaani::base::CallId;
use vaani::base::event::CallState;
use vaani::telephony::dial::Refused;
use vaani::telephony::exotel::carrier::{OpenStream, Person};
use vaani::telephony::far::Side;
use vaani::telephony::leg::LegEnd;
use vaani::telephony::transfer::{PersonNews, Transferer as _, Way};

use super::*;

impl TestBox {
    fn lets_go(&self, call: &str) {
        self.exchange.person.lock().unwrap().push(call.to_owned());
    }

    fn told(&self) -> Vec<PersonNews> {
        self.exchange.person_news.lock().unwrap().iter().map(|(_, news)| *news).collect()
    }
}

#[tokio::test]
async fn the_flow_is_told_whom_to_ring() {
    let running = Setup::default().start().await;
    let ask = async |path: &str| answer(http().get(running.at(path)).header("Exotel-Version", "1.0")).await;
    let (status, text) = ask("/connect-handler?CallSid=c1&CallFrom=09876543210&CallType=call-attempt").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &document["destination"]["numbers"]), (200, &json!([])), "nobody is to be rung");
    assert_eq!(ask("/connect-numbers?CallSid=c1").await, (200, String::new()));

    running.lets_go("c1");
    let (status, text) = ask("/connect-handler?CallSid=c1").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let events = running.settings.webhook_url("/dial-event");
    let expected = json!({
        "fetch_after_attempt": false,
        "destination": { "numbers": ["+912266554433"] },
        "record": false,
        "max_ringing_duration": 20,
        "music_on_hold": { "type": "operator_tone" },
        "start_call_playback": { "playback_to": "callee", "type": "text", "value": "asks about a loan (Hindi caller)" },
        "dial_passthru_event_url": events,
    });
    assert_eq!((status, document), (200, expected));
    assert_eq!(ask("/connect-handler?CallSid=c1").await.1, text, "however often it is asked");
    assert_eq!(ask("/connect-numbers?CallSid=c1").await, (200, "+912266554433".to_owned()));
    for path in ["/connect-handler", "/connect-numbers?CallSid=a%2Fb", "/dial-event", "/passthru-after-connect"] {
        assert_eq!(ask(path).await.0, 400, "{path}");
    }
    assert_eq!(running.told(), []);
}

#[tokio::test]
async fn what_becomes_of_it_is_told_and_picks_the_branch() {
    let running = Setup::default().start().await;
    let ask = async |path: &str| answer(http().get(running.at(path))).await.0;
    for (query, news) in [
        ("EventType=Dial", Some(PersonNews::Ringing)),
        ("EventType=Answered&DialCallStatus=in-progress", Some(PersonNews::Talking)),
        ("EventType=Terminal&DialCallStatus=busy", Some(PersonNews::NotReached(Refused::Busy))),
        ("EventType=Terminal&DialCallStatus=dancing", None),
    ] {
        assert_eq!(ask(&format!("/dial-event?CallSid=c1&DialWhomNumber=0226655&{query}")).await, 200);
        let told = std::mem::take(&mut *running.exchange.person_news.lock().unwrap());
        assert_eq!(told, news.map(|news| ("c1".to_owned(), news)).into_iter().collect::<Vec<_>>(), "{query}");
    }
    for (query, status, news) in [
        ("DialCallStatus=completed&DialCallDuration=63", 200, Some(PersonNews::Done)),
        ("DialCallStatus=no-answer", 302, Some(PersonNews::NotReached(Refused::NoAnswer))),
        ("DialCallStatus=null", 302, Some(PersonNews::NotReached(Refused::CarrierFault))),
        // Without a result nobody is sent away.
        ("DialCallStatus=in-progress", 302, None),
        ("CallType=client-hangup", 302, None),
    ] {
        let path = format!("/passthru-after-connect?CallSid=c1&{query}");
        assert_eq!((ask(&path).await, running.told()), (status, news.into_iter().collect()), "{query}");
        let ended = std::mem::take(&mut *running.exchange.states.lock().unwrap());
        let expected = (status == 200).then(|| ("c1".to_owned(), CallState::Completed));
        assert_eq!(ended, expected.into_iter().collect::<Vec<_>>(), "{query}");
        running.exchange.person_news.lock().unwrap().clear();
        let json = serde_json::json!({"call_sid": "c1", "dial_call_status": "completed"});
        let posted = http().post(running.at("/passthru-after-connect")).json(&json);
        assert_eq!(answer(posted).await.0, 200);
        running.exchange.person_news.lock().unwrap().clear();
        running.exchange.states.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_caller_who_reaches_nobody_is_back_in_the_conversation() {
    let busy = PersonNews::NotReached(Refused::Busy);
    for (person, expected) in [
        (
            Person::Talks(Duration::from_millis(200)),
            &[PersonNews::Ringing, PersonNews::Talking, PersonNews::Done, PersonNews::Done][..],
        ),
        (Person::Busy, &[PersonNews::Ringing, busy, busy]),
    ] {
        let mut running = Setup { public: Some("https://box.example.in"), ..Setup::default() }.start().await;
        let mut options = running.options();
        options.person = person;
        let (carrier, mut leg) = running.call(options).await;
        let call = leg.call;
        running.lets_go(carrier.carrier_call());
        assert_eq!(running.flows.way(carrier.carrier_call()), Way::LetGo);
        command(&leg, LegCommand::Hangup).await;
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
        if person == Person::Busy {
            let mut back = running.leg().await;
            assert_eq!(back.call, call, "it is the same call");
            assert!(running.exchange.states.lock().unwrap().is_empty(), "which did not end meanwhile");
            carrier.say(tone(10)).await.unwrap();
            carrier.press('5').await.unwrap();
            assert_eq!(next_event(&mut back).await, Some(LegEvent::Dtmf('5')));
            command(&back, LegCommand::Hangup).await;
        }
        let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
        assert_eq!((end.by, end.clean, end.violations), (Side::Box, true, Vec::<String>::new()), "{person:?}");
        assert_eq!(running.told(), expected, "{person:?}");
        assert_eq!(running.exchange.calls(), 1);
    }
}

#[tokio::test]
async fn a_caller_who_does_not_wait_is_connected_with_nobody() {
    let mut running = Setup::default().start().await;
    let mut options = running.options();
    options.person = Person::DoesNotAnswer;
    let (carrier, leg) = running.call(options).await;
    running.lets_go(carrier.carrier_call());
    command(&leg, LegCommand::Hangup).await;
    timeout(PATIENCE, async {
        while running.told().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    carrier.hang_up().await.unwrap();
    let end = timeout(PATIENCE, carrier.end()).await.unwrap().unwrap();
    assert!(end.clean);
    assert_eq!(running.told(), [PersonNews::Ringing, PersonNews::NotReached(Refused::Declined)]);
}

#[tokio::test]
async fn a_call_without_a_flow_stays_with_the_box() {
    let mut running = Setup::default().start().await;
    for (query, way) in [(format!("call={}", CallId::new()), Way::InBox), ("lang=ta-IN".to_owned(), Way::LetGo)] {
        let mut options = running.options();
        options.fixed_socket = Some(format!("/ws/voicebot-compatibility/default?sample-rate=8000&{query}"));
        let (carrier, _leg) = running.call(options).await;
        assert_eq!(running.flows.way(carrier.carrier_call()), way, "{query}");
    }
    let joined = running.flows.join(CallId::new(), "c1", "c2").await;
    assert!(joined.is_err(), "there is no such order");
}

/// The stream of a caller who came back has another name, so that the flow's question about it is new.
#[tokio::test]
async fn a_second_stream_is_asked_about_anew() {
    let running = Setup::default().start().await;
    let options = running.options();
    let first = options.clone().open_stream().await.unwrap();
    let second = OpenStream::again(options).await.unwrap();
    assert_ne!(format!("{:?}", first.printer), format!("{:?}", second.printer));
}
