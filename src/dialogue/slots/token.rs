//! An utterance as a row of meaningful tokens.

use super::lexicon::{Lexicon, fold};
use crate::base::limits::SLOT_WORDS_MAX;
use crate::dialogue::speak::words::Heard;
use crate::dialogue::speak::{digit_value, is_mark};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Heard),
    /// Digits as written, without separators of thousands.
    Digits {
        text: String,
        thousandths: Option<u64>,
        grouped: bool,
    },
    /// `10:30`.
    Clock {
        hour: u8,
        minute: u8,
    },
    /// A whole date in figures.
    Date {
        day: u8,
        month: u8,
        year: u16,
    },
    /// Something else was said here.
    Other,
    /// Part of a date or time that was understood.
    Used,
}

pub(super) fn tokens(lexicon: &Lexicon, text: &str) -> Vec<Token> {
    let pieces: Vec<String> = pieces(text);
    let mut tokens = Vec::with_capacity(pieces.len());
    let mut verbs = Vec::new();
    let mut i = 0;
    while i < pieces.len() {
        let piece = &pieces[i];
        if piece.starts_with(|c: char| c.is_ascii_digit()) {
            tokens.push(figure(piece));
            i += 1;
            continue;
        }
        if let Some((heard, count)) = lexicon.phrase(&pieces[i..]) {
            tokens.push(Token::Word(heard));
            i += count;
            continue;
        }
        if let Some(half) = lexicon.half(piece) {
            tokens.push(Token::Word(Heard::Times(half)));
        } else if let Some(parts) = lexicon.parts(piece) {
            tokens.extend(parts.into_iter().map(Token::Word));
        } else {
            tokens.push(Token::Other);
        }
        if lexicon.may_be_verb(piece) {
            verbs.push(tokens.len() - 1);
        }
        i += 1;
    }
    // "give" and "is not" are numbers only when nothing makes them the verb of the sentence.
    for verb in verbs.into_iter().filter(|verb| *verb > 0) {
        let behind_a_word = tokens[verb - 1] == Token::Other;
        let ends = tokens.get(verb + 1).is_none_or(|next| lexicon.verb_may_be_followed() && *next == Token::Other);
        if behind_a_word && ends {
            tokens[verb] = Token::Other;
        }
    }
    tokens
}

/// Words folded, figures with their separators, currency signs as words.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let chars: Vec<char> = text.chars().map(|c| digit_value(c).map_or(c, |d| char::from(b'0' + d))).collect();
    let mut i = 0;
    while i < chars.len() && pieces.len() < SLOT_WORDS_MAX {
        let c = chars[i];
        let start = i;
        if c.is_ascii_digit() {
            while i < chars.len() && (chars[i].is_ascii_digit() || joins_figures(&chars, i)) {
                i += 1;
            }
            pieces.push(chars[start..i].iter().collect());
        } else if is_letter(c) {
            while i < chars.len()
                && (is_letter(chars[i]) || (matches!(chars[i], '\'' | '’' | '.') && joins_word(&chars, i)))
            {
                i += 1;
            }
            pieces.push(fold(&chars[start..i].iter().collect::<String>()));
        } else {
            if c == '₹' {
                pieces.push("rs".to_owned());
            }
            i += 1;
        }
    }
    pieces
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || (is_mark(c) && digit_value(c).is_none())
}

/// `a.m`, `o'clock`: one letter on a side of the sign.
fn joins_word(chars: &[char], i: usize) -> bool {
    let after = chars.get(i + 1).is_some_and(|c| is_letter(*c));
    let single = i >= 1 && is_letter(chars[i - 1]) && (i < 2 || !is_letter(chars[i - 2]));
    after && single
}

/// `5,200`, `1.5`, `10:30`, `12/03/2026`: a sign between digits.
fn joins_figures(chars: &[char], i: usize) -> bool {
    matches!(chars[i], ',' | '.' | ':' | '/' | '-') && chars.get(i + 1).is_some_and(char::is_ascii_digit)
}

fn figure(piece: &str) -> Token {
    if let Some((hour, minute)) = piece.split_once(':').and_then(|(h, m)| {
        (m.len() == 2).then_some(())?;
        Some((h.parse::<u8>().ok()?, m.parse::<u8>().ok()?))
    }) && hour < 24
        && minute < 60
    {
        return Token::Clock { hour, minute };
    }
    if let Some(date) = date(piece) {
        return date;
    }
    let count = piece.chars().filter(char::is_ascii_digit).count();
    if piece.contains(['/', ':']) || (piece.contains('-') && count < 7) {
        return Token::Other;
    }
    let grouped = piece.contains(',');
    let plain: String = piece.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain.as_str(), ""));
    let thousandths = thousandths(whole, fraction).filter(|_| !piece.contains('-'));
    let text = if fraction.is_empty() { whole.to_owned() } else { plain.replace('.', "") };
    Token::Digits { text, thousandths, grouped: grouped || !fraction.is_empty() }
}

fn thousandths(whole: &str, fraction: &str) -> Option<u64> {
    if fraction.len() > 3 || fraction.contains('.') {
        return None;
    }
    let padded: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(padded)
}

fn date(piece: &str) -> Option<Token> {
    let separator = piece.chars().find(|c| matches!(c, '-' | '/'))?;
    let mut parts = piece.split(separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (day, month, year) = if a.len() == 4 { (c, b, a) } else { (a, b, c) };
    let (mut day, mut month): (u8, u8) = (day.parse().ok()?, month.parse().ok()?);
    let year: u16 = match year.len() {
        4 => year.parse().ok()?,
        2 => year.parse::<u16>().ok()? + 2000,
        _ => return None,
    };
    if month > 12 {
        std::mem::swap(&mut day, &mut month);
    }
    ((1..=31).contains(&day) && (1..=12).contains(&month)).then_some(Token::Date { day, month, year })
}
