//! How far a transcript is from what was said.

use unicode_normalization::UnicodeNormalization;

/// Character edits from `heard` to `said`, and the characters of `said`. Punctuation, letter case,
/// joiners and spaces between words beyond one do not count.
pub fn character_errors(said: &str, heard: &str) -> (usize, usize) {
    let (said, heard) = (plain(said), plain(heard));
    let (said, heard): (Vec<char>, Vec<char>) = (said.chars().collect(), heard.chars().collect());
    (strsim::generic_levenshtein(&said, &heard), said.len())
}

/// Character error rate; 1 when something was heard where nothing was said.
pub fn character_error_rate(said: &str, heard: &str) -> f32 {
    match character_errors(said, heard) {
        (0, _) => 0.0,
        (_, 0) => 1.0,
        (errors, length) => errors as f32 / length as f32,
    }
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digit_before = false;
    for c in text.nfc().flat_map(char::to_lowercase) {
        let joiner = matches!(c, '\u{200C}' | '\u{200D}' | '\u{FEFF}');
        // The comma of 1,00,000 is no boundary.
        if joiner || c == '\'' || (c == ',' && digit_before) {
            continue;
        }
        digit_before = c.is_numeric();
        let boundary = c.is_whitespace() || c.is_ascii_punctuation() || "।॥–—…“”‘’₹".contains(c);
        if !boundary {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_count() {
        let cases = [
            ("Hello, world!", "hello world", 0, 11),
            ("₹1,00,000 only", "100000 only", 0, 11),
            ("नमस्ते।", "नमस्ते", 0, 6),
            ("ক\u{200D}ষ", "কষ", 0, 2),
            ("abc", "abd", 1, 3),
            ("", "noise", 5, 0),
            ("", "", 0, 0),
        ];
        for (said, heard, errors, length) in cases {
            assert_eq!(character_errors(said, heard), (errors, length), "{said:?} {heard:?}");
        }
        assert_eq!(character_error_rate("", "noise"), 1.0);
        assert_eq!(character_error_rate("", ""), 0.0);
    }
}
