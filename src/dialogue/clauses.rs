//! Cuts a reply into clauses while it is being written, so that the first one is spoken early.
//! Promise: the clauses together are the reply, nothing lost but spaces; how the reply arrives in
//! pieces changes nothing; no cut inside a number, an abbreviation or a word (but for words longer
//! than a whole clause may be).

use crate::base::limits::CLAUSE_CHARS_MAX;

/// Characters of the first clause; speech starts when it is complete.
const FIRST_MIN: usize = 12;
/// Later clauses: at the end of a sentence.
const SENTENCE_MIN: usize = 12;
/// Later clauses: at a comma or its like.
const COMMA_MIN: usize = 60;

/// What a mark allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// `. ? ! । ॥ …` and line ends.
    Sentence,
    /// `, ; :` and dashes.
    Comma,
}

/// Takes a reply in pieces, gives back its clauses.
#[derive(Clone, Debug, Default)]
pub struct ClauseSplitter {
    held: Vec<char>,
    /// Up to here the held characters have been looked at without finding a cut.
    seen: usize,
    any_out: bool,
}

impl ClauseSplitter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, piece: &str) -> Vec<String> {
        let mut out = Vec::new();
        // One character at a time, so that the pieces in which a reply arrives leave no trace.
        for c in piece.chars() {
            self.held.push(c);
            while let Some(end) = self.cut() {
                let clause = self.take(end);
                if !clause.is_empty() {
                    self.any_out = true;
                    out.push(clause);
                }
            }
        }
        out
    }

    /// The reply is over: what is left is the last clause.
    pub fn finish(&mut self) -> Option<String> {
        let clause = self.take(self.held.len());
        self.any_out = false;
        (!clause.is_empty()).then_some(clause)
    }

    fn take(&mut self, end: usize) -> String {
        self.seen = 0;
        let clause: String = self.held.drain(..end).collect();
        clause.trim().to_owned()
    }

    /// Where the held text may be cut now. A cut is decided when the first character after the
    /// mark's spaces is there, because what follows decides about `No. 5` and `12, Gandhi Road`.
    fn cut(&mut self) -> Option<usize> {
        let start = self.held.iter().position(|c| !c.is_whitespace())?;
        let mut i = self.seen.max(start);
        while i < self.held.len() {
            if !is_mark(self.held[i]) {
                i += 1;
                continue;
            }
            let marks_end = run(&self.held, i, |c| is_mark(c) || is_closing(c));
            let next = run(&self.held, marks_end, char::is_whitespace);
            if next >= self.held.len() {
                self.seen = i;
                return self.too_long(start);
            }
            if let Some(mark) = boundary(&self.held, start, i, marks_end, next) {
                let long = marks_end - start;
                let enough = match (self.any_out, mark) {
                    (false, _) => long >= FIRST_MIN,
                    (true, Mark::Sentence) => long >= SENTENCE_MIN,
                    (true, Mark::Comma) => long >= COMMA_MIN,
                };
                if enough && self.held[start..marks_end].iter().any(|c| c.is_alphanumeric()) {
                    return Some(marks_end);
                }
            }
            i = marks_end;
        }
        self.seen = i;
        self.too_long(start)
    }

    /// A clause without a mark is cut at its last space; without that, before a base letter.
    fn too_long(&self, start: usize) -> Option<usize> {
        if self.held.len() - start <= CLAUSE_CHARS_MAX {
            return None;
        }
        let end = start + CLAUSE_CHARS_MAX;
        let digit = |i: usize| self.held.get(i).is_some_and(|c| c.is_numeric());
        let space = (start + 1..end).rev().find(|i| self.held[*i].is_whitespace() && !(digit(*i - 1) && digit(*i + 1)));
        let letter = (start + 1..=end).rev().find(|i| !joins(self.held[*i]) && !joins(self.held[*i - 1]));
        Some(space.or(letter).unwrap_or(end))
    }
}

fn run(text: &[char], from: usize, belongs: impl Fn(char) -> bool) -> usize {
    text[from..].iter().position(|c| !belongs(*c)).map_or(text.len(), |n| from + n)
}

const fn is_mark(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ';'
            | ':'
            | '?'
            | '!'
            | '…'
            | '।'
            | '॥'
            | '\u{61F}'
            | '\u{60C}'
            | '\u{6D4}'
            | '–'
            | '—'
            | '-'
            | '\n'
    )
}

const fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | '”' | '’' | '»')
}

/// Signs that belong to the letter before them, and joiners to both sides.
const fn joins(c: char) -> bool {
    matches!(c,
        '\u{200C}' | '\u{200D}' | '\u{300}'..='\u{36F}'
        | '\u{900}'..='\u{903}' | '\u{93A}'..='\u{94F}' | '\u{951}'..='\u{957}' | '\u{962}'..='\u{963}'
        | '\u{981}'..='\u{983}' | '\u{9BC}'..='\u{9CD}' | '\u{9D7}'
        | '\u{A01}'..='\u{A03}' | '\u{A3C}'..='\u{A51}' | '\u{A70}'..='\u{A71}'
        | '\u{A81}'..='\u{A83}' | '\u{ABC}'..='\u{ACD}'
        | '\u{B01}'..='\u{B03}' | '\u{B3C}'..='\u{B57}'
        | '\u{B82}' | '\u{BBE}'..='\u{BCD}' | '\u{BD7}'
        | '\u{C00}'..='\u{C04}' | '\u{C3C}'..='\u{C56}'
        | '\u{C81}'..='\u{C83}' | '\u{CBC}'..='\u{CD6}'
        | '\u{D00}'..='\u{D03}' | '\u{D3B}'..='\u{D4D}' | '\u{D57}')
}

/// What the marks `text[i..marks_end]` mean, `text[next]` being the first character after the
/// spaces that follow.
fn boundary(text: &[char], start: usize, i: usize, marks_end: usize, next: usize) -> Option<Mark> {
    let marks = &text[i..marks_end];
    let spaced = next > marks_end;
    // A line end and the marks no number or name contains need no space behind them.
    if marks.iter().any(|c| matches!(c, '।' | '॥' | '\n' | '…' | '?' | '!' | '\u{61F}' | '\u{6D4}')) {
        return Some(Mark::Sentence);
    }
    if !spaced {
        return None;
    }
    let before = i.checked_sub(1).filter(|at| *at >= start).map(|at| text[at]);
    if marks.contains(&'.') {
        if marks.iter().filter(|c| **c == '.').count() > 1 {
            return Some(Mark::Sentence);
        }
        return (!abbreviates(text, start, i, text[next])).then_some(Mark::Sentence);
    }
    match marks[0] {
        // House numbers, lists of dates: `12, Gandhi Road`, `5, 6 or 7 June`.
        ',' if before.is_some_and(char::is_numeric) && marks_end - start <= COMMA_MIN => None,
        ',' | ';' | ':' | '\u{60C}' | '–' | '—' => Some(Mark::Comma),
        // A dash between spaces parts two thoughts; within a word or a number it does not.
        '-' if before.is_some_and(char::is_whitespace) => Some(Mark::Comma),
        _ => None,
    }
}

/// Never end a sentence.
const TITLES: &[&str] = &[
    "rs",
    "re",
    "dr",
    "mr",
    "mrs",
    "ms",
    "smt",
    "shri",
    "sri",
    "prof",
    "st",
    "adv",
    "er",
    "capt",
    "col",
    "lt",
    "maj",
    "gen",
    "hon",
    "jr",
    "sr",
    "vs",
    "approx",
    "tel",
    "mob",
    "ext",
    "e.g",
    "i.e",
    "fig",
    "m/s",
    "opp",
    "रु",
    "रू",
    "डॉ",
    "श्री",
    "सौ",
    "कु",
    "प्रो",
    "रु",
    "डॉ",
    "ரூ",
    "திரு",
    "திருமதி",
    "டாக்",
    "రూ",
    "డా",
    "శ్రీ",
    "ರೂ",
    "ಡಾ",
    "ಶ್ರೀ",
    "രൂ",
    "ഡോ",
    "ശ്രീ",
    "રૂ",
    "ડૉ",
    "ડો",
    "શ્રી",
    "ডা",
    "ড",
    "শ্রী",
    "মি",
    "টা",
    "ਰੁ",
    "ਡਾ",
    "ਸ੍ਰ",
    "ଟ",
    "ଡା",
    "ଡଃ",
    "ଶ୍ରୀ",
];
/// End a sentence unless a number follows: `No. 5`, but `No. I will not.`
const BEFORE_NUMBERS: &[&str] =
    &["no", "nos", "pt", "art", "sec", "नं", "क्र", "க", "எண்", "నం", "ನಂ", "നം", "નં", "নং", "ਨੰ", "ନଂ"];
/// May stand at the end of a sentence: they end it only before a capital or another script.
const MAYBE_LAST: &[&str] =
    &["a.m", "p.m", "am", "pm", "ltd", "pvt", "co", "corp", "inc", "etc", "bros", "dept", "govt"];

/// Is the full stop at `text[dot]` part of the word before it?
fn abbreviates(text: &[char], start: usize, dot: usize, next: char) -> bool {
    let word_start = text[start..dot]
        .iter()
        .rposition(|c| c.is_whitespace() || matches!(c, '(' | '"' | ',' | '“' | '‘'))
        .map_or(start, |n| start + n + 1);
    let word: String = text[word_start..dot].iter().flat_map(|c| c.to_lowercase()).collect();
    if TITLES.contains(&word.as_str()) {
        return true;
    }
    if BEFORE_NUMBERS.contains(&word.as_str()) {
        return next.is_numeric();
    }
    let goes_on = next.is_lowercase() || next.is_numeric();
    if MAYBE_LAST.contains(&word.as_str()) {
        return goes_on;
    }
    // Initials: `A. P. J. Abdul Kalam`, `எம். ஜி.`; `E.M.I.` and its like may end a sentence.
    let last = word.rsplit('.').next().unwrap_or(&word);
    let letters = last.chars().filter(|c| c.is_alphabetic() && !joins(*c)).count();
    let short = letters == 1 && last.chars().all(|c| c.is_alphabetic() || joins(c));
    if short && word.contains('.') {
        return goes_on || next.is_uppercase() && text[dot - 1].is_uppercase() && word.len() <= 4;
    }
    short
}

/// The clauses of a whole text.
pub fn split(text: &str) -> Vec<String> {
    let mut splitter = ClauseSplitter::new();
    let mut clauses = splitter.push(text);
    clauses.extend(splitter.finish());
    clauses
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<String> {
        let mut splitter = ClauseSplitter::new();
        let mut out = splitter.push(text);
        out.extend(splitter.finish());
        out
    }

    #[test]
    fn clauses_of_replies() {
        let cases: &[(&str, &[&str])] = &[
            (
                "Okay, I have noted that. You will get a call back, and we will tell you more. Goodbye.",
                &["Okay, I have noted that.", "You will get a call back, and we will tell you more.", "Goodbye."],
            ),
            (
                "Thank you very much, your EMI is Rs. 5,200.50 this time.",
                &["Thank you very much,", "your EMI is Rs. 5,200.50 this time."],
            ),
            ("Your amount is 5,200, due on 5 June.", &["Your amount is 5,200, due on 5 June."]),
            (
                "We are open from 9.30 a.m. to 6 p.m. Please come.",
                &["We are open from 9.30 a.m. to 6 p.m.", "Please come."],
            ),
            ("We are open till 9:30 p.m. every day. Come.", &["We are open till 9:30 p.m. every day.", "Come."]),
            (
                "Please ask for Dr. A. P. Menon at No. 12. He is there.",
                &["Please ask for Dr. A. P. Menon at No. 12.", "He is there."],
            ),
            ("I am sorry, no. I cannot do that.", &["I am sorry, no.", "I cannot do that."]),
            ("The address is 12, Gandhi Road, Madurai.", &["The address is 12, Gandhi Road,", "Madurai."]),
            ("जी, आपकी किस्त रु. 5,200 है। तारीख 5 जून है।", &["जी, आपकी किस्त रु. 5,200 है।", "तारीख 5 जून है।"]),
            ("ঠিক আছে, লিখে রাখলাম।ধন্যবাদ।", &["ঠিক আছে, লিখে রাখলাম।", "ধন্যবাদ।"]),
            ("சரிங்க, பரவாயில்லை. நேரம் ஒதுக்கியதற்கு நன்றி, வணக்கம்.", &["சரிங்க, பரவாயில்லை.", "நேரம் ஒதுக்கியதற்கு நன்றி, வணக்கம்."]),
            ("Really, is that so?! \"Yes it is!\" he said.", &["Really, is that so?!", "\"Yes it is!\"", "he said."]),
            ("Well... let me see that now, please", &["Well... let me see that now,", "please"]),
            ("Your loan is LN-20391 - it is due", &["Your loan is LN-20391 -", "it is due"]),
            (
                "Visit www.example.in/pay or call 1800.123.4567 now",
                &["Visit www.example.in/pay or call 1800.123.4567 now"],
            ),
            ("First line here\nSecond line", &["First line here", "Second line"]),
            ("", &[]),
            ("  \n ", &[]),
        ];
        for (text, clauses) in cases {
            assert_eq!(split(text), *clauses, "{text}");
        }
    }

    #[test]
    fn the_first_clause_is_out_before_the_reply_is_complete() {
        let mut splitter = ClauseSplitter::new();
        assert!(splitter.push("நன்றிங்க, உங்க தகவலை ").is_empty());
        assert_eq!(splitter.push("பதிவு செஞ்சுட்டேன், மேலும"), ["நன்றிங்க, உங்க தகவலை பதிவு செஞ்சுட்டேன்,"]);
    }

    #[test]
    fn a_reply_without_marks_is_cut_at_spaces() {
        let text = "word ".repeat(200);
        let clauses = split(&text);
        assert!(clauses.len() > 3);
        for clause in &clauses {
            assert!(clause.chars().count() <= CLAUSE_CHARS_MAX && clause.split(' ').all(|w| w == "word"), "{clause}");
        }
        assert!(split(&"क".repeat(1_000)).iter().all(|c| c.chars().count() <= CLAUSE_CHARS_MAX));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_pieces_leave_no_trace(
            parts in prop::collection::vec(prop::sample::select(vec![
                "word", " ", ", ", ". ", ".", "5,200", "9.30", "Rs.", "Dr. ", "।", "? ", "!", "…", "\n", "नमस्ते", "ക്ഷമിക്കണം", "12, ", "-", " - ", "a.m. ", "\"", "A. "]), 0..120),
            size in 1_usize..9) {
            let text: String = parts.concat();
            let whole = split(&text);
            let mut splitter = ClauseSplitter::new();
            let mut out = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(size) {
                out.extend(splitter.push(&piece.iter().collect::<String>()));
            }
            out.extend(splitter.finish());
            prop_assert_eq!(&out, &whole);
            let squeeze = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(squeeze(&whole.concat()), squeeze(&text));
            for clause in &whole {
                prop_assert!(clause.chars().count() <= CLAUSE_CHARS_MAX + 1);
                prop_assert!(!clause.trim().is_empty());
            }
        }

        #[test]
        fn no_number_is_cut(number in "[0-9]{1,3}(,[0-9]{2,3}){0,3}(\\.[0-9]{1,2})?", before in "[a-z]{3,12}", after in "[a-z]{3,12}") {
            let text = format!("The {before} is {number} rupees, {after}, {number}. The {after} is {number}");
            let joined = split(&text).join("|");
            prop_assert_eq!(joined.matches(number.as_str()).count(), text.matches(number.as_str()).count());
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,400}") {
            let mut splitter = ClauseSplitter::new();
            for c in text.chars() { splitter.push(&c.to_string()); }
            splitter.finish();
        }
    }
}
