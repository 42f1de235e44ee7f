//! The guard itself: every row × every kind of caller over a real socket, and what callers try.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::routing::{any, get};
use serde_json::{Value, json};

use super::super::access_support::{BOX_TOKEN, House, settings};
use super::*;
use crate::auth::Role;
use crate::auth::access::TABLE;
use crate::config;

/// A router with every route of the table, each of which tells who asked.
fn every_row() -> Router<Gate> {
    let paths: BTreeSet<&str> = TABLE.iter().map(|row| row.path).collect();
    let tell = |who: Option<Principal>, peer: Peer, parts: Parts| async move {
        let tenant = parts.extensions.get::<Tenant>().map(|tenant| tenant.id.to_string());
        let who = who.map(|who| (who.actor(), who.name));
        axum::Json(json!({ "who": who, "tenant": tenant, "address": peer.address }))
    };
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(tell)))
}

/// The path with something in each place.
fn filled(path: &str) -> String {
    let mut pieces = path.split(['{', '}']).enumerate();
    pieces.by_ref().map(|(at, piece)| if at % 2 == 1 { "x" } else { piece }).collect()
}

#[tokio::test]
async fn every_row_answers_every_role_as_the_table_says() {
    let house = House::with(settings(), House::guarded(every_row())).await;
    house.tenant("asha").await;
    let mut callers: Vec<(String, Option<Principal>)> =
        vec![("a stranger".to_owned(), None), (BOX_TOKEN.to_owned(), Some(Principal::the_box("api token")))];
    for role in Role::ALL {
        for tenant in [None, Some("asha")] {
            let known = Principal::new(crate::auth::Kind::Nobody, "", role, tenant.map(|t| t.parse().unwrap()));
            callers.push((house.key(role, tenant).await, Some(known)));
        }
    }
    let mut cells = 0;
    for (token, known) in &callers {
        for row in TABLE {
            let answer = match known {
                Some(_) => house.by(token, row.method, &filled(row.path), None).await,
                None => house.send(row.method, &filled(row.path), &[], None).await,
            };
            let expected = match (row.needs, known) {
                (Need::Nobody, _) => 200,
                (_, None) => 401,
                (Need::Anybody, Some(_)) => 200,
                (Need::May(permission), Some(who)) => {
                    // Written out, not asked of `Principal::may`.
                    let own = who.role.may(permission) && !(who.tenant.is_some() && permission.is_of_the_box());
                    if own { 200 } else { 403 }
                }
            };
            let who = known.as_ref().map(|who| (who.role, &who.tenant));
            assert_eq!(answer.status.as_u16(), expected, "{who:?} × {} {}", row.method, row.path);
            if expected != 200 {
                answer.is(expected);
            }
            cells += 1;
        }
    }
    assert_eq!(cells, TABLE.len() * (2 + 2 * 6));
}

/// Routes named in the source of this room: path and methods. A path may be written out, or begin with
/// the `base` of a loop over paths that are.
fn routes_in(source: &str) -> Vec<(String, &'static str)> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let bases: Vec<&str> = code
        .split_once("for base in [")
        .map(|(_, list)| list.split(']').next().unwrap().split('"').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let mut found = Vec::new();
    for piece in code.split(".route(").skip(1) {
        let mut depth = 1_usize;
        let end = piece.find(|c| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let inside = piece[..end.expect("a closed bracket")].trim_start();
        let (paths, handlers): (Vec<String>, &str) = if let Some(rest) = inside.strip_prefix('"') {
            let (path, handlers) = rest.split_once('"').unwrap();
            (vec![path.to_owned()], handlers)
        } else if let Some(handlers) = inside.strip_prefix("base,") {
            (bases.iter().map(|base| (*base).to_owned()).collect(), handlers)
        } else {
            let rest = inside.strip_prefix("&format!(\"{base}").expect("a path that this search can read");
            let (path, handlers) = rest.split_once('"').unwrap();
            let path = path.replace("{{", "{").replace("}}", "}");
            (bases.iter().map(|base| format!("{base}{path}")).collect(), handlers)
        };
        assert!(!paths.is_empty(), "no path: {inside}");
        for (word, method) in [
            ("get(", "GET"),
            ("post(", "POST"),
            ("put(", "PUT"),
            ("patch(", "PATCH"),
            ("delete(", "DELETE"),
            ("options(", "OPTIONS"),
            ("any(", "*"),
        ] {
            // `get(` and `.get(`, but not `budget(`.
            let named = handlers
                .match_indices(word)
                .any(|(at, _)| !handlers[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_'));
            if named {
                found.extend(paths.iter().map(|path| (path.clone(), method)));
            }
        }
    }
    found
}

#[test]
fn every_route_of_the_source_has_a_row_and_every_row_a_route() {
    let guarded = ["src/api", "src/app", "src/telephony/webrtc"];
    let mut routes = BTreeSet::new();
    let mut folders = guarded.map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().ends_with("_tests.rs") {
                routes.extend(routes_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    let rows: BTreeSet<(String, &str)> = TABLE.iter().map(|row| (row.path.to_owned(), row.method)).collect();
    let without_row: Vec<_> = routes.difference(&rows).collect();
    assert!(without_row.is_empty(), "routes without a row in auth/access.rs: {without_row:?}");
    let without_route: Vec<_> = rows.difference(&routes).collect();
    assert!(without_route.is_empty(), "rows without a route: {without_route:?}");
}

#[test]
fn the_search_for_routes_sees_every_spelling() {
    let source = r#".route("/a", get(x::list).post(make)) .route("/b/{id}", axum::routing::any(all))
        .route(
            "/c",
            delete(gone).put(|| async { budget(1) }),
        )
        for base in ["/d", "/e"] { .route(base, get(x)).route(&format!("{base}/{{id}}"), put(x)) }"#;
    let expected = [
        ("/a", "GET"),
        ("/a", "POST"),
        ("/b/{id}", "*"),
        ("/c", "PUT"),
        ("/c", "DELETE"),
        ("/d", "GET"),
        ("/e", "GET"),
        ("/d/{id}", "PUT"),
        ("/e/{id}", "PUT"),
    ];
    assert_eq!(routes_in(source), expected.map(|(path, method)| (path.to_owned(), method)));
}

#[tokio::test]
async fn a_route_without_a_row_is_closed_to_everybody() {
    let routes = every_row().route("/api/forgotten", get(|| async { "inside" }));
    let house = House::with(settings(), House::guarded(routes)).await;
    house.owner("GET", "/api/forgotten", None).await.is(403);
    house.send("GET", "/api/forgotten", &[], None).await.is(403);
    assert_eq!(house.owner("GET", "/api/nowhere", None).await.status, 404);
    let answer = house.owner("PATCH", "/api/users", None).await;
    answer.is(405);
    assert_eq!(answer.headers["allow"], "GET, POST, HEAD");
    assert_eq!(house.owner("HEAD", "/api/users", None).await.status, 200);
    assert_eq!(house.send("HEAD", "/api/users", &[], None).await.status, 401);
    house.owner("OPTIONS", "/api/users", None).await.is(405);
}

#[tokio::test]
async fn what_is_no_key_lets_nobody_in() {
    let house = House::with(settings(), House::guarded(every_row())).await;
    let key = house.key(Role::Admin, None).await;
    assert_eq!(house.by(&key, "GET", "/api/users", None).await.status, 200);
    let mut other = key.clone();
    other.replace_range(key.len() - 1.., if key.ends_with('0') { "1" } else { "0" });
    let long = "x".repeat(6_000);
    let wrong = [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "bearer: x",
        &key,
        &format!("Bearer {other}"),
        "Bearer null",
        &format!("Bearer {}", &BOX_TOKEN[1..]),
        &format!("Bearer {BOX_TOKEN}x"),
        &format!("Bearer {long}"),
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        &format!("Bearer {key} {key}"),
    ];
    for header in wrong {
        house.send("GET", "/api/users", &[("authorization", header)], None).await.is(401);
    }
    let cookies = ["vaani=", "vaani=x", "vaani=a.b.c; vaani=d", &format!("vaani={BOX_TOKEN}"), &format!("vaani={key}")];
    for cookie in cookies {
        house.send("GET", "/api/users", &[("cookie", cookie)], None).await.is(401);
    }
    // The scheme in any case, as the standard has it.
    let lower = format!("bearer {key}");
    assert_eq!(house.send("GET", "/api/users", &[("authorization", &lower)], None).await.status, 200);
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let house = House::new().await;
    house.person("asha", Role::Admin, None).await;
    house.person("bina", Role::Admin, None).await;
    let (asha, bina) = (house.login("asha").await, house.login("bina").await);
    let logout = async |headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", asha.cookie.as_str())];
        all.extend_from_slice(headers);
        house.send("DELETE", "/api/me/sessions", &all, None).await
    };
    logout(&[]).await.is(403);
    logout(&[("x-csrf-token", "")]).await.is(403);
    logout(&[("x-csrf-token", "x")]).await.is(403);
    logout(&[("x-csrf-token", &bina.csrf)]).await.is(403);
    logout(&[("x-csrf-token", &asha.csrf), ("origin", "https://evil.example")]).await.is(403);
    logout(&[("x-csrf-token", &asha.csrf), ("origin", "null")]).await.is(403);
    let host = house.address.to_string();
    let own = format!("http://{host}");
    assert_eq!(logout(&[("x-csrf-token", &asha.csrf), ("origin", &own)]).await.status, 204);
    assert_eq!(logout(&[("x-csrf-token", &asha.csrf), ("origin", "http://vaani.test")]).await.status, 204);
    assert_eq!(logout(&[("x-csrf-token", &asha.csrf)]).await.status, 204);
    // Reading needs no token, but a foreign page may not read either.
    let read = [("cookie", asha.cookie.as_str())];
    assert_eq!(house.send("GET", "/api/me", &read, None).await.status, 200);
    let foreign = [read[0], ("origin", "https://evil.example")];
    house.send("GET", "/api/me", &foreign, None).await.is(403);
    // A key needs none: no page can make a browser send it.
    let key = house.key(Role::Admin, None).await;
    assert_eq!(house.by(&key, "POST", "/api/logout", None).await.status, 204);
}

#[tokio::test]
async fn everybody_gets_the_tenant_they_may_see() {
    let house = House::with(settings(), House::guarded(every_row())).await;
    for tenant in ["asha", "bina"] {
        house.tenant(tenant).await;
    }
    let whole = house.key(Role::Admin, None).await;
    let asha = house.key(Role::Admin, Some("asha")).await;
    let ask = async |token: &str, path: &str, header: Option<&str>| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(header.map(|tenant| (TENANT_HEADER, tenant)));
        house.send("GET", path, &headers, None).await
    };
    let tenant = |answer: super::super::access_support::Answer| {
        answer.is(200);
        answer.json["tenant"].as_str().unwrap().to_owned()
    };
    assert_eq!(tenant(ask(&whole, "/api/me", None).await), "default");
    assert_eq!(tenant(ask(&whole, "/api/me", Some("bina")).await), "bina");
    assert_eq!(tenant(ask(&whole, "/api/me?x-vaani-tenant=bina", None).await), "bina");
    assert_eq!(tenant(ask(&whole, "/api/me?x-vaani-tenant=bina", Some("asha")).await), "asha");
    assert_eq!(tenant(ask(&asha, "/api/me", None).await), "asha");
    assert_eq!(tenant(ask(&asha, "/api/me", Some("asha")).await), "asha");
    for other in ["bina", "default", "nobody"] {
        ask(&asha, "/api/me", Some(other)).await.is(403);
        ask(&asha, &format!("/api/me?x-vaani-tenant={other}"), None).await.is(403);
    }
    for wrong in ["nobody", "", "../asha", "Asha", "asha,bina"] {
        ask(&whole, "/api/me", Some(wrong)).await.is(404);
    }
    // A tenant that another process made is there at once.
    let other = crate::store::Vault::open(
        house.gate.vault().state(),
        house.gate.vault().master().clone(),
        crate::base::Clock::system(),
    )
    .unwrap();
    other.create_tenant(&"chitra".parse().unwrap(), "Chitra").unwrap();
    assert_eq!(tenant(ask(&whole, "/api/me", Some("chitra")).await), "chitra");
    other.close();
}

#[tokio::test]
async fn requests_are_limited_by_key_and_by_address() {
    let limits = config::AuthLimits { key_per_second: 1, key_burst: 3, address_per_second: 1, address_burst: 2 };
    let house = House::with(config::Auth { limits, ..settings() }, House::guarded(every_row())).await;
    let (one, two) = (house.key(Role::Viewer, None).await, house.key(Role::Viewer, None).await);
    for _ in 0..3 {
        assert_eq!(house.by(&one, "GET", "/api/me", None).await.status, 200);
    }
    let answer = house.by(&one, "GET", "/api/me", None).await;
    answer.is(429);
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert_eq!(house.by(&two, "GET", "/api/me", None).await.status, 200, "another key");
    // Strangers share what their address has; wrong keys count there too.
    house.by("vaani_wrong", "GET", "/api/me", None).await.is(401);
    assert_eq!(house.send("GET", "/health", &[], None).await.status, 200);
    house.send("GET", "/health", &[], None).await.is(429);
    house.by("vaani_wrong", "GET", "/api/me", None).await.is(429);
    assert_eq!(house.by(&two, "GET", "/api/me", None).await.status, 200, "who is known is not hit by them");
    // Behind the proxy there are other addresses.
    let header = ("x-forwarded-for", "203.0.113.7");
    assert_eq!(house.send("GET", "/health", &[header], None).await.status, 200);
    for _ in 0..20 {
        assert_eq!(house.owner("GET", "/api/me", None).await.status, 200, "the box's own token");
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let told = async |trusted: &[&str], hops: &[&str]| -> Value {
        let trusted_proxies = trusted.iter().map(|address| address.parse().unwrap()).collect();
        let house = House::with(config::Auth { trusted_proxies, ..settings() }, House::guarded(every_row())).await;
        let headers: Vec<_> = hops.iter().map(|hop| ("x-forwarded-for", *hop)).collect();
        house.send("GET", "/health", &headers, None).await.json["address"].clone()
    };
    assert_eq!(told(&["127.0.0.1"], &["203.0.113.7"]).await, "203.0.113.7");
    assert_eq!(told(&[], &["203.0.113.7"]).await, "127.0.0.1");
    assert_eq!(told(&["127.0.0.1"], &["6.6.6.6, 203.0.113.7"]).await, "203.0.113.7", "the client's own word");
    assert_eq!(told(&["127.0.0.1", "10.0.0.1"], &["6.6.6.6, 203.0.113.7", "10.0.0.1"]).await, "203.0.113.7");
    for wrong in ["", "unknown", "203.0.113.7:80", "'; DROP", "203.0.113.7, "] {
        assert_eq!(told(&["127.0.0.1"], &[wrong]).await, "127.0.0.1", "{wrong}");
    }
    assert_eq!(told(&["127.0.0.1"], &["::ffff:203.0.113.7"]).await, "203.0.113.7");
}

#[test]
fn a_handler_behind_no_guard_gets_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        let refused = <Principal as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.unwrap_err();
        assert_eq!(refused.code, StatusCode::UNAUTHORIZED);
        let refused = <Tenant as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.err().unwrap();
        assert_eq!(refused.code, StatusCode::NOT_FOUND);
        assert!(<Peer as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.is_err());
    });
}
