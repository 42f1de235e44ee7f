//! All words of a language that mean something in a date, a time or a number, ready to look up.

use std::collections::HashMap;
use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;

use crate::base::Lang;
use crate::dialogue::speak::words::{Heard, Scale, Words, of as words_of};

pub(super) struct Lexicon {
    /// One folded word, one meaning.
    words: HashMap<String, Heard>,
    /// Longer phrases and open-ended words, longest first.
    phrases: Vec<Phrase>,
    endings: Vec<String>,
    /// Half past an hour in one word, in thousandths.
    halves: HashMap<String, u64>,
    /// Number words that are verbs too: "दो" is "two" and "give", "নয়" is "nine" and "is not".
    verbs: Vec<String>,
    lang: Lang,
}

pub(super) struct Phrase {
    words: Vec<String>,
    /// May the last word go on?
    open: bool,
    pub(super) heard: Heard,
}

impl Phrase {
    /// How many tokens of `rest` it covers.
    pub(super) fn covers(&self, rest: &[String]) -> Option<usize> {
        let count = self.words.len();
        let (last, first) = self.words.split_last()?;
        let fits = rest.len() >= count
            && first.iter().zip(rest).all(|(a, b)| a == b)
            && (rest[count - 1] == *last || (self.open && rest[count - 1].starts_with(last.as_str())));
        fits.then_some(count)
    }
}

impl Lexicon {
    pub(super) fn phrase(&self, rest: &[String]) -> Option<(Heard, usize)> {
        self.phrases.iter().find_map(|phrase| phrase.covers(rest).map(|count| (phrase.heard, count)))
    }

    pub(super) fn may_be_verb(&self, word: &str) -> bool {
        self.verbs.iter().any(|verb| verb == word)
    }

    /// Does the verb only count as one at the very end of the sentence?
    pub(super) const fn verb_may_be_followed(&self) -> bool {
        matches!(self.lang, Lang::Bn)
    }

    pub(super) fn half(&self, word: &str) -> Option<u64> {
        self.halves.get(word).copied()
    }

    /// The parts of one word: itself, itself without an ending, or several number words in one.
    pub(super) fn parts(&self, word: &str) -> Option<Vec<Heard>> {
        if let Some(heard) = self.words.get(word) {
            return Some(vec![*heard]);
        }
        self.without_ending(word).or_else(|| self.joined(word))
    }

    fn without_ending(&self, word: &str) -> Option<Vec<Heard>> {
        self.endings.iter().find_map(|ending| {
            let stem = word.strip_suffix(ending.as_str())?;
            // Dravidian stems lose their last vowel or virama before an ending.
            ["", "ு", "ు", "ು", "്", "ि", "ம்", "ം"].iter().find_map(|dropped| {
                let heard = *self.words.get(&format!("{stem}{dropped}"))?;
                // "পাঁচটায়", "পাঁচই": the ending says that an hour or a day was meant.
                let marks = self
                    .words
                    .get(ending.as_str())
                    .copied()
                    .filter(|mark| matches!(mark, Heard::Clock | Heard::MaybeClock | Heard::DateMark));
                is_number(heard).then(|| std::iter::once(heard).chain(marks).collect())
            })
        })
    }

    /// "पाचशेपंचवीस", "ఐదువేల": number words written together.
    fn joined(&self, word: &str) -> Option<Vec<Heard>> {
        let mut parts = Vec::new();
        let mut rest = word;
        while !rest.is_empty() {
            let (heard, end) = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev().find_map(|end| {
                let heard = *self.words.get(&rest[..end])?;
                // Two letters are too little to cut a word at, save for "शे" and "শো".
                let long = heard == Heard::Hundred || rest[..end].chars().count() > 2;
                (long && is_number(heard)).then_some((heard, end))
            })?;
            parts.push(heard);
            rest = &rest[end..];
        }
        (parts.len() > 1).then_some(parts)
    }
}

const fn is_number(heard: Heard) -> bool {
    matches!(
        heard,
        Heard::N(_)
            | Heard::Hundred
            | Heard::Thousand
            | Heard::Lakh
            | Heard::Crore
            | Heard::Times(_)
            | Heard::Plus(_)
            | Heard::Minus(_)
    )
}

/// Spelling differences that change nothing: case, joiners, nukta, chandrabindu, chillu letters.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfd() {
        match c {
            '\u{200C}' | '\u{200D}' => {}
            '\u{93C}' | '\u{9BC}' | '\u{A3C}' | '\u{ABC}' | '\u{B3C}' | '\u{CBC}' => {}
            '\u{901}' => out.push('\u{902}'),
            '\u{981}' => out.push('\u{982}'),
            '\u{A01}' | '\u{A70}' => out.push('\u{A02}'),
            '\u{A81}' => out.push('\u{A82}'),
            '\u{B01}' => out.push('\u{B02}'),
            '\u{D7A}' => out.push_str("ണ്"),
            '\u{D7B}' => out.push_str("ന്"),
            '\u{D7C}' => out.push_str("ര്"),
            '\u{D7D}' => out.push_str("ല്"),
            '\u{D7E}' => out.push_str("ള്"),
            '\u{2019}' => out.push('\''),
            _ => out.extend(c.to_lowercase()),
        }
    }
    // A short u closes many Malayalam words where others write only the virama.
    if out.ends_with('\u{D41}') {
        out.pop();
        out.push('\u{D4D}');
    }
    out
}

/// The sign that an independent vowel becomes behind a consonant; short a has none.
fn vowel_sign(vowel: char) -> Option<String> {
    match (u32::from(vowel), u32::from(vowel) & 0x7F) {
        (0xB80..=0xD7F, 0x05) => Some(String::new()),
        (code @ 0xB80..=0xD7F, 0x06..=0x14) => char::from_u32(code + 0x38).map(String::from),
        _ => None,
    }
}

pub(super) fn of(lang: Lang) -> &'static Lexicon {
    static ALL: [OnceLock<Lexicon>; Lang::ALL.len()] = [const { OnceLock::new() }; Lang::ALL.len()];
    ALL[lang as usize].get_or_init(|| build(lang))
}

fn build(lang: Lang) -> Lexicon {
    let verbs: &[&str] = match lang {
        Lang::Hi => &["दो", "do"],
        Lang::Bn => &["নয়"],
        _ => &[],
    };
    let mut built = Lexicon {
        words: HashMap::new(),
        phrases: Vec::new(),
        endings: Vec::new(),
        halves: HashMap::new(),
        verbs: verbs.iter().map(|verb| fold(verb)).collect(),
        lang,
    };
    built.language(words_of(lang));
    if lang != Lang::En {
        // English words are heard everywhere; the language's own meaning of a word goes first.
        built.language(words_of(Lang::En));
    }
    built.phrases.sort_by_key(|phrase| (std::cmp::Reverse(phrase.words.len()), phrase.open));
    built.endings.sort_by_key(|ending| std::cmp::Reverse(ending.len()));
    built
}

impl Lexicon {
    fn language(&mut self, words: &Words) {
        for (n, word) in (0..).zip(words.small) {
            self.number(word, n);
            self.number(&crate::dialogue::speak::words_attributive(words, n), n);
        }
        for (n, (alone, joined)) in (1..).zip(words.hundreds) {
            self.number(alone, n * 100);
            self.number(joined, n * 100);
        }
        self.scale(&words.thousand, Heard::Thousand);
        self.scale(&words.lakh, Heard::Lakh);
        self.scale(&words.crore, Heard::Crore);
        if let Some(fused) = &words.thousands {
            for (n, stem) in (1..).zip(fused.stems) {
                self.number(&format!("{stem}{}", fused.end), n * 1_000);
                self.number(&format!("{stem}{}", fused.more), n * 1_000);
            }
        }
        for (ten, stems) in (2..).zip(words.tens.split(';')) {
            for stem in stems.split_whitespace() {
                self.number(stem, ten * 10);
                for (unit, spellings) in (1..).zip(words.units.split(';')) {
                    for spelling in spellings.split_whitespace() {
                        self.number(&format!("{stem}{spelling}"), ten * 10 + unit);
                        let mut letters = spelling.chars();
                        if let Some(sign) = letters.next().and_then(vowel_sign) {
                            let stem = stem.trim_end_matches(['ு', 'ി', 'ி']);
                            self.number(&format!("{stem}{sign}{}", letters.as_str()), ten * 10 + unit);
                        }
                    }
                }
            }
        }
        for (day, name) in (0..).zip(words.weekdays) {
            self.add(name, Heard::Weekday(day));
        }
        for (month, name) in (1..).zip(words.months) {
            self.add(name, Heard::Month(month));
        }
        for (part, name) in (0..).zip(words.parts) {
            self.add(name, Heard::Part(part));
        }
        for (hour, half) in (1..).zip(words.clock.halves) {
            if !half.contains(' ') {
                self.halves.entry(fold(half)).or_insert(hour * 1_000 + 500);
            }
        }
        for (heard, list) in words.heard {
            for phrase in list.split('|') {
                self.add(phrase, *heard);
            }
        }
        if !words.tens.is_empty() {
            self.fused_numbers(words);
        }
        self.endings.extend(words.endings.split('|').filter(|ending| !ending.is_empty()).map(fold));
    }

    /// Where words run together: ನೂರ + ಇಪ್ಪತ್ತು = ನೂರಿಪ್ಪತ್ತು, നൂറ്റി + അമ്പത് = നൂറ്റമ്പത്.
    fn fused_numbers(&mut self, words: &Words) {
        let mut hundreds: Vec<(String, u64)> =
            (1..).zip(words.hundreds).map(|(n, (_, joined))| (fold(joined), n * 100)).collect();
        let mut smalls: Vec<(String, u64)> = Vec::new();
        for (word, heard) in &self.words {
            match heard {
                Heard::N(n) if *n < 100 => smalls.push((word.clone(), *n)),
                Heard::N(n) if *n < 1_000 && word.ends_with(['ு', 'ി']) => hundreds.push((word.clone(), *n)),
                _ => {}
            }
        }
        // The same for thousands, in the spellings beside the table's.
        for (small, n) in &smalls {
            for (last, fused) in [('ு', "ாயிர"), ('്', "ായിര")] {
                if let (Some(stem), Some(thousands)) = (small.strip_suffix(last), &words.thousands) {
                    self.number(&format!("{stem}{fused}{}", thousands.end), n * 1_000);
                    self.number(&format!("{stem}{fused}{}", thousands.more), n * 1_000);
                }
            }
        }
        for (joined, hundred) in &hundreds {
            let stem = joined.trim_end_matches(['ு', 'ി']);
            for (small, n) in &smalls {
                let mut letters = small.chars();
                if let Some(sign) = letters.next().and_then(vowel_sign) {
                    self.number(&format!("{stem}{sign}{}", letters.as_str()), hundred + n);
                }
            }
        }
    }

    fn number(&mut self, word: &str, n: u64) {
        if !word.contains([' ', '-']) {
            self.words.entry(fold(word)).or_insert(Heard::N(n));
        }
    }

    fn scale(&mut self, scale: &Scale, heard: Heard) {
        for word in [scale.many, scale.many_more, scale.one, scale.one_more] {
            if !word.contains(' ') {
                // A fused "thousand" also stands alone; as a scale word it may follow a digit.
                self.words.insert(fold(word), heard);
            }
        }
    }

    fn add(&mut self, phrase: &str, heard: Heard) {
        let open = phrase.ends_with('*');
        let words: Vec<String> = phrase.trim_end_matches('*').split([' ', '-']).map(fold).collect();
        if words.len() == 1 && !open {
            let word = words.into_iter().next().unwrap_or_default();
            match heard {
                Heard::Hundred | Heard::Thousand | Heard::Lakh | Heard::Crore => {
                    self.words.insert(word, heard);
                }
                _ => {
                    self.words.entry(word).or_insert(heard);
                }
            }
        } else {
            self.phrases.push(Phrase { words, open, heard });
        }
    }
}
