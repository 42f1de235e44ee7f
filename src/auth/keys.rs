//! API keys of programs: `vaani_<id>_<secret>`. The id is shown and looked up; of the secret only a
//! hash is kept, which needs no salt: it has 256 random bits.

use subtle::ConstantTimeEq as _;

use super::secrets;
use crate::base::secret::Secret;

const PREFIX: &str = "vaani_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 64;

/// A fresh key.
pub(super) struct FreshKey {
    pub id: String,
    /// All of it; shown once.
    pub key: Secret,
    /// Of the secret part.
    pub hash: String,
}

impl FreshKey {
    pub(super) fn random() -> std::io::Result<Self> {
        let (id, secret) = (secrets::short_id()?, Secret::random()?);
        let hash = secrets::sha256_hex(secret.expose());
        let key = Secret::new(format!("{PREFIX}{id}_{}", secret.expose()));
        Ok(Self { id, key, hash })
    }
}

/// What people see of a key.
pub fn shown(id: &str) -> String {
    format!("{PREFIX}{id}_…")
}

/// Id and secret of what looks like a key.
pub(super) fn parse(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let plain = |text: &str, chars: usize| {
        text.len() == chars && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    (plain(id, ID_CHARS) && plain(secret, SECRET_CHARS)).then_some((id, secret))
}

/// Is `secret` the one that was hashed?
pub(super) fn matches(secret: &str, hash: &str) -> bool {
    secrets::sha256_hex(secret).as_bytes().ct_eq(hash.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recognised_and_nothing_else() {
        let fresh = FreshKey::random().unwrap();
        let (id, secret) = parse(fresh.key.expose()).unwrap();
        assert_eq!(id, fresh.id);
        assert!(matches(secret, &fresh.hash));
        assert!(!fresh.hash.contains(secret) && !shown(id).contains(secret));
        assert!(!matches(&secret.replace(&secret[..1], "x"), &fresh.hash));
        assert!(!matches("", &fresh.hash) && !matches(secret, ""));
        let key = fresh.key.expose();
        for wrong in [
            "",
            "vaani_",
            "vaani__",
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}a"),
            &key.to_uppercase(),
            &key.replace('_', "-"),
            "vaani_é",
            &format!("{key} "),
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert_ne!(FreshKey::random().unwrap().key.expose(), key);
    }
}
