//! Dates and times in a row of tokens. What is understood is marked used, so that numbers of a
//! date are not read again as amounts.

use super::numeral;
use super::token::Token;
use super::{DateSlot, DayPart, TimeSlot};
use crate::dialogue::speak::words::Heard;

pub(super) fn find(tokens: &mut [Token]) -> (Option<DateSlot>, Option<TimeSlot>) {
    let part = tokens.iter().find_map(|token| match token {
        Token::Word(Heard::Part(part)) => Some(*part),
        _ => None,
    });
    // "In two days", "after half an hour" first: their numbers are neither hours nor days of a month.
    let span = span(tokens);
    let date = calendar_date(tokens).or_else(|| relative(tokens));
    let clock = clock(tokens, part);
    let (in_days, in_minutes) = match span {
        Some(Span::Days(days)) => (Some(DateSlot::InDays(days)), None),
        Some(Span::Minutes(minutes)) => (None, Some(TimeSlot::InMinutes(minutes))),
        None => (None, None),
    };
    let later = tokens.contains(&Token::Word(Heard::Later)).then_some(TimeSlot::Later);
    let date = date.or(in_days);
    let time = clock.or(in_minutes).or_else(|| part.map(day_part)).or(if date.is_none() { later } else { None });
    (date, time)
}

fn day_part(part: u8) -> TimeSlot {
    TimeSlot::Part(match part {
        0 => DayPart::Morning,
        1 => DayPart::Afternoon,
        2 => DayPart::Evening,
        _ => DayPart::Night,
    })
}

fn use_up(tokens: &mut [Token], from: usize, to: usize) {
    for token in tokens.iter_mut().take(to).skip(from) {
        *token = Token::Used;
    }
}

enum Span {
    Days(u16),
    Minutes(u32),
}

fn span(tokens: &mut [Token]) -> Option<Span> {
    let mut from = 0;
    while from < tokens.len() {
        let i = from;
        from += 1;
        let half = tokens[i] == Token::Word(Heard::Half) || tokens[i] == Token::Word(Heard::Times(500));
        let (thousandths, end) = if half {
            (500, i + 1)
        } else {
            match numeral::at(tokens, i) {
                Some(numeral) => (numeral.thousandths, numeral.end),
                None => continue,
            }
        };
        from = end;
        let Some(Token::Word(unit)) = tokens.get(end) else { continue };
        // "two days ago" is past; "eight o'clock five minutes" is a time of day.
        let behind_clock = i > 0 && matches!(tokens[i - 1], Token::Word(Heard::Clock | Heard::MaybeClock));
        if tokens.get(end + 1) == Some(&Token::Word(Heard::Ago)) || (behind_clock && *unit == Heard::Minutes) {
            continue;
        }
        let minutes = match unit {
            Heard::Minutes => thousandths / 1_000,
            Heard::Hours => thousandths.saturating_mul(60) / 1_000,
            Heard::Days if thousandths.is_multiple_of(1_000) => {
                let days = u16::try_from(thousandths / 1_000).ok().filter(|d| *d <= 366)?;
                use_up(tokens, i, end + 1);
                return Some(Span::Days(days));
            }
            Heard::Weeks if thousandths.is_multiple_of(1_000) => {
                let days = u16::try_from(thousandths.saturating_mul(7) / 1_000).ok().filter(|d| *d <= 366)?;
                use_up(tokens, i, end + 1);
                return Some(Span::Days(days));
            }
            _ => continue,
        };
        let minutes = u32::try_from(minutes).ok().filter(|m| *m > 0 && *m <= 7 * 24 * 60)?;
        use_up(tokens, i, end + 1);
        return Some(Span::Minutes(minutes));
    }
    None
}

fn calendar_date(tokens: &mut [Token]) -> Option<DateSlot> {
    for token in tokens.iter_mut() {
        if let Token::Date { day, month, year } = *token {
            *token = Token::Used;
            return Some(DateSlot::Day { day, month: Some(month), year: Some(year) });
        }
    }
    for i in 0..tokens.len() {
        let Token::Word(Heard::Month(month)) = tokens[i] else { continue };
        if let Some((day, start)) = day_ending_at(tokens, i) {
            let (year, end) = year_at(tokens, i + 1);
            use_up(tokens, start, end);
            return Some(DateSlot::Day { day, month: Some(month), year });
        }
        let after = skip(tokens, i + 1, &[Heard::DateMark]);
        if let Some((day, end)) = day_at(tokens, after) {
            let end = skip(tokens, end, &[Heard::OrdinalMark, Heard::DateMark]);
            let (year, end) = year_at(tokens, end);
            use_up(tokens, i, end);
            return Some(DateSlot::Day { day, month: Some(month), year });
        }
    }
    // "five tareekh": a day without its month.
    for i in 0..tokens.len() {
        let marked = matches!(tokens[i], Token::Word(Heard::DateMark | Heard::OrdinalMark));
        if marked && let Some((day, start)) = day_ending_at(tokens, i) {
            use_up(tokens, start, i + 1);
            return Some(DateSlot::Day { day, month: None, year: None });
        }
    }
    None
}

fn skip(tokens: &[Token], mut i: usize, fillers: &[Heard]) -> usize {
    while let Some(Token::Word(heard)) = tokens.get(i)
        && fillers.contains(heard)
    {
        i += 1;
    }
    i
}

/// A day of the month that begins at `from`.
fn day_at(tokens: &[Token], from: usize) -> Option<(u8, usize)> {
    if let Some(Token::Word(Heard::Ord(day))) = tokens.get(from) {
        return Some((*day, from + 1));
    }
    let numeral = numeral::at(tokens, from)?;
    // "twenty fifth": tens and an ordinal.
    if let (Some(tens @ (20 | 30)), Some(Token::Word(Heard::Ord(unit @ 1..=9)))) =
        (numeral.whole(), tokens.get(numeral.end))
    {
        let day = u8::try_from(tens).ok()? + unit;
        return (day <= 31).then_some((day, numeral.end + 1));
    }
    let day = numeral.whole().and_then(|n| u8::try_from(n).ok()).filter(|n| (1..=31).contains(n))?;
    (!numeral.scaled).then_some((day, numeral.end))
}

/// A day of the month that ends before `end`, fillers between them.
fn day_ending_at(tokens: &[Token], end: usize) -> Option<(u8, usize)> {
    let mut stop = end;
    while stop > 0 && matches!(tokens[stop - 1], Token::Word(Heard::DateMark | Heard::OrdinalMark)) {
        stop -= 1;
    }
    (1..=3)
        .rev()
        .filter_map(|length| stop.checked_sub(length))
        .find_map(|start| day_at(tokens, start).filter(|(_, at)| *at == stop).map(|(day, _)| (day, start)))
}

fn year_at(tokens: &[Token], from: usize) -> (Option<u16>, usize) {
    let none = (None, from);
    let Some(numeral) = numeral::at(tokens, from) else { return none };
    // "nineteen ninety", "twenty twenty-six".
    if let Some(century @ 19..=20) = numeral.whole()
        && let Some(rest) = numeral::at(tokens, numeral.end)
        && let Some(years @ 10..=99) = rest.whole()
    {
        return (u16::try_from(century * 100 + years).ok(), rest.end);
    }
    // "nineteen oh five".
    if let Some(century @ 19..=20) = numeral.whole()
        && tokens.get(numeral.end) == Some(&Token::Word(Heard::Oh))
        && let Some(rest) = numeral::at(tokens, numeral.end + 1)
        && let Some(years @ 1..=9) = rest.whole()
    {
        return (u16::try_from(century * 100 + years).ok(), rest.end);
    }
    match numeral.whole() {
        Some(year @ 1900..=2099) => (u16::try_from(year).ok(), numeral.end),
        _ => none,
    }
}

fn relative(tokens: &mut [Token]) -> Option<DateSlot> {
    let mut found = None;
    for token in tokens.iter_mut() {
        let Token::Word(heard) = token else { continue };
        let slot = match heard {
            Heard::Today => DateSlot::Today,
            Heard::Tomorrow => DateSlot::Tomorrow,
            Heard::DayAfter => DateSlot::DayAfterTomorrow,
            Heard::ThisWeek => DateSlot::ThisWeek,
            Heard::NextWeek => DateSlot::NextWeek,
            Heard::ThisMonth => DateSlot::ThisMonth,
            Heard::NextMonth => DateSlot::NextMonth,
            Heard::MonthEnd => DateSlot::MonthEnd,
            Heard::Weekday(day) => DateSlot::Weekday(*day),
            _ => continue,
        };
        // "not today, tomorrow": the last day named counts; "this month end" is the end.
        let weaker = matches!(slot, DateSlot::ThisMonth | DateSlot::ThisWeek) && found.is_some();
        if !weaker {
            found = Some(slot);
        }
        *token = Token::Used;
    }
    found
}

fn clock(tokens: &mut [Token], part: Option<u8>) -> Option<TimeSlot> {
    // Figures with a colon, then a number before "o'clock" or AM/PM, then a number beside a part of the day.
    for i in 0..tokens.len() {
        if let Token::Clock { hour, minute } = tokens[i] {
            let next = tokens.get(i + 1).cloned();
            let end =
                if matches!(next, Some(Token::Word(Heard::Am | Heard::Pm | Heard::Clock))) { i + 2 } else { i + 1 };
            use_up(tokens, i, end);
            return Some(at(hour, minute, half_of_day(next.as_ref()), part));
        }
    }
    for i in 0..tokens.len() {
        let Some((hour, minute, end)) = spoken_hour(tokens, i) else { continue };
        let next = tokens.get(end).cloned();
        let clear = match next {
            Some(Token::Word(Heard::Clock | Heard::Am | Heard::Pm)) => true,
            Some(Token::Word(Heard::MaybeClock)) => part.is_some(),
            _ => false,
        };
        if clear {
            let (minute, end) = minutes_behind(tokens, end + 1).map_or((minute, end + 1), |(m, e)| (m, e));
            let half = half_of_day(next.as_ref()).or_else(|| half_of_day(tokens.get(end)));
            use_up(tokens, i, end);
            return Some(at(hour, minute, half, part));
        }
    }
    // "half past ten", "saadhe paanch" need no "o'clock"; a currency or a unit makes them something else.
    for i in 0..tokens.len() {
        if matches!(tokens[i], Token::Word(Heard::Plus(_) | Heard::Minus(_)))
            && let Some((hour, minute, end)) = spoken_hour(tokens, i)
            && !matches!(
                tokens.get(end),
                Some(Token::Word(Heard::Rupee | Heard::Days | Heard::Weeks | Heard::Hours | Heard::Minutes))
            )
        {
            use_up(tokens, i, end);
            return Some(at(hour, minute, None, part));
        }
    }
    // "at five", "after six" with nothing counted behind it.
    for i in 1..tokens.len() {
        let counted =
            |end: usize| matches!(tokens.get(end), Some(Token::Other | Token::Word(Heard::Rupee | Heard::Days)));
        if tokens[i - 1] == Token::Word(Heard::At)
            && let Some((hour, minute, end)) = spoken_hour(tokens, i)
            && !counted(end)
        {
            use_up(tokens, i, end);
            return Some(at(hour, minute, None, part));
        }
    }
    part?;
    for i in 0..tokens.len() {
        let Some((hour, minute, end)) = spoken_hour(tokens, i) else { continue };
        let beside = (i > 0 && is_part(&tokens[i - 1])) || tokens.get(end).is_some_and(is_part);
        let said_at = i > 0 && tokens[i - 1] == Token::Word(Heard::At);
        let in_the = tokens.get(end..).is_some_and(|rest| rest.iter().take(3).any(is_part));
        if beside || said_at || in_the {
            use_up(tokens, i, end);
            return Some(at(hour, minute, None, part));
        }
    }
    None
}

const fn is_part(token: &Token) -> bool {
    matches!(token, Token::Word(Heard::Part(_)))
}

fn half_of_day(token: Option<&Token>) -> Option<bool> {
    match token {
        Some(Token::Word(Heard::Am)) => Some(false),
        Some(Token::Word(Heard::Pm)) => Some(true),
        _ => None,
    }
}

/// "nau", "saadhe nau", "nine thirty", "sava nau", "paune das".
fn spoken_hour(tokens: &[Token], from: usize) -> Option<(u8, u8, usize)> {
    let numeral = numeral::at(tokens, from)?;
    if numeral.scaled {
        return None;
    }
    let hour = u8::try_from(numeral.thousandths / 1_000).ok().filter(|h| *h <= 12)?;
    let minute = u8::try_from(numeral.thousandths % 1_000 * 60 / 1_000).ok()?;
    // "paune ek" is a quarter to one.
    let hour = if hour == 0 && matches!(tokens[from], Token::Word(Heard::Minus(_))) { 12 } else { hour };
    if minute == 0
        && hour >= 1
        && tokens.get(numeral.end) == Some(&Token::Word(Heard::Oh))
        && let Some(rest) = numeral::at(tokens, numeral.end + 1)
        && let Some(minutes @ 1..=9) = rest.whole()
    {
        return Some((hour, u8::try_from(minutes).ok()?, rest.end));
    }
    if minute == 0
        && hour >= 1
        && let Some(rest) = numeral::at(tokens, numeral.end)
        && let Some(minutes @ 10..=59) = rest.whole()
        && !rest.scaled
    {
        return Some((hour, u8::try_from(minutes).ok()?, rest.end));
    }
    (hour >= 1).then_some((hour, minute, numeral.end))
}

/// "nau bajkar bees minute".
fn minutes_behind(tokens: &[Token], from: usize) -> Option<(u8, usize)> {
    let numeral = numeral::at(tokens, from)?;
    let minutes = numeral.whole().and_then(|m| u8::try_from(m).ok()).filter(|m| *m < 60)?;
    (tokens.get(numeral.end) == Some(&Token::Word(Heard::Minutes))).then_some((minutes, numeral.end + 1))
}

fn at(hour: u8, minute: u8, half: Option<bool>, part: Option<u8>) -> TimeSlot {
    if hour > 12 || hour == 0 {
        return TimeSlot::At { hour, minute };
    }
    let on_twelve = hour % 12;
    let afternoon = match (half, part) {
        (Some(afternoon), _) => afternoon,
        (None, Some(0)) => false,
        (None, Some(1)) => on_twelve < 8,
        (None, Some(2)) => true,
        // Night runs from seven in the evening to four in the morning.
        (None, Some(_)) => on_twelve >= 5,
        // Nobody is called back at night: hours without a part of the day are between 8 and 19.
        (None, None) => on_twelve < 8,
    };
    TimeSlot::At { hour: on_twelve + if afternoon { 12 } else { 0 }, minute }
}
