//! Finding numbers, dates, times and identifiers in running text. Positions are character indices.

use super::when::Face;
use super::words::{Words, of};
use crate::base::Lang;

/// Digit zero of every script a text may come in; the other nine follow in Unicode.
const ZEROS: [char; 14] = [
    '0', '\u{660}', '\u{6F0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}', '\u{CE6}',
    '\u{D66}', '\u{FF10}', '\u{E50}',
];

pub(crate) fn digit_value(c: char) -> Option<u8> {
    ZEROS.iter().find_map(|zero| {
        let distance = u32::from(c).checked_sub(u32::from(*zero))?;
        u8::try_from(distance).ok().filter(|d| *d < 10)
    })
}

/// A text with its digits in ASCII and its dashes and spaces made uniform, beside the original.
pub(super) struct Text {
    pub(super) original: Vec<char>,
    plain: Vec<char>,
}

/// A number as written: `18,34,883.50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) whole: String,
    pub(super) fraction: Option<String>,
    pub(super) grouped: bool,
    pub(super) end: usize,
}

impl Literal {
    pub(super) fn value(&self) -> Option<u64> {
        self.whole.parse().ok()
    }

    /// In hundredths, when it has at most two decimals: rupees as paise.
    pub(super) fn hundredths(&self) -> Option<u64> {
        let cents = match self.fraction.as_deref() {
            None => 0,
            Some(one) if one.len() == 1 => one.parse::<u64>().ok()? * 10,
            Some(two) if two.len() == 2 => two.parse().ok()?,
            Some(_) => return None,
        };
        self.value()?.checked_mul(100)?.checked_add(cents)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) day: u8,
    pub(super) month: u8,
    pub(super) year: Option<u16>,
    pub(super) end: usize,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let original: Vec<char> = text.chars().collect();
        let plain = original
            .iter()
            .map(|c| match c {
                '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
                '\u{A0}' | '\u{202F}' | '\u{2009}' => ' ',
                _ => digit_value(*c).map_or(*c, |d| char::from(b'0' + d)),
            })
            .collect();
        Self { original, plain }
    }

    /// The character at `i`, NUL behind the end.
    pub(super) fn at(&self, i: usize) -> char {
        self.plain.get(i).copied().unwrap_or('\0')
    }

    pub(super) fn before(&self, i: usize) -> char {
        i.checked_sub(1).map_or('\0', |i| self.at(i))
    }

    pub(super) const fn len(&self) -> usize {
        self.plain.len()
    }

    pub(super) fn run(&self, from: usize, wanted: impl Fn(char) -> bool) -> usize {
        (from..self.plain.len()).find(|i| !wanted(self.plain[*i])).unwrap_or(self.plain.len())
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> String {
        self.plain.get(from..to).unwrap_or_default().iter().collect()
    }

    pub(super) fn digits_end(&self, from: usize) -> usize {
        self.run(from, |c| c.is_ascii_digit())
    }

    pub(super) fn skip_spaces(&self, from: usize) -> usize {
        self.run(from, |c| c == ' ' || c == '\t')
    }

    /// The word that begins at `from`, letters and marks only, in lower case.
    pub(super) fn word(&self, from: usize) -> (String, usize) {
        let end = self.run(from, is_wordish);
        (self.slice(from, end).to_lowercase(), end)
    }

    /// Up to `count` words before `i`, nearest first, stopping at the end of a sentence.
    pub(super) fn words_before(&self, i: usize, count: usize) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut end = i;
        while found.len() < count {
            while end > 0 && !is_wordish(self.at(end - 1)) {
                if matches!(self.at(end - 1), '.' | '।' | '?' | '!' | ';' | ',' | '\n')
                    || self.at(end - 1).is_ascii_digit()
                {
                    // "No." and "a/c no." end in a dot too: a dot counts only when a space follows and the word is long.
                    let dotted = self.at(end - 1) == '.' && self.word_len_before(end - 1) <= 3;
                    if !dotted {
                        return found;
                    }
                }
                end -= 1;
            }
            if end == 0 {
                break;
            }
            let mut start = end;
            while start > 0 && is_wordish(self.at(start - 1)) {
                start -= 1;
            }
            found.push((self.slice(start, end), start));
            end = start;
        }
        found
    }

    fn word_len_before(&self, end: usize) -> usize {
        let mut start = end;
        while start > 0 && is_wordish(self.at(start - 1)) {
            start -= 1;
        }
        end - start
    }

    /// A number at `from`, with Indian or western grouping and decimals.
    pub(super) fn number(&self, from: usize) -> Option<Literal> {
        let first = self.digits_end(from);
        if first == from {
            return None;
        }
        let mut whole = self.slice(from, first);
        let mut end = first;
        let mut grouped = false;
        if whole.len() <= 3 {
            let mut sizes = Vec::new();
            let mut at = first;
            while self.at(at) == ',' {
                let stop = self.digits_end(at + 1);
                if !(2..=3).contains(&(stop - at - 1)) {
                    break;
                }
                sizes.push(stop - at - 1);
                at = stop;
            }
            let indian = sizes.split_last().is_some_and(|(last, rest)| *last == 3 && rest.iter().all(|s| *s == 2));
            let western = !sizes.is_empty() && sizes.iter().all(|s| *s == 3);
            if indian || western {
                whole = self.slice(from, at).chars().filter(char::is_ascii_digit).collect();
                end = at;
                grouped = true;
            }
        }
        let mut fraction = None;
        if self.at(end) == '.' && self.at(end + 1).is_ascii_digit() {
            let stop = self.digits_end(end + 1);
            fraction = Some(self.slice(end + 1, stop));
            end = stop;
        }
        Some(Literal { whole, fraction, grouped, end })
    }

    /// A one- or two-digit number of at most `max`.
    fn small(&self, from: usize, max: u8) -> Option<(u8, usize)> {
        let end = self.digits_end(from);
        if !(1..=2).contains(&(end - from)) {
            return None;
        }
        let value: u8 = self.slice(from, end).parse().ok()?;
        (value <= max).then_some((value, end))
    }

    fn year(&self, from: usize) -> Option<(u16, usize)> {
        let end = self.digits_end(from);
        let value: u16 = self.slice(from, end).parse().ok()?;
        (end - from == 4 && (1900..=2099).contains(&value)).then_some((value, end))
    }

    /// `2026-06-05`, `12/03/2026`, `5 June`, `5th June, 2026`, `5-Jun-26`, `June 5`.
    pub(super) fn date(&self, from: usize, words: &Words) -> Option<Date> {
        self.numeric_date(from).or_else(|| self.day_month(from, words)).or_else(|| self.month_day(from))
    }

    fn numeric_date(&self, from: usize) -> Option<Date> {
        let separator = |c: char| matches!(c, '-' | '/' | '.');
        if let Some((year, at)) = self.year(from)
            && separator(self.at(at))
        {
            let (month, then) = self.small(at + 1, 12)?;
            let (day, end) = self.small(then + 1, 31)?;
            return (self.at(then) == self.at(at) && month > 0 && day > 0 && self.ends_date(end)).then_some(Date {
                day,
                month,
                year: Some(year),
                end,
            });
        }
        let (first, at) = self.small(from, 31)?;
        if !separator(self.at(at)) {
            return None;
        }
        let (second, then) = self.small(at + 1, 31)?;
        if self.at(then) != self.at(at) {
            return None;
        }
        let (year, end) = match self.year(then + 1) {
            Some(year) => year,
            None if self.at(at) != '.' => {
                let (short, end) = self.small(then + 1, 99)?;
                if end - then != 3 {
                    return None;
                }
                (2000 + u16::from(short), end)
            }
            None => return None,
        };
        let (day, month) = if second > 12 { (second, first) } else { (first, second) };
        (day > 0 && (1..=12).contains(&month) && self.ends_date(end)).then_some(Date {
            day,
            month,
            year: Some(year),
            end,
        })
    }

    fn ends_date(&self, end: usize) -> bool {
        let more_figures = matches!(self.at(end), '-' | '/') && self.at(end + 1).is_ascii_digit();
        !(more_figures || self.at(end).is_ascii_alphanumeric())
    }

    fn day_month(&self, from: usize, words: &Words) -> Option<Date> {
        let (day, mut at) = self.small(from, 31)?;
        if day == 0 {
            return None;
        }
        if matches!(self.slice(at, at + 2).to_lowercase().as_str(), "st" | "nd" | "rd" | "th")
            && !self.at(at + 2).is_alphanumeric()
        {
            at += 2;
        }
        let mut at = if self.at(at) == '-' { at + 1 } else { self.skip_spaces(at) };
        if self.slice(at, at + 3).eq_ignore_ascii_case("of ") {
            at = self.skip_spaces(at + 3);
        }
        let (month, end) = self.month(at, words)?;
        Some(self.with_year(Date { day, month, year: None, end }))
    }

    fn month_day(&self, from: usize) -> Option<Date> {
        if !self.at(from).is_ascii_alphabetic() || is_wordish(self.before(from)) {
            return None;
        }
        let (month, end) = self.english_month(from)?;
        // "may 5" and "mar 5" are more likely other words.
        if end - from <= 3 && !self.at(from).is_ascii_uppercase() {
            return None;
        }
        let at = self.skip_spaces(end);
        let (day, mut end) = self.small(at, 31)?;
        if at == from || day == 0 || matches!(self.at(end), ':' | '%' | '.' | '/') && self.at(end + 1).is_ascii_digit()
        {
            return None;
        }
        if matches!(self.slice(end, end + 2).to_lowercase().as_str(), "st" | "nd" | "rd" | "th") {
            end += 2;
        }
        if self.at(end).is_ascii_alphabetic() || (self.at(end) == ',' && self.digits_end(end + 1) - end == 4) {
            return None;
        }
        Some(self.with_year(Date { day, month, year: None, end }))
    }

    fn with_year(&self, date: Date) -> Date {
        let mut at = date.end;
        if matches!(self.at(at), ',' | '.' | '-' | '\'') {
            at += 1;
        }
        at = self.skip_spaces(at);
        match self.year(at) {
            Some((year, end)) if at > date.end && !is_wordish(self.at(end)) => Date { year: Some(year), end, ..date },
            _ => date,
        }
    }

    fn month(&self, from: usize, words: &Words) -> Option<(u8, usize)> {
        let native = words.months.iter().zip(1..).find_map(|(name, month)| {
            let end = from + name.chars().count();
            (self.slice(from, end) == *name && !is_wordish(self.at(end))).then_some((month, end))
        });
        native.or_else(|| self.english_month(from))
    }

    fn english_month(&self, from: usize) -> Option<(u8, usize)> {
        let end = self.run(from, |c| c.is_ascii_alphabetic());
        let name = self.slice(from, end).to_lowercase();
        if name.len() < 3 || is_wordish(self.at(end)) {
            return None;
        }
        let month = of(Lang::En).months.iter().zip(1..).find_map(|(full, month)| {
            let full = full.to_lowercase();
            (full == name || (name.len() == 3 && full.starts_with(&name)) || (name == "sept" && month == 9))
                .then_some(month)
        })?;
        Some((month, end))
    }

    /// `9:30 AM`, `6pm`, `17:45`, `9.30 a.m.`. A dot counts only with a meridiem or before "o'clock".
    pub(super) fn time(&self, from: usize, words: &Words) -> Option<(Face, usize)> {
        let (hour, mut end) = self.small(from, 23)?;
        let mut minute = None;
        let separator = self.at(end);
        if matches!(separator, ':' | '.') {
            let stop = self.digits_end(end + 1);
            if stop - end == 3 {
                let value: u8 = self.slice(end + 1, stop).parse().ok()?;
                if value > 59 {
                    return None;
                }
                minute = Some(value);
                end = stop;
                if separator == ':' && self.at(end) == ':' && self.digits_end(end + 1) - end == 3 {
                    end += 3;
                }
            } else {
                return None;
            }
        }
        let meridiem = self.meridiem(end);
        if let Some((afternoon, after)) = meridiem
            && hour <= 12
        {
            let hour = hour % 12 + if afternoon { 12 } else { 0 };
            return Some((Face { hour, minute: minute.unwrap_or(0), part: true }, after));
        }
        let minute = minute?;
        if separator == '.' && !super::words::begins_with_one(&self.word(self.skip_spaces(end)).0, words.clock.stems) {
            return None;
        }
        if self.at(end).is_ascii_alphanumeric() || self.at(end) == ':' {
            return None;
        }
        let end = meridiem.map_or(end, |(_, after)| after);
        Some((Face { hour, minute, part: hour == 0 || hour > 12 }, end))
    }

    fn meridiem(&self, from: usize) -> Option<(bool, usize)> {
        let at = self.skip_spaces(from);
        let afternoon = match self.at(at).to_ascii_lowercase() {
            'a' => false,
            'p' => true,
            _ => return None,
        };
        let mut end = at + 1;
        let dotted = self.at(end) == '.';
        if dotted {
            end += 1;
        }
        if !self.at(end).eq_ignore_ascii_case(&'m') || self.at(end + 1).is_ascii_alphanumeric() {
            return None;
        }
        end += 1;
        if dotted && self.at(end) == '.' {
            end += 1;
        }
        Some((afternoon, end))
    }
}

/// A letter, mark or joiner: what words are made of. Digits are not.
pub(super) fn is_wordish(c: char) -> bool {
    c != '\0' && !c.is_numeric() && (c.is_alphabetic() || is_mark(c))
}

/// Signs of the Indic scripts that `char::is_alphabetic` leaves out, and the joiners.
pub(crate) fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x900..=0xDFF | 0x200C | 0x200D) && !matches!(c, '\u{964}' | '\u{965}') && !c.is_numeric()
}

/// A letter of one of our scripts, not Latin.
pub(super) fn is_native(c: char) -> bool {
    !c.is_ascii() && is_wordish(c)
}
