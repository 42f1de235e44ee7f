//! The shape of a language's file: the words it says numbers, money, dates and times with, and
//! the further words a caller may use for them.

use super::{bn, en, gu, hi, kn, ml, mr, or, pa, ta, te};
use crate::base::Lang;

/// Everything one language needs. Text is NFC; lists inside a string are separated by `|`.
pub(crate) struct Words {
    /// 0 to 99, said alone.
    pub(crate) small: &'static [&'static str; 100],
    /// 1 to 9 hundred: said alone, and before a rest.
    pub(crate) hundreds: [(&'static str, &'static str); 9],
    pub(crate) thousand: Scale,
    pub(crate) lakh: Scale,
    pub(crate) crore: Scale,
    /// Where the multiplier and "thousand" are one word.
    pub(crate) thousands: Option<Fused>,
    /// The number one before a noun.
    pub(crate) one_of: &'static str,
    /// Endings of a number that change before a noun, first match wins.
    pub(crate) attributive: &'static [(&'static str, &'static str)],
    /// Are 1100 to 1999 as years said in hundreds?
    pub(crate) hundred_years: bool,
    pub(crate) rupee: (&'static str, &'static str),
    pub(crate) paisa: (&'static str, &'static str),
    /// Between rupees and paise; may be empty.
    pub(crate) and: &'static str,
    pub(crate) point: &'static str,
    pub(crate) percent: &'static str,
    pub(crate) minus: &'static str,
    pub(crate) plus: &'static str,
    /// The slash of an address.
    pub(crate) by: &'static str,
    /// The dash of a range.
    pub(crate) to: &'static str,
    pub(crate) months: [&'static str; 12],
    /// From Monday.
    pub(crate) weekdays: [&'static str; 7],
    /// Morning (4 to 11), afternoon (12 to 15), evening (16 to 19), night.
    pub(crate) parts: [&'static str; 4],
    pub(crate) clock: Clock,
    /// today, tomorrow, day after tomorrow, this week, next week, this month, next month, month end
    pub(crate) relative: [&'static str; 8],
    pub(crate) in_days: &'static str,
    pub(crate) in_minutes: &'static str,
    pub(crate) later: &'static str,
    /// A to Z, for identifiers.
    pub(crate) letters: &'static [&'static str; 26],
    /// Beginnings of nouns before which a number takes its attributive form.
    pub(crate) counted: &'static str,
    /// Number's ending, suffix's beginning, what both become together.
    pub(crate) joins: &'static [(&'static str, &'static str, &'static str)],
    /// Beginnings of words after which a number is read digit by digit.
    pub(crate) ids: &'static str,
    /// Endings a heard number word may carry.
    pub(crate) endings: &'static str,
    /// Stems of 20, 30 … 90 (`;` apart, spellings by spaces) …
    pub(crate) tens: &'static str,
    /// … and what 1 to 9 look like behind them, for spellings beside those of `small`.
    pub(crate) units: &'static str,
    /// Further words of callers; a word that ends in `*` may go on.
    pub(crate) heard: &'static [(Heard, &'static str)],
}

/// A scale word, said alone and before a rest, with the multiplier one and with others.
pub(crate) struct Scale {
    pub(crate) one: &'static str,
    pub(crate) one_more: &'static str,
    pub(crate) many: &'static str,
    pub(crate) many_more: &'static str,
}

pub(crate) struct Fused {
    pub(crate) stems: &'static [&'static str; 99],
    pub(crate) end: &'static str,
    pub(crate) more: &'static str,
}

pub(crate) struct Clock {
    /// 1:30 to 12:30.
    pub(crate) halves: [&'static str; 12],
    /// A quarter past this hour, a quarter to the next; where people say so.
    pub(crate) quarters: Option<(&'static str, &'static str)>,
    /// Around the hour, when the time stands alone.
    pub(crate) hour: &'static str,
    /// Around the hour, when a postposition follows.
    pub(crate) linked: &'static str,
    pub(crate) minutes: &'static str,
    /// Beginnings of the words for "o'clock".
    pub(crate) stems: &'static str,
    /// Behind the first and the second time of a range.
    pub(crate) from: &'static str,
    pub(crate) until: &'static str,
    /// Do the catalogues write "o'clock" behind `{time}` themselves?
    pub(crate) said_by_template: bool,
}

/// What a word means when a caller says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A number word; from 100 up it is a fused one.
    N(u64),
    Hundred,
    Thousand,
    Lakh,
    Crore,
    /// Thousandths, a number of its own: one and a half.
    Times(u64),
    /// Thousandths on top of the next number: three and a half.
    Plus(u64),
    /// Thousandths off the next number: a quarter to three.
    Minus(u64),
    And,
    /// Zero, among other digits only.
    Oh,
    Double,
    Triple,
    Ord(u8),
    OrdinalMark,
    Rupee,
    Paisa,
    Today,
    Tomorrow,
    DayAfter,
    ThisWeek,
    NextWeek,
    ThisMonth,
    NextMonth,
    MonthEnd,
    /// From Monday, 0.
    Weekday(u8),
    /// From January, 1.
    Month(u8),
    /// As [`Words::parts`].
    Part(u8),
    Am,
    Pm,
    Clock,
    /// "o'clock" only beside a part of the day: otherwise it counts things.
    MaybeClock,
    At,
    DateMark,
    Days,
    Hours,
    Minutes,
    Weeks,
    Half,
    /// Turns a span into the past.
    Ago,
    Later,
}

pub(crate) const fn of(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &en::WORDS,
        Lang::Hi => &hi::WORDS,
        Lang::Ta => &ta::WORDS,
        Lang::Te => &te::WORDS,
        Lang::Ml => &ml::WORDS,
        Lang::Kn => &kn::WORDS,
        Lang::Gu => &gu::WORDS,
        Lang::Mr => &mr::WORDS,
        Lang::Bn => &bn::WORDS,
        Lang::Pa => &pa::WORDS,
        Lang::Or => &or::WORDS,
    }
}

/// Does `text` begin with one of the `|`-separated beginnings?
pub(crate) fn begins_with_one(text: &str, list: &str) -> bool {
    list.split('|').any(|stem| !stem.is_empty() && text.starts_with(stem))
}
