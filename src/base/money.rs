//! Amounts of money. Kept in thousandths of a paisa, so that the smallest requests add up exactly;
//! written as paise in records and as rupees for people.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount. Adding never overflows and there are no debts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

impl Money {
    pub const ZERO: Self = Self(0);

    pub const fn from_millipaise(millipaise: u64) -> Self {
        Self(millipaise)
    }

    pub const fn from_paise(paise: u64) -> Self {
        Self(paise.saturating_mul(1_000))
    }

    pub const fn millipaise(self) -> u64 {
        self.0
    }

    /// Whole paise, rounded down: a budget is used up when the last paisa is.
    pub const fn whole_paise(self) -> u64 {
        self.0 / 1_000
    }

    pub fn paise(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// 0 to 100 of `whole`.
    pub fn percent_of(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 * 100.0 / whole.0 as f64 }
    }

    /// In paise, as records have it; nothing that is no amount becomes one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
    fn from_f64(paise: f64) -> Self {
        Self((paise.max(0.0) * 1_000.0).round() as u64)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

/// `₹1,23,456.78`; less than a paisa that is not nothing is `< ₹0.01`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paise = self.0.saturating_add(500) / 1_000;
        let text = match (self.0, paise) {
            (1.., 0) => "< ₹0.01".to_owned(),
            _ => format!("₹{}.{:02}", grouped(paise / 100), paise % 100),
        };
        f.pad(&text)
    }
}

/// Lakh and crore: the last three digits, then pairs.
fn grouped(rupees: u64) -> String {
    let digits = rupees.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    let mut text = String::new();
    for (place, digit) in head.chars().enumerate() {
        if place > 0 && (head.len() - place) % 2 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if !text.is_empty() {
        text.push(',');
    }
    text + tail
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.paise())
    }
}

impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new().schema_type(Type::Number).description(Some("Paise, with fractions.")).into()
    }
}

impl utoipa::ToSchema for Money {}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from).map(Self::from_f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rupees_are_written_as_in_india() {
        let cases = [
            (0, "₹0.00"),
            (400, "< ₹0.01"),
            (1_499, "₹0.01"),
            (123_456, "₹1.23"),
            (99_999_600, "₹1,000.00"),
            (1_234_567_800_000, "₹1,23,45,678.00"),
        ];
        for (millipaise, text) in cases {
            assert_eq!(Money::from_millipaise(millipaise).to_string(), text);
        }
        assert_eq!(format!("{:>8}|", Money::from_paise(120)), "   ₹1.20|");
        assert_eq!(serde_json::from_str::<Money>("-3").unwrap(), Money::ZERO);
    }

    proptest! {
        #[test]
        fn amounts_survive_a_record(millipaise in 0_u64..9_000_000_000_000) {
            let money = Money::from_millipaise(millipaise);
            let text = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), money);
        }
    }
}
