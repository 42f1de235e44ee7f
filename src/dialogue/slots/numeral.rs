//! Numbers, money and digit strings in a row of tokens.

use super::token::Token;
use crate::dialogue::speak::words::Heard;

#[derive(Default)]
pub(super) struct Numbers {
    pub(super) amount_paise: Option<u64>,
    pub(super) digits: Option<String>,
    pub(super) number: Option<u64>,
}

/// A number and how many tokens it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numeral {
    pub(super) thousandths: u64,
    pub(super) end: usize,
    /// Was it said with hundred, thousand, lakh or crore?
    pub(super) scaled: bool,
    /// Is it one figure or one word of less than ten?
    pub(super) single: bool,
}

impl Numeral {
    pub(super) const fn whole(self) -> Option<u64> {
        if self.thousandths.is_multiple_of(1_000) { Some(self.thousandths / 1_000) } else { None }
    }
}

pub(super) fn find(tokens: &[Token]) -> Numbers {
    let mut found = Numbers::default();
    let mut only_one = None;
    let mut i = 0;
    while i < tokens.len() {
        if let Some((digits, end)) = digit_run(tokens, i) {
            if found.digits.as_ref().is_none_or(|longest| longest.len() < digits.len()) {
                found.digits = Some(digits);
            }
            i = end;
            continue;
        }
        let Some(numeral) = at(tokens, i) else {
            i += 1;
            continue;
        };
        let money = money(tokens, i, numeral);
        if found.amount_paise.is_none() {
            found.amount_paise = money.map(|(paise, _)| paise);
        }
        if let Token::Digits { text, grouped: false, .. } = &tokens[i]
            && numeral.end == i + 1
            && money.is_none()
            && text.len() >= 3
            && found.digits.as_ref().is_none_or(|longest| longest.len() < text.len())
        {
            found.digits = Some(text.clone());
        }
        match numeral.whole() {
            // "one" is an article in most of the languages.
            Some(1) if numeral.single => only_one = Some(1),
            Some(whole) if found.number.is_none() => found.number = Some(whole),
            _ => {}
        }
        i = money.map_or(numeral.end, |(_, end)| end).max(i + 1);
    }
    found.number = found.number.or(only_one);
    found
}

/// The amount that the number at `i` is, and where it ends.
fn money(tokens: &[Token], i: usize, numeral: Numeral) -> Option<(u64, usize)> {
    let is = |at: usize, heard: Heard| tokens.get(at) == Some(&Token::Word(heard));
    let paise = numeral.thousandths / 10;
    if is(numeral.end, Heard::Rupee) {
        let mut rest = numeral.end + 1;
        // "and", in whatever language.
        if is(rest, Heard::And) || tokens.get(rest) == Some(&Token::Other) {
            rest += 1;
        }
        if let Some(small) = at(tokens, rest)
            && is(small.end, Heard::Paisa)
            && let Some(extra) = small.whole().filter(|p| *p < 100)
        {
            return Some((paise.checked_add(extra)?, small.end + 1));
        }
        return Some((paise, numeral.end + 1));
    }
    if is(numeral.end, Heard::Paisa) {
        return Some((numeral.whole()?, numeral.end + 1));
    }
    if i > 0 && is(i - 1, Heard::Rupee) {
        return Some((paise, numeral.end));
    }
    (numeral.scaled && numeral.thousandths >= 100_000).then_some((paise, numeral.end))
}

/// Digits read one by one: at least three of them, "double" and "triple" counted.
fn digit_run(tokens: &[Token], from: usize) -> Option<(String, usize)> {
    let mut digits = String::new();
    let mut i = from;
    let mut repeat = 1;
    let mut words = 0;
    let mut zero_led = false;
    while let Some(token) = tokens.get(i) {
        match token {
            Token::Word(Heard::Double) => repeat = 2,
            Token::Word(Heard::Triple) => repeat = 3,
            Token::Word(Heard::N(n)) if *n < 10 && !counted(tokens, i) => {
                let digit = char::from(b'0' + u8::try_from(*n).ok()?);
                digits.extend(std::iter::repeat_n(digit, repeat));
                repeat = 1;
                words += 1;
            }
            Token::Word(Heard::Oh) if i > from => {
                digits.extend(std::iter::repeat_n('0', repeat));
                repeat = 1;
                words += 1;
            }
            Token::Digits { text, grouped: false, .. } if !counted(tokens, i) => {
                zero_led |= text.starts_with('0') && text.len() > 1;
                for _ in 0..repeat {
                    digits.push_str(text);
                }
                repeat = 1;
                words += 1;
            }
            _ => break,
        }
        i += 1;
    }
    // A lone number is no run, unless it cannot be a number.
    let all_short = tokens[from..i]
        .iter()
        .all(|t| matches!(t, Token::Word(_)) || matches!(t, Token::Digits { text, .. } if text.len() == 1));
    let long = words >= 2 && (all_short || digits.len() >= 8);
    (digits.len() >= 3 && (long || zero_led || (words == 1 && (digits.len() >= 9 || i > from + 1))))
        .then_some((digits, i))
}

/// Does a scale word or a currency follow, so that this is a quantity?
fn counted(tokens: &[Token], i: usize) -> bool {
    matches!(
        tokens.get(i + 1),
        Some(Token::Word(
            Heard::Hundred | Heard::Thousand | Heard::Lakh | Heard::Crore | Heard::Rupee | Heard::Paisa | Heard::Days
        ))
    )
}

const CRORE: u64 = 10_000_000;

/// The longest number that begins at `from`. Everything is counted in thousandths.
pub(super) fn at(tokens: &[Token], from: usize) -> Option<Numeral> {
    let mut total: u64 = 0;
    let mut current: Option<u64> = None;
    let mut plus: u64 = 0;
    let mut minus: u64 = 0;
    let mut last_scale = u64::MAX;
    let mut scaled = false;
    let mut hundreds = false;
    let mut end = from;
    let mut i = from;
    while let Some(token) = tokens.get(i) {
        let taken = match token {
            Token::Word(Heard::N(n)) if *n < 100 => match current {
                None => Some(n * 1_000),
                Some(now) if fits_behind(now / 1_000, *n) && now % 1_000 == 0 => Some(now + n * 1_000),
                Some(_) => None,
            }
            .map(|value| current = Some(value)),
            // A fused hundred: 200, 300 …, 125
            Token::Word(Heard::N(n)) if *n < 1_000 => (current.is_none() && !hundreds).then(|| {
                current = Some(n * 1_000);
                hundreds = true;
                scaled = true;
            }),
            // A fused thousand; "twenty three-thousand" has its tens before it.
            Token::Word(Heard::N(n)) => {
                let tens = current.unwrap_or(0) / 1_000;
                let fits = last_scale > 1_000 && (tens == 0 || (tens < 100 && tens.is_multiple_of(10) && *n < 10_000));
                fits.then(|| {
                    total += (tens * 1_000 + n) * 1_000;
                    (current, last_scale, scaled) = (None, 1_000, true);
                })
            }
            Token::Digits { thousandths: Some(value), .. } => match current {
                None if (last_scale == u64::MAX || *value < last_scale * 1_000) => {
                    current = Some(*value);
                    Some(())
                }
                _ => None,
            },
            Token::Word(Heard::Hundred) => {
                let count = match current {
                    None => Some(1_000),
                    Some(now) if now < 100_000 && !hundreds => Some(now),
                    Some(_) => None,
                };
                count.map(|count| {
                    let count = (count + plus).saturating_sub(minus);
                    (plus, minus) = (0, 0);
                    current = Some(count * 100);
                    (hundreds, scaled) = (true, true);
                })
            }
            Token::Word(scale @ (Heard::Thousand | Heard::Lakh | Heard::Crore)) => {
                let factor = match scale {
                    Heard::Thousand => 1_000,
                    Heard::Lakh => 100_000,
                    _ => CRORE,
                };
                let count = (current.unwrap_or(1_000) + plus).saturating_sub(minus);
                if factor == CRORE && last_scale != u64::MAX && last_scale < CRORE {
                    // "one lakh crore": the crore counts all that went before.
                    let all = total.checked_add(if current.is_some() { count } else { 0 })?;
                    total = all.checked_mul(CRORE)?;
                    (current, plus, minus, last_scale, hundreds, scaled) = (None, 0, 0, CRORE, false, true);
                    Some(())
                } else if factor < last_scale {
                    total = total.checked_add(count.checked_mul(factor)?)?;
                    (current, plus, minus, last_scale, hundreds, scaled) = (None, 0, 0, factor, false, true);
                    Some(())
                } else {
                    None
                }
            }
            Token::Word(Heard::Times(value)) if current.is_none() && plus + minus == 0 => {
                current = Some(*value);
                scaled |= *value >= 100_000;
                Some(())
            }
            Token::Word(Heard::Plus(value)) if current.is_none() && plus + minus == 0 => {
                plus = *value;
                Some(())
            }
            Token::Word(Heard::Minus(value)) if current.is_none() && plus + minus == 0 => {
                minus = *value;
                Some(())
            }
            Token::Word(Heard::And) if scaled && matches!(tokens.get(i + 1), Some(Token::Word(Heard::N(_)))) => {
                Some(())
            }
            _ => None,
        };
        if taken.is_none() {
            break;
        }
        i += 1;
        // "and", "saadhe" alone do not end a number.
        if !matches!(token, Token::Word(Heard::And | Heard::Plus(_) | Heard::Minus(_))) {
            end = i;
        }
    }
    if end == from {
        return None;
    }
    let current = current.unwrap_or(0);
    let thousandths = total.checked_add(current)?.checked_add(plus)?.checked_sub(minus)?;
    let single = end == from + 1 && thousandths < 10_000;
    Some(Numeral { thousandths, end, scaled, single })
}

/// May a number word below 100 follow what has been said: 20 and 5, 300 and 45?
const fn fits_behind(now: u64, n: u64) -> bool {
    let below = now % 100;
    (below == 0 && now > 0 && n > 0) || (below >= 20 && below.is_multiple_of(10) && n < 10 && n > 0)
}
