//! What of a text is compared when an intent is guessed: words, word pairs, and pieces of words, so
//! that a wrong letter or a word split in two costs little. Pure; absent on purpose: weights.

use std::collections::{HashMap, HashSet};

use crate::base::Lang;

use super::book::Book;
use super::romanise::skeleton;
use super::words::{fold, is_number};

/// Stands for any day or month of the calendar.
const DATE: &str = "§d";
/// Stands for any number.
const NUMBER: &str = "§n";

/// The calendar and number words of a language, which are classes rather than words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    stems: Vec<String>,
    numbers: HashSet<String>,
    /// Words of a dialect and their standard form.
    standard: HashMap<String, Vec<String>>,
}

impl Classes {
    pub(crate) fn of(book: &Book) -> Self {
        let mut stems: Vec<String> = Vec::new();
        for word in book.months.iter().chain(&book.weekdays).flat_map(|w| fold(w)) {
            // The last letter of a name changes with its case ending.
            let letters: Vec<char> = word.chars().collect();
            let keep = if letters.len() > 4 { letters.len() - 1 } else { letters.len() };
            stems.push(letters.iter().take(keep).collect());
        }
        stems.sort();
        stems.dedup();
        // "May" in its English and native spellings is a common word or part of one: no stem.
        stems.retain(|s| s.chars().count() > 3);
        // One to three are articles and pronouns in most of the languages.
        let numbers = book.number_words.iter().filter(|(n, _)| **n > 3).flat_map(|(_, w)| fold(w)).collect();
        let mut standard = HashMap::new();
        for marker in book.dialects.values().flat_map(|d| &d.markers) {
            let form = marker.standard.split(',').next().map(fold).unwrap_or_default();
            if let [word] = fold(&marker.word).as_slice() {
                standard.insert(word.clone(), form);
            }
        }
        Self { stems, numbers, standard }
    }

    fn class(&self, word: &str) -> Option<&'static str> {
        if word == "date§" || self.stems.iter().any(|s| word.starts_with(s.as_str())) {
            Some(DATE)
        } else if is_number(word) || self.numbers.contains(word) {
            Some(NUMBER)
        } else {
            None
        }
    }

    /// Folded words with the classes put in; a phrase's placeholders count as their class.
    pub(crate) fn words(&self, text: &str) -> Vec<String> {
        let text = text.replace("{date}", " 5 ").replace("{time}", " 5 ");
        let mut out: Vec<String> = Vec::new();
        for word in fold(&text).into_iter().flat_map(|w| self.standard.get(&w).cloned().unwrap_or_else(|| vec![w])) {
            let word = self.class(&word).map_or(word, str::to_owned);
            if word.starts_with('§') && out.last() == Some(&word) {
                continue; // a run of digits is one number
            }
            out.push(word);
        }
        out
    }
}

/// Skeletons of folded words, for comparing romanised speech.
pub(crate) fn romanised(lang: Lang, words: &[String]) -> Vec<String> {
    words
        .iter()
        .map(|w| if w.starts_with('§') { w.clone() } else { skeleton(lang, w) })
        .filter(|w| !w.is_empty())
        .collect()
}

/// The kinds of features; each kind has its own share of a text's weight.
pub(crate) const KINDS: usize = 4;

pub(crate) struct Feature {
    pub(crate) key: u64,
    pub(crate) kind: usize,
}

pub(crate) fn features(words: &[String]) -> Vec<Feature> {
    let mut out = Vec::with_capacity(words.len() * 16);
    for word in words {
        out.push(Feature { key: hash(b'w', word.as_bytes(), b""), kind: 0 });
    }
    let edge = "^".to_owned();
    let mut before = &edge;
    for word in words.iter().chain(std::iter::once(&edge)) {
        out.push(Feature { key: hash(b'p', before.as_bytes(), word.as_bytes()), kind: 1 });
        before = word;
    }
    for word in words.iter().filter(|w| !w.starts_with('§')) {
        let padded = format!("^{word}$");
        pieces(&padded, 2..=5, b'c', 2, &mut out);
    }
    // Across words, so that split and joined words still meet.
    let joined: String = words.concat();
    pieces(&joined, 4..=4, b'j', 3, &mut out);
    out
}

fn pieces(text: &str, sizes: std::ops::RangeInclusive<usize>, salt: u8, kind: usize, out: &mut Vec<Feature>) {
    let at: Vec<usize> = text.char_indices().map(|(i, _)| i).chain(std::iter::once(text.len())).collect();
    for size in sizes {
        for ends in at.windows(size + 1) {
            if let (Some(&from), Some(&to)) = (ends.first(), ends.last()) {
                let piece = text.get(from..to).unwrap_or_default();
                out.push(Feature { key: hash(salt, piece.as_bytes(), b""), kind });
            }
        }
    }
}

/// FNV-1a; a collision costs a little accuracy, never a fault.
fn hash(salt: u8, a: &[u8], b: &[u8]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(salt);
    for byte in a.iter().chain(std::iter::once(&0xFF)).chain(b) {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    h
}
