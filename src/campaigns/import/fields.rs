//! What people write into a cell, and what it means. Every refusal says what to write instead and
//! never repeats the value: reports of one customer's row may be read by somebody else.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::cell::{Cell, date_of_serial};
use crate::base::Lang;
use crate::base::phone::{Phone, ascii_digits};
use crate::store::customers::Pool;

/// Why a cell is not taken, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: &'static str,
    pub(super) advice: &'static str,
}

const fn wrong<T>(reason: &'static str, advice: &'static str) -> Result<T, Wrong> {
    Err(Wrong { reason, advice })
}

pub(super) fn phone(cell: &Cell) -> Result<Phone, Wrong> {
    Phone::of_customer(&cell.text()).map_err(|wrong| Wrong { reason: wrong.reason(), advice: wrong.advice() })
}

/// Rupees as people write them, in paise.
pub(super) fn amount(cell: &Cell) -> Result<i64, Wrong> {
    const ADVICE: &str = "write rupees such as 12500, 12,500.50 or ₹1,25,000";
    let text = ascii_digits(&cell.text()).to_lowercase();
    let mut text = text.trim();
    for sign in ["₹", "rs.", "rs", "inr", "रु."] {
        text = text.strip_prefix(sign).unwrap_or(text).trim_start();
        text = text.strip_suffix(sign).unwrap_or(text).trim_end();
    }
    let text = text.strip_suffix("/-").unwrap_or(text).trim();
    if text.starts_with('-') || text.starts_with('(') {
        return wrong("the amount is negative", ADVICE);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole = grouped(whole).ok_or(Wrong { reason: "this is no amount", advice: ADVICE })?;
    if !part.bytes().all(|b| b.is_ascii_digit()) {
        return wrong("this is no amount", ADVICE);
    }
    let part = if part.len() > 2 {
        // A spreadsheet's 12500.500000000001 is 12500.50; 12.345 is nobody's amount.
        let Cell::Number(number) = cell else {
            return wrong("the amount has more than two decimal places", ADVICE);
        };
        return round_paise(*number).ok_or(Wrong { reason: "the amount is too large", advice: ADVICE });
    } else {
        format!("{part:0<2}")
    };
    // Ten thousand crore rupees.
    const MOST: i64 = 10_000_000_000_000;
    match (whole + &part).parse::<i64>() {
        Ok(paise) if paise <= MOST => Ok(paise),
        _ => wrong("the amount is too large", ADVICE),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounded before it is cut")]
fn round_paise(rupees: f64) -> Option<i64> {
    let paise = (rupees * 100.0).round();
    (0.0..=1e13).contains(&paise).then_some(paise as i64)
}

/// Digits with commas where Indian or western writing has them.
fn grouped(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split(',').collect();
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let (last, before) = groups.split_last()?;
    let fits = groups.iter().all(|group| digits(group))
        && (before.is_empty()
            || (last.len() == 3
                && before[0].len() <= 3
                && before[1..].iter().all(|group| group.len() == 2 || group.len() == 3)));
    fits.then(|| groups.concat())
}

const DATE_ADVICE: &str = "write the date as 2025-08-31, 31/08/2025 or 31 Aug 2025";

pub(super) fn date(cell: &Cell) -> Result<Date, Wrong> {
    moment(cell).map(|(date, _)| date)
}

/// With the time of day where there is one.
fn moment(cell: &Cell) -> Result<(Date, Option<jiff::civil::Time>), Wrong> {
    let at = match cell {
        Cell::Date(at) => Some((at.date(), Some(at.time()))),
        Cell::Number(serial) => date_of_serial(*serial, false).map(|at| (at.date(), Some(at.time()))),
        Cell::Text(_) => None,
    };
    let (date, time) = match at {
        Some(found) => found,
        None => written(&ascii_digits(&cell.text()))?,
    };
    if (1990..=2100).contains(&date.year()) {
        Ok((date, time))
    } else {
        wrong("the year is not between 1990 and 2100", DATE_ADVICE)
    }
}

fn written(text: &str) -> Result<(Date, Option<jiff::civil::Time>), Wrong> {
    let none = Wrong { reason: "this is no date", advice: DATE_ADVICE };
    let (day, time) = match text.split_once(['T', ',']) {
        Some((day, time)) if day.len() >= 8 => (day.trim(), time.trim()),
        _ => match text.rfind(' ').filter(|at| text[*at..].contains(':')) {
            Some(at) => {
                let (day, time) = text.split_at(at);
                // `5:30 pm` has a space of its own, which rfind has not found: it has no colon.
                (day.trim(), time.trim())
            }
            None => half_day(text).unwrap_or((text, "")),
        },
    };
    let time = if time.is_empty() { None } else { Some(clock_time(time).ok_or(none.clone())?) };
    let parts: Vec<&str> = day.split(['-', '/', '.', ' ']).filter(|part| !part.is_empty()).collect();
    let [a, b, c] = parts[..] else { return Err(none) };
    let number = |part: &str| part.parse::<i16>().ok();
    let (year, month, day) = if a.len() == 4 {
        (number(a), number(b).or_else(|| month(b)), number(c))
    } else {
        let year = number(c).map(|year| if c.len() == 2 { 2_000 + year } else { year });
        (year, number(b).or_else(|| month(b)), number(a))
    };
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return Err(none) };
    if month > 12 && day <= 12 {
        return wrong("the day must come before the month", DATE_ADVICE);
    }
    let narrow = |n: i16| i8::try_from(n).map_err(|_| none.clone());
    let date = Date::new(year, narrow(month)?, narrow(day)?)
        .map_err(|_| Wrong { reason: "there is no such day", advice: DATE_ADVICE })?;
    Ok((date, time))
}

/// `17/08/2025 5:30 pm`: the time has a space in it.
fn half_day(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(':')?;
    let at = text[..colon].rfind(' ')?;
    Some((text[..at].trim(), text[at..].trim()))
}

fn month(name: &str) -> Option<i16> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short: String = name.to_lowercase().chars().take(3).collect();
    let at = MONTHS.iter().position(|month| *month == short)?;
    i16::try_from(at + 1).ok()
}

fn clock_time(text: &str) -> Option<jiff::civil::Time> {
    let lower = text.to_lowercase();
    let (digits, late) = match lower.split_at_checked(lower.len().saturating_sub(2))? {
        (digits, "pm") => (digits.trim(), Some(true)),
        (digits, "am") => (digits.trim(), Some(false)),
        _ => (lower.as_str(), None),
    };
    let mut parts = digits.split(':').map(|part| part.parse::<i8>().ok());
    let hour = parts.next()??;
    let minute = parts.next()??;
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() {
        return None;
    }
    let hour = match late {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(true) => hour % 12 + 12,
        Some(false) => hour % 12,
        None => hour,
    };
    jiff::civil::Time::new(hour, minute, second, 0).ok()
}

/// When to call back, on the site's clock unless the cell says a zone; milliseconds since 1970.
pub(super) fn callback(cell: &Cell, zone: &TimeZone) -> Result<i64, Wrong> {
    const ADVICE: &str = "write date and time such as 2025-08-31 17:30 or 31/08/2025 5:30 pm";
    if let Ok(at) = cell.text().parse::<jiff::Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let (date, time) = moment(cell).map_err(|wrong| Wrong { advice: ADVICE, ..wrong })?;
    let Some(time) = time else { return wrong("the time of day is missing", ADVICE) };
    let at = DateTime::from_parts(date, time).to_zoned(zone.clone());
    at.map(|at| at.timestamp().as_millisecond()).or_else(|_| wrong("there is no such time", ADVICE))
}

pub(super) fn language(cell: &Cell) -> Result<Lang, Wrong> {
    cell.text().parse().or_else(|_| {
        wrong(
            "the box does not speak this language",
            "write en, hi, ta, te, ml, kn, gu, mr, bn, pa or or, or the language's name",
        )
    })
}

pub(super) fn pool(cell: &Cell) -> Result<Pool, Wrong> {
    match cell.text().to_lowercase().as_str() {
        "ai" | "bot" | "ai pool" | "ai agent" => Ok(Pool::Ai),
        "human" | "agent" | "human pool" | "human agent" => Ok(Pool::Human),
        _ => wrong("this is no pool", "write ai or human"),
    }
}

/// 0 to 9, higher is sooner.
pub(super) fn priority(cell: &Cell) -> Result<u8, Wrong> {
    let text = ascii_digits(&cell.text()).to_lowercase();
    let named = [("low", 2), ("normal", 5), ("medium", 5), ("high", 7), ("urgent", 9)];
    if let Some((_, priority)) = named.iter().find(|(name, _)| *name == text) {
        return Ok(*priority);
    }
    match text.parse::<u8>() {
        Ok(priority @ 0..=9) => Ok(priority),
        _ => wrong("this is no priority", "write 0 to 9 (9 is called first), or low, normal, high, urgent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn amounts_are_rupees_in_paise() {
        for (written, want) in [
            ("12500", 1_250_000),
            ("₹ 1,25,000", 12_500_000),
            ("Rs. 5,000/-", 500_000),
            ("125,000.5", 12_500_050),
            ("5000 INR", 500_000),
            ("0", 0),
            ("१२५", 12_500),
        ] {
            assert_eq!(amount(&text(written)), Ok(want), "{written}");
        }
        assert_eq!(amount(&Cell::Number(12_500.500_000_000_001)), Ok(1_250_050));
        for written in
            ["-5", "(500)", "12,34", "1234,50", "five", "12.345", "1e5", "", "99999999999999999999", ",", "1,,000"]
        {
            assert!(amount(&text(written)).is_err(), "{written}");
        }
    }

    #[test]
    fn dates_are_read_day_first() {
        for written in [
            "2025-08-17",
            "17/08/2025",
            "17-08-2025",
            "17.8.25",
            "17 Aug 2025",
            "17-August-25",
            "2025/08/17",
            "2025-08-17 10:30",
        ] {
            assert_eq!(date(&text(written)).map(|d| d.to_string()), Ok("2025-08-17".into()), "{written}");
        }
        assert_eq!(date(&Cell::Number(45_886.0)).unwrap().to_string(), "2025-08-17");
        for (written, says) in [
            ("08/17/2025", "before the month"),
            ("31/02/2025", "no such day"),
            ("soon", "no date"),
            ("17/08/1925", "year"),
            ("17/08", "no date"),
            ("1/2/3/4", "no date"),
        ] {
            let wrong = date(&text(written)).unwrap_err();
            assert!(wrong.reason.contains(says), "{written}: {}", wrong.reason);
        }
    }

    #[test]
    fn callbacks_are_on_the_sites_clock() {
        let india = TimeZone::fixed(jiff::tz::offset(5).saturating_add(jiff::SignedDuration::from_mins(30)));
        let want = 1_755_432_000_000; // 2025-08-17 12:00 UTC
        for written in [
            "2025-08-17 17:30",
            "17/08/2025 5:30 pm",
            "17/08/2025 5:30PM",
            "2025-08-17T12:00:00Z",
            "17 Aug 2025, 17:30",
        ] {
            assert_eq!(callback(&text(written), &india), Ok(want), "{written}");
        }
        assert!(callback(&text("17/08/2025"), &india).unwrap_err().reason.contains("time of day"));
        assert!(callback(&text("17/08/2025 25:00"), &india).is_err());
    }

    #[test]
    fn the_rest_is_words() {
        assert_eq!(language(&text("Tamil")), Ok(Lang::Ta));
        assert!(language(&text("French")).is_err());
        assert_eq!(pool(&text("AI Agent")), Ok(Pool::Ai));
        assert_eq!(priority(&text("High")), Ok(7));
        assert_eq!(priority(&Cell::Number(3.0)), Ok(3));
        assert!(priority(&text("10")).is_err());
    }
}
