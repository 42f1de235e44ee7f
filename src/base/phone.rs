//! Phone numbers: E.164 inside, masked outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A phone number in E.164 (`+919876543210`). Prints masked; [`Phone::reveal`] is the only way out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in international form: expected + and 8 to 15 digits")]
pub struct NotAPhone;

impl Phone {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = NotAPhone;

    fn from_str(s: &str) -> Result<Self, NotAPhone> {
        let mut kept = String::with_capacity(16);
        for c in s.trim().chars() {
            match c {
                '+' if kept.is_empty() => kept.push('+'),
                '0'..='9' => kept.push(c),
                ' ' | '-' | '(' | ')' | '.' => {}
                _ => return Err(NotAPhone),
            }
        }
        if kept.starts_with('+') && (9..=16).contains(&kept.len()) { Ok(Self(kept)) } else { Err(NotAPhone) }
    }
}

impl TryFrom<String> for Phone {
    type Error = NotAPhone;
    fn try_from(s: String) -> Result<Self, NotAPhone> {
        s.parse()
    }
}

impl From<Phone> for String {
    fn from(p: Phone) -> Self {
        p.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(4);
        let country = if self.0.starts_with("+91") { "+91" } else { "+" };
        write!(f, "{country}{}{}", "•".repeat(last.saturating_sub(country.len())), &self.0[last..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_masked() {
        let phone: Phone = "+91 98765-43210".parse().unwrap();
        assert_eq!(phone.to_string(), "+91••••••3210");
        assert_eq!(format!("{phone:?}"), "+91••••••3210");
        assert_eq!(phone.reveal(), "+919876543210");
        assert!("98765".parse::<Phone>().is_err());
        assert!("sip:x@y".parse::<Phone>().is_err());
    }
}
