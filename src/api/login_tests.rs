//! Whole flows over a real socket: set-up, logins, second factor, people, keys, tokens, tenants.

use serde_json::{Value, json};

use super::super::access_support::{BOX_TOKEN, House, PASSWORD, settings, totp_now};
use crate::auth::Role;
use crate::auth::people::Wanted;
use crate::base::secret::Secret;
use crate::config;

#[tokio::test]
async fn the_first_admin_is_made_with_the_code_of_the_start_once() {
    let house = House::new().await;
    let old = house.setup_code().unwrap();
    let code = house.setup_code().expect("nobody exists yet");
    assert_eq!(
        house.send("GET", "/api/login", &[], None).await.json,
        json!({ "setup": true, "password": true, "oidc": false })
    );
    let ask =
        |code: &str, password: &str| json!({ "code": code, "login": "Asha", "name": "Asha Rao", "password": password });
    let set_up = async |body: Value| house.send("POST", "/api/setup", &[], Some(body)).await;
    set_up(ask("AAAA-BBBB-CCCC-DDDD", PASSWORD)).await.is(403);
    set_up(ask(&old, PASSWORD)).await.is(403);
    set_up(ask("", PASSWORD)).await.is(403);
    set_up(ask(&code, "short")).await.is(422);
    assert!(house.try_login("asha", PASSWORD, None).await.status == 401, "nobody was made");
    // As people type it.
    let answer = set_up(ask(&code.to_lowercase().replace('-', " "), PASSWORD)).await;
    answer.is(200);
    let me = answer.browser().me;
    assert_eq!((&me["login"], &me["role"], &me["tenant"]), (&json!("asha"), &json!("admin"), &Value::Null));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("tenants_manage")));
    set_up(ask(&code, PASSWORD)).await.is(403);
    assert_eq!(house.setup_code(), None, "somebody exists");
    assert_eq!(house.send("GET", "/api/login", &[], None).await.json["setup"], false);
    let noted = house.noted().await;
    assert!(noted.contains(&"setup".to_owned()) && noted.contains(&"login".to_owned()), "{noted:?}");
}

#[tokio::test]
async fn two_who_show_the_code_at_once_make_one_admin() {
    let house = House::new().await;
    let code = house.setup_code().unwrap();
    let ask = |n: usize| json!({ "code": code, "login": format!("admin{n}"), "password": PASSWORD });
    let (house, ask) = (&house, &ask);
    let both = (0..4).map(|n| async move { house.send("POST", "/api/setup", &[], Some(ask(n))).await });
    let made = futures_util::future::join_all(both).await.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn an_old_code_of_the_start_is_void() {
    let house = House::new().await;
    let code = house.setup_code().unwrap();
    let now = house.gate.now_ms();
    let late = move |db: &rusqlite::Connection| Ok(db.execute("UPDATE setup_code SET until_ms = ?1", [now])?);
    house.gate.vault().system().write(late).await.unwrap();
    let ask = json!({ "code": code, "login": "asha", "password": PASSWORD });
    house.send("POST", "/api/setup", &[], Some(ask)).await.is(403);
}

#[tokio::test]
async fn whoever_is_not_let_in_learns_nothing_and_waits() {
    let house = House::new().await;
    let id = house.person("asha", Role::Supervisor, None).await;
    house.person("bina", Role::Supervisor, None).await;
    let wrong = house.try_login("asha", "not the password", None).await;
    let nobody = house.try_login("nobody", PASSWORD, None).await;
    wrong.is(401);
    assert_eq!(wrong.json, nobody.json);
    assert!(wrong.cookies.is_empty());
    let owner = house.owner("GET", &format!("/api/users/{id}"), None).await;
    let tag = owner.headers["etag"].clone();
    let bearer = format!("Bearer {BOX_TOKEN}");
    let disable = [("authorization", bearer.as_str()), ("if-match", tag.as_str())];
    let path = format!("/api/users/{id}");
    let browser = house.login("asha").await;
    house.send("PUT", &path, &disable, Some(json!({ "disabled": true }))).await.is(200);
    house.browse(&browser, "GET", "/api/me", None).await.is(401);
    assert_eq!(house.try_login("asha", PASSWORD, None).await.json, wrong.json, "a closed account says the same");
    let mut waited = None;
    for _ in 0..20 {
        let answer = house.try_login("asha", "guess after guess", None).await;
        if answer.status == 429 {
            waited = Some(answer);
            break;
        }
        answer.is(401);
    }
    let waited = waited.expect("the guesses are slowed down");
    waited.is(429);
    assert!(waited.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    house.login("bina").await;
    let failed = house.noted().await.into_iter().filter(|what| what == "login.failed").count();
    assert!((5..=20).contains(&failed), "{failed}");
}

#[tokio::test]
async fn a_login_never_goes_on_under_the_old_session() {
    let house = House::new().await;
    house.person("asha", Role::Viewer, None).await;
    house.person("mallory", Role::Viewer, None).await;
    // A session that an attacker planted into the browser.
    let planted = house.login("mallory").await;
    let body = json!({ "login": "asha", "password": PASSWORD });
    let answer = house.send("POST", "/api/login", &[("cookie", &planted.cookie)], Some(body.clone())).await;
    let asha = answer.browser();
    assert_ne!(asha.cookie, planted.cookie);
    house.browse(&planted, "GET", "/api/me", None).await.is(401);
    let made_up = house.send("POST", "/api/login", &[("cookie", "vaani=chosen-by-somebody-else")], Some(body)).await;
    assert!(!made_up.browser().cookie.contains("chosen"));
    // Logging out ends it here and not elsewhere.
    let other = house.login("asha").await;
    let gone = house.browse(&asha, "POST", "/api/logout", None).await;
    assert_eq!(gone.status, 204);
    assert!(gone.cookies[0].contains("Max-Age=0"));
    house.browse(&asha, "GET", "/api/me", None).await.is(401);
    assert_eq!(house.browse(&other, "GET", "/api/me", None).await.status, 200);
}

#[tokio::test]
async fn sessions_end_unused_and_at_their_age() {
    let house = House::new().await;
    house.person("asha", Role::Viewer, None).await;
    for column in ["idle_until_ms", "until_ms"] {
        let browser = house.login("asha").await;
        assert_eq!(house.browse(&browser, "GET", "/api/me", None).await.status, 200);
        let now = house.gate.now_ms();
        let sql = format!("UPDATE sessions SET {column} = ?1");
        house.gate.vault().system().write(move |db| Ok(db.execute(&sql, [now])?)).await.unwrap();
        house.browse(&browser, "GET", "/api/me", None).await.is(401);
    }
    assert_eq!(house.gate.sweep().await.unwrap(), 2);
    // What is kept is no token.
    let browser = house.login("asha").await;
    let token = browser.cookie.strip_prefix("vaani=").unwrap().to_owned();
    let kept: String = house
        .gate
        .vault()
        .system()
        .read(|db| Ok(db.query_row("SELECT hash FROM sessions", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert!(!kept.contains(&token) && kept.len() == 64);
    house.send("GET", "/api/me", &[("cookie", &format!("vaani={kept}"))], None).await.is(401);
}

#[tokio::test]
async fn the_second_factor_is_enrolled_asked_for_and_used_once() {
    let house = House::new().await;
    house.person("asha", Role::Admin, None).await;
    let (elsewhere, browser) = (house.login("asha").await, house.login("asha").await);
    assert_eq!(browser.me["second_factor"], "none");
    house.browse(&browser, "POST", "/api/me/totp", Some(json!({ "password": "not this one" }))).await.is(401);
    house.browse(&browser, "POST", "/api/me/totp/confirm", Some(json!({ "code": "123456" }))).await.is(409);
    let enrolled = house.browse(&browser, "POST", "/api/me/totp", Some(json!({ "password": PASSWORD }))).await;
    enrolled.is(200);
    let secret = enrolled.json["secret"].as_str().unwrap().to_owned();
    assert!(enrolled.json["uri"].as_str().unwrap().starts_with("otpauth://totp/vaani:asha?secret="));
    // Not asked for before it is confirmed.
    assert_eq!(house.try_login("asha", PASSWORD, None).await.status, 200);
    house.browse(&browser, "POST", "/api/me/totp/confirm", Some(json!({ "code": "000000" }))).await.is(403);
    let code = totp_now(&secret, 0);
    let confirmed = house.browse(&browser, "POST", "/api/me/totp/confirm", Some(json!({ "code": code }))).await;
    confirmed.is(200);
    let recovery: Vec<&str> =
        confirmed.json["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(recovery.len(), 10);
    house.browse(&elsewhere, "GET", "/api/me", None).await.is(401);
    house.browse(&browser, "GET", "/api/me", None).await.is(401);
    let browser = confirmed.browser();
    assert_eq!(house.browse(&browser, "GET", "/api/me", None).await.json["second_factor"], "enrolled");

    let asked = house.try_login("asha", PASSWORD, None).await;
    asked.is(401);
    assert_eq!(asked.json["reason"], "code_needed");
    let wrong = house.try_login("asha", "not the password", Some(&totp_now(&secret, 30))).await;
    assert_eq!(wrong.json["reason"], "wrong");
    house.try_login("asha", PASSWORD, Some(&code)).await.is(401);
    let next = totp_now(&secret, 30);
    // The same code from two places at once lets one in.
    let both = futures_util::future::join(
        house.try_login("asha", PASSWORD, Some(&next)),
        house.try_login("asha", PASSWORD, Some(&next)),
    );
    let both = both.await;
    assert_eq!(u8::from(both.0.status == 200) + u8::from(both.1.status == 200), 1);
    house.try_login("asha", PASSWORD, Some(&totp_now(&secret, -90))).await.is(401);
    assert_eq!(house.try_login("asha", PASSWORD, Some(recovery[3])).await.status, 200);
    house.try_login("asha", PASSWORD, Some(recovery[3])).await.is(401);

    house.browse(&browser, "POST", "/api/me/totp", Some(json!({ "password": PASSWORD }))).await.is(409);
    house.browse(&browser, "DELETE", "/api/me/totp", Some(json!({ "password": "wrong" }))).await.is(401);
    assert_eq!(
        house.browse(&browser, "DELETE", "/api/me/totp", Some(json!({ "password": PASSWORD }))).await.status,
        204
    );
    assert_eq!(house.try_login("asha", PASSWORD, None).await.status, 200);
    // The seal is bound to the person and nothing in the file is the secret.
    let noted = house.noted().await;
    for what in ["totp.enrol", "totp.confirm", "totp.remove"] {
        assert!(noted.iter().any(|noted| noted == what), "{what}");
    }
}

#[tokio::test]
async fn a_role_that_must_have_a_second_factor_can_only_enrol_one() {
    let settings = config::Auth { require_totp_for: vec!["admin".to_owned()], ..settings() };
    let house = House::with(settings, super::super::access_routes).await;
    house.person("asha", Role::Admin, None).await;
    house.person("bina", Role::Viewer, None).await;
    let browser = house.login("asha").await;
    assert_eq!(browser.me["second_factor"], "missing");
    assert_eq!(browser.me["permissions"], json!(["own"]));
    house.browse(&browser, "GET", "/api/users", None).await.is(403);
    let enrolled = house.browse(&browser, "POST", "/api/me/totp", Some(json!({ "password": PASSWORD }))).await;
    let code = totp_now(enrolled.json["secret"].as_str().unwrap(), 0);
    let confirmed = house.browse(&browser, "POST", "/api/me/totp/confirm", Some(json!({ "code": code }))).await;
    confirmed.is(200);
    let browser = confirmed.browser();
    assert_eq!(house.browse(&browser, "GET", "/api/users", None).await.status, 200);
    house.browse(&browser, "DELETE", "/api/me/totp", Some(json!({ "password": PASSWORD }))).await.is(409);
    assert_eq!(house.login("bina").await.me["second_factor"], "none");
}

#[tokio::test]
async fn people_change_their_password_and_end_their_sessions() {
    let house = House::new().await;
    house.person("asha", Role::Viewer, None).await;
    house.person("bina", Role::Viewer, None).await;
    let (bina, other, asha) = (house.login("bina").await, house.login("asha").await, house.login("asha").await);
    let sessions = house.browse(&asha, "GET", "/api/me/sessions", None).await.json;
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!(sessions[0]["this"], true);
    let theirs = house.browse(&bina, "GET", "/api/me/sessions", None).await.json[0]["id"].as_str().unwrap().to_owned();
    for id in [theirs.as_str(), "x", "00000000-0000-0000-0000-000000000000"] {
        house.browse(&asha, "DELETE", &format!("/api/me/sessions/{id}"), None).await.is(404);
    }
    let id = sessions[1]["id"].as_str().unwrap();
    assert_eq!(house.browse(&asha, "DELETE", &format!("/api/me/sessions/{id}"), None).await.status, 204);
    house.browse(&other, "GET", "/api/me", None).await.is(401);
    let other = house.login("asha").await;
    let change = |old: &str, new: &str| Some(json!({ "old": old, "new": new }));
    house.browse(&asha, "POST", "/api/me/password", change("wrong", "a cat on the roof")).await.is(401);
    house.browse(&asha, "POST", "/api/me/password", change(PASSWORD, "short")).await.is(422);
    let changed = house.browse(&asha, "POST", "/api/me/password", change(PASSWORD, "a cat on the roof")).await;
    changed.is(200);
    for gone in [&asha, &other] {
        house.browse(gone, "GET", "/api/me", None).await.is(401);
    }
    assert_eq!(house.browse(&changed.browser(), "GET", "/api/me", None).await.status, 200);
    house.try_login("asha", PASSWORD, None).await.is(401);
    assert_eq!(house.try_login("asha", "a cat on the roof", None).await.status, 200);
    assert_eq!(house.browse(&bina, "GET", "/api/me", None).await.status, 200);
    // A key has no account.
    let key = house.key(Role::Admin, None).await;
    house.by(&key, "POST", "/api/me/password", change("a", "b")).await.is(403);
    house.by(&key, "GET", "/api/me/sessions", None).await.is(403);
    let me = house.by(&key, "GET", "/api/me", None).await.json;
    assert_eq!((&me["second_factor"], &me["csrf"]), (&json!("not_here"), &Value::Null));
}

#[tokio::test]
async fn without_single_sign_on_its_routes_say_so() {
    let house = House::new().await;
    house.send("GET", "/api/oidc/login", &[], None).await.is(404);
    house.send("GET", "/api/oidc/callback?code=x&state=y", &[("cookie", "vaani-oidc=y")], None).await.is(404);
}

#[tokio::test]
async fn an_account_of_single_sign_on_has_no_password_here() {
    let house = House::new().await;
    let id = house.person("asha", Role::Viewer, None).await;
    let sql = "UPDATE users SET issuer = 'https://i', subject = 's', password = NULL WHERE id = ?1";
    let row = id.to_string();
    house.gate.vault().system().write(move |db| Ok(db.execute(sql, [row])?)).await.unwrap();
    house.try_login("asha", PASSWORD, None).await.is(401);
    house.owner("POST", &format!("/api/users/{id}/reset"), Some(json!({}))).await.is(409);
}

#[tokio::test]
async fn the_command_line_may_make_somebody_while_the_box_runs() {
    let house = House::new().await;
    let other = super::super::access_support::gate(house.gate.vault().state(), settings(), "http://vaani.test");
    let wanted = Wanted { login: "asha".to_owned(), name: String::new(), role: Role::Admin, tenant: None };
    let line = crate::auth::Principal::the_box("command line");
    let user = other.make_user_with(&line, wanted, Secret::new(PASSWORD)).await.unwrap();
    let browser = house.login("asha").await;
    other.set_password(&line, user.id, Secret::new("a cat on the roof")).await.unwrap();
    house.browse(&browser, "GET", "/api/me", None).await.is(401);
    assert_eq!(house.try_login("asha", "a cat on the roof", None).await.status, 200);
    other.vault().close();
}
