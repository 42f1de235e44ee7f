//! What the intent classifier learns from: a catalogue's phrases, its patterns written out, its
//! yes and no, and everyday sentences that are no intent. Pure; the same catalogue gives the same
//! lessons, so that a call behaves alike on every box.

use crate::base::Lang;

use super::book::{Book, Catalogue, Intent};
use super::features::Classes;

/// One phrase to learn from.
#[derive(Clone, Debug)]
pub(crate) struct Phrase {
    pub(crate) text: String,
    /// `None`: asks nothing of the agent.
    pub(crate) intent: Option<Intent>,
    pub(crate) weight: f32,
    /// Written by somebody as it stands, so that it counts when it is heard exactly.
    pub(crate) exact: bool,
}

/// All phrases of one language.
pub(crate) struct Lesson {
    pub(crate) classes: Classes,
    pub(crate) native: Vec<Phrase>,
    /// The same for callers' words in Latin letters.
    pub(crate) roman: Vec<Phrase>,
}

/// Sentences written out of one pattern.
const SENTENCES_PER_PATTERN: usize = 12;
/// Alternatives of one pattern are counted up to here, so that a hostile pattern stays cheap.
const CHOICES_MAX: u64 = 1 << 40;

pub(crate) fn lesson(book: &Book, catalogue: &Catalogue) -> Lesson {
    let mut native = phrases(book);
    let mut roman = Vec::new();
    if book.language != Lang::En {
        // The skeletons of the native phrases are their romanisation.
        roman.clone_from(&native);
        for (intent, lines) in catalogue.romanised.get(&book.language).into_iter().flatten() {
            roman.extend(lines.caller.iter().map(|t| spoken(t, Some(*intent), 1.0)));
        }
        // English words stand in every language: "konjam slow-a pesunga".
        for (intent, lines) in catalogue.books.get(&Lang::En).map(|b| &b.intents).into_iter().flatten() {
            roman.extend(lines.caller.iter().map(|t| Phrase { exact: false, ..spoken(t, Some(*intent), 0.6) }));
        }
    }
    native.extend(disturbed(&native));
    Lesson { classes: Classes::of(book), native, roman }
}

fn phrases(book: &Book) -> Vec<Phrase> {
    let mut out = Vec::new();
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    for (intent, lines) in &book.intents {
        out.extend(lines.caller.iter().map(|t| spoken(&named(t, book, &mut dice), Some(*intent), 1.0)));
    }
    for (intent, patterns) in &book.patterns {
        for pattern in patterns {
            for text in written_out(pattern, SENTENCES_PER_PATTERN, &mut dice) {
                let text = named(&text, book, &mut dice);
                out.push(Phrase { text, intent: Some(*intent), weight: 0.7, exact: false });
            }
        }
    }
    out.extend(book.yes.iter().map(|t| spoken(t, Some(Intent::Affirm), 1.0)));
    out.extend(book.no.iter().map(|t| spoken(t, Some(Intent::Deny), 1.0)));
    out.extend(book.everyday.iter().map(|t| spoken(t, None, 1.0)));
    // New sentences of everyday life, made of halves of known ones.
    for text in &book.everyday {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let Some(other) = book.everyday.get(dice.below(book.everyday.len())) {
            let tail: Vec<&str> = other.split_whitespace().collect();
            let (a, b) = (words.len() / 2, tail.len() / 2);
            let mixed: Vec<&str> = words.iter().take(a).chain(tail.iter().skip(b)).copied().collect();
            out.push(Phrase { text: mixed.join(" "), intent: None, weight: 0.6, exact: false });
        }
    }
    for text in book.names.iter().chain(&book.places) {
        out.push(Phrase { text: text.clone(), intent: None, weight: 0.4, exact: false });
    }
    out
}

fn spoken(text: &str, intent: Option<Intent>, weight: f32) -> Phrase {
    Phrase { text: text.to_owned(), intent, weight, exact: true }
}

fn named(text: &str, book: &Book, dice: &mut Dice) -> String {
    if !text.contains("{name}") {
        return text.to_owned();
    }
    let name = book.names.get(dice.below(book.names.len())).map_or("", String::as_str);
    text.replace("{name}", name)
}

/// Copies with the faults of a telephone and a recogniser: letters lost or wrong, words run together.
fn disturbed(phrases: &[Phrase]) -> Vec<Phrase> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    phrases
        .iter()
        .filter(|p| p.exact)
        .map(|p| {
            let letters: Vec<char> = p.text.chars().collect();
            let mut text = String::with_capacity(p.text.len());
            for c in &letters {
                if dice.below(100) >= 6 || "{}".contains(*c) {
                    text.push(*c);
                    continue;
                }
                match dice.below(4) {
                    0 => {}
                    1 if *c == ' ' => {}
                    2 => text.extend([*c, ' ']),
                    _ => text.push(letters.get(dice.below(letters.len())).copied().unwrap_or(*c)),
                }
            }
            Phrase { text, weight: 0.7 * p.weight, intent: p.intent, exact: false }
        })
        .collect()
}

/// Sentences of a pattern `(a|b|) words (c|d)`: all of them if they are few, else a fair sample.
fn written_out(pattern: &str, most: usize, dice: &mut Dice) -> Vec<String> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('(') {
        let (before, group) = (rest.get(..open).unwrap_or_default(), rest.get(open + 1..).unwrap_or_default());
        parts.push(vec![before]);
        let close = group.find(')').unwrap_or(group.len());
        parts.push(group.get(..close).unwrap_or_default().split('|').collect());
        rest = group.get(close + 1..).unwrap_or_default();
    }
    parts.push(vec![rest]);
    let choices = parts.iter().fold(1u64, |n, p| n.saturating_mul(p.len() as u64).min(CHOICES_MAX));
    let mut out: Vec<String> = (0..most as u64)
        .take_while(|n| *n < choices)
        .map(|n| {
            let mut pick = if choices <= most as u64 { n } else { dice.next() % choices };
            let mut text = String::new();
            for part in &parts {
                let of = part.len() as u64;
                text.push_str(part.get((pick % of) as usize).copied().unwrap_or_default());
                pick /= of;
            }
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .filter(|t| !t.is_empty())
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// Xorshift from a fixed seed: variety, not chance.
struct Dice(u64);

impl Dice {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_written_out() {
        let mut dice = Dice(1);
        assert_eq!(written_out("(a|b|) c (d|e)", 10, &mut dice), ["a c d", "a c e", "b c d", "b c e", "c d", "c e"]);
        assert_eq!(written_out("plain words", 10, &mut dice), ["plain words"]);
        // Draws may meet; they are told once.
        assert!((3..=5).contains(&written_out("(a|b|c|d|e|f) (a|b|c|d|e|f) (a|b|c)", 5, &mut dice).len()));
    }

    #[test]
    fn broken_patterns_do_no_harm() {
        let mut dice = Dice(1);
        for pattern in ["", "(", "(a|b", ")", "a)b(", "()", "((a|b)|c)", &"(a|b)".repeat(500)] {
            let _ = written_out(pattern, 8, &mut dice);
        }
    }
}
