//! The eleven languages of the box (requirement L1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A language the box listens, thinks and speaks in. The order is that of the default menu.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Lang {
    En,
    Hi,
    Ta,
    Te,
    Ml,
    Kn,
    Gu,
    Mr,
    Bn,
    Pa,
    Or,
}

struct Row {
    tag: &'static str,
    iso: &'static str,
    english: &'static str,
    native: &'static str,
    /// First and last code point of the script's Unicode block.
    block: (char, char),
    /// The script's digit zero.
    zero: char,
}

const ROWS: [Row; 11] = [
    Row { tag: "en-IN", iso: "en", english: "English", native: "English", block: ('A', 'z'), zero: '0' },
    Row {
        tag: "hi-IN", iso: "hi", english: "Hindi", native: "हिन्दी", block: ('\u{900}', '\u{97F}'), zero: '०'
    },
    Row {
        tag: "ta-IN", iso: "ta", english: "Tamil", native: "தமிழ்", block: ('\u{B80}', '\u{BFF}'), zero: '௦'
    },
    Row {
        tag: "te-IN", iso: "te", english: "Telugu", native: "తెలుగు", block: ('\u{C00}', '\u{C7F}'), zero: '౦'
    },
    Row {
        tag: "ml-IN", iso: "ml", english: "Malayalam", native: "മലയാളം", block: ('\u{D00}', '\u{D7F}'), zero: '൦'
    },
    Row {
        tag: "kn-IN", iso: "kn", english: "Kannada", native: "ಕನ್ನಡ", block: ('\u{C80}', '\u{CFF}'), zero: '೦'
    },
    Row {
        tag: "gu-IN", iso: "gu", english: "Gujarati", native: "ગુજરાતી", block: ('\u{A80}', '\u{AFF}'), zero: '૦'
    },
    Row {
        tag: "mr-IN", iso: "mr", english: "Marathi", native: "मराठी", block: ('\u{900}', '\u{97F}'), zero: '०'
    },
    Row {
        tag: "bn-IN", iso: "bn", english: "Bengali", native: "বাংলা", block: ('\u{980}', '\u{9FF}'), zero: '০'
    },
    Row {
        tag: "pa-IN", iso: "pa", english: "Punjabi", native: "ਪੰਜਾਬੀ", block: ('\u{A00}', '\u{A7F}'), zero: '੦'
    },
    Row {
        tag: "or-IN", iso: "or", english: "Odia", native: "ଓଡ଼ିଆ", block: ('\u{B00}', '\u{B7F}'), zero: '୦'
    },
];

impl Lang {
    pub const ALL: [Self; 11] =
        [Self::En, Self::Hi, Self::Ta, Self::Te, Self::Ml, Self::Kn, Self::Gu, Self::Mr, Self::Bn, Self::Pa, Self::Or];

    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// BCP 47, always with the region: `hi-IN`.
    pub const fn tag(self) -> &'static str {
        self.row().tag
    }

    /// Two letters: `hi`.
    pub const fn iso(self) -> &'static str {
        self.row().iso
    }

    pub const fn english_name(self) -> &'static str {
        self.row().english
    }

    pub const fn native_name(self) -> &'static str {
        self.row().native
    }

    /// The script's digit zero; the other nine follow it in Unicode.
    pub const fn digit_zero(self) -> char {
        self.row().zero
    }

    /// Is `c` a letter, sign or digit of this language's script? (Hindi and Marathi share one.)
    pub const fn writes(self, c: char) -> bool {
        match self {
            Self::En => c.is_ascii_alphabetic(),
            _ => {
                let (first, last) = self.row().block;
                // U+0964/U+0965 (danda) sit in the Devanagari block but belong to every script.
                c >= first && c <= last && c != '\u{964}' && c != '\u{965}'
            }
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl utoipa::PartialSchema for Lang {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::ALL.map(Self::tag))).into()
    }
}

impl utoipa::ToSchema for Lang {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language {0:?}; the box speaks en-IN hi-IN ta-IN te-IN ml-IN kn-IN gu-IN mr-IN bn-IN pa-IN or-IN")]
pub struct UnknownLang(pub String);

impl FromStr for Lang {
    type Err = UnknownLang;

    /// Takes `hi`, `hi-IN`, `hi_in`, English or native names; `od` is an older code for Odia.
    fn from_str(s: &str) -> Result<Self, UnknownLang> {
        let wanted = s.trim().to_lowercase().replace('_', "-");
        let base = wanted.split('-').next().unwrap_or_default();
        if base == "od" {
            return Ok(Self::Or);
        }
        Self::ALL
            .into_iter()
            .find(|l| base == l.iso() || wanted == l.english_name().to_lowercase() || wanted == l.native_name())
            .ok_or_else(|| UnknownLang(s.to_owned()))
    }
}

impl Serialize for Lang {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.tag())
    }
}

impl<'de> Deserialize<'de> for Lang {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_language_is_understood() {
        for lang in Lang::ALL {
            for text in [lang.tag(), lang.iso(), lang.english_name(), lang.native_name(), &lang.tag().to_lowercase()] {
                assert_eq!(text.parse::<Lang>(), Ok(lang), "{text}");
            }
        }
        assert_eq!("od-IN".parse(), Ok(Lang::Or));
        assert!("fr".parse::<Lang>().is_err());
    }
}
