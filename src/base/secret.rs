//! Secrets: never printed, compared in constant time.

use std::fmt;

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

/// Bytes as small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A password, token or key. Has no `Serialize`, prints as `‹secret›`.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares without telling by its duration where the difference is.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// 256 random bits from the system, as 64 hexadecimal digits.
    pub fn random() -> std::io::Result<Self> {
        use std::io::Read;
        let mut bytes = [0_u8; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹secret›")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Turns personal values into names that cannot be turned back without the box's key.
#[derive(Clone)]
pub struct KeyedHash(Secret);

impl KeyedHash {
    pub const fn new(key: Secret) -> Self {
        Self(key)
    }

    pub fn of_key(key: &[u8]) -> Self {
        Self(Secret(hex(key)))
    }

    /// 16 hexadecimal digits: enough to find one person's calls, on this box only.
    pub fn of(&self, value: &str) -> String {
        use hmac::Mac;
        // HMAC takes keys of any length.
        let Ok(mut mac) = hmac::Hmac::<sha2::Sha256>::new_from_slice(self.0.expose().as_bytes()) else {
            return String::new();
        };
        mac.update(value.as_bytes());
        hex(&mac.finalize().into_bytes()[..8])
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹keyed hash›")
    }
}
