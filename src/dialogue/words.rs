//! A caller's text as words that can be compared. Promise: the same word written in two ways
//! (joiners, nukta, chandrabindu, old Malayalam chillus, digits of any script, case) folds to one
//! spelling, and no text is too long. Absent on purpose: meaning.

use unicode_normalization::UnicodeNormalization;

use crate::base::limits::HEARD_CHARS_MAX;

/// Folded words of a text in order. What lies beyond the limit is not read.
pub(crate) fn fold(text: &str) -> Vec<String> {
    split(text.chars().take(HEARD_CHARS_MAX))
}

/// Folded words of one of our own lists, whatever its length.
pub(crate) fn vocabulary(list: &str) -> Vec<String> {
    split(list.chars())
}

fn split(text: impl Iterator<Item = char>) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.nfc().flat_map(char::to_lowercase) {
        match sign(c) {
            Sign::Letter(c) => word.push(c),
            Sign::Joiner => chillu(&mut word),
            Sign::Silent => {}
            Sign::Break if word.is_empty() => {}
            Sign::Break => words.push(std::mem::take(&mut word)),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

enum Sign {
    Letter(char),
    Joiner,
    /// Stands inside words and changes nothing that matters here.
    Silent,
    Break,
}

fn sign(c: char) -> Sign {
    match c {
        '\u{200D}' => Sign::Joiner,
        '\u{200B}' | '\u{200C}' | '\u{FEFF}' | '\'' | '’' | '‘' | '`' => Sign::Silent,
        // Nukta of every script, and the doubling sign of Gurmukhi.
        '\u{93C}' | '\u{9BC}' | '\u{A3C}' | '\u{ABC}' | '\u{B3C}' | '\u{CBC}' | '\u{A71}' => Sign::Silent,
        // Chandrabindu and anusvara are mixed up by writers and recognisers alike.
        '\u{901}' => Sign::Letter('\u{902}'),
        '\u{981}' => Sign::Letter('\u{982}'),
        '\u{A01}' | '\u{A70}' => Sign::Letter('\u{A02}'),
        '\u{A81}' => Sign::Letter('\u{A82}'),
        '\u{B01}' => Sign::Letter('\u{B02}'),
        // Odia writes ya and va in two ways.
        '\u{B5F}' => Sign::Letter('\u{B2F}'),
        '\u{B71}' => Sign::Letter('\u{B35}'),
        // The dandas and the abbreviation sign end a word in every script.
        '\u{964}' | '\u{965}' | '\u{970}' => Sign::Break,
        _ => match digit(c) {
            Some(d) => Sign::Letter(char::from(b'0' + d)),
            None if ('\u{900}'..='\u{D7F}').contains(&c) || c.is_alphanumeric() => Sign::Letter(c),
            None => Sign::Break,
        },
    }
}

/// Value of a decimal digit of any of the box's scripts.
pub(crate) fn digit(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x30..=0x39 => u8::try_from(code - 0x30).ok(),
        // From Devanagari to Malayalam every block holds its digits at the same place.
        0x900..0xD80 if (0x66..=0x6F).contains(&(code & 0x7F)) => u8::try_from((code & 0x7F) - 0x66).ok(),
        _ => None,
    }
}

/// A joiner after a virama makes a chillu in older Malayalam spelling.
fn chillu(word: &mut String) {
    let mut tail = word.chars().rev();
    let atomic = match (tail.next(), tail.next()) {
        (Some('\u{D4D}'), Some(base)) => match base {
            'ണ' => 'ൺ',
            'ന' => 'ൻ',
            'ര' => 'ർ',
            'ല' => 'ൽ',
            'ള' => 'ൾ',
            'ക' => 'ൿ',
            _ => return,
        },
        _ => return,
    };
    word.pop();
    word.pop();
    word.push(atomic);
}

/// Is the folded word a number written in digits?
pub(crate) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_word_fold_to_one() {
        for (a, b) in [
            ("हाँ जी!", "हां  जी"),
            ("ज़रूर, ठीक है।", "जरूर ठीक है"),
            ("ഞാന്‍ അവള്‍", "ഞാൻ അവൾ"),
            ("ఇంగ్లీష్\u{200C}లో", "ఇంగ్లీష్లో"),
            ("କ'ଣ", "କଣ"),
            ("Don't  CALL me.", "dont call me"),
            ("५०० రూ౧౨", "500 రూ12"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} / {b}");
        }
    }

    #[test]
    fn nothing_but_noise_has_no_words() {
        for text in ["", "   ", "…?!।॥", "\u{200D}\u{200C}'"] {
            assert!(fold(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut() {
        let words = fold(&"नमस्ते ".repeat(200_000));
        assert!(words.len() <= HEARD_CHARS_MAX);
    }
}
