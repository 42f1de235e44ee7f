//! Text to clauses, as they are spoken one after the other. Pure.
//!
//! Promise: every clause holds something to say and is short enough to be cancelled behind; what no
//! voice can say (controls, mark-up, emoji) is left out; any text at all is survived. Absent on
//! purpose: numbers, dates, abbreviations, which the daemon has put into words.

/// Characters of one clause; longer ones are cut at a space.
const CLAUSE_CHARS: usize = 140;
/// Characters inside `<` and `>` that are still taken for a mark-up tag.
const TAG_CHARS: usize = 200;
/// Short words whose full stop ends no sentence.
const TITLES: [&str; 12] = ["mr", "mrs", "ms", "dr", "sri", "smt", "shri", "rs", "no", "st", "vs", "prof"];

/// A clause without its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) text: String,
    pub(crate) mark: Mark,
}

impl Clause {
    pub(crate) fn one(text: &str) -> Self {
        Self { text: text.to_owned(), mark: Mark::Stop }
    }
}

/// What ends a clause: it decides the tune and the pause behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Comma,
    Stop,
    Question,
    Exclamation,
    /// Cut for its length: no pause.
    None,
}

impl Mark {
    fn of(c: char) -> Option<Self> {
        Some(match c {
            ',' | ';' | ':' | '،' | '–' | '—' | '、' => Self::Comma,
            '.' | '।' | '॥' | '…' | '\n' | '۔' => Self::Stop,
            '?' | '؟' => Self::Question,
            '!' => Self::Exclamation,
            _ => return None,
        })
    }

    /// As both engines read it: Piper as one of its phonemes, espeak-ng as punctuation.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Stop => ".",
            Self::Question => "?",
            Self::Exclamation => "!",
            Self::None => "",
        }
    }

    pub(crate) fn pause_ms(self) -> u32 {
        match self {
            Self::Comma => 120,
            Self::Stop | Self::Question | Self::Exclamation => 260,
            Self::None => 0,
        }
    }
}

pub(crate) fn clauses(text: &str) -> Vec<Clause> {
    let characters: Vec<char> = sayable(text);
    let mut clauses: Vec<Clause> = Vec::new();
    let mut open = String::new();
    for (at, c) in characters.iter().copied().enumerate() {
        match Mark::of(c) {
            Some(mark) if ends_clause(&characters, at, &open) => close(&mut clauses, &mut open, mark),
            _ => open.push(c),
        }
    }
    close(&mut clauses, &mut open, Mark::Stop);
    clauses
}

/// Does the mark at `at` end a clause? Not inside a number, a time or an abbreviation.
fn ends_clause(characters: &[char], at: usize, open: &str) -> bool {
    let next = characters.get(at + 1).copied();
    let between_digits = at > 0
        && characters[at - 1].is_numeric()
        && next.is_some_and(char::is_numeric)
        && matches!(characters[at], '.' | ',' | ':' | '–' | '—');
    if between_digits {
        return false;
    }
    if characters[at] != '.' {
        return true;
    }
    if next.is_some_and(char::is_alphabetic) {
        return false;
    }
    let word: String = open.chars().rev().take_while(|c| c.is_alphabetic()).collect();
    let word: String = word.chars().rev().collect::<String>().to_lowercase();
    let initial = word.chars().count() == 1 && word.is_ascii();
    // At the very end it is a full stop whatever stands before it.
    !(next.is_some() && (initial || TITLES.contains(&word.as_str())))
}

/// Ends the open clause. Marks that follow marks ("?!", "...") say nothing more.
fn close(clauses: &mut Vec<Clause>, open: &mut String, mark: Mark) {
    let text = std::mem::take(open);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !text.chars().any(char::is_alphanumeric) {
        return;
    }
    let mut pieces = cut(&text);
    let last = pieces.pop();
    clauses.extend(pieces.into_iter().map(|text| Clause { text, mark: Mark::None }));
    clauses.extend(last.map(|text| Clause { text, mark }));
}

/// Pieces of at most [`CLAUSE_CHARS`], cut at spaces where there are any.
fn cut(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > CLAUSE_CHARS {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        while word.len() > CLAUSE_CHARS {
            let rest = word.split_off(CLAUSE_CHARS);
            pieces.push(word.into_iter().collect());
            word = rest;
        }
        if length > 0 {
            piece.push(' ');
            length += 1;
        }
        length += word.len();
        piece.extend(word);
    }
    if length > 0 {
        pieces.push(piece);
    }
    // A piece cut out of a long word may hold signs only.
    pieces.retain(|p| p.chars().any(char::is_alphanumeric));
    pieces
}

/// The characters a voice may be given.
fn sayable(text: &str) -> Vec<char> {
    let characters: Vec<char> = text.chars().collect();
    let mut out = Vec::with_capacity(characters.len());
    let mut at = 0;
    while at < characters.len() {
        let c = characters[at];
        if c == '<'
            && let Some(length) = tag_length(&characters[at..])
        {
            out.push(' ');
            at += length;
            continue;
        }
        match c {
            '\n' => out.push('\n'),
            // A text that was written for a screen.
            '*' | '_' | '`' | '#' | '~' | '|' | '\\' | '<' | '>' | '[' | ']' | '{' | '}' | '"' | '(' | ')' | '“'
            | '”' | '«' | '»' => out.push(' '),
            '’' | '‘' => out.push('\''),
            _ if c.is_control() || is_picture(c) => out.push(' '),
            _ => out.push(c),
        }
        at += 1;
    }
    out
}

fn is_picture(c: char) -> bool {
    matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2190}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{20E3}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFF}' | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}'
        | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
}

/// Length of the mark-up tag at the start, if there is one.
fn tag_length(characters: &[char]) -> Option<usize> {
    let first = characters.get(1)?;
    if !(first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?')) {
        return None;
    }
    let end = characters.iter().take(TAG_CHARS).position(|c| *c == '>')?;
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str) -> String {
        clauses(text).iter().map(|c| format!("{}{}", c.text, c.mark.sign())).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn text_is_cut_at_its_marks_and_nowhere_else() {
        let cases = [
            ("Hello, world. How are you?", "Hello,|world.|How are you?"),
            ("नमस्ते, आप कैसे हैं। ठीक॥", "नमस्ते,|आप कैसे हैं.|ठीक."),
            ("no mark", "no mark."),
            ("one… two; three: four!", "one.|two,|three,|four!"),
            ("at 10:30 pay 1,00,000.50 rupees", "at 10:30 pay 1,00,000.50 rupees."),
            ("Dr. A. K. Rao is here. Come.", "Dr. A. K. Rao is here.|Come."),
            ("write to a.b@c.in.", "write to a.b@c.in."),
            ("what?! really...", "what?|really."),
            ("one\ntwo\r\n\nthree", "one.|two.|three."),
            ("", ""),
            (" ,.;!? ।॥… \n", ""),
            ("<speak>hello <break time=\"1s\"/>there</speak>", "hello there."),
            ("a < b and c > d", "a b and c d."),
            ("**bold** 😀 text ✅", "bold text."),
            ("x\0y\u{7}z", "x y z."),
        ];
        for (text, expected) in cases {
            assert_eq!(show(text), expected, "{text:?}");
        }
    }

    #[test]
    fn long_text_without_marks_is_cut_at_spaces_and_loses_nothing() {
        let text = "शब्द ".repeat(200);
        let cut = clauses(&text);
        assert!(cut.len() > 3 && cut.iter().all(|c| c.text.chars().count() <= CLAUSE_CHARS));
        let joined = cut.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!(joined, text.trim());
        assert!(cut[..cut.len() - 1].iter().all(|c| c.mark == Mark::None));
        assert_eq!(clauses(&"a".repeat(10_000)).len(), 10_000_usize.div_ceil(CLAUSE_CHARS));
    }

    proptest! {
        #[test]
        fn any_text_becomes_short_clauses_with_something_to_say(text in "\\PC*|[ -~।॥\\n<>\"/]*|(?s:.)*") {
            for clause in clauses(&text) {
                prop_assert!(clause.text.chars().count() <= CLAUSE_CHARS);
                prop_assert!(clause.text.chars().any(char::is_alphanumeric));
                prop_assert!(!clause.text.contains('\0'));
            }
        }
    }
}
