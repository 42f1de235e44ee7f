//! People, keys, tokens and tenants over a real socket: who may make and change what.

use serde_json::{Value, json};

use super::super::access_support::{BOX_TOKEN, House, PASSWORD};
use crate::auth::Role;

#[tokio::test]
async fn somebody_is_invited_and_comes_in() {
    let house = House::new().await;
    let made = house.owner("POST", "/api/users", Some(json!({ "login": "Asha@Bank.in", "role": "supervisor" }))).await;
    made.is(201);
    assert_eq!(made.json["user"]["login"], "asha@bank.in");
    assert_eq!(made.json["user"]["has_password"], false);
    let code = made.json["code"].as_str().unwrap();
    house.try_login("asha@bank.in", "", None).await.is(401);
    let reset = async |login: &str, code: &str, password: &str| {
        house
            .send("POST", "/api/login/reset", &[], Some(json!({ "login": login, "code": code, "password": password })))
            .await
    };
    reset("bina@bank.in", code, PASSWORD).await.is(403);
    reset("asha@bank.in", "WRONG-CODE", PASSWORD).await.is(403);
    reset("asha@bank.in", code, "asha").await.is(422);
    assert_eq!(reset("ASHA@bank.in", code, PASSWORD).await.status, 204);
    reset("asha@bank.in", code, "another one entirely").await.is(403);
    let browser = house.login("asha@bank.in").await;
    // A reset closes everything at once.
    let id = made.json["user"]["id"].as_str().unwrap();
    let code = house.owner("POST", &format!("/api/users/{id}/reset"), Some(json!({}))).await;
    code.is(200);
    house.browse(&browser, "GET", "/api/me", None).await.is(401);
    house.try_login("asha@bank.in", PASSWORD, None).await.is(401);
    assert_eq!(reset("asha@bank.in", code.json["code"].as_str().unwrap(), PASSWORD).await.status, 204);
    // What is no user.
    for body in [
        json!({ "login": "asha@bank.in", "role": "viewer" }),
        json!({ "login": "", "role": "viewer" }),
        json!({ "login": "a b", "role": "viewer" }),
        json!({ "login": "x".repeat(500), "role": "viewer" }),
        json!({ "login": "x", "role": "root" }),
        json!({ "login": "x", "role": "service" }),
        json!({ "login": "x", "role": "viewer", "tenant": "nobody" }),
        json!({ "login": "x", "role": "viewer", "tenant": "../x" }),
        json!({ "login": "x", "role": "viewer", "name": "a\nb" }),
        json!({ "login": "x", "role": "viewer", "password": "as an extra field" }),
        json!({ "role": "viewer" }),
        json!([]),
        json!("x"),
    ] {
        let answer = house.owner("POST", "/api/users", Some(body.clone())).await;
        assert!(matches!(answer.status.as_u16(), 400 | 409 | 422), "{body}: {:?}", answer.json);
        answer.is(answer.status.as_u16());
    }
    let headers = [("authorization", &*format!("Bearer {BOX_TOKEN}")), ("content-type", "text/plain")];
    house.send("POST", "/api/users", &headers, None).await.is(415);
    let huge = json!({ "login": "x".repeat(1_000_000), "role": "viewer" });
    house.owner("POST", "/api/users", Some(huge)).await.is(413);
}

#[tokio::test]
async fn the_last_admin_of_the_box_stays_and_old_versions_are_refused() {
    let house = House::new().await;
    house.tenant("asha").await;
    let id = house.person("boss", Role::Admin, None).await;
    house.person("tenantadmin", Role::Admin, Some("asha")).await;
    let path = format!("/api/users/{id}");
    let bearer = format!("Bearer {BOX_TOKEN}");
    let put = async |tag: Option<&str>, body: Value| {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        house.send("PUT", &path, &headers, Some(body)).await
    };
    let tag = async || house.owner("GET", &path, None).await.headers["etag"].clone();
    let now = tag().await;
    for body in [json!({ "role": "viewer" }), json!({ "disabled": true }), json!({ "tenant": "asha" })] {
        put(Some(&now), body).await.is(409);
    }
    house.owner("DELETE", &path, None).await.is(409);
    put(None, json!({ "name": "Boss" })).await.is(428);
    for stale in ["\"v7\"", "W/\"v1\"", "\"\""] {
        put(Some(stale), json!({ "name": "Boss" })).await.is(412);
    }
    put(Some("v1"), json!({ "name": "Boss" })).await.is(400);
    let changed = put(Some(&now), json!({ "name": "The Boss" })).await;
    changed.is(200);
    assert_eq!(changed.json["name"], "The Boss");
    put(Some(&now), json!({ "name": "Again" })).await.is(412);
    put(Some(&changed.headers["etag"]), json!({ "nmae": "typo" })).await.is(400);
    // With a second one the first may go, and only one of both at the same time.
    let second = house.person("second", Role::Admin, None).await;
    let other = format!("/api/users/{second}");
    let (a, b) =
        futures_util::future::join(house.owner("DELETE", &path, None), house.owner("DELETE", &other, None)).await;
    assert_eq!([a.status.as_u16(), b.status.as_u16()].iter().filter(|status| **status == 204).count(), 1);
}

#[tokio::test]
async fn nobody_reaches_beyond_their_tenant_or_their_rights() {
    let house = House::new().await;
    for tenant in ["asha", "bina"] {
        house.tenant(tenant).await;
    }
    house.person("boss", Role::Admin, None).await;
    house.person("admin-a", Role::Admin, Some("asha")).await;
    let bina = house.person("admin-b", Role::Admin, Some("bina")).await;
    let clerk = house.person("clerk-a", Role::HumanAgent, Some("asha")).await;
    let boss = house.owner("GET", "/api/users", None).await.json["users"][0]["id"].as_str().unwrap().to_owned();
    let admin = house.login("admin-a").await;
    let seen = house.browse(&admin, "GET", "/api/users", None).await.json;
    let logins: Vec<&str> =
        seen["users"].as_array().unwrap().iter().map(|user| user["login"].as_str().unwrap()).collect();
    assert_eq!(logins, ["admin-a", "clerk-a"]);
    for id in [bina.to_string(), boss] {
        let path = format!("/api/users/{id}");
        house.browse(&admin, "GET", &path, None).await.is(404);
        house.browse(&admin, "DELETE", &path, None).await.is(404);
        house.browse(&admin, "POST", &format!("{path}/reset"), Some(json!({}))).await.is(404);
        let headers = [("cookie", &*admin.cookie), ("x-csrf-token", &*admin.csrf), ("if-match", "\"v1\"")];
        house.send("PUT", &path, &headers, Some(json!({ "disabled": true }))).await.is(404);
    }
    // People of the own tenant, also where nothing is said; nobody above and nobody elsewhere.
    let made = house.browse(&admin, "POST", "/api/users", Some(json!({ "login": "new-a", "role": "admin" }))).await;
    assert_eq!(made.json["user"]["tenant"], "asha");
    house
        .browse(&admin, "POST", "/api/users", Some(json!({ "login": "x", "role": "viewer", "tenant": "bina" })))
        .await
        .is(403);
    let path = format!("/api/users/{clerk}");
    let tag = house.browse(&admin, "GET", &path, None).await.headers["etag"].clone();
    let headers = [("cookie", &*admin.cookie), ("x-csrf-token", &*admin.csrf), ("if-match", &*tag)];
    for body in [json!({ "tenant": "*" }), json!({ "tenant": "bina" })] {
        house.send("PUT", &path, &headers, Some(body)).await.is(403);
    }
    // Keys likewise.
    let key = |body: Value| house.browse(&admin, "POST", "/api/keys", Some(body));
    key(json!({ "name": "k", "role": "admin", "tenant": "bina" })).await.is(403);
    let made = key(json!({ "name": "k", "role": "service" })).await;
    assert_eq!(made.json["tenant"], "asha");
    let foreign =
        house.owner("POST", "/api/keys", Some(json!({ "name": "k", "role": "viewer", "tenant": "bina" }))).await;
    let whole = house.owner("POST", "/api/keys", Some(json!({ "name": "k", "role": "viewer" }))).await;
    for other in [foreign, whole] {
        let path = format!("/api/keys/{}", other.json["id"].as_str().unwrap());
        house.browse(&admin, "GET", &path, None).await.is(404);
        house.browse(&admin, "DELETE", &path, None).await.is(404);
    }
    assert_eq!(house.browse(&admin, "GET", "/api/keys", None).await.json["keys"].as_array().unwrap().len(), 1);
    house.browse(&admin, "GET", "/api/tenants", None).await.is(403);
    // A key that may manage users gives no more than it has.
    let narrow = house
        .owner(
            "POST",
            "/api/keys",
            Some(json!({ "name": "n", "role": "admin", "scopes": ["users_manage", "calls_read"] })),
        )
        .await;
    let narrow = narrow.json["key"].as_str().unwrap();
    house.by(narrow, "POST", "/api/users", Some(json!({ "login": "y", "role": "viewer" }))).await.is(403);
    house.by(narrow, "POST", "/api/keys", Some(json!({ "name": "z", "role": "admin" }))).await.is(403);
}

#[tokio::test]
async fn keys_hold_until_their_end_and_tokens_no_longer_than_their_key() {
    let house = House::new().await;
    house.tenant("asha").await;
    let made =
        house.owner("POST", "/api/keys", Some(json!({ "name": "crm", "role": "service", "tenant": "asha" }))).await;
    made.is(201);
    let (key, id) = (made.json["key"].as_str().unwrap(), made.json["id"].as_str().unwrap());
    assert!(key.starts_with(&format!("vaani_{id}_")));
    let shown = house.owner("GET", &format!("/api/keys/{id}"), None).await;
    assert!(!shown.json.to_string().contains(key.rsplit('_').next().unwrap()), "the secret is shown once");
    let me = house.by(key, "GET", "/api/me", None).await.json;
    assert_eq!(
        (&me["role"], &me["tenant"], &me["actor"]),
        (&json!("service"), &json!("asha"), &json!(format!("key:{id}")))
    );
    assert!(house.owner("GET", &format!("/api/keys/{id}"), None).await.json["used_ms"].is_number());

    let issue = async |body: Value| house.by(key, "POST", "/api/tokens", Some(body)).await;
    let issued = issue(json!({ "name": "page", "scopes": ["ask_ai", "calls_read"], "seconds": 60 })).await;
    issued.is(201);
    let token = issued.json["token"].as_str().unwrap();
    let jti = issued.json["jti"].as_str().unwrap();
    let me = house.by(token, "GET", "/api/me", None).await.json;
    assert_eq!((&me["tenant"], &me["permissions"]), (&json!("asha"), &json!(["calls_read", "ask_ai"])));
    issue(json!({ "name": "p", "role": "admin" })).await.is(403);
    issue(json!({ "name": "p", "scopes": ["users_manage"], "role": "admin" })).await.is(403);
    for (seconds, status) in
        [(json!(0), 422), (json!(3_601), 422), (json!(-1), 400), (json!("60"), 400), (json!(1e300), 400)]
    {
        issue(json!({ "name": "p", "seconds": seconds })).await.is(status);
    }
    house.by(token, "POST", "/api/tokens", Some(json!({ "name": "p", "scopes": ["ask_ai"] }))).await.is(403);
    // Somebody else's token is not theirs to revoke.
    let other = house.key(Role::Service, Some("asha")).await;
    house.by(&other, "DELETE", &format!("/api/tokens/{jti}"), None).await.is(404);
    assert_eq!(house.by(key, "DELETE", &format!("/api/tokens/{jti}"), None).await.status, 204);
    house.by(token, "GET", "/api/me", None).await.is(401);
    // A revoked key takes its tokens along.
    let second = issue(json!({ "name": "page" })).await.json["token"].as_str().unwrap().to_owned();
    assert_eq!(house.by(&second, "GET", "/api/me", None).await.status, 200);
    assert_eq!(house.owner("DELETE", &format!("/api/keys/{id}"), None).await.status, 204);
    house.by(key, "GET", "/api/me", None).await.is(401);
    house.by(&second, "GET", "/api/me", None).await.is(401);
    // A key with an end.
    let soon = house.gate.now_ms() + 400;
    let brief =
        house.owner("POST", "/api/keys", Some(json!({ "name": "b", "role": "viewer", "until_ms": soon }))).await;
    let brief = brief.json["key"].as_str().unwrap().to_owned();
    assert_eq!(house.by(&brief, "GET", "/api/me", None).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(450)).await;
    house.by(&brief, "GET", "/api/me", None).await.is(401);
    house.owner("POST", "/api/keys", Some(json!({ "name": "b", "role": "viewer", "until_ms": soon }))).await.is(422);
}

#[tokio::test]
async fn a_token_of_a_restored_or_shredded_box_holds_no_more() {
    let house = House::new().await;
    house.tenant("asha").await;
    let asha = [("authorization", &*format!("Bearer {BOX_TOKEN}")), ("x-vaani-tenant", "asha")];
    let issued = house.send("POST", "/api/tokens", &asha, Some(json!({ "name": "p", "role": "viewer" }))).await;
    let token = issued.json["token"].as_str().unwrap().to_owned();
    assert_eq!(house.by(&token, "GET", "/api/me", None).await.status, 200);
    // The row is unknown after an older backup was restored.
    let jti = issued.json["jti"].as_str().unwrap().to_owned();
    house
        .gate
        .vault()
        .system()
        .write(move |db| Ok(db.execute("DELETE FROM tokens WHERE jti = ?1", [jti])?))
        .await
        .unwrap();
    house.by(&token, "GET", "/api/me", None).await.is(401);
    let issued = house.send("POST", "/api/tokens", &asha, Some(json!({ "name": "p", "role": "viewer" }))).await;
    let token = issued.json["token"].as_str().unwrap().to_owned();
    house.person("clerk", Role::HumanAgent, Some("asha")).await;
    let (clerk, key) = (house.login("clerk").await, house.key(Role::Viewer, Some("asha")).await);

    for (confirm, status) in [
        (json!({}), 400),
        (json!({ "confirm": "" }), 422),
        (json!({ "confirm": "bina" }), 422),
        (json!({ "confirm": true }), 400),
    ] {
        house.owner("DELETE", "/api/tenants/asha", Some(confirm)).await.is(status);
    }
    house.owner("DELETE", "/api/tenants/nobody", Some(json!({ "confirm": "nobody" }))).await.is(404);
    house.owner("DELETE", "/api/tenants/default", Some(json!({ "confirm": "default" }))).await.is(409);
    assert_eq!(house.owner("DELETE", "/api/tenants/asha", Some(json!({ "confirm": "asha" }))).await.status, 204);
    house.by(&token, "GET", "/api/me", None).await.is(401);
    house.by(&key, "GET", "/api/me", None).await.is(401);
    house.browse(&clerk, "GET", "/api/me", None).await.is(401);
    house.try_login("clerk", PASSWORD, None).await.is(401);
    house.owner("DELETE", "/api/tenants/asha", Some(json!({ "confirm": "asha" }))).await.is(404);
    house.owner("POST", "/api/tenants", Some(json!({ "id": "asha", "name": "Again" }))).await.is(409);
    assert!(house.owner("GET", "/api/tenants/asha", None).await.json["shredded_ms"].is_number());
}

#[tokio::test]
async fn whether_another_tenant_exists_is_told_to_the_box_only() {
    let house = House::new().await;
    for tenant in ["asha", "bina"] {
        house.tenant(tenant).await;
    }
    let user = house.person("clerk", Role::Viewer, Some("asha")).await;
    let admin = house.key(Role::Admin, Some("asha")).await;
    let bearer = format!("Bearer {admin}");
    let change = [("authorization", bearer.as_str()), ("if-match", "*")];
    for other in ["bina", "nobody"] {
        let body = json!({ "login": "new", "role": "viewer", "tenant": other });
        house.by(&admin, "POST", "/api/users", Some(body)).await.is(403);
        let body = json!({ "name": "new", "role": "viewer", "tenant": other });
        house.by(&admin, "POST", "/api/keys", Some(body)).await.is(403);
        let path = format!("/api/users/{user}");
        house.send("PUT", &path, &change, Some(json!({ "tenant": other }))).await.is(403);
    }
    let wanted = |tenant: &str| json!({ "name": "new", "role": "viewer", "tenant": tenant });
    house.owner("POST", "/api/keys", Some(wanted("nobody"))).await.is(422);
    house.owner("POST", "/api/keys", Some(wanted("bina"))).await.is(201);
}

#[tokio::test]
async fn tenants_are_made_and_renamed() {
    let house = House::new().await;
    let made = house.owner("POST", "/api/tenants", Some(json!({ "id": "asha", "name": "Bank of Asha" }))).await;
    made.is(201);
    house.owner("POST", "/api/tenants", Some(json!({ "id": "asha", "name": "Again" }))).await.is(409);
    for id in ["", "A", "a b", "../x", "-a", &"a".repeat(70)] {
        house.owner("POST", "/api/tenants", Some(json!({ "id": id, "name": "x" }))).await.is(422);
    }
    house.owner("POST", "/api/tenants", Some(json!({ "id": "b", "name": " " }))).await.is(422);
    let bearer = format!("Bearer {BOX_TOKEN}");
    let rename = async |tag: &str, name: &str| {
        let headers = [("authorization", bearer.as_str()), ("if-match", tag)];
        house.send("PUT", "/api/tenants/asha", &headers, Some(json!({ "name": name }))).await
    };
    rename("\"v9\"", "New").await.is(412);
    assert_eq!(rename(&made.headers["etag"], "New").await.json["name"], "New");
    rename(&made.headers["etag"], "Newer").await.is(412);
    let all = house.owner("GET", "/api/tenants", None).await.json;
    assert_eq!(all["tenants"].as_array().unwrap().len(), 2);
    house.owner("GET", "/api/tenants/nobody", None).await.is(404);
    house.owner("GET", "/api/tenants/..%2Fx", None).await.is(404);
    let noted = house.noted().await;
    assert!(noted.contains(&"tenant.create".to_owned()) && noted.contains(&"tenant.edit".to_owned()));
}

#[tokio::test]
async fn pages_of_people_and_keys_follow_each_other() {
    let house = House::new().await;
    for n in 0..5 {
        house.owner("POST", "/api/users", Some(json!({ "login": format!("u{n}"), "role": "viewer" }))).await.is(201);
        house.key(Role::Viewer, None).await;
    }
    for list in ["users", "keys"] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = house.owner("GET", &format!("/api/{list}?limit=2&after={after}"), None).await.json;
            found.extend(page[list].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = next.to_owned();
        }
        let mut distinct = found.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((found.len(), distinct.len()), (5, 5), "{list}");
        for wrong in ["limit=0", "limit=201", "limit=x", "limit=-1", &format!("after={}", "a".repeat(100))] {
            house.owner("GET", &format!("/api/{list}?{wrong}"), None).await.is(400);
        }
    }
}
