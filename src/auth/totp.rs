//! The second factor: time-based codes (RFC 6238, SHA-1, 30 s, 6 digits: what every authenticator
//! knows) and recovery codes. Promise: no code holds twice.

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::secrets;
use crate::store::crypt;

const STEP_SECONDS: u64 = 30;
const DIGITS: u32 = 6;
/// Steps before and after now that hold too: clocks of telephones are not exact.
const WINDOW: u64 = 1;
/// Recovery codes given out with the second factor.
const RECOVERY_CODES: usize = 10;
const SECRET_BYTES: usize = 20;

/// A secret shared with somebody's authenticator.
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("‹secret›")
    }
}

impl TotpSecret {
    pub fn random() -> std::io::Result<Self> {
        Ok(Self(Zeroizing::new(crypt::random::<SECRET_BYTES>()?.to_vec())))
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it where there is no camera.
    pub fn base32(&self) -> String {
        secrets::base32(&self.0)
    }

    /// What the QR code says.
    pub fn uri(&self, issuer: &str, login: &str) -> String {
        let escape =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        let (issuer, login) = (escape(issuer), escape(login));
        format!(
            "otpauth://totp/{issuer}:{login}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
            self.base32()
        )
    }

    /// The code of one step.
    fn code(&self, step: u64, digits: u32) -> String {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.0) else { return String::new() };
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[hash.len() - 1] & 15);
        let number = u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]]);
        format!("{:0width$}", number % 10_u32.pow(digits), width = digits as usize)
    }

    /// The code that an authenticator shows at `unix` seconds: for tests and for the command line.
    pub fn at(&self, unix: u64) -> String {
        self.code(unix / STEP_SECONDS, DIGITS)
    }

    /// The step to which `code` belongs, if it holds now and no later one was used. The caller notes
    /// the step as used in the same write.
    pub fn verify(&self, code: &str, unix: u64, last_step: u64) -> Option<u64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).take(DIGITS as usize + 1).collect();
        let now = unix / STEP_SECONDS;
        let mut found = None;
        // All are compared: the duration tells nothing.
        for step in now.saturating_sub(WINDOW)..=now + WINDOW {
            let right: bool = self.code(step, DIGITS).as_bytes().ct_eq(code.as_bytes()).into();
            if right && step > last_step && found.is_none() {
                found = Some(step);
            }
        }
        found
    }
}

/// Fresh recovery codes: what people see, and the hashes to keep.
pub fn recovery_codes() -> std::io::Result<(Vec<String>, Vec<String>)> {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| secrets::code(10)).collect::<Result<_, _>>()?;
    let hashes = codes.iter().map(|code| secrets::hash_of_code(code)).collect();
    Ok((codes, hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890");
        let vectors = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000_u64, "65353130"),
        ];
        for (unix, code) in vectors {
            assert_eq!(secret.code(unix / 30, 8), code, "at {unix}");
            assert_eq!(secret.at(unix), code[2..], "at {unix}");
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_holds_one_step_around_and_once() {
        let secret = TotpSecret::random().unwrap();
        let now = 1_800_000_000_u64;
        let step = now / 30;
        for (offset, holds) in [(-60_i64, false), (-30, true), (0, true), (30, true), (60, false)] {
            let code = secret.at(now.checked_add_signed(offset).unwrap());
            assert_eq!(secret.verify(&code, now, 0).is_some(), holds, "{offset}");
        }
        let code = secret.at(now);
        assert_eq!(secret.verify(&code, now, step - 1), Some(step));
        assert_eq!(secret.verify(&code, now, step), None, "used");
        assert_eq!(secret.verify(&secret.at(now - 30), now, step), None, "older than the one used");
        assert_eq!(secret.verify(&secret.at(now + 30), now, step), Some(step + 1));
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert_eq!(secret.verify(&spaced, now, 0), Some(step));
        for wrong in ["", "12345", "1234567", "abcdef", "１２３４５６", &"9".repeat(100_000)] {
            assert_eq!(secret.verify(wrong, now, 0), None);
        }
        assert_eq!(secret.verify(&code, 0, 0).is_some(), secret.at(0) == code || secret.at(30) == code);
    }

    #[test]
    fn the_address_for_authenticators_is_escaped() {
        let uri = TotpSecret::from_bytes(b"12345678901234567890").uri("vaani box", "a&b@c");
        assert_eq!(
            uri,
            "otpauth://totp/vaani%20box:a%26b%40c?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=vaani%20box&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn recovery_codes_are_all_different_and_kept_as_hashes() {
        let (codes, hashes) = recovery_codes().unwrap();
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        let mut distinct = codes.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), codes.len());
        assert!(hashes.iter().all(|hash| hash.len() == 64 && !codes.contains(hash)));
    }
}
