//! Dates and times of day in words.

use super::number::{attributive, cardinal, year as year_words};
use super::spoken::spoken;
use super::words::of;
use crate::base::Lang;
use crate::dialogue::slots::{self, DateSlot, TimeSlot};

const ORDINALS: [&str; 31] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
];

/// Day and month name, and the year when there is one: "पाँच जून", "fifth June".
/// A day or month that does not exist is said as plain numbers.
pub fn date(lang: Lang, day: u8, month: u8, year: Option<u16>) -> String {
    let words = of(lang);
    let day_words = match lang {
        Lang::En => ordinal(u64::from(day)),
        _ => cardinal(words, u64::from(day)),
    };
    let month_words = match month {
        1..=12 => words.months[usize::from(month) - 1].to_owned(),
        _ => cardinal(words, u64::from(month)),
    };
    match year {
        Some(year) => format!("{day_words} {month_words} {}", year_words(lang, year)),
        None => format!("{day_words} {month_words}"),
    }
}

/// English ordinals, for dates and for "21st" in running text.
pub(super) fn ordinal(n: u64) -> String {
    let words = of(Lang::En);
    let (base, last) = if n < 100 { (0, n) } else { (n - n % 100, n % 100) };
    let tail = match last {
        0 if n == 0 => return "zeroth".to_owned(),
        0 => return format!("{}th", cardinal(words, n)),
        1..=31 => ORDINALS[(last as usize) - 1].to_owned(),
        _ if last % 10 == 0 => format!("{}ieth", cardinal(words, last).trim_end_matches('y')),
        _ => format!("{}-{}", cardinal(words, last - last % 10), ORDINALS[(last % 10) as usize - 1]),
    };
    if base == 0 { tail } else { format!("{} {tail}", cardinal(words, base)) }
}

/// A time of day with its part of the day: "शाम साढ़े पाँच बजे", "five thirty PM". 24-hour input.
pub fn clock(lang: Lang, hour: u8, minute: u8) -> String {
    Face { hour, minute, part: true }.wrapped(lang, of(lang).clock.hour)
}

/// A time to be said. Hours above 23 and minutes above 59 are said as they are, without a wrong promise.
#[derive(Clone, Copy)]
pub(super) struct Face {
    pub(super) hour: u8,
    pub(super) minute: u8,
    /// Say morning, afternoon … too.
    pub(super) part: bool,
}

impl Face {
    /// The time inside a template around the hour: "{} बजे".
    pub(super) fn wrapped(self, lang: Lang, template: &str) -> String {
        let words = of(lang);
        let (hour12, text) = (self.hour12(), self.bare(lang));
        let text = match (lang, self.minute) {
            (Lang::En, 0) if !self.part => template.replace("{}", &text),
            (Lang::En, _) => text,
            (Lang::Te, 0) if hour12 == 1 => "ఒంటి గంట".to_owned(),
            _ if self.in_one_word(lang) => template.replace("{}", &text),
            _ => words
                .clock
                .minutes
                .replace("{h}", &attributive(words, u64::from(hour12)))
                .replace("{m}", &attributive(words, u64::from(self.minute))),
        };
        let text = if lang == Lang::Bn { bengali_hour(&text) } else { text };
        self.with_part(lang, text)
    }

    /// The bare clock time with its part of the day, for texts that say "o'clock" themselves.
    pub(super) fn unwrapped(self, lang: Lang) -> String {
        self.with_part(lang, self.bare(lang))
    }

    fn with_part(self, lang: Lang, text: String) -> String {
        if !self.part {
            return text;
        }
        match lang {
            Lang::En => format!("{text} {}", if self.hour % 24 < 12 { "AM" } else { "PM" }),
            _ => format!("{} {text}", of(lang).parts[part_of_day(self.hour)]),
        }
    }

    fn bare(self, lang: Lang) -> String {
        let words = of(lang);
        let hour12 = self.hour12();
        let next = hour12 % 12 + 1;
        let small = |n: u8| words.small[usize::from(n % 100)];
        match (self.minute, words.clock.quarters) {
            (0, _) if lang == Lang::Ta || lang == Lang::Ml || lang == Lang::Te => attributive(words, u64::from(hour12)),
            (0, _) => small(hour12).to_owned(),
            (30, _) => words.clock.halves[usize::from(hour12) - 1].to_owned(),
            (15, Some((past, _))) => past.replace("{}", small(hour12)),
            (45, Some((_, to))) => to.replace("{}", small(next)),
            (1..=9, _) if lang == Lang::En => format!("{} oh {}", small(hour12), small(self.minute)),
            (minute, _) => format!("{} {}", small(hour12), small(minute)),
        }
    }

    /// Is the time said as one expression around which "o'clock" fits?
    fn in_one_word(self, lang: Lang) -> bool {
        matches!(self.minute, 0 | 30) || (of(lang).clock.quarters.is_some() && matches!(self.minute, 15 | 45))
    }

    const fn hour12(self) -> u8 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }
}

/// Index into [`super::words::Words::parts`].
pub(super) const fn part_of_day(hour: u8) -> usize {
    match hour {
        4..=11 => 0,
        12..=15 => 1,
        16..=19 => 2,
        _ => 3,
    }
}

/// Bengali hours take a classifier of their own: দুটো, তিনটে, ছটা.
pub(super) fn bengali_hour(text: &str) -> String {
    let mut text = text.to_owned();
    for (number, classifier, both) in of(Lang::Bn).joins.iter().filter(|(_, classifier, _)| *classifier == "টা") {
        text = text.replace(&format!("{number}{classifier}"), both);
    }
    text
}

/// A canonical English date or time (`5 June`, `tomorrow 10:30 AM`, `Friday`, `month end`) in the
/// words that fill `{due_date}` and `{time}` of a catalogue line. Hindi, Marathi, Gujarati and
/// Punjabi lines write "o'clock" themselves, so a time comes without it there. Anything else is
/// returned as [`spoken`] says it.
pub fn canonical_when(lang: Lang, canonical: &str) -> String {
    let found = slots::find(Lang::En, canonical);
    let words = of(lang);
    let mut parts: Vec<String> = Vec::new();
    if let Some(date_slot) = found.date {
        parts.push(date_words(lang, date_slot));
    }
    match found.time {
        Some(TimeSlot::At { hour, minute }) => {
            let face = Face { hour, minute, part: true };
            parts.push(if words.clock.said_by_template {
                face.unwrapped(lang)
            } else {
                face.wrapped(lang, words.clock.linked)
            });
        }
        Some(TimeSlot::Part(part)) => parts.push(words.parts[part as usize].to_owned()),
        Some(TimeSlot::InMinutes(minutes)) => {
            parts.push(words.in_minutes.replace("{}", &attributive(words, u64::from(minutes))));
        }
        Some(TimeSlot::Later) => parts.push(words.later.to_owned()),
        None => {}
    }
    if parts.is_empty() { spoken(lang, canonical) } else { parts.join(" ") }
}

/// Does a canonical English time name an hour? Only then it fits a line that says "at {time} o'clock".
pub fn names_an_hour(canonical: &str) -> bool {
    matches!(slots::find(Lang::En, canonical).time, Some(TimeSlot::At { .. }))
}

fn date_words(lang: Lang, slot: DateSlot) -> String {
    let words = of(lang);
    match slot {
        DateSlot::Today => words.relative[0].to_owned(),
        DateSlot::Tomorrow => words.relative[1].to_owned(),
        DateSlot::DayAfterTomorrow => words.relative[2].to_owned(),
        DateSlot::ThisWeek => words.relative[3].to_owned(),
        DateSlot::NextWeek => words.relative[4].to_owned(),
        DateSlot::ThisMonth => words.relative[5].to_owned(),
        DateSlot::NextMonth => words.relative[6].to_owned(),
        DateSlot::MonthEnd => words.relative[7].to_owned(),
        DateSlot::InDays(days) => words.in_days.replace("{}", &attributive(words, u64::from(days))),
        DateSlot::Weekday(day) => words.weekdays[usize::from(day % 7)].to_owned(),
        DateSlot::Day { day, month: Some(month), year } => date(lang, day, month, year),
        DateSlot::Day { day, month: None, .. } => match lang {
            Lang::En => ordinal(u64::from(day)),
            _ => cardinal(words, u64::from(day)),
        },
    }
}
