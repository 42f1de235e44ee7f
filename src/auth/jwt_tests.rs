//! What attackers do to tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const ASHA: [u8; 32] = [7; 32];
const BINA: [u8; 32] = [9; 32];
const NOW: u64 = 1_800_000_000;

fn key_of(tenant: &TenantId) -> Option<[u8; 32]> {
    match tenant.as_str() {
        "asha" => Some(ASHA),
        "bina" => Some(BINA),
        _ => None,
    }
}

fn claims() -> Claims {
    let scopes = Some(vec![Permission::AskAi]);
    Claims::new(
        "key:abc".to_owned(),
        "jti-1".to_owned(),
        "asha".parse().unwrap(),
        (Role::Service, scopes),
        (NOW - 10, NOW + 600),
    )
}

/// A token from raw parts, signed with HMAC-SHA-256 and whatever key.
fn forged(header: &Value, payload: &Value, key: &[u8]) -> String {
    use hmac::{Hmac, Mac as _};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(payload));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn payload(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut value = serde_json::to_value(claims()).unwrap();
    change(value.as_object_mut().unwrap());
    value
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "HS256", "kid": "asha" })
}

#[test]
fn a_token_holds_until_its_end() {
    let token = sign(&claims(), &ASHA).unwrap();
    assert_eq!(verify(token.expose(), key_of, NOW), Ok(claims()));
    assert_eq!(verify(token.expose(), key_of, NOW + 599), Ok(claims()));
    assert_eq!(verify(token.expose(), key_of, NOW + 600), Err(JwtError::Expired));
    assert_eq!(verify(token.expose(), key_of, NOW - 11), Err(JwtError::Times), "from the future");
    // Our forgery is a good one where nothing is wrong with it.
    assert_eq!(verify(&forged(&header(), &payload(|_| {}), &ASHA), key_of, NOW), Ok(claims()));
}

#[test]
fn algorithms_other_than_ours_are_refused() {
    let body = payload(|_| {});
    for alg in ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", "hs256"] {
        let header = json!({ "typ": "JWT", "alg": alg, "kid": "asha" });
        let token = forged(&header, &body, &ASHA);
        assert_eq!(verify(&token, key_of, NOW), Err(JwtError::Malformed), "{alg}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(verify(&unsigned, key_of, NOW), Err(JwtError::Malformed), "{alg}");
    }
    let no_alg = forged(&json!({ "typ": "JWT", "kid": "asha" }), &body, &ASHA);
    assert_eq!(verify(&no_alg, key_of, NOW), Err(JwtError::Malformed));
    // The attacker brings the key along.
    let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([1; 32]), "alg": "HS256" });
    let header = json!({ "typ": "JWT", "alg": "HS256", "kid": "asha", "jwk": jwk, "jku": "https://evil.example/k" });
    assert_eq!(verify(&forged(&header, &body, &[1; 32]), key_of, NOW), Err(JwtError::Wrong));
}

#[test]
fn a_token_of_one_tenant_is_worth_nothing_at_another() {
    let body = payload(|_| {});
    let as_bina = json!({ "typ": "JWT", "alg": "HS256", "kid": "bina" });
    assert_eq!(verify(&forged(&as_bina, &body, &BINA), key_of, NOW), Err(JwtError::Wrong), "bina signs for asha");
    assert_eq!(verify(&forged(&as_bina, &body, &ASHA), key_of, NOW), Err(JwtError::Wrong));
    assert_eq!(verify(&forged(&header(), &body, &BINA), key_of, NOW), Err(JwtError::Wrong));
    for kid in [json!("nobody"), json!("../asha"), json!(""), json!("a'; DROP TABLE users"), json!(7), Value::Null] {
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": kid });
        assert!(verify(&forged(&header, &body, &ASHA), key_of, NOW).is_err(), "{kid}");
    }
}

#[test]
fn changed_claims_are_refused() {
    type Change = fn(&mut serde_json::Map<String, Value>);
    let cases: [(&str, Change, JwtError); 12] = [
        ("issuer", |c| drop(c.insert("iss".into(), json!("evil"))), JwtError::Wrong),
        ("no issuer", |c| drop(c.remove("iss")), JwtError::Wrong),
        ("audience", |c| drop(c.insert("aud".into(), json!("other"))), JwtError::Wrong),
        ("no audience", |c| drop(c.remove("aud")), JwtError::Wrong),
        ("no end", |c| drop(c.remove("exp")), JwtError::Wrong),
        ("a word as end", |c| drop(c.insert("exp".into(), json!("never"))), JwtError::Wrong),
        ("no id", |c| drop(c.remove("jti")), JwtError::Wrong),
        ("unknown role", |c| drop(c.insert("role".into(), json!("root"))), JwtError::Wrong),
        ("unknown scope", |c| drop(c.insert("scopes".into(), json!(["everything"]))), JwtError::Wrong),
        ("a longer life than any", |c| drop(c.insert("exp".into(), json!(NOW + 100_000))), JwtError::Times),
        ("an end before the start", |c| drop(c.insert("iat".into(), json!(NOW + 700))), JwtError::Times),
        ("an end of long ago", |c| drop(c.insert("exp".into(), json!(0))), JwtError::Expired),
    ];
    for (what, change, error) in cases {
        assert_eq!(verify(&forged(&header(), &payload(change), &ASHA), key_of, NOW), Err(error), "{what}");
    }
    // And without the key nothing can be changed at all.
    let good = sign(&claims(), &ASHA).unwrap().expose().to_owned();
    let parts: Vec<&str> = good.split('.').collect();
    let admin = URL_SAFE_NO_PAD.encode(payload(|c| drop(c.insert("role".into(), json!("admin")))).to_string());
    assert_eq!(verify(&format!("{}.{admin}.{}", parts[0], parts[2]), key_of, NOW), Err(JwtError::Wrong));
}

#[test]
fn what_is_no_token_is_refused_at_once() {
    let good = sign(&claims(), &ASHA).unwrap().expose().to_owned();
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "ey..".to_owned(),
        "eyJ.eyJ.x".to_owned(),
        good[1..].to_owned(),
        format!("{good}.{good}"),
        format!("{}{}", good, "A".repeat(5_000)),
        good.replace('.', ".\0"),
        "ey\u{0}.é.ü".to_owned(),
    ];
    for token in cases {
        assert!(verify(&token, key_of, NOW).is_err(), "{token}");
    }
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_goes_unseen(at in 0_usize..10_000, bit in 0_u8..7) {
        let good = sign(&claims(), &ASHA).unwrap().expose().to_owned();
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(token) = String::from_utf8(bytes) {
            // Only the unused low bits of the last character can differ without a meaning.
            let same = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).ok()
                == URL_SAFE_NO_PAD.decode(good.rsplit('.').next().unwrap()).ok()
                && token.rsplit_once('.').unwrap().0 == good.rsplit_once('.').unwrap().0;
            proptest::prop_assert_eq!(verify(&token, key_of, NOW).is_ok(), same);
        }
    }
}
