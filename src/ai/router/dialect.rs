//! Dialects that the routing file may name (requirement L4).

use std::str::FromStr;

use serde::Serialize;

use crate::base::Lang;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    Travancore,
    Malabar,
    Cochin,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::Travancore, Self::Malabar, Self::Cochin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Travancore => "travancore",
            Self::Malabar => "malabar",
            Self::Cochin => "cochin",
        }
    }

    pub const fn language(self) -> Lang {
        Lang::Ml
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {0:?}; known are travancore, malabar and cochin")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        let wanted = text.trim().to_lowercase();
        Self::ALL.into_iter().find(|d| d.as_str() == wanted).ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}
