//! Patterns of words, and texts cut into the tokens they are matched on.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

/// A text as sentences of clauses of words.
pub(super) type Sentence = Vec<Clause>;
pub(super) type Clause = Vec<String>;

/// One spelling for what is written in several: compatibility forms, case, nukta, joiners,
/// chandrabindu, chillu letters.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkc().flat_map(char::to_lowercase) {
        match c {
            // Nukta of each script, joiners, soft hyphen, apostrophes within words, stray marks.
            '\u{93C}'
            | '\u{9BC}'
            | '\u{A3C}'
            | '\u{ABC}'
            | '\u{B3C}'
            | '\u{200B}'..='\u{200D}'
            | '\u{AD}'
            | '\u{FEFF}'
            | '\''
            | '’'
            | '\u{300}'..='\u{36F}' => {}
            // Chandrabindu and tippi sound like anusvara here.
            '\u{901}' => out.push('\u{902}'),
            '\u{981}' => out.push('\u{982}'),
            '\u{A01}' | '\u{A70}' => out.push('\u{A02}'),
            '\u{A81}' => out.push('\u{A82}'),
            '\u{B01}' => out.push('\u{B02}'),
            'ൺ' => out.push_str("ണ്"),
            'ൻ' => out.push_str("ന്"),
            'ർ' => out.push_str("ര്"),
            'ൽ' => out.push_str("ല്"),
            'ൾ' => out.push_str("ള്"),
            c => out.push(c),
        }
    }
    out
}

const fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '?' | '!' | '।' | '॥' | '\n')
}

const fn ends_clause(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '–' | '—' | '…')
}

fn parts_words(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_punctuation() || matches!(c, '\u{2010}'..='\u{206F}' | '।' | '॥' | '₹')
}

pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let folded = fold(text);
    let chars: Vec<char> = folded.chars().collect();
    let mut sentences = vec![vec![Vec::new()]];
    let mut word = String::new();
    for (i, c) in chars.iter().copied().enumerate() {
        if !parts_words(c) {
            word.push(c);
            continue;
        }
        end_word(&mut sentences, &mut word);
        // `9.30`, `5,200` and `o.t.p` are no ends of anything.
        let joined = matches!(c, '.' | ',' | ':') && chars.get(i + 1).is_some_and(|next| next.is_alphanumeric());
        let sentence = sentences.last_mut();
        if ends_sentence(c) && !joined && sentence.is_some_and(|s| s.iter().any(|clause| !clause.is_empty())) {
            sentences.push(vec![Vec::new()]);
        } else if ends_clause(c)
            && !joined
            && let Some(sentence) = sentences.last_mut()
        {
            sentence.push(Vec::new());
        }
    }
    end_word(&mut sentences, &mut word);
    for clause in sentences.iter_mut().flatten() {
        join_letters(clause);
    }
    sentences
}

fn end_word(sentences: &mut [Sentence], word: &mut String) {
    if !word.is_empty()
        && let Some(clause) = sentences.last_mut().and_then(|sentence| sentence.last_mut())
    {
        clause.push(std::mem::take(word));
    }
}

/// `o t p` is `otp`; two letters (`I a…`) may be words.
fn join_letters(clause: &mut Clause) {
    let single = |word: &String| word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic();
    let mut i = 0;
    while i < clause.len() {
        let run = clause[i..].iter().take_while(|word| single(word)).count();
        if run >= 3 {
            let joined: String = clause.drain(i..i + run).collect();
            clause.insert(i, joined);
        }
        i += 1;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Word(String),
    Prefix(String),
    Suffix(String),
    /// Up to three words.
    Gap,
}

/// `word stem* *ending _ word`.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Step>);

impl Pattern {
    fn parse(text: &str) -> Self {
        Self(
            text.split_whitespace()
                .map(|part| match (part, part.strip_suffix('*'), part.strip_prefix('*')) {
                    ("_", ..) => Step::Gap,
                    (_, Some(stem), _) => Step::Prefix(fold(stem)),
                    (_, _, Some(ending)) => Step::Suffix(fold(ending)),
                    _ => Step::Word(fold(part)),
                })
                .collect(),
        )
    }

    /// Words that stand for themselves, one after the other.
    pub(super) fn literal(text: &str) -> Option<Self> {
        let steps: Vec<_> = sentences(text).into_iter().flatten().flatten().map(Step::Word).collect();
        (!steps.is_empty()).then_some(Self(steps))
    }

    fn at(steps: &[Step], words: &[String]) -> Option<usize> {
        let Some((step, rest)) = steps.split_first() else { return Some(0) };
        if matches!(step, Step::Gap) {
            return (0..=3.min(words.len())).find_map(|gap| Some(gap + Self::at(rest, &words[gap..])?));
        }
        let (word, others) = words.split_first()?;
        let fits = match step {
            Step::Word(wanted) => word == wanted,
            Step::Prefix(stem) => word.starts_with(stem.as_str()),
            Step::Suffix(ending) => word.ends_with(ending.as_str()),
            Step::Gap => false,
        };
        fits.then(|| Self::at(rest, others)).flatten().map(|n| n + 1)
    }

    pub(super) fn find<'a>(&'a self, clause: &'a [String]) -> impl Iterator<Item = Range<usize>> + 'a {
        (0..clause.len()).filter_map(|start| Some(start..start + Self::at(&self.0, &clause[start..])?))
    }
}

/// Many patterns, written one after the other between `|` or line ends.
#[derive(Clone, Debug)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.split(['|', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(Pattern::parse).collect())
    }

    pub(super) fn find<'a>(&'a self, clause: &'a [String]) -> impl Iterator<Item = Range<usize>> + 'a {
        self.0.iter().flat_map(|pattern| pattern.find(clause))
    }

    pub(super) fn any(&self, clause: &[String]) -> bool {
        self.find(clause).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_sentences_clauses_and_words() {
        let cut = sentences("Don't pay ₹5,200.50, Ram! O.T.P. माफ़ कीजिए। हूँ");
        let words: Vec<Vec<Vec<&str>>> =
            cut.iter().map(|s| s.iter().map(|c| c.iter().map(String::as_str).collect()).collect()).collect();
        assert_eq!(words[0], [vec!["dont", "pay", "5", "200", "50"], vec!["ram"]]);
        assert_eq!(words[1], [vec!["otp"]]);
        assert_eq!(words[2], [vec!["माफ", "कीजिए"]]);
        assert_eq!(words[3], [vec!["हूं"]]);
    }

    #[test]
    fn patterns_know_stems_endings_and_gaps() {
        let clause: Vec<String> = "i am really a human being".split(' ').map(str::to_owned).collect();
        let found = |pattern: &str| Pattern::parse(pattern).find(&clause).next();
        assert_eq!(found("i am _ human"), Some(0..5));
        assert_eq!(found("hum* *ing"), Some(4..6));
        assert_eq!(found("am human"), None);
        assert_eq!(found("i _ being"), None, "a gap holds three words");
    }
}
