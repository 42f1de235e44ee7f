//! Why somebody is not let in, or not given what they ask for. The words are for them: they say what to
//! do and nothing about accounts.

use std::time::Duration;

use super::oidc::OidcError;
use super::password::PasswordError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Neither key, token nor session.
    #[error("log in, or send a key or token that is valid: `Authorization: Bearer …`")]
    Unknown,
    #[error("login, password or code is wrong, or the account is closed")]
    Wrong,
    /// The password is right and the account has a second factor.
    #[error("send the six digits of your authenticator, or a recovery code, as `code` with the same request")]
    CodeNeeded,
    #[error("this code is wrong, too old, or was used already; ask for a new one")]
    CodeWrong,
    #[error("too many tries; wait {} s", .0.as_secs().max(1))]
    Wait(Duration),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(String),
    #[error("somebody else has changed it meanwhile; read it again and repeat your change")]
    Stale,
    #[error("{0} is not there")]
    NotFound(&'static str),
    #[error(transparent)]
    Oidc(#[from] OidcError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Refusal {
    pub(super) fn beyond() -> Self {
        Self::Forbidden("you cannot give or change what you do not have yourself; ask an admin".to_owned())
    }
}
