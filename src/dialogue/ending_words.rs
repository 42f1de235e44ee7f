//! Look-up in the tables of `ending_table.rs`: one folded set a list, built once. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::base::Lang;

use super::ending_table::{Source, TABLE};
use super::romanise::plain;
use super::words::vocabulary;

/// The lists of one language in its own script and in Latin letters.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) native: Words,
    pub(super) roman: Words,
}

pub(super) fn words_of(lang: Lang) -> &'static Lists {
    static ALL: LazyLock<(HashMap<Lang, Lists>, Lists)> = LazyLock::new(|| {
        let read = |(lang, native, roman): &(Lang, Source, Source)| {
            (*lang, Lists { native: Words::read(native), roman: Words::read(roman) })
        };
        (TABLE.iter().map(read).collect(), Lists::default())
    });
    ALL.0.get(&lang).unwrap_or(&ALL.1)
}

#[derive(Default)]
pub(super) struct Words {
    open: HashSet<String>,
    open_endings: Vec<String>,
    pronouns: HashSet<String>,
    finite: HashSet<String>,
    finite_endings: Vec<String>,
    particles: HashSet<String>,
    closed: HashSet<String>,
    hesitations: Vec<Vec<String>>,
    digits: HashSet<String>,
    times: HashMap<String, usize>,
    numbers: HashSet<String>,
    currency: HashSet<String>,
    days: HashSet<String>,
    introductions: HashSet<String>,
}

impl Words {
    fn read(source: &Source) -> Self {
        let set = |list: &str| vocabulary(list).iter().map(|w| key(w)).collect::<HashSet<_>>();
        let endings = |list: &str| list.split(' ').map(bare_ending).filter(|e| !e.is_empty()).collect();
        let phrases = |list: &str| -> Vec<Vec<String>> {
            list.split(',')
                .map(|p| vocabulary(p).iter().map(|w| key(w)).collect())
                .filter(|p: &Vec<_>| !p.is_empty())
                .collect()
        };
        let times = vocabulary(&source.times.replace('=', " "));
        Self {
            open: set(source.open),
            open_endings: endings(source.open_endings),
            pronouns: set(source.pronouns),
            finite: set(source.finite),
            finite_endings: endings(source.finite_endings),
            particles: set(source.particles),
            closed: phrases(source.closed).into_iter().map(|p| p.join(" ")).collect(),
            hesitations: phrases(source.hesitations),
            digits: set(source.digits),
            times: times.chunks(2).filter_map(|c| Some((key(c.first()?), c.get(1)?.parse().ok()?))).collect(),
            numbers: set(source.numbers),
            currency: set(source.currency),
            days: set(source.days),
            introductions: set(source.introductions),
        }
    }

    pub(super) fn open(&self, word: &str) -> bool {
        self.open.contains(&key(word)) || ends(&self.open_endings, word)
    }

    /// May the word, though open, follow a finished sentence?
    pub(super) fn postposed(&self, word: &str) -> bool {
        self.pronouns.contains(&key(word))
    }

    pub(super) fn finite(&self, word: &str) -> bool {
        self.finite.contains(&key(word)) || (!self.open(word) && ends(&self.finite_endings, word))
    }

    pub(super) fn particle(&self, word: &str) -> bool {
        self.particles.contains(&key(word))
    }

    pub(super) fn closed(&self, said: &[String]) -> bool {
        let said: Vec<String> = said.iter().map(|w| key(w)).collect();
        self.closed.contains(&said.join(" "))
    }

    pub(super) fn hesitates(&self, said: &[String]) -> bool {
        self.hesitations.iter().any(|h| {
            said.len() >= h.len() && said.iter().rev().zip(h.iter().rev()).all(|(a, b)| key(a) == *b)
                // One word alone may be a whole answer elsewhere in the lists.
                && !(h.len() == 1 && said.len() > 1 && self.finite.contains(h.first().map_or("", String::as_str)))
        })
    }

    pub(super) fn digit(&self, word: &str) -> bool {
        self.digits.contains(&key(word))
    }

    /// How often the next digit counts.
    pub(super) fn times(&self, word: &str) -> usize {
        self.times.get(&key(word)).copied().unwrap_or(1)
    }

    pub(super) fn number(&self, word: &str) -> bool {
        self.numbers.contains(&key(word))
    }

    pub(super) fn currency(&self, word: &str) -> bool {
        self.currency.contains(&key(word))
    }

    pub(super) fn day(&self, word: &str) -> bool {
        self.days.contains(&key(word))
    }

    /// "my name is" and nothing else yet.
    pub(super) fn introduces(&self, said: &[String]) -> bool {
        said.last().is_some_and(|w| self.introductions.contains(&key(w)))
    }
}

/// Latin spellings vary, the others are folded already.
fn key(word: &str) -> String {
    if word.is_ascii() { plain(word) } else { word.to_owned() }
}

/// Endings start with vowel signs, which are no words: only the spelling is folded.
fn bare_ending(ending: &str) -> String {
    if ending.is_ascii() {
        return plain(ending);
    }
    vocabulary(ending).concat()
}

/// A word of its own kind before the ending, not the ending alone.
fn ends(endings: &[String], word: &str) -> bool {
    let word = key(word);
    endings.iter().any(|e| word.len() > e.len() && word.ends_with(e.as_str()))
}
