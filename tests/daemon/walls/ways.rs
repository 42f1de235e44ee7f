//! What each operation is asked with. A route that is new must be added here: the walk fails until it
//! says what stands in its path, its query and its body.

use reqwest::Method;
use serde_json::json;

use super::callers::{Ask, Sent};
use super::seed::Side;

/// The kinds of the ids in a path, in their order.
fn kinds(path: &str) -> &'static [&'static str] {
    let at = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        _ if !path.contains('{') => &[],
        "/api/outbox/{id}/replay" => &["letter"],
        "/trigger-call/{id}" => &["customer"],
        "/ws/dashboard/{id}" | "/webrtc/{agent}" | "/webrtc/session/{id}" => &["page"],
        "/api/backups/{name}/verify" => &["backup"],
        "/api/tokens/{jti}" => &["token"],
        "/api/me/sessions/{id}" => &["session"],
        "/api/calls/status/{id}" => &["call"],
        _ if at("/sessions/{id}") || at("/api/calls/{id}") => &["call"],
        _ if at("/api/callbacks/{id}") => &["callback"],
        _ if at("/api/dnd/lists/{number}") => &["list"],
        _ if at("/api/holds/{id}") => &["hold"],
        _ if at("/api/users/{id}") => &["user"],
        _ if at("/api/keys/{id}") => &["key"],
        _ if at("/api/tenants/{id}") => &["tenant"],
        _ if at("/api/webhooks/{id}") => &["webhook"],
        _ if at("/customers/{id}") || at("/api/customers/{id}") => &["customer"],
        _ if at("/api/uploads/{id}") => &["upload"],
        _ if at("/api/documents/{kind}/{name}/versions/{number}") => &["kind", "name", "version"],
        _ if at("/api/documents/{kind}/{name}") => &["kind", "name"],
        _ => panic!("{path} is new: say in {} what its ids are", file!()),
    }
}

/// The path with the ids of `side`, once for each that it has.
pub(super) fn filled(path: &str, side: &Side) -> Vec<String> {
    let kinds = kinds(path);
    let ids = |kind: &str| side.ids.get(kind).unwrap_or_else(|| panic!("no {kind} was planted"));
    let times = kinds.first().map_or(1, |kind| ids(kind).len());
    let one = |n: usize| {
        let mut filled = String::new();
        for (at, piece) in path.split(['{', '}']).enumerate() {
            match at % 2 {
                0 => filled.push_str(piece),
                _ => filled.push_str(ids(kinds[at / 2]).get(n).unwrap_or(&ids(kinds[at / 2])[0])),
            }
        }
        filled
    };
    (0..times).map(one).collect()
}

/// A request that would be carried out if the one who asks might: `side` is whose things it names.
/// `n` makes what is new differ from one time to the next.
pub(super) fn ask(method: &str, route: &str, path: String, side: &Side, n: usize) -> Ask {
    let word = side.word;
    let customer = || side.id("customer").to_owned();
    let sent = match (method, route) {
        ("GET" | "OPTIONS", _) => Sent::Nothing,
        ("POST", "/webrtc/{agent}" | "/webrtc/session/{id}") => Sent::Text("application/sdp", "v=0\r\n".to_owned()),
        ("PATCH", "/webrtc/session/{id}") => Sent::Text("application/trickle-ice-sdpfrag", String::new()),
        ("POST", "/ai/process") => {
            Sent::Json(json!({ "user_input": "hello", "language": "en-IN", "agent": side.agent("desk") }))
        }
        ("POST", "/api/audit/verify") => Sent::Json(json!({})),
        ("POST", "/api/consents") => Sent::Json(json!({
            "phone_number": side.touched, "purpose": "promotional", "channel": "voice", "status": "withdrawn", "explicit": true,
        })),
        ("POST", "/api/consents/history") => Sent::Json(json!({ "phone_number": side.phone })),
        ("POST", "/api/consents/check") => {
            Sent::Json(json!({ "phone_number": side.phone, "purpose": "promotional", "category": "finance" }))
        }
        ("POST", "/api/dnd/check") => Sent::Json(json!({ "phone_number": side.phone, "category": "finance" })),
        ("POST", "/api/dnd" | "/api/dnd/remove") => {
            Sent::Json(json!({ "phone_number": side.touched, "reason": "by letter" }))
        }
        ("POST", "/api/dnd/lists") => Sent::Text("text/csv", format!("phone\n{}\n", side.touched)),
        ("POST", "/api/privacy/export" | "/api/privacy/erase") => {
            Sent::Json(json!({ "customer_id": side.ids["customer"][1] }))
        }
        ("POST", "/api/holds") => Sent::Json(json!({ "phone_number": side.touched, "reason": "a case" })),
        ("POST", "/api/setup" | "/api/login/reset") => {
            Sent::Json(json!({ "code": "wrong", "login": format!("{word}@example.com"), "password": "long enough 17" }))
        }
        ("POST", "/api/login") => Sent::Json(json!({ "login": format!("{word}@example.com"), "password": "wrong" })),
        ("POST", "/api/me/password") => Sent::Json(json!({ "old": "wrong", "new": "long enough 17" })),
        ("POST", "/api/me/totp") | ("DELETE", "/api/me/totp") => Sent::Json(json!({ "password": "wrong" })),
        ("POST", "/api/me/totp/confirm") => Sent::Json(json!({ "code": "000000" })),
        ("POST", "/api/users") => {
            Sent::Json(json!({ "login": format!("new{n}@example.com"), "role": "viewer", "tenant": side.tenant }))
        }
        ("PUT", "/api/users/{id}") => Sent::Json(json!({ "name": "another" })),
        ("POST", "/api/users/{id}/reset") => Sent::Json(json!({ "second_factor": true })),
        ("POST", "/api/keys") => Sent::Json(json!({ "name": "new", "role": "viewer", "tenant": side.tenant })),
        ("POST", "/api/tokens") => Sent::Json(json!({ "name": "new" })),
        ("POST", "/api/tenants") => Sent::Json(json!({ "id": format!("new{n}"), "name": "new" })),
        ("PUT", "/api/tenants/{id}") => Sent::Json(json!({ "name": "another" })),
        // Not its own id: nobody is to be shredded in passing.
        ("DELETE", "/api/tenants/{id}") => Sent::Json(json!({ "confirm": "no" })),
        ("POST", "/api/webhooks") | ("PUT", "/api/webhooks/{id}") => {
            Sent::Json(json!({ "url": "https://new.example.com/hook", "enabled": false }))
        }
        ("POST", "/api/webhooks/{id}/rotate") => Sent::Json(json!({})),
        ("POST", "/api/webhooks/{id}/replay") => Sent::Json(json!({ "since": "2020-01-01T00:00:00Z" })),
        ("POST" | "PUT", "/customers" | "/api/customers" | "/customers/{id}" | "/api/customers/{id}") => {
            Sent::Json(json!({ "name": "new", "phone_number": format!("+9197{n:08}") }))
        }
        ("PATCH", "/customers/{id}" | "/api/customers/{id}") => Sent::Json(json!({ "comments": "overwritten" })),
        ("PUT", "/customers/{id}/status" | "/api/customers/{id}/status") => {
            Sent::Json(json!({ "status": "initiated" }))
        }
        ("POST", "/upload-customers" | "/api/uploads") => {
            Sent::Text("text/csv", format!("name,phone_number\nnew,+9196{n:08}\n"))
        }
        ("POST", "/api/calls/initiate") => {
            Sent::Json(json!({ "phone_number": side.phone, "agent": side.agent("echo") }))
        }
        ("POST", "/trigger-bulk-calls") => Sent::Json(json!({ "customer_ids": [customer()] })),
        ("PUT", "/api/documents/{kind}/{name}") => Sent::Text("text/plain", "name = \"new\"\n".to_owned()),
        (
            "POST",
            "/api/logout"
            | "/api/live/ticket"
            | "/api/backups"
            | "/api/calls/{id}/recording/stop"
            | "/trigger-call/{id}"
            | "/api/webhooks/{id}/test"
            | "/api/outbox/{id}/replay"
            | "/api/documents/{kind}/{name}/versions/{number}/activate",
        )
        | ("DELETE", _) => Sent::Nothing,
        _ => panic!("{method} {route} is new: say in {} what is sent to it", file!()),
    };
    let path = match (method, route) {
        ("POST", "/api/dnd/lists") => format!("{path}?name=new&kind=own"),
        ("DELETE", "/api/holds/{id}") => format!("{path}?reason=over"),
        _ => path,
    };
    let method: Method = method.parse().unwrap();
    let changes = matches!(method, Method::PUT | Method::PATCH | Method::DELETE) || route.ends_with("/activate");
    // With * a document of this name would be begun.
    let version = if route == "/api/documents/{kind}/{name}" { "\"v2\"" } else { "*" };
    let headers = if changes { vec![("if-match", version.to_owned())] } else { Vec::new() };
    Ask { method, path, headers, sent }
}

/// Does the request name something of a side, in its path or its body, and leave nothing new behind
/// that differs by itself? Then it must be answered as if nobody had that thing.
pub(super) fn names_things(method: &str, route: &str) -> bool {
    let in_body = [
        "/ai/process",
        "/api/calls/initiate",
        "/trigger-bulk-calls",
        "/api/privacy/export",
        "/api/privacy/erase",
        "/api/consents/history",
        "/api/consents/check",
        "/api/dnd/check",
        "/api/users",
        "/api/keys",
    ];
    !kinds(route).is_empty() || (method == "POST" && in_body.contains(&route))
}

/// What to write into a parameter of a query to look for things of `side`; `None`: it names nothing.
pub(super) fn sought(parameter: &str, side: &Side) -> Option<Vec<String>> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    match parameter {
        "phone_number" => one(&side.phone.replace('+', "%2B")),
        "external_id" => one(&format!("{}-0", side.word)),
        "loan_id" => one(&format!("{}-loan-0", side.word)),
        "owner" => one(&format!("{}-owner", side.word)),
        "upload_id" => one(side.id("upload")),
        "customer" => one(side.id("customer")),
        "about" => one(side.id("customer")),
        "who" => Some(vec![side.id("user").to_owned(), format!("user:{}", side.id("user"))]),
        "after" => Some(vec![side.id("user").to_owned(), side.id("key").to_owned()]),
        "agent" => one(&side.agent("echo")),
        "campaign" => one(&format!("{}-campaign", side.word)),
        "x-vaani-tenant" => one(&side.tenant),
        // Told apart in the walk: they must first be handed out.
        "cursor" | "last_event_id" => None,
        "limit" | "days" | "of" | "what" | "from_ms" | "to_ms" | "until_ms" | "state" | "status" | "direction"
        | "language" | "language_code" | "pool" | "callback_before_ms" | "kind" | "dry_run" | "file_name"
        | "activate" | "note" | "active" | "against" | "name" | "valid_until_ms" | "reason" | "code" | "error"
        | "iss" | "back" | "ticket" => None,
        _ => panic!("the parameter {parameter} is new: say in {} what it may name", file!()),
    }
}

/// `GET`s that show nothing of any tenant, or nothing to its admin.
pub(super) const SHOW_NOTHING: [&str; 24] = [
    // None was recorded.
    "/api/calls/{id}/recording",
    // Browsers may not call this box.
    "/webrtc",
    "/call",
    "/call/call.css",
    "/call/call.js",
    "/ca.crt",
    "/health",
    "/metrics",
    "/api/openapi.json",
    "/api/login",
    "/api/oidc/login",
    "/api/oidc/callback",
    "/ws/dashboard/{id}",
    "/api/me/sessions",
    "/api/ai/quality",
    "/api/ai/costs",
    "/api/dnd/lists/{number}/rejects",
    // Of the box.
    "/api/alerts",
    "/api/backups",
    "/api/backups/{name}/verify",
    "/api/system/storage",
    "/api/system/stats",
    "/api/tenants",
    "/api/tenants/{id}",
];
