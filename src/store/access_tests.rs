//! Users, sessions, keys and tokens as rows.

use super::super::api_keys::{self, ApiKey, Token};
use super::super::database::Database;
use super::super::sessions::{self, OidcLogin, Session};
use super::*;

fn db() -> Database {
    Database::scratch_system()
}

fn user(login: &str, tenant: Option<&str>) -> User {
    User {
        id: Uuid::now_v7(),
        login: login.to_owned(),
        name: login.to_owned(),
        role: "admin".to_owned(),
        tenant: tenant.map(str::to_owned),
        password: None,
        totp_secret: Some(vec![1, 2, 3]),
        totp_confirmed: false,
        totp_step: 0,
        recovery: vec!["a".to_owned(), "b".to_owned()],
        provider: None,
        disabled: false,
        created_ms: 1,
        changed_ms: 1,
        login_ms: None,
        version: 1,
    }
}

/// Runs one write.
fn write<T: Send + 'static>(
    db: &Database,
    job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> T {
    db.write_blocking(job).unwrap()
}

#[test]
fn a_user_is_read_back_as_written_and_logins_are_unique() {
    let db = db();
    let mut asha = user("asha", Some("bank"));
    asha.provider = Some(("https://issuer".to_owned(), "s1".to_owned()));
    asha.login_ms = Some(7);
    let row = asha.clone();
    write(&db, move |db| insert(db, &row));
    let (id, kept) = (asha.id, asha.clone());
    write(&db, move |db| {
        assert_eq!(get(db, id)?.as_ref(), Some(&kept));
        assert_eq!(by_login(db, "asha")?.as_ref(), Some(&kept));
        assert_eq!(by_provider(db, "https://issuer", "s1")?.as_ref(), Some(&kept));
        assert_eq!(by_provider(db, "https://other", "s1")?, None);
        assert_eq!(by_login(db, "ASHA")?, None);
        Ok(())
    });
    let again = user("asha", None);
    let refused = db.write_blocking(move |db| insert(db, &again)).unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(why) if why.contains("login")), "{refused}");
    let mut twin = user("bina", None);
    twin.provider = asha.provider;
    assert!(matches!(db.write_blocking(move |db| insert(db, &twin)), Err(StoreError::Conflict(_))));
}

#[test]
fn a_change_made_from_an_old_version_is_refused() {
    let db = db();
    let asha = user("asha", None);
    write(&db, move |db| {
        insert(db, &asha)?;
        let mut first = asha.clone();
        first.name = "First".to_owned();
        assert!(update(db, &first, 2)?);
        let second = User { name: "Second".to_owned(), ..asha.clone() };
        assert!(!update(db, &second, 3)?, "the version was 2 by then");
        let kept = get(db, asha.id)?.unwrap();
        assert_eq!((kept.name.as_str(), kept.version, kept.changed_ms), ("First", 2, 2));
        assert!(!update(db, &user("nobody", None), 1)?);
        Ok(())
    });
}

#[test]
fn pages_hold_every_row_once_and_only_the_tenants() {
    let db = db();
    let all: Vec<User> = (0..25).map(|n| user(&format!("u{n}"), (n % 3 == 0).then_some("bank"))).collect();
    write(&db, move |db| {
        all.iter().try_for_each(|user| insert(db, user))?;
        let walk = |tenant: Option<&str>| -> Result<Vec<String>, StoreError> {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let rows = page(db, tenant, &after, 4)?;
                let Some(last) = rows.last() else { return Ok(found) };
                after = last.id.to_string();
                found.extend(rows.into_iter().map(|user| user.login));
            }
        };
        let mut sorted: Vec<String> = all.iter().map(|user| user.login.clone()).collect();
        assert_eq!(walk(None)?, sorted, "UUIDv7 sorts by time");
        sorted = all.iter().filter(|user| user.tenant.is_some()).map(|user| user.login.clone()).collect();
        assert_eq!(walk(Some("bank"))?, sorted);
        assert!(walk(Some("other"))?.is_empty());
        // And both walks go along an index.
        for sql in [
            "SELECT * FROM users WHERE tenant = 'x' AND id > 'y' ORDER BY id LIMIT 3",
            "SELECT * FROM users WHERE id > 'y' ORDER BY id LIMIT 3",
        ] {
            let plan: String = db.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3))?;
            assert!(plan.contains("INDEX") && !plan.contains("TEMP"), "{plan}");
        }
        Ok(())
    });
}

#[test]
fn codes_and_steps_are_used_once() {
    let db = db();
    let asha = user("asha", None);
    write(&db, move |db| {
        insert(db, &asha)?;
        assert!(use_recovery(db, asha.id, "a")?);
        assert!(!use_recovery(db, asha.id, "a")?);
        assert!(!use_recovery(db, asha.id, "c")?);
        assert_eq!(get(db, asha.id)?.unwrap().recovery, ["b"]);
        assert!(confirm_totp(db, asha.id, 100, &["x".to_owned()], 5)?);
        assert!(!use_step(db, asha.id, 100)? && !use_step(db, asha.id, 99)?);
        assert!(use_step(db, asha.id, 101)? && !use_step(db, asha.id, 101)?);
        assert!(set_totp(db, asha.id, None, 6)?);
        assert!(!confirm_totp(db, asha.id, 200, &[], 7)?, "there is no secret");
        assert!(get(db, asha.id)?.unwrap().recovery.is_empty());
        assert!(set_reset(db, asha.id, "h", 100, 8)?);
        assert!(by_reset(db, "asha", "h", 100)?.is_none(), "too late");
        assert!(by_reset(db, "asha", "x", 99)?.is_none() && by_reset(db, "bina", "h", 99)?.is_none());
        assert!(by_reset(db, "asha", "h", 99)?.is_some());
        assert!(set_password(db, asha.id, "phc", 9)?);
        assert!(by_reset(db, "asha", "h", 99)?.is_none(), "used");
        set_setup_code(db, "old", 100)?;
        set_setup_code(db, "new", 100)?;
        assert!(!is_setup_code(db, "old", 50)? && is_setup_code(db, "new", 50)? && !is_setup_code(db, "new", 100)?);
        assert!(!use_setup_code(db, "new", 100)? && use_setup_code(db, "new", 99)? && !use_setup_code(db, "new", 99)?);
        Ok(())
    });
}

fn session(user: Uuid, hash: &str, created_ms: i64) -> Session {
    Session {
        hash: hash.to_owned(),
        id: Uuid::now_v7(),
        user,
        csrf: "c".to_owned(),
        how: "password".to_owned(),
        created_ms,
        seen_ms: created_ms,
        idle_until_ms: created_ms + 100,
        until_ms: created_ms + 1_000,
        address: "127.0.0.1".to_owned(),
        agent: String::new(),
    }
}

#[test]
fn a_session_holds_while_it_is_used_and_not_beyond_its_age() {
    let db = db();
    let asha = user("asha", None);
    write(&db, move |db| {
        insert(db, &asha)?;
        sessions::insert(db, &session(asha.id, "h", 0), 8)?;
        assert!(sessions::live(db, "h", 99)?.is_some());
        assert!(sessions::live(db, "h", 100)?.is_none(), "idle");
        assert!(sessions::live(db, "x", 1)?.is_none());
        for now in (50..950).step_by(50) {
            sessions::seen(db, "h", now, now + 100)?;
            assert!(sessions::live(db, "h", now + 99)?.is_some());
        }
        sessions::seen(db, "h", 990, 1_090)?;
        assert!(sessions::live(db, "h", 999)?.is_some());
        assert!(sessions::live(db, "h", 1_000)?.is_none(), "its age");
        assert_eq!(sessions::sweep(db, 1_000)?, 1);
        // The newest stay.
        for n in 0..12 {
            sessions::insert(db, &session(asha.id, &format!("s{n}"), n), 8)?;
        }
        let left: Vec<String> = sessions::of_user(db, asha.id, 50)?.into_iter().map(|s| s.hash).collect();
        assert_eq!(left, (4..12).rev().map(|n| format!("s{n}")).collect::<Vec<_>>());
        assert_eq!(sessions::end_all(db, asha.id, Some("s5"))?, 7);
        assert!(sessions::live(db, "s5", 50)?.is_some());
        let id = sessions::live(db, "s5", 50)?.unwrap().id;
        assert!(!sessions::end_of(db, Uuid::now_v7(), id)?, "somebody else's");
        assert!(delete(db, asha.id)?);
        assert!(sessions::live(db, "s5", 50)?.is_none(), "gone with its owner");
        Ok(())
    });
}

#[test]
fn a_login_at_the_provider_is_taken_once_and_their_number_is_bounded() {
    let db = db();
    let login = |n: i64| OidcLogin {
        state_hash: format!("h{n}"),
        nonce: "n".to_owned(),
        verifier: "v".to_owned(),
        back: "/".to_owned(),
        created_ms: n,
        until_ms: n + 100,
    };
    write(&db, move |db| {
        for n in 0..10 {
            sessions::leave(db, &login(n), 4)?;
        }
        for n in 0..6 {
            assert!(sessions::back(db, &format!("h{n}"), 10)?.is_none(), "forgotten");
        }
        assert_eq!(sessions::back(db, "h7", 10)?, Some(login(7)));
        assert!(sessions::back(db, "h7", 10)?.is_none(), "again");
        assert!(sessions::back(db, "h8", 108)?.is_none(), "too late");
        assert!(sessions::back(db, "h8", 10)?.is_none(), "and used up by that");
        assert_eq!(sessions::sweep(db, 1_000)?, 2);
        Ok(())
    });
}

#[test]
fn whoever_is_revoked_takes_their_tokens_along() {
    let db = db();
    let key = |id: &str, tenant: Option<&str>| ApiKey {
        id: id.to_owned(),
        hash: "h".to_owned(),
        name: "n".to_owned(),
        tenant: tenant.map(str::to_owned),
        role: "service".to_owned(),
        scopes: Some(vec!["ask_ai".to_owned()]),
        created_by: "box".to_owned(),
        created_ms: 1,
        until_ms: None,
        used_ms: None,
        revoked_ms: None,
    };
    let token = |jti: &str, by: &str, tenant: &str| Token {
        jti: jti.to_owned(),
        tenant: tenant.to_owned(),
        name: "n".to_owned(),
        role: "service".to_owned(),
        scopes: None,
        issued_by: by.to_owned(),
        created_ms: 1,
        until_ms: 100,
        revoked_ms: None,
    };
    write(&db, move |db| {
        api_keys::insert(db, &key("k1", Some("bank")))?;
        api_keys::insert(db, &key("k2", None))?;
        assert_eq!(api_keys::get(db, "k1")?, Some(key("k1", Some("bank"))));
        for (jti, by) in [("t1", "key:k1"), ("t2", "key:k1"), ("t3", "key:k2")] {
            api_keys::insert_token(db, &token(jti, by, "bank"))?;
        }
        assert_eq!(api_keys::tokens_of(db, "key:k1", 50)?, 2);
        assert!(api_keys::revoke(db, "k1", 9)? && !api_keys::revoke(db, "k1", 10)?);
        assert_eq!(api_keys::get(db, "k1")?.unwrap().revoked_ms, Some(9));
        let alive: Vec<String> = api_keys::tokens(db, "", 10, 50)?.into_iter().map(|t| t.jti).collect();
        assert_eq!(alive, ["t3"]);
        assert!(api_keys::revoke_token(db, "t3", 9)? && !api_keys::revoke_token(db, "t3", 9)?);
        assert_eq!(api_keys::page(db, Some("bank"), "", 10)?.len(), 1);
        assert_eq!(api_keys::page(db, None, "", 10)?.len(), 2);
        assert_eq!(api_keys::delete_of_tenant(db, "bank")?, 1 + 3);
        assert_eq!(sessions::sweep(db, 1_000)?, 0);
        // A list that cannot be read allows nothing.
        db.execute("UPDATE api_keys SET scopes = 'broken' WHERE id = 'k2'", [])?;
        assert_eq!(api_keys::get(db, "k2")?.unwrap().scopes, Some(Vec::new()));
        Ok(())
    });
}
