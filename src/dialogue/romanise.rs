//! Indian words written in Latin letters. Promise: a word in its own script and the ways in which
//! callers' words get romanised ("theek", "thik", "ठीक") end in nearly the same skeleton.
//! Absent on purpose: a readable transliteration; a skeleton is only ever compared with another.

use crate::base::Lang;

/// The skeleton of one folded word of any of the box's scripts.
pub(crate) fn skeleton(lang: Lang, word: &str) -> String {
    if word.is_ascii() { squeeze(word, true) } else { squeeze(&latin(lang, word), true) }
}

/// A romanised word with its spelling habits folded ("theek" and "thik"), vowels kept.
pub(crate) fn plain(word: &str) -> String {
    squeeze(word, false)
}

/// Consonants KA to HA at their common place in every Indian block.
const CONSONANTS: [&str; 37] = [
    "k", "kh", "g", "gh", "n", "ch", "ch", "j", "jh", "n", "t", "th", "d", "dh", "n", "t", "th", "d", "dh", "n", "n",
    "p", "f", "b", "bh", "m", "y", "r", "r", "l", "l", "l", "v", "sh", "sh", "s", "h",
];

fn latin(lang: Lang, word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut bare = false; // the last consonant still carries its inherent vowel
    for c in word.chars() {
        let code = u32::from(c);
        if !(0x900..0xD80).contains(&code) {
            out.push(c);
            bare = false;
            continue;
        }
        let place = code & 0x7F;
        match place {
            0x15..=0x39 => {
                if bare {
                    out.push('a');
                }
                let sound = CONSONANTS.get((place - 0x15) as usize).copied().unwrap_or_default();
                // Tamil writes one letter for the voiced and the unvoiced sound.
                let sound = match (lang, sound, out.ends_with('n'), out.ends_with('m')) {
                    (Lang::Ta, "ch", true, _) => "j",
                    (Lang::Ta, "ch", ..) => "s",
                    (Lang::Ta, "k", true, _) => "g",
                    (Lang::Ta, "t", true, _) => "d",
                    (Lang::Ta, "p", _, true) => "b",
                    (_, sound, ..) => sound,
                };
                out.push_str(sound);
                bare = true;
                continue;
            }
            0x4D => {} // virama: no vowel
            0x3E | 0x05 | 0x06 => out.push('a'),
            0x3F | 0x40 | 0x07 | 0x08 => out.push('i'),
            0x41 | 0x42 | 0x09 | 0x0A => out.push('u'),
            0x43 | 0x44 | 0x0B => out.push_str("ri"),
            0x45..=0x47 | 0x0D..=0x0F => out.push('e'),
            0x48 | 0x10 => out.push_str("ai"),
            0x49..=0x4B | 0x11..=0x13 => out.push('o'),
            0x4C | 0x57 | 0x14 => out.push_str("au"),
            0x02 => {
                if bare {
                    out.push('a');
                }
                out.push('n');
            }
            0x7A | 0x7B => out.push('n'),
            0x7C => out.push('r'),
            0x7D | 0x7E => out.push('l'),
            _ => {}
        }
        bare = false;
    }
    out
}

/// Spelling habits are folded and doubled letters dropped; without vowels also every "a" after the
/// first letter, because writers agree least about that one.
fn squeeze(word: &str, drop_a: bool) -> String {
    let letters: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len());
    let mut at = 0;
    while let Some(&c) = letters.get(at) {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let (sound, used) = match (c, next) {
            ('e', 'e') | ('i', 'i') => ('i', 2),
            ('o', 'o') | ('u', 'u') => ('u', 2),
            ('p', 'h') => ('f', 2),
            ('z', 'h') => ('l', 2),
            ('c', 'k') => ('k', 2),
            ('k' | 'g' | 't' | 'd' | 'b' | 'j' | 's' | 'c', 'h') => (c, 2),
            ('w', _) => ('v', 1),
            ('q', _) => ('k', 1),
            ('z', _) => ('j', 1),
            ('y', _) if at > 0 => ('i', 1),
            _ => (c, 1),
        };
        at += used;
        if (drop_a && sound == 'a' && !out.is_empty()) || out.ends_with(sound) {
            continue;
        }
        out.push(sound);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::words::fold;

    #[test]
    fn a_word_and_its_romanisations_share_a_skeleton() {
        for (lang, native, roman) in [
            (Lang::Hi, "ठीक", "theek"),
            (Lang::Hi, "ठीक", "thik"),
            (Lang::Hi, "कितना", "kitna"),
            (Lang::Hi, "बताइए", "bataie"),
            (Lang::Ta, "சொல்லுங்க", "sollunga"),
            (Lang::Ta, "பேசுங்க", "pesunga"),
            (Lang::Te, "చెప్పండి", "cheppandi"),
            (Lang::Ml, "പറയൂ", "parayoo"),
            (Lang::Kn, "ಹೇಳಿ", "heli"),
            (Lang::Gu, "બોલો", "bolo"),
            (Lang::Mr, "सांगा", "sanga"),
            (Lang::Bn, "বলুন", "bolun"),
            (Lang::Pa, "ਦੱਸੋ", "dasso"),
            (Lang::Or, "କୁହନ୍ତୁ", "kuhantu"),
        ] {
            let native = fold(native).concat();
            let (a, b) = (skeleton(lang, &native), skeleton(lang, roman));
            assert!(strsim::normalized_levenshtein(&a, &b) > 0.7, "{native} {a} / {roman} {b}");
        }
    }
}
