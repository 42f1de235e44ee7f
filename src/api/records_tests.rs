//! The records' resources over HTTP: faults first, then races, then whoever asks for another's data.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use reqwest::Method;
use serde_json::{Value, json};

use super::openapi;
use super::testing::{Api, told};
use crate::auth::access;
use crate::base::CallId;
use crate::base::Lang;
use crate::base::event::{CallState, Concerns, Direction, EndCause, Event, Record, Speaker, Waterfall, Way};

fn asha() -> Value {
    json!({
        "name": "Asha Rao", "phone_number": "98765 43210", "state": "KA", "language_code": "kn", "loan_id": "LN-0012345678",
        "amount_paise": 1_250_050, "due_date": "2025-08-17", "pool": "ai", "comments": "=HYPERLINK(\"http://x\")",
    })
}

fn with_phone(n: usize) -> Value {
    json!({ "name": "N", "phone_number": format!("98766{n:05}") })
}

async fn added(api: &Api, customer: &Value) -> String {
    let (status, body) = api.post("/api/customers", customer).await;
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_added_read_changed_and_taken_away() {
    let api = Api::start().await;
    let (status, body) = api.post("/customers", &asha()).await;
    assert_eq!(status, 201);
    assert_eq!(
        (&body["phone_number"], &body["state"], &body["call_status"]),
        (&json!("+919876543210"), &json!("Karnataka"), &json!("ready"))
    );
    let path = format!("/api/customers/{}", body["id"].as_str().unwrap());
    let answer = api.ask(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.headers()["etag"], "\"v1\"");
    assert_eq!(api.ask(Method::GET, &path).header("if-none-match", "\"v1\"").send().await.unwrap().status(), 304);

    let patch =
        |tag: &'static str, body: Value| told(api.ask(Method::PATCH, &path).header("if-match", tag).json(&body));
    assert_eq!(told(api.ask(Method::PATCH, &path).json(&json!({}))).await.0, 428, "a change names its version");
    let (status, body) =
        patch("\"v1\"", json!({ "priority": 9, "comments": null, "custom": { "branch": "MG Road" } })).await;
    assert_eq!(
        (status, &body["version"], &body["priority"], &body["comments"]),
        (200, &json!(2), &json!(9), &Value::Null)
    );
    assert_eq!(patch("\"v1\"", json!({ "priority": 1 })).await.0, 412, "somebody else was faster");
    assert_eq!(patch("*", json!({ "nonsense": 1 })).await.0, 400);
    assert_eq!(patch("*", json!({ "phone_number": "12" })).await.0, 422);
    assert_eq!(patch("*", json!({ "phone_number": null })).await.0, 400, "there is nobody without a number");
    let (status, body) = told(api.ask(Method::PUT, &path).header("if-match", "\"v2\"").json(&with_phone(1))).await;
    assert_eq!((status, &body["custom"], &body["name"]), (200, &json!({}), &json!("N")));

    let to = |status: &str| told(api.ask(Method::PUT, &format!("{path}/status")).json(&json!({ "status": status })));
    assert_eq!(to("completed").await.0, 409);
    assert_eq!(to("ready").await.0, 200, "no change is no fault");
    for step in ["initiated", "ringing", "not_picked", "ready"] {
        assert_eq!(to(step).await.1["call_status"], step);
    }
    assert_eq!(to("asleep").await.0, 400);
    assert_eq!(told(api.ask(Method::DELETE, &path).header("if-match", "\"v3\"")).await.0, 412);
    assert_eq!(api.ask(Method::DELETE, &path).header("if-match", "*").send().await.unwrap().status(), 204);
    assert_eq!(api.get(&path).await.0, 404);
    let audited: Vec<String> = api
        .db("bank")
        .read_blocking(|db| {
            Ok(db
                .prepare("SELECT what || ' ' || detail FROM audit ORDER BY seq")?
                .query_map([], |r| r.get(0))?
                .collect::<Result<_, _>>()?)
        })
        .unwrap();
    assert!(audited[0].starts_with("customer.add") && audited[1].contains("priority"), "{audited:?}");
    assert!(audited.iter().all(|entry| !entry.contains("Asha") && !entry.contains("98765")), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_with_a_problem() {
    let api = Api::start().await;
    added(&api, &asha()).await;
    for (body, status) in [
        (asha(), 409),
        (json!({}), 400),
        (json!([]), 400),
        (json!({ "phone_number": 5 }), 400),
        (json!({ "phone_number": "98765 43211", "state": "Kerla" }), 422),
        (json!({ "phone_number": "98765 43211", "language_code": "fr" }), 422),
        (json!({ "phone_number": "98765 43211", "amount_paise": -1 }), 422),
        (json!({ "phone_number": "98765 43211", "priority": 10 }), 422),
        (json!({ "phone_number": "98765 43211", "due_date": "17/08/2025" }), 422),
        (json!({ "phone_number": "98765 43211", "name": "x".repeat(300) }), 422),
        (json!({ "phone_number": "98765 43211", "name": "a\u{0}b" }), 422),
        (json!({ "phone_number": "98765 43211", "custom": { "k": "v".repeat(20_000) } }), 422),
    ] {
        let (got, problem) = api.post("/api/customers", &body).await;
        assert_eq!(got, status, "{body} {problem}");
    }
    for (method, path, kind, body, status) in [
        (Method::POST, "/api/customers", "text/plain", "{}", 415),
        (Method::POST, "/api/customers", "application/json", "{", 400),
        (Method::GET, "/api/customers?limit=0", "", "", 400),
        (Method::GET, "/api/customers?limit=501", "", "", 400),
        (Method::GET, "/api/customers?nonsense=1", "", "", 400),
        (Method::GET, "/api/customers?cursor=abc", "", "", 400),
        (Method::GET, "/api/customers?status=asleep", "", "", 400),
        (Method::GET, "/api/customers/1", "", "", 404),
        (Method::GET, "/api/customers/%00", "", "", 404),
        (Method::GET, "/api/uploads/1", "", "", 404),
        (Method::GET, "/api/documents/song/x", "", "", 404),
        (Method::GET, "/api/documents/agent/x/versions/y", "", "", 404),
        (Method::GET, "/api/calls/status/none", "", "", 404),
        (Method::GET, "/api/calls/none/turns", "", "", 404),
        (Method::GET, "/api/analytics?days=0", "", "", 400),
        (Method::POST, "/api/uploads", "multipart/form-data", "x", 400),
        (Method::POST, "/api/uploads", "multipart/form-data; boundary=x", "--x--", 400),
        (Method::POST, "/api/uploads", "text/csv", "name,town\nA,B", 422),
        (Method::POST, "/trigger-bulk-calls", "application/json", "{\"customer_ids\":[]}", 400),
    ] {
        let request = api.ask(method, path).header("content-type", kind).body(body);
        assert_eq!(told(request).await.0, status, "{path} {body}");
    }
    let large = "x".repeat(3 * 1024 * 1024);
    assert_eq!(api.post("/api/customers", &json!({ "phone_number": "98765 43212", "comments": large })).await.0, 413);
    let huge = vec![b'a'; crate::base::limits::UPLOAD_BYTES_MAX + 1024 * 1024];
    let answer = api.ask(Method::POST, "/api/uploads").header("content-type", "text/csv").body(huge).send().await;
    // The box may also close the line on somebody who goes on sending.
    assert!(answer.map_or(true, |answer| answer.status() == 413));
    assert_eq!(api.get("/api/customers").await.1["items"].as_array().unwrap().len(), 1, "nothing was half-written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_change_the_same_version_one_succeeds() {
    let api = Arc::new(Api::start().await);
    let path = format!("/api/customers/{}", added(&api, &asha()).await);
    for round in 1..=5 {
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let request = api
                    .ask(Method::PATCH, &path)
                    .header("if-match", format!("\"v{round}\""))
                    .json(&json!({ "priority": n }));
                tokio::task::spawn_blocking(|| {
                    tokio::runtime::Handle::current().block_on(async { told(request).await.0 })
                })
            })
            .collect();
        let mut statuses = Vec::new();
        for task in tasks {
            statuses.push(task.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_with_a_key_is_carried_out_once() {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let api = Arc::new(
        Api::with(move |router| {
            router.route(
                "/test/slow",
                post(move || {
                    let counting = Arc::clone(&counting);
                    async move {
                        counting.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                        "done"
                    }
                }),
            )
        })
        .await,
    );
    let send =
        |key: &str, body: &Value| api.ask(Method::POST, "/api/customers").header("idempotency-key", key).json(body);
    let first = told(send("k1", &asha())).await;
    assert_eq!(first.0, 201);
    let again = send("k1", &asha()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["idempotency-replayed"]), (201, &"true".parse().unwrap()));
    assert_eq!(again.headers()["etag"], "\"v1\"");
    assert_eq!(again.json::<Value>().await.unwrap(), first.1);
    assert_eq!(told(send("k1", &with_phone(1))).await.0, 422, "the same key, another request");
    assert_eq!(told(send("", &with_phone(1))).await.0, 400);
    assert_eq!(told(send(&"k".repeat(300), &with_phone(1))).await.0, 400);
    // A refusal is an answer too; another tenant's key is another key.
    assert_eq!(told(send("k2", &asha())).await.0, 409);
    assert_eq!(told(send("k2", &asha())).await.0, 409);
    let other = api.ask_as("hospital", "admin", Method::POST, "/api/customers").header("idempotency-key", "k1");
    assert_eq!(told(other.json(&asha())).await.0, 201);

    let slow = |key: &'static str| api.ask(Method::POST, "/test/slow").header("idempotency-key", key);
    let (one, two) = tokio::join!(slow("s").send(), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        told(slow("s")).await
    });
    assert_eq!((one.unwrap().status().as_u16(), two.0), (200, 409));
    assert_eq!(slow("s").send().await.unwrap().text().await.unwrap(), "done");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // A client that does not wait: the work is done and its answer kept.
    let gone = slow("t").timeout(std::time::Duration::from_millis(100)).send().await;
    assert!(gone.is_err_and(|error| error.is_timeout()));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let answer = slow("t").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("idempotency-replayed")), (200, true));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_walked_without_gaps_or_repetitions_while_rows_come_in() {
    let api = Api::start().await;
    let mut before = BTreeSet::new();
    for n in 0..23 {
        before.insert(added(&api, &with_phone(n)).await);
    }
    let (mut seen, mut next, mut more) = (Vec::new(), String::new(), 100);
    loop {
        let (status, page) = api.get(&format!("/api/customers?limit=4{next}")).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["items"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()));
        // Somebody adds a customer and takes away one that was seen already.
        added(&api, &with_phone(more)).await;
        more += 1;
        let gone = api.ask(Method::DELETE, &format!("/api/customers/{}", seen[seen.len() - 1])).header("if-match", "*");
        assert_eq!(gone.send().await.unwrap().status(), 204);
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 23);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
    let (_, page) = api.get("/api/customers?limit=1").await;
    let cursor = page["next"].as_str().unwrap();
    assert_eq!(api.get(&format!("/api/customers?status=failed&cursor={cursor}")).await.0, 400, "of another list");
    let other = api.ask_as("hospital", "admin", Method::GET, &format!("/api/customers?limit=1&cursor={cursor}"));
    assert_eq!(told(other).await.0, 400, "of another tenant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_masked_by_role_and_hold_no_formulas() {
    let api = Api::start().await;
    let id = added(&api, &asha()).await;
    let csv = |role: &str, path: &str| api.ask_as("bank", role, Method::GET, path).header("accept", "text/csv");
    let answer = csv("supervisor", "/api/customers").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap();
    assert!(text.starts_with("\u{feff}id,name,phone_number"), "{text}");
    assert!(text.contains("\"'=HYPERLINK") && text.contains("+919876543210") && text.contains("12500.50"), "{text}");
    assert!(api.ask(Method::GET, "/api/customers.csv").send().await.unwrap().text().await.unwrap().contains("Asha"));
    assert_eq!(told(csv("viewer", "/api/customers")).await.0, 403);
    let seen = told(api.ask_as("bank", "viewer", Method::GET, &format!("/api/customers/{id}"))).await.1;
    assert_eq!(
        (&seen["masked"], &seen["phone_number"], &seen["comments"]),
        (&json!(true), &json!("+91••••••3210"), &Value::Null)
    );
    assert!(!seen.to_string().contains("Asha") && !seen.to_string().contains("0012345678"), "{seen}");
    // What was exported can be brought again.
    let text = api.ask(Method::GET, "/api/customers.csv").send().await.unwrap().text().await.unwrap();
    let mine = api.ask_as("hospital", "admin", Method::POST, "/upload-customers").header("content-type", "text/csv");
    let (status, brought) = told(mine.body(text)).await;
    assert_eq!((status, &brought["rows_ok"]), (201, &json!(1)), "{brought}");
    let there = told(api.ask_as("hospital", "admin", Method::GET, "/api/customers")).await.1;
    assert_eq!(there["items"][0]["comments"], "=HYPERLINK(\"http://x\")");
    assert_eq!(there["items"][0]["amount_paise"], 1_250_050);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_comes_as_a_form_and_its_rejected_rows_are_told() {
    let api = Api::start().await;
    let file = || {
        reqwest::multipart::Part::bytes(b"name,phone,town\nA,9876543210,Hubli\nB,12,Hubli\nC,9876543210,\n".to_vec())
            .file_name("C:\\leads.csv")
    };
    let form = || reqwest::multipart::Form::new().part("file", file());
    let (status, dry) = told(api.ask(Method::POST, "/api/uploads").multipart(form().text("dry_run", "true"))).await;
    assert_eq!(
        (status, &dry["status"], &dry["rows_ok"], &dry["rows_rejected"]),
        (200, &json!("dry_run"), &json!(1), &json!(2))
    );
    assert_eq!(api.get("/api/customers").await.1["items"], json!([]));
    let (status, brought) = told(api.ask(Method::POST, "/upload-customers").multipart(form())).await;
    assert_eq!((status, &brought["status"], &brought["file_name"]), (201, &json!("done"), &json!("leads.csv")));
    let id = brought["id"].as_str().unwrap();
    let (_, page) = api.get(&format!("/api/uploads/{id}/rejects?limit=1")).await;
    assert_eq!((&page["items"][0]["line"], &page["items"][0]["cells"][1]), (&json!(3), &json!("12")));
    let (_, page) = api.get(&format!("/api/uploads/{id}/rejects?cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&page["items"][0]["line"], &page["next"]), (&json!(4), &Value::Null));
    let masked = told(api.ask_as("bank", "service", Method::GET, &format!("/api/uploads/{id}/rejects"))).await.1;
    assert_eq!(masked["items"][0]["cells"], json!([]));
    let table =
        api.ask(Method::GET, &format!("/api/uploads/{id}/rejects.csv")).send().await.unwrap().text().await.unwrap();
    assert!(table.contains("3,phone_number,the phone number is too short"), "{table}");
    assert_eq!(api.get("/api/uploads").await.1["items"].as_array().unwrap().len(), 2);
    let (_, page) = api.get(&format!("/api/customers?upload_id={id}")).await;
    assert_eq!(page["items"][0]["custom"]["town"], "Hubli");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_keep_every_version() {
    let api = Api::start().await;
    let path = "/api/documents/agent/emi";
    let put = |name: &'static str, value: &'static str, body: &'static str| {
        told(api.ask(Method::PUT, &format!("{path}?activate=true&note=why")).header(name, value).body(body))
    };
    assert_eq!(put("if-match", "\"v1\"", "a = 1").await.0, 404);
    assert_eq!(put("if-none-match", "*", "a = ").await.0, 422);
    assert_eq!(put("if-none-match", "*", "a = 1\nb = 2\n").await.0, 201);
    assert_eq!(put("if-none-match", "*", "a = 1").await.0, 412);
    assert_eq!(told(api.ask(Method::PUT, path).body("a = 1")).await.0, 428);
    assert_eq!(put("if-match", "\"v1\"", "a = 1\nb = 3\n").await.1["active"], 2);
    assert_eq!(put("if-match", "\"v1\"", "a = 4").await.0, 412);
    let (_, whole) = api.get(path).await;
    assert_eq!(
        (&whole["shown"]["content"], &whole["shown"]["who"], &whole["version"]),
        (&json!("a = 1\nb = 3\n"), &json!("asha"), &json!(2))
    );
    let (_, diff) = api.get(&format!("{path}/versions/2/diff")).await;
    assert_eq!(diff["lines"], json!([" a = 1", "-b = 2", "+b = 3"]));
    assert_eq!(api.get(&format!("{path}/versions/1/diff")).await.1["added"], 2);
    assert_eq!(api.get(&format!("{path}/versions/2/diff?against=9")).await.0, 404);
    let activate = |n: i64, tag: &'static str| {
        told(api.ask(Method::POST, &format!("{path}/versions/{n}/activate")).header("if-match", tag))
    };
    assert_eq!(activate(1, "\"v1\"").await.0, 412);
    assert_eq!(activate(7, "*").await.0, 404);
    assert_eq!(activate(1, "\"v2\"").await.1["active"], 1);
    assert_eq!(api.get(&format!("{path}?active=true")).await.1["shown"]["number"], 1);
    assert_eq!(activate(0, "*").await.1["active"], Value::Null);
    assert_eq!(api.get(&format!("{path}?active=true")).await.0, 404);
    let (_, page) = api.get(&format!("{path}/versions?limit=1")).await;
    assert_eq!((&page["items"][0]["number"], page["items"][0].get("content")), (&json!(2), None));
    assert_eq!(api.get("/api/documents?kind=flow").await.1["items"], json!([]));
}

async fn a_call(api: &Api, tenant: &str, number: u64, ended: bool) -> CallId {
    let call = CallId::from_seed(7, number);
    let concerns = Box::new(Concerns { tenant: tenant.to_owned(), ..Concerns::default() });
    let base = 1_755_400_000_000 + number * 1_000;
    let facts = [
        Event::CallInitiated {
            transport: "twilio".to_owned(),
            carrier_call: Some(format!("CA{number}{tenant}")),
            direction: Direction::Inbound,
            agent: "emi".to_owned(),
            caller_hash: Some("abc".to_owned()),
            concerns,
            customer: None,
        },
        Event::StateChanged { from: CallState::Ready, to: CallState::Initiated },
        Event::StateChanged { from: CallState::Initiated, to: CallState::InProgress },
        Event::Heard {
            turn: 1,
            by: Speaker::Caller,
            language: Lang::Hi,
            confidence: 0.9,
            text: "मेरा नंबर 9876543210".to_owned(),
        },
        Event::Said {
            turn: 1, language: Lang::Hi, text: "जी हाँ".to_owned(), heard: "जी".to_owned(), cut: true
        },
        Event::TurnAnswered {
            turn: 1,
            language: Lang::Hi,
            intent: None,
            way: Way::Flow,
            waterfall: Waterfall::default(),
        },
    ];
    let last =
        Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 9_000, turns: 1 };
    for (ms, event) in facts.into_iter().chain(ended.then_some(last)).enumerate() {
        let record = Record { call, unix_ms: base + ms as u64, call_ms: ms as u64, event };
        api.deps.live.observe(&record);
        api.journal.append_durable(record).await.unwrap();
    }
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_listed_and_their_words_shown_to_those_who_may_read_them() {
    let api = Api::start().await;
    let mut calls = Vec::new();
    for n in 1..=5 {
        calls.push(a_call(&api, "bank", n, n != 5).await);
    }
    let (_, page) = api.get("/api/calls?limit=2").await;
    assert_eq!((&page["items"][0]["id"], &page["items"][0]["state"]), (&json!(calls[4]), &json!("in_progress")));
    let (_, rest) = api.get(&format!("/api/calls?limit=3&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    assert_eq!(api.get("/api/calls?state=completed").await.1["items"].as_array().unwrap().len(), 4);
    assert_eq!(api.get("/api/calls?agent=nobody").await.1["items"], json!([]));
    let (_, status) = api.get("/api/calls/status/CA1bank").await;
    assert_eq!(
        (&status["call_id"], &status["status"], status["updates"].as_array().unwrap().len()),
        (&json!(calls[0]), &json!("completed"), 2)
    );

    let turns =
        |role: &'static str| told(api.ask_as("bank", role, Method::GET, &format!("/api/calls/{}/turns", calls[0])));
    let supervisor = turns("supervisor").await.1;
    assert_eq!(supervisor["items"][0]["caller"], "मेरा नंबर 9876543210");
    assert_eq!(supervisor["items"][0]["agent"][0], json!({ "text": "जी हाँ", "heard": "जी" }));
    let ops = turns("ai_ops").await.1;
    assert!(ops["items"][0]["caller"].as_str().unwrap().ends_with("••••••3210"), "{ops}");
    let viewer = turns("viewer").await.1;
    assert_eq!(
        (&viewer["words"], &viewer["items"][0]["caller"], &viewer["items"][0]["way"]),
        (&json!(false), &Value::Null, &json!("flow"))
    );
    let events = |role: &'static str| {
        told(api.ask_as("bank", role, Method::GET, &format!("/api/calls/{}/events?limit=4", calls[0])))
    };
    assert!(!events("viewer").await.1.to_string().contains("नंबर"));
    let (_, first) = events("admin").await;
    assert_eq!(events("admin").await.1, first);
    assert!(first.to_string().contains("9876543210"));
    let rest = api.get(&format!("/api/calls/{}/events?cursor={}", calls[0], first["next"].as_str().unwrap())).await.1;
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);
    let views: i64 = api
        .db("bank")
        .read_blocking(|db| {
            Ok(db.query_row("SELECT count(*) FROM audit WHERE what = 'transcript.view'", [], |r| r.get(0))?)
        })
        .unwrap();
    assert_eq!(views, 3, "whoever read words is written down once, whoever did not is not");

    let (_, figures) = api.get("/api/analytics?days=366").await;
    assert_eq!((&figures["live_calls"], &figures["total"]["converted"]), (&json!(1), &Value::Null));
    assert_eq!(
        told(api.ask_as("bank", "service", Method::GET, "/api/analytics")).await.1["total"]["cost_paise"],
        Value::Null
    );
    let text = api.ask(Method::GET, "/api/calls.csv").send().await.unwrap().text().await.unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_a_call_is_checked_and_honestly_refused() {
    let api = Api::start().await;
    let id = added(&api, &asha()).await;
    let to = |more: serde_json::Value| {
        let mut body = json!({ "phone_number": "98765 43210" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (path, body, status) in [
        ("/api/calls/initiate".to_owned(), json!({ "phone_number": "12" }), 422),
        ("/api/calls/initiate".to_owned(), to(json!({ "agent": "nobody" })), 422),
        ("/api/calls/initiate".to_owned(), to(json!({ "webhook_url": "https://x.example" })), 422),
        ("/api/calls/initiate".to_owned(), to(json!({ "ring_seconds": 4 })), 422),
        ("/api/calls/initiate".to_owned(), to(json!({ "caller_id": "x" })), 422),
        ("/api/calls/initiate".to_owned(), to(json!({ "facts": { "customer name": "x".repeat(300) } })), 422),
        (format!("/trigger-call/{}", uuid::Uuid::now_v7()), json!({}), 404),
        ("/trigger-bulk-calls".to_owned(), json!({ "customer_ids": [id, uuid::Uuid::now_v7()] }), 501),
        ("/trigger-bulk-calls".to_owned(), json!({ "customer_ids": ["x"] }), 400),
    ] {
        let (got, problem) = api.post(&path, &body).await;
        assert_eq!(got, status, "{path} {problem}");
        if status == 501 {
            assert!(problem["detail"].as_str().unwrap().contains("nobody was called"));
        }
    }
    // No agent speaks for this tenant.
    assert_eq!(api.post(&format!("/trigger-call/{id}"), &json!({})).await.0, 422);
    assert_eq!(api.get(&format!("/api/customers/{id}")).await.1["call_status"], "ready");
    let to = json!({ "status": "initiated" });
    told(api.ask(Method::PUT, &format!("/customers/{id}/status")).json(&to)).await;
    assert_eq!(api.post(&format!("/trigger-call/{id}"), &json!({})).await.0, 409);
}

/// Walks every `GET` of the document with everything that one tenant has, as the other tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_see_nothing_of_each_other() {
    let api = Api::start().await;
    let customer = added(&api, &asha()).await;
    let call = a_call(&api, "bank", 1, true).await.to_string();
    let file = api
        .ask(Method::POST, "/api/uploads")
        .header("content-type", "text/csv")
        .body("name,phone\nSecret,98\nRavi,9876500001\n");
    let upload = told(file).await.1["id"].as_str().unwrap().to_owned();
    let document = api.ask(Method::PUT, "/api/documents/agent/emi").header("if-none-match", "*").body("secret = 1");
    assert_eq!(told(document).await.0, 201);
    let (mut walked, mut found) = (0, 0);
    for row in access::TABLE.iter().filter(|row| row.method == "GET") {
        let described = &openapi::document()["paths"][row.path]["get"];
        let mine = ["/api/customers", "/customers", "/api/uploads", "/api/calls", "/api/documents", "/api/analytics"];
        if !described.is_object() || !mine.iter().any(|path| row.path.starts_with(path)) {
            continue;
        }
        // Of the registry, which knows no call here.
        if ["/api/calls/{id}", "/api/calls/{id}/decisions"].contains(&row.path) {
            continue;
        }
        for id in [&customer, &call, &upload, &"CA1bank".to_owned()] {
            let path = row
                .path
                .replace("{id}", id)
                .replace("{kind}", "agent")
                .replace("{name}", "emi")
                .replace("{number}", "1");
            let own = api.ask(Method::GET, &path).send().await.unwrap();
            found += usize::from(own.status().is_success());
            let theirs = api.ask_as("hospital", "admin", Method::GET, &path).send().await.unwrap();
            let (status, text) = (theirs.status(), theirs.text().await.unwrap());
            assert!(status == 200 || status == 404, "{path} {status}");
            if row.path.contains('{') {
                assert_eq!(status, 404, "{path}");
            }
            for secret in [&customer, &call, &upload, "Asha", "Ravi", "Secret", "secret", "98765", "CA1bank"] {
                assert!(!text.contains(secret), "{path} tells {secret} to the other tenant: {text}");
            }
            walked += 1;
        }
    }
    assert!(walked > 60 && found > 30, "{walked} walked, {found} found");
    // Nor may the other one change anything.
    for (method, path) in [
        (Method::PATCH, format!("/api/customers/{customer}")),
        (Method::DELETE, format!("/api/customers/{customer}")),
        (Method::PUT, format!("/customers/{customer}/status")),
        (Method::POST, "/api/documents/agent/emi/versions/1/activate".to_owned()),
        (Method::POST, format!("/trigger-call/{customer}")),
    ] {
        let request = api.ask_as("hospital", "admin", method, &path).header("if-match", "*");
        assert_eq!(told(request.json(&json!({ "status": "initiated" }))).await.0, 404, "{path}");
    }
}
