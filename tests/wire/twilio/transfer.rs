//! A caller and a person are brought together at the carrier, against an API that answers as Twilio's does,
//! and worse.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};
use vaani::base::CallId;
use vaani::base::event::CallState;
use vaani::telephony::far::Caller;
use vaani::telephony::leg::LegEnd;
use vaani::telephony::transfer::{PersonNews, Transferer as _, Way};
use vaani::telephony::twilio::rest::{Rest, RestSettings};

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000009";
const CALLER: &str = "CA000000000000000000000000000000c1";
const PERSON: &str = "CA000000000000000000000000000000d2";

/// What the API says of orders to move a call: status and code; 200 where nothing is said.
type Says = HashMap<&'static str, (u16, u64)>;

#[derive(Clone, Default)]
struct Api {
    says: Arc<Mutex<Says>>,
    /// Moves in the order of their arrival: the call, and what it was sent to.
    moves: Arc<Mutex<Vec<(String, String, String)>>>,
    /// Who is in the room; `None`: the API does not say.
    inside: Arc<Mutex<Option<Vec<String>>>>,
    /// Names of rooms that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// Streams that stop when their call is moved.
    streams: Arc<Mutex<HashMap<String, Caller>>>,
}

fn fault(status: u16, code: u64) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "code": code, "status": status }))).into_response()
}

async fn api(State(api): State<Api>, Path(resource): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    assert!(parts.headers.contains_key("authorization"));
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap();
    let query = parts.uri.query().unwrap_or_default();
    match (&parts.method, resource.as_str()) {
        (&Method::POST, resource) if resource.starts_with("Calls/") => {
            let sid = resource.trim_start_matches("Calls/").trim_end_matches(".json").to_owned();
            let mut form = url::form_urlencoded::parse(&body).into_owned();
            let (name, value) = form.next().unwrap();
            assert_eq!(form.next(), Some(("TimeLimit".to_owned(), "14400".to_owned())));
            assert!(form.next().is_none());
            api.moves.lock().unwrap().push((sid.clone(), name, value));
            let stream = api.streams.lock().unwrap().remove(&sid);
            if let Some(stream) = stream {
                stream.hang_up().await.unwrap();
            }
            match api.says.lock().unwrap().get(sid.as_str()) {
                Some((status, code)) => fault(*status, *code),
                None => Json(json!({ "sid": sid, "status": "in-progress" })).into_response(),
            }
        }
        (&Method::GET, "Conferences.json") => {
            let name = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "FriendlyName");
            api.asked.lock().unwrap().push(name.unwrap().1.into_owned());
            match api.inside.lock().unwrap().as_ref() {
                Some(_) => Json(json!({ "conferences": [{ "sid": "CF1", "status": "in-progress" }] })).into_response(),
                None => fault(500, 0),
            }
        }
        (&Method::GET, "Conferences/CF1/Participants.json") => {
            let inside = api.inside.lock().unwrap().clone().unwrap_or_default();
            let inside: Vec<Value> = inside.iter().map(|sid| json!({ "call_sid": sid, "hold": false })).collect();
            Json(json!({ "participants": inside })).into_response()
        }
        other => panic!("{other:?}"),
    }
}

impl Api {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/{{*resource}}");
        let routes = Router::new().route(&path, any(api)).with_state(self.clone());
        Scope::new().spawn("api", async move { axum::serve(listener, routes).await.unwrap() });
        url
    }

    fn moved(&self) -> Vec<(String, String)> {
        self.moves.lock().unwrap().iter().map(|(sid, name, _)| (sid.clone(), name.clone())).collect()
    }
}

fn rest(api_url: &str, public: &str) -> Rest {
    Rest::new(RestSettings {
        api_url: api_url.to_owned(),
        account_sid: ACCOUNT.to_owned(),
        auth_token: Secret::new(TOKEN),
        caller_id: "+914440001234".parse().unwrap(),
        public_base_url: public.parse().unwrap(),
    })
    .unwrap()
}

fn moves(who: &[(&str, &str)]) -> Vec<(String, String)> {
    who.iter().map(|(sid, name)| ((*sid).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test]
async fn the_person_goes_into_a_room_first_and_then_the_caller() {
    let api = Api::default();
    let rest = rest(&api.start().await, "https://voice.example.in");
    assert_eq!((rest.transport(), rest.way(CALLER)), ("twilio", Way::Join));
    let call = CallId::new();
    rest.join(call, CALLER, PERSON).await.unwrap();
    rest.join(call, CALLER, PERSON).await.unwrap();
    assert_eq!(api.moved(), moves(&[(PERSON, "Twiml"), (CALLER, "Twiml"), (PERSON, "Twiml"), (CALLER, "Twiml")]));
    let rooms: Vec<String> = api.moves.lock().unwrap().iter().map(|(_, _, twiml)| twiml.clone()).collect();
    assert_eq!(rooms[0], rooms[1], "both are sent to the same room");
    assert_ne!(rooms[0], rooms[2], "and no two rooms have the same name");
    let (before, rest_of_it) = rooms[0].split_once("vaani-").unwrap();
    let (name, after) = rest_of_it.split_once('<').unwrap();
    assert!(name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    assert_eq!(
        before,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Dial action=\"https://voice.example.in/voice/after-person/{call}?caller={CALLER}\" method=\"POST\">\
             <Conference beep=\"false\" startConferenceOnEnter=\"true\" endConferenceOnExit=\"true\" waitUrl=\"\" \
             statusCallback=\"https://voice.example.in/voice/with-person/{call}?caller={CALLER}\" \
             statusCallbackEvent=\"start end\" statusCallbackMethod=\"POST\">"
        )
    );
    assert_eq!(after, "/Conference></Dial></Response>");
    for (caller, person) in [("CA1/../x", PERSON), (CALLER, "conference"), (CALLER, CALLER), ("", "")] {
        rest.join(call, caller, person).await.unwrap_err();
    }
    assert_eq!(api.moved().len(), 4);
}

/// A clear no, no answer that can be read, and what the room looks like then.
#[tokio::test]
async fn a_caller_who_cannot_be_moved_is_where_they_were_and_the_person_comes_back() {
    let both: Says = [(CALLER, (500, 0))].into();
    let inside = |who: &[&str]| Some(who.iter().map(|sid| (*sid).to_owned()).collect::<Vec<_>>());
    let back = [(PERSON, "Twiml"), (CALLER, "Twiml"), (PERSON, "Url")];
    for (says, inside, expected, told) in [
        ([(PERSON, (404, 20_404))].into(), None, &back[..1], Some("nobody was: the call is over")),
        ([(PERSON, (400, 21_220))].into(), None, &back[..1], Some("nobody was: the call is not in progress")),
        ([(PERSON, (503, 0))].into(), None, &back[..1], Some("nobody was")),
        ([(CALLER, (404, 20_404))].into(), None, &back[..], Some("the caller is where they were: the call is over")),
        ([(CALLER, (400, 21_220))].into(), None, &back[..], Some("the person was led back")),
        // Unclear answers.
        (both.clone(), inside(&[PERSON, CALLER]), &back[..2], None),
        (both.clone(), inside(&[PERSON]), &back[..], Some("the caller is where they were")),
        (both.clone(), None, &back[..], Some("the caller may be in a room alone")),
        ([(PERSON, (502, 0))].into(), inside(&[]), &back[..1], Some("nobody was")),
        (
            [(PERSON, (502, 0))].into(),
            None,
            &[(PERSON, "Twiml"), (PERSON, "Url")],
            Some("where the person is, is not known"),
        ),
    ] {
        let api = Api::default();
        let says: Says = says;
        *api.says.lock().unwrap() = says.clone();
        *api.inside.lock().unwrap() = inside;
        let call = CallId::new();
        let joined = rest(&api.start().await, "https://voice.example.in").join(call, CALLER, PERSON).await;
        assert_eq!(api.moved(), moves(expected), "{says:?}");
        match (told, joined) {
            (None, Ok(())) => {}
            (Some(told), Err(error)) => assert!(error.contains(told), "{says:?}: {error}"),
            (told, joined) => panic!("{says:?}: {told:?} {joined:?}"),
        }
        if let Some((_, _, url)) = api.moves.lock().unwrap().iter().find(|(_, name, _)| name == "Url") {
            assert_eq!(*url, format!("https://voice.example.in/voice/incoming?call={call}"));
        }
        assert!(api.asked.lock().unwrap().iter().all(|name| name.starts_with("vaani-")));
    }

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = rest(&format!("http://{gone}"), "https://voice.example.in");
    let error = nobody.join(CallId::new(), CALLER, PERSON).await.unwrap_err();
    assert!(error.contains("nobody was: no connection"), "{error}");
    let long = rest(&format!("http://{gone}"), &format!("https://voice.example.in/{}", "x".repeat(3_000)));
    assert!(long.join(CallId::new(), CALLER, PERSON).await.unwrap_err().contains("too long"));
}

#[tokio::test]
async fn the_end_of_a_room_is_told_and_ends_who_is_left() {
    let running = Setup::default().start().await;
    let call = CallId::new();
    let told = async |path: &str, who: &str, more: &[(&str, &str)]| {
        let mut form = vec![("CallSid".to_owned(), who.to_owned())];
        form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let answer = running.post(path, &form).await;
        let news = std::mem::take(&mut *running.exchange.person_news.lock().unwrap());
        let states = std::mem::take(&mut *running.exchange.states.lock().unwrap());
        (answer, news, states)
    };
    let caller = || CALLER.to_owned();
    let after = format!("/voice/after-person/{call}?caller={CALLER}");
    let ((status, twiml), news, states) = told(&after, CALLER, &[("DialCallStatus", "completed")]).await;
    assert!(status == 200 && twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
    assert_eq!((news, states), (vec![(caller(), PersonNews::Done)], vec![(caller(), CallState::Completed)]));
    // The person is left: the caller has gone.
    let ((status, twiml), news, states) = told(&after, PERSON, &[]).await;
    assert!(status == 200 && twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
    assert_eq!((news, states), (vec![(caller(), PersonNews::Done)], vec![(caller(), CallState::Completed)]));

    let room = format!("/voice/with-person/{call}?caller={CALLER}");
    for (event, expected) in [
        ("conference-start", vec![(caller(), PersonNews::Talking)]),
        ("conference-end", vec![(caller(), PersonNews::Done)]),
        ("participant-join", vec![]),
    ] {
        let more = [("StatusCallbackEvent", event), ("ConferenceSid", "CF1"), ("FriendlyName", "vaani-x")];
        let ((status, _), news, states) = told(&room, CALLER, &more).await;
        let ended = if event == "conference-end" { vec![(caller(), CallState::Completed)] } else { vec![] };
        assert_eq!((status, news, states), (204, expected, ended), "{event}");
    }
    for path in ["/voice/after-person/x", "/voice/after-person/x?caller=../1", "/voice/with-person/x?caller="] {
        let ((status, _), news, states) = told(path, CALLER, &[("StatusCallbackEvent", "conference-end")]).await;
        assert_eq!((status, news, states), (400, vec![], vec![]), "{path}");
    }
    for path in [&after, &room] {
        let (status, _) = running.post_signed(path, &running.form(), None).await;
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!((running.exchange.person_news.lock().unwrap().len(), running.exchange.calls()), (0, 0));
}

#[tokio::test]
async fn the_streams_of_both_end_when_they_are_brought_together() {
    let mut running = Setup::default().start().await;
    let api = Api::default();
    let rest = rest(&api.start().await, &running.public.webhook(""));
    let (caller, mut callers) = running.call(running.options()).await;
    let (person, mut persons) = running.call(running.options()).await;
    for far in [&caller, &person] {
        api.streams.lock().unwrap().insert(far.carrier_call().to_owned(), far.caller());
    }
    rest.join(callers.call, caller.carrier_call(), person.carrier_call()).await.unwrap();
    for leg in [&mut callers, &mut persons] {
        assert_eq!(next_event(leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    }
}

#[tokio::test]
async fn whom_the_box_has_called_hears_no_menu() {
    let running = Setup { languages: &[Lang::En, Lang::Hi], ..Setup::default() }.start().await;
    let call = CallId::new();
    let (_, twiml) = running.post(&format!("/voice/incoming?call={call}&agent=desk"), &running.form()).await;
    assert!(twiml.contains("<Response><Connect><Stream") && !twiml.contains("Gather"), "{twiml}");
    let (_, twiml) = running.post("/voice/incoming?agent=desk", &running.form()).await;
    assert!(twiml.contains("<Gather"), "{twiml}");
}
