//! Signatures of Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`, the
//! last being `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`, one for each secret that
//! is valid just now. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::secret::Secret;
use crate::store::webhooks::Secrets;

const PREFIX: &str = "whsec_";
/// Bytes of a secret: the specification's bounds.
const LEAST: usize = 24;
const MOST: usize = 64;
/// A receiver takes no timestamp further away than this, seconds.
const TOLERANCE: u64 = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is none of Standard Webhooks: write whsec_ and the Base64 of 24 to 64 bytes, or leave it out")]
pub struct BadSecret;

/// A fresh secret, to be shown once.
pub fn new_secret() -> std::io::Result<Secret> {
    use std::io::Read;
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes))))
}

/// The key inside a secret.
fn key(secret: &Secret) -> Result<Vec<u8>, BadSecret> {
    let text = secret.expose().strip_prefix(PREFIX).ok_or(BadSecret)?;
    let bytes = STANDARD.decode(text).map_err(|_| BadSecret)?;
    if (LEAST..=MOST).contains(&bytes.len()) { Ok(bytes) } else { Err(BadSecret) }
}

fn mac(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> Result<Hmac<Sha256>, BadSecret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).map_err(|_| BadSecret)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(mac)
}

fn signature(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> Result<String, BadSecret> {
    Ok(format!("v1,{}", STANDARD.encode(mac(secret, id, timestamp, body)?.finalize().into_bytes())))
}

/// The three headers of one attempt; `now_ms` is the wall clock, seconds of it are signed. A secret
/// that was replaced signs too until its time is over.
pub fn headers(
    secrets: &Secrets,
    id: &str,
    now_ms: u64,
    body: &[u8],
) -> Result<[(&'static str, String); 3], BadSecret> {
    let timestamp = now_ms / 1_000;
    let mut signed = signature(&secrets.current, id, timestamp, body)?;
    if let Some((old, until_ms)) = &secrets.old
        && now_ms < *until_ms
    {
        signed.push(' ');
        signed.push_str(&signature(old, id, timestamp, body)?);
    }
    Ok([("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signed)])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("no signature in webhook-signature holds for this secret")]
    Signature,
    #[error("webhook-timestamp is no time, or more than five minutes away")]
    Timestamp,
    #[error(transparent)]
    Secret(#[from] BadSecret),
}

/// What a receiver does: for tests, `vaani` to `vaani`, and as documentation.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now_s: u64,
) -> Result<(), Unverified> {
    let at: u64 = timestamp.parse().map_err(|_| Unverified::Timestamp)?;
    if at.abs_diff(now_s) > TOLERANCE {
        return Err(Unverified::Timestamp);
    }
    for one in signatures.split(' ') {
        // Others may sign by other schemes beside ours.
        let Some(given) = one.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok()) else { continue };
        if mac(secret, id, at, body)?.verify_slice(&given).is_ok() {
            return Ok(());
        }
    }
    Err(Unverified::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that all libraries of Standard Webhooks test themselves with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secrets(current: &Secret, old: Option<(&Secret, u64)>) -> Secrets {
        Secrets { current: current.clone(), old: old.map(|(secret, until)| (secret.clone(), until)) }
    }

    #[test]
    fn the_specifications_vector_is_met() {
        let secret = Secret::new(SECRET);
        let headers = headers(&secrets(&secret, None), ID, AT * 1_000 + 999, BODY).unwrap();
        assert_eq!(headers[0], ("webhook-id", ID.to_owned()));
        assert_eq!(headers[1], ("webhook-timestamp", AT.to_string()));
        assert_eq!(headers[2], ("webhook-signature", SIGNED.to_owned()));
        verify(&secret, ID, &AT.to_string(), SIGNED, BODY, AT).unwrap();
    }

    #[test]
    fn what_was_touched_does_not_verify() {
        let (secret, other) = (Secret::new(SECRET), new_secret().unwrap());
        let at = AT.to_string();
        let check =
            |secret: &Secret, id, at: &str, signed: &str, body: &[u8], now| verify(secret, id, at, signed, body, now);
        let many = format!("v1a,AAAA v2,xx v1,??? v1,AAAA {SIGNED}");
        assert_eq!(check(&secret, ID, &at, &many, BODY, AT + 300), Ok(()));
        let cases: [(&Secret, &str, &str, &str, &[u8], u64, Unverified); 9] = [
            (&other, ID, &at, SIGNED, BODY, AT, Unverified::Signature),
            (&secret, "msg_other", &at, SIGNED, BODY, AT, Unverified::Signature),
            (&secret, ID, "1614265331", SIGNED, BODY, AT, Unverified::Signature),
            (&secret, ID, &at, SIGNED, b"{}", AT, Unverified::Signature),
            (&secret, ID, &at, "", BODY, AT, Unverified::Signature),
            (&secret, ID, &at, &SIGNED[3..], BODY, AT, Unverified::Signature),
            (&secret, ID, &at, SIGNED, BODY, AT + 301, Unverified::Timestamp),
            (&secret, ID, &at, SIGNED, BODY, AT - 301, Unverified::Timestamp),
            (&secret, ID, "soon", SIGNED, BODY, AT, Unverified::Timestamp),
        ];
        for (at_case, (secret, id, at, signed, body, now, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(check(secret, id, at, signed, body, now), Err(wanted), "case {at_case}");
        }
    }

    #[test]
    fn both_secrets_sign_while_one_is_replaced() {
        let (new, old) = (new_secret().unwrap(), new_secret().unwrap());
        let pair = secrets(&new, Some((&old, AT * 1_000 + 5)));
        let signed = |ms| headers(&pair, ID, ms, BODY).unwrap()[2].1.clone();
        let during = signed(AT * 1_000 + 4);
        for secret in [&new, &old] {
            verify(secret, ID, &AT.to_string(), &during, BODY, AT).unwrap();
        }
        let after = signed(AT * 1_000 + 5);
        verify(&new, ID, &AT.to_string(), &after, BODY, AT).unwrap();
        assert_eq!(verify(&old, ID, &AT.to_string(), &after, BODY, AT), Err(Unverified::Signature));
    }

    #[test]
    fn secrets_have_their_form() {
        assert!(key(&new_secret().unwrap()).is_ok());
        assert_ne!(new_secret().unwrap().expose(), new_secret().unwrap().expose());
        let of = |bytes: usize| Secret::new(format!("whsec_{}", STANDARD.encode(vec![7; bytes])));
        for (secret, good) in [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (Secret::new("whsec_"), false),
            (Secret::new("whsec_%%%%"), false),
            (Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), false),
            (Secret::new(""), false),
        ] {
            assert_eq!(key(&secret).is_ok(), good, "{}", secret.expose());
        }
    }
}
