use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::testing::{Api, told};
use super::*;
use crate::base::event::{Concerns, Direction, Event, Record, RecordingMode, StoppedBy};
use crate::base::{Lang, TenantId};
use crate::call::recording::{Head, Reels, Tail};
use crate::media::record::Piece;

#[test]
fn ranges() {
    let part = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        asked(&headers, 100)
    };
    let some = |from, length| Ok(Some(Part { from, length }));
    for (text, expected) in [
        ("bytes=0-9", some(0, 10)),
        ("bytes=90-", some(90, 10)),
        ("bytes=90-1000", some(90, 10)),
        ("bytes=-1", some(99, 1)),
        ("bytes=-1000", some(0, 100)),
        ("bytes=100-", Err(())),
        ("bytes=-0", Err(())),
        // Malformed ones, other units and several parts at once are as if nobody had asked.
        ("bytes=9-1", Ok(None)),
        ("bytes=a-b", Ok(None)),
        ("bytes=-", Ok(None)),
        ("lines=1-2", Ok(None)),
        ("bytes=0-1,5-6", Ok(None)),
        ("bytes=18446744073709551615-", Err(())),
        ("bytes=0-18446744073709551615", some(0, 100)),
        ("bytes=-99999999999999999999", Ok(None)),
    ] {
        assert_eq!(part(text), expected, "{text}");
    }
}

async fn recorded(api: &Api, tenant: &str) -> CallId {
    let call = CallId::new();
    for event in [
        Event::CallInitiated {
            transport: "twilio".to_owned(),
            carrier_call: None,
            direction: Direction::Inbound,
            agent: "helpdesk".to_owned(),
            caller_hash: None,
            concerns: Box::new(Concerns { tenant: tenant.to_owned(), ..Concerns::default() }),
            customer: None,
        },
        Event::RecordingStarted { mode: RecordingMode::Announce, language: Lang::En },
    ] {
        api.journal.append_durable(Record { call, unix_ms: 1, call_ms: 0, event }).await.unwrap();
    }
    let id: TenantId = tenant.parse().unwrap();
    let mode = RecordingMode::Announce;
    let head = Head { call, tenant: id, call_started_ms: 1, began_ms: 5, mode, language: Lang::En };
    let mut reel = api.deps.recordings.open(head).unwrap();
    reel.put(Piece::Sound([1, -1].repeat(8_000)));
    reel.close(Tail { why: Some(StoppedBy::CallEnded), ..Tail::default() });
    for _ in 0..500 {
        if api.deps.recordings.ready(&tenant.parse().unwrap(), &api.db(tenant), call).await.is_ok() {
            return call;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_heard_by_who_may_noted_and_deleted() {
    let api = Api::start().await;
    let call = recorded(&api, "bank").await;
    let path = format!("/api/calls/{call}/recording");
    let heard = api.ask_as("bank", "admin", Method::GET, &path).send().await.unwrap();
    assert_eq!(heard.status(), 200);
    assert_eq!(heard.headers()["content-type"], "audio/wav");
    assert_eq!(heard.headers()["content-length"], "32044");
    let whole = heard.bytes().await.unwrap();
    assert_eq!((&whole[..4], whole.len()), (b"RIFF".as_slice(), 32_044));
    let part = api.ask_as("bank", "admin", Method::GET, &path).header("range", "bytes=40-47").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 40-47/32044"));
    assert_eq!(part.bytes().await.unwrap(), whole[40..48]);
    let none = api.ask_as("bank", "admin", Method::GET, &path).header("range", "bytes=32044-").send().await.unwrap();
    assert_eq!((none.status().as_u16(), none.headers()["content-range"].to_str().unwrap()), (416, "bytes */32044"));
    // Several readings of one reader are one entry.
    let (_, audit) = told(api.ask_as("bank", "admin", Method::GET, "/api/audit?what=recording.listen")).await;
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(1), "{audit}");
    // Another tenant's people find nothing.
    let (status, _) = told(api.ask_as("hospital", "admin", Method::GET, &path)).await;
    assert_eq!(status, 404);

    let hold = json!({ "call": call, "reason": "case 9" });
    let (status, held) = told(api.ask_as("bank", "admin", Method::POST, "/api/holds").json(&hold)).await;
    assert!(status < 300, "{held}");
    let (status, refused) = told(api.ask_as("bank", "admin", Method::DELETE, &path)).await;
    assert_eq!(status, 409, "{refused}");
    let lift = format!("/api/holds/{}?reason=over", held["id"].as_str().unwrap());
    assert!(told(api.ask_as("bank", "admin", Method::DELETE, &lift)).await.0 < 300);
    let gone = api.ask_as("bank", "admin", Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    for method in [Method::GET, Method::DELETE] {
        let (status, told): (u16, Value) = told(api.ask_as("bank", "admin", method, &path)).await;
        assert_eq!(status, 410, "{told}");
    }
}
