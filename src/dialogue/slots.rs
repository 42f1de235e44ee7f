//! What a caller said, as values: amounts, dates, times, digit strings and numbers.
//! Promise: reads numbers as digits, as words and mixed, with lakh and crore and "dedh", "dhai",
//! "saadhe"; dates and times come out in the canonical English of the action tags (`5 June`,
//! `tomorrow`, `Friday`, `month end`, `10:30 AM`), whatever was spoken. Never panics.
//! Absent on purpose: today's date (the caller of this module resolves "tomorrow").

mod lexicon;
mod numeral;
#[cfg(test)]
mod tests;
mod token;
mod when;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::Lang;

/// Everything found in one utterance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Money: a number beside a currency word, or one said in thousands or more.
    pub amount_paise: Option<u64>,
    pub date: Option<DateSlot>,
    pub time: Option<TimeSlot>,
    /// The longest run of digits read one by one or written as one run of three or more.
    pub digits: Option<String>,
    /// The first number that is no part of a date or a time.
    pub number: Option<u64>,
}

impl Slots {
    /// Date and time as one canonical value: `tomorrow 10:30 AM`.
    pub fn when(&self) -> Option<String> {
        match (&self.date, &self.time) {
            (Some(date), Some(time)) => Some(format!("{date} {time}")),
            (Some(date), None) => Some(date.to_string()),
            (None, Some(time)) => Some(time.to_string()),
            (None, None) => None,
        }
    }
}

/// Reads what a caller said in `lang`, as a recogniser writes it. English words are understood in
/// every language.
pub fn find(lang: Lang, text: &str) -> Slots {
    let lexicon = lexicon::of(lang);
    let mut tokens = token::tokens(lexicon, text);
    let (date, time) = when::find(&mut tokens);
    let numbers = numeral::find(&tokens);
    Slots { amount_paise: numbers.amount_paise, date, time, digits: numbers.digits, number: numbers.number }
}

/// A day, as callers name one. Serialises as its canonical English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateSlot {
    Today,
    Tomorrow,
    DayAfterTomorrow,
    ThisWeek,
    NextWeek,
    ThisMonth,
    NextMonth,
    MonthEnd,
    InDays(u16),
    /// From Monday, 0.
    Weekday(u8),
    /// "the fifth" without a month leaves the month open.
    Day {
        day: u8,
        month: Option<u8>,
        year: Option<u16>,
    },
}

/// A time of day, as callers name one. Serialises as its canonical English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSlot {
    /// 24-hour.
    At {
        hour: u8,
        minute: u8,
    },
    Part(DayPart),
    InMinutes(u32),
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayPart {
    Morning,
    Afternoon,
    Evening,
    Night,
}

const PARTS: [(DayPart, &str); 4] = [
    (DayPart::Morning, "morning"),
    (DayPart::Afternoon, "afternoon"),
    (DayPart::Evening, "evening"),
    (DayPart::Night, "night"),
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl fmt::Display for DateSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Today => f.write_str("today"),
            Self::Tomorrow => f.write_str("tomorrow"),
            Self::DayAfterTomorrow => f.write_str("day after tomorrow"),
            Self::ThisWeek => f.write_str("this week"),
            Self::NextWeek => f.write_str("next week"),
            Self::ThisMonth => f.write_str("this month"),
            Self::NextMonth => f.write_str("next month"),
            Self::MonthEnd => f.write_str("month end"),
            Self::InDays(1) => f.write_str("in 1 day"),
            Self::InDays(days) => write!(f, "in {days} days"),
            Self::Weekday(day) => f.write_str(WEEKDAYS[usize::from(day % 7)]),
            Self::Day { day, month: None, .. } => write!(f, "{day}{}", ordinal_ending(day)),
            Self::Day { day, month: Some(month), year } => {
                write!(f, "{day} {}", MONTHS[usize::from(month.clamp(1, 12)) - 1])?;
                year.map_or(Ok(()), |year| write!(f, " {year}"))
            }
        }
    }
}

const fn ordinal_ending(day: u8) -> &'static str {
    match (day % 10, day / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    }
}

impl fmt::Display for TimeSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::At { hour, minute } => {
                let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
                let half = if hour % 24 < 12 { "AM" } else { "PM" };
                if minute == 0 { write!(f, "{hour12} {half}") } else { write!(f, "{hour12}:{minute:02} {half}") }
            }
            Self::Part(part) => f.write_str(PARTS[part as usize].1),
            Self::InMinutes(1) => f.write_str("in 1 minute"),
            Self::InMinutes(minutes) => write!(f, "in {minutes} minutes"),
            Self::Later => f.write_str("later"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no canonical date or time")]
pub struct NotCanonical(pub String);

impl FromStr for DateSlot {
    type Err = NotCanonical;

    fn from_str(s: &str) -> Result<Self, NotCanonical> {
        find(Lang::En, s).date.ok_or_else(|| NotCanonical(s.to_owned()))
    }
}

impl FromStr for TimeSlot {
    type Err = NotCanonical;

    fn from_str(s: &str) -> Result<Self, NotCanonical> {
        find(Lang::En, s).time.ok_or_else(|| NotCanonical(s.to_owned()))
    }
}

impl Serialize for DateSlot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for TimeSlot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DateSlot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TimeSlot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
