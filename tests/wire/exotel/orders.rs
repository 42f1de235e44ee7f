//! Placing calls: our orders against an API that answers as Exotel's does, and worse.

use std::sync::Mutex;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use vaani::base::CallId;
use vaani::base::phone::Phone;
use vaani::telephony::dial::{Destination, Dialer as _, Order, Refused, Verdict};
use vaani::telephony::exotel::rest::{Rest, RestSettings};

use super::*;

type Seen = Arc<Mutex<Vec<(String, Option<String>, Vec<(String, String)>)>>>;

/// Answers each order as its caller id asks.
async fn connect(State(seen): State<Seen>, Path(account): Path<String>, headers: HeaderMap, body: String) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let login = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let ending = form.iter().find(|(name, _)| name == "CallerId").unwrap().1.chars().last();
    seen.lock().unwrap().push((account, login, form));
    let exception = |status: u16, message: &str| {
        let body = serde_json::json!({"RestException": {"Status": status, "Message": message}});
        (StatusCode::from_u16(status).unwrap(), [("retry-after", "7")], body.to_string()).into_response()
    };
    match ending {
        Some('1') => r#"{"Call":{"Sid":"a1b2c3","Status":"in-progress","Direction":"outbound-api"}}"#.into_response(),
        Some('2') => exception(400, "+919876543210 is no number"),
        Some('3') => exception(403, "DND"),
        Some('4') => exception(429, "slow down"),
        Some('5') => exception(500, "oops"),
        Some('6') => r#"{"Call":{"Sid":"../../etc"}}"#.into_response(),
        Some('7') => "x".repeat(200_000).into_response(),
        _ => exception(503, "later"),
    }
}

#[tokio::test]
async fn every_answer_has_its_verdict_and_no_number_is_told() {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api_url = format!("http://{}", listener.local_addr().unwrap());
    let router =
        Router::new().route("/v1/Accounts/{account}/Calls/connect.json", post(connect)).with_state(Arc::clone(&seen));
    let tasks = Scope::new();
    tasks.spawn("api", async move { axum::serve(listener, router).await.unwrap() });
    let settings = |api_url: &str| RestSettings {
        api_url: api_url.to_owned(),
        account_sid: "acme1".to_owned(),
        api_key: "key".to_owned(),
        api_token: Secret::new("token"),
        exophone: Phone::written("04440001234").unwrap(),
        flow_id: None,
        own: ExotelSettings::new(known(), "https://box.example.in".parse().unwrap()),
    };
    let rest = Rest::new(settings(&api_url)).unwrap();
    let order = |ending: u32| Order {
        call: CallId::new(),
        to: Destination::Number(Phone::written("9876543210").unwrap()),
        caller_id: Some(Phone::written(&format!("0444000123{ending}")).unwrap()),
        agent: "loans".to_owned(),
        ring: Duration::from_secs(35),
        limit: Duration::from_secs(600),
        detect_machine: false,
    };
    assert_eq!(rest.place(order(1)).await, Verdict::Placed { carrier_call: "a1b2c3".to_owned() });
    let after = Some(Duration::from_secs(7));
    for (ending, why) in [
        (2, Refused::BadNumber),
        (3, Refused::NotAllowed),
        (4, Refused::Throttled { after }),
        (8, Refused::CarrierFault),
    ] {
        match rest.place(order(ending)).await {
            Verdict::Refused { why: found, detail } => {
                assert_eq!(found, why);
                assert!(!detail.contains("9876543210"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    }
    for ending in [5, 6, 7] {
        let verdict = rest.place(order(ending)).await;
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    }
    let (account, login, form) = seen.lock().unwrap()[0].clone();
    assert_eq!((account.as_str(), login.as_deref()), ("acme1", Some("Basic a2V5OnRva2Vu")));
    assert!(form.contains(&("From".to_owned(), "+919876543210".to_owned())));
    assert!(rest.hang_up("a1b2c3").await.is_err(), "there is no such order");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let unreachable = Rest::new(settings(&gone)).unwrap().place(order(1)).await;
    assert!(matches!(unreachable, Verdict::Refused { why: Refused::Unreachable, .. }), "{unreachable:?}");
}
