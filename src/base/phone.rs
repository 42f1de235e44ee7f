//! Phone numbers: E.164 inside, masked outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::lang::Lang;

/// A phone number in E.164 (`+919876543210`). Prints masked; [`Phone::reveal`] is the only way out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in international form: expected + and 8 to 15 digits")]
pub struct NotAPhone;

/// Why what somebody wrote is no phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.reason(), self.advice())]
pub enum Miswritten {
    Missing,
    Shortened,
    Several,
    Letters,
    Short,
    Long,
    NotIndian,
    NoCountry,
    NotTen,
    AllSame,
}

impl Miswritten {
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "the phone number is missing",
            Self::Shortened => "a spreadsheet has shortened the phone number (9.8E+09)",
            Self::Several => "there is more than one phone number",
            Self::Letters => "the phone number has letters or signs in it",
            Self::Short => "the phone number is too short",
            Self::Long => "the phone number is too long, or there is more than one",
            Self::NotIndian => "this is no Indian phone number",
            Self::NoCountry => "the country code is missing",
            Self::NotTen => "an Indian number has ten digits after +91",
            Self::AllSame => "all digits of the phone number are the same",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Shortened => "format the column as text and enter the number again",
            Self::Several | Self::Long => "write one number only",
            Self::AllSame => "write the customer's own number",
            _ => "write ten digits such as 98765 43210, or +91 and ten digits; with +, any country's number",
        }
    }
}

impl Phone {
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As trunks of India dial: the ten digits of an Indian number, others with their country code and
    /// without a sign.
    pub fn national(&self) -> &str {
        self.0.strip_prefix("+91").unwrap_or_else(|| self.0.trim_start_matches('+'))
    }

    /// As offices and operators of India write numbers, in any script's digits; foreign ones with their
    /// country code.
    pub fn written(text: &str) -> Result<Self, Miswritten> {
        // Signs that only steer how text is shown come along when numbers are copied from address books.
        let unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}');
        let text = ascii_digits(text).replace(unseen, "").to_ascii_lowercase();
        // Spreadsheets put a quotation mark before what is to stay text.
        let text = text.trim().trim_start_matches('\'');
        if text.is_empty() {
            return Err(Miswritten::Missing);
        }
        if text.contains("e+") || (text.contains('e') && text.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(Miswritten::Shortened);
        }
        let text = text.strip_prefix("tel:").unwrap_or(text).trim();
        // A number cell that was saved as text.
        let text = text.strip_suffix(".0").unwrap_or(text);
        let plus = text.starts_with('+');
        let mut digits = String::with_capacity(16);
        for c in text.chars().skip(usize::from(plus)) {
            match c {
                '0'..='9' => digits.push(c),
                ' ' | '-' | '.' | '(' | ')' | '\u{a0}' | '\u{2010}'..='\u{2015}' => {}
                '/' | ',' | ';' | '&' | '|' => return Err(Miswritten::Several),
                _ => return Err(Miswritten::Letters),
            }
        }
        let international = if plus { Some(digits.as_str()) } else { digits.strip_prefix("00") };
        let whole = match international {
            // `+91 0 98765 43210`: the zero of the trunk does not belong there.
            Some(rest) if rest.starts_with("910") && rest.len() == 13 => format!("91{}", &rest[3..]),
            Some(rest) => rest.to_owned(),
            None => match (digits.len(), digits.as_bytes()) {
                // No subscriber's number begins with 0 or 1.
                (10, [b'2'..=b'9', ..]) => format!("91{digits}"),
                (11, [b'0', b'2'..=b'9', ..]) => format!("91{}", &digits[1..]),
                (12, [b'9', b'1', b'2'..=b'9', ..]) => digits.clone(),
                (13, [b'0', b'9', b'1', b'2'..=b'9', ..]) => digits[1..].to_owned(),
                (13, [b'9', b'1', b'0', b'2'..=b'9', ..]) => format!("91{}", &digits[3..]),
                (..10, _) => return Err(Miswritten::Short),
                (16.., _) => return Err(Miswritten::Long),
                _ => return Err(Miswritten::NotIndian),
            },
        };
        if whole.is_empty() || whole.starts_with('0') {
            return Err(Miswritten::NoCountry);
        }
        if whole.starts_with("91") && (whole.len() != 12 || matches!(whole.as_bytes()[2], b'0' | b'1')) {
            return Err(Miswritten::NotTen);
        }
        match whole.len() {
            ..8 => Err(Miswritten::Short),
            16.. => Err(Miswritten::Long),
            _ => Ok(Self(format!("+{whole}"))),
        }
    }

    /// The same of a customer; what people type only to fill a field is refused.
    pub fn of_customer(text: &str) -> Result<Self, Miswritten> {
        let phone = Self::written(text)?;
        let mut digits = phone.0.bytes().skip(3);
        let first = digits.next();
        if digits.all(|digit| Some(digit) == first) { Err(Miswritten::AllSame) } else { Ok(phone) }
    }
}

/// Digits of all scripts as ASCII: lists from Indian offices have Devanagari ones, too.
pub fn ascii_digits(text: &str) -> String {
    text.chars()
        .map(|c| {
            let digit = Lang::ALL.iter().find_map(|lang| {
                let place = u32::from(c).checked_sub(u32::from(lang.digit_zero())).filter(|place| *place < 10)?;
                char::from_digit(place, 10)
            });
            digit.unwrap_or(c)
        })
        .collect()
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

    #[test]
    fn numbers_are_understood_as_india_writes_them() {
        for (written, want) in [
            ("98765 43210", "+919876543210"),
            ("98765-43210", "+919876543210"),
            ("09876543210", "+919876543210"),
            ("919876543210", "+919876543210"),
            ("+91 98765 43210", "+919876543210"),
            ("+91-0-9876543210", "+919876543210"),
            ("910-9876543210", "+919876543210"),
            ("0091 9876543210", "+919876543210"),
            ("0919876543210", "+919876543210"),
            ("(080) 2345 6789", "+918023456789"),
            ("tel:+919876543210", "+919876543210"),
            ("9876543210.0", "+919876543210"),
            ("'+919876543210", "+919876543210"),
            ("९८७६५ ४३२१०", "+919876543210"),
            ("௯௮௭௬௫௪௩௨௧௦", "+919876543210"),
            ("\u{202a}+91 98765 43210\u{202c}", "+919876543210"),
            ("+1 (615) 484-6056", "+16154846056"),
        ] {
            assert_eq!(Phone::written(written).map(|p| p.reveal().to_owned()), Ok(want.to_owned()), "{written}");
        }
        for (written, wrong) in [
            ("", Miswritten::Missing),
            (" ' ", Miswritten::Missing),
            ("12345", Miswritten::Short),
            ("+44 123", Miswritten::Short),
            ("9.87654E+09", Miswritten::Shortened),
            ("9.8E9", Miswritten::Shortened),
            ("9876543210 / 9876543211", Miswritten::Several),
            ("98765 43210, 98765 43211", Miswritten::Several),
            ("98765432109876543210", Miswritten::Long),
            ("+98765432109876543210", Miswritten::Long),
            ("0000000000", Miswritten::NoCountry),
            ("+", Miswritten::NoCountry),
            ("0123456789", Miswritten::NotIndian),
            ("1876543210", Miswritten::NotIndian),
            ("+91 12345", Miswritten::NotTen),
            ("+91 18765 43210", Miswritten::NotTen),
            ("+0912345678", Miswritten::NoCountry),
            ("call me", Miswritten::Letters),
        ] {
            assert_eq!(Phone::written(written), Err(wrong), "{written}");
            assert_eq!(Phone::of_customer(written), Err(wrong), "{written}");
        }
        // Somebody may have such a number and not wish to be called.
        assert!(Phone::written("9999999999").is_ok());
        assert_eq!(Phone::of_customer("9999999999"), Err(Miswritten::AllSame));
        assert!(Phone::of_customer("9999999998").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn every_indian_number_is_one_number_in_every_form(digits in "[6-9][0-9]{9}", form in 0..5) {
            let written = match form {
                0 => digits.clone(),
                1 => format!("+91{digits}"),
                2 => format!("0{digits}"),
                3 => format!("91-{digits}"),
                _ => format!("00 91 {} {}", &digits[..5], &digits[5..]),
            };
            let phone = Phone::written(&written).unwrap();
            proptest::prop_assert_eq!(phone.reveal(), format!("+91{digits}"));
        }

        #[test]
        fn whatever_is_written_is_a_number_in_international_form_or_none(written in "\\PC{0,40}") {
            if let Ok(phone) = Phone::written(&written) {
                proptest::prop_assert_eq!(phone.reveal().parse::<Phone>(), Ok(phone.clone()));
            }
        }
    }
}
