//! Sessions of people. Promise: the token is random and new at each login, only its hash is kept; a
//! session ends when it is not used, at its age, at logout, and when its owner loses the account.

use crate::base::limits;
use crate::base::secret::Secret;
use crate::store::sessions::Session;
use crate::store::users::User;
use uuid::Uuid;

use super::secrets;

/// The name where the browser's connection is encrypted: no other site or path can set such a cookie.
const SAFE_NAME: &str = "__Host-vaani";
const PLAIN_NAME: &str = "vaani";
/// Ties a login at the provider to the browser that began it.
const OIDC_SAFE_NAME: &str = "__Host-vaani-oidc";
const OIDC_PLAIN_NAME: &str = "vaani-oidc";
/// The header that shows a request came from our own page.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// How cookies are named and protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// The public address is https.
    pub secure: bool,
}

impl Cookies {
    pub const fn name(self) -> &'static str {
        if self.secure { SAFE_NAME } else { PLAIN_NAME }
    }

    pub const fn oidc_name(self) -> &'static str {
        if self.secure { OIDC_SAFE_NAME } else { OIDC_PLAIN_NAME }
    }

    /// `Set-Cookie` of a session. No age: it goes with the browser, and the box ends it anyway.
    pub fn set(self, token: &Secret) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict{}", self.name(), token.expose(), self.ending())
    }

    pub fn clear(self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", self.name(), self.ending())
    }

    /// Lax, because the provider sends the browser back from another site.
    pub fn set_oidc(self, state: &Secret) -> String {
        let age = limits::OIDC_LOGIN_TTL.as_secs();
        let (name, state, ending) = (self.oidc_name(), state.expose(), self.ending());
        format!("{name}={state}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{ending}")
    }

    pub fn clear_oidc(self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", self.oidc_name(), self.ending())
    }

    const fn ending(self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }
}

/// A session and the token that goes into the cookie, once.
pub struct FreshSession {
    pub token: Secret,
    pub session: Session,
}

/// For how long sessions hold.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub whole_ms: i64,
    pub idle_ms: i64,
}

/// From where somebody came in, and how.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `password`, `totp`, `recovery`, `oidc`, `setup` or `reset`.
    pub how: &'static str,
    pub address: String,
    pub agent: String,
}

impl FreshSession {
    pub fn new(user: &User, entry: Entry, life: Lifetimes, now_ms: i64) -> std::io::Result<Self> {
        let token = secrets::token()?;
        let mut agent = entry.agent;
        agent.truncate(
            (0..=limits::AGENT_BYTES_MAX.min(agent.len())).rev().find(|at| agent.is_char_boundary(*at)).unwrap_or(0),
        );
        let session = Session {
            hash: secrets::sha256_hex(token.expose()),
            id: Uuid::now_v7(),
            user: user.id,
            csrf: secrets::token()?.expose().to_owned(),
            how: entry.how.to_owned(),
            created_ms: now_ms,
            seen_ms: now_ms,
            idle_until_ms: now_ms + life.idle_ms,
            until_ms: now_ms + life.whole_ms,
            address: entry.address,
            agent,
        };
        Ok(Self { token, session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_protected() {
        let token = Secret::new("abc");
        let safe = Cookies { secure: true };
        assert_eq!(safe.set(&token), "__Host-vaani=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(safe.clear(), "__Host-vaani=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure");
        let plain = Cookies { secure: false };
        assert_eq!(plain.set(&token), "vaani=abc; Path=/; HttpOnly; SameSite=Strict");
        assert!(safe.set_oidc(&token).contains("SameSite=Lax") && safe.set_oidc(&token).ends_with("; Secure"));
    }
}
