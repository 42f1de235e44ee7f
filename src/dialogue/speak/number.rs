//! Cardinal numbers, digit strings and money in words, with Indian grouping.

use super::words::{Scale, Words, of};
use crate::base::Lang;

const THOUSAND: u64 = 1_000;
const LAKH: u64 = 100_000;
const CRORE: u64 = 10_000_000;

/// `1234567` → "twelve lakh thirty-four thousand five hundred sixty-seven".
pub fn number(lang: Lang, n: u64) -> String {
    cardinal(of(lang), n)
}

/// Each digit of `text` by its name; everything else is dropped. Native digits count too.
pub fn digits(lang: Lang, text: &str) -> String {
    let words = of(lang);
    let named: Vec<&str> =
        text.chars().filter_map(super::scan::digit_value).map(|d| words.small[usize::from(d)]).collect();
    named.join(" ")
}

/// Money: `5_200_00` paise → "five thousand two hundred rupees"; paise are said when there are any.
pub fn amount(lang: Lang, paise: u64) -> String {
    let words = of(lang);
    let (rupees, paise) = (paise / 100, paise % 100);
    let counted =
        |n: u64, noun: (&str, &str)| format!("{} {}", attributive(words, n), if n == 1 { noun.0 } else { noun.1 });
    match (rupees, paise) {
        (_, 0) => counted(rupees, words.rupee),
        (0, _) => counted(paise, words.paisa),
        _ if words.and.is_empty() => format!("{} {}", counted(rupees, words.rupee), counted(paise, words.paisa)),
        _ => format!("{} {} {}", counted(rupees, words.rupee), words.and, counted(paise, words.paisa)),
    }
}

/// A number as it stands before the noun it counts.
pub(crate) fn attributive(words: &Words, n: u64) -> String {
    if n == 1 {
        return words.one_of.to_owned();
    }
    let mut text = cardinal(words, n);
    for (ending, other) in words.attributive {
        if let Some(stem) = text.strip_suffix(ending) {
            text = format!("{stem}{other}");
            break;
        }
    }
    text
}

pub(super) fn cardinal(words: &Words, n: u64) -> String {
    if n < 100 {
        return words.small[small(n)].to_owned();
    }
    let mut parts = Vec::new();
    let crores = n / CRORE;
    let mut rest = n % CRORE;
    if crores > 0 {
        parts.push(scaled(words, crores, &words.crore, rest > 0));
    }
    if rest >= LAKH {
        parts.push(scaled(words, rest / LAKH, &words.lakh, !rest.is_multiple_of(LAKH)));
        rest %= LAKH;
    }
    if rest >= THOUSAND {
        let (count, more) = (rest / THOUSAND, !rest.is_multiple_of(THOUSAND));
        parts.push(match &words.thousands {
            Some(fused) => {
                format!("{}{}", fused.stems[small(count) - 1], if more { fused.more } else { fused.end })
            }
            None => scaled(words, count, &words.thousand, more),
        });
        rest %= THOUSAND;
    }
    if rest >= 100 {
        let (alone, joined) = words.hundreds[small(rest / 100) - 1];
        parts.push(if rest.is_multiple_of(100) { alone } else { joined }.to_owned());
        rest %= 100;
    }
    if rest > 0 {
        parts.push(words.small[small(rest)].to_owned());
    }
    parts.join(" ")
}

fn scaled(words: &Words, count: u64, scale: &Scale, more: bool) -> String {
    match (count, more) {
        (1, false) => scale.one.to_owned(),
        (1, true) => scale.one_more.to_owned(),
        (_, false) => format!("{} {}", attributive(words, count), scale.many),
        (_, true) => format!("{} {}", attributive(words, count), scale.many_more),
    }
}

/// A year: 1998 is said in hundreds where people do so.
pub(super) fn year(lang: Lang, year: u16) -> String {
    let words = of(lang);
    let (century, rest) = (u64::from(year / 100), u64::from(year % 100));
    match lang {
        Lang::En if (11..=19).contains(&century) && rest == 0 => format!("{} hundred", words.small[small(century)]),
        Lang::En if ((11..=19).contains(&century) || century == 20) && rest >= 10 => {
            format!("{} {}", words.small[small(century)], words.small[small(rest)])
        }
        Lang::En if (11..=19).contains(&century) && rest > 0 => {
            format!("{} oh {}", words.small[small(century)], words.small[small(rest)])
        }
        Lang::Mr | Lang::Bn if (11..=19).contains(&century) => {
            let hundred = if lang == Lang::Mr { "शे" } else { "শো" };
            joined_year(format!("{}{hundred}", words.small[small(century)]), words, rest)
        }
        _ if words.hundred_years && (11..=19).contains(&century) => {
            let hundred = match lang {
                Lang::Hi => "सौ",
                Lang::Gu => "સો",
                Lang::Pa => "ਸੌ",
                Lang::Or => "ଶହ",
                Lang::Te if rest == 0 => "వందలు",
                Lang::Te => "వందల",
                _ => "hundred",
            };
            joined_year(format!("{} {hundred}", words.small[small(century)]), words, rest)
        }
        _ => cardinal(words, u64::from(year)),
    }
}

fn joined_year(hundreds: String, words: &Words, rest: u64) -> String {
    if rest == 0 { hundreds } else { format!("{hundreds} {}", words.small[small(rest)]) }
}

/// Only called with values below 100, so the cast cannot lose anything.
const fn small(n: u64) -> usize {
    (n % 100) as usize
}
