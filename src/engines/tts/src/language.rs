//! The box's languages as espeak-ng knows them.

/// Tag, espeak-ng voice, first and last character of the script.
const ROWS: [(&str, &str, char, char); 11] = [
    // espeak-ng has no Indian English; plain `en` is British.
    ("en-IN", "en", 'A', 'z'),
    ("hi-IN", "hi", '\u{900}', '\u{97F}'),
    ("ta-IN", "ta", '\u{B80}', '\u{BFF}'),
    ("te-IN", "te", '\u{C00}', '\u{C7F}'),
    ("ml-IN", "ml", '\u{D00}', '\u{D7F}'),
    ("kn-IN", "kn", '\u{C80}', '\u{CFF}'),
    ("gu-IN", "gu", '\u{A80}', '\u{AFF}'),
    ("mr-IN", "mr", '\u{900}', '\u{97F}'),
    ("bn-IN", "bn", '\u{980}', '\u{9FF}'),
    ("pa-IN", "pa", '\u{A00}', '\u{A7F}'),
    ("or-IN", "or", '\u{B00}', '\u{B7F}'),
];

pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(tag, ..)| *tag)
}

/// espeak-ng's voice for a language tag.
pub(crate) fn espeak_voice(tag: &str) -> Option<&'static str> {
    ROWS.iter().find(|(t, ..)| *t == tag).map(|(_, voice, ..)| *voice)
}

/// espeak-ng's voice for a letter in a script other than that of `voice`, if the box speaks it.
/// Latin is left to the voice: espeak-ng's own voices switch to English for it.
pub(crate) fn foreign_voice(c: char, voice: &str) -> Option<&'static str> {
    // Danda and double danda lie in the Devanagari block and belong to every script.
    if c.is_ascii() || matches!(c, '\u{964}' | '\u{965}') {
        return None;
    }
    let within = |first: &char, last: &char| (*first..=*last).contains(&c);
    let base = voice.split('+').next().unwrap_or_default();
    if ROWS.iter().any(|(_, v, first, last)| *v == base && within(first, last)) {
        return None;
    }
    ROWS.iter().find(|(_, _, first, last)| within(first, last)).map(|(_, v, ..)| *v)
}
