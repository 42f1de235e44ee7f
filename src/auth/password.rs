//! Passwords: argon2id. Promise: a login costs the same whether the account exists or not; a flood of
//! logins takes one core of four and a bounded queue, never the cores that carry calls.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::base::limits;
use crate::base::secret::Secret;
use crate::store::crypt;

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the password is too short; use {} characters or more", limits::PASSWORD_CHARS_MIN)]
    Short,
    #[error("the password is too long; use {} characters at most", limits::PASSWORD_CHARS_MAX)]
    Long,
    #[error("the password is too easy to guess; do not use the login, the word password, or few different characters")]
    Easy,
    /// The queue is full.
    #[error("too many people are logging in at once; try again in a few seconds")]
    Busy,
    #[error("the password could not be hashed: {0}")]
    Broken(String),
}

/// Hashes and checks, a few at a time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passwords {
    argon: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// Turns and waiting places together.
    places: Arc<Semaphore>,
    /// What the password of nobody is checked against.
    dummy: Arc<str>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

impl Passwords {
    /// `cores`: of the machine; a quarter of them may hash, at least one. Hashes once: blocking.
    pub(super) fn new(cores: usize) -> Result<Self, PasswordError> {
        Self::with(cores, limits::PASSWORD_KIB, limits::PASSWORD_PASSES)
    }

    fn with(cores: usize, kib: u32, passes: u32) -> Result<Self, PasswordError> {
        let params = Params::new(kib, passes, 1, None).map_err(broken)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let turns = (cores / 4).max(1);
        let dummy = hash(&argon, "nobody has this password")?;
        Ok(Self {
            argon,
            turns: Arc::new(Semaphore::new(turns)),
            places: Arc::new(Semaphore::new(turns + limits::PASSWORD_QUEUE)),
            dummy: dummy.into(),
        })
    }

    /// May this be somebody's password?
    pub(super) fn check(password: &Secret, login: &str) -> Result<(), PasswordError> {
        let text = prepared(password);
        let count = text.chars().count();
        if count < limits::PASSWORD_CHARS_MIN {
            return Err(PasswordError::Short);
        }
        if count > limits::PASSWORD_CHARS_MAX {
            return Err(PasswordError::Long);
        }
        let plain = text.to_lowercase();
        let mut different: Vec<char> = plain.chars().collect();
        different.sort_unstable();
        different.dedup();
        let name = login.split('@').next().unwrap_or_default();
        let easy = different.len() < 5 || plain.contains("password") || (name.len() > 3 && plain.contains(name));
        if easy { Err(PasswordError::Easy) } else { Ok(()) }
    }

    /// The PHC string to keep.
    pub(super) async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        let argon = self.argon.clone();
        self.in_turn(move || hash(&argon, &prepared(&password))).await?
    }

    /// Is it this one? `None`: there is no such account or it has no password; the answer is no after
    /// the same work.
    pub(super) async fn verify(&self, password: Secret, kept: Option<String>) -> Result<bool, PasswordError> {
        let (argon, dummy) = (self.argon.clone(), Arc::clone(&self.dummy));
        self.in_turn(move || {
            let text = prepared(&password);
            let fits = text.chars().count() <= limits::PASSWORD_CHARS_MAX;
            let known = kept.as_deref().filter(|_| fits);
            // What is too long to be a password is not worth hashing whole.
            let text = if fits { text.as_str() } else { "" };
            let right = PasswordHash::new(known.unwrap_or(&dummy))
                .is_ok_and(|phc| argon.verify_password(text.as_bytes(), &phc).is_ok());
            right && known.is_some()
        })
        .await
    }

    /// One of few turns on a thread that may compute.
    async fn in_turn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(broken)?;
        // The turn goes with the work, also where nobody waits for it any more.
        tokio::task::spawn_blocking(move || {
            let done = job();
            drop((turn, place));
            done
        })
        .await
        .map_err(broken)
    }
}

fn broken(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Broken(error.to_string())
}

/// The same characters, however a keyboard composes them.
fn prepared(password: &Secret) -> Zeroizing<String> {
    Zeroizing::new(password.expose().nfkc().take(limits::PASSWORD_CHARS_MAX + 1).collect())
}

fn hash(argon: &Argon2<'_>, text: &str) -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(&crypt::random::<16>().map_err(broken)?).map_err(broken)?;
    Ok(argon.hash_password(text.as_bytes(), &salt).map_err(broken)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_one_and_no_other_is_right() {
        let passwords = Passwords::new(2).unwrap();
        let kept = passwords.hash(Secret::new("correct horse battery")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        let again = passwords.hash(Secret::new("correct horse battery")).await.unwrap();
        assert_ne!(kept, again, "a salt was used twice");
        let cases = [
            ("correct horse battery", Some(kept.clone()), true),
            ("correct horse batterz", Some(kept.clone()), false),
            ("Correct horse battery", Some(kept.clone()), false),
            ("", Some(kept.clone()), false),
            ("correct horse battery", None, false),
            ("nobody has this password", None, false),
            ("correct horse battery", Some("no hash at all".to_owned()), false),
            ("correct horse battery", Some(String::new()), false),
        ];
        for (text, kept, right) in cases {
            assert_eq!(passwords.verify(Secret::new(text), kept).await.unwrap(), right, "{text}");
        }
        // The same letters, composed otherwise.
        let kept = passwords.hash(Secret::new("caf\u{e9} au lait twice")).await.unwrap();
        assert!(passwords.verify(Secret::new("cafe\u{301} au lait twice"), Some(kept)).await.unwrap());
        let huge = Secret::new("x".repeat(10 * 1024 * 1024));
        assert!(!passwords.verify(huge, Some(again)).await.unwrap());
    }

    #[test]
    fn what_may_be_a_password() {
        let cases = [
            ("correct horse", true),
            ("ஒரு நல்ல கடவுச்சொல்", true),
            ("short", false),
            ("aaaaaaaaaaaaaaaa", false),
            ("121212121212", false),
            ("MyPassword2026", false),
            ("asha.rao is my name", false),
        ];
        for (text, taken) in cases {
            assert_eq!(Passwords::check(&Secret::new(text), "asha.rao@bank.in").is_ok(), taken, "{text}");
        }
        assert!(matches!(Passwords::check(&Secret::new("ab cde".repeat(100)), "x"), Err(PasswordError::Long)));
    }

    #[tokio::test]
    async fn a_flood_is_queued_and_then_refused() {
        let passwords = Passwords::with(2, 8 * 1024, 8).unwrap();
        let many = (0..limits::PASSWORD_QUEUE + 40).map(|_| passwords.verify(Secret::new("guess"), None));
        let done = futures_util::future::join_all(many).await;
        let busy = done.iter().filter(|d| matches!(d, Err(PasswordError::Busy))).count();
        assert!(busy > 0 && busy <= 40, "{busy} of {}", done.len());
        assert!(done.iter().all(|d| matches!(d, Ok(false) | Err(PasswordError::Busy))));
        assert!(!passwords.verify(Secret::new("later"), None).await.unwrap(), "the queue empties again");
    }
}
