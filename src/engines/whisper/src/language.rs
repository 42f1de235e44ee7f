//! The box's languages as Whisper knows them, and the script guard.

/// A language of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Language {
    pub(crate) tag: &'static str,
    /// Whisper's code of the language token that stands for it.
    pub(crate) code: String,
    pub(crate) script: Script,
}

/// A writing system: the blocks of Unicode its letters and signs lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Devanagari,
    Bengali,
    Gurmukhi,
    Gujarati,
    Odia,
    Tamil,
    Telugu,
    Kannada,
    Malayalam,
    /// A letter of a script that no language of the box is written in.
    Other,
}

const ROWS: [(&str, &str, Script); 11] = [
    ("en-IN", "en", Script::Latin),
    ("hi-IN", "hi", Script::Devanagari),
    ("ta-IN", "ta", Script::Tamil),
    ("te-IN", "te", Script::Telugu),
    ("ml-IN", "ml", Script::Malayalam),
    ("kn-IN", "kn", Script::Kannada),
    ("gu-IN", "gu", Script::Gujarati),
    ("mr-IN", "mr", Script::Devanagari),
    ("bn-IN", "bn", Script::Bengali),
    ("pa-IN", "pa", Script::Gurmukhi),
    ("or-IN", "", Script::Odia),
];

/// The languages a model serves: all with Whisper's own codes, Odia only where a token stands for
/// it, English alone with an English-only model.
pub(crate) fn languages(multilingual: bool, odia: Option<&str>) -> Vec<Language> {
    let rows = ROWS.iter().filter(|(tag, ..)| multilingual || *tag == "en-IN");
    rows.filter_map(|(tag, code, script)| {
        let code = if *tag == "or-IN" { odia? } else { code };
        Some(Language { tag, code: code.to_owned(), script: *script })
    })
    .collect()
}

impl Script {
    /// The script of a letter or vowel sign; `None` for digits, punctuation and space.
    pub(crate) fn of(c: char) -> Option<Self> {
        // Danda and double danda lie in the Devanagari block and belong to every script.
        if matches!(c, '\u{964}' | '\u{965}') || c.is_numeric() {
            return None;
        }
        Some(match c {
            '\u{0900}'..='\u{097F}' | '\u{A8E0}'..='\u{A8FF}' => Self::Devanagari,
            '\u{0980}'..='\u{09FF}' => Self::Bengali,
            '\u{0A00}'..='\u{0A7F}' => Self::Gurmukhi,
            '\u{0A80}'..='\u{0AFF}' => Self::Gujarati,
            '\u{0B00}'..='\u{0B7F}' => Self::Odia,
            '\u{0B80}'..='\u{0BFF}' => Self::Tamil,
            '\u{0C00}'..='\u{0C7F}' => Self::Telugu,
            '\u{0C80}'..='\u{0CFF}' => Self::Kannada,
            '\u{0D00}'..='\u{0D7F}' => Self::Malayalam,
            'A'..='Z' | 'a'..='z' | '\u{00C0}'..='\u{024F}' | '\u{1E00}'..='\u{1EFF}' => Self::Latin,
            _ if c.is_alphabetic() => Self::Other,
            _ => return None,
        })
    }

    /// May a token of these bytes stand in a text of this script? Bytes cut inside a character are
    /// judged by the block they begin, and pass when that is open.
    pub(crate) fn allows(self, bytes: &[u8]) -> bool {
        let whole = match std::str::from_utf8(bytes) {
            Ok(_) => bytes,
            Err(error) => &bytes[..error.valid_up_to()],
        };
        let fits = |text: &str| text.chars().all(|c| Self::of(c).is_none_or(|s| s == self));
        // `whole` is valid by construction.
        if !std::str::from_utf8(whole).is_ok_and(fits) {
            return false;
        }
        match &bytes[whole.len()..] {
            // All the Indian blocks begin with E0; the second byte and the first bit of the third
            // tell the block, so two bytes decide between pairs of neighbours.
            [0xE0, second, ..] => {
                let low = char::from_u32((u32::from(*second) & 0x3F) << 6);
                let high = char::from_u32(((u32::from(*second) & 0x3F) << 6) | 0x3F);
                low.is_some_and(|c| self.block_of(c)) || high.is_some_and(|c| self.block_of(c))
            }
            _ => true,
        }
    }

    fn block_of(self, c: char) -> bool {
        // Whole blocks, unassigned places and digits included.
        let block = |first: u32| (first..first + 0x80).contains(&u32::from(c));
        match self {
            Self::Devanagari => block(0x900),
            Self::Bengali => block(0x980),
            Self::Gurmukhi => block(0xA00),
            Self::Gujarati => block(0xA80),
            Self::Odia => block(0xB00),
            Self::Tamil => block(0xB80),
            Self::Telugu => block(0xC00),
            Self::Kannada => block(0xC80),
            Self::Malayalam => block(0xD00),
            Self::Latin | Self::Other => false,
        }
    }

    /// Are most letters of the text of another script?
    pub(crate) fn misses(self, text: &str) -> bool {
        let (mut own, mut foreign) = (0_usize, 0_usize);
        for script in text.chars().filter_map(Self::of) {
            if script == self { own += 1 } else { foreign += 1 }
        }
        foreign > own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odia_and_english_only_models_are_told_apart() {
        let tags = |multilingual, odia| languages(multilingual, odia).iter().map(|l| l.tag).collect::<Vec<_>>();
        assert_eq!(tags(true, Some("si")).len(), 11);
        assert!(!tags(true, None).contains(&"or-IN"));
        assert_eq!(tags(false, Some("si")), ["en-IN"]);
    }

    #[test]
    fn the_guard_counts_letters_and_ignores_the_rest() {
        let cases = [
            (Script::Devanagari, "नमस्ते जी", false),
            (Script::Devanagari, "মোর নাম", true),
            (Script::Devanagari, "4500", false),
            (Script::Devanagari, "", false),
            (Script::Devanagari, "मेरा order", true),
            (Script::Devanagari, "मेरा नाम ok", false),
            (Script::Latin, "hello नमस्ते जी", true),
            (Script::Latin, "i am here।", false),
            (Script::Tamil, "是的", true),
        ];
        for (script, text, expected) in cases {
            assert_eq!(script.misses(text), expected, "{script:?} {text}");
        }
    }

    #[test]
    fn tokens_pass_by_block_even_when_cut_inside_a_character() {
        for (text, script) in
            [("क", Script::Devanagari), ("ক", Script::Bengali), ("க", Script::Tamil), ("ଓ", Script::Odia)]
        {
            let bytes = text.as_bytes();
            assert!(script.allows(bytes) && script.allows(&bytes[..2]) && script.allows(&bytes[..1]), "{text}");
            assert!(!Script::Latin.allows(bytes) && !Script::Latin.allows(&bytes[..2]), "{text}");
            assert!(script.allows(b" 45,"));
            assert!(!script.allows(b" ok"));
        }
        assert!(!Script::Devanagari.allows("క".as_bytes()));
        assert!(!Script::Devanagari.allows(&"త".as_bytes()[..2]));
    }
}
