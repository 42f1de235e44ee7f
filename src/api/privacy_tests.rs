//! Audit, consents, lists, persons and holds over HTTP.

use std::io::{Read, Write};

use reqwest::Method;
use serde_json::{Value, json};

use super::testing::{Api, told};
use crate::base::event::{CallState, Concerns, Direction, EndCause, Event, Record, Speaker};
use crate::base::secret::KeyedHash;
use crate::base::{CallId, Lang};

const PHONE: &str = "+919876543210";

/// A call of hers, over.
async fn call(api: &Api, number: u64) -> CallId {
    let call = CallId::from_seed(91, number);
    let hash = KeyedHash::of_key(&api.deps.vault.master().derive("phone hash"));
    let now = api.deps.clock.unix_ms(api.deps.clock.now());
    let concerns = Box::new(Concerns { tenant: "bank".to_owned(), ..Concerns::default() });
    let began = Event::CallInitiated {
        transport: "twilio".to_owned(),
        carrier_call: Some(format!("CA{number}")),
        direction: Direction::Inbound,
        agent: "helpdesk".to_owned(),
        caller_hash: Some(hash.of(PHONE)),
        concerns,
        customer: None,
    };
    let text = "chandamama katha".to_owned();
    let heard = Event::Heard { turn: 1, by: Speaker::Caller, language: Lang::Te, confidence: 0.9, text };
    let ended = Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 1, turns: 1 };
    for event in [began, heard, ended] {
        api.journal.append_durable(Record { call, unix_ms: now, call_ms: 0, event }).await.unwrap();
    }
    call
}

async fn post(api: &Api, path: &str, body: Value, status: u16) -> Value {
    let (got, body) = api.post(path, &body).await;
    assert_eq!(got, status, "{path}: {body}");
    body
}

fn audited(api: &Api) -> Vec<String> {
    let read = |db: &rusqlite::Connection| {
        let mut all =
            db.prepare("SELECT what || ' ' || who_name || ' ' || about || ' ' || detail FROM audit ORDER BY seq")?;
        let rows = all.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(rows)
    };
    api.db("bank").read_blocking(read).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_everything_erased_and_gone() {
    let api = Api::start().await;
    let asha = json!({ "name": "Asha Rao", "phone_number": "98765 43210", "comments": "prefers mornings" });
    let customer = post(&api, "/api/customers", asha, 201).await["id"].as_str().unwrap().to_owned();
    let call = call(&api, 1).await;
    let whom = json!({ "phone_number": "98765 43210" });

    let told_all = post(&api, "/api/privacy/export", whom.clone(), 200).await;
    assert_eq!(told_all["held"]["customers"]["rows"][0]["comments"], "prefers mornings");
    assert_eq!(told_all["held"]["events"]["rows"][1]["body"]["text"], "chandamama katha");
    assert_eq!(told_all["person"]["customers"][0], customer.as_str());

    // Held: by the call, so that every way to it is tried.
    let hold = post(&api, "/api/holds", json!({ "call": call.to_string(), "reason": "case 7" }), 201).await;
    let refused = post(&api, "/api/privacy/erase", whom.clone(), 409).await;
    assert!(refused["detail"].as_str().unwrap().contains("case 7"), "{refused}");
    let path = format!("/api/holds/{}", hold["id"].as_str().unwrap());
    assert_eq!(told(api.ask(Method::DELETE, &path)).await.0, 400, "why?");
    let (status, lifted) = told(api.ask(Method::DELETE, &format!("{path}?reason=settled"))).await;
    assert_eq!((status, &lifted["lifted_reason"]), (200, &json!("settled")));

    let receipt = post(&api, "/api/privacy/erase", whom.clone(), 200).await;
    assert_eq!((&receipt["gone"]["customers"], &receipt["repeated"]), (&json!(1), &json!(false)), "{receipt}");
    assert_eq!(receipt["kept"][0]["what"], "calls");
    let again = post(&api, "/api/privacy/erase", whom.clone(), 200).await;
    assert_eq!((&again["id"], &again["repeated"]), (&receipt["id"], &json!(true)));
    let told_after = post(&api, "/api/privacy/export", whom, 200).await;
    assert_eq!(told_after["held"]["customers"]["rows"], json!([]));
    assert!(!told_after.to_string().contains("chandamama"), "{told_after}");
    assert_eq!(api.get(&format!("/api/customers/{customer}")).await.0, 404);

    let entries = audited(&api).join("\n");
    for what in ["person.export", "hold.place", "hold.lift", "person.erase asha", "person.erase.refused"] {
        assert!(entries.contains(what), "{what} is not in {entries}");
    }
    for personal in ["98765", "Asha Rao", "mornings", "chandamama"] {
        assert!(!entries.contains(personal), "{personal} is in {entries}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_named_wrongly_is_nobody() {
    let api = Api::start().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "phone_number": "98765 43210", "customer_id": CallId::new().to_string() }), 400),
        (json!({ "phone_number": "12" }), 422),
        (json!({ "customer_id": CallId::new().to_string() }), 404),
        (json!({ "customer_id": "x" }), 400),
        (json!({ "phone": "9876543210" }), 400),
    ] {
        for path in ["/api/privacy/export", "/api/privacy/erase"] {
            assert_eq!(api.post(path, &body).await.0, status, "{path} {body}");
        }
    }
    for (body, status) in [
        (json!({ "reason": "" }), 422),
        (json!({ "reason": "x", "until_ms": 5 }), 422),
        (json!({ "reason": "x", "phone_number": "9876543210", "call": CallId::new().to_string() }), 400),
    ] {
        assert_eq!(api.post("/api/holds", &body).await.0, status, "{body}");
    }
    let (status, page) = api.get("/api/holds").await;
    assert_eq!((status, page["items"].as_array().unwrap().len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_holds_and_lists_are_not_anothers() {
    let api = Api::start().await;
    let body = json!({ "reason": "all of it" });
    assert_eq!(told(api.ask_as("hospital", "admin", Method::POST, "/api/holds").json(&body)).await.0, 201);
    assert_eq!(api.get("/api/holds").await.1["items"], json!([]));
    post(&api, "/api/privacy/erase", json!({ "phone_number": "9876543210" }), 200).await;
    let entry = json!({ "phone_number": "9876543210", "reason": "asked on the phone" });
    assert_eq!(told(api.ask_as("hospital", "admin", Method::POST, "/api/dnd").json(&entry)).await.0, 201);
    let asked = json!({ "phone_number": "9876543210", "category": "finance" });
    assert_eq!(post(&api, "/api/dnd/check", asked, 200).await["blocked"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_is_noted_checked_and_taken_back() {
    let api = Api::start().await;
    let meant = json!({ "phone_number": "9876543210", "purpose": "promotional", "category": "finance" });
    let before = post(&api, "/api/consents/check", meant.clone(), 200).await;
    assert_eq!((&before["call"], &before["verdict"]["reason"]), (&json!(false), &json!("never_given")));
    let said = |status: &str| {
        json!({ "phone_number": "+91 98765 43210", "purpose": "promotional", "channel": "voice", "status": status,
            "explicit": true, "call": CallId::from_seed(1, 1).to_string(), "notice": "v3", "language": "hi-IN" })
    };
    let consent = post(&api, "/api/consents", said("given"), 201).await;
    let after = post(&api, "/api/consents/check", meant.clone(), 200).await;
    assert_eq!((&after["call"], &after["verdict"]["consent"]), (&json!(true), &consent["id"]));
    post(&api, "/api/consents", said("withdrawn"), 201).await;
    let withdrawn = post(&api, "/api/consents/check", meant, 200).await;
    assert_eq!((&withdrawn["call"], &withdrawn["ledger"]["reason"]), (&json!(false), &json!("withdrawn")));
    let history = post(&api, "/api/consents/history", json!({ "phone_number": "9876543210" }), 200).await;
    assert_eq!(history.as_array().unwrap().len(), 2);
    let (_, first) = api.get("/api/consents?limit=1").await;
    let (_, second) = api.get(&format!("/api/consents?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!(second["items"][0]["id"], consent["id"]);
    assert_eq!(second["next"], Value::Null);
    for bad in [
        json!({ "phone_number": "9876543210" }),
        json!({ "phone_number": "9876543210", "purpose": "Big Words", "channel": "voice", "status": "given", "explicit": true }),
        json!({ "phone_number": "9876543210", "purpose": "x", "channel": "owl", "status": "given", "explicit": true }),
    ] {
        assert_eq!(api.post("/api/consents", &bad).await.0, 400, "{bad}");
    }
    let ahead = json!({ "phone_number": "9876543210", "purpose": "x", "channel": "web", "status": "given", "explicit": true, "at_ms": 9_999_999_999_999_u64 });
    assert_eq!(api.post("/api/consents", &ahead).await.0, 422);
}

async fn is_blocked(api: &Api, number: &str) -> bool {
    let asked = json!({ "phone_number": number, "category": "finance" });
    !post(api, "/api/dnd/check", asked, 200).await["blocked"].is_null()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_numbers_is_read_as_body_or_form_and_bad_ones_change_nothing() {
    let api = Api::start().await;
    let bring = |query: &str, body: Vec<u8>| {
        told(api.ask(Method::POST, &format!("/api/dnd/lists?{query}")).header("content-type", "text/csv").body(body))
    };
    let (status, done) =
        bring("name=ncpr&kind=register", b"phone,category\n9876543210,1\nx,1\n9876543211,0\n".to_vec()).await;
    assert_eq!((status, &done["accepted"], &done["rejected"]), (201, &json!(2), &json!(1)), "{done}");
    assert!(is_blocked(&api, "9876543210").await);
    let list = done["list"].as_i64().unwrap();
    let (_, rejects) = api.get(&format!("/api/dnd/lists/{list}/rejects")).await;
    assert_eq!(rejects["items"][0]["line"], 3);
    let (_, numbers) = api.get(&format!("/api/dnd/lists/{list}/numbers?limit=1")).await;
    assert!(numbers["next"].is_string() && !numbers.to_string().contains("98765"));

    for (query, body, wanted) in [
        ("name=ncpr&kind=register", b"PK\x03\x04".to_vec(), 422),
        ("name=ncpr&kind=register", b"name,city\na,b\n".to_vec(), 422),
        ("name=ncpr&kind=register", Vec::new(), 422),
        ("name=opt-outs&kind=own", b"9876543219".to_vec(), 422),
        ("name=ncpr", b"9876543219".to_vec(), 400),
        ("name=ncpr&kind=mine", b"9876543219".to_vec(), 400),
    ] {
        assert_eq!(bring(query, body).await.0, wanted, "{query}");
        assert!(is_blocked(&api, "9876543210").await && !is_blocked(&api, "9876543219").await);
    }

    let form =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n9876543215\r\n--x--\r\n";
    let sent = api.ask(Method::POST, "/api/dnd/lists?name=ncpr&kind=register");
    let (status, done) = told(sent.header("content-type", "multipart/form-data; boundary=x").body(form)).await;
    assert_eq!((status, &done["accepted"]), (201, &json!(1)), "{done}");
    assert!(is_blocked(&api, "9876543215").await && !is_blocked(&api, "9876543210").await);

    // Large: far beyond what other routes take, and nothing of it is held in memory.
    let large: String = (0..200_000).map(|n| format!("98{n:08}\n")).collect();
    let (status, done) = bring("name=large&kind=own", large.into_bytes()).await;
    assert_eq!((status, &done["accepted"]), (201, &json!(200_000)));
    assert!(is_blocked(&api, "9800199999").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_sender_goes_away_is_not_taken_for_a_short_one() {
    let api = Api::start().await;
    let address = api.address;
    tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let head = "POST /api/dnd/lists?name=ncpr&kind=own HTTP/1.1\r\nhost: x\r\nx-test-tenant: bank\r\nx-test-role: admin\r\n\
                    content-type: text/csv\r\ncontent-length: 9000\r\n\r\n9876543210\n";
        socket.write_all(head.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
    })
    .await
    .unwrap();
    // The list is given up, and another may come.
    let mut state = Value::Null;
    for _ in 0..100 {
        state = api.get("/api/dnd/lists").await.1["items"][0]["state"].clone();
        if state == "failed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(state, "failed");
    assert!(!is_blocked(&api, "9876543210").await);
    let sent = api.ask(Method::POST, "/api/dnd/lists?name=ncpr&kind=own").body("9876543211");
    assert_eq!(told(sent).await.0, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_listed_by_hand_and_taken_off_with_a_reason() {
    let api = Api::start().await;
    let entry = |reason: &str| json!({ "phone_number": "9876543210", "categories": [1, 3], "reason": reason });
    assert_eq!(api.post("/api/dnd", &entry(" ")).await.0, 400);
    assert_eq!(
        api.post("/api/dnd", &json!({ "phone_number": "9876543210", "categories": [12], "reason": "x" })).await.0,
        400
    );
    post(&api, "/api/dnd", entry("asked at the branch"), 201).await;
    assert!(is_blocked(&api, "9876543210").await);
    assert_eq!(api.post("/api/dnd/remove", &json!({ "phone_number": "9876543210", "reason": "" })).await.0, 422);
    let again = json!({ "phone_number": "9876543210", "reason": "signed form 12" });
    assert_eq!(post(&api, "/api/dnd/remove", again.clone(), 200).await["lists"], 1);
    assert!(!is_blocked(&api, "9876543210").await);
    assert_eq!(post(&api, "/api/dnd/remove", again, 200).await["lists"], 0);
    assert!(!audited(&api).join("\n").contains("98765"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_listed_signed_and_checked() {
    let api = Api::start().await;
    for n in 0..5 {
        let entry = json!({ "phone_number": format!("987654321{n}"), "reason": "asked" });
        post(&api, "/api/dnd", entry, 201).await;
    }
    let (_, page) = api.get("/api/audit?what=dnd.&limit=2").await;
    assert_eq!(page["items"][0]["who"]["name"], "asha");
    let (_, rest) = api.get(&format!("/api/audit?what=dnd.&limit=9&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    assert_eq!(api.get("/api/audit?what=customer.").await.1["items"], json!([]));
    assert_eq!(api.get("/api/audit?of=box").await.0, 403, "the box's log is not a tenant's");
    assert_eq!(api.get("/api/audit?nonsense=1").await.0, 400);

    let (_, heads) = api.get("/api/audit/head").await;
    assert_eq!(heads["heads"][0]["seq"], 5);
    assert_eq!(heads["public_key"].as_str().unwrap().len(), 64);
    let report = post(&api, "/api/audit/verify", json!({}), 200).await;
    assert_eq!((&report["wrong"], &report["entries"], &report["heads"]), (&Value::Null, &json!(5), &json!(1)));
    // Somebody takes the last entries away, with the heads of both databases; an auditor kept one.
    let all =
        "DROP TRIGGER audit_is_never_deleted; DROP TRIGGER audit_heads_are_never_deleted; DELETE FROM audit_heads;";
    api.db("bank")
        .write_blocking(move |db| Ok(db.execute_batch(&format!("{all} DELETE FROM audit WHERE seq > 3"))?))
        .unwrap();
    api.deps
        .vault
        .system()
        .write_blocking(|db| {
            Ok(db.execute_batch("DROP TRIGGER audit_heads_are_never_deleted; DELETE FROM audit_heads")?)
        })
        .unwrap();
    let against = json!({ "heads": heads["heads"] });
    let report = post(&api, "/api/audit/verify", against, 200).await;
    assert_eq!((&report["wrong"]["seq"], &report["wrong"]["fault"]), (&json!(4), &json!("missing")));
    let forged = json!({ "heads": [{ "chain": "tenant:bank", "seq": 2, "hash": "00".repeat(32), "at_ms": 1, "signature": "00".repeat(64) }] });
    assert_eq!(post(&api, "/api/audit/verify", forged, 200).await["wrong"]["fault"], "bad_signature");
    assert_eq!(api.post("/api/audit/verify", &json!({ "heads": [{ "seq": 1 }] })).await.0, 400);
}
