//! Short-lived tokens of one tenant (JWT, HS256). Promise: the key is the tenant's own and dies with
//! it; only this algorithm, this issuer and this audience hold; every token has an end within an hour
//! and an id by which it is revoked. Whether the id was issued and not revoked is the store's to say.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use super::role::{Permission, Role};
use crate::base::TenantId;
use crate::base::limits;
use crate::base::secret::Secret;

const ISSUER: &str = "vaani";
const AUDIENCE: &str = "vaani-api";
/// What the tenant's key is derived for.
pub(super) const PURPOSE: &str = "tokens of the API";
/// Bytes of a token; longer ones are not looked at.
const TOKEN_BYTES_MAX: usize = 4 * 1024;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub aud: String,
    /// The issuer's actor: `key:…`.
    pub sub: String,
    pub jti: String,
    pub tenant: TenantId,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Permission>>,
    /// Seconds since 1970.
    pub iat: u64,
    pub exp: u64,
}

/// Why a token does not hold. Whoever shows it hears only that it does not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtError {
    #[error("it is no token of this box")]
    Malformed,
    #[error("its tenant does not exist")]
    Tenant,
    #[error("its signature, issuer or audience is not right")]
    Wrong,
    #[error("it has run out")]
    Expired,
    #[error("its times make no sense")]
    Times,
    #[error("it could not be signed")]
    Sign,
}

impl Claims {
    pub(super) fn new(
        sub: String,
        jti: String,
        tenant: TenantId,
        (role, scopes): (Role, Option<Vec<Permission>>),
        (iat, exp): (u64, u64),
    ) -> Self {
        Self { iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), sub, jti, tenant, role, scopes, iat, exp }
    }
}

pub(super) fn sign(claims: &Claims, key: &[u8; 32]) -> Result<Secret, JwtError> {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(claims.tenant.to_string());
    encode(&header, claims, &EncodingKey::from_secret(key)).map(Secret::new).map_err(|_| JwtError::Sign)
}

/// Looks like a token: three parts.
pub(super) fn is_like_one(text: &str) -> bool {
    text.len() <= TOKEN_BYTES_MAX && text.starts_with("ey") && text.bytes().filter(|b| *b == b'.').count() == 2
}

/// The tenant that a token says it is of. Nothing of it is checked yet.
pub(super) fn tenant_of(token: &str) -> Option<TenantId> {
    if !is_like_one(token) {
        return None;
    }
    decode_header(token).ok()?.kid?.parse().ok()
}

/// `key_of` gives the key of a tenant that exists; `now` is seconds since 1970.
pub(super) fn verify(
    token: &str,
    key_of: impl Fn(&TenantId) -> Option<[u8; 32]>,
    now: u64,
) -> Result<Claims, JwtError> {
    if !is_like_one(token) {
        return Err(JwtError::Malformed);
    }
    let header = decode_header(token).map_err(|_| JwtError::Malformed)?;
    if header.alg != Algorithm::HS256 {
        return Err(JwtError::Malformed);
    }
    let tenant: TenantId = header.kid.and_then(|kid| kid.parse().ok()).ok_or(JwtError::Malformed)?;
    let key = key_of(&tenant).ok_or(JwtError::Tenant)?;
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Time is ours to judge, by the box's clock.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    let claims: Claims = decode(token, &DecodingKey::from_secret(&key), &rules).map_err(|_| JwtError::Wrong)?.claims;
    if claims.tenant != tenant {
        return Err(JwtError::Wrong);
    }
    if claims.exp <= now {
        return Err(JwtError::Expired);
    }
    if claims.iat > now || claims.exp <= claims.iat || claims.exp - claims.iat > limits::TOKEN_MAX.as_secs() {
        return Err(JwtError::Times);
    }
    Ok(claims)
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
