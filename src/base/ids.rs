//! Identifiers. Made here only, so that the simulator can make them from a seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One call, from the first webhook to the record kept of it. A UUIDv7: sorts by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(Uuid);

impl CallId {
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// A reproducible id for simulations.
    pub const fn from_seed(seed: u64, number: u64) -> Self {
        Self(Uuid::from_u64_pair(seed, number))
    }

    /// A short number for engine-side tables (conversation keys); unique per process in practice.
    pub const fn low_bits(self) -> u64 {
        self.0.as_u64_pair().1
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

impl utoipa::PartialSchema for CallId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).into()
    }
}

impl utoipa::ToSchema for CallId {}

/// A customer of the box, with a database and a key of its own: small letters, digits, `-` and `_`,
/// at most 64 of them, a letter or a digit first. Also the name of its file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant's name: use small letters, digits, - and _, a letter or a digit first, at most 64")]
pub struct NotATenant;

impl TenantId {
    /// Whose calls concern nobody in particular.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = NotATenant;
    fn from_str(s: &str) -> Result<Self, NotATenant> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = (1..=64).contains(&s.len())
            && s.starts_with(plain)
            && s.chars().all(|c| plain(c) || matches!(c, '-' | '_'));
        if fits { Ok(Self(s.to_owned())) } else { Err(NotATenant) }
    }
}

impl TryFrom<String> for TenantId {
    type Error = NotATenant;
    fn try_from(s: String) -> Result<Self, NotATenant> {
        s.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One request of a call to an engine; numbered from 1 within the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u64);

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A kind of thing that is kept, by a UUIDv7: sorts by the time it was made.
macro_rules! kept_id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            #[expect(clippy::new_without_default, reason = "every one is another")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// A reproducible id for simulations.
            pub const fn from_seed(seed: u64, number: u64) -> Self {
                Self(Uuid::from_u64_pair(seed, number))
            }

            /// Not later than any id made at this time or after it.
            pub fn earliest(unix_ms: u64) -> Self {
                Self(Uuid::from_u64_pair(unix_ms << 16, 0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

kept_id! {
    /// Somebody who is told of what happens.
    EndpointId
}

kept_id! {
    /// One event for one endpoint: the `webhook-id` of all its attempts.
    DeliveryId
}
